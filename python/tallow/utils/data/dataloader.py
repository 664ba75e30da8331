"""DataLoader: batches of a data set, in this process or by forked workers."""

import warnings

import tallow
from tallow.random import _draw_seed
from tallow.utils.data._utils import collate, worker
from tallow.utils.data.dataset import IterableDataset, TensorDataset
from tallow.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

default_collate = collate.default_collate
default_convert = collate.default_convert
get_worker_info = worker.get_worker_info


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
        self.multiprocessing_context = multiprocessing_context
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
        self._initialized = True

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

    def _gathers(self):
        """Whether batches can be gathered by index: the rows of plain tensors, stacked."""
        return (
            type(self.dataset) is TensorDataset
            and self.collate_fn is default_collate
            and type(self.batch_sampler) is BatchSampler
            and type(self.sampler) in (RandomSampler, SequentialSampler)
            and all(type(t) is tallow.Tensor and not t.requires_grad and t.dim() for t in self.dataset.tensors)
        )

    def _get_iterator(self):
        if self.num_workers:
            return _WorkerIterator(self)
        return _GatheringIterator(self) if self._gathers() else _SingleProcessDataLoaderIter(self)

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
        length = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


class _BaseDataLoaderIter:
    """One pass. Draws its base seed first; the sampler draws its own when the first index is wanted."""

    def __init__(self, loader):
        self._loader = loader
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
        if loader._is_iterable and hasattr(loader.dataset, "__len__") and self._num_yielded > len(loader):
            warnings.warn(
                f"Length of IterableDataset {loader.dataset} was reported to be {len(loader)}(when accessing "
                f"len(dataloader)), but {self._num_yielded} samples have been fetched. ",
                stacklevel=2,
            )
        return data


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader):
        super().__init__(loader)
        self._fetcher = None
        if loader._is_iterable:
            self._fetcher = worker.IterableFetcher(
                loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
            )

    def _next_data(self):
        indices = next(self._sampler_iter)
        if self._fetcher is not None:
            return self._fetcher(indices)
        loader = self._loader
        return worker.fetch(loader.dataset, indices, loader._auto_collation, loader.collate_fn)


class _GatheringIterator(_BaseDataLoaderIter):
    """Rows of tensors: one gather per tensor and batch, without lists of indices."""

    def __init__(self, loader):
        super().__init__(loader)
        self._batches = self._gather(loader)

    @staticmethod
    def _gather(loader):
        tensors, size, drop = loader.dataset.tensors, loader.batch_size, loader.drop_last
        if type(loader.sampler) is SequentialSampler:
            count = len(loader.dataset)
            for start in range(0, count - size + 1 if drop else count, size):
                yield [t[start : start + size].clone(memory_format=tallow.contiguous_format) for t in tensors]
            return
        rest = None  # indices of a batch that the next order completes
        for order in loader.sampler._orders():
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


class _WorkerIterator(_BaseDataLoaderIter):
    """Batches made by forked processes, given out in order."""

    def __init__(self, loader):
        super().__init__(loader)
        import multiprocessing

        context = loader.multiprocessing_context
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context or "fork")
        self._results = context.Queue()
        self._tasks, self._processes = [], []
        for i in range(loader.num_workers):
            tasks = context.Queue()
            process = context.Process(
                target=worker.main, args=(loader, i, self._base_seed + i, tasks, self._results), daemon=True
            )
            process.start()
            self._tasks.append(tasks)
            self._processes.append(process)
        self._start()

    def _start(self):
        loader = self._loader
        self._sent = self._given = 0
        self._ready = {}
        self._ended = [False] * loader.num_workers
        self._owner = {}
        for _ in range(loader.prefetch_factor * loader.num_workers):
            self._send()

    def _reset(self, loader):
        if loader._is_iterable:
            raise NotImplementedError("DataLoader: persistent_workers with an IterableDataset")
        while self._given < self._sent:  # what was asked for and not taken
            self._receive()
            self._ready.pop(self._given, None)
            self._given += 1
        self._base_seed = _draw_seed(loader.generator)
        self._sampler_iter = iter(loader._index_sampler)
        self._num_yielded = 0
        self._start()

    def _send(self):
        """Asks the next worker for the next batch."""
        workers = len(self._tasks)
        if all(self._ended):
            return
        try:
            indices = next(self._sampler_iter)
        except StopIteration:
            return
        i = self._sent % workers
        while self._ended[i]:
            i = (i + 1) % workers
        self._owner[self._sent] = i
        self._tasks[i].put((self._sent, indices))
        self._sent += 1

    def _receive(self):
        """Waits until the next batch in order is there."""
        import queue
        import time

        timeout, start = self._loader.timeout, time.monotonic()
        while self._given not in self._ready:
            try:
                number, data, error = self._results.get(timeout=1)
                self._ready[number] = (data, error)
            except queue.Empty:
                dead = [str(p.pid) for p in self._processes if not p.is_alive()]
                if dead:
                    raise RuntimeError(
                        f"DataLoader worker (pid(s) {', '.join(dead)}) exited unexpectedly"
                    ) from None
                if timeout and time.monotonic() - start > timeout:
                    raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None

    def _next_data(self):
        while True:
            if self._given >= self._sent:
                if not self._loader.persistent_workers:
                    self._shutdown()
                raise StopIteration
            self._receive()
            data, error = self._ready.pop(self._given)
            i = self._owner.pop(self._given)
            self._given += 1
            if error is not None and error[0] is StopIteration:
                self._ended[i] = True
                self._send()
                continue
            self._send()
            if error is not None:
                kind, text = error
                message = f"Caught {kind.__name__} in DataLoader worker process {i}.\nOriginal {text}"
                try:
                    raised = kind(message)
                except TypeError:
                    raised = RuntimeError(message)
                raise raised
            return data

    def _shutdown(self):
        for tasks in self._tasks:
            try:
                tasks.put(None)
            except (ValueError, OSError):
                pass
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
        self._tasks, self._processes = [], []

    def __del__(self):
        try:
            self._shutdown()
        except Exception:
            pass
