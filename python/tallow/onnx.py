"""torch.onnx: exporting is not implemented."""

from tallow._absent import getters as _getters

__getattr__, __dir__ = _getters(__name__)


def is_in_onnx_export():
    """False: nothing is being exported."""
    return False
