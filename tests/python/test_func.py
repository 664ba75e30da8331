"""torch.func and the Python half of autograd."""

import math

import pytest
import tallow as torch
from tallow import func, nn


def test_grad_nests():
    x = torch.tensor(0.5)
    cube = lambda t: t * t * t  # noqa: E731
    assert func.grad(cube)(x).item() == 0.75
    assert func.grad(func.grad(cube))(x).item() == 3.0
    assert func.grad(func.grad(func.grad(cube)))(x).item() == 6.0
    assert not func.grad(cube)(x).requires_grad


def test_grad_of_structures_and_aux():
    def loss(params, x):
        out = (params["w"] * x).sum() + params["b"]
        return out, {"out": out}

    params = {"w": torch.ones(2), "b": torch.tensor(1.0)}
    (grads, (value, aux)) = func.grad_and_value(loss, has_aux=True)(params, torch.tensor([2.0, 3.0]))
    assert grads["w"].tolist() == [2.0, 3.0] and grads["b"].item() == 1.0 and value.item() == 6.0
    assert not aux["out"].requires_grad
    with pytest.raises(RuntimeError, match="to return a scalar Tensor, got tensor with 1 dims"):
        func.grad(lambda t: t)(torch.ones(2))


def test_vjp_and_jacobians():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out, pull = func.vjp(lambda x: a @ x, torch.ones(2))
    assert out.tolist() == [3.0, 7.0] and pull(torch.tensor([1.0, 0.0]))[0].tolist() == [1.0, 2.0]
    assert func.jacrev(lambda x: a @ x)(torch.ones(2)).tolist() == a.tolist()
    assert func.hessian(lambda x: (x * x).sum())(torch.ones(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_jvp():
    out, tangent = func.jvp(lambda x: x * x, (torch.tensor(3.0),), (torch.tensor(1.0),))
    assert out.item() == 9.0 and tangent.item() == 6.0
    assert func.jacfwd(lambda x: x * x)(torch.tensor([1.0, 2.0])).tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_vmap():
    x = torch.arange(6.0).view(3, 2)
    assert func.vmap(lambda row: row.sum())(x).tolist() == [1.0, 5.0, 9.0]
    assert func.vmap(lambda a, b: a * b, in_dims=(0, None))(x, torch.ones(2)).tolist() == x.tolist()
    assert func.vmap(lambda row: row * 2, out_dims=1)(x).shape == (2, 3)
    assert func.vmap(func.vmap(lambda v: v * v))(x).tolist() == (x * x).tolist()
    assert func.vmap(func.grad(lambda v: (v * v).sum()))(x).tolist() == (x * 2).tolist()
    with pytest.raises(ValueError, match="at least one"):
        func.vmap(lambda v: v, in_dims=None)(x)


def test_functional_call():
    layer = nn.Linear(2, 1)
    given = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    assert func.functional_call(layer, given, torch.tensor([1.0, 2.0])).item() == 3.0
    assert isinstance(layer.weight, nn.Parameter)


def test_custom_function():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            assert ctx.needs_input_grad == (True,) and x.shape == g.shape
            return g * 2

    x = torch.ones(3, requires_grad=True)
    Double.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_grad_scopes_nest_and_end_with_an_exception():
    scope = torch.no_grad()
    assert scope.prev is False
    with pytest.raises(KeyError), scope:
        assert not torch.is_grad_enabled() and scope.prev is True
        with torch.enable_grad() as nothing:
            assert torch.is_grad_enabled() and nothing is None
            with torch.no_grad(), torch.no_grad():
                assert not torch.is_grad_enabled()
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
        with scope:  # anew: it forgets what was before
            assert scope.prev is False
        raise KeyError
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)

    class Quiet(torch.no_grad):
        def __init__(self, word="a"):
            self.word = word

    with Quiet() as nothing:
        assert not torch.is_grad_enabled() and nothing is None
    assert torch.is_grad_enabled() and Quiet().word == "a" and isinstance(torch.no_grad().clone(), torch.no_grad)
    assert torch.no_grad(orig_func=torch.is_grad_enabled)() is False and torch.enable_grad(torch.is_grad_enabled)() is True
    for arguments, names in (((1, 2), {}), ((), {"function": 3})):
        with pytest.raises(TypeError):
            torch.no_grad(*arguments, **names)


def test_grad_modes_as_decorators():
    @torch.no_grad()
    def one():
        return torch.is_grad_enabled()

    @torch.no_grad
    def two():
        return torch.is_grad_enabled()

    @torch.no_grad()
    def three():
        yield torch.is_grad_enabled()
        yield torch.is_grad_enabled()

    assert not one() and not two() and torch.is_grad_enabled()
    assert [(inside, torch.is_grad_enabled()) for inside in three()] == [(False, True)] * 2
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            assert torch.is_grad_enabled()
    with torch.inference_mode():
        assert (torch.ones(1) * 2).is_inference()


def test_backward_refusals():
    x = torch.ones(2, requires_grad=True)
    for call, text in [
        (lambda: (x * 1).backward(), "grad can be implicitly created only for scalar outputs"),
        (lambda: torch.ones(1).backward(), "element 0 of tensors does not require grad and does not have a grad_fn"),
        (lambda: torch.autograd.grad(x * 2, x, torch.ones(3)),
         "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0] has a shape of torch.Size([2])."),
    ]:  # fmt: skip
        with pytest.raises(RuntimeError) as failure:
            call()
        assert str(failure.value) == text
    assert torch.autograd.grad(x.sum(), [x, torch.ones(1, requires_grad=True)], allow_unused=True)[1] is None


def test_gradcheck():
    x = torch.tensor([0.5, -1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: t.exp() * t, (x,))
    assert torch.autograd.gradgradcheck(lambda t: t.exp() * t, (x,))

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            return t * 2

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(torch.autograd.GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        torch.autograd.gradcheck(Wrong.apply, (x,))


def test_saved_tensors_hooks():
    log = []
    x = torch.tensor(2.0, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: log.append("pack") or t, lambda t: log.append("unpack") or t):
        y = x.exp()
    y.backward()
    assert log == ["pack", "unpack"] and math.isclose(x.grad.item(), math.exp(2.0), rel_tol=1e-6)


def test_einsum():
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
    assert torch.einsum("ij,jk->ik", a, b).tolist() == (a @ b).tolist()
    assert torch.einsum("ij->ji", a).tolist() == a.t().tolist()
    assert torch.einsum("ij->", a).item() == 15.0
    # Summing makes int64 of integers; a product with nothing left to sum promotes.
    summed = torch.einsum("ij,k->ik", a.int(), torch.tensor([1, 2], dtype=torch.int32))
    assert summed.dtype == torch.int64 and summed.tolist() == [[3, 6], [12, 24]]
    with pytest.raises(RuntimeError, match="fewer operands were provided than specified in the equation"):
        torch.einsum("ij,jk->ik", a)


def test_what_vmap_refuses_in_pytorchs_words():
    x = torch.ones(3)
    with pytest.raises(RuntimeError, match="attempting to use a Tensor in some data-dependent control flow"):
        torch.vmap(lambda v: v if v > 0 else -v)(x)
    with pytest.raises(ValueError, match=r"vmap\(sin\)\(<inputs>\): got no inputs"):
        torch.vmap(torch.sin)()
