"""Distributions: draws, densities, moments and divergences are PyTorch 2.13's."""


import pytest
import tallow as torch
from tallow import distributions as D


# name → (arguments as a function of the module, whether lgamma or digamma is needed, or linear algebra)
CASES = {
    "Normal": lambda t: dict(loc=t([0.0, 1.0]), scale=t([1.0, 2.5])),
    "Uniform": lambda t: dict(low=t([0.0, -1.0]), high=t([1.0, 3.0])),
    "Bernoulli": lambda t: dict(probs=t([0.2, 0.7, 0.5])),
    "Categorical": lambda t: dict(logits=t([[0.1, 1.0, -2.0], [0.5, 0.5, 0.5]])),
    "OneHotCategorical": lambda t: dict(probs=t([0.1, 0.6, 0.3])),
    "Exponential": lambda t: dict(rate=t([0.5, 2.0])),
    "Laplace": lambda t: dict(loc=t([0.0, 1.0]), scale=t([1.0, 2.5])),
    "Cauchy": lambda t: dict(loc=t([0.0, 1.0]), scale=t([1.0, 2.5])),
    "HalfNormal": lambda t: dict(scale=t([1.0, 2.5])),
    "LogNormal": lambda t: dict(loc=t([0.0, 1.0]), scale=t([1.0, 0.5])),
    "Gumbel": lambda t: dict(loc=t([0.0, 1.0]), scale=t([1.0, 2.5])),
    "Geometric": lambda t: dict(probs=t([0.2, 0.7])),
    "RelaxedBernoulli": lambda t: dict(temperature=t([0.7]), probs=t([0.2, 0.7])),
    "Gamma": lambda t: dict(concentration=t([0.5, 3.0]), rate=t([1.0, 2.0])),
    "Chi2": lambda t: dict(df=t([1.5, 4.0])),
    "Beta": lambda t: dict(concentration1=t([0.5, 3.0]), concentration0=t([1.0, 2.0])),
    "Dirichlet": lambda t: dict(concentration=t([[0.5, 3.0, 1.0]])),
    "Poisson": lambda t: dict(rate=t([0.5, 30.0])),
    "Binomial": lambda t: dict(total_count=t([12.0]), probs=t([0.2, 0.7])),
    "NegativeBinomial": lambda t: dict(total_count=t([12.0]), probs=t([0.2, 0.7])),
    "Multinomial": lambda t: dict(total_count=9, probs=t([0.2, 0.5, 0.3])),
    "StudentT": lambda t: dict(df=t([3.0, 5.0]), loc=t([0.0]), scale=t([2.0])),
    "RelaxedOneHotCategorical": lambda t: dict(temperature=t([0.7]), probs=t([0.2, 0.5, 0.3])),
    "MultivariateNormal": lambda t: dict(loc=t([0.0, 1.0]), covariance_matrix=t([[2.0, 0.5], [0.5, 1.0]])),
}


def missing_op(name):
    """The op that a distribution cannot do without, if it is not there."""
    special = name in ("Gamma", "Chi2", "Beta", "Dirichlet", "Poisson", "Binomial", "NegativeBinomial", "Multinomial", "StudentT",
                       "RelaxedOneHotCategorical")  # fmt: skip
    return special and not (hasattr(torch, "lgamma") and hasattr(torch, "digamma"))


