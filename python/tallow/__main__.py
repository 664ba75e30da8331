"""python -m tallow SCRIPT: the same as tallow run SCRIPT."""

import sys

from tallow.cli import USAGE, run

if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
    asked = len(sys.argv) > 1
    (sys.stdout if asked else sys.stderr).write(USAGE)
    sys.exit(0 if asked else 2)
arguments = sys.argv[1:]
sys.exit(run(arguments[1:] if arguments[0] == "run" and len(arguments) > 1 else arguments))
