"""Forward mode, vmap and the meta device on the samples of PyTorch's own op database, for every op of the parity baseline."""

import pytest
import reference as ref
import tallow

pytestmark = [pytest.mark.torch, pytest.mark.skipif(not ref.HAS_TORCH, reason="needs an installed PyTorch")]
UNITS = ref.units()
GAPS = set((ref.BASELINE.parent / "transform_gaps.txt").read_text().split("\n"))
LIMIT = 12  # samples of one op; the first and then evenly spread ones


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


def function_of(call, values, places, kwargs):
    """call as a function of the tensors at `places` alone."""

    def function(*tensors):
        arguments = list(values)
        for place, tensor in zip(places, tensors):
            arguments[place] = tensor
        return call(*arguments, **kwargs)

    return function


def cases(name, dtype):
    import torch

    op = ref.database()[name]
    if dtype not in op.supported_dtypes("cpu") or ref.counterpart(op) is None:
        return None, []
    return op, ref.samples(op, getattr(torch, str(dtype).removeprefix("torch.")), limit=LIMIT)


@pytest.mark.parametrize("name", UNITS)
def test_jvp(name):
    import torch

    op, samples = cases(name, torch.float64)
    compared = 0
    for number, sample in enumerate(samples):
        places = floating_places(sample)
        values = (sample.input, *sample.args)
        primals = tuple(values[i].detach() for i in places)
        ref.seed()  # the same tangents whatever ran before
        tangents = tuple(torch.randn_like(p) for p in primals)
        if not places:
            continue
        ref.seed()
        try:
            expected, expected_t = torch.func.jvp(function_of(ref.reference(op), values, places, sample.kwargs), primals, tangents)
        except Exception:  # noqa: BLE001 - PyTorch itself has no tangent for this sample
            continue
        own = function_of(ref.counterpart(op), ref.convert(values), places, ref.convert(sample.kwargs))
        ref.seed()
        got, got_t = tallow.func.jvp(own, ref.convert(primals), ref.convert(tangents))
        pairs = zip(ref.flatten((got, got_t), tallow.Tensor), ref.flatten((expected, expected_t), torch.Tensor), strict=True)
        for a, b in pairs:
            ref.assert_close(a, b, f"{name}, sample {number}")
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
        stacked = tuple(torch.stack([values[i].detach() * factor for factor in (1.0, 0.5, 1.25)]) for i in places)
        try:
            expected = torch.func.vmap(function_of(ref.reference(op), values, places, sample.kwargs))(*stacked)
        except Exception:  # noqa: BLE001 - PyTorch refuses to batch this sample
            continue
        own = function_of(ref.counterpart(op), ref.convert(values), places, ref.convert(sample.kwargs))
        got = tallow.func.vmap(own)(*ref.convert(stacked))
        for a, b in zip(ref.flatten(got, tallow.Tensor), ref.flatten(expected, torch.Tensor), strict=True):
            ref.assert_close(a, b, f"{name}, sample {number}")
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
                return torch.empty_strided(thing.shape, thing.stride(), dtype=thing.dtype, device="meta")
            if isinstance(thing, (list, tuple)):
                return type(thing)(to_meta(item) for item in thing)
            return {k: to_meta(v) for k, v in thing.items()} if isinstance(thing, dict) else thing

        try:
            expected = ref.flatten(ref.reference(op)(*to_meta(values), **to_meta(sample.kwargs)), torch.Tensor)
        except Exception:  # noqa: BLE001 - PyTorch cannot tell the shape without data
            continue
        got = ref.flatten(ref.counterpart(op)(*ref.convert(values, "meta"), **ref.convert(sample.kwargs, "meta")), tallow.Tensor)
        for a, b in zip(got, expected, strict=True):
            where = f"{name}, sample {number}"
            assert str(a.device) == str(b.device), where
            assert (str(a.dtype), tuple(a.shape)) == (str(b.dtype), tuple(b.shape)), where
            if b.numel() and all(s > 1 for s in b.shape):
                assert tuple(a.stride()) == tuple(b.stride()), where
        compared += 1
    if not compared:
        pytest.skip("no sample of this dtype that PyTorch can run on meta")
