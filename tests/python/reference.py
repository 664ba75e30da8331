"""PyTorch's op database as a source of samples, for the tests that compare with an installed PyTorch (marker `torch`)."""

import functools
import importlib.util
import pathlib

import tallow

HAS_TORCH = importlib.util.find_spec("torch") is not None
BASELINE = pathlib.Path(__file__).parents[1] / "parity" / "baseline.txt"


def units(mode="ops"):
    lines = [line.split(maxsplit=1) for line in BASELINE.read_text().splitlines() if line and not line.startswith("#")]
    return [unit.strip() for kind, unit in lines if kind == mode]


@functools.cache
def database():
    """Name of a unit → OpInfo."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {op.formatted_name: op for op in op_db}


def samples(op, dtype, requires_grad=False, limit=None):
    import torch

    torch.manual_seed(0)
    made = list(op.sample_inputs("cpu", dtype, requires_grad=requires_grad))
    return made if limit is None or len(made) <= limit else made[:: len(made) // limit + 1]


# Units whose samples are arguments of a lambda in the database, not of the public function.
OTHER_ARGUMENTS = {"linalg_pinv_singular"}


def look_up(root, op):
    """The public callable of an OpInfo in torch or in tallow; None where the database spells it by a private name. (Its own `op.op` may set
    a seed, or be a lambda.)"""
    if op.formatted_name in OTHER_ARGUMENTS:
        return None
    found = root
    for part in op.name.split("."):
        found = getattr(found, part, None)
    places = [found, getattr(root.Tensor, op.name, None), getattr(root.Tensor, op.name + "_", None)]
    if op.name.startswith("__"):
        places = places[1:2]
    if op.variant_test_name == "in_place":
        places = places[2:]
    return next((place for place in places if callable(place)), None)


def counterpart(op):
    return look_up(tallow, op)


def reference(op):
    import torch

    return look_up(torch, op)


def seed():
    """The same random stream on both sides."""
    import torch

    torch.manual_seed(7)
    tallow.manual_seed(7)


def convert(thing, device=None):
    """A torch value as tallow's: tensors by way of NumPy, with the same strides."""
    import torch

    if isinstance(thing, torch.Tensor):
        plain = thing.detach().resolve_conj().resolve_neg()
        dtype = getattr(tallow, str(plain.dtype).removeprefix("torch."))
        if device == "meta":
            whole = tallow.empty(plain.untyped_storage().nbytes() // plain.itemsize, dtype=dtype, device="meta")
            return whole.as_strided(tuple(plain.shape), plain.stride(), plain.storage_offset())
        length = plain.untyped_storage().nbytes() // plain.itemsize
        flat = torch.as_strided(plain, (length,), (1,), 0)
        if plain.dtype in (torch.bfloat16, torch.complex32):
            base = tallow.from_numpy(flat.view(torch.int16 if plain.itemsize == 2 else torch.int32).numpy()).clone().view(dtype)
        else:
            base = tallow.from_numpy(flat.numpy()).clone()
        return base.as_strided(tuple(plain.shape), plain.stride(), plain.storage_offset())
    if isinstance(thing, (torch.dtype, torch.memory_format, torch.layout)):
        return getattr(tallow, str(thing).removeprefix("torch."))
    if isinstance(thing, torch.device):
        return tallow.device(str(thing))
    if isinstance(thing, torch.Size):
        return tallow.Size(thing)
    if isinstance(thing, (list, tuple)):
        return type(thing)(convert(item, device) for item in thing)
    if isinstance(thing, dict):
        return {key: convert(value, device) for key, value in thing.items()}
    if isinstance(thing, torch.nn.Module):
        return getattr(tallow.nn, type(thing).__name__)()
    if isinstance(thing, slice):
        return slice(convert(thing.start), convert(thing.stop), convert(thing.step))
    return thing


def flatten(result, kind):
    """The tensors in a nested result, in order."""
    if isinstance(result, kind):
        return [result]
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in flatten(item, kind)]
    return []


def assert_close(got, expected, where="", undefined=False):
    """Values (unless they are `undefined`: those of empty) within PyTorch's default tolerances, relative to the largest magnitude where rounding adds up; NaN equals NaN."""
    import torch

    assert str(got.dtype) == str(expected.dtype), where
    assert tuple(got.shape) == tuple(expected.shape), where
    if undefined:
        return
    rtol = {torch.float32: 1.3e-6, torch.complex64: 1.3e-6, torch.bfloat16: 2**-8}.get(expected.dtype, 1e-7)
    if expected.dtype == torch.bfloat16:  # which NumPy lacks
        got, expected = got.float(), expected.float()
    expected = expected.detach().resolve_conj().resolve_neg()
    got = torch.from_numpy(got.detach().resolve_conj().resolve_neg().contiguous().numpy().copy()).reshape(expected.shape)
    if not expected.is_floating_point() and not expected.is_complex():
        assert torch.equal(got, expected), where
        return
    finite = expected.abs().nan_to_num(0, 0, 0)
    scale = float(finite.max()) if finite.numel() else 0.0
    torch.testing.assert_close(got, expected, rtol=rtol, atol=1e-7 + rtol * scale, equal_nan=True, msg=lambda text: f"{where}: {text}")
