"""Attention against its definition, and transformers against their parts."""

import itertools
import math

import pytest
import tallow as torch
from samples import numbers
from tallow import nn
from tallow.nn import functional as F


def draw(*shape, seed=1, dtype=torch.float64):
    return numbers(shape, seed, -1.0, 1.0, dtype)


def attend(q, k, v, mask=None, causal=False, scale=None):
    """The definition, with rows that see nothing giving zeros."""
    k = k.repeat_interleave(q.size(-3) // k.size(-3), -3) if q.dim() > 2 else k
    v = v.repeat_interleave(q.size(-3) // v.size(-3), -3) if q.dim() > 2 else v
    scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(q.size(-1)) if scale is None else scale)
    seen = torch.ones(scores.shape, dtype=torch.bool)
    if causal:
        seen = seen & (torch.arange(k.size(-2)) <= torch.arange(q.size(-2)).unsqueeze(1))
    if mask is not None:
        seen = seen & (mask if mask.dtype == torch.bool else mask > -math.inf)
        scores = scores if mask.dtype == torch.bool else scores + mask.clamp(min=-1e300)
    scores = scores.masked_fill(~seen, -1e300)
    weights = (scores - scores.amax(-1, True)).exp().masked_fill(~seen, 0)
    total = weights.sum(-1, True)
    return weights / total.masked_fill(total == 0, 1) @ v


def same(got, expected, tolerance=1e-12):
    assert got.shape == expected.shape and (got - expected).abs().max().item() <= tolerance


CASES = {
    "plain": ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), None),
    "many rows": ((1, 2, 300, 8), (1, 2, 700, 8), (1, 2, 700, 8), None),
    "booleans": ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4), lambda: draw(5, 7, seed=4) > -0.2),
    "blind rows": ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4), lambda: (torch.arange(5) > 1).unsqueeze(1).repeat(1, 7)),
    "numbers": ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4), lambda: draw(2, 1, 5, 7, seed=5)),
    "shared heads": ((2, 6, 5, 4), (2, 2, 7, 4), (2, 2, 7, 4), None),
    "one of each": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1), None),
    "unbatched": ((3, 5, 4), (3, 7, 4), (3, 7, 4), None),
}


@pytest.mark.parametrize("name, causal", list(itertools.product(CASES, (False, True))))
def test_attention_is_its_definition(name, causal):
    *shapes, mask = CASES[name]
    mask = mask() if mask else None
    q, k, v = (draw(*shape, seed=9 + i).requires_grad_() for i, shape in enumerate(shapes))
    got = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=q.size(-3) != k.size(-3))
    expected = attend(q, k, v, mask, causal)
    same(got, expected)
    weight = draw(*got.shape, seed=30)
    for a, b in zip(torch.autograd.grad((got * weight).sum(), (q, k, v)), torch.autograd.grad((expected * weight).sum(), (q, k, v))):
        same(a, b)


def test_second_derivatives_and_one_tensor_for_all():
    x = draw(2, 3, 5, 4).requires_grad_()

    def curvature(function):
        first = torch.autograd.grad((function(x, x, x, is_causal=True) ** 2).sum(), x, create_graph=True)[0]
        return first, torch.autograd.grad((first**2).sum(), x)[0]

    got = curvature(F.scaled_dot_product_attention)
    for a, b in zip(got, curvature(lambda q, k, v, is_causal: attend(q, k, v, None, is_causal))):
        same(a, b, 1e-10)


def test_a_mask_that_learns():
    q, mask = draw(1, 2, 3, 4), draw(3, 3, seed=2).requires_grad_()
    got = torch.autograd.grad((F.scaled_dot_product_attention(q, q, q, mask) ** 2).sum(), mask)[0]
    same(got, torch.autograd.grad((attend(q, q, q, mask) ** 2).sum(), mask)[0])


def test_layout_follows_the_query():
    q = draw(2, 7, 3, 4).transpose(1, 2)
    assert F.scaled_dot_product_attention(q, q, q).stride() == q.stride()
    same(F.scaled_dot_product_attention(q, q, q), attend(q, q, q))


def test_negative_scales_and_masks_besides_is_causal():
    q, mask = draw(2, 3, 4, 5), draw(4, 4, seed=3)
    for scale in (-0.5, 0.0):
        same(F.scaled_dot_product_attention(q, q, q, scale=scale), attend(q, q, q, scale=scale))
        same(F.scaled_dot_product_attention(q[0, 0], q[0, 0], q[0, 0], scale=scale), attend(q, q, q, scale=scale)[0, 0])
    same(F.scaled_dot_product_attention(q, q, q, mask, is_causal=True), attend(q, q, q, mask, True))
    with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set when is_causal=True"):
        F.scaled_dot_product_attention(q[0], q[0], q[0], mask, is_causal=True)


