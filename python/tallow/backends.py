"""torch.backends: settings that scripts touch; none has an effect."""

from types import SimpleNamespace


def _off():
    return False


cudnn = SimpleNamespace(enabled=False, benchmark=False, deterministic=True, allow_tf32=False, is_available=_off, version=lambda: None)
cuda = SimpleNamespace(is_built=_off, matmul=SimpleNamespace(allow_tf32=False))
mps = SimpleNamespace(is_available=_off, is_built=_off)
mkl = SimpleNamespace(is_available=_off)
mkldnn = SimpleNamespace(is_available=_off, enabled=False)
openmp = SimpleNamespace(is_available=_off)
