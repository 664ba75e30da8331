"""Functions of torch.nn.functional that are made of ops of the table."""

import tallow


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input over its norm along dim."""
    result = input / input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return result if out is None else out.copy_(result)
