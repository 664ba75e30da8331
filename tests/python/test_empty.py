"""Tensors without elements through kernels that start from zeros or copy a state: the sizes are right and gradients are zeros.
Under sanitizers (make asan) these calls also show that nothing is read or written through the pointer of an empty tensor."""

import itertools

import pytest

import tallow as torch
import tallow.nn.functional as F

SIZES = list(itertools.product((0, 2), (0, 3), (0, 4)))


def leaf(*sizes):
    return torch.ones(sizes, requires_grad=True)


def gradients(out, *leaves):
    """The gradients of sum(out); they have the leaves' sizes."""
    out.sum().backward()
    for x in leaves:
        assert x.grad.shape == x.shape
    return [x.grad for x in leaves]


@pytest.mark.parametrize("batch, rows, width", SIZES)
@pytest.mark.parametrize("keys", [0, 5])
def test_attention(batch, rows, width, keys):
    q, k, v = leaf(batch, 1, rows, 3), leaf(batch, 1, keys, 3), leaf(batch, 1, keys, width)
    out = F.scaled_dot_product_attention(q, k, v)
    assert out.shape == (batch, 1, rows, width)
    expected = 0 if keys == 0 else 1
    assert bool((out - expected).abs().lt(1e-6).all())
    dq, dk, dv = gradients(out, q, k, v)
    assert not bool(dq.abs().gt(1e-6).any()) and not bool(dk.abs().gt(1e-6).any())
    assert dv.sum().item() == pytest.approx(out.sum().item())


def test_attention_of_no_features():
    q, k, v = leaf(2, 1, 3, 0), leaf(2, 1, 5, 0), leaf(2, 1, 5, 4)
    out = F.scaled_dot_product_attention(q, k, v)
    assert out.shape == (2, 1, 3, 4)
    gradients(out, q, k, v)


@pytest.mark.parametrize("batch, rows, width", SIZES)
def test_normalizations(batch, rows, width):
    for sizes, f in (((width,), F.layer_norm), ((rows, width), F.layer_norm)):
        x, weight, bias = leaf(batch, rows, width), leaf(*sizes), leaf(*sizes)
        out = f(x, sizes, weight, bias)
        assert out.shape == x.shape
        if x.numel() == 0:
            for grad in gradients(out, x, weight, bias):
                assert not bool(grad.any())
    x, weight = leaf(batch, rows, width), leaf(width)
    out = F.rms_norm(x, (width,), weight)
    assert out.shape == x.shape
    gradients(out, x, weight)


@pytest.mark.parametrize("batch, rows, width", SIZES)
@pytest.mark.parametrize("mode", ["reduced", "complete"])
def test_qr(batch, rows, width, mode):
    q, r = torch.linalg.qr(torch.ones(batch, rows, width), mode)
    k = rows if mode == "complete" else min(rows, width)
    assert q.shape == (batch, rows, k) and r.shape == (batch, k, width)
    if rows and k:
        assert torch.allclose(q.mT @ q, torch.eye(k).expand(batch, k, k), atol=1e-6)
    if rows and width:
        assert torch.allclose(q @ r, torch.ones(batch, rows, width), atol=1e-6)


@pytest.mark.parametrize("sizes", [(), (3,)])
@pytest.mark.parametrize("f", [torch.qr, torch.linalg.qr])
def test_qr_of_no_matrix(f, sizes):
    with pytest.raises(RuntimeError, match="linalg.qr: The input tensor A must have at least 2 dimensions."):
        f(torch.ones(sizes))


@pytest.mark.parametrize("layer", [torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers_of_no_batch(layer, bidirectional):
    net = layer(3, 4, bidirectional=bidirectional)
    x = leaf(5, 0, 3)
    out, _ = net(x)
    assert out.shape == (5, 0, 8 if bidirectional else 4)
    out.sum().backward()
    assert x.grad.shape == x.shape
    for p in net.parameters():
        assert not bool(p.grad.any())
