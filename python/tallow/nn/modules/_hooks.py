"""How a module is called: straight to forward() unless some hook asks for more."""

import weakref
import warnings
from collections import OrderedDict

from tallow import Tensor, _C
from tallow.utils.hooks import BackwardHook, RemovableHandle

# Hooks for all modules.
forward_pre, forward, forward_kwargs, forward_always = OrderedDict(), OrderedDict(), OrderedDict(), OrderedDict()
backward_pre, backward = OrderedDict(), OrderedDict()
buffer_registration, module_registration, parameter_registration = OrderedDict(), OrderedDict(), OrderedDict()
_backward_is_full = None

OF_CALLS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
DICTIONARIES = OF_CALLS + (
    "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


def _add(hooks, hook, extra=(), prepend=False):
    """Puts a hook into a dictionary of hooks, its id into those of `extra`; returns the handle."""
    handle = RemovableHandle(hooks, extra_dict=list(extra))
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    for facts in extra:
        facts[handle.id] = True
        if prepend:
            facts.move_to_end(handle.id, last=False)
    return handle


class HookedCalls(_C._ModuleBase):
    """The part of Module that registers the hooks around forward(). Calls are _ModuleBase's: forward(), or _call_impl() if
    `_hooked` says that this module, or all modules, ever got a hook that runs in a call; it is never reset."""

    _hooked = False

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """hook(module, args) runs before forward() and may replace its arguments."""
        self.__dict__["_hooked"] = True
        extra = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return _add(self._forward_pre_hooks, hook, extra, prepend)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """hook(module, args, output) runs after forward() and may replace its output."""
        self.__dict__["_hooked"] = True
        extra = [self._forward_hooks_with_kwargs] if with_kwargs else []
        if always_call:
            extra.append(self._forward_hooks_always_called)
        return _add(self._forward_hooks, hook, extra, prepend)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """hook(module, grad_output) runs before the gradients of the module are computed."""
        self.__dict__["_hooked"] = True
        return _add(self._backward_pre_hooks, hook, (), prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """hook(module, grad_input, grad_output) runs when the gradients of the inputs are there."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self.__dict__["_hooked"] = True
        self._is_full_backward_hook = True
        return _add(self._backward_hooks, hook, (), prepend)

    def register_backward_hook(self, hook):
        """The old form of register_full_backward_hook."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self.__dict__["_hooked"] = True
        self._is_full_backward_hook = False
        return _add(self._backward_hooks, hook)

    def _backward_hook_lists(self):
        """Full hooks, the old kind, and hooks before."""
        full, old = [], []
        (full if _backward_is_full else old).extend(backward.values())
        (full if self._is_full_backward_hook else old).extend(self._backward_hooks.values())
        return full, old, [*backward_pre.values(), *self._backward_pre_hooks.values()]

    def _run_pre_hooks(self, args, kwargs):
        for key, hook in (*forward_pre.items(), *self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                result = hook(self, args, kwargs)
                if result is not None:
                    if not (isinstance(result, tuple) and len(result) == 2):
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {result}."
                        )
                    args, kwargs = result
            else:
                result = hook(self, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
        return args, kwargs

    def _run_hook(self, key, hook, args, kwargs, result):
        if key in self._forward_hooks_with_kwargs or key in forward_kwargs:
            changed = hook(self, args, kwargs, result)
        else:
            changed = hook(self, args, result)
        return result if changed is None else changed

    def _call_impl(self, *args, **kwargs):
        result, called = None, set()
        try:
            full, old, before = self._backward_hook_lists()
            args, kwargs = self._run_pre_hooks(args, kwargs)
            around = None
            if full or before:
                around = BackwardHook(self, full, before)
                args = around.setup_input_hook(args)
            result = self.forward(*args, **kwargs)
            for key, hook in (*forward.items(), *self._forward_hooks.items()):
                called.add(key)
                result = self._run_hook(key, hook, args, kwargs, result)
            if around is not None:
                if not isinstance(result, (Tensor, tuple)):
                    warnings.warn(
                        "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                        f"received {type(result)}",
                        stacklevel=3,
                    )
                else:
                    result = around.setup_output_hook(result)
            if old:
                self._attach_old_hooks(old, result)
            return result
        except Exception:
            for key, hook in (*forward.items(), *self._forward_hooks.items()):
                if (key in self._forward_hooks_always_called or key in forward_always) and key not in called:
                    try:
                        result = self._run_hook(key, hook, args, kwargs, result)
                    except Exception as error:
                        warnings.warn(
                            f"module forward hook with ``always_call=True`` raised an exception that was silenced as "
                            f"another error was raised in forward: {error}",
                            stacklevel=3,
                        )
            raise

    def _attach_old_hooks(self, hooks, result):
        first = result
        while not isinstance(first, Tensor):
            first = next(v for v in first.values() if isinstance(v, Tensor)) if isinstance(first, dict) else first[0]
        node = first.grad_fn
        if node is not None:
            for hook in hooks:
                node.register_hook(lambda grad_in, grad_out, hook=hook: hook(self, grad_in, grad_out))


def _for_all_modules():
    HookedCalls._hooked = True


def register_module_forward_pre_hook(hook):
    """A forward pre-hook of all modules."""
    _for_all_modules()
    return _add(forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """A forward hook of all modules."""
    _for_all_modules()
    extra = [forward_kwargs] if with_kwargs else []
    if always_call:
        extra.append(forward_always)
    return _add(forward, hook, extra)


def register_module_full_backward_pre_hook(hook):
    """A full backward pre-hook of all modules."""
    _for_all_modules()
    return _add(backward_pre, hook)


def register_module_full_backward_hook(hook):
    """A full backward hook of all modules."""
    global _backward_is_full
    if _backward_is_full is False:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _for_all_modules()
    _backward_is_full = True
    return _add(backward, hook)


def register_module_backward_hook(hook):
    """The old form of register_module_full_backward_hook."""
    global _backward_is_full
    if _backward_is_full is True:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _for_all_modules()
    _backward_is_full = False
    return _add(backward, hook)


def register_module_buffer_registration_hook(hook):
    """hook(module, name, buffer) runs when any module registers a buffer."""
    return _add(buffer_registration, hook)


def register_module_module_registration_hook(hook):
    """hook(module, name, submodule) runs when any module registers a submodule."""
    return _add(module_registration, hook)


def register_module_parameter_registration_hook(hook):
    """hook(module, name, param) runs when any module registers a parameter."""
    return _add(parameter_registration, hook)


class WithModule:
    """A state-dict hook that wants its module as first argument, without keeping the module alive."""

    def __init__(self, hook, module):
        self.hook, self.module = hook, weakref.ref(module)

    def __call__(self, *args, **kwargs):
        module = self.module()
        assert module is not None, "You are trying to call the hook of a dead Module!"
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        return {"hook": self.hook, "module": self.module()}

    def __setstate__(self, state):
        self.hook, self.module = state["hook"], weakref.ref(state["module"])
