"""Every op on elements at odd addresses, which memory that others lend may have: the results are those of aligned ones, bit for bit, gradients too, and
what an op writes arrives there. That nothing loads them as if they were aligned is for the sanitizers to see (make asan)."""

import gc

import pytest
import samples
import tallow as torch
from tallow import _C

OPS = {op.key: op for op in samples.table()}
REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)


def odd(value):
    """The same tensor in memory that begins at an odd address; lists of tensors too."""
    if isinstance(value, list):
        return [odd(item) for item in value]
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.numel() == 0 or value.itemsize == 1:
        return value
    content = value.untyped_storage()
    memory = bytearray(b"\0" + bytes(content.tolist()))
    moved = torch.frombuffer(memory, dtype=value.dtype, offset=1)
    assert moved.data_ptr() % 2
    return torch.empty(0, dtype=value.dtype).set_(moved.untyped_storage(), value.storage_offset(), value.shape, value.stride())


def plain(value):
    """A copy that an op may write to."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def bits(t):
    if t.layout != torch.strided:
        t = t.to_dense()
    return t.detach().resolve_conj().resolve_neg().reshape(-1).contiguous().view(torch.uint8).tolist()


def outcome(op, values):
    """Bits of the results, of what the tensors hold afterwards, and of the gradients; or the error."""
    try:
        leaves = [t.requires_grad_() for t in samples.tensors(values) if t.is_floating_point() and "inplace" not in op.flags]
        results = samples.call(op, values)
        if op.base.startswith(("empty", "new_empty")):
            return [tuple(t.shape) for t in results]
        seen = [bits(t) for t in results] + [bits(t) for t in samples.tensors(values)]
        outs = [t for t in results if t.requires_grad]
        if outs:
            torch.autograd.backward(outs, [torch.ones_like(t) for t in outs])
        return seen + [bits(t.grad) for t in leaves if t.grad is not None]
    except REFUSALS as error:
        return type(error), str(error)


@pytest.mark.parametrize("key", OPS)
def test_results_are_those_of_aligned_elements(key):
    op = OPS[key]
    if samples.function(op) is None:
        pytest.skip("is not in Python")
    for dtype in (torch.float32, torch.float16, torch.complex64, torch.int64):
        made = [values for values in samples.samples(op, dtype) if sum(t.numel() for t in samples.tensors(values)) < 3000]
        for values in made[:4]:
            expected = outcome(op, [plain(value) for value in values])
            assert outcome(op, [odd(plain(value)) for value in values]) == expected, values


def test_out_and_in_place_writes_arrive():
    memory = bytearray(1 + 4 * 12)
    x = torch.frombuffer(memory, dtype=torch.float32, offset=1)
    y = torch.arange(12.0)
    x.copy_(y)
    assert torch.frombuffer(memory[1:], dtype=torch.float32).tolist() == y.tolist()
    x[2:6] *= 2
    x.view(3, 4)[:, 1] = 7
    torch.add(y, 1, out=x[:12])
    assert x.tolist() == (y + 1).tolist() == torch.frombuffer(memory[1:], dtype=torch.float32).tolist()
    torch.sort(y, descending=True, out=(x, torch.empty(12, dtype=torch.int64)))
    assert x.tolist() == y.flip(0).tolist()
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        x[:11] += x[1:]
    assert x.fill_(3).sum().item() == 36 and x[0].item() == 3
    assert str(x[:3]) == "tensor([3., 3., 3.])"


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_optimisers_step_parameters_there(name):
    aligned = torch.arange(6.0)
    p, q = torch.nn.Parameter(aligned.clone()), torch.nn.Parameter(odd(aligned))
    for x in (p, q):
        optimizer = getattr(torch.optim, name)([x], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (x * x).sum().backward()
            optimizer.step()
    assert q.data_ptr() % 2 and p.tolist() == q.tolist()


def test_failed_allocations_leave_nothing_behind():
    x = odd(torch.arange(6.0))
    pair = [x, odd(torch.ones(6))]
    torch.cat(pair)
    gc.collect()
    before = _C._memory_stats()
    failures = 0
    for n in range(1, 40):
        _C._memory_fail_at(n)
        try:
            torch.cat(pair)
            x.add_(0)
        except (RuntimeError, MemoryError):
            failures += 1
        finally:
            _C._memory_fail_at(0)
    after = _C._memory_stats()
    assert failures > 5 and x.tolist() == list(range(6))
    assert (after["structs"], after["blocks"]) == (before["structs"], before["blocks"])