def flat(x):
    return [float(v) for v in x.reshape(-1).tolist()]


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_a_distribution_is_pytorchs(name):
    import torch as reference

    if missing_op(name):
        pytest.skip("needs lgamma and digamma")
    mine = getattr(D, name)(**CASES[name](torch.tensor))
    theirs = getattr(reference.distributions, name)(**CASES[name](reference.tensor))
    assert repr(mine) == repr(theirs)
    assert tuple(mine.batch_shape) == tuple(theirs.batch_shape) and tuple(mine.event_shape) == tuple(theirs.event_shape)
    assert mine.has_rsample == theirs.has_rsample and repr(mine.support) == repr(theirs.support)
    samples = []
    for module, d in ((torch, mine), (reference, theirs)):
        module.manual_seed(3)
        drawn = d.sample((5,))
        if d.has_rsample:
            drawn = module.cat([drawn, d.rsample((2,))])
        samples.append((drawn, module.rand(1).item()))
    (got, mine_next), (expected, their_next) = samples
    assert tuple(got.shape) == tuple(expected.shape) and str(got.dtype) == str(expected.dtype)
    assert flat(got) == pytest.approx(flat(expected), rel=2e-6, abs=1e-6) and mine_next == their_next
    value = torch.tensor(expected.tolist(), dtype=got.dtype)
    assert flat(mine.log_prob(value)) == pytest.approx(flat(theirs.log_prob(expected)), rel=1e-4, abs=1e-5)
    for what in ("mean", "variance", "stddev", "mode"):
        try:
            wanted = flat(getattr(theirs, what))
        except NotImplementedError:
            continue
        assert flat(getattr(mine, what)) == pytest.approx(wanted, rel=1e-5, abs=1e-6, nan_ok=True), what
    for what in ("entropy", "perplexity"):
        try:
            wanted = flat(getattr(theirs, what)())
        except NotImplementedError:
            continue
        assert flat(getattr(mine, what)()) == pytest.approx(wanted, rel=1e-4, abs=1e-5), what
    for what, given in (("cdf", expected), ("icdf", reference.full(theirs.batch_shape, 0.3))):
        try:
            wanted = flat(getattr(theirs, what)(given))
        except NotImplementedError:
            continue
        if what == "icdf" and not hasattr(torch, "erfinv") and "Normal" in name or what == "cdf" and not hasattr(torch.special, "gammainc"):
            continue
        got = getattr(mine, what)(torch.tensor(given.tolist(), dtype=value.dtype))
        assert flat(got) == pytest.approx(wanted, rel=1e-4, abs=1e-5), what
    wide = (4, *mine.batch_shape)
    assert tuple(mine.expand(wide).sample().shape) == tuple(theirs.expand(wide).sample().shape)


PAIRS = ["Normal", "HalfNormal", "Bernoulli", "Categorical", "OneHotCategorical", "Exponential", "Gamma", "Geometric", "Laplace", "Poisson",
         "Beta", "Dirichlet", "MultivariateNormal", "LogNormal"]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", PAIRS)
def test_divergences_are_pytorchs(name):
    import torch as reference

    if missing_op(name):
        pytest.skip("needs lgamma and digamma")
    results = []
    for module, distributions in ((torch, D), (reference, reference.distributions)):
        p = CASES[name](module.tensor)
        q = {key: value + (0.1 if key == "scale" else 0.05) if key != "covariance_matrix" else value * 2 for key, value in p.items()}
        kind = getattr(distributions, name)
        results.append(flat(distributions.kl_divergence(kind(**p), kind(**q, validate_args=False))))
    assert results[0] == pytest.approx(results[1], rel=1e-4, abs=1e-6)


def test_numbers_give_scalars_and_batches_broadcast():
    d = D.Normal(0, 1)
    assert d.batch_shape == () and d.sample().shape == () and d.sample((3,)).shape == (3,)
    assert D.Normal(torch.zeros(3, 1), torch.ones(2)).batch_shape == (3, 2)
    assert D.Normal(torch.zeros(2), 1.0).log_prob(torch.zeros(4, 2)).shape == (4, 2)
    assert D.Normal(0.0, 1.0).log_prob(torch.tensor(0.0)).item() == pytest.approx(-0.9189385)


def test_gradients_reach_the_parameters():
    loc, scale = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    D.Normal(loc, scale).rsample((100,)).sum().backward()
    assert loc.grad.tolist() == [100.0, 100.0] and scale.grad is not None
    logits = torch.zeros(3, requires_grad=True)
    d = D.Categorical(logits=logits)
    d.log_prob(torch.tensor(1)).backward()
    assert logits.grad.tolist() == pytest.approx([-1 / 3, 2 / 3, -1 / 3])
    assert not D.Normal(loc, scale).sample().requires_grad
    with pytest.raises(NotImplementedError, match="torch.distributions.Gamma.rsample: the gradient of the concentration"):
        D.Gamma(torch.ones(1, requires_grad=True), torch.ones(1)).rsample()


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"Expected parameter scale \(Tensor of shape \(\)\) of distribution Normal\(loc: 0.0, scale: -1.0\) to "
                       r"satisfy the constraint GreaterThan\(lower_bound=0.0\), but found invalid values:\n-1.0"):  # fmt: skip
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match=r"Expected value argument \(Tensor of shape \(\)\) to be within the support \(Boolean\(\)\)"):
        D.Bernoulli(0.5).log_prob(torch.tensor(0.5))
    with pytest.raises(ValueError, match="The value argument to log_prob must be a Tensor"):
        D.Normal(0.0, 1.0).log_prob(0.0)
    with pytest.raises(ValueError, match="Value is not broadcastable with batch_shape\\+event_shape"):
        D.Normal(torch.zeros(2), 1.0).log_prob(torch.zeros(3))
    with pytest.raises(ValueError, match="Either `probs` or `logits` must be specified, but not both."):
        D.Bernoulli()
    with pytest.raises(ValueError, match="`probs` parameter must be at least one-dimensional."):
        D.Categorical(torch.tensor(0.5))
    with pytest.raises(NotImplementedError, match=r"No KL\(p \|\| q\) is implemented for p type Normal and q type Bernoulli"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Bernoulli(0.5))
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1.0


