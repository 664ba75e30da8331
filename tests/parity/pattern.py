"""Prints the regular expression that selects the baseline's units of one mode, for parity.py --only."""

import pathlib
import re
import sys

BASELINE = pathlib.Path(__file__).with_name("baseline.txt")


def units(mode):
    lines = [line.split(maxsplit=1) for line in BASELINE.read_text().splitlines() if line and not line.startswith("#")]
    return [unit.strip() for kind, unit in lines if kind == mode]


if __name__ == "__main__":
    names = units(sys.argv[1])
    print("^(" + "|".join(map(re.escape, names)) + ")$" if names else "")
