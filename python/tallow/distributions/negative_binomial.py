"""The negative binomial distribution."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import Distribution, ProbsOrLogits
from tallow.distributions.gamma import Gamma
from tallow.distributions.utils import broadcast_all
from tallow.nn import functional as F


class NegativeBinomial(ProbsOrLogits):
    """Successes before total_count failures."""

    arg_constraints = {"total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0),
                       "logits": constraints.real}  # fmt: skip
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        self.total_count, self.__dict__[name] = broadcast_all(total_count, given)
        self.total_count = self.total_count.type_as(self._param)
        Distribution.__init__(self, self._param.size(), validate_args=validate_args)

    mean = property(lambda self: self.total_count * tallow.exp(self.logits))
    mode = property(lambda self: ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0))
    variance = property(lambda self: self.mean / tallow.sigmoid(-self.logits))

    def sample(self, sample_shape=Size()):
        with tallow.no_grad():
            rate = Gamma(self.total_count, tallow.exp(-self.logits), validate_args=False).sample(sample_shape)
            return tallow.poisson(rate)

    def log_prob(self, value):
        self._checked(value)
        unnormalized = self.total_count * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        normalizer = -tallow.lgamma(self.total_count + value) + tallow.lgamma(1.0 + value) + tallow.lgamma(self.total_count)
        return unnormalized - tallow.where(self.total_count + value == 0.0, 0.0, normalizer)
