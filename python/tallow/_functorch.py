"""vmap: runs a function over a dimension. The extension keeps the batch dimensions of each level."""

import functools

import tallow
from tallow import Tensor, _C
from tallow.utils import _pytree as pytree


def _flat_in_dims(in_dims, args, func):
    """(leaves of args, their structure, the dimension of each leaf or None)."""
    leaves, spec = pytree.tree_flatten(args)
    name = getattr(func, "__name__", repr(func))
    if not leaves:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
            "with no inputs. The latter is unsupported."
        )
    if isinstance(in_dims, int) or in_dims is None:
        dims = [in_dims if isinstance(x, Tensor) else None for x in leaves]
    else:
        if not isinstance(in_dims, (tuple, list)):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially "
                f"nested) tuple matching the structure of inputs, got: {type(in_dims)}."
            )
        dims = pytree._broadcast_to_and_flatten(tuple(in_dims), spec)
        if dims is None:
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure of "
                f"`inputs`. in_dims has structure {pytree.tree_structure(in_dims)} but inputs has structure {spec}."
            )
    for i, (x, d) in enumerate(zip(leaves, dims)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but in_dim must be either "
                f"an integer dimension or None."
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but the input is of type "
                f"{type(x)}. We cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
            )
        if d < -x.dim() or d >= x.dim():
            raise ValueError(
                f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for some input, but that input is a "
                f"Tensor of dimensionality {x.dim()} so expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
        dims[i] = d % x.dim()
    return leaves, spec, dims


def _batch_size(leaves, dims):
    sizes = [x.size(d) for x, d in zip(leaves, dims) if d is not None]
    if not sizes:
        raise ValueError("vmap: at least one of the inputs must be mapped over, but all in_dims are None")
    if any(s != sizes[0] for s in sizes):
        raise ValueError(f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} "
                         "for the mapped dimension")  # fmt: skip
    return sizes[0]


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """func over the dimension in_dims of its arguments, as one batched computation."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        leaves, spec, dims = _flat_in_dims(in_dims, args, func)
        size = _batch_size(leaves, dims)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, spec, dims, size, out_dims, randomness, kwargs)
        parts = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            piece = [x if d is None else x.narrow(d, start, count) for x, d in zip(leaves, dims)]
            parts.append(_run(func, piece, spec, dims, count, out_dims, randomness, kwargs))
        flat = [pytree.tree_flatten(part) for part in parts]
        outs = pytree._broadcast_to_and_flatten(out_dims, flat[0][1])
        joined = [tallow.cat(list(group), d) for d, group in zip(outs, zip(*(f[0] for f in flat)))]
        return pytree.tree_unflatten(joined, flat[0][1])

    return wrapped


def _run(func, leaves, spec, dims, size, out_dims, randomness, kwargs):
    level = _C._vmap_enter(size, randomness)
    try:
        batched = [x if d is None else _C._add_batch_dim(x, d, level) for x, d in zip(leaves, dims)]
        result = func(*pytree.tree_unflatten(batched, spec), **kwargs)
        outs, out_spec = pytree.tree_flatten(result)
        name = getattr(func, "__name__", repr(func))
        for out in outs:
            if not isinstance(out, Tensor):
                raise ValueError(
                    f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(out)}. Did you mean to set "
                    f"out_dims= to None for output?"
                )
        places = pytree._broadcast_to_and_flatten(out_dims, out_spec)
        if places is None:
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
                f"`outputs`. out_dims has structure {pytree.tree_structure(out_dims)} but outputs has structure {out_spec}."
            )
        outs = [out if d is None else _C._remove_batch_dim(out, level, size, d) for out, d in zip(outs, places)]
    finally:
        _C._vmap_exit()
    return pytree.tree_unflatten(outs, out_spec)
