"""The memory of whole models: tallow beside PyTorch where that is installed, each model in a process of its own, five steps.

    python bench/memory.py [REGEX] [--steps N] [--suite FOLDER] [--out FILE]

Two figures each, in MB: the peak of the process, and by how much it is above what the process held once the library was loaded. The models are
those of bench/speed.py; with --suite those of a folder with a package `workloads`, whose load() gives them by id, each with
prepare(module) → (step, check). NumPy and the random numbers of the inputs count for both sides."""

import argparse
import importlib
import importlib.util
import json
import pathlib
import re
import resource
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
MEGABYTE = 1e6


def status(field):
    """Bytes from /proc/self/status; None where there is none."""
    try:
        text = pathlib.Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(re.search(rf"^{field}:\s*(\d+)", text, re.M)[1]) * 1024


def peak():
    """The most this process ever held. Not ru_maxrss where the system tells better: a new process starts with its parent's."""
    held = status("VmHWM")
    return held if held is not None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def models(suite):
    """{name: function of the module that gives a step}"""
    if suite is None:
        sys.path.insert(0, str(HERE))
        import speed

        return {name: setup for name, setup in speed.WORKLOADS.items() if name.startswith("models: ")}
    sys.path.insert(0, suite)
    import workloads

    return {id: lambda torch, w=workload: w.prepare(torch)[0] for id, workload in workloads.load().items() if workload.group == "models"}


def run(module, name, steps, suite):
    """What one process measures: prints the bytes after the import and at the peak."""
    import numpy  # noqa: F401  (part of what both start from)

    setup = models(suite)[name]
    torch = importlib.import_module(module)
    loaded = status("VmRSS") or peak()
    step = setup(torch)
    for _ in range(steps):
        step()
    print(json.dumps({"loaded": loaded, "peak": peak()}))


def measure(module, name, options):
    command = [sys.executable, __file__, "--run", module, name, "--steps", str(options.steps)]
    if options.suite:
        command += ["--suite", options.suite]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} ended while measuring {name!r} (exit status {done.returncode}; its message is above)")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="?", default="", help="regular expression on the models' names")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--suite", metavar="FOLDER", help="another suite of models")
    parser.add_argument("--out", type=pathlib.Path, help="write the table to this file as well")
    parser.add_argument("--run", nargs=2, metavar=("MODULE", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(*options.run, options.steps, options.suite)
    names = [name for name in models(options.suite) if re.search(options.only, name)]
    if not names:
        return f"no model matches {options.only!r}; there are: {', '.join(models(options.suite))}"
    modules = ["tallow"] + (["torch"] if importlib.util.find_spec("torch") else [])
    titles = ["model"] + [f"{module}, {what}" for what in ("peak", "growth") for module in modules]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    print("\n".join(lines), flush=True)
    for name in names:
        found = [measure(module, name, options) for module in modules]
        values = [one["peak"] for one in found] + [one["peak"] - one["loaded"] for one in found]
        lines.append("| " + " | ".join([name, *(f"{value / MEGABYTE:.0f}" for value in values)]) + " |")
        print(lines[-1], flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n")
    return None


if __name__ == "__main__":
    sys.exit(main())
