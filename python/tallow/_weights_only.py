"""The unpickler of torch.load(weights_only=True): a pickle machine that can only make tensors, numbers and collections."""

import struct
from collections import Counter, OrderedDict
from pickle import UnpicklingError, decode_long

import tallow
from tallow import _copy, _utils
from tallow.storage import DTYPE_OF_NAME


class Refused(UnpicklingError):
    """The pickle wants something that is not on the list."""


class Blocked(UnpicklingError):
    """The pickle wants something of a module that no list of safe globals may open."""


_BLOCKED = ("sys", "os", "posix", "nt")


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"_codecs.encode with {encoding}")
    return text.encode("latin-1")


def _allowed():
    table = {
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "Counter"): Counter,
        ("builtins", "set"): set, ("__builtin__", "set"): set,
        ("builtins", "frozenset"): frozenset, ("__builtin__", "frozenset"): frozenset,
        ("builtins", "bytearray"): bytearray, ("__builtin__", "bytearray"): bytearray,
        ("builtins", "complex"): complex, ("__builtin__", "complex"): complex,
        ("builtins", "slice"): slice, ("builtins", "int"): int, ("builtins", "float"): float,
        ("builtins", "bool"): bool, ("builtins", "str"): str,
        ("_codecs", "encode"): _encode,
        ("torch", "Tensor"): tallow.Tensor, ("torch", "Size"): tallow.Size, ("torch", "device"): tallow.device,
        ("torch.nn.parameter", "Parameter"): tallow.nn.Parameter,
        ("torch.nn.parameter", "Buffer"): tallow.nn.Buffer,
        ("torch._tensor", "_rebuild_from_type_v2"): _copy._rebuild_from_type_v2,
        ("torch.storage", "UntypedStorage"): None,
    }  # fmt: skip
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
                 "_rebuild_parameter_with_state", "_rebuild_meta_tensor_no_storage"):  # fmt: skip
        table["torch._utils", name] = getattr(_utils, name)
    for name in dir(tallow._C):
        value = getattr(tallow._C, name)
        if isinstance(value, (tallow.dtype, tallow.layout, tallow.memory_format)):
            table["torch", name] = value
    return table


_table = None
_CALLABLE_TYPES = (OrderedDict, Counter, set, frozenset, bytearray, complex, slice, int, float, bool, str)


