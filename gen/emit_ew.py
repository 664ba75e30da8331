"""ew_kernels_N.c, ew_rows.c, ew_records.c: elementwise kernels from the table's formulas, and the records that point at them."""
from dataclasses import dataclass
from zlib import crc32

from check import REFUSALS
from ctext import BANNER, c_double, c_string
from formula import Node, num
from lower import COMPUTES, HALF_PRIMITIVES, HALVES, REAL_CTYPE, CannotLower, Lowering, names_in
from primitives import COST

PIECES = 16  # as many as gen/meson.build lists


@dataclass
class Input:
    name: str
    scalar: bool = False   # always one number
    number: bool = False   # a tensor or a number
    mask: bool = False     # stays bool whatever the compute dtype (the condition of where)


class Kernels:
    """The kernels found so far: rows (one per distinct body) of one kernel per dtype."""

    def __init__(self):
        self.rows = [("none", {})]   # name, {compute.index: C text}; row 0 is empty
        self.known = {}              # bodies -> row

    def add(self, name, formulas, inputs, result):
        """formulas: {compute dtype's tag: Node}; result: v, m or r. The row's number and the bits of its dtypes."""
        bodies = {}
        for compute in COMPUTES + HALVES:
            node = formulas.get(compute.tag)
            if node is None:
                continue
            try:
                bodies[compute.index] = kernel(compute, node, inputs, result)
            except CannotLower:
                continue
        key = tuple(sorted(bodies.items()))
        if key not in self.known:
            self.known[key] = len(self.rows)
            self.rows.append((name, {i: text.replace("@NAME@", name) for i, text in bodies.items()}))
        return self.known[key], sum(1 << c.index for c in COMPUTES if c.index in bodies)


def body(compute, node, inputs, result):
    """(inline function, names used, kind of the result)."""
    names = {i.name: (f"x{k}", "m" if i.mask else "v") for k, i in enumerate(inputs)}
    lowering = Lowering(compute, names)
    text, kind = lowering.lower(node)
    if result == "m":
        text = lowering.as_kind(text, kind, "m")
    elif result == "r" and compute.kind == "c":
        if kind != "r":
            raise ValueError("the result must be real: use real(), imag() or abs()")
    else:
        text = lowering.as_kind(text, kind, "v")
    out = compute.mask if result == "m" else REAL_CTYPE[compute.real] if result == "r" and compute.kind == "c" else compute.value
    used = [k for k, i in enumerate(inputs) if i.name in lowering.used]
    params = ", ".join(f"{compute.mask if inputs[k].mask else compute.value} x{k}" for k in used) or "void"
    return f"static inline {out} body_@NAME@_{compute.tag}({params}) {{\n    return {text};\n}}\n", used


def kernel(compute, node, inputs, result):
    inline, used = body(compute, node, inputs, result)
    out_type = "uint8_t" if result == "m" else REAL_CTYPE[compute.real] if result == "r" and compute.kind == "c" else compute.ctype
    lines = [inline, f"void TW_K(k_@NAME@_{compute.tag})(int64_t n, void *out, const void *const *in, unsigned broadcast) {{",
             f"    {out_type} *o = out;"]
    vectors = [k for k in used if not inputs[k].scalar]
    for k in used:
        ctype = "uint8_t" if inputs[k].mask else compute.ctype
        if inputs[k].scalar:
            value = f"*(const {ctype} *)in[{k}]"
            splat = f"v_splat_{compute.suffix}({value})" if compute.kind == "f" else value
            lines.append(f"    const {compute.value} s{k} = {splat};")
        else:
            lines.append(f"    const {ctype} *p{k} = in[{k}];")
    if not vectors:
        lines.append("    (void)broadcast;")
    lines += (vector_loops if compute.kind == "f" else scalar_loops)(compute, inputs, used, vectors, result)
    return "\n".join(lines + ["}", ""])


def cases(vectors):
    """Which inputs are splat, per specialised loop; the last, None, tests each at run time."""
    if len(vectors) == 2:
        return [(), (vectors[1],), (vectors[0],), None]
    return [(), None] if vectors else [()]


