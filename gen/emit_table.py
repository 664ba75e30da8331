"""op_ids.h, ops_decl.h, ops_table.c: every op as data."""
import re

from ctext import BANNER, c_double, c_string

TYPES = {"Scalar": "SCALAR", "bool": "BOOL", "str": "STRING", "ScalarType": "DTYPE", "Device": "DEVICE", "Layout": "LAYOUT",
         "MemoryFormat": "FORMAT", "Generator": "GENERATOR"}


def type_name(type_):
    if type_.base == "Tensor":
        return "TW_TYPE_TENSORS" if type_.is_list else "TW_TYPE_TENSOR"
    if type_.is_list:
        return "TW_TYPE_FLOATS" if type_.base in ("float", "Scalar") else "TW_TYPE_INTS"
    return "TW_TYPE_" + {"int": "INT", "float": "FLOAT", **TYPES}[type_.base]


def node_name(op):
    """PyTorch's: log_softmax → LogSoftmaxBackward0, max_pool2d → MaxPool2DBackward0."""
    if "node" in op.columns:
        return op.columns["node"]
    return "".join(part.title() for part in op.base.split("_")) + "Backward0"


def emit_op_ids(ops):
    lines = [BANNER, "#ifndef TW_OP_IDS_H", "#define TW_OP_IDS_H", "enum tw_op_id {"]
    lines += [f"    TW_OP_{op.c} = {op.id}," for op in ops]
    return "\n".join(lines + [f"    TW_OP_COUNT = {len(ops)}", "};", "#endif", ""])


def functions_of(op):
    """(field, prototype) of the C functions that an op's kind and columns name."""
    out = []
    if op.kind == "view" and op.gives_list:
        out.append(("pieces", f"bool tw_{op.c}_pieces(const tw_arg *a, tw_pieces *out);"))
    elif op.kind == "view":
        out.append(("view", f"bool tw_{op.c}_view(const tw_arg *a, tw_view *out);"))
    if op.kind == "kernel":
        if "dynamic" not in op.flags:
            out.append(("meta", f"bool tw_{op.c}_meta(const tw_arg *a, tw_meta *outs);"))
        out.append(("run", f"bool tw_{op.c}_run(const tw_arg *a, tw_tensor **outs);"))
    if op.kind == "composite":
        out.append(("composite", f"bool tw_{op.c}_composite(const tw_arg *a, tw_tensor **outs);"))
    if op.columns.get("sparse") == "function":
        out.append(("sparse_run", f"bool tw_{op.c}_sparse(const tw_arg *a, tw_tensor **outs);"))
    return out


def emit_decl(ops):
    lines = [BANNER, "/* Hand-written functions that the table's ops name. */", "#ifndef TW_OPS_DECL_H", "#define TW_OPS_DECL_H",
             '#include "ops/op.h"', ""]
    for op in ops:
        lines += [text for _, text in functions_of(op)]
        if op.kind == "elementwise":
            lines.append(f"extern const struct tw_ew tw_ew_{op.c};")
        if op.kind == "reduce":
            lines.append(f"extern const struct tw_reduce tw_reduce_{op.reduce};")
        if op.native_grad:
            lines.append(f"bool tw_{op.c}_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, "
                         "uint64_t need, tw_tensor **gin);")
        if op.native_jvp:
            lines.append(f"bool tw_{op.c}_jvp(const tw_arg *a, tw_tensor *const *r, const tw_arg *t, tw_tensor **tout);")
        if op.batch_function:
            lines.append(f"bool {op.batch_function}(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs);")
    seen, unique = set(), []
    for line in lines:
        if line.startswith(("extern", "bool")) and line in seen:
            continue
        seen.add(line)
        unique.append(line)
    return "\n".join(unique + ["#endif", ""])


class Defaults:
    """Static arrays that list defaults point at; equal ones are shared."""

    def __init__(self):
        self.names = {}
        self.lines = []

    def array(self, ctype, values):
        key = (ctype, tuple(values))
        if key not in self.names:
            self.names[key] = f"default_{len(self.names)}"
            text = ", ".join(values)
            self.lines.append(f"static const {ctype} {self.names[key]}[] = {{{text}}};")
        return self.names[key]


def fallback(param, arrays):
    """The default as the initialiser of a tw_arg."""
    value, type_ = param.default, param.type
    if not param.has_default or value is None:
        return "{.tag = TW_ARG_NONE}"
    if type_.is_list:
        if type_.base == "Tensor":
            return "{.tag = TW_ARG_TENSORS}"
        doubles = type_.base in ("float", "Scalar")
        tag = "TW_ARG_DOUBLES" if doubles else "TW_ARG_INTS"
        if not value:
            return f"{{.tag = {tag}}}"
        name = arrays.array("double" if doubles else "int64_t", [c_double(v) if doubles else str(int(v)) for v in value])
        return f"{{.{'doubles' if doubles else 'ints'} = {name}, .n = {len(value)}, .tag = {tag}}}"
    if type_.base == "str":
        return f"{{.s = {c_string(value)}, .tag = TW_ARG_STRING}}"
    if isinstance(value, bool):
        return f"{{.i = {int(value)}, .tag = TW_ARG_BOOL}}"
    if isinstance(value, float) or type_.base == "float":
        return f"{{.d = {c_double(value)}, .tag = TW_ARG_FLOAT}}"
    return f"{{.i = {value}, .tag = TW_ARG_INT}}"


