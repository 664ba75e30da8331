"""Ops that pick, place, count and order; distances and norms. Values that PyTorch prints."""

import math

import pytest
import tallow as torch

NAN = float("nan")


def same(result, expected):
    """Equal element by element, NaN equal to NaN."""
    for have, want in zip(result, expected, strict=True):
        if isinstance(want, list):
            same(have, want)
        else:
            assert have == want or (have != have and want != want), f"{result} is not {expected}"


def index(*values):
    return torch.tensor(values)


def test_rows_by_index():
    x = torch.zeros(3, 2)
    assert x.index_add(0, index(0, 2, 0), torch.ones(3, 2), alpha=2).tolist() == [[4, 4], [0, 0], [2, 2]]
    assert x.index_copy(1, index(1), torch.ones(3, 1)).tolist() == [[0, 1]] * 3
    assert x.index_fill(0, index(-1), 5).tolist() == [[0, 0], [0, 0], [5, 5]]
    source = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
    one = torch.ones(3, 2)
    assert one.index_reduce(0, index(1, 1), source, "prod").tolist() == [[1, 1], [8, 15], [1, 1]]
    assert one.index_reduce(0, index(1, 1), source, "mean", include_self=False).tolist() == [[1, 1], [3, 4], [1, 1]]
    assert one.index_reduce(0, index(1, 1), source, "amax").tolist() == [[1, 1], [4, 5], [1, 1]]
    half = torch.zeros(2, 4).t()
    half.index_add_(0, index(3), torch.ones(1, 2))
    assert half.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]] and not half.is_contiguous()


def test_gradients_of_rows():
    x = torch.tensor([1.0, 2.0, 0.0], requires_grad=True)
    source = torch.tensor([3.0, 0.0], requires_grad=True)
    x.index_reduce(0, index(1, 1), source, "prod").sum().backward()
    assert x.grad.tolist() == [1, 0, 1] and source.grad.tolist() == [0, 6]
    value = torch.tensor(1.0, requires_grad=True)
    torch.zeros(3).index_fill(0, index(1, 1), value).sum().backward()
    assert value.grad.item() == 1


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda: torch.zeros(2).index_add(0, index(5), torch.ones(1)), IndexError, "index out of range in self"),
        (lambda: torch.zeros(2).index_copy(0, index(5), torch.ones(1)), IndexError,
         "index_copy_(): index 5 is out of bounds for dimension 0 with size 2"),
        (lambda: torch.zeros(2).index_fill(0, index(5), 1), IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        (lambda: torch.zeros(2).index_add(0, index(0), torch.ones(1), alpha="x"), TypeError, None),
        (lambda: torch.bincount(torch.tensor([-1])), RuntimeError, "bincount only supports 1-d non-negative integral inputs."),
        (lambda: torch.kthvalue(torch.ones(3), 4), RuntimeError, "selected index k out of range"),
        (lambda: torch.quantile(torch.ones(3), 1.5), RuntimeError, "quantile() q values must be in the range [0, 1]"),
        (lambda: torch.quantile(torch.ones(3), 0.5, interpolation="x"), RuntimeError,
         "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got x"),
        (lambda: torch.multinomial(torch.tensor([0.0, 0.0]), 1), RuntimeError,
         "invalid multinomial distribution (sum of probabilities <= 0)"),
        (lambda: torch.multinomial(torch.tensor([0.5]), 2), RuntimeError,
         "cannot sample n_sample > prob_dist.size(-1) samples without replacement"),
        (lambda: torch.zeros(2).masked_scatter(torch.tensor([True, True]), torch.ones(1)), RuntimeError,
         "Number of elements of source < number of ones in mask"),
        (lambda: torch.complex(torch.ones(1), torch.ones(1, dtype=torch.float64)), RuntimeError,
         "Expected object of scalar type Float but got scalar type Double for second argument"),
    ],
)  # fmt: skip
def test_refusals(call, kind, text):
    with pytest.raises(kind) as error:
        call()
    assert text is None or str(error.value) == text


def test_counting_and_searching():
    assert torch.bincount(index(1, 3, 1)).tolist() == [0, 2, 0, 1]
    assert torch.bincount(index(0, 1), weights=torch.tensor([0.5, 2.0]), minlength=3).tolist() == [0.5, 2, 0]
    edges = torch.tensor([1, 3, 5, 7, 9])
    assert torch.searchsorted(edges, torch.tensor([3, 6, 9])).tolist() == [1, 3, 4]
    assert torch.searchsorted(edges, torch.tensor([3, 6, 9]), side="right").tolist() == [2, 3, 5]
    assert torch.bucketize(4, edges, out_int32=True).dtype == torch.int32
    assert torch.searchsorted(torch.tensor([5, 1, 3]), 2, sorter=index(1, 2, 0)).item() == 1
    assert torch.histc(torch.tensor([1.0, 2, 1]), bins=4, min=0, max=3).tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize("bins", [7, 100, 5000])
