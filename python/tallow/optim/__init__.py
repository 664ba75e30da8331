"""torch.optim: optimisers and schedules of learning rates."""

import importlib

from tallow._missing import no_attribute as _no_attribute
from tallow.optim.optimizer import Optimizer as Optimizer
from tallow.optim.sgd import SGD as SGD
from tallow.optim.adam import Adam as Adam, AdamW as AdamW

_HOMES = {"Adadelta": "adadelta", "Adafactor": "_adafactor", "Adagrad": "adagrad", "Adamax": "adamax", "ASGD": "asgd",
          "LBFGS": "lbfgs", "Muon": "_muon", "NAdam": "nadam", "RAdam": "radam", "RMSprop": "rmsprop", "Rprop": "rprop",
          "SparseAdam": "sparse_adam"}  # fmt: skip
_MODULES = ("lr_scheduler", "swa_utils")


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(f"tallow.optim.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"tallow.optim.{name}")
    raise _no_attribute(__name__, name)


def __dir__():
    return sorted([*globals(), *_HOMES, *_MODULES])
