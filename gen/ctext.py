"""Small pieces of C shared by the emitters."""

BANNER = "/* Written by gen/ from spec/. Do not edit: change the table and rebuild. */\n"


def c_string(text):
    if text is None:
        return "NULL"
    out = []
    for ch in text:
        if ch in '"\\':
            out.append("\\" + ch)
        elif ch == "\n":
            out.append("\\n")
        elif ch == "\t":
            out.append("\\t")
        else:
            out.append(ch)
    return '"' + "".join(out) + '"'


def c_double(value):
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "HUGE_VAL" if value > 0 else "-HUGE_VAL"
    text = repr(float(value))
    return text


def c_type(type_):
    """The C parameters of a schema type: (declaration suffixes) as [(ctype, name suffix)]."""
    base = type_.base
    if type_.is_list:
        if base == "Tensor":
            return [("tw_tensor *const *", ""), ("int64_t ", "_n")]
        if base in ("float", "Scalar"):
            return [("const double *", ""), ("int64_t ", "_n")]
        return [("const int64_t *", ""), ("int64_t ", "_n")]
    return [({"Tensor": "tw_tensor *", "Scalar": "tw_scalar ", "int": "int64_t ", "float": "double ",
              "bool": "int " if type_.optional else "bool ", "str": "const char *", "ScalarType": "tw_dtype ",
              "Layout": "int ", "Device": "tw_device ", "MemoryFormat": "tw_memory_format ",
              "Generator": "tw_generator *"}[base], "")]


KEYWORDS = {"int", "float", "double", "default", "register", "signed", "unsigned", "auto", "char", "short", "long", "const",
            "static", "inline", "union", "struct", "enum", "void", "return", "case", "switch", "for", "while", "do", "if", "else",
            "class", "new", "delete", "this", "template", "operator", "y0", "y1", "j0", "j1"}


def c_name(name):
    return name + "_" if name in KEYWORDS else name


def c_box(param, name=None, number=False):
    """The expression that boxes a C parameter into a tw_arg (helpers are in entries.h)."""
    name = name or c_name(param.name)
    type_ = param.type
    if type_.is_list:
        kind = {"Tensor": "tensors", "float": "doubles", "Scalar": "doubles"}.get(type_.base, "ints")
        if type_.optional and kind != "tensors":
            return f"{name} ? tw_a_{kind}({name}, {name}_n) : TW_A_NONE"
        return f"tw_a_{kind}({name}, {name}_n)"
    base = type_.base
    if base == "Tensor":
        return f"tw_a_opt_scalar({name})" if number else f"tw_a_tensor({name})"
    if base == "Scalar":
        return f"tw_a_opt_scalar({name})"
    if base == "int":
        return f"tw_a_opt_int({name})" if type_.optional else f"tw_a_int({name})"
    if base == "float":
        return f"tw_a_opt_float({name})" if type_.optional else f"tw_a_float({name})"
    if base == "bool":
        return f"tw_a_opt_bool({name})" if type_.optional else f"tw_a_bool({name})"
    if base == "str":
        return f"tw_a_string({name})"
    if base == "Generator":
        return f"tw_a_generator({name})"
    return f"tw_a_opt_code((int){name})"  # dtypes, devices, layouts, formats: -1 is "not given"


def c_params(params, numbers=(), drop=()):
    """Declarations of a function's parameters, in order. numbers: names that take a tw_scalar instead of a tensor."""
    out = []
    for p in params:
        if p.name in drop:
            continue
        if p.name in numbers:
            out.append(f"tw_scalar {c_name(p.name)}")
            continue
        out.extend(f"{ctype}{c_name(p.name)}{suffix}" for ctype, suffix in c_type(p.type))
    return out


def wrap(head, items, tail, width=120, indent="    "):
    """`head item, item tail`, broken into lines."""
    lines, line = [], head
    for i, item in enumerate(items):
        piece = item + (", " if i + 1 < len(items) else "")
        if len(line) + len(piece) > width and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += piece
    line += tail
    return "\n".join(lines + [line])
