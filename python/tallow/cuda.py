"""torch.cuda without a GPU."""


def is_available():
    """False: there is no GPU."""
    return False


def device_count():
    """0."""
    return 0


def is_initialized():
    """False."""
    return False


def manual_seed(seed):
    """Nothing to seed."""


def manual_seed_all(seed):
    """Nothing to seed."""


def empty_cache():
    """Nothing to empty."""


def is_bf16_supported(including_emulation=True):
    """False."""
    return False


def _refuse(*args, **kwargs):
    raise AssertionError("Torch not compiled with CUDA enabled")


init = current_device = set_device = synchronize = get_device_name = get_device_properties = get_device_capability = _refuse
memory_allocated = max_memory_allocated = memory_reserved = lambda device=None: 0
