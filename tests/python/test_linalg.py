"""torch.linalg: identities that decompositions must satisfy, gradients, errors. LAPACK comes from scipy-openblas32."""

import os
import subprocess
import sys

import pytest
import tallow as torch
from tallow.autograd import gradcheck

BATCHES = [(3, 3), (2, 4, 4), (0, 3, 3), (0, 0)]
SHAPES = [(3, 3), (5, 3), (3, 5), (2, 4, 2)]
DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def made(shape, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=dtype)


def close(a, b):
    return torch.allclose(a, b, rtol=1e-3, atol=2e-4)


SVD_SHAPES = [(1, 4), (3, 5), (3, 7), (2, 40), (2, 41), (4, 3), (7, 5), (9, 5), (2, 12, 20), (2, 20, 12)]  # each way to the bidiagonal form


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SVD_SHAPES)
def test_singular_vectors_of_every_shape(shape, dtype):
    for scale in (1.0, 0.0, 2.0**-100, 2.0**100):
        a = made(shape, dtype)
        for full in (False, True):
            u, s, vh = torch.linalg.svd(a * scale, full_matrices=full)
            k = s.size(-1)
            assert close((u[..., :k] * (s / (scale or 1)).unsqueeze(-2)) @ vh[..., :k, :], a * (scale != 0))
            assert close(u.mT @ u, torch.eye(u.size(-1), dtype=dtype).expand(u.mT.shape[:-1] + (u.size(-1),)))
            assert close(vh @ vh.mT, torch.eye(vh.size(-2), dtype=dtype).expand(vh.shape[:-1] + (vh.size(-2),)))
    with pytest.raises(torch.linalg.LinAlgError, match="the input matrix contained non-finite values"):
        torch.linalg.svd(a * float("nan"))


