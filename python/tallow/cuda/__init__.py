"""torch.cuda as a build without CUDA answers."""

import contextlib
from collections import OrderedDict

import tallow
from tallow import _C
from tallow._absent import getters as _getters

_absent_getattr, _absent_dir = _getters(__name__)
_MODULES = ("amp", "memory", "random", "streams")
_TENSORS = frozenset(f"{kind}Tensor" for kind in "BFloat16 Bool Byte Char Double Float Half Int Long Short".split())
_STORAGES = frozenset(f"{kind}Storage" for kind in
                      "BFloat16 Bool Byte Char ComplexDouble ComplexFloat Double Float Half Int Long Short".split())  # fmt: skip
has_half = True
has_magma = False
default_generators = ()


class _NoTensorType(type):
    def __instancecheck__(cls, instance):
        return False


def _no_tensor_type(name):
    def __new__(cls, *args, **kwargs):
        raise TypeError(f"type torch.cuda.{name} not available. Torch not compiled with CUDA enabled.")

    return _NoTensorType(name, (), {"__new__": __new__, "__module__": "torch.cuda", "__doc__": "Tensors on a GPU: there are none."})


def __getattr__(name):
    if name in _TENSORS or name in _STORAGES:
        value = _no_tensor_type(name)
    elif name == "OutOfMemoryError":
        value = tallow.OutOfMemoryError
    elif name in _MODULES:
        import importlib

        return importlib.import_module("tallow.cuda.amp") if name == "amp" else importlib.import_module(__name__)
    else:
        return _absent_getattr(name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*_absent_dir(), *_TENSORS, *_STORAGES, "OutOfMemoryError", "amp"})


class CudaError(RuntimeError):
    """An error of the driver: nothing raises it."""


class DeferredCudaCallError(Exception):
    """An error of a deferred call: nothing raises it."""


def is_available():
    """False: there is no GPU."""
    return False


def device_count():
    """0."""
    return 0


def is_initialized():
    """False."""
    return False


def is_bf16_supported(including_emulation=True):
    """False."""
    return False


def is_tf32_supported():
    """False."""
    return False


def _refuse():
    raise AssertionError("Torch not compiled with CUDA enabled")


def init():
    """Refuses: there is no GPU."""
    _refuse()


def current_device():
    """Refuses: there is no GPU."""
    _refuse()


def get_device_name(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def get_device_capability(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def get_device_properties(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def synchronize(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def can_device_access_peer(device, peer_device):
    """Refuses: there is no GPU."""
    _refuse()


def ipc_collect():
    """Refuses: there is no GPU."""
    _refuse()


def set_device(device):
    """Refuses a GPU; a negative number is no device, as in PyTorch."""
    if not isinstance(device, int) or device >= 0:
        _refuse()


# --- streams -------------------------------------------------------------------------------------------------------------------------


def current_stream(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def default_stream(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def set_stream(stream):
    """Nothing to do for None."""
    if stream is not None:
        _refuse()


def is_current_stream_capturing():
    """False: nothing is being captured."""
    return False


class Stream:
    """Needs a GPU."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class ExternalStream(Stream):
    """Needs a GPU."""


class Event:
    """Needs a GPU."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError("Tried to instantiate dummy base class Event")


class StreamContext:
    """Nothing happens, as there is no stream."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return None

    def __exit__(self, *exc):
        return None


def stream(stream):
    """A context in which nothing happens."""
    return StreamContext(stream)


class device:
    """A context of a device: nothing happens for None or a negative number."""

    def __init__(self, device):
        self.idx = getattr(device, "index", device) if device is not None else -1

    def __enter__(self):
        if not isinstance(self.idx, int) or self.idx >= 0:
            _refuse()

    def __exit__(self, *exc):
        return False


class device_of(device):
    """The context of a tensor's device: nothing happens for the CPU."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if getattr(obj, "is_cuda", False) else -1)


# --- random numbers ------------------------------------------------------------------------------------------------------------------


def manual_seed(seed):
    """Nothing to seed."""


def manual_seed_all(seed):
    """Nothing to seed."""


def seed():
    """Nothing to seed."""


def seed_all():
    """Nothing to seed."""


def initial_seed():
    """Refuses: there is no GPU."""
    _refuse()


def get_rng_state(device="cuda"):
    """Refuses: there is no GPU."""
    _refuse()


def get_rng_state_all():
    """No states."""
    return []


def set_rng_state(new_state, device="cuda"):
    """Nothing to set."""


def set_rng_state_all(new_states):
    """Nothing to set."""


# --- memory --------------------------------------------------------------------------------------------------------------------------


def empty_cache():
    """Gives the system back the memory of the CPU that was freed and is kept for later tensors."""
    _C._memory_empty_cache()


def memory_allocated(device=None):
    """0."""
    return 0


def max_memory_allocated(device=None):
    """0."""
    return 0


def memory_reserved(device=None):
    """0."""
    return 0


def max_memory_reserved(device=None):
    """0."""
    return 0


def memory_cached(device=None):
    """0."""
    return 0


def max_memory_cached(device=None):
    """0."""
    return 0


def memory_stats(device=None):
    """No numbers."""
    return OrderedDict()


def memory_stats_as_nested_dict(device=None):
    """No numbers."""
    return {}


def memory_summary(device=None, abbreviated=False):
    """Refuses: there is no GPU."""
    _refuse()


def memory_snapshot(mempool_id=None):
    """Refuses: there is no GPU."""
    _refuse()


def mem_get_info(device=None):
    """Refuses: there is no GPU."""
    _refuse()


def reset_peak_memory_stats(device=None):
    """Nothing to reset."""


def reset_max_memory_allocated(device=None):
    """Nothing to reset."""


def reset_max_memory_cached(device=None):
    """Nothing to reset."""


def reset_accumulated_memory_stats(device=None):
    """Nothing to reset."""


def reset_peak_host_memory_stats():
    """Nothing to reset."""


def reset_accumulated_host_memory_stats():
    """Nothing to reset."""


@contextlib.contextmanager
def caching_allocator_disabled():
    """A context in which nothing happens."""
    yield


def get_allocator_backend():
    """Refuses: there is no GPU."""
    _refuse()


def get_arch_list():
    """No architectures."""
    return []


def get_gencode_flags():
    """No flags."""
    return ""


def get_sync_debug_mode():
    """Refuses: there is no GPU."""
    _refuse()


def set_sync_debug_mode(debug_mode):
    """Refuses: there is no GPU."""
    _refuse()


def check_error(res):
    """Refuses: there is no GPU."""
    _refuse()
