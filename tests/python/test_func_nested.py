"""Levels of forward mode inside each other and around backward: values from formulas, and from PyTorch where it is installed."""

import math

import pytest
import tallow as torch
from tallow import func

X, V, W = (torch.tensor(v, dtype=torch.float64) for v in ([0.5, -0.3, 1.2], [1.0, 2.0, -1.0], [0.3, -0.2, 0.1]))


def scalar(m, x):
    return (m.sigmoid(x) * x.exp() + (x * x).sum() * m.tanh(x) + m.softmax(x, 0) * m.log_softmax(x, 0)).sum()


def vector(m, x):
    return m.sin(x) * m.softmax(x, 0) * m.prod(x, 0)


def written(m, x):
    """Writes in place and through views."""
    y = x.clone()
    y[1] = x[0] * 2
    part = y[1:]
    y[2] = x[1] * x[0]
    return (y * y).sigmoid_() + part.square().sum()


TRANSFORMS = {
    "jvp of jvp": lambda m, f: m.func.jvp(lambda y: m.func.jvp(f, (y,), (of(m, V),))[1], (of(m, X),), (of(m, W),))[1],
    "jvp of jvp of jvp": lambda m, f: m.func.jvp(
        lambda z: m.func.jvp(lambda y: m.func.jvp(f, (y,), (of(m, V),))[1], (z,), (of(m, W),))[1], (of(m, X),), (of(m, V),))[1],
    "jacfwd of jacfwd": lambda m, f: m.func.jacfwd(m.func.jacfwd(f))(of(m, X)),
    "jacfwd of jacrev": lambda m, f: m.func.jacfwd(m.func.jacrev(f))(of(m, X)),
    "jacrev of jacfwd": lambda m, f: m.func.jacrev(m.func.jacfwd(f))(of(m, X)),
    "jacrev of jacrev": lambda m, f: m.func.jacrev(m.func.jacrev(f))(of(m, X)),
    "hessian": lambda m, f: m.func.hessian(f)(of(m, X)),
    "jvp of vjp": lambda m, f: m.func.jvp(lambda y: m.func.vjp(lambda z: f(z).sum(), y)[1](of(m, V[0]))[0], (of(m, X),), (of(m, W),))[1],
    "vmap of hessian": lambda m, f: m.func.vmap(m.func.hessian(f))(m.stack([of(m, X), of(m, V)])),
}  # fmt: skip
FUNCTIONS = {"scalar": scalar, "vector": vector, "written": written}


def of(m, t):
    return m.tensor(t.tolist(), dtype=m.float64)


def difference(a, b):
    a, b = torch.tensor(a), torch.tensor(b)
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.torch
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_as_pytorch(transform, name):
    reference = pytest.importorskip("torch")
    if (transform, name) == ("vmap of hessian", "written"):
        pytest.skip("PyTorch refuses to write batched values into an unbatched copy of zeros in its own gradient")
    results = [TRANSFORMS[transform](m, lambda x, m=m: FUNCTIONS[name](m, x)).tolist() for m in (reference, torch)]
    assert difference(*results) < 1e-9


@pytest.mark.parametrize("name", FUNCTIONS)
def test_four_ways_to_second_derivatives_agree(name):
    def f(x):
        return FUNCTIONS[name](torch, x)

    ways = [a(b(f))(X).tolist() for a in (func.jacfwd, func.jacrev) for b in (func.jacfwd, func.jacrev)]
    for other in ways[1:]:
        assert difference(ways[0], other) < 1e-12


def test_third_derivative():
    x, one = torch.tensor(0.7, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)

    def derivative(f):
        return lambda y: func.jvp(f, (y,), (one,))[1]

    third = derivative(derivative(derivative(torch.sin)))(x)
    assert abs(third.item() + math.cos(0.7)) < 1e-15


def test_levels_are_not_confused():
    """d/dx (x * d/dy (x + y)) is 1: the inner level must not see the outer tangent as its own."""
    one = torch.tensor(1.0)
    found = func.jvp(lambda x: x * func.jvp(lambda y: x + y, (one,), (one,))[1], (one,), (one,))
    assert found[0].item() == 1.0 and found[1].item() == 1.0


def test_tangents_of_a_closed_level_are_not_seen():
    kept = []
    func.jvp(lambda x: kept.append(x * 2) or x, (X,), (V,))
    value, tangent = func.jvp(lambda x: kept[0] + x * 0, (X,), (W,))
    assert tangent.tolist() == [0.0, 0.0, 0.0]


def test_forward_ad_does_not_nest():
    from tallow.autograd import forward_ad

    with forward_ad.dual_level():
        with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported at the moment"):
            forward_ad.enter_dual_level()
        dual = forward_ad.make_dual(X, V)
        assert forward_ad.unpack_dual(dual.exp()).tangent.tolist() == (X.exp() * V).tolist()


def test_a_write_through_a_view_reaches_the_base_and_other_views():
    def f(x):
        y = torch.zeros(3, dtype=torch.float64)
        first, rest = y[0], y[:2]
        y[0] = x[1]
        rest.mul_(3)
        return torch.stack([y[0], first, rest[0], y[1]])

    value, tangent = func.jvp(f, (X,), (V,))
    assert value.tolist() == [3 * -0.3] * 3 + [0.0] and tangent.tolist() == [6.0] * 3 + [0.0]


def test_nothing_is_left_behind():
    import gc

    from tallow import _C

    def run():
        func.hessian(lambda x: scalar(torch, x))(X)
        func.jacrev(func.jacfwd(lambda x: vector(torch, x)))(X)

    run()
    gc.collect()
    before = _C._memory_stats()
    run()
    gc.collect()
    after = _C._memory_stats()
    assert (after["structs"], after["blocks"]) == (before["structs"], before["blocks"])
