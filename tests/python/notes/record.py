"""Runs programs of this folder under an installed PyTorch and writes what they print as JSON: {name: text}.

    python tests/python/notes/record.py [--write] [NAME ...]

With --write, what they print becomes what the tests expect (expected/NAME.txt)."""

import contextlib
import io
import json
import os
import pathlib
import runpy
import sys
import warnings

HERE = pathlib.Path(__file__).parent


def outputs(names):
    printed = {}
    for name in names:
        with contextlib.redirect_stdout(io.StringIO()) as text, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(str(HERE / f"{name}.py"), run_name="__main__")
        printed[name] = text.getvalue()
    return printed


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "Agg"
    arguments = sys.argv[1:]
    write = "--write" in arguments
    names = [a for a in arguments if a != "--write"] or sorted(p.stem for p in HERE.glob("*.py") if p.stem != "record")
    printed = outputs(names)
    if write:
        (HERE / "expected").mkdir(exist_ok=True)
        for name, text in printed.items():
            (HERE / "expected" / f"{name}.txt").write_text(text, encoding="utf-8")
    else:
        json.dump(printed, sys.stdout)
