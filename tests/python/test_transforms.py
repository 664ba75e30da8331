"""Forward mode, vmap and the meta device on the samples of PyTorch's own op database, for every op of the parity baseline."""

import pytest
import reference as ref
import tallow

pytestmark = [pytest.mark.torch, pytest.mark.skipif(not ref.HAS_TORCH, reason="needs an installed PyTorch")]
UNITS = ref.units()
GAPS = set((ref.BASELINE.parent / "transform_gaps.txt").read_text().split("\n"))
LIMIT = 12  # samples of one op; the first and then evenly spread ones
# Where PyTorch's tangents are not the derivatives of its own function, finite differences of that say what is right.
WRONG_TANGENTS = {
    "cholesky_inverse",  # of triangular tangents (the function reads one triangle)
    "logcumsumexp",  # loses what is far below the maximum
    "nn_functional_linear_cross_entropy_chunked_none",  # zeros
    "scatter_reduce_prod",  # zeros
    "triangular_solve",  # reads the other triangle of the tangent too
}
UNDEFINED = {"empty_like", "new_empty"}  # units whose results are whatever the memory holds
STEP = 1e-6


@pytest.fixture(autouse=True)
def known_gap(request):
    """What is not there yet is listed by the test's name; a test that passes has to leave the list."""
    if request.node.name in GAPS:
        request.applymarker(pytest.mark.xfail(strict=True, reason="listed in tests/parity/transform_gaps.txt"))


def floating_places(sample):
    """Positions of the differentiable tensors among (input, *args)."""
    import torch

    values = (sample.input, *sample.args)
    return [i for i, v in enumerate(values) if isinstance(v, torch.Tensor) and (v.is_floating_point() or v.is_complex())]


def function_of(call, values, places, kwargs, after=lambda result: result):
    """call as a function of the tensors at `places` alone."""

    def function(*tensors):
        arguments = list(values)
        for place, tensor in zip(places, tensors):
            arguments[place] = tensor
        return after(call(*arguments, **kwargs))

    return function


def finite_difference(function, primals, tangents):
    import torch

    ends = [function(*(p + step * t for p, t in zip(primals, tangents))) for step in (STEP, -STEP)]
    high, low = (ref.flatten(end, torch.Tensor) for end in ends)
    return [(a - b) / (2 * STEP) for a, b in zip(high, low)]


def cases(name, dtype):
    import torch

    op = ref.database()[name]
    if dtype not in op.supported_dtypes("cpu") or ref.counterpart(op) is None:
        return None, []
    return op, ref.samples(op, getattr(torch, str(dtype).removeprefix("torch.")), limit=LIMIT)


@pytest.mark.parametrize("name", UNITS)
def test_jvp(name):
    import torch

    if name == "nn_functional_max_unpool2d":
        pytest.skip("indices repeat in its samples: which element stays is a race in PyTorch")
    op, samples = cases(name, torch.float64)
    compared = 0
    for number, sample in enumerate(samples):
        places = floating_places(sample)
        values = (sample.input, *sample.args)
        primals = tuple(values[i].detach() for i in places)
        ref.seed()  # the same tangents whatever ran before
        tangents = tuple(torch.randn_like(p) for p in primals)
        if name == "cholesky_inverse":
            tangents = tuple(t.triu() if sample.kwargs.get("upper") else t.tril() for t in tangents)
        if not places:
            continue
        ref.seed()
        after = sample.output_process_fn_grad  # of factors that are not unique, what is
        function = function_of(ref.reference(op), values, places, sample.kwargs, after)
        try:
            expected, expected_t = torch.func.jvp(function, primals, tangents)
        except Exception:  # noqa: BLE001 - PyTorch itself has no tangent for this sample
            continue
        own = function_of(ref.counterpart(op), ref.convert(values), places, ref.convert(sample.kwargs), after)
        ref.seed()
        got, got_t = tallow.func.jvp(own, ref.convert(primals), ref.convert(tangents))
        where = f"{name}, sample {number}"
        got, got_t = ref.flatten(got, tallow.Tensor), ref.flatten(got_t, tallow.Tensor)
        expected, expected_t = ref.flatten(expected, torch.Tensor), ref.flatten(expected_t, torch.Tensor)
        for a, b in zip(got, expected, strict=True):
            ref.assert_close(a, b, where, name in UNDEFINED)
        if name in WRONG_TANGENTS:
            for a, b in zip(got_t, finite_difference(function, primals, tangents), strict=True):
                torch.testing.assert_close(torch.from_numpy(a.numpy()), b, rtol=1e-5, atol=1e-6 * max(1.0, float(b.abs().amax()) if b.numel() else 0.0))
        else:
            for a, b in zip(got_t, expected_t, strict=True):
                ref.assert_close(a, b, where, name in UNDEFINED)
        compared += 1
    if not compared:
        pytest.skip("PyTorch gives no tangent here")


