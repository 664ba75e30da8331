"""Student's t distribution."""

import math

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.chi2 import Chi2
from tallow.distributions.distribution import Distribution
from tallow.distributions.utils import _standard_normal, broadcast_all


class StudentT(Distribution):
    """With df degrees of freedom, scaled and moved."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new._chi2 = self._chi2.expand(batch_shape)
        return new

    mode = property(lambda self: self.loc)

    @property
    def mean(self):
        return tallow.where(self.df <= 1, math.nan, self.loc)

    @property
    def variance(self):
        finite = self.scale.pow(2) * self.df / (self.df - 2)
        return tallow.where(self.df <= 1, math.nan, tallow.where(self.df <= 2, math.inf, finite))

    def rsample(self, sample_shape=Size()):
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        return self.loc + self.scale * (x * tallow.rsqrt(self._chi2.rsample(sample_shape) / self.df))

    def _log_normalizer(self):
        return (self.scale.log() + 0.5 * self.df.log() + 0.5723649429247001 + tallow.lgamma(0.5 * self.df)
                - tallow.lgamma(0.5 * (self.df + 1.0)))  # fmt: skip

    def log_prob(self, value):
        self._checked(value)
        y = (value - self.loc) / self.scale
        return -0.5 * (self.df + 1.0) * tallow.log1p(y**2.0 / self.df) - self._log_normalizer()

    def entropy(self):
        half = 0.5 * (self.df + 1)
        return half * (tallow.digamma(half) - tallow.digamma(0.5 * self.df)) + self._log_normalizer()
