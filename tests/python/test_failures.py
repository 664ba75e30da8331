"""Each allocation of a call fails in turn: MemoryError or RuntimeError every time, live counts back to what they were, and the next call
works. Over a sample of every kind of op, forward and backward, in place, out=, indexing, forward mode and vmap."""

import gc

import pytest
import samples
import tallow as torch
from tallow import _C

OPS = {op.key: op for op in samples.table()}


def live():
    stats = _C._memory_stats()
    return stats["structs"], stats["blocks"], stats["block_bytes"]


def settled(before):
    """Whether the counts are back; tracebacks and closures may be in cycles."""
    if live() != before:
        gc.collect()
    assert live() == before
    return True


def fail_each(call, limit=3000):
    """Runs call with the first, second, ... allocation failing, until it gets through. The number of failures."""
    call()  # what is made once and kept exists from here on
    gc.collect()
    before = live()
    for at in range(1, limit):
        _C._memory_fail_at(at)
        try:
            call()
        except (MemoryError, RuntimeError) as error:
            _C._memory_fail_at(0)
            assert str(error), f"allocation {at}: no text"
            failed = True
        else:
            failed = False
        finally:
            _C._memory_fail_at(0)
        assert settled(before), f"allocation {at}"
        if not failed:
            call()
            assert settled(before)
            return at - 1
    raise AssertionError("too many allocations")


def leaves(value):
    """A copy of nested arguments whose floating-point tensors are leaves that require gradients."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_() if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(leaves(item) for item in value)
    return value


def first_sample(op):
    """The first sample that the op takes, of the dtypes that it may have."""
    for dtype in (torch.float32, torch.int64, torch.complex64, torch.bool):
        for values in samples.samples(op, dtype):
            try:
                samples.call(op, leaves(values))
            except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
                continue
            return values
    return None


@pytest.mark.parametrize("key", OPS)
def test_op_forward_and_backward(key):
    op = OPS[key]
    values = first_sample(op)
    if values is None:
        pytest.skip("has no sample that it takes on leaves")

    def call():
        outs = [t for t in samples.tensors(samples.call(op, leaves(values))) if t.requires_grad]
        if outs:
            try:
                torch.autograd.backward(outs, [torch.ones_like(t) for t in outs])
            except NotImplementedError:  # zeta has no derivative of its first argument; refusing must not leak either
                pass

    try:
        call()
    except NotImplementedError as missing:
        pytest.skip(str(missing))
    fail_each(call)


X = samples.numbers((4, 3), 1)
Y = samples.numbers((4, 3), 2)
INDEX = torch.tensor([0, 2, 2])
MASK = Y > 0


def assign(index, value):
    def call():
        x = X.clone().requires_grad_() * 1
        x[index] = value
        x.sum().backward()

    return call


def out_call(f, *args):
    def call():
        f(*args, out=torch.empty(0))

    return call


def in_place(method, *args):
    def call():
        x = X.clone().requires_grad_() * 1
        getattr(x, method)(*args)
        x.sum().backward()

    return call


def through_view():
    x = X.clone().requires_grad_() * 1
    x[1:3, 0].mul_(2)
    x.t()[0].add_(1)
    x.sum().backward()


def twice():
    x = X.clone().requires_grad_()
    (g,) = torch.autograd.grad((x.sigmoid() * x).sum(), x, create_graph=True)
    g.square().sum().backward()


def module():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(net.parameters())
    torch.nn.functional.cross_entropy(net(X), torch.tensor([0, 1, 0, 1])).backward()
    optimizer.step()


CALLS = {
    "assign a slice": assign(slice(1, 3), 0.0), "assign by index": assign(INDEX, Y[:3]), "assign by mask": assign(MASK, 1.0),
    "assign a row": assign(1, Y[0]), "add_": in_place("add_", Y), "mul_": in_place("mul_", 2.0), "sigmoid_": in_place("sigmoid_"),
    "clamp_": in_place("clamp_", -1, 1), "masked_fill_": in_place("masked_fill_", MASK, 2.0), "copy_": in_place("copy_", Y),
    "t_": in_place("t_"), "zero_": in_place("zero_"),
    "add out": out_call(torch.add, X, Y), "sum out": out_call(torch.sum, X, 0), "mm out": out_call(torch.mm, X, Y.t()),
    "cat out": out_call(torch.cat, [X, Y]), "exp out": out_call(torch.exp, X), "writes through views": through_view,
    "double backward": twice, "index by tensor": lambda: X[INDEX], "index by mask": lambda: X[MASK], "slices": lambda: X[1:, ::2],
    "tensor from a list": lambda: torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "item": lambda: X[0, 0].item(),
    "repr": lambda: repr(X), "to": lambda: X.to(torch.float64), "split": lambda: X.split(2), "unbind": lambda: X.unbind(0),
    "random": lambda: torch.randn(3, 3), "randperm": lambda: torch.randperm(8), "dropout": lambda: torch.nn.functional.dropout(X),
    "jvp": lambda: torch.func.jvp(lambda x: (x.exp() * x).sum(), (X,), (Y,)), "vmap": lambda: torch.func.vmap(torch.dot)(X, Y),
    "grad": lambda: torch.func.grad(lambda x: (x.tanh() * x).sum())(X), "vmap of a loop": lambda: torch.func.vmap(torch.sort)(X),
    "training step": module,
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_other_calls(name):
    assert fail_each(CALLS[name]) > 0
