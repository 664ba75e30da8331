"""Arguments that may be one number or one per dimension."""

import collections.abc


def _ntuple(n, name="parse"):
    def parse(x):
        return tuple(x) if isinstance(x, collections.abc.Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = _ntuple(1, "_single"), _ntuple(2, "_pair"), _ntuple(3, "_triple"), _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t, n):
    """(a, b) → (b, b, a, a) for n = 2: the order of functional.pad."""
    return tuple(x for x in reversed(t) for _ in range(n))
