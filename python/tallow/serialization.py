"""torch.save and torch.load: the zip format, and the older stream that pickles of tensors embed."""

import enum
import io
import os
import pickle
import struct
import sys
import threading

import tallow
from tallow import _zip
from tallow._C import _file_send
from tallow._pickler import LegacyStorages, Pickler, Storages
from tallow.storage import DTYPE_OF_NAME, StorageType, TypedStorage, UntypedStorage

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
DEFAULT_PROTOCOL = 2

_checksums = True
_thread = threading.local()  # skip_data


# --- where storages go ----------------------------------------------------------------------------------------------

_packages = []  # (priority, tagger, deserializer), by priority


def register_package(priority, tagger, deserializer):
    """Adds a pair of functions: storage → its location or None, and (storage, location) → the storage there or None."""
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda entry: entry[0])


def _get_layout(name):
    """The layout of a name such as "torch.sparse_coo", which is how files hold it."""
    layout = getattr(tallow, str(name).removeprefix("torch."), None)
    if not isinstance(layout, tallow.layout):
        raise pickle.UnpicklingError(f"'{name}' is no layout")
    return layout


def location_tag(storage):
    """The location that save() writes for a storage."""
    for _, tagger, _ in _packages:
        location = tagger(storage)
        if location:
            return location
    raise RuntimeError("don't know how to determine data location of " + tallow.typename(storage))


def default_restore_location(storage, location):
    """The storage at the location that it was saved from."""
    for _, _, deserializer in _packages:
        result = deserializer(storage, location)
        if result is not None:
            return result
    raise RuntimeError(
        f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {_shown(location)})"
    )


def _shown(location):
    return location if isinstance(location, str) else type(location)


def _refuse_absent(backend):
    def restore(storage, location):
        if location == backend or (isinstance(location, str) and location.startswith(backend + ":")):
            raise RuntimeError(
                f"Attempting to deserialize object on a {backend.upper()} device but torch.{backend}.is_available() is "
                "False. If you are running on a CPU-only machine, please use torch.load with "
                "map_location=torch.device('cpu') to map your storages to the CPU."
            )

    return restore


register_package(10, lambda s: "cpu" if s.device.type == "cpu" else None, lambda s, at: s if at == "cpu" else None)
register_package(20, lambda s: None, _refuse_absent("cuda"))
register_package(21, lambda s: None, _refuse_absent("mps"))
register_package(
    22,
    lambda s: "meta" if s.device.type == "meta" else None,
    lambda s, at: UntypedStorage(s.nbytes(), device="meta") if at == "meta" else None,
)
register_package(25, lambda s: None, _refuse_absent("xpu"))


def validate_cuda_device(location):
    """The index of an available CUDA device: there is none."""
    _refuse_absent("cuda")(None, "cuda")