def test_transforms_half_precision_and_empty_sizes():
    q, t = draw(2, 3, 4, 5), draw(2, 3, 4, 5, seed=7)
    _, tangent = torch.func.jvp(lambda x: F.scaled_dot_product_attention(x, x, x), (q,), (t,))
    same(tangent, (attend(q + 1e-6 * t, q + 1e-6 * t, q + 1e-6 * t) - attend(q - 1e-6 * t, q - 1e-6 * t, q - 1e-6 * t)) / 2e-6, 1e-8)
    same(torch.func.vmap(lambda x: F.scaled_dot_product_attention(x, x, x))(q), attend(q, q, q))
    half = F.scaled_dot_product_attention(q.bfloat16(), q.bfloat16(), q.bfloat16())
    assert half.dtype == torch.bfloat16 and (half.double() - attend(q, q, q)).abs().max() < 0.03
    halves = [q.half(), (3 * q).half(), draw(2, 3, 4, 5, seed=9).half()]
    scores = halves[0].float() @ halves[1].float().mT / math.sqrt(5)
    weights = (scores - scores.amax(-1, True)).exp()
    once = (weights / weights.sum(-1, True)) @ halves[2].float()
    steps = (weights.half().float() @ halves[2].float()) / weights.sum(-1, True)
    assert not torch.equal(once.half(), steps.half())
    assert torch.equal(F.scaled_dot_product_attention(*halves), steps.half())  # weights are rounded, as in PyTorch's kernel
    assert torch.equal(F.scaled_dot_product_attention(*[t[0] for t in halves]), F.scaled_dot_product_attention(*[t[0].float() for t in halves]).half())
    empty = draw(2, 3, 0, 5)
    assert F.scaled_dot_product_attention(empty, q, q).shape == (2, 3, 0, 5)
    assert F.scaled_dot_product_attention(q, empty, empty).abs().sum().item() == 0


