"""Elementwise arithmetic where dtypes make a difference: numbers beside half types, complex infinities, layouts, refusals."""

import math

import pytest
import tallow as torch

HALVES = [torch.float16, torch.bfloat16]


def half(value, dtype):
    return torch.tensor(value, dtype=torch.float64).to(dtype).to(torch.float64)


@pytest.mark.parametrize("dtype", HALVES)
def test_numbers_are_rounded_to_a_half_type_before_they_are_compared(dtype):
    x = torch.tensor([0.1] * 40, dtype=dtype)
    assert bool((x == 0.1).all()) and not bool((x < 0.1).any()) and not bool((x > 0.1).any())
    assert bool((x == torch.tensor(0.1, dtype=torch.float64)).all())


@pytest.mark.parametrize("dtype", HALVES)
def test_which_numbers_keep_their_precision_beside_half_types(dtype):
    x = torch.linspace(-3, 3, 200).to(dtype)
    wide, s = x.to(torch.float64), 2.7183
    exact, rounded = torch.tensor(s, dtype=torch.float32).to(torch.float64), half(s, dtype)
    assert bool((x * s == (wide * exact).to(dtype)).all())
    assert bool((x / s == (wide / exact).to(dtype)).all())
    assert bool((x + s == (wide + rounded).to(dtype)).all())
    assert bool((s - x == (rounded - wide).to(dtype)).all())
    assert bool((torch.remainder(x, s) == torch.remainder(wide, rounded).to(dtype)).all())
    assert bool((torch.add(x, x, alpha=s) == (wide + rounded * wide).to(dtype)).all())


@pytest.mark.parametrize("dtype", HALVES)
def test_rounded_quotients_of_half_types_round_before_the_integer_is_taken(dtype):
    a, b = (torch.linspace(-300, 300, 3001) + 0.3).to(dtype), torch.linspace(-3.1, 2.9, 3001).to(dtype)
    steps = (a.to(torch.float64) / b.to(torch.float64)).to(dtype)
    assert bool((torch.div(a, b, rounding_mode="trunc") == torch.trunc(steps)).all())
    exact = torch.trunc(a.to(torch.float32) / 1.7).to(dtype)
    assert bool((torch.div(a, 1.7, rounding_mode="trunc") == exact).all())
    assert bool((exact != torch.trunc((a.to(torch.float64) / half(1.7, dtype)).to(dtype))).any())


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_results_do_not_depend_on_the_place_of_an_element(dtype):
    big = 1e20 if dtype == torch.complex64 else 1e160
    x = torch.tensor([complex(big, big), complex(1.1, -2.3), complex(-big, 0.7)] * 11, dtype=dtype)
    y = torch.tensor([complex(big, big), complex(0.3, 0.9), complex(big, -1e3)] * 11, dtype=dtype)
    for op in (torch.mul, torch.div, torch.add, torch.pow):
        together, alone = op(x, y), torch.stack([op(x[i], y[i]) for i in range(33)])
        assert torch.equal(torch.view_as_real(together).nan_to_num(7.0), torch.view_as_real(alone).nan_to_num(7.0))
    assert math.isnan((x * y)[0].real) and (x * y)[0].imag == math.inf


def text(z):
    return str(complex(z)).replace("-nan", "nan")


def test_complex_sums_always_multiply_by_alpha():
    inf = torch.tensor([complex(math.inf, 1)])
    assert text((inf + inf)[0]) == "(inf+nanj)"


def test_complex_powers_are_exponentials_of_logarithms():
    zero, inf = torch.tensor([0j]), torch.tensor([complex(math.inf, 0)])
    assert text(torch.pow(zero, torch.tensor([0j]))[0]) == "(nan+nanj)"
    assert complex(torch.pow(zero, torch.tensor([2 + 0j]))[0]) == 0
    assert text(torch.pow(torch.tensor([2 + 0j]), torch.tensor([complex(math.inf, math.inf)]))[0]) == "(inf+nanj)"
    assert complex(torch.pow(inf, torch.tensor([-1 + 0j]))[0]) == 0
    assert text(torch.sigmoid(torch.tensor([-200 + 1j]))[0]) == "(nan+nanj)"


def test_rsub_has_the_layout_of_other():
    a, b = torch.zeros(3, 4), torch.zeros(4, 3).t()
    assert torch.rsub(a, b).stride() == torch.sub(b, a).stride() == (1, 3)


def test_abs_of_complex_numbers_is_refused_in_place():
    with pytest.raises(RuntimeError, match="In-place abs is not supported for complex tensors."):
        torch.tensor([1 + 1j]).abs_()


def test_the_gradient_of_pow_overflows_in_float16_step_by_step():
    x = torch.tensor([0.25], dtype=torch.float16, requires_grad=True)
    torch.pow(x, torch.tensor([-8.0], dtype=torch.float16)).backward(torch.tensor([0.001], dtype=torch.float16))
    assert x.grad.item() == -math.inf


def test_nan_to_num_and_isclose_of_what_is_special():
    x = torch.tensor([math.nan, math.inf, -math.inf, 1.0])
    assert torch.nan_to_num(x, 7.0, 8.0, 9.0).tolist() == [7, 8, 9, 1]
    assert torch.isclose(torch.tensor([True, False]), torch.tensor([True, True])).tolist() == [True, False]
    with pytest.raises(TypeError, match=r"isclose\(\): argument 'other' \(position 2\) must be Tensor, not int"):
        torch.isclose(x, 2)


@pytest.mark.parametrize("op", [lambda a, b: a - b, lambda a, b: a % b, lambda a, b: a ** b, lambda a, b: a // b, torch.add, torch.mul, torch.sub])
def test_a_number_before_a_tensor_keeps_all_its_digits(op):
    x, number = torch.tensor([0.3, 0.7], dtype=torch.float64), 0.1234567890123
    assert torch.equal(op(number, x), op(torch.full((2,), number, dtype=torch.float64), x))
    assert op(number, x.float()).dtype == torch.float32 and op(2.5, torch.tensor([2])).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bool, torch.int16, torch.float32, torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("rows, columns", [(16, 16), (17, 40), (64, 300), (130, 65), (5, 33)])
def test_transposed_operands(rows, columns, dtype):
    """Blocks that go through registers, and their edges."""
    x = torch.arange(rows * columns).remainder(101).reshape(rows, columns).to(dtype)
    values = x.tolist()
    turned = [[values[r][c] for r in range(rows)] for c in range(columns)]
    assert x.t().contiguous().tolist() == turned
    ones = torch.ones(columns, rows, dtype=dtype)
    assert (ones * x.t()).tolist() == turned and (x.t() * ones).tolist() == turned


@pytest.mark.torch
def test_complex_logarithms_of_infinities_round_as_pytorchs():
    import torch as reference  # one argument of the logarithm is infinite: nothing is close to it but itself

    infinite = [complex(math.inf, math.inf), complex(-math.inf, math.inf), complex(math.inf, -math.inf), complex(3, math.inf)]
    for dtype in ("complex64", "complex128"):
        for name in ("log2", "log10"):
            ours = getattr(torch, name)(torch.tensor(infinite, dtype=getattr(torch, dtype))).tolist()
            assert ours == getattr(reference, name)(reference.tensor(infinite, dtype=getattr(reference, dtype))).tolist()
