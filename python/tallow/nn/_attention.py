"""Attention of several heads, as torch.nn.functional has it."""

import math
import warnings

import tallow
from tallow import _C
from tallow.nn._overridable import overridable

_nn = _C._nn


def _canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """A mask to add: of booleans, those that are True become -inf."""
    if mask is None:
        return None
    is_float = mask.is_floating_point()
    if mask.dtype != tallow.bool and not is_float:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    return mask if is_float else tallow.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def _none_or_dtype(input):
    return None if input is None else input.dtype


def _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Whether the inputs have a batch; AssertionError if they do not go together."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    kind = f"For {'batched' if dims == 3 else 'unbatched'} ({dims}-D) `query`, expected"
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"{kind} `key` and `value` to be {dims}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"{kind} `key_padding_mask` to be `None` or {dims - 1}-D but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.dim() not in (2, 3):
        raise AssertionError(
            f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None and dims == 2 and attn_mask.dim() == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if attn_mask.shape != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return dims == 3


def _check_projection(what, given, expected):
    if given is not None and given.shape != expected:
        raise AssertionError(f"expecting {what} shape of {expected}, but got {given.shape}")


def _project(query, key, value, weights, bias):
    """Query, key and value by their own weights."""
    linear = tallow.nn.functional.linear
    width = query.size(-1)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    for name, x, w in zip(("query", "key", "value"), (query, key, value), weights):
        _check_projection(f"{name} weights", w, (width, x.size(-1)))
    for name, b in zip(("query", "key", "value"), biases):
        _check_projection(f"{name} bias", b, (width,))
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]


def _project_packed(query, key, value, weight, bias):
    """Query, key and value by thirds of one weight; equal inputs by one product."""
    linear = tallow.nn.functional.linear
    width = query.size(-1)
    if key is value and query is key:
        return linear(query, weight, bias).chunk(3, -1)
    if key is value:
        first, rest = (None, None) if bias is None else (bias[:width], bias[width:])
        return [linear(query, weight[:width], first), *linear(key, weight[width:], rest).chunk(2, -1)]
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weight.chunk(3), biases)]


def _check_attn_mask(mask, batch, num_heads, length, key_length):
    """The mask in three dimensions."""
    if mask.dim() == 2:
        expected = (length, key_length)
        if mask.shape != expected:
            raise RuntimeError(f"The shape of the 2D attn_mask is {mask.shape}, but should be {expected}.")
        return mask.unsqueeze(0)
    if mask.dim() != 3:
        raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
    expected = (batch * num_heads, length, key_length)
    if mask.shape != expected:
        raise RuntimeError(f"The shape of the 3D attn_mask is {mask.shape}, but should be {expected}.")
    return mask


def _with_column(mask):
    """The mask of one key more, which may be seen."""
    return None if mask is None else tallow.nn.functional.pad(mask, (0, 1))


def _static(name, given, batch, num_heads, head_dim):
    if given.size(0) != batch * num_heads:
        raise AssertionError(f"expecting {name}.size(0) of {batch * num_heads}, but got {given.size(0)}")
    if given.size(2) != head_dim:
        raise AssertionError(f"expecting {name}.size(2) of {head_dim}, but got {given.size(2)}")
    return given.reshape(batch, num_heads, given.size(1), head_dim)


def _heads(x, num_heads):
    """(length, batch, width) as (batch, heads, length, width / heads)."""
    return x.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3)


def _check_padding_mask(mask, key_length, batch):
    for dim, size in enumerate((batch, key_length)):
        if mask.shape[dim] != size:
            raise AssertionError(f"Expected key_padded_mask.shape[{dim}] to be {size}, but got {mask.shape[dim]}")


def _join_masks(attn_mask, key_padding_mask, batch, num_heads, key_length):
    """Both masks, in four dimensions that broadcast to (batch, heads, length, key length)."""
    if attn_mask is not None:
        attn_mask = attn_mask.unsqueeze(0) if attn_mask.size(0) == 1 else attn_mask.unflatten(0, (batch, num_heads))
    if key_padding_mask is None:
        return attn_mask
    _check_padding_mask(key_padding_mask, key_length, batch)
    padding = key_padding_mask.view(batch, 1, 1, key_length)
    return padding if attn_mask is None else attn_mask + padding


def _attend(q, k, v, mask, dropout_p):
    """Attention and its weights."""
    weights = (q * math.sqrt(1.0 / q.size(-1))) @ k.transpose(-2, -1)
    if mask is not None:
        weights = weights + mask
    weights = weights.softmax(-1)
    if dropout_p > 0.0:
        weights = tallow.nn.functional.dropout(weights, p=dropout_p)
    return weights @ v, weights


@overridable
def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p,
    out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
    average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Attention of several heads over (length, batch, width) or (length, width): the output, and the weights if they are needed."""
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = query is key, key is value
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    key_length = key.shape[0]
    key_padding_mask = _canonical_mask(key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. "
            "You may use the Transformer module method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint says it all
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        is_causal = False
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head_dim = width // num_heads
    if head_dim * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, w in zip(("q", "k", "v"), weights):
            if w is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        q, k, v = _project(query, key, value, weights, in_proj_bias)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _project_packed(query, key, value, in_proj_weight, in_proj_bias)
    if attn_mask is not None:
        attn_mask = _check_attn_mask(attn_mask, batch, num_heads, length, key_length)
    if (bias_k is None) != (bias_v is None):
        names = ("bias_k", "bias_v") if bias_v is None else ("bias_v", "bias_k")
        raise AssertionError(f"{names[0]} is set but {names[1]} is None")
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError(f"bias cannot be added to static {'key' if static_k is not None else 'value'}.")
        k = tallow.cat([k, bias_k.repeat(1, batch, 1)])
        v = tallow.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _with_column(attn_mask), _with_column(key_padding_mask)
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static("static_k", static_k, batch, num_heads, head_dim)
    v = _heads(v, num_heads) if static_v is None else _static("static_v", static_v, batch, num_heads, head_dim)
    if add_zero_attn:
        k = tallow.cat([k, k.new_zeros((batch, num_heads, 1, head_dim))], 2)
        v = tallow.cat([v, v.new_zeros((batch, num_heads, 1, head_dim))], 2)
        attn_mask, key_padding_mask = _with_column(attn_mask), _with_column(key_padding_mask)
    mask = _join_masks(attn_mask, key_padding_mask, batch, num_heads, k.size(2))
    dropout_p = dropout_p if training else 0.0
    shares = None
    if need_weights:
        output, shares = _attend(q, k, v, mask, dropout_p)
        shares = shares.mean(dim=1) if average_attn_weights else shares
    else:
        output = _nn.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    output = output.permute(2, 0, 1, 3).reshape(length * batch, width)
    output = tallow.nn.functional.linear(output, out_proj_weight, out_proj_bias)
    output = output.view(length, batch, output.size(1))
    if batched:
        return output, shares
    return output.squeeze(1), None if shares is None else shares.squeeze(0)
