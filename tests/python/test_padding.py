"""constant_pad_nd against its definition: every layout, dtype and sign of width."""

import itertools

import pytest

import tallow as T
from tallow.nn import functional as F

DTYPES = [T.bool, T.uint8, T.int16, T.int32, T.int64, T.float16, T.bfloat16, T.float32, T.float64, T.complex64, T.complex128]
LAYOUTS = {
    "plain": lambda t: t,
    "turned": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "channels last": lambda t: t.contiguous(memory_format=T.channels_last) if t.ndim == 4 else t,
    "every other": lambda t: T.stack([t, t], -1)[..., 0],
    "part": lambda t: F.pad(t.unsqueeze(0), (1, 0)).squeeze(0)[..., 1:],
    "expanded": lambda t: t[:1].expand(t.shape),
    "negated": lambda t: T.complex(T.zeros(t.shape), t.to(T.float32)).conj().imag if t.dtype == T.float32 else t,
    "conjugated": lambda t: t.conj() if t.is_complex() else t,
}
CASES = [
    ((5,), (1, 2)), ((5,), (0, 0)), ((5,), (-1, 3)), ((5,), (-2, -2)), ((5,), (-5, 2)), ((1,), (70, 300)), ((0,), (2, 3)), ((300,), (1, 1)),
    ((3, 4), (1, 2)), ((3, 4), (0, 0, 1, 2)), ((3, 4), (1, 1, 1, 1)), ((3, 4), (-1, 2, 3, -2)), ((3, 4), (0, 0, -1, -1)), ((3, 0), (1, 1)), ((0, 3), (1, 1)),
    ((2, 3, 4), (0, 0, 2, 1)), ((2, 3, 4), (0, 0, 0, 0, 1, 0)), ((2, 1, 4), (1, 0, -1, 3)), ((2, 3, 4), (1, 2, 3, 4, 5, 6)), ((1, 1, 1), (0, 1, 1, 0, 2, 2)),
    ((2, 3, 4, 5), (1, 1, 1, 1)), ((2, 3, 4, 5), (0, 0, 0, 0, 1, 1)), ((2, 3, 4, 5), (2, -1, 0, 1, 0, 0, 1, 0)), ((2, 4, 1, 1), (1, 2, 0, 0)),
    ((2, 1, 3, 1), (0, 1, 1, 0, 1, 1)),
]


def expected(values, sizes, pad, value):
    """values: by index. The definition, one place after the other."""
    before = [0] * len(sizes)
    shape = list(sizes)
    for i in range(len(pad) // 2):
        d = len(sizes) - 1 - i
        before[d], shape[d] = pad[2 * i], sizes[d] + pad[2 * i] + pad[2 * i + 1]
    places = itertools.product(*map(range, shape))
    return shape, [values.get(tuple(p - b for p, b in zip(place, before)), value) for place in places]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_place_shows_its_element_or_the_value(layout, dtype):
    for sizes, pad in CASES:
        n = 1
        for s in sizes:
            n *= s
        x = LAYOUTS[layout]((T.arange(n) % 200 + 1).to(dtype).view(sizes) * (1j if dtype.is_complex else 1))
        x = x.to(dtype)
        value = 1 if dtype == T.bool else 3
        values = dict(zip(itertools.product(*map(range, sizes)), x.reshape(-1).tolist()))
        shape, wanted = expected(values, sizes, pad, T.tensor(value, dtype=dtype).item())
        got = F.pad(x, pad, value=value)
        assert list(got.shape) == shape and got.dtype == x.dtype
        assert got.reshape(-1).tolist() == wanted, (sizes, pad)


@pytest.mark.parametrize("layout", ["plain", "channels last", "part"])
@pytest.mark.parametrize("threads", [1, 2])
def test_many_rows_are_shared_among_threads(layout, threads):
    before = T.get_num_threads()
    x = LAYOUTS[layout](T.arange(8 * 16 * 61 * 63, dtype=T.float32).view(8, 16, 61, 63))
    T.set_num_threads(threads)
    try:
        got = F.pad(x, (1, 2, 3, 0, 0, 1), value=-1)
    finally:
        T.set_num_threads(before)
    wanted = T.full((8, 17, 64, 66), -1.0)
    wanted[:, :16, 3:, 1:64] = x
    assert T.equal(got, wanted) and got.is_contiguous(memory_format=T.channels_last) == (layout == "channels last")

