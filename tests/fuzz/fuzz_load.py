"""Fuzzes torch.load(weights_only=True) with changed copies of the corpus:

    python tests/fuzz/fuzz_load.py [--seconds 60] [--seed 0] [--finds FOLDER]

A find is an input that kills the process, takes more than five seconds or a gigabyte and a half, or raises what no bad file should raise.
Each one is kept in the folder and named; exit status 1 says that there are some."""

import argparse
import io
import mmap
import os
import pathlib
import pickle
import random
import resource
import signal
import sys
import time
import traceback

import tallow as torch
from tallow import _zip

CORPUS = pathlib.Path(__file__).parent / "corpus"
CLEAR = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError)
BATCH, ROOM, SECONDS, BYTES = 2000, 1 << 20, 5, 3 << 29
WORDS = [
    b"(", b")", b"t", b"\x85", b"\x86", b"\x87", b"]", b"}", b"\x8f", b"a", b"e", b"s", b"u", b"\x90", b"\x91", b"R", b"\x81", b"b", b"Q", b"0",
    b"1", b"2", b"N", b"K\x00", b"K\xff", b"q\x00", b"h\x00", b"q\x01", b"h\x01", b"\x94", b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
    b"\x8a\x08" + b"\xff" * 8, b"\x8a\x06\x00\x00\x00\x00\x00\x01", b"X\x07\x00\x00\x00storage", b"X\x01\x00\x00\x000", b"X\x03\x00\x00\x00cpu",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_tensor_v3\n", b"ctorch._utils\n_rebuild_parameter_with_state\n",
    b"ctorch._tensor\n_rebuild_from_type_v2\n", b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n", b"ccollections\nOrderedDict\n",
    b"ccollections\nCounter\n", b"cbuiltins\nset\n", b"cbuiltins\nbytearray\n", b"cbuiltins\nslice\n", b"cbuiltins\ncomplex\n", b"ctorch\nTensor\n",
    b"ctorch\nSize\n", b"ctorch\ndevice\n", b"ctorch.nn.parameter\nParameter\n", b"ctorch\nFloatStorage\n", b"ctorch.storage\nUntypedStorage\n",
    b"c_codecs\nencode\n", b"X\x06\x00\x00\x00latin1", b"ctorch\nfloat32\n", b"ctorch\nint64\n", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00",
]  # fmt: skip


def mutated(data, others, chance):
    """A changed copy."""
    data = bytearray(data)
    for _ in range(1 + chance.randrange(4)):
        kind, at = chance.randrange(8), chance.randrange(len(data) + 1)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            del data[at : at + chance.randrange(1, 9)]
        elif kind in (3, 4):
            data[at:at] = chance.choice(WORDS)
        elif kind == 5:
            word = chance.choice(WORDS)
            data[at : at + len(word)] = word
        elif kind == 6:
            other = chance.choice(others)
            start = chance.randrange(len(other))
            data[at:at] = other[start : start + chance.randrange(1, 40)]
        else:
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.randrange(1, 60)] * chance.choice((1, 1, 2, 200))
    return bytes(data[:ROOM])


def archived(pickled):
    buffer = io.BytesIO()
    writer = _zip.Writer(buffer)
    for name, content in (("data.pkl", pickled), ("data/0", bytes(range(64))), ("data/1", bytes(16)), ("data/2", b"")):
        writer.write(f"archive/{name}", content)
    writer.close()
    return buffer.getvalue()


def attempt(kind, data):
    """None, or what is wrong."""
    begun = time.monotonic()
    try:
        torch.load(io.BytesIO(archived(data) if kind == "pickle" else data))
    except CLEAR:
        pass
    except BaseException:
        return traceback.format_exc()
    return "slow" if time.monotonic() - begun > SECONDS else None


def worker(seed, corpus, current):
    """Runs a batch; the input at work is in `current`, for the parent to find if the process dies."""
    chance = random.Random(seed)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for _ in range(BATCH):
        kind = chance.choice(list(corpus))
        data = mutated(chance.choice(corpus[kind]), corpus[kind], chance)
        current.seek(0)
        current.write(len(data).to_bytes(4, "little") + kind.encode().ljust(8) + data)
        signal.alarm(4 * SECONDS)
        wrong = attempt(kind, data)
        if wrong:
            sys.stderr.write(wrong + "\n")
            os._exit(3)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finds", default="finds")
    options = parser.parse_args()
    corpus = {kind: [path.read_bytes() for path in sorted((CORPUS / kind).iterdir())] for kind in ("pickle", "legacy", "pt")}
    current = mmap.mmap(-1, ROOM + 12)
    torch.load(io.BytesIO(archived(b"\x80\x02N.")))  # imports happen once, here
    end, seed, finds = time.monotonic() + options.seconds, options.seed, 0
    while time.monotonic() < end:
        child = os.fork()
        if child == 0:
            worker(seed, corpus, current)
        status = os.waitpid(child, 0)[1]
        if status != 0:
            finds += 1
            size, kind = int.from_bytes(current[:4], "little"), current[4:12].decode().strip()
            os.makedirs(options.finds, exist_ok=True)
            path = os.path.join(options.finds, f"{kind}-{seed}")
            with open(path, "wb") as file:
                file.write(current[12 : 12 + size])
            print(f"{path}: {'signal ' + str(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else 'wrong exception'}", flush=True)
        seed += 1
    print(f"{(seed - options.seed) * BATCH} inputs, {finds} finds")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
