"""What a worker process of a DataLoader does."""

import os
import queue
import random
import sys
import threading
from dataclasses import dataclass

import tallow
from tallow.utils.data._utils import transport

_worker_info = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Which worker this process is."""

    id: int
    num_workers: int
    seed: int
    dataset: object
    rng: object = None
    worker_method: str = "multiprocessing"


def get_worker_info():
    """The WorkerInfo of this process; None outside workers."""
    return _worker_info


@dataclass
class Job:
    """What a worker is started with."""

    dataset: object
    fetcher: type
    batched: bool
    collate_fn: object
    drop_last: bool
    init_fn: object
    id: int
    num_workers: int
    base_seed: int


class Stopped:
    """In place of a batch: the worker's part of the data set is at its end."""


class Resume:
    """In place of a task: another pass begins."""


def _seed(job):
    seed = job.base_seed + job.id
    random.seed(seed)
    tallow.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        words = [job.id, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32, 0]
        numpy.random.seed([int(word) for word in numpy.random.SeedSequence(words).generate_state(4)])
    return seed


def _read(connection, tasks, stop):
    """Reads tasks as they come, so that the parent never waits to write one; ends the process when the parent is gone."""
    parent = os.getppid()
    while True:
        try:
            if not connection.poll(1.0):
                if os.getppid() != parent:
                    os._exit(1)
                continue
            task = connection.recv()
        except (EOFError, OSError):
            os._exit(1)
        if task is None:
            stop.set()
        tasks.put(task)
        if task is None:
            return


def main(job, connection, others):
    """Answers (number, indices) with (number, batch); None ends it. `others` are the parent's ends of connections, inherited by forking."""
    global _worker_info
    for other in others:
        other.close()
    tasks, stop = queue.SimpleQueue(), threading.Event()
    threading.Thread(target=_read, args=(connection, tasks, stop), daemon=True).start()
    try:
        tallow.set_num_threads(1)
        _worker_info = WorkerInfo(job.id, job.num_workers, _seed(job), job.dataset)
        _serve(job, connection, tasks, stop)
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the parent is being interrupted too, or is gone


def _serve(job, connection, tasks, stop):
    where = f"in DataLoader worker process {job.id}"
    fetcher = error = None

    def begin():
        return job.fetcher(job.dataset, job.batched, job.collate_fn, job.drop_last)

    try:
        if job.init_fn is not None:
            job.init_fn(job.id)
        fetcher = begin()
    except Exception:
        error = tallow._utils.ExceptionWrapper(where=where)
    while (task := tasks.get()) is not None:
        if stop.is_set():
            continue
        if task is Resume:
            if error is None:
                try:
                    fetcher = begin()
                except Exception:
                    error = tallow._utils.ExceptionWrapper(where=where)
            continue
        number, indices = task
        try:
            if error is not None:
                answer = error
            else:
                try:
                    answer = fetcher.fetch(indices)
                except StopIteration:
                    if job.fetcher.__name__ != "IterableFetcher":
                        raise
                    answer = Stopped()
        except Exception:
            answer = tallow._utils.ExceptionWrapper(where=where)
        try:
            transport.send(connection, (number, answer))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception:  # what cannot be pickled
            transport.send(connection, (number, tallow._utils.ExceptionWrapper(where=where)))
        del answer
