"""The zip files of torch.save: stored entries (APPNOTE 4.3), data aligned to 64 bytes, read without copies in between."""

import struct

from tallow._C import _crc32

_ALIGN = 64
_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_END64, _LOCATOR64 = b"PK\6\6", b"PK\6\7"
_MAX32 = 0xFFFFFFFF
_UTF8 = 0x800
_DATE = (1 << 5) | 1  # 1980-01-01: files depend on nothing but their contents


_CORRUPT = (
    "This is an internal miniz error. If you are seeing this error, there is a high likelihood that your checkpoint file "
    "is corrupted. This can happen if the checkpoint was not saved properly, was transferred incorrectly, or the file was "
    "modified after saving."
)


def _corrupt(what):
    return BadZip(f"PytorchStreamReader failed {what}. {_CORRUPT}")


class Writer:
    """Writes entries one after the other to a file that can only be written. Without checksums, zeros stand for them."""

    def __init__(self, file, checksums=True):
        self._file, self._at, self._entries, self._checksums = file, 0, [], checksums

    def _put(self, data):
        self._file.write(data)
        self._at += len(data)

    def write(self, name, data):
        """Adds an entry; data is bytes-like."""
        data = memoryview(data).cast("B")
        encoded, size, offset = name.encode(), data.nbytes, self._at
        crc = _crc32(data) if self._checksums else 0
        large = struct.pack("<HHQQ", 1, 16, size, size) if size >= _MAX32 else b""
        before = offset + 30 + len(encoded) + len(large) + 4
        pad = -before % _ALIGN
        extra = large + b"FB" + struct.pack("<H", pad) + b"Z" * pad
        short = min(size, _MAX32)
        self._put(
            _LOCAL + struct.pack("<HHHHHIIIHH", 20 if not large else 45, _UTF8, 0, 0, _DATE, crc, short, short,
                                 len(encoded), len(extra)) + encoded + extra
        )  # fmt: skip
        self._put(data)
        self._entries.append((encoded, crc, size, offset))

    def close(self):
        """Writes the directory."""
        start = self._at
        for name, crc, size, offset in self._entries:
            wide = b""
            if size >= _MAX32:
                wide += struct.pack("<QQ", size, size)
            if offset >= _MAX32:
                wide += struct.pack("<Q", offset)
            extra = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
            version, short = 45 if wide else 20, min(size, _MAX32)
            self._put(
                _CENTRAL + struct.pack("<HHHHHHIIIHHHHHII", version, version, _UTF8, 0, 0, _DATE, crc, short, short,
                                       len(name), len(extra), 0, 0, 0, 0, min(offset, _MAX32)) + name + extra
            )  # fmt: skip
        length, count = self._at - start, len(self._entries)
        if start >= _MAX32 or length >= _MAX32 or count >= 0xFFFF:
            end64 = self._at
            self._put(_END64 + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, length, start))
            self._put(_LOCATOR64 + struct.pack("<IQI", 0, end64, 1))
        short = min(count, 0xFFFF)
        self._put(_END + struct.pack("<HHHHIIH", 0, 0, short, short, min(length, _MAX32), min(start, _MAX32), 0))


class BadZip(RuntimeError):
    """The file is not a zip of ours, or is cut short."""