def condition(splats, vectors):
    used = sum(1 << k for k in vectors)
    want = sum(1 << k for k in splats)
    return f"if ((broadcast & {used:#x}u) == {want:#x}u)"


def vector_loops(compute, inputs, used, vectors, result):
    """Whole vectors, then one masked tail."""
    s, lines = compute.suffix, []
    tag = f"body_@NAME@_{compute.tag}"

    def load(k, tail):
        kind = f"v_load_mask{'_n' if tail else ''}_{s}" if inputs[k].mask else f"v_load{'_rest' if tail else ''}_{s}"
        return f"{kind}(p{k} + i{', n - i' if tail else ''})"

    def splat(k):
        return f"v_ne_{s}(v_splat_{s}(*p{k}), v_splat_{s}(0))" if inputs[k].mask else f"v_splat_{s}(*p{k})"

    def loop(values, tail_values, indent):
        store = f"v_store_mask{{}}_{s}" if result == "m" else f"v_store{{}}_{s}"
        return [f"{indent}int64_t i = 0;",
                f"{indent}for (; i + V_LANES_{s} <= n; i += V_LANES_{s}) {store.format('')}(o + i, {tag}({', '.join(values)}));",
                f"{indent}if (i < n) {store.format('_n')}(o + i, {tag}({', '.join(tail_values)}), n - i);"]

    for splats in cases(vectors):
        if splats is not None:
            values = [f"s{k}" if inputs[k].scalar or k in splats else load(k, False) for k in used]
            tails = [f"s{k}" if inputs[k].scalar or k in splats else load(k, True) for k in used]
            hoisted = [f"        const {compute.mask if inputs[k].mask else compute.value} s{k} = {splat(k)};" for k in splats]
            if vectors:
                lines += [f"    {condition(splats, vectors)} {{", *hoisted, *loop(values, tails, "        "), "        return;", "    }"]
            else:
                lines += loop(values, tails, "    ")
        else:
            for k in vectors:
                lines.append(f"    const {compute.mask if inputs[k].mask else compute.value} s{k} = {splat(k)};")
            pick = [f"s{k}" if inputs[k].scalar else f"broadcast & {1 << k:#x}u ? s{k} : {load(k, False)}" for k in used]
            tails = [f"s{k}" if inputs[k].scalar else f"broadcast & {1 << k:#x}u ? s{k} : {load(k, True)}" for k in used]
            lines += loop(pick, tails, "    ")
    return lines


def scalar_loops(compute, inputs, used, vectors, result):
    """Plain loops, which the compiler vectorises where it can."""
    lines = []

    def value(k, index):
        if inputs[k].scalar:
            return f"s{k}"
        return f"p{k}[{index}] != 0" if inputs[k].mask else f"p{k}[{index}]"

    def loop(values, indent):
        text = f"body_@NAME@_{compute.tag}({', '.join(values)})"
        text = f"({text}) != 0" if compute.kind == "b" and result != "m" else text
        return [f"{indent}TW_IVDEP", f"{indent}for (int64_t i = 0; i < n; i++) o[i] = {text};"]

    for splats in cases(vectors):
        if splats is not None:
            values = [f"s{k}" if k in splats else value(k, "i") for k in used]
            hoisted = [f"        const {'bool' if inputs[k].mask else compute.value} s{k} = *p{k};" for k in splats]
            if vectors:
                lines += [f"    {condition(splats, vectors)} {{", *hoisted, *loop(values, "        "), "        return;", "    }"]
            else:
                lines += loop(values, "    ")
        else:
            lines += [f"    const int64_t d{k} = broadcast & {1 << k:#x}u ? 0 : 1;" for k in vectors]
            lines += loop([value(k, f"d{k} * i") for k in used], "    ")
    return lines


COLUMNS = {"b": ("value_bool", "value_int", "value"), "i": ("value_int", "value"), "f": ("value_float", "value"),
           "c": ("value_complex", "value")}


def elementwise_formulas(op):
    """{compute dtype's tag: formula} of an elementwise op, from its checked columns."""
    out = {}
    for compute in COMPUTES:
        node = next((op.formulas[c] for c in COLUMNS[compute.kind] if c in op.formulas), None)
        if node is not None and DTYPE_NAMES[compute.index] in op.dtype_names:
            out[compute.tag] = node
    for half in HALVES:
        node = out.get(half.suffix)
        if node is not None and any(uses_half_primitive(child, half) for child in half_parts(node, half)):
            out[half.half] = node
    return out


