"""The command `tallow`: runs a program with tallow in the place of torch, or says what it would miss."""

import os
import sys

USAGE = """usage: tallow run SCRIPT [ARGUMENTS]      run a script in which `import torch` means tallow
       tallow run -m MODULE [ARGUMENTS]   the same for a module
       tallow check PATH ...              list the names of torch that files or folders use and tallow lacks
       tallow --version
"""


def run(arguments):
    """Runs a script, or with -m a module, as python would."""
    import runpy

    import tallow

    tallow.install_as_torch()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            sys.stderr.write(USAGE)
            return 2
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = arguments[0]
    if not os.path.exists(script):
        sys.stderr.write(f"tallow: can't open file '{script}': No such file or directory\n")
        return 2
    sys.argv = arguments
    script = os.path.abspath(script)  # as python has it in __file__, warnings and tracebacks
    if not os.path.isfile(script):  # a folder with __main__.py
        runpy.run_path(script, run_name="__main__")
        return 0
    sys.path.insert(0, os.path.dirname(script))
    return _run_file(script)


def _run_file(script):
    """Runs a file as the main module. A traceback begins where the file does."""
    import types

    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec")
        exec(code, main.__dict__)
    except Exception as error:
        trace = error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 1
    return 0


def main(arguments=None):
    """The console command."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["--version"]:
        import tallow

        print(f"tallow {tallow.__version__}")
        return 0
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if len(arguments) > 1 and arguments[0] == "check":
        from tallow._check import check

        return check(arguments[1:])
    if len(arguments) < 2 or arguments[0] != "run":
        sys.stderr.write(USAGE)
        return 2
    return run(arguments[1:])
