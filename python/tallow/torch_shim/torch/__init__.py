"""torch, where `tallow run` put this folder on the path: the first import makes tallow answer for it."""

import sys

del sys.modules["torch"]
from tallow._as_torch import install  # noqa: E402

install()
