"""Files that are hostile, damaged or written while the process dies; options of torch.load."""

import collections
import io
import os
import pathlib
import pickle
import random
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import pytest
import tallow as torch
from tallow import nn

CORPUS = pathlib.Path(__file__).parents[1] / "fuzz" / "corpus"
PACKAGES = str(pathlib.Path(torch.__file__).parents[1])
CLEAR = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError)  # what a bad file may raise


def archive(pickled, storages=(), names=None, crc=None):
    """A checkpoint with this data.pkl; crc stands for the checksums if given."""
    buffer = io.BytesIO()
    writer = torch.serialization._zip.Writer(buffer, checksums=crc is None)
    writer.write("archive/data.pkl", pickled)
    for i, storage in enumerate(storages):
        writer.write(f"archive/data/{names[i] if names else i}", storage)
    writer.write("archive/version", b"3\n")
    writer.close()
    buffer.seek(0)
    return buffer


def text(word):
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def integer(value):
    encoded = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + encoded


def tensor(sizes, strides, offset=0, key="0", count=4, storage="FloatStorage", function="_rebuild_tensor_v2"):
    """The pickle of a tensor, told to be anything."""
    kind = b"ctorch\n" + storage.encode() + b"\n"
    persistent = b"(" + text("storage") + kind + text(key) + text("cpu") + integer(count) + b"tQ"
    numbers = [b"(" + b"".join(map(integer, values)) + b"t" for values in (sizes, strides)]
    empty = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n" + function.encode() + b"\n(" + persistent + integer(offset) + b"".join(numbers) + b"\x89" + empty + b"tR"


PROTOCOL = b"\x80\x02"
SIXTEEN = struct.pack("<4f", 1, 2, 3, 4)


# --- hostile files --------------------------------------------------------------------------------------------------


def test_a_tensor_as_it_should_be():
    loaded = torch.load(archive(PROTOCOL + tensor([2, 2], [2, 1]) + b".", [SIXTEEN]))
    assert loaded.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("sizes, strides, offset", [
    ([5], [1], 0), ([4], [1], 1), ([2, 2], [3, 1], 0), ([1], [1], -1), ([2], [-1], 1), ([1], [1], 2**62), ([2**40, 2**40], [2**40, 1], 0),
    ([2**62], [4], 0), ([-1], [1], 0), ([2], [2**62], 0), ([2], [1, 1], 0), ([2**63], [1], 0), ([1] * 129, [1] * 129, 0),
])  # fmt: skip
@pytest.mark.parametrize("weights_only", [True, False])
def test_a_tensor_beyond_its_storage_is_refused(sizes, strides, offset, weights_only):
    file = archive(PROTOCOL + tensor(sizes, strides, offset) + b".", [SIXTEEN])
    with pytest.raises((RuntimeError, pickle.UnpicklingError, OverflowError)) as failure:
        torch.load(file, weights_only=weights_only)
    assert "returned NULL" not in str(failure.value)


def test_set_checks_its_bounds_too():
    for sizes, strides, offset in [((1,), (1,), -1), ((2,), (-1,), 1), ((1,), (1,), 2**62), ((2**40, 2**40), (2**40, 1), 0)]:
        with pytest.raises(RuntimeError):
            torch.empty(0).set_(torch.arange(4.0).untyped_storage(), offset, sizes, strides)


@pytest.mark.parametrize("count, key", [(5, "0"), (-1, "0"), (2**62, "0"), (4, "1"), (4, "../data.pkl")])
def test_a_storage_that_is_not_there_is_refused(count, key):
    with pytest.raises(CLEAR):
        torch.load(archive(PROTOCOL + tensor([1], [1], key=key, count=count) + b".", [SIXTEEN]))


def refused(pickled, match, storages=()):
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed") as failure:
        torch.load(archive(PROTOCOL + pickled, storages))
    assert match in str(failure.value) and len(str(failure.value)) < 5000
    return str(failure.value)


def test_wild_pickles_are_refused():
    refused(b"cos\nsystem\n(" + text("true") + b"tR.", "module os is blocked")
    refused(b"cbuiltins\neval\n(" + text("1") + b"tR.", "GLOBAL eval was not an allowed global by default")
    refused(b"c__builtin__\nexec\n(" + text("1") + b"tR.", "GLOBAL exec was not an allowed global by default")
    refused(b"ctorch\nload\n(" + text("x") + b"tR.", "torch.load was not an allowed global by default")
    refused(b"]R.", "corrupt pickle: IndexError")
    refused(b"N.".replace(b"N", b"h\x07"), "corrupt pickle: KeyError")
    refused(b"]" + text("x") + b"]s.", "Can only SETITEM for dict")
    refused(b"}Na.", "Can only append to lists")
    refused(b"}(Ne.", "Can only extend lists")
    refused(b"N}b.", "Can only build Tensor")
    refused(b"N)\x81.", "Can only create new object for nn.Parameter or classes allowlisted")
    refused(b"N)R.", "Trying to call reduce for unrecognized function")
    refused(text("storage") + b"Q.", "persistent_load id must be tuple or int")
    refused(b"(" + text("module") + b"tQ.", "Only persistent_load of storage is allowed")
    refused(b"(i__main__\nX\n.", "Unsupported operand 105")
    refused(b"ctorch.nn.parameter\nParameter\n(K\x05tR.", "a Parameter of")
    refused(b"cbuiltins\nbytearray\n(" + integer(10**15) + b"tR.", "bytearray of")
    refused(b"ctorch\nTensor\n(" + integer(10**15) + b"tR.", "unrecognized function")
    refused(b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nbytearray\nctorch\nTensor\n(" + integer(10**15) + b"t}tR.",
            "unrecognized function")  # fmt: skip


def test_lengths_beyond_the_file_are_refused():
    for code in (b"X\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 8, b"B\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 8, b"\x96" + b"\xff" * 7 + b"\x7f",
                 b"\x8b\xff\xff\xff\x7f", b"T\xff\xff\xff\xff"):  # fmt: skip
        with pytest.raises((EOFError, pickle.UnpicklingError)):
            torch.load(archive(PROTOCOL + code + b"."))


def test_deep_nesting_neither_crashes_nor_hangs():
    deep = b"(" * 200000 + b"t" * 200000
    with pytest.raises(pickle.UnpicklingError, match="nested too deeply"):
        torch.load(archive(PROTOCOL + b"}" + deep + b"Ns."))
    with pytest.raises(pickle.UnpicklingError, match="nested too deeply"):
        torch.load(archive(PROTOCOL + b"\x8f(" + deep + b"\x90."))
    refused(deep + b"}b.", "Can only build")
    refused(deep + b")R.", "unrecognized function")
    doubled = b")" + b"q\x00h\x00\x86" * 60  # hashing would visit it 2^60 times
    with pytest.raises(pickle.UnpicklingError, match="nested too deeply"):
        torch.load(archive(PROTOCOL + b"}" + doubled + b"Ns."))
    refused(doubled + b")R.", "unrecognized function")  # nor is it shown
    lists = b"]" + b"q\x00]h\x00ah\x00a" * 60
    refused(lists + b")R.", "unrecognized function")
    assert torch.load(archive(PROTOCOL + deep + b"."))[0][0]  # values may nest


def zip_of(entries):
    """A zip of (name, data, where its local header is claimed to be or None, claimed size or None)."""
    body, directory = b"", b""
    for name, data, header, size in entries:
        name, size = name.encode(), len(data) if size is None else size
        about = struct.pack("<HHHHIIIHH", 0, 0, 0, 0, zlib.crc32(data), size, size, len(name), 0)
        place = len(body) if header is None else header
        if header is None:
            body += b"PK\3\4" + struct.pack("<H", 20) + about + name + data
        directory += b"PK\1\2" + struct.pack("<HH", 20, 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, place) + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return io.BytesIO(body + directory + end)


def test_zip_bombs_are_refused():
    good = PROTOCOL + b"K\x01."
    assert torch.load(zip_of([("a/data.pkl", good, None, None)])) == 1
    block = bytes(1000)
    overlapping = zip_of([("a/data.pkl", good, None, None), ("a/data/0", block, None, None)] + [(f"a/data/{i}", block, 40, None) for i in range(1, 300)])
    with pytest.raises(RuntimeError, match="entries overlap"):
        torch.load(overlapping)
    with pytest.raises(RuntimeError, match="two entries are called a/data.pkl"):
        torch.load(zip_of([("a/data.pkl", good, None, None), ("a/data.pkl", good, None, None)]))
    for size in (2**31, 2**32 - 2):
        with pytest.raises(RuntimeError, match="PytorchStreamReader failed"):
            torch.load(zip_of([("a/data.pkl", good, None, size)]))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", good + bytes(10**6))
    packed.seek(0)
    with pytest.raises(RuntimeError, match="compressed entries are not supported"):
        torch.load(packed)


def test_legacy_streams_do_not_ask_for_more_than_they_hold():
    buffer = io.BytesIO()
    torch.save(torch.arange(4.0), buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    assert torch.load(io.BytesIO(data)).tolist() == [0, 1, 2, 3]
    place = data.index(b"K\x04", data.index(b"cpu"))
    hostile = data[:place] + integer(10**12) + data[place + 2 :]
    with pytest.raises(RuntimeError, match="more bytes. The file might be corrupted"):
        torch.load(io.BytesIO(hostile))
    for cut in range(len(data)):
        with pytest.raises(CLEAR):
            torch.load(io.BytesIO(data[:cut]))


def test_every_bit_of_a_checkpoint_matters():
    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3.0), "n": 1}, buffer)
    data = buffer.getvalue()
    unnoticed = 0
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        try:
            loaded = torch.load(io.BytesIO(changed))
        except CLEAR:
            continue
        assert loaded["x"].tolist() == [0, 1, 2] and loaded["n"] == 1  # padding, dates
        unnoticed += 1
    assert unnoticed < len(data) / 3


