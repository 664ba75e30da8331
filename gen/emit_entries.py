"""entries.h and entries.c: typed functions over tw_call, with owned results. What composites, nn, io and ext call."""
from ctext import BANNER, c_box, c_params, wrap

HELPERS = """\
static inline tw_arg tw_a_opt_bool(int b) { return b < 0 ? TW_A_NONE : tw_a_bool(b != 0); }
static inline tw_arg tw_a_opt_code(int code) { return code < 0 ? TW_A_NONE : tw_a_int(code); }
static inline tw_arg tw_a_opt_float(double d) { return d != d ? TW_A_NONE : tw_a_float(d); }
static inline tw_arg tw_a_opt_scalar(tw_scalar s) { return tw_is_none(s) ? TW_A_NONE : tw_a_scalar(s); }
static inline tw_arg tw_a_doubles(const double *p, int64_t n) {
    tw_arg a = {.doubles = p, .n = (int32_t)n, .tag = p || n == 0 ? TW_ARG_DOUBLES : TW_ARG_NONE}; return a;
}
"""


def boxes(op, numbers=()):
    return [c_box(p, number=p.name in numbers) for p in op.params]


def number_params(op):
    """Those that take a number in the _s form: not the first parameter, which the result is made like."""
    return [p.name for p in op.params[1:] if p.number_too]


def forms(op):
    """(suffix, numbers, inplace) of the C functions of an op."""
    numbers = number_params(op)
    out = [("", (), False)]
    if numbers:
        out.append(("_s", tuple(numbers), False))
    if "inplace" in op.variants:
        out.append(("_", (), True))
        if numbers:
            out.append(("_s_", tuple(numbers), True))
    return out


def declaration(op, suffix, numbers, inplace):
    params = c_params(op.params, numbers)
    if inplace:
        return wrap(f"bool tw_op_{op.c}{suffix}(", params or ["void"], ")")
    if op.gives_list:
        return wrap(f"tw_list *tw_op_{op.c}{suffix}(", params, ")")
    if len(op.schema.results) == 1:
        return wrap(f"tw_tensor *tw_op_{op.c}{suffix}(", params or ["void"], ")")
    return wrap(f"bool tw_op_{op.c}{suffix}(", params + ["tw_tensor **outs"], ")")


def body(op, numbers, inplace):
    args = boxes(op, numbers)
    array = wrap("    const tw_arg args[] = {", args, "};", indent="        ") if args else "    const tw_arg args[1] = {{.tag = 0}};"
    if inplace:
        return f"{array}\n    return !tw_failed() && tw_call_inplace(&tw_ops[TW_OP_{op.c}], args);"
    if op.gives_list:
        return (f"{array}\n    tw_tensor *out = NULL;\n    if (tw_failed() || !tw_call(&tw_ops[TW_OP_{op.c}], args, &out)) return NULL;\n"
                "    return tw_list_of(out);")
    if len(op.schema.results) == 1:
        return (f"{array}\n    tw_tensor *out = NULL;\n    if (tw_failed() || !tw_call(&tw_ops[TW_OP_{op.c}], args, &out)) return NULL;\n"
                "    return out;")
    return f"{array}\n    return !tw_failed() && tw_call(&tw_ops[TW_OP_{op.c}], args, outs);"


def emit_entries_h(ops):
    lines = [BANNER, "/* Entries: results are owned; NULL or false on failure, and while an error is pending. Several results go to",
             " * outs[] in the schema's order, lists are a tw_list. _s takes a number in place of the second tensor; a trailing _ writes into self. */",
             "#ifndef TW_ENTRIES_H", "#define TW_ENTRIES_H", '#include "autograd/autograd.h"', '#include "op_ids.h"', "", HELPERS]
    for op in ops:
        lines += [declaration(op, *form) + ";" for form in forms(op)]
    return "\n".join(lines + ["#endif", ""])


def emit_entries_c(ops):
    lines = [BANNER, '#include "autograd/twin.h"', '#include "entries.h"', '#include "ops_decl.h"', ""]
    for op in ops:
        if op.twin:
            lines += [f"bool tw_{op.c}_composite(const tw_arg *a, tw_tensor **outs) {{",
                      f"    return tw_twin_{op.twin}(&tw_ops[TW_OP_{op.twin_of.c}], a, outs);", "}", ""]
        for form in forms(op):
            lines += [declaration(op, *form) + " {", body(op, form[1], form[2]), "}", ""]
    return "\n".join(lines)
