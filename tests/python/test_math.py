"""Accuracy of the library's own elementary functions in float64, against long double arithmetic where that is wider; and their special values."""

import math

import pytest
import tallow as torch

INF, NAN = math.inf, math.nan
np = pytest.importorskip("numpy")
wide = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than double")

# name: (ranges; a pair (a, b) is evenly spread, ("log", a, b) in powers of two of both signs, largest error in units of the last place)
REAL = {
    "exp": ([(-700, 700), ("log", -60, 3)], 1), "exp2": ([(-1000, 1000), ("log", -60, 3)], 1), "expm1": ([(-40, 700), (-1, 1)], 2),
    "log": ([(1e-300, 1e-10), (0.5, 2), (0, 1e9)], 1), "log2": ([(0.5, 2), (0, 1e9)], 1), "log10": ([(0.5, 2), (0, 1e9)], 1),
    "log1p": ([(-0.999, 3), ("log", -60, -1)], 1), "sin": ([(-10, 10), ("log", -30, 61)], 1), "cos": ([(-10, 10), ("log", -30, 61)], 1),
    "tan": ([(-10, 10), ("log", -30, 61)], 2), "asin": ([(-1, 1), ("log", -60, -1)], 2), "acos": ([(-1, 1), (0.99, 1)], 2),
    "atan": ([(-5, 5), ("log", -60, 60)], 2), "sinh": ([(-20, 20), ("log", -60, 8)], 2), "cosh": ([(-20, 20), ("log", -60, 8)], 2),
    "tanh": ([(-20, 20), ("log", -60, 2)], 2), "asinh": ([(-20, 20), ("log", -60, 60)], 2), "acosh": ([(1, 20), (1, 1.1)], 2),
    "atanh": ([(-1, 1), ("log", -60, -1)], 2),
}  # fmt: skip
NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}


def points(span, count=20000):
    spread = np.random.default_rng(1)
    if span[0] == "log":
        return spread.choice([-1.0, 1.0], count) * 2.0 ** spread.uniform(span[1], span[2], count)
    return spread.uniform(span[0], span[1], count)


def worst(got, want):
    """Largest error in units of the last place of the exact value."""
    ulp = np.spacing(np.abs(want.astype(np.float64))).astype(np.longdouble)
    return float(np.max(np.abs(got.astype(np.longdouble) - want) / ulp))


@wide
@pytest.mark.parametrize("name", REAL)
def test_errors_of_functions(name):
    spans, most = REAL[name]
    for span in spans:
        x = points(span)
        got = np.asarray(getattr(torch, name)(torch.tensor(x.tolist(), dtype=torch.float64)).tolist())
        assert worst(got, getattr(np, NUMPY.get(name, name))(x.astype(np.longdouble))) <= most, span


@wide
@pytest.mark.parametrize("bases,exponents", [((0.5, 2), (-900, 900)), ((0, 1), (0, 300)), ((0.9, 1), (0, 3000)), ((1e-200, 1e200), (-1, 1))])
def test_errors_of_pow(bases, exponents):
    x, y = points(bases), points(exponents)[::-1].copy()
    want = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    keep = (want > 1e-300) & (want < 1e300)
    got = torch.pow(torch.tensor(x[keep].tolist(), dtype=torch.float64), torch.tensor(y[keep].tolist(), dtype=torch.float64))
    assert worst(np.asarray(got.tolist()), want[keep]) <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_of_the_distribution_function_stops_at_zero(dtype):
    got = torch.special.ndtri(torch.tensor([0.0, -1e-30, -1e-45, -1.0, 1.5, 1.0], dtype=dtype)).tolist()
    assert got[0] == -INF and got[5] == INF and all(math.isnan(y) for y in got[1:5])


def test_float32_functions_where_their_pieces_meet():
    x = [i / 32 for i in range(-160, 161)]
    got = torch.erf(torch.tensor(x)).tolist()
    assert max(abs(a - math.erf(b)) for a, b in zip(got, x)) < 2e-7


def float32_error(got, want):
    """Largest error of float32 numbers, in units of the last place, against float64 ones."""
    got, want = (np.asarray(t.tolist(), dtype=dtype) for t, dtype in ((got, np.float32), (want, np.float64)))
    return float(np.max(np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32))))


