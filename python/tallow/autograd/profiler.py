"""torch.autograd.profiler: the older names of torch.profiler."""

from tallow.profiler import profile as _profile
from tallow.profiler._events import EventList as EventList, FunctionEvent as FunctionEvent, record_function as record_function


class profile(_profile):
    """Notes the operators that run in the context, if enabled."""

    def __init__(self, enabled=True, *, use_cuda=False, use_device=None, record_shapes=False, with_flops=False, profile_memory=False,
                 with_stack=False, with_modules=False, use_kineto=False, use_cpu=True, experimental_config=None,
                 acc_events=False, custom_trace_id_callback=None):  # fmt: skip
        super().__init__()
        self.enabled = enabled

    def start(self):
        """Begins, as the context does."""
        if self.enabled:
            super().start()

    def table(self, sort_by=None, row_limit=100, **options):
        """The table of all events."""
        return self.events().table(sort_by, row_limit, **options)

    def total_average(self):
        """One event for everything."""
        return self.events().total_average()

    @property
    def self_cpu_time_total(self):
        """The time of all events, each counted once."""
        return self.events().self_cpu_time_total
