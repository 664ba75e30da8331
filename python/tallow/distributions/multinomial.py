"""The multinomial distribution."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.binomial import Binomial
from tallow.distributions.categorical import Categorical
from tallow.distributions.distribution import Distribution
from tallow.distributions.utils import broadcast_all


class Multinomial(Distribution):
    """How often each of n outcomes comes in total_count trials."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._copy(batch_shape, _instance)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        new._binomial = Binomial(total_count=new.total_count, probs=new.probs)
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)
    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape=Size()):
        samples = self._categorical.sample((self.total_count,) + tuple(sample_shape))
        counts = tallow.nn.functional.one_hot(samples, self._event_shape[0]).sum(0)
        return counts.type_as(self.probs)

    def entropy(self):
        n = tallow.tensor(self.total_count)
        entropy = n * self._categorical.entropy() - tallow.lgamma(n + 1)
        support = self._binomial.enumerate_support(expand=False)[1:]
        probs = tallow.exp(self._binomial.log_prob(support))
        return entropy + (probs * tallow.lgamma(support + 1)).sum((0, -1))

    def log_prob(self, value):
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        logits = tallow.where((value == 0) & (logits == -float("inf")), 0.0, logits)
        return tallow.lgamma(value.sum(-1) + 1) - tallow.lgamma(value + 1).sum(-1) + (logits * value).sum(-1)
