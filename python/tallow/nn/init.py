"""torch.nn.init: fills tensors, drawing the numbers that PyTorch draws."""

import math
import warnings

import tallow
from tallow import Tensor
from tallow._number import erf
from tallow.overrides import handle_torch_function, has_torch_function

_LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
)  # fmt: skip


def calculate_gain(nonlinearity, param=None):
    """The factor by which an activation shrinks the standard deviation."""
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif not isinstance(param, bool) and isinstance(param, (int, float)):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _fill(tensor, method, *args, **kwargs):
    mode = tallow.is_grad_enabled()
    tallow._C._set_grad_enabled(False)
    try:
        return getattr(tensor, method)(*args, **kwargs)
    finally:
        tallow._C._set_grad_enabled(mode)


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform between a and b."""
    if type(tensor) is not Tensor and has_torch_function((tensor,)):
        return handle_torch_function(uniform_, (tensor,), tensor=tensor, a=a, b=b, generator=generator)
    return _fill(tensor, "uniform_", a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal with the given mean and standard deviation."""
    if type(tensor) is not Tensor and has_torch_function((tensor,)):
        return handle_torch_function(normal_, (tensor,), tensor=tensor, mean=mean, std=std, generator=generator)
    return _fill(tensor, "normal_", mean, std, generator=generator)


def constant_(tensor, val):
    """One value everywhere."""
    if type(tensor) is not Tensor and has_torch_function((tensor,)):
        return handle_torch_function(constant_, (tensor,), tensor=tensor, val=val)
    return _fill(tensor, "fill_", val)


def ones_(tensor):
    """Ones."""
    return _fill(tensor, "fill_", 1.0)


def zeros_(tensor):
    """Zeros."""
    return _fill(tensor, "zero_")


def eye_(tensor):
    """The identity matrix."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with tallow.no_grad():
        tallow.eye(*tensor.shape, out=tensor, requires_grad=tensor.requires_grad)
    return tensor


def dirac_(tensor, groups=1):
    """Kernels that pass their input channel through."""
    dimensions = tensor.ndimension()
    if dimensions not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor.size()
    if sizes[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    out_per_group = sizes[0] // groups
    middle = tuple(s // 2 for s in sizes[2:])
    with tallow.no_grad():
        tensor.zero_()
        for g in range(groups):
            for d in range(min(out_per_group, sizes[1])):
                tensor[(g * out_per_group + d, d, *middle)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor):
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(tensor.shape[2:])
    return tensor.size(1) * receptive, tensor.size(0) * receptive


def _calculate_correct_fan(tensor, mode):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform with the variance 2 / (fan_in + fan_out) of Glorot and Bengio, 2010."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return _fill(tensor, "uniform_", -bound, bound, generator=generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal with the variance of xavier_uniform_."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return _fill(tensor, "normal_", 0.0, std, generator=generator)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Uniform with the variance gain² / fan of He et al., 2015."""
    if type(tensor) is not Tensor and has_torch_function((tensor,)):
        return handle_torch_function(kaiming_uniform_, (tensor,), tensor=tensor, a=a, mode=mode,
                                     nonlinearity=nonlinearity, generator=generator)  # fmt: skip
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    bound = math.sqrt(3.0) * std
    return _fill(tensor, "uniform_", -bound, bound, generator=generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal with the variance of kaiming_uniform_."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return _fill(tensor, "normal_", 0, std, generator=generator)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal, with what falls outside [a, b] drawn again; where that would be most, uniform draws are accepted by their density."""
    if tensor.is_meta:
        return tensor

    def cdf(x):
        return (1.0 + erf(x / math.sqrt(2.0))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    with tallow.no_grad():
        often = cdf((b - mean) / std) - cdf((a - mean) / std) > 0.3
        drawn = _normal_within if often else _uniform_by_density
        return tensor.copy_(drawn(tensor, mean, std, a, b, generator))


def _normal_within(tensor, mean, std, a, b, generator):
    low, high = tensor.new_tensor(a, device="cpu").item(), tensor.new_tensor(b, device="cpu").item()
    values = tallow.empty_like(tensor).normal_(mean, std, generator=generator)
    while (outside := (values < low) | (values > high)).any():
        values = tallow.where(outside, tallow.empty_like(values).normal_(mean, std, generator=generator), values)
    return values


def _uniform_by_density(tensor, mean, std, a, b, generator):
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    values, pending = tallow.empty_like(tensor), None
    while pending is None or pending.any():
        candidates = tallow.empty_like(tensor).uniform_(a, b, generator=generator)
        values = candidates if pending is None else tallow.where(pending, candidates, values)
        log_density = ((candidates - mean) / std).pow_(2).mul_(-0.5).sub_(log_peak)
        refused = tallow.empty_like(tensor).uniform_(generator=generator).log_().gt(log_density)
        pending = refused if pending is None else tallow.where(pending, refused, pending)
    return values


def orthogonal_(tensor, gain=1, generator=None):
    """A (half-)orthogonal matrix: the Q of a normal matrix, with signs that make it uniform."""
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    cols = tensor.numel() // rows
    flat = tensor.new_empty((rows, cols)).normal_(0, 1, generator=generator)
    if rows < cols:
        flat.t_()
    q, r = tallow.linalg.qr(flat)
    q *= tallow.diag(r, 0).sign()
    if rows < cols:
        q.t_()
    with tallow.no_grad():
        tensor.view_as(q).copy_(q)
        tensor.mul_(gain)
    return tensor


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal, with a share of each column set to zero."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, cols = tensor.shape
    zeros = int(math.ceil(sparsity * rows))
    with tallow.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(cols):
            chosen = tallow.randperm(rows)[:zeros]
            tensor[chosen, column] = 0
    return tensor


def _deprecated(function):
    name = function.__name__

    def old(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{name[:-1]}` is now deprecated in favor of `nn.init.{name}`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    old.__name__ = old.__qualname__ = name[:-1]
    old.__doc__ = f"The old name of {name}."
    return old


uniform, normal, constant = _deprecated(uniform_), _deprecated(normal_), _deprecated(constant_)
eye, dirac, sparse = _deprecated(eye_), _deprecated(dirac_), _deprecated(sparse_)
xavier_uniform, xavier_normal = _deprecated(xavier_uniform_), _deprecated(xavier_normal_)
kaiming_uniform, kaiming_normal = _deprecated(kaiming_uniform_), _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
