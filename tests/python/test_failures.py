"""Each allocation of a call fails in turn: MemoryError or RuntimeError every time, live counts back to what they were, and the next call
works. Over a sample of every kind of op, forward and backward, in place, out=, indexing, forward mode, vmap, modules, optimisers and files."""

import copy
import gc
import inspect
import io
import pickle

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
    gc.freeze()  # collections need look only at what the calls leave
    before = live()
    try:
        return count_failures(call, before, limit)
    finally:
        gc.unfreeze()


def count_failures(call, before, limit):
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


def mask_in_place():
    x = X.clone().requires_grad_() * 1
    x[MASK] *= 2
    x[INDEX, 1] += Y[:3, 0]
    x.sum().backward()


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 2 + 0 * x


def hooked():
    x = X.clone().requires_grad_()
    y = x * 2
    y.register_hook(lambda grad: grad * 3)
    y.retain_grad()
    x.register_post_accumulate_grad_hook(lambda leaf: None)
    y.exp().sum().backward()


def packed():
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(force=True), torch.from_numpy):
        X.clone().requires_grad_().exp().square().sum().backward()


def checkpointed():
    x = X.clone().requires_grad_()
    torch.utils.checkpoint.checkpoint(lambda x: x.exp().square(), x, use_reentrant=False).sum().backward()


def low_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (X.clone().requires_grad_() @ Y.t()).float().sum().backward()


def layer(make, *shape):
    """A call that makes a module and runs it forward and backward."""

    def call():
        torch.manual_seed(0)
        outs = make()(torch.ones(shape, requires_grad=True))
        samples.tensors(outs if isinstance(outs, tuple) else [outs])[0].sum().backward()

    return call


def attention():
    x = torch.ones(2, 3, 4, requires_grad=True)
    torch.nn.MultiheadAttention(4, 2, batch_first=True)(x, x, x)[0].sum().backward()


def clipped():
    parameters = [torch.nn.Parameter(X.clone()), torch.nn.Parameter(Y.clone())]
    (parameters[0] * parameters[1]).sum().backward()
    torch.nn.utils.clip_grad_norm_(parameters, 0.1)
    torch.nn.utils.parameters_to_vector(parameters)


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file)


def foreach():
    torch._foreach_add_(torch._foreach_mul([X, Y], 2.0), [Y, X], alpha=2)


FUNC = torch.func
STATE = torch.nn.BatchNorm1d(3).state_dict()

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
    "training step": module, "in place by index": mask_in_place, "hooks": hooked, "saved-tensor hooks": packed, "checkpoint": checkpointed,
    "function": lambda: Double.apply(X.clone().requires_grad_()).sum().backward(), "autocast": low_precision,
    "nonzero": lambda: X.nonzero(as_tuple=True), "unique": lambda: torch.unique(INDEX, return_inverse=True, return_counts=True),
    "einsum": lambda: torch.einsum("ij,kj->ik", X.clone().requires_grad_(), Y).sum().backward(),
    "chunk": lambda: torch.cat(X.clone().requires_grad_().chunk(2)).sum().backward(),
    "unbind backward": lambda: torch.stack(X.clone().requires_grad_().unbind()).sum().backward(),
    "split in place": lambda: [part.mul_(2) for part in (X.clone().requires_grad_() * 1).tensor_split(2)], "foreach": foreach,
    "batch norm": layer(lambda: torch.nn.BatchNorm1d(3), 4, 3), "layer norm": layer(lambda: torch.nn.LayerNorm(3), 4, 3),
    "lstm": layer(lambda: torch.nn.LSTM(3, 2, num_layers=2, bidirectional=True), 4, 2, 3), "gru": layer(lambda: torch.nn.GRU(3, 2), 4, 2, 3),
    "convolutions": layer(lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ConvTranspose2d(2, 1, 3)), 1, 1, 4, 4),
    "transformer": layer(lambda: torch.nn.TransformerEncoderLayer(4, 2, 4, batch_first=True), 1, 3, 4), "attention": attention,
    "embedding": lambda: torch.nn.Embedding(3, 2)(INDEX).sum().backward(), "clip gradients": clipped,
    "numpy": lambda: torch.from_numpy(X.clone().numpy()).numpy(), "dlpack": lambda: torch.from_dlpack(X.clone()),
    "frombuffer": lambda: torch.frombuffer(X.clone().numpy(), dtype=torch.float64),
    "save and load": lambda: saved({"x": X, "view": X[1:, ::2], "state": STATE}), "pickle": lambda: pickle.loads(pickle.dumps(X)),
    "deepcopy": lambda: copy.deepcopy(X), "jacrev": lambda: FUNC.jacrev(torch.sin)(X[0]), "jacfwd": lambda: FUNC.jacfwd(torch.sin)(X[0]),
    "hessian": lambda: FUNC.hessian(lambda x: x.exp().sum())(X[0, :2]), "vjp": lambda: FUNC.vjp(torch.sin, X)[1](Y),
    "vmap of grad": lambda: FUNC.vmap(FUNC.grad(lambda x: x.exp().sum()))(X), "vmap of index": lambda: FUNC.vmap(lambda x: x[[0, 2]])(X),
    "vmap in place": lambda: FUNC.vmap(lambda x: x.clone().mul_(2))(X),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_other_calls(name):
    assert fail_each(CALLS[name]) > 0


OPTIMISERS = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1}, "Adam": {"amsgrad": True}, "AdamW": {}, "Adadelta": {}, "Adafactor": {},
    "Adagrad": {}, "Adamax": {}, "ASGD": {"t0": 0}, "NAdam": {}, "RAdam": {}, "RMSprop": {"momentum": 0.9, "centered": True}, "Rprop": {},
    "LBFGS": {"max_iter": 2}, "Muon": {},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(name):
    def call():
        parameters = [torch.nn.Parameter(X.clone()), torch.nn.Parameter(Y.clone())]
        optimiser = getattr(torch.optim, name)(parameters, **OPTIMISERS[name])

        def closure():
            optimiser.zero_grad()
            loss = (parameters[0] * parameters[1]).square().sum()
            loss.backward()
            return loss

        for _ in range(2):
            if name == "LBFGS":
                optimiser.step(closure)
            else:
                closure()
                optimiser.step()
        optimiser.load_state_dict(optimiser.state_dict())

    assert fail_each(call) > 0


@pytest.mark.parametrize("name", OPTIMISERS)
def test_differentiable_steps(name):
    make = getattr(torch.optim, name)
    if "differentiable" not in inspect.signature(make).parameters:
        pytest.skip("has no differentiable step")

    def call():
        leaf = X.clone().requires_grad_()
        parameter = leaf.clone()
        optimiser = make([parameter], differentiable=True, **OPTIMISERS[name])
        for _ in range(2):
            parameter.grad = Y * leaf
            optimiser.step()
        parameter.sum().backward()

    assert fail_each(call) > 0
