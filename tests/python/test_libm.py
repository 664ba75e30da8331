"""The C library's mathematics differs in the last bit from one machine to the next, so results may not depend on it: the library imports only
functions whose results are exact. The one exception, with its reason, is MADE_BY_LIBM."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest
import tallow as torch
from elf import imports

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("TALLOW_BUILD", ROOT / "build"))

# Correctly rounded by IEEE 754 or exact by definition, with f for float.
EXACT = {"sqrt", "fma", "fmod", "remainder", "remquo", "floor", "ceil", "trunc", "round", "roundeven", "rint", "nearbyint", "lrint", "llrint",
         "lround", "llround", "ldexp", "scalbn", "scalbln", "frexp", "modf", "logb", "ilogb", "copysign", "fabs", "fmax", "fmin", "fdim",
         "nextafter", "nexttoward", "nan", "isnan", "isinf", "finite"}  # fmt: skip
# src/ops/random.c: PyTorch draws normal and exponential numbers with the C library, and a draw has to be PyTorch's.
MADE_BY_LIBM = {"log", "log1p", "sin", "cos", "sincos"}
DRAWS = "src_ops_random.c.o"

# What <math.h> and <complex.h> have besides: for systems whose symbols do not say which library they come from.
TRANSCENDENTAL = {"exp", "exp2", "exp10", "expm1", "pow", "pow10", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sincos", "asin", "acos",
                  "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "lgamma", "lgamma_r", "gamma", "tgamma",
                  "cbrt", "hypot", "j0", "j1", "jn", "y0", "y1", "yn", "cexp", "clog", "cpow", "csqrt", "csin", "ccos", "ctan", "cabs", "carg",
                  "cacos", "casin", "catan", "cacosh", "casinh", "catanh", "ccosh", "csinh", "ctanh"}  # fmt: skip


def stem(name):
    """sqrt of sqrtf, __sqrt_finite and the like."""
    name = name.removeprefix("__").removesuffix("_finite")
    return name[:-1] if name[-1] in "fl" and name[:-1] in EXACT | TRANSCENDENTAL else name


def forbidden(symbols):
    return {name for name, library in symbols
            if stem(name) not in EXACT and ((library or "").startswith("libm.") or stem(name) in TRANSCENDENTAL)}  # fmt: skip


def libraries():
    found = [path for path in (BUILD / "libtallow.so", pathlib.Path(torch._C.__file__)) if path.exists()]
    if sys.platform != "linux" or not found:
        pytest.skip("needs an ELF library")
    return found


def test_the_library_imports_only_exact_functions():
    for path in libraries():
        assert forbidden(imports(path)) <= MADE_BY_LIBM, path


def test_only_draws_use_the_c_librarys_mathematics():
    objects = sorted((BUILD / "libtallow_objects.a.p").glob("*.o")) + sorted(BUILD.glob("libtallow_kernels_*.a.p/*.o")) + \
        sorted((BUILD / "ext").glob("*.p/*.o"))  # fmt: skip
    if len(objects) < 50:
        pytest.skip("needs the object files of a build")
    users = {path.name: wrong for path in objects if (wrong := forbidden(imports(path)))}
    assert set(users) <= {DRAWS}, users
    assert users.get(DRAWS, set()) <= MADE_BY_LIBM


def test_an_import_of_pow_is_seen(tmp_path):
    (tmp_path / "a.c").write_text("#include <math.h>\ndouble f(double x, double y) { return pow(x, y) + sqrt(x); }\n")
    compiled = subprocess.run(["cc", "-shared", "-fPIC", "a.c", "-o", "a.so", "-lm"], cwd=tmp_path, capture_output=True)
    if compiled.returncode:
        pytest.skip("no C compiler")
    assert forbidden(imports(tmp_path / "a.so")) == {"pow"}
    subprocess.run(["cc", "-c", "a.c", "-o", "a.o"], cwd=tmp_path, check=True)
    assert forbidden(imports(tmp_path / "a.o")) == {"pow"}


def is_power(node):
    """x ** y, but for whole numbers: those are exact, or few products."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not isinstance(node.right, ast.Constant)


def test_python_code_computes_with_the_librarys_functions():
    """math.cos and beta ** step are the C library's: tallow._number has ours."""
    wrong = []
    for path in (ROOT / "python" / "tallow").rglob("*.py"):
        if path.name == "_number.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "math" else ""
            if name in TRANSCENDENTAL or (path.parent.name == "optim" and is_power(node)):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, wrong


def test_powers_of_numbers():
    from tallow._number import cos, erf, exp, log, power

    assert power(2, 10) == 1024 and type(power(2, 10)) is int
    assert power(0.5, 3) == 0.125 and power(0.9, 0) == 1.0 and power(4.0, 0.5) == 2.0
    assert [power(0.1, n) for n in range(4)] == [0.1**n for n in range(4)]
    with pytest.raises(ZeroDivisionError):
        power(0.0, -1)
    with pytest.raises(OverflowError):
        power(1e200, 2.0)
    assert power(1e-200, 2.0) == 0.0 and power(-8.0, 2) == 64.0
    assert power(torch.tensor(2.0), 3).item() == 8.0
    assert cos(0.0) == exp(0.0) == 1.0 and log(1.0) == erf(0.0) == 0.0


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_arguments_are_reduced_exactly(name):
    """Reference values: computed with 900 digits. The second comes closer to a multiple of pi/2 than any other double."""
    huge = {
        1048576.0: (0.3304931400217347, 0.943808393901312, 0.350169740126609),
        -1e15: (-0.8582727931702359, -0.5131937377869703, 1.672414782127583),
        1e22: (-0.8522008497671888, 0.523214785395139, -1.6287782256068985),
        6381956970095103.0 * 2.0**797: (1.0, -4.687165924254628e-19, -2.133485385753704e18),
        1.7976931348623157e308: (0.004961954789184062, -0.9999876894265599, -0.004962015874444895),
    }
    column = ["sin", "cos", "tan"].index(name)
    x = torch.tensor(list(huge), dtype=torch.float64)
    for got, want in zip(getattr(torch, name)(x).tolist(), huge.values()):
        assert got == pytest.approx(want[column], rel=4e-16)
    assert getattr(torch, name)(torch.tensor([float("inf"), float("-inf"), float("nan")])).isnan().all()
