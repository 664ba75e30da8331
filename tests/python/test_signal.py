"""Windows, spectra of overlapping frames, logspace, gradient."""

import math

import pytest
import tallow as torch


@pytest.mark.parametrize("name, value", [
    ("hann_window", lambda k, n: 0.5 - 0.5 * math.cos(2 * math.pi * k / (n - 1))),
    ("hamming_window", lambda k, n: 0.54 - 0.46 * math.cos(2 * math.pi * k / (n - 1))),
    ("blackman_window", lambda k, n: 0.42 - 0.5 * math.cos(2 * math.pi * k / (n - 1)) + 0.08 * math.cos(4 * math.pi * k / (n - 1))),
    ("bartlett_window", lambda k, n: 1 - abs(2 * k / (n - 1) - 1)),
])  # fmt: skip
def test_windows(name, value):
    make = getattr(torch, name)
    for n in (2, 5, 8):
        expected = [value(k, n) for k in range(n)]
        assert make(n, periodic=False, dtype=torch.float64).tolist() == pytest.approx(expected, abs=1e-15)
        if n > 2:
            assert make(n - 1, dtype=torch.float64).tolist() == pytest.approx(expected[:-1], abs=1e-15)
    assert make(0).shape == (0,) and make(1).tolist() == [1]
    assert make(4, dtype=torch.float16).dtype == torch.float16 and make(4, device="meta").is_meta
    with pytest.raises(RuntimeError, match=f"{name} requires non-negative window_length, got window_length=-1"):
        make(-1)
    with pytest.raises(RuntimeError, match=f"{name} expects floating point dtypes"):
        make(4, dtype=torch.int64)


def test_kaiser_window():
    def bessel(x):  # I0, by its integral
        return sum(math.exp(x * math.cos(math.pi * (k + 0.5) / 200)) for k in range(200)) / 200

    window = torch.kaiser_window(5, False, 3.0, dtype=torch.float64).tolist()
    assert window == window[::-1] and window[2] == 1 and window[0] == pytest.approx(1 / bessel(3), rel=1e-13)
    assert window[1] == pytest.approx(bessel(3 * math.sqrt(0.75)) / bessel(3), rel=1e-13)


def test_hamming_with_its_own_numbers():
    assert torch.hamming_window(4, False, 0.6, 0.4).tolist() == pytest.approx([0.2, 0.8, 0.8, 0.2])


def test_frames_and_back():
    torch.manual_seed(0)
    x = torch.randn(2, 50, dtype=torch.float64)
    window = torch.hann_window(8, dtype=torch.float64)
    spectra = torch.stft(x, 8, 2, window=window, return_complex=True)
    assert spectra.shape == (2, 5, 26)
    assert torch.allclose(torch.istft(spectra, 8, 2, window=window), x)
    plain = torch.stft(x, 8, 3, center=False, return_complex=True)
    assert torch.allclose(plain[:, :, 4], torch.fft.rfft(x[:, 12:20]))
    small = torch.stft(x, 8, 2, 6, center=False, onesided=False, normalized=True, return_complex=True)
    framed = torch.cat([torch.zeros(2, 1), x[:, 1:7], torch.zeros(2, 1)], 1)
    assert torch.allclose(small[:, :, 0], torch.fft.fft(framed, norm="ortho"))
    assert torch.equal(torch.view_as_real(spectra), torch.stft(x, 8, 2, window=window, return_complex=False))
    assert torch.istft(spectra[0], 8, 2, window=window, length=40).shape == (40,)
    with pytest.warns(UserWarning, match="shorter than the length parameter"):
        assert torch.istft(spectra, 8, 2, window=window, length=70)[:, -10:].eq(0).all()


