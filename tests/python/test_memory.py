"""What is kept of freed memory: how much, for whom, and how it is given back."""

import json
import os
import pathlib
import subprocess
import sys

MEGABYTE = 1 << 20


def run(code, **environment):
    done = subprocess.run([sys.executable, "-c", "import tallow as torch\nfrom tallow import _C\n" + code], capture_output=True, text=True,
                          check=True, env={**os.environ, **environment})  # fmt: skip
    return [int(word) for word in done.stdout.split()]


def test_what_is_kept_is_given_back():
    """All of it in a process with one thread; what other threads keep of small blocks stays theirs."""
    code = """
torch.set_num_threads(THREADS)
x = torch.rand(400, 400)
y = torch.linalg.solve(x, x)
t = torch.empty(6 << 20, dtype=torch.uint8).fill_(1)
before = _C._memory_stats()['cached_bytes']
del t
print(_C._memory_stats()['cached_bytes'] - before)
torch.cuda.empty_cache()
print(_C._memory_stats()['cached_bytes'])
print(torch.ones(6 << 20, dtype=torch.uint8).sum().item())"""
    for threads in (1, 4):
        given, kept, ones = run(code.replace("THREADS", str(threads)), TALLOW_CACHE="")
        assert given >= 6 * MEGABYTE and ones == 6 * MEGABYTE
        assert kept <= (threads - 1) * 2 * MEGABYTE


def test_no_more_is_kept_than_the_limit():
    code = """
tensors = [torch.empty(3 << 20, dtype=torch.uint8).fill_(1) for i in range(12)] + [torch.empty(70 << 10, dtype=torch.uint8) for i in range(200)]
del tensors[::2]
print(_C._memory_stats()['cached_bytes'])
del tensors
print(_C._memory_stats()['cached_bytes'])
print(_C._memory_stats()['blocks'])"""
    for kept in run(code, TALLOW_CACHE="8")[:2]:
        assert kept <= 8 * MEGABYTE + 2 * MEGABYTE  # and what the thread keeps of small blocks
    unlimited = run(code, TALLOW_CACHE="")
    assert unlimited[1] >= 36 * MEGABYTE
    assert run(code, TALLOW_CACHE="0")[:2] == [0, 0]


def test_a_network_s_step_keeps_what_one_step_needs():
    """Activations of many sizes, one after the other: what is kept stays near what was alive at once, and grows in no later step."""
    live, *sizes = run("""
x = torch.rand(4, 16, 120, 120)
layers = [torch.nn.Conv2d(16, c, 3, padding=1) for c in (16, 24, 40, 56, 72)]
for step in range(4):
    with torch.no_grad():
        for layer in layers:
            y = torch.relu(layer(x))
            z = y * 2 + y
            del y, z
    if step == 0: print(_C._memory_stats()['peak_bytes'])
    print(_C._memory_stats()['cached_bytes'])""", TALLOW_CACHE="")
    assert max(sizes) < sizes[0] + MEGABYTE  # but for small blocks, which each thread keeps some of
    assert sizes[0] < 1.5 * live


def test_the_tool_that_measures_models():
    tool = pathlib.Path(__file__).resolve().parents[2] / "bench/memory.py"
    done = subprocess.run([sys.executable, str(tool), "--run", "tallow", "models: MLP, a step with Adam", "--steps", "2"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    figures = json.loads(done.stdout)
    assert 5 * MEGABYTE < figures["loaded"] < figures["peak"] < 1000 * MEGABYTE
    refused = subprocess.run([sys.executable, str(tool), "no such model"], capture_output=True, text=True)
    assert refused.returncode == 1 and "no model matches 'no such model'; there are: models: " in refused.stderr