class Reader:
    """Reads stored entries. Every number in the file is checked against the file's size before it is used."""

    def __init__(self, file):
        self._file = file
        self._size = file.seek(0, 2)
        try:
            self._entries = self._directory()
        except (struct.error, UnicodeDecodeError, OverflowError):
            raise _corrupt("reading zip archive: invalid header or archive is corrupted") from None
        self._refuse_overlaps()

    @property
    def names(self):
        """The entries' names, in the order of the directory."""
        return list(self._entries)

    def __contains__(self, name):
        return name in self._entries

    def _read(self, offset, count):
        if offset < 0 or offset + count > self._size:
            raise _corrupt("reading zip archive: failed finding central directory")
        self._file.seek(offset)
        data = self._file.read(count)
        if not isinstance(data, bytes):
            raise TypeError("torch.load needs a file opened in binary mode")
        if len(data) != count:
            raise _corrupt("reading zip archive: file read failed")
        return data

    def _directory(self):
        tail_length = min(self._size, 65557)
        tail = self._read(self._size - tail_length, tail_length)
        place = tail.rfind(_END)
        if place < 0 or len(tail) - place < 22:
            raise _corrupt("reading zip archive: failed finding central directory")
        count, length, start = struct.unpack_from("<HII", tail, place + 10)
        if start == _MAX32 or count == 0xFFFF or length == _MAX32:
            locator = tail[max(place - 20, 0) : place]
            if locator[:4] != _LOCATOR64:
                raise _corrupt("reading zip archive: failed finding central directory")
            record = self._read(struct.unpack_from("<Q", locator, 8)[0], 56)
            if record[:4] != _END64:
                raise _corrupt("reading zip archive: failed finding central directory")
            count, length, start = struct.unpack_from("<QQQ", record, 32)
        data, at, entries = self._read(start, length), 0, {}
        for _ in range(count):
            if data[at : at + 4] != _CENTRAL:
                raise _corrupt("reading zip archive: invalid header or archive is corrupted")
            method, crc, packed, size, nname, nextra, ncomment = struct.unpack_from("<H4xIIIHHH", data, at + 10)
            offset = struct.unpack_from("<I", data, at + 42)[0]
            name = data[at + 46 : at + 46 + nname].decode()
            extra = data[at + 46 + nname : at + 46 + nname + nextra]
            size, offset = self._wide(extra, packed, size, offset)
            if name in entries:
                raise _corrupt(f"reading zip archive: two entries are called {name}")
            entries[name] = (method, crc, size, offset)
            at += 46 + nname + nextra + ncomment
        return entries

    @staticmethod
    def _wide(extra, packed, size, offset):
        """64-bit values of the extra field, in the order in which the 32-bit ones are saturated."""
        at = 0
        while at + 4 <= len(extra):
            tag, length = struct.unpack_from("<HH", extra, at)
            at += 4
            if tag == 1:
                place = at
                if size == _MAX32:
                    size = struct.unpack_from("<Q", extra, place)[0]
                    place += 8
                if packed == _MAX32:
                    place += 8
                if offset == _MAX32:
                    offset = struct.unpack_from("<Q", extra, place)[0]
            at += length
        return size, offset

    def _refuse_overlaps(self):
        """Entries that share bytes would let a small file ask for much memory: together they must fit into the file."""
        if sum(size for method, _, size, _ in self._entries.values() if method == 0) > self._size:
            raise _corrupt("reading zip archive: its entries overlap")

    def place(self, name):
        """Where an entry's data starts, and its size."""
        if name not in self._entries:
            raise BadZip(f"PytorchStreamReader failed locating file {name.split('/', 1)[-1]}: file not found")
        method, _, size, offset = self._entries[name]
        if method != 0:
            raise BadZip(f"PytorchStreamReader failed reading file {name}: compressed entries are not supported")
        header = self._read(offset, 30)
        if header[:4] != _LOCAL:
            raise _corrupt("reading zip archive: invalid header or archive is corrupted")
        nname, nextra = struct.unpack_from("<HH", header, 26)
        start = offset + 30 + nname + nextra
        if start + size > self._size:
            raise _corrupt(f"reading file {name}: file read failed")
        return start, size

    def _verify(self, name, data):
        """Compares an entry's checksum. Files saved under set_crc32_options(False) have zeros for all of them."""
        crc = self._entries[name][1]
        if crc != 0 and _crc32(data) != crc:
            raise _corrupt(f"reading file {name}: file read failed")

    def read(self, name):
        """An entry's bytes, checked."""
        start, size = self.place(name)
        data = self._read(start, size)
        self._verify(name, data)
        return data

    def read_into(self, name, target):
        """Reads an entry's bytes, checked, into a writable buffer of that size."""
        start, size = self.place(name)
        view = memoryview(target).cast("B")
        if view.nbytes != size:
            raise _corrupt(f"reading file {name}: file read failed")
        self._file.seek(start)
        into, done = getattr(self._file, "readinto", None), 0
        while done < size:
            if into is not None:
                count = into(view[done:])
            else:
                block = self._file.read(min(size - done, 1 << 24))
                count = len(block)
                view[done : done + count] = block
            if not count:
                raise _corrupt(f"reading file {name}: file read failed")
            done += count
        self._verify(name, view)
