"""Names of the torch namespace that are rarely needed at once: types, settings, functions in Python."""

import functools
import math

import tallow
from tallow import Tensor, _C
from tallow._utils import chosen_by_flag, public_module
from tallow.overrides import handle_torch_function, has_torch_function

inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None

_OPS = _C._VariableFunctions

is_grad_enabled = _C.is_grad_enabled
is_inference_mode_enabled = _C.is_inference_mode_enabled
get_default_dtype = _C.get_default_dtype
get_num_threads = _C.get_num_threads
set_num_threads = _C.set_num_threads

# --- tensor types ---------------------------------------------------------------------------------------------------


class tensortype(type):
    """The type of torch.FloatTensor and its like: a tensor of the right dtype on the CPU is an instance."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and instance.dtype == cls.dtype and instance.device.type == "cpu"

    def __call__(cls, *args, **kwargs):
        device = kwargs.pop("device", None)
        if kwargs:
            raise TypeError(f"new() received an invalid keyword argument '{next(iter(kwargs))}'")
        if not args:
            return tallow.empty(0, dtype=cls.dtype, device=device)
        if len(args) == 1 and not isinstance(args[0], (int, tallow.Size)):
            if isinstance(args[0], Tensor):
                return args[0].detach().to(cls.dtype)
            return tallow.tensor(args[0], dtype=cls.dtype, device=device)
        sizes = args[0] if isinstance(args[0], tallow.Size) else args
        return tallow.empty(*sizes, dtype=cls.dtype, device=device)

    def __str__(cls):
        return f"torch.{cls.__name__}"

    def __repr__(cls):
        return f"<class 'torch.{cls.__name__}'>"


_TYPES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Byte": "uint8", "Char": "int8",
    "Short": "int16", "Int": "int32", "Long": "int64", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}  # fmt: skip
_NAME_OF_DTYPE = {getattr(_C, dtype): f"torch.{name}Tensor" for name, dtype in _TYPES.items()}
for _name, _dtype in _TYPES.items():
    globals()[f"{_name}Tensor"] = tensortype(
        f"{_name}Tensor", (), {"dtype": getattr(_C, _dtype), "__module__": "torch", "is_cuda": False}
    )
_DTYPE_OF_NAME = {name: dtype for dtype, name in _NAME_OF_DTYPE.items()}


def _scalar_type(x):
    """The dtype's name in error texts: Long."""
    return _NAME_OF_DTYPE.get(x.dtype, str(x.dtype)).removeprefix("torch.").removesuffix("Tensor")


def tensor_type(self, dtype, non_blocking):
    """Tensor.type()."""
    if dtype is None:
        name = _NAME_OF_DTYPE.get(self.dtype)
        if name is None:
            name = f"torch.{str(self.dtype).removeprefix('torch.').capitalize()}Tensor"
        return name if not self.is_meta else name.replace("torch.", "torch.meta.")
    if isinstance(dtype, str):
        if dtype not in _DTYPE_OF_NAME:
            raise ValueError(f"invalid type: '{dtype}'")
        return self.to(_DTYPE_OF_NAME[dtype])
    if isinstance(dtype, tensortype):
        return self.to(dtype.dtype)
    if isinstance(dtype, tallow.dtype):
        return self.to(dtype)
    if dtype is Tensor:
        return self.to(get_default_dtype())
    raise RuntimeError("dtype must be a type, str, or dtype object")


