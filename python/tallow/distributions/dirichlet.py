"""The Dirichlet distribution."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import Distribution, ExponentialFamily
from tallow.distributions.gamma import _refuse_gradient


class Dirichlet(ExponentialFamily):
    """Shares that add up to 1, with the concentrations of the last dimension."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        Distribution.__init__(self, concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._copy(batch_shape, _instance)
        new.concentration = self.concentration.expand(new._batch_shape + self._event_shape)
        return new

    def rsample(self, sample_shape=()):
        _refuse_gradient(self.concentration, type(self).__name__)
        return tallow._sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._checked(value)
        return (tallow.xlogy(self.concentration - 1.0, value).sum(-1) + tallow.lgamma(self.concentration.sum(-1))
                - tallow.lgamma(self.concentration).sum(-1))  # fmt: skip

    mean = property(lambda self: self.concentration / self.concentration.sum(-1, True))

    @property
    def mode(self):
        less = (self.concentration - 1).clamp(min=0.0)
        mode = less / less.sum(-1, True)
        corner = (self.concentration < 1).all(dim=-1, keepdim=True)
        return tallow.where(corner, tallow.nn.functional.one_hot(mode.argmax(dim=-1), less.shape[-1]).to(mode), mode)

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self):
        k, total = self.concentration.size(-1), self.concentration.sum(-1)
        return (tallow.lgamma(self.concentration).sum(-1) - tallow.lgamma(total) - (k - total) * tallow.digamma(total)
                - ((self.concentration - 1.0) * tallow.digamma(self.concentration)).sum(-1))  # fmt: skip
