"""Small classes and functions of torch itself: streams of a device that has none, and symbolic numbers, which are plain ones here."""

import math
import time


class OutOfMemoryError(RuntimeError):
    """A device is out of memory. (The CPU's allocator raises RuntimeError, as in PyTorch.)"""


class Stream:
    """The order of work on a device: on the CPU, the program's."""

    def __init__(self, device="cpu", *, priority=0):
        import tallow

        self.device = tallow.device(device)
        if self.device.type != "cpu":
            raise AssertionError(f"Torch not compiled with {self.device.type.upper()} enabled")
        self.device_index, self.stream_id = -1, 0

    def query(self):
        """True: everything is done."""
        return True

    def synchronize(self):
        """Nothing to wait for."""

    def record_event(self, event=None):
        """An event that has happened."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event):
        """Nothing to wait for."""

    def wait_stream(self, stream):
        """Nothing to wait for."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False

    def __eq__(self, other):
        return isinstance(other, Stream) and self.device == other.device

    __hash__ = object.__hash__

    def __repr__(self):
        return "torch.Stream device_type=cpu, device_index=-1, stream_id=0"


class Event:
    """A moment in a stream."""

    def __init__(self, device="cpu", *, enable_timing=False, blocking=False, interprocess=False):
        self._at = None

    def record(self, stream=None):
        """The moment is now."""
        self._at = time.perf_counter()

    def query(self):
        """True: it has happened."""
        return True

    def synchronize(self):
        """Nothing to wait for."""

    def wait(self, stream=None):
        """Nothing to wait for."""

    def elapsed_time(self, end_event):
        """Milliseconds to another event."""
        if self._at is None or end_event._at is None:
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        return (end_event._at - self._at) * 1000


def sym_int(a):
    """The number cut off to a whole one."""
    return math.trunc(a)


def sym_float(a):
    """The number as a float."""
    return float(a)


def sym_not(a):
    """not a."""
    return not a


def sym_max(a, b):
    """The larger number; a float if either is."""
    return float(max(a, b)) if isinstance(a, float) or isinstance(b, float) else max(a, b)


def sym_min(a, b):
    """The smaller number; a float if either is."""
    return float(min(a, b)) if isinstance(a, float) or isinstance(b, float) else min(a, b)


def sym_sum(args):
    """The sum."""
    return sum(args)


def sym_ite(b, t, f):
    """t if b else f."""
    return t if b else f


def thread_safe_generator():
    """None: DataLoader's workers are processes, each with a generator of its own."""
    return None
