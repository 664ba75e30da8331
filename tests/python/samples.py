"""Samples of every public op of the table, without PyTorch: for the tests of bits, C functions, the meta device, tangents and vmap.

Where a signature says enough, samples follow from it: every elementwise and reduce op, and whatever takes tensors, dimensions and switches.
An op that needs more says so in its table entry, as the arguments of calls:

    samples = ["x(3, 4), x(4, 5)", "x(2, 4), x(4, 3), alpha=2"]

The functions there: x(sizes) numbers of [-2, 2), positive(sizes) of [0.25, 3), unit(sizes) of [0, 1), mask(sizes) bools, whole(high, sizes)
int64 of [0, high), places(numbers) int64, spd(n) a symmetric positive definite matrix, patterns() a vector of all bit patterns (of wide types, of
many), and dtype, the dtype at hand. Numbers come from a small generator of our own, so that a defect in random numbers does not hide one elsewhere.

A sample is one value for each parameter of the op's signature; DEFAULT leaves it to its default. Ops refuse the dtypes that they do not have:
whoever uses a sample has to expect that."""

import functools
import math
import pathlib
import sys

import tallow as torch

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "gen"))

from check import check_table  # noqa: E402
from emit_api import is_public  # noqa: E402
from emit_bindings import places as python_places  # noqa: E402
from parse import parse_table  # noqa: E402

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.int64, torch.bool)
DEFAULT = type("Default", (), {"__repr__": lambda self: "DEFAULT"})()
BIG = 40000  # elements: beyond the size at which elementwise ops and reductions use several threads
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-40, -6e-8, 1e30, 0.5, -0.5, 2.5, -3.5, 100.0, -88.5, 1e-4, 1234567.0]
SPECIAL_INTS = [0, 1, -1, 2, -7, 127, -128, 1 << 31, (1 << 63) - 1, -(1 << 63), 63, 64]


# --- numbers ---


@functools.lru_cache(maxsize=None)
def _sequence(count, seed):
    """Multiples of 2^-16 in [0, 1): a linear congruential sequence."""
    state, values = seed * 2654435761 % 2**32 or 1, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values.append((state >> 16) / 65536)
    return torch.tensor(values, dtype=torch.float64)


def numbers(shape, seed, low=-2.0, high=2.0, dtype=torch.float32):
    """Fixed numbers of [low, high); integers of four times that range; of complex numbers the imaginary part too."""
    if dtype == torch.bool:
        return numbers(shape, seed, -1, 1) > 0
    count = math.prod(shape)
    if dtype.is_complex:
        parts = (_sequence(count, seed), _sequence(count, seed + 1000))
        return torch.view_as_complex(torch.stack([low + (high - low) * part for part in parts], -1)).reshape(shape).to(dtype)
    if not dtype.is_floating_point:
        low, high = math.ceil(4 * low), math.ceil(4 * high)
        return torch.floor(low + (high - low) * _sequence(count, seed)).reshape(shape).to(dtype)
    return (low + (high - low) * _sequence(count, seed)).reshape(shape).to(dtype)


def special(dtype, turn=0):
    """The values at which functions and conversions go wrong, `turn` places on."""
    if dtype == torch.bool:
        return torch.tensor([False, True])
    values = SPECIAL if dtype.is_floating_point or dtype.is_complex else SPECIAL_INTS
    values = values[turn:] + values[:turn]
    return torch.tensor(values, dtype=torch.float64 if isinstance(values[0], float) else torch.int64).to(dtype)


@functools.lru_cache(maxsize=None)
def patterns(dtype):
    """65536 bit patterns: all of 16 bits; of wider numbers evenly spread ones, whose lower half is at, just below or just above a tie, or odd."""
    if dtype == torch.bool:
        return torch.tensor([False, True])
    count = torch.arange(65536, dtype=torch.int64)
    if dtype.itemsize == 2:
        return (count - 32768).to(torch.int16).view(dtype)
    if dtype.itemsize == 4:
        low = torch.tensor([0x8000, 0x7FFF, 0x8001, 0x1234, 0x1000, 0x0FFF, 0x3000])[count % 7]
        return ((count - 32768) * 65536 + low).to(torch.int32).view(dtype)
    if dtype.is_complex:
        return patterns(torch.float32).view(dtype)
    if not dtype.is_floating_point:
        return (count - 32768) * (2**48 - 59)
    low = torch.tensor([0x10000000, 0x0FFFFFFF, 0x10000001, 0x123456789ABC, 0x30000000])[count % 5]
    return torch.cat([((count - 32768) * 2**48 + low).view(dtype), patterns(torch.float32).to(dtype)])


