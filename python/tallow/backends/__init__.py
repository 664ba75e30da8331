"""torch.backends: settings that scripts touch. None has an effect: there is one backend, and it is exact where these ask for exactness."""

import contextlib
import sys
import types

fp32_precision = "none"


def _constant(value, doc):
    def answer(*args, **kwargs):
        return value

    answer.__doc__ = doc
    return answer


_no, _yes, _nothing = _constant(False, "False."), _constant(True, "True."), _constant(None, "None.")


def _flags(module):
    """flags(**settings): a context with other settings of the module."""

    @contextlib.contextmanager
    def flags(**settings):
        """A context with other settings."""
        before = {name: getattr(module, name, None) for name in settings}
        vars(module).update(settings)
        try:
            yield
        finally:
            vars(module).update(before)

    return flags


def _switch(module, name):
    """Adds enable_NAME(flag) and NAME_enabled()."""
    state = {"on": True}
    vars(module)[f"enable_{name}"] = lambda enabled: state.update(on=enabled)
    vars(module)[f"{name}_enabled"] = lambda: state["on"]


def _capability():
    """The name of the instruction set in use."""
    from tallow import _C

    return _C._cpu_capability()


class _Matmul:
    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"


class _PlanCache:
    size, max_size = 0, 0

    def clear(self):
        """Nothing to clear."""

    def __getitem__(self, device):
        return self


_MODULES = {
    "cpu": {"get_cpu_capability": _capability},
    "cuda": {"is_built": _no, "matmul": _Matmul(), "cufft_plan_cache": _PlanCache(), "preferred_linalg_library": _nothing,
             "preferred_blas_library": _nothing, "is_flash_attention_available": _no, "can_use_flash_attention": _no,
             "can_use_efficient_attention": _no},
    "cudnn": {"enabled": True, "benchmark": False, "benchmark_limit": None, "deterministic": False, "allow_tf32": True,
              "is_available": _no, "is_acceptable": _no, "version": _nothing, "fp32_precision": "none"},
    "mha": {"get_fastpath_enabled": _no, "set_fastpath_enabled": _nothing},
    "mkl": {"is_available": _no},
    "mkldnn": {"is_available": _no, "is_acl_available": _no, "enabled": False, "deterministic": False, "allow_tf32": False},
    "mps": {"is_available": _no, "is_built": _no, "is_macos13_or_newer": _no, "is_macos_or_newer": _no},
    "nnpack": {"is_available": _no, "set_flags": _nothing},
    "openmp": {"is_available": _no},
    "opt_einsum": {"is_available": _no, "enabled": False, "strategy": None, "get_opt_einsum": _nothing},
    "quantized": {"engine": "none", "supported_engines": ["none"]},
}  # fmt: skip

for _name, _contents in _MODULES.items():
    _module = types.ModuleType(f"{__name__}.{_name}", f"torch.backends.{_name}.")
    vars(_module).update(_contents)
    if _name in ("cudnn", "mkldnn", "nnpack"):
        _module.flags = _flags(_module)
    if _name == "cuda":
        for _kind in ("flash_sdp", "mem_efficient_sdp", "math_sdp", "cudnn_sdp"):
            _switch(_module, _kind)
        _module.sdp_kernel = _flags(_module)
    sys.modules[_module.__name__] = globals()[_name] = _module
