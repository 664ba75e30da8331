"""The default generator: torch.random, manual_seed() and its like."""

import contextlib

import tallow
from tallow import _C
from tallow._runtime import thread_safe_generator as thread_safe_generator

default_generator = _C.default_generator


def manual_seed(seed):
    """Seeds the default generator and returns it."""
    return default_generator.manual_seed(int(seed))


def seed():
    """Seeds the default generator from the system's entropy; returns the seed."""
    return default_generator.seed()


def initial_seed():
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state():
    """The state of the default generator: a tensor of bytes."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Takes back what get_rng_state() gave."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, _caller="fork_rng", _devices_kw="devices", device_type="cuda"):
    """Gives the default generator its state back at the end."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def _draw_seed(generator=None):
    """What `torch.empty((), dtype=torch.int64).random_(generator=generator).item()` draws: 63 random bits."""
    t = tallow.empty((), dtype=tallow.int64)
    if hasattr(t, "random_"):
        return int(t.random_(generator=generator).item())
    # One draw of 64 bits in the range [-2**63, 2**63 - 1): the low 63 are the same.
    return int(tallow.randint(-(2**63), 2**63 - 1, (), generator=generator).item()) & (2**63 - 1)
