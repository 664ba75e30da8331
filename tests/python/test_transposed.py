"""Tangents that come from an op's gradient: against finite differences, nested, and under the other transforms."""

import pytest
import tallow as torch
from tallow.func import grad, jacfwd, jacrev, jvp, vmap

STEP = 1e-5
FUNCTIONS = {
    "svdvals": torch.linalg.svdvals,
    "qr": lambda a: torch.linalg.qr(a)[1],
    "eigvalsh": lambda a: torch.linalg.eigvalsh(a + a.mT),
    "lu": lambda a: torch.linalg.lu(a)[2],
    "det": torch.linalg.det,
    "pinv": lambda a: torch.linalg.pinv(a[:, :3]),
    "prod": lambda a: a.scatter_reduce(1, torch.tensor([[0, 0, 1, 1]] * 4), a * 0.5, "prod"),
}


def values(count=1):
    torch.manual_seed(3)
    return [torch.randn(4, 4, dtype=torch.float64) + 2 * torch.eye(4, dtype=torch.float64) for _ in range(count)]


@pytest.fixture(params=FUNCTIONS)
def function(request):
    return FUNCTIONS[request.param]


def difference(function, a, t):
    return (function(a + STEP * t) - function(a - STEP * t)) / (2 * STEP)


def close(a, b):
    return torch.allclose(a, b, rtol=1e-6, atol=1e-7)


def test_tangent(function):
    a, t = values(2)
    result, tangent = jvp(function, (a,), (t,))
    assert close(result, function(a))
    assert close(tangent, difference(function, a, t))
    assert not tangent.requires_grad


def test_forward_over_forward(function):
    a, t, u = values(3)

    def first(x):
        return jvp(function, (x,), (t,))[1]

    assert close(jvp(first, (a,), (u,))[1], difference(first, a, u))


def test_reverse_over_forward(function):
    a, t, u = values(3)

    def first(x):
        return jvp(function, (x,), (t,))[1].sum()

    assert close((grad(first)(a) * u).sum(), difference(first, a, u))


def test_without_grad_mode(function):
    a, t = values(2)
    with torch.no_grad():
        tangent = jvp(function, (a,), (t,))[1]
    assert close(tangent, difference(function, a, t))


def test_jacobians_agree(function):
    (a,) = values()
    assert close(jacfwd(function)(a), jacrev(function)(a))


def test_batched(function):
    a, t, u = values(3)
    both = vmap(lambda x: jvp(function, (x,), (t,))[1])(torch.stack([a, u]))
    assert close(both, torch.stack([jvp(function, (x,), (t,))[1] for x in (a, u)]))


def test_complex():
    a, t = (torch.complex(*values(2)) for _ in range(2))
    t = t * (0.5 + 1j)

    def function(x):
        return torch.linalg.det(x)

    assert close(jvp(function, (a,), (t,))[1], difference(function, a, t))


def test_jacobians_of_transposed_inputs():
    """Seeds are counted in the order of the elements, whatever the layout."""
    a = values()[0].t()
    assert close(jacfwd(torch.sin)(a), jacrev(torch.sin)(a))
    assert close(jacfwd(torch.sin)(a), jacrev(torch.sin)(a.contiguous()))
