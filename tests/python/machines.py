"""Builds and runs the C programs that print bits (tests/c/replay.c, tests/c/train.c), for this machine and, where Debian's cross compiler and
qemu-user are installed, for 64-bit ARM."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("TALLOW_BUILD", ROOT / "build"))
PROGRAMS = ("replay", "train")
CROSS_COMPILER, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"


def _ninja(folder):
    targets = [f"tests/c/{name}" for name in PROGRAMS]
    built = subprocess.run(["ninja", "-C", str(folder), *targets], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr


class Machine:
    """Runs a program: lines of its output."""

    def __init__(self, folder, prefix=(), **environment):
        self.folder, self.prefix, self.environment = folder, prefix, environment

    def run(self, program, *arguments, **environment):
        command = [*self.prefix, str(self.folder / "tests" / "c" / program), *map(str, arguments)]
        done = subprocess.run(command, env={**os.environ, **self.environment, **environment}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        return done.stdout.splitlines()


def here():
    """This machine; skips where there is no build folder."""
    if not (BUILD / "build.ninja").exists() or not shutil.which("ninja"):
        pytest.skip("needs a build folder and ninja: meson setup build")
    _ninja(BUILD)
    return Machine(BUILD)


def _sysroot():
    """Where the cross compiler's loader and C library are, for qemu."""
    loader = "ld-linux-aarch64.so.1"
    found = subprocess.run([CROSS_COMPILER, f"-print-file-name={loader}"], capture_output=True, text=True).stdout.strip()
    return None if found == loader else pathlib.Path(found).resolve().parents[1]


def arm():
    """64-bit ARM; skips where it cannot be built or run. The build folder is kept beside `build`."""
    missing = [name for name in (CROSS_COMPILER, QEMU, "meson", "ninja") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)")
    root = _sysroot()
    if root is None or not (root / "lib" / "libc.so.6").exists():
        pytest.skip("needs the C library for 64-bit ARM (Debian: libc6-dev-arm64-cross)")
    environment = {"QEMU_LD_PREFIX": str(root)}
    folder = BUILD.with_name("build-aarch64")
    if not (folder / "build.ninja").exists():
        setup = ["meson", "setup", str(folder), str(ROOT), "--cross-file", str(ROOT / "tests" / "cross" / "aarch64.ini"), "-Dextension=disabled"]
        done = subprocess.run(setup, env={**os.environ, **environment}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    _ninja(folder)
    return Machine(folder, (QEMU,), **environment)
