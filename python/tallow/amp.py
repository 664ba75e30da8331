"""torch.amp: nothing is cast automatically."""


class autocast:
    """Accepted when disabled."""

    def __init__(self, device_type="cpu", dtype=None, enabled=True, cache_enabled=None):
        if enabled:
            raise NotImplementedError("torch.amp.autocast")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False

    def __call__(self, function):
        return function
