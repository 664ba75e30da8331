"""cat of contiguous tensors moves pieces of bytes, cut anywhere among the threads: against slices written one after the other."""

import pytest

import tallow as T

DTYPES = [T.bool, T.uint8, T.int16, T.bfloat16, T.float32, T.int64, T.complex128]


def numbered(sizes, dtype, start):
    n = 1
    for s in sizes:
        n *= s
    return (T.arange(start, start + n) % 249).view(sizes).to(dtype)


def check(sizes, along, dim, dtype):
    parts, total = [], 0
    for i, n in enumerate(along):
        parts.append(numbered((*sizes[:dim], n, *sizes[dim + 1 :]), dtype, 31 * i))
        total += n
    wanted, at = T.empty(*sizes[:dim], total, *sizes[dim + 1 :], dtype=dtype), 0
    for part in parts:
        wanted.narrow(dim, at, part.shape[dim]).copy_(part)
        at += part.shape[dim]
    assert T.equal(T.cat(parts, dim), wanted), (sizes, along, dim)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_parts_follow_one_another(dtype):
    for dim in range(3):
        for sizes in ((3, 4, 5), (1, 1, 1), (2, 0, 3), (7, 1, 33)):
            for along in ((2,), (1, 0, 3), (5, 1, 1, 70), (0, 0), (0, 4)):
                check(sizes, along, dim, dtype)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("dtype", [T.uint8, T.float32, T.complex128], ids=str)
def test_pieces_may_be_cut_among_threads(threads, dtype):
    before = T.get_num_threads()
    T.set_num_threads(threads)
    try:
        check((1,), (1000003, 5, 0, 70001), 0, dtype)
        check((3001, 1), (1, 130, 0, 77), 1, dtype)
        check((5, 3, 301), (100, 1, 277), 1, dtype)
        check((2, 1), (1,) * 3000, 1, dtype)
    finally:
        T.set_num_threads(before)


def test_tensors_of_one_dimension_without_elements_do_not_count():
    x = numbered((3, 4), T.float32, 0)
    assert T.equal(T.cat([T.empty(0), x, T.empty(0), x]), T.stack([x, x]).view(6, 4))
