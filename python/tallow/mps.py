"""torch.mps without an Apple GPU."""


def is_available():
    """False."""
    return False
