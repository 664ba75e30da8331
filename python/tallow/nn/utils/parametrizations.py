"""Ready parametrisations: orthogonal matrices, weight and spectral normalisation."""

from enum import Enum, auto

import tallow
from tallow import Tensor
from tallow.nn import functional as F
from tallow.nn.modules.module import Module
from tallow.nn.utils import parametrize
from tallow.nn.utils.spectral_norm import _default_dim


def _is_orthogonal(q):
    rows, columns = q.size(-2), q.size(-1)
    identity = tallow.eye(columns, dtype=q.dtype, device=q.device)
    return tallow.allclose(q.mH @ q, identity, atol=10.0 * rows * tallow.finfo(q.dtype).eps)


def _make_orthogonal(a):
    """The Q of a QR decomposition whose R has positive diagonal."""
    x, tau = tallow.geqrf(a)
    q = tallow.linalg.householder_product(x, tau)
    return q * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    def __init__(self, weight, orthogonal_map, *, use_trivialization=True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def _of_skew(self, x, rows, columns):
        """A skew matrix made of the lower triangle, then its exponential or Cayley transform."""
        x = x.tril()
        if rows != columns:
            x = tallow.cat([x, x.new_zeros(rows, rows - columns).expand(*x.shape[:-2], -1, -1)], dim=-1)
        a = x - x.mH
        if self.orthogonal_map == _OrthMaps.matrix_exp:
            q = tallow.matrix_exp(a)
        else:
            identity = tallow.eye(rows, dtype=a.dtype, device=a.device)
            q = tallow.linalg.solve(identity - 0.5 * a, identity + 0.5 * a)
        return q[..., :columns] if rows != columns else q

    def forward(self, X):
        rows, columns = X.size(-2), X.size(-1)
        turned = rows < columns
        if turned:
            X, rows, columns = X.mT, columns, rows
        if self.orthogonal_map == _OrthMaps.householder:
            a = X.tril(diagonal=-1)
            q = tallow.linalg.householder_product(a, 2.0 / (1.0 + (a * a).sum(dim=-2)))
            q = q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)  # the diagonal holds signs
        else:
            q = self._of_skew(X, rows, columns)
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if turned else q

    @tallow.no_grad()
    def right_inverse(self, Q):
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        start = Q
        rows, columns = Q.size(-2), Q.size(-1)
        turned = rows < columns
        if turned:
            Q, rows, columns = Q.mT, columns, rows
        if not hasattr(self, "base"):
            if self.orthogonal_map != _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential "
                    "or the Cayley parametrizations when use_trivialization=False."
                )
            a, tau = tallow.geqrf(Q)
            signs = a.diagonal(dim1=-2, dim2=-1)
            signs.copy_(signs.sign() * tallow.where(tau == 0.0, -1.0, 1.0))
            return a.mT if turned else a
        if rows == columns:
            Q = Q.clone() if _is_orthogonal(Q) else _make_orthogonal(Q)
        else:
            more = tallow.randn(*Q.shape[:-2], rows, rows - columns, dtype=Q.dtype, device=Q.device)
            Q = _make_orthogonal(tallow.cat([Q, more], dim=-1))
        self.base = Q
        result = tallow.zeros_like(start)
        result.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return result


def _weight_of(module, name):
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keeps a matrix orthogonal (or its columns or rows orthonormal)."""
    weight = _weight_of(module, name)
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    kind = getattr(_OrthMaps, orthogonal_map, None)
    if kind is None:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    made = _Orthogonal(weight, kind, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return tallow._weight_norm(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        return tallow.norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """A weight by its length along dim (original0) and its direction (original1)."""
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def read_old_names(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        old = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(read_old_names)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        ndim = weight.dim()
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight)
            rows, columns = matrix.size()
            u = matrix.new_empty(rows).normal_(0, 1)
            v = matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=self.eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=self.eps))
            self._power_method(matrix, 15)

    def _reshape_weight_to_matrix(self, weight):
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.dim()) if d != self.dim))
        return weight.flatten(1)

    @tallow.no_grad()
    def _power_method(self, matrix, count):
        for _ in range(count):
            self._u = F.normalize(matrix.mv(self._v), dim=0, eps=self.eps, out=self._u)
            self._v = F.normalize(matrix.mH.mv(self._u), dim=0, eps=self.eps, out=self._v)

    def forward(self, weight):
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next iteration writes to the buffers, backward still reads these
        sigma = (u.conj() * matrix.mv(v)).sum() if u.is_complex() else u.dot(matrix.mv(v))
        return weight / sigma

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """A weight over its largest singular value."""
    weight = _weight_of(module, name)
    dim = _default_dim(module) if dim is None else dim
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
