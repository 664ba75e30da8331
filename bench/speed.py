"""A short benchmark of every engine: tallow beside PyTorch where that is installed, in one run and in turns.

    python bench/speed.py [REGEX] [--rounds N] [--out FOLDER] [--record]

Writes FOLDER/speed.md (a table) and FOLDER/speed.png (ratios as bars), and says which ratios fell by more than a fifth below those of
bench/recorded.json, which --record replaces. Times of different runs are not compared: machines are noisy, so a regression is a hint
and the exit status stays 0. Each side is a process of its own, as two thread pools in one get in each other's way."""

import argparse
import importlib.util
import json
import math
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
RECORDED = HERE / "recorded.json"
FALL = 0.8  # of a recorded ratio: below it is worth a look
LEAST = 0.02  # seconds of one measurement


# --- what is measured: name → function of the module that prepares the work and returns one step of it ---


def on(*shapes, **kinds):
    """Tensors of the given shapes; dtype= and channels_last= hold for all."""

    def prepare(torch):
        made = [torch.rand(*shape) for shape in shapes]
        if "dtype" in kinds:
            made = [t.to(getattr(torch, kinds["dtype"])) for t in made]
        if kinds.get("channels_last"):
            made = [t.to(memory_format=torch.channels_last) if t.dim() == 4 else t for t in made]
        return made

    return prepare


def step(prepare, work):
    def setup(torch):
        tensors = prepare(torch)
        return lambda: work(torch, *tensors)

    return setup


def with_gradient(prepare, work):
    def setup(torch):
        tensors = [t.requires_grad_() for t in prepare(torch)]

        def run():
            for t in tensors:
                t.grad = None
            work(torch, *tensors).sum().backward()

        return run

    return setup


def training(build, make, optimizer, loss):
    def setup(torch):
        torch.manual_seed(0)
        model = build(torch.nn)
        x, y = make(torch)
        steps = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)
        criterion = getattr(torch.nn, loss)()

        def run():
            steps.zero_grad()
            criterion(model(x), y).backward()
            steps.step()

        return run

    return setup


def mlp(nn):
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))


def convnet(nn):
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 49, 10))  # fmt: skip


def pictures(torch):
    return torch.rand(64, 1, 28, 28), torch.arange(64) % 10


SMALL, MILLION = on((4,), (4,)), on((1 << 20,), (1 << 20,))
WORKLOADS = {
    "overhead: add, 4 elements": step(SMALL, lambda torch, a, b: a + b),
    "overhead: x[1:3]": step(SMALL, lambda torch, a, b: a[1:3]),
    "overhead: chain of 20 ops and backward": with_gradient(on((4,)), lambda torch, a: sum((a * 1.5 for _ in range(10)), a)),
    "elementwise: add 1M": step(MILLION, lambda torch, a, b: a + b),
    "elementwise: exp 1M": step(MILLION, lambda torch, a, b: a.exp()),
    "elementwise: add transposed 1024x1024": step(on((1024, 1024), (1024, 1024)), lambda torch, a, b: a + b.t()),
    "elementwise: gelu and backward 1M": with_gradient(on((1 << 20,)), lambda torch, a: torch.nn.functional.gelu(a)),
    "elementwise: bfloat16 mul 1M": step(on((1 << 20,), (1 << 20,), dtype="bfloat16"), lambda torch, a, b: a * b),
    "elementwise: softmax 1024x1000": step(on((1024, 1000)), lambda torch, a: a.softmax(1)),
    "elementwise: layer_norm 4096x768": step(on((4096, 768)), lambda torch, a: torch.nn.functional.layer_norm(a, (768,))),
    "reduce: sum 2048x2048": step(on((2048, 2048)), lambda torch, a: a.sum()),
    "reduce: max over rows 2048x2048": step(on((2048, 2048)), lambda torch, a: a.max(1)),
    "reduce: sum over columns 2048x2048": step(on((2048, 2048)), lambda torch, a: a.sum(0)),
    "reduce: sort 1M": step(on((1 << 20,)), lambda torch, a: a.sort()),
    "reduce: masked select 1M": step(on((1 << 20,)), lambda torch, a: a[a > 0.5]),
    "reduce: embedding 4096 of 32000x256": step(
        lambda torch: [torch.rand(32000, 256), torch.arange(4096) * 7 % 32000], lambda torch, w, i: torch.nn.functional.embedding(i, w)
    ),
    "linalg: mm 512": step(on((512, 512), (512, 512)), lambda torch, a, b: a @ b),
    "linalg: mm 512 bfloat16": step(on((512, 512), (512, 512), dtype="bfloat16"), lambda torch, a, b: a @ b),
    "linalg: bmm 64 of 64": step(on((64, 64, 64), (64, 64, 64)), lambda torch, a, b: a @ b),
    "linalg: matrix times vector 2048": step(on((2048, 2048), (2048,)), lambda torch, a, b: a @ b),
    "conv: 3x3 64 to 64, 8x28x28": step(
        on((8, 64, 28, 28), (64, 64, 3, 3)), lambda torch, x, w: torch.nn.functional.conv2d(x, w, padding=1)
    ),
    "conv: 3x3 channels last": step(
        on((8, 64, 28, 28), (64, 64, 3, 3), channels_last=True), lambda torch, x, w: torch.nn.functional.conv2d(x, w, padding=1)
    ),
    "conv: 3x3 forward and backward": with_gradient(
        on((8, 64, 28, 28), (64, 64, 3, 3)), lambda torch, x, w: torch.nn.functional.conv2d(x, w, padding=1)
    ),
    "conv: max_pool2d 2, 8x64x56x56": step(on((8, 64, 56, 56)), lambda torch, x: torch.nn.functional.max_pool2d(x, 2)),
    "models: attention 8x8x128x64": step(
        on(*[(8, 8, 128, 64)] * 3), lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v)
    ),
    "models: MLP, a step with Adam": training(
        mlp, lambda torch: (torch.rand(64, 784), torch.arange(64) % 10), "Adam", "CrossEntropyLoss"
    ),
    "models: small CNN, a step with SGD": training(convnet, pictures, "SGD", "CrossEntropyLoss"),
    "models: LSTM 64 to 128, length 32, forward": step(
        lambda torch: [torch.nn.LSTM(64, 128), torch.rand(32, 16, 64)], lambda torch, lstm, x: lstm(x)[0]
    ),
}


