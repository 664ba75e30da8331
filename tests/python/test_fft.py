"""Fourier transforms: against the sum that defines them, their inverses, derivatives, and PyTorch."""

import cmath
import math

import pytest
import tallow as torch

LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 12, 30, 49, 61, 64, 67, 97, 134, 210]  # 67, 97, 134: by way of a convolution


def defined(values, sign=-1):
    n = len(values)
    return [sum(v * cmath.exp(sign * 2j * math.pi * j * k / n) for j, v in enumerate(values)) for k in range(n)]


def numbers(*shape):
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.complex128)


@pytest.mark.parametrize("n", LENGTHS)
def test_definition(n):
    x = numbers(3, n)
    spectrum = torch.fft.fft(x)
    expected = torch.tensor([defined(row.tolist()) for row in x], dtype=torch.complex128)
    assert (spectrum - expected).abs().max() < 1e-12 * n
    assert torch.allclose(torch.fft.ifft(spectrum), x, rtol=0, atol=1e-14)
    half = torch.fft.rfft(x.real)
    assert half.shape == (3, n // 2 + 1) and torch.allclose(half, torch.fft.fft(x.real)[:, : n // 2 + 1])
    assert torch.allclose(torch.fft.irfft(half, n), x.real)
    assert torch.allclose(torch.fft.hfft(torch.fft.ihfft(x.real), n), x.real)


def test_roots_are_symmetric():
    impulse = torch.zeros(8, dtype=torch.float64)
    impulse[1] = 1
    w = torch.fft.fft(impulse)
    assert w[0] == 1 and w[2] == -1j and w[4] == -1 and w[6] == 1j
    assert w[1].conj() == w[7] and w[1].real == -w[1].imag


def test_several_dimensions_norms_and_layouts():
    x = numbers(3, 4, 5)
    for norm, factor in (("backward", 1), ("ortho", 60**-0.5), ("forward", 1 / 60)):
        whole = torch.fft.fftn(x, norm=norm)
        steps = torch.fft.fft(torch.fft.fft(torch.fft.fft(x), dim=1), dim=0) * factor
        assert torch.allclose(whole, steps) and torch.allclose(torch.fft.ifftn(whole, norm=norm), x)
    assert torch.fft.fft(x, dim=0).stride() == (1, 15, 3)
    t = x.transpose(0, 2)
    assert torch.equal(torch.fft.fft(t.conj(), dim=0), torch.fft.fft(t.conj().clone().resolve_conj(), dim=0))
    assert torch.fft.irfftn(torch.fft.rfftn(x.real), s=x.shape).sub(x.real).abs().max() < 1e-14


def test_frequencies_and_shifts():
    assert torch.fft.fftfreq(5).tolist() == pytest.approx([0, 0.2, 0.4, -0.4, -0.2])
    assert torch.fft.rfftfreq(4, 0.5).tolist() == [0, 0.5, 1]
    x = torch.arange(5)
    assert torch.fft.fftshift(x).tolist() == [3, 4, 0, 1, 2] and torch.equal(torch.fft.ifftshift(torch.fft.fftshift(x)), x)


@pytest.mark.parametrize("function", [lambda x: torch.fft.rfft(x), lambda x: torch.fft.irfft(torch.fft.rfft(x) * 2j, 5),
                                      lambda x: torch.fft.fft2(x), lambda x: torch.fft.hfft(torch.complex(x, x)), lambda x: torch.fft.ihfftn(x),
                                      lambda x: torch.fft.irfftn(torch.fft.fftn(x))])  # fmt: skip
def test_derivatives(function):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (x,), check_forward_ad=True) and torch.autograd.gradgradcheck(function, (x,))
    batched = torch.vmap(function)(torch.stack([x, 2 * x]))
    assert torch.allclose(batched[1], function(2 * x))


def test_refusals():
    x = torch.ones(3, 4)
    for call, kind, text in (
        (lambda: torch.fft.fft(torch.tensor(1.0)), IndexError, "Dimension specified as -1 but tensor has no dimensions"),
        (lambda: torch.fft.fft(x, n=0), RuntimeError, r"Invalid number of data points \(0\) specified"),
        (lambda: torch.fft.irfft(torch.ones(1)), RuntimeError, r"Invalid number of data points \(0\) specified"),
        (lambda: torch.fft.fft(x, norm="other"), RuntimeError, 'Invalid normalization mode: "other"'),
        (lambda: torch.fft.fftn(x, dim=(0, 0)), RuntimeError, "FFT dims must be unique"),
        (lambda: torch.fft.fftn(x, s=(1, 2), dim=(0,)), RuntimeError, "dim and shape arguments must have the same length"),
        (lambda: torch.fft.rfft(x * 1j), RuntimeError, "rfft expects a real input tensor, but got ComplexFloat"),
        (lambda: torch.fft.fft(x.half()), RuntimeError, "Unsupported dtype Half"),
        (lambda: torch.fft.rfftn(torch.tensor(1.0)), RuntimeError, "rfftn must transform at least one axis"),
    ):
        with pytest.raises(kind, match=text):
            call()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "irfft2", "fftn", "irfftn", "hfft2"])
def test_like_pytorch(name):
    pytorch = pytest.importorskip("torch")
    x = numbers(4, 6, 7)
    if name in ("rfft", "ihfft"):
        x = x.real.clone()
    theirs = getattr(pytorch.fft, name)(pytorch.from_numpy(x.numpy()))
    ours = getattr(torch.fft, name)(x)
    assert ours.stride() == theirs.stride()
    assert abs(ours.resolve_conj().numpy() - theirs.resolve_conj().numpy()).max() < 1e-13