def half_parts(node, half):
    """Where a step's rounding is not that of the result: for complex numbers below the root, where a product is one step of several."""
    return [*node.args, *node.kwargs.values()] if half.kind == "c" else [node]


def uses_half_primitive(node, half):
    return any(n.kind == "call" and n.value in HALF_PRIMITIVES[half.half] for n in node.walk())


DTYPE_NAMES = {0: "bool", 1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 8: "float32", 9: "float64", 11: "complex64",
               12: "complex128"}


def op_inputs(op):
    return [Input(p.name, scalar=p.type.base != "Tensor", number=p.number_too, mask=op.columns.get("promote") == "where" and i == 0)
            for i, p in enumerate(op.params)]


def result_kind(promote):
    return {"compare": "m", "bool": "m", "real": "r"}.get(promote, "v")


def fold(op):
    """(index, value) of the parameter whose default simplifies the formula; None if there is none."""
    for i, p in enumerate(op.params):
        if p.type.base in ("Scalar", "float", "int") and p.has_default and p.default in (0, 1):
            return i, p.default
    return None


def simplify(node, name, value):
    """The formula with a name fixed: 1 * x is x, x + 0 is x."""
    if node is None:
        return None
    if node.kind == "name" and node.value == name:
        return num(value)
    args = [simplify(a, name, value) for a in node.args]
    if node.kind == "call" and node.value in ("mul", "div") and len(args) == 2:
        if args[1].kind == "num" and args[1].value == 1:
            return args[0]
        if node.value == "mul" and args[0].kind == "num" and args[0].value == 1:
            return args[1]
    if node.kind == "call" and node.value == "fma" and len(args) == 3:
        if args[0].kind == "num" and args[0].value in (1, -1):
            return Node("call", "add" if args[0].value == 1 else "sub", [args[2], args[1]])
    if node.kind == "call" and node.value == "neg" and args[0].kind == "num":
        return num(-args[0].value)
    return Node(node.kind, node.value, args, dict(node.kwargs), node.operator)


def refusal(text):
    """`NotImplementedError: text`, or `text` for a RuntimeError, as C."""
    kind, found, rest = text.partition("Error: ")
    return f"{{TW_NOT_IMPLEMENTED_ERROR, {c_string(rest)}}}" if found and kind == "NotImplemented" else f"{{TW_RUNTIME_ERROR, {c_string(text)}}}"


def rules_of(op):
    """Fields of a tw_ew that follow from the columns: what is refused and in which words, whose layout and width count."""
    out, columns, inputs = "", op.columns, op_inputs(op)
    if "wide" in columns:
        out += f", .wide = {sum(1 << op.index(name) for name in op.words('wide')):#x}"
    if "lead" in columns:
        out += f", .lead = {op.index(columns['lead'])}"
    if "guard" in columns:
        out += f", .guard = TW_GUARD_{columns['guard'].upper()}"
    if op.out_rule == "exact":
        out += ", .out_exact = true" + (f", .out_text = {c_string(op.out_text)}" if op.out_text else "")
    if "refuse" in columns:
        entries = ", ".join(f"[{REFUSALS.index(category)}] = {refusal(text)}" for category, text in columns["refuse"].items())
        out += f",\n    .refuse = (const tw_refusal[TW_REFUSALS]){{{entries}}}"
    if "mixed" in columns:
        texts = ", ".join(c_string(columns["mixed"].replace("{name}", i.name)) for i in inputs)
        numbers = sum(1 << k for k, i in enumerate(inputs) if i.number)
        out += f",\n    .numbers = {numbers:#x}, .mixed = (const char *const[]){{{texts}}}"
    return out


def cost_of(formula):
    return min(255, sum(COST.get(node.value, 0) for node in formula.walk() if node.kind == "call"))


