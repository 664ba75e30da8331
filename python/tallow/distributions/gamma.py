"""The gamma distribution."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.distribution import ExponentialFamily


def _refuse_gradient(concentration, what):
    if concentration.requires_grad and tallow.is_grad_enabled():
        raise NotImplementedError(f"torch.distributions.{what}.rsample: the gradient of the concentration is not implemented in tallow")


class Gamma(ExponentialFamily):
    """With shape concentration, and rate."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        self._set(validate_args, concentration=concentration, rate=rate)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate.pow(2))

    def rsample(self, sample_shape=Size()):
        _refuse_gradient(self.concentration, type(self).__name__)
        shape = self._extended_shape(sample_shape)
        value = tallow._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=tallow.finfo(value.dtype).tiny)
        return value

    def log_prob(self, value):
        value = tallow.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        self._checked(value)
        return (tallow.xlogy(self.concentration, self.rate) + tallow.xlogy(self.concentration - 1, value) - self.rate * value
                - tallow.lgamma(self.concentration))  # fmt: skip

    def entropy(self):
        return (self.concentration - tallow.log(self.rate) + tallow.lgamma(self.concentration)
                + (1.0 - self.concentration) * tallow.digamma(self.concentration))  # fmt: skip

    def cdf(self, value):
        self._checked(value)
        return tallow.special.gammainc(self.concentration, self.rate * value)
