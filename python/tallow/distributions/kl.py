"""Kullback-Leibler divergences, by pairs of types."""

import functools
import math

import tallow
from tallow.distributions.bernoulli import Bernoulli
from tallow.distributions.beta import Beta
from tallow.distributions.categorical import Categorical
from tallow.distributions.dirichlet import Dirichlet
from tallow.distributions.distribution import Distribution
from tallow.distributions.exponential import Exponential
from tallow.distributions.gamma import Gamma
from tallow.distributions.geometric import Geometric
from tallow.distributions.half_normal import HalfNormal
from tallow.distributions.independent import Independent
from tallow.distributions.laplace import Laplace
from tallow.distributions.multivariate_normal import MultivariateNormal
from tallow.distributions.normal import Normal
from tallow.distributions.one_hot_categorical import OneHotCategorical
from tallow.distributions.poisson import Poisson
from tallow.distributions.transformed_distribution import TransformedDistribution
from tallow.distributions.uniform import Uniform
from tallow.distributions.utils import _sum_rightmost

_registry = {}


def register_kl(type_p, type_q):
    """A decorator: the function gives the divergence of a type_p from a type_q."""
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def decorator(function):
        _registry[type_p, type_q] = function
        _find.cache_clear()
        return function

    return decorator


@functools.cache
def _find(type_p, type_q):
    """The function of the pair that is nearest above the two types."""
    found = [pair for pair in _registry if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not found:
        return None
    return _registry[min(found, key=lambda pair: (type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1])))]


def kl_divergence(p, q):
    """KL(p || q)."""
    function = _find(type(p), type(q))
    if function is None:
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}")
    return function(p, q)




@register_kl(Normal, Normal)
def _normal_normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal_half_normal(p, q):
    return _normal_normal(p.base_dist, q.base_dist)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(p, q):
    softplus = tallow.nn.functional.softplus
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = tallow.where(p.probs == 0, 0.0, tallow.where(q.probs == 0, math.inf, one))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zero = tallow.where(p.probs == 1, 0.0, tallow.where(q.probs == 1, math.inf, zero))
    return one + zero


@register_kl(Categorical, Categorical)
def _categorical_categorical(p, q):
    t = p.probs * (p.logits - q.logits)
    t = tallow.where((q.probs == 0).expand_as(t), math.inf, t)
    return tallow.where((p.probs == 0).expand_as(t), 0.0, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_one_hot(p, q):
    return _categorical_categorical(p._categorical, q._categorical)


@register_kl(Uniform, Uniform)
def _uniform_uniform(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return tallow.where((q.low > p.low) | (q.high < p.high), math.inf, result)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(p, q):
    p_sum, q_sum = p.concentration.sum(-1), q.concentration.sum(-1)
    first = p_sum.lgamma() - q_sum.lgamma()
    second = (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
    away = p.concentration.digamma() - p_sum.digamma().unsqueeze(-1)
    return first - second + ((p.concentration - q.concentration) * away).sum(-1)


@register_kl(Beta, Beta)
def _beta_beta(p, q):
    return _dirichlet_dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Exponential, Exponential)
def _exponential_exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _gamma_gamma(p, q):
    return (q.concentration * (p.rate / q.rate).log() + tallow.lgamma(q.concentration) - tallow.lgamma(p.concentration)
            + (p.concentration - q.concentration) * tallow.digamma(p.concentration)
            + (q.rate - p.rate) * (p.concentration / p.rate))  # fmt: skip


@register_kl(Geometric, Geometric)
def _geometric_geometric(p, q):
    return -p.entropy() - tallow.log1p(-q.probs) / p.probs - q.logits


@register_kl(Laplace, Laplace)
def _laplace_laplace(p, q):
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * tallow.exp(-away / p.scale) - 1


@register_kl(Poisson, Poisson)
def _poisson_poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_multivariate(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError("KL-divergence between two Multivariate Normals with different event shapes cannot be computed")
    solve = functools.partial(tallow.linalg.solve_triangular, q._unbroadcasted_scale_tril, upper=False)
    spread = solve(p._unbroadcasted_scale_tril).pow(2).sum((-2, -1))
    distance = solve((q.loc - p.loc).unsqueeze(-1)).pow(2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (spread + distance - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent_independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed_transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    more = len(p.event_shape) - len(p.base_dist.event_shape)
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), more)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p, q):
    ratio = q.rate / p.rate
    return -q.concentration * tallow.log(ratio) + ratio + tallow.lgamma(q.concentration) + q.concentration * 0.57721566490153286060 - (
        1 + 0.57721566490153286060
    )


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    away = p.loc - q.loc
    ratio = away / p.scale
    first = tallow.log(p.scale / q.scale)
    second = math.sqrt(2 / math.pi) * p.scale * tallow.exp(-0.5 * ratio.pow(2))
    third = away * tallow.erf(math.sqrt(0.5) * ratio)
    return -first + (second + third) / q.scale - (0.5 + 0.5 * 0.4515827052894549)


@register_kl(Uniform, Normal)
def _uniform_normal(p, q):
    width = p.high - p.low
    first = tallow.log(math.sqrt(math.pi * 2) * q.scale / width)
    second = width.pow(2) / 12 + ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    return first + 0.5 * second / q.scale.pow(2)
