"""torch.nn.functional: ops of the table under their functional names, with PyTorch's checks and warnings."""

import warnings

import tallow
from tallow import Tensor, _C
from tallow._missing import no_attribute as _no_attribute
from tallow.overrides import handle_torch_function, has_torch_function

_nn = _C._nn
_ops = _C._VariableFunctions
_relu, _relu_ = _ops.relu, _ops.relu_


def _unary(x):
    """Whether x (an argument) has to go to its own __torch_function__; a plain tensor never has, which callers see themselves."""
    return has_torch_function((x,))


def __getattr__(name):
    """Losses, attention and what images need, which have files of their own; then ops that need nothing but their name (linear,
    conv2d, gelu, ...); then what the table lacks."""
    if name.startswith("__"):
        raise _no_attribute(__name__, name)
    from tallow.nn import _attention, _composed, _losses, _vision

    def public(place):
        function = None if name.startswith("_") else getattr(place, name, None)
        homes = [getattr(f, "__globals__", None) for f in (function, getattr(function, "__wrapped__", None))]
        return function if any(home is vars(place) for home in homes) else None  # not by __module__, which says torch under an alias

    op = getattr(_nn, name, None) or getattr(_ops, name, None)
    lacking = None if op else public(_composed)
    found = public(_losses) or public(_attention) or lacking or public(_vision) or op
    if found is None:
        raise _no_attribute(__name__, name)
    globals()[name] = found
    return found


def _op(name):
    """An op of the table that has the name of a function here."""
    return getattr(_nn, name, None) or getattr(_ops, name)


def _softmax_dim(name, ndim, stacklevel):
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


# --- activations --------------------------------------------------------------------------------------------------


def relu(input, inplace=False):
    """max(x, 0)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(relu, (input,), input, inplace=inplace)
    return _relu_(input) if inplace else _relu(input)


def relu_(input):
    """relu in place."""
    return input.relu_()


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where positive, else negative_slope * x."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(leaky_relu, (input,), input, negative_slope=negative_slope, inplace=inplace)
    return _nn.leaky_relu_(input, negative_slope) if inplace else _nn.leaky_relu(input, negative_slope)


def elu(input, alpha=1.0, inplace=False):
    """x where positive, else alpha * (exp(x) - 1)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(elu, (input,), input, alpha=alpha, inplace=inplace)
    return _nn.elu_(input, alpha) if inplace else _nn.elu(input, alpha)


def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(relu6, (input,), input, inplace=inplace)
    return input.copy_(_op("relu6")(input.clone())) if inplace else _op("relu6")(input)


def silu(input, inplace=False):
    """x * sigmoid(x)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(silu, (input,), input, inplace=inplace)
    return input.copy_(_op("silu")(input.clone())) if inplace else _op("silu")(input)


def sigmoid(input):
    """1 / (1 + exp(-x))."""
    return input.sigmoid()


def tanh(input):
    """The hyperbolic tangent."""
    return input.tanh()


def softsign(input):
    """x / (1 + |x|)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(softsign, (input,), input)
    return input / (input.abs() + 1)


def tanhshrink(input):
    """x - tanh(x)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(tanhshrink, (input,), input)
    return input - input.tanh()


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) over its sum along dim."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(softmax, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype)
    if dim is None:
        dim = _softmax_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim) if dtype is None else input.softmax(dim, dtype=dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax of -x."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(softmin, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype)
    if dim is None:
        dim = _softmax_dim("softmin", input.dim(), _stacklevel)
    return (-input).softmax(dim) if dtype is None else (-input).softmax(dim, dtype=dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(log_softmax, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype)
    if dim is None:
        dim = _softmax_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim) if dtype is None else input.log_softmax(dim, dtype=dtype)


def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes elements with probability p and scales the others by 1 / (1 - p)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(dropout, (input,), input, p=p, training=training, inplace=inplace)
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _ops.dropout_(input, p, training) if inplace else _ops.dropout(input, p, training)


def mish(input, inplace=False):
    """x * tanh(softplus(x))."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(mish, (input,), input, inplace=inplace)
    return input.copy_(_op("mish")(input.clone())) if inplace else _op("mish")(input)


def selu(input, inplace=False):
    """SELU of Klambauer et al., 2017."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(selu, (input,), input, inplace=inplace)
    return input.copy_(_op("selu")(input.clone())) if inplace else _op("selu")(input)


def hardsigmoid(input, inplace=False):
    """min(max(x + 3, 0), 6) / 6."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(hardsigmoid, (input,), input, inplace=inplace)
    return input.copy_(_op("hardsigmoid")(input.clone())) if inplace else _op("hardsigmoid")(input)


def hardswish(input, inplace=False):
    """x * hardsigmoid(x)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(hardswish, (input,), input, inplace=inplace)
    return input.copy_(_op("hardswish")(input.clone())) if inplace else _op("hardswish")(input)


def celu(input, alpha=1.0, inplace=False):
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(celu, (input,), input, alpha=alpha, inplace=inplace)
    return input.copy_(_op("celu")(input.clone(), alpha)) if inplace else _op("celu")(input, alpha)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x within [min_val, max_val]."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(hardtanh, (input,), input, min_val=min_val, max_val=max_val, inplace=inplace)
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return input.copy_(_op("hardtanh")(input.clone(), min_val, max_val)) if inplace else _op("hardtanh")(input, min_val, max_val)


def _threshold(input, threshold, value, inplace=False):
    """x where above threshold, else value."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(_threshold, (input,), input, threshold=threshold, value=value, inplace=inplace)
    return input.copy_(_op("threshold")(input.clone(), threshold, value)) if inplace else _op("threshold")(input, threshold, value)


