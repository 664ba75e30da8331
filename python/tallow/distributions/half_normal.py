"""The half-normal distribution."""

import math

from tallow.distributions import constraints
from tallow.distributions.normal import Normal
from tallow.distributions.transformed_distribution import TransformedDistribution
from tallow.distributions.transforms import AbsTransform


class HalfNormal(TransformedDistribution):
    """The absolute values of normal numbers of mean 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, scale, validate_args=None):
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    scale = property(lambda self: self.base_dist.scale)
    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    mode = property(lambda self: self.scale * 0)
    variance = property(lambda self: self.scale.pow(2) * (1 - 2 / math.pi))

    def log_prob(self, value):
        self._checked(value)
        return (self.base_dist.log_prob(value) + 0.6931471805599453).masked_fill(value < 0, -math.inf)

    def cdf(self, value):
        self._checked(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value):
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self):
        return self.base_dist.entropy() - 0.6931471805599453
