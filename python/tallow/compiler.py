"""torch.compiler: nothing is compiled, and programs run as they are written."""

from tallow._absent import getters as _getters

__getattr__, __dir__ = _getters(__name__)


def compile(*args, **kwargs):
    """torch.compile: the function itself."""
    import tallow

    return tallow.compile(*args, **kwargs)


def disable(fn=None, recursive=True, *, reason=None):
    """The function itself; or a decorator that gives it back."""
    return _itself if fn is None else fn


def _itself(fn):
    return fn


def allow_in_graph(fn):
    """The function itself."""
    return fn


def is_compiling():
    """False."""
    return False


def is_dynamo_compiling():
    """False."""
    return False


def is_exporting():
    """False."""
    return False


def reset():
    """Nothing to reset."""


def cudagraph_mark_step_begin():
    """Nothing to mark."""


def list_backends(exclude_tags=("debug", "experimental")):
    """No backends."""
    return []


class set_stance:
    """A context, and a decorator, in which nothing happens."""

    def __init__(self, stance="default", *, skip_guard_eval_unsafe=False, force_backend=None):
        self.stance = stance

    def __call__(self, fn):
        return fn

    def __enter__(self):
        return None

    def __exit__(self, *exc):
        return False
