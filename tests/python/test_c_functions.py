"""A C program, generated from the table, calls each op's samples through the public functions of libtallow; its results must be Python's, bit
for bit. It reads arguments and expected results with tw_load, so checkpoints are crossed from Python to C as well."""

import pathlib
import os
import subprocess
import sys

import pytest
import samples
import tallow as torch

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("TALLOW_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "gen"))

from check import check_table  # noqa: E402
from emit_api import api_name  # noqa: E402
from parse import parse_table  # noqa: E402

OTHER_NAMES = {"cross_entropy": "cross_entropy_loss", "matmul": "matmul"}
REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}

HEAD = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tallow/ops.h>

static tw_named_tensors *file;
static int passed, failed;
static tw_tensor *get(const char *name) { return tw_named_get(file, name); }

static void same(const char *name, tw_tensor *got) {
    tw_tensor *want = get(name);
    bool equal = got && want && tw_ndim(got) == tw_ndim(want) && tw_dtype_of(got) == tw_dtype_of(want);
    for (int i = 0; equal && i < tw_ndim(got); i++) equal = tw_size(got, i) == tw_size(want, i);
    if (equal) {
        size_t bytes = (size_t)tw_numel(got) * 16;
        char *a = calloc(bytes + 1, 1), *b = calloc(bytes + 1, 1);
        equal = tw_to_data(got, a, tw_dtype_of(got)) && tw_to_data(want, b, tw_dtype_of(want)) && memcmp(a, b, bytes) == 0;
        free(a);
        free(b);
    }
    if (equal) passed++;
    else {
        failed++;
        printf("%s differs: %s\n", name, tw_error() ? tw_error_message() : "other values");
        tw_clear_error();
    }
}
"""


def literal(value, param, inputs, key):
    """C text of one argument; tensors go to `inputs` under a name of their own."""
    base = param.type.base
    if param.type.is_list and base == "Tensor":
        names = [literal(item, Single(param), inputs, f"{key}.{i}") for i, item in enumerate(value)]
        return f"(tw_tensor *[]){{{', '.join(names)}}}, {len(names)}"
    if param.type.is_list:
        if value is None:
            return "NULL, 0"
        value = [value] if isinstance(value, int) else list(value)
        return f"(const int64_t[]){{{', '.join(map(str, value)) or '0'}}}, {len(value)}"
    if base == "Tensor":
        if value is None:
            return "NULL"
        inputs[key] = value
        return f'get("{key}")'
    if base == "Scalar":
        return f"tw_int({value})" if isinstance(value, int) else f"tw_float({value!r})"
    if base in ("ScalarType", "Device", "MemoryFormat", "bool") and value is None:
        return "-1"
    if base == "Generator":
        return "NULL"
    if base == "int" and isinstance(value, str):
        value = REDUCTIONS[value]
    if base == "bool":
        return str(int(value))
    return "TW_NONE" if value is None else repr(value)


class Single:
    """An item of a list parameter, as a parameter."""

    def __init__(self, param):
        self.type = type("Type", (), {"base": param.type.base, "is_list": False})()


def fits(value, param):
    base, many = param.type.base, param.type.is_list
    if value is None:
        return param.type.optional
    if isinstance(value, torch.Tensor):
        return base == "Tensor" and not many
    if isinstance(value, (list, tuple)):
        return many and all(isinstance(item, torch.Tensor) for item in value) == (base == "Tensor") if value else many
    if isinstance(value, bool):
        return base == "bool"
    return base in ("int", "Scalar", "float") or (isinstance(value, str) and base == "str")


def bind(ops, name, args, kwargs):
    """(op, value of each of its parameters) of the overload that takes the arguments."""
    name = OTHER_NAMES.get(name, name)
    for op in ops:
        if op.base != name or len(args) > len(op.params) or "inplace" in op.flags:
            continue
        values = dict(zip([p.name for p in op.params], args))
        values.update(kwargs)
        if set(values) - {p.name for p in op.params}:
            continue
        if any(p.name not in values and not p.has_default and not p.type.optional for p in op.params):
            continue
        if all(p.name not in values or fits(values[p.name], p) or values[p.name] in REDUCTIONS for p in op.params):
            return op, [values.get(p.name, p.default if p.has_default else None) for p in op.params]
    raise AssertionError(f"no overload of {name} takes {args}, {kwargs}")


def case(ops, name, number, args, kwargs, store):
    """C text that calls one sample and compares; its tensors are added to `store`."""
    key = f"{name}.{number}"
    results = samples.tensors(samples.function(name)(*args, **kwargs))
    op, values = bind(ops, name.rsplit(".", 1)[-1], args, kwargs)
    inputs = {}
    texts = [literal(v, p, inputs, f"{key}.{p.name}") for p, v in zip(op.params, values) if p.name not in ("layout", "pin_memory")]
    store.update(inputs)
    store.update({f"{key}.result{i}": r.contiguous() for i, r in enumerate(results)})
    call = f"tw_{api_name(op)}({', '.join(texts)}"
    if len(results) == 1:
        return f'    TW_SCOPE {{ same("{key}.result0", {call})); }}'
    outs = ", ".join(f"&r[{i}]" for i in range(len(results)))
    checks = " ".join(f'same("{key}.result{i}", r[{i}]);' for i in range(len(results)))
    return f"    TW_SCOPE {{ tw_tensor *r[{len(results)}] = {{NULL}}; {call}, {outs}); {checks} }}"


@pytest.mark.skipif(not (BUILD / "libtallow.so").exists(), reason="needs libtallow: meson compile -C build")
def test_public_functions_give_pythons_bits(tmp_path):
    ops, errors = parse_table(ROOT / "spec")
    assert not errors and not check_table(ops)
    store, lines = {}, []
    for name, make in samples.SAMPLES.items():
        for number, (args, kwargs) in enumerate(make(torch.float32)):
            lines.append(case(ops, name, number, args, kwargs, store))
    torch.save(store, tmp_path / "samples.pt")
    body = [f"static void part{i}(void) {{\n" + "\n".join(lines[i : i + 40]) + "\n}" for i in range(0, len(lines), 40)]
    calls = "\n".join(f"    part{i}();" for i in range(0, len(lines), 40))
    main = f'int main(int argc, char **argv) {{\n    file = tw_load(argv[argc - 1]);\n    if (tw_report(stderr)) return 2;\n{calls}\n' \
           '    tw_named_release(file);\n    printf("%d passed, %d failed\\n", passed, failed);\n    return failed != 0;\n}\n'
    (tmp_path / "samples.c").write_text(HEAD + "\n".join(body) + "\n" + main)
    compiled = subprocess.run(
        [os.environ.get("CC", "cc").split()[-1], "-std=gnu11", "-O1", "-Wall", f"-I{ROOT / 'include'}", f"-I{BUILD / 'gen'}", "samples.c",
         f"-L{BUILD}", "-ltallow", f"-Wl,-rpath,{BUILD}", "-o", "samples"], cwd=tmp_path, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    run = subprocess.run([tmp_path / "samples", tmp_path / "samples.pt"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.split()[0] == str(sum(key.count("result") for key in store))
