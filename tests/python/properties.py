"""Random tensors for the property tests, and what a call on them is compared with.

A Recipe says how to make a tensor (dtype, values, layout) without holding one, so that the same tensor can be made by any module with
PyTorch's interface. A call on tensors made from recipes is compared with PyTorch where it is installed; elsewhere with tallow's own result on
contiguous copies of the same values."""

import dataclasses
import importlib.util
import math
import pathlib
import tomllib

import numpy
import tallow
from hypothesis import strategies as st

if importlib.util.find_spec("torch") is None:
    torch = None
else:
    import torch

FLOATS = ["float32", "float64", "bfloat16", "float16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8"]
COMPLEX = ["complex64", "complex128"]
DTYPES = FLOATS + INTEGERS + COMPLEX + ["bool"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 2.0, 0.5]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A tensor: a contiguous base of `base` sizes, of which every `steps[i]`-th element from `starts[i]` counts, permuted, then
    expanded (sizes in `expand` that are not -1)."""

    dtype: str
    base: tuple
    starts: tuple
    steps: tuple
    order: tuple
    expand: tuple
    seed: int
    special: bool = False

    def values(self):
        random = numpy.random.default_rng(self.seed)
        if self.dtype == "bool":
            return random.integers(0, 2, self.base).astype(bool)
        if self.dtype in INTEGERS:
            return random.integers(0 if self.dtype == "uint8" else -9, 10, self.base).astype(self.dtype)
        found = random.integers(-64, 65, self.base) / 16 + random.uniform(-0.01, 0.01, self.base)
        if self.special:
            spots = random.random(self.base) < 0.2
            found = numpy.where(spots, random.choice(SPECIAL, self.base), found)
        if self.dtype in COMPLEX:
            return (found + 1j * random.integers(-32, 33, self.base) / 16).astype(self.dtype)
        return found.astype("float64" if self.dtype == "float64" else "float32")

    def make(self, module, contiguous=False):
        values = module.from_numpy(numpy.ascontiguousarray(self.values()))
        tensor = module.empty(self.base, dtype=getattr(module, self.dtype)).copy_(values.reshape(self.base))
        tensor = tensor[tuple(slice(start, None, step) for start, step in zip(self.starts, self.steps))].permute(self.order)
        if self.expand:
            tensor = tensor.expand(self.expand)
        return tensor.clone(memory_format=module.contiguous_format) if contiguous else tensor

    @property
    def shape(self):
        kept = [max(0, -(-(size - start) // step)) for size, start, step in zip(self.base, self.starts, self.steps)]
        kept = [kept[i] for i in self.order]
        return tuple(e if e != -1 else k for e, k in zip(self.expand, kept)) if self.expand else tuple(kept)


SIZES = st.one_of(st.integers(0, 5), st.integers(1, 4), st.sampled_from([1, 1, 7, 17, 33]))


@st.composite
def shapes(draw, least=0, most=4):
    return tuple(draw(st.lists(SIZES, min_size=least, max_size=most)))


@st.composite
def recipes(draw, shape=None, dtypes=tuple(DTYPES), least=0, most=4, expand=True, special=True):
    """A tensor of this shape (drawn if None), in some layout."""
    shape = draw(shapes(least, most)) if shape is None else tuple(shape)
    n = len(shape)
    kinds = draw(st.sampled_from(["plain", "strided"]))
    dtype, seed = draw(st.sampled_from(dtypes)), draw(st.integers(0, 2**16))
    strange = special and draw(st.integers(0, 3)) == 0
    if kinds == "plain":
        return Recipe(dtype, shape, (0,) * n, (1,) * n, tuple(range(n)), (), seed, strange)
    order = tuple(draw(st.permutations(range(n))))
    expanded = tuple(draw(st.booleans()) and draw(st.booleans()) and expand for _ in shape)
    starts, steps, base = [], [], []
    for place in range(n):  # of the base; `order` says where each goes
        target = order.index(place)
        size = 1 if expanded[target] else shape[target]
        start, step = draw(st.integers(0, 2)), draw(st.sampled_from([1, 1, 2, 3]))
        starts.append(start)
        steps.append(step)
        base.append(start + max(0, (size - 1) * step + 1) + draw(st.integers(0, step - 1)) * (size > 0))
    sizes = tuple(shape) if any(expanded) else ()
    recipe = Recipe(dtype, tuple(base), tuple(starts), tuple(steps), order, sizes, seed, strange)
    assert recipe.shape == shape, (recipe, shape)
    return recipe


@st.composite
def broadcastable(draw, count, most=4):
    """Shapes that broadcast with one another."""
    whole = draw(shapes(0, most))
    found = []
    for _ in range(count):
        kept = whole[draw(st.integers(0, len(whole))) if draw(st.booleans()) else 0:]
        found.append(tuple(1 if draw(st.integers(0, 3)) == 0 else size for size in kept))
    return found


def table(kind):
    """{key: columns} of the public table entries of a kind."""
    found = {}
    for path in sorted((pathlib.Path(__file__).parents[2] / "spec").glob("*.toml")):
        for key, columns in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if isinstance(columns, dict) and columns.get("kind") == kind and not key.startswith("_"):
                found[key] = columns
    return found


def tensors(result, kind):
    if isinstance(result, kind):
        return [result]
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in tensors(item, kind)]
    return []


def outcome(call, module, made):
    """(results, None) or (None, the exception's type name): what a call gives, also in its arguments."""
    try:
        return tensors(call(module, *made), module.Tensor), None
    except Exception as error:  # noqa: BLE001 - whatever the call raises is what is compared
        return None, error


def array(tensor):
    """As NumPy's float64, complex128 or int64, exactly."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if str(tensor.dtype) in ("torch.bfloat16", "torch.float16"):
        tensor = tensor.float()
    if str(tensor.dtype) == "torch.complex32":
        tensor = (tensor.real.float(), tensor.imag.float())
        return tensor[0].contiguous().numpy() + 1j * tensor[1].contiguous().numpy()
    return tensor.contiguous().numpy()


TOLERANCE = {"torch.float64": 1e-9, "torch.complex128": 1e-9, "torch.float32": 3e-5, "torch.complex64": 3e-5, "torch.float16": 4e-3, "torch.complex32": 4e-3,
             "torch.bfloat16": 3e-2}


def same(got, expected, strides, where):
    assert str(got.dtype) == str(expected.dtype), f"{where}: dtype {got.dtype}, not {expected.dtype}"
    assert tuple(got.shape) == tuple(expected.shape), f"{where}: shape {tuple(got.shape)}, not {tuple(expected.shape)}"
    if strides and got.numel():  # of dimensions in which there is a next element
        steps = [[step for step, size in zip(t.stride(), t.shape) if size > 1] for t in (got, expected)]
        assert steps[0] == steps[1], f"{where}: strides {got.stride()}, not {expected.stride()}"
    a, b = array(got), array(expected)
    tolerance = TOLERANCE.get(str(got.dtype))
    if tolerance is None:
        assert numpy.array_equal(a, b), f"{where}: {a}, not {b}"
        return
    if numpy.iscomplexobj(b):  # which part of a product is NaN and which infinite, PyTorch's own vector and scalar loops do not agree on
        lost = ~numpy.isfinite(b)
        assert numpy.array_equal(~numpy.isfinite(a), lost), f"{where}: {a}, not {b}"
        a, b = numpy.where(lost, 0, a), numpy.where(lost, 0, b)
    finite = numpy.abs(b[numpy.isfinite(b)]) if b.size else b
    scale = min(float(finite.max()), 1e6) if finite.size else 0.0
    numpy.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(scale, 0.1), equal_nan=True, err_msg=where)


def compare(call, made_from, *, strides=True, where=""):
    """call(module, *tensors) on tensors made from recipes: results, or the type of the exception, as PyTorch gives them. Without
    PyTorch: as tallow gives them for contiguous copies. Returns whether there were results."""
    got, error = outcome(call, tallow, [recipe.make(tallow) for recipe in made_from])
    if torch is not None:
        expected, wrong = outcome(call, torch, [recipe.make(torch) for recipe in made_from])
    else:
        expected, wrong = outcome(call, tallow, [recipe.make(tallow, contiguous=True) for recipe in made_from])
        strides = False
    if error is not None and wrong is not None:
        assert isinstance(error, type(wrong)) or type(error).__name__ == type(wrong).__name__, f"{where}: {error!r}, not {wrong!r}"
        return False
    if torch is None and isinstance(error or wrong, RuntimeError):  # one layout forbids what another allows
        return False
    if isinstance(error or wrong, NotImplementedError):  # a gap on one side, which parity counts, is no wrong answer
        return False
    assert error is None, f"{where}: raised {error!r}"
    assert wrong is None, f"{where}: accepted, not {wrong!r}"
    assert len(got) == len(expected), f"{where}: {len(got)} results, not {len(expected)}"
    for number, (a, b) in enumerate(zip(got, expected)):
        same(a, b, strides, f"{where}: result {number}")
    return True
