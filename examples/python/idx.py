"""Reads and writes idx files, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import math
import os
import struct


class BadData(Exception):
    """The data set is missing, truncated or not what it claims to be; str(e) says which file and why."""


def read(path, ndim):
    """Sizes and bytes of an idx file of unsigned bytes with `ndim` dimensions; plain or with .gz appended to its name."""
    packed = path + ".gz"
    if not os.path.exists(path) and not os.path.exists(packed):
        raise BadData(f"{path}: no such file (nor {os.path.basename(packed)} beside it)")
    try:
        with open(path, "rb") if os.path.exists(path) else gzip.open(packed, "rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise BadData(f"{path}: cannot be read: {error}") from None
    header = 4 + 4 * ndim
    if len(content) < header:
        raise BadData(f"{path}: truncated: {len(content)} bytes, but the header alone takes {header}")
    magic = struct.unpack(">I", content[:4])[0]
    if magic != 0x0800 + ndim:
        raise BadData(f"{path}: not an idx file of bytes in {ndim} dimensions: it starts with {magic:#010x}, not {0x0800 + ndim:#010x}")
    sizes = struct.unpack(f">{ndim}I", content[4:header])
    if len(content) - header != math.prod(sizes):
        raise BadData(f"{path}: sizes {sizes} need {math.prod(sizes)} bytes of data, but there are {len(content) - header}")
    return sizes, content[header:]


def write(path, sizes, data):
    """Writes bytes as an idx file; a killed process leaves the old file or the new one."""
    with open(path + ".part", "wb") as file:
        file.write(struct.pack(f">I{len(sizes)}I", 0x0800 + len(sizes), *sizes) + bytes(data))
    os.replace(path + ".part", path)
