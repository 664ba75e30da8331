"""Checkpoints: intermediate results are computed again in the backward pass instead of being kept."""

import contextlib
import warnings

import tallow
from tallow import Tensor


def checkpoint(function, *args, use_reentrant=None, context_fn=None, determinism_check="default", debug=False,
               early_stop=True, **kwargs):  # fmt: skip
    """function(*args), without keeping what its gradient needs."""
    if context_fn is not None:
        raise NotImplementedError("torch.utils.checkpoint.checkpoint: context_fn")
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, calling "
            "checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but if you need to "
            "preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
            "differences between the two variants.",
            stacklevel=2,
        )
    state = tallow.get_rng_state() if kwargs.pop("preserve_rng_state", True) else None
    count, kept = 0, None

    def pack(tensor):
        nonlocal count
        count += 1
        return count - 1

    def recompute():
        """Everything that is saved, by running the function once more."""
        found = []

        def keep(tensor):
            found.append(tensor.detach() if not tensor.is_leaf else tensor)
            return len(found) - 1

        with _stream(state), tallow.enable_grad():
            again = [a.detach().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in args]
            with tallow.autograd.graph.saved_tensors_hooks(keep, lambda i: found[i]):
                function(*again, **kwargs)
        return found

    def unpack(number):
        nonlocal kept
        if kept is None:
            kept = recompute()
        if len(kept) != count:
            raise RuntimeError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {count}\n"
                f"Number of tensors saved during recomputation: {len(kept)}."
            )
        return kept[number]

    with tallow.autograd.graph.saved_tensors_hooks(pack, unpack):
        return function(*args, **kwargs)


@contextlib.contextmanager
def _stream(state):
    """Random numbers as from a saved state; the present one afterwards."""
    if state is None:
        yield
        return
    now = tallow.get_rng_state()
    tallow.set_rng_state(state)
    try:
        yield
    finally:
        tallow.set_rng_state(now)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """A Sequential in segments, all but the last of which are checkpoints."""
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(functions) // segments

    def run(first, last):
        def forward(x):
            for function in functions[first:last]:
                x = function(x)
            return x

        return forward

    end = 0
    for first in range(0, size * (segments - 1), size):
        end = first + size
        input = checkpoint(run(first, end), input, use_reentrant=use_reentrant, **kwargs)
    return run(end, len(functions))(input)
