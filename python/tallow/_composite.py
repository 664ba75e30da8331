"""Functions that the table lacks so far, written over those it has. A name that the table gains takes precedence over these."""

import tallow
from tallow._tensor import COMPOSITE as METHODS
from tallow.overrides import handle_torch_function, has_torch_function

FUNCTIONS = METHODS + (
    "detach is_complex is_floating_point is_conj is_neg is_inference is_signed".split()
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


@_overridable
def equal(input, other):
    """Whether two tensors have one shape and the same elements."""
    for position, (name, given) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(given, tallow.Tensor):
            kind = type(given)
            shown = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
            raise TypeError(f"equal(): argument '{name}' (position {position}) must be Tensor, not {shown}")
    return input.shape == other.shape and bool((input == other).all())


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether isclose() holds everywhere."""
    return bool(tallow.isclose(input, other, rtol, atol, equal_nan).all())


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
