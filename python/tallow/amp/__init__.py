"""torch.amp: mixed precision."""

from tallow.amp.autocast_mode import (
    autocast as autocast,
    custom_bwd as custom_bwd,
    custom_fwd as custom_fwd,
    is_autocast_available as is_autocast_available,
)
from tallow.amp.grad_scaler import GradScaler as GradScaler
