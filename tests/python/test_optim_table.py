"""The optimisers of spec/optim.toml and those beside it. Expected values are PyTorch 2.13's."""

import copy
import pickle

import pytest
import tallow as torch
from tallow import nn, optim

CASES = [
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("AdamW", {}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adafactor", {}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adamax", {"weight_decay": 0.1}),
    ("ASGD", {"t0": 2}),
    ("LBFGS", {"line_search_fn": "strong_wolfe"}),
    ("LBFGS", {"lr": 0.1}),
    ("Muon", {}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Rprop", {}),
]
STEPPED = [case for case in CASES if case[0] not in ("Adafactor", "LBFGS", "Muon")]


def train(module, name, settings, steps=8, dtype="float64", start=None, optimizer=None, shape=(3, 4)):
    """(parameter, optimiser) after steps down a bowl that is not round."""
    dtype = getattr(module, dtype)
    n = shape[0] * shape[1]
    count = module.arange(n, dtype=module.float64)
    weights = (count / n + 0.5).reshape(shape)
    first = ((count - 4).reshape(shape) / 3).to(dtype)
    p = start if start is not None else module.nn.Parameter(first * (1 + 0.5j) if dtype.is_complex else first)
    weights = weights.unsqueeze(-1).float() if dtype.is_complex else weights.to(dtype)
    optimizer = optimizer or getattr(module.optim, name)([p], **settings)

    def closure():
        optimizer.zero_grad()
        q = module.view_as_real(p) if p.is_complex() else p
        loss = ((q * weights) ** 2).sum() + (q * weights).sum().abs() * 0.1
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return p, optimizer


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
@pytest.mark.parametrize("name, settings", CASES)
def test_steps_are_pytorchs(name, settings, dtype):
    import torch as reference

    if dtype == "complex64" and name in ("Adafactor", "Muon"):
        pytest.skip("PyTorch refuses complex parameters here")
    if dtype != "float64" and name == "LBFGS":
        pytest.skip("its line search amplifies the rounding of dot products")
    expected, theirs = train(reference, name, settings, dtype=dtype)
    got, mine = train(torch, name, settings, dtype=dtype)
    loose = 2e-3 if name in ("LBFGS", "Muon") else 1e-5
    tolerance = {"float64": 1e-9 if name != "Muon" else 2e-3, "float32": loose, "complex64": loose}[dtype]
    flat = [complex(v) for v in got.detach().reshape(-1).tolist()]
    wanted = [complex(v) for v in expected.detach().reshape(-1).tolist()]
    assert flat == pytest.approx(wanted, rel=tolerance, abs=tolerance)
    assert repr(mine) == repr(theirs)
    order = sorted if name == "LBFGS" else list
    assert order(mine.state_dict()["state"][0]) == order(theirs.state_dict()["state"][0])


@pytest.mark.torch
@pytest.mark.parametrize("name, settings", CASES)
def test_state_goes_to_pytorch_and_back(name, settings, tmp_path):
    import torch as reference

    path = str(tmp_path / "state.pt")
    p, mine = train(torch, name, settings)
    torch.save({"p": p.detach(), "optimizer": mine.state_dict()}, path)
    loaded = reference.load(path)
    q = reference.nn.Parameter(loaded["p"])
    theirs = getattr(reference.optim, name)([q], **settings)
    theirs.load_state_dict(loaded["optimizer"])
    train(reference, name, settings, 3, start=q, optimizer=theirs)
    reference.save({"p": q.detach(), "optimizer": theirs.state_dict()}, path)
    loaded = torch.load(path)
    r = nn.Parameter(loaded["p"])
    again = getattr(optim, name)([r], **settings)
    again.load_state_dict(loaded["optimizer"])
    train(torch, name, settings, 3, start=r, optimizer=again)
    p, _ = train(torch, name, settings, 14)
    assert r.reshape(-1).tolist() == pytest.approx(p.reshape(-1).tolist(), rel=2e-3, abs=1e-3 if name in ("LBFGS", "Muon") else 1e-9)


@pytest.mark.parametrize("name, settings", STEPPED)
def test_differentiable_steps_are_the_same_steps(name, settings):
    plain, _ = train(torch, name, settings, 1)
    p = (torch.arange(12, dtype=torch.float64) - 4).reshape(3, 4) / 3
    base = p.clone().requires_grad_()
    q = base.clone()
    optimizer = getattr(optim, name)([q], differentiable=True, **settings)
    weights = (torch.arange(12, dtype=torch.float64) / 12 + 0.5).reshape(3, 4)
    q.grad = (2 * q * weights * weights + 0.1 * weights * (q * weights).sum().sign()).detach()
    optimizer.step()
    assert q.reshape(-1).tolist() == pytest.approx(plain.reshape(-1).tolist(), rel=1e-7, abs=1e-9)
    q.sum().backward()
    assert base.grad.abs().sum().item() > 0


def test_gradient_with_respect_to_the_learning_rate():
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    w = torch.ones(2, dtype=torch.float64, requires_grad=True).clone()
    optimizer = optim.SGD([w], lr=lr, differentiable=True)
    w.grad = torch.tensor([1.0, 3.0], dtype=torch.float64)
    optimizer.step()
    w.sum().backward()
    assert lr.grad.item() == -4.0


@pytest.mark.parametrize("name, settings", CASES)
def test_deepcopy_and_pickle_keep_the_state(name, settings):
    p, optimizer = train(torch, name, settings, 2)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(other) == repr(optimizer)
        assert [sorted(s) for s in other.state.values()] == [sorted(s) for s in optimizer.state.values()]


@pytest.mark.parametrize("name, settings", STEPPED)
def test_strided_and_half_parameters(name, settings):
    """Whatever its layout, a parameter steps as its contiguous copy does."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7 - 1
    for dtype in (torch.float32, torch.bfloat16):
        columns = nn.Parameter(base.clone().to(dtype)[:, ::2])
        plain = nn.Parameter(base.to(dtype)[:, ::2].contiguous())
        both = []
        for p in (columns, plain):
            optimizer = getattr(optim, name)([p], **settings)
            for k in range(3):
                p.grad = (base[:, ::2] * (k + 1)).to(dtype)
                optimizer.step()
            both.append(p.detach().float().reshape(-1).tolist())
        assert both[0] == both[1]


def test_a_parameter_without_gradient_is_left_alone():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = optim.RMSprop([a, b])
    a.grad = torch.ones(2)
    optimizer.step()
    assert b.tolist() == [1.0, 1.0] and list(optimizer.state) == [a]


def test_sgd_without_momentum_keeps_no_state():
    p, optimizer = train(torch, "SGD", {}, 1)
    assert optimizer.state_dict()["state"] == {}


def test_refusals():
    w = nn.Parameter(torch.ones(2))
    for make, text in [
        (lambda: optim.Adadelta([w], rho=2), "Invalid rho value: 2"),
        (lambda: optim.Adagrad([w], lr_decay=-1), "Invalid lr_decay value: -1"),
        (lambda: optim.RMSprop([w], alpha=-1), "Invalid alpha value: -1"),
        (lambda: optim.NAdam([w], momentum_decay=-1), "Invalid momentum_decay value: -1"),
        (lambda: optim.Rprop([w], etas=(2, 3)), "Invalid eta values: 2, 3"),
        (lambda: optim.RAdam([w], eps=-1), "Invalid epsilon value: -1"),
        (lambda: optim.Adafactor([w], d=0.5), "Clipping threshold d should be >= 1 but is: 0.5"),
        (lambda: optim.Muon([w]), "Muon only supports 2D parameters whereas we found a parameter with size: torch.Size([2])"),
        (lambda: optim.LBFGS([{"params": [w]}, {"params": [nn.Parameter(torch.ones(1))]}]),
         "LBFGS doesn't support per-parameter options (parameter groups)"),
        (lambda: optim.Adamax([w], lr=torch.ones(2)), "Tensor lr must be 1-element"),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as failure:
            make()
        assert str(failure.value) == text
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together."):
        optim.Adagrad([w], fused=True, foreach=True)
    optimizer = optim.Adam([w], capturable=True)
    w.grad = torch.ones(2)
    with pytest.raises(AssertionError, match="If capturable=True, params and state_steps must be on supported devices"):
        optimizer.step()
    z = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    z.grad = torch.ones(2, dtype=torch.complex64)
    with pytest.raises(RuntimeError, match="`fused=True` requires all the params to be floating point Tensors"):
        optim.SGD([z], fused=True).step()
    with pytest.raises(AttributeError, match="module 'torch.optim' has no attribute 'Adan'"):
        optim.Adan


def test_averaged_model():
    model = nn.Linear(2, 1)
    mean = optim.swa_utils.AveragedModel(model)
    ema = optim.swa_utils.AveragedModel(model, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.9))
    values = [1.0, 2.0, 6.0]
    for value in values:
        with torch.no_grad():
            model.weight.fill_(value)
        mean.update_parameters(model)
        ema.update_parameters(model)
    assert mean.module.weight.tolist() == [[3.0, 3.0]] and mean.n_averaged.item() == 3
    assert ema.module.weight.tolist()[0] == pytest.approx([0.9 * (0.9 * 1 + 0.2) + 0.6] * 2)
    assert mean(torch.ones(1, 2)).item() == pytest.approx(6.0 + model.bias.item())
    assert "n_averaged" in mean.state_dict()
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn should be provided"):
        optim.swa_utils.AveragedModel(model, avg_fn=max, multi_avg_fn=max)
    with pytest.raises(ValueError, match="Invalid decay value 2 provided"):
        optim.swa_utils.get_ema_avg_fn(2)


def test_swalr():
    optimizer = optim.SGD([nn.Parameter(torch.ones(1))], 1.0)
    schedule = optim.swa_utils.SWALR(optimizer, 0.2, anneal_epochs=4, anneal_strategy="linear")
    rates = []
    for _ in range(6):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.2, 0.2])


@pytest.mark.torch
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_swalr_is_pytorchs(strategy):
    import torch as reference

    rates = []
    for module in (torch, reference):
        swa_utils = __import__(f"{module.__name__}.optim.swa_utils", fromlist=["x"])
        optimizer = module.optim.SGD([module.nn.Parameter(module.ones(1))], 0.5)
        schedule = swa_utils.SWALR(optimizer, 0.05, anneal_epochs=3, anneal_strategy=strategy)
        seen = []
        for _ in range(5):
            optimizer.step()
            schedule.step()
            seen.append(optimizer.param_groups[0]["lr"])
        rates.append(seen)
    assert rates[0] == rates[1]


@pytest.mark.filterwarnings("error")
def test_lbfgs_does_not_warn_of_its_losses():
    train(torch, "LBFGS", {}, 1)
    x = torch.ones(1, requires_grad=True)
    with torch.no_grad():
        assert float(x) == 1.0 and torch.tensor([x]).item() == 1.0
    with pytest.raises(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        float(x)