class Makers:
    """The functions that samples in the table are written with; each call gives other numbers."""

    def __init__(self, dtype):
        self.dtype, self.seed = dtype, 0
        self.names = {name: getattr(self, name) for name in ("x", "positive", "unit", "mask", "whole", "places", "spd", "sparse", "patterns", "dtype", "args")}
        self.names["torch"] = torch

    def _numbers(self, shape, low, high):
        self.seed += 1
        return numbers(shape, self.seed, low, high, self.dtype)

    def x(self, *shape):
        return self._numbers(shape, -2.0, 2.0)

    def positive(self, *shape):
        return self._numbers(shape, 0.25, 3.0)

    def unit(self, *shape):
        return self._numbers(shape, 0.0, 1.0)

    def mask(self, *shape):
        self.seed += 1
        return numbers(shape, self.seed, dtype=torch.bool)

    def whole(self, high, *shape):
        self.seed += 1
        return (_sequence(math.prod(shape), self.seed) * high).floor().reshape(shape).to(torch.int64)

    def places(self, *values):
        return torch.tensor(values, dtype=torch.int64)

    def spd(self, n):
        """A symmetric positive definite matrix."""
        half = self._numbers((n, n), -1.0, 1.0)
        return half @ half.mH + n * torch.eye(n, dtype=self.dtype)

    def sparse(self, *shape, repeated=False):
        """A sparse tensor with some of the places, in order; or any, each twice."""
        size = math.prod(shape)
        at = self.whole(size, size // 2 + 1) if repeated else torch.arange(0, size, 2)
        indices = []
        for length in reversed(shape):
            indices.insert(0, at % length)
            at = torch.div(at, length, rounding_mode="floor")
        return torch.sparse_coo_tensor(torch.stack(indices), self.x(len(indices[0])), shape, is_coalesced=not repeated)

    def patterns(self):
        return patterns(self.dtype)

    def args(self, *args, **kwargs):
        return args, kwargs


# --- samples that follow from the signature ---


def _number(param, dtype):
    """A number for a required parameter."""
    if param.type.base == "bool":
        return True
    if param.type.base == "int" or not (dtype.is_floating_point or dtype.is_complex):
        return {"dim0": 0, "dim1": 1, "n": 5, "k": 2, "steps": 7}.get(param.name, 1)
    return 0.75


def _value(param, dtype, shape, seed, low=-2.0, high=2.0):
    """A value for a required parameter; tensors have the given shape."""
    kind = param.type
    if kind.base == "Tensor" and kind.is_list:
        return [numbers(shape, seed + i, low, high, dtype) for i in range(2)]
    if kind.base == "Tensor":
        if param.name in ("mask", "condition"):
            return numbers(shape, seed, dtype=torch.bool)
        if param.name in ("index", "indices"):
            return (_sequence(math.prod(shape), seed) * min(shape, default=1)).floor().reshape(shape).to(torch.int64)
        return numbers(shape, seed, low, high, dtype)
    if kind.is_list:
        return [0] if param.name in ("dim", "dims") else [1] * kind.list_size if kind.list_size > 1 else list(shape)
    if kind.base in ("ScalarType", "Device", "MemoryFormat", "str"):
        return {"ScalarType": dtype, "Device": "cpu", "MemoryFormat": torch.contiguous_format, "str": ""}[kind.base]
    return _number(param, dtype)


def _filled(op, dtype, shapes, low=-2.0, high=2.0):
    """A sample: tensors of the given shapes in turn, all else required by _value."""
    values, seen = [], 0
    for param in op.params:
        if param.has_default or (param.type.optional and param.type.base not in ("int", "Tensor")) or \
                (param.type.optional and param.type.base == "Tensor" and not param.type.is_list):  # fmt: skip
            values.append(DEFAULT if param.has_default else None)
            continue
        values.append(_value(param, dtype, shapes[seen % len(shapes)], seen + 1, low, high))
        seen += param.type.base == "Tensor"
    return values


def _switches(op, dtype, sample):
    """The sample once more for each optional parameter, with another value."""
    for i, param in enumerate(op.params):
        kind, value = param.type, DEFAULT
        if not param.has_default or param.name in ("pin_memory", "non_blocking"):
            continue
        if kind.base == "bool" and not kind.is_list:
            value = not param.default
        elif kind.base in ("int", "Scalar", "float") and not kind.is_list and param.name != "storage_offset":
            value = 0 if param.name == "dim" else 2 if param.name == "reduction" else _number(param, dtype)
        elif kind.base == "int" and param.name in ("dim", "dims"):
            value = [0]
        elif kind.base == "ScalarType":
            value = torch.float64
        if value is not DEFAULT:
            yield [value if k == i else other for k, other in enumerate(sample)]


def _elementwise(op, dtype):
    base = _filled(op, dtype, [(3, 4)])
    yield base
    yield from _switches(op, dtype, base)
    for shapes in ([()], [(0, 3)], [(3, 1), (1, 5), (3, 5)], [(2, 3, 33)]):
        yield _filled(op, dtype, shapes)
    yield _filled(op, dtype, [(1, 257)], 0.25, 3.0)
    yield _filled(op, dtype, [(65,)], 0.0, 1.0)
    tensors = [i for i, value in enumerate(base) if isinstance(value, torch.Tensor)]
    transposed, strided, extreme = list(base), _filled(op, dtype, [(2, 2)]), list(base)
    for turn, i in enumerate(tensors):
        if base[i].dtype == dtype:
            transposed[i] = numbers((4, 3), i, dtype=dtype).transpose(0, 1)
            strided[i] = numbers((4, 6), i, dtype=dtype)[::2, 1::3]
            extreme[i] = special(dtype, 5 * turn)
        else:
            extreme[i] = numbers(special(dtype).shape, i, dtype=base[i].dtype)
    yield from (transposed, strided, extreme)
    if dtype == torch.float32:
        yield _filled(op, dtype, [(2, BIG // 2)])


def _reduce(op, dtype):
    for shape in ((3, 4), (3, 4, 70), (1, 1)):
        base = _filled(op, dtype, [shape])
        yield base
        yield from _switches(op, dtype, base)
    dims = next((i for i, p in enumerate(op.params) if p.name in ("dim", "dims")), None)
    for dim in (0, 1, -1) if dims is not None else ():
        sample = _filled(op, dtype, [(5, 300)], 0.25, 1.0)
        sample[dims] = [dim] if op.params[dims].type.is_list else dim
        yield sample
    yield _filled(op, dtype, [special(dtype).shape])
    if dtype in (torch.float32, torch.float64):
        yield _filled(op, dtype, [(BIG,)])
        yield _filled(op, dtype, [(3, 9000)])


def _plain(op, dtype):
    shapes = [(3, 4), (4, 4), (5,), ()]
    if any(param.type.is_list and param.type.list_size > 1 for param in op.params):
        shapes += [(2, 3, 7), (2, 3, 6, 5), (1, 2, 4, 5, 3)]  # of one, two or three dimensions in space
    for shape in shapes:
        base = _filled(op, dtype, [shape])
        yield base
        yield from _switches(op, dtype, base)


def _written(op, dtype):
    texts = op.columns["samples"]
    for text in [texts] if isinstance(texts, str) else texts:
        try:
            args, kwargs = eval(f"args({text})", Makers(dtype).names)  # noqa: S307 - the table is ours
        except (NotImplementedError, RuntimeError, TypeError):
            if dtype == torch.float32:
                raise
            continue  # a sample that is itself made by an op which lacks the dtype
        names = [param.name for param in op.params]
        unknown = set(kwargs) - set(names)
        if unknown or len(args) > len(names):
            raise ValueError(f"{op.where('samples')}: {text}: no parameter for {sorted(unknown) or 'the last value'}")
        given = {**dict(zip(names, args)), **kwargs}
        yield [given.get(p.name, DEFAULT if p.has_default else None) for p in op.params]


def _twin(op, dtype):
    """NAME_copy and NAME_scatter: the samples of the view; what is written has the view's shape."""
    for values in samples(op.twin_of, dtype):
        if op.twin == "copy":
            yield values
            continue
        try:
            (view,) = call(op.twin_of, values)
        except (RuntimeError, IndexError):
            continue
        yield [values[0], numbers(tuple(view.shape), 40, dtype=dtype), *values[1:]]


def any_sparse(values):
    """Whether there is a sparse tensor among them."""
    return any(isinstance(value, torch.Tensor) and value.is_sparse for value in values)


def samples(op, dtype=torch.float32):
    """Lists of one value for each parameter."""
    if op.twin:
        return list(_twin(op, dtype))
    make = _written if "samples" in op.columns else {"elementwise": _elementwise, "reduce": _reduce}.get(op.kind, _plain)
    return list(make(op, dtype))


# --- ops ---


@functools.lru_cache(maxsize=None)
def table():
    """The public ops."""
    ops, errors = parse_table(ROOT / "spec")
    errors = errors or check_table(ops)
    assert not errors, errors
    return [op for op in ops if is_public(op)]


def function(op):
    """The Python function of an op, which takes its parameters in order; a method takes the tensor first. None if there is none."""
    for space, name in python_places(op):
        owner = {"torch": torch, "Tensor": torch.Tensor, "_nn": torch._C._nn}.get(space)
        if owner is None:
            owner = functools.reduce(lambda found, part: getattr(found, part, None), space.split("."), torch)
        found = getattr(owner, name, None)
        if found is not None:
            return found
    return None


def arguments(op, values):
    """(args, kwargs) of a Python call: what is left to its default is left out."""
    args, kwargs = [], {}
    for param, value in zip(op.params, values):
        if value is DEFAULT or (value is None and param.keyword_only):
            continue
        if kwargs or param.keyword_only or len(args) < op.params.index(param):
            kwargs[param.name] = value
        else:
            args.append(value)
    return args, kwargs


def call(op, values):
    """Calls the op's Python function; its results as a list."""
    args, kwargs = arguments(op, values)
    if op.flags & {"random"}:
        torch.manual_seed(0)
    return tensors(function(op)(*args, **kwargs))


def tensors(result):
    """The tensors in a nested result, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in tensors(item)]
    return []


def undefined(op):
    """The contents of a result are whatever the memory holds."""
    return op.base.startswith(("empty", "new_empty"))
