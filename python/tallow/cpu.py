"""torch.cpu: the one device."""


def is_available():
    """True."""
    return True


def device_count():
    """1."""
    return 1


def current_device():
    """The CPU."""
    return "cpu"


def synchronize(device=None):
    """Nothing to wait for."""
