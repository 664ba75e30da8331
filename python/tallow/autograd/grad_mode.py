"""Switching the recording of gradients off and on: context managers that are decorators too."""

import functools
import inspect

from tallow import _C

_is_on, _set = _C.is_grad_enabled, _C._set_grad_enabled


def _decorate_generator(make, function):
    """The mode is on while the generator runs, not while it waits."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        generator = function(*args, **kwargs)
        try:
            with make():
                value = generator.send(None)
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    with make():
                        generator.close()
                    raise
                except BaseException as error:
                    with make():
                        value = generator.throw(error)
                else:
                    with make():
                        value = generator.send(sent)
        except StopIteration as stop:
            return stop.value

    return wrapped


def _decorate(make, function):
    if inspect.isclass(function):
        import warnings

        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
            "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
            "the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        return lambda *args, **kwargs: _decorate(make, function.__call__)(*args, **kwargs)
    if inspect.isgeneratorfunction(function):
        return _decorate_generator(make, function)

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        with make():
            return function(*args, **kwargs)

    return wrapped


class _ContextDecorator:
    def clone(self):
        return type(self)()

    def __call__(self, function):
        return _decorate(self.clone, function)


class no_grad(_C._NoGrad, _ContextDecorator):
    """Nothing is recorded for gradients inside."""


class enable_grad(_C._EnableGrad, _ContextDecorator):
    """Gradients are recorded inside."""


class set_grad_enabled(_ContextDecorator):
    """Sets the mode at once; as a context manager until its end."""

    def __init__(self, mode):
        self.prev = _is_on()
        self.mode = mode
        _set(mode)

    def __call__(self, orig_func):
        _set(self.prev)
        return super().__call__(orig_func)

    def __enter__(self):
        _set(self.mode)

    def __exit__(self, exc_type, exc_value, traceback):
        _set(self.prev)

    def __str__(self):
        return f"{type(self).__module__}.{type(self).__name__}(mode={self.mode})"

    __repr__ = __str__

    def clone(self):
        return type(self)(self.mode)


class inference_mode(_ContextDecorator):
    """As no_grad, and tensors made inside never take part in gradients."""

    def __new__(cls, mode=True):
        self = object.__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()
        return self(mode)

    def __init__(self, mode=True):
        self.mode = mode

    def __enter__(self):
        self._before = _C.is_inference_mode_enabled(), _is_on()
        _C._set_inference_mode(self.mode)
        if self.mode:
            _set(False)

    def __exit__(self, exc_type, exc_value, traceback):
        inference, grad = self._before
        _C._set_inference_mode(inference)
        _set(grad)

    def clone(self):
        return type(self)(self.mode)


class set_multithreading_enabled(_ContextDecorator):
    """The backward pass runs on its caller's thread anyway."""

    def __init__(self, mode):
        self.mode = mode

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        pass

    def clone(self):
        return type(self)(self.mode)
