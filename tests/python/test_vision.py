"""Convolution, pooling, padding, interpolation and normalisation: one way of computing against another, and uint8 images against PyTorch."""

import pytest
import tallow as torch
from samples import numbers

F = torch.nn.functional


def x(*shape, seed=1, grad=False):
    return numbers(shape, seed, dtype=torch.float64).requires_grad_(grad)


def close(a, b, tolerance=1e-10):
    assert a.shape == b.shape
    assert float((a - b).detach().abs().max()) <= tolerance


def test_a_convolution_in_three_dimensions_is_a_sum_over_planes():
    image, weight = x(2, 3, 6, 7, 8), x(4, 3, 3, 2, 3, seed=2)
    y = F.conv3d(image, weight, stride=(1, 2, 1), padding=(0, 1, 2))
    for z in range(y.size(2)):
        planes = sum(F.conv2d(image[:, :, z + k], weight[:, :, k], stride=(2, 1), padding=(1, 2)) for k in range(3))
        close(y[:, :, z], planes)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_convolution_is_the_gradient_of_convolution(dims):
    conv, transposed = getattr(F, f"conv{dims}d"), getattr(F, f"conv_transpose{dims}d")
    image, weight = x(2, 4, *[7] * dims, grad=True), x(6, 2, *[3] * dims, seed=2)
    y = conv(image, weight, stride=2, padding=1, groups=2)
    grad = x(*y.shape, seed=3)
    (expected,) = torch.autograd.grad(y, image, grad)
    close(transposed(grad, weight, stride=2, padding=1, groups=2), expected)


def test_plain_loops_agree_with_the_packed_product():
    image, weight = numbers((2, 4, 6, 5), 1, dtype=torch.int64), numbers((6, 2, 3, 2), 2, dtype=torch.int64)
    for options in ({}, {"stride": 2, "padding": 1}, {"dilation": 2}):
        exact = F.conv2d(image, weight, groups=2, **options)
        close(F.conv2d(image.double(), weight.double(), groups=2, **options), exact.double())


NORMS = {
    "batch": (lambda t, w, b: F.batch_norm(t, None, None, w, b, True), (3, 4, 5, 2), 4),
    "batch, channels last": (lambda t, w, b: F.batch_norm(t.contiguous(memory_format=torch.channels_last), None, None, w, b, True), (3, 4, 5, 2), 4),
    "eval": (lambda t, w, b: F.batch_norm(t, torch.zeros(4).double(), torch.ones(4).double(), w, b), (3, 4, 5), 4),
    "layer": (lambda t, w, b: F.layer_norm(t, [4], w, b), (3, 5, 4), 4),
    "group": (lambda t, w, b: F.group_norm(t, 2, w, b), (3, 4, 5), 4),
}


@pytest.mark.parametrize("name", NORMS)
def test_fused_gradients_equal_those_that_can_be_differentiated(name):
    norm, shape, channels = NORMS[name]
    inputs = x(*shape, grad=True), x(channels, seed=2, grad=True), x(channels, seed=3, grad=True)
    y = norm(*inputs)
    grad = x(*y.shape, seed=4)
    fused = torch.autograd.grad(y, inputs, grad, retain_graph=True)
    composed = torch.autograd.grad(y, inputs, grad, create_graph=True)
    for a, b in zip(fused, composed):
        close(a, b)


def test_running_statistics():
    norm = torch.nn.BatchNorm1d(3, momentum=None, dtype=torch.float64)
    batches = [x(5, 3, seed=s) for s in range(4)]
    for batch in batches:
        norm(batch)
    close(norm.running_mean, sum(b.mean(0) for b in batches) / 4)
    close(norm.running_var, sum(b.var(0) for b in batches) / 4)
    assert int(norm.num_batches_tracked) == 4


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_shows_elements_of_the_input(mode):
    t = torch.arange(5.0).reshape(1, 1, 5)
    expected = {"reflect": [2, 1, 0, 1, 2, 3, 4, 3], "replicate": [0, 0, 0, 1, 2, 3, 4, 4], "circular": [3, 4, 0, 1, 2, 3, 4, 0]}
    assert F.pad(t, (2, 1), mode).flatten().tolist() == expected[mode]
    assert F.pad(t, (-1, -2), mode).flatten().tolist() == [1, 2]


def test_folding_counts_how_often_patches_cover_a_pixel():
    ones = torch.ones(1, 2, 5, 6)
    counts = F.fold(F.unfold(ones, 3, padding=1), (5, 6), 3, padding=1)
    close(counts, F.avg_pool2d(ones, 3, 1, 1, divisor_override=1))


def test_pooling_with_indices_is_undone():
    t = x(2, 3, 8, 8)
    y, at = F.max_pool2d(t, 2, return_indices=True)
    back = F.max_unpool2d(y, at, 2)
    close(F.max_pool2d(back.abs(), 2), y.abs())
    last = F.max_pool2d(t.float().repeat(1, 3, 1, 1).contiguous(memory_format=torch.channels_last), 3, 2, 1)
    close(last, F.max_pool2d(t.float().repeat(1, 3, 1, 1), 3, 2, 1), 0)


def test_no_average_of_ones_is_anything_else():
    for pool in (lambda t: F.avg_pool2d(t, 3), lambda t: F.adaptive_avg_pool2d(t, (3, 5)), lambda t: F.avg_pool2d(t, 3, 1, 1, count_include_pad=False)):
        assert bool((pool(torch.ones(1, 2, 7, 7)) == 1).all())


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_uint8_images_have_pytorchs_bits(mode):
    reference = pytest.importorskip("torch")
    image = numbers((2, 3, 20, 23), 1, 0, 32, torch.int64).remainder(256).to(torch.uint8)
    theirs = reference.tensor(image.tolist(), dtype=reference.uint8)
    for antialias in (False, True)[: 2 if mode.startswith("bi") else 1]:
        for size in ((7, 9), (31, 5), (64, 80)):
            got = F.interpolate(image, size=size, mode=mode, antialias=antialias)
            assert got.tolist() == reference.nn.functional.interpolate(theirs, size=size, mode=mode, antialias=antialias).tolist()
