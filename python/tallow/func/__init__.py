"""torch.func: transformations of functions."""

import functools

import tallow
from tallow import Tensor, _C
from tallow._functorch import vmap as vmap
from tallow.utils import _pytree as pytree


def _at(args, argnums):
    if isinstance(argnums, int):
        if not -len(args) <= argnums < len(args):
            raise RuntimeError(f"Got argnum={argnums}, but only {len(args)} positional inputs")
        return args[argnums]
    return tuple(args[i] for i in argnums)


def _replace(args, argnums, value):
    args = list(args)
    if isinstance(argnums, int):
        args[argnums] = value
    else:
        for i, v in zip(argnums, value):
            args[i] = v
    return args


def _leaf(x):
    """x as an input of gradients: an alias with x's tangents, connected to x where that takes part in gradients itself."""
    if not isinstance(x, Tensor):
        raise RuntimeError(f"Expected Tensors, got unsupported type {type(x)}")
    alias = x.view_as(x)
    return alias if alias.requires_grad else alias.requires_grad_()


def _outer_grads(*trees):
    """Whether gradients of the result may be wanted outside."""
    return any(isinstance(x, Tensor) and x.requires_grad for tree in trees for x in pytree.tree_leaves(tree))


_depth = 0


class _Nested:
    """Counts transformations under way: gradients of inner ones are differentiable for outer ones."""

    def __enter__(self):
        global _depth
        _depth += 1

    def __exit__(self, *exc):
        global _depth
        _depth -= 1


