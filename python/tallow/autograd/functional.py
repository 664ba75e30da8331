"""torch.autograd.functional: Jacobians and products with them, by the older interface."""

import tallow
from tallow import Tensor


def _as_tuple(value, what, of):
    if isinstance(value, Tensor):
        return False, (value,)
    if not isinstance(value, tuple):
        raise TypeError(
            f"The {what} given to {of} must be either a Tensor or a tuple of Tensors but the given {what} has type "
            f"{type(value)}."
        )
    for i, t in enumerate(value):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"The {what} given to {of} must be either a Tensor or a tuple of Tensors but the value at index {i} of "
                f"the {what} tuple has type {type(t)}."
            )
    return True, value


def _fresh(inputs, create_graph):
    """Inputs that take gradients, without touching the caller's."""
    return tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in inputs
    )


def _run(func, inputs, name):
    is_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", name)
    return is_tuple, outputs


def _give(value, is_tuple, create_graph):
    if not create_graph:
        value = tuple(v.detach() for v in value)
    return value if is_tuple else value[0]


def _vector(v, like, what):
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} is a single Tensor with a single element."
                if what == "input to the user-provided function"
                else "The vector v can only be None if the user-provided function returns a single Tensor with a "
                "single element."
            )
        return tuple(tallow.ones_like(x) for x in like)
    v = (v,) if isinstance(v, Tensor) else tuple(v)
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (a, b) in enumerate(zip(v, like)):
        if a.size() != b.size():
            where = f"Entry {i} in " if len(v) > 1 else ""
            raise RuntimeError(f"{where}v has invalid size: should be {b.size()} but got {a.size()}.")
    return v


def _grad(outputs, inputs, grads, create_graph):
    pairs = [(o, g) for o, g in zip(outputs, grads) if o.requires_grad]
    if not pairs:
        return tuple(tallow.zeros_like(x) for x in inputs)
    found = tallow.autograd.grad([o for o, _ in pairs], inputs, [g for _, g in pairs], allow_unused=True,
                                 create_graph=create_graph, retain_graph=True)  # fmt: skip
    return tuple(tallow.zeros_like(x) if g is None else g for g, x in zip(found, inputs))


def _check_strict(outputs, strict):
    if strict and not all(o.requires_grad for o in outputs):
        raise RuntimeError("The output of the user-provided function is independent of some input. "
                           "This is not allowed in strict mode.")  # fmt: skip


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v times the Jacobian)."""
    with tallow.enable_grad():
        in_tuple, inputs = _as_tuple(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        out_tuple, outputs = _run(func, inputs, "vjp")
        _check_strict(outputs, strict)
        v = _vector(v, outputs, "output")
        result = _grad(outputs, inputs, v, create_graph)
    return _give(outputs, out_tuple, create_graph), _give(result, in_tuple, create_graph)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the Jacobian times v): by differentiating the vector of a vjp."""
    with tallow.enable_grad():
        in_tuple, inputs = _as_tuple(inputs, "inputs", "jvp")
        inputs = _fresh(inputs, create_graph)
        v = _vector(v, inputs, "input to the user-provided function")
        out_tuple, outputs = _run(func, inputs, "jvp")
        _check_strict(outputs, strict)
        dummies = tuple(tallow.zeros_like(o, requires_grad=True) for o in outputs)
        back = _grad(outputs, inputs, dummies, True)
        result = _grad(back, dummies, v, create_graph)
    return _give(outputs, out_tuple, create_graph), _give(result, out_tuple, create_graph)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian: for each output and input a tensor of their sizes together."""
    with tallow.enable_grad():
        in_tuple, inputs = _as_tuple(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        out_tuple, outputs = _run(func, inputs, "jacobian")
        _check_strict(outputs, strict)
        rows = []
        for out in outputs:
            flat = out.reshape(-1)
            columns = [[] for _ in inputs]
            for i in range(flat.numel()):
                for column, g in zip(columns, _grad((flat[i],), inputs, (tallow.ones_like(flat[i]),), create_graph)):
                    column.append(g)
            rows.append(tuple(
                tallow.stack(column).view(out.size() + x.size()) if column else out.new_zeros(out.size() + x.size())
                for column, x in zip(columns, inputs)
            ))  # fmt: skip
    rows = [_give(row, in_tuple, create_graph) for row in rows]
    return tuple(rows) if out_tuple else rows[0]


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """The second derivatives of a function with one scalar result."""
    in_tuple, inputs = _as_tuple(inputs, "inputs", "hessian")

    def gradient(*inner):
        out = func(*inner)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single element"
            )
        return _grad((out.reshape(()),), inner, (tallow.ones_like(out.reshape(())),), True)

    result = jacobian(gradient, inputs, create_graph)
    return result if in_tuple else result[0][0]


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the Hessian times v), by two backward passes."""
    with tallow.enable_grad():
        in_tuple, inputs = _as_tuple(inputs, "inputs", "hvp")
        inputs = _fresh(inputs, create_graph)
        v = _vector(v, inputs, "input to the user-provided function")
        out_tuple, outputs = _run(func, inputs, "hvp")
        ones = tuple(tallow.ones_like(o) for o in outputs)
        first = _grad(outputs, inputs, ones, True)
        dummies = tuple(tallow.zeros_like(o, requires_grad=True) for o in first)
        back = _grad(first, inputs, dummies, True)
        result = _grad(back, dummies, v, create_graph)
    return _give(outputs, out_tuple, create_graph), _give(result, in_tuple, create_graph)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v times the Hessian)."""
    with tallow.enable_grad():
        in_tuple, inputs = _as_tuple(inputs, "inputs", "vhp")
        inputs = _fresh(inputs, create_graph)
        v = _vector(v, inputs, "input to the user-provided function")
        out_tuple, outputs = _run(func, inputs, "vhp")
        first = _grad(outputs, inputs, tuple(tallow.ones_like(o) for o in outputs), True)
        result = _grad(first, inputs, v, create_graph)
    return _give(outputs, out_tuple, create_graph), _give(result, in_tuple, create_graph)