# --- measuring ---


def serve(module):
    """Reads names of workloads, a line each; answers with the seconds of a step, the least of two measurements."""
    torch = importlib.import_module(module)
    ready = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            torch.manual_seed(0)
            run = WORKLOADS[name](torch)
            started, count = time.perf_counter(), 0
            while time.perf_counter() - started < LEAST:
                run()
                count += 1
            ready = {name: (run, max(1, count))}  # the last one's memory is given back
        run, count = ready[name]
        best = math.inf
        for _ in range(2):
            started = time.perf_counter()
            for _ in range(count):
                run()
            best = min(best, (time.perf_counter() - started) / count)
        print(repr(best), flush=True)


class Side:
    def __init__(self, module):
        self.module = module
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.module} ended while measuring {name!r} (exit status {self.process.wait()}; its message is above)")
        return float(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def duration(seconds):
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def measure(names, modules, rounds):
    """[(name, {module: seconds})], printed as they come."""
    sides = [Side(module) for module in modules]
    rows = []
    try:
        for name in names:
            found = {side.module: [] for side in sides}
            for _ in range(rounds):
                for side in sides:
                    found[side.module].append(side.seconds(name))
            row = {module: min(times) for module, times in found.items()}
            rows.append((name, row))
            ratio = f"{row['torch'] / row['tallow']:8.2f}" if "torch" in row else ""
            print(f"{name:48} " + "  ".join(f"{duration(s):>10}" for s in row.values()) + ratio, flush=True)
    finally:
        for side in sides:
            side.close()
    return rows


# --- what is made of it ---


def table(rows):
    compared = "torch" in rows[0][1]
    lines = ["| workload | tallow | PyTorch | PyTorch / tallow |", "|---|---|---|---|"] if compared else ["| workload | tallow |", "|---|---|"]
    for name, row in rows:
        cells = [name, *map(duration, row.values())] + ([f"{row['torch'] / row['tallow']:.2f}"] if compared else [])
        lines.append("| " + " | ".join(cells) + " |")
    where = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    return "\n".join(["# Speed", "", f"The least time of a step on {where}.", "", *lines, ""])


def plot(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name, _ in rows][::-1]
    compared = "torch" in rows[0][1]
    values = [(row["torch"] if compared else 1e6 * row["tallow"]) / (row["tallow"] if compared else 1) for _, row in rows][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.3 * len(names) + 1.5), layout="constrained")
    axes.barh(names, values, color=["tab:red" if compared and v < 1 else "tab:blue" for v in values])
    axes.set_xscale("log")
    axes.set_xlabel("PyTorch's time / tallow's time: above 1, tallow is faster" if compared else "microseconds a step")
    if compared:
        axes.axvline(1, color="black", linewidth=1)
    figure.savefig(path, dpi=120)


def regressions(rows, recorded):
    found = []
    for name, row in rows:
        if "torch" in row and name in recorded and row["torch"] / row["tallow"] < FALL * recorded[name]:
            found.append(f"{name}: {row['torch'] / row['tallow']:.2f}, recorded {recorded[name]:.2f}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="?", default="", help="regular expression on the workloads' names")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out"), help="folder of the table and the plot")
    parser.add_argument("--record", action="store_true", help="keep this run's ratios as what later runs are compared with")
    parser.add_argument("--serve", metavar="MODULE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    names = [name for name in WORKLOADS if re.search(options.only, name)]
    if not names:
        return f"no workload matches {options.only!r}; there are: {', '.join(WORKLOADS)}"
    modules = ["tallow"] + (["torch"] if importlib.util.find_spec("torch") else [])
    if len(modules) == 1:
        print("PyTorch is not installed here, so there is nothing to compare with: pip install torch==2.13.0 for ratios")
    rows = measure(names, modules, options.rounds)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "speed.md").write_text(table(rows))
    plot(rows, options.out / "speed.png")
    print(f"\nwritten: {options.out / 'speed.md'}, {options.out / 'speed.png'}")
    if len(modules) == 1:
        return None
    ratios = {name: round(row["torch"] / row["tallow"], 2) for name, row in rows}
    print(f"geometric mean of PyTorch's time / tallow's time: {geometric_mean(list(ratios.values())):.2f}")
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for line in regressions(rows, recorded):
        print(f"slower than recorded: {line}")
    if options.record:
        RECORDED.write_text(json.dumps({**recorded, **ratios}, indent=1) + "\n")
    return None


if __name__ == "__main__":
    sys.exit(main())
