"""Functions that arguments with __torch_function__ take over."""

import functools

from tallow import Tensor
from tallow.overrides import handle_torch_function, has_torch_function


def overridable(function):
    """Hands a call to the __torch_function__ of its arguments (or of a mode), if any has one."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        given = (*args, *kwargs.values()) if kwargs else args
        if has_torch_function(given):
            relevant = tuple(x for x in given if isinstance(x, Tensor) or hasattr(type(x), "__torch_function__"))
            return handle_torch_function(call, relevant, *args, **kwargs)
        return function(*args, **kwargs)

    return call