@pytest.mark.parametrize("every", [False, True], ids=["input", "all"])
@pytest.mark.parametrize("name", UNITS)
def test_vmap(name, every):
    import torch

    op, samples = cases(name, torch.float64)
    compared = 0
    for number, sample in enumerate(samples):
        places = floating_places(sample)
        places = places if every else places[:1]
        if not places:
            continue
        values = (sample.input, *sample.args)
        if name == "roll" and values[0].dim() == 0:
            continue  # PyTorch rolls the batch there
        after = sample.output_process_fn_grad
        stacked = tuple(torch.stack([values[i].detach() * factor for factor in (1.0, 0.5, 1.25)]) for i in places)
        try:
            expected = torch.func.vmap(function_of(ref.reference(op), values, places, sample.kwargs, after))(*stacked)
        except Exception:  # noqa: BLE001 - PyTorch refuses to batch this sample
            continue
        own = function_of(ref.counterpart(op), ref.convert(values), places, ref.convert(sample.kwargs), after)
        got = tallow.func.vmap(own)(*ref.convert(stacked))
        for a, b in zip(ref.flatten(got, tallow.Tensor), ref.flatten(expected, torch.Tensor), strict=True):
            ref.assert_close(a, b, f"{name}, sample {number}", name in UNDEFINED)
        compared += 1
    if not compared:
        pytest.skip("PyTorch does not batch these samples")


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "bfloat16"])
@pytest.mark.parametrize("name", UNITS)
def test_meta(name, dtype):
    import torch

    op, samples = cases(name, getattr(torch, dtype))
    compared = 0
    for number, sample in enumerate(samples):
        values = (sample.input, *sample.args)
        if not ref.flatten(values, torch.Tensor):
            continue

        def to_meta(thing):
            if isinstance(thing, torch.Tensor):
                whole = torch.empty(thing.untyped_storage().nbytes() // thing.itemsize, dtype=thing.dtype, device="meta")
                return whole.as_strided(thing.shape, thing.stride(), thing.storage_offset())
            if isinstance(thing, (list, tuple)):
                return type(thing)(to_meta(item) for item in thing)
            return {k: to_meta(v) for k, v in thing.items()} if isinstance(thing, dict) else thing

        try:
            on_meta = ref.flatten(ref.reference(op)(*to_meta(values), **to_meta(sample.kwargs)), torch.Tensor)
            # Where that and PyTorch's CPU differ (strides of svd), what the CPU makes counts: that is what meta is asked for.
            expected = ref.flatten(ref.reference(op)(*values, **sample.kwargs), torch.Tensor)
        except Exception:  # noqa: BLE001 - PyTorch cannot tell the shape without data, or not at all
            continue
        got = ref.flatten(ref.counterpart(op)(*ref.convert(values, "meta"), **ref.convert(sample.kwargs, "meta")), tallow.Tensor)
        for a, b, m in zip(got, expected, on_meta, strict=True):
            where = f"{name}, sample {number}"
            assert str(a.device) == str(m.device), where
            assert (str(a.dtype), tuple(a.shape)) == (str(b.dtype), tuple(b.shape)), where
            if b.numel() and all(s > 1 for s in b.shape):
                assert tuple(a.stride()) == tuple(b.stride()), where
        compared += 1
    if not compared:
        pytest.skip("no sample of this dtype that PyTorch can run on meta")