def param_record(param, arrays):
    fields = [c_string(param.name), f".type = {type_name(param.type)}"]
    flags = [("optional", param.type.optional), ("keyword_only", param.keyword_only), ("has_default", param.has_default),
             ("number_too", param.number_too), ("optional_items", param.type.optional_items)]
    fields += [f".{name} = true" for name, on in flags if on]
    if param.type.list_size:
        fields.append(f".list_size = {param.type.list_size}")
    if param.has_default:
        fields.append(f".fallback = {fallback(param, arrays)}")
    return "{" + ", ".join(fields) + "}"


def differentiable(op):
    mask = 0
    for i, p in enumerate(op.params):
        if p.type.base == "Tensor" and op.has_gradient(p.name):
            mask |= 1 << i
    return mask


def out_nondiff(op):
    mask = 0
    for i, name in enumerate(op.result_names):
        if op.all_nondiff or name in op.nondiff:
            mask |= 1 << i
    return mask


def reduce_places(op):
    """Which parameters of a reduction mean what: fields of a tw_reduce_at."""
    meaning = {"dim": "dim", "keepdim": "keepdim", "dtype": "dtype", "correction": "correction", "unbiased": "correction"}
    return ", ".join(f".{meaning[p.name]} = {i}" for i, p in enumerate(op.params) if p.name in meaning) or "0"


def record(op, arrays, saves):
    lines = []
    if op.params:
        lines.append(f"static const tw_param params_{op.c}[] = {{")
        lines += [f"    {param_record(p, arrays)}," for p in op.params]
        lines.append("};")
    named = [r for r in op.schema.results if r]
    if named:
        lines.append(f"static const char *const outs_{op.c}[] = {{" + ", ".join(c_string(r) for r in op.schema.results) + "};")
    save = saves.get(op.key)
    if save:
        lines.append(f"static const uint32_t save_{op.c}[] = {{" + ", ".join(hex(m) for m in save) + "};")
    words = set(op.flags) | ({"batch_native"} if op.batch_native else set()) | ({"list"} if op.gives_list else set())
    if op.kind == "composite" and "node" in op.columns and not op.has_grad:
        words = set(words) | {"named"}
    flags = " | ".join(f"TW_OP_{flag.upper()}" for flag in sorted(words)) or "0"
    fields = [f"{c_string(op.key)}, {c_string(op.base)}, {c_string(node_name(op))}",
              f".id = TW_OP_{op.c}, .kind = TW_KIND_{op.kind.upper()}, .nparams = {len(op.params)}, "
              f".nouts = {len(op.schema.results)}, .flags = {flags}"]
    if "sparse" in op.columns:
        fields.append(f".sparse = TW_SPARSE_{op.columns['sparse'].upper()}")
    if op.autocast:
        fields.append(f".autocast = TW_AUTOCAST_{op.autocast.upper()}")
    positional = [p for p in op.params if not p.keyword_only]
    self_at = next((i for i, p in enumerate(op.params) if p.name == "self"), 0)
    fields.append(f".self = {self_at}, .npositional = {len(positional)}, .nrequired = {sum(not p.has_default for p in positional)}")
    if op.params:
        fields.append(f".params = params_{op.c}")
    if named:
        fields.append(f".out_names = outs_{op.c}")
    if op.kind == "elementwise":
        fields.append(f".ew = &tw_ew_{op.c}")
    if op.kind == "reduce":
        fields.append(f".reduce = &tw_reduce_{op.reduce}, .at = {{{reduce_places(op)}}}")
    for name, prototype in functions_of(op):
        fields.append(f".{name} = {re.search(r'tw_[0-9A-Za-z_]+(?=[(])', prototype).group(0)}")
    if differentiable(op):
        fields.append(f".differentiable = {differentiable(op):#x}")
    if out_nondiff(op):
        fields.append(f".out_nondiff = {out_nondiff(op):#x}")
    if save:
        fields.append(f".grad = tw_{op.c}_grad, .save = save_{op.c}")
    if op.has_jvp:
        fields.append(f".jvp = tw_{op.c}_jvp")
    if op.batch_function:
        fields.append(f".batch = {op.batch_function}")
    fields.append(f".out_rule = TW_OUT_{op.out_rule.upper()}" + (f", .out_text = {c_string(op.out_text)}" if op.out_text else ""))
    return lines, "    {" + ",\n     ".join(fields) + "},"


def emit_table(ops, saves):
    """saves: op key -> save mask per parameter, for ops that have a gradient function."""
    arrays, statics, records = Defaults(), [], []
    for op in ops:
        lines, text = record(op, arrays, saves)
        statics += lines
        records.append(text)
    return "\n".join([BANNER, '#include "op_ids.h"', '#include "ops_decl.h"', '#include "gradients.h"', "#include <math.h>", ""]
                     + arrays.lines + statics + ["", "const tw_op tw_ops[] = {"] + records
                     + ["};", f"const int tw_op_count = {len(ops)};", ""])
