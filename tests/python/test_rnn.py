"""Recurrent layers against loops over single steps in ops, and against an installed PyTorch."""

import itertools

import pytest
import tallow as torch
from samples import numbers
from tallow import nn
from tallow.nn.utils import rnn as pack

KINDS = {"tanh": lambda *a, **k: nn.RNN(*a, **k), "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k), "lstm": nn.LSTM, "gru": nn.GRU}


def draw(*shape, seed=1):
    return numbers(shape, seed, -1.0, 1.0, torch.float64)


def make(kind, *args, **kwargs):
    torch.manual_seed(0)
    return KINDS[kind](*args, dtype=torch.float64, **kwargs)


def step(kind, x, h, c, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None):
    """One step, written out."""
    a = x @ w_ih.T + (0 if b_ih is None else b_ih)
    b = h @ w_hh.T + (0 if b_hh is None else b_hh)
    if kind in ("tanh", "relu"):
        return getattr(a + b, kind)(), c
    if kind == "gru":
        (ar, az, an), (br, bz, bn) = a.chunk(3, 1), b.chunk(3, 1)
        z, n = (az + bz).sigmoid(), (an + (ar + br).sigmoid() * bn).tanh()
        return (1 - z) * n + z * h, c
    i, f, g, o = (a + b).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h if w_hr is None else h @ w_hr.T), c


def oracle(kind, net, x, h, c):
    """All layers and directions of a padded (time, batch, features) input, without dropout."""
    hs, cs = [], []
    for layer in range(net.num_layers):
        outs = []
        for direction in range(2 if net.bidirectional else 1):
            i = len(hs)
            names = net._all_weights[i]
            w = dict(zip(("w_ih", "w_hh", "b_ih", "b_hh", "w_hr") if net.bias else ("w_ih", "w_hh", "w_hr"), (getattr(net, n) for n in names)))
            hi, ci, steps = h[i], c[i], []
            for t in range(len(x))[:: -1 if direction else 1]:
                hi, ci = step(kind, x[t], hi, ci, **w)
                steps.append(hi)
            outs.append(torch.stack(steps[:: -1 if direction else 1]))
            hs.append(hi)
            cs.append(ci)
        x = torch.cat(outs, -1)
    return x, torch.stack(hs), torch.stack(cs)


def same(got, expected, tolerance=1e-12):
    assert got.shape == expected.shape
    assert (got - expected).abs().max().item() <= tolerance if got.numel() else True


