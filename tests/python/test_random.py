"""Random ops whose results come from several steps: normal with tensors, complex normal numbers, multinomial."""

import math
import subprocess
import sys

import pytest
import tallow as torch


def test_normal_with_tensors_shifts_what_randn_draws():
    mean, std = torch.tensor([[1.0], [10.0]]), torch.tensor([0.5, 2.0, 0.0])
    torch.manual_seed(1)
    got = torch.normal(mean, std)
    torch.manual_seed(1)
    assert torch.equal(got, torch.randn(2, 3) * std + mean)
    torch.manual_seed(1)
    got = torch.normal(mean, 0.5)
    torch.manual_seed(1)
    assert torch.equal(got, torch.empty(2, 1).normal_(0, 0.5) + mean)


def test_normal_has_zero_gradients():
    mean, std = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    torch.normal(mean, std).sum().backward()
    assert mean.grad.tolist() == std.grad.tolist() == [0, 0, 0]


def test_normal_refuses():
    with pytest.raises(RuntimeError, match="normal expects all elements of std >= 0.0"):
        torch.normal(0.0, torch.tensor([1.0, -1.0]))
    with pytest.raises(RuntimeError, match="normal expects std >= 0.0, but found std -1"):
        torch.normal(torch.zeros(2), -1.0)
    with pytest.raises(RuntimeError, match="normal expects standard deviation to be non-complex"):
        torch.normal(0.0, torch.tensor([1j]))


def test_complex_normal_numbers_have_half_the_variance_in_each_part():
    torch.manual_seed(2)
    z = torch.randn(8, dtype=torch.complex128)
    torch.manual_seed(2)
    assert torch.equal(torch.view_as_real(z), torch.empty(8, 2, dtype=torch.float64).normal_(0, 1 / math.sqrt(2)))


def test_multinomial_without_replacement_never_repeats():
    torch.manual_seed(3)
    weights = torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 0.0, 1.0, 1.0]])
    for _ in range(20):
        drawn = torch.multinomial(weights, 3)
        assert drawn.dtype == torch.int64 and [sorted(row) for row in drawn.tolist()] == [[1, 2, 3], [0, 2, 3]]


def test_multinomial_follows_the_weights():
    torch.manual_seed(4)
    counts = [0, 0, 0]
    for i in torch.multinomial(torch.tensor([1.0, 0.0, 3.0], dtype=torch.float64), 4000, replacement=True).tolist():
        counts[i] += 1
    assert counts[1] == 0 and abs(counts[0] - 1000) < 120


@pytest.mark.parametrize("weights, n, replacement, text", [
    (torch.ones(2, 2, 2), 1, False, "prob_dist must be 1 or 2 dim"),
    (torch.ones(2, dtype=torch.int64), 1, False, "multinomial only supports floating-point dtypes for input, got: Long"),
    (torch.ones(2), 0, False, "cannot sample n_sample <= 0 samples"),
    (torch.ones(2), 3, False, r"cannot sample n_sample > prob_dist.size\(-1\) samples without replacement"),
    (torch.tensor([1.0, -1.0]), 1, False, "probability tensor contains either `inf`, `nan` or element < 0"),
    (torch.zeros(2), 1, False, r"invalid multinomial distribution \(sum of probabilities <= 0\)"),
    (torch.tensor([1.0, math.inf]), 3, True, r"invalid multinomial distribution \(encountering probability entry = infinity or NaN\)"),
])
def test_multinomial_refuses(weights, n, replacement, text):
    with pytest.raises(RuntimeError, match=text):
        torch.multinomial(weights, n, replacement)


def in_a_new_process(code):
    return subprocess.run([sys.executable, "-c", "import tallow as torch\n" + code], capture_output=True, text=True, check=True).stdout


def test_processes_without_a_seed_draw_other_numbers():
    ask = "g = torch.default_generator\nprint(torch.initial_seed(), g.initial_seed(), torch.rand(4).tolist(), sep='|')"
    first, second = (in_a_new_process(ask).strip().split("|") for _ in range(2))
    assert first[0] == first[1] and second[0] == second[1]
    assert first[0] != second[0] and first[2] != second[2]
    seed = int(first[0])  # the seed that it tells is the seed it started from
    assert 0 <= seed < 2**64
    torch.manual_seed(seed)
    assert repr(torch.rand(4).tolist()) == first[2]


def test_a_generator_of_one_s_own_starts_from_the_same_seed_everywhere():
    g = torch.Generator()
    assert g.initial_seed() == 67280421310721
    assert g.seed() != torch.Generator().seed()


def test_a_forked_process_goes_on_with_the_numbers_of_its_parent():
    drawn = in_a_new_process("import os\nif os.fork(): os.wait()\nprint(torch.rand(3).tolist())").splitlines()
    assert len(drawn) == 2 and drawn[0] == drawn[1]
