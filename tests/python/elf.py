"""Reads what an ELF file imports: (name, library) of every undefined symbol; the library is known where symbols have versions."""

import struct

_SYMTAB, _VERNEED, _VERSYM, _DYNSYM = 2, 0x6FFFFFFE, 0x6FFFFFFF, 11


def _sections(data):
    assert data[:6] == b"\x7fELF\x02\x01", "64-bit little-endian files only"
    (offset,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    for i in range(count):
        _, kind, _, _, start, length, link, info, _, _ = struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size)
        yield kind, start, length, link, info


def _text(data, table, offset):
    start = table[1] + offset
    return data[start : data.index(b"\0", start)].decode()


def imports(path):
    """[(symbol, library or None)]: of a shared library its dynamic symbols, of an object file all."""
    data = path.read_bytes()
    sections = list(_sections(data))
    wanted = next((s for s in sections if s[0] == _DYNSYM), None) or next(s for s in sections if s[0] == _SYMTAB)
    names = sections[wanted[3]]
    versions = next((s for s in sections if s[0] == _VERSYM), None)
    libraries = {}
    for kind, start, _, link, info in sections:
        at = start
        for _ in range(info if kind == _VERNEED else 0):
            _, count, file, first, following = struct.unpack_from("<HHIII", data, at)
            entry = at + first
            for _ in range(count):
                _, _, index, _, step = struct.unpack_from("<IHHII", data, entry)
                libraries[index] = _text(data, sections[link], file)
                entry += step
            at += following
    found = []
    for i in range(wanted[2] // 24):
        name, info, _, section = struct.unpack_from("<IBBH", data, wanted[1] + 24 * i)
        if section == 0 and name and wanted[0] in (_DYNSYM, _SYMTAB):
            index = struct.unpack_from("<H", data, versions[1] + 2 * i)[0] if versions and wanted[0] == _DYNSYM else 0
            found.append((_text(data, names, name), libraries.get(index & 0x7FFF)))
    return found
