"""torch.distributed as in a process that no process group was made in: one process of one. Communication is not implemented."""

from tallow._absent import getters as _getters

__getattr__, __dir__ = _getters(__name__)


class group:
    """Where the default group would be."""

    WORLD = None


class GroupMember:
    """Where the default group would be."""

    WORLD = None
    NON_GROUP_MEMBER = -100


class ReduceOp:
    """Names of reductions."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = "SUM AVG PRODUCT MIN MAX BAND BOR BXOR PREMUL_SUM".split()


reduce_op = ReduceOp


def _false():
    """False."""
    return False


is_available = is_initialized = is_mpi_available = is_nccl_available = is_gloo_available = is_ucc_available = _false
is_xccl_available = is_torchelastic_launched = _false


def is_backend_available(backend):
    """False."""
    return False


def _refuse_without_group():
    raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_rank(group=None):
    """Refuses: there is no process group."""
    _refuse_without_group()


def get_world_size(group=None):
    """Refuses: there is no process group."""
    _refuse_without_group()
