"""What pickles call to make tensors, by PyTorch's names; and helpers of several modules."""

import copyreg
import pickle
import sys
import traceback

import tallow
from tallow import Tensor

UNTYPED = frozenset(
    getattr(tallow, name)
    for name in "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu".split()
    if hasattr(tallow, name)
)


def _rebuild_tensor(storage, storage_offset, size, stride):
    return storage._untyped_storage._tensor(storage.dtype, storage_offset, size, stride)


def _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None):
    tensor = _rebuild_tensor(storage, storage_offset, size, stride)
    tensor = _flagged(tensor, metadata)
    if requires_grad:
        tensor.requires_grad_()
    return tensor


def _rebuild_tensor_v3(storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None):
    untyped = getattr(storage, "_untyped_storage", storage)
    tensor = _flagged(untyped._tensor(dtype, storage_offset, size, stride), metadata)
    if requires_grad:
        tensor.requires_grad_()
    return tensor


def _flagged(tensor, metadata):
    if metadata and metadata.get("conj"):
        tensor = tensor.conj()
    if metadata and metadata.get("neg"):
        tensor = tensor._neg_view()
    return tensor


def _rebuild_sparse_tensor(layout, data):
    """Of a checked file: its indices are within the size."""
    if layout != tallow.sparse_coo:
        raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")
    indices, values, size, *coalesced = data
    return tallow.sparse_coo_tensor(indices, values, size, check_invariants=True, is_coalesced=coalesced[0] if coalesced else None)


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    return tallow.empty_strided(size, stride, dtype=dtype, device="meta").requires_grad_(requires_grad)


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return tallow.nn.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    return _set_obj_state(tallow.nn.Parameter(data, requires_grad), state)


def _get_obj_state(obj):
    """The attributes of a tensor and, for a class with slots, those."""
    state = dict(obj.__dict__)
    slots = {name: getattr(obj, name) for name in copyreg._slotnames(type(obj)) if hasattr(obj, name)}
    return (state, slots) if slots else state


def _set_obj_state(obj, state):
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    for name, value in (attributes or {}).items():
        setattr(obj, name, value)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)
    return obj


def _parse_to(*args, **kwargs):
    """(device, dtype, non_blocking, memory_format) of the arguments of a call of to()."""
    memory_format = kwargs.pop("memory_format", None)
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    non_blocking = kwargs.pop("non_blocking", False)
    kwargs.pop("copy", None)  # modules copy as they need
    if kwargs:
        raise TypeError(f"to() received an invalid keyword argument '{next(iter(kwargs))}'")
    places = list(args)
    if places and isinstance(places[0], Tensor):
        other = places.pop(0)
        device, dtype = other.device, other.dtype
    else:
        if places and not isinstance(places[0], tallow.dtype) and not isinstance(places[0], bool):
            device = places.pop(0)
        if places and (places[0] is None or isinstance(places[0], tallow.dtype)):
            dtype = places.pop(0)
    if places:
        non_blocking = places.pop(0)
    if isinstance(device, (str, int)):
        device = tallow.device(device)
    return device, dtype, non_blocking, memory_format


def _any_arguments(*args, **kwargs):
    pass


def chosen_by_flag(function):
    """Of functions that PyTorch picks by a flag among their arguments: inspect.signature() says no more of them than (*args, **kwargs)."""
    function.__wrapped__ = _any_arguments
    return function


def public_module(name):
    """PyTorch's name of a module: tallow.nn → torch.nn."""
    return "torch" + name[6:] if name == "tallow" or name.startswith("tallow.") else name


class KeyErrorMessage(str):
    """A message of a KeyError, which would print the repr of its argument."""

    __slots__ = ()

    def __repr__(self):
        return self


class ExceptionWrapper:
    """An exception on its way from another process or thread: its type, and its traceback as text."""

    def __init__(self, exc_info=None, where="in background"):
        exc_info = exc_info or sys.exc_info()
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def __reduce__(self):
        kind = self.exc_type
        try:
            pickle.dumps(kind)
        except Exception:  # a class that the other side cannot find
            kind = RuntimeError
        return _rebuild_exception, (kind, self.exc_type.__name__, self.exc_msg, self.where)

    def reraise(self):
        """Raises it here."""
        name = getattr(self, "name", self.exc_type.__name__)
        message = f"Caught {name} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)
        try:
            exception = self.exc_type(message)
        except Exception:
            raise RuntimeError(message) from None
        raise exception


def _rebuild_exception(kind, name, text, where):
    wrapper = ExceptionWrapper.__new__(ExceptionWrapper)
    wrapper.exc_type, wrapper.name, wrapper.exc_msg, wrapper.where = kind, name, text, where
    return wrapper


def _function(space, name):
    """An op's function by where the table puts it: what pickles of functions name."""
    from tallow import _C

    return getattr({"torch": _C._VariableFunctions, "linalg": _C._linalg, "special": _C._special}.get(space, _C._nn), name)
