"""Copying and pickling of tensors."""

import copy
import copyreg
from collections import OrderedDict

import tallow
from tallow import Tensor, _utils
from tallow.utils.hooks import warn_if_has_hooks


def deepcopy(self, memo):
    """copy.deepcopy: tensors that share a storage share the copy's."""
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
            "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
            "see https://github.com/pytorch/pytorch/pull/103001"
        )
    if self.is_sparse:
        new = self.detach().clone()
    elif self.is_meta:
        new = tallow.empty_strided(self.size(), self.stride(), dtype=self.dtype, device=self.device)
    else:
        storage = self.untyped_storage()
        key = ("tallow storage", storage.data_ptr() or id(self))
        if key not in memo:
            memo[key] = storage.clone()
        new = memo[key]._tensor(self.dtype, self.storage_offset(), self.size(), self.stride())
        if self.is_conj():
            new = new.conj()
        if self.is_neg():
            new = new._neg_view()
    if type(self) is not Tensor:
        if type(self).__new__ is not Tensor.__new__ or hasattr(type(self), "__torch_function__"):
            new = Tensor._make_subclass(type(self), new, False)
    if self.requires_grad:
        new.requires_grad_()
    memo[id(self)] = new
    if self.grad is not None:
        new.grad = copy.deepcopy(self.grad, memo)
    if type(self) is not Tensor:
        for name in copyreg._slotnames(type(self)):
            if hasattr(self, name):
                setattr(new, name, copy.deepcopy(getattr(self, name), memo))
    if self.__dict__:
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return new


def reduce(self):
    """__reduce_ex__: (rebuild function, arguments), as PyTorch writes them."""
    state = _utils._get_obj_state(self)
    if type(self) is Tensor and not state:
        return _reduce(self)
    function, args = _reduce(self)
    return _rebuild_from_type_v2, (function, type(self), args, state)


def _reduce(self):
    warn_if_has_hooks(self)
    if self.is_meta:
        args = (self.dtype, tuple(self.size()), self.stride(), self.requires_grad)
        return _utils._rebuild_meta_tensor_no_storage, args
    if self.is_sparse:
        parts = (self._indices(), self._values(), tuple(self.size()), self.is_coalesced())
        return _utils._rebuild_sparse_tensor, (self.layout, parts)
    dtype = self.dtype
    if dtype in _utils.UNTYPED:  # dtypes younger than typed storages
        storage = self.untyped_storage()
        args = (storage, self.storage_offset(), tuple(self.size()), self.stride(), self.requires_grad, OrderedDict(), dtype)
        return _utils._rebuild_tensor_v3, args
    storage = tallow.storage.TypedStorage(wrap_storage=self.untyped_storage(), dtype=dtype, _internal=True)
    args = (storage, self.storage_offset(), tuple(self.size()), self.stride(), self.requires_grad, OrderedDict())
    flags = {name: True for name in ("conj", "neg") if getattr(self, "is_" + name)()}
    return _utils._rebuild_tensor_v2, (*args, flags) if flags else args


def set_state(self, state):
    """__setstate__: attributes; or, in very old files, the tensor itself."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        _utils._set_obj_state(self, state)
        return
    if len(state) == 4:
        self.set_(*state)
    else:
        self.set_(state[0], *state[1:4])
        self.requires_grad = state[4]


def _rebuild_from_type_v2(function, new_type, args, state):
    result = function(*args)
    if type(result) is not new_type:
        result = result.as_subclass(new_type)
    if getattr(type(result), "__setstate__", Tensor.__setstate__) is not Tensor.__setstate__:
        result.__setstate__(state)
    else:
        _utils._set_obj_state(result, state)
    return result


_rebuild_from_type_v2.__module__ = "tallow._tensor"
