"""Function: an operation with a gradient written in Python. The extension's _FunctionBase does the recording."""

import functools
import warnings

from tallow import _C

FunctionCtx = _C._FunctionBase


class Function(_C._FunctionBase):
    """Subclass it with static methods forward(ctx, ...) and backward(ctx, *grads), and call apply()."""

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future version "
            "of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function "
            "with static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args, **kwargs):
        """Computes the result; with setup_context() defined, without ctx."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Saves what backward() needs, where forward() has no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """The gradients of forward()'s arguments, None where there is none."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx, *grad_inputs):
        """The tangent of forward()'s result."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        """The result over a batch."""
        raise NotImplementedError("To use autograd.Function with vmap, you must either override the vmap staticmethod "
                                  "or set generate_vmap_rule=True.")  # fmt: skip


_default_setup_context = Function.setup_context


def once_differentiable(fn):
    """Marks a backward() whose own result has no gradient."""

    @functools.wraps(fn)
    def wrapper(ctx, *args):
        import tallow

        with tallow.no_grad():
            outputs = fn(ctx, *args)
        if not tallow.is_grad_enabled() or not any(isinstance(a, tallow.Tensor) and a.requires_grad for a in args):
            return outputs

        class Refusal(Function):
            @staticmethod
            def forward(ctx, *tensors):
                return tensors

            @staticmethod
            def backward(ctx, *grads):
                raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        tensors = [o.detach().requires_grad_() for o in outputs if o is not None]
        refused = iter(Refusal.apply(*tensors))
        result = tuple(None if o is None else next(refused) for o in outputs)
        return result if len(result) > 1 else result[0]

    return wrapper


class InplaceFunction(Function):
    """A Function of old that could work in place."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """A Function of old with nested arguments."""

    @classmethod
    def apply(cls, *args, **kwargs):
        raise NotImplementedError("torch.autograd.function.NestedIOFunction")