def test_derivatives():
    x = torch.randn(20, dtype=torch.float64, requires_grad=True)
    window = torch.hann_window(8, dtype=torch.float64, periodic=False) + 0.1
    assert torch.autograd.gradcheck(lambda t, w: torch.stft(t, 8, 3, window=w, return_complex=True), (x, window.requires_grad_()))
    spectra = torch.stft(x, 8, 2, return_complex=True).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: torch.istft(s, 8, 2), (spectra,))
    assert torch.vmap(lambda t: torch.stft(t, 8, return_complex=True))(x.detach().repeat(3, 1)).shape == (3, 5, 11)


def test_refusals():
    x = torch.ones(2, 40)
    for call, text in (
        (lambda: torch.stft(x, 8), "stft requires the return_complex parameter be given for real inputs"),
        (lambda: torch.stft(x, 100, center=False, return_complex=True), "expected 0 < n_fft < 40, but got n_fft=100"),
        (lambda: torch.stft(x, 8, 0, return_complex=True), "expected hop_length > 0, but got hop_length=0"),
        (lambda: torch.stft(x, 8, win_length=9, return_complex=True), "but got win_length=9"),
        (lambda: torch.stft(x, 8, window=torch.ones(3), return_complex=True), "but got window with size"),
        (lambda: torch.stft(x[None], 8, return_complex=True), "expected a 1D or 2D tensor"),
        (lambda: torch.stft(x * 1j, 8, onesided=True), "Cannot have onesided output if window or input is complex"),
        (lambda: torch.istft(x, 8), "istft requires a complex-valued input tensor"),
        (lambda: torch.istft(torch.ones(5, 9) + 0j, 8, window=torch.zeros(8)), "window overlap add min: 1"),
        (lambda: torch.istft(torch.ones(5, 9) + 0j, 10), "to match n_fft / 2 \\+ 1 when onesided=True, but got 5"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()


def test_logspace():
    assert torch.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert torch.logspace(0, 3, 4, base=2, dtype=torch.int64).tolist() == [1, 2, 4, 8]
    assert torch.logspace(0, 1, 0).shape == (0,)
    with pytest.raises(RuntimeError, match="number of steps must be non-negative"):
        torch.logspace(0, 1, -1)


def test_gradient():
    x = torch.arange(5.0) ** 2
    assert torch.gradient(x)[0].tolist() == [1, 2, 4, 6, 7]
    assert torch.gradient(x, edge_order=2)[0].tolist() == [0, 2, 4, 6, 8]
    assert torch.gradient(x, spacing=2.0)[0].tolist() == [0.5, 1, 2, 3, 3.5]
    places = torch.tensor([0.0, 1.0, 3.0, 4.0, 8.0], dtype=torch.float64)
    for order in (1, 2):  # exact for parabolas, but at edges of the first order
        (slope,) = torch.gradient(places**2, spacing=[places], edge_order=order)
        assert torch.allclose(slope[1:-1], 2 * places[1:-1])
    assert torch.allclose(slope, 2 * places)
    rows, columns = torch.gradient(torch.arange(6.0).reshape(2, 3), spacing=[1.0, 0.5])
    assert rows.eq(3).all() and columns.eq(2).all()
    for call, text in (
        (lambda: torch.gradient(x, spacing=[1.0, 2.0]), "a list of length equal to 'self.dim\\(\\) = 1'"),
        (lambda: torch.gradient(x, edge_order=3), "only supports edge_order=1 and edge_order=2"),
        (lambda: torch.gradient(torch.ones(1)), "each dimension size to be at least edge_order\\+1"),
        (lambda: torch.gradient(x, dim=[0, 0]), "dim 0 appears multiple times"),
        (lambda: torch.gradient(x, spacing=[torch.ones(5, device="meta")]), "to be on the same device, but got devices cpu and meta!"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()


def test_adjoint():
    x = torch.tensor([[1 + 1j, 2], [3, 4 - 2j], [5j, 6]])
    assert torch.equal(x.adjoint(), x.mH) and x.adjoint().shape == (2, 3)
    with pytest.raises(RuntimeError, match="only supported on matrices or batches of matrices. Got 1-D tensor"):
        torch.adjoint(torch.ones(3))
