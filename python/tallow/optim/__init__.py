"""torch.optim: optimisers and schedules of learning rates."""

from tallow._missing import no_attribute as _no_attribute
from tallow.optim.optimizer import Optimizer as Optimizer
from tallow.optim.sgd import SGD as SGD
from tallow.optim.adam import Adam as Adam, AdamW as AdamW


def __getattr__(name):
    if name == "lr_scheduler":
        import importlib

        return importlib.import_module("tallow.optim.lr_scheduler")
    raise _no_attribute(__name__, name)
