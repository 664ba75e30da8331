"""torch.nn: modules, parameters, initialisers and the functional forms."""

from tallow._missing import no_attribute as _no_attribute
from tallow.nn.parameter import Buffer as Buffer, Parameter as Parameter
from tallow.nn.modules import *  # noqa: F403
from tallow.nn import functional as functional, init as init, modules as modules, parameter as parameter


def __getattr__(name):
    if name == "utils":
        import tallow.nn.utils as utils

        return utils
    raise _no_attribute(__name__, name)
