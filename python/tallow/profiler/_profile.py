"""profile(): a context that notes events, by a schedule of steps if there is one."""

import os
import socket
import time
from enum import Enum

from tallow.profiler import _events


class ProfilerActivity(Enum):
    """What may be measured; here only the CPU is."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What to do in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities():
    """The CPU."""
    return {ProfilerActivity.CPU}


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """A function from steps to actions: skip_first steps, then cycles of wait, warmup and active ones."""
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), active={active} (need > 0), "
            f"repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )

    def action(step):
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat > 0 and step / cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """A handler that writes each trace to a file in a folder."""

    def handler(prof):
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json"))

    return handler


class profile:
    """Notes the operators that run in the context; key_averages().table() prints them."""

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False, profile_memory=False,
                 with_stack=False, with_flops=False, with_modules=False, experimental_config=None,
                 execution_trace_observer=None, acc_events=False, use_cuda=None, custom_trace_id_callback=None,
                 post_processing_timeout_s=None):  # fmt: skip
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self._events = None
        self._running = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """Begins, as the context does."""
        self._act(None, self.schedule(self.step_num))

    def stop(self):
        """Ends, as the context does."""
        if self._running:
            self._finish()

    def step(self):
        """Another step of the schedule begins."""
        before = self.schedule(self.step_num)
        self.step_num += 1
        self._act(before, self.schedule(self.step_num))

    def _act(self, before, now):
        if before is ProfilerAction.RECORD_AND_SAVE and self._running:
            self._finish()
        if now in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE) and not self._running:
            _events.start()
            self._running = True

    def _finish(self):
        self._events, self._running = _events.stop(), False
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def events(self):
        """The events of the last recording."""
        if self._events is None:
            raise AssertionError("Expected profiling results")
        return self._events

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """One event for all calls of a name."""
        return self.events().key_averages()

    def export_chrome_trace(self, path):
        """Writes a file for chrome://tracing."""
        self.events().export_chrome_trace(path)
