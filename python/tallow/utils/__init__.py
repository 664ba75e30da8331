"""torch.utils, loaded by name."""

import importlib

from tallow._missing import no_attribute as _no_attribute

_MODULES = ("data", "hooks", "checkpoint", "_pytree", "dlpack")


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module("tallow.utils." + name)
    raise _no_attribute(__name__, name)