@pytest.mark.torch
@pytest.mark.parametrize("shape", SVD_SHAPES)
def test_singular_vectors_have_the_signs_of_pytorch(shape):
    reference = pytest.importorskip("torch")
    a = made(shape)
    wanted = reference.linalg.svd(reference.from_numpy(a.numpy()))
    got = torch.linalg.svd(a)
    assert all(abs(reference.from_numpy(x.numpy()) - y).max() < 1e-9 for x, y in zip(got, wanted))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_multiply_to_the_matrix(shape, dtype):
    a = made(shape, dtype)
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    assert close(u * s.unsqueeze(-2) @ vh, a) and close(torch.linalg.svdvals(a), s)
    q, r = torch.linalg.qr(a)
    assert close(q @ r, a) and close(q.mH @ q, torch.eye(q.shape[-1], dtype=dtype).expand_as(q.mH @ q))
    p, low, up = torch.linalg.lu(a)
    assert close(p @ low @ up, a)
    pinv = torch.linalg.pinv(a)
    assert close(a @ pinv @ a, a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", BATCHES)
def test_square_matrices(shape, dtype):
    a, b = made(shape, dtype), made(shape[:-1] + (2,), dtype, 1)
    assert close(a @ torch.linalg.solve(a, b), b) and close(torch.linalg.solve(a, b.mT, left=False) @ a, b.mT)
    assert close(torch.linalg.inv(a) @ b, torch.linalg.solve(a, b))
    spd = a @ a.mH + torch.eye(shape[-1], dtype=dtype)
    factor = torch.linalg.cholesky(spd)
    assert close(factor @ factor.mH, spd) and close(spd @ torch.cholesky_solve(b, factor), b)
    values, vectors = torch.linalg.eigh(spd)
    assert close(vectors * values.unsqueeze(-2) @ vectors.mH, spd)
    values, vectors = torch.linalg.eig(a)
    assert close(a.to(vectors.dtype) @ vectors, vectors * values.unsqueeze(-2))
    sign, size = torch.linalg.slogdet(a)
    assert close(sign * size.exp(), torch.linalg.det(a))
    assert close(torch.linalg.matrix_power(a, 3), a @ a @ a)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients(dtype):
    a = made((4, 4), dtype).requires_grad_()
    tall, wide, b = (made(shape, dtype, 1).requires_grad_() for shape in [(4, 2), (2, 4), (4, 2)])
    low = torch.linalg.cholesky((a @ a.mH).detach() + torch.eye(4, dtype=dtype)).requires_grad_()
    for name in ("inv", "det", "svdvals", "pinv"):
        assert gradcheck(getattr(torch.linalg, name), (a,)), name
    assert gradcheck(lambda x: torch.linalg.cholesky(x @ x.mH + torch.eye(4, dtype=dtype)), (a,))
    assert gradcheck(torch.linalg.solve, (a, b))
    assert gradcheck(lambda x: torch.linalg.lu_factor(x)[0], (a,))
    assert gradcheck(lambda x: torch.linalg.slogdet(x)[1], (a,))
    assert gradcheck(lambda x: torch.linalg.eigvalsh(x + x.mH), (a,))
    assert gradcheck(lambda x, y: torch.linalg.solve_triangular(x, y, upper=False), (low, b))
    for m in (tall, wide):
        assert gradcheck(torch.linalg.svdvals, (m,)) and gradcheck(torch.linalg.pinv, (m,))
        assert gradcheck(lambda x: torch.linalg.lu(x)[1:], (m,))
        if not dtype.is_complex:
            assert gradcheck(lambda x: torch.linalg.qr(x), (m,)) and gradcheck(lambda x: torch.linalg.svd(x, False), (m,))


def test_singular_determinant_has_a_gradient():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    torch.linalg.det(a).backward()
    assert close(a.grad, torch.tensor([[4.0, -2.0], [-2.0, 1.0]], dtype=torch.float64))


def test_norms():
    a = torch.tensor([[3.0, 0.0], [0.0, -4.0]])
    assert torch.linalg.norm(a).item() == 5 and torch.linalg.norm(a, 2).item() == pytest.approx(4)
    assert torch.linalg.norm(a, 1).item() == 4 and torch.linalg.norm(a, "nuc").item() == pytest.approx(7)
    assert torch.linalg.cond(a).item() == pytest.approx(4 / 3) and torch.linalg.matrix_rank(a).item() == 2
    assert torch.norm(a, "nuc").item() == pytest.approx(7)


def test_least_squares():
    a, b = made((5, 2)), made((5, 3), seed=1)
    for driver in (None, "gels", "gelsd", "gelss"):
        result = torch.linalg.lstsq(a, b, driver=driver)
        assert close(result.solution, torch.linalg.pinv(a) @ b)
    assert torch.linalg.lstsq(a, b).rank.item() == 2


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda: torch.linalg.inv(torch.zeros(2, 2)), torch.linalg.LinAlgError,
         "linalg.inv: The diagonal element 1 is zero, the inversion could not be completed because the input matrix is singular."),
        (lambda: torch.linalg.solve(torch.zeros(1, 2, 2), torch.ones(1, 2, 1)), torch.linalg.LinAlgError,
         "torch.linalg.solve: (Batch element 0): The solver failed because the input matrix is singular."),
        (lambda: torch.linalg.cholesky(-torch.eye(2)), torch.linalg.LinAlgError,
         "linalg.cholesky: The factorization could not be completed because the input is not positive-definite (the leading minor of order 1 "
         "is not positive-definite)."),
        (lambda: torch.linalg.inv(torch.ones(2, 3)), RuntimeError,
         "linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices"),
        (lambda: torch.linalg.svd(torch.ones(2)), RuntimeError, "linalg.svd: The input tensor A must have at least 2 dimensions."),
        (lambda: torch.linalg.eigh(torch.eye(2, dtype=torch.int64)), RuntimeError,
         "linalg.eigh: Expected a floating point or complex tensor as input. Got Long"),
        (lambda: torch.linalg.matrix_norm(torch.eye(2), 3), RuntimeError, "linalg.matrix_norm: Order 3 not supported."),
    ],
)  # fmt: skip
def test_refusals(call, kind, text):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == text


