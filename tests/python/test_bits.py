"""The same bits for any number of threads, for every instruction set of this machine that promises them (x86-64-v3 and up), and on 64-bit ARM:
of every sample of every op in seven dtypes, its gradients, and a training."""

import os
import pathlib
import platform
import subprocess
import sys

import machines
import pytest
import replay

PROGRAM = pathlib.Path(__file__).with_name("bits.py")
# Draws that PyTorch makes with the C library's log, sin and cos: its last bit is not ours to promise (see test_libm.py).
LAPACK = "needs LAPACK"  # a library of the machine's own, with bits of its own; here or there it may be absent
DRAWN_BY_LIBM = ("normal_", "normal.", "randn", "exponential_")


def flags():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    return cpuinfo.read_text().split() if cpuinfo.exists() else []


sets = [name for name, flag in (("avx512", "avx512f"), ("avx2", "avx2")) if flag in flags() and platform.machine() == "x86_64"]
on_x86 = pytest.mark.skipif(len(sets) < 2, reason="needs an x86-64 processor with AVX-512")


def differing(one, other):
    assert len(one) == len(other)
    return [f"{a} | {b.split(' ', 2)[2]}" for a, b in zip(one, other) if a != b]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("samples")
    replay.write(path)
    return path


@pytest.fixture(scope="module")
def machine():
    return machines.here()


@pytest.fixture(scope="module")
def lines(machine, folder):
    """What every sample gives here, with one thread."""
    return machine.run("replay", folder, TALLOW_NUM_THREADS="1")


def test_two_threads_give_the_bits_of_one(machine, folder, lines):
    assert not differing(lines, machine.run("replay", folder, TALLOW_NUM_THREADS="2"))
    assert machine.run("train", TALLOW_NUM_THREADS="2") == machine.run("train", TALLOW_NUM_THREADS="1")


def test_streamed_results_have_the_same_bits(machine, folder, lines):
    """As if every result were larger than the caches (core/cpu.h, Note [Streaming])."""
    assert not differing(lines, machine.run("replay", folder, TALLOW_STREAM="1", TALLOW_NUM_THREADS="2"))


@on_x86
def test_avx2_gives_the_bits_of_avx512(machine, folder, lines):
    for threads in ("1", "2"):
        assert not differing(lines, machine.run("replay", folder, TALLOW_CPU="avx2", TALLOW_NUM_THREADS=threads))
    assert machine.run("train", TALLOW_CPU="avx2") == machine.run("train", TALLOW_CPU="avx512")


@pytest.mark.skipif(not sets and platform.machine() == "x86_64", reason="the x86-64 baseline has no fused multiply-add, and other bits")
def test_arm_gives_the_same_bits(machine, folder, lines):
    arm = machines.arm()
    for threads in ("1", "2"):
        found = differing(lines, arm.run("replay", folder, TALLOW_NUM_THREADS=threads))
        found = [line for line in found if not line.startswith(DRAWN_BY_LIBM) and LAPACK not in line]
        assert not found
        assert arm.run("train", TALLOW_NUM_THREADS=threads) == machine.run("train")


def test_every_op_has_a_sample_that_works(lines):
    """An op without one is in none of these tests: its table entry needs `samples` (see samples.py)."""
    refused = {}
    for line in lines:
        key, _, rest = line.split(" ", 2)
        works = not rest.startswith("refused") or LAPACK in rest
        refused[key] = None if works or refused.get(key, "") is None else rest
    assert set(refused) == {op.key for op in replay.table()}
    assert not {key: text for key, text in refused.items() if text is not None}


def test_hashes_tell_samples_apart(lines):
    hashes = [line.split()[2] for line in lines if " refused" not in line]
    assert len(hashes) > 4000 and len(set(hashes)) > 0.5 * len(hashes)


def python_lines(**environment):
    run = subprocess.run([sys.executable, str(PROGRAM)], env={**os.environ, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_training_in_python_gives_the_same_bits():
    here = python_lines(TALLOW_NUM_THREADS="1")
    assert python_lines(TALLOW_NUM_THREADS="2") == here
    if len(sets) == 2:
        assert python_lines(TALLOW_CPU="avx2") == here
