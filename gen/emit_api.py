"""tallow/ops.h and api_ops.c: the public C functions, one per op, with scoped results."""
from ctext import BANNER, c_name, c_params, wrap
from emit_entries import forms

DROPPED = ("layout", "pin_memory")
# names of tallow.h, and of our own functions
TAKEN = {"bool", "int", "float", "complex", "none", "keep", "retain", "release", "error", "report", "mode", "trace"}

HEAD = """\
/* Operators as C functions, generated from the table: tw_NAME is torch.NAME. See tallow.h for errors and ownership.
 * A trailing _ writes into the first argument and returns it; _s takes a number for the second one. Lists are a pointer and a length.
 * "Not given": NULL for tensors, lists, text and generators; TW_NONE for integers; NaN for floats; -1 for bools and enumerations;
 * tw_none() for numbers. Several results go where the trailing pointers say; a NULL there drops one;
 * on failure they are NULL. Where the number of results depends on the call (split), they go to outs[], which has that much room; their
 * number is returned, -1 on failure. */
#ifndef TALLOW_OPS_H
#define TALLOW_OPS_H
#include <tallow/tallow.h>

#ifdef __cplusplus
extern "C" {
#endif

"""


def is_public(op):
    return op.public


def api_name(op):
    return op.c + "_tensor" if op.c in TAKEN else op.c


def result_pointers(op):
    return [f"out_{name}" if op.param(name) else name for name in op.result_names]


def prototype(op, suffix, numbers, inplace):
    params = c_params([p for p in op.params if p.name not in DROPPED], numbers)
    if op.gives_list:
        return wrap(f"int64_t tw_{api_name(op)}{suffix}(", params + ["tw_tensor **outs", "int64_t room"], ")")
    if inplace or len(op.schema.results) == 1:
        return wrap(f"tw_tensor *tw_{api_name(op)}{suffix}(", params or ["void"], ")")
    return wrap(f"bool tw_{api_name(op)}{suffix}(", params + [f"tw_tensor **{c_name(n)}" for n in result_pointers(op)], ")")


def absent(param):
    return "-1" if param.type.optional else "0"


def arguments(op):
    out = []
    for p in op.params:
        if p.name in DROPPED:
            out.append(absent(p))
            continue
        out.append(c_name(p.name))
        if p.type.is_list:
            out.append(f"{c_name(p.name)}_n")
    return out


def required(op, numbers):
    """(name, C condition that it can be used) of the tensors and lists that must be there, and of dtypes and devices."""
    out = []
    for p in op.params:
        name = c_name(p.name)
        if p.name in DROPPED or p.name in numbers:
            continue
        if p.type.base in ("ScalarType", "Device"):
            out.append((p.name, f"tw_is_{'dtype' if p.type.base == 'ScalarType' else 'device'}({name})"))
        elif p.type.optional:
            continue
        elif p.type.is_tensor:
            out.append((p.name, name))
        elif p.type.is_tensors and not p.type.optional_items:
            out.append((p.name, f"tw_all_given({name}, {name}_n)"))
        elif p.type.is_list:
            out.append((p.name, f"({name} || {name}_n == 0)"))
    return out


def check(op, numbers, failed):
    """What stops a call that lacks any of these."""
    needs = required(op, numbers)
    if not needs:
        return ""
    listed = ", ".join(f'{{"{name}", {condition}}}' for name, condition in needs)
    call = f'tw_not_given("{op.c}", (const tw_given[]){{{listed}}}, {len(needs)});'
    return f"    if (!({' && '.join(condition for _, condition in needs)})) {{\n        {call}\n        return {failed};\n    }}\n"


def body(op, suffix, numbers, inplace):
    n = len(op.schema.results)
    if op.gives_list or inplace or n == 1:
        return check(op, numbers, "-1" if op.gives_list else "NULL") + call(op, suffix, inplace)
    names = ", ".join(c_name(name) for name in result_pointers(op))
    into = f"    tw_tensor **const into[{max(n, 1)}] = {{{names or 'NULL'}}};\n"
    return into + check(op, numbers, f"tw_no_results(into, {n})") + call(op, suffix, inplace)


def call(op, suffix, inplace):
    args = arguments(op)
    if inplace:
        return "    " + wrap(f"return tw_op_{op.c}{suffix}(", args, f") ? {c_name(op.params[0].name)} : NULL;", indent="        ")
    if op.gives_list:
        return "    " + wrap(f"return tw_scoped_list(tw_op_{op.c}{suffix}(", args, "), outs, room);", indent="        ")
    if len(op.schema.results) == 1:
        return "    " + wrap(f"return tw_scoped(tw_op_{op.c}{suffix}(", args, "));", indent="        ")
    n = len(op.schema.results)
    made = wrap(f"if (!tw_op_{op.c}{suffix}(", args + ["outs"], f")) return tw_no_results(into, {n});", indent="        ")
    return f"    tw_tensor *outs[{max(n, 1)}] = {{NULL}};\n    {made}\n    return tw_scoped_all(outs, into, {n});"


def emit_ops_h(ops):
    lines = [BANNER, HEAD]
    for op in ops:
        if not is_public(op):
            continue
        doc = " ".join(op.columns.get("doc", "").split()).replace("*/", "* /")
        if doc:
            lines.append(f"/* {doc} */")
        lines += ["TW_API " + prototype(op, *form) + ";" for form in forms(op)]
    return "\n".join(lines + ["", "#ifdef __cplusplus", "}", "#endif", "#endif", ""])


def emit_api_c(ops):
    lines = [BANNER, "/* Inside, tw_view is a struct (ops/op.h); here it is the public function. */", "#define tw_view tw_view_geometry",
             '#include "api/scope.h"', '#include "entries.h"', "#undef tw_view", '#include <tallow/ops.h>', ""]
    for op in ops:
        if is_public(op):
            for form in forms(op):
                lines += [prototype(op, *form) + " {", body(op, *form), "}", ""]
    return "\n".join(lines)
