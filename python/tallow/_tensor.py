"""Tensor: what the extension's type does not do. No arithmetic here: operators are slots of TensorBase."""

import math
import warnings

from tallow import _C

_TensorBase = _C.TensorBase
_run_backward = _C._run_backward


def _torch():
    import tallow

    return tallow


class Tensor(_TensorBase):
    """An n-dimensional array of one dtype, with gradients."""

    __module__ = "tallow"
    __hash__ = _TensorBase.__hash__

    def __deepcopy__(self, memo):
        from tallow._copy import deepcopy

        return deepcopy(self, memo)

    def __reduce_ex__(self, proto):
        from tallow._copy import reduce

        return reduce(self)

    def __setstate__(self, state):
        from tallow._copy import set_state

        set_state(self, state)

    def __format__(self, spec):
        if self.dim() == 0 and not self.is_meta and issubclass(type(self), Tensor):
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __dir__(self):
        names = dir(type(self)) + list(self.__dict__)
        return sorted(n for n in names if not n[:1].isdigit())

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Computes gradients of this tensor with respect to the leaves (or the given inputs) and adds them up there."""
        if type(self) is Tensor:
            if gradient is None and inputs is None:  # the usual case, without what else autograd.backward() takes
                _run_backward((self,), (None,), create_graph if retain_graph is None else retain_graph, create_graph, (),
                              True, True)  # fmt: skip
                return
        else:
            from tallow.overrides import handle_torch_function, has_torch_function

            if has_torch_function((self,)):
                return handle_torch_function(
                    Tensor.backward, (self,), self, gradient=gradient, retain_graph=retain_graph,
                    create_graph=create_graph, inputs=inputs,
                )  # fmt: skip
        from tallow.autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def nonzero(self, *, as_tuple=False):
        """Places of the elements that are not zero: one row each, or a tuple of one tensor per dimension."""
        if not as_tuple:
            return _TensorBase.nonzero(self)
        return self.nonzero_numpy()

    def norm(self, p="fro", dim=None, keepdim=False, dtype=None):
        """The p-norm of all elements, or along dim."""
        return _torch().norm(self, p, dim, keepdim, dtype=dtype)

    def unflatten(self, dim, sizes):
        """Splits one dimension into several."""
        if isinstance(sizes, (tuple, list)) and sizes and isinstance(sizes[0], (tuple, list)):
            raise NotImplementedError("Tensor.unflatten: named dimensions")
        return _TensorBase.unflatten(self, dim, sizes)

    def type(self, dtype=None, non_blocking=False, **kwargs):
        """The type's name; or the tensor cast to a dtype or a type such as torch.DoubleTensor."""
        from tallow._lazy import tensor_type

        return tensor_type(self, dtype, non_blocking)

    def storage(self):
        """The storage, typed."""
        return _torch().storage.TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype, _internal=True)

    def share_memory_(self):
        """Moves the storage to memory that processes share; sending the tensor to another process then sends no elements."""
        _torch().multiprocessing  # tells the standard library's pickles
        if self.device.type == "cpu":
            self.untyped_storage()._share_fd_cpu_()
        return self

    def is_shared(self):
        """Whether the storage is in shared memory."""
        return self.untyped_storage().is_shared()

    def unique(self, sorted=True, return_inverse=False, return_counts=False, dim=None):
        """The distinct elements."""
        return _torch().unique(self, sorted, return_inverse, return_counts, dim)

    def unique_consecutive(self, return_inverse=False, return_counts=False, dim=None):
        """The elements without repetitions of their predecessor."""
        return _torch().unique_consecutive(self, return_inverse, return_counts, dim)

    def lu(self, pivot=True, get_infos=False):
        """The LU factorisation, packed, and its row swaps."""
        return _torch().lu(self, pivot, get_infos)

    def polygamma(self, n):
        """The n-th derivative of digamma."""
        return _torch().polygamma(n, self)

    def polygamma_(self, n):
        """polygamma() in place."""
        result = _torch().polygamma(n, self.clone())
        if not self.is_floating_point():
            from tallow._lazy import _scalar_type

            raise RuntimeError(f"result type {_scalar_type(result)} can't be cast to the desired output type {_scalar_type(self)}")
        return self.copy_(result)

    def refine_names(self, *names):
        raise NotImplementedError("Tensor.refine_names: named tensors")

    def __reversed__(self):
        return self if self.dim() == 0 else self.flip(0)

    def resize(self, *sizes):
        """Deprecated: reshape() under its old name."""
        warnings.warn("non-inplace resize is deprecated", stacklevel=2)
        sizes = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
        count = math.prod(sizes)
        if count != self.numel():
            raise RuntimeError(
                f"requested resize to {'x'.join(map(str, sizes))} ({count} elements in total), but the given tensor has a size of "
                f"{'x'.join(map(str, self.size()))} ({self.numel()} elements). autograd's resize can only change the shape of a given "
                "tensor, while preserving the number of elements. "
            )
        return self.contiguous().view(sizes)

    def resize_as(self, tensor):
        """Deprecated: reshape_as() under its old name."""
        warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
        return self.resize(*tensor.size())

    def _removed(name):
        def method(self, *args, **kwargs):
            from tallow import _linalg_utils

            return getattr(_linalg_utils, name)(self, *args, **kwargs)

        method.__name__ = name
        method.__qualname__ = "Tensor." + name
        method.__doc__ = "Removed from PyTorch; says what to use."
        return method

    solve, lstsq, eig, symeig = map(_removed, ("solve", "lstsq", "eig", "symeig"))
    del _removed

    def module_load(self, other, assign=False):
        """What load_state_dict() puts in the place of this tensor."""
        return other.detach() if assign else self.copy_(other).detach()


def _method(name):
    """A method that is a function of _composite."""

    def method(self, *args, **kwargs):
        from tallow import _composite

        return getattr(_composite, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = "Tensor." + name
    return method


# Methods written in _composite, used where the table has none of that name.
COMPOSITE = (
    "equal allclose numel is_nonzero"
).split()
for _name in COMPOSITE:
    if not hasattr(_TensorBase, _name):
        setattr(Tensor, _name, _method(_name))

_C._set_tensor_class(Tensor)


def __getattr__(name):
    if name == "_rebuild_from_type_v2":
        from tallow._copy import _rebuild_from_type_v2

        return _rebuild_from_type_v2
    raise AttributeError(f"module 'torch._tensor' has no attribute '{name}'")
