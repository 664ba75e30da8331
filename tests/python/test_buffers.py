"""Memory of others: NumPy arrays, buffers and DLPack capsules. What is refused is let go, and leaves no error behind."""

import gc
import weakref

import numpy as np
import pytest
import tallow as torch


class Array(np.ndarray):
    """An array that can be watched."""


def watched(values):
    return np.asarray(values).view(Array)


REFUSED = {
    "dtype": (lambda: watched(["text"]), TypeError, "can't convert np.ndarray of type numpy.str_"),
    "byte order": (lambda: watched(np.zeros(3, ">f4")), ValueError, "byte order different from the native"),
    "backwards": (lambda: watched(np.arange(3))[::-1], ValueError, "strides in the given numpy array is negative"),
    "between elements": (lambda: watched(np.zeros(4, "i1,f4"))["f1"], ValueError, "strides not a multiple of the element byte size"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("f", ["from_numpy", "as_tensor", "tensor"])
def test_a_refused_array_is_let_go(f, case):
    make, kind, text = REFUSED[case]
    array = make()
    last = weakref.ref(array)
    try:
        getattr(torch, f)(array)
    except kind as error:
        assert text.removeprefix("strides in") in str(error)
    else:
        assert f == "tensor"  # which copies
    del array
    gc.collect()
    assert last() is None
    assert torch.ones(1).item() == 1.0


@pytest.mark.parametrize(
    "options, kind, text",
    [
        ({"dtype": torch.float32, "count": 2**62}, ValueError, r"requested buffer length \(4611686018427387904 \* 4 bytes\)"),
        ({"dtype": torch.float32, "count": 2**63 - 1, "offset": 8}, ValueError, "requested buffer length"),
        ({"dtype": torch.float32, "offset": 16}, ValueError, "no greater than buffer length"),
        ({"dtype": torch.int32, "requires_grad": True}, RuntimeError, "^Only Tensors of floating point and complex dtype can require gradients$"),
    ],
)
def test_a_refused_buffer_is_let_go(options, kind, text):
    buffer = bytearray(16)
    with pytest.raises(kind, match=text):
        torch.frombuffer(buffer, **options)
    buffer.append(0)  # BufferError if somebody still held it
    assert torch.ones(1).item() == 1.0


def test_integers_refuse_gradients_in_pytorchs_words():
    text = "^Only Tensors of floating point and complex dtype can require gradients$"
    for make in (lambda: torch.tensor([1], requires_grad=True), lambda: torch.zeros(2, dtype=torch.int64, requires_grad=True),
                 lambda: torch.ones(1).new_tensor([1], dtype=torch.int32, requires_grad=True)):  # fmt: skip
        with pytest.raises(RuntimeError, match=text):
            make()
    with pytest.raises(RuntimeError, match="^only Tensors of floating point dtype can require gradients$"):
        torch.tensor([1]).requires_grad_()


def test_dlpack_that_goes_backwards():
    array = watched(np.arange(3))
    last = weakref.ref(array)
    with pytest.raises(RuntimeError, match=r"Storage size calculation overflowed with sizes=\[3\] and strides=\[-1\]"):
        torch.from_dlpack(array[::-1])  # PyTorch ends the process here
    del array
    gc.collect()
    assert last() is None


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_elements_at_odd_addresses(offset):
    values = np.arange(40, dtype="f4")
    odd = np.frombuffer(bytearray(bytes(offset) + values.tobytes()), "f4", 40, offset)
    for x in (torch.from_numpy(odd), torch.frombuffer(odd.base, dtype=torch.float32, offset=offset)):
        assert x.data_ptr() % 4 == offset
        assert x.sum().item() == values.sum() and (x * 2).tolist() == (values * 2).tolist()
        assert x[::2].max().item() == 38.0 and x.view(8, 5).t().contiguous()[1].tolist() == values.reshape(8, 5)[:, 1].tolist()
        assert torch.sort(x, descending=True).values[0].item() == 39.0 and x.view(8, 5).mm(x.view(5, 8))[0, 0].item() == 240.0
        x += 1
        assert x[0].item() == 1.0 and odd[3] == 4.0 and x.double().mean().item() == 20.5
        x -= 1
