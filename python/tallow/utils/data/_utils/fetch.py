"""From indices to a batch."""

from tallow.utils.data.dataset import Subset, TensorDataset


class MapFetcher:
    """Batches (or samples) of a data set with __getitem__."""

    def __init__(self, dataset, batched, collate_fn, drop_last):
        self._dataset, self._batched, self._collate = dataset, batched, collate_fn
        self._many = getattr(dataset, "__getitems__", None) if batched else None

    def fetch(self, indices):
        """The batch of the given indices."""
        if self._many:
            data = self._many(indices)
        elif self._batched:
            data = [self._dataset[i] for i in indices]
        else:
            data = self._dataset[indices]
        return self._collate(data)


class IterableFetcher:
    """Batches of a data set that is only iterated."""

    def __init__(self, dataset, batched, collate_fn, drop_last):
        self._iterator = iter(dataset)
        self._batched, self._collate, self._drop_last, self._ended = batched, collate_fn, drop_last, False

    def fetch(self, indices):
        """The next batch; StopIteration when there is none."""
        if self._ended:
            raise StopIteration
        if not self._batched:
            return self._collate(next(self._iterator))
        data = []
        for _ in indices:
            try:
                data.append(next(self._iterator))
            except StopIteration:
                self._ended = True
                break
        if not data or (self._drop_last and len(data) < len(indices)):
            raise StopIteration
        return self._collate(data)


class GatherFetcher:
    """Batches of rows of tensors: one gather for each tensor."""

    def __init__(self, dataset, batched, collate_fn, drop_last):
        self._dataset = dataset

    def fetch(self, indices):
        """The rows of the given indices, stacked."""
        dataset = self._dataset
        while type(dataset) is Subset:
            indices = [dataset.indices[i] for i in indices]
            dataset = dataset.dataset
        return [t[indices] for t in dataset.tensors]


def tensors_of(dataset):
    """The tensors whose rows are the samples, if the data set is a TensorDataset or a part of one; else None."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return dataset.tensors if type(dataset) is TensorDataset else None
