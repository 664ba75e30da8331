"""The DataLoader's iterator over worker processes."""

import multiprocessing
import os
import signal
import time
from multiprocessing import connection as connections

from tallow._utils import ExceptionWrapper
from tallow.utils.data._utils import transport, worker
from tallow.utils.data.dataloader import _BaseDataLoaderIter

_PATIENCE = 5.0  # seconds that a worker has to finish a batch at the end


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Batches made by worker processes. Each has a connection of its own: numbered tasks go out, numbered batches come back."""

    _processes = ()

    def __init__(self, loader):
        super().__init__(loader)
        self._connections, self._processes, self._pid = [], [], os.getpid()
        context = loader.multiprocessing_context or multiprocessing.get_context()
        forks = context.get_start_method() == "fork"
        for i in range(loader.num_workers):
            mine, theirs = context.Pipe(duplex=True)
            self._connections.append(mine)
            job = worker.Job(loader.dataset, loader._fetcher(), loader._auto_collation, loader.collate_fn, loader.drop_last,
                             loader.worker_init_fn, i, loader.num_workers, self._base_seed)  # fmt: skip
            others = list(self._connections) if forks else []
            process = context.Process(target=worker.main, args=(job, theirs, others), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
        self._start()

    def _start(self):
        loader = self._loader
        self._sent = self._given = 0
        self._ready, self._owner = {}, {}  # number → answer that has come; number → worker that has yet to answer or be heard
        self._active = [True] * loader.num_workers
        self._next_worker = 0
        for _ in range(loader.prefetch_factor * loader.num_workers):
            self._send()

    def _reset(self, loader):
        """Another pass of persistent workers."""
        while self._waited_for():
            self._receive(None)
        self._begin(loader)
        for i in range(loader.num_workers):
            self._connections[i].send(worker.Resume)
        self._start()

    def _waited_for(self):
        return [number for number in self._owner if number not in self._ready]

    def _choose_worker(self):
        """The next active worker; or, where order does not matter, the one with the least to do. None if all are done."""
        active = [i for i, yes in enumerate(self._active) if yes]
        if not active:
            return None
        if not self._loader.in_order:
            load = [0] * len(self._active)
            for number in self._waited_for():
                load[self._owner[number]] += 1
            return min(active, key=lambda i: load[i])
        chosen = next((i for i in active if i >= self._next_worker), active[0])
        self._next_worker = (chosen + 1) % len(self._active)
        return chosen

    def _send(self):
        """Asks for the next batch."""
        try:
            indices = next(self._sampler_iter)
        except StopIteration:
            return
        i = self._choose_worker()
        if i is None:
            return
        self._owner[self._sent] = i
        try:
            self._connections[i].send((self._sent, indices))
        except (BrokenPipeError, ConnectionResetError):
            self._raise_if_dead()
            raise
        self._sent += 1

    def _receive(self, deadline):
        """Takes in what has come, waiting until something has."""
        busy = {self._owner[number] for number in self._waited_for()}
        wanted = {self._connections[i]: i for i in busy}
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = connections.wait(wanted, remaining)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {self._loader.timeout} seconds")
        for one in ready:
            try:
                number, answer = transport.receive(one)
            except (EOFError, ConnectionResetError):
                self._processes[wanted[one]].join(_PATIENCE)
                self._raise_if_dead()
                raise
            self._ready[number] = answer

    def _raise_if_dead(self):
        dead = [p for p in self._processes if p.exitcode not in (None, 0)] or [p for p in self._processes if p.exitcode is not None]
        if not dead:
            return
        code = dead[0].exitcode
        if code < 0:
            reason = f"DataLoader worker (pid {dead[0].pid}) is killed by signal: {signal.strsignal(-code)}. "
        else:
            reason = (
                f"DataLoader worker (pid {dead[0].pid}) exited unexpectedly with exit code {code}. Details are lost due to "
                "multiprocessing. Rerunning with num_workers=0 may give better error trace."
            )
        pids = ", ".join(str(p.pid) for p in dead)
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from RuntimeError(reason)

    def _next_number(self):
        """The number of the batch to give; it has come. None at the end."""
        deadline = time.monotonic() + self._loader.timeout if self._loader.timeout else None
        while True:
            if not self._owner:
                return None
            if self._loader.in_order:
                if self._given in self._ready:
                    return self._given
            elif self._ready:
                return next(iter(self._ready))
            self._receive(deadline)

    def _next_data(self):
        while True:
            number = self._next_number()
            if number is None:
                if not self._loader.persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            answer, i = self._ready.pop(number), self._owner.pop(number)
            self._given += 1
            if isinstance(answer, worker.Stopped):
                self._active[i] = False
                self._send()
                continue
            self._send()
            if isinstance(answer, ExceptionWrapper):
                answer.reraise()
            return answer

    def _shutdown_workers(self):
        """Ends the workers: they finish the batch that they are at."""
        if not self._processes or self._pid != os.getpid():  # nothing to end, or a forked copy
            return
        processes, self._processes = self._processes, ()
        for one in self._connections:
            try:
                one.send(None)
            except OSError:
                pass
            one.close()
        for process in processes:
            process.join(_PATIENCE)
            if process.is_alive():
                process.terminate()
                process.join(_PATIENCE)
                if process.is_alive():
                    process.kill()
                    process.join()

    def __del__(self):
        self._shutdown_workers()
