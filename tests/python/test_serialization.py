"""torch.save and torch.load: the format, what is refused, broken files."""

import collections
import io
import os
import pickle
import struct
import time
import zipfile
import zlib

import pytest
import tallow as torch
from tallow import nn


def around(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    buffer.seek(0)
    return torch.load(buffer, **options)


def everything():
    x = torch.arange(20.0).view(4, 5)
    return {
        "x": x, "view": x[1:, ::2], "t": x.t(), "int": torch.arange(3), "bool": torch.tensor([True, False]),
        "half": torch.ones(2, dtype=torch.bfloat16), "complex": torch.ones(2, dtype=torch.complex64),
        "empty": torch.empty(0, 3), "scalar": torch.tensor(3.0), "leaf": torch.ones(2, requires_grad=True),
        "parameter": nn.Parameter(torch.ones(2)), "none": None, "list": [1, 2.5, "text", (1,), True, 10**20, b"bytes"],
        "ordered": collections.OrderedDict(a=1), "dtype": torch.float16, "size": torch.Size([1, 2]),
        "device": torch.device("cpu"), "set": {1, 2},
    }  # fmt: skip


def test_around():
    saved = everything()
    loaded = around(saved)
    assert list(loaded) == list(saved)
    for key, value in saved.items():
        assert repr(loaded[key]) == repr(value), key
        assert type(loaded[key]) is type(value), key
    assert loaded["view"].stride() == saved["view"].stride()
    assert loaded["x"].untyped_storage().data_ptr() == loaded["view"].untyped_storage().data_ptr()


def test_format(tmp_path):
    path = tmp_path / "state.pt"
    x = torch.arange(6.0)
    torch.save({"x": x, "y": x[2:], "z": torch.ones(1)}, path)
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        assert archive.testzip() is None
        names = [info.filename for info in archive.infolist()]
        root = names[0].split("/")[0]
        assert names == [f"{root}/{name}" for name in ("data.pkl", ".format_version", ".storage_alignment", "byteorder",
                                                       "data/0", "data/1", "version", ".data/serialization_id")]  # fmt: skip
        assert archive.read(f"{root}/version") == b"3\n" and archive.read(f"{root}/byteorder") == b"little"
        assert len(archive.read(f"{root}/data/0")) == 24
        pickled = archive.read(f"{root}/data.pkl")
        for info in archive.infolist():
            file.seek(info.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4))
            assert (info.header_offset + 30 + name + extra) % 64 == 0
    assert b"ctorch._utils\n_rebuild_tensor_v2\n" in pickled and b"ctorch\nFloatStorage\n" in pickled
    assert b"tallow" not in pickled


def test_same_contents_same_bytes():
    first, second = io.BytesIO(), io.BytesIO()
    torch.save({"x": torch.arange(3)}, first)
    torch.save({"x": torch.arange(3)}, second)
    assert first.getvalue() == second.getvalue()


def test_state_dict_keeps_metadata():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    state = around(model.state_dict())
    assert type(state) is collections.OrderedDict and state._metadata == model.state_dict()._metadata
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).load_state_dict(state)) == "<All keys matched successfully>"


class Stranger:
    pass


class Harmful:
    def __reduce__(self):
        return os.getenv, ("HOME",)


def test_weights_only_refuses():
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed") as failure:
        around(nn.Linear(1, 1))
    assert "torch.nn.modules.linear.Linear was not an allowed global by default" in str(failure.value)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        around(Harmful())
    loaded = around(nn.Linear(1, 1), weights_only=False)
    assert isinstance(loaded, nn.Linear) and loaded.in_features == 1
    with torch.serialization.safe_globals([Stranger]):
        assert isinstance(around(Stranger()), Stranger)


