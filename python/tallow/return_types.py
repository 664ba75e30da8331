"""torch.return_types: the named tuples that ops return."""

from tallow import _C


def __getattr__(name):
    found = getattr(getattr(_C, "_return_types", None), name, None)
    if found is None:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
    return found
