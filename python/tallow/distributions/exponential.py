"""The exponential distribution."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import ExponentialFamily


class Exponential(ExponentialFamily):
    """Of density rate exp(-rate x)."""

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate, validate_args=None):
        self._set(validate_args, rate=rate)

    mean = property(lambda self: self.rate.reciprocal())
    mode = property(lambda self: tallow.zeros_like(self.rate))
    stddev = property(lambda self: self.rate.reciprocal())
    variance = property(lambda self: self.rate.pow(-2))

    def rsample(self, sample_shape=Size()):
        shape = self._extended_shape(sample_shape)
        return tallow.empty(shape, dtype=self.rate.dtype, device=self.rate.device).exponential_() / self.rate

    def log_prob(self, value):
        self._checked(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        self._checked(value)
        return 1 - tallow.exp(-self.rate * value)

    def icdf(self, value):
        return -tallow.log1p(-value) / self.rate

    def entropy(self):
        return 1.0 - tallow.log(self.rate)