def test_the_same_bits_for_any_number_of_threads():
    q = draw(2, 4, 300, 16, dtype=torch.float32).requires_grad_()
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            out = F.scaled_dot_product_attention(q, q, q, is_causal=True)
            results.append((out, *torch.autograd.grad(out.sum(), q)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_errors():
    q = draw(2, 3, 4, 5)
    with pytest.raises(RuntimeError, match="query.dtype: double key.dtype: float and value.dtype: double instead"):
        F.scaled_dot_product_attention(q, q.float(), q)
    with pytest.raises(RuntimeError, match="bool or float or to match query dtype, but got attn_mask.dtype: long int"):
        F.scaled_dot_product_attention(q, q, q, torch.ones(4, 4, dtype=torch.long))
    with pytest.raises(RuntimeError, match=r"The size of tensor a \(4\) must match the size of tensor b \(7\) at non-singleton dimension 3"):
        F.scaled_dot_product_attention(q, q, q, torch.ones(3, 7, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="Number of heads in key and value must divide"):
        F.scaled_dot_product_attention(q, q[:, :2], q[:, :2], enable_gqa=True)
    with pytest.raises(RuntimeError, match="Need attn_mask if specifying the is_causal hint"):
        nn.MultiheadAttention(4, 2)(draw(3, 1, 4), draw(3, 1, 4), draw(3, 1, 4), is_causal=True)
    with pytest.raises(AssertionError, match="embed_dim must be divisible by num_heads"):
        nn.MultiheadAttention(5, 2)


def heads_one_by_one(layer, query, key, value, mask=None):
    """(length, batch, width): each head by itself."""
    e, h = layer.embed_dim, layer.num_heads
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)))
    outs, weights = [], []
    for i in range(h):
        part = slice(i * e // h, (i + 1) * e // h)
        a, b, c = (x[..., part].transpose(0, 1) for x in (q, k, v))
        scores = a @ b.transpose(1, 2) / math.sqrt(e // h)
        w = (scores if mask is None else scores + mask).softmax(-1)
        weights.append(w)
        outs.append((w @ c).transpose(0, 1))
    return torch.cat(outs, -1) @ layer.out_proj.weight.T + layer.out_proj.bias, torch.stack(weights, 1)


@pytest.mark.parametrize("own", (True, False))
def test_multihead_attention(own):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(6, 3, dtype=torch.float64)
    query = draw(4, 2, 6)
    key = query if own else draw(5, 2, 6, seed=2)
    value = key if own else draw(5, 2, 6, seed=3)
    expected, weights = heads_one_by_one(layer, query, key, value)
    output, shares = layer(query, key, value)
    same(output, expected)
    same(shares, weights.mean(1))
    same(layer(query, key, value, average_attn_weights=False)[1], weights)
    fast, none = layer(query, key, value, need_weights=False)
    same(fast, expected)
    assert none is None
    same(layer(query[:, 0], key[:, 0], value[:, 0])[0], expected[:, 0])


def test_masks_of_multihead_attention():
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(6, 3, dtype=torch.float64)
    x = draw(4, 2, 6)
    causal = nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    expected, _ = heads_one_by_one(layer, x, x, x, causal)
    for mask in (causal, causal < 0):
        for need in (True, False):
            same(layer(x, x, x, attn_mask=mask, need_weights=need)[0], expected)
    same(layer(x, x, x, attn_mask=causal, is_causal=True, need_weights=False)[0], expected)
    padding = torch.tensor([[False, False, True, True], [False, False, False, False]])
    output, shares = layer(x, x, x, key_padding_mask=padding)
    assert shares[0, :, 2:].abs().sum().item() == 0
    same(output[:, :1], layer(x[:, :1], x[:2, :1], x[:2, :1])[0])
    same(layer(x, x, x, key_padding_mask=padding, need_weights=False)[0], output)
    each = torch.stack([causal] * 6)
    same(layer(x, x, x, attn_mask=each)[0], expected)


def test_extra_keys():
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(6, 3, add_bias_kv=True, add_zero_attn=True, kdim=4, vdim=5, dtype=torch.float64)
    query, key, value = draw(4, 2, 6), draw(3, 2, 4, seed=2), draw(3, 2, 5, seed=3)
    output, shares = layer(query, key, value)
    assert output.shape == (4, 2, 6) and shares.shape == (2, 4, 5)
    same(shares.sum(-1), torch.ones(2, 4, dtype=torch.float64))
    same(layer(query, key, value, need_weights=False)[0], output)


@pytest.mark.parametrize("norm_first, batch_first, activation", list(itertools.product((False, True), (False, True), ("relu", F.gelu))))
def test_transformer_layers_are_their_parts(norm_first, batch_first, activation):
    torch.manual_seed(0)
    settings = {"dim_feedforward": 12, "dropout": 0.0, "norm_first": norm_first, "batch_first": batch_first, "activation": activation, "dtype": torch.float64}
    layer = nn.TransformerDecoderLayer(6, 2, **settings)
    x, memory = draw(2, 5, 6), draw(2, 3, 6, seed=2)
    if not batch_first:
        x, memory = x.transpose(0, 1), memory.transpose(0, 1)
    act = F.relu if activation == "relu" else activation

    def feed(v):
        return layer.linear2(act(layer.linear1(v)))

    def own(v):
        return layer.self_attn(v, v, v)[0]

    def other(v):
        return layer.multihead_attn(v, memory, memory)[0]

    expected = x
    for norm, block in ((layer.norm1, own), (layer.norm2, other), (layer.norm3, feed)):
        expected = expected + block(norm(expected)) if norm_first else norm(expected + block(expected))
    same(layer(x, memory), expected)
    encoder = nn.TransformerEncoderLayer(6, 2, **settings)
    first = encoder.norm1(x) if norm_first else x
    y = x + encoder.self_attn(first, first, first)[0]
    y = y if norm_first else encoder.norm1(y)
    second = encoder.norm2(y) if norm_first else y
    y = y + encoder.linear2(act(encoder.linear1(second)))
    same(encoder(x), y if norm_first else encoder.norm2(y))


def test_whole_transformer():
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="enable_nested_tensor is True, but self.use_nested_tensor is False because encoder_layer.self_attn.batch_first"):
        net = nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, dtype=torch.float64)
    src, tgt = draw(5, 2, 8), draw(4, 2, 8, seed=2)
    mask = net.generate_square_subsequent_mask(4, dtype=torch.float64)
    output = net(src, tgt, tgt_mask=mask)
    same(net(src, tgt, tgt_mask=mask, tgt_is_causal=True), output)
    changed = tgt.clone()
    changed[3] += 1
    same(net(src, changed, tgt_mask=mask)[:3], output[:3])  # nothing sees what comes later
    output.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    with pytest.raises(RuntimeError, match="the batch number of src and tgt must be equal"):
        net(src, tgt[:, :1])


def test_an_encoder_that_does_not_train_leaves_padding_out():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, dtype=torch.float64)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    x, padding = draw(2, 4, 8), torch.tensor([[False, False, False, True], [False, True, True, True]])
    with torch.no_grad():
        output = encoder(x, src_key_padding_mask=padding)
    assert output[padding].abs().sum().item() == 0
    same(output[~padding], encoder(x, src_key_padding_mask=padding)[~padding])
