"""Parameters as one vector."""

import tallow
from tallow import Tensor


def parameters_to_vector(parameters):
    """The elements of all parameters, one after the other."""
    return tallow.cat([p.view(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Puts slices of vec in the place of the parameters' values."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {tallow.typename(vec)}")
    at = 0
    for p in parameters:
        count = p.numel()
        p.data = vec[at : at + count].view_as(p).data
        at += count
