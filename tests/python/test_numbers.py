"""Python numbers that a dtype cannot hold are refused wherever they are written, and never wrap silently."""

import pytest

import tallow as torch

WRITES = {
    "fill_": lambda t, v: t.fill_(v),
    "setitem": lambda t, v: t.__setitem__(0, v),
    "setitem slice": lambda t, v: t.__setitem__(slice(None), v),
    "setitem index": lambda t, v: t.__setitem__(torch.tensor([0]), v),
    "setitem mask": lambda t, v: t.__setitem__(t == t, v),
    "masked_fill": lambda t, v: t.masked_fill(t == t, v),
    "index_fill": lambda t, v: t.index_fill(0, torch.tensor([0]), v),
    "scatter": lambda t, v: t.scatter(0, torch.tensor([0]), v),
    "full": lambda t, v: torch.full((2,), v, dtype=t.dtype),
    "new_full": lambda t, v: t.new_full((2,), v),
    "full_like": lambda t, v: torch.full_like(t, v),
    "pad": lambda t, v: torch.nn.functional.pad(t, (1, 1), value=v),
    "clamp": lambda t, v: t.clamp(max=v),
    "where": lambda t, v: torch.where(t == t, t, v),
    "tensor": lambda t, v: torch.tensor([v], dtype=t.dtype),
}


@pytest.mark.parametrize("write", WRITES)
def test_refused(write):
    cases = [(torch.uint8, 300), (torch.int8, -200), (torch.int16, 2**40), (torch.int32, 2**40), (torch.int8, 128)]
    for dtype, value in cases:
        with pytest.raises(RuntimeError, match="value cannot be converted to type .* without overflow"):
            WRITES[write](torch.zeros(2, dtype=dtype), value)


@pytest.mark.parametrize("write", sorted(set(WRITES) - {"clamp", "where"}))
def test_held(write):
    for dtype, value, want in [(torch.uint8, 255, 255), (torch.int8, -128, -128), (torch.float32, float("inf"), float("inf")), (torch.bool, 7, True)]:
        t = torch.zeros(2, dtype=dtype)
        got = WRITES[write](t, value)
        assert (t if got is None else got)[0].item() == want


def test_complex_numbers_have_no_place_in_real_tensors():
    t = torch.zeros(2)
    with pytest.raises(RuntimeError, match="value cannot be converted to type float without overflow"):
        t[0] = 1 + 2j
    t[0] = 2 + 0j
    assert t.tolist() == [2, 0]
    with pytest.raises(TypeError, match="'complex' object cannot be interpreted as an integer"):
        torch.tensor([1j], dtype=torch.int64)


def test_half_types_take_what_a_double_holds_when_assigned():
    t = torch.zeros(2, dtype=torch.float16)
    t[0] = 1e6
    assert t[0].item() == float("inf")
    with pytest.raises(RuntimeError, match="value cannot be converted to type c10::Half without overflow"):
        t.fill_(1e6)


def test_conditions_are_bool():
    t = torch.zeros(2)
    with pytest.raises(RuntimeError, match="where expected condition to be a boolean tensor, but got a tensor with dtype Float"):
        torch.where(t, t, t)
    with pytest.warns(UserWarning, match="where received a uint8 condition tensor"):
        assert torch.where(t.byte(), 1.0, t).tolist() == [0, 0]


def test_values_that_do_not_broadcast():
    with pytest.raises(RuntimeError, match=r"The expanded size of the tensor \(4\) must match the existing size \(3\) at non-singleton dimension 0"):
        torch.zeros(3, 4)[0] = torch.ones(3)
    with pytest.raises(RuntimeError, match=r"expand\(torch.FloatTensor\{\[2, 4\]\}, size=\[4\]\)"):
        torch.zeros(3, 4)[0] = torch.ones(2, 4)


@pytest.mark.torch
@pytest.mark.parametrize("bounds", [(0, 1, -2, 2), (0, 0.02, -2, 2), (0, 1, 0.5, 0.9), (3, 1, 0, 1)])
def test_trunc_normal_draws_as_pytorch_does(bounds):
    import torch as real

    for shape in ((3, 5), (40, 7), (50,), (0, 2)):
        torch.manual_seed(7)
        real.manual_seed(7)
        got = torch.nn.init.trunc_normal_(torch.empty(shape), *bounds)
        want = real.nn.init.trunc_normal_(real.empty(shape), *bounds)
        assert got.flatten().tolist() == pytest.approx(want.flatten().tolist(), rel=1e-6)
        assert torch.rand(1).item() == real.rand(1).item()
