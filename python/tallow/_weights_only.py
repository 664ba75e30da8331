"""The unpickler of torch.load(weights_only=True): a pickle machine that can only make tensors, numbers and collections.

Nothing is imported or called but what is on the lists here. A small file must not ask for much either: reads are bounded by what is left
of the file, keys are hashed only if they nest little (hashing recurses in C and visits shared parts again and again), and no text shows
objects that the file made up."""

import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from pickle import UnpicklingError, decode_long

import tallow
from tallow import _copy, _utils
from tallow import serialization as _serialization
from tallow.storage import DTYPE_OF_NAME, StorageType, TypedStorage

_BLOCKED = ("sys", "os", "posix", "nt")
_LONG = 1 << 16  # reads of more bytes are first compared with what is left
_PLAIN = (str, int, float, bool, bytes, complex, type(None), tallow.dtype, tallow.device)


class Corrupt(UnpicklingError):
    """The pickle is damaged: it breaks the rules of its format."""


# --- safe globals ---------------------------------------------------------------------------------------------------

safe = []  # classes and functions, or pairs of one and its full name


def safe_names():
    """Full name, as tallow and as PyTorch has it → what add_safe_globals() was given."""
    names = {}
    for entry in safe:
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise ValueError(
                    "Expected tuple of length 2 (global, str of callable full path), but got tuple of length: "
                    f"{len(entry)}"
                )
            if type(entry[1]) is not str:
                raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(entry[1])}")
            names[entry[1]] = entry[0]
        else:
            names[f"{entry.__module__}.{entry.__qualname__}"] = entry
            names[f"{_utils.public_module(entry.__module__)}.{entry.__qualname__}"] = entry
    return names


def _hashable(key):
    """The key, unless hashing it could take long or overflow the stack."""
    if type(key) in _PLAIN:
        return key
    todo, visited = [(key, 0)], 0
    while todo:
        item, depth = todo.pop()
        visited += 1
        if visited > 1000 or depth > 50:
            raise UnpicklingError("a key of a dict or an element of a set is nested too deeply")
        if isinstance(item, (tuple, frozenset)):
            todo.extend((part, depth + 1) for part in item)
    return key


def _pairs(items):
    if isinstance(items, dict):
        return items
    return [(_hashable(key), value) for key, value in items]


def _bytearray(*args):
    if args and not isinstance(args[0], (bytes, str, list)):
        raise UnpicklingError(f"bytearray of {type(args[0])}")
    return bytearray(*args)


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise UnpicklingError(f"_codecs.encode with {encoding if isinstance(encoding, str) else type(encoding)}")
    return text.encode("latin-1")


def _parameter(data, requires_grad=True, *rest):
    if not isinstance(data, tallow.Tensor):
        raise UnpicklingError(f"a Parameter of {type(data)}")
    return tallow.nn.Parameter(data, requires_grad)


def _from_type(function, new_type, args, state):
    """_rebuild_from_type_v2 with a function and a type from the lists."""
    if not _in(function, _REBUILD) and not _in(function, safe_names().values()):
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {_shown(function)}")
    if not _in(new_type, _TENSOR_TYPES) and not _in(new_type, safe_names().values()):
        raise UnpicklingError(f"Trying to make a tensor of unrecognized type {_shown(new_type)}")
    result = function(*args)
    if not _in(new_type, _TENSOR_TYPES):
        return _copy._rebuild_from_type_v2(lambda: result, new_type, (), state)
    if type(result) is not new_type:
        result = result.as_subclass(new_type)
    return _set_attributes(result, state)


def _set_attributes(obj, state):
    """Puts a state into an object's __dict__, and nowhere else."""
    attributes = state[0] if isinstance(state, tuple) else state
    if not isinstance(attributes, (dict, type(None))) or not all(isinstance(name, str) for name in attributes or ()):
        raise UnpicklingError(f"a state of {type(attributes)}")
    obj.__dict__.update(attributes or {})
    return obj


_TENSOR_TYPES = (tallow.Tensor, tallow.nn.Parameter, tallow.nn.Buffer)
_REBUILD = tuple(
    getattr(_utils, name)
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
                 "_rebuild_parameter_with_state", "_rebuild_meta_tensor_no_storage", "_rebuild_sparse_tensor")  # fmt: skip
)
# What may be called, and how.
_CALLS = {
    OrderedDict: lambda *args: OrderedDict(*map(_pairs, args)),
    Counter: lambda *args: Counter(*map(_pairs, args)),
    set: lambda *args: set(map(_hashable, *args)),
    frozenset: lambda *args: frozenset(map(_hashable, *args)),
    bytearray: _bytearray,
    complex: complex,
    slice: slice,
    tallow.Size: tallow.Size,
    tallow.device: tallow.device,
    tallow.nn.Parameter: _parameter,
    tallow.nn.Buffer: lambda data, *rest: tallow.nn.Buffer(_parameter(data, False).data),
    _encode: _encode,
    _serialization._get_layout: _serialization._get_layout,
    _copy._rebuild_from_type_v2: _from_type,
    **{function: function for function in _REBUILD},
    _utils._rebuild_parameter_with_state: lambda data, requires_grad, hooks, state: _set_attributes(
        _parameter(data, requires_grad), state
    ),
}


