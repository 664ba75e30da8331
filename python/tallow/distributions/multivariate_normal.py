"""The normal distribution of vectors."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import Distribution
from tallow.distributions.utils import _standard_normal


class MultivariateNormal(Distribution):
    """With mean loc, and a covariance matrix, its inverse, or its Cholesky factor."""

    arg_constraints = {"loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
                       "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky}  # fmt: skip
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {name: matrix for name, matrix in given.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        (name, matrix), = given.items()
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = tallow.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self._given = name
        self.__dict__[name] = matrix.expand(tuple(batch) + tuple(matrix.shape[-2:]))
        self.loc = loc.expand(tuple(batch) + (-1,))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._set_factor()

    def _set_factor(self):
        if self._given == "scale_tril":
            self._unbroadcasted_scale_tril = self.__dict__["scale_tril"]
        elif self._given == "covariance_matrix":
            self._unbroadcasted_scale_tril = tallow.linalg.cholesky(self.__dict__["covariance_matrix"])
        else:
            self._unbroadcasted_scale_tril = tallow.linalg.cholesky(tallow.linalg.inv(self.__dict__["precision_matrix"]))

    def __getattr__(self, name):
        if name.startswith("_") or name not in ("scale_tril", "covariance_matrix", "precision_matrix"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        factor = self._unbroadcasted_scale_tril
        if name == "scale_tril":
            return factor
        covariance = factor @ factor.mT
        return covariance if name == "covariance_matrix" else tallow.linalg.inv(covariance)

    def _check_parameters(self):
        for name in ("loc", self._given):
            value, constraint = self.__dict__[name], self.arg_constraints[name]
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} "
                    f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape, _instance=None):
        new = self._copy(batch_shape, _instance)
        new._given = self._given
        matrix = self.__dict__[self._given]
        new.__dict__[self._given] = matrix.expand(tuple(new._batch_shape) + tuple(matrix.shape[-2:]))
        new.loc = self.loc.expand(new._batch_shape + self._event_shape)
        new._set_factor()
        return new

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape))

    def rsample(self, sample_shape=Size()):
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + (self._unbroadcasted_scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self):
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value):
        self._checked(value)
        away = (value - self.loc).unsqueeze(-1)
        solved = tallow.linalg.solve_triangular(self._unbroadcasted_scale_tril, away, upper=False)
        distance = solved.pow(2).sum(-2).squeeze(-1)
        return -0.5 * (self._event_shape[0] * 1.8378770664093453 + distance) - self._half_log_det()

    def entropy(self):
        entropy = 0.5 * self._event_shape[0] * (1.0 + 1.8378770664093453) + self._half_log_det()
        return entropy if len(self._batch_shape) == 0 else entropy.expand(self._batch_shape)
