"""The protocol __torch_function__, for functions that are written in Python."""

import functools

from tallow import Tensor, _C
from tallow._absent import getters as _getters

has_torch_function = _C._has_torch_function
has_torch_function_unary = _C._has_torch_function_unary
has_torch_function_variadic = _C._has_torch_function_variadic


def _overrides(x):
    if type(x) is Tensor or x is None:
        return False
    own = getattr(type(x), "__torch_function__", None)
    return own is not None and own is not _C._disabled_torch_function_impl


def _overloaded(relevant_args):
    """One argument per overriding type, subclasses before their bases."""
    found = []
    for x in relevant_args:
        if _overrides(x) and all(type(x) is not type(y) for y in found):
            place = next((i for i, y in enumerate(found) if issubclass(type(x), type(y))), len(found))
            found.insert(place, x)
    return found


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Calls the __torch_function__ of the arguments, one after the other, until one returns a result."""
    found = _overloaded(relevant_args)
    types = tuple(map(type, found))
    if _C._len_torch_function_stack():
        mode = _C._pop_torch_function_stack()
        try:
            result = mode.__torch_function__(public_api, types, args, kwargs)
        finally:
            _C._push_on_torch_function_stack(mode)
        if result is not NotImplemented:
            return result
    for x in found:
        result = x.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: {[type(x) for x in found]}"
    )


def wrap_torch_function(dispatcher):
    """Makes a Python function heed __torch_function__; dispatcher gives the relevant arguments."""

    def wrap(func):
        @functools.wraps(func)
        def wrapped(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return wrapped

    return wrap


def is_tensor_like(x):
    """Whether x is a tensor or overrides torch functions."""
    return type(x) is Tensor or hasattr(x, "__torch_function__")


def is_tensor_method_or_property(func):
    name = getattr(func, "__name__", "")
    return name == "__get__" or getattr(Tensor, name, None) is func


class TorchFunctionMode:
    """While it is entered, every call of the API goes to its __torch_function__(func, types, args, kwargs)."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        _C._push_on_torch_function_stack(self)
        return self

    def __exit__(self, *exc):
        _C._pop_torch_function_stack()


class BaseTorchFunctionMode(TorchFunctionMode):
    """Runs everything as it is."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


__getattr__, __dir__ = _getters(__name__)
