"""Pickles for torch.save: PyTorch's names for what is tallow's, and storages by number."""

import pickle
import types

import tallow
from tallow import Tensor, _C
from tallow._utils import public_module
from tallow.storage import TypedStorage, UntypedStorage

_VALUES = (_C.memory_format,)  # with dtype: singletons that are pickled by name
_IN_TORCH = {_C.dtype: "dtype", _C.device: "device", _C.Size: "Size", Tensor: "Tensor", _C.Generator: "Generator"}


def _public_home(obj, module):
    """The module under which PyTorch has obj; None for what is not tallow's."""
    try:
        if obj in _IN_TORCH:
            return "torch._C" if obj is _C.Generator else "torch"
    except TypeError:
        return None
    if module == "tallow" or module.startswith("tallow."):
        if module == "tallow._copy":
            module = "tallow._tensor"
        return public_module(module)
    return None


class StorageName:
    """Pickled as the global torch.NAME."""

    _made = {}

    def __new__(cls, name):
        if name not in cls._made:
            cls._made[name] = super().__new__(cls)
            cls._made[name].name = name
        return cls._made[name]


class Pickler(pickle._Pickler):
    """The pure Python pickler: the C one insists on importing each name."""

    dispatch = pickle._Pickler.dispatch.copy()

    def __init__(self, file, protocol, persistent_id):
        super().__init__(file, protocol)
        self._persistent_id = persistent_id

    def persistent_id(self, obj):
        return self._persistent_id(obj)

    def _write_global(self, module, name, obj):
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", None) or ""
        public = _public_home(obj, module)
        if public is None:
            return super().save_global(obj, name)
        self._write_global(public, name or obj.__qualname__, obj)

    def save_type(self, obj):
        if obj in (type(None), type(NotImplemented), type(...)):
            return super().save_type(obj)
        return self.save_global(obj)

    def _save_value(self, obj):
        self._write_global("torch", str(obj).removeprefix("torch."), obj)

    def _save_device(self, obj):
        args = (obj.type,) if obj.index is None else (obj.type, obj.index)
        self.save_reduce(tallow.device, args, obj=obj)

    def _save_layout(self, obj):
        from tallow.serialization import _get_layout

        self.save_reduce(_get_layout, (str(obj),), obj=obj)

    def _save_size(self, obj):
        self.save_reduce(tallow.Size, (tuple(obj),), obj=obj)

    def _save_storage_name(self, obj):
        self._write_global("torch.storage" if obj.name == "UntypedStorage" else "torch", obj.name, obj)

    dispatch[type] = save_type
    dispatch[types.FunctionType] = save_global
    for _kind in (_C.dtype, *_VALUES):
        dispatch[_kind] = _save_value
    dispatch[_C.device] = _save_device
    dispatch[_C.Size] = _save_size
    dispatch[_C.layout] = _save_layout
    dispatch[StorageName] = _save_storage_name


def _one_type(dtypes, address, dtype):
    """Refuses a second dtype for the memory at an address: readers would give all its tensors the first."""
    if dtypes.setdefault(address, dtype) != dtype:
        raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")


class Storages:
    """Numbers the storages of one save; shared ones are written once."""

    def __init__(self, tag):
        self._tag, self._keys, self._dtypes, self.storages = tag, {}, {}, []

    def persistent_id(self, obj):
        if isinstance(obj, TypedStorage):
            storage, dtype, name, count = obj._untyped_storage, obj.dtype, obj._pickle_storage_type(), len(obj)
        elif isinstance(obj, UntypedStorage):
            storage, dtype, name, count = obj, tallow.uint8, "UntypedStorage", obj.nbytes()
        else:
            return None
        address = storage.data_ptr() or id(storage)
        _one_type(self._dtypes, address, dtype)
        if address not in self._keys:
            self._keys[address] = str(len(self.storages))
            self.storages.append(storage)  # which also keeps the address taken
        return ("storage", StorageName(name), self._keys[address], self._tag(storage), count)


class LegacyStorages:
    """Storages of the old stream, by address."""

    def __init__(self, tag):
        self._tag, self._dtypes, self.found = tag, {}, {}

    def persistent_id(self, obj):
        if isinstance(obj, UntypedStorage):
            obj = TypedStorage(wrap_storage=obj, dtype=tallow.uint8)
        if not isinstance(obj, TypedStorage):
            return None
        storage = obj._untyped_storage
        key = str(storage.data_ptr() or id(storage))
        _one_type(self._dtypes, key, obj.dtype)
        self.found.setdefault(key, (storage, obj.dtype.itemsize))
        return ("storage", StorageName(obj._pickle_storage_type()), key, self._tag(storage), len(obj), None)