@pytest.mark.parametrize("kind, layers, both, bias", list(itertools.product(KINDS, (1, 2), (False, True), (True, False))))
def test_layer_is_a_loop_over_steps(kind, layers, both, bias):
    net = make(kind, 3, 4, num_layers=layers, bidirectional=both, bias=bias)
    count = layers * (2 if both else 1)
    x, h, c = draw(5, 2, 3).requires_grad_(), draw(count, 2, 4, seed=2).requires_grad_(), draw(count, 2, 4, seed=3).requires_grad_()
    state = (h, c) if kind == "lstm" else h
    output, hidden = net(x, state)
    results = [output, *(hidden if kind == "lstm" else [hidden])]
    expected = oracle(kind, net, x, h, c)[: len(results)]
    for a, b in zip(results, expected):
        same(a, b)
    leaves = [x, h, *([c] if kind == "lstm" else []), *net.parameters()]
    weights = [draw(*r.shape, seed=9 + i) for i, r in enumerate(results)]
    got = torch.autograd.grad(sum((r * w).sum() for r, w in zip(results, weights)), leaves)
    wanted = torch.autograd.grad(sum((r * w).sum() for r, w in zip(expected, weights)), leaves)
    for a, b in zip(got, wanted):
        same(a, b)
    with torch.no_grad():  # nothing saved: the same bits
        again, _ = net(x, state)
    assert torch.equal(again, output)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind):
    net = make(kind, 3, 4)
    x, h, c = draw(4, 2, 3).requires_grad_(), draw(1, 2, 4, seed=2).requires_grad_(), draw(1, 2, 4, seed=3).requires_grad_()
    leaves = [x, h, *([c] if kind == "lstm" else []), *net.parameters()]

    def curvature(results):
        first = torch.autograd.grad(sum((r**2).sum() for r in results), leaves, create_graph=True)
        return first, torch.autograd.grad(sum((g**2).sum() for g in first), leaves)

    output, hidden = net(x, (h, c) if kind == "lstm" else h)
    results = [output, *(hidden if kind == "lstm" else [hidden])]
    for got, wanted in zip(curvature(results), curvature(oracle(kind, net, x, h, c)[: len(results)])):
        for a, b in zip(got, wanted):
            same(a, b, 1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_last_state_is_used(kind):
    net = make(kind, 3, 4)
    x = draw(4, 2, 3).requires_grad_()
    hidden = net(x)[1]
    hidden = hidden[1] if kind == "lstm" else hidden  # the cell
    expected = oracle(kind, net, x, torch.zeros(1, 2, 4, dtype=torch.float64), torch.zeros(1, 2, 4, dtype=torch.float64))
    expected = expected[2 if kind == "lstm" else 1]
    same(torch.autograd.grad(hidden.sum(), x)[0], torch.autograd.grad(expected.sum(), x)[0])


@pytest.mark.parametrize("kind, both", list(itertools.product(KINDS, (False, True))))
def test_packed_sequences_are_run_one_by_one(kind, both):
    net = make(kind, 3, 4, num_layers=2, bidirectional=both)
    sequences = [draw(n, 3, seed=n).requires_grad_() for n in (2, 5, 1, 5, 3)]
    packed = pack.pack_sequence(sequences, enforce_sorted=False)
    output, hidden = net(packed)
    padded, lengths = pack.pad_packed_sequence(output)
    assert lengths.tolist() == [2, 5, 1, 5, 3]
    hidden = hidden if kind == "lstm" else (hidden,)
    total, apart = 0, 0
    for i, sequence in enumerate(sequences):
        alone, last = net(sequence.unsqueeze(1))
        last = last if kind == "lstm" else (last,)
        same(padded[: len(sequence), i], alone[:, 0])
        assert padded[len(sequence) :, i].abs().sum().item() == 0
        for a, b in zip(hidden, last):
            same(a[:, i], b[:, 0])
        apart = apart + (alone**2).sum() + sum((s**3).sum() for s in last)
    total = (output.data**2).sum() + sum((s**3).sum() for s in hidden)
    leaves = [*sequences, *net.parameters()]
    for a, b in zip(torch.autograd.grad(total, leaves), torch.autograd.grad(apart, leaves)):
        same(a, b)


def test_packed_sequences_have_second_derivatives():
    net = make("gru", 2, 3, bidirectional=True)
    sequences = [draw(n, 2, seed=n).requires_grad_() for n in (3, 1)]

    def curvature(outputs):
        first = torch.autograd.grad(outputs, sequences, create_graph=True)
        return torch.autograd.grad(sum((g**2).sum() for g in first), sequences)

    packed = (net(pack.pack_sequence(sequences))[0].data ** 2).sum()
    apart = sum((net(s.unsqueeze(1))[0] ** 2).sum() for s in sequences)
    for a, b in zip(curvature(packed), curvature(apart)):
        same(a, b)


def test_projection():
    net = make("lstm", 3, 5, num_layers=2, proj_size=2)
    x, h, c = draw(4, 2, 3), draw(2, 2, 2, seed=2), draw(2, 2, 5, seed=3)
    output, (hidden, cell) = net(x, (h, c))
    for a, b in zip((output, hidden, cell), oracle("lstm", net, x, h, c)):
        same(a, b)


def test_layouts_and_unbatched_inputs():
    net = make("lstm", 3, 4, bidirectional=True)
    first = make("lstm", 3, 4, bidirectional=True, batch_first=True)
    first.load_state_dict(net.state_dict())
    x = draw(5, 2, 3)
    output, (h, c) = net(x)
    same(first(x.transpose(0, 1))[0].transpose(0, 1), output)
    alone, (h1, c1) = net(x[:, 1])
    same(alone, output[:, 1])
    same(h1, h[:, 1])
    same(c1, c[:, 1])
    assert net(torch.zeros(3, 0, 3, dtype=torch.float64))[0].shape == (3, 0, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_one_step(kind):
    torch.manual_seed(1)
    made = {"tanh": lambda: nn.RNNCell(3, 4), "relu": lambda: nn.RNNCell(3, 4, nonlinearity="relu"), "lstm": lambda: nn.LSTMCell(3, 4), "gru": lambda: nn.GRUCell(3, 4)}
    cell = made[kind]().double()
    x, h, c = draw(2, 3), draw(2, 4, seed=2), draw(2, 4, seed=3)
    got = cell(x, (h, c) if kind == "lstm" else h)
    expected = step(kind, x, h, c, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    for a, b in zip(got if kind == "lstm" else (got,), expected):
        same(a, b)
    alone = cell(x[0], (h[0], c[0]) if kind == "lstm" else h[0])
    same(alone[0] if kind == "lstm" else alone, expected[0][0])


def test_transforms_take_the_steps_in_ops():
    net = make("gru", 2, 3)
    x, direction = draw(4, 1, 2), draw(4, 1, 2, seed=5)
    _, tangent = torch.func.jvp(lambda v: net(v)[0], (x,), (direction,))
    slope = (net(x + 1e-6 * direction)[0] - net(x - 1e-6 * direction)[0]) / 2e-6
    same(tangent, slope, 1e-8)
    many = draw(3, 4, 1, 2)
    same(torch.func.vmap(lambda v: net(v)[0])(many), torch.stack([net(v)[0] for v in many]))


def test_half_precision_and_the_meta_device():
    net = make("lstm", 3, 4)
    assert (net.bfloat16()(draw(5, 2, 3).bfloat16())[0].float() - net.float()(draw(5, 2, 3).float())[0]).abs().max() < 0.02
    on_meta = nn.LSTM(3, 4, device="meta")(torch.empty(5, 2, 3, device="meta"))
    assert on_meta[0].shape == (5, 2, 4) and on_meta[0].is_meta


def test_the_same_bits_for_any_number_of_threads():
    net = nn.LSTM(64, 64)
    x = numbers((6, 300, 64), 1)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            results.append(net(x)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_packing():
    x = draw(4, 3, 2).requires_grad_()
    packed = pack.pack_padded_sequence(x, [4, 2, 1])
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
    assert torch.equal(packed.data, torch.cat([x[0], x[1, :2], x[2, :1], x[3, :1]]))
    padded, lengths = pack.pad_packed_sequence(packed, batch_first=True, padding_value=-1.0, total_length=6)
    assert padded.shape == (3, 6, 2) and lengths.tolist() == [4, 2, 1] and padded[2, 1:].tolist() == [[-1.0, -1.0]] * 5
    padded.sum().backward()
    assert x.grad[:, 0].sum() == 8 and x.grad[2:, 1].sum() == 0
    back = pack.unpack_sequence(pack.pack_sequence([x[:1, 0], x[:3, 1]], enforce_sorted=False))
    assert torch.equal(back[1], x[:3, 1]) and torch.equal(back[0], x[:1, 0])
    left = pack.pad_sequence([torch.ones(1), torch.ones(3)], batch_first=True, padding_side="left")
    assert left.tolist() == [[0, 0, 1], [1, 1, 1]]
    assert isinstance(packed.float(), pack.PackedSequence) and packed.to(torch.float64) is packed


def test_errors():
    with pytest.raises(RuntimeError, match="must be sorted in decreasing order when `enforce_sorted` is True"):
        pack.pack_padded_sequence(draw(4, 2, 2), [1, 4])
    with pytest.raises(RuntimeError, match="found an element in 'lengths' that is <= 0"):
        pack.pack_padded_sequence(draw(4, 2, 2), [1, 0])
    with pytest.raises(RuntimeError, match="Expected `len\\(lengths\\)` to be equal to batch_size, but got 1"):
        pack.pack_padded_sequence(draw(4, 2, 2), [1])
    with pytest.raises(RuntimeError, match="received an empty list of sequences"):
        pack.pad_sequence([])
    net = make("lstm", 3, 4)
    with pytest.raises(RuntimeError, match="input.size\\(-1\\) must be equal to input_size. Expected 3, got 2"):
        net(draw(5, 2, 2))
    with pytest.raises(RuntimeError, match=r"Expected hidden\[1\] size \(1, 2, 4\), got \[1, 2, 5\]"):
        net(draw(5, 2, 3), (draw(1, 2, 4), draw(1, 2, 5)))
    with pytest.raises(RuntimeError, match="Expected sequence length to be larger than 0"):
        net(draw(0, 2, 3))
    with pytest.raises(ValueError, match="does not match weight dtype"):
        net(draw(5, 2, 3).float())
    with pytest.raises(RuntimeError, match="hidden0 has inconsistent hidden_size: got 5, expected 4"):
        nn.GRUCell(3, 4)(torch.zeros(2, 3), torch.zeros(2, 5))


@pytest.mark.torch
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_draws_pytorchs_numbers(kind):
    import torch as reference

    names = {"tanh": "RNN", "relu": "RNN", "lstm": "LSTM", "gru": "GRU"}
    options = {"nonlinearity": kind} if names[kind] == "RNN" else {}
    results = []
    for lib in (torch, reference):
        lib.manual_seed(3)
        net = getattr(lib.nn, names[kind])(3, 4, num_layers=3, dropout=0.5, bidirectional=True, **options)
        x = lib.linspace(-1, 1, 5 * 2 * 3).reshape(5, 2, 3)
        results.append((net(x)[0].tolist(), lib.rand(1).item()))
    (ours, after), (theirs, theirs_after) = results
    assert after == theirs_after
    assert (torch.tensor(ours) - torch.tensor(theirs)).abs().max().item() < 1e-6


def test_autocast_lets_narrow_inputs_in():
    net = nn.GRU(3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = net(torch.ones(2, 1, 3, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="does not match weight dtype"):
        net(torch.ones(2, 1, 3, dtype=torch.bfloat16))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_sequences_of_a_batch_are_as_alone(kind):
    """Seventeen sequences of one to five steps, packed and each by itself: products of several rows are made in another way than those
    of one."""
    torch.manual_seed(0)
    net = kind(3, 37, bidirectional=True).double()
    lengths = [1 + i * 3 % 5 for i in range(17)]
    sequences = [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in lengths]
    packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    output, _ = nn.utils.rnn.pad_packed_sequence(net(packed)[0])
    weights = list(net.parameters())
    together = torch.autograd.grad((output**2).sum(), sequences + weights)
    alone = [net(x.unsqueeze(1))[0].squeeze(1) for x in sequences]
    for i, y in enumerate(alone):
        assert (output[: lengths[i], i] - y).abs().max().item() < 1e-13
    apart = torch.autograd.grad(sum((y**2).sum() for y in alone), sequences + weights)
    for a, b in zip(together, apart):
        assert (a - b).abs().max().item() < 1e-11
