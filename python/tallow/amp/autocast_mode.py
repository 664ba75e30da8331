"""autocast: matrix products and convolutions in half precision. The casts happen in C (src/autograd/autocast.c)."""

import functools
import warnings

import tallow
from tallow import _C

_DEVICES = ("cpu", "cuda", "xpu", "mps", "hpu", "ipu", "xla", "mtia", "maia")
_others = {}  # device → [whether it is on, dtype], of devices that are not there
_cache_enabled = True
_nesting = 0


def is_autocast_available(device_type):
    """Whether autocast knows the device."""
    return device_type in _DEVICES


def _check(device_type):
    if not is_autocast_available(device_type):
        raise RuntimeError(f"unknown device type for autocast in get_autocast_dispatch_key_from_device_type: {device_type}")


def _state(device_type):
    _check(device_type)
    if device_type == "cpu":
        return _C._autocast()
    default = tallow.bfloat16 if device_type in ("xla", "hpu", "mtia", "maia") else tallow.float16
    return _others.get(device_type, (False, default))


def _set_state(device_type, enabled, dtype):
    _check(device_type)
    if device_type == "cpu":
        _C._set_autocast(enabled, dtype)
    else:
        _others[device_type] = (enabled, dtype)


def is_autocast_enabled(device_type="cuda"):
    """Whether autocast is on for a device."""
    return _state(device_type)[0]


def set_autocast_enabled(device_type, enabled=None):
    """Turns autocast on or off for a device."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    _set_state(device_type, enabled, _state(device_type)[1])


def get_autocast_dtype(device_type):
    """The dtype that autocast casts to."""
    return _state(device_type)[1]


def set_autocast_dtype(device_type, dtype):
    """Sets the dtype that autocast casts to."""
    _set_state(device_type, _state(device_type)[0], dtype)


def is_autocast_cpu_enabled():
    """Whether autocast is on for the CPU."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled):
    """Turns autocast on or off for the CPU."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype():
    """The dtype that autocast casts to on the CPU."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype):
    """Sets the dtype that autocast casts to on the CPU."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype():
    """The dtype that autocast would cast to on a GPU."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype):
    """Sets the dtype that autocast would cast to on a GPU."""
    set_autocast_dtype("cuda", dtype)


def is_autocast_cache_enabled():
    """The flag; casts are not cached."""
    return _cache_enabled


def set_autocast_cache_enabled(enabled):
    """Sets the flag; casts are not cached."""
    global _cache_enabled
    _cache_enabled = enabled


def autocast_increment_nesting():
    """Counts an autocast context that begins."""
    global _nesting
    _nesting += 1
    return _nesting


def autocast_decrement_nesting():
    """Counts an autocast context that ends."""
    global _nesting
    _nesting -= 1
    return _nesting


def clear_autocast_cache():
    """Nothing to clear: casts are not cached."""


class autocast:
    """A context, and a decorator, in which matrix products and convolutions run in half precision and some losses in float32."""

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        tallow.device(device_type)  # refuses what is no device
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and device_type == "cuda":
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and self.fast_dtype not in (tallow.bfloat16, tallow.float16):
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled

    def __enter__(self):
        self.prev, self.prev_fastdtype = _state(self.device)
        self.prev_cache_enabled = is_autocast_cache_enabled()
        dtype = self.fast_dtype if self._enabled else self.prev_fastdtype
        _set_state(self.device, self._enabled, dtype)
        autocast_increment_nesting()
        set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, kind, value, traceback):
        autocast_decrement_nesting()
        _set_state(self.device, self.prev, self.prev_fastdtype)
        set_autocast_cache_enabled(self.prev_cache_enabled)
        return False

    def __call__(self, func):
        @functools.wraps(func)
        def decorate_autocast(*args, **kwargs):
            with self:
                return func(*args, **kwargs)

        return decorate_autocast


def _cast(value, device_type, dtype):
    if isinstance(value, tallow.Tensor):
        change = value.is_floating_point() and value.device.type == device_type and value.dtype != tallow.float64
        return value.to(dtype) if change else value
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, dict):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, device_type, dtype) for v in value)
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """For the forward() of an autograd.Function: under autocast, casts its inputs and then runs without, if cast_inputs is given."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(*args, **kwargs):
        args[0]._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        if cast_inputs is None:
            args[0]._fwd_used_autocast = on
            return fwd(*args, **kwargs)
        args[0]._fwd_used_autocast = False
        if not on:
            return fwd(*args, **kwargs)
        with autocast(device_type=device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return decorate_fwd


def custom_bwd(bwd=None, *, device_type):
    """For the backward() of an autograd.Function: runs with the autocast state of its forward()."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(*args, **kwargs):
        with autocast(device_type=device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return decorate_bwd
