"""tallow in the place of torch: tallow run, python -m tallow, install_as_torch()."""

import os
import subprocess
import sys
import textwrap

import pytest
import tallow

PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(tallow.__file__)))


def python(*arguments, cwd=None):
    path = os.environ.get("PYTHONPATH", "")
    environment = dict(os.environ, PYTHONPATH=PACKAGE_PARENT + (os.pathsep + path if path else ""))
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    return str(path)


SCRIPT = """
    import sys
    import torch
    from torch import nn, optim
    import torch.nn.functional as F
    from torch.utils.data import DataLoader, TensorDataset
    from torch.nn.modules.linear import Linear
    import tallow, tallow.nn

    assert torch is tallow and nn is tallow.nn and sys.modules["torch.nn"] is tallow.nn
    assert F.nll_loss(torch.zeros(1, 2), torch.tensor([0]), reduction="sum").item() == 0
    assert torch.__version__.startswith("2.13") and torch.nn.Linear is Linear
    assert isinstance(torch.ones(1), torch.FloatTensor)
    import importlib.metadata, importlib.util
    assert importlib.metadata.version("torch") == torch.__version__
    assert importlib.util.find_spec("torch.nn.functional") is not None
    import pickle
    assert b"torch.nn.modules.linear" in pickle.dumps(Linear) and b"tallow" not in pickle.dumps(Linear)
    print(sys.argv[1:], __name__)
"""


def test_run_and_module(tmp_path):
    path = script(tmp_path, SCRIPT)
    for command in (["-m", "tallow", path], ["-m", "tallow", "run", path], ["-m", "tallow.cli", "--version"]):
        done = python(*command, *([] if command[-1] == "--version" else ["a", "b"]))
        assert done.returncode == 0, done.stderr
        if command[-1] != "--version":
            assert done.stdout == "['a', 'b'] __main__\n"


def test_run_says_what_is_wrong(tmp_path):
    done = python("-m", "tallow", str(tmp_path / "none.py"))
    assert done.returncode == 2 and "can't open file" in done.stderr
    done = python("-m", "tallow")
    assert done.returncode == 2 and "usage" in done.stderr
    done = python("-m", "tallow", script(tmp_path, "raise SystemExit(3)"))
    assert done.returncode == 3


def test_children_see_torch(tmp_path):
    path = script(tmp_path, """
        import subprocess, sys
        code = "import torch, sys; print(torch.__name__, 'tallow' in sys.modules)"
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout, end="")
    """)
    done = python("-m", "tallow", path)
    assert done.stdout == "tallow True\n", done.stderr


def test_install_refuses_beside_another_torch():
    pytest.importorskip("torch")
    done = python("-c", "import torch, tallow\ntry: tallow.install_as_torch()\nexcept RuntimeError as e: print(e)")
    assert "another torch is loaded already" in done.stdout, done.stderr


def test_import_is_lazy():
    code = (
        "import sys, tallow\n"
        "bad = [m for m in sys.modules if m == 'numpy' or m.startswith('tallow.') and m not in "
        "('tallow._C', 'tallow._tensor')]\nprint(bad)"
    )
    done = python("-c", code)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_the_first_array_may_be_of_a_subclass():
    """Whether an object is an array is found out once, and not from the name of its type."""
    program = """
        import numpy
        import tallow as torch
        class Array(numpy.ndarray):
            pass
        print(torch.from_numpy(numpy.arange(3).view(Array)).tolist(), torch.tensor(numpy.ones(1).view(Array)).dtype)
    """
    done = python("-c", textwrap.dedent(program))
    assert done.stdout == "[0, 1, 2] torch.float64\n", done.stderr
