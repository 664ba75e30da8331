"""Functions that the table lacks so far, written over those it has. A name that the table gains takes precedence over these."""

import tallow
from tallow._tensor import COMPOSITE as METHODS
from tallow.overrides import handle_torch_function, has_torch_function

FUNCTIONS = METHODS + (
    "detach is_complex is_floating_point is_conj is_neg "
    "is_inference is_signed split_copy split_with_sizes_copy unbind_copy".split()
)


def _overridable(function):
    """Lets arguments with __torch_function__ take a call over; takes out=."""
    import functools

    @functools.wraps(function)
    def call(*args, **kwargs):
        if "out" in kwargs:
            out = kwargs.pop("out")
            return _into(call(*args, **kwargs), out)
        relevant = args[0] if isinstance(args[0], (list, tuple)) else args
        if has_torch_function(relevant):
            return handle_torch_function(call, relevant, *args, **kwargs)
        return function(*args, **kwargs)

    return call


def _dim(dim, ndim):
    ndim = max(ndim, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim % ndim


@_overridable
def equal(input, other):
    """Whether two tensors have one shape and the same elements."""
    return input.shape == other.shape and bool((input == other).all())


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether isclose() holds everywhere."""
    return bool(tallow.isclose(input, other, rtol, atol, equal_nan).all())


@_overridable
def unbind(input, dim=0):
    """The slices along a dimension."""
    if input.dim() == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = _dim(dim, input.dim())
    return tallow._C._pieces(tuple(input.select(dim, i) for i in range(input.size(dim))), 2)


@_overridable
def chunk(input, chunks, dim=0):
    """At most `chunks` views of equal length, the last maybe shorter."""
    if input.dim() == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input.size(_dim(dim, input.dim()))
    step = -(-size // chunks)
    if step == 0:
        return tallow.split(input, [0] * chunks, dim)
    return tallow.split(input, step, dim)


@_overridable
def split_with_sizes(input, split_sizes, dim=0):
    """Views of the given lengths."""
    return tallow.split(input, list(split_sizes), dim)


def _copies(views, out):
    """Copies of views; out=, a list of as many tensors, gets them and None comes back."""
    if out is None:
        return tuple(view.clone(memory_format=tallow.contiguous_format) for view in views)
    if len(out) != len(views):
        raise RuntimeError(f"split_with_sizes_copy_out() expected an out= argument of size {len(views)}, got size {len(out)}")
    for view, target in zip(views, out):
        _into(view, target)
    return None


def split_copy(input, split_size, dim=0, *, out=None):
    """split, copied."""
    return _copies(tallow.split(input, split_size, dim), out)


def split_with_sizes_copy(input, split_sizes, dim=0, *, out=None):
    """split_with_sizes, copied."""
    return _copies(split_with_sizes(input, split_sizes, dim), out)


def unbind_copy(input, dim=0, *, out=None):
    """unbind, copied."""
    return _copies(unbind(input, dim), out)


@_overridable
def tensor_split(input, indices_or_sections, dim=0):
    """Views of nearly equal lengths, or between the given indices."""
    if input.dim() == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    size = input.size(_dim(dim, input.dim()))
    if isinstance(indices_or_sections, tallow.Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        step, more = divmod(size, count)
        indices_or_sections = [i * step + min(i, more) for i in range(1, count)]
    edges = [0, *indices_or_sections, size]
    index = [slice(None)] * _dim(dim, input.dim())
    return tuple(input[(*index, slice(a, b))] for a, b in zip(edges, edges[1:]))


def hsplit(input, indices_or_sections):
    """tensor_split along the second dimension."""
    return tensor_split(input, indices_or_sections, 0 if input.dim() == 1 else 1)


def vsplit(input, indices_or_sections):
    """tensor_split along the first dimension."""
    return tensor_split(input, indices_or_sections, 0)


def numel(input):
    """The number of elements."""
    return input.numel()


def is_nonzero(input):
    """Whether the one element is not zero."""
    return bool(input)


def _into(result, out):
    """What out= means: the tensor is resized and written."""
    if out is None:
        return result
    if not tallow.can_cast(result.dtype, out.dtype):
        names = tallow._lazy._scalar_type(result), tallow._lazy._scalar_type(out)
        raise RuntimeError(f"result type {names[0]} can't be cast to the desired output type {names[1]}")
    if out.shape != result.shape:
        out.resize_(result.shape)
    return out.copy_(result)


def _question(name):
    """A function that asks a tensor's method of that name."""

    def ask(input):
        return getattr(input, name)()

    ask.__name__ = ask.__qualname__ = name
    return ask


for _name in "detach is_complex is_floating_point is_conj is_neg is_inference is_signed".split():
    globals()[_name] = _question(_name)
