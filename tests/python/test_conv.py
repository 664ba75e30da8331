"""Convolution and its gradients: every path against a loop over the window in float64, and the same bits on every instruction set."""
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import tallow

F = tallow.nn.functional

# images, channels, filters, groups, size, window, stride, padding, dilation
SHAPES = [
    (2, 5, 18, 1, (9, 8), (3, 3), (1, 1), (1, 1), (1, 1)),
    (3, 20, 33, 1, (7, 7), (3, 2), (2, 1), (1, 0), (1, 2)),
    (16, 40, 70, 1, (2, 2), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 3, 16, 1, (30, 21), (7, 7), (2, 2), (3, 3), (1, 1)),
    (9, 64, 24, 1, (6, 5), (1, 1), (2, 2), (0, 0), (1, 1)),
    (2, 34, 40, 2, (6, 9), (2, 4), (3, 2), (2, 1), (1, 1)),
    (2, 12, 12, 12, (8, 9), (3, 3), (2, 1), (1, 1), (1, 1)),
    (2, 70, 70, 70, (9, 6), (3, 3), (1, 1), (1, 1), (1, 2)),
    (3, 19, 19, 19, (30, 40), (3, 3), (1, 1), (1, 1), (1, 1)),  # many rows, several strips, part of a vector
    (1, 9, 9, 9, (5, 70), (6, 7), (1, 2), (2, 3), (1, 1)),  # more taps than are summed at a time
    (1, 3, 3, 3, (4, 5), (4, 5), (3, 3), (3, 4), (1, 1)),  # places that meet only the padding
    (2, 4, 4, 4, (3, 6, 11), (2, 3, 3), (1, 2, 1), (1, 1, 2), (1, 1, 2)),
    (1, 8, 20, 1, (1, 300), (1, 5), (1, 1), (0, 2), (1, 3)),
    (2, 6, 17, 1, (4, 5, 6), (2, 3, 3), (1, 2, 1), (1, 0, 1), (1, 1, 2)),
    (1, 4, 5, 1, (5, 5), (3, 3), (4, 4), (0, 0), (1, 1)),
    (2, 8, 32, 1, (5, 29), (3, 3), (1, 1), (1, 1), (1, 1)),  # wide enough for zeros around the images
    (1, 10, 36, 2, (6, 57), (3, 5), (2, 2), (1, 2), (1, 1)),
    (2, 20, 6, 1, (7, 9), (1, 1), (1, 1), (0, 0), (1, 1)),
    (2, 300, 37, 1, (3, 7), (1, 1), (1, 1), (0, 0), (1, 1)),  # windows of one element: two blocks of channels,
    (1, 4, 470, 1, (17, 19), (1, 1), (1, 1), (0, 0), (1, 1)),  # several parts of rows and pixels,
    (2, 15, 24, 3, (16, 1), (1, 1), (1, 1), (0, 0), (1, 1)),  # groups,
    (2, 6, 9, 1, (2, 4, 5), (1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    (1, 5, 7, 1, (32, 32), (1, 1), (1, 1), (0, 0), (1, 1)),  # whole pages from channel to channel,
    (3, 33, 20, 1, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1)),  # single pixels
]


def naive(x, w, stride, padding, dilation, groups):
    """The result, and for any of its gradients those of x and w."""
    dims = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(x.shape[2:], padding, dilation, w.shape[2:], stride)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    each, filters = w.shape[1], w.shape[0] // groups
    taps = []
    for tap in np.ndindex(*w.shape[2:]):
        at = tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, out, stride))
        for g in range(groups):
            channels, rows = slice(g * each, (g + 1) * each), slice(g * filters, (g + 1) * filters)
            taps.append(((slice(None), channels, *at), (rows, slice(None), *tap), rows))
    for source, weight, rows in taps:
        y[:, rows] += np.einsum("nc...,oc->no...", padded[source], w[weight])

    def back(grad):
        dx, dw = np.zeros_like(padded), np.zeros_like(w)
        for source, weight, rows in taps:
            dx[source] += np.einsum("no...,oc->nc...", grad[:, rows], w[weight])
            dw[weight] += np.einsum("nop,ncp->oc", grad[:, rows].reshape(*grad[:, rows].shape[:2], -1),
                                    padded[source].reshape(*padded[source].shape[:2], -1))
        inner = tuple(slice(p, p + n) for p, n in zip(padding, x.shape[2:]))
        return dx[(slice(None), slice(None), *inner)], dw
    return y, back