@pytest.mark.parametrize("path", sorted(CORPUS.glob("p*/*")) + sorted(CORPUS.glob("legacy/*")), ids=lambda p: f"{p.parent.name}-{p.name}")
def test_fuzzed_inputs(path):
    data = path.read_bytes()
    file = archive(data, [bytes(range(64)), bytes(16), b""]) if path.parent.name == "pickle" else io.BytesIO(data)
    try:
        torch.load(file)
    except CLEAR as error:
        assert str(error)


# --- dying while saving ---------------------------------------------------------------------------------------------

SAVER = """
import sys, tallow as torch
path, turn = sys.argv[1], int(sys.argv[2])
while True:
    torch.save({"turn": turn, "x": torch.full((40000,), float(turn)), "y": torch.full((3, 5), turn)}, path)
    turn += 1
    print(turn, flush=True)
"""


def test_a_killed_process_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "state.pt"
    chance = random.Random(0)
    turn = 1
    for _ in range(int(os.environ.get("TALLOW_KILLS", "20"))):
        command = [sys.executable, "-c", SAVER, str(path), str(turn)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=PACKAGES)) as process:
            process.stdout.readline()
            time.sleep(chance.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().split()
        loaded = torch.load(path)
        assert loaded["turn"] >= (int(said[-2]) if len(said) > 1 else turn)  # what was said to be saved is there
        assert loaded["x"].tolist() == [float(loaded["turn"])] * 40000 and loaded["y"].tolist() == [[loaded["turn"]] * 5] * 3
        turn = loaded["turn"] + 1
    torch.save(1, path)
    assert torch.load(path) == 1


def test_leftovers_of_killed_processes_do_no_harm(tmp_path):
    path = tmp_path / "state.pt"
    import threading

    for turn in range(3):
        (tmp_path / f"state.pt.{os.getpid()}-{threading.get_ident()}-{turn}.tmp").write_bytes(b"half")
    torch.save({"x": 1}, path)
    assert torch.load(path) == {"x": 1}
    os.chmod(path, 0o640)
    torch.save({"x": 2}, path)
    assert os.stat(path).st_mode & 0o777 == 0o640
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    torch.save({"x": 3}, link)
    assert link.is_symlink() and torch.load(path) == {"x": 3}


# --- options --------------------------------------------------------------------------------------------------------


def saved(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("new", [True, False])
def test_map_location(new):
    x = torch.arange(6.0)
    seen = []

    def note(storage, location):
        seen.append((type(storage), location, storage.nbytes()))

    def elsewhere(storage, location):
        return storage.clone()

    def file():
        return saved([x, x[2:]], _use_new_zipfile_serialization=new)

    for where in (None, "cpu", b"cpu", torch.device("cpu"), {"cuda:0": "cpu"}, {"cpu": "cpu"}, note):
        a, b = torch.load(file(), map_location=where)
        assert a.tolist() == x.tolist() and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    assert seen == [(torch.UntypedStorage, "cpu", 24)]
    a, b = torch.load(file(), map_location=elsewhere)
    assert b.tolist() == [2, 3, 4, 5] and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    for where in ("meta", torch.device("meta"), {"cpu": "meta"}):
        a, b = torch.load(file(), map_location=where)
        assert a.is_meta and a.shape == (6,) and b.shape == (4,) and b.storage_offset() == 2
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device but torch.cuda.is_available"):
        torch.load(file(), map_location="cuda:0")
    with pytest.raises(RuntimeError, match=r"don't know how to restore data location of torch.storage.UntypedStorage \(tagged with nowhere\)"):
        torch.load(file(), map_location="nowhere")


def test_mmap(tmp_path):
    path = tmp_path / "state.pt"
    x = torch.arange(1000.0)
    torch.save({"x": x, "view": x[10:20], "empty": torch.empty(0)}, path)
    loaded = torch.load(path, mmap=True)
    assert loaded["x"].tolist() == x.tolist() and loaded["view"].untyped_storage().data_ptr() == loaded["x"].untyped_storage().data_ptr()
    loaded["x"][0] = 7
    assert loaded["x"][0] == 7 and torch.load(path)["x"][0] == 0  # writes stay here
    with pytest.raises(RuntimeError, match="Trying to resize storage that is not resizable"):
        loaded["x"].resize_(2000)
    os.unlink(path)
    assert loaded["view"].tolist() == list(range(10, 20))
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        torch.load(saved(x), mmap=True)
    torch.save(x, path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torch.load(path, mmap=True)


def test_mmap_shared(tmp_path):
    import mmap

    path = tmp_path / "state.pt"
    torch.save(torch.arange(4.0), path)
    with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        torch.load(path, mmap=True)[1] = 9
    assert torch.serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    assert torch.load(path, mmap=True).tolist() == [0, 9, 2, 3]
    with pytest.raises(RuntimeError, match="file read failed"):  # the checksum is of the old values
        torch.load(path)


def test_one_memory_two_types():
    x = torch.arange(4.0)
    for new in (True, False):
        with pytest.raises(RuntimeError, match="Cannot save multiple tensors or storages that view the same data as different types"):
            saved([x, x.view(torch.int32)], _use_new_zipfile_serialization=new)


class Stranger:
    def __init__(self):
        self.number = 1


Point = collections.namedtuple("Point", "x y")


def test_safe_globals():
    torch.serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL test_files.Stranger was not an allowed global by default"):
        torch.load(saved(Stranger()))
    assert torch.serialization.get_unsafe_globals_in_checkpoint(saved([Stranger(), Point(1, 2), torch.ones(1)])) == [
        "test_files.Stranger", "test_files.Point"]  # fmt: skip
    with torch.serialization.safe_globals([Stranger]):
        assert torch.load(saved(Stranger())).number == 1 and torch.serialization.get_safe_globals() == [Stranger]
    assert torch.serialization.get_safe_globals() == []
    torch.serialization.add_safe_globals([Point, (Stranger, "test_files.Stranger")])
    assert torch.load(saved([Point(1, 2), Stranger()]))[0] == Point(1, 2)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(saved([Stranger()])) == []
    torch.serialization.clear_safe_globals()


def test_exceptions_of_allowed_classes_are_their_own():
    with torch.serialization.safe_globals([Fragile]), pytest.raises(TypeError, match="not today"):
        torch.load(saved(Fragile()))


class Fragile:
    def __setstate__(self, state):
        raise TypeError("not today")

    def __getstate__(self):
        return {"a": 1}


def test_saving_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        file = saved(torch.arange(3))
    finally:
        torch.serialization.set_crc32_options(True)
    assert {info.CRC for info in zipfile.ZipFile(file).infolist()} == {0}
    file.seek(0)
    assert torch.load(file).tolist() == [0, 1, 2] and torch.serialization.get_crc32_options()


def test_skip_data():
    with torch.serialization.skip_data():
        file = saved(torch.arange(1, 4))
    assert torch.load(file).tolist() == [0, 0, 0]
    file = saved(torch.arange(1, 4))
    with torch.serialization.skip_data():
        assert torch.load(file).shape == (3,)


def test_byte_order():
    file = saved({"x": torch.tensor([1.0, 2.0]), "c": torch.tensor([1 + 2j]), "b": torch.tensor([True])})
    source = zipfile.ZipFile(file)
    turned = io.BytesIO()
    writer = torch.serialization._zip.Writer(turned)
    values = {"0": struct.pack(">2f", 1, 2), "1": struct.pack(">2f", 1, 2), "2": b"\1"}
    for name in source.namelist():
        data = b"big" if name.endswith("byteorder") else source.read(name)
        if "/data/" in name:
            data = values[name.rsplit("/", 1)[1]]
        writer.write(name, data)
    writer.close()
    turned.seek(0)
    loaded = torch.load(turned)
    assert loaded["x"].tolist() == [1, 2] and loaded["c"].tolist() == [1 + 2j] and loaded["b"].tolist() == [True]


def test_kinds_of_files(tmp_path):
    path = tmp_path / "état.pt"
    torch.save({"x": torch.ones(2)}, path)
    with open(path, "rb") as file:
        assert torch.load(file)["x"].tolist() == [1, 1]
    with open(path, "rb", buffering=0) as file:
        assert torch.load(file)["x"].tolist() == [1, 1]
    with open(path, "wb") as file:
        torch.save(torch.zeros(1), file)
    assert torch.load(str(path)).tolist() == [0]
    with zipfile.ZipFile(path) as file:
        assert file.namelist()[0].startswith("archive/")
    torch.save(1, tmp_path / "model.v2.pt")
    with zipfile.ZipFile(tmp_path / "model.v2.pt") as file:
        assert file.namelist()[0] == "model.v2/data.pkl"
    with open(path) as file, pytest.raises((TypeError, UnicodeDecodeError)):
        torch.load(file)
    with pytest.raises(AttributeError, match="You can only torch.load from a file that is seekable"):
        torch.load(Stranger())
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object with a 'write' attribute"):
        torch.save(1, Stranger())
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_module is specified"):
        torch.load(path, weights_only=True, pickle_module=pickle)
    assert torch.load(path, pickle_module=pickle).tolist() == [0]


def test_storages_share_their_memory_with_slices():
    storage = torch.arange(4, dtype=torch.uint8).untyped_storage()
    part = storage[1:3]
    part[0] = 9
    assert list(storage) == [0, 9, 2, 3] and list(part) == [9, 2] and not storage.resizable()
    with pytest.raises(RuntimeError, match="Trying to resize storage that is not resizable"):
        storage.resize_(100)
    del part
    assert storage.resizable()
    with pytest.raises(RuntimeError, match="Trying to slice with a step of 2"):
        storage[::2]
    with pytest.raises(IndexError, match="index 4 out of range for storage of size 4"):
        storage[4]


@pytest.mark.torch
def test_messages_are_those_of_pytorch(monkeypatch):
    reference = pytest.importorskip("torch")
    cases = {
        "whole module": lambda t: t.load(written(t, nn.Linear(1, 1) if t is torch else reference.nn.Linear(1, 1))),
        "stranger": lambda t: t.load(written(t, Stranger())),
        "blocked": lambda t: t.load(archive(PROTOCOL + b"cos\nsystem\n(" + text("true") + b"tR.")),
        "builtin": lambda t: t.load(archive(PROTOCOL + b"cbuiltins\neval\n(" + text("1") + b"tR.")),
        "append": lambda t: t.load(archive(PROTOCOL + b"}Na.")),
        "set item": lambda t: t.load(archive(PROTOCOL + b"]NNs.")),
        "operand": lambda t: t.load(archive(PROTOCOL + b"(i__main__\nX\n.")),
        "build": lambda t: t.load(archive(PROTOCOL + b"N}b.")),
        "persistent": lambda t: t.load(archive(PROTOCOL + text("x") + b"Q.")),
        "no file": lambda t: t.load("/nonexistent.pt"),
        "no folder": lambda t: t.save(1, "/nonexistent/x.pt"),
        "cuda": lambda t: t.load(written(t, t.ones(1)), map_location="cuda"),
        "nowhere": lambda t: t.load(written(t, t.ones(1)), map_location="nowhere"),
        "mmap": lambda t: t.load(written(t, t.ones(1)), mmap=True),
        "no write": lambda t: t.save(1, 5),
        "pickle module": lambda t: t.load(io.BytesIO(b"abc"), pickle_module=pickle, weights_only=True),
        "nothing": lambda t: t.load(io.BytesIO(b"")),
        "magic": lambda t: t.load(io.BytesIO(b"\x80\x02K\x05."), weights_only=False),
        "mmap options": lambda t: t.serialization.set_default_mmap_options(77),
        "no checkpoint": lambda t: t.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(b"abcd")),
    }

    def written(t, obj):
        buffer = io.BytesIO()
        t.save(obj, buffer)
        buffer.seek(0)
        return buffer

    for name, case in cases.items():
        failures = []
        for library in (reference, torch):
            with pytest.raises(Exception) as failure:
                case(library)
            failures.append((type(failure.value), str(failure.value)))
        theirs, ours = failures
        if name == "nothing":  # says nothing at all in PyTorch
            theirs = theirs[0], ours[1]
        assert ours == theirs, name


@pytest.mark.torch
def test_files_of_pytorch_both_ways(tmp_path):
    reference = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    x = reference.arange(6.0)
    theirs = {"x": x, "view": x[2:], "t": x.view(2, 3).t(), "c": reference.tensor([1 + 2j]).conj(), "f8": reference.ones(2).to(reference.float8_e5m2),
              "p": reference.nn.Parameter(x.clone()), "u16": reference.tensor([1, 2]).to(reference.uint16)}  # fmt: skip
    for new in (True, False):
        for protocol in (2, 4) if new else (2,):
            reference.save(theirs, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
            ours = torch.load(path)
            assert {k: repr(v) for k, v in ours.items()} == {k: repr(v) for k, v in theirs.items()}
            assert ours["x"].untyped_storage().data_ptr() == ours["view"].untyped_storage().data_ptr()
            torch.save(ours, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
            back = reference.load(path, weights_only=protocol == 2)
            assert {k: repr(v) for k, v in back.items()} == {k: repr(v) for k, v in theirs.items()}
            assert back["x"].untyped_storage().data_ptr() == back["view"].untyped_storage().data_ptr()
    for library, other in ((reference, torch), (torch, reference)):
        value = library.arange(5)
        assert other.load(saved_by(library, value), mmap=None).tolist() == [0, 1, 2, 3, 4]
        library.save(value, path)
        assert other.load(path, mmap=True).tolist() == [0, 1, 2, 3, 4]
        library.serialization.set_crc32_options(False)
        library.save(value, path)
        library.serialization.set_crc32_options(True)
        assert other.load(path).tolist() == [0, 1, 2, 3, 4]
    storage = reference.load(saved_by(torch, torch.arange(2.0).untyped_storage()))
    assert repr(torch.load(saved_by(reference, storage))) == repr(storage)
    assert pickle.loads(pickle.dumps(torch.arange(3))).tolist() == [0, 1, 2]
    # the Python that has both libraries reads a pickle of ours as theirs where it names torch
    assert b"torch._utils" in saved(torch.arange(3)).getvalue()


def saved_by(library, obj):
    buffer = io.BytesIO()
    library.save(obj, buffer)
    buffer.seek(0)
    return buffer
