"""torch.sparse: tensors that store their non-zero elements, or slices, and where they are."""

from contextlib import ContextDecorator

import tallow
from tallow import Tensor, _C
from tallow._absent import getters as _getters

_ops = _C._VariableFunctions
_absent_getattr, _absent_dir = _getters(__name__)

# --- making ---------------------------------------------------------------------------------------------------------


def _indices(data):
    return data if isinstance(data, Tensor) else tallow.tensor(data, dtype=tallow.int64 if not len(data) else None)


def sparse_coo_tensor(indices=None, values=None, size=None, *, dtype=None, layout=None, device=None, pin_memory=False,
                      requires_grad=False, check_invariants=None, is_coalesced=None):  # fmt: skip
    """A sparse tensor from index vectors, one a column, and their values; or one of a size without any."""
    if values is None:
        sizes = size if indices is None else indices
        if isinstance(sizes, Tensor):
            raise TypeError("sparse_coo_tensor() missing the values that belong to the indices")
        result = _ops.sparse_coo_tensor(tuple(sizes), dtype=dtype, device=device)
    else:
        indices = _indices(indices)
        if not isinstance(values, Tensor):
            values = tallow.tensor(values, dtype=dtype)
        if indices.is_floating_point() or indices.is_complex() or indices.dtype == tallow.bool:
            indices = indices.long()
        options = dict(dtype=dtype, device=device, is_coalesced=is_coalesced)
        if size is None:
            result = _ops.sparse_coo_tensor(indices, values, **options)
        else:
            result = _ops.sparse_coo_tensor(indices, values, tuple(size), **options)
        if check_sparse_tensor_invariants.is_enabled() if check_invariants is None else check_invariants:
            _validate(result)
    return result.detach().requires_grad_() if requires_grad else result


def _validate(tensor):
    """Refuses indices outside of the size."""
    _ops._coo_flatten(tensor._indices(), tensor.shape[: tensor.sparse_dim()])


class check_sparse_tensor_invariants(ContextDecorator):
    """Whether indices of new sparse tensors are checked at once, not when they are first used: a context manager, and a decorator."""

    _enabled = False

    def __init__(self, enable=True):
        self._wanted = enable
        self._before = []

    @staticmethod
    def is_enabled():
        """Whether they are."""
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable():
        """From now on they are."""
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable():
        """From now on they are not."""
        check_sparse_tensor_invariants._enabled = False

    def __enter__(self):
        self._before.append(self.is_enabled())
        check_sparse_tensor_invariants._enabled = self._wanted

    def __exit__(self, *error):
        check_sparse_tensor_invariants._enabled = self._before.pop()


def _typed(name, dtype):
    """torch.sparse.FloatTensor and its like: the old constructors."""

    def make(*args):
        if not args:
            return sparse_coo_tensor((0,), dtype=dtype)
        if len(args) == 1 or isinstance(args[0], int):
            return sparse_coo_tensor(args[0] if len(args) == 1 else args, dtype=dtype)
        return sparse_coo_tensor(*args, dtype=dtype)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"sparse_coo_tensor() with dtype {dtype}."
    return make


for _name, _dtype in (("Float", "float32"), ("Double", "float64"), ("Half", "float16"), ("BFloat16", "bfloat16"), ("Byte", "uint8"),
                      ("Char", "int8"), ("Short", "int16"), ("Int", "int32"), ("Long", "int64")):  # fmt: skip
    globals()[f"{_name}Tensor"] = _typed(f"{_name}Tensor", getattr(_C, _dtype))

# --- operations -----------------------------------------------------------------------------------------------------


def mm(sparse, dense, reduce=None):
    """The product of a sparse matrix with a sparse or dense one."""
    if reduce is not None:
        raise NotImplementedError("torch.sparse.mm: reduce is not implemented in tallow")
    return _ops._sparse_mm(sparse, dense)


