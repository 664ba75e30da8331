"""torch.profiler: how often operators run, and how long."""

from tallow._absent import getters as _getters
from tallow.profiler._events import record_function as record_function
from tallow.profiler._profile import (
    ProfilerAction as ProfilerAction,
    ProfilerActivity as ProfilerActivity,
    profile as profile,
    schedule as schedule,
    supported_activities as supported_activities,
    tensorboard_trace_handler as tensorboard_trace_handler,
)

__getattr__, __dir__ = _getters(__name__)


def kineto_available():
    """False: tallow measures by itself."""
    return False
