"""torch.ao.quantization: not implemented."""

from tallow._absent import getters as _getters

__getattr__, __dir__ = _getters(__name__)
