"""Which implementation scaled_dot_product_attention may take. Here there is one; the choice is kept, and changes nothing."""

from contextlib import contextmanager
from enum import Enum


class SDPBackend(Enum):
    """Implementations of scaled_dot_product_attention in PyTorch."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


SDPBackend.__module__ = "torch.nn.attention"


@contextmanager
def sdpa_kernel(backends, set_priority=False):
    """Asks for implementations, one or a list."""
    if not isinstance(backends, (list, SDPBackend)):
        kind = type(backends).__name__
        raise AssertionError(f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {kind}")
    yield {}