def set_default_dtype(d):
    """Sets the dtype of Python floats: float32 until now."""
    if not isinstance(d, tallow.dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _C._set_default_dtype(d)


def set_default_tensor_type(t, /):
    """Sets the default dtype by a tensor type or its name."""
    if isinstance(t, str):
        if t not in _DTYPE_OF_NAME:
            raise TypeError(f"invalid type object: {t}")
        return set_default_dtype(_DTYPE_OF_NAME[t])
    return set_default_dtype(t.dtype)


def is_tensor(obj, /):
    """Whether obj is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj, /):
    """Whether obj is a storage."""
    return isinstance(obj, (tallow.storage.TypedStorage, tallow.storage.UntypedStorage))


def typename(obj, /):
    """The name of an object's type: 'torch.FloatTensor' for tensors."""
    if isinstance(obj, Tensor):
        return obj.type()
    module = getattr(obj, "__module__", None) or ""
    name = getattr(obj, "__qualname__", None)
    if name is None:
        module, name = getattr(type(obj), "__module__", "") or "", type(obj).__qualname__
    return name if module in ("", "builtins") else f"{public_module(module)}.{name}"


# --- settings -------------------------------------------------------------------------------------------------------

_print = {"precision": 4, "threshold": 1000.0, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
_PROFILES = {
    "default": dict(precision=4, threshold=1000, edgeitems=3, linewidth=80),
    "short": dict(precision=2, threshold=1000, edgeitems=2, linewidth=80),
    "full": dict(precision=4, threshold=math.inf, edgeitems=3, linewidth=80),
}


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """How tensors are printed."""
    if profile is not None:
        _print.update(_PROFILES[profile])
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    _print.update({key: value for key, value in given.items() if value is not None})
    _print["sci_mode"] = sci_mode
    _C._set_printoptions(
        _print["precision"], float(_print["threshold"]), _print["edgeitems"], _print["linewidth"], sci_mode
    )


_default_device = None


def set_default_device(device):
    """Only the CPU can be the default."""
    if device is not None and tallow.device(device).type != "cpu":
        raise NotImplementedError("torch.set_default_device: a device other than the CPU")


def get_default_device():
    """The device on which tensors are made."""
    return tallow.device("cpu")


def get_device_module(device=None):
    """The module of a device's settings."""
    return tallow.cpu


_settings = {"deterministic": False, "warn_only": False, "precision": "highest", "warn_always": False, "interop": 1}


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Every algorithm here is deterministic; the setting is only remembered."""
    _settings.update(deterministic=mode, warn_only=warn_only)


def are_deterministic_algorithms_enabled():
    """What use_deterministic_algorithms() was told."""
    return _settings["deterministic"]


def is_deterministic_algorithms_warn_only_enabled():
    """What use_deterministic_algorithms() was told."""
    return _settings["warn_only"]


def set_deterministic_debug_mode(debug_mode):
    """0 or "default", 1 or "warn", 2 or "error"."""
    mode = {"default": 0, "warn": 1, "error": 2}.get(debug_mode, debug_mode)
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode():
    """0, 1 or 2."""
    return (1 if _settings["warn_only"] else 2) if _settings["deterministic"] else 0


def set_float32_matmul_precision(precision):
    """float32 products are always computed in float32; the setting is only remembered."""
    _settings["precision"] = precision


def get_float32_matmul_precision():
    """What set_float32_matmul_precision() was told."""
    return _settings["precision"]


def set_warn_always(b, /):
    """Whether warnings repeat; only remembered."""
    _settings["warn_always"] = b


def is_warn_always_enabled():
    """What set_warn_always() was told."""
    return _settings["warn_always"]


def set_flush_denormal(mode):
    """Denormal numbers are always kept."""
    return False


def get_num_interop_threads():
    """Operators run one after the other."""
    return _settings["interop"]


def set_num_interop_threads(n):
    """Only remembered."""
    _settings["interop"] = n


def compiled_with_cxx11_abi():
    """There is no C++ here."""
    return True


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, name=None,
            disable=False, recompile_limit=None, isolate_recompiles=False, shapes_spec=None):  # fmt: skip
    """Returns the function or module as it is; without one, a decorator."""
    return model if model is not None else lambda function: function


# --- functions ------------------------------------------------------------------------------------------------------


def _sequence(tensors):
    return tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors


def split(tensor, split_size_or_sections, dim=0):
    """Views of split_size (or of the listed sizes) along dim."""
    if type(tensor) is not Tensor and has_torch_function((tensor,)):
        return handle_torch_function(split, (tensor,), tensor, split_size_or_sections, dim=dim)
    return tensor.split(split_size_or_sections, dim)


def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to."""

    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    ndim = max((len(s) for s in shapes), default=0)
    result = [1] * ndim
    for number, shape in enumerate(shapes):
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({shape[i]}): ({shape[i]})")
            if shape[i] == 1 or shape[i] == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument at index "
                    f"{number} had {shape}; but expected shape should be broadcastable to {result}"
                )
            result[i] = shape[i]
    return tallow.Size(result)


def _of_tensors(function):
    """A function of *tensors that subclasses of Tensor may take over."""

    @functools.wraps(function)
    def call(*tensors, **kwargs):
        if has_torch_function(tensors):
            return handle_torch_function(call, tensors, *tensors, **kwargs)
        return function(*tensors, **kwargs)

    return call


@_of_tensors
def broadcast_tensors(*tensors):
    """The tensors, expanded to one shape."""
    return _OPS.broadcast_tensors(_sequence(tensors))


@_of_tensors
def meshgrid(*tensors, indexing=None):
    """Coordinate grids."""
    tensors = _sequence(tensors)
    return _OPS.meshgrid(tensors) if indexing is None else _OPS.meshgrid(tensors, indexing=indexing)


@_of_tensors
def atleast_1d(*tensors):
    """0-d tensors as vectors."""
    return _OPS.atleast_1d(tensors[0] if len(tensors) == 1 else tensors)


@_of_tensors
def atleast_2d(*tensors):
    """Tensors as matrices at least."""
    return _OPS.atleast_2d(tensors[0] if len(tensors) == 1 else tensors)


@_of_tensors
def atleast_3d(*tensors):
    """Tensors with three dimensions at least."""
    return _OPS.atleast_3d(tensors[0] if len(tensors) == 1 else tensors)


@_of_tensors
def block_diag(*tensors):
    """The matrix with the given matrices along its diagonal."""
    return _OPS.block_diag(tensors)


@_of_tensors
def cartesian_prod(*tensors):
    """All combinations of one element of each vector."""
    return _OPS.cartesian_prod(_sequence(tensors))


def chain_matmul(*matrices, out=None):
    """The product of several matrices."""
    if has_torch_function(matrices):
        return handle_torch_function(chain_matmul, matrices, *matrices)
    return _OPS.chain_matmul(matrices, out=out)


def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
         onesided=None, return_complex=None, align_to_window=None):  # fmt: skip
    """Spectra of overlapping frames of a signal."""
    return input.stft(n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex, align_to_window)


