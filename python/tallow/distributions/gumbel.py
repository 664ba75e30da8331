"""Gumbel's distribution."""

import math

import tallow
from tallow.distributions import constraints
from tallow.distributions.transformed_distribution import TransformedDistribution
from tallow.distributions.transforms import AffineTransform, ExpTransform
from tallow.distributions.uniform import Uniform
from tallow.distributions.utils import broadcast_all, euler_constant
from numbers import Number


class Gumbel(TransformedDistribution):
    """The largest of many numbers, scaled and moved."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        finfo = tallow.finfo(self.loc.dtype)
        low, high = finfo.tiny, 1 - finfo.eps
        if not (isinstance(loc, Number) and isinstance(scale, Number)):
            low, high = tallow.full_like(self.loc, low), tallow.full_like(self.loc, high)
        transforms = [ExpTransform().inv, AffineTransform(0, -tallow.ones_like(self.scale)), ExpTransform().inv,
                      AffineTransform(loc, -self.scale)]  # fmt: skip
        super().__init__(Uniform(low, high, validate_args=validate_args), transforms, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new.loc, new.scale = self.loc.expand(new._batch_shape), self.scale.expand(new._batch_shape)
        return new

    def log_prob(self, value):
        self._checked(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    mean = property(lambda self: self.loc + self.scale * euler_constant)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: (math.pi / math.sqrt(6)) * self.scale)
    variance = property(lambda self: self.stddev.pow(2))

    def entropy(self):
        return self.scale.log() + (1 + euler_constant)
