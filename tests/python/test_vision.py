"""Convolution, pooling, padding, interpolation, sampling and normalisation: one way of computing against another, and some of it against PyTorch."""

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


SAMPLINGS = [(dims, mode, padding) for dims in (2, 3) for mode in range(4 - dims + 1) for padding in range(3)]


def grid_of(dims, seed=2):
    return (x(2, *(3, 4, 2)[:dims], dims, seed=seed) * 0.8).requires_grad_()  # some places lie outside, none on an element


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("dims, mode, padding", SAMPLINGS)
def test_gradients_of_sampling(dims, mode, padding, corners):
    image, grid = x(2, 3, *(4, 5, 3)[:dims], grad=True), grid_of(dims)
    y = torch.grid_sampler(image, grid, mode, padding, corners)
    assert y.shape == (2, 3, *grid.shape[1:-1])
    assert torch.autograd.gradcheck(lambda a, b: torch.grid_sampler(a, b, mode, padding, corners), (image, grid))
    grad = x(*y.shape, seed=4)
    fused = torch.autograd.grad(y, (image, grid), grad, retain_graph=True)
    composed = torch.autograd.grad(y, (image, grid), grad, create_graph=True)
    for a, b in zip(fused, composed):
        close(a, b)
    assert composed[1].requires_grad


def test_second_gradients_of_sampling():
    for dims, mode, padding in [(2, 0, 0), (2, 2, 2), (3, 0, 1)]:
        image, grid = x(1, 2, *(3, 4, 2)[:dims], grad=True), grid_of(dims)[:1].detach().requires_grad_()
        assert torch.autograd.gradgradcheck(lambda a, b: torch.grid_sampler(a, b, mode, padding, False), (image, grid))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sampling_rounds_after_each_operation_in_half_types(dtype):
    image, grid = x(2, 3, 4, 5).to(dtype), grid_of(2).detach().to(dtype)
    at = [(grid[..., d] + 1) * (n / 2) - 0.5 for d, n in ((0, 5), (1, 4))]
    low = [t.floor() for t in at]
    share = [(1 - (t - f), t - f) for t, f in zip(at, low)]
    expected = torch.zeros(2, 3, 3, 4, dtype=dtype)
    for j in range(2):
        for i in range(2):
            column, row = low[0].long() + i, low[1].long() + j
            inside = (column >= 0) & (column < 5) & (row >= 0) & (row < 4)
            place = (row.clamp(0, 3) * 5 + column.clamp(0, 4)).reshape(2, 1, 12).expand(2, 3, 12)
            value = image.reshape(2, 3, 20).gather(2, place).reshape(2, 3, 3, 4) * inside.unsqueeze(1)
            expected = expected + value * (share[0][i] * share[1][j]).unsqueeze(1)
    y = torch.grid_sampler(image, grid, 0, 0, False)
    assert torch.equal(y, expected)
    assert not torch.equal(y, torch.grid_sampler(image.float(), grid.float(), 0, 0, False).to(dtype))


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("dims, mode, padding", [s for s in SAMPLINGS if s[0] == 2 or s[1] < 2])
def test_sampling_in_half_types_has_the_bits_of_pytorch(dims, mode, padding, dtype):
    reference = pytest.importorskip("torch")
    sizes, places = (4, 9, 33)[-dims:], (3, 5, 9)[-dims:]
    for corners in (False, True):
        leaves = [numbers((2, 5, *sizes), 1), numbers((2, *places, dims), 2), numbers((2, 5, *places), 3)]
        results = []
        for m in (torch, reference):
            image, grid, grad = [m.from_numpy(t.numpy()).to(getattr(m, dtype)).requires_grad_(i < 2) for i, t in enumerate(leaves)]
            y = getattr(m, f"grid_sampler_{dims}d")(image, grid, mode, padding, corners)
            y.backward(grad)
            results.append([t.detach().float().tolist() for t in (y, image.grad, grid.grad)])
        assert results[0] == results[1]


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("corners", [False, True])
def test_the_identity_map_samples_the_image_itself(mode, corners):
    image = x(2, 3, 5, 70)
    grid = F.affine_grid(torch.eye(2, 3, dtype=torch.float64).expand(2, 2, 3), image.shape, corners)
    close(F.grid_sample(image, grid, mode, "border", corners), image)
    shifted = F.grid_sample(image, grid - torch.tensor([2.0, 0.0], dtype=torch.float64) / (69 if corners else 70), mode, "zeros", corners)
    close(shifted[..., 1:], image[..., :-1])
    close(shifted[..., 0], torch.zeros_like(shifted[..., 0]))