def _allowed():
    """What a pickle may name."""
    table = {f"torch._utils.{function.__name__}": function for function in _REBUILD}
    for value in (OrderedDict, Counter):
        table[f"collections.{value.__name__}"] = value
    for value in (set, frozenset, bytearray, complex, slice, int, float, bool, str):
        table[f"builtins.{value.__name__}"] = value
    for value in (tallow.nn.Parameter, tallow.nn.Buffer):
        table[f"torch.nn.parameter.{value.__name__}"] = value
    for name in ("Tensor", "Size", "device"):
        table[f"torch.{name}"] = getattr(tallow, name)
    table["_codecs.encode"] = _encode
    table["torch.serialization._get_layout"] = _serialization._get_layout
    table["torch._tensor._rebuild_from_type_v2"] = _copy._rebuild_from_type_v2
    table["torch.storage.UntypedStorage"] = StorageType(None)
    for name, dtype in DTYPE_OF_NAME.items():
        table[f"torch.{name}"] = StorageType(dtype)
    for name in dir(tallow._C):
        value = getattr(tallow._C, name)
        if isinstance(value, (tallow.dtype, tallow.layout, tallow.memory_format)):
            table[f"torch.{name}"] = value
    return table


_table = _allowed()


def is_allowed(full_name):
    """Whether a pickle may name this."""
    return full_name in _table or full_name in safe_names()


def python3_name(module, name):
    """The names of Python 3 for those of Python 2 that pickles of protocol 2 hold."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


def _find(module, name):
    if not (isinstance(module, str) and isinstance(name, str)):
        raise Corrupt("a global that is no name")
    module, name = python3_name(module, name)
    full = f"{module}.{name}"
    if module in _BLOCKED:
        raise UnpicklingError(f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
    if full in _table:
        return _table[full]
    own = safe_names()
    if full in own:
        return own[full]
    full = full.removeprefix("builtins.")
    raise UnpicklingError(
        f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{full}])` or the `torch.serialization.safe_globals([{full}])` context "
        "manager to allowlist this global if you trust this class/function."
    )


def _in(thing, things):
    return any(thing is other for other in things)


def _shown(thing):
    """A class, function or short text as it is, of other things only the type."""
    return repr(thing) if isinstance(thing, (type, str)) or hasattr(thing, "__qualname__") else f"of {type(thing)}"


# --- the machine ----------------------------------------------------------------------------------------------------


class Unpickler:
    """Runs a pickle of protocol 2 to 5."""

    def __init__(self, file, persistent_load, encoding="utf-8"):
        self._file, self._persistent_load, self._encoding = file, persistent_load, encoding
        self._memo, self._stack, self._marks = {}, [], []
        self._outside = False  # within a call of what add_safe_globals() was given, whose exceptions are its own

    def _read(self, count):
        if count < 0:
            raise Corrupt("a negative length")
        if count > _LONG:
            here = self._file.tell()
            left = self._file.seek(0, 2) - here
            self._file.seek(here)
            if count > left:
                raise EOFError("Ran out of input")
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
        """The object, or an UnpicklingError, RuntimeError (of tensors) or EOFError."""
        try:
            while True:
                code = self._read(1)
                if code == b".":
                    return self._stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise UnpicklingError(f"Unsupported operand {code[0]}")
                step(self)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, MemoryError, struct.error) as error:
            if self._outside:
                raise
            raise Corrupt(f"corrupt pickle: {type(error).__name__}: {error}") from None

    def _since_mark(self):
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _own(self, thing):
        """Whether add_safe_globals() was given this."""
        return _in(thing, safe_names().values())

    def _call(self, function, *args):
        self._outside = True
        result = function(*args)
        self._outside = False
        return result

    def _reduce(self):
        args = self._stack.pop()
        function = self._stack.pop()
        known = _known_call(function)
        if not isinstance(args, tuple):
            raise Corrupt("a call without arguments")
        if known is not None:
            self._stack.append(known(*args))
        elif self._own(function):
            self._stack.append(self._call(function, *args))
        else:
            text = f"Trying to call reduce for unrecognized function {_shown(function)}"
            if hasattr(function, "__self__"):
                text += f" which belongs to {_shown(function.__self__)}"
            raise UnpicklingError(text)

    def _newobj(self):
        args = self._stack.pop()
        cls = self._stack.pop()
        if not isinstance(args, tuple):
            raise Corrupt("a new object without arguments")
        if isinstance(cls, type) and _known_call(cls) is not None:
            self._stack.append(_known_call(cls)(*args))
        elif isinstance(cls, type) and self._own(cls):
            self._stack.append(self._call(cls.__new__, cls, *args))
        else:
            raise UnpicklingError(
                f"Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals` but got {_shown(cls)}"
            )

    def _build(self):
        state = self._stack.pop()
        obj = self._stack[-1]
        if self._own(type(obj)):
            self._call(_set_state, obj, state)
        elif isinstance(obj, tallow.Tensor) and isinstance(state, tuple) and len(state) in (4, 5):  # of PyTorch 0.1
            if not isinstance(state[0], TypedStorage):
                raise Corrupt("a tensor of no storage")
            obj.set_(_utils._rebuild_tensor(*state[:4]))
        elif type(obj) in _TENSOR_TYPES or type(obj) in (OrderedDict, Counter):
            _set_attributes(obj, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {type(obj)}"
            )

    def _persistent(self):
        pid = self._stack.pop()
        if type(pid) is not tuple and type(pid) is not int:
            raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
        if type(pid) is tuple and len(pid) > 0 and not (type(pid[0]) in (str, bytes) and pid[0] in ("storage", b"storage")):
            raise UnpicklingError(f"Only persistent_load of storage is allowed, but got {type(pid[0])}")
        self._stack.append(self._persistent_load(pid))

    def _string(self, data):
        return data if self._encoding == "bytes" else data.decode(self._encoding)


def _known_call(function):
    if isinstance(function, (tuple, frozenset)):  # whose hash is not to be trusted
        return None
    try:
        return _CALLS.get(function)
    except TypeError:  # not hashable, so not on the list
        return None


def _set_state(obj, state):
    """What pickle's BUILD does."""
    if hasattr(obj, "__setstate__"):
        obj.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        obj.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)


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
_push(b"\x8b", lambda u: decode_long(u._read(u._unpack("<i"))))
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
_push(b"c", lambda u: _find(u._line().decode(), u._line().decode()))


