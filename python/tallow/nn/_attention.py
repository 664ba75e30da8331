"""Attention of torch.nn.functional."""

import math

import tallow


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """softmax(query @ key.mT * scale) @ value."""
    if enable_gqa:
        raise NotImplementedError("scaled_dot_product_attention: enable_gqa is not implemented")
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        rows, columns = query.size(-2), key.size(-2)
        after = tallow.arange(columns).unsqueeze(0) > tallow.arange(rows).unsqueeze(1)
        scores = tallow.where(after, -math.inf, scores)
    if attn_mask is not None:
        scores = tallow.where(attn_mask, scores, -math.inf) if attn_mask.dtype == tallow.bool else scores + attn_mask
    weights = scores.softmax(-1)
    if dropout_p > 0:
        weights = tallow.nn.functional.dropout(weights, dropout_p)
    return weights @ value