def test_bilinear_sampling_is_interpolation():
    image = x(1, 2, 4, 5)
    grid = F.affine_grid(torch.eye(2, 3, dtype=torch.float64)[None], (1, 2, 9, 7), True)
    close(F.grid_sample(image, grid, align_corners=True), F.interpolate(image, size=(9, 7), mode="bilinear", align_corners=True))
    volume = x(1, 2, 3, 4, 5)
    grid = F.affine_grid(torch.eye(3, 4, dtype=torch.float64)[None], (1, 2, 4, 9, 7), False)
    close(F.grid_sample(volume, grid, padding_mode="border", align_corners=False), F.interpolate(volume, size=(4, 9, 7), mode="trilinear"))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_places_that_are_no_numbers_read_nothing_outside(padding):
    for bad in (float("nan"), float("inf"), -float("inf"), 1e300, -1e300):
        for dims, modes in ((2, ("bilinear", "nearest", "bicubic")), (3, ("bilinear", "nearest"))):
            image, grid = x(1, 2, *(3,) * dims, grad=True), torch.full((1, *(2,) * dims, dims), bad, dtype=torch.float64, requires_grad=True)
            for mode in modes:
                y = F.grid_sample(image, grid, mode, padding, align_corners=False)
                y.sum().backward()
                assert y.shape == (1, 2, *(2,) * dims)


def test_sampling_refuses():
    def refuses(kind, text, *arguments, op=torch.grid_sampler):
        with pytest.raises(kind) as caught:
            op(*arguments)
        assert text in str(caught.value)

    image, grid = torch.ones(1, 1, 2, 2), torch.zeros(1, 3, 3, 2)
    refuses(RuntimeError, "expected grid and input to have same batch size, but got input with sizes [1, 1, 2, 2]", image, grid.expand(2, 3, 3, 2), 0, 0, False)
    refuses(RuntimeError, "expected grid to have size 2 in last dimension", image, torch.zeros(1, 3, 3, 3), 0, 0, False)
    refuses(RuntimeError, "with dimension 3 being empty", torch.ones(1, 1, 2, 0), grid, 0, 0, False)
    refuses(RuntimeError, "expected 5D input and grid", image, grid, 0, 0, False, op=torch.grid_sampler_3d)
    refuses(RuntimeError, "expected scalar type Float but found Double", image, grid.double(), 0, 0, False)
    refuses(RuntimeError, "bicubic interpolation only supports 4D input", torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 1, 1, 3), 2, 0, False)
    refuses(RuntimeError, "interpolation_mode", image, grid, 3, 0, False)
    refuses(RuntimeError, "padding_mode", image, grid, 0, -1, False)
    refuses(NotImplementedError, "not implemented for 'Int'", image.int(), grid.int(), 0, 0, False)
    refuses(IndexError, "Dimension specified as 0", torch.tensor(1.0), grid, 0, 0, False)
    theta = torch.ones(1, 2, 3)
    refuses(RuntimeError, "needs 4d (spatial) or 5d (volumetric) inputs", theta, [1, 1, 2], False, op=torch.affine_grid_generator)
    refuses(RuntimeError, "negative dimension -2: [1, -2, 2, 3]", theta, [1, 1, -2, 2], False, op=torch.affine_grid_generator)


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


@pytest.mark.torch
@pytest.mark.parametrize("dims, mode, padding", SAMPLINGS)
def test_sampling_gives_pytorchs_numbers(dims, mode, padding):
    reference = pytest.importorskip("torch")
    image, grid = x(2, 5, *(6, 1, 4)[:dims]), grid_of(dims).detach() * 3
    for corners in (False, True):
        results = []
        for m in (torch, reference):
            a, b = (m.tensor(t.tolist(), dtype=m.float64, requires_grad=True) for t in (image, grid))
            y = m.grid_sampler(a, b, mode, padding, corners)
            first = m.autograd.grad((y * y).sum(), (a, b), create_graph=True)
            second = m.autograd.grad(sum((t * t).sum() for t in first), (a, b))
            results.append([torch.tensor(t.tolist(), dtype=torch.float64) for t in (y, *first, *second)])
        for got, wanted in zip(*results):
            close(got, wanted, 1e-8 * (1 + float(wanted.abs().max())))


@pytest.mark.parametrize("dims", [2, 3])
def test_depthwise_convolution_does_not_depend_on_the_memory_format(dims):
    conv, last = (F.conv2d, torch.channels_last) if dims == 2 else (F.conv3d, torch.channels_last_3d)
    for stride, padding, dilation in [(1, 1, 1), (2, 1, 1), (1, 0, 2), (3, 2, 1)]:
        results = []
        for memory_format in (torch.contiguous_format, last):
            image = x(2, 5, *(7, 6, 8)[:dims]).contiguous(memory_format=memory_format).requires_grad_()
            weight, bias = x(5, 1, *(3, 2, 3)[:dims], seed=2, grad=True), x(5, seed=3, grad=True)
            y = conv(image, weight, bias, stride, padding, dilation, 5)
            grad = x(*y.shape, seed=4).contiguous(memory_format=memory_format)
            results.append((y, *torch.autograd.grad(y, (image, weight, bias), grad)))
        for a, b in zip(*results):
            close(a, b)
