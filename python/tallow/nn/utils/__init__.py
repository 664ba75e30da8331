"""torch.nn.utils: gradients clipped, parameters as one vector, sequences packed, weights parametrised."""

import importlib

from tallow.nn.utils import rnn as rnn
from tallow.nn.utils.clip_grad import (
    clip_grad_norm as clip_grad_norm,
    clip_grad_norm_ as clip_grad_norm_,
    clip_grad_value_ as clip_grad_value_,
    clip_grads_with_norm_ as clip_grads_with_norm_,
    get_total_norm as get_total_norm,
)
from tallow.nn.utils.convert_parameters import (
    parameters_to_vector as parameters_to_vector,
    vector_to_parameters as vector_to_parameters,
)
from tallow.nn.utils.spectral_norm import (  # functions of their modules' names: these last, and now
    remove_spectral_norm as remove_spectral_norm,
    spectral_norm as spectral_norm,
)
from tallow.nn.utils.weight_norm import (
    remove_weight_norm as remove_weight_norm,
    weight_norm as weight_norm,
)

# Loaded when first asked for.
_LATER = {
    "fusion": ("fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"),
    "init": ("skip_init",),
    "memory_format": ("convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"),
    "parametrizations": (),
    "parametrize": (),
    "stateless": (),
}
_HOME = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name):
    home = _HOME.get(name, name if name in _LATER else None)
    if home is None:
        raise AttributeError(f"module 'torch.nn.utils' has no attribute '{name}'")
    module = importlib.import_module(f"tallow.nn.utils.{home}")  # which sets the module itself as an attribute
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOME, *_LATER})
