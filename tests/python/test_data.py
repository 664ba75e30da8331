"""Data sets, orders, batches. Expected orders are PyTorch 2.13's."""

import pytest
import tallow as torch
from tallow.utils.data import (
    BatchSampler, ConcatDataset, DataLoader, Dataset, IterableDataset, RandomSampler, Subset, TensorDataset,
    WeightedRandomSampler, default_collate, get_worker_info, random_split,
)  # fmt: skip


class Numbers(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i


class Slow(Numbers):
    def __getitem__(self, i):
        if i == 3:
            raise ValueError("three is not allowed")
        return i, get_worker_info().id


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(7))


@pytest.mark.parametrize("data", [TensorDataset(torch.arange(10)), Numbers(10)])
def test_shuffles_and_stream(data):
    torch.manual_seed(0)
    loader = DataLoader(data, batch_size=4, shuffle=True)
    passes = [[(b[0] if isinstance(b, list) else b).tolist() for b in loader] for _ in range(2)]
    assert passes == [[[6, 7, 1, 4], [2, 0, 9, 8], [3, 5]], [[2, 4, 7, 0], [8, 9, 5, 3], [6, 1]]]
    assert torch.rand(1).item().hex() == "0x1.d290240000000p-2"


def test_generator_of_the_loader():
    def order(seed):
        generator = torch.Generator().manual_seed(seed)
        return [b.item() for b in DataLoader(Numbers(6), shuffle=True, generator=generator)]

    assert order(1) == order(1) != order(2)


def test_gathered_batches_are_what_collating_gives():
    data = TensorDataset(torch.arange(20.0).view(10, 2), torch.arange(10))
    for options in ({}, {"batch_size": 3}, {"batch_size": 4, "drop_last": True}):
        fast = list(DataLoader(data, **options))
        slow = list(DataLoader(data, collate_fn=lambda batch: default_collate(batch), **options))
        assert len(fast) == len(slow) == len(DataLoader(data, **options))
        for a, b in zip(fast, slow):
            assert [t.tolist() for t in a] == [t.tolist() for t in b] and a[0].dtype == b[0].dtype
    batch = next(iter(DataLoader(data, batch_size=5)))
    batch[0].zero_()
    assert data.tensors[0][0].tolist() == [0.0, 1.0]  # batches are copies


def test_iterable():
    assert [b.tolist() for b in DataLoader(Stream(), batch_size=3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [b.tolist() for b in DataLoader(Stream(), batch_size=3, drop_last=True)] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="expected unspecified shuffle option"):
        DataLoader(Stream(), shuffle=True)


def test_workers():
    loader = DataLoader(TensorDataset(torch.arange(10)), batch_size=3, num_workers=2)
    assert [b[0].tolist() for b in loader] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert sorted(x for b in DataLoader(Stream(), num_workers=2) for x in b.tolist()) == sorted(list(range(7)) * 2)
    loader = DataLoader(Slow(4), num_workers=2, persistent_workers=True)
    iterator = iter(loader)
    assert [next(iterator)[1].item() for _ in range(3)] == [0, 1, 0]
    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 1") as failure:
        next(iterator)
    assert "three is not allowed" in str(failure.value)


def test_collate():
    batch = default_collate([{"a": 1, "b": (2.0, "x")}, {"a": 2, "b": (3.0, "y")}])
    assert batch["a"].tolist() == [1, 2] and batch["b"][0].dtype == torch.float64 and batch["b"][1] == ("x", "y")
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors, numpy arrays, numbers, dicts or"):
        default_collate([object()])


def test_datasets():
    assert len(TensorDataset(torch.zeros(3, 2), torch.zeros(3))) == 3
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(torch.zeros(3), torch.zeros(2))
    both = ConcatDataset([Numbers(2), Numbers(3)])
    assert [both[i] for i in range(5)] == [0, 1, 0, 1, 2] and both[-1] == 2
    assert list(Subset(Numbers(5), [4, 2])) == [4, 2]
    torch.manual_seed(0)
    assert [list(part) for part in random_split(Numbers(6), [4, 2])] == [[2, 5, 3, 0], [1, 4]]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length of the input dataset!"):
        random_split(Numbers(3), [1, 1])


def test_samplers():
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert sorted(RandomSampler(range(5), num_samples=10)) == sorted(list(range(5)) * 2)
    with pytest.raises(ValueError, match="num_samples should be a positive integer value, but got num_samples=0"):
        RandomSampler([])
    if hasattr(torch, "multinomial"):
        assert set(WeightedRandomSampler([0.0, 1.0], 5)) == {1}


def test_options_that_exclude_each_other():
    for options in ({"sampler": [0], "shuffle": True}, {"batch_sampler": [[0]], "batch_size": 2}, {"num_workers": -1},
                    {"prefetch_factor": 2}, {"persistent_workers": True}):  # fmt: skip
        with pytest.raises(ValueError):
            DataLoader(Numbers(3), **options)
    loader = DataLoader(Numbers(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 2