def test_no_step_of_a_pickle_reaches_what_is_not_listed():
    def attempt(stream):
        buffer = io.BytesIO()
        archive = torch.serialization._zip.Writer(buffer)
        archive.write("archive/data.pkl", stream)
        archive.write("archive/version", b"3\n")
        archive.close()
        buffer.seek(0)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(buffer)

    attempt(b"cos\nsystem\n(S'true'\ntR.")
    attempt(b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.")
    attempt(b"ctorch._utils\n_rebuild_tensor_v2\nN}(X\x0b\x00\x00\x00__globals__}u\x86b.")  # BUILD on a function
    attempt(b"ctorch\nload\n(X\x01\x00\x00\x00atR.")
    attempt(b"(X\x01\x00\x00\x00ai__main__\nX\n.")


def test_broken_files(tmp_path):
    good = tmp_path / "good.pt"
    torch.save({"x": torch.arange(100.0), "m": nn.Linear(3, 3).state_dict()}, good)
    data = good.read_bytes()
    bad = tmp_path / "bad.pt"
    for cut in (0, 3, 10, 300, len(data) // 2, len(data) - 10):
        bad.write_bytes(data[:cut])
        with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
            torch.load(bad)
    for place in range(0, len(data), 13):  # any byte may be wrong: an exception or other values, nothing worse
        changed = bytearray(data)
        changed[place] ^= 0x5A
        bad.write_bytes(changed)
        try:
            torch.load(bad)
        except Exception as error:
            assert not isinstance(error, (SystemError, MemoryError)), error


def test_nothing_half_written(tmp_path):
    path = tmp_path / "state.pt"
    torch.save({"x": 1}, path)

    class Fails:
        def __reduce__(self):
            raise ValueError("cannot be saved")

    with pytest.raises(ValueError, match="cannot be saved"):
        torch.save([torch.ones(3), Fails()], path)
    assert torch.load(path) == {"x": 1} and os.listdir(tmp_path) == ["state.pt"]
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist."):
        torch.save(1, tmp_path / "none" / "x.pt")
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "none.pt")


def test_map_location():
    buffer = io.BytesIO()
    torch.save(torch.arange(3), buffer)
    for where in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage):
        buffer.seek(0)
        assert torch.load(buffer, map_location=where).tolist() == [0, 1, 2]
    buffer.seek(0)
    assert torch.load(buffer, map_location="meta").is_meta


def test_pickle_and_the_older_stream():
    x = torch.arange(4.0)
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()
    buffer = io.BytesIO()
    torch.save([x, x[1:]], buffer, _use_new_zipfile_serialization=False)
    buffer.seek(0)
    a, b = torch.load(buffer)
    assert a.tolist() == x.tolist() and b.untyped_storage().data_ptr() == a.untyped_storage().data_ptr()


def test_pytorch_reads_ours_and_we_read_its(tmp_path):
    reference = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    saved = everything()
    torch.save(saved, path)
    theirs = reference.load(path)
    assert {k: repr(v) for k, v in theirs.items()} == {k: repr(v) for k, v in saved.items()}
    assert theirs["x"].untyped_storage().data_ptr() == theirs["view"].untyped_storage().data_ptr()
    for new in (True, False):
        reference.save(theirs, path, _use_new_zipfile_serialization=new)
        assert {k: repr(v) for k, v in torch.load(path).items()} == {k: repr(v) for k, v in saved.items()}
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    torch.save(model, path)
    assert repr(reference.load(path, weights_only=False)) == repr(model)


def test_checksums_are_those_of_zip():
    data = bytes(i * i % 251 for i in range(5000))
    for start in (0, 1, 7):
        for length in [*range(200), 1000, 4096, 4999]:
            part = data[start : start + length]
            assert torch._C._crc32(part) == zlib.crc32(part), (start, length)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_replaced_files_are_let_go(tmp_path):
    path = tmp_path / "large.pt"
    for value in (1.0, 2.0):
        torch.save(torch.full((2 << 20,), value), path)
    assert torch.load(path)[-1].item() == 2.0

    def target(name):
        try:
            return os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # closed since it was listed
            return ""

    def held():
        return [name for name in os.listdir("/proc/self/fd") if target(name).startswith(str(path))]

    until = time.monotonic() + 30
    while held() and time.monotonic() < until:
        time.sleep(0.01)
    assert not held() and os.listdir(tmp_path) == ["large.pt"]
