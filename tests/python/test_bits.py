"""The same bits under one and two threads and under every instruction set of this machine that promises them (x86-64-v3 and up)."""

import os
import pathlib
import platform
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).with_name("bits.py")


def lines(**environment):
    run = subprocess.run([sys.executable, str(PROGRAM)], env={**os.environ, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def flags():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    return cpuinfo.read_text().split() if cpuinfo.exists() else []


@pytest.fixture(scope="module")
def here():
    return lines(TALLOW_NUM_THREADS="1")


def test_two_threads_give_the_bits_of_one(here):
    assert lines(TALLOW_NUM_THREADS="2") == here


@pytest.mark.skipif(platform.machine() != "x86_64" or "avx512f" not in flags(), reason="needs a processor with AVX-512")
def test_avx2_gives_the_bits_of_avx512(here):
    assert lines(TALLOW_CPU="avx2", TALLOW_NUM_THREADS="1") == lines(TALLOW_CPU="avx512", TALLOW_NUM_THREADS="1") == here


def test_every_op_has_a_hash_of_its_own(here):
    assert len(here) > 100
    assert len({line.split()[-1] for line in here}) > 0.9 * len(here)