@_step(b"I")
def _int_line(u):
    line = u._line()
    u._stack.append({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line))


@_step(b"\x93")
def _stack_global(u):
    name, module = u._stack.pop(), u._stack.pop()
    u._stack.append(_find(module, name))


def _tuple_of(count):
    def step(u):
        if len(u._stack) < count:
            raise Corrupt("its stack runs empty")
        u._stack[-count:] = [tuple(u._stack[-count:])]

    return step


_STEPS[b"\x86"], _STEPS[b"\x87"] = _tuple_of(2), _tuple_of(3)


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
    u._stack.append({_hashable(key): value for key, value in zip(items[::2], items[1::2])})


@_step(b"\x91")
def _frozenset(u):
    items = u._since_mark()
    u._stack.append(frozenset(map(_hashable, items)))


@_step(b"a")
def _append(u):
    item = u._stack.pop()
    if type(u._stack[-1]) is not list:
        raise UnpicklingError(f"Can only append to lists, but got {type(u._stack[-1])}")
    u._stack[-1].append(item)


@_step(b"e")
def _appends(u):
    items = u._since_mark()
    if type(u._stack[-1]) is not list:
        raise UnpicklingError(f"Can only extend lists, but got {type(u._stack[-1])}")
    u._stack[-1].extend(items)


@_step(b"\x90")
def _add_items(u):
    items = u._since_mark()
    if type(u._stack[-1]) is not set:
        raise UnpicklingError(f"Can only add items to sets, but got {type(u._stack[-1])}")
    u._stack[-1].update(map(_hashable, items))


def _dict_below(u, code):
    if type(u._stack[-1]) not in (dict, OrderedDict, Counter):
        raise UnpicklingError(
            f"Can only {code} for dict, collections.OrderedDict, collections.Counter, but got {type(u._stack[-1])}"
        )
    return u._stack[-1]


@_step(b"s")
def _set_item(u):
    value, key = u._stack.pop(), u._stack.pop()
    _dict_below(u, "SETITEM")[_hashable(key)] = value


@_step(b"u")
def _set_items(u):
    items = u._since_mark()
    target = _dict_below(u, "SETITEMS")
    for key, value in zip(items[::2], items[1::2]):
        target[_hashable(key)] = value


@_step(b"q")
def _put(u):
    u._memo[u._read(1)[0]] = u._stack[-1]


@_step(b"r")
def _long_put(u):
    u._memo[u._unpack("<I")] = u._stack[-1]


@_step(b"p")
def _line_put(u):
    u._memo[int(u._line())] = u._stack[-1]


@_step(b"\x94")
def _memoize(u):
    u._memo[len(u._memo)] = u._stack[-1]


@_step(b"0")
def _pop(u):
    u._stack.pop()


@_step(b"2")
def _duplicate(u):
    u._stack.append(u._stack[-1])


@_step(b"1")
def _pop_mark(u):
    u._since_mark()


@_step(b"\x80")
def _protocol(u):
    u._read(1)


@_step(b"\x95")
def _frame(u):
    u._read(8)


_STEPS[b"R"] = Unpickler._reduce
_STEPS[b"\x81"] = Unpickler._newobj
_STEPS[b"b"] = Unpickler._build
_STEPS[b"Q"] = Unpickler._persistent
