"""The layers of docs/design.md: a file includes only headers of its own layer or of layers below it."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LAYERS = [["core"], ["kernels"], ["ops"], ["autograd"], ["composite"], ["nn", "io"], ["api"]]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/', re.M)


def arrows(source):
    return [name for name in INCLUDE.findall(source) if name in RANK]


@pytest.mark.parametrize("layer", RANK)
def test_includes_point_down(layer):
    wrong = []
    files = [path for path in sorted((ROOT / "src" / layer).rglob("*.[ch]"))]
    assert files
    for path in files:
        for target in arrows(path.read_text()):
            same_rank_neighbour = RANK[target] == RANK[layer] and target != layer
            if RANK[target] > RANK[layer] or same_rank_neighbour:
                wrong.append(f"{path.relative_to(ROOT)} includes {target}/")
    assert not wrong, "\n".join(wrong)


def test_an_upward_arrow_is_seen():
    assert arrows('#include "autograd/node.h"\n#include <stdio.h>\n') == ["autograd"]


def test_python_package_does_not_import_the_examples_or_tests():
    for path in (ROOT / "python").rglob("*.py"):
        assert not re.search(r"^\s*(from|import)\s+(tests|examples)\b", path.read_text(), re.M), path
