"""Writes the inputs that fuzzing starts from: python tests/fuzz/make_corpus.py Files that are there are kept."""

import collections
import io
import pathlib
import struct
import zipfile

import tallow as torch

CORPUS = pathlib.Path(__file__).parent / "corpus"


def objects():
    x = torch.arange(6.0)
    yield "state", collections.OrderedDict([("weight", x.view(2, 3)), ("bias", x[1:3])])
    yield "nested", {"model": {"w": x, 3: torch.ones(2, dtype=torch.int64)}, "epoch": 7, "lr": 0.5, "on": True, "none": None}
    yield "kinds", {
        "half": torch.ones(2, dtype=torch.bfloat16), "wide": torch.ones(2, dtype=torch.float64), "flags": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.ones(1)), "size": torch.Size([1, 2]), "big": 2**40, "negative": -3,
        "complex": torch.ones(1, dtype=torch.complex64).conj(), "list": [1, "a", (2,)], "unsigned": torch.ones(1, dtype=torch.uint16),
    }  # fmt: skip
    yield "views", {"t": x.view(2, 3).t(), "expanded": torch.ones(1).expand(4), "empty": torch.empty(0, 3), "scalar": torch.tensor(1.0)}
    yield "others", {"set": {1, 2}, "bytes": b"abc", "dtype": torch.float16, "device": torch.device("cpu"), "text": "é"}


def put(path, data):
    if not path.exists():
        path.write_bytes(data)


def main():
    for folder in ("pt", "pickle", "idx", "npy", "legacy"):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for name, obj in objects():
        for protocol in (2, 4):
            buffer = io.BytesIO()
            torch.save(obj, buffer, pickle_protocol=protocol)
            if protocol == 2:
                put(CORPUS / "pt" / name, buffer.getvalue())
            archive = zipfile.ZipFile(buffer)
            put(CORPUS / "pickle" / f"{name}{protocol}", archive.read("archive/data.pkl"))
        buffer = io.BytesIO()
        torch.save(obj, buffer, _use_new_zipfile_serialization=False)
        put(CORPUS / "legacy" / name, buffer.getvalue())
    for code, size in ((8, 1), (9, 1), (11, 2), (12, 4), (13, 4), (14, 8)):
        header = struct.pack(">BBBB", 0, 0, code, 2) + struct.pack(">II", 2, 3)
        put(CORPUS / "idx" / f"type{code}", header + bytes(range(6 * size)))
    for name, descr, order, shape, size in (
        ("plain", "'<f4'", "False", "(2, 3)", 24), ("fortran", "'>i2'", "True", "(2, 3)", 12), ("scalar", "'|u1'", "False", "()", 1),
        ("empty", "'<c16'", "False", "(0, 5)", 0), ("records", "[('a', '<f4')]", "False", "(1,)", 4), ("flags", "'|b1'", "False", "(3,)", 3),
    ):  # fmt: skip
        header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
        version = (b"\1\0" + struct.pack("<H", len(header))) if name != "flags" else b"\2\0" + struct.pack("<I", len(header))
        put(CORPUS / "npy" / name, b"\x93NUMPY" + version + header + bytes(range(size)))
    put(CORPUS / "idx" / "scalar", bytes([0, 0, 8, 0, 5]))


if __name__ == "__main__":
    main()
