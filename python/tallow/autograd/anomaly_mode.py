"""Anomaly mode: an error in the backward pass shows where the forward call was made."""

import warnings

from tallow import _C


class set_detect_anomaly:
    """Sets the mode at once; as a context manager until its end."""

    def __init__(self, mode, check_nan=True):
        self.prev = _C.is_anomaly_enabled()
        self.prev_check_nan = _C.is_anomaly_check_nan_enabled()
        _C._set_anomaly(mode, check_nan)

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        _C._set_anomaly(self.prev, self.prev_check_nan)


class detect_anomaly:
    """Anomaly mode inside a block."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self):
        self._set = set_detect_anomaly(True, self.check_nan)

    def __exit__(self, *exc):
        self._set.__exit__()