def drawn(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [tallow.float32, tallow.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_and_gradients(shape, dtype, last):
    images, channels, filters, groups, size, window, stride, padding, dilation = shape
    x, w, bias = drawn((images, channels, *size), 1), drawn((filters, channels // groups, *window), 2), drawn((filters,), 3)
    expected, back = naive(x, w, stride, padding, dilation, groups)
    grad = drawn(expected.shape, 4)
    form = (tallow.channels_last if len(size) == 2 else tallow.channels_last_3d) if last else tallow.contiguous_format
    tx, tw, tb, tg = (tallow.tensor(v, dtype=dtype) for v in (x, w, bias, grad))
    tx, tg = tx.contiguous(memory_format=form).requires_grad_(), tg.contiguous(memory_format=form)
    tw.requires_grad_()
    y = getattr(F, f"conv{len(size)}d")(tx, tw, tb, stride, padding, dilation, groups)
    assert len(size) == 3 or y.is_contiguous(memory_format=form)
    y.backward(tg)
    scale = 1e-5 if dtype == tallow.float32 else 1e-12
    for got, want in ((y.detach(), expected + bias.reshape(-1, *[1] * len(size))), (tx.grad, back(grad)[0]), (tw.grad, back(grad)[1])):
        np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=scale * (1 + np.abs(want).max()))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [tallow.float16, tallow.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_half_types_are_those_of_float32_rounded_once(shape, dtype, last):
    images, channels, filters, groups, size, window, stride, padding, dilation = shape
    form = (tallow.channels_last if len(size) == 2 else tallow.channels_last_3d) if last else tallow.contiguous_format
    values = drawn((images, channels, *size), 1), drawn((filters, channels // groups, *window), 2), drawn((filters,), 3)
    results = []
    for wide in (False, True):
        x, w, b = (tallow.tensor(v, dtype=dtype) for v in values)
        if wide:
            x, w, b = x.float(), w.float(), b.float()
        x = x.contiguous(memory_format=form).requires_grad_()
        w, b = w.requires_grad_(), b.requires_grad_()
        y = getattr(F, f"conv{len(size)}d")(x, w, b, stride, padding, dilation, groups)
        grad = tallow.tensor(drawn(tuple(y.shape), 4), dtype=dtype).contiguous(memory_format=form)
        y.backward(grad.float() if wide else grad)
        assert wide or y.dtype == x.grad.dtype == w.grad.dtype == dtype
        results.append([t.detach().to(dtype).contiguous().float().numpy() for t in (y, x.grad, w.grad)])
    for half, single in zip(*results):
        np.testing.assert_array_equal(half, single)


def test_half_types_of_any_strides():
    x = tallow.tensor(drawn((3, 4, 7, 14), 1), dtype=tallow.bfloat16)[:, :, :, ::2]
    w = tallow.tensor(drawn((5, 4, 3, 3), 2), dtype=tallow.bfloat16).transpose(2, 3)
    want = F.conv2d(x.float(), w.float()).to(tallow.bfloat16)
    np.testing.assert_array_equal(F.conv2d(x, w).float().numpy(), want.float().numpy())
    one = x[:1].expand(3, 4, 7, 7)
    assert (F.conv2d(one, w) == F.conv2d(x[:1], w)).all()


@pytest.mark.parametrize("last", [False, True])
def test_transposed_convolution_is_the_gradient(last):
    form = tallow.channels_last if last else tallow.contiguous_format
    x, w, bias = drawn((3, 20, 6, 5), 1), drawn((20, 18, 4, 3), 2), drawn((18,), 3)
    back = naive(np.zeros((3, 18, 12, 10)), w, (2, 2), (1, 1), (1, 1), 1)[1]
    y = F.conv_transpose2d(tallow.tensor(x).contiguous(memory_format=form), tallow.tensor(w), tallow.tensor(bias), 2, 1, (0, 1))
    np.testing.assert_allclose(y.numpy(), back(x)[0] + bias.reshape(-1, 1, 1), atol=1e-11)


@pytest.mark.parametrize("window", [1, 3])
def test_parts_of_tensors_are_read_where_they_lie(window):
    big, w = drawn((5, 40, 9, 7), 1), drawn((20, 18, window, window), 2)
    cut = (slice(1, 5, 2), slice(3, 39, 2))
    x = tallow.tensor(big)[1:5:2, 3:39:2]  # neither images nor channels follow each other
    assert not x.is_contiguous()
    expected, back = naive(big[cut], w, (1, 1), (0, 0), (1, 1), 1)
    x.requires_grad_()
    tw = tallow.tensor(w, requires_grad=True)
    y = F.conv2d(x, tw)
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-11)
    grad = tallow.tensor(drawn((2, 40, *expected.shape[2:]), 3))[:, ::2]
    y.backward(grad)
    dx, dw = back(grad.numpy())
    np.testing.assert_allclose(x.grad.numpy(), dx, atol=1e-11)
    np.testing.assert_allclose(tw.grad.numpy(), dw, atol=1e-11)


def test_one_image_for_all_and_one_pixel_for_all():
    image, w = drawn((1, 6, 5, 6), 1), drawn((8, 6, 1, 1), 2)
    one = F.conv2d(tallow.tensor(image), tallow.tensor(w)).numpy()
    many = F.conv2d(tallow.tensor(image).expand(3, 6, 5, 6), tallow.tensor(w)).numpy()
    np.testing.assert_array_equal(many, np.repeat(one, 3, 0))
    pixel = drawn((2, 6, 1, 1), 3)
    wide = F.conv2d(tallow.tensor(pixel).expand(2, 6, 5, 6), tallow.tensor(w)).numpy()
    np.testing.assert_allclose(wide, np.broadcast_to(np.einsum("nchw,oc->nohw", pixel, w[:, :, 0, 0]), (2, 8, 5, 6)), atol=1e-12)


def test_products_read_nothing_beyond_the_end():
    """Sums of a window of one element take no part of what follows their rows: there, not-a-numbers would show."""
    for pixels in (17, 33, 50):
        room = np.full(9 * pixels + 64, np.nan, np.float32)
        room[:9 * pixels] = drawn((9 * pixels,), 1)
        x = tallow.tensor(room)[:9 * pixels].view(1, 9, 1, pixels)
        w = tallow.tensor(drawn((7, 9, 1, 1), 2), dtype=tallow.float32)
        assert not np.isnan(F.conv2d(x, w).numpy()).any()


def test_many_threads_and_one_give_the_same_bits():
    threads = tallow.get_num_threads()
    lines = []
    try:
        for n in (1, 2, 5):
            tallow.set_num_threads(n)
            lines.append(hashes())
    finally:
        tallow.set_num_threads(threads)
    assert lines[0] == lines[1] == lines[2]


def test_instruction_sets_give_the_same_bits():
    lines = []
    for cpu in ("avx2", "avx512"):
        run = subprocess.run([sys.executable, __file__], env={**os.environ, "TALLOW_CPU": cpu}, capture_output=True, text=True, check=True)
        lines.append(run.stdout)
    assert lines[0] and lines[0] == lines[1]


def hashes():
    found = []
    for shape in SHAPES:
        images, channels, filters, groups, size, window, stride, padding, dilation = shape
        for form in (tallow.contiguous_format, tallow.channels_last if len(size) == 2 else tallow.channels_last_3d):
            x = tallow.tensor(drawn((images, channels, *size), 1), dtype=tallow.float32).contiguous(memory_format=form).requires_grad_()
            w = tallow.tensor(drawn((filters, channels // groups, *window), 2), dtype=tallow.float32, requires_grad=True)
            y = getattr(F, f"conv{len(size)}d")(x, w, None, stride, padding, dilation, groups)
            y.backward(tallow.tensor(drawn(tuple(y.shape), 4), dtype=tallow.float32).contiguous(memory_format=form))
            found.append(hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in (y, x.grad, w.grad))).hexdigest())
    return found


if __name__ == "__main__":
    print("\n".join(hashes()))
