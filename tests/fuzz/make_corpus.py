"""Writes the inputs that fuzzing starts from: python tests/fuzz/make_corpus.py (any of them may also be a fuzzer's find: they are kept)."""

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


def main():
    for folder in ("pt", "pickle", "idx", "legacy"):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for name, obj in objects():
        for protocol in (2, 4):
            buffer = io.BytesIO()
            torch.save(obj, buffer, pickle_protocol=protocol)
            if protocol == 2:
                (CORPUS / "pt" / name).write_bytes(buffer.getvalue())
            archive = zipfile.ZipFile(buffer)
            (CORPUS / "pickle" / f"{name}{protocol}").write_bytes(archive.read("archive/data.pkl"))
        buffer = io.BytesIO()
        torch.save(obj, buffer, _use_new_zipfile_serialization=False)
        (CORPUS / "legacy" / name).write_bytes(buffer.getvalue())
    for code, size in ((8, 1), (9, 1), (11, 2), (12, 4), (13, 4), (14, 8)):
        header = struct.pack(">BBBB", 0, 0, code, 2) + struct.pack(">II", 2, 3)
        (CORPUS / "idx" / f"type{code}").write_bytes(header + bytes(range(6 * size)))
    (CORPUS / "idx" / "scalar").write_bytes(bytes([0, 0, 8, 0, 5]))


if __name__ == "__main__":
    main()
