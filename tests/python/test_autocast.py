"""Mixed precision. Expected dtypes are PyTorch 2.13's."""

import pickle

import pytest
import tallow as torch
from tallow import nn
from tallow.nn import functional as F


def dtypes(function, *tensors, dtype=torch.bfloat16):
    with torch.autocast("cpu", dtype=dtype):
        return function(*tensors).dtype


def test_products_run_in_half_precision():
    a, x, w = torch.randn(4, 4), torch.randn(1, 3, 8, 8), torch.randn(4, 3, 3, 3)
    for f in (
        lambda: a @ a, lambda: torch.mm(a, a), lambda: torch.bmm(a[None], a[None]), lambda: torch.addmm(a, a, a),
        lambda: F.linear(a, a, a[0]), lambda: F.conv2d(x, w), lambda: torch.einsum("ij,jk", a, a), lambda: nn.Linear(4, 2)(a),
    ):  # fmt: skip
        assert dtypes(f) == torch.bfloat16
        assert dtypes(f, dtype=torch.float16) == torch.float16
        assert f().dtype == torch.float32


def test_losses_and_their_like_run_in_float32():
    b = torch.rand(4, 4).bfloat16()
    target = torch.zeros(4, dtype=torch.int64)
    for f in (lambda: F.mse_loss(b, b), lambda: F.cross_entropy(b, target), lambda: F.binary_cross_entropy(b, b), lambda: b.prod()):
        assert dtypes(f) == torch.float32


def test_the_rest_is_as_ever():
    a = torch.randn(4, 4)
    for f in (lambda t: t + t, lambda t: t.exp(), lambda t: t.softmax(0), lambda t: t.sum(), lambda t: torch.mv(t, t[0])):
        assert dtypes(f, a) == torch.float32 and dtypes(f, a.bfloat16()) == torch.bfloat16
    for t in (a.double(), torch.ones(2, 2, dtype=torch.int64)):
        assert dtypes(lambda t: t @ t, t) == t.dtype  # noqa: B023
    out = torch.empty(4, 4)
    with torch.autocast("cpu"):
        assert torch.mm(a, a, out=out).dtype == torch.float32 and a.clone().addmm_(a, a).dtype == torch.float32
        assert torch.cat([a, a.bfloat16()]).dtype == torch.float32 and torch.stack([a.bfloat16()]).dtype == torch.bfloat16


def test_values_and_gradients():
    torch.manual_seed(0)
    a, b = torch.randn(8, 8, requires_grad=True), torch.randn(8, 8)
    with torch.autocast("cpu"):
        y = a @ b
        loss = F.mse_loss(y, b)
        loss.backward()  # within: what follows is not cast again
    assert torch.equal(y, a.detach().bfloat16() @ b.bfloat16())
    assert a.grad.dtype == torch.float32 and loss.dtype == torch.float32
    expected = (2 / 64 * (y.detach().float() - b)).bfloat16() @ b.bfloat16().t()
    assert torch.allclose(a.grad, expected.float())


def test_state_nests_and_comes_back():
    a = torch.randn(2, 2)
    assert not torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled()
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.float16
        with torch.amp.autocast("cpu", enabled=False):
            assert (a @ a).dtype == torch.float32
        assert (a @ a).dtype == torch.float16
        with pytest.raises(ValueError), torch.autocast("cpu"):
            raise ValueError
        assert (a @ a).dtype == torch.float16
    assert not torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16

    @torch.autocast("cpu")
    def product(t):
        return t @ t

    assert product(a).dtype == torch.bfloat16 and product.__name__ == "product"


def test_other_devices_and_dtypes():
    a = torch.randn(2, 2)
    with pytest.warns(UserWarning, match="CUDA is not available or torch_xla is imported. Disabling autocast."):
        with torch.autocast("cuda"):
            assert (a @ a).dtype == torch.float32
    with pytest.warns(UserWarning, match="In CPU autocast, but the target dtype is not supported. Disabling autocast."):
        with torch.autocast("cpu", dtype=torch.float64):
            assert (a @ a).dtype == torch.float32
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda, .* at start of device string: toaster"):
        torch.autocast("toaster")
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(torch.device("cpu"))


def test_custom_functions():
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            assert not torch.is_autocast_enabled("cpu")
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            return grad @ b.t(), a.t() @ grad

    a = torch.randn(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        y = Product.apply(a, a.bfloat16())
    assert y.dtype == torch.float32
    y.sum().backward()
    assert a.grad.dtype == torch.float32


def scaled(scaler, gradient):
    w = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([w], lr=1.0)
    scaler.scale((w * gradient).sum()).backward()
    scaler.unscale_(optimizer)
    grad = w.grad.clone()
    scaler.step(optimizer)
    scaler.update()
    return w.tolist(), grad.tolist()


def test_grad_scaler():
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    assert scaled(scaler, 0.5) == ([0.5, 0.5], [0.5, 0.5]) and scaler.get_scale() == 8.0
    assert scaled(scaler, 0.5)[0] == [0.5, 0.5] and scaler.get_scale() == 16.0
    assert scaled(scaler, float("inf"))[0] == [1.0, 1.0] and scaler.get_scale() == 8.0  # the step is left out
    state = scaler.state_dict()
    assert state == {"scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2, "_growth_tracker": 0}
    other = pickle.loads(pickle.dumps(scaler))
    other.load_state_dict(state)
    assert other.get_scale() == 8.0
    assert scaler.scale([torch.ones(1), (torch.ones(1),)])[1][0].item() == 8.0
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))])
    with pytest.raises(AssertionError, match="Attempted step but _scale is None"):
        torch.amp.GradScaler("cpu").step(optimizer)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called on this optimizer since the last update\(\)."):
        scaler.unscale_(optimizer)
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available.  Disabling."):
        off = torch.amp.GradScaler()
    assert not off.is_enabled() and off.get_scale() == 1.0 and off.state_dict() == {} and off.scale(3) == 3