def test_independent_and_mixtures():
    d = D.Independent(D.Normal(torch.zeros(3, 2), 1.0), 1)
    assert d.batch_shape == (3,) and d.event_shape == (2,) and d.log_prob(torch.zeros(3, 2)).tolist() == pytest.approx([-1.8378771] * 3)
    assert D.kl_divergence(d, d).tolist() == [0.0] * 3 and d.entropy().shape == (3,)
    mix = D.MixtureSameFamily(D.Categorical(torch.tensor([0.3, 0.7])), D.Normal(torch.tensor([-1.0, 1.0]), torch.ones(2)))
    assert mix.mean.item() == pytest.approx(0.4) and mix.variance.item() == pytest.approx(1 + 0.84) and mix.sample((5,)).shape == (5,)
    assert mix.log_prob(torch.tensor(0.0)).item() == pytest.approx(-1.4189385)


@pytest.mark.parametrize("transform", [D.ExpTransform(), D.SigmoidTransform(), D.TanhTransform(), D.AffineTransform(1.0, 2.0), D.PowerTransform(3.0),
                                       D.SoftplusTransform(), D.ComposeTransform([D.AffineTransform(1.0, 2.0), D.ExpTransform()])])  # fmt: skip
def test_transforms_invert_and_their_jacobians_are_derivatives(transform):
    x = torch.tensor([0.1, 0.7, 1.3], dtype=torch.float64, requires_grad=True)
    y = transform(x)
    assert transform.inv(y).tolist() == pytest.approx(x.tolist()) and transform.inv.inv is transform
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert transform.log_abs_det_jacobian(x, y).tolist() == pytest.approx(slope.abs().log().tolist())
    assert transform.inv.log_abs_det_jacobian(y, x).tolist() == pytest.approx((-slope.abs().log()).tolist())


def test_transformed_distributions():
    d = D.TransformedDistribution(D.Normal(0.0, 1.0), [D.AffineTransform(1.0, 2.0)])
    x = torch.tensor([0.5, 3.0])
    assert d.log_prob(x).tolist() == pytest.approx(D.Normal(1.0, 2.0).log_prob(x).tolist())
    assert d.cdf(x).tolist() == pytest.approx(D.Normal(1.0, 2.0).cdf(x).tolist())
    stick = D.StickBreakingTransform()
    shares = stick(torch.tensor([0.3, -0.2]))
    assert shares.sum().item() == pytest.approx(1.0) and stick.inv(shares).tolist() == pytest.approx([0.3, -0.2], abs=1e-5)
    assert repr(D.ExpTransform()) == "ExpTransform()"
    with pytest.raises(ValueError, match="transforms must be a Transform or a list of Transforms"):
        D.TransformedDistribution(D.Normal(0.0, 1.0), [1])


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("call", [
    lambda t, x: x.clone().cauchy_(1, 2), lambda t, x: x.clone().geometric_(0.3), lambda t, x: x.clone().log_normal_(0.3, 0.5),
    lambda t, x: t.poisson(x / 20), lambda t, x: t.binomial(x.remainder(100).floor(), x / 2000), lambda t, x: t._standard_gamma(x / 300),
    lambda t, x: t._sample_dirichlet(x.reshape(-1, 4) / 300 + 0.1),
])  # fmt: skip
def test_draws_are_pytorchs(call, dtype):
    import torch as reference

    results = []
    for module in (torch, reference):
        module.manual_seed(9)
        drawn = call(module, module.arange(2000, dtype=getattr(module, dtype)))
        results.append((flat(drawn), module.rand(1).item()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-13 if dtype == "float64" else 1e-7) and results[0][1] == results[1][1]


def test_draws_refuse():
    for call, text in [
        (lambda: torch.empty(2).cauchy_(0, -1), r"cauchy_ expects sigma > 0.0, but found sigma=-1"),
        (lambda: torch.empty(2).geometric_(2), r"geometric_ expects p to be in \(0, 1\), but got p=2"),
        (lambda: torch.empty(2).log_normal_(0, -1), r"log_normal_ expects std > 0.0, but found std=-1"),
        (lambda: torch.poisson(torch.tensor([-1.0])), r"invalid Poisson rate, expected rate to be non-negative"),
    ]:
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(NotImplementedError, match="\"poisson_cpu\" not implemented for 'Int'|\"poisson_cpu\" not implemented for 'Long'"):
        torch.poisson(torch.tensor([1]))