class Records:
    """tw_ew records: one per elementwise op and per fused gradient."""

    def __init__(self):
        self.kernels = Kernels()
        self.lines = []
        self.dtypes = {}

    def add(self, c_name, name, promote, formulas, inputs, label=None, folded=None, more=""):
        row, dtypes = self.kernels.add(c_name, formulas, inputs, result_kind(promote))
        scalars = sum(1 << k for k, i in enumerate(inputs) if i.scalar)
        cost = max((cost_of(f) for f in formulas.values() if f is not None), default=0)
        extra = (f", .cost = {cost}" if cost else "") + more
        if folded:
            index, value = folded
            simple = {k: simplify(v, inputs[index].name, value) for k, v in formulas.items()}
            if any(v is not None and inputs[index].name not in names_in(v) for v in simple.values()):
                folded_row, _ = self.kernels.add(f"{c_name}_folded", simple, inputs, result_kind(promote))
                extra += f", .folded = {folded_row}, .fold_input = {index}, .fold_value = {c_double(value)}"
        if promote != "first" and any(i.scalar and i.name == "alpha" for i in inputs):
            extra += ", .alpha = true"
        self.dtypes[c_name] = dtypes
        self.lines.append(f"const tw_ew tw_ew_{c_name} = {{.name = {c_string(name)}, .label = {c_string(label)}, .nin = {len(inputs)}, "
                          f".promote = TW_PROMOTE_{promote.upper()},\n    .dtypes = {dtypes:#x}, .kernel = {row}, .scalars = {scalars:#x}{extra}}};")
        return dtypes

    def drop(self, c_name):
        """Takes back a record that has no kernel."""
        self.lines = [line for line in self.lines if not line.startswith(f"const tw_ew tw_ew_{c_name} =")]

    def add_op(self, op):
        promote = op.columns.get("promote", "default")
        return self.add(op.c, op.base, promote, elementwise_formulas(op), op_inputs(op), op.columns.get("label"), fold(op), rules_of(op))


def tag_of(index):
    return next(c.tag for c in COMPUTES + HALVES if c.index == index)


def kernel_names(rows):
    for name, kernels in rows:
        for index in sorted(kernels):
            yield name, index, tag_of(index)


def emit_pieces(kernels):
    """{file: text}: a row's piece follows from its name, so that a new op recompiles one piece and not all."""
    pieces = [[] for _ in range(PIECES)]
    for name, row in kernels.rows[1:]:
        pieces[crc32(name.encode()) % PIECES].append("\n".join(row[index] for index in sorted(row)))
    head = BANNER + '#include "kernels/ew_kernels.h"\n\n'
    return {f"ew_kernels_{i}.c": head + "\n".join(piece) for i, piece in enumerate(pieces)}


def emit_rows(kernels):
    """The table of one instruction set."""
    lines = [BANNER, '#include "kernels/kernel.h"', ""]
    for name, _, tag in kernel_names(kernels.rows):
        lines.append(f"void TW_K(k_{name}_{tag})(int64_t n, void *out, const void *const *in, unsigned broadcast);")
    lines += ["", "extern const tw_ew_row TW_K(tw_ew_rows)[];", "const tw_ew_row TW_K(tw_ew_rows)[] = {"]
    for name, row in kernels.rows:
        tags = [(i, tag_of(i)) for i in sorted(row)]
        lines.append("    {" + (", ".join(f"[{i}] = TW_K(k_{name}_{tag})" for i, tag in tags) or "0") + "},")
    return "\n".join(lines + ["};", ""])


SELECT = """\
#if defined(__x86_64__)
extern const tw_ew_row tw_ew_rows_baseline[], tw_ew_rows_avx2[], tw_ew_rows_avx512[];
const tw_ew_row *tw_ew_kernels(void) {
    static const tw_ew_row *const sets[] = {tw_ew_rows_baseline, tw_ew_rows_avx2, tw_ew_rows_avx512};
    return sets[tw_cpu_isa()];
}
#else
extern const tw_ew_row tw_ew_rows_baseline[];
const tw_ew_row *tw_ew_kernels(void) { return tw_ew_rows_baseline; }
#endif
"""


def emit_records(records):
    return "\n".join([BANNER, '#include "core/cpu.h"', '#include "ops/elementwise.h"', '#include "ops_decl.h"', '#include "gradients.h"',
                      "", SELECT] + records.lines + [""])
