"""Losses against plain Python formulas, and their gradients against differences."""

import itertools
import math

import pytest
import tallow as torch
from samples import numbers
from tallow import nn
from tallow.nn import functional as F


def draw(*shape, seed=1, low=-2.0, high=2.0):
    return numbers(shape, seed, low, high, torch.float64)


def each(function, *tensors):
    """function of the elements at each place."""
    return [function(*values) for values in zip(*(t.flatten().tolist() for t in tensors))]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def distance(a, b, p=2.0, eps=1e-6):
    return sum(abs(x - y + eps) ** p for x, y in zip(a, b)) ** (1 / p)


X, Y = draw(3, 4), draw(3, 4, seed=2)
P, Q = draw(3, 4, low=0.05, high=0.95), draw(3, 4, seed=2, low=0.05, high=0.95)
SIGN = torch.where(draw(3, 4, seed=5) > 0, 1.0, -1.0).to(torch.float64)
POSITIVE = draw(4, seed=3, low=0.5, high=2.0)
COUNTS = torch.tensor([[0.0, 1.0, 3.0, 2.0]] * 3, dtype=torch.float64)

ELEMENTWISE = {
    "mse": (F.mse_loss, (X, Y), {}, lambda: each(lambda x, y: (x - y) ** 2, X, Y)),
    "l1": (F.l1_loss, (X, Y), {}, lambda: each(lambda x, y: abs(x - y), X, Y)),
    "bce": (F.binary_cross_entropy, (P, Q), {}, lambda: each(lambda p, q: -(q * math.log(p) + (1 - q) * math.log(1 - p)), P, Q)),
    "bce weighted": (F.binary_cross_entropy, (P, Q), {"weight": POSITIVE},
                     lambda: each(lambda p, q, w: -w * (q * math.log(p) + (1 - q) * math.log(1 - p)), P, Q, POSITIVE.expand(3, 4))),
    "logits": (F.binary_cross_entropy_with_logits, (X, Q), {},
               lambda: each(lambda x, q: -(q * math.log(sigmoid(x)) + (1 - q) * math.log(1 - sigmoid(x))), X, Q)),
    "logits pos_weight": (F.binary_cross_entropy_with_logits, (X, Q), {"pos_weight": POSITIVE},
                          lambda: each(lambda x, q, w: -(w * q * math.log(sigmoid(x)) + (1 - q) * math.log(1 - sigmoid(x))), X, Q,
                                       POSITIVE.expand(3, 4))),
    "smooth l1": (F.smooth_l1_loss, (X, Y), {"beta": 0.7},
                  lambda: each(lambda x, y: (x - y) ** 2 / 1.4 if abs(x - y) < 0.7 else abs(x - y) - 0.35, X, Y)),
    "huber": (F.huber_loss, (X, Y), {"delta": 0.7},
              lambda: each(lambda x, y: (x - y) ** 2 / 2 if abs(x - y) < 0.7 else 0.7 * (abs(x - y) - 0.35), X, Y)),
    "soft margin": (F.soft_margin_loss, (X, SIGN), {}, lambda: each(lambda x, s: math.log(1 + math.exp(-x * s)), X, SIGN)),
    "kl": (F.kl_div, (X, Q), {}, lambda: each(lambda x, q: q * (math.log(q) - x), X, Q)),
    "kl of logs": (F.kl_div, (X, Y), {"log_target": True}, lambda: each(lambda x, y: math.exp(y) * (y - x), X, Y)),
    "hinge": (F.hinge_embedding_loss, (X, SIGN), {"margin": 1.5}, lambda: each(lambda x, s: x if s == 1 else max(0, 1.5 - x), X, SIGN)),
    "ranking": (F.margin_ranking_loss, (X, Y, SIGN), {"margin": 0.3}, lambda: each(lambda x, y, s: max(0, 0.3 - s * (x - y)), X, Y, SIGN)),
    "poisson": (F.poisson_nll_loss, (X, COUNTS), {"full": True},
                lambda: each(lambda x, k: math.exp(x) - k * x + (k * math.log(k) - k + math.log(2 * math.pi * k) / 2 if k > 1 else 0), X, COUNTS)),
    "gaussian": (F.gaussian_nll_loss, (X, Y, P), {"full": True},
                 lambda: each(lambda x, y, v: (math.log(v) + (x - y) ** 2 / v + math.log(2 * math.pi)) / 2, X, Y, P)),
    "cosine": (F.cosine_embedding_loss, (X, Y, torch.tensor([1.0, -1.0, 1.0])), {"margin": -0.2},
               lambda: [1 - cosine(a, b) if s == 1 else max(0, cosine(a, b) + 0.2) for a, b, s in zip(X.tolist(), Y.tolist(), (1, -1, 1))]),
    "triplet": (F.triplet_margin_loss, (X, Y, P), {"p": 3.0, "swap": True},
                lambda: [max(0, 1 + distance(a, b, 3.0) - min(distance(a, c, 3.0), distance(b, c, 3.0)))
                         for a, b, c in zip(X.tolist(), Y.tolist(), P.tolist())]),
    "multi margin": (F.multi_margin_loss, (X, torch.tensor([2, 0, 3])), {"p": 2, "weight": POSITIVE},
                     lambda: [sum(POSITIVE.tolist()[t] * max(0, 1 - row[t] + v) ** 2 for i, v in enumerate(row) if i != t) / 4
                              for row, t in zip(X.tolist(), (2, 0, 3))]),
    "multi label": (F.multilabel_margin_loss, (X, torch.tensor([[3, 0, -1, 1], [-1, 0, 1, 2], [1, 1, -1, -1]])), {},
                    lambda: [sum(max(0, 1 - row[t] + v) for t in ts for i, v in enumerate(row) if i not in ts) / 4
                             for row, ts in zip(X.tolist(), ([3, 0], [], [1, 1]))]),
    "multi label soft": (F.multilabel_soft_margin_loss, (X, Q), {},
                         lambda: [sum(-(q * math.log(sigmoid(x)) + (1 - q) * math.log(sigmoid(-x))) for x, q in zip(r, s)) / 4
                                  for r, s in zip(X.tolist(), Q.tolist())]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_loss(name):
    function, args, kwargs, oracle = ELEMENTWISE[name]
    terms = oracle()
    got = function(*args, reduction="none", **kwargs)
    assert got.flatten().tolist() == pytest.approx(terms, rel=1e-12, abs=1e-12)
    assert function(*args, reduction="sum", **kwargs).item() == pytest.approx(sum(terms), rel=1e-12)
    assert function(*args, reduction="mean", **kwargs).item() == pytest.approx(sum(terms) / len(terms), rel=1e-12)


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradients_are_slopes(name):
    function, args, kwargs, _ = ELEMENTWISE[name]
    x = args[0].clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x, *args[1:], reduction="sum", **kwargs), x, create_graph=True)
    curve = torch.autograd.grad(slope.sum(), x)[0] if slope.requires_grad else None  # straight lines have none
    step = 1e-6
    for place in [(0, 0), (1, 3), (2, 1)]:
        around = []
        for sign in (1, -1):
            moved = args[0].clone()
            moved[place] += sign * step
            moved.requires_grad_()
            loss = function(moved, *args[1:], reduction="sum", **kwargs)
            around.append((loss.item(), torch.autograd.grad(loss, moved)[0].sum().item()))
        assert slope[place].item() == pytest.approx((around[0][0] - around[1][0]) / (2 * step), abs=1e-7)
        if curve is not None:
            assert curve[place].item() == pytest.approx((around[0][1] - around[1][1]) / (2 * step), abs=1e-6)


