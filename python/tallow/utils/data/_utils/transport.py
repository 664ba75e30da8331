"""Batches from a worker process: a pickle, and the tensors' bytes in a file of memory whose descriptor travels with it. Small batches carry
their bytes along. A file belongs to whoever holds its descriptor, so nothing is left behind when a process is killed."""

import io
import os
import pickle
import struct
from multiprocessing import reduction

from tallow import Tensor
from tallow.multiprocessing.reductions import check_sendable, rebuild_tensor, tensor_parts
from tallow.storage import UntypedStorage

SMALL = 1 << 15
_ALIGNMENT = 64
_HEAD = struct.Struct("<QQ")  # bytes of the pickle, bytes of the segment
_arriving = None  # the storages of the batch that is being read


def _rebuild(k, *parts):
    return rebuild_tensor(_arriving[k], *parts)


class _Pickler(reduction.ForkingPickler):
    def __init__(self, file):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.places = {}  # address → (number, storage)

    def reducer_override(self, thing):
        if type(thing) is not Tensor or thing.device.type != "cpu":
            return NotImplemented
        check_sendable(thing)
        storage = thing.untyped_storage()
        if storage.nbytes() > 2 * thing.numel() * thing.element_size():  # a small part of much: only that
            thing = thing.detach().clone().requires_grad_(thing.requires_grad)
            storage = thing.untyped_storage()
        k, _ = self.places.setdefault(storage.data_ptr() or id(storage), (len(self.places), storage))
        return _rebuild, (k, *tensor_parts(thing))


def send(connection, thing):
    """Sends thing over a connection between processes of one machine."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(thing)
    storages = [storage for _, storage in pickler.places.values()]
    offsets, size = [], 0
    for storage in storages:
        offsets.append((size, storage.nbytes()))
        size += -(-storage.nbytes() // _ALIGNMENT) * _ALIGNMENT
    small = size <= SMALL or not hasattr(os, "memfd_create")
    places = pickle.dumps([bytes(storage) for storage in storages] if small else offsets)
    message = b"".join([_HEAD.pack(len(places), 0 if small else size), places, file.getvalue()])
    if small:
        connection.send_bytes(message)
        return
    fd = os.memfd_create("tallow-batch", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, size)
        for (offset, _), storage in zip(offsets, storages):
            _write(fd, storage, offset)
        connection.send_bytes(message)
        reduction.send_handle(connection, fd, None)
    finally:
        os.close(fd)


def _write(fd, storage, offset):
    view = memoryview(storage)
    while view.nbytes:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def receive(connection):
    """What send() sent; EOFError when the other side is gone."""
    global _arriving
    message = memoryview(connection.recv_bytes())
    length, size = _HEAD.unpack_from(message)
    places = pickle.loads(message[_HEAD.size : _HEAD.size + length])
    if size:
        fd = reduction.recv_handle(connection)
        try:
            whole = UntypedStorage._new_shared_fd_cpu(fd, size, False)
        except BaseException:
            os.close(fd)
            raise
        _arriving = [whole._part(offset, nbytes) for offset, nbytes in places]
    else:
        _arriving = [UntypedStorage(data) for data in places]
    try:
        return pickle.loads(message[_HEAD.size + length :])
    finally:
        _arriving = None
