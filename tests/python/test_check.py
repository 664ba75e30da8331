"""tallow check: reads a program and says which names of torch tallow lacks."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tallow._check import Names, check_file

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def read(tmp_path):
    names = Names()

    def read(text):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(text))
        findings, used = check_file(str(path), names)
        return [(f.line, f.name) for f in findings], used

    return read


def missing(read, text):
    return read(text)[0]


def test_names_are_followed_through_imports_and_aliases(read):
    found, used = read(
        """
        import torch, os
        import torch.nn as nn
        from torch import optim as o, Tensor
        import torch.nn.functional
        from torch.nn import Linear, Conv9d
        F = torch.nn.functional
        L = nn.Linear
        F.relu
        F.nothing
        o.SGD
        o.Nothing
        L.nothing_at_all
        os.nothing
        torch.zeros(2).sum()
        """
    )
    assert found == [(6, "torch.nn.Conv9d"), (10, "torch.nn.functional.nothing"), (12, "torch.optim.Nothing"), (13, "torch.nn.Linear.nothing_at_all")]
    assert {"torch.nn.functional.relu", "torch.optim.SGD", "torch.nn.Linear", "torch.Tensor"} <= used


def test_tensors_are_known_where_they_are_made(read):
    assert missing(
        read,
        """
        import torch
        from torch import Tensor
        x = torch.zeros(3)
        y = (x.view(-1) + 1)[0].wobble()
        y.anything
        def f(t: Tensor, u, *args: Tensor):
            t.grad.wibble
            t.size().anything
            u.anything
            args.anything
            return (-t.T).warble
        for row in torch.ones(2, 2):
            row.wheeze()
        x.max(0).anything
        x.shape.anything
        with torch.no_grad():
            z = x.relu()
        z.whistle
        """,
    ) == [(5, "torch.Tensor.wobble"), (8, "torch.Tensor.wibble"), (12, "torch.Tensor.warble"), (14, "torch.Tensor.wheeze"), (19, "torch.Tensor.whistle")]


def test_what_hides_a_name_and_what_guards_it(read):
    assert missing(
        read,
        """
        import torch
        from torch import nn
        def f(nn, torch=None):
            return nn.Nothing, torch.nothing
        g = lambda torch: torch.nothing
        h = [nn.Nothing for nn in range(3)]
        try:
            from torch.nothing import a
            torch.nothing()
        except ImportError:
            a = None
        a.b
        if hasattr(torch, "compile_all"):
            torch.compile_all()
        else:
            torch.nothing_else
        def k():
            nn = 3
            nn.real
        nn.Nothing
        """,
    ) == [(17, "torch.nothing_else"), (21, "torch.nn.Nothing")]


def test_placeholders_are_missing(read):
    assert missing(
        read,
        """
        from torch.fx import symbolic_trace
        import torch
        torch.jit.freeze
        torch.distributed.all_reduce
        torch.distributed.is_available()
        torch.cuda.is_available()
        """,
    ) == [(2, "torch.fx.symbolic_trace"), (4, "torch.jit.freeze"), (5, "torch.distributed.all_reduce")]


def test_every_kind_of_statement(read):
    found = missing(
        read,
        """
        import torch
        from torch.nn import *
        @torch.no_grad()
        @torch.nothing1
        class A(Module, metaclass=torch.nothing2):
            x: torch.nothing3 = torch.nothing4
            async def f(self, *, a=torch.nothing5) -> torch.nothing6:
                async with torch.nothing7 as b:
                    b.c
                if (n := torch.nothing8):
                    n.d
                self.x[torch.nothing9] += torch.nothing10
                return {k: torch.nothing11 for k in torch.nothing12 if torch.nothing13}
        Linear(1, 2)
        match 1:
            case torch.nothing14:
                pass
        f"{torch.nothing15}"
        """,
    )
    assert [name for _, name in found] == [f"torch.nothing{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)]
    assert found[0] == (5, "torch.nothing1") and found[-1] == (19, "torch.nothing15")


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "tallow", "check", *map(str, arguments)], capture_output=True, text=True)


def test_the_command(tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "pack" / "bad.py"
    bad.parent.mkdir()
    good.write_text("import torch\nprint(torch.zeros(2))\n")
    bad.write_text("import torch\n\nx = torch.arrange(5)\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.py").write_text("import torch\ntorch.nothing\n")
    done = command(good)
    assert done.returncode == 0 and done.stdout == "1 file, 1 names of torch found in tallow, 0 missing\n"
    done = command(tmp_path)
    assert done.returncode == 1
    assert done.stdout == (
        f"{bad}:3:5: torch.arrange is not in tallow (did you mean torch.arange?)\n\nMissing: torch.arrange\n"
        "2 files, 1 names of torch found in tallow, 1 missing\n"
    )
    bad.write_text("def\n")
    done = command(tmp_path)
    assert done.returncode == 2 and f"{bad}:1:4: cannot be read: invalid syntax" in done.stdout.replace(":1:1:", ":1:4:")
    done = command(tmp_path / "none")
    assert done.returncode == 2 and "No such file or directory" in done.stderr


def test_nothing_is_run(tmp_path):
    path = tmp_path / "p.py"
    path.write_text(f"import torch\nopen({str(tmp_path / 'made')!r}, 'w')\nraise SystemExit(torch.nothing)\n")
    assert command(path).returncode == 1 and not (tmp_path / "made").exists()


@pytest.mark.skipif(not EXAMPLES.exists(), reason="needs the examples")
def test_the_examples_miss_nothing():
    done = command(EXAMPLES)
    assert done.returncode == 0, done.stdout
    assert " 0 names" not in done.stdout
