"""Gradients checked against finite differences."""

import tallow
from tallow import Tensor


class GradcheckError(RuntimeError):
    """What gradcheck() and gradgradcheck() raise."""


def _outputs(func, inputs):
    result = func(*inputs)
    result = (result,) if isinstance(result, Tensor) else tuple(result)
    return [o for o in result if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]


def _numerical(func, inputs, x, out_index, eps):
    """d out / d x, column by column, by central differences. Complex numbers move along both axes."""
    flat = x.detach().reshape(-1)
    columns = []
    for i in range(flat.numel()):
        moves = (eps, eps * 1j) if x.is_complex() else (eps,)
        column = []
        for move in moves:
            ends = []
            for sign in (1, -1):
                shifted = flat.clone()
                shifted[i] = shifted[i] + sign * move
                moved = [shifted.view(x.shape).requires_grad_() if y is x else y for y in inputs]
                ends.append(_outputs(func, moved)[out_index].detach().reshape(-1).clone())
            column.append((ends[0] - ends[1]) / (2 * eps))
        columns.append(column)
    return columns


def _analytical(out, x, grad_output):
    (g,) = tallow.autograd.grad(out, x, grad_output, retain_graph=True, allow_unused=True)
    return tallow.zeros_like(x) if g is None else g


def _check_pair(func, inputs, out, o, x, i, eps, atol, rtol):
    numerical = _numerical(func, inputs, x, o, eps)
    flat_count = out.numel()
    for row in range(flat_count):
        for unit in (1.0, 1j) if out.is_complex() else (1.0,):
            seed = tallow.zeros(flat_count, dtype=out.dtype)
            seed[row] = unit
            g = _analytical(out, x, seed.view(out.shape)).reshape(-1)
            for k in range(x.numel()):
                # Re(conj(seed) * d out) along each axis of x is the real, then the imaginary part of the gradient.
                want = [(complex(c[row].item()) * complex(unit).conjugate()).real for c in numerical[k]]
                got = complex(g[k].item())
                got = [got.real, got.imag][: len(want)]
                if any(not abs(a - b) <= atol + rtol * abs(b) for a, b in zip(got, want)):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {o} with respect to input {i},\nnumerical:{want}\nanalytical:{got}\n"
                    )


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
              check_batched_forward_grad=False, check_forward_ad=False, check_backward_ad=True, fast_mode=False,
              masked=None):  # fmt: skip
    """Whether the gradients of func at inputs agree with finite differences."""
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if any(isinstance(x, Tensor) and x.is_sparse for x in inputs):
        return tallow.sparse.as_sparse_gradcheck(gradcheck)(func, inputs, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    try:
        outputs = _outputs(func, inputs)
        for o, out in enumerate(outputs):
            if not out.requires_grad:
                continue
            for i, x in enumerate(inputs):
                if isinstance(x, Tensor) and x.requires_grad:
                    _check_pair(func, inputs, out, o, x, i, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, gen_non_contig_grad_outputs=False,
                  raise_exception=True, nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False,
                  check_batched_grad=False, check_fwd_over_rev=False, check_rev_over_rev=True, fast_mode=False,
                  masked=False):  # fmt: skip
    """Whether the gradients of gradients agree with finite differences."""
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [o for o in _outputs(func, inputs) if o.requires_grad]
    if grad_outputs is None:
        seeds = [tallow.randn_like(o).requires_grad_() for o in outputs]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(seeds)

    def first(*args):
        given, grads = args[:-count], args[-count:]
        given = [x if not isinstance(x, Tensor) or not was.requires_grad or x.requires_grad else x.requires_grad_()
                 for x, was in zip(given, inputs)]  # fmt: skip
        outs = [o for o in _outputs(func, given) if o.requires_grad]
        wanted = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
        found = tallow.autograd.grad(outs, wanted, grads, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(first, (*inputs, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
