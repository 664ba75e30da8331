"""Weights of convolutions in another memory format."""

import tallow


def _convert(module, names, memory_format):
    kinds = tuple(getattr(tallow.nn, name) for name in names)
    for part in module.modules():
        if isinstance(part, kinds):
            part.weight.data = part.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module, memory_format):
    """Gives the weights of all two-dimensional convolutions a memory format."""
    return _convert(module, ("Conv2d", "ConvTranspose2d"), memory_format)


def convert_conv3d_weight_memory_format(module, memory_format):
    """Gives the weights of all three-dimensional convolutions a memory format."""
    return _convert(module, ("Conv3d", "ConvTranspose3d"), memory_format)