def ctc_oracle(log_probs, target, blank):
    """Adds up the probability of every path that says the target."""
    total = 0.0
    steps = [[math.exp(x) for x in row] for row in log_probs]
    for path in itertools.product(range(len(steps[0])), repeat=len(steps)):
        said = [c for i, c in enumerate(path) if (i == 0 or path[i - 1] != c) and c != blank]
        if said == target:
            total += math.prod(step[c] for step, c in zip(steps, path))
    return -math.log(total) if total else math.inf


def test_ctc_counts_every_path():
    logs = draw(5, 3, 3).log_softmax(2)
    targets, lengths = torch.tensor([[1, 2], [1, 1], [2, 0]]), [2, 2, 1]
    expected = [ctc_oracle(logs[:t, i].tolist(), targets[i, :n].tolist(), 0) for i, (t, n) in enumerate(zip((5, 4, 3), lengths))]
    got = F.ctc_loss(logs, targets, [5, 4, 3], lengths, reduction="none")
    assert got.tolist() == pytest.approx(expected, rel=1e-12)
    flat = torch.tensor([1, 2, 1, 1, 2])
    assert F.ctc_loss(logs, flat, torch.tensor([5, 4, 3]), torch.tensor(lengths), reduction="none").tolist() == got.tolist()
    assert F.ctc_loss(logs, targets, [5, 4, 3], lengths).item() == pytest.approx(sum(v / n for v, n in zip(expected, lengths)) / 3)
    alone = F.ctc_loss(logs[:, 0], targets[0], torch.tensor(5), torch.tensor(2), reduction="none")
    assert alone.shape == () and alone.item() == got[0].item()


def test_ctc_gradient_and_impossible_targets():
    logits = draw(4, 2, 3).requires_grad_()
    targets, sizes = torch.tensor([[1, 2], [1, 1]]), ([4, 2], [2, 2])  # the second needs three steps
    assert F.ctc_loss(logits.log_softmax(2), targets, *sizes, reduction="none").tolist()[1] == math.inf
    loss = F.ctc_loss(logits.log_softmax(2), targets, *sizes, reduction="sum", zero_infinity=True)
    loss.backward()
    assert logits.grad[:, 1].abs().max().item() == 0
    moved = logits.detach().clone()
    moved[2, 0, 1] += 1e-6
    slope = (F.ctc_loss(moved.log_softmax(2), targets, *sizes, reduction="sum", zero_infinity=True) - loss) / 1e-6
    assert logits.grad[2, 0, 1].item() == pytest.approx(slope.item(), abs=1e-5)


