"""Laplace's distribution."""

import math

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import Distribution


class Laplace(Distribution):
    """Of density exp(-|x - loc| / scale) / (2 scale)."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self._set(validate_args, loc=loc, scale=scale)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale.pow(2))
    stddev = property(lambda self: math.sqrt(2) * self.scale)

    def rsample(self, sample_shape=Size()):
        shape = self._extended_shape(sample_shape)
        u = tallow.empty(shape, dtype=self.loc.dtype, device=self.loc.device).uniform_(tallow.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * tallow.log1p(-u.abs())

    def log_prob(self, value):
        self._checked(value)
        return -tallow.log(2 * self.scale) - tallow.abs(value - self.loc) / self.scale

    def cdf(self, value):
        self._checked(value)
        return 0.5 - 0.5 * (value - self.loc).sign() * tallow.expm1(-(value - self.loc).abs() / self.scale)

    def icdf(self, value):
        term = value - 0.5
        return self.loc - self.scale * term.sign() * tallow.log1p(-2 * term.abs())

    def entropy(self):
        return 1 + tallow.log(2 * self.scale)
