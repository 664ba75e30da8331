"""Singular vectors of the largest singular values, by products with random vectors: algorithms 4.4 and 5.1 of Halko, Martinsson and Tropp 2009,
drawing what PyTorch draws."""

import tallow


def _basis(A, q, niter, M):
    """Q (m, q), whose columns nearly span the range of A - M."""

    def orthonormal(x):
        return tallow.linalg.qr(x).Q

    def product(right, turned=False):
        left, mean = (A.mH, None if M is None else M.mH) if turned else (A, M)
        return left @ right if mean is None else left @ right - mean @ right

    Q = orthonormal(product(tallow.randn(A.shape[-1], q, dtype=A.dtype, device=A.device)))
    for _ in range(niter):
        Q = orthonormal(product(orthonormal(product(Q, turned=True))))
    return Q


def svd_lowrank(A, q=6, niter=2, M=None):
    """U, S, V of the q largest singular values of A - M, nearly."""
    from tallow.overrides import handle_torch_function, has_torch_function

    if has_torch_function((A, M)):
        return handle_torch_function(svd_lowrank, (A, M), A, q=q, niter=niter, M=M)
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    wide = A.shape[-2] < A.shape[-1]
    if M is not None:
        M = M.broadcast_to(A.size())
    if wide:
        A, M = A.mH, None if M is None else M.mH
    Q = _basis(A, q, niter, M)
    B = Q.mH @ A if M is None else Q.mH @ A - Q.mH @ M
    U, S, Vh = tallow.linalg.svd(B, full_matrices=False)
    U, V = Q @ U, Vh.mH
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A, q=None, center=True, niter=2):
    """svd_lowrank() of a matrix of samples, less the mean of its rows if `center`."""
    from tallow.overrides import handle_torch_function, has_torch_function

    if has_torch_function((A,)):
        return handle_torch_function(pca_lowrank, (A,), A, q=q, center=center, niter=niter)
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if not niter >= 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if not center:
        return svd_lowrank(A, q, niter)
    if A.is_sparse:
        raise NotImplementedError("torch.pca_lowrank: centring a sparse matrix")
    return svd_lowrank(A - A.mean(dim=(-2,), keepdim=True), q, niter)


def unravel_index(indices, shape):
    """Coordinates in a tensor of that shape of places in it when it is flat: one tensor a dimension."""
    if indices.is_complex() or indices.is_floating_point() or indices.dtype == tallow.bool:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if isinstance(shape, int):
        shape = (shape,)
    elif not isinstance(shape, (list, tuple)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    for size in shape:
        if not isinstance(size, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(size)}")
    if any(size < 0 for size in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    below = [1]
    for size in reversed(shape[1:]):
        below.insert(0, below[0] * size)
    below = tallow.tensor(below[: len(shape)], dtype=tallow.int64, device=indices.device)
    sizes = tallow.tensor(tuple(shape), dtype=tallow.int64, device=indices.device)
    return (indices.unsqueeze(-1).div(below, rounding_mode="floor") % sizes).unbind(-1)
