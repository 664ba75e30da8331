"""torch.testing: comparing results."""

import math

import tallow
from tallow import Tensor

# rtol, atol by dtype; everything else must be equal.
_TOLERANCES = {
    tallow.float16: (1e-3, 1e-5), tallow.bfloat16: (1.6e-2, 1e-5), tallow.float32: (1.3e-6, 1e-5),
    tallow.float64: (1e-7, 1e-7), tallow.complex64: (1.3e-6, 1e-5), tallow.complex128: (1e-7, 1e-7),
}  # fmt: skip


def _fail(text, msg):
    raise AssertionError(msg(text) if callable(msg) else msg or text)


def _compare_tensors(actual, expected, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride, msg):
    if actual.shape != expected.shape:
        _fail(f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.", msg)
    if check_device and actual.device != expected.device:
        _fail(f"The values for attribute 'device' do not match: {actual.device} != {expected.device}.", msg)
    if check_dtype and actual.dtype != expected.dtype:
        _fail(f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}.", msg)
    if check_stride and actual.stride() != expected.stride():
        _fail(f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}.", msg)
    if rtol is None:
        pairs = [_TOLERANCES.get(t.dtype, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    a, b = actual.detach().flatten().tolist(), expected.detach().flatten().tolist()
    wrong, worst, where, worst_ratio, ratio_where = 0, 0.0, 0, 0.0, 0
    for i, (x, y) in enumerate(zip(a, b)):
        if x == y or (equal_nan and x != x and y != y):
            continue
        difference = abs(x - y)
        if difference <= atol + rtol * abs(y) and difference != math.inf:
            continue
        wrong += 1
        ratio = difference / abs(y) if y != 0 else math.inf
        if not difference <= worst:
            worst, where = difference, i
        if not ratio <= worst_ratio:
            worst_ratio, ratio_where = ratio, i
    if not wrong:
        return
    if actual.dim() == 0:
        kind = "Scalars"
        text = (
            f"{kind} are not close!\n\nExpected {b[0]} but got {a[0]}.\n"
            f"Absolute difference: {worst} (up to {atol} allowed)\nRelative difference: {worst_ratio} (up to {rtol} allowed)"
        )
    else:
        close = "equal" if rtol == 0 and atol == 0 else "close"
        text = (
            f"Tensor-likes are not {close}!\n\nMismatched elements: {wrong} / {len(a)} ({100 * wrong / len(a):.1f}%)\n"
            f"Greatest absolute difference: {worst} at index {_index(where, actual.shape)}"
            + (f" (up to {atol} allowed)" if close == "close" else "")
            + f"\nGreatest relative difference: {worst_ratio} at index {_index(ratio_where, actual.shape)}"
            + (f" (up to {rtol} allowed)" if close == "close" else "")
        )
    _fail(text, msg)


def _index(flat, shape):
    index = []
    for size in reversed(shape):
        index.append(flat % size)
        flat //= size
    return tuple(reversed(index))


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True,
                 check_dtype=True, check_layout=True, check_stride=False, msg=None):  # fmt: skip
    """Raises AssertionError unless the values agree within the tolerances of their dtype."""
    if (rtol is None) != (atol is None):
        raise ValueError(
            "rtol and atol must both be specified or both be unspecified, "
            f"but got rtol={rtol} and atol={atol} instead."
        )
    options = (rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride, msg)
    _assert(actual, expected, options, allow_subclasses)


def _assert(actual, expected, options, allow_subclasses):
    if isinstance(expected, dict) and isinstance(actual, dict):
        if actual.keys() != expected.keys():
            _fail("The keys of the mappings do not match.", options[-1])
        for key in expected:
            _assert(actual[key], expected[key], options, allow_subclasses)
        return
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        if len(actual) != len(expected):
            _fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", options[-1])
        for a, e in zip(actual, expected):
            _assert(a, e, options, allow_subclasses)
        return
    if actual is None or expected is None:
        if actual is not expected:
            _fail(f"None mismatch: {actual} is not {expected}", options[-1])
        return
    rest = list(options)
    if not isinstance(actual, Tensor) and not isinstance(expected, Tensor) and isinstance(expected, (int, float, complex)):
        rest[4] = False
        kinds = {int: tallow.int64, bool: tallow.bool, float: tallow.float64, complex: tallow.complex128}
        if type(actual) is not type(expected) and options[4] and type(actual) in kinds:
            _fail(f"The values for attribute 'dtype' do not match: {kinds[type(actual)]} != {kinds[type(expected)]}.", options[-1])
    _compare_tensors(tallow.as_tensor(actual), tallow.as_tensor(expected), *rest)


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """The old form of assert_close."""
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False,
                 check_stride=False, msg=msg or None)  # fmt: skip


def make_tensor(*shape, dtype, device="cpu", low=None, high=None, requires_grad=False, noncontiguous=False,
                exclude_zero=False, memory_format=None):  # fmt: skip
    """Random values within [low, high)."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    if noncontiguous or memory_format is not None or exclude_zero:
        raise NotImplementedError("torch.testing.make_tensor: noncontiguous, exclude_zero, memory_format")
    if dtype == tallow.bool:
        return tallow.randint(0, 2, shape).to(dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        low, high = -9 if low is None and dtype.is_signed else low or 0, 10 if high is None else high
        return tallow.randint(int(low), int(high), shape, dtype=dtype)
    low, high = -9 if low is None else low, 9 if high is None else high
    if dtype.is_complex:
        parts = [tallow.rand(shape, dtype=dtype.to_real()) * (high - low) + low for _ in range(2)]
        return tallow.complex(*parts).requires_grad_(requires_grad)
    return (tallow.rand(shape) * (high - low) + low).to(dtype).requires_grad_(requires_grad)
