"""Worker processes of DataLoader, and tensors that processes share."""

import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import tallow as torch
import tallow.multiprocessing as mp
from tallow import nn
from tallow.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, get_worker_info, random_split


class Squares(Dataset):
    def __init__(self, n, size=1):
        self.n, self.size = n, size

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return torch.full((self.size,), float(i * i)), i


class Draws(Squares):
    def __getitem__(self, i):
        return torch.rand(1).item(), random.random(), get_worker_info().seed


class Local(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


class Fails(Squares):
    def __init__(self, kind, at=2):
        super().__init__(8)
        self.kind, self.at = kind, at

    def __getitem__(self, i):
        if i == self.at:
            if self.kind == "exit":
                os._exit(3)
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "sleep":
                time.sleep(60)
            raise {"key": KeyError("no such key"), "value": ValueError("bad value"), "two": Local(1, 2)}[self.kind]
        return i


class Stream(IterableDataset):
    def __init__(self, n, split=True):
        self.n, self.split = n, split

    def __len__(self):
        return self.n

    def __iter__(self):
        info = get_worker_info()
        if info is None or not self.split:
            return iter(range(self.n))
        return iter(range(info.id, self.n, info.num_workers))


def values(loader):
    return [batch[1].tolist() for batch in loader]


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("size", [1, 20000])  # small batches travel along, large ones in shared memory
def test_batches_come_in_order_and_whole(context, size):
    loader = DataLoader(Squares(10, size), batch_size=3, num_workers=2, multiprocessing_context=context)
    kept = list(loader)
    assert [b[1].tolist() for b in kept] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    for batch, indices in kept:
        assert batch.shape == (len(indices), size) and batch.is_shared() == (size > 1)
        assert batch[:, -1].tolist() == [float(i * i) for i in indices.tolist()]
        batch.zero_()  # writable


def test_structures_and_what_is_no_tensor_travel():
    class Records(Squares):
        def __getitem__(self, i):
            row = torch.arange(12.0).view(3, 4)
            return {"view": row[:, 1], "wide": row.t(), "text": "abc", "none": None, "half": row.bfloat16(), "bool": row > 3,
                    "parameter": nn.Parameter(row), "same": [row, row]}  # fmt: skip

    for batch in DataLoader(Records(2), batch_size=None, num_workers=1):
        assert batch["view"].tolist() == [1.0, 5.0, 9.0] and batch["wide"].stride() == (1, 4) and batch["text"] == "abc"
        assert batch["half"].dtype == torch.bfloat16 and batch["bool"].sum() == 8 and batch["none"] is None
        assert isinstance(batch["parameter"], nn.Parameter) and batch["parameter"].requires_grad
        batch["same"][0].zero_()
        assert batch["same"][1].sum() == 0  # one storage still


def test_a_small_part_of_much_sends_only_itself():
    class Rows(Squares):
        table = torch.arange(1_000_000)

        def __getitem__(self, i):
            return self.table[i : i + 2]

    got = next(iter(DataLoader(Rows(2), batch_size=None, num_workers=1)))
    assert got.tolist() == [0, 1] and got.untyped_storage().nbytes() == 16


def test_what_has_a_graph_is_refused():
    class Graph(Squares):
        def __getitem__(self, i):
            return torch.ones(1, requires_grad=True) * 2

    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor which requires_grad"):
        next(iter(DataLoader(Graph(2), batch_size=None, num_workers=1)))


def draws(module, workers):
    module.manual_seed(5)
    loader = module.utils.data.DataLoader(Draws(4), batch_size=None, num_workers=workers)
    return [tuple(item) for item in loader]


def test_each_worker_has_its_seed():
    got = draws(torch, 2)
    assert got == draws(torch, 2) and len({seed for *_, seed in got}) == 2
    assert got[0][2] + 1 == got[1][2] and got[0][:2] != got[1][:2]


@pytest.mark.torch
def test_base_seed_and_numpys_seed_are_pytorchs():
    import numpy
    import torch as reference
    from torch.utils.data._utils.worker import _generate_state

    class Numpy(reference.utils.data.Dataset):
        def __init__(self, module):
            self.module = module

        def __len__(self):
            return 4

        def __getitem__(self, i):
            info = self.module.utils.data.get_worker_info()
            return info.seed, int(numpy.random.randint(1 << 30)), random.random(), self.module.rand(1).item()

    got = []
    for module in (reference, torch):
        module.manual_seed(3)
        loader = module.utils.data.DataLoader(Numpy(module), batch_size=None, num_workers=2)
        got.append([tuple(item) for item in loader])
    assert got[0] == got[1]
    assert _generate_state(2**40 + 3, 1) == list(numpy.random.SeedSequence([1, 3, 2**8, 0]).generate_state(4))


def test_worker_info_and_init_function(capfd):
    def init(i):
        get_worker_info().dataset.size = 10 + i

    got = [len(x) for x, _ in DataLoader(Squares(4), batch_size=None, num_workers=2, worker_init_fn=init)]
    assert got == [10, 11, 10, 11] and get_worker_info() is None

    class Info(Squares):
        def __getitem__(self, i):
            info = get_worker_info()
            return info.id, info.num_workers, info.seed, torch.get_num_threads()

    info = list(DataLoader(Info(2), batch_size=None, num_workers=2))
    assert [i[0] for i in info] == [0, 1] and info[0][1] == 2 and info[1][2] - info[0][2] == 1 and info[0][3] == 1


@pytest.mark.parametrize(
    "kind, raised, text",
    [
        ("value", ValueError, "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"),
        ("key", KeyError, "Caught KeyError in DataLoader worker process 0.\nOriginal Traceback"),
        ("two", RuntimeError, "Caught Local in DataLoader worker process 0.\nOriginal Traceback"),
    ],
)
def test_errors_arrive_with_their_traceback(kind, raised, text):
    loader = DataLoader(Fails(kind), batch_size=None, num_workers=2)
    iterator = iter(loader)
    assert [next(iterator), next(iterator)] == [0, 1]
    with pytest.raises(raised) as failure:
        next(iterator)
    assert str(failure.value).startswith(text) and "__getitem__" in str(failure.value)
    assert next(iterator) == 3  # the others go on


def test_an_init_function_that_fails():
    def init(i):
        raise OSError("no file")

    with pytest.raises(OSError, match="Caught OSError in DataLoader worker process 0.\nOriginal Traceback"):
        next(iter(DataLoader(Squares(4), num_workers=1, worker_init_fn=init)))


@pytest.mark.parametrize("kind, why", [("exit", "exited unexpectedly with exit code 3"), ("kill", "is killed by signal: Killed. ")])
def test_a_worker_that_dies(kind, why):
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly") as failure:
        list(DataLoader(Fails(kind), batch_size=None, num_workers=2))
    assert why in str(failure.value.__cause__)


def test_timeout():
    iterator = iter(DataLoader(Fails("sleep", 0), batch_size=None, num_workers=1, timeout=0.3))
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.3 seconds"):
        next(iterator)
    assert time.monotonic() - start < 5
    os.kill(iterator._processes[0].pid, signal.SIGKILL)


def test_iterable_data_sets():
    assert sorted(DataLoader(Stream(7), batch_size=None, num_workers=2)) == list(range(7))
    assert [b.tolist() for b in DataLoader(Stream(7), batch_size=2, num_workers=2)] == [[0, 2], [1, 3], [4, 6], [5]]
    loader = DataLoader(Stream(5), batch_size=2, num_workers=2, persistent_workers=True)
    assert [sorted(x for b in loader for x in b.tolist()) for _ in range(3)] == [list(range(5))] * 3
    loader = DataLoader(Stream(2, split=False), batch_size=None, num_workers=2)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="Length of IterableDataset .* was reported to be 2"):
        list(loader)


