"""tallow: PyTorch's API on a small C core. ``import tallow as torch``.

Everything but the tensor itself is loaded when it is first named."""

from tallow import _C
from tallow._tensor import Tensor

__version__ = "2.13.0+tallow.0.1"

# Where names live that the extension does not have. Submodules stand for themselves.
_HOMES = {
    "_lazy": """FloatTensor DoubleTensor HalfTensor BFloat16Tensor ByteTensor CharTensor ShortTensor IntTensor LongTensor
        BoolTensor ComplexFloatTensor ComplexDoubleTensor set_default_tensor_type typename is_tensor
        is_storage set_default_device get_default_device compile set_printoptions inf nan pi e newaxis einsum tensordot
        split meshgrid broadcast_tensors broadcast_shapes stft atleast_1d atleast_2d atleast_3d block_diag cartesian_prod
        chain_matmul norm nonzero unique unique_consecutive use_deterministic_algorithms are_deterministic_algorithms_enabled
        is_deterministic_algorithms_warn_only_enabled set_float32_matmul_precision get_float32_matmul_precision
        set_warn_always is_warn_always_enabled get_device_module set_flush_denormal set_deterministic_debug_mode
        get_deterministic_debug_mode
        is_grad_enabled is_inference_mode_enabled get_default_dtype set_default_dtype get_num_threads set_num_threads
        get_num_interop_threads set_num_interop_threads tensortype compiled_with_cxx11_abi
        cdist lu""",
    "_lowrank": "svd_lowrank pca_lowrank unravel_index",
    "_linalg_utils": "matrix_rank solve lstsq symeig eig",
    "autograd.grad_mode": "no_grad enable_grad inference_mode set_grad_enabled",
    "random": "manual_seed seed initial_seed get_rng_state set_rng_state",
    "serialization": "save load",
    "sparse": "sparse_coo_tensor spmm smm",
    "_functorch": "vmap",
    "storage": """UntypedStorage TypedStorage FloatStorage DoubleStorage HalfStorage BFloat16Storage ByteStorage
        CharStorage ShortStorage IntStorage LongStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage""",
    "amp.autocast_mode": """autocast is_autocast_enabled set_autocast_enabled get_autocast_dtype set_autocast_dtype is_autocast_cpu_enabled
        set_autocast_cpu_enabled get_autocast_cpu_dtype set_autocast_cpu_dtype get_autocast_gpu_dtype set_autocast_gpu_dtype
        is_autocast_cache_enabled set_autocast_cache_enabled autocast_increment_nesting autocast_decrement_nesting
        clear_autocast_cache""",
    "amp.grad_scaler": "GradScaler",
    "jit": "ScriptModule",
    "_runtime": "Event OutOfMemoryError Stream sym_float sym_int sym_ite sym_max sym_min sym_not sym_sum thread_safe_generator",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
_SUBMODULES = frozenset(
    """ao autograd nn optim utils func linalg special fft cuda backends serialization random storage overrides types version
    amp return_types mps xpu cpu accelerator testing multiprocessing compiler distributed distributions export fx hub jit library nested onnx
    profiler sparse _utils _lazy _composite _functorch __future__""".split()
)


def __getattr__(name):
    home = _HOME_OF.get(name)
    if home is not None:
        value = getattr(_load(home), name)
    elif name in _SUBMODULES:
        return _load(name)
    elif name == "__all__":
        return [n for n in __dir__() if not n.startswith("_")]
    else:
        value = getattr(_C._VariableFunctions, name, None)
        if value is None and not name.startswith("__"):
            value = getattr(_C, name, None)
        if value is None and not name.startswith("__"):
            composite = _load("_composite")
            value = getattr(composite, name) if name in composite.FUNCTIONS else None
        if value is None and name.startswith("_foreach_"):
            value = _load("_foreach").make(name)
        if value is None and not name.startswith("_"):
            value = _load("_absent").placeholder("", name)
        if value is None:
            raise _load("_missing").no_attribute(__name__, name)
    globals()[name] = value
    return value


def _load(name):
    from importlib import import_module

    return import_module("tallow." + name)


def __dir__():
    names = set(globals()) | set(_HOME_OF) | _SUBMODULES
    names.update(n for n in dir(_C._VariableFunctions) if not n.startswith("__"))
    names.update(_load("_composite").FUNCTIONS)
    names.update(n for n in dir(_C) if not n.startswith("_"))
    return sorted(names)


def install_as_torch():
    """Makes `import torch`, and everything below it, mean tallow in this process and those it spawns."""
    from tallow._as_torch import install

    install()
