"""Functions of torch.nn.functional that are made of ops of the table."""

import tallow
from tallow.overrides import handle_torch_function, has_torch_function


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input over its norm along dim."""
    if has_torch_function((input, out)):
        return handle_torch_function(normalize, (input, out), input, p=p, dim=dim, eps=eps, out=out)
    length = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / length if out is None else tallow.div(input, length, out=out)
