"""Follows docs/add-an-op.md: its entries go into a copy of the table, its C into a file, and what comes out is checked."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = (ROOT / "docs/add-an-op.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.S)


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(ROOT / "spec", folder / "spec")
    table = folder / "spec/elementwise.toml"
    table.write_text(table.read_text() + "\n" + "\n".join(blocks("toml")))
    result = subprocess.run([sys.executable, str(ROOT / "gen/main.py"), str(folder / "spec"), str(folder / "out")],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder / "out"


def test_the_elementwise_op_is_everywhere(generated):
    read = {path.name: path.read_text() for path in generated.iterdir() if path.is_file()}
    assert "TW_OP_softsign" in read["op_ids.h"]
    assert "tw_tensor *tw_softsign(tw_tensor *self);" in read["ops.h"]
    assert "tw_tensor *tw_softsign_(tw_tensor *self);" in read["ops.h"]
    assert "bool tw_softsign_grad(" in read["gradients.c"] and "bool tw_softsign_jvp(" in read["gradients.c"]
    kernels = "".join(text for name, text in read.items() if name.startswith("ew_kernels_"))
    for dtype in ("f32", "f64"):
        assert f"k_softsign_{dtype}" in kernels and f"k_softsign_grad_self_{dtype}" in kernels
    for space, name in (("torch", "softsign"), ("Tensor", "softsign"), ("Tensor", "softsign_")):
        assert f'{{"{space}", "{name}"' in read["bindings.c"]


def compiles(text, generated, folder):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("needs a C compiler")
    source = folder / "op.c"
    source.write_text(text)
    result = subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", f"-I{ROOT}/src",
                             f"-I{generated}", "-c", str(source), "-o", str(folder / "op.o")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_op_with_a_list_compiles(generated, tmp_path):
    compiles('#include "core/error.h"\n#include "ops/op.h"\n#include "ops_decl.h"\n' + blocks("c")[1], generated, tmp_path)
    assert ".pieces = tw_halves_pieces" in (generated / "ops_table.c").read_text()
    assert "int64_t tw_halves(tw_tensor *self, int64_t dim, tw_tensor **outs, int64_t room);" in (generated / "ops.h").read_text()


def test_the_kernel_op_compiles(generated, tmp_path):
    compiles(blocks("c")[0], generated, tmp_path)
    table = (generated / "ops_table.c").read_text()
    assert ".meta = tw_restart_sum_meta" in table and ".run = tw_restart_sum_run" in table


def test_the_documented_gradient_is_right():
    """d.self of the tutorial against a difference quotient."""
    entry = blocks("toml")[0]
    value, d = (re.search(rf'^{name} = "(.*)"', entry, re.M).group(1) for name in ("value", r"d\.self"))
    names = {"abs": abs, "square": lambda x: x * x}
    for x in (1.0, -3.0, 0.25):
        h = 1e-6
        f = [eval(value, {**names, "self": x + s * h}) for s in (1, -1)]
        assert abs((f[0] - f[1]) / (2 * h) - eval(d, {**names, "self": x})) < 1e-8
