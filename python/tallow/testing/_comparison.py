"""assert_close: compares numbers, tensors and structures of them."""

import cmath
import sys
from collections.abc import Mapping, Sequence

import tallow
from tallow import Tensor

# rtol, atol by dtype; everything else must be equal.
_TOLERANCES = {
    tallow.float16: (1e-3, 1e-5), tallow.bfloat16: (1.6e-2, 1e-5), tallow.float32: (1.3e-6, 1e-5),
    tallow.float64: (1e-7, 1e-7), tallow.complex32: (1e-3, 1e-5), tallow.complex64: (1.3e-6, 1e-5),
    tallow.complex128: (1e-7, 1e-7),
}  # fmt: skip
_DTYPE_OF = {int: tallow.int64, float: tallow.float64, complex: tallow.complex128}


class _Comparison:
    """The options of one call."""

    def __init__(self, msg, rtol, atol, allow_subclasses, equal_nan, **checks):
        self.msg, self.rtol, self.atol, self.allow_subclasses, self.equal_nan = msg, rtol, atol, allow_subclasses, equal_nan
        self.checks = checks

    def fail(self, text, where, kind=AssertionError):
        """Raises; where: the keys and indices that lead to the item."""
        if not isinstance(self.msg, str):
            if where:
                text += f"\n\nThe failure occurred for item {''.join(str([key]) for key in where)}"
            text = self.msg(text) if callable(self.msg) else text
        else:
            text = self.msg
        raise kind(text)

    def tolerances(self, *dtypes):
        """(rtol, atol): those given, or the larger ones of the dtypes."""
        if self.rtol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
        return max(rtol for rtol, _ in pairs), max(atol for _, atol in pairs)

    def compare(self, actual, expected, where):
        """Structures item by item; then None, booleans, numbers, and what tensors can be made of."""
        if all(isinstance(x, Sequence) and not isinstance(x, str) for x in (actual, expected)):
            if len(actual) != len(expected):
                self.fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where)
            for i, pair in enumerate(zip(actual, expected)):
                self.compare(*pair, (*where, i))
        elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
            self.compare_mappings(actual, expected, where)
        elif actual is None or expected is None:
            if actual is not expected:
                self.fail(f"None mismatch: {actual} is not {expected}", where)
        elif isinstance(actual, _kinds(bool, "bool_")) and isinstance(expected, _kinds(bool, "bool_")):
            if bool(actual) is not bool(expected):
                self.fail(f"Booleans mismatch: {bool(actual)} is not {bool(expected)}", where)
        elif all(isinstance(x, _kinds((int, float, complex), "number")) for x in (actual, expected)):
            self.compare_numbers(actual, expected, where)
        else:
            self.compare_tensors(*self.as_tensors(actual, expected, where), where)

    def compare_mappings(self, actual, expected, where):
        missing, additional = set(expected) - set(actual), set(actual) - set(expected)
        if missing or additional:
            self.fail(
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {sorted(missing)}\n"
                f"Additional keys in the actual mapping: {sorted(additional)}",
                where,
            )
        try:
            keys = sorted(expected)
        except TypeError:
            keys = list(expected)
        for key in keys:
            self.compare(actual[key], expected[key], (*where, key))

    def compare_numbers(self, actual, expected, where):
        actual, expected = (x.item() if hasattr(x, "item") else x for x in (actual, expected))
        if self.checks["check_dtype"] and type(actual) is not type(expected):
            self.fail(f"The (d)types do not match: {type(actual)} != {type(expected)}.", where)
        rtol, atol = self.tolerances(*(_DTYPE_OF.get(type(x)) for x in (actual, expected)))
        if actual == expected or (self.equal_nan and cmath.isnan(actual) and cmath.isnan(expected)):
            return
        difference = abs(actual - expected)
        if cmath.isfinite(difference) and difference <= atol + rtol * abs(expected):
            return
        relative = float("inf") if expected == 0 else difference / abs(expected)
        text = f"Expected {expected} but got {actual}."
        self.fail(_mismatch("Scalars", text, difference, atol, relative, rtol), where)

    def as_tensors(self, actual, expected, where):
        """Both as tensors; a TypeError for what cannot be compared."""
        related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
        if related and (self.allow_subclasses or type(actual) is type(expected)):
            try:
                return [x if isinstance(x, Tensor) else tallow.as_tensor(x) for x in (actual, expected)]
            except Exception:  # no tensor can be made of it
                pass
        self.fail(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", where, TypeError)

    def compare_tensors(self, actual, expected, where):
        checks = self.checks
        for name, checked, a, e in [
            ("shape", True, actual.shape, expected.shape),
            ("layout", checks["check_layout"], actual.layout, expected.layout),
            ("stride()", checks["check_stride"], actual.stride(), expected.stride()),
            ("device", checks["check_device"], actual.device, expected.device),
            ("dtype", checks["check_dtype"], actual.dtype, expected.dtype),
        ]:
            if checked and a != e:
                self.fail(f"The values for attribute '{name}' do not match: {a} != {e}.", where)
        if actual.is_meta or expected.is_meta:
            return
        rtol, atol = self.tolerances(actual.dtype, expected.dtype)
        actual, expected = actual.detach(), expected.detach()
        if actual.dtype != expected.dtype:
            wide = [tallow.int64 if t.dtype in (tallow.uint16, tallow.uint32, tallow.uint64) else t.dtype for t in (actual, expected)]
            dtype = tallow.promote_types(*wide)
            actual, expected = actual.to(dtype), expected.to(dtype)
        matches = tallow.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=self.equal_nan)
        if bool(matches.all()):
            return
        if not matches.shape:
            self.compare_scalar_tensors(actual, expected, rtol, atol, where)
        count, wrong = matches.numel(), matches.numel() - int(matches.sum())
        actual, expected, matches_flat = actual.flatten(), expected.flatten(), matches.flatten()
        if not actual.is_floating_point() and not actual.is_complex():
            actual, expected = actual.long(), expected.long()
        absolute = (actual - expected).abs().masked_fill(matches_flat, 0)
        relative = (absolute / expected.abs()).masked_fill(matches_flat, 0)
        (worst, at), (worst_ratio, ratio_at) = absolute.max(0), relative.max(0)
        text = f"Mismatched elements: {wrong} / {count} ({wrong / count:.1%})"
        places = [_unravel(int(i), matches.shape) for i in (at, ratio_at)]
        self.fail(_mismatch("Tensor-likes", text, worst.item(), atol, worst_ratio.item(), rtol, places), where)

    def compare_scalar_tensors(self, actual, expected, rtol, atol, where):
        a, e = actual.item(), expected.item()
        difference = abs(a - e)
        relative = float("inf") if e == 0 else difference / abs(e)
        self.fail(_mismatch("Scalars", f"Expected {e} but got {a}.", difference, atol, relative, rtol), where)


