"""torch.distributions: samples, densities and what is known of probability distributions. Draws are PyTorch's."""

import importlib as _importlib

from tallow._absent import getters as _getters

_HOMES = {
    "bernoulli": "Bernoulli", "beta": "Beta", "binomial": "Binomial", "categorical": "Categorical", "cauchy": "Cauchy",
    "chi2": "Chi2", "dirichlet": "Dirichlet", "distribution": "Distribution ExponentialFamily", "exponential": "Exponential",
    "gamma": "Gamma", "geometric": "Geometric", "gumbel": "Gumbel", "half_normal": "HalfNormal", "independent": "Independent",
    "kl": "kl_divergence register_kl", "laplace": "Laplace", "log_normal": "LogNormal", "mixture_same_family": "MixtureSameFamily",
    "multinomial": "Multinomial", "multivariate_normal": "MultivariateNormal", "negative_binomial": "NegativeBinomial",
    "normal": "Normal", "one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough", "poisson": "Poisson",
    "relaxed_bernoulli": "RelaxedBernoulli", "relaxed_categorical": "RelaxedOneHotCategorical", "studentT": "StudentT",
    "transformed_distribution": "TransformedDistribution",
    "transforms": """AbsTransform AffineTransform ComposeTransform ExpTransform IndependentTransform LowerCholeskyTransform PowerTransform
        SigmoidTransform SoftmaxTransform SoftplusTransform StickBreakingTransform TanhTransform Transform identity_transform""",
    "uniform": "Uniform",
}  # fmt: skip
_absent_getattr, _absent_dir = _getters(__name__)
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = frozenset({*_HOMES, "constraints", "utils"})


def __getattr__(name):
    if name in _HOME_OF:
        value = getattr(_importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    return _absent_getattr(name)


def __dir__():
    return sorted({*_absent_dir(), *_HOME_OF, *_MODULES})


__all__ = sorted(_HOME_OF)
