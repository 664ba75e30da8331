"""The graph: hooks on saved tensors, on several gradients, and counting."""

import contextlib

import tallow
from tallow import _C
from tallow.utils.hooks import RemovableHandle

class _NodeType(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, type) is False and all(hasattr(type(instance), name) for name in ("next_functions", "name", "register_hook"))


class Node(metaclass=_NodeType):
    """What grad_fn is: a step of the graph. Not made by programs."""

    def __new__(cls, *args, **kwargs):
        raise TypeError("torch.autograd.graph.Node cannot be made: operators make nodes")



class saved_tensors_hooks:
    """pack_hook runs on each tensor saved inside; unpack_hook gets its result back when it is needed."""

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self):
        _C._push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *args):
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Everything is on the CPU already: saves copies there."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda t: (t.device, t.cpu()), lambda packed: packed[1].to(packed[0]))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """Refuses saved_tensors_hooks inside."""
    original = saved_tensors_hooks.__enter__

    def refuse(self):
        raise RuntimeError(error_message)

    saved_tensors_hooks.__enter__ = refuse
    try:
        yield
    finally:
        saved_tensors_hooks.__enter__ = original


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """fn gets the gradients of all tensors when the last is there; with mode="any" the first."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    state = {"grads": {}, "called": False}

    def hook_for(index):
        def hook(grad):
            if mode == "any":
                if not state["called"]:
                    state["called"] = True
                    fn(grad)
                return
            state["grads"][index] = grad
            if len(state["grads"]) == len(tensors):
                grads = [state["grads"][i] for i in range(len(tensors))]
                state["grads"] = {}
                fn(grads)

        return hook

    handles = [t.register_hook(hook_for(i)) for i, t in enumerate(tensors)]

    class Handle(RemovableHandle):
        def __init__(self):
            pass

        def remove(self):
            for handle in handles:
                handle.remove()

    return Handle()


class GradientEdge(tuple):
    """A place in the graph: (node, number of its result)."""

    __slots__ = ()

    def __new__(cls, node, output_nr, ownership_token=None):
        return super().__new__(cls, (node, output_nr))

    node = property(lambda self: self[0])
    output_nr = property(lambda self: self[1])


def get_gradient_edge(tensor):
    """Where a tensor's gradient comes in."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    if tensor.grad_fn is None:
        node = tensor.expand_as(tensor).grad_fn.next_functions[0][0]
        return GradientEdge(node, 0)
    return GradientEdge(tensor.grad_fn, tensor.output_nr)


def increment_version(tensor):
    """Says that a tensor was changed behind autograd's back."""
    for t in (tensor,) if isinstance(tensor, tallow.Tensor) else tensor:
        t._bump_version()
