"""Modules: state, hooks, printing, loading, initial values. Expected values are PyTorch 2.13's."""

import collections
import copy
import pickle

import pytest
import tallow as torch
from tallow import nn


def values(t):
    return [x.hex() for x in t.flatten().tolist()]


def test_linear_starts_with_pytorchs_bits():
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    assert values(layer.weight) == [
        "-0x1.1b47d00000000p-8", "0x1.3d26260000000p-2", "-0x1.e696fc0000000p-2", "-0x1.b317920000000p-2",
        "-0x1.c769620000000p-3", "0x1.3d12a60000000p-3",
    ]  # fmt: skip
    assert values(layer.bias) == ["-0x1.76d6800000000p-7", "0x1.d4c2f40000000p-2"]


def test_conv2d_starts_with_pytorchs_bits():
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 1, 2)
    assert values(layer.weight) == [
        "-0x1.eaa8000000000p-9", "0x1.12a8bc0000000p-2", "-0x1.a5662c0000000p-2", "-0x1.78cd000000000p-2",
    ]  # fmt: skip
    assert values(layer.bias) == ["-0x1.8a65e80000000p-3"]


def test_xavier_normal_draws_pytorchs_numbers():
    torch.manual_seed(0)
    drawn = nn.init.xavier_normal_(torch.empty(2, 2)).flatten().tolist()
    assert drawn == [1.0896488428115845, -0.20748557150363922, -1.5406367778778076, 0.40194159746170044]


def net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(36, 10)
    )