def tensordot(a, b, dims=2, out=None):
    """The sum of products over the given dimensions of a and b."""
    if has_torch_function((a, b)):
        return handle_torch_function(tensordot, (a, b), a, b, dims=dims, out=out)
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims_a, dims_b = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        dims_a, dims_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    dims_a, dims_b = [d % a.dim() for d in dims_a], [d % b.dim() for d in dims_b]
    for da, db in zip(dims_a, dims_b):
        if a.size(da) == 1 != b.size(db):  # broadcast: the sum moves to the other side
            b = b.sum(db, keepdim=True)
        elif b.size(db) == 1 != a.size(da):
            a = a.sum(da, keepdim=True)
        if a.size(da) != b.size(db):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.size(da)} in dim {da} and second has size "
                f"{b.size(db)} in dim {db}"
            )
    free_a = [d for d in range(a.dim()) if d not in dims_a]
    free_b = [d for d in range(b.dim()) if d not in dims_b]
    inner = math.prod(a.size(d) for d in dims_a)
    left = a.permute(free_a + dims_a).reshape(math.prod(a.size(d) for d in free_a), inner)
    right = b.permute(dims_b + free_b).reshape(inner, math.prod(b.size(d) for d in free_b))
    result = (left @ right).reshape([a.size(d) for d in free_a] + [b.size(d) for d in free_b])
    return result if out is None else out.copy_(result)


def einsum(*args):
    """Sums of products by Einstein's notation: einsum("ij,jk->ik", a, b)."""
    from tallow._einsum import einsum as run

    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, "
            "or at least one operand and its subscripts list"
        )
    operands = args[1:]
    if isinstance(args[0], str):
        operands = _sequence(operands)
        if has_torch_function(operands):
            return handle_torch_function(einsum, operands, args[0], *operands)
    return run(*args)


def nonzero(input, *, out=None, as_tuple=False):
    """Places of the elements that are not zero: one row each, or a tuple of one tensor per dimension."""
    if out is not None:
        return _C._VariableFunctions.nonzero(input, out=out)
    return input.nonzero(as_tuple=as_tuple)


def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm of all elements, or along dim."""
    if has_torch_function((input,)):
        return handle_torch_function(norm, (input,), input, p=p, dim=dim, keepdim=keepdim, out=out, dtype=dtype)
    dims = [dim] if isinstance(dim, int) else None if dim is None else list(dim)
    into = {} if out is None else {"out": out}
    if isinstance(p, str):
        if p == "fro" and (dims is None or len(dims) <= 2):
            return tallow.linalg.vector_norm(input, 2, dims, keepdim, dtype=dtype, **into)
        if p == "nuc":
            return tallow.linalg.matrix_norm(input, "nuc", list(range(input.dim())) if dims is None else dims, keepdim, dtype=dtype, **into)
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    return tallow.linalg.vector_norm(input, 2.0 if p is None else p, dims, keepdim, dtype=dtype, **into)


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """Distances between the rows of x1 and x2."""
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return _C._nn.cdist(x1, x2, p, modes.index(compute_mode))


@chosen_by_flag
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements, in order; with inverse and counts where asked."""
    if has_torch_function((input,)):
        return handle_torch_function(unique, (input,), input, sorted=sorted, return_inverse=return_inverse,
                                     return_counts=return_counts, dim=dim)  # fmt: skip
    ops = _C._VariableFunctions
    if dim is None:
        values, inverse, counts = ops._unique2(input, sorted, return_inverse, return_counts)
    else:
        values, inverse, counts = ops.unique_dim(input, dim, sorted, return_inverse, return_counts)
    return _with(values, (return_inverse, inverse), (return_counts, counts))


def _with(values, *others):
    """values, and after them those others that were asked for."""
    wanted = [result for asked, result in others if asked]
    return (values, *wanted) if wanted else values


@chosen_by_flag
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The elements without repetitions of their predecessor."""
    if has_torch_function((input,)):
        return handle_torch_function(unique_consecutive, (input,), input, return_inverse=return_inverse,
                                     return_counts=return_counts, dim=dim)  # fmt: skip
    values, inverse, counts = _C._VariableFunctions.unique_consecutive(input, return_inverse, return_counts, dim)
    return _with(values, (return_inverse, inverse), (return_counts, counts))


def lu(A, pivot=True, get_infos=False, out=None):
    """The LU factorisation, packed, and its row swaps; with get_infos also where the diagonal is zero."""
    if has_torch_function((A,)):
        return handle_torch_function(lu, (A,), A, pivot=pivot, get_infos=get_infos, out=out)
    results = tallow.linalg.lu_factor_ex(A, pivot=pivot)
    results = results if get_infos else tuple(results)[:2]
    if out is None:
        return results
    for target, result in zip(out, results, strict=True):
        target.resize_(result.shape).copy_(result)
    return out
