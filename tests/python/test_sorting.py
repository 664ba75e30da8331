"""sort, argsort, topk: the places of equal elements, which PyTorch leaves to its sorting algorithm and programs come to depend on."""

import pytest
import tallow as torch


def ties(n, different):
    """Numbers with many equals, from a small generator of its own."""
    state, out = 12345, []
    for _ in range(n):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state // 65536 % different)
    return out


def test_sort_is_stable_on_demand_only():
    x = torch.tensor(ties(300, 3))
    values, places = torch.sort(x, stable=True)
    assert all(b > a for a, b, same in zip(places[:-1], places[1:], values[:-1] == values[1:]) if same)
    unstable = torch.sort(x)
    assert torch.equal(unstable.values, values) and torch.equal(x[unstable.indices], values)
    assert not torch.equal(unstable.indices, places)
    assert torch.equal(torch.argsort(x), unstable.indices) and torch.equal(torch.argsort(x, stable=True), places)


def test_up_to_16_elements_keep_their_order():
    x = torch.tensor(ties(16, 3))
    assert torch.equal(torch.sort(x).indices, torch.sort(x, stable=True).indices)


def test_long_vectors_of_integers_are_sorted_by_radix():
    x = torch.tensor(ties(32768, 9))
    assert torch.equal(torch.sort(x).indices, torch.sort(x, stable=True).indices)
    assert not torch.equal(torch.sort(x[1:]).indices, torch.sort(x[1:], stable=True).indices)


def test_an_order_that_defeats_quicksort_is_sorted_too():
    n = 1 << 16
    x = torch.arange(n, dtype=torch.float32)
    organ = torch.cat([x, x.flip(0)])
    assert bool((torch.sort(organ).values.diff() >= 0).all())
    assert torch.equal(torch.topk(organ, n, largest=False).values, organ.sort().values[:n])


@pytest.mark.parametrize("k", [1, 5, 99, 100])
@pytest.mark.parametrize("largest", [True, False])
def test_topk_selects_what_sort_would(k, largest):
    x = torch.tensor(ties(700, 50)).reshape(7, 100).t()
    values, places = torch.topk(x, k, dim=0, largest=largest)
    assert torch.equal(values, torch.sort(x, dim=0, descending=largest).values[:k]) and torch.equal(x.gather(0, places), values)
    loose = torch.topk(x, k, dim=0, largest=largest, sorted=False)
    assert torch.equal(loose.values.sort(0).values, values.sort(0).values) and torch.equal(x.gather(0, loose.indices), loose.values)


def test_topk_counts_nan_as_the_largest_and_has_a_gradient():
    x = torch.tensor([1.0, float("nan"), 3.0, 2.0], requires_grad=True)
    values, places = torch.topk(x, 2)
    assert places.tolist() == [1, 2]
    values.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_topk_refuses():
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        torch.topk(torch.ones(3), 4)
    with pytest.raises(IndexError, match="Dimension out of range"):
        torch.topk(torch.ones(3), 1, dim=1)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float16", "float32", "float64"])
def test_equal_elements_fall_as_in_pytorch(kind):
    import torch as reference

    for n in (15, 17, 40, 333, 2000):
        for different in (2, 7, 500):
            x = torch.tensor([v % 2 if kind == "bool" else v % 200 if kind == "uint8" else v for v in ties(n, different)]).to(getattr(torch, kind))
            y = reference.from_numpy(x.numpy())
            for descending in (False, True):
                assert torch.sort(x, descending=descending).indices.tolist() == reference.sort(y, descending=descending).indices.tolist()
            for k in {1, n // 70 or 1, n // 2, n} if kind != "bool" else ():
                for order in (False, True):
                    assert torch.topk(x, k, sorted=order).indices.tolist() == reference.topk(y, k, sorted=order).indices.tolist()


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64])
def test_unique_of_wide_unsigned_integers(dtype):
    x = torch.tensor([3, 1, 2**15 + 1, 3]).to(dtype)
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    assert values.dtype == dtype and values.tolist() == [1, 3, 2**15 + 1]
    assert inverse.tolist() == [1, 0, 2, 1] and counts.tolist() == [1, 2, 1]
    assert torch.unique(x, dim=0).tolist() == [1, 3, 2**15 + 1]
    assert torch.unique_consecutive(torch.tensor([7, 7, 3, 7]).to(dtype)).tolist() == [7, 3, 7]
