"""What a worker process of a DataLoader does."""

from dataclasses import dataclass

import tallow

_worker_info = None


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this process is."""

    id: int
    num_workers: int
    seed: int
    dataset: object


def get_worker_info():
    """The WorkerInfo of this process; None outside workers."""
    return _worker_info


def fetch(dataset, indices, batched, collate_fn):
    """The batch (or sample) of the given indices of a data set with __getitem__."""
    if not batched:
        return collate_fn(dataset[indices])
    many = getattr(dataset, "__getitems__", None)
    return collate_fn(many(indices) if many else [dataset[i] for i in indices])


class IterableFetcher:
    """Batches of a data set that is only iterated."""

    def __init__(self, dataset, batched, collate_fn, drop_last):
        self._iterator = iter(dataset)
        self._batched, self._collate, self._drop_last, self._ended = batched, collate_fn, drop_last, False

    def __call__(self, indices):
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


def main(loader, worker_id, seed, tasks, results):
    """Answers (number, indices) with (number, batch, error); None ends it. Runs in the forked child."""
    global _worker_info
    import random
    import traceback

    tallow.set_num_threads(1)
    random.seed(seed)
    tallow.manual_seed(seed)
    dataset = loader.dataset
    _worker_info = WorkerInfo(worker_id, loader.num_workers, seed, dataset)
    error = fetcher = None
    batched = loader._auto_collation
    try:
        if loader.worker_init_fn is not None:
            loader.worker_init_fn(worker_id)
        if loader._is_iterable:
            fetcher = IterableFetcher(dataset, batched, loader.collate_fn, loader.drop_last)
        else:
            def fetcher(indices):
                return fetch(dataset, indices, batched, loader.collate_fn)
    except Exception as e:
        error = (type(e), traceback.format_exc())
    while True:
        task = tasks.get()
        if task is None:
            return
        number, indices = task
        if error is not None:
            results.put((number, None, error))
            continue
        try:
            results.put((number, fetcher(indices), None))
        except StopIteration:
            results.put((number, None, (StopIteration, "")))
        except Exception as e:
            results.put((number, None, (type(e), traceback.format_exc())))
