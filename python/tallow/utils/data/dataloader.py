"""DataLoader: batches of a data set, in this process or by workers."""

import os
import warnings

import tallow
from tallow.random import _draw_seed
from tallow.utils.data._utils import collate, fetch
from tallow.utils.data.dataset import IterableDataset, Subset
from tallow.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

default_collate = collate.default_collate
default_convert = collate.default_convert


class _InfiniteConstantSampler(Sampler):
    """None for ever: the order of data sets that are only iterated."""

    def __init__(self):
        pass

    def __iter__(self):
        while True:
            yield None


class DataLoader:
    """Iterates over a data set in batches; each pass draws the seeds that PyTorch's draws."""

    _initialized = False

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0,
                 collate_fn=None, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None,
                 multiprocessing_context=None, generator=None, *, prefetch_factor=None, persistent_workers=False,
                 pin_memory_device="", in_order=True):  # fmt: skip
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable "
                "multiprocessing, otherwise set prefetch_factor to None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _checked_context(multiprocessing_context, num_workers)
        self.in_order = in_order
        self._is_iterable = isinstance(dataset, IterableDataset)
        if self._is_iterable:
            if shuffle not in (False, None):
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle={shuffle}"
                )
            if sampler is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified sampler option, but got sampler={sampler}"
                )
            if batch_sampler is not None:
                raise ValueError(
                    "DataLoader with IterableDataset: expected unspecified batch_sampler option, but got "
                    f"batch_sampler={batch_sampler}"
                )
        else:
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
            batch_size = None
            drop_last = False
        elif batch_size is None:
            if drop_last:
                raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._is_iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self.persistent_workers = persistent_workers
        self._iterator = None
        self._IterableDataset_len_called = None
        self._initialized = True
        self.check_worker_number_rationality()

    def __class_getitem__(cls, item):
        return cls

    def __setattr__(self, name, value):
        if self._initialized and name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset",
                                          "persistent_workers"):  # fmt: skip
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        object.__setattr__(self, name, value)

    @property
    def _auto_collation(self):
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def _fetcher(self):
        """How indices become batches. Rows of plain tensors are gathered, not stacked one by one."""
        if self._is_iterable:
            return fetch.IterableFetcher
        tensors = fetch.tensors_of(self.dataset)
        gathers = (
            tensors is not None
            and self.collate_fn is default_collate
            and self._auto_collation
            and all(type(t) is tallow.Tensor and not t.requires_grad and t.dim() for t in tensors)
        )
        return fetch.GatherFetcher if gathers else fetch.MapFetcher

    def _gathers_orders(self):
        """Whether whole orders can be cut into batches, without lists of indices."""
        return (
            self._fetcher() is fetch.GatherFetcher
            and type(self.batch_sampler) is BatchSampler
            and type(self.sampler) in (RandomSampler, SequentialSampler)
        )

    def check_worker_number_rationality(self):
        """Warns of more workers than there are processors."""
        if not self.num_workers:
            return
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if count is not None and self.num_workers > count:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number of worker in "
                f"current system is {count}, which is smaller than what this DataLoader is going to create. Please be aware that "
                "excessive worker creation might get DataLoader running slow or even freeze, lower the worker number to avoid "
                "potential slowness/freeze if necessary.",
                stacklevel=3,
            )

    def _get_iterator(self):
        if self.num_workers:
            from tallow.utils.data._workers import _MultiProcessingDataLoaderIter

            return _MultiProcessingDataLoaderIter(self)
        return _GatheringIterator(self) if self._gathers_orders() else _SingleProcessDataLoaderIter(self)

    def __iter__(self):
        if self.persistent_workers and self.num_workers > 0:
            if self._iterator is None:
                self._iterator = self._get_iterator()
            else:
                self._iterator._reset(self)
            return self._iterator
        return self._get_iterator()

    def __len__(self):
        if not self._is_iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


def _checked_context(context, num_workers):
    """The context that processes are started in; None for the default one."""
    if context is None:
        return None
    import multiprocessing

    if num_workers == 0:
        raise ValueError(
            f"multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        valid = multiprocessing.get_all_start_methods()
        if context not in valid:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {valid!r}, but got "
                f"multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the start method, but got "
            f"multiprocessing_context={context}"
        )
    return context


class _BaseDataLoaderIter:
    """One pass. Draws its base seed first; the sampler draws its own when the first index is wanted."""

    def __init__(self, loader):
        self._loader = loader
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
                stacklevel=4,
            )
        self._begin(loader)

    def _begin(self, loader):
        self._base_seed = _draw_seed(loader.generator)
        self._sampler_iter = iter(loader._index_sampler)
        self._num_yielded = 0

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader._index_sampler)

    def __next__(self):
        data = self._next_data()
        self._num_yielded += 1
        loader = self._loader
        length = loader._IterableDataset_len_called
        if length is not None and loader._is_iterable and self._num_yielded > length:
            text = (
                f"Length of IterableDataset {loader.dataset} was reported to be {length}(when accessing len(dataloader)), but "
                f"{self._num_yielded} samples have been fetched. "
            )
            if loader.num_workers > 0:
                text += (
                    "For multiprocessing data-loading, this could be caused by not properly configuring the IterableDataset replica "
                    "at each worker. Please see https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for "
                    "examples."
                )
            warnings.warn(text, stacklevel=2)
        return data


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        self._fetcher = loader._fetcher()(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)

    def _next_data(self):
        return self._fetcher.fetch(next(self._sampler_iter))


class _GatheringIterator(_BaseDataLoaderIter):
    """Rows of tensors: one gather per tensor and batch, without lists of indices."""

    def __init__(self, loader):
        super().__init__(loader)
        self._batches = self._gather(loader)

    @staticmethod
    def _gather(loader):
        tensors, size, drop = fetch.tensors_of(loader.dataset), loader.batch_sampler.batch_size, loader.batch_sampler.drop_last
        rows, part = None, loader.dataset
        while type(part) is Subset:  # the rows that indices of the subset mean
            mine = tallow.as_tensor(part.indices, dtype=tallow.int64)
            rows, part = mine if rows is None else mine[rows], part.dataset
        count = len(loader.dataset)
        if type(loader.sampler) is SequentialSampler and rows is None:
            for start in range(0, count - size + 1 if drop else count, size):
                yield [t[start : start + size].clone(memory_format=tallow.contiguous_format) for t in tensors]
            return
        rest = None  # indices of a batch that the next order completes
        orders = loader.sampler._orders() if type(loader.sampler) is RandomSampler else [tallow.arange(count)]
        for order in orders:
            order = order if rows is None else rows[order]
            if rest is not None:
                order = tallow.cat([rest, order])
                rest = None
            count = len(order)
            full = count - count % size
            for start in range(0, full, size):
                chosen = order[start : start + size]
                yield [t[chosen] for t in tensors]
            if full < count:
                rest = order[full:]
        if rest is not None and not drop:
            yield [t[rest] for t in tensors]

    def __next__(self):
        return next(self._batches)


