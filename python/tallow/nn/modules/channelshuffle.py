"""Channels in another order."""

from tallow.nn import functional as F
from tallow.nn.modules.module import Module


class ChannelShuffle(Module):
    """Interleaves groups of channels."""

    __constants__ = ["groups"]

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input):
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        return f"groups={self.groups}"
