"""Results beyond the last-level cache are written past it (core/cpu.h, Note [Streaming]). TALLOW_STREAM=1 has results of two bytes go that way:
whatever their size, layout, dtype and alignment, they must be what they are without."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

import tallow as T

DTYPES = [T.bool, T.uint8, T.int8, T.int16, T.int32, T.int64, T.float16, T.bfloat16, T.float32, T.float64, T.complex64, T.complex128]
SIZES = [(), (0,), (1,), (3,), (1023,), (1024,), (1025,), (70001,), (5, 0, 7), (3, 5), (129, 130), (64, 1024), (1024, 64), (33, 515), (300, 3), (9, 17, 21), (150, 101), (40, 700)]


def source(sizes, dtype, start=0):
    n = 1
    for s in sizes:
        n *= s
    return ((T.arange(start, start + n) * 37 % 251).to(T.float64) / 2 - 50).reshape(sizes).to(dtype)


def odd(t, places):
    """The same elements, laid out `places` elements after an aligned address."""
    wide = T.empty(t.numel() + places, dtype=t.dtype)
    return wide[places:].view(t.shape).copy_(t)


def strided(t):
    """The same elements, every other one of a larger tensor."""
    wide = T.zeros(t.numel(), 2, dtype=t.dtype)
    wide[:, 0] = t.reshape(-1)
    return wide[:, 0].view(t.shape) if t.numel() else t


def cases():
    for sizes in SIZES:
        for dtype in DTYPES:
            x = source(sizes, dtype)
            forms = [("plain", x), ("strided", strided(x))] + [(f"odd{k}", odd(x, k)) for k in (1, 3)]
            if x.ndim == 2:
                forms += [("turned", source(sizes[::-1], dtype).t())]
            for form, a in forms:
                key = f"{tuple(sizes)} {dtype} {form}"
                b = source(sizes, dtype, 7)
                yield f"clone {key}", lambda a=a: a.clone()
                yield f"contiguous {key}", lambda a=a: a.clone(memory_format=T.contiguous_format)
                yield f"where {key}", lambda a=a, b=b: T.where(b == a, a, b)
                yield f"equal {key}", lambda a=a, b=b: a == b
                yield f"widen {key}", lambda a=a: a.to(T.complex128)
                yield f"narrow {key}", lambda a=a: a.to(T.bool)
                yield f"into odd {key}", lambda a=a: odd(a, 1)
                yield f"into strided {key}", lambda a=a: strided(a)
                if a.ndim > 0:
                    yield f"cat {key}", lambda a=a, b=b: T.cat([a, b[:1], b, b[:0]])
                    yield f"cat last {key}", lambda a=a, b=b: T.cat([b, b[..., :1], a], -1)
                    yield f"stack {key}", lambda a=a, b=b: T.stack([a, b, a], -1)
                if dtype != T.bool:
                    yield f"add {key}", lambda a=a, b=b: a + b
                    yield f"scaled {key}", lambda a=a: a * 2
                    yield f"mixed {key}", lambda a=a: a + source(a.shape, T.int16, 3)
                    yield f"in place {key}", lambda a=a, b=b: a.clone().add_(b)
                    yield f"square in place {key}", lambda a=a: (lambda c: c.mul_(c))(a.clone())
                    yield f"out {key}", lambda a=a, b=b: T.add(a, b, out=odd(b, 1))
                    yield f"neg {key}", lambda a=a: -a
                if a.ndim == 2:
                    yield f"rows {key}", lambda a=a, b=b: T.where(a == b, a, b[:1])
                    yield f"columns {key}", lambda a=a, b=b: T.where(a == b, b[:, :1], a)
                    yield f"padded {key}", lambda a=a: T.nn.functional.pad(a, (1, 2, 3, 0), value=1)
    for n in (100, 20000):
        x = source((n,), T.float32)
        yield f"spread {n}", lambda x=x: x.expand(4, n) + x.view(n)
        yield f"conj {n}", lambda x=x: T.complex(x, x).conj().clone()
        yield f"seven {n}", lambda x=x: T.addcmul(x, x, x, value=3)


def lines():
    for key, make in cases():
        t = make()
        t = T.view_as_real(t.resolve_conj()) if t.is_complex() else t
        bits = t.to(T.float64) if t.is_floating_point() else t
        yield f"{key}: {hashlib.sha256(repr((t.shape, t.stride())).encode() + bits.contiguous().numpy().tobytes()).hexdigest()[:16]}"


def run(path, **environment):
    done = subprocess.run([sys.executable, __file__, str(path)], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path.read_text().splitlines()


@pytest.fixture(scope="module")
def unstreamed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("lines") / "unstreamed", TALLOW_STREAM=str(1 << 60))


@pytest.mark.parametrize("cpu", ["avx512", "avx2", "baseline"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_streamed_results_are_the_same(unstreamed, tmp_path, cpu, threads):
    streamed = run(tmp_path / "streamed", TALLOW_STREAM="1", TALLOW_CPU=cpu, TALLOW_NUM_THREADS=threads)
    assert len(streamed) == len(unstreamed) > 4000
    assert [a for a, b in zip(streamed, unstreamed) if a != b] == []


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines()))
