"""torch.linalg: ops of the table."""

from tallow import _C


def __getattr__(name):
    op = getattr(_C._linalg, name, None)
    if op is None:
        raise AttributeError(f"module 'torch.linalg' has no attribute '{name}'")
    globals()[name] = op
    return op
