"""torch.save and torch.load: the zip format, and the older stream that pickles of tensors embed."""

import io
import os
import pickle
import struct
import sys
import types

import tallow
from tallow import Tensor, _C
from tallow import _zip
from tallow._utils import public_module
from tallow.storage import DTYPE_OF_NAME, TypedStorage, UntypedStorage

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
DEFAULT_PROTOCOL = 2
_VALUES = (_C.layout, _C.memory_format)  # with dtype: singletons that are pickled by name


class _Pickler(pickle._Pickler):
    """Writes PyTorch's names for what is tallow's. The pure Python pickler: the C one insists on importing each name."""

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

    def _save_size(self, obj):
        self.save_reduce(tallow.Size, (tuple(obj),), obj=obj)

    dispatch[type] = save_type
    dispatch[types.FunctionType] = save_global
    for _kind in (_C.dtype, *_VALUES):
        dispatch[_kind] = _save_value
    dispatch[_C.device] = _save_device
    dispatch[_C.Size] = _save_size


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


class _Storages:
    """Numbers the storages of one save; shared ones are written once."""

    def __init__(self):
        self.keys, self.storages, self._alive = {}, [], []

    def persistent_id(self, obj):
        if isinstance(obj, TypedStorage):
            storage, name, count = obj._untyped_storage, obj._pickle_storage_type(), len(obj)
        elif isinstance(obj, UntypedStorage):
            storage, name, count = obj, "UntypedStorage", obj.nbytes()
        else:
            return None
        self._alive.append(storage)
        address = storage.data_ptr() or id(storage)
        if address not in self.keys:
            self.keys[address] = str(len(self.storages))
            self.storages.append(storage)
        return ("storage", _StorageName(name), self.keys[address], "cpu", count)


class _StorageName:
    """Pickled as the global torch.NAME."""

    _made = {}

    def __new__(cls, name):
        if name not in cls._made:
            cls._made[name] = super().__new__(cls)
            cls._made[name].name = name
        return cls._made[name]


def _save_storage_name(pickler, obj):
    home = "torch.storage" if obj.name == "UntypedStorage" else "torch"
    pickler._write_global(home, obj.name, obj)


_Pickler.dispatch[_StorageName] = _save_storage_name


# --- saving ---------------------------------------------------------------------------------------------------------


def save(obj, f, pickle_module=pickle, pickle_protocol=DEFAULT_PROTOCOL, _use_new_zipfile_serialization=True,
         _disable_byteorder_record=False):  # fmt: skip
    """Writes obj with its tensors to a path or an open binary file. A path is replaced only once all is written."""
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
        if os.path.exists(path) and not os.path.isfile(path):  # a device, a pipe
            with open(path, "wb") as file:
                return _save_to(obj, file, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record)
        target = os.path.realpath(path)
        temporary = f"{target}.{os.getpid()}.tmp"
        try:
            with open(temporary, "wb", buffering=0) as raw, io.BufferedWriter(raw, 1 << 16) as file:
                _save_to(obj, file, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record)
            if os.path.exists(target):
                os.chmod(temporary, os.stat(target).st_mode & 0o7777)
            os.replace(temporary, target)
        except BaseException:
            try:
                os.unlink(temporary)
            except OSError:
                pass
            raise
        return None
    if not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    return _save_to(obj, f, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record)


def _save_to(obj, file, protocol, new, no_byteorder):
    if not new:
        return _legacy_save(obj, file, protocol)
    storages, buffer = _Storages(), io.BytesIO()
    _Pickler(buffer, protocol, storages.persistent_id).dump(obj)
    name = getattr(file, "name", None)
    root = os.path.splitext(os.path.basename(name))[0] if isinstance(name, str) else "archive"
    if name is not None and isinstance(name, str) and name.endswith(".tmp"):
        root = "archive"
    archive = _zip.Writer(file)
    archive.write(f"{root}/data.pkl", buffer.getbuffer())
    archive.write(f"{root}/.format_version", b"1")
    archive.write(f"{root}/.storage_alignment", b"64")
    if not no_byteorder:
        archive.write(f"{root}/byteorder", sys.byteorder.encode())
    for i, storage in enumerate(storages.storages):
        archive.write(f"{root}/data/{i}", memoryview(storage))
    archive.write(f"{root}/version", b"3\n")
    # A number that depends on the contents: PyTorch hashes names and checksums too.
    archive.write(f"{root}/.data/serialization_id", _content_number(archive).encode())
    archive.close()


