"""How multiprocessing's pickles hold tensors: by the file descriptor of shared memory."""

import os
from multiprocessing import reduction

import tallow
from tallow import Tensor, nn
from tallow.storage import NAME_OF_DTYPE, TypedStorage, UntypedStorage

def check_sendable(tensor):
    """Refuses what would lose its graph on the way."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing process "
            "boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing (e.g., putting it "
            "on the queue)."
        )


def _rebuild_storage(fd, size):
    fd = fd.detach()
    try:
        return UntypedStorage._new_shared_fd_cpu(fd, size)
    except BaseException:
        os.close(fd)
        raise


def _rebuild_empty_storage():
    return UntypedStorage(0)


def reduce_storage(storage):
    """An UntypedStorage, moved to shared memory."""
    if storage.nbytes() == 0:
        return _rebuild_empty_storage, ()
    fd, size = storage._share_fd_cpu_()
    return _rebuild_storage, (reduction.DupFd(fd), size)


def _rebuild_typed_storage(storage, dtype):
    return TypedStorage(wrap_storage=storage, dtype=dtype)


def reduce_typed_storage(storage):
    """A TypedStorage: its UntypedStorage and the dtype."""
    return _rebuild_typed_storage, (storage.untyped(), storage.dtype)


def rebuild_tensor(storage, dtype, offset, size, stride, requires_grad, conj, neg):
    """A tensor over a storage that came along."""
    t = tallow.empty(0, dtype=dtype)
    t.set_(storage, offset, size, stride)
    t = t.conj() if conj else t
    t = t._neg_view() if neg else t
    return t.requires_grad_() if requires_grad else t


def tensor_parts(tensor):
    """What rebuild_tensor takes, but the storage."""
    return (tensor.dtype, tensor.storage_offset(), tuple(tensor.size()), tensor.stride(), tensor.requires_grad, tensor.is_conj(),
            tensor.is_neg())  # fmt: skip


def reduce_tensor(tensor):
    """A tensor: its storage and how it lies in it."""
    check_sendable(tensor)
    if tensor.is_meta or tensor.device.type != "cpu":
        return tensor.__reduce_ex__(2)
    return rebuild_tensor, (tensor.untyped_storage(), *tensor_parts(tensor))


def _rebuild_parameter(data, requires_grad):
    return nn.Parameter(data, requires_grad)


def reduce_parameter(parameter):
    """A parameter: its data."""
    return _rebuild_parameter, (parameter.data, parameter.requires_grad)


def init_reductions():
    """Tells multiprocessing; what torch.multiprocessing, DataLoader and share_memory_() do on import or first use."""
    register = reduction.ForkingPickler.register
    register(UntypedStorage, reduce_storage)
    register(TypedStorage, reduce_typed_storage)
    for name in NAME_OF_DTYPE.values():
        register(getattr(tallow.storage, name), reduce_typed_storage)
    register(Tensor, reduce_tensor)
    register(nn.Parameter, reduce_parameter)