def test_ctc_errors():
    logs = torch.zeros(3, 2, 4)
    targets = torch.ones(2, 2, dtype=torch.long)
    with pytest.raises(RuntimeError, match="blank must be in label range"):
        F.ctc_loss(logs, targets, [3, 3], [2, 2], blank=4)
    with pytest.raises(RuntimeError, match="input_lengths must be of size batch_size"):
        F.ctc_loss(logs, targets, [3], [2, 2])
    with pytest.raises(RuntimeError, match="Expected input_lengths to have value at most 3, but got value 4"):
        F.ctc_loss(logs, targets, [4, 3], [2, 2])
    with pytest.raises(RuntimeError, match="Expected tensor to have size at least 3 at dimension 1"):
        F.ctc_loss(logs, targets, [3, 3], [3, 2])
    with pytest.raises(RuntimeError, match="log_probs tensor must not be empty"):
        F.ctc_loss(torch.zeros(3, 0, 4), torch.zeros(0, 2, dtype=torch.long), [], [])


def test_values_and_targets_are_checked():
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        F.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0]))
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        F.binary_cross_entropy(torch.tensor([math.nan]), torch.tensor([1.0]))
    with pytest.raises(RuntimeError, match="target out of range"):
        F.multi_margin_loss(torch.zeros(1, 3), torch.tensor([3]))
    with pytest.raises(ValueError, match="is different to the input size"):
        F.binary_cross_entropy(torch.zeros(2), torch.zeros(3))
    with pytest.raises(RuntimeError, match="does not support negative values for beta"):
        F.smooth_l1_loss(torch.zeros(2), torch.zeros(2), beta=-1)
    with pytest.raises(ValueError, match="var has negative entry"):
        F.gaussian_nll_loss(torch.zeros(2), torch.zeros(2), torch.tensor([1.0, -1.0]))


def test_the_graph_names_the_loss():
    x = torch.zeros(2, requires_grad=True)
    assert F.mse_loss(x, torch.ones(2)).grad_fn.name() == "MseLossBackward0"
    assert F.binary_cross_entropy_with_logits(x, torch.ones(2)).grad_fn.name() == "BinaryCrossEntropyWithLogitsBackward0"
    assert F.cross_entropy(x, torch.tensor(1)).grad_fn.name() == "NllLossBackward0"


def test_cosine_similarity_of_zero_is_zero():
    x = torch.zeros(1, 3, requires_grad=True)
    similarity = F.cosine_similarity(x, torch.ones(1, 3))
    similarity.backward()
    assert similarity.item() == 0 and torch.isfinite(x.grad).all()
    assert F.cosine_similarity(torch.ones(2, 1, 3), torch.ones(4, 3), dim=2).shape == (2, 4)


def test_adaptive_softmax_is_a_distribution():
    torch.manual_seed(0)
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0).double()
    x = draw(5, 8)
    every = layer.log_prob(x)
    assert every.exp().sum(1).tolist() == pytest.approx([1.0] * 5)
    target = torch.tensor([0, 3, 7, 19, 10])
    output, loss = layer(x, target)
    assert output.tolist() == pytest.approx(every[torch.arange(5), target].tolist())
    assert loss.item() == pytest.approx(-sum(output.tolist()) / 5)
    assert layer.predict(x).tolist() == every.argmax(1).tolist()
    with pytest.raises(RuntimeError, match=r"Target values should be in \[0, 19\]"):
        layer(x, target + 1)


def test_linear_cross_entropy_is_both():
    x, w, t = draw(5, 3), draw(4, 3, seed=8), torch.tensor([0, 1, 2, 3, -100])
    for options in (None, nn.LinearCrossEntropyOptions(batch_chunk_size=2, chunking_method=None)):
        got = F.linear_cross_entropy(x, w, t, options=options)
        assert got.item() == F.cross_entropy(F.linear(x, w), t).item()


def test_a_lazy_layer_becomes_an_ordinary_one():
    torch.manual_seed(3)
    lazy = nn.LazyLinear(4)
    assert repr(lazy.weight) == "<UninitializedParameter>" and lazy.has_uninitialized_params()
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        lazy.weight.shape
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        lazy.weight + 1
    lazy(torch.ones(2, 3))
    assert type(lazy) is nn.Linear and lazy.in_features == 3 and type(lazy.weight) is nn.Parameter
    loaded = nn.LazyLinear(4)
    loaded.load_state_dict(lazy.state_dict())
    assert torch.equal(loaded(torch.ones(2, 3)), lazy(torch.ones(2, 3)))
