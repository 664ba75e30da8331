"""Functions of torch that PyTorch removed: they say what stands in their place."""


def _gone(name, then):
    def removed(*args, **kwargs):
        raise RuntimeError(f"This function was deprecated since version 1.9 and is now removed.{then}")

    removed.__name__ = removed.__qualname__ = name
    removed.__doc__ = "Removed from PyTorch; says what to use."
    return removed


def _instead(old, new):
    return f"{old} should be replaced with:\n{new}"


matrix_rank = _gone(
    "matrix_rank",
    "\nPlease use the `torch.linalg.matrix_rank` function instead. "
    "The parameter 'symmetric' was renamed in `torch.linalg.matrix_rank()` to 'hermitian'.",
)
solve = _gone(
    "solve",
    " `torch.solve` is deprecated in favor of `torch.linalg.solve`. "
    "`torch.linalg.solve` has its arguments reversed and does not return the LU factorization.\n\n"
    "To get the LU factorization see `torch.lu`, which can be used with `torch.lu_solve` or `torch.lu_unpack`.\n"
    + _instead("X = torch.solve(B, A).solution", "X = torch.linalg.solve(A, B)"),
)
lstsq = _gone(
    "lstsq",
    " `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.\n"
    "`torch.linalg.lstsq` has reversed arguments and does not return the QR decomposition in "
    "the returned tuple (although it returns other information about the problem).\n\n"
    "To get the QR decomposition consider using `torch.linalg.qr`.\n\n"
    "The returned solution in `torch.lstsq` stored the residuals of the solution in the "
    "last m - n columns of the returned value whenever m > n. In torch.linalg.lstsq, "
    "the residuals are in the field 'residuals' of the returned named tuple.\n\n"
    "The unpacking of the solution, as in\n"
    + _instead("X, _ = torch.lstsq(B, A).solution[:A.size(1)]\n", "X = torch.linalg.lstsq(A, B).solution").replace("\n ", "\n"),
)
symeig = _gone(
    "_symeig",
    " The default behavior has changed from using the upper triangular portion of the matrix by default "
    "to using the lower triangular portion.\n\n"
    + _instead("L, _ = torch.symeig(A, upper=upper)", "L = torch.linalg.eigvalsh(A, UPLO='U' if upper else 'L')")
    + "\n\nand\n\n"
    + _instead("L, V = torch.symeig(A, eigenvectors=True)", "L, V = torch.linalg.eigh(A, UPLO='U' if upper else 'L')"),
)
eig = _gone(
    "eig",
    " `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real tensors "
    "mimicking complex tensors.\n\n"
    + _instead("L, _ = torch.eig(A)", "L_complex = torch.linalg.eigvals(A)")
    + "\n\nand\n\n"
    + _instead("L, V = torch.eig(A, eigenvectors=True)", "L_complex, V_complex = torch.linalg.eig(A)"),
)
