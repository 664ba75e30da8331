"""torch.types: names for annotations."""

import builtins
from typing import Union

from tallow import Size, Tensor, device as _device, dtype as _dtype

Number = Union[builtins.int, builtins.float, builtins.bool]
Device = Union[_device, builtins.str, builtins.int, None]
_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_size = Union[Size, list, tuple]
Storage = object
__all__ = ["Number", "Device", "Tensor", "_dtype", "_size"]
