"""Handles that remove hooks, and the hooks of modules that run in the backward pass."""

import warnings
import weakref
from collections import OrderedDict

import tallow


class RemovableHandle:
    """Removes a hook from its dictionary (and from dictionaries of facts about it)."""

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(d) for d in extra)

    def remove(self):
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref))

    def __setstate__(self, state):
        hooks = OrderedDict() if state[0] is None else state[0]
        self.hooks_dict_ref = weakref.ref(hooks)
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        self.extra_dict_ref = tuple(weakref.ref(OrderedDict() if d is None else d) for d in state[2])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def warn_if_has_hooks(tensor):
    hooks = getattr(tensor, "_backward_hooks", None)
    if hooks:
        for key in hooks:
            hook = hooks[key]
            if not hasattr(hook, "__torch_unserializable__"):
                warnings.warn(
                    f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate "
                    "the function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                    stacklevel=2,
                )


def unserializable_hook(hook):
    hook.__torch_unserializable__ = True
    return hook


class BackwardHook:
    """Runs a module's full backward hooks: identity nodes around the module see its two gradients."""

    def __init__(self, module, user_hooks, user_pre_hooks):
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs = None
        self.n_inputs = self.n_outputs = -1
        self.input_places = self.output_places = None

    @staticmethod
    def _spread(values, places, count):
        out = [None] * count
        for place, value in zip(places, values):
            out[place] = value
        return tuple(out)

    def _through_identity(self, args, attach):
        """args with their tensors passed through one node, which attach() gets; None where nothing needs gradients."""
        places = [i for i, a in enumerate(args) if isinstance(a, tallow.Tensor)]
        if not (tallow.is_grad_enabled() and any(args[i].requires_grad for i in places)):
            return args, None
        new = _identity().apply(*[args[i] for i in places])
        nodes = [t.grad_fn for t in new if t.grad_fn is not None]
        attach(nodes[0])
        result = list(args)
        for place, value in zip(places, new):
            result[place] = value
        return tuple(result), places

    def setup_input_hook(self, args):
        def attach(node):
            def hook(grad_input, _):
                if self.grad_outputs is None:
                    return None
                grad_input = self._spread(grad_input, self.input_places, self.n_inputs)
                before = grad_input
                for user_hook in self.user_hooks:
                    out = user_hook(self.module, grad_input, self.grad_outputs)
                    if out is not None:
                        out = out if isinstance(out, tuple) else (out,)
                        if len(out) != len(grad_input):
                            raise RuntimeError(
                                "Backward hook returned an invalid number of grad_input, "
                                f"got {len(out)}, but expected {len(grad_input)}"
                            )
                        grad_input = out
                self.grad_outputs = None
                return tuple(grad_input[i] for i in self.input_places) if grad_input is not before else None

            node.register_hook(hook)

        result, places = self._through_identity(args, attach)
        self.n_inputs, self.input_places = len(args), places
        return result

    def setup_output_hook(self, args):
        def attach(node):
            def hook(_, grad_output):
                self.grad_outputs = self._spread(grad_output, self.output_places, self.n_outputs)
                for user_pre_hook in self.user_pre_hooks:
                    out = user_pre_hook(self.module, self.grad_outputs)
                    if out is not None:
                        out = out if isinstance(out, tuple) else (out,)
                        if len(out) != self.n_outputs:
                            raise RuntimeError(
                                "Backward pre hook returned an invalid number of grad_output, "
                                f"got {len(out)}, but expected {self.n_outputs}"
                            )
                        self.grad_outputs = out
                local = self.grad_outputs
                if self.input_places is None:  # no input needs a gradient: the module's hooks run here
                    warnings.warn(
                        "Full backward hook is firing when gradients are computed with respect to module outputs since "
                        "no inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module."
                        "html#torch.nn.Module.register_full_backward_hook for more details.",
                        stacklevel=5,
                    )
                    nothing = self._spread([], [], self.n_inputs)
                    for user_hook in self.user_hooks:
                        if user_hook(self.module, nothing, self.grad_outputs) is not None:
                            raise RuntimeError(
                                "Backward hook for Modules where no input requires gradient should always return None "
                                "or None for all gradients."
                            )
                    self.grad_outputs = None
                return tuple(local[i] for i in self.output_places)

            node.register_prehook(lambda grads: hook(None, grads))

        is_tuple = isinstance(args, tuple)
        args = args if is_tuple else (args,)
        self.n_outputs = len(args)
        self.output_places = [i for i, a in enumerate(args) if isinstance(a, tallow.Tensor)]
        result, _ = self._through_identity(args, attach)
        return result if is_tuple else result[0]


_identity_class = None


def _identity():
    """The Function whose nodes stand around a hooked module; made on first use: autograd is loaded lazily."""
    global _identity_class
    if _identity_class is None:

        class BackwardHookFunction(tallow.autograd.Function):
            @staticmethod
            def forward(ctx, *args):
                ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
                return args

            @staticmethod
            def backward(ctx, *grads):
                return grads

        _identity_class = BackwardHookFunction
    return _identity_class