def test_repr():
    assert repr(net()) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  (1): ReLU()\n"
        "  (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)\n"
        "  (3): Flatten(start_dim=1, end_dim=-1)\n"
        "  (4): Dropout(p=0.25, inplace=False)\n"
        "  (5): Linear(in_features=36, out_features=10, bias=True)\n"
        ")"
    )
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    assert repr(nn.Parameter(torch.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_parameters_are_found_by_assignment():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)
            self.scale = nn.Parameter(torch.ones(1))
            self.register_buffer("seen", torch.zeros(1))
            self.register_buffer("hidden", torch.zeros(1), persistent=False)
            self.tied = self.scale

    model = Model()
    assert [n for n, _ in model.named_parameters()] == ["scale", "inner.weight", "inner.bias"]
    assert [n for n, _ in model.named_buffers()] == ["seen", "hidden"]
    assert list(model.state_dict()) == ["scale", "tied", "seen", "inner.weight", "inner.bias"]
    assert model.state_dict()._metadata["inner"] == {"version": 1}
    with pytest.raises(TypeError, match="cannot assign 'torch.FloatTensor' as parameter 'scale'"):
        model.scale = torch.ones(1)
    del model.scale
    assert not hasattr(model, "scale") and isinstance(model.tied, nn.Parameter)


def test_assignment_before_init_is_refused():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Early()


def test_load_state_dict_says_all_that_is_wrong():
    with pytest.raises(RuntimeError) as failure:
        nn.Linear(2, 3).load_state_dict({"weight": torch.ones(3, 3), "other": torch.ones(1)})
    assert str(failure.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "other". \n'
        "\tsize mismatch for weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the shape in current "
        "model is torch.Size([3, 2])."
    )
    result = nn.Linear(2, 3).load_state_dict({"weight": torch.ones(3, 2)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == []


def test_load_state_dict_copies_or_assigns():
    layer, given = nn.Linear(2, 2), {"weight": torch.ones(2, 2), "bias": torch.zeros(2)}
    before = layer.weight
    assert repr(layer.load_state_dict(given)) == "<All keys matched successfully>"
    assert layer.weight is before and before.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    layer.load_state_dict(given, assign=True)
    assert layer.weight.data_ptr() == given["weight"].data_ptr() and isinstance(layer.weight, nn.Parameter)


def test_forward_hooks_see_and_replace():
    layer, log = nn.Linear(1, 1), []
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.fill_(1.0)
    first = layer.register_forward_pre_hook(lambda m, args: (args[0] * 10,))
    second = layer.register_forward_hook(lambda m, args, out: log.append(out.item()) or out + 1)
    assert layer(torch.ones(1)).item() == 22.0 and log == [21.0]
    first.remove()
    second.remove()
    assert layer(torch.ones(1)).item() == 3.0


def test_hooks_with_kwargs_and_always_called():
    class Fails(nn.Module):
        def forward(self, x, scale=1):
            if scale == 0:
                raise ValueError("no scale")
            return x * scale

    module, log = Fails(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, out: log.append(out), always_call=True)
    assert module(torch.ones(1), scale=2).item() == 3.0
    with pytest.raises(ValueError, match="no scale"):
        module(torch.ones(1), scale=-1)
    assert len(log) == 2 and log[1] is None


def test_full_backward_hooks():
    module, log = nn.Sequential(nn.ReLU(), nn.Linear(2, 1, bias=False)), []
    with torch.no_grad():
        module[1].weight.fill_(3.0)
    module.register_full_backward_hook(lambda m, gi, go: log.append((gi[0].tolist(), go[0].tolist())))
    module.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    x = torch.ones(1, 2, requires_grad=True)
    module(x).sum().backward()
    assert log == [([[6.0, 6.0]], [[2.0]])] and x.grad.tolist() == [[6.0, 6.0]]


def test_global_hooks():
    from tallow.nn.modules import module as where

    log = []
    handle = where.register_module_forward_hook(lambda m, args, out: log.append(type(m).__name__))
    nn.Sequential(nn.Identity())(1)
    handle.remove()
    nn.Identity()(1)
    assert log == ["Identity", "Sequential"]


def test_to_casts_in_place():
    model = nn.Linear(2, 2)
    weight = model.weight
    assert model.double() is model and model.weight is weight and weight.dtype == torch.float64
    with pytest.raises(TypeError, match="nn.Module.to only accepts floating point or complex dtypes"):
        model.to(torch.int32)
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        model.cuda()


def test_train_eval_apply_zero_grad():
    model, seen = net(), []
    assert not model.eval()[4].training and model.train()[4].training
    model.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Sequential" and len(seen) == 7
    x = torch.ones(1, 1, 6, 6)
    model(x).sum().backward()
    model.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum().item() == 0 for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_deepcopy_and_pickle():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin[0].weight is not model[0].weight and torch.equal(twin[0].weight, model[0].weight)
        assert isinstance(twin[0].weight, nn.Parameter) and twin[0].weight.requires_grad


def test_containers():
    model = nn.Sequential(collections.OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert model.b is model[1] and len(model[:1]) == 1
    del model[0]
    assert list(model._modules) == ["0"]
    modules = nn.ModuleDict({"x": nn.ReLU()})
    modules["y"] = nn.Tanh()
    assert list(modules) == ["x", "y"] and "x" in modules
    with pytest.raises(IndexError, match="index 3 is out of range"):
        nn.ModuleList([nn.ReLU()])[3]
    params = nn.ParameterList([torch.ones(2)])
    assert isinstance(params[0], nn.Parameter) and len(list(params.parameters())) == 1


def test_losses():
    scores = torch.tensor([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0]], requires_grad=True)
    target = torch.tensor([2, 1])
    loss = nn.CrossEntropyLoss()(scores, target)
    assert abs(loss.item() - 0.9795251488685608) < 1e-6
    loss.backward()
    assert abs(scores.grad.sum().item()) < 1e-6
    with pytest.warns(UserWarning, match=r"Using a target size \(torch.Size\(\[3\]\)\) that is different to the input"):
        nn.MSELoss()(torch.zeros(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="x is not a valid value for reduction"):
        nn.MSELoss(reduction="x")(torch.zeros(1), torch.zeros(1))


def test_dropout_only_in_training():
    torch.manual_seed(0)
    layer, x = nn.Dropout(0.5), torch.ones(1000)
    dropped = layer(x)
    assert set(dropped.unique().tolist() if hasattr(torch._C._VariableFunctions, "_unique2") else dropped.tolist()) == {0.0, 2.0}
    assert layer.eval()(x) is x or torch.equal(layer(x), x)
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got 2"):
        nn.Dropout(2)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: n.Linear(5, 3),
        lambda n: n.Linear(5, 3, bias=False),
        lambda n: n.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2),
        lambda n: n.Conv1d(2, 3, 3),
        lambda n: n.Bilinear(2, 3, 4),
    ],
)
def test_state_repr_and_stream_are_pytorchs(make):
    reference = pytest.importorskip("torch")
    reference.manual_seed(3)
    torch.manual_seed(3)
    theirs, ours = make(reference.nn), make(nn)
    assert repr(ours) == repr(theirs)
    assert {k: v.tolist() for k, v in ours.state_dict().items()} == {k: v.tolist() for k, v in theirs.state_dict().items()}
    assert torch.rand(1).item() == reference.rand(1).item()


def test_functions_of_the_table_are_copied_and_pickled_by_name():
    for function in (nn.functional.gelu, nn.functional.linear, torch.add):
        assert copy.deepcopy(function) is function and copy.copy(function) is function
        assert pickle.loads(pickle.dumps(function)) is function


def test_random_slopes_are_drawn_for_what_is_not_positive():
    x = torch.tensor([-1.0, 2.0, -3.0, 0.0, -0.5], requires_grad=True)
    torch.manual_seed(0)
    drawn = torch.empty(4, dtype=torch.float64).uniform_(0.1, 0.3).tolist()
    torch.manual_seed(0)
    y = nn.RReLU(0.1, 0.3)(x)
    assert y.tolist() == pytest.approx([-drawn[0], 2.0, -3 * drawn[1], 0.0, -0.5 * drawn[3]])
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == pytest.approx([drawn[0], 1.0, drawn[1], drawn[2], drawn[3]])
    assert nn.RReLU(0.1, 0.3).eval()(x).tolist() == pytest.approx([-0.2, 2.0, -0.6, 0.0, -0.1])
    with pytest.raises(RuntimeError, match="Lower bound should be less than or equal to the upper bound"):
        nn.functional.rrelu(x, 0.5, 0.1)


def test_gumbel_softmax_chooses_one():
    torch.manual_seed(1)
    logits = torch.zeros(5, 3, requires_grad=True)
    hard = nn.functional.gumbel_softmax(logits, hard=True)
    assert hard.sum(1).tolist() == [1.0] * 5 and set(hard.flatten().tolist()) == {0.0, 1.0}
    hard[:, 0].sum().backward()
    assert logits.grad.abs().sum().item() > 0


def test_one_device_needs_no_splitting():
    layer = nn.DataParallel(nn.Linear(2, 3))
    assert torch.equal(layer(torch.ones(4, 2)), layer.module(torch.ones(4, 2))) and list(layer.state_dict()) == ["module.weight", "module.bias"]
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        nn.parallel.DistributedDataParallel(layer)
    with nn.attention.sdpa_kernel([nn.attention.SDPBackend.MATH]):
        nn.functional.scaled_dot_product_attention(*[torch.ones(1, 1, 2, 2)] * 3)
    with pytest.raises(AssertionError, match="Backend must be an instance of SDPBackend"):
        with nn.attention.sdpa_kernel("math"):
            pass
    for device, kind in (("xpu", AssertionError), ("mtia", AssertionError), ("ipu", RuntimeError), ("cuda", AssertionError)):
        with pytest.raises(kind):
            getattr(nn.Linear(2, 3), device)()


@pytest.mark.parametrize("layer", [
    lambda x: nn.BatchNorm1d(4)(x), lambda x: nn.LayerNorm(4)(x), lambda x: nn.GroupNorm(2, 4)(x), lambda x: torch.cat([x, x]),
    lambda x: nn.Linear(4, 4)(x),
], ids=["batch_norm", "layer_norm", "group_norm", "cat", "linear"])
def test_results_may_be_written_before_backward(layer):
    """Gradients save no result they do not need: an activation in place after a layer is common."""
    x = torch.randn(3, 4, requires_grad=True)
    layer(x).relu_().sum().backward()
    assert x.grad is not None
    y = x * 1
    if layer(y).shape[0] == 6:  # cat does not keep what it joins either
        z = layer(y)
        y.mul_(2)
        z.sum().backward()


def test_logsigmoid_is_contiguous():
    x = torch.randn(4, 3).t()
    assert torch.nn.functional.logsigmoid(x).stride() == (4, 1)
    assert torch.allclose(torch.nn.functional.logsigmoid(x), x.sigmoid().log())
