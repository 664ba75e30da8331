"""torch.cuda.amp: the older names of torch.amp, for a GPU that is not there."""

import functools
import warnings

from tallow import amp
from tallow.amp import custom_bwd as _custom_bwd, custom_fwd as _custom_fwd


def _deprecated(name, instead):
    warnings.warn(f"`torch.cuda.amp.{name}(args...)` is deprecated. Please use `{instead}` instead.", FutureWarning, stacklevel=3)


class autocast(amp.autocast):
    """amp.autocast of the device "cuda"."""

    def __init__(self, enabled=True, dtype=None, cache_enabled=True):
        _deprecated("autocast", "torch.amp.autocast('cuda', args...)")
        from tallow import float16

        super().__init__("cuda", enabled=enabled, dtype=dtype or float16, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """amp.GradScaler of the device "cuda"."""

    def __init__(self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        _deprecated("GradScaler", "torch.amp.GradScaler('cuda', args...)")
        super().__init__("cuda", init_scale=init_scale, growth_factor=growth_factor, backoff_factor=backoff_factor,
                         growth_interval=growth_interval, enabled=enabled)  # fmt: skip


custom_fwd = functools.partial(_custom_fwd, device_type="cuda")
custom_bwd = functools.partial(_custom_bwd, device_type="cuda")