def addmm(mat, mat1, mat2, *, beta=1.0, alpha=1.0):
    """beta * mat + alpha * (mat1 @ mat2), where mat1 is sparse."""
    return _ops._sparse_addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


def spmm(input, mat2):
    """The product of two matrices."""
    return tallow.mm(input, mat2)


def smm(input, mat):
    """The product of a sparse matrix with a dense one, as a sparse tensor."""
    return _ops.mm(input, mat).to_sparse()


def sum(input, dim=None, dtype=None):
    """The sum of all elements, or along dimensions: sparse while a sparse dimension is left."""
    options = {} if dtype is None else {"dtype": dtype}
    return _ops._sparse_sum(input, **options) if dim is None else _ops._sparse_sum(input, dim, **options)


def _slices(input, dim):
    """For each stored element the number of the line along dim that it lies in, and how many lines there are."""
    indices, sizes = input._indices(), list(input.shape[: input.sparse_dim()])
    del sizes[dim]
    kept = [d for d in range(input.sparse_dim()) if d != dim]
    flat = _ops._coo_flatten(indices[kept], sizes)
    return tallow.unique(flat, return_inverse=True)[1], flat


def _normalised(input, dim, dtype, log):
    if dtype is not None:
        input = input.to(dtype)
    if not input.is_sparse:
        raise RuntimeError("torch.sparse.softmax: expected a sparse tensor")
    dim = dim + input.dim() if dim < 0 else dim
    if not 0 <= dim < input.dim():
        raise IndexError(f"Dimension out of range (expected to be in range of [{-input.dim()}, {input.dim() - 1}], but got {dim})")
    input = input.coalesce()
    values, function = input.values(), tallow.log_softmax if log else tallow.softmax
    if dim >= input.sparse_dim():
        return _ops._sparse_with_values(input, function(values, dim - input.sparse_dim() + 1))
    line, _ = _slices(input, dim)
    lines = int(line.max()) + 1 if line.numel() else 0
    shape = (lines, *values.shape[1:])
    most = values.new_full(shape, -tallow.inf).index_reduce(0, line, values.detach(), "amax")
    shifted = values - most.index_select(0, line)
    sums = values.new_zeros(shape).index_add(0, line, shifted.exp()).index_select(0, line)
    return _ops._sparse_with_values(input, shifted - sums.log() if log else shifted.exp() / sums)


def softmax(input, dim, *, dtype=None):
    """Softmax over the stored elements along a dimension; what is not stored counts as minus infinity."""
    return _normalised(input, dim, dtype, False)


def log_softmax(input, dim, *, dtype=None):
    """The logarithm of softmax()."""
    return _normalised(input, dim, dtype, True)


def as_sparse_gradcheck(gradcheck):
    """gradcheck() for functions of sparse tensors: they are taken apart, so that what is differenced are their values."""

    def sparse_gradcheck(fn, inputs, masked=True, **kwargs):
        kwargs.setdefault("check_undefined_grad", False)
        inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        parts, plan = [], []
        for x in inputs:
            if isinstance(x, Tensor) and x.is_sparse:
                wanted, x = x.requires_grad, x.detach().coalesce()
                plan.append((x.indices(), x.shape))
                parts.append(x.values().clone().requires_grad_(wanted))
            else:
                plan.append(None)
                parts.append(x)

        def of_parts(*args):
            made = [a if p is None else sparse_coo_tensor(p[0], a, p[1], is_coalesced=True) for a, p in zip(args, plan)]
            outs = fn(*made)
            one = isinstance(outs, Tensor)
            outs = tuple(o.coalesce().values() if isinstance(o, Tensor) and o.is_sparse else o for o in ((outs,) if one else outs))
            return outs[0] if one else outs

        return gradcheck(of_parts, tuple(parts), **kwargs)

    return sparse_gradcheck


def __getattr__(name):
    return _absent_getattr(name)


def __dir__():
    return _absent_dir()
