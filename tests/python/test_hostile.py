"""Every op with arguments nobody meant: one argument of a sample replaced by the smallest and largest integers, NaN, lists of the wrong length,
tensors that are empty, 0-dimensional, expanded, transposed, of another dtype or with strides that make no sense. A result or an error is all the
same; a crash, a leak, an error left behind or a call without end is not. Sanitizers (make asan) see what else goes wrong."""

import gc
import itertools
import math
import os

import pytest
import samples
import tallow as torch
from tallow import _C

OPS = {op.key: op for op in samples.table()}
ERRORS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, OverflowError, ZeroDivisionError, MemoryError)
INTS = (-(2**63), -(2**62), -1, 0, 2**62, 2**63 - 1)
FLOATS = (math.nan, math.inf, -math.inf, 1e308, -1e-320, 2.0**63)


def tensors(t):
    """Other tensors in the place of t."""
    shape = tuple(t.shape)
    if t.layout != torch.strided:
        t = t.to_dense()
    yield torch.empty((0, *shape[1:]), dtype=t.dtype)
    yield t.new_zeros((*shape[:-1], 0)) if shape else t.new_zeros(0)
    yield t.reshape(-1)[:1].reshape(()) if t.numel() else t.new_zeros(())
    yield t.new_ones(()).expand(shape)
    yield t.mT if t.ndim > 1 else t.new_ones((3, 2)).mT
    yield t[None]
    yield torch.as_strided(t.contiguous(), (*shape, 1), (*torch.empty(shape, device="meta").stride(), 2**62 // t.itemsize))
    yield t.to(torch.complex64)
    yield t.to(torch.int32) if t.is_floating_point() else t.to(torch.float64)
    yield t.to(torch.bool)
    if t.dtype == torch.int64:
        for value in (-(2**63), -1, 2**62, 2**63 - 1):
            yield torch.full_like(t, value)
    if t.is_floating_point():
        yield t * math.nan
        yield t * 0 + 1e38


def others(value, param):
    """Other values in the place of an argument."""
    base, is_list = param.type.base, param.type.is_list
    if isinstance(value, torch.Tensor):
        yield from tensors(value)
    elif base == "Tensor" and is_list:
        yield []
        for other in tensors(value[0]) if value else ():
            yield [other, *value[1:]]
            yield [other]
    elif base == "int" and is_list:
        given = list(value) if isinstance(value, (list, tuple)) else [1]
        yield []
        yield [1] * 70
        yield [*given, 1]
        for other in INTS:
            yield [other, *given[1:]]
            yield [*given[:-1], other]
            yield [other] * len(given)
    elif base == "int":
        yield from INTS
    elif base in ("float", "Scalar"):
        yield from [[x] for x in FLOATS] if is_list else FLOATS
        if base == "Scalar":
            yield from (2**63 - 1, -(2**63), complex(math.nan, 1))


def leaf(value):
    return value.detach().requires_grad_() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def attempt(op, values):
    try:
        outs = [t for t in samples.tensors(samples.call(op, values)) if t.requires_grad]
        if outs:
            torch.autograd.backward(outs, [torch.ones_like(t) for t in outs])
    except ERRORS:
        pass


def live():
    stats = _C._memory_stats()
    return stats["structs"], stats["blocks"], stats["block_bytes"]


def given(op):
    """A small sample; two with TALLOW_THOROUGH=1, which takes a minute."""
    small = (values for values in samples.samples(op, torch.float32) if sum(t.numel() for t in samples.tensors(values)) < 3000)
    return list(itertools.islice(small, 2 if os.environ.get("TALLOW_THOROUGH") else 1))


def sweep(op):
    for values in given(op):
        for i, param in enumerate(op.params):
            for other in others(values[i], param):
                attempt(op, [leaf(other if k == i else value) for k, value in enumerate(values)])
                assert torch.ones(1).item() == 1.0  # nothing is pending


@pytest.mark.parametrize("key", OPS)
def test_hostile_arguments(key):
    op = OPS[key]
    if samples.function(op) is None:
        pytest.skip("is not in Python")
    for values in given(op):  # what is made once and kept exists from here on
        attempt(op, [leaf(value) for value in values])
        del values
    gc.collect()
    before = live()
    sweep(op)
    gc.collect()
    assert live() == before
