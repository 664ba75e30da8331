"""torch.linalg: ops of the table. Decompositions need LAPACK: `pip install scipy-openblas32`."""

from tallow import _C
from tallow._missing import no_attribute as _no_attribute

LinAlgError = _C._LinAlgError


def __getattr__(name):
    op = getattr(_C._linalg, name, None)
    if op is None:
        raise _no_attribute(__name__, name)
    globals()[name] = op
    return op
