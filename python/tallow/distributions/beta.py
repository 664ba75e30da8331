"""The beta distribution."""

from numbers import Number

import tallow
from tallow.distributions import constraints
from tallow.distributions.dirichlet import Dirichlet
from tallow.distributions.distribution import Distribution, ExponentialFamily
from tallow.distributions.utils import broadcast_all


class Beta(ExponentialFamily):
    """Over [0, 1], with concentrations of 1 and of 0."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        if isinstance(concentration1, Number) and isinstance(concentration0, Number):
            both = tallow.tensor([float(concentration1), float(concentration0)])
        else:
            both = tallow.stack(broadcast_all(concentration1, concentration0), -1)
        self._dirichlet = Dirichlet(both, validate_args=validate_args)
        Distribution.__init__(self, self._dirichlet.batch_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._copy(batch_shape, _instance)
        new._dirichlet = self._dirichlet.expand(new._batch_shape)
        return new

    concentration1 = property(lambda self: self._dirichlet.concentration[..., 0])
    concentration0 = property(lambda self: self._dirichlet.concentration[..., 1])
    mean = property(lambda self: self.concentration1 / (self.concentration1 + self.concentration0))
    mode = property(lambda self: self._dirichlet.mode[..., 0])

    @property
    def variance(self):
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()):
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value):
        self._checked(value)
        return self._dirichlet.log_prob(tallow.stack([value, 1.0 - value], -1))

    def entropy(self):
        return self._dirichlet.entropy()