def _gradients(outputs, inputs, seeds, create_graph):
    pairs = [(o, s) for o, s in zip(outputs, seeds) if o.requires_grad]
    if not pairs:
        return [tallow.zeros_like(x) for x in inputs]
    found = tallow.autograd.grad([o for o, _ in pairs], inputs, [s for _, s in pairs], create_graph=create_graph,
                                 retain_graph=True, allow_unused=True)  # fmt: skip
    return [tallow.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def _done(tree, keep):
    """Results that no outer transformation follows leave the graph."""
    return tree if keep else pytree.tree_map_only(Tensor, _C._detach_dual, tree)


def grad_and_value(func, argnums=0, has_aux=False):
    """A function for (gradient, value) of func with one scalar result."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        keep = (_depth > 0 or _outer_grads(args, kwargs)) and tallow.is_grad_enabled()
        with tallow.enable_grad(), _Nested():
            leaves, spec = pytree.tree_flatten(_at(args, argnums))
            inner = [_leaf(x) for x in leaves]
            output = func(*_replace(args, argnums, pytree.tree_unflatten(inner, spec)), **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is "
                        "True"
                    )
                output, aux = output
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            found = _gradients([output], inner, [tallow.ones_like(output)], keep)
        result = _done(pytree.tree_unflatten(found, spec), keep)
        output, aux = _done(output, keep), _done(aux, keep)
        return (result, (output, aux)) if has_aux else (result, output)

    return wrapped


def grad(func, argnums=0, has_aux=False):
    """A function for the gradient of func with one scalar result."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapped


def vjp(func, *primals, has_aux=False):
    """(func(*primals), a function from cotangents to the products with the Jacobian)."""
    keep = (_depth > 0 or _outer_grads(primals)) and tallow.is_grad_enabled()
    with tallow.enable_grad(), _Nested():
        leaves, spec = pytree.tree_flatten(primals)
        inner = [_leaf(x) for x in leaves]
        output = func(*pytree.tree_unflatten(inner, spec))
    aux = None
    if has_aux:
        if not (isinstance(output, tuple) and len(output) == 2):
            raise RuntimeError("vjp(f, *primals): output of function f should be a tuple: (output, aux) if has_aux is True")
        output, aux = output
    outs, out_spec = pytree.tree_flatten(output)

    def vjp_fn(cotangents, retain_graph=True, create_graph=None):
        seeds, seed_spec = pytree.tree_flatten(cotangents)
        if seed_spec != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {seed_spec}, primal output: {out_spec}"
            )
        create = keep or tallow.is_grad_enabled() and _outer_grads(seeds) or _depth > 0
        found = _gradients(outs, inner, seeds, create)
        result = _done(pytree.tree_unflatten(found, spec), create)
        return result if len(primals) != 1 else (result[0],)

    output = _done(output, keep)
    return (output, vjp_fn, _done(aux, keep)) if has_aux else (output, vjp_fn)


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(func(*primals), the Jacobian times tangents), in one forward pass."""
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    leaves, spec = pytree.tree_flatten(primals)
    moves, move_spec = pytree.tree_flatten(tangents)
    if spec != move_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, if "
            "primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{spec} and tangents with structure {move_spec}"
        )
    level = _C._enter_dual_level(True)
    try:
        duals = [_C._make_dual(x, t, level) for x, t in zip(leaves, moves)]
        output = func(*pytree.tree_unflatten(duals, spec))
        aux = None
        if has_aux:
            output, aux = output
        outs, out_spec = pytree.tree_flatten(output)
        pairs = [_C._unpack_dual(o, level) for o in outs]
        values = pytree.tree_unflatten([primal for primal, _ in pairs], out_spec)
        found = [tallow.zeros_like(primal) if tangent is None else tangent for primal, tangent in pairs]
        result = values, pytree.tree_unflatten(found, out_spec)
        if has_aux:
            aux = pytree.tree_map_only(Tensor, lambda t: _C._unpack_dual(t, level)[0], aux)
            result += (aux,)
        return result
    finally:
        _C._exit_dual_level(level)


def linearize(func, *primals):
    """(func(*primals), a function from tangents to the products with the Jacobian)."""
    return func(*primals), lambda *tangents: jvp(func, primals, tangents)[1]


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function for the Jacobian of func, row by row through vjp."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        chosen = _at(args, argnums)
        trees = (chosen,) if isinstance(argnums, int) else chosen

        def partial(*inner):
            value = inner[0] if isinstance(argnums, int) else inner
            return func(*_replace(args, argnums, value), **kwargs)

        if has_aux:
            output, pull, aux = vjp(partial, *trees, has_aux=True)
        else:
            output, pull = vjp(partial, *trees)
        outs, out_spec = pytree.tree_flatten(output)
        blocks = []
        for k, out in enumerate(outs):
            rows = []
            for i in range(out.numel()):
                seeds = [tallow.zeros_like(o, memory_format=tallow.contiguous_format) for o in outs]
                seeds[k].view(-1)[i] = 1
                rows.append(pull(pytree.tree_unflatten(seeds, out_spec)))
            stacked = pytree.tree_map(lambda *g, out=out: tallow.stack(g).reshape(out.shape + g[0].shape), *rows)
            blocks.append(stacked[0] if isinstance(argnums, int) else stacked)
        result = pytree.tree_unflatten(blocks, out_spec)
        return (result, aux) if has_aux else result

    return wrapped


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function for the Jacobian of func, column by column through jvp."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        chosen = _at(args, argnums)
        trees = (chosen,) if isinstance(argnums, int) else tuple(chosen)

        def partial(*inner):
            value = inner[0] if isinstance(argnums, int) else inner
            return func(*_replace(args, argnums, value), **kwargs)

        leaves, spec = pytree.tree_flatten(trees)
        aux, by_leaf, out_spec = None, [], None
        for k, x in enumerate(leaves):
            columns = []
            for i in range(x.numel()):
                moves = [tallow.zeros_like(y, memory_format=tallow.contiguous_format) for y in leaves]
                moves[k].view(-1)[i] = 1
                found = jvp(partial, trees, pytree.tree_unflatten(moves, spec), has_aux=has_aux)
                aux = found[2] if has_aux else None
                outs, out_spec = pytree.tree_flatten(found[1])
                columns.append(outs)
            by_leaf.append([tallow.stack(group, -1).reshape(group[0].shape + x.shape) for group in zip(*columns)])
        blocks = []
        for o in range(out_spec.num_leaves):
            tree = pytree.tree_unflatten([column[o] for column in by_leaf], spec)
            blocks.append(tree[0] if isinstance(argnums, int) else tree)
        result = pytree.tree_unflatten(blocks, out_spec)
        return (result, aux) if has_aux else result

    return wrapped


def hessian(func, argnums=0):
    """A function for the second derivatives of func."""
    return jacfwd(jacrev(func, argnums), argnums)


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Calls a module with other tensors in the place of its parameters and buffers."""
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    else:
        given = {}
        for part in parameter_and_buffer_dicts:
            if set(part) & set(given):
                raise ValueError(
                    f"{sorted(set(part) & set(given))} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            given.update(part)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    places = _places(module)
    if strict:
        missing, unexpected = [n for n in places if n not in given], [n for n in given if n not in places]
        if missing or unexpected:
            parts = []
            if unexpected:
                parts.append("Unexpected key(s): " + ", ".join(map(repr, unexpected)) + ".")
            if missing:
                parts.append("Missing key(s): " + ", ".join(map(repr, missing)) + ".")
            raise RuntimeError("Error(s) in reparametrizing:\n\t" + "\n\t".join(parts))
    values = dict(given)
    if tie_weights:
        groups = {}
        for name, (registry, key) in places.items():
            if registry[key] is not None:
                groups.setdefault(id(registry[key]), []).append(name)
        for names in groups.values():
            named = [n for n in names if n in given]
            if len({id(given[n]) for n in named}) > 1:
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted(named)}, which are tied. Consider using "
                    "tie_weights=False"
                )
            for n in names if named else ():
                values.setdefault(n, given[named[0]])
    before = []
    try:
        for name, value in values.items():
            if name not in places:
                continue
            registry, key = places[name]
            before.append((registry, key, registry[key]))
            registry[key] = value
        return module(*args, **(kwargs or {}))
    finally:
        for registry, key, old in reversed(before):
            registry[key] = old


def _places(module):
    """Where each named parameter and buffer is kept: name → (dictionary, key)."""
    found = {}
    for prefix, child in module.named_modules(remove_duplicate=False):
        for registry in (child._parameters, child._buffers):
            for key in registry:
                found[f"{prefix}.{key}" if prefix else key] = (registry, key)
    return found


def stack_module_state(models):
    """(parameters, buffers) of several models of one kind, stacked."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    params = {
        k: tallow.stack([dict(m.named_parameters())[k] for m in models]).detach().requires_grad_(p.requires_grad)
        for k, p in models[0].named_parameters()
    }
    buffers = {k: tallow.stack([dict(m.named_buffers())[k] for m in models]) for k, _ in models[0].named_buffers()}
    return params, buffers
