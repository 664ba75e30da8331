"""svd_lowrank, pca_lowrank and unravel_index."""

import pytest

import tallow as torch


def test_a_matrix_of_low_rank_is_found():
    torch.manual_seed(0)
    for shape in ((9, 6), (6, 9), (2, 7, 5)):
        a = torch.randn(*shape[:-1], 2, dtype=torch.float64) @ torch.randn(*shape[:-2], 2, shape[-1], dtype=torch.float64)
        u, s, v = torch.svd_lowrank(a, q=3)
        assert torch.allclose(u * s.unsqueeze(-2) @ v.mT, a) and u.shape[-1] == 3
    rows = torch.randn(8, 3, dtype=torch.float64) + 5
    u, s, v = torch.pca_lowrank(rows, q=3)
    assert torch.allclose(u * s @ v.T, rows - rows.mean(0))
    mean = torch.ones(1, 3, dtype=torch.float64)
    u, s, v = torch.svd_lowrank(rows, 3, M=mean)
    assert torch.allclose(u * s @ v.T, rows - 1)
    with pytest.raises(ValueError, match=r"q\(=4\) must be non-negative integer and not greater than min\(m, n\)=3"):
        torch.pca_lowrank(rows, 4)


def test_places_in_a_shape():
    at = torch.tensor([0, 3, 5, 23])
    assert [p.tolist() for p in torch.unravel_index(at, (2, 3, 4))] == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 3, 1, 3]]
    assert torch.unravel_index(torch.tensor(3), 5)[0].item() == 3
    for wrong, error in (((at.float(), (2,)), TypeError), ((at, 2.0), TypeError), ((at, (2, 1.5)), TypeError), ((at, (2, -1)), ValueError)):
        with pytest.raises(error):
            torch.unravel_index(*wrong)


@pytest.mark.torch
def test_draws_as_pytorch_does():
    import torch as real

    numbers = torch.arange(42.0).view(7, 6).sin()
    torch.manual_seed(3)
    real.manual_seed(3)
    got = torch.svd_lowrank(numbers, 4)
    want = real.svd_lowrank(real.tensor(numbers.tolist()), 4)
    assert got[1].tolist() == pytest.approx(want[1].tolist(), rel=1e-4, abs=1e-5)
    assert torch.rand(1).item() == real.rand(1).item()