threshold = _threshold


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """x where positive, else a slope times x: drawn from [lower, upper] in training, their mean otherwise."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(rrelu, (input,), input, lower=lower, upper=upper, training=training, inplace=inplace)
    return (_ops.rrelu_ if inplace else _ops.rrelu)(input, lower, upper, training)


def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """rrelu in place."""
    return _ops.rrelu_(input, lower, upper, training)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A softmax of logits with Gumbel noise; hard: a one where it is largest, with the softmax's gradient."""
    if type(logits) is not Tensor and _unary(logits):
        return handle_torch_function(gumbel_softmax, (logits,), logits, tau=tau, hard=hard, eps=eps, dim=dim)
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -tallow.empty_like(logits, memory_format=tallow.contiguous_format).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    ones = tallow.zeros_like(logits, memory_format=tallow.contiguous_format).scatter_(dim, index, 1.0)
    return ones - soft.detach() + soft


def glu(input, dim=-1):
    """The first half along dim times the sigmoid of the second."""
    if type(input) is not Tensor and _unary(input):
        return handle_torch_function(glu, (input,), input, dim=dim)
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return _op("glu")(input, dim)


# --- composites ---------------------------------------------------------------------------------------------------


def bilinear(input1, input2, weight, bias=None):
    """input1 @ weight[o] @ input2 for each o, plus bias; weight is (out, in1, in2)."""
    if has_torch_function((input1, input2, weight, bias)):
        return handle_torch_function(bilinear, (input1, input2, weight, bias), input1, input2, weight, bias)
    out, in1, in2 = weight.shape
    for i, (given, wanted) in enumerate(((input1, in1), (input2, in2)), 1):
        if given.shape[-1] != wanted:
            raise RuntimeError(f"bilinear(): input{i} size does not match weight size: got {given.shape[-1]} but expected {wanted}")
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError("bilinear(): input batch dimensions do not match: got "
                           f"{list(input1.shape)} and {list(input2.shape)}")  # fmt: skip
    rows = input1.reshape(-1, in1) @ weight.permute(1, 0, 2).reshape(in1, out * in2)  # (batch, out * in2)
    result = (rows.view(-1, out, in2) @ input2.reshape(-1, in2, 1)).view(*input1.shape[:-1], out)
    return result if bias is None else result + bias


# --- embeddings -----------------------------------------------------------------------------------------------------


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of weight by index; those looked up are first scaled down to max_norm, in place."""
    if has_torch_function((input, weight)):
        return handle_torch_function(embedding, (input, weight), input, weight, padding_idx=padding_idx, max_norm=max_norm,
                                     norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)  # fmt: skip
    if padding_idx is None:
        padding_idx = -1
    else:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None and not weight.is_meta:  # which has no norms
        with tallow.no_grad():
            _ops.embedding_renorm_(weight, input.contiguous(), max_norm, norm_type)
    return _ops.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


_BAG_MODES = {"sum": 0, "mean": 1, "max": 2}


def _bag_arguments(input, offsets, per_sample_weights):
    """Flat indices, where each bag begins, and flat weights, from either form of the arguments."""
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the same shape as the "
                         f"input ({input.shape})")  # fmt: skip
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, "
                             f"found offsets of type {type(offsets)}")  # fmt: skip
        offsets = tallow.arange(input.size(0), device=input.device) * input.size(1)
        weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        return input.reshape(-1), offsets, weights
    if input.dim() != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    return input, offsets, per_sample_weights


def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean", sparse=False,
                  per_sample_weights=None, include_last_offset=False, padding_idx=None):  # fmt: skip
    """Sums, means or maxima of bags of rows of weight."""
    arguments = (input, weight, offsets, per_sample_weights)
    if has_torch_function(arguments):
        return handle_torch_function(embedding_bag, arguments, input, weight, offsets=offsets, max_norm=max_norm, norm_type=norm_type,
                                     scale_grad_by_freq=scale_grad_by_freq, mode=mode, sparse=sparse, per_sample_weights=per_sample_weights,
                                     include_last_offset=include_last_offset, padding_idx=padding_idx)  # fmt: skip
    if weight.dtype == tallow.int64 and input.is_floating_point():
        weight, input = input, weight
    input, offsets, per_sample_weights = _bag_arguments(input, offsets, per_sample_weights)
    if mode not in _BAG_MODES:
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError("embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
                                  f"(got mode='{mode}'). Please open a feature request on GitHub.")  # fmt: skip
    has_data = offsets.numel() and not offsets.is_meta
    if has_data and int(offsets[0]) != 0:
        raise RuntimeError(f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {int(offsets[0])}")
    if has_data and int(offsets[-1]) > input.numel():
        raise RuntimeError(f"offsets[-1] can not be greater than input's length {input.numel()} but got offsets[-1] of {int(offsets[-1])}")
    if padding_idx is not None:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise RuntimeError(f"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, but got {padding_idx}")
        padding_idx %= rows
    if max_norm is not None and not weight.is_meta:  # which has no norms
        with tallow.no_grad():
            _ops.embedding_renorm_(weight, input.contiguous(), max_norm, norm_type)
    return _nn.embedding_bag(weight, input, offsets, scale_grad_by_freq, _BAG_MODES[mode], per_sample_weights, include_last_offset,
                             -1 if padding_idx is None else padding_idx, sparse)  # fmt: skip
