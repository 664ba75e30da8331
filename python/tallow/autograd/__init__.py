"""torch.autograd: gradients."""

import importlib

import tallow
from tallow import Tensor, _C
from tallow._missing import no_attribute as _no_attribute
from tallow.autograd.function import Function as Function, NestedIOFunction as NestedIOFunction
from tallow.autograd.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
    set_multithreading_enabled as set_multithreading_enabled,
)
from tallow.overrides import handle_torch_function, has_torch_function

_run = _C._run_backward


def _tensors(value):
    return (value,) if isinstance(value, Tensor) else tuple(value)


def _grads_for(outputs, grads, batched=False):
    """Checks what the caller gave; None stays None where the engine makes ones."""
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    for i, (out, grad) in enumerate(zip(outputs, grads)):
        if grad is None:
            if out.requires_grad and out.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if out.requires_grad and not out.is_floating_point():
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {out.dtype}"
                )
        elif isinstance(grad, Tensor):
            shape = grad.shape[1:] if batched else grad.shape
            if shape != out.shape:
                if batched:
                    raise RuntimeError(
                        f"If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                        f"dimension. The sizes of the remaining dimensions are expected to match the shape of "
                        f"corresponding output, but a mismatch was detected: grad_output[{i}] has a shape of "
                        f"{grad.shape} and output[{i}] has a shape of {out.shape}. If you only want some tensors in "
                        f"`grad_output` to be considered batched, consider using vmap."
                    )
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {grad.shape} and output[{i}] has a shape of "
                    f"{out.shape}."
                )
            if out.dtype.is_complex != grad.dtype.is_complex:
                raise RuntimeError(
                    "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in "
                    f"dtype: grad_output[{i}] has a dtype of {grad.dtype} and output[{i}] has a dtype of {out.dtype}."
                )
        else:
            raise TypeError(
                f"gradients can be either Tensors or None, but got {type(grad).__name__}"
            )
    return tuple(grads)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Adds the gradients of tensors to the .grad of the leaves, or of the given inputs."""
    if tallow.is_inference_mode_enabled():
        raise RuntimeError("backward() cannot be called inside torch.inference_mode.")
    if grad_variables is not None:
        import warnings

        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. "
                "Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if inputs is not None:
        inputs = _tensors(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    tensors = _tensors(tensors)
    if grad_tensors is None:
        grads = (None,) * len(tensors)
    else:
        grads = _tensors(grad_tensors)
    grads = _grads_for(tensors, grads)
    retain = create_graph if retain_graph is None else retain_graph
    _run(tensors, grads, retain, create_graph, inputs or (), True, True)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True,
         allow_unused=None, is_grads_batched=False, materialize_grads=False):  # fmt: skip
    """The gradients of outputs with respect to inputs, as a tuple."""
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs, inputs = _tensors(outputs), _tensors(inputs)
    if has_torch_function(outputs + inputs):
        return handle_torch_function(grad, outputs + inputs, outputs, inputs, grad_outputs=grad_outputs,
                                     retain_graph=retain_graph, create_graph=create_graph, only_inputs=only_inputs,
                                     allow_unused=allow_unused, is_grads_batched=is_grads_batched,
                                     materialize_grads=materialize_grads)  # fmt: skip
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    given = (None,) * len(outputs) if grad_outputs is None else _tensors(grad_outputs)
    given = _grads_for(outputs, given, is_grads_batched)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        result = tallow.vmap(
            lambda gs: tuple(_run(outputs, gs, True, create_graph, inputs, allow_unused, False)), randomness="error"
        )(given)
    else:
        result = _run(outputs, given, retain, create_graph, inputs, allow_unused, False)
    if materialize_grads:
        result = tuple(tallow.zeros_like(x, requires_grad=create_graph) if g is None else g
                       for g, x in zip(result, inputs))  # fmt: skip
    return tuple(result)


class Variable(Tensor):
    """The old name of a tensor with gradients: Variable(data, requires_grad) is data."""

    def __new__(cls, data=None, requires_grad=False, volatile=None):
        t = tallow.empty(0) if data is None else data.detach()
        return t.requires_grad_(requires_grad)


_LAZY = {
    "gradcheck": "gradcheck", "gradgradcheck": "gradcheck", "GradcheckError": "gradcheck",
    "detect_anomaly": "anomaly_mode", "set_detect_anomaly": "anomaly_mode",
}  # fmt: skip
_MODULES = ("functional", "graph", "forward_ad", "function", "anomaly_mode", "grad_mode")


def __getattr__(name):
    if name in _LAZY:
        module = importlib.import_module("tallow.autograd." + _LAZY[name])
        for other, home in _LAZY.items():  # all of them: the import has put the module itself in the place of the function gradcheck
            if home == _LAZY[name]:
                globals()[other] = getattr(module, other)
        return globals()[name]
    if name in _MODULES:
        return importlib.import_module("tallow.autograd." + name)
    raise _no_attribute(__name__, name)
