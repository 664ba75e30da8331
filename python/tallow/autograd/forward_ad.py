"""Forward-mode differentiation: dual tensors carry a tangent along."""

from collections import namedtuple

import tallow
from tallow import _C

_level = -1


def enter_dual_level():
    """Opens a level, on which make_dual() works."""
    global _level
    level = _C._enter_dual_level()
    if level != _level + 1:
        raise RuntimeError("Entering a new forward AD level but the current level is not valid.")
    _level = level
    return level


def exit_dual_level(*, level=None):
    """Closes the level: its tangents are gone."""
    global _level
    if level is None:
        level = _level
    if level != _level:
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created.")
    _C._exit_dual_level(level)
    _level = level - 1


def make_dual(tensor, tangent, *, level=None):
    """A view of tensor that carries the tangent."""
    level = _level if level is None else level
    if level < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    return _C._make_dual(tensor, tangent, level)


class UnpackedDualTensor(namedtuple("UnpackedDualTensor", ["primal", "tangent"])):
    """What unpack_dual() returns."""

    __slots__ = ()


def unpack_dual(tensor, *, level=None):
    """The value and the tangent (None without one)."""
    level = _level if level is None else level
    if level < 0:
        return UnpackedDualTensor(tensor, None)
    primal, tangent = _C._unpack_dual(tensor, level)
    return UnpackedDualTensor(primal, tangent)


class dual_level(tallow.autograd.grad_mode._ContextDecorator):
    """A level for a block."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exc):
        exit_dual_level()
