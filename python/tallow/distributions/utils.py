"""Helpers of distributions."""

from functools import update_wrapper
from numbers import Number

import tallow
from tallow import Tensor
from tallow.nn import functional as F

euler_constant = 0.57721566490153286060


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape."""
    if not all(isinstance(v, (Tensor, Number)) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.")
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), tallow.get_default_dtype())
    return tallow.broadcast_tensors(*(v if isinstance(v, Tensor) else tallow.tensor(v, dtype=dtype) for v in values))


def _standard_normal(shape, dtype, device):
    return tallow.empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value, dim):
    return value if dim == 0 else value.reshape(value.shape[:-dim] + (-1,)).sum(-1)


def logits_to_probs(logits, is_binary=False):
    """Probabilities of log-odds, or with the softmax of logits."""
    return tallow.sigmoid(logits) if is_binary else F.softmax(logits, dim=-1)


def clamp_probs(probs):
    """Probabilities kept away from 0 and 1 by the dtype's epsilon."""
    eps = tallow.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Log-odds, or logarithms, of probabilities."""
    kept = clamp_probs(probs)
    return tallow.log(kept) - tallow.log1p(-kept) if is_binary else tallow.log(kept)


class lazy_property:
    """An attribute that is worked out when it is first asked for."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with tallow.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