def test_histograms_of_many_numbers(bins):
    """More than a thread takes at once; few bins are counted beside, many in place."""
    x = torch.arange(200_000, dtype=torch.float64) % bins
    whole, rest = divmod(200_000, bins)
    want = [float(whole + (i < rest)) for i in range(bins)]
    assert torch.histc(x, bins=bins, min=0, max=bins).tolist() == want
    assert torch.histc(x, bins=bins).sum().item() == 200_000 and torch.histc(x - 5, bins=bins)[0].item() == want[0]
    assert torch.histc(x.float(), bins=2 * bins, min=0, max=bins)[::2].tolist() == want
    x[150_000] = NAN
    with pytest.raises(RuntimeError, match="range of .nan, nan. is not finite"):
        torch.histc(x)
    assert torch.histc(x, bins=1, min=0, max=bins).item() == 199_999
    assert torch.histc(torch.zeros(0), bins=2).tolist() == [0, 0] and torch.histc(torch.full((3,), 2.0), bins=2).tolist() == [0, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_histograms_of_ranges_too_wide_for_their_dtype(dtype):
    most = torch.finfo(dtype).max
    x = torch.tensor([-most, 0, most / 2, most], dtype=dtype)
    for bins in (3, 2000):
        assert torch.histc(x, bins=bins).sum().item() == 4
        assert torch.histc(x, bins=bins, min=-most, max=most).sum().item() == 4


def test_histograms_of_half_types_round_after_every_step():
    for dtype, x, half, single in ((torch.bfloat16, 4.53125, 65, 64), (torch.float16, 6.4375, 92, 91)):
        x = torch.tensor([x], dtype=dtype)
        assert torch.histc(x, bins=100, min=0, max=7).argmax().item() == half
        assert torch.histc(x.float(), bins=100, min=0, max=7).argmax().item() == single


@pytest.mark.parametrize("columns", [64, 100, 700])
def test_scattered_sums_of_many_threads(columns):
    threads = torch.get_num_threads()
    rows = torch.arange(600 * columns).view(600, columns) * 7 % 31
    source = torch.arange(600.0 * columns).view(600, columns) % 13
    try:
        sums = []
        for count in (1, 2, 5, 16):
            torch.set_num_threads(count)
            sums.append(torch.zeros(31, columns).scatter_add_(0, rows, source))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(s, sums[0]) for s in sums)
    assert sums[0][3, 5].item() == sum(source[r, 5].item() for r in range(600) if rows[r, 5].item() == 3)


def test_order_statistics():
    x = torch.tensor([[2.0, NAN, 1.0, 1.0], [4.0, 3.0, 1.0, 2.0]])
    values, places = x.median(1)
    same(values.tolist(), [NAN, 2])
    assert places.tolist() == [1, 3] and x.nanmedian(1).values.tolist() == [1, 2]
    assert torch.kthvalue(x[1], 3).indices.item() == 1
    assert tuple(part.item() for part in torch.mode(torch.tensor([2, 3, 3, 2, 1]))) == (2, 3)
    assert math.isnan(torch.median(torch.empty(0)).item())
    assert torch.quantile(x[1], torch.tensor([0.0, 0.4, 1.0])).tolist() == pytest.approx([1, 2.2, 4])
    assert torch.nanquantile(x[0], 0.5, interpolation="lower").item() == 1


def test_unique():
    x = torch.tensor([3, 1, 3, 2])
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 3], [2, 0, 2, 1], [1, 1, 2])
    rows = torch.tensor([[1, 2], [0, 5], [1, 2]])
    assert torch.unique(rows, dim=0).tolist() == [[0, 5], [1, 2]]
    assert torch.unique_consecutive(torch.tensor([1, 1, 2, 1]), return_counts=True)[1].tolist() == [2, 1, 1]
    assert len(torch.unique(torch.tensor([NAN, NAN, 1.0]))) == 3
    assert torch.unique(torch.empty(0)).shape == (0,)


def test_repeats_and_draws():
    assert torch.repeat_interleave(torch.tensor([5, 7]), index(1, 2)).tolist() == [5, 7, 7]
    assert torch.tensor([[1, 2]]).repeat_interleave(2, dim=1).tolist() == [[1, 1, 2, 2]]
    torch.manual_seed(0)
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert torch.multinomial(weights, 2).tolist() == [2, 1]
    torch.manual_seed(0)
    assert torch.multinomial(weights, 6, replacement=True).tolist() == [3, 3, 2, 3, 3, 3]


def test_norms_and_distances():
    x = torch.tensor([3.0, -4.0, 0.0], requires_grad=True)
    assert torch.linalg.vector_norm(x).item() == 5 and torch.linalg.vector_norm(x, 0).item() == 2
    torch.linalg.vector_norm(x, math.inf).backward()
    assert x.grad.tolist() == [0, -1, 0]
    zero = torch.zeros(2, requires_grad=True)
    zero.norm().backward()
    assert zero.grad.tolist() == [0, 0]
    assert torch.cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])).item() == pytest.approx(math.sqrt(0.5))
    assert torch.nn.functional.pdist(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).tolist() == pytest.approx([5, 1, math.sqrt(18)])
    assert torch.polar(torch.tensor([2.0]), torch.tensor([0.0])).tolist() == [2 + 0j]


