"""Optimisers and schedules. Expected values are PyTorch 2.13's."""

import pytest
import tallow as torch
from tallow import nn
from tallow.optim import SGD, Adam, AdamW, lr_scheduler


def train(make):
    w = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = make([w])
    for _ in range(3):
        optimizer.zero_grad()
        (w * w * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        optimizer.step()
    return w.tolist()


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda p: SGD(p, 0.1), [0.5119999647140503, -0.4320000112056732, 0.19199995696544647]),
        (lambda p: SGD(p, 0.1, momentum=0.9), [0.06199999898672104, 1.0799999237060547, -2.561999797821045]),
        (lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
         [-0.14046837389469147, 0.8697686195373535, -0.8747575879096985]),
        (lambda p: SGD(p, 0.1, momentum=0.9, dampening=0.5, maximize=True),
         [1.9199999570846558, -6.047999858856201, 12.972000122070312]),
        (lambda p: Adam(p, 0.1), [0.7015863060951233, -1.7006233930587769, 2.7003815174102783]),
        (lambda p: Adam(p, 0.1, amsgrad=True, weight_decay=0.1),
         [0.7015863060951233, -1.7006233930587769, 2.7003815174102783]),
        (lambda p: AdamW(p, 0.1), [0.6989112496376038, -1.6949446201324463, 2.6917035579681396]),
    ],
)  # fmt: skip
def test_three_steps(make, expected):
    assert train(make) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_differentiable_path_agrees_with_the_fused_one():
    assert train(lambda p: Adam(p, 0.1)) == pytest.approx(train(lambda p: Adam(p, torch.tensor(0.1))), rel=1e-5)


def test_state_dict_goes_around():
    w = nn.Parameter(torch.ones(2))
    first = Adam([w], 0.1)
    w.grad = torch.ones(2)
    first.step()
    saved = first.state_dict()
    assert list(saved["state"]) == [0] and list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert saved["state"][0]["step"].item() == 1.0 and saved["param_groups"][0]["params"] == [0]
    second = Adam([w], 0.5)
    second.load_state_dict(saved)
    assert second.param_groups[0]["lr"] == 0.1 and second.state[w]["step"].item() == 1.0
    with pytest.raises(ValueError, match="loaded state dict has a different number of parameter groups"):
        second.load_state_dict({"state": {}, "param_groups": []})


def test_repr():
    assert repr(SGD([nn.Parameter(torch.ones(1))], 0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_refusals():
    w = nn.Parameter(torch.ones(1))
    for make, text in [
        (lambda: SGD([]), "optimizer got an empty parameter list"),
        (lambda: SGD([w], -1), "Invalid learning rate: -1"),
        (lambda: SGD([w], nesterov=True), "Nesterov momentum requires a momentum and zero dampening"),
        (lambda: SGD([w * 2]), "can't optimize a non-leaf Tensor"),
        (lambda: Adam([w], betas=(2, 0)), "Invalid beta parameter at index 0: 2"),
        (lambda: SGD([{"params": [w]}, {"params": [w]}]), "some parameters appear in more than one parameter group"),
    ]:
        with pytest.raises(ValueError) as failure:
            make()
        assert str(failure.value) == text
    with pytest.raises(TypeError, match="but got torch.FloatTensor"):
        SGD(w)


def test_hooks_and_closure():
    w, log = nn.Parameter(torch.ones(1)), []
    optimizer = SGD([w], 0.5)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: log.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: log.append("after"))

    def closure():
        optimizer.zero_grad()
        loss = (w * 2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0 and w.item() == 0.0 and log == ["before", "after"]


def test_zero_grad():
    w = nn.Parameter(torch.ones(1))
    w.grad = torch.ones(1)
    optimizer = SGD([w])
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.item() == 0.0
    optimizer.zero_grad()
    assert w.grad is None


def rates(make, steps=6):
    w = nn.Parameter(torch.ones(1))
    optimizer = SGD([w], 1.0)
    scheduler = make(optimizer)
    seen = []
    for _ in range(steps):
        optimizer.step()
        seen.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return seen


def test_schedules():
    assert rates(lambda o: lr_scheduler.StepLR(o, 2, 0.5)) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert rates(lambda o: lr_scheduler.LambdaLR(o, lambda e: 1 / (e + 1)), 3) == [1.0, 0.5, 1 / 3]
    assert rates(lambda o: lr_scheduler.ExponentialLR(o, 0.5), 3) == [1.0, 0.5, 0.25]
    assert rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 4), 5) == pytest.approx(
        [1.0, 0.8535533905932737, 0.5, 0.14644660940672627, 0.0], abs=1e-12
    )


def test_schedule_before_the_optimizer_warns():
    optimizer = SGD([nn.Parameter(torch.ones(1))], 1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def counted_begins(optimizer):
    """How often the optimiser starts a parameter's state in ten steps."""
    begun = []
    begin = type(optimizer)._begin

    class Counting(type(optimizer)):
        def _begin(self, p, group):
            begun.append(p)
            return begin(self, p, group)

    optimizer.__class__ = Counting
    for _ in range(10):
        optimizer.step()
    return len(begun)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adadelta", "ASGD", "NAdam", "RMSprop"])
def test_state_is_begun_once(name):
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    assert counted_begins(getattr(torch.optim, name)([p])) == (name != "SGD")


def test_state_of_a_parameter_that_comes_later():
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = torch.optim.SGD([p, q], lr=0.5, momentum=0.5)
    for grads in ((1.0, None), (1.0, 1.0), (None, 1.0)):
        for t, g in zip((p, q), grads):
            t.grad = None if g is None else torch.full((2,), g)
        optimizer.step()
    assert p.tolist() == [-0.25, -0.25] and q.tolist() == [-0.25, -0.25]
    assert optimizer.state[q]["momentum_buffer"].tolist() == [1.5, 1.5]


def test_clearing_gradients_keeps_to_overrides():
    seen = []

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append(getattr(func, "__name__", str(func)))
            return super().__torch_function__(func, types, args, kwargs or {})

    plain, other = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([plain, other], lr=0.5)
    plain.grad, other.grad = torch.ones(2), torch.ones(2).as_subclass(Watched)
    before = plain.grad
    optimizer.zero_grad(set_to_none=False)
    assert plain.grad is before and before.tolist() == [0, 0] and before._version == 1
    assert "zero_" in seen
    optimizer.zero_grad()
    assert plain.grad is None and other.grad is None
    (plain * plain).sum().backward(create_graph=True)
    assert plain.grad.requires_grad
    optimizer.zero_grad(set_to_none=False)
    assert not plain.grad.requires_grad and plain.grad.tolist() == [0, 0]
