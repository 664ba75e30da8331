"""Every op on its samples, without PyTorch: the meta device foretells the result, tangents agree with gradients, vmap with a loop, out= and
in-place forms with the plain one."""

import math

import pytest
import samples
import tallow as torch

MOST = 8
REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, ZeroDivisionError)
KEYS = {op.key: op for op in samples.table() if samples.function(op) is not None}


def cases(op, dtype):
    """(values, results) of the samples that the op accepts. Sparse tensors have tests of their own."""
    for values in samples.samples(op, dtype)[:MOST]:
        if samples.any_sparse(values):
            continue
        fresh = [copied(value) for value in values]
        try:
            results = samples.call(op, fresh)
        except REFUSALS:
            continue
        if not samples.any_sparse(results):
            yield values, results


def copied(value):
    """A tensor of the same layout that in-place ops may write."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
        return [copied(item) for item in value]
    if not isinstance(value, torch.Tensor):
        return value
    extent = 1 + sum((size - 1) * stride for size, stride in zip(value.shape, value.stride())) if value.numel() else 0
    return torch.empty(extent, dtype=value.dtype).as_strided(value.shape, value.stride()).copy_(value)


# Defects that are known: (test, op).
KNOWN = {
    **{("vmap", key): "steps between batched ends round otherwise" for key in ("linspace.Scalar_Tensor", "linspace.Tensor_Scalar")},
    **{("tangents", key): "a number's logarithm is taken in float32" for key in ("float_power.Scalar", "ldexp.Tensor")},
    ("meta", "qr"): "its strides are row-major there",
    ("tangents", "special_zeta"): "PyTorch has no derivative by self either",
    ("tangents", "embedding"): "the padding row has a tangent but no gradient",
}  # fmt: skip


# Of matrices that are taken to be symmetric: gradients are symmetric too, so tangents have to be.
SYMMETRIC = ("linalg_cholesky_ex", "linalg_cholesky", "cholesky")


def expect(test, key):
    if (test, key) in KNOWN:
        pytest.xfail(KNOWN[test, key])


HOST_ONLY = ("batch_sizes", "tensor_indices_or_sections")  # parameters that are read on the host whatever the device


def on_meta(value):
    if isinstance(value, (list, tuple)):
        return [on_meta(item) for item in value]
    return value.to("meta") if isinstance(value, torch.Tensor) else value


def layout(tensor):
    return tensor.dtype, tuple(tensor.shape), tuple(s for n, s in zip(tensor.shape, tensor.stride()) if n > 1) if tensor.numel() else ()


@pytest.mark.parametrize("key", KEYS)
def test_meta(key):
    op, compared = KEYS[key], 0
    expect("meta", key)
    if "dynamic" in op.flags or not op.tensor_params:
        pytest.skip("the shape depends on values, or there is no tensor")
    for dtype in (torch.float32, torch.int64, torch.complex64):
        for values, results in cases(op, dtype):
            try:
                got = samples.call(op, [v if p.name in HOST_ONLY else on_meta(v) for v, p in zip(values, op.params)])
            except NotImplementedError as error:
                pytest.skip(str(error))
            except RuntimeError as error:
                if "without output_size" in str(error):  # repeat_interleave: the length is in the data
                    continue
                raise
            assert [layout(t) for t in got] == [layout(t) for t in results], values
            assert all(t.device.type == "meta" for t in got)
            compared += 1
    if not compared:
        pytest.skip("no sample that works: test_bits.py tells")


def differentiable(op, values):
    """Places of the tensors that a gradient flows to."""
    return [i for i, value in enumerate(values) if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())]


def finite(tensor):
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def inner(pairs):
    """The real inner product of lists of tensors, where finite."""
    total = 0.0
    for a, b in pairs:
        product = (a * b.conj()).real if a.is_complex() or b.is_complex() else a * b
        total += product.double().sum().item()
    return total


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["float64", "complex128"])
@pytest.mark.parametrize("key", KEYS)
def test_tangents_agree_with_gradients(key, dtype):
    """<J v, w> = <v, J* w>: both directions of differentiation are the same linear map."""
    op, compared = KEYS[key], 0
    expect("tangents", key)
    if "inplace" in op.flags or "random" in op.flags:
        pytest.skip("writes or draws")
    for values, results in cases(op, dtype):
        places = differentiable(op, values)
        if not places or not any(t.is_floating_point() or t.is_complex() for t in results):
            continue
        if not all(finite(t) for t in (*results, *(values[i] for i in places))):
            continue

        def function(*tensors):
            arguments = list(values)
            for place, tensor in zip(places, tensors):
                arguments[place] = tensor
            return tuple(t for t in samples.call(op, arguments) if t.is_floating_point() or t.is_complex())

        primals = [values[i].detach().clone() for i in places]
        tangents = [samples.numbers(tuple(p.shape), 77 + i, dtype=p.dtype) for i, p in enumerate(primals)]
        if key in SYMMETRIC:
            tangents = [t + t.mH for t in tangents]
        leaves = [p.clone().requires_grad_() for p in primals]
        outputs = function(*leaves)
        weights = [samples.numbers(tuple(t.shape), 99 + i, dtype=t.dtype) for i, t in enumerate(outputs)]
        wanted = [(t, w) for t, w in zip(outputs, weights) if t.requires_grad]
        if not wanted:
            continue
        grads = torch.autograd.grad([t for t, _ in wanted], leaves, [w for _, w in wanted], allow_unused=True)
        backward = inner((v, g) for v, g in zip(tangents, grads) if g is not None)
        try:
            _, forward_tangents = torch.func.jvp(function, tuple(primals), tuple(tangents))
        except (NotImplementedError, RuntimeError) as error:
            if isinstance(error, NotImplementedError) or str(error).startswith("the derivative for "):
                pytest.skip(str(error).splitlines()[0])
            raise
        forward = inner((t, w) for t, w, o in zip(forward_tangents, weights, outputs) if o.requires_grad)
        if math.isfinite(backward) and math.isfinite(forward):
            within = 1e-9 if all(t.dtype in (torch.float64, torch.complex128) for t in outputs) else 1e-2  # rounded to what it was cast to
            assert forward == pytest.approx(backward, rel=within, abs=within), values
            compared += 1
    if not compared:
        pytest.skip("nothing to differentiate")


def close(got, want):
    assert got.shape == want.shape and got.dtype == want.dtype
    if got.is_complex():
        got, want = torch.view_as_real(got.resolve_conj()), torch.view_as_real(want.resolve_conj())
    if got.is_floating_point():
        same = (got == want) | ((got != got) & (want != want)) | ((got - want).abs() <= 1e-12 + 1e-9 * want.abs())
        return bool(same.all())
    return bool((got == want).all())


@pytest.mark.parametrize("key", KEYS)
def test_vmap_agrees_with_a_loop(key):
    op, compared = KEYS[key], 0
    expect("vmap", key)
    if op.flags & {"inplace", "random", "dynamic"} or samples.undefined(op):
        pytest.skip("writes, draws or has no fixed shape")
    for values, results in cases(op, torch.float64):
        places = [i for i, value in enumerate(values) if isinstance(value, torch.Tensor) and value.numel() < 5000]
        if not places:
            continue
        others = [samples.numbers(tuple(values[i].shape), 55 + i, 0.25, 2.0, values[i].dtype) if values[i].is_floating_point() else values[i]
                  for i in places]  # fmt: skip

        def function(*tensors):
            arguments = list(values)
            for place, tensor in zip(places, tensors):
                arguments[place] = tensor
            return tuple(samples.call(op, arguments))

        pairs = [(values[i], other) for i, other in zip(places, others)]
        try:
            loop = [function(*(pair[k] for pair in pairs)) for k in range(2)]
        except REFUSALS:
            continue
        try:
            got = torch.func.vmap(function)(*(torch.stack(pair) for pair in pairs))
        except REFUSALS as error:
            if "vmap" in str(error) or isinstance(error, NotImplementedError):
                continue
            raise
        for k in range(2):
            assert all(close(g[k], w) for g, w in zip(got, loop[k], strict=True)), values
        compared += 1
    if not compared:
        pytest.skip("not batched")
