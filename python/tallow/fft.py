"""torch.fft: ops of the table."""

from tallow import _C
from tallow._missing import no_attribute as _no_attribute


def __getattr__(name):
    op = getattr(_C._fft, name, None)
    if op is None:
        raise _no_attribute(__name__, name)
    globals()[name] = op
    return op
