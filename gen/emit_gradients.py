"""gradients.h and gradients.c: for each op one gradient function and one tangent function, and the records of fused kernels."""
import re

from ctext import BANNER, wrap
from emit_ew import Input
from emit_table import Defaults
from formula import Node, call, names_in_values, substitute, times
from graph import Emitter, OpIndex, Value, boxed, param_value
from lower import COMPUTES
from parse import SpecError

GRAD_ARGS = ("struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin")
JVP_ARGS = "const tw_arg *a, tw_tensor *const *r, const tw_arg *dt, tw_tensor **tout"
FLOATING = {c.index: c.tag for c in COMPUTES if c.kind in "fc"}


def edge_of(op, param):
    """C expression of the first edge of a tensor parameter."""
    tensors = op.tensor_params
    k = tensors.index(param)
    if any(p.type.is_list for p in tensors[:k]):
        return f"(node->nedges - {len(tensors) - k})"
    return str(k)


def differentiable_results(op):
    return [i for i, name in enumerate(op.result_names) if name not in op.nondiff and f"result{i}" not in op.nondiff]


def result_values(op):
    out = {}
    for i, name in enumerate(op.result_names):
        value = Value("tensor", f"tw_a_tensor(r[{i}])")
        out[name] = out[f"result{i}"] = value
    out.setdefault("result", Value("tensor", "tw_a_tensor(r[0])"))
    return out


