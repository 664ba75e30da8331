"""torch.xpu without an Intel GPU."""


def is_available():
    """False."""
    return False
