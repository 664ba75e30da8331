"""composites.c: composites that the table spells out in `let`, `require` and `value` instead of a C function."""
import re

from ctext import BANNER, c_string, wrap
from emit_table import Defaults
from formula import CONSTANTS, parse_formula
from graph import Emitter, OpIndex, Value, boxed, param_value
from parse import SpecError

KINDS = {"RuntimeError": "TW_RUNTIME_ERROR", "IndexError": "TW_INDEX_ERROR", "ValueError": "TW_VALUE_ERROR", "TypeError": "TW_TYPE_ERROR",
         "NotImplementedError": "TW_NOT_IMPLEMENTED_ERROR"}


def is_spelt_out(op):
    return op.kind == "composite" and "value" in op.columns


def names_of(entry):
    """All names in a condition and its message."""
    texts = [entry[0], *re.findall(r"\{([^{}]*)\}", entry[1])]
    return {node.value for text in texts for node in parse_formula(text).walk() if node.kind == "name"}


class Composite:
    """One op's function, statement by statement."""

    def __init__(self, index, op, arrays):
        names = {p.name: param_value(p, f"a[{i}]") for i, p in enumerate(op.params)}
        self.op = op
        self.emitter = Emitter(index, op, names, {}, arrays)
        self.emitter.indent = "    "
        self.waiting = [(names_of(entry), *entry) for entry in op.columns.get("require", [])]

    def requirements(self, pending):
        """Checks whose names are all known; `pending`: names of lets to come."""
        for entry in [e for e in self.waiting if not e[0] & pending]:
            self.waiting.remove(entry)
            self.require(entry[1], entry[2])

    def require(self, condition, text):
        emitter = self.emitter
        test = emitter.truth(emitter.value(parse_formula(condition)))
        head, _, rest = text.partition(": ")
        kind, text = (KINDS[head], rest) if head in KINDS else (KINDS["RuntimeError"], text)
        args, shown = [], []
        for piece in re.split(r"(\{[^{}]*\})", text):
            if not piece.startswith("{"):
                shown.append(piece.replace("%", "%%"))
                continue
            value = emitter.value(parse_formula(piece[1:-1]))
            c = boxed(value)
            form, arg = {"int": ("%lld", f"(long long){value.c}"), "float": ("%g", value.c), "str": ("%s", f"({c}).s"),
                         "ints": ("%s", f"tw_sizes_text(({c}).ints, ({c}).n)"), "number": ("%g", f"tw_scalar_double(tw_f_scalar({c}))"),
                         "other": ("%s", f"tw_f_type_name({c})"), "dtype": ("%s", f"tw_f_type_name({c})"), "bool": ("%s", f"({value.c} ? \"True\" : \"False\")")}[value.type]
            shown.append(form)
            args.append(arg)
        emitter.put(f"if (!{test}) {{")
        emitter.put("    " + wrap("tw_fail(", [kind, c_string("".join(shown)), *args], ");", indent=" " * 12))
        emitter.put("    goto done;")
        emitter.put("}")

    def let(self, name, text):
        emitter = self.emitter
        if name in CONSTANTS or name in emitter.names:
            raise ValueError(f"'{name}' means something else in formulas")
        node = parse_formula(text)
        if emitter.has_several(node):
            emitter.names[name] = emitter.results(node)
            return
        value = emitter.value(node)
        kind = {"int": "int64_t", "float": "double", "bool": "bool"}.get(value.type)
        if value.type in ("list", "none"):
            raise ValueError(f"'{name}' is a {value.type}")
        if kind:
            emitter.put(f"const {kind} v_{name} = {value.c};")
            value = Value(value.type, f"v_{name}")
        elif not value.owned:
            emitter.put(f"const tw_arg v_{name} = {boxed(value)};")
            value = Value(value.type, f"v_{name}")
        emitter.put(f"(void){value.c};")
        emitter.names[name] = value

    def results(self):
        node = parse_formula(self.op.columns["value"])
        nodes = node.args if node.kind == "list" else [node]
        if len(nodes) != len(self.op.schema.results):
            raise ValueError(f"'{self.op.key}' has {len(self.op.schema.results)} results, the formula {len(nodes)}")
        for i, item in enumerate(nodes):
            value = self.emitter.value(item)
            if value.type != "tensor":
                raise ValueError(f"a result is a {value.type}, not a tensor")
            taken = f"tw_f_take(&{value.c})" if value.owned and len(nodes) == 1 else f"tw_f_keep({boxed(value)})"
            self.emitter.put(f"outs[{i}] = {taken};")

    def text(self):
        """The C function; ValueError names the column that is wrong in its `column`."""
        lets = self.op.columns.get("let", {})
        pending, column = set(lets), "require"
        try:
            self.requirements(pending)
            for name, formula in lets.items():
                column = f"let.{name}"
                self.let(name, formula)
                pending.discard(name)
                column = "require"
                self.requirements(pending)
            column = "value"
            self.results()
        except ValueError as error:
            raise SpecError(self.op.where(column), str(error)) from None
        return self.function()

    def function(self):
        emitter, op = self.emitter, self.op
        count, body = len(op.schema.results), "\n".join(emitter.lines)
        lines = [f"bool tw_{op.c}_composite(const tw_arg *a, tw_tensor **outs) {{"]
        if emitter.most:
            lines.append(f"    tw_arg t[{emitter.most}] = {{{{.tag = TW_ARG_NONE}}}};")
        lines += ["    (void)a;", body]
        if "goto done" in body:
            lines.append("done:")
        if emitter.most:
            lines.append(f"    tw_f_release(t, {emitter.most});")
        return "\n".join([*lines, f"    return tw_f_finish(outs, {count});", "}", ""])


def emit_composites_c(ops, errors):
    index, arrays, functions = OpIndex(ops), Defaults(), []
    for op in ops:
        if not is_spelt_out(op):
            continue
        try:
            functions.append(Composite(index, op, arrays).text())
        except SpecError as error:
            errors.append(error)
    text = "\n".join(functions)
    used = [line for line in arrays.lines if re.search(rf"\b{line.split('[')[0].split()[-1]}\b", text)]
    return "\n".join([BANNER, '#include "autograd/formula.h"', '#include "op_ids.h"', '#include "ops_decl.h"', "#include <math.h>", ""]
                     + used + ["", text])