class Gradients:
    def __init__(self, ops, records):
        self.ops = ops
        self.records = records      # emit_ew.Records
        self.index = OpIndex(ops)
        self.arrays = Defaults()
        self.errors = []
        self.saves = {}             # op key -> mask per parameter
        self.jvps = set()           # op keys
        self.functions = []
        self.externs = []

    def error(self, op, column, message):
        self.errors.append(SpecError(op.where(column), message))

    def names(self, op):
        names = result_values(op)
        names.update({p.name: param_value(p, f"a[{i}]") for i, p in enumerate(op.params)})
        return names

    # --- gradients ---

    def grad_tree(self, op, name):
        """The gradient of a parameter as one tree, and its column."""
        head, _ = op.derivative(name)
        column = f"{head}.{name}"
        node = op.formulas.get(column)
        if node is not None and head == "d":
            grad = Node("name", "grad")
            node = times(grad, node if node.kind == "num" else call("conj", node))
        return node, column

    def save_mask(self, op, reads):
        mask = 0
        for name in reads:
            i = op.index(name)
            if i >= 0 and op.params[i].type.base == "Tensor":
                mask |= 1 << i
            elif i < 0:
                results = {**{f"result{k}": k for k in range(len(op.result_names))}, "result": 0,
                           **{n: k for k, n in enumerate(op.result_names)}}
                if name in results:
                    mask |= 1 << (16 + results[name])
        return mask

    def gradient(self, op):
        saves = [0] * len(op.params)
        if op.native_grad:
            self.saves[op.key] = [self.native_save(op) if p.type.base == "Tensor" else 0 for p in op.params]
            return
        diff = differentiable_results(op)
        names = self.names(op)
        several = len(diff) > 1 or op.gives_list
        for i in diff:
            value = Value("tensor", f"tw_a_tensor(g[{i}])", zero=several)
            names[f"grad_{op.result_names[i]}"] = names[f"grad_result{i}"] = value
        if "grad" not in names or op.index("grad") < 0:
            names["grad"] = Value("tensor", f"tw_a_tensor(g[{diff[0]}])", zero=several)
        blocks, slots = [], 0
        for p in op.tensor_params:
            if not op.has_gradient(p.name):
                continue
            node, column = self.grad_tree(op, p.name)
            edge = edge_of(op, p)
            try:
                lines, reads, most = self.gradient_block(op, p, node, names, edge)
            except ValueError as error:
                self.error(op, column, str(error))
                blocks += [f"    if (need >> {edge} & 1) {{", f"        tw_fail(TW_NOT_IMPLEMENTED_ERROR, "
                           f"\"the gradient of '{op.key}' with respect to '{p.name}' is not implemented\");", "        goto done;", "    }"]
                continue
            saves[op.params.index(p)] = self.save_mask(op, reads)
            if op.gives_list and saves[op.params.index(p)] >> 16:
                self.error(op, column, f"the gradient of '{op.key}' cannot read its result, which is a list")
            blocks += lines
            slots = max(slots, most)
        self.saves[op.key] = saves
        self.functions.append(self.function(op, blocks, slots, diff if not several else None))

    def native_save(self, op):
        names = op.words("save") if "save" in op.columns else [p.name for p in op.tensor_params] + op.result_names
        return self.save_mask(op, names)

    def function(self, op, blocks, slots, single):
        lines = [wrap(f"bool tw_{op.c}_grad(", GRAD_ARGS.split(", "), ") {")]
        if slots:
            lines.append(f"    tw_arg t[{slots}] = {{{{.tag = TW_ARG_NONE}}}};")
        text = "\n".join(blocks)
        lines += [f"    (void){name};" for name in ("node", "a", "r", "g", "need", "gin") if not uses(text, name) and not (name == "g" and single)]
        if single:
            lines.append(f"    if (!g[{single[0]}]) return true;")
        lines += blocks
        if slots:
            lines += ["    if (false) goto done;", "done:" , f"    tw_f_release(t, {slots});"] if "goto done" not in text else \
                ["done:", f"    tw_f_release(t, {slots});"]
        elif "goto done" in text:
            lines.append("done:")
        return "\n".join(lines + ["    return !tw_failed();", "}", ""])

    def gradient_block(self, op, p, node, names, edge):
        """(lines, names read, slots): what sets gin[edge]."""
        if p.type.is_list:
            raise ValueError(f"the gradient of the list '{p.name}' must be \"native\", \"zero\" or \"nondiff\"")
        lines = [f"    if (need >> {edge} & 1) {{ // {p.name}"]
        if node is None:  # "zero"
            return lines + [f"        gin[{edge}] = tw_f_zeros(&node->inputs[{edge}]);", "        if (tw_failed()) goto done;", "    }"], set(), 0
        edges = {q.name: f"(&node->inputs[{edge_of(op, q)}])" for q in op.tensor_params if not q.type.is_list and not q.number_too}
        emitter = Emitter(self.index, op, names, edges, self.arrays)
        if op.gives_list:  # the gradients of all pieces
            emitter.names = {**names, "grad": Value("tensors", emitter.slot("tw_f_gradients(node, g)").c)}
        fused = self.fuse(op, p, node) if op.kind == "elementwise" else None
        if fused:
            emitter.indent += "    "
        value = emitter.value(node)
        take = f"tw_f_take(&{value.c})" if value.owned else f"tw_f_keep({boxed(value)})"
        emitter.put(f"gin[{edge}] = {take};")
        reads = emitter.read | names_in_values(node)
        if fused:
            record, inputs = fused
            array = ", ".join(names[i].boxed or names[i].c for i in inputs)
            lines.append(f"        if (tw_f_fusable(&{record}, g[{differentiable_results(op)[0]}])) {{")
            lines.append(wrap(f"            gin[{edge}] = tw_f_fused(&{record}, (const tw_arg[]){{", array.split(", "), f"}}, {len(inputs)});",
                              indent="                "))
            lines += ["        } else {", *emitter.lines, "        }"]
        else:
            lines += emitter.lines
        if emitter.most:
            lines.append(f"        tw_f_release(t, {emitter.most});")
        return lines + ["        if (tw_failed()) goto done;", "    }"], reads, emitter.most

    def fuse(self, op, p, node):
        """(record, input names) of one kernel for a whole elementwise gradient; None if it needs more."""
        names = names_in_values(node)
        if node.kind == "name" or "grad" not in names or op.index("grad") >= 0:
            return None
        known = {q.name for q in op.params} | {"result"}
        if not names - {"grad"} <= known or any(q.type.base == "str" for q in op.params if q.name in names):
            return None
        inputs = [Input("grad")]
        for q in op.params:
            if q.name in names:
                inputs.append(Input(q.name, scalar=q.type.base != "Tensor"))
        if "result" in names:
            inputs.append(Input("result"))
        words = op.dtype_names
        tags = {c.tag: node for c in COMPUTES if c.kind in "fc" and {"f32": "float32", "f64": "float64", "c64": "complex64",
                                                                   "c128": "complex128"}[c.tag] in words}
        promote = "default" if op.columns.get("promote") == "real" else "first"
        name = f"{op.c}_grad_{p.name}"
        try:
            steps = ", .half_steps = true" if op.columns.get("half_grad") == "steps" else ""
            dtypes = self.records.add(name, f"{op.base}_backward", promote, tags, inputs, more=steps)
        except ValueError:
            return None
        if not dtypes:
            self.records.drop(name)
            return None
        self.externs.append(f"extern const tw_ew tw_ew_{name};")
        return f"tw_ew_{name}", [i.name for i in inputs]

    # --- tangents ---

    def tangent(self, op):
        if op.native_jvp:
            self.jvps.add(op.key)
            return
        if op.gives_list:
            return  # a view of several: the tangents are those pieces of the tangent (jvp.c)
        given = [op.derivative(p.name)[1] for p in op.tensor_params if op.has_gradient(p.name)]
        if all(text == "zero" for text in given) and not op.linear and not any(c.startswith("jvp.") for c in op.formulas):
            self.jvps.add(op.key)  # no tangent at all
            self.functions.append(wrap(f"bool tw_{op.c}_jvp(", JVP_ARGS.split(", "), ") {") +
                                  "\n    (void)a;\n    (void)r;\n    (void)dt;\n    (void)tout;\n    return true;\n}\n")
            return
        trees = self.tangent_trees(op)
        if trees is None and (op.linear or op.kind == "view") and not op.all_nondiff:
            linear = op.linear or [op.params[0].name]
            mask = sum(1 << i for i, p in enumerate(op.params) if p.name in linear and (not op.jointly_linear or op.has_gradient(p.name)))
            joint = "true" if op.jointly_linear else "false"
            self.jvps.add(op.key)
            self.functions.append(wrap(f"bool tw_{op.c}_jvp(", JVP_ARGS.split(", "), ") {") +
                                  f"\n    (void)r;\n    return tw_f_linear(TW_OP_{op.c}, a, dt, {mask:#x}, {joint}, tout);\n}}\n")
            return
        if not trees:
            return
        names = self.names(op)
        for i, p in enumerate(op.params):
            if p.type.base == "Tensor":
                names[f"{p.name}_t"] = Value("tensors" if p.type.is_list else "tensor", f"dt[{i}]", zero=True)
        lines, slots = [], 0
        for i, (column, node) in sorted(trees.items()):
            emitter = Emitter(self.index, op, names, {}, self.arrays)
            emitter.indent = "    "
            try:
                value = emitter.value(node)
            except ValueError as error:
                self.error(op, column, str(error))
                return
            take = f"tw_f_take(&{value.c})" if value.owned else f"tw_f_keep({boxed(value)})"
            emitter.put(f"tout[{i}] = {take};")
            if emitter.most:
                emitter.put(f"tw_f_release(t, {emitter.most});")
            if any(line.lstrip().startswith("const int64_t l") for line in emitter.lines) and len(trees) > 1:
                emitter.lines = ["    {"] + emitter.lines + ["    }"]
            lines += emitter.lines
            slots = max(slots, emitter.most)
        head = [wrap(f"bool tw_{op.c}_jvp(", JVP_ARGS.split(", "), ") {")]
        text = "\n".join(lines)
        if slots:
            head.append(f"    tw_arg t[{slots}] = {{{{.tag = TW_ARG_NONE}}}};")
        head += [f"    (void){name};" for name in ("a", "r", "dt") if not uses(text, name)]
        self.jvps.add(op.key)
        self.functions.append("\n".join(head + lines + ["    return !tw_failed();", "}", ""]))

    def tangent_trees(self, op):
        """{result: (column, tree)}; None where there is no formula."""
        out = {}
        for i, name in enumerate(op.result_names):
            for column in (f"jvp.{name}", f"jvp.result{i}", "jvp.result" if i == 0 else ""):
                if column in op.formulas and i not in out:
                    out[i] = (column, op.formulas[column])
        if out or op.kind != "elementwise" or op.linear or op.all_nondiff:
            return out or None
        terms, column = [], None
        for p in op.tensor_params:
            if not op.has_gradient(p.name) or op.derivative(p.name)[1] == "zero":
                continue
            head, _ = op.derivative(p.name)
            column = f"{head}.{p.name}"
            node = op.formulas.get(column)
            if node is None:
                return None
            tangent = Node("name", f"{p.name}_t")
            terms.append(times(tangent, node) if head == "d" else substitute(node, {"grad": f"{p.name}_t"}))
        if not terms:
            return None
        tree = terms[0]
        for term in terms[1:]:
            tree = call("add", tree, term)
        return {0: (column, tree)}

    def run(self):
        for op in self.ops:
            if op.kind == "" or (op.kind == "composite" and not op.has_grad):
                continue
            if op.has_grad:
                self.gradient(op)
            if op.has_grad or op.native_jvp or any(c.startswith("jvp.") for c in op.formulas):
                self.tangent(op)


def uses(text, name):
    return re.search(rf"\b{name}\b(?=[\[\->,;)]|$)", text) is not None


def emit_gradients_h(gradients):
    lines = [BANNER, "#ifndef TW_GRADIENTS_H", "#define TW_GRADIENTS_H", '#include "ops/elementwise.h"', '#include "ops/op.h"', ""]
    lines += gradients.externs
    for op in gradients.ops:
        if op.key in gradients.saves and not op.native_grad:
            lines.append(f"bool tw_{op.c}_grad({GRAD_ARGS});")
        if op.key in gradients.jvps and not op.native_jvp:
            lines.append(f"bool tw_{op.c}_jvp({JVP_ARGS});")
    return "\n".join(lines + ["#endif", ""])


def emit_gradients_c(gradients):
    text = "\n".join(gradients.functions)
    arrays = [line for line in gradients.arrays.lines if re.search(rf"\b{line.split('[')[0].split()[-1]}\b", text)]
    return "\n".join([BANNER, '#include "autograd/formula.h"', '#include "gradients.h"', '#include "op_ids.h"', "#include <math.h>", ""]
                     + arrays + ["", text])
