"""torch.testing: messages are PyTorch 2.13's."""

import pytest
import tallow as torch
from tallow.testing import assert_close, make_tensor


@pytest.mark.parametrize(
    "actual, expected, options, text",
    [
        ([1.0, 2.0], [1.0, 3.0], {}, "Scalars are not close!\n\nExpected 3.0 but got 2.0.\nAbsolute difference: 1.0 (up to 1e-07 allowed)\n"
         "Relative difference: 0.3333333333333333 (up to 1e-07 allowed)\n\nThe failure occurred for item [1]"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), {}, "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\n"
         "Greatest absolute difference: 1.0 at index (1,) (up to 1e-05 allowed)\n"
         "Greatest relative difference: 0.3333333432674408 at index (1,) (up to 1.3e-06 allowed)"),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), {}, "Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)\n"
         "Greatest absolute difference: 1 at index (1,)\nGreatest relative difference: 0.3333333432674408 at index (1,)"),
        (torch.tensor(1.0), torch.tensor(2.0), {}, "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute difference: 1.0 "
         "(up to 1e-05 allowed)\nRelative difference: 0.5 (up to 1.3e-06 allowed)"),
        (torch.ones(2), torch.ones(3), {}, "The values for attribute 'shape' do not match: torch.Size([2]) != torch.Size([3])."),
        (torch.ones(2), torch.ones(2).double(), {}, "The values for attribute 'dtype' do not match: torch.float32 != torch.float64."),
        (torch.ones(2, 3).t(), torch.ones(3, 2), {"check_stride": True},
         "The values for attribute 'stride()' do not match: (1, 3) != (2, 1)."),
        ({"a": 1}, {"b": 1}, {}, "The keys of the mappings do not match:\nMissing keys in the actual mapping: ['b']\n"
         "Additional keys in the actual mapping: ['a']"),
        ([1], [1, 2], {}, "The length of the sequences mismatch: 1 != 2"),
        (None, 1, {}, "None mismatch: None is not 1"),
        (True, False, {}, "Booleans mismatch: True is not False"),
        (1, 1.0, {}, "The (d)types do not match: <class 'int'> != <class 'float'>."),
        (torch.ones(2), torch.zeros(2), {"msg": "mine"}, "mine"),
        (1, 2, {"msg": lambda text: text[:7]}, "Scalars"),
        (torch.tensor(float("nan")), torch.tensor(float("nan")), {}, "Scalars are not close!\n\nExpected nan but got nan.\nAbsolute "
         "difference: nan (up to 1e-05 allowed)\nRelative difference: nan (up to 1.3e-06 allowed)"),
    ],
)  # fmt: skip
def test_messages(actual, expected, options, text):
    with pytest.raises(AssertionError) as failure:
        assert_close(actual, expected, **options)
    assert str(failure.value) == text


def test_what_is_close():
    assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-6]))
    assert_close({"a": [torch.ones(2), 1]}, {"a": (torch.ones(2), 1)})
    assert_close(torch.tensor(float("nan")), torch.tensor(float("nan")), equal_nan=True)
    assert_close(torch.ones(2), torch.ones(2).double(), check_dtype=False)
    assert_close(torch.ones(2), torch.zeros(2), rtol=0, atol=1)
    with pytest.raises(ValueError, match="Both 'rtol' and 'atol' must be either specified or omitted, but got no atol."):
        assert_close(1, 1, rtol=0.1)
    with pytest.raises(TypeError, match="No comparison pair was able to handle inputs of type"):
        assert_close("a", "b")


def test_make_tensor():
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64):
        t = make_tensor((3, 4), dtype=dtype, device="cpu", noncontiguous=True)
        assert t.dtype == dtype and t.shape == (3, 4) and t.stride() == (8, 2)
    t = make_tensor(50, dtype=torch.int64, device="cpu", low=0, high=2, exclude_zero=True)
    assert t.tolist() == [1] * 50
    assert make_tensor((2,), dtype=torch.float64, device="cpu", low=3, high=4, requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="`low` must be less than `high`, but got 4 >= 3"):
        make_tensor((2,), dtype=torch.int64, device="cpu", low=4, high=3)
    with pytest.raises(ValueError, match="`requires_grad=True` is not supported for boolean and integral dtypes"):
        make_tensor((2,), dtype=torch.int64, device="cpu", requires_grad=True)


@pytest.mark.torch
def test_make_tensor_draws_pytorchs():
    import torch as reference

    for dtype in ("float32", "float64", "int64", "complex64"):
        made = []
        for module in (torch, reference):
            module.manual_seed(4)
            made.append(module.testing.make_tensor((3, 4), dtype=getattr(module, dtype), device="cpu", low=-2, high=5).tolist())
        assert made[0] == made[1]
