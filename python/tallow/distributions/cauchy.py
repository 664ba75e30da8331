"""Cauchy's distribution."""

import math

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import Distribution


class Cauchy(Distribution):
    """The quotient of two normal numbers, scaled and moved."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self._set(validate_args, loc=loc, scale=scale)

    mean = property(lambda self: tallow.full(self._extended_shape(), math.nan, dtype=self.loc.dtype))
    mode = property(lambda self: self.loc)
    variance = property(lambda self: tallow.full(self._extended_shape(), math.inf, dtype=self.loc.dtype))

    def rsample(self, sample_shape=Size()):
        shape = self._extended_shape(sample_shape)
        return self.loc + tallow.empty(shape, dtype=self.loc.dtype, device=self.loc.device).cauchy_() * self.scale

    def log_prob(self, value):
        self._checked(value)
        return -1.1447298858494002 - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def cdf(self, value):
        self._checked(value)
        return tallow.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value):
        return tallow.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self):
        return 2.5310242469692907 + self.scale.log()
