"""torch.nn.utils: parametrisations, weight and spectral normalisation, fusion, modules without initial values."""

import copy

import pytest
import tallow as torch
from samples import numbers
from tallow import nn
from tallow.nn.utils import parametrizations, parametrize

X = numbers((3, 4), 1)


def close(a, b, tolerance=1e-5):
    assert a.shape == b.shape and (a - b).abs().max().item() < tolerance


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, x):
        return x.triu()


def test_a_parametrised_weight_is_computed_when_read():
    layer = nn.Linear(3, 3)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and parametrize.type_before_parametrizations(layer) is nn.Linear
    close(layer.weight, before.triu() + before.triu(1).T)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    layer(torch.ones(2, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    layer.weight = torch.ones(3, 3)
    assert layer.parametrizations.weight.original.tolist() == torch.ones(3, 3).triu().tolist()
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    twin = copy.deepcopy(layer)
    assert torch.equal(twin.weight, layer.weight) and twin.parametrizations.weight.original is not layer.parametrizations.weight.original
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer.weight.tolist() == torch.ones(3, 3).tolist() and isinstance(layer.weight, nn.Parameter)


def test_refusals():
    layer = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="may not change the shape of the tensor, unless `unsafe` flag is enabled"):
        parametrize.register_parametrization(layer, "weight", nn.Flatten(0))
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element with name 'no'"):
        parametrize.register_parametrization(layer, "no", Symmetric())
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")
    parametrize.register_parametrization(layer, "weight", Symmetric())
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        layer.__getstate__()


def test_the_state_of_a_parametrised_module():
    a, b = (parametrizations.weight_norm(nn.Linear(4, 6)) for _ in range(2))
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(X), b(X))
    old = nn.Linear(4, 6)
    with pytest.warns(FutureWarning, match="weight_norm` is deprecated"):
        nn.utils.weight_norm(old)
    b.load_state_dict(old.state_dict())  # its names are read too
    close(b(X), old(X))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dim", (0, 1, None))
def test_weight_norm(dim):
    layer = nn.Linear(4, 6)
    before = layer.weight.detach().clone()
    nn.utils.weight_norm(layer, dim=dim)
    assert layer.weight_g.shape == {0: (6, 1), 1: (1, 4), None: ()}[dim]
    close(layer.weight_g, before.norm() if dim is None else before.norm(dim=1 - dim, keepdim=True))
    close(layer.weight, before)
    with torch.no_grad():
        layer.weight_g.mul_(2)
    close(layer(X), X @ (2 * before).T + layer.bias)
    nn.utils.remove_weight_norm(layer)
    close(layer.weight, 2 * before)
    assert not layer._forward_pre_hooks
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        nn.utils.remove_weight_norm(layer)


@pytest.mark.parametrize("make", (nn.utils.spectral_norm, parametrizations.spectral_norm))
def test_spectral_norm_approaches_the_largest_singular_value(make):
    torch.manual_seed(0)
    layer = nn.Linear(4, 6)
    before = layer.weight.detach().clone()
    make(layer, n_power_iterations=5)
    for _ in range(30):
        layer(X)
    close(layer.weight, before / torch.linalg.svdvals(before)[0], 1e-4)
    layer.eval()
    assert torch.equal(layer(X), layer(X))
    copied = make(nn.Linear(4, 6))
    copied.load_state_dict(layer.state_dict())
    close(copied.eval()(X), layer(X))


@pytest.mark.parametrize("how, trivialise", (("cayley", True), ("householder", True), ("householder", False)))
@pytest.mark.parametrize("sizes", ((4, 4), (3, 5), (5, 3)))
def test_orthogonal(how, trivialise, sizes):
    torch.manual_seed(0)
    layer = parametrizations.orthogonal(nn.Linear(*sizes), orthogonal_map=how, use_trivialization=trivialise)

    def check():
        w = layer.weight
        short = w @ w.T if w.size(0) < w.size(1) else w.T @ w
        close(short, torch.eye(min(sizes)))

    check()
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        layer(torch.ones(2, sizes[0])).square().sum().backward()
        optimiser.step()
        check()


def test_skip_init_and_stateless_call():
    layer = nn.utils.skip_init(nn.Linear, 3, 4)
    assert layer.weight.shape == (4, 3) and not layer.weight.is_meta
    with pytest.raises(RuntimeError, match="Module must support a 'device' arg"):
        nn.utils.skip_init(nn.ReLU)
    with pytest.warns(FutureWarning, match="torch.func.functional_call"):
        result = nn.utils.stateless.functional_call(layer, {"weight": torch.zeros(4, 3), "bias": torch.ones(4)}, torch.ones(3))
    assert result.tolist() == [1.0] * 4


def test_folding_batch_normalisation():
    torch.manual_seed(0)
    mean, var, weight, bias = numbers((5,), 2), numbers((5,), 3, 0.5, 2.0), numbers((5,), 4), numbers((5,), 5)
    w, b = nn.utils.fuse_linear_bn_weights(torch.ones(5, 4), None, mean, var, 1e-5, weight, bias)
    scale = weight / (var + 1e-5).sqrt()
    close(X @ w.T + b, (X @ torch.ones(4, 5) - mean) * scale + bias)
    w, b = nn.utils.fuse_conv_bn_weights(torch.ones(5, 2, 3, 3), mean, mean, var, 1e-5, None, None)
    close(w, (torch.ones(5, 2, 3, 3) / (var + 1e-5).sqrt().reshape(-1, 1, 1, 1)))
    close(b, torch.zeros(5))