def test_gradcheck():
    from tallow.autograd import gradcheck

    torch.manual_seed(1)
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    for reduce in ("prod", "mean", "amax", "amin"):
        assert gradcheck(lambda x, y: x.index_reduce(0, index(0, 2), y, reduce), (x, y))
    assert gradcheck(lambda x: torch.linalg.vector_norm(x, 3, 1), (x,))
    assert gradcheck(lambda x: torch.quantile(x, 0.3, 1), (x,))
    assert gradcheck(lambda x, y: x.masked_scatter(torch.eye(3, 4) > 0, y), (x, y))


def test_statistics():
    x = torch.tensor([[1.0, 2.0, 4.0], [2.0, 4.0, 9.0]])
    assert torch.cov(x)[0].tolist() == pytest.approx([7 / 3, 5.5]) and torch.corrcoef(x)[1, 1].item() == pytest.approx(1)
    assert torch.nansum(torch.tensor([1.0, NAN])).item() == 1 and torch.nanmean(torch.tensor([1.0, NAN])).item() == 1
    assert [part.item() for part in torch.aminmax(x)] == [1, 9]
    assert torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 3.0])).item() == 6.5
    assert torch.cummax(torch.tensor([1.0, 3.0, 3.0, NAN, 5.0]), 0).indices.tolist() == [0, 1, 2, 3, 3]
    assert torch.logcumsumexp(torch.zeros(4), 0).exp().tolist() == pytest.approx([1, 2, 3, 4])
    assert torch.renorm(torch.full((2, 4), 1.0), 2, 0, 1).tolist() == [pytest.approx([0.5] * 4)] * 2


def test_shapes():
    assert torch.rot90(torch.tensor([[1, 2], [3, 4]])).tolist() == [[2, 4], [1, 3]]
    assert torch.combinations(torch.arange(3)).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert torch.combinations(torch.arange(2), with_replacement=True).tolist() == [[0, 0], [0, 1], [1, 1]]
    assert torch.kron(torch.tensor([[1, 2]]), torch.tensor([[1], [3]])).tolist() == [[1, 2], [3, 6]]
    assert torch.zeros(5, 2).fill_diagonal_(1, wrap=True)[:, 0].tolist() == [1, 0, 0, 1, 0]
    assert torch.vander(torch.tensor([2, 3])).tolist() == [[2, 1], [3, 1]]
    assert torch.matrix_exp(torch.tensor([[0.0, 1.0], [0.0, 0.0]])).tolist() == [[1, 1], [0, 1]]
    assert torch.roll(torch.arange(6).view(2, 3), (1, 1), (0, 1)).tolist() == [[5, 3, 4], [2, 0, 1]]
    assert torch.tril(torch.ones(2, 3), 1).tolist() == [[1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    "function, x, expected",
    [
        (torch.erfinv, 0.5, 0.4769362762044699),
        (torch.erfinv, 0.999, 2.326753765513525),
        (torch.special.erfcx, 1.0, 0.427583576155807),
        (torch.special.erfcx, -2.0, 108.94090438998),
        (torch.special.ndtri, 1e-12, -7.034483825301132),
        (torch.special.log_ndtr, -40.0, -804.6084420137538),
        (torch.lgamma, 0.5, 0.5723649429247001),
        (torch.digamma, 1.0, -0.5772156649015329),
        (lambda x: torch.polygamma(2, x), 1.0, -2.404113806319188),
        (lambda x: torch.special.zeta(x, torch.ones_like(x)), 2.0, 1.6449340668482264),
        (torch.logit, 0.25, -1.0986122886681098),
        (torch.special.entr, 0.5, 0.34657359027997264),
    ],
)
def test_special_functions(function, x, expected):
    assert function(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-13)
    assert function(torch.tensor(x)).item() == pytest.approx(expected, rel=1e-5)


def test_gcd_and_lcm():
    assert torch.gcd(torch.tensor([12, -8, 0]), torch.tensor([18, 12, 5])).tolist() == [6, 4, 5]
    assert torch.lcm(torch.tensor([4, 0]), torch.tensor([6, 5])).tolist() == [12, 0]


def test_embeddings():
    F = torch.nn.functional
    weight = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    F.embedding(torch.tensor([0, 1, 1]), weight, padding_idx=0, scale_grad_by_freq=True).sum().backward()
    assert weight.grad.tolist() == [[0, 0], [1, 1], [0, 0]]
    with torch.no_grad():
        F.embedding(torch.tensor([0, 0]), weight, max_norm=1.0)
    assert weight[0].tolist() == pytest.approx([0.6, 0.8]) and weight[2].tolist() == [0, 2]
    bags, starts = torch.tensor([0, 2, 1]), torch.tensor([0, 2, 3])
    assert F.embedding_bag(bags, weight, starts, mode="sum")[1:].tolist() == [[1, 0], [0, 0]]
    assert F.embedding_bag(bags, weight, starts, mode="max")[0].tolist() == pytest.approx([0.6, 2])
    weight.grad = None
    F.embedding(bags, weight, sparse=True).sum().backward()
    assert weight.grad.is_sparse and weight.grad.to_dense().tolist() == [[1, 1]] * 3