def test_errors_of_float32_pow_and_erf():
    torch.manual_seed(2)
    x = torch.rand(100000, dtype=torch.float64).float()
    for base, exponent in ((x + 0.5, 100 * x.flip(0) - 50), (0.99 + 0.02 * x, 4000 * x.flip(0)), (1e30 * x, 2 * x.flip(0) - 1)):
        assert float32_error(torch.pow(base, exponent), torch.pow(base.double(), exponent.double())) < 0.6
    for span in (4.2, 0.3, 1e-10):
        assert float32_error(torch.erf(span * x), torch.erf((span * x).double())) < 1.2


SPECIAL = {
    "exp": [(INF, INF), (-INF, 0.0), (-0.0, 1.0), (710.0, INF), (-746.0, 0.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (1.0, 0.0), (5e-324, -744.4400719213812)],
    "log1p": [(-1.0, -INF), (-2.0, NAN), (-0.0, -0.0), (INF, INF)],
    "expm1": [(-INF, -1.0), (-0.0, -0.0), (INF, INF)],
    "sin": [(INF, NAN), (-0.0, -0.0)], "cos": [(-INF, NAN), (-0.0, 1.0)], "tan": [(INF, NAN), (-0.0, -0.0)],
    "tanh": [(INF, 1.0), (-INF, -1.0), (-0.0, -0.0)], "atan": [(INF, math.pi / 2), (-0.0, -0.0)],
    "asin": [(2.0, NAN), (1.0, math.pi / 2), (-0.0, -0.0)], "acos": [(1.0, 0.0), (-1.0, math.pi), (1.5, NAN)],
    "acosh": [(1.0, 0.0), (0.5, NAN), (INF, INF)], "atanh": [(1.0, INF), (-1.0, -INF), (2.0, NAN), (-0.0, -0.0)],
    "sinh": [(INF, INF), (-INF, -INF), (-0.0, -0.0)], "cosh": [(-INF, INF), (0.0, 1.0)], "asinh": [(-INF, -INF), (-0.0, -0.0)],
    "erf": [(INF, 1.0), (-INF, -1.0), (-0.0, -0.0)], "erfc": [(INF, 0.0), (-INF, 2.0), (0.0, 1.0)],
    "lgamma": [(1.0, 0.0), (2.0, 0.0), (0.0, INF), (-0.0, INF), (-3.0, INF), (INF, INF), (-INF, INF), (-1e300, INF), (3e305, INF), (0.5, 0.5723649429247001)],
    "digamma": [(0.0, -INF), (-0.0, INF), (-1.0, NAN), (INF, INF), (-INF, NAN), (1.0, -0.5772156649015329)],
}  # fmt: skip


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(name):
    if not hasattr(torch, name):
        pytest.skip(f"no {name} yet")
    for dtype in (torch.float64, torch.float32):
        for x, want in [*SPECIAL[name], (NAN, NAN)]:
            if dtype == torch.float32 and abs(x) not in (INF, 0.0) and not 1e-30 < abs(x) < 1e30:
                continue
            got = getattr(torch, name)(torch.tensor([x], dtype=dtype)).item()
            same = math.isnan(got) if math.isnan(want) else got == pytest.approx(want, rel=1e-15 if dtype == torch.float64 else 1e-6)
            assert same, (x, got, want)
            assert math.isnan(want) or math.copysign(1, got) == math.copysign(1, want), (x, got, want)


def test_complex_log1p_near_minus_one():
    """|1 + z| small: the logarithm of what is left, not of a difference."""
    z = torch.tensor([complex(-1, -8.742278e-8), complex(-1 + 1e-9, 1e-9), complex(1e200, 1e200)], dtype=torch.complex128)
    expected = [math.log(8.742278e-8), math.log(math.hypot(1e-9, 1e-9)), math.log(1e200) + 0.5 * math.log(2)]
    assert torch.log1p(z).real.tolist() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("name", ["erfinv", "special.ndtri", "special.erfcx", "special.log_ndtr", "lgamma", "digamma"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_of_long_functions_do_not_depend_on_place(name, dtype):
    torch.manual_seed(5)
    f = eval("torch." + name)
    x = torch.cat([torch.rand(37, dtype=dtype), torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, 0.02, 0.99, float("nan")], dtype=dtype)])
    whole = f(x)
    for n in (1, 3, 4, 5, 8, 9, 12, 17):
        for at in (0, 7, 30, 45 - n):
            torch.testing.assert_close(f(x[at : at + n]), whole[at : at + n], rtol=0, atol=0, equal_nan=True)
            assert torch.equal(torch.signbit(f(x[at : at + n])), torch.signbit(whole[at : at + n]))


def test_zeta_of_float32():
    torch.manual_seed(6)
    s, q = 1 + 20 * torch.rand(64), 0.1 + 12 * torch.rand(64)
    s = torch.cat([s, torch.tensor([2.0, 3.0, 4.0, float("inf"), 1.0, 0.5, 2000.0, 2.0])])
    q = torch.cat([q, torch.tensor([-0.5, -2.5, -1.0, 1.0, 3.0, 1.0, 1.0, float("nan")])])
    got, want = torch.special.zeta(s, q), torch.special.zeta(s.double(), q.double()).float()
    torch.testing.assert_close(got, want, rtol=1.2e-7, atol=0, equal_nan=True)
    for n in (1, 4, 9):
        for at in (0, 20, 72 - n):
            torch.testing.assert_close(torch.special.zeta(s[at : at + n], q[at : at + n]), got[at : at + n], rtol=0, atol=0, equal_nan=True)


def spread(n, low, high):
    """float32 numbers of either sign, evenly spread over the exponents."""
    torch.manual_seed(8)
    x = torch.exp(torch.rand(n, dtype=torch.float64) * (math.log(high) - math.log(low)) + math.log(low)).float()
    return torch.cat([x, -x])


@pytest.mark.parametrize("name, low, high, limit", [
    ("log1p", 1e-30, 1e30, 1.0), ("exp2", 1e-6, 200, 1.2), ("erfc", 1e-6, 12, 2.0), ("special.erfcx", 1e-6, 1e4, 2.5),
    ("erfinv", 1e-20, 1, 1.5), ("special.ndtri", 1e-40, 1, 2.5), ("special.log_ndtr", 1e-6, 40, 3.5)])  # fmt: skip
def test_functions_of_float32_beside_those_of_float64(name, low, high, limit):
    f = eval("torch." + name)
    x = torch.cat([spread(20000, low, high), torch.linspace(-1, 1, 20001), 1 - spread(2000, 1e-7, 0.5)])
    rounded = f(x.double()).float().numpy()
    got, want = f(x).double().numpy(), f(x.double()).numpy()
    same = np.isnan(got) == np.isnan(want)
    assert same.all(), x[~torch.tensor(same)][:5]
    fits = np.isfinite(want) & (np.abs(want) < 3.4e38)
    ulp = np.maximum(np.spacing(np.abs(want[fits]).astype(np.float32)).astype(np.float64), 2.0**-149)
    wrong = np.abs(got[fits] - want[fits]) / ulp
    assert wrong.max() < limit, (wrong.max(), x[torch.tensor(fits)][int(wrong.argmax())])
    assert (got[~fits & ~np.isnan(want)] == rounded[~fits & ~np.isnan(want)]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_remainders_are_exact(dtype):
    torch.manual_seed(9)
    b = torch.exp(6 * torch.randn(3000, dtype=torch.float64)).to(dtype)
    b = torch.cat([b, torch.arange(1, 1001, dtype=dtype)])
    k = torch.floor(torch.exp(torch.rand(4000, dtype=torch.float64) * 18)).to(dtype)
    for a in (b * k, b * (k + 0.5), b * k * (1 - torch.finfo(dtype).eps), b * 1e12, b / 3, torch.zeros_like(b)):
        for x, y in ((a, b), (-a, b), (a, -b)):
            got = torch.fmod(x, y)
            want = [math.fmod(p, q) for p, q in zip(x.tolist(), y.tolist())]
            assert got.tolist() == want
            assert torch.signbit(got).tolist() == [math.copysign(1, w) < 0 for w in want]
    inf, nan = float("inf"), float("nan")
    got = torch.fmod(torch.tensor([3.0, inf, 3.0, nan, -0.0, 7.0], dtype=dtype), torch.tensor([0.0, 3.0, -inf, 3.0, 3.0, 4.0], dtype=dtype))
    torch.testing.assert_close(got, torch.tensor([nan, nan, 3.0, nan, -0.0, 3.0], dtype=dtype), rtol=0, atol=0, equal_nan=True)


def test_zeta_left_of_zero():
    """In twos at halves, odd powers cancel: zeta(3, -1.5) is zeta(3, 2.5)."""
    s, q = [2.0, 3.0, 3.0, 2.0, 2.5, 1e20, float("nan"), 4.0], [-0.5, -20000.5, -1.5, -3.0, -0.5, -1001.25, float("-inf"), -1e8 - 0.25]
    want = [math.pi**2 / 2 + 4, 1.2498749e-9, 8 * (7 / 8 * 1.2020569031595942 - 1 - 1 / 27), float("inf"), float("nan"), float("inf"), float("inf"), 259.7575760906733]
    for dtype, n in ((torch.float32, 7), (torch.float64, 8)):  # float32 does not hold the last
        got = torch.special.zeta(torch.tensor(s[:n], dtype=dtype), torch.tensor(q[:n], dtype=dtype))
        torch.testing.assert_close(got, torch.tensor(want[:n], dtype=dtype), rtol=1e-6, atol=0, equal_nan=True)


def test_ndtri_below_zero():
    assert torch.isnan(torch.special.ndtri(torch.tensor([-1e-300, -1e-20, -1.0], dtype=torch.float64))).all()
    assert torch.isnan(torch.special.ndtri(torch.tensor([-1e-44, -1e-20, -1.0]))).all()


def test_complex_powers_round_as_the_c_library_does():
    """e^(b log z) with each step rounded to the type; where the real part exceeds the range, in parts."""
    z = torch.tensor([0.6 + 0.8j, -1.5 + 0.25j, 3e20 - 4e20j, 1e-30 + 2e-31j], dtype=torch.complex64)
    b = torch.tensor([900 - 40j, 12 + 30j, 1.5 - 0.1j, -1 + 2j], dtype=torch.complex64)
    got, want = torch.pow(z, b), torch.pow(z.to(torch.complex128), b.to(torch.complex128))
    assert float(((got - want).abs() / want.abs()).max()) < 2e-4
    e = torch.tensor([complex(math.e, 0)], dtype=torch.complex128)  # e^709.9 is too large, its product with the cosine is not
    part = torch.pow(e, torch.tensor([complex(709.9, 1.5)], dtype=torch.complex128))[0]
    assert float(part.real) == pytest.approx(math.exp(690) * math.cos(1.5) * math.exp(19.9), rel=1e-12)


def test_angles_of_complex_powers():
    """z^(bi) is e^(-b angle): nearly the nearest double, in every octant."""
    torch.manual_seed(10)
    z = torch.randn(1000, dtype=torch.complex128)
    got = torch.log(torch.pow(z, torch.tensor(1j, dtype=torch.complex128)).abs())
    want = torch.tensor([-math.atan2(y, x) for x, y in zip(z.real.tolist(), z.imag.tolist())], dtype=torch.float64)
    torch.testing.assert_close(got, want, rtol=1e-14, atol=4e-16)


@pytest.mark.torch
def test_quadrants_of_complex_powers_are_pytorchs():
    """At an angle of 1e17 one bit of a logarithm turns the result by whole radians."""
    import torch as reference

    reference.manual_seed(11)
    z = reference.randn(20000, dtype=reference.complex128)
    b = 1e17 * reference.randn(20000, dtype=reference.complex128)
    got = torch.pow(torch.tensor(z.tolist(), dtype=torch.complex128), torch.tensor(b.tolist(), dtype=torch.complex128)).tolist()
    want = reference.pow(z, b).tolist()
    same = sum(repr(p) == repr(q) for p, q in zip(got, want))
    assert same > 0.97 * len(want)
