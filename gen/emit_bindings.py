"""bindings.c: which Python names call which ops (ext/binding.h)."""
from ctext import BANNER, c_string


def places(op):
    """(space, name) of every public name of an op, without in-place forms."""
    names = [(None, op.base)]
    for alias in op.words("aliases"):
        space, _, name = alias.rpartition(".")
        names.append((space or None, name))
    out = []
    for space, name in names:
        if space:
            out.append((space, name))
            continue
        if "function" in op.variants and op.public:
            out.append(("torch", name))
        if "method" in op.variants and op.public:
            out.append(("Tensor", name))
        out += [(extra, name) for extra in op.words("namespaces")]
    return out


def inplace_places(op):
    if "inplace" not in op.variants or not op.public:
        return []
    spaces = (["Tensor"] if "method" in op.variants else []) + op.words("namespaces")
    if "function" in op.variants and "method" not in op.variants:
        spaces.append("torch")  # torch.threshold_
    elif len(op.tensor_params) == 1 and op.kind == "elementwise" and len(op.params) == 1 and "function" in op.variants:
        spaces.append("torch")  # torch.exp_ and the like
    names = [op.base] + [alias for alias in op.words("aliases") if "." not in alias]
    return [(space, name + "_") for name in names for space in spaces]


def group(ops):
    """{(space, name, inplace): [ops]} in table order."""
    groups = {}
    for op in ops:
        for space, name in places(op):
            groups.setdefault((space, name, "inplace" in op.flags), []).append(op)
        for space, name in inplace_places(op):
            groups.setdefault((space, name, True), []).append(op)
    return groups


def emit_bindings(ops):
    lists, rows = [], []
    for i, ((space, name, inplace), members) in enumerate(sorted(group(ops).items())):
        ids = ", ".join(f"TW_OP_{op.c}" for op in members)
        lists.append(f"static const uint16_t ops_{i}[] = {{{ids}}};")
        out = not inplace and any("out" in op.variants for op in members)
        doc = next((op.columns["doc"] for op in members if op.columns.get("doc")), None)
        rows.append(f"    {{{c_string(space)}, {c_string(name)}, .inplace = {str(inplace).lower()}, .has_out = {str(out).lower()}, "
                    f".nops = {len(members)}, .ops = ops_{i},\n     .doc = {c_string(doc)}}},")
    return "\n".join([BANNER, '#include "op_ids.h"', '#include "../ext/binding.h"', ""] + lists
                     + ["", "const tw_binding tw_bindings[] = {"] + rows
                     + ["};", f"const int tw_binding_count = {len(rows)};", ""])
