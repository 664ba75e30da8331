"""Typed storages: what old pickles name, and Tensor.storage(). The memory is _C.UntypedStorage's."""

import copyreg

import tallow
from tallow import _C
from tallow._lazy import _TYPES

UntypedStorage = _C.UntypedStorage


class TypedStorage:
    """An UntypedStorage with a dtype."""

    dtype = None

    def __init__(self, *args, wrap_storage=None, dtype=None, device=None, _internal=False):
        own = type(self).dtype
        self.dtype = own if dtype is None else dtype
        if self.dtype is None:
            self.dtype = tallow.get_default_dtype()
        if wrap_storage is not None:
            self._untyped_storage = wrap_storage
        elif len(args) == 1 and not isinstance(args[0], int):
            t = tallow.tensor(list(args[0]), dtype=self.dtype)
            self._untyped_storage = t.untyped_storage()
        else:
            self._untyped_storage = UntypedStorage((args[0] if args else 0) * self.dtype.itemsize)

    def untyped(self):
        """The storage without the dtype."""
        return self._untyped_storage

    def _tensor(self):
        return self._untyped_storage._tensor(self.dtype, 0, (len(self),), (1,))

    @property
    def device(self):
        return self._untyped_storage.device

    is_cuda = False
    is_sparse = False

    def size(self):
        """The number of elements."""
        return self.nbytes() // self.dtype.itemsize

    __len__ = size
    _size = size

    def nbytes(self):
        """The number of bytes."""
        return self._untyped_storage.nbytes()

    def element_size(self):
        """The bytes of an element."""
        return self.dtype.itemsize

    def data_ptr(self):
        """The address."""
        return self._untyped_storage.data_ptr()

    _data_ptr = data_ptr

    def __getitem__(self, index):
        value = self._tensor()[index]
        return value.storage() if isinstance(index, slice) else value.item()

    def __setitem__(self, index, value):
        self._tensor()[index] = value

    def fill_(self, value):
        """One value everywhere."""
        self._tensor().fill_(value)
        return self

    def tolist(self):
        """The elements as a list."""
        return self._tensor().tolist()

    def __iter__(self):
        return iter(self.tolist())

    def clone(self):
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def cpu(self):
        """Itself."""
        return self

    def copy_(self, source, non_blocking=None):
        """Copies the elements of another storage."""
        self._tensor().copy_(source._tensor())
        return self

    def resize_(self, size):
        """Changes the number of elements."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)
        return self

    def type(self, dtype=None, non_blocking=False):
        """The type's name."""
        return f"torch.{self._pickle_storage_type()}"

    def is_shared(self):
        """Whether the bytes are in shared memory."""
        return self._untyped_storage.is_shared()

    def share_memory_(self):
        """Moves the bytes to memory that processes share."""
        self._tensor().share_memory_()
        return self

    def _pickle_storage_type(self):
        """The name under which pickles know the type: FloatStorage."""
        return NAME_OF_DTYPE[self.dtype]

    def __deepcopy__(self, memo):
        key = ("tallow storage", self.data_ptr())
        if key not in memo:
            memo[key] = self._untyped_storage.clone()
        return TypedStorage(wrap_storage=memo[key], dtype=self.dtype)

    def __reduce__(self):
        from tallow.serialization import _legacy_bytes

        return _load_from_bytes, (_legacy_bytes(self),)

    def __str__(self):
        kind = f"[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"
        return " " + "\n ".join(str(x) for x in self) + "\n" + kind

    __repr__ = __str__


def _load_from_bytes(b):
    import io

    return tallow.load(io.BytesIO(b), weights_only=False)


copyreg.pickle(UntypedStorage, lambda storage: TypedStorage(wrap_storage=storage, dtype=tallow.uint8).__reduce__())


class StorageType:
    """torch.FloatStorage in a pickle: only its dtype matters. None: bytes."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __str__(self):
        return f"StorageType(dtype={self.dtype})"


NAME_OF_DTYPE, DTYPE_OF_NAME = {}, {}
for _name, _dtype in _TYPES.items():
    _class = type(f"{_name}Storage", (TypedStorage,), {"dtype": getattr(_C, _dtype), "__module__": "torch"})
    globals()[f"{_name}Storage"] = _class
    NAME_OF_DTYPE[_class.dtype] = f"{_name}Storage"
    DTYPE_OF_NAME[f"{_name}Storage"] = _class.dtype