def _restorer(map_location):
    """A function (storage, location as saved) → storage that is used."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))
    if isinstance(map_location, (str, bytes, tallow.device)):
        wanted = map_location.decode() if isinstance(map_location, bytes) else str(map_location)
        return lambda storage, location: default_restore_location(storage, wanted)

    def restore(storage, location):
        result = map_location(storage, location)
        if result is None:
            result = default_restore_location(storage, location)
        return result._untyped_storage if isinstance(result, TypedStorage) else result

    return restore


# --- saving ---------------------------------------------------------------------------------------------------------


def save(obj, f, pickle_module=pickle, pickle_protocol=DEFAULT_PROTOCOL, _use_new_zipfile_serialization=True,
         _disable_byteorder_record=False):  # fmt: skip
    """Writes obj with its tensors to a path or an open binary file. A path is replaced only once all is on disk."""
    if pickle_module is not pickle:
        raise NotImplementedError("torch.save: a pickle_module other than pickle")
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
        _save_to(obj, f, "archive", pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record)
        if hasattr(f, "flush"):
            f.flush()
        return
    path = os.fspath(f)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder or "."):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    root = os.path.splitext(name)[0]

    def write(file):
        _save_to(obj, file, root, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record)

    if os.path.exists(path) and not os.path.isfile(path):  # a device, a pipe
        with open(path, "wb") as file:
            write(file)
    else:
        _replace(os.path.realpath(path), write)


def _replace(target, write):
    """Writes a file beside the target, and puts it in its place once it is on disk: whenever the process dies, the target is the old file
    or the new one."""
    temporary, descriptor = _beside(target)
    old = None
    try:
        with open(descriptor, "wb") as file:
            write(_Sent(file))
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            os.chmod(temporary, os.stat(target).st_mode & 0o7777)
        old = _held(target)
        os.replace(temporary, target)
    except BaseException:
        if old is not None:
            os.close(old)
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    if old is not None:
        threading.Thread(target=os.close, args=(old,), daemon=True).start()
    try:  # a new name is on disk only when its folder is; a file system that cannot do that has done what it can
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        pass


def _held(target):
    """The file that is about to be replaced, open, where it is large: its pages and blocks are given back when it is closed, which takes as
    long as writing them did and need not be waited for. None if there is no such file."""
    try:
        old = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        if os.fstat(old).st_size >= _Sent.PIECE:
            return old
        os.close(old)
    except OSError:  # none, or one that may not be read
        pass
    return None


class _Sent:
    """A file whose large writes are on their way to the disk while the next are made: the fsync at the end waits for the last ones only."""

    PIECE = 4 << 20

    def __init__(self, file):
        self._file, self._written, self._sent = file, 0, 0

    def write(self, data):
        view = memoryview(data).cast("B")
        for at in range(0, view.nbytes, self.PIECE):
            self._written += self._file.write(view[at : at + self.PIECE])
            if self._written - self._sent >= self.PIECE:
                _file_send(self._file.fileno(), self._sent, self._written - self._sent)
                self._sent = self._written
        return view.nbytes

    def __getattr__(self, name):
        return getattr(self._file, name)


def _beside(target):
    """A new file in the same folder, open for writing."""
    turn = 0
    while True:
        temporary = f"{target}.{os.getpid()}-{threading.get_ident()}-{turn}.tmp"
        try:
            return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        except FileExistsError:  # of a process that was killed
            turn += 1


def _save_to(obj, file, root, protocol, new, no_byteorder):
    if not new:
        return _legacy_save(obj, file, protocol)
    storages, buffer = Storages(location_tag), io.BytesIO()
    Pickler(buffer, protocol, storages.persistent_id).dump(obj)
    archive = _zip.Writer(file, _checksums)
    archive.write(f"{root}/data.pkl", buffer.getbuffer())
    archive.write(f"{root}/.format_version", b"1")
    archive.write(f"{root}/.storage_alignment", b"64")
    if not no_byteorder:
        archive.write(f"{root}/byteorder", sys.byteorder.encode())
    for i, storage in enumerate(storages.storages):
        skipped = getattr(_thread, "skip_data", False)
        archive.write(f"{root}/data/{i}", bytes(storage.nbytes()) if skipped else memoryview(storage))
    archive.write(f"{root}/version", b"3\n")
    # A number that depends on the contents: PyTorch hashes names and checksums too.
    archive.write(f"{root}/.data/serialization_id", _content_number(archive).encode())
    archive.close()


def _content_number(archive):
    import hashlib

    digest = hashlib.sha256(repr([(name, crc) for name, crc, _, _ in archive._entries]).encode()).digest()
    return f"{int.from_bytes(digest[:16], 'little') % 10**40:040d}"


def _legacy_save(obj, file, protocol):
    storages = LegacyStorages(location_tag)
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": sys.byteorder == "little", "type_sizes": sizes}
    for header in (MAGIC_NUMBER, PROTOCOL_VERSION, system):
        pickle.dump(header, file, protocol=protocol)
    Pickler(file, protocol, storages.persistent_id).dump(obj)
    keys = sorted(storages.found)
    pickle.dump(keys, file, protocol=protocol)
    for key in keys:
        storage, itemsize = storages.found[key]
        file.write(struct.pack("<q", storage.nbytes() // itemsize))
        file.write(memoryview(storage))


def _legacy_bytes(storage):
    buffer = io.BytesIO()
    _legacy_save(storage, buffer, DEFAULT_PROTOCOL)
    return buffer.getvalue()


# --- loading --------------------------------------------------------------------------------------------------------

_UNSAFE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` from `False` to `True`. "
    "Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result in arbitrary code "
    "execution. Do it only if you got the file from a trusted source."
)
_DOCS = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with weights_only "
    "https://pytorch.org/docs/stable/generated/torch.load.html."
)


def _refusal(text):
    """What load() says when the restricted unpickler raised an UnpicklingError of this text."""
    if "was not an allowed global by default." in text:
        text = (
            "This file can still be loaded, to do so you have two options, \033[1mdo those steps only if you trust the "
            f"source of the checkpoint\033[0m. \n\t(1) {_UNSAFE}\n\t(2) Alternatively, to load with `weights_only=True` "
            f"please check the recommended steps in the following error message.\n\tWeightsUnpickler error: {text}"
        )
    elif "is blocked" in text:
        text = f"{_UNSAFE}\n\n\n{text}"
    else:
        text = (
            f"{_UNSAFE}\nPlease file an issue with the following so that we can make `weights_only=True` compatible with "
            f"your use case: WeightsUnpickler error: \n\n{text}"
        )
    return f"Weights only load failed. {text}{_DOCS}"


def _weights_only_or_not(weights_only, pickle_module):
    """The argument, its default, or what the environment forces."""
    forced, unforced = (
        os.environ.get(f"TORCH_FORCE_{name}WEIGHTS_ONLY_LOAD", "0").lower() in ("1", "y", "yes", "true") for name in ("", "NO_")
    )
    if forced and unforced:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both "
            "were set."
        )
    if forced:
        return True
    if weights_only is not None:
        return weights_only
    if unforced:
        import warnings

        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the`weights_only` argument was not "
            "explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return pickle_module is None


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """Reads what torch.save wrote, from a path or an open binary file that can seek.

    Unless weights_only is False, only tensors, numbers, strings and collections of them are accepted. With mmap, the storages of a file
    (a path) are read when they are touched."""
    weights_only = _weights_only_or_not(weights_only, pickle_module)
    if weights_only:
        if pickle_module is not None:
            raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
        if pickle_load_args:
            import warnings

            warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    pickle_load_args.setdefault("encoding", "utf-8")
    loader = _Loader(_restorer(map_location), pickle_module or pickle, weights_only, pickle_load_args)
    loader.on_meta = isinstance(map_location, (str, tallow.device)) and str(map_location).split(":")[0] == "meta"
    if isinstance(f, (str, os.PathLike)):
        if os.fspath(f).endswith(".safetensors"):
            raise NotImplementedError("torch.load: files of the package safetensors; use safetensors.torch.load_file")
        with open(f, "rb") as file:
            return loader.load(file, f if mmap else None, mmap)
    if not (hasattr(f, "read") and hasattr(f, "readline")):
        raise AttributeError(
            f"'{type(f).__name__}' object has no attribute 'read'. You can only torch.load from a file that is seekable. "
            "Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
        )
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer like "
            "io.BytesIO and try to load from it instead."
        ) from None
    return loader.load(f, None, mmap)


def _text(word):
    """Words that files of Python 2 hold as bytes."""
    return word.decode("ascii") if isinstance(word, bytes) else word


class _Loader:
    """One call of load()."""

    on_meta = False

    def __init__(self, restore, pickle_module, weights_only, arguments):
        self._restore, self._pickle, self._weights_only, self._arguments = restore, pickle_module, weights_only, arguments
        self._skip = getattr(_thread, "skip_data", False)

    def load(self, file, path, mmap):
        start = file.tell()
        head = file.read(262)
        file.seek(start)
        if not isinstance(head, bytes):
            raise TypeError("torch.load needs a file opened in binary mode")
        if head[:4] == b"PK\3\4":
            if mmap and path is None:
                raise ValueError("f must be a file path in order to use the mmap argument")
            return self._load_zip(file, mmap)
        if mmap:
            name = f"{path}, " if isinstance(path, str) else ""
            raise RuntimeError(
                f"mmap can only be used with files saved with `torch.save({name}_use_new_zipfile_serialization=True), please "
                "torch.save your checkpoint with this option in order to use mmap."
            )
        if not head:
            raise EOFError("Ran out of input")
        if head[257:262] == b"ustar":
            raise NotImplementedError("torch.load: the tar format of PyTorch 0.1")
        return self._load_legacy(file)

    def _unpickle(self, file, persistent_load):
        if not self._weights_only:
            return _full_unpickler(self._pickle)(file, persistent_load, **self._arguments).load()
        from tallow import _weights_only

        try:
            return _weights_only.Unpickler(file, persistent_load, self._arguments["encoding"]).load()
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(_refusal(str(error))) from None

    def _load_zip(self, file, mmap):
        archive = _zip.Reader(file)
        root = next((name[: -len("data.pkl")] for name in archive.names if name.endswith("/data.pkl")), None)
        if root is None or root.count("/") != 1:
            if any(name.endswith("/constants.pkl") for name in archive.names):
                raise NotImplementedError("torch.load: TorchScript archives")
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        if root + "constants.pkl" in archive:
            raise NotImplementedError("torch.load: TorchScript archives")
        swap = self._foreign_order(archive, root)
        mapped = _mapped(file) if mmap else None
        loaded = {}

        def storage(key, location, dtype, size):
            start, stored = archive.place(f"{root}data/{key}")
            if stored != size:
                raise RuntimeError(f"PytorchStreamReader failed reading file data/{key}: {stored} bytes, not {size}")
            if self.on_meta:
                return UntypedStorage(size, device="meta")
            if mapped is not None and size:
                made = UntypedStorage._from_buffer(mapped[start : start + size])
            else:
                made = UntypedStorage(size)
                if size and not self._skip:
                    archive.read_into(f"{root}data/{key}", memoryview(made))
            if swap:
                _swap_bytes(memoryview(made), dtype)
            return self._restore(made, location)

        def persistent_load(saved):
            if not isinstance(saved, tuple) or len(saved) != 5 or _text(saved[0]) != "storage":
                raise pickle.UnpicklingError("Unknown typename for persistent_load, expected 'storage'")
            kind, key, location, count = saved[1:]
            dtype, key = _checked(kind, key, count)
            if key not in loaded:
                loaded[key] = storage(key, _text(location), dtype, count * _itemsize(dtype))
            return _typed(loaded[key], dtype)

        return self._unpickle(io.BytesIO(archive.read(root + "data.pkl")), persistent_load)

    def _foreign_order(self, archive, root):
        """Whether the file was written on a machine of the other byte order."""
        if root + "byteorder" in archive:
            order = archive.read(root + "byteorder")
            if order not in (b"little", b"big"):
                raise ValueError(f"Unknown endianness type: {order.decode('ascii', 'replace')[:20]}")
            return order.decode() != sys.byteorder
        order = _default_order or LoadEndianness.LITTLE
        return order is not LoadEndianness.NATIVE and order.name.lower() != sys.byteorder

    def _load_legacy(self, file):
        def refuse(saved):
            raise pickle.UnpicklingError("unsupported persistent id encountered")

        def head():
            return self._unpickle(file, refuse)

        if head() != MAGIC_NUMBER:
            raise RuntimeError("Invalid magic number; corrupt file?")
        version = head()
        if version != PROTOCOL_VERSION:
            raise RuntimeError(f"Invalid protocol version: {version if isinstance(version, int) else type(version)}")
        head()
        here = file.tell()
        left = file.seek(0, 2) - here  # no storage can be larger than what follows
        file.seek(here)
        loaded, views = {}, {}

        def persistent_load(saved):
            nonlocal left
            if isinstance(saved, tuple) and saved and _text(saved[0]) == "module":  # class, its source file, source
                return saved[1]
            if not isinstance(saved, tuple) or len(saved) != 6 or _text(saved[0]) != "storage":
                raise RuntimeError("Unknown saved id type: corrupt file?")
            kind, key, location, count, view = saved[1:]
            dtype, key = _checked(kind, key, count)
            if key not in loaded:
                size = count * _itemsize(dtype)
                left -= size
                if left < 0:
                    raise RuntimeError(f"unexpected EOF, expected {-left} more bytes. The file might be corrupted.")
                made = UntypedStorage(size, device="meta") if self.on_meta else UntypedStorage(size)
                loaded[key] = self._restore(made, _text(location)), dtype
            storage = loaded[key][0]
            if view is not None:
                name, offset, length = view
                if name not in views:
                    start, length = offset * _itemsize(dtype), length * _itemsize(dtype)
                    if not 0 <= start <= start + length <= storage.nbytes():
                        raise RuntimeError("a view reaches beyond its storage; corrupt file?")
                    views[name] = storage[start : start + length]
                storage = views[name]
            return _typed(storage, dtype)

        result = self._unpickle(file, persistent_load)
        keys = head()
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise RuntimeError("Invalid keys of storages; corrupt file?")
        for key in keys:
            if key not in loaded:
                raise RuntimeError("Invalid key of a storage; corrupt file?")
            (count,) = struct.unpack("<q", _exactly(file, 8))
            storage, dtype = loaded[key]
            if count * _itemsize(dtype) != storage.nbytes():
                raise RuntimeError("Invalid size of a storage; corrupt file?")
            if storage.device.type == "meta":
                file.seek(storage.nbytes(), 1)
            elif not self._skip:
                memoryview(storage)[:] = _exactly(file, storage.nbytes())
        return result


def _checked(kind, key, count):
    """The dtype and the key of a pickled storage, of the right types."""
    if not isinstance(kind, StorageType):
        raise pickle.UnpicklingError(f"a storage of type {type(kind)}")
    key = _text(key)
    if not isinstance(key, str) or not isinstance(count, int) or count < 0:
        raise pickle.UnpicklingError(f"a storage with a key of {type(key)} and a size of {type(count)}")
    return kind.dtype, key


def _itemsize(dtype):
    return 1 if dtype is None else dtype.itemsize


def _typed(storage, dtype):
    return TypedStorage(wrap_storage=storage, dtype=tallow.uint8 if dtype is None else dtype)


def _mapped(file):
    """The file's bytes, read when they are touched; writes stay in this process unless set_default_mmap_options() says otherwise."""
    import mmap

    if get_default_mmap_options() == mmap.MAP_SHARED:
        with open(file.name, "r+b") as writable:
            return memoryview(mmap.mmap(writable.fileno(), 0, flags=mmap.MAP_SHARED))
    return memoryview(mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE))


