"""Writes the samples of every op for tests/c/replay.c, which calls them and prints a hash of what each gives. A process of its own per run, so
that TALLOW_NUM_THREADS and TALLOW_CPU apply, and a program that can be built for another processor."""

import struct

import tallow as torch
from samples import DEFAULT, DTYPES, samples, table

FORMATS = {torch.contiguous_format: 0, torch.preserve_format: 1, torch.channels_last: 2}
PACK = {torch.int64: "q", torch.int32: "i", torch.int16: "h", torch.int8: "b", torch.uint8: "B", torch.bool: "?"}
INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
NUMBERS = {name: i for i, name in enumerate("bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex32 complex64 complex128".split())}


def number_of(dtype):
    return NUMBERS[str(dtype).removeprefix("torch.")]


def raw(tensor):
    """The bytes of the elements, in row-major order."""
    flat = tensor.detach().contiguous().reshape(-1)
    if tensor.dtype.is_complex:
        flat = torch.view_as_real(flat).reshape(-1)
    if flat.is_floating_point():
        flat = flat.view(INTEGERS[flat.element_size()])
    return struct.pack(f"<{flat.numel()}{PACK[flat.dtype]}", *flat.tolist())


class Writer:
    """Collects the text of calls, and the data of their tensors, each content once."""

    def __init__(self):
        self.lines, self.data, self.offsets, self.size = [], [], {}, 0

    def tensor(self, t):
        if t.is_sparse:
            return f"S {int(t.is_coalesced())} {t.dim()} {' '.join(map(str, t.shape))} {self.tensor(t._indices())} {self.tensor(t._values())}"
        # What lies between strided elements is not written: the elements stand in a storage of the same strides.
        extent = 1 + sum((size - 1) * stride for size, stride in zip(t.shape, t.stride())) if t.numel() else 0
        bytes_ = raw(t)
        key = bytes_, t.dtype
        if key not in self.offsets:
            self.offsets[key] = self.size
            self.data.append(bytes_ + bytes(-len(bytes_) % 16))
            self.size += len(self.data[-1])
        sizes = [t.dim(), *t.shape, *t.stride()]
        return f"t {number_of(t.dtype)} {' '.join(map(str, sizes))} {extent} {self.offsets[key]}"

    def value(self, value, param):
        base = param.type.base
        if value is DEFAULT:
            return "z"
        if value is None or base in ("Generator", "Layout"):
            return "n"
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, (list, tuple)) and base == "Tensor":
            return f"T {len(value)} " + " ".join("n" if v is None else self.tensor(v) for v in value)
        if isinstance(value, (list, tuple)):
            floats = base in ("float", "Scalar")
            return f"{'D' if floats else 'I'} {len(value)} " + " ".join(float(v).hex() if floats else str(int(v)) for v in value)
        if isinstance(value, bool):
            return f"b {int(value)}"
        if isinstance(value, torch.dtype):
            return f"i {number_of(value)}"
        if isinstance(value, torch.memory_format):
            return f"i {FORMATS[value]}"
        if isinstance(value, str):
            return {"cpu": "i 0", "meta": "i 1"}[value] if base == "Device" else f"s {value}"
        if isinstance(value, complex):
            return f"c {value.real.hex()} {value.imag.hex()}"
        if base == "float":
            return f"d {float(value).hex()}"
        if param.type.is_list:
            return f"I {param.type.list_size or 1} " + " ".join([str(value)] * (param.type.list_size or 1))
        return f"i {value}" if isinstance(value, int) else f"d {value.hex()}"

    def add(self, op, dtype, number, values):
        texts = [self.value(v, p) for v, p in zip(values, op.params)]
        self.lines.append(f"{op.key} {str(dtype).removeprefix('torch.')}.{number} {len(texts)} {' '.join(' '.join(texts).split())}")

    def write(self, folder):
        (folder / "samples.txt").write_text("\n".join(self.lines) + "\n")
        (folder / "samples.bin").write_bytes(b"".join(self.data))


def write(folder):
    """samples.txt and samples.bin."""
    writer = Writer()
    for op in table():
        for dtype in DTYPES:
            for number, values in enumerate(samples(op, dtype)):
                writer.add(op, dtype, number, values)
    writer.write(folder)
    return writer