def test_without_lapack_the_package_is_named():
    """A fresh process in which neither the package nor a library can be found."""
    code = """
import sys, importlib.abc
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "scipy_openblas32": raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import tallow as torch
try:
    torch.linalg.svd(torch.eye(2))
except RuntimeError as error:
    assert "linalg.svd" in str(error) and "pip install scipy-openblas32" in str(error), error
else:
    print("found")
"""
    environment = {key: value for key, value in os.environ.items() if key != "TALLOW_LAPACK"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    if result.stdout.strip() == "found":
        pytest.skip("the system has a LAPACK of its own")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_of_few_numbers_sum_in_the_order_of_large_ones(dtype):
    torch.manual_seed(3)
    a, b, d = torch.randn(20, 24, dtype=dtype), torch.randn(24, 40, dtype=dtype), torch.randn(40, dtype=dtype)
    whole, added = a @ b, torch.addmm(d, a, b, alpha=2, beta=0.5)
    for rows, columns in ((2, 3), (2, 16), (3, 9), (4, 8), (5, 7)):
        for left in (a[:rows], a[:rows].t().contiguous().t()):
            for right in (b[:, :columns], b[:, :columns].t().contiguous().t(), b[:, :columns].contiguous()):
                assert torch.equal(left @ right, whole[:rows, :columns])
                assert torch.equal(torch.addmm(d[:columns], left, right, alpha=2, beta=0.5), added[:rows, :columns])
    assert torch.equal(torch.zeros(3, 0) @ torch.zeros(0, 4), torch.zeros(3, 4))
    row = torch.ones(1, 4, dtype=dtype) @ torch.arange(20.0, dtype=dtype).view(4, 5)
    assert row.tolist() == [[30, 34, 38, 42, 46]] and torch.mv(torch.eye(3, dtype=dtype), torch.ones(3, dtype=dtype)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("m, n", [(1, 1), (7, 7), (17, 17), (33, 33), (70, 70), (150, 150), (40, 9), (9, 40), (100, 33), (16, 50)])
def test_lu_of_many_shapes(m, n, dtype):
    """Panels, blocks and what is left over: P L U is the matrix, pivots are the largest of their columns, systems are solved either way."""
    torch.manual_seed(m * n)
    A = torch.randn(m, n, dtype=dtype)
    small = 50 * max(m, n) * torch.finfo(dtype).eps
    P, L, U = torch.linalg.lu(A)
    assert (P @ L @ U - A).abs().max().item() <= small
    assert L.abs().max().item() <= 1
    if m == n:
        b = torch.randn(n, 3, dtype=dtype)
        size = torch.linalg.inv(A).abs().max().item() + 1
        for matrix, adjoint in ((A, False), (A.t(), True)):
            x = torch.linalg.lu_solve(*torch.linalg.lu_factor(A), b, adjoint=adjoint)
            assert (matrix @ x - b).abs().max().item() <= small * size
        assert (torch.linalg.inv(A) @ A - torch.eye(n, dtype=dtype)).abs().max().item() <= small * size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("m, k, n", [(2100, 300, 40), (40, 300, 4200), (2030, 513, 15), (4040, 3, 33), (520, 270, 600), (64, 600, 300), (130, 1, 4100), (70, 0, 70), (1450, 530, 1460)])
def test_products_are_shared_out_between_threads(m, k, n, dtype):
    """Whole numbers, so that every result is exact: each number of threads, and several blocks of rows, columns and of what is summed over."""
    numpy = pytest.importorskip("numpy")
    few = numpy.arange(m * k).reshape(m, k) % 7 - 3, numpy.arange(k * n).reshape(k, n) % 5 - 2
    a, b = (torch.from_numpy(x.astype("float64")).to(dtype) for x in few)
    want = torch.from_numpy(few[0].astype("float64") @ few[1].astype("float64"))
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3, 7):
            torch.set_num_threads(count)
            for left, right in ((a, b), (a.t().contiguous().t(), b), (a, b.t().contiguous().t())):
                for _ in range(3):
                    assert torch.equal((left @ right).double(), want.to(dtype).double())
            added = torch.addmm(torch.ones(n, dtype=dtype), a, b, alpha=2, beta=-1)
            assert torch.equal(added.double(), (2 * want - 1).to(dtype).double())
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("m, k, n", [(3, 5, 7), (15, 256, 16), (64, 257, 33), (20, 600, 40), (1, 64, 64), (64, 64, 1)])
def test_products_of_bfloat16(m, k, n):
    """Sums in float32, in order: as of the same numbers in float32, but for the last rounding."""
    torch.manual_seed(k)
    a, b = torch.randn(m, k).bfloat16(), torch.randn(k, n).bfloat16()
    want = (a.double() @ b.double()).tolist()
    for x, y in ((a, b), (a.t().contiguous().t(), b), (a, b.t().contiguous().t())):
        got = torch.mm(x, y).double().tolist()
        assert all(abs(p - q) <= abs(q) * 2**-8 + k * 2**-20 for row, other in zip(got, want) for p, q in zip(row, other))


def test_gradient_of_complex_singular_vectors():
    """Of U Vh, which no phase of the vectors changes; against differences."""
    torch.manual_seed(0)
    a, weight = torch.randn(2, 3, 3, dtype=torch.complex128)

    def value(x):
        u, _, vh = torch.linalg.svd(x)
        return ((u @ vh) * weight.conj()).real.sum()

    x = a.clone().requires_grad_()
    value(x).backward()
    step = 1e-6
    for i in range(3):
        for j in range(3):
            for way in (1, 1j):
                change = torch.zeros_like(a)
                change[i, j] = way * step
                slope = (value(a + change) - value(a - change)) / (2 * step)
                got = x.grad[i, j].real if way == 1 else x.grad[i, j].imag
                assert abs(slope - got) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("m, n", [(1, 1), (1, 9), (9, 1), (31, 33), (33, 31), (64, 64), (97, 97), (150, 70), (70, 150), (200, 3)])
def test_qr_of_many_shapes(m, n, dtype):
    """Panels, blocks and what is left over, of all sizes of numbers: Q R is the matrix, Q has orthonormal columns, R is a triangle."""
    torch.manual_seed(m * n)
    A = torch.randn(m, n, dtype=dtype)
    A[:, n // 2] = 0
    eps = torch.finfo(dtype).eps
    for scale in (1, torch.finfo(dtype).tiny / eps**2, torch.finfo(dtype).max / 1e4):
        for mode in ("reduced", "complete"):
            Q, R = torch.linalg.qr(A * scale, mode)
            assert (Q.t() @ Q - torch.eye(Q.shape[1], dtype=dtype)).abs().max().item() <= 20 * eps * m**0.5
            assert (Q @ (R / scale) - A).abs().max().item() <= 50 * eps * max(m, n) ** 0.5
            assert torch.equal(R, R.triu())
            assert torch.equal(torch.linalg.qr(A * scale, "r").R.abs() / scale, R[: min(m, n)].abs() / scale)
    assert torch.linalg.qr(torch.zeros(m, n, dtype=dtype)).Q.equal(torch.eye(m, min(m, n), dtype=dtype))
    assert torch.linalg.qr(torch.full((m, n), float("nan"), dtype=dtype)).R.isnan().any().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("n", [127, 128, 200, 270])
def test_large_symmetric_matrices(n, dtype):
    """Where reflections and their products are our own; beyond moderate sizes of numbers LAPACK does it all."""
    torch.manual_seed(n)
    A = torch.randn(2, n, n, dtype=dtype)
    A = A + A.mT
    A[1, : n // 2] = 0
    A[1, :, : n // 2] = 0
    eps = torch.finfo(dtype).eps
    for scale in (1, torch.finfo(dtype).tiny ** 0.75, torch.finfo(dtype).max ** 0.75):
        for uplo in "LU":
            one = (A * scale).tril() if uplo == "L" else (A * scale).triu()
            values, V = torch.linalg.eigh(one, UPLO=uplo)
            assert (V.mT @ V - torch.eye(n, dtype=dtype)).abs().max().item() <= 20 * eps * n**0.5
            assert (V * (values / scale).unsqueeze(-2) @ V.mT - A).abs().max().item() <= 50 * eps * n
            assert (torch.linalg.eigvalsh(one, UPLO=uplo) / scale - values / scale).abs().max().item() <= 50 * eps * n
            assert (values[:, 1:] >= values[:, :-1]).all().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("m, n", [(127, 130), (128, 128), (200, 150), (150, 200), (140, 300), (300, 140), (161, 161)])
def test_singular_values_of_large_matrices(m, n, dtype):
    """Every path of the reflections: about square, tall and wide; also of low rank, and beyond moderate sizes of numbers, where LAPACK does it all."""
    torch.manual_seed(m)
    A = torch.randn(2, m, n, dtype=dtype)
    A[1] = A[1, :, :20] @ A[1, :20]
    eps = torch.finfo(dtype).eps
    for scale in (1, torch.finfo(dtype).tiny ** 0.75, torch.finfo(dtype).max ** 0.75):
        values = torch.linalg.svdvals(A * scale) / scale
        for full in (True, False):
            U, S, Vh = torch.linalg.svd(A * scale, full_matrices=full)
            k = min(m, n)
            assert U.shape[-2:] == (m, m if full else k) and Vh.shape[-2:] == (n if full else k, n)
            assert (U.mT @ U - torch.eye(U.shape[-1], dtype=dtype)).abs().max().item() <= 20 * eps * m**0.5
            assert (Vh @ Vh.mT - torch.eye(Vh.shape[-2], dtype=dtype)).abs().max().item() <= 20 * eps * n**0.5
            small = 20 * eps * max(m, n) ** 0.5 * values.max().item()
            assert (U[..., :k] * (S / scale).unsqueeze(-2) @ Vh[:, :k] - A).abs().max().item() <= small
            assert (S / scale - values).abs().max().item() <= small
            assert (S[:, 1:] <= S[:, :-1]).all().item() and values[1, 20:].max().item() <= small


def test_large_matrices_with_nothing_in_them():
    for A in (torch.zeros(130, 140), torch.eye(130), torch.ones(140, 130)):
        U, S, Vh = torch.linalg.svd(A, full_matrices=False)
        assert (U * S @ Vh - A).abs().max().item() <= 1e-4 and (U.t() @ U - torch.eye(130)).abs().max().item() <= 1e-4
    with pytest.raises(RuntimeError):
        torch.linalg.svd(torch.full((130, 130), float("nan")))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("m, k, n", [(3, 4096, 5), (64, 5000, 64), (1, 70001, 30), (30, 70001, 1), (128, 4095, 128), (2, 66000, 2)])
def test_products_over_a_long_inner_dimension(m, k, n, dtype):
    """Summed in slices, which alpha, beta and the third matrix follow."""
    torch.manual_seed(k)
    a, b, d = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.randn(n).to(dtype)
    want = a.double() @ b.double()
    eps = torch.finfo(dtype).eps
    small = 20 * eps * k**0.5 if dtype != torch.bfloat16 else 3 * eps * k**0.5
    for x, y in ((a, b), (a.t().contiguous().t(), b), (a, b.t().contiguous().t())):
        assert (torch.mm(x, y).double() - want).abs().max().item() <= small
        assert (torch.addmm(d, x, y, alpha=0.5, beta=2).double() - want * 0.5 - d.double() * 2).abs().max().item() <= small
        assert torch.equal(torch.mm(x, y), torch.bmm(x.unsqueeze(0), y.unsqueeze(0))[0])
        whole = torch.zeros(n, m, dtype=dtype)
        torch.mm(x, y, out=whole.t())
        assert torch.equal(whole.t(), torch.mm(x, y)) or m == 1 or n == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("m, k, n", [(2, 1, 2), (3, 5, 7), (9, 33, 17), (13, 64, 31), (8, 256, 33), (30, 40, 60), (64, 64, 64), (5, 200, 250)])
def test_small_products_have_the_bits_of_packed_ones(m, k, n, dtype):
    torch.manual_seed(m * n)
    a, b = torch.randn(300, k, dtype=dtype), torch.randn(k, 300, dtype=dtype)
    whole = (a @ b)[:m, :n]
    for left in (a[:m], a[:m].t().contiguous().t(), a[:m].clone()):
        for right in (b[:, :n], b[:, :n].clone(), b[:, :n].t().contiguous().t()):
            assert torch.equal(left @ right, whole)
            out = torch.full((m, n + 2), 7.0, dtype=dtype)
            torch.mm(left, right, out=out[:, 1:-1])
            assert torch.equal(out[:, 1:-1], whole) and (out[:, 0] == 7).all().item() and (out[:, -1] == 7).all().item()
    assert torch.equal(torch.bmm(a[:m].unsqueeze(0).expand(3, m, k), b[:, :n].unsqueeze(0).expand(3, k, n))[2], whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("k, n", [(257, 4000), (1000, 1500), (700, 9001), (3000, 257), (256, 5000)])
def test_a_row_times_a_matrix_has_the_bits_of_many_rows(k, n, dtype):
    """However threads share out the columns and the blocks of k."""
    torch.manual_seed(k)
    a, wide = torch.randn(20, k, dtype=dtype), torch.randn(k, n + 3, dtype=dtype)
    threads = torch.get_num_threads()
    try:
        for b in (wide[:, :n].contiguous(), wide[:, 3:]):
            want = (a @ b)[4]
            for count in (1, 2, 3, 16):
                torch.set_num_threads(count)
                assert torch.equal(a[4] @ b, want) and torch.equal(a[4:5] @ b, want[None])
                assert torch.equal(torch.addmv(want, b.t(), a[4], alpha=2), 2 * want + want)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_systems_have_the_same_bits_for_any_number_of_threads(dtype):
    """Threads share out right sides, or steps where there are few for each."""
    torch.manual_seed(2)
    a, b = torch.randn(150, 150, dtype=dtype), torch.randn(150, 170, dtype=dtype)
    threads = torch.get_num_threads()
    try:
        seen = []
        for count in (1, 2, 3, 16):
            torch.set_num_threads(count)
            factors = torch.linalg.lu_factor(a)
            seen.append([*factors, torch.linalg.solve(a, b), torch.linalg.solve(a.t(), b[:, :70]), torch.linalg.inv(a),
                         torch.linalg.lu_solve(*factors, b, adjoint=True)])
    finally:
        torch.set_num_threads(threads)
    for other in seen[1:]:
        assert all(torch.equal(x, y) for x, y in zip(seen[0], other))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("m, k, n", [(3, 5, 7), (1, 300, 600), (600, 300, 2), (70, 600, 90), (300, 520, 1100), (40, 5000, 30), (5, 0, 4)])
def test_products_of_half_types_are_rounded_once(m, k, n, dtype):
    """Whatever the layout of the result: as the product in float32, then rounded."""
    torch.manual_seed(k)
    a, b, d = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.randn(m, n).to(dtype)
    want = (a.float() @ b.float()).to(dtype)
    added = torch.addmm(d.float(), a.float(), b.float(), alpha=0.5, beta=2).to(dtype)
    assert torch.equal(a @ b, want) and torch.equal(torch.addmm(d, a, b, alpha=0.5, beta=2), added)
    for whole in (torch.full((m, n + 3), 7.0, dtype=dtype), torch.full((n + 3, m), 7.0, dtype=dtype).t(), torch.full((m, 2 * n + 6), 7.0, dtype=dtype)[:, ::2]):
        torch.mm(a, b, out=whole[:, 1 : n + 1])
        assert torch.equal(whole[:, 1 : n + 1], want) and (whole[:, 0] == 7).all().item() and (whole[:, n + 1 :] == 7).all().item()
        torch.addmm(d, a, b, alpha=0.5, beta=2, out=whole[:, 1 : n + 1])
        assert torch.equal(whole[:, 1 : n + 1], added)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 64, 65, 150, 300])
def test_cholesky_of_many_shapes(n, dtype):
    """The factor gives the matrix back and reads one triangle only; systems are solved by it; where a minor is not positive it says which."""
    torch.manual_seed(n)
    root = torch.randn(2, n, n, dtype=dtype)
    A = root @ root.mT + n * torch.eye(n, dtype=dtype)
    eps = torch.finfo(dtype).eps
    b = torch.randn(2, n, 3, dtype=dtype)
    threads = torch.get_num_threads()
    seen = []
    try:
        for count in (1, 2, 16):
            torch.set_num_threads(count)
            L, U = torch.linalg.cholesky(A), torch.linalg.cholesky(A, upper=True)
            seen.append((L, U, torch.cholesky_solve(b, L), torch.cholesky_solve(b, U, upper=True)))
    finally:
        torch.set_num_threads(threads)
    for other in seen[1:]:
        assert all(torch.equal(x, y) for x, y in zip(seen[0], other))
    assert torch.equal(L, L.tril()) and torch.equal(U, U.triu()) and torch.equal(L, U.mT)
    assert torch.equal(L, torch.linalg.cholesky(A.tril() + torch.full_like(A, float("nan")).triu(1)))
    assert torch.equal(U, torch.linalg.cholesky(A.triu(), upper=True))
    if n == 0:
        assert torch.linalg.cholesky_ex(A).info.tolist() == [0, 0]
        return
    assert (L @ L.mT - A).abs().max().item() <= 4 * n * eps * A.abs().max().item()
    for x in seen[0][2:]:
        assert (A @ x - b).abs().max().item() <= 50 * n * eps
    for bad in (-1.0, 0.0, float("nan")):
        for at in {0, n // 2, n - 1}:
            broken = A.clone()
            broken[1, at, :] = broken[1, :, at] = 0
            broken[1, at, at] = bad
            assert torch.linalg.cholesky_ex(broken).info.tolist() == [0, at + 1]
            with pytest.raises(torch.linalg.LinAlgError, match=rf"Batch element 1.*leading minor of order {at + 1} is not"):
                torch.linalg.cholesky(broken)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("n, columns", [(1, 1), (5, 3), (32, 40), (70, 9), (150, 130)])
def test_triangular_systems(n, columns, dtype):
    """Either side, either triangle, which alone is read; same bits for any number of threads."""
    torch.manual_seed(n)
    A = torch.randn(2, n, n, dtype=dtype) / n + 2 * torch.eye(n, dtype=dtype)
    small = 20 * n * torch.finfo(dtype).eps
    b = torch.randn(2, n, columns, dtype=dtype)
    junk = torch.full_like(A, float("nan"))
    threads = torch.get_num_threads()
    try:
        for upper in (False, True):
            T, full = (A.triu(), A.triu() + junk.tril(-1)) if upper else (A.tril(), A.tril() + junk.triu(1))
            for unit in (False, True):
                whole = T - torch.diag_embed(T.diagonal(dim1=-2, dim2=-1)) + torch.eye(n, dtype=dtype) if unit else T
                for left in (True, False):
                    right_side = b if left else b.mT
                    seen = []
                    for count in (1, 2, 16):
                        torch.set_num_threads(count)
                        seen.append(torch.linalg.solve_triangular(full, right_side, upper=upper, left=left, unitriangular=unit))
                    x = seen[0]
                    assert torch.equal(x, seen[1]) and torch.equal(x, seen[2])
                    assert ((whole @ x if left else x @ whole) - right_side).abs().max().item() <= small
    finally:
        torch.set_num_threads(threads)
