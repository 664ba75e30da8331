"""Samples to batches."""

import collections.abc
import copy

import tallow
from tallow import Tensor


def default_convert(data):
    """NumPy arrays inside data become tensors; everything else stays."""
    if isinstance(data, Tensor):
        return data
    if type(data).__module__ == "numpy":
        if type(data).__name__ == "ndarray" and data.dtype.kind in "SUO":
            return data
        return tallow.as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        try:
            return type(data)({key: default_convert(value) for key, value in data.items()})
        except TypeError:
            return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        try:
            return type(data)([default_convert(d) for d in data])
        except TypeError:
            return [default_convert(d) for d in data]
    return data


_ERROR = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def _collate_mapping(batch, first, collate_fn_map):
    merged = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in first}
    try:
        if isinstance(first, collections.abc.MutableMapping):
            clone = copy.copy(first)
            clone.update(merged)
            return clone
        return type(first)(merged)
    except TypeError:
        return merged


def _collate_sequence(batch, first, collate_fn_map):
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(collate(samples, collate_fn_map=collate_fn_map) for samples in zip(*batch)))
    if not all(len(sample) == len(first) for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = list(zip(*batch))
    merged = [collate(samples, collate_fn_map=collate_fn_map) for samples in columns]
    if isinstance(first, tuple):
        return merged
    try:
        if isinstance(first, collections.abc.MutableSequence):
            clone = copy.copy(first)
            for i, value in enumerate(merged):
                clone[i] = value
            return clone
        return type(first)(merged)
    except TypeError:
        return merged


def _collate_numpy(batch, first):
    if type(first).__name__ in ("ndarray", "memmap"):
        if first.dtype.kind in "SUO":
            raise TypeError(_ERROR.format(first.dtype))
        return tallow.stack([tallow.as_tensor(b) for b in batch], 0)
    return tallow.as_tensor(batch)


def collate(batch, *, collate_fn_map=None):
    """Like default_collate, with functions for further types."""
    first = batch[0]
    kind = type(first)
    for known, function in (collate_fn_map or {}).items():
        if issubclass(kind, known):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Tensor):
        return tallow.stack(batch, 0)
    if kind.__module__ == "numpy" and kind.__name__ not in ("str_", "bytes_"):
        return _collate_numpy(batch, first)
    if isinstance(first, float):
        return tallow.tensor(batch, dtype=tallow.float64)
    if isinstance(first, int):
        return tallow.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, collections.abc.Mapping):
        return _collate_mapping(batch, first, collate_fn_map)
    if isinstance(first, collections.abc.Sequence):
        return _collate_sequence(batch, first, collate_fn_map)
    raise TypeError(_ERROR.format(kind))


def default_collate(batch):
    """Stacks samples: tensors and numbers into tensors, structures item by item."""
    return collate(batch)
