"""torch.utils, loaded by name."""

import importlib

_MODULES = ("data", "hooks", "checkpoint", "_pytree", "dlpack")


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module("tallow.utils." + name)
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}'")