def _full_unpickler(module):
    """The unpickler of a pickle module, for which PyTorch's names mean ours."""

    class Unpickler(module.Unpickler):
        def __init__(self, file, persistent_load, **arguments):
            super().__init__(file, **arguments)
            self._load_storage = persistent_load

        def persistent_load(self, saved):
            return self._load_storage(saved)

        def find_class(self, module, name):
            if module == "torch" or module.startswith("torch."):
                return find_own(module, name)
            return super().find_class(module, name)

    return Unpickler


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


def _swap_bytes(view, dtype):
    width = 1 if dtype is None else dtype.itemsize // (2 if dtype.is_complex else 1)
    if width > 1:
        data = bytes(view)
        for i in range(width):
            view[i::width] = data[width - 1 - i :: width]


def _exactly(file, count):
    data = file.read(count)
    if len(data) != count:
        raise RuntimeError(f"unexpected EOF, expected {count - len(data)} more bytes. The file might be corrupted.")
    return data


# --- what weights_only accepts beyond its own list ------------------------------------------------------------------


def _safe():
    from tallow import _weights_only

    return _weights_only.safe


def add_safe_globals(safe_globals):
    """Lets weights_only loads find these classes and functions (or pairs of one and its full name)."""
    _safe().extend(entry for entry in safe_globals if entry not in _safe())


