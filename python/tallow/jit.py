"""torch.jit: scripts and traces are the functions and modules themselves, run by Python. Files of scripts are not implemented."""

from contextlib import contextmanager as _contextmanager

from tallow._absent import getters as _getters, refuse as _refuse

__getattr__, __dir__ = _getters(__name__)


class ScriptModule:
    """Nothing is one: script() gives back the module that it is given."""

    def __init__(self):
        raise _refuse("jit.ScriptModule")


class Error(RuntimeError):
    """An error of a script: nothing raises it."""


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """The function, class or module itself."""
    return obj


def trace(func, example_inputs=None, optimize=None, check_trace=True, check_inputs=None, check_tolerance=1e-5, strict=True,
          _force_outplace=False, _module_class=None, _compilation_unit=None, example_kwarg_inputs=None,
          _store_inputs=True):  # fmt: skip
    """The function or module itself, after a call with the inputs."""
    import tallow

    if example_kwarg_inputs is not None:
        func(**example_kwarg_inputs)
    elif isinstance(example_inputs, (tallow.Tensor, dict)):
        func(example_inputs)
    elif example_inputs is not None:
        func(*example_inputs)
    return func


def trace_module(mod, inputs, optimize=None, check_trace=True, check_inputs=None, check_tolerance=1e-5, strict=True,
                 _force_outplace=False, _module_class=None, _compilation_unit=None, example_inputs_is_kwarg=False,
                 _store_inputs=True):  # fmt: skip
    """The module itself, after calls of its methods with their inputs."""
    for name, given in inputs.items():
        trace(getattr(mod, name), given)
    return mod


def script_if_tracing(fn):
    """The function itself."""
    return fn


def export(fn):
    """The method itself."""
    return fn


def unused(fn):
    """The method itself."""
    return fn


def ignore(drop=False, **kwargs):
    """The method itself; or a decorator that gives it back."""
    return drop if callable(drop) else lambda fn: fn


def annotate(the_type, the_value):
    """The value."""
    return the_value


def isinstance(obj, target_type):  # noqa: A001
    """isinstance() that knows List[int] and its like by their origin."""
    import builtins
    import typing

    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return builtins.isinstance(obj, tuple(typing.get_origin(kind) or kind for kind in kinds))


def is_scripting():
    """False."""
    return False


def is_tracing():
    """False."""
    return False


def onednn_fusion_enabled():
    """False."""
    return False


@_contextmanager
def fuser(name):
    """A context in which nothing happens."""
    yield
