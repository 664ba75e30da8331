"""torch.version."""

from tallow import __version__ as __version__

debug = False
cuda = hip = xpu = git_version = None
