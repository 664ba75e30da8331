"""The protocol __torch_function__, for functions that are written in Python."""

import functools

from tallow import Tensor, _C

_default = Tensor.__dict__["__torch_function__"]
_disabled = getattr(_C, "_disabled_torch_function_impl", None)
_fast = getattr(_C, "_has_torch_function", None)


def _overrides(x):
    if type(x) is Tensor or x is None:
        return False
    own = getattr(type(x), "__torch_function__", None)
    return own is not None and own is not _disabled


def has_torch_function(relevant_args):
    """Whether some argument has a __torch_function__ of its own, or a function mode is on."""
    if _fast is not None:
        return _fast(relevant_args)
    for x in relevant_args:
        if type(x) is not Tensor and x is not None and _overrides(x):
            return True
    return False


def has_torch_function_unary(x):
    return has_torch_function((x,))


def has_torch_function_variadic(*args):
    return has_torch_function(args)


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
    fast = getattr(_C, "_handle_torch_function", None)
    if fast is not None:
        return fast(public_api, relevant_args, args, kwargs)
    found = _overloaded(relevant_args)
    types = tuple(map(type, found))
    for x in found:
        result = x.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: {[type(x) for x in found]}"
    )


def default_torch_function(cls, func, types, args, kwargs):
    """Tensor.__torch_function__: runs func below the overrides and turns results into cls."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with _C.DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
    return result if func in _plain_results() else _convert(result, cls)


def _convert(result, cls):
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        return result.as_subclass(cls)
    if isinstance(result, (tuple, list)):
        items = [_convert(item, cls) for item in result]
        return type(result)(items) if not hasattr(result, "n_fields") else type(result)(tuple(items))
    return result


@functools.cache
def _plain_results():
    """Functions whose results stay what they are."""
    names = "grad shape device dtype data_ptr is_leaf _version requires_grad layout".split()
    found = set()
    for name in names:
        getter = getattr(getattr(Tensor, name, None), "__get__", None)
        if getter is not None:
            found.add(getter)
    return found


def get_default_nowrap_functions():
    return _plain_results()


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


def __getattr__(name):
    if name in ("TorchFunctionMode", "BaseTorchFunctionMode"):
        found = getattr(_C, name, None)
        if found is not None:
            return found
    raise AttributeError(f"module 'torch.overrides' has no attribute '{name}'")
