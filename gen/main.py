"""The generator: python gen/main.py SPEC_FOLDER OUT_FOLDER. Reads the table, checks it, writes C (see docs/design.md)."""
import argparse
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from against import check_against  # noqa: E402
from check import check_table  # noqa: E402
from emit_api import emit_api_c, emit_ops_h  # noqa: E402
from emit_bindings import emit_bindings  # noqa: E402
from emit_composites import emit_composites_c  # noqa: E402
from emit_entries import emit_entries_c, emit_entries_h  # noqa: E402
from emit_ew import Records, emit_pieces, emit_records, emit_rows  # noqa: E402
from emit_gradients import Gradients, emit_gradients_c, emit_gradients_h  # noqa: E402
from emit_table import emit_decl, emit_op_ids, emit_table  # noqa: E402
from parse import SpecError, parse_table  # noqa: E402
from steps import emit_optim_h, emit_step_kernels, emit_steps, parse_steps  # noqa: E402


def generate(ops, steps):
    """({file name: text} of everything that follows from the table, errors in its formulas)."""
    records = Records()
    errors = []
    for op in ops:
        if op.kind == "elementwise":
            try:
                records.add_op(op)
            except ValueError as error:
                errors.append(SpecError(op.where("value"), str(error)))
    gradients = Gradients(ops, records)
    gradients.run()
    for op in ops:
        op.derived_jvp = op.key in gradients.jvps
    return {"op_ids.h": emit_op_ids(ops), "ops_decl.h": emit_decl(ops), "ops_table.c": emit_table(ops, gradients.saves),
            "entries.h": emit_entries_h(ops), "entries.c": emit_entries_c(ops), "bindings.c": emit_bindings(ops),
            "composites.c": emit_composites_c(ops, errors),
            "gradients.h": emit_gradients_h(gradients), "gradients.c": emit_gradients_c(gradients),
            "ops.h": emit_ops_h(ops), "api_ops.c": emit_api_c(ops), "tallow/ops.h": emit_ops_h(ops), "doctests.json": emit_doctests(ops),
            "ew_records.c": emit_records(records), "ew_rows.c": emit_rows(records.kernels),
            "optim.h": emit_optim_h(steps), "tallow/optim.h": emit_optim_h(steps), "steps.c": emit_steps(steps),
            "step_kernels.c": emit_step_kernels(steps), **emit_pieces(records.kernels)}, errors + gradients.errors


def emit_doctests(ops):
    """The examples between backquotes in `doc`."""
    found = {op.key: re.findall(r"`([^`]+)`", op.columns.get("doc", "")) for op in ops}
    return json.dumps({key: examples for key, examples in found.items() if examples}, indent=1) + "\n"


def write(folder, files):
    """Writes what changed only, so that nothing is compiled again for nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path, help="folder of *.toml")
    parser.add_argument("out", type=Path, help="folder to write C into")
    parser.add_argument("--depfile", type=Path, help="where to tell the build what was read")
    parser.add_argument("--lenient", action="store_true", help="write what can be written in spite of errors")
    parser.add_argument("--against", type=Path, help="PyTorch's schemas, one a line: refuse public signatures that are not among them")
    args = parser.parse_args(argv)
    ops, errors = parse_table(args.spec)
    steps, more = parse_steps(args.spec)
    errors += more
    errors += check_table(ops)
    if args.against:
        errors += check_against(ops, args.against)
    files = {}
    if not errors or args.lenient:
        files, more = generate(ops, steps)
        errors += more
    for error in errors:
        print(error, file=sys.stderr)
    if errors and not args.lenient:
        return 1
    write(args.out, files)
    if args.depfile:  # the folder itself too: a new file in it means another run
        read = [args.spec, *sorted(args.spec.glob("*.toml"))]
        args.depfile.write_text(f"{args.out}/op_ids.h: " + " ".join(str(path) for path in read) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
