"""torch.multiprocessing: the standard library's multiprocessing, with tensors that are sent as shared memory."""

import multiprocessing

from multiprocessing import *  # noqa: F403

from tallow.multiprocessing.reductions import init_reductions
from tallow.multiprocessing.spawn import (
    ProcessContext as ProcessContext,
    ProcessExitedException as ProcessExitedException,
    ProcessRaisedException as ProcessRaisedException,
    SpawnContext as SpawnContext,
    spawn as spawn,
    start_processes as start_processes,
)

__all__ = ["set_sharing_strategy", "get_sharing_strategy", "get_all_sharing_strategies", *multiprocessing.__all__]

_sharing_strategy = "file_descriptor"
_all_sharing_strategies = {"file_descriptor", "file_system"}


def set_sharing_strategy(new_strategy):
    """Tensors always travel as file descriptors; the name is kept."""
    global _sharing_strategy
    if new_strategy not in _all_sharing_strategies:
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}, expected one of {_all_sharing_strategies}")
    _sharing_strategy = new_strategy


def get_sharing_strategy():
    """The name that was set."""
    return _sharing_strategy


def get_all_sharing_strategies():
    """The names that may be set."""
    return _all_sharing_strategies


init_reductions()