def test_persistent_workers_stay():
    class Pid(Squares):
        def __getitem__(self, i):
            return os.getpid()

    loader = DataLoader(Pid(4), batch_size=None, num_workers=2, persistent_workers=True)
    first = set(loader)
    for _ in loader:
        break  # a pass that is not finished
    assert set(loader) == first and len(first) == 2
    again = DataLoader(Pid(4), batch_size=None, num_workers=2)
    assert not set(again) & set(again)


def test_shuffled_passes_are_those_of_one_process():
    def passes(**options):
        torch.manual_seed(11)
        loader = DataLoader(TensorDataset(torch.arange(10)), batch_size=4, shuffle=True, **options)
        return [[b[0].tolist() for b in loader] for _ in range(2)] + [torch.rand(1).item()]

    assert passes() == passes(num_workers=2) == passes(num_workers=2, persistent_workers=True)


def test_out_of_order():
    class Uneven(Squares):
        def __getitem__(self, i):
            if i == 0:
                time.sleep(0.5)
            return i

    got = list(DataLoader(Uneven(6), batch_size=None, num_workers=2, in_order=False))
    assert sorted(got) == list(range(6)) and got[0] != 0
    assert list(DataLoader(Uneven(6), batch_size=None, num_workers=2)) == list(range(6))


