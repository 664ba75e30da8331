"""make_tensor: random tensors of any dtype."""

import math
import warnings

import tallow


def _bounds(dtype, low, high, lowest, highest, default_low, default_high):
    low, high = default_low if low is None else low, default_high if high is None else high
    if any(isinstance(value, float) and math.isnan(value) for value in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    floating = dtype.is_floating_point or dtype.is_complex
    if low == high and floating:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 and will be "
            "removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports [{lowest}, {highest})"
        )
    low, high = (min(max(value, lowest), highest) for value in (low, high))
    return (low, high) if floating else (math.ceil(low), math.ceil(high))


def _draw(shape, dtype, device, low, high):
    if dtype is tallow.bool:
        return tallow.randint(*_bounds(dtype, low, high, 0, 2, 0, 2), shape, device=device, dtype=dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        info = tallow.iinfo(dtype)
        bounds = _bounds(dtype, low, high, info.min, info.max + (dtype is not tallow.int64), -9, 10)
        return tallow.randint(*bounds, shape, device=device, dtype=dtype)
    info = tallow.finfo(dtype)
    low, high = _bounds(dtype, low, high, info.min, info.max, -9, 9)
    small = dtype.itemsize == 1  # drawn in float32, then rounded
    result = tallow.empty(shape, device=device, dtype=tallow.float32 if small else dtype)
    real = tallow.view_as_real(result) if dtype.is_complex else result
    if high - low > tallow.finfo(real.dtype).max:  # the width overflows
        real.uniform_(low / 2, high / 2).mul_(2)
    else:
        real.uniform_(low, high)
    return result.to(dtype)


def make_tensor(*shape, dtype, device, low=None, high=None, requires_grad=False, noncontiguous=False, exclude_zero=False,
                memory_format=None):  # fmt: skip
    """Random values of [low, high); by default from -9 to 9."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    shape = tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got {noncontiguous=} and {memory_format=}"
        )
    floating = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not floating:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    noncontiguous = noncontiguous and math.prod(shape) > 1
    result = _draw((*shape[:-1], 2 * shape[-1]) if noncontiguous else shape, dtype, device, low, high)
    if noncontiguous:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = tallow.finfo(dtype).tiny if floating else 1
    return result.requires_grad_(requires_grad) if floating else result
