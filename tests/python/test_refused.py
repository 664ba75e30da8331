"""Calls that are refused before they do anything: dtypes that a reduction lacks, lengths and places at the end of int64."""

import pytest

import tallow as torch

END = 2**63 - 1


@pytest.mark.parametrize("dtype, name", [(torch.complex64, "ComplexFloat"), (torch.complex128, "ComplexDouble"), (torch.bool, "Bool")])
@pytest.mark.parametrize("include_self, kernel", [(True, "index_func_"), (False, "index_reduce_func_exclude_input_init")])
def test_index_reduce_has_no_complex_numbers_and_no_bools(dtype, name, include_self, kernel):
    x = torch.zeros(3, dtype=dtype)
    with pytest.raises(NotImplementedError, match=f"^\"{kernel}\" not implemented for '{name}'$"):
        x.index_reduce(0, torch.tensor([0, 1]), torch.ones(2, dtype=dtype), "prod", include_self=include_self)


@pytest.mark.parametrize("dtype, how, name", [(torch.complex64, "amin", "ComplexFloat"), (torch.complex128, "amax", "ComplexDouble"), (torch.bool, "mean", "Bool")])
def test_scatter_reduce_refuses_what_has_no_order_or_mean(dtype, how, name):
    x = torch.zeros(3, dtype=dtype)
    with pytest.raises(NotImplementedError, match=f"^\"scatter_gather_tensor_cpu_reduce_{how}\" not implemented for '{name}'$"):
        x.scatter_reduce(0, torch.tensor([0, 1]), torch.ones(2, dtype=dtype), how)


def test_means_of_scattered_complex_numbers():
    x = torch.zeros(3, dtype=torch.complex64)
    mean = x.scatter_reduce(0, torch.tensor([0, 0, 2]), torch.tensor([1 + 2j, 3 + 4j, 5j]), "mean", include_self=False)
    assert mean.tolist() == [2 + 3j, 0, 5j]
    mean = torch.ones(3).index_reduce(0, torch.tensor([0, 0, 2]), torch.tensor([1.0, 4.0, 5.0]), "mean")
    assert mean.tolist() == [2.0, 1.0, 3.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.hann_window(END),
        lambda: torch.kaiser_window(END),
        lambda: torch.bartlett_window(END, periodic=False),
        lambda: torch.diag_embed(torch.ones(3), END),
        lambda: torch.diag_embed(torch.ones(3), -END - 1),
        lambda: torch.nn.functional.affine_grid(torch.ones(1, 2, 3), [1, 1, 2**40, 2**40]),
    ],
)
def test_sizes_that_no_tensor_has(call):
    with pytest.raises(RuntimeError, match="^Storage size calculation overflowed"):
        call()


def test_diagonals_far_off_leave_all_or_nothing():
    x = torch.ones(2, 3)
    for far in (END, END - 1):
        assert torch.tril(x, far).equal(x) and torch.triu(x, -far - 1).equal(x)
        assert not torch.triu(x, far).any() and not torch.tril(x, -far - 1).any()


def test_more_layers_than_parameters():
    x, h = torch.ones(2, 1, 3), torch.ones(1, 1, 4)
    with pytest.raises(RuntimeError, match="^Expected parameters for -?[0-9]+ layers, but got 2$"):
        torch.rnn_tanh(x, h, [torch.ones(4, 3), torch.ones(4, 4)], False, END, 0.0, False, False, False)


def test_target_lengths_whose_sum_overflows():
    with pytest.raises(RuntimeError, match="Expected tensor to have size"):
        torch.ctc_loss(torch.randn(4, 2, 5).log_softmax(2), torch.ones(3, dtype=torch.int64), [4, 4], [END, END])
