"""Losses of torch.nn.functional: ops of the table with PyTorch's checks and warnings."""

import math
import warnings

import tallow
from tallow import _C
from tallow.nn import _reduction as _Reduction
from tallow.nn._overridable import overridable

_nn = _C._nn
_ops = _C._VariableFunctions


def _number(size_average, reduce, reduction):
    if size_average is not None or reduce is not None:
        return _Reduction.legacy_get_enum(size_average, reduce)
    return _Reduction.get_enum(reduction)


def _reduce(loss, reduction, message):
    """By name, for losses that PyTorch writes in Python; message: what it says of another word."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ValueError(f"{reduction}{message}")
    return loss


def _warn_of_broadcast(input, target, stacklevel=4):
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=stacklevel,
        )


def _check_weight(weight, input):
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")


def _weighted(loss, weight, reduction):
    """A pointwise loss times weight, reduced: the mean is over the weights."""
    loss = loss * weight
    if reduction == 1:
        return loss.sum() / weight.expand_as(loss).sum()
    return loss.sum() if reduction == 2 else loss


# --- one term for each element ------------------------------------------------------------------------------------


@overridable
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Squared differences."""
    _warn_of_broadcast(input, target)
    number = _number(size_average, reduce, reduction)
    if weight is None:
        return _nn.mse_loss(input, target, number)
    _check_weight(weight, input)
    return _weighted(_nn.mse_loss(input, target, 0), weight, number)


@overridable
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Absolute differences."""
    _warn_of_broadcast(input, target)
    number = _number(size_average, reduce, reduction)
    if weight is None:
        return _nn.l1_loss(input, target, number)
    _check_weight(weight, input)
    return _weighted(_nn.l1_loss(input, target, 0), weight, number)


@overridable
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Squared below beta, absolute above."""
    _warn_of_broadcast(input, target)
    return _nn.smooth_l1_loss(input, target, _number(size_average, reduce, reduction), beta)


@overridable
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Squared up to delta, linear above."""
    _warn_of_broadcast(input, target)
    if weight is None:
        return _nn.huber_loss(input, target, _Reduction.get_enum(reduction), delta)
    _check_weight(weight, input)
    loss = _nn.huber_loss(input, target, 0, delta) * weight
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    return _reduce(loss, reduction, "")


@overridable
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Cross entropy between probabilities; logarithms are at least -100."""
    number = _number(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is deprecated. "
            "Please ensure they have the same size."
        )
    return _nn.binary_cross_entropy(input, target, weight, number)


@overridable
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """binary_cross_entropy of sigmoid(input), computed stably."""
    number = _number(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return _ops.binary_cross_entropy_with_logits(input, target, weight, pos_weight, number)


@overridable
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)); targets are 1 and -1."""
    return _nn.soft_margin_loss(input, target, _number(size_average, reduce, reduction))


@overridable
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """Kullback-Leibler divergence of target from log probabilities."""
    batch_mean = reduction == "batchmean"
    if size_average is not None or reduce is not None:
        number = _Reduction.legacy_get_enum(size_average, reduce)
    else:
        if reduction == "mean":
            warnings.warn(
                "reduction: 'mean' divides the total loss by both the batch size and the support size."
                "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
                "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
                stacklevel=3,
            )
        number = _Reduction.get_enum("sum" if batch_mean else reduction)
    loss = _ops.kl_div(input, target, number, log_target=log_target)
    return loss / input.size()[0] if batch_mean and input.dim() != 0 else loss


@overridable
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1."""
    return _ops.hinge_embedding_loss(input, target, margin, _number(size_average, reduce, reduction))


@overridable
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction="mean"
):
    """Negative log likelihood of a Poisson distribution."""
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not a valid value for reduction")
    return _ops.poisson_nll_loss(input, target, log_input, full, eps, _Reduction.get_enum(reduction))


@overridable
def gaussian_nll_loss(input, target, var, full=False, eps=1e-06, reduction="mean"):
    """Negative log likelihood of a normal distribution with variance var."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * tallow.ones_like(input)
    elif tallow.any(var < 0):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        differing = [b for a, b in zip(input.size(), var.size()) if a != b]
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not (input.dim() == var.dim() and sum(differing) == 1):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with tallow.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.9189385332046727  # log(2 pi) / 2
    return _reduce(loss, reduction, "")


# --- classes ------------------------------------------------------------------------------------------------------


@overridable
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Negative log likelihood of class indices, given log probabilities."""
    return _nn.nll_loss_nd(input, target, weight, _number(size_average, reduce, reduction), ignore_index)


@overridable
def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """Cross entropy between logits and class indices or class probabilities."""
    number = _number(size_average, reduce, reduction)
    return _nn.cross_entropy_loss(input, target, weight, number, ignore_index, label_smoothing)


@overridable
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Hinge of the target's score over each other class."""
    number = _number(size_average, reduce, reduction)
    if p != 1 and p != 2:
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    return _nn.multi_margin_loss(input, target, p, margin, weight, number)


@overridable
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Hinge of each target's score over each class that is none."""
    return _nn.multilabel_margin_loss(input, target, _number(size_average, reduce, reduction))


@overridable
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Binary cross entropy of each class's logit, averaged over classes."""
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    loss = -(target * _nn.log_sigmoid(input) + (1 - target) * _nn.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    classes = input.dim() - 1
    return _reduce(loss.sum(dim=classes) / input.size(classes), reduction, " is not valid")


@overridable
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Connectionist temporal classification: minus the log probability of each target sequence."""
    number = _Reduction.get_enum(reduction)
    return _ops.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, number, zero_infinity)


# --- pairs and triplets -------------------------------------------------------------------------------------------


@overridable
def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cosine where target is 1, max(0, cosine - margin) where it is -1."""
    return _ops.cosine_embedding_loss(input1, input2, target, margin, _number(size_average, reduce, reduction))


@overridable
def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, margin - target * (input1 - input2))."""
    number = _number(size_average, reduce, reduction)
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return _ops.margin_ranking_loss(input1, input2, target, margin, number)


@overridable
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-06, swap=False, size_average=None, reduce=None, reduction="mean"
):
    """max(0, margin + |anchor - positive| - |anchor - negative|)."""
    number = _number(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _ops.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, number)


@overridable
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with a distance of one's own."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    distance = _ops.pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = tallow.minimum(far, distance(positive, negative))
    return _reduce((margin + near - far).clamp_min(0), reduction, "")


# --- a linear layer and its loss in one ---------------------------------------------------------------------------


@overridable
def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
    label_smoothing=0.0, options=None,
):  # fmt: skip
    """cross_entropy(linear(input, linear_weight, linear_bias), target). `options` asks for less memory and changes no value."""
    if input.dim() < 1 or input.dim() > 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    batches, features = input.shape[:-1], input.shape[-1]
    if features != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {linear_weight.shape[-1]}, respectively"
        )
    rows, classes, places = linear_weight.shape[:-1], linear_weight.shape[0], linear_weight.shape[1:-1]
    if linear_bias is not None and tuple(linear_bias.shape) != tuple(rows):
        raise RuntimeError(f"expected linear_bias shape {tuple(rows)}, got {tuple(linear_bias.shape)}")
    if places and not batches:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires"
            f" batched input, (N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*batches, classes, *places)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    weights = linear_weight.reshape(-1, features)
    logits = tallow.nn.functional.linear(input, weights, None if linear_bias is None else linear_bias.reshape(-1))
    return cross_entropy(
        logits.reshape(shape),
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )
