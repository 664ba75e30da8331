"""Mixtures of one kind of distribution."""

import tallow
from tallow import Size
from tallow.distributions import constraints
from tallow.distributions.categorical import Categorical
from tallow.distributions.distribution import Distribution


class MixtureSameFamily(Distribution):
    """A component chosen by a Categorical, out of the last batch dimension of another distribution."""

    arg_constraints = {}

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution need to be an instance of torch.distributions.Distribution")
        batch = component_distribution.batch_shape[:-1]
        for mine, theirs in zip(reversed(mixture_distribution.batch_shape), reversed(batch)):
            if mine != 1 and theirs != 1 and mine != theirs:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture_distribution.batch_shape}) is not compatible with "
                    f"`component_distribution.batch_shape`({component_distribution.batch_shape})"
                )
        count = mixture_distribution.logits.shape[-1]
        if count != component_distribution.batch_shape[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal `component_distribution.batch_shape[-1]` "
                f"({component_distribution.batch_shape[-1]})"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = count
        super().__init__(batch, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._copy(batch_shape, _instance)
        new._component_distribution = self._component_distribution.expand(tuple(batch_shape) + (self._num_component,))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component = self._num_component
        return new

    @constraints.dependent_property
    def support(self):
        return self._component_distribution.support

    def _checked(self, value):
        return value  # the component's bounds have the mixture's dimension: log_prob pads first

    mixture_distribution = property(lambda self: self._mixture_distribution)
    component_distribution = property(lambda self: self._component_distribution)

    def _pad(self, x):
        return x.unsqueeze(-1 - len(self._event_shape))

    def _weights(self):
        probs = self._mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * len(self._event_shape))

    @property
    def mean(self):
        return (self._weights() * self._component_distribution.mean).sum(-1 - len(self._event_shape))

    @property
    def variance(self):
        dim, weights = -1 - len(self._event_shape), self._weights()
        within = (weights * self._component_distribution.variance).sum(dim)
        return within + (weights * (self._component_distribution.mean - self._pad(self.mean)).pow(2)).sum(dim)

    def sample(self, sample_shape=Size()):
        with tallow.no_grad():
            shape, batch = Size(sample_shape), tuple(self._batch_shape)
            chosen = self._mixture_distribution.sample(shape)
            samples = self._component_distribution.sample(shape)
            dim, event = len(shape) + len(batch), tuple(self._event_shape)
            chosen = chosen.reshape(tuple(chosen.shape) + (1,) * (len(event) + 1))
            chosen = chosen.expand(tuple(chosen.shape[:dim]) + (1,) + event)
            return samples.gather(dim, chosen).squeeze(dim)

    def log_prob(self, value):
        log_prob = self._component_distribution.log_prob(self._pad(value))
        return tallow.logsumexp(log_prob + tallow.log_softmax(self._mixture_distribution.logits, dim=-1), dim=-1)

    def cdf(self, value):
        return (self._component_distribution.cdf(self._pad(value)) * self._mixture_distribution.probs).sum(-1)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
