"""AdamW, by the address of its file in PyTorch."""

from tallow.optim.adam import AdamW as AdamW