def _find(module, name):
    global _table
    from tallow import serialization

    if _table is None:
        _table = _allowed()
    if module == "torch" and name in DTYPE_OF_NAME:
        return serialization.StorageType(DTYPE_OF_NAME[name])
    if (module, name) == ("torch.storage", "UntypedStorage"):
        return serialization.StorageType(None)
    if (module, name) in _table:
        return _table[module, name]
    for entry in serialization._safe_globals:
        value, full = entry if isinstance(entry, tuple) else (entry, f"{entry.__module__}.{entry.__qualname__}")
        if full == f"{module}.{name}" or f"{_utils.public_module(module)}.{name}" == _utils.public_module(full):
            return value
    full = f"{module}.{name}"
    if module.split(".")[0] in _BLOCKED:
        raise Blocked(f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
    raise Refused(
        f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{full}])` or the `torch.serialization.safe_globals([{full}])` context "
        "manager to allowlist this global if you trust this class/function."
    )


def _callables():
    from tallow import serialization

    safe = [entry[0] if isinstance(entry, tuple) else entry for entry in serialization._safe_globals]
    return set(_table.values()) - {None} | set(safe)


class Unpickler:
    """Runs a pickle of protocol 2 to 5 without ever importing or calling what is not on the list."""

    def __init__(self, file, persistent_load, encoding="utf-8"):
        self._file, self._persistent_load, self._encoding = file, persistent_load, encoding
        self._memo, self._stack, self._marks = {}, [], []

    def _read(self, count):
        data = self._file.read(count)
        if len(data) != count:
            raise EOFError("Ran out of input")
        return data

    def _line(self):
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("Ran out of input")
        return line[:-1]

    def _unpack(self, layout):
        return struct.unpack(layout, self._read(struct.calcsize(layout)))[0]

    def load(self):
        try:
            while True:
                code = self._read(1)
                if code == b".":
                    return self._stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise Refused(f"Unsupported operand {code[0]}")
                step(self)
        except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
            raise UnpicklingError(f"corrupt pickle: {type(error).__name__}: {error}") from None

    def _since_mark(self):
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _reduce(self):
        args = self._stack.pop()
        function = self._stack.pop()
        if not isinstance(args, tuple) or not callable(function) or function not in _callables():
            raise Refused(f"Trying to call reduce for unrecognized function {function}")
        self._stack.append(function(*args))

    def _newobj(self):
        args = self._stack.pop()
        cls = self._stack.pop()
        if not isinstance(cls, type) or cls not in _callables():
            raise Refused(f"Trying to create new object for unallowed class {cls}")
        if cls in _CALLABLE_TYPES or issubclass(cls, tallow.Tensor):
            self._stack.append(cls(*args))
        else:
            self._stack.append(cls.__new__(cls, *args))

    def _build(self):
        state = self._stack.pop()
        obj = self._stack[-1]
        if isinstance(obj, tallow.Tensor):
            _copy.set_state(obj, state)
        elif type(obj) in (OrderedDict, Counter):
            obj.__dict__.update(state)
        elif type(obj) in _callables():
            if hasattr(obj, "__setstate__"):
                obj.__setstate__(state)
            else:
                obj.__dict__.update(state)
        else:
            raise Refused(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {type(obj)}"
            )

    def _string(self, data):
        return data if self._encoding == "bytes" else data.decode(self._encoding)


_STEPS = {}


def _step(code):
    def add(function):
        _STEPS[code] = function
        return function

    return add


def _push(code, make):
    _STEPS[code] = lambda u: u._stack.append(make(u))


_push(b"N", lambda u: None)
_push(b"\x88", lambda u: True)
_push(b"\x89", lambda u: False)
_push(b"K", lambda u: u._read(1)[0])
_push(b"M", lambda u: u._unpack("<H"))
_push(b"J", lambda u: u._unpack("<i"))
_push(b"\x8a", lambda u: decode_long(u._read(u._read(1)[0])))
_push(b"G", lambda u: u._unpack(">d"))
_push(b"L", lambda u: int(u._line().rstrip(b"L")))
_push(b"F", lambda u: float(u._line()))
_push(b"X", lambda u: u._read(u._unpack("<I")).decode("utf-8", "surrogatepass"))
_push(b"\x8c", lambda u: u._read(u._read(1)[0]).decode("utf-8", "surrogatepass"))
_push(b"\x8d", lambda u: u._read(u._unpack("<Q")).decode("utf-8", "surrogatepass"))
_push(b"U", lambda u: u._string(u._read(u._read(1)[0])))
_push(b"T", lambda u: u._string(u._read(u._unpack("<i"))))
_push(b"C", lambda u: u._read(u._read(1)[0]))
_push(b"B", lambda u: u._read(u._unpack("<I")))
_push(b"\x8e", lambda u: u._read(u._unpack("<Q")))
_push(b"\x96", lambda u: bytearray(u._read(u._unpack("<Q"))))
_push(b"]", lambda u: [])
_push(b"}", lambda u: {})
_push(b")", lambda u: ())
_push(b"\x8f", lambda u: set())
_push(b"\x85", lambda u: (u._stack.pop(),))
_push(b"h", lambda u: u._memo[u._read(1)[0]])
_push(b"j", lambda u: u._memo[u._unpack("<I")])
_push(b"g", lambda u: u._memo[int(u._line())])
_push(b"Q", lambda u: u._persistent_load(u._stack.pop()))
_push(b"c", lambda u: _find(u._line().decode(), u._line().decode()))


@_step(b"I")
def _int_line(u):
    line = u._line()
    u._stack.append({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line))


@_step(b"\x93")
def _stack_global(u):
    name, module = u._stack.pop(), u._stack.pop()
    u._stack.append(_find(module, name))


@_step(b"\x86")
def _tuple2(u):
    u._stack[-2:] = [tuple(u._stack[-2:])]


@_step(b"\x87")
def _tuple3(u):
    u._stack[-3:] = [tuple(u._stack[-3:])]


@_step(b"(")
def _mark(u):
    u._marks.append(u._stack)
    u._stack = []


@_step(b"t")
def _tuple(u):
    items = u._since_mark()
    u._stack.append(tuple(items))


@_step(b"l")
def _list(u):
    items = u._since_mark()
    u._stack.append(items)


@_step(b"d")
def _dict(u):
    items = u._since_mark()
    u._stack.append(dict(zip(items[::2], items[1::2])))


@_step(b"\x91")
def _frozenset(u):
    items = u._since_mark()
    u._stack.append(frozenset(items))


def _checked(target, *types):
    if not isinstance(target, types):
        raise Refused(f"Can only fill {' or '.join(t.__name__ for t in types)}, but got {type(target)}")
    return target


@_step(b"a")
def _append(u):
    item = u._stack.pop()
    _checked(u._stack[-1], list).append(item)


@_step(b"e")
def _appends(u):
    items = u._since_mark()
    _checked(u._stack[-1], list).extend(items)


@_step(b"\x90")
def _add_items(u):
    items = u._since_mark()
    _checked(u._stack[-1], set).update(items)


@_step(b"s")
def _set_item(u):
    value, key = u._stack.pop(), u._stack.pop()
    _checked(u._stack[-1], dict)[key] = value


@_step(b"u")
def _set_items(u):
    items = u._since_mark()
    target = _checked(u._stack[-1], dict)
    for key, value in zip(items[::2], items[1::2]):
        target[key] = value


@_step(b"q")
def _put(u):
    u._memo[u._read(1)[0]] = u._stack[-1]


@_step(b"r")
def _long_put(u):
    u._memo[u._unpack("<I")] = u._stack[-1]


@_step(b"\x94")
def _memoize(u):
    u._memo[len(u._memo)] = u._stack[-1]


@_step(b"0")
def _pop(u):
    u._stack.pop()


@_step(b"\x80")
def _proto(u):
    u._read(1)


@_step(b"\x95")
def _frame(u):
    u._read(8)


_STEPS[b"R"] = Unpickler._reduce
_STEPS[b"\x81"] = Unpickler._newobj
_STEPS[b"b"] = Unpickler._build
