"""python -m tallow SCRIPT: the same as tallow run SCRIPT; other commands of tallow by their names."""

import os
import sys

from tallow.cli import main

arguments = sys.argv[1:]
named = not arguments or arguments[0] in ("run", "check") or arguments[0].startswith("-") and arguments[0] != "-m"
if named and arguments and not arguments[0].startswith("-") and (len(arguments) == 1 and os.path.exists(arguments[0])):
    named = False  # a script of that name
sys.exit(main(arguments if named else ["run", *arguments]))
