"""Functions of torch.nn.functional for images and signals: pooling, padding, interpolation, sampling, dropout of channels, normalisation."""

import functools
import math
import warnings

import tallow
from tallow import _C
from tallow._utils import chosen_by_flag
from tallow.overrides import handle_torch_function, has_torch_function

_nn = _C._nn
_ops = _C._VariableFunctions


def _overridable(function):
    """Lets arguments with a __torch_function__ of their own answer first."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        relevant = (*args, *kwargs.values()) if kwargs else args
        if has_torch_function(relevant):
            return handle_torch_function(call, relevant, *args, **kwargs)
        return function(*args, **kwargs)

    return call


def _numbers(value, n):
    """One number for each of n dimensions."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * n


def _with_default(sizes, shape):
    """Sizes of a result; None stands for the input's own."""
    if isinstance(sizes, int):
        return sizes
    if len(shape) <= len(sizes):
        raise ValueError(f"Input dimension should be at least {len(sizes) + 1}")
    return [have if want is None else want for want, have in zip(sizes, shape[-len(sizes) :])]


# --- pooling ------------------------------------------------------------------------------------------------------


def _stride(stride):
    return [] if stride is None else stride


@_overridable
def max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of the last dimension, and where it is."""
    return _ops.max_pool1d_with_indices(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


@_overridable
def max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of the last two dimensions, and where it is within its plane."""
    return _nn.max_pool2d_with_indices(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


@_overridable
def max_pool3d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of the last three dimensions, and where it is within its volume."""
    return _nn.max_pool3d_with_indices(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


@chosen_by_flag
@_overridable
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of the last dimension."""
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _ops.max_pool1d(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


@chosen_by_flag
@_overridable
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of the last two dimensions."""
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _ops.max_pool2d(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


@chosen_by_flag
@_overridable
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest element of each window of the last three dimensions."""
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _ops.max_pool3d(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


@_overridable
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """The largest elements of windows that share the last dimension out evenly, and where they are."""
    return _ops.adaptive_max_pool1d(input, output_size)


@_overridable
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """The largest elements of windows that share the last two dimensions out evenly, and where they are."""
    return _nn.adaptive_max_pool2d(input, _with_default(output_size, input.size()))


@_overridable
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """The largest elements of windows that share the last three dimensions out evenly, and where they are."""
    return _nn.adaptive_max_pool3d(input, _with_default(output_size, input.size()))


@chosen_by_flag
@_overridable
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The largest elements of windows that share the last dimension out evenly."""
    both = adaptive_max_pool1d_with_indices(input, output_size)
    return both if return_indices else both[0]


@chosen_by_flag
@_overridable
def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest elements of windows that share the last two dimensions out evenly."""
    both = adaptive_max_pool2d_with_indices(input, output_size)
    return both if return_indices else both[0]


@chosen_by_flag
@_overridable
def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The largest elements of windows that share the last three dimensions out evenly."""
    both = adaptive_max_pool3d_with_indices(input, output_size)
    return both if return_indices else both[0]


@_overridable
def adaptive_avg_pool2d(input, output_size):
    """The means of windows that share the last two dimensions out evenly."""
    return _nn.adaptive_avg_pool2d(input, _with_default(output_size, input.size()))


@_overridable
def adaptive_avg_pool3d(input, output_size):
    """The means of windows that share the last three dimensions out evenly."""
    return _nn.adaptive_avg_pool3d(input, _with_default(output_size, input.size()))


def _fractional(name, dims, input, kernel_size, output_size, output_ratio, samples):
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratios = _numbers(output_ratio, dims)
        if len(ratios) > dims:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(input.size(i - dims) * ratio) for i, ratio in enumerate(ratios)]
    if samples is None:
        batch = 1 if input.dim() == dims + 1 else input.size(0)
        samples = tallow.rand(batch, input.size(-dims - 1), dims, dtype=input.dtype, device=input.device)
    return getattr(_nn, name)(input, kernel_size, output_size, samples)


@_overridable
def fractional_max_pool2d_with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The largest elements of windows at pseudo-random places, and where they are."""
    return _fractional("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples)


@_overridable
def fractional_max_pool3d_with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The largest elements of windows at pseudo-random places, and where they are."""
    return _fractional("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples)


@chosen_by_flag
@_overridable
def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The largest elements of windows at pseudo-random places."""
    both = fractional_max_pool2d_with_indices(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return both if return_indices else both[0]


@chosen_by_flag
@_overridable
def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The largest elements of windows at pseudo-random places."""
    both = fractional_max_pool3d_with_indices(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return both if return_indices else both[0]


def _unpooled_size(dims, input, kernel_size, stride, padding, output_size):
    """The size that was pooled: the smallest that fits, or the given one if it is within a stride of that."""
    kernel = _numbers(kernel_size, dims)
    stride = kernel if stride is None else _numbers(stride, dims)
    padding = _numbers(padding, dims)
    sizes = [(input.size(i - dims) - 1) * stride[i] + kernel[i] - 2 * padding[i] for i in range(dims)]
    if output_size is not None:
        if len(output_size) == dims + 2:
            output_size = output_size[2:]
        if len(output_size) != dims:
            raise ValueError(f"output_size should be a sequence containing {dims} or {dims + 2} elements, "
                             f"but it has a length of '{len(output_size)}'")  # fmt: skip
        for d in range(dims):
            low, high = sizes[d] - stride[d], sizes[d] + stride[d]
            if not low < output_size[d] < high:
                raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {low} and {high})')
        sizes = list(output_size)
    for d, size in enumerate(sizes):
        if size < 0:
            raise ValueError("max_unpooling: output_size must contain non-negative spatial dimensions, "
                             f"but got output_size[{d}]={size}")  # fmt: skip
    return sizes, stride, padding


@_overridable
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each element where max_pool1d found it."""
    sizes, _, _ = _unpooled_size(1, input, kernel_size, stride, padding, output_size)
    return _nn.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), [*sizes, 1]).squeeze(-1)


@_overridable
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each element where max_pool2d found it."""
    sizes, _, _ = _unpooled_size(2, input, kernel_size, stride, padding, output_size)
    return _nn.max_unpool2d(input, indices, sizes)


@_overridable
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each element where max_pool3d found it."""
    sizes, stride, padding = _unpooled_size(3, input, kernel_size, stride, padding, output_size)
    return _nn.max_unpool3d(input, indices, sizes, stride, padding)


def _lp_pool(largest, mean, count, input, norm_type, kernel_size, stride, ceil_mode):
    if norm_type == math.inf:
        return largest(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    if norm_type == -math.inf:
        return -largest(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    out = mean(input.pow(norm_type), kernel_size, _stride(stride), 0, ceil_mode)
    return (out.sign() * out.abs().relu()).mul(count).pow(1.0 / norm_type)


@_overridable
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of the last dimension."""
    return _lp_pool(max_pool1d, _ops.avg_pool1d, kernel_size, input, norm_type, kernel_size, stride, ceil_mode)


@_overridable
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of the last two dimensions."""
    count = math.prod(_numbers(kernel_size, 2))
    return _lp_pool(max_pool2d, _nn.avg_pool2d, count, input, norm_type, kernel_size, stride, ceil_mode)


@_overridable
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of each window of the last three dimensions."""
    count = math.prod(_numbers(kernel_size, 3))
    return _lp_pool(max_pool3d, _nn.avg_pool3d, count, input, norm_type, kernel_size, stride, ceil_mode)


# --- padding and patches --------------------------------------------------------------------------------------------


@_overridable
def pad(input, pad, mode="constant", value=None):
    """The last dimensions padded: by a constant, or by reflecting, replicating or wrapping around."""
    return _nn.pad(input, pad, mode, value)


@_overridable
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The patches of images as columns."""
    return _nn.im2col(input, _numbers(kernel_size, 2), _numbers(dilation, 2), _numbers(padding, 2), _numbers(stride, 2))


@_overridable
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Images from columns of patches, added where they overlap."""
    return _nn.col2im(input, _numbers(output_size, 2), _numbers(kernel_size, 2), _numbers(dilation, 2), _numbers(padding, 2),
                      _numbers(stride, 2))  # fmt: skip


# --- interpolation and sampling ---------------------------------------------------------------------------------------

_WITHOUT_CORNERS = {
    ("nearest", 3): "upsample_nearest1d",
    ("nearest", 4): "upsample_nearest2d",
    ("nearest", 5): "upsample_nearest3d",
    ("nearest-exact", 3): "_upsample_nearest_exact1d",
    ("nearest-exact", 4): "_upsample_nearest_exact2d",
    ("nearest-exact", 5): "_upsample_nearest_exact3d",
}
_WITH_CORNERS = {
    ("linear", 3): "upsample_linear1d",
    ("bilinear", 4): "upsample_bilinear2d",
    ("trilinear", 5): "upsample_trilinear3d",
    ("bicubic", 4): "upsample_bicubic2d",
}
_NEEDS = {"linear": 3, "bilinear": 4, "trilinear": 5}


def _target(input, size, scale_factor):
    """(sizes, None) or (None, scales): whichever was given, one for each dimension."""
    dim = input.dim() - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if not isinstance(size, (list, tuple)):
            return [size] * dim, None
        if len(size) != dim:
            raise ValueError("Input and output must have the same number of spatial dimensions, but got "
                             f"input with spatial dimensions of {list(input.shape[2:])} and output size of {size}. "
                             "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                             "output size in (o1, o2, ...,oK) format.")  # fmt: skip
        for x in size:
            if not isinstance(x, int) and not (isinstance(x, tallow.Tensor) and not x.is_floating_point()):
                raise TypeError("expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], "
                                f"but got size with types {[type(x) for x in size]}")  # fmt: skip
        return [int(x) for x in size], None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if not isinstance(scale_factor, (list, tuple)):
        return None, [scale_factor] * dim
    if len(scale_factor) != dim:
        raise ValueError("Input and scale_factor must have the same number of spatial dimensions, but "
                         f"got input with spatial dimensions of {list(input.shape[2:])} and "
                         f"scale_factor of shape {scale_factor}. "
                         "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                         "scale_factor in (s1, s2, ...,sK) format.")  # fmt: skip
    return None, scale_factor


@_overridable
def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False):
    """The last dimensions brought to a size, or scaled."""
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    elif align_corners is None:
        align_corners = False
    sizes, scales = _target(input, size, scale_factor)
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if sizes is None and (recompute_scale_factor or mode == "area"):
        sizes, scales = [int(input.size(i + 2) * scale) for i, scale in enumerate(scales)], None
    dim = input.dim()
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and dim == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
    if (mode, dim) in _WITHOUT_CORNERS:
        return getattr(_nn, _WITHOUT_CORNERS[mode, dim])(input, sizes, scales)
    if mode == "area" and dim in (3, 4, 5):
        return (_ops.adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dim - 3](input, sizes)
    if mode == "lanczos" and dim == 4:
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        return _nn._upsample_lanczos2d_aa(input, sizes, align_corners, scales)
    if (mode, dim) in _WITH_CORNERS:
        name = f"_upsample_{mode}2d_aa" if antialias else _WITH_CORNERS[mode, dim]
        return getattr(_nn, name)(input, sizes, align_corners, scales)
    if mode in _NEEDS and dim in (3, 4, 5):
        raise NotImplementedError(f"Got {dim}D input, but {mode} mode needs {_NEEDS[mode]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {dim}D) for the modes: "
        f"nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _deprecated(name):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """interpolate, by its old name."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """interpolate(mode="nearest"), by its old name."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """interpolate(mode="bilinear", align_corners=True), by its old name."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


_GRID_MODES = ("bilinear", "nearest", "bicubic")
_GRID_PADDINGS = ("zeros", "border", "reflection")


def _corners(align_corners):
    if align_corners is None:
        warnings.warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
                      "Please specify align_corners=True if the old behavior is desired. "
                      "See the documentation of grid_sample for details.", stacklevel=4)  # fmt: skip
        return False
    return align_corners


@_overridable
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The input at the places of the grid, which run from -1 to 1."""
    if mode not in _GRID_MODES:
        raise ValueError(f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding_mode not in _GRID_PADDINGS:
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
                         f"but got: '{padding_mode}'")  # fmt: skip
    return _ops.grid_sampler(input, grid, _GRID_MODES.index(mode), _GRID_PADDINGS.index(padding_mode), _corners(align_corners))


@_overridable
def affine_grid(theta, size, align_corners=None):
    """The grid of grid_sample that maps images by affine matrices."""
    align_corners = _corners(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError("affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
                                  f"Got size {size}.")  # fmt: skip
    n = len(size) - 2
    if theta.dim() != 3 or theta.shape[-2] != n or theta.shape[-1] != n + 1:
        raise ValueError(f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}.")
    if align_corners and min(size[-n:]) == 1:
        warnings.warn("Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. "
                      "This is not an intended use case of affine_grid. "
                      "See the documentation of affine_grid for details.", stacklevel=3)  # fmt: skip
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return _ops.affine_grid_generator(theta, size, align_corners)


# --- dropout ------------------------------------------------------------------------------------------------------------


def _rate(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@_overridable
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zeroes whole channels of (N, C, L) or (C, L)."""
    _rate(p)
    dim = input.dim()
    if dim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {dim}D input. "
                           "Note that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
                           "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).")  # fmt: skip
    if dim == 2:
        input = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _ops.feature_dropout_(input, p, training) if inplace else _ops.feature_dropout(input, p, training)
    if dim == 2:
        result = result.squeeze_(0) if inplace else result.squeeze(0)
    return result


@_overridable
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zeroes whole channels of (N, C, H, W)."""
    _rate(p)
    dim = input.dim()
    if dim not in (3, 4):
        warnings.warn(f"dropout2d: Received a {dim}-D input to dropout2d, which is deprecated and will result in an error in a future "
                      "release. To retain the behavior and silence this warning, please use dropout instead. Note that dropout2d "
                      "exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, and an "
                      "optional batch dimension (i.e. 3D or 4D inputs).", stacklevel=3)  # fmt: skip
    if dim == 3:
        warnings.warn("dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - "
                      "input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future "
                      "release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
                      "channel-wise dropout behavior, please switch to using dropout1d instead.", stacklevel=3)  # fmt: skip
    return _ops.feature_dropout_(input, p, training) if inplace else _ops.feature_dropout(input, p, training)


@_overridable
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Zeroes whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _rate(p)
    dim = input.dim()
    if dim not in (4, 5):
        warnings.warn(f"dropout3d: Received a {dim}-D input to dropout3d, which is deprecated and will result in an error in a future "
                      "release. To retain the behavior and silence this warning, please use dropout instead. Note that dropout3d "
                      "exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, and an "
                      "optional batch dimension (i.e. 4D or 5D inputs).", stacklevel=3)  # fmt: skip
    if dim == 4:
        input = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _ops.feature_dropout_(input, p, training) if inplace else _ops.feature_dropout(input, p, training)
    if dim == 4:
        result = result.squeeze_(0) if inplace else result.squeeze(0)
    return result


@_overridable
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance behind SELU."""
    _rate(p)
    return _ops.alpha_dropout_(input, p, training) if inplace else _ops.alpha_dropout(input, p, training)


@_overridable
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels."""
    _rate(p)
    return _ops.feature_alpha_dropout_(input, p, training) if inplace else _ops.feature_alpha_dropout(input, p, training)


# --- normalisation --------------------------------------------------------------------------------------------------------


@_overridable
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Each element over a power of the mean square of its neighbours in the channel dimension."""
    dim = input.dim()
    if dim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {dim} dimensions)")
    if input.numel() == 0:
        return input
    squares, sides = input.mul(input), (size // 2, (size - 1) // 2)
    if dim == 3:
        means = _nn.avg_pool2d(_nn.pad(squares.unsqueeze(1), (0, 0, *sides)), (size, 1), 1).squeeze(1)
    else:
        n, c, h = input.size()[:3]
        padded = _nn.pad(squares.view(n, 1, c, h, -1), (0, 0, 0, 0, *sides))
        means = _nn.avg_pool3d(padded, (size, 1, 1), 1).squeeze(1).view(input.size())
    return input / means.mul(alpha).add(k).pow(beta)


def _more_than_one(size, what, count):
    if count == 1:
        raise ValueError(f"Expected more than 1 {what} when training, got input size {size}")


@_overridable
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Zero mean and unit variance of each channel, over the batch when training, else by the running statistics."""
    if training:
        size = input.size()
        _more_than_one(size, "value per channel", size[0] * math.prod(size[2:]))
        if eps <= 0.0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return _ops.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)


@_overridable
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    """batch_norm of each example by itself."""
    if use_input_stats:
        size = input.size()
        _more_than_one(size, "spatial element", math.prod(size[2:]))
    return _ops.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True)


@_overridable
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Zero mean and unit variance of each group of channels of each example, then weight and bias by channel."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    size = [input.size(0) * input.size(1) // num_groups, num_groups, *input.size()[2:]]
    _more_than_one(size, "value per channel", size[0] * math.prod(size[2:]))
    return _ops.group_norm(input, num_groups, weight, bias, eps, True)


@_overridable
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Zero mean and unit variance over the last dimensions, then weight and bias."""
    return _ops.layer_norm(input, normalized_shape, weight, bias, eps, True)


@_overridable
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Unit root mean square over the last dimensions, then weight."""
    return _ops.rms_norm(input, normalized_shape, weight, eps)
