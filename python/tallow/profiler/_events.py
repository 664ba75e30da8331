"""Events of a profile, and tables of them."""

import functools
import json
import time

from tallow import _C
from tallow.optim import optimizer

_annotations = None  # (name, start, end) of record_function, while a profile runs


def start():
    """Begins to note events."""
    global _annotations
    _C._profiled()
    _annotations = []
    optimizer.record = record_function
    _C._set_profiling(True)


def stop():
    """Ends it; the EventList."""
    global _annotations
    _C._set_profiling(False)
    optimizer.record = None
    noted, _annotations = _C._profiled() + (_annotations or []), None
    return EventList(_nested(noted))


class record_function:
    """Names what happens in a context, or in a decorated function."""

    def __init__(self, name, args=None):
        self.name = name

    def __enter__(self):
        self._start = time.monotonic_ns()
        return self

    def __exit__(self, *exc):
        if _annotations is not None:
            _annotations.append((self.name, self._start, time.monotonic_ns()))
        return False

    def __call__(self, function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapper


class FunctionEvent:
    """A call, or with count > 1 all calls of one name. Times are in microseconds."""

    def __init__(self, name, start, end):
        self.name = self.key = name
        self.start, self.end = start, end
        self.count = 1
        self.cpu_time_total = self.self_cpu_time_total = (end - start) / 1000
        self.cpu_children = []

    @property
    def cpu_time(self):
        """The mean time of a call."""
        return self.cpu_time_total / self.count

    def __repr__(self):
        return (
            f"<FunctionEvent name={self.name} cpu_time={_time(self.cpu_time)} self_cpu_time={_time(self.self_cpu_time_total)} "
            f"count={self.count}>"
        )


def _nested(noted):
    """FunctionEvents with what ran inside them."""
    events, open_ = [], []
    for name, begin, end in sorted(noted, key=lambda e: (e[1], -e[2])):
        event = FunctionEvent(name, begin, end)
        while open_ and open_[-1].end < end:
            open_.pop()
        if open_:
            open_[-1].cpu_children.append(event)
            open_[-1].self_cpu_time_total -= event.cpu_time_total
        open_.append(event)
        events.append(event)
    return events


def _time(microseconds):
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    return f"{microseconds / 1e3:.3f}ms" if microseconds >= 1e3 else f"{microseconds:.3f}us"


class EventList(list):
    """Events, in the order in which they began."""

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """One event for all calls of a name."""
        merged = {}
        for event in self:
            one = merged.get(event.key)
            if one is None:
                one = merged[event.key] = FunctionEvent(event.key, event.start, event.end)
                one.count, one.cpu_time_total, one.self_cpu_time_total = 0, 0.0, 0.0
            one.count += event.count
            one.cpu_time_total += event.cpu_time_total
            one.self_cpu_time_total += event.self_cpu_time_total
        return EventList(merged.values())

    def total_average(self):
        """One event for everything."""
        total = FunctionEvent("Total", 0, 0)
        total.count = sum(e.count for e in self)
        total.cpu_time_total = sum(e.cpu_time_total for e in self)
        total.self_cpu_time_total = self.self_cpu_time_total
        return total

    @property
    def self_cpu_time_total(self):
        """The time of all events, each counted once."""
        return sum(e.self_cpu_time_total for e in self)

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55, max_shapes_column_width=80,
              header=None, top_level_events_only=False, time_unit=None):  # fmt: skip
        """A table, sorted by an attribute such as "cpu_time_total"."""
        events = list(self)
        if sort_by is not None:
            events.sort(key=lambda e: getattr(e, sort_by), reverse=True)
        total = self.self_cpu_time_total
        share = lambda t: f"{t / total * 100 if total else 0:.2f}%"  # noqa: E731
        heads = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        rows = [
            [e.key if len(e.key) <= max_name_column_width else e.key[: max_name_column_width - 3] + "...",
             share(e.self_cpu_time_total), _time(e.self_cpu_time_total), share(e.cpu_time_total), _time(e.cpu_time_total),
             _time(e.cpu_time), str(e.count)]
            for e in events[: row_limit if row_limit >= 0 else None]
        ]  # fmt: skip
        name = max([len(row[0]) for row in rows], default=0) + 4
        widths = [max(name, 8), *[12] * 6]
        rule = "  ".join("-" * width for width in widths) + "  "
        lines = [rule, *([header] if header else []), _row(heads, widths), rule, *(_row(row, widths) for row in rows), rule]
        return "\n".join(lines) + f"\nSelf CPU time total: {_time(total)}\n"

    def __str__(self):
        return self.table()

    def export_chrome_trace(self, path):
        """Writes a file for chrome://tracing."""
        trace = [
            {"name": e.name, "ph": "X", "ts": e.start / 1000, "dur": (e.end - e.start) / 1000, "tid": 0, "pid": "CPU functions",
             "args": {}}
            for e in self
        ]  # fmt: skip
        with open(path, "w") as file:
            json.dump({"traceEvents": trace}, file)


def _row(cells, widths):
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths)) + "  "
