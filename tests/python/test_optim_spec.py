"""A wrong entry of spec/optim.toml stops the build where it is."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY = '''
[half]
doc = "Half a step."
options = "lr=1"
states = []
body = """
param = fma(-lr * 0.5, grad, param)
"""
'''


@pytest.mark.parametrize(
    "old, new, text",
    [
        ("-lr * 0.5", "-rate * 0.5", "unknown name 'rate'"),
        ("param = fma", "lr = 2\nparam = fma", "the option 'lr' is written"),
        ("param = fma", "for i in x: pass\nparam = fma", "not allowed in a step"),
        ("param = fma", "if grad > 0:\n    param = grad\nparam = fma", "'if' needs a number: grad > 0"),
        ("fma(-lr * 0.5, grad, param)", "fma(grad, param)", "'fma' takes 3 arguments, not 2"),
        ('states = []', 'states = ["a if b"]', "unknown option 'b'"),
        ("doc =", "docs =", "unknown column 'docs'"),
        ("param = fma(", "param = fma((", "cannot read the body"),
    ],
)
def test_a_wrong_step_is_refused(tmp_path, old, new, text):
    assert old in ENTRY
    result = generate(tmp_path, ENTRY.replace(old, new))
    assert result.returncode == 1 and f"optim.toml:2: step 'half': {text}" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_new_entry_is_all_it_takes(tmp_path):
    result = generate(tmp_path, ENTRY)
    assert result.returncode == 0, result.stderr
    header = (tmp_path / "out/tallow/optim.h").read_text()
    assert "bool tw_half_step(" in header and "struct tw_half_options { double lr; }" in header


def generate(tmp_path, entry):
    spec = tmp_path / "spec"
    shutil.copytree(ROOT / "spec", spec)
    (spec / "optim.toml").write_text(entry)
    return subprocess.run([sys.executable, str(ROOT / "gen/main.py"), str(spec), str(tmp_path / "out")], capture_output=True, text=True)