def get_safe_globals():
    """What add_safe_globals() was given."""
    return list(_safe())


def clear_safe_globals():
    """Forgets what add_safe_globals() was given."""
    _safe().clear()


class safe_globals:
    """add_safe_globals() for a block."""

    def __init__(self, safe_globals):
        self.safe_globals = safe_globals

    def __enter__(self):
        add_safe_globals(self.safe_globals)

    def __exit__(self, type, value, tb):
        _safe()[:] = [entry for entry in _safe() if entry not in self.safe_globals]


def get_unsafe_globals_in_checkpoint(f):
    """The classes and functions that a file names and that weights_only would refuse."""
    import pickletools

    from tallow import _weights_only

    with open(f, "rb") if isinstance(f, (str, os.PathLike)) else _Borrowed(f) as file:
        start = file.tell()
        if file.read(4) != b"PK\3\4":
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        file.seek(start)
        archive = _zip.Reader(file)
        name = next((name for name in archive.names if name.endswith("/data.pkl")), None)
        if name is None or name[:-8] + "constants.pkl" in archive:
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint"
            )
        found, words = {}, []
        for code, argument, _ in pickletools.genops(archive.read(name)):
            if code.name == "GLOBAL":
                found[".".join(_weights_only.python3_name(*argument.split(" ", 1)))] = True
            elif code.name == "STACK_GLOBAL" and len(words) >= 2:
                found[".".join(words[-2:])] = True
            elif isinstance(argument, str):
                words.append(argument)
        return [name for name in found if not _weights_only.is_allowed(name)]


