"""The generator refuses a wrong table, with file and line; and its signatures are PyTorch's."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def generate(spec, out, *options):
    return subprocess.run([sys.executable, str(ROOT / "gen/main.py"), str(spec), str(out), *options], capture_output=True, text=True)


@pytest.fixture
def spec(tmp_path):
    folder = tmp_path / "spec"
    shutil.copytree(ROOT / "spec", folder)
    return folder


def line_of(path, text):
    return next(i for i, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def add(spec, entry):
    path = spec / "zz_extra.toml"
    path.write_text(entry)
    return path


GOOD = '''
[cube]
sig = "cube(Tensor self) -> Tensor"
kind = "elementwise"
value = "self * self * self"
d.self = "3 * (self * self)"
'''


def refused(spec, tmp_path, entry, culprit, *words):
    """The entry is refused with the line of `culprit` and a message that has all the words."""
    path = add(spec, entry)
    result = generate(spec, tmp_path / "out")
    assert result.returncode == 1
    place = f"{spec.name}/{path.name}:{line_of(path, culprit)}: "
    lines = [line for line in result.stderr.splitlines() if line.startswith(place)]
    assert lines, f"no message at {place}: {result.stderr}"
    for word in words:
        assert any(word in line for line in lines), f"{word!r} not in {lines}"
    assert not (tmp_path / "out").exists()


def test_the_table_is_accepted(spec, tmp_path):
    add(spec, GOOD)
    result = generate(spec, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "TW_OP_cube" in (tmp_path / "out/op_ids.h").read_text()


def test_output_is_the_same_every_time(spec, tmp_path):
    for out in ("one", "two"):
        generate(spec, tmp_path / out, "--lenient")
    names = sorted(path.name for path in (tmp_path / "one").iterdir() if path.is_file())
    assert names
    for name in names:
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


@pytest.mark.parametrize("old, new, culprit, words", [
    ('d.self = "3 * (self * self)"', 'grad.self = "grad * sigmod(self)"', "sigmod", ("unknown op 'sigmod'", "did you mean 'sigmoid'")),
    ('value = "self * self * self"', 'value = "sqrrt(self)"', "sqrrt", ("unknown function 'sqrrt'", "did you mean 'sqrt'")),
    ('d.self = "3 * (self * self)"\n', "", "[cube]", ("no derivative for 'self'",)),
    ('3 * (self * self)', '3 * (slef * self)', "slef", ("unknown name 'slef'", "did you mean 'self'")),
    ('3 * (self * self)', 'pow(self, expo=2)', "expo", ("'pow' has no argument 'expo'",)),
    ('3 * (self * self)', 'mm(self)', "mm(self)", ("'mm' needs the argument 'mat2'",)),
    ('3 * (self * self)', 'mm(self, self, self)', "mm(self", ("'mm' takes 2 arguments, not 3",)),
    ('"self * self * self"', '"pow(self)"', "pow(self)", ("'pow' takes 2 arguments, not 1",)),
    ('"self * self * self"', '"self * self * other"', "other", ("unknown name 'other'",)),
    ('kind = "elementwise"', 'kind = "elemntwise"', "elemntwise", ("unknown kind", "did you mean 'elementwise'")),
    ('kind = "elementwise"', 'kind = "elementwise"\npromot = "compare"', "promot", ("unknown column 'promot'", "did you mean 'promote'")),
    ('kind = "elementwise"', 'kind = "elementwise"\ndtypes = "flaot"', "flaot", ("unknown dtypes 'flaot'", "did you mean 'float'")),
    ('kind = "elementwise"', 'kind = "elementwise"\npromote = "int_to_flaot"', "int_to_flaot", ("unknown promote",)),
    ('kind = "elementwise"', 'kind = "elementwise"\nvariants = "metod"', "metod", ("unknown variants 'metod'",)),
    ('d.self', 'd.sefl', "d.sefl", ("has no tensor argument 'sefl'", "did you mean 'self'")),
    ('cube(Tensor self)', 'cube(Tensr self)', "sig =", ("cannot read parameter 'Tensr self'",)),
    ('cube(Tensor self)', 'cubic(Tensor self)', "sig =", ("the signature's name 'cubic'",)),
    ('3 * (self * self)', '[x for x in self]', "for x", ("not allowed in a formula",)),
    ('3 * (self * self)', '3 * (self', "3 * (self", ("cannot read the formula",)),
])
def test_mistakes_are_refused_where_they_are(spec, tmp_path, old, new, culprit, words):
    assert old in GOOD
    refused(spec, tmp_path, GOOD.replace(old, new), culprit, *words)


def test_an_op_defined_twice(spec, tmp_path):
    refused(spec, tmp_path, GOOD.replace("cube", "exp"), "[exp]", "'exp' is defined twice")


def test_bad_toml(spec, tmp_path):
    path = add(spec, "[cube]\nsig = \n")
    result = generate(spec, tmp_path / "out")
    assert result.returncode == 1 and f"{path.name}:2: " in result.stderr


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    torch = pytest.importorskip("torch")
    if "tallow" in (torch.__version__ or "") or not hasattr(torch._C, "_jit_get_all_schemas"):
        pytest.skip("needs PyTorch itself")
    path = tmp_path_factory.mktemp("schemas") / "schemas.txt"
    path.write_text("\n".join(str(s) for s in torch._C._jit_get_all_schemas() if s.name.startswith("aten::")))
    return path


def test_signatures_are_pytorchs(spec, tmp_path, schemas):
    result = generate(spec, tmp_path / "out", "--against", str(schemas))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("old, new", [
    ("add(Tensor self, Tensor other, *, Scalar alpha=1)", "add(Tensor self, Tensor other, *, Scalar alpha=2)"),
    ("add(Tensor self, Tensor other, *, Scalar alpha=1)", "add(Tensor self, Tensor other, Scalar alpha=1)"),
    ("mul(Tensor self, Tensor other)", "mul(Tensor self, Tensor factor)"),
    ("mul(Tensor self, Tensor other)", "mul(Tensor other, Tensor self)"),
])
def test_a_signature_unlike_pytorchs(spec, tmp_path, schemas, old, new):
    path = spec / "elementwise.toml"
    text = path.read_text()
    assert f'sig = "{old}' in text
    path.write_text(text.replace(f'sig = "{old}', f'sig = "{new}'))
    result = generate(spec, tmp_path / "out", "--against", str(schemas))
    assert result.returncode == 1
    assert f"elementwise.toml:{line_of(path, new)}: the signature of '{old.split('(')[0]}' is unlike PyTorch's: aten::" in result.stderr


def test_a_parameter_named_like_a_constant_is_refused(spec, tmp_path):
    entry = '''
[fill_nan]
sig = "fill_nan(Tensor self, float nan) -> Tensor"
kind = "elementwise"
value = "where(self != self, nan, self)"
grad.self = "zero"
'''
    refused(spec, tmp_path, entry, "sig =", "'nan'", "constant")