def test_prefetch_factor_bounds_what_is_asked_for():
    class Counted(Squares):
        seen = mp.Value("i", 0)

        def __getitem__(self, i):
            with self.seen.get_lock():
                self.seen.value += 1
            return i

    iterator = iter(DataLoader(Counted(100), batch_size=None, num_workers=2, prefetch_factor=3))
    next(iterator)
    time.sleep(0.3)
    assert 1 <= Counted.seen.value <= 7


def test_leaving_early_ends_the_workers():
    iterator = iter(DataLoader(Squares(1000, 1000), batch_size=4, num_workers=2))
    next(iterator)
    pids = [p.pid for p in iterator._processes]
    start = time.monotonic()
    del iterator
    assert time.monotonic() - start < 4
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def run(code, **options):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


SLOW = """
    import os, signal, sys, time
    import tallow as torch
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    from tallow.utils.data import DataLoader, Dataset
    class Slow(Dataset):
        def __len__(self): return 100
        def __getitem__(self, i):
            time.sleep(0.05 if i else 0)
            return i
    iterator = iter(DataLoader(Slow(), num_workers=2))
    next(iterator)
    print(*[p.pid for p in iterator._processes], flush=True)
    for _ in iterator: pass
"""


def gone(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if open(f"/proc/{pid}/stat").read().split(")")[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_orphans(end):
    process = run(SLOW)
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    process.send_signal(end)
    process.wait(20)
    assert all(gone(pid, 6) for pid in pids)
    if end == signal.SIGINT:
        assert process.stderr.read().strip().endswith("KeyboardInterrupt")
    process.stdout.close()
    process.stderr.close()


def test_options():
    for options, kind, text in [
        ({"num_workers": 1, "multiprocessing_context": "thread"}, ValueError, "should specify a valid start method in"),
        ({"multiprocessing_context": "fork"}, ValueError, "can only be used with multi-process loading"),
        ({"num_workers": 1, "multiprocessing_context": 3}, TypeError, "should be a valid context object or a string"),
    ]:
        with pytest.raises(kind, match=text):
            DataLoader(Squares(3), **options)
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        assert values(DataLoader(Squares(2), pin_memory=True)) == [[0], [1]]
    with pytest.warns(UserWarning, match="This DataLoader will create 10000 worker processes in total. Our suggested max number"):
        DataLoader(Squares(3), num_workers=10000)


def test_parts_of_tensor_data_sets_are_gathered():
    data = TensorDataset(torch.arange(20.0).view(10, 2), torch.arange(10))
    part = Subset(Subset(data, [9, 8, 7, 1, 0]), [4, 0, 2])
    for options in ({}, {"num_workers": 1}):
        batches = list(DataLoader(part, batch_size=2, **options))
        assert [b[1].tolist() for b in batches] == [[0, 9], [7]] and batches[0][0].tolist() == [[0.0, 1.0], [18.0, 19.0]]
    torch.manual_seed(0)
    first, _ = random_split(data, [6, 4])
    fast = [b[1].tolist() for b in DataLoader(first, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(1))]
    slow = DataLoader(first, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(1), collate_fn=lambda b: [i.item() for _, i in b])
    assert fast == list(slow)


# --- tensors between processes ---------------------------------------------------------------------------------------------------------


def fill(tensor, value):
    tensor.fill_(value)


def echo(incoming, outgoing):
    t = incoming.get()
    t.add_(1)
    outgoing.put((t, t[1:], t.clone()))
    incoming.get()


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_shared_memory_is_seen_by_both(context):
    t = torch.zeros(3).share_memory_()
    assert t.is_shared() and t.untyped_storage().is_shared() and not torch.zeros(1).is_shared()
    view = t[1:]
    process = mp.get_context(context).Process(target=fill, args=(t, 7.0))
    process.start()
    process.join()
    assert process.exitcode == 0 and t.tolist() == [7.0] * 3 and view.tolist() == [7.0] * 2


def test_queues_send_memory():
    context = mp.get_context("spawn")
    incoming, outgoing = context.Queue(), context.Queue()
    process = context.Process(target=echo, args=(incoming, outgoing))
    process.start()
    t = torch.arange(4.0)
    incoming.put(t)
    back, part, copied = outgoing.get()
    incoming.put(None)
    assert t.tolist() == [1.0, 2.0, 3.0, 4.0] and t.is_shared()
    back.zero_()
    assert t.tolist() == [0.0] * 4 and part.tolist() == [0.0] * 3 and copied.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert back.data_ptr() == t.data_ptr()  # the same storage came back
    process.join()


def test_modules_are_shared():
    model = nn.Linear(2, 1)
    model.share_memory()
    assert all(p.is_shared() for p in model.parameters())
    process = mp.get_context("fork").Process(target=fill, args=(model.weight.data, 3.0))
    process.start()
    process.join()
    assert model.weight.tolist() == [[3.0, 3.0]]
    assert torch.equal(pickle.loads(pickle.dumps(model.weight)), model.weight)


def fails(i, text):
    if i == 1:
        raise ValueError(text)


def exits(i):
    if i == 1:
        os._exit(4)


def test_spawn():
    mp.spawn(fails, ("unused",), nprocs=1)
    with pytest.raises(mp.ProcessRaisedException, match="-- Process 1 terminated with the following error:\nTraceback") as failure:
        mp.start_processes(fails, ("what went wrong",), nprocs=2, start_method="fork")
    assert "ValueError: what went wrong" in str(failure.value)
    with pytest.raises(mp.ProcessExitedException, match="process 1 terminated with exit code 4"):
        mp.start_processes(exits, nprocs=2, start_method="fork")


def test_sharing_strategies():
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    with pytest.raises(AssertionError, match="invalid sharing strategy 'pigeon'"):
        mp.set_sharing_strategy("pigeon")
    assert torch.zeros(0).share_memory_().is_shared()
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.zeros(1).share_memory_().resize_(100)


def test_storages_of_files_are_checked():
    storage = torch.zeros(4).share_memory_().untyped_storage()
    fd, size = storage._share_fd_cpu_()
    assert size == 16 and storage._share_fd_cpu_()[0] == fd
    with pytest.raises(RuntimeError, match="needs a file of that size"):
        torch.UntypedStorage._new_shared_fd_cpu(fd, 17)
    with pytest.raises(RuntimeError, match="outside a storage of 16 bytes"):
        storage._part(8, 9)
    other = torch.UntypedStorage._new_shared_fd_cpu(os.dup(fd), 16)
    storage.fill_(3)
    assert other.tolist() == [3] * 16 and storage._part(8, 8).tolist() == [3] * 8


def square(t):
    return t * t


def test_pools():
    with mp.get_context("fork").Pool(2) as pool:
        assert [t.tolist() for t in pool.map(square, [torch.arange(3.0), torch.ones(2, 2)])] == [[0.0, 1.0, 4.0], [[1.0, 1.0], [1.0, 1.0]]]


def test_counts_stay_right_while_threads_work_without_the_lock():
    """References are counted without atomics unless somebody works without Python's lock: here two threads do, a third makes views."""
    import gc
    import threading

    shared = torch.ones(300, 300)
    stop = threading.Event()
    wrong = []

    def multiply():
        for _ in range(150):
            if (shared * 1.0).sum().item() != 90000:
                wrong.append("product")

    def look():
        while not stop.is_set():
            views = [shared[i] for i in range(50)]
            if views[7].sum().item() != 300 or views[7]._base is not shared:
                wrong.append("view")

    workers = [threading.Thread(target=multiply) for _ in range(2)]
    looker = threading.Thread(target=look)
    for t in (*workers, looker):
        t.start()
    for t in workers:
        t.join()
    stop.set()
    looker.join()
    assert not wrong and shared.sum().item() == 90000
    gc.collect()