def _content_number(archive):
    import hashlib

    digest = hashlib.sha256(repr([(name, crc) for name, crc, _, _ in archive._entries]).encode()).digest()
    return f"{int.from_bytes(digest[:16], 'little') % 10**40:040d}"


def _legacy_save(obj, file, protocol):
    storages = _LegacyStorages()
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": sys.byteorder == "little", "type_sizes": sizes}
    for header in (MAGIC_NUMBER, PROTOCOL_VERSION, system):
        pickle.dump(header, file, protocol=protocol)
    _Pickler(file, protocol, storages.persistent_id).dump(obj)
    keys = sorted(storages.found)
    pickle.dump(keys, file, protocol=protocol)
    for key in keys:
        storage, itemsize = storages.found[key]
        file.write(struct.pack("<q", storage.nbytes() // itemsize))
        file.write(memoryview(storage))


class _LegacyStorages:
    """Storages of the old stream, by address."""

    def __init__(self):
        self.found = {}

    def persistent_id(self, obj):
        if isinstance(obj, UntypedStorage):
            obj = TypedStorage(wrap_storage=obj, dtype=tallow.uint8)
        if not isinstance(obj, TypedStorage):
            return None
        storage = obj._untyped_storage
        key = str(storage.data_ptr() or id(storage))
        self.found.setdefault(key, (storage, obj.dtype.itemsize))
        return ("storage", _StorageName(obj._pickle_storage_type()), key, "cpu", len(obj), None)


def _legacy_bytes(storage):
    buffer = io.BytesIO()
    _legacy_save(storage, buffer, DEFAULT_PROTOCOL)
    return buffer.getvalue()


# --- loading --------------------------------------------------------------------------------------------------------


def _map_location(map_location):
    """A function (storage, location) → storage or device type on which the values go."""
    if map_location is None:

        def place(storage, location):
            if location.split(":")[0] == "cuda":
                raise RuntimeError(
                    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you "
                    "are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to "
                    "map your storages to the CPU."
                )
            if location != "cpu":
                raise RuntimeError(
                    f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
                )
            return storage

        return place
    if isinstance(map_location, dict):
        return lambda storage, location: _map_location(None)(storage, map_location.get(location, location))
    if isinstance(map_location, (str, tallow.device)):
        wanted = str(map_location)
        return lambda storage, location: storage if wanted == "meta" else _map_location(None)(storage, wanted)

    def place(storage, location):
        result = map_location(storage, location)
        if result is None:
            return _map_location(None)(storage, location)
        return result._untyped_storage if isinstance(result, TypedStorage) else result

    return place


_WEIGHTS_ONLY_HELP = (
    "Weights only load failed. Please file an issue with the following so that we can make `weights_only=True` "
    "compatible with your use case: WeightsUnpickler error: {}\n\nCheck the documentation of torch.load to learn more "
    "about types accepted by default with weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)
_UNSAFE_HELP = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, \033[1mdo those steps only "
    "if you trust the source of the checkpoint\033[0m. \n\t(1) In PyTorch 2.6, we changed the default value of the "
    "`weights_only` argument in `torch.load` from `False` to `True`. Re-running `torch.load` with `weights_only` set to "
    "`False` will likely succeed, but it can result in arbitrary code execution. Do it only if you got the file from a "
    "trusted source.\n\t(2) Alternatively, to load with `weights_only=True` please check the recommended steps in the "
    "following error message.\n\tWeightsUnpickler error: {}\n\nCheck the documentation of torch.load to learn more about "
    "types accepted by default with weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)


_BLOCKED_HELP = (
    "Weights only load failed. In PyTorch 2.6, we changed the default value of the `weights_only` argument in "
    "`torch.load` from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will likely "
    "succeed, but it can result in arbitrary code execution. Do it only if you got the file from a trusted source.\n\n\n"
    "{}\n\nCheck the documentation of torch.load to learn more about types accepted by default with weights_only "
    "https://pytorch.org/docs/stable/generated/torch.load.html."
)


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """Reads what torch.save wrote, from a path or an open binary file that can seek.

    Unless weights_only is False, only tensors, numbers, strings and collections of them are accepted."""
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    pickle_load_args.setdefault("encoding", "utf-8")
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load_from(file, map_location, pickle_module, weights_only, pickle_load_args)
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(
            "'torch.load' needs an object with 'read', 'readline', 'seek' and 'tell', such as a file opened in binary "
            "mode, or a path"
        )
    return _load_from(f, map_location, pickle_module, weights_only, pickle_load_args)


def _load_from(file, map_location, pickle_module, weights_only, arguments):
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    to_meta = isinstance(map_location, (str, tallow.device)) and str(map_location) == "meta"
    with _OnMeta(to_meta):
        if head == b"PK\3\4":
            return _load_zip(file, _map_location(map_location), pickle_module, weights_only, arguments)
        if not head:
            raise EOFError("Ran out of input")
        return _load_legacy(file, _map_location(map_location), pickle_module, weights_only, arguments)


class _OnMeta:
    """Storages that are only looked at: tensors are rebuilt on the meta device."""

    on = False

    def __init__(self, on):
        self._on = on

    def __enter__(self):
        self._before, _OnMeta.on = _OnMeta.on, self._on

    def __exit__(self, *exc):
        _OnMeta.on = self._before


def _unpickle(file, persistent_load, pickle_module, weights_only, arguments):
    from tallow import _weights_only

    if not weights_only:
        return _FullUnpickler(file, persistent_load, **arguments).load()
    try:
        return _weights_only.Unpickler(file, persistent_load, arguments["encoding"]).load()
    except _weights_only.Blocked as error:
        raise pickle.UnpicklingError(_BLOCKED_HELP.format(error)) from None
    except _weights_only.Refused as error:
        raise pickle.UnpicklingError(_UNSAFE_HELP.format(error)) from None
    except pickle.UnpicklingError as error:
        raise pickle.UnpicklingError(_WEIGHTS_ONLY_HELP.format(error)) from None


class _FullUnpickler(pickle.Unpickler):
    """Unpickles anything; PyTorch's names mean ours."""

    def __init__(self, file, persistent_load, **arguments):
        super().__init__(file, **arguments)
        self.persistent_load = persistent_load

    def find_class(self, module, name):
        if module == "torch" or module.startswith("torch."):
            return find_own(module, name)
        return super().find_class(module, name)


def find_own(module, name):
    """What tallow has under a name of PyTorch's."""
    from importlib import import_module

    if module == "torch" and name in DTYPE_OF_NAME:
        return StorageType(DTYPE_OF_NAME[name])
    if module == "torch.storage" and name == "UntypedStorage":
        return StorageType(None)
    found = import_module("tallow" + module[5:])
    for part in name.split("."):
        found = getattr(found, part)
    return found


class StorageType:
    """torch.FloatStorage in a pickle: only its dtype matters. None: bytes."""

    def __init__(self, dtype):
        self.dtype = dtype


def _typed(storage, dtype):
    return storage if dtype is None else TypedStorage(wrap_storage=storage, dtype=dtype)


def _load_zip(file, place, pickle_module, weights_only, arguments):
    archive = _zip.Reader(file)
    root = next((name[: -len("data.pkl")] for name in archive.names if name.endswith("/data.pkl")), None)
    if root is None or root.count("/") != 1:
        if any(name.endswith("/constants.pkl") for name in archive.names):
            raise NotImplementedError("torch.load: TorchScript archives")
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    swap = root + "byteorder" in archive.names and archive.read(root + "byteorder").decode() != sys.byteorder
    loaded = {}

    def persistent_load(saved):
        if not (isinstance(saved, tuple) and len(saved) >= 5 and saved[0] == "storage"):
            raise RuntimeError(f"Unknown typename for persistent_load, expected 'storage' but got '{saved[0]}'")
        _, kind, key, location, count = saved[:5]
        if not isinstance(kind, StorageType):
            raise pickle.UnpicklingError(f"a storage of type {kind}")
        itemsize = 1 if kind.dtype is None else kind.dtype.itemsize
        if key not in loaded:
            name = f"{root}data/{key}"
            _, size = archive.place(name)
            if size != count * itemsize:
                raise RuntimeError(f"PytorchStreamReader failed reading file data/{key}: {size} bytes, not {count * itemsize}")
            storage = UntypedStorage(size)
            if size and not _OnMeta.on:
                archive.read_into(name, memoryview(storage))
                if swap:
                    _swap_bytes(memoryview(storage), kind.dtype)
            loaded[key] = place(storage, location)
        return _typed(loaded[key], kind.dtype)

    return _unpickle(io.BytesIO(archive.read(root + "data.pkl")), persistent_load, pickle_module, weights_only, arguments)


def _swap_bytes(view, dtype):
    width = 1 if dtype is None else dtype.itemsize // (2 if dtype.is_complex else 1)
    if width > 1:
        data = bytes(view)
        for i in range(width):
            view[i::width] = data[width - 1 - i :: width]


def _load_legacy(file, place, pickle_module, weights_only, arguments):
    def refuse(saved):
        raise pickle.UnpicklingError("unexpected persistent id")

    def head():
        return _unpickle(file, refuse, pickle_module, weights_only, arguments)

    if head() != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = head()
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    head()
    loaded, places = {}, {}

    def persistent_load(saved):
        if not (isinstance(saved, tuple) and saved and saved[0] in ("storage", b"storage")):
            raise RuntimeError(f"Unknown saved id type: {saved[0]}")
        _, kind, key, location, count, view = saved
        dtype = kind.dtype if kind.dtype is not None else tallow.uint8
        if key not in loaded:
            loaded[key] = UntypedStorage(count * dtype.itemsize)
            places[key] = (location, dtype)
        storage = loaded[key]
        if view is not None:
            raise NotImplementedError("torch.load: views of storages in files of PyTorch 0.3")
        return TypedStorage(wrap_storage=storage, dtype=dtype)

    result = _unpickle(file, persistent_load, pickle_module, weights_only, arguments)
    for key in head():
        if key not in loaded:
            raise RuntimeError("Invalid key of a storage; corrupt file?")
        (count,) = struct.unpack("<q", _exactly(file, 8))
        storage, (location, dtype) = loaded[key], places[key]
        if count * dtype.itemsize != storage.nbytes():
            raise RuntimeError("Invalid size of a storage; corrupt file?")
        memoryview(storage)[:] = _exactly(file, storage.nbytes())
        place(storage, location)
    return result


def _exactly(file, count):
    data = file.read(count)
    if len(data) != count:
        raise RuntimeError(f"unexpected EOF, expected {count - len(data)} more bytes. The file might be corrupted.")
    return data


# --- what weights_only accepts beyond its own list ------------------------------------------------------------------

_safe_globals = []


def add_safe_globals(safe_globals):
    """Lets weights_only loads find these classes and functions (or pairs of one and its full name)."""
    _safe_globals.extend(safe_globals)


def get_safe_globals():
    """What add_safe_globals() was given."""
    return list(_safe_globals)


def clear_safe_globals():
    """Forgets what add_safe_globals() was given."""
    _safe_globals.clear()


class safe_globals:
    """add_safe_globals() for a block."""

    def __init__(self, safe_globals):
        self._given = safe_globals

    def __enter__(self):
        self._before = get_safe_globals()
        add_safe_globals(self._given)

    def __exit__(self, *exc):
        _safe_globals[:] = self._before


def get_crc32_options():
    """Checksums are always computed."""
    return True


def set_crc32_options(compute_crc32):
    """Checksums are always computed."""
