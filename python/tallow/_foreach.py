"""torch._foreach_add_ and its kin: an operator on each tensor of a list. Numbers and tensors go to all, lists item by item."""

from numbers import Number

from tallow import Tensor

PREFIX = "_foreach_"
_BASES = frozenset(
    """abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min copy_ cos cosh div erf erfc exp expm1 floor frac lerp lgamma log
    log10 log1p log2 max maximum minimum mul neg norm pow reciprocal round rsqrt sigmoid sign sin sinh sqrt sub tan tanh trunc
    zero_""".split()
)
_BOUNDS = {"maximum": "min", "minimum": "max", "clamp_min": "min", "clamp_max": "max"}


def make(name):
    """The function of that name; None if there is none."""
    base = name[len(PREFIX) :]
    plain = base.rstrip("_")
    inplace = base.endswith("_")
    if not ({base, plain} & _BASES) or not (hasattr(Tensor, plain) or hasattr(Tensor, base)):
        return None

    def one(t, *args, **kwargs):
        if plain in _BOUNDS and isinstance(args[0], Number):
            return getattr(t, "clamp_" if inplace else "clamp")(**{_BOUNDS[plain]: args[0]})
        if plain in _BOUNDS and plain.startswith("clamp"):
            plainer = "maximum" if plain == "clamp_min" else "minimum"
            result = getattr(t, plainer)(args[0])
            return t.copy_(result) if inplace else result
        if plain in ("addcmul", "addcdiv") and len(args) == 3:
            *args, kwargs["value"] = args
        if inplace and not hasattr(t, base):
            return t.copy_(getattr(t, plain)(*args, **kwargs))
        return getattr(t, base)(*args, **kwargs)

    def foreach(self, *args, **kwargs):
        for key in ("other", "exponent", "weight", "scalar", "scalars", "tensors1", "tensor1", "tensor2"):
            if key in kwargs:
                args = (*args, kwargs.pop(key))
        spread = []
        for value in args:
            if isinstance(value, (list, tuple)) and len(value) != len(self):
                raise RuntimeError(f"Tensor lists must have the same number of tensors, got {len(self)} and {len(value)}")
            spread.append(value if isinstance(value, (list, tuple)) else [value] * len(self))
        results = [one(t, *(some[i] for some in spread), **kwargs) for i, t in enumerate(self)]
        return self if inplace else results

    foreach.__name__ = foreach.__qualname__ = name
    foreach.__doc__ = f"torch.{plain} of each tensor."
    return foreach
