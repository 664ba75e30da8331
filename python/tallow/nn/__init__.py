"""torch.nn: modules, parameters, initialisers and the functional forms."""

from tallow._missing import no_attribute as _no_attribute
from tallow.nn.parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)
from tallow.nn.modules import *  # noqa: F403
from tallow.nn import functional as functional, init as init, modules as modules, parameter as parameter


def __getattr__(name):
    import importlib

    if name in ("attention", "parallel", "utils"):
        return importlib.import_module(f"tallow.nn.{name}")
    if name == "DataParallel":
        return importlib.import_module("tallow.nn.parallel").DataParallel
    raise _no_attribute(__name__, name)