class _Borrowed:
    """A file that stays open."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self._file

    def __exit__(self, *exc):
        pass


# --- settings -------------------------------------------------------------------------------------------------------


def get_crc32_options():
    """Whether save() computes checksums."""
    return _checksums


def set_crc32_options(compute_crc32):
    """Whether save() computes checksums. Without them damage goes unnoticed, here and in other readers of zip files."""
    global _checksums
    _checksums = compute_crc32


_mmap_options = None


def get_default_mmap_options():
    """The flags that load(mmap=True) maps files with."""
    import mmap

    return mmap.MAP_PRIVATE if _mmap_options is None else _mmap_options


class set_default_mmap_options:
    """Sets the flags that load(mmap=True) maps files with, for good or for a block."""

    def __init__(self, flags):
        global _mmap_options
        import mmap

        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self.prev, _mmap_options = _mmap_options, flags

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        global _mmap_options
        _mmap_options = self.prev


class skip_data:
    """In this block save() writes zeros for the storages' bytes, and load() does not read them."""

    def __init__(self, materialize_fake_tensors=False):
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self):
        self._before, _thread.skip_data = getattr(_thread, "skip_data", False), True

    def __exit__(self, *exc):
        _thread.skip_data = self._before


class LoadEndianness(enum.Enum):
    """The byte order of files that do not name theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_default_order = None


def get_default_load_endianness():
    """The byte order of files that do not name theirs: None stands for little."""
    return _default_order


def set_default_load_endianness(endianness):
    """Sets the byte order of files that do not name theirs."""
    global _default_order
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _default_order = endianness


class SourceChangeWarning(Warning):
    """Never given: the source of classes is not kept in files."""


def normalize_storage_type(storage_type):
    """The class in the torch namespace that is called like a storage's class."""
    return getattr(tallow, storage_type.__name__)


def storage_to_tensor_type(storage):
    """The tensor type of a typed storage: torch.FloatTensor for torch.FloatStorage."""
    return getattr(tallow, type(storage).__name__.replace("Storage", "Tensor"))
