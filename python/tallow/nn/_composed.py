"""Functions of torch.nn.functional that are made of ops of the table: normalisation, embedding, padding."""

import math

import tallow


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    """Zero mean and unit variance over the last dimensions, then weight and bias."""
    shape = tuple(normalized_shape)
    n = len(shape)
    if n < 1:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
                           f"but got normalized_shape = {list(shape)}")  # fmt: skip
    if tuple(input.shape[input.dim() - n :]) != shape or input.dim() < n:
        inner = ", ".join(str(size) for size in shape)
        raise RuntimeError(f"Given normalized_shape=[{inner}], expected input with shape [*, {inner}], "
                           f"but got input of size{list(input.shape)}")  # fmt: skip
    dims = list(range(-n, 0))
    centered = input - input.mean(dims, keepdim=True)
    out = centered * ((centered * centered).mean(dims, keepdim=True) + eps).rsqrt()
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Unit root mean square over the last dimensions, then weight."""
    shape = list(normalized_shape)
    if not shape:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
                           f"normalized_shape = {shape}")  # fmt: skip
    if weight is not None and list(weight.shape) != shape:
        raise RuntimeError("Expected weight to be of same shape as normalized_shape, but got weight of shape "
                           f"{list(weight.shape)} and normalized_shape = {shape}")  # fmt: skip
    if list(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(f"Given normalized_shape={shape}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of size"
                           f"{list(input.shape)}")  # fmt: skip
    dims = list(range(-len(tuple(normalized_shape)), 0))
    eps = tallow.finfo(input.dtype).eps if eps is None else eps
    out = input * ((input * input).mean(dims, keepdim=True) + eps).rsqrt()
    return out if weight is None else out * weight


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    """layer_norm over groups of channels."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    n, c = input.shape[0], input.shape[1]
    if num_groups < 1 or c % num_groups != 0:
        raise RuntimeError("Expected number of channels in input to be divisible by num_groups, but got input of shape "
                           f"{list(input.shape)} and num_groups={num_groups}")  # fmt: skip
    grouped = input.reshape(n, num_groups, math.prod(input.shape[1:]) // num_groups)
    centered = grouped - grouped.mean(-1, keepdim=True)
    out = (centered * ((centered * centered).mean(-1, keepdim=True) + eps).rsqrt()).reshape(input.shape)
    return _per_channel(out, weight, bias)


def _per_channel(out, weight, bias):
    shape = [1, -1] + [1] * (out.dim() - 2)
    if weight is not None:
        out = out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """Zero mean and unit variance of each channel, over the batch when training, else by the running statistics."""
    shape = [1, -1] + [1] * (input.dim() - 2)
    dims = [i for i in range(input.dim()) if i != 1]
    if training:
        count = input.numel() // max(input.shape[1], 1)
        if count <= 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
        mean = input.mean(dims)
        centered = input - mean.reshape(shape)
        var = (centered * centered).mean(dims)
        with tallow.no_grad():
            if running_mean is not None:
                running_mean.mul_(1 - momentum).add_(mean.detach(), alpha=momentum)
            if running_var is not None:
                running_var.mul_(1 - momentum).add_(var.detach() * (count / (count - 1)), alpha=momentum)
    else:
        mean, var = running_mean, running_var
        centered = input - mean.reshape(shape)
    return _per_channel(centered * (var + eps).rsqrt().reshape(shape), weight, bias)


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05):
    """batch_norm of each example by itself."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = list(range(2, input.dim()))
    mean = input.mean(dims, keepdim=True)
    centered = input - mean
    var = (centered * centered).mean(dims, keepdim=True)
    if running_mean is not None and running_var is not None:
        count = input.numel() // (input.shape[0] * input.shape[1])
        with tallow.no_grad():
            running_mean.mul_(1 - momentum).add_(mean.detach().mean(0).reshape(-1), alpha=momentum)
            running_var.mul_(1 - momentum).add_((var.detach() * (count / max(count - 1, 1))).mean(0).reshape(-1), alpha=momentum)
    return _per_channel(centered * (var + eps).rsqrt(), weight, bias)


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of weight by index."""
    if weight.dim() != 2:
        raise RuntimeError("'weight' must be 2-D")
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding: max_norm, scale_grad_by_freq and sparse are not implemented")
    if padding_idx is not None:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        index = padding_idx % rows
        keep = (tallow.arange(rows, device=weight.device) != index).unsqueeze(1)
        weight = tallow.where(keep, weight, weight.detach())  # the row gets no gradient
    return weight.index_select(0, input.reshape(-1)).reshape(*input.shape, weight.size(1))


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input over its norm along dim."""
    result = input / input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return result if out is None else out.copy_(result)
