"""TALLOW_DEBUG: what the library does, in lines on stderr; and with it, that a fused gradient is one kernel and one allocation."""

import os
import re
import subprocess
import sys

import pytest

UNARY = ["sigmoid", "tanh", "silu", "exp", "log", "sqrt", "mish", "softplus", "square", "reciprocal", "expm1", "sin", "logit_of_half"]

SCRIPT = """
import sys
import tallow as torch
F = torch.nn.functional
f = {name: getattr(torch, name, None) or getattr(F, name, None) for name in sys.argv[1:]}
f["logit_of_half"] = lambda x: torch.sigmoid(x * 0.5)
for name, call in f.items():
    x = torch.full((37,), 0.5, requires_grad=True)
    y = call(x)
    g = torch.ones(37)
    print("begin", name, file=sys.stderr, flush=True)
    y.backward(g)
    print("end", name, file=sys.stderr, flush=True)
    x.grad = None
    del y
a, b, c = (torch.full((37,), v, requires_grad=True) for v in (0.5, 2.0, 3.0))
y = torch.addcmul(a, b, c)
print("begin addcmul", file=sys.stderr, flush=True)
y.backward(torch.ones(37))
print("end addcmul", file=sys.stderr, flush=True)
"""


def run(script, level, *args):
    done = subprocess.run([sys.executable, "-c", script, *args], env={**os.environ, "TALLOW_DEBUG": str(level)}, capture_output=True,
                          text=True, check=True)
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def backward_lines():
    found, now = {}, None
    for line in run(SCRIPT, 4, *UNARY):
        if line.startswith("begin "):
            now = line.split()[1]
            found[now] = []
        elif line.startswith("end "):
            now = None
        elif now:
            found[now].append(line)
    return found


def counted(lines, word):
    return sum(line.startswith(f"tallow: {word} ") for line in lines)


@pytest.mark.parametrize("name", UNARY[:-1])
def test_backward_of_a_formula_is_one_kernel_and_one_allocation(backward_lines, name):
    lines = backward_lines[name]
    assert counted(lines, "kernel") == 1, lines
    assert counted(lines, "block") == 1, lines


def test_two_ops_are_two_kernels(backward_lines):
    assert counted(backward_lines["logit_of_half"], "kernel") == 2
    assert counted(backward_lines["logit_of_half"], "block") == 2


def test_three_inputs(backward_lines):
    """addcmul(a, b, c): the gradient of a is the incoming one, cloned into a.grad; those of b and c are one kernel each."""
    lines = backward_lines["addcmul"]
    assert counted(lines, "kernel") <= 3 and counted(lines, "block") <= 4, lines


ONE_ADD = "import tallow as torch; x = torch.ones(2, 3); x + x.t().contiguous().t(); torch.sum(x, 1); torch.mm(x, x.t())"


def test_level_2_tells_op_shapes_dtype_path_and_time():
    lines = [line for line in run(ONE_ADD, 2) if line.startswith("tallow: kernel ")]
    add = next(line for line in lines if line.startswith("tallow: kernel add "))
    assert re.fullmatch(r"tallow: kernel add float32\[2,3\] float32\[2,3\]/\[1,2\] 1 -> float32\[2,3\]\S*  elementwise tiles \w+  [\d.]+ us", add)
    assert any(re.match(r"tallow: kernel sum\S* float32\[2,3\] .* -> float32\[2\]  reduce ", line) for line in lines)
    assert any(re.match(r"tallow: kernel mm float32\[2,3\] float32\[3,2\]/\[1,3\] -> float32\[2,2\]  kernel ", line) for line in lines)


TRAINING = """
import tallow as torch
model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 4))
optimizer = torch.optim.{}(model.parameters(), lr=0.1)
torch.nn.functional.cross_entropy(model(torch.ones(3, 8)), torch.tensor([0, 1, 2])).backward()
optimizer.step()"""


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_level_2_tells_every_kernel_of_a_training_step(optimizer):
    lines = [line.removeprefix("tallow: kernel ") for line in run(TRAINING.format(optimizer), 2) if line.startswith("tallow: kernel ")]
    assert all(re.search(r" \w+  [\d.]+ us$", line) for line in lines)
    names = [line.split()[0] for line in lines]
    assert names.count("addmm") == 2 and names.count("mm") == 3 and names.count("nll_loss_backward") == 1
    assert lines[-1].startswith(f"{optimizer.lower()}_step of 4 tensors  kernel ") and names.count(names[-1]) == 1


def test_lower_levels_say_less():
    assert not [line for line in run(ONE_ADD, 1) if "kernel" in line]
    assert [line for line in run(ONE_ADD, 1) if "instruction set" in line]
    assert run(ONE_ADD, 0) == []