def _kinds(own, numpys):
    """Types, and NumPy's abstract type of that name if NumPy is in use."""
    numpy = sys.modules.get("numpy")
    own = own if isinstance(own, tuple) else (own,)
    return (*own, getattr(numpy, numpys)) if numpy is not None else own


def _unravel(flat, shape):
    index = []
    for size in reversed(shape):
        flat, rest = divmod(flat, size)
        index.append(rest)
    return tuple(reversed(index))


def _mismatch(what, text, absolute, atol, relative, rtol, places=None):
    equal = rtol == 0 and atol == 0
    lines = [f"{what} are not {'equal' if equal else 'close'}!", "", text]
    for i, (name, value, allowed) in enumerate((("absolute", absolute, atol), ("relative", relative, rtol))):
        head = f"Greatest {name} difference" if places else f"{name.capitalize()} difference"
        line = f"{head}: {value}" + (f" at index {places[i]}" if places else "")
        lines.append(line + ("" if equal else f" (up to {allowed} allowed)"))
    return "\n".join(lines)


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True,
                 check_dtype=True, check_layout=True, check_stride=False, msg=None):  # fmt: skip
    """Raises AssertionError unless the values agree within the tolerances of their dtype."""
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {'rtol' if rtol is None else 'atol'}."
        )
    _Comparison(msg, rtol, atol, allow_subclasses, equal_nan, check_device=check_device, check_dtype=check_dtype,
                check_layout=check_layout, check_stride=check_stride).compare(actual, expected, ())  # fmt: skip


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """The old form of assert_close."""
    actual, expected = (x if isinstance(x, Tensor) else tallow.tensor(x) for x in (actual, expected))
    if rtol is None and atol is None:
        pairs = [_TOLERANCES.get(t.dtype, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False,
                 check_stride=False, msg=msg or None)  # fmt: skip
