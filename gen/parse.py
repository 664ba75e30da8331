"""Reads the table: spec/*.toml into Op records, with line numbers, and PyTorch's schema strings into parameters."""
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path


class SpecError(Exception):
    """What is wrong with the table, as `file:line: message`."""

    def __init__(self, where, message):
        super().__init__(f"{where}: {message}")


@dataclass
class Type:
    base: str                    # Tensor, Scalar, int, float, bool, str, ScalarType, Layout, Device, MemoryFormat, Generator
    optional: bool = False
    is_list: bool = False
    list_size: int = 0           # int[2]; 0: any length
    optional_items: bool = False # Tensor?[]
    written: bool = False        # Tensor(a!)

    @property
    def is_tensor(self):
        return self.base == "Tensor" and not self.is_list

    @property
    def is_tensors(self):
        return self.base == "Tensor" and self.is_list


@dataclass
class Param:
    name: str
    type: Type
    default: object = None       # Python value; NO_DEFAULT if there is none
    keyword_only: bool = False
    number_too: bool = False

    @property
    def has_default(self):
        return self.default is not NO_DEFAULT


class NoDefault:
    def __repr__(self):
        return "(no default)"


NO_DEFAULT = NoDefault()


@dataclass
class Schema:
    name: str                    # as called in Python: "max", "fill_"
    params: list
    results: list                # names; None for an unnamed one
    result_text: str = ""


@dataclass
class Op:
    key: str                     # "max.dim"
    columns: dict                # as written; dotted columns stay nested
    file: str
    line: int
    lines: dict                  # column ("grad.self") -> line
    schema: Schema = None
    id: int = -1
    # filled in by check
    kind: str = ""
    variants: set = field(default_factory=set)
    flags: set = field(default_factory=set)
    derived_jvp: bool = False    # emit_gradients wrote one
    twin_of: object = None       # the view that this one follows from, and how
    twin: str = ""
    out_rule: str = "cast"       # dtypes that out= may have, and what is said of others
    out_text: str = ""
    formulas: dict = field(default_factory=dict)  # column ("grad.self", "value.bool") -> checked formula

    @property
    def c(self):
        """The name in C: max_dim."""
        return self.key.replace(".", "_")

    @property
    def base(self):
        return self.schema.name

    @property
    def params(self):
        return self.schema.params

    def where(self, column=None):
        return f"{self.file}:{self.lines.get(column, self.line)}"

    def param(self, name):
        return next((p for p in self.params if p.name == name), None)

    def index(self, name):
        return next((i for i, p in enumerate(self.params) if p.name == name), -1)

    @property
    def result_names(self):
        """Names under which formulas know the results."""
        if len(self.schema.results) == 1 and self.schema.results[0] is None:
            return ["result"]
        return [name or f"result{i}" for i, name in enumerate(self.schema.results)]

    def words(self, column):
        """A column that is a list of words, or one string of words."""
        value = self.columns.get(column, [])
        return value.split() if isinstance(value, str) else list(value)

    def text(self, column):
        """The text of a dotted column: "grad.self"; None if it is not there."""
        head, _, tail = column.partition(".")
        value = self.columns.get(head)
        return value.get(tail) if tail and isinstance(value, dict) else value

    @property
    def public(self):
        return not self.base.startswith("_") or self.base.startswith("__")

    @property
    def nondiff(self):
        return self.words("nondiff")

    @property
    def gives_list(self):
        """The one result is a Tensor[]: split, unbind."""
        return self.schema.result_text.replace(" ", "") .startswith("Tensor[") or \
            bool(re.fullmatch(r"Tensor\([^)]*\)\[\]", self.schema.result_text.strip()))

    @property
    def all_nondiff(self):
        """No result ever requires a gradient: comparisons, and ops all of whose results are nondiff."""
        if self.kind == "elementwise" and self.columns.get("promote") in ("compare", "bool"):
            return True
        return bool(self.nondiff) and set(self.result_names) <= set(self.nondiff)

    @property
    def linear(self):
        value = self.columns.get("linear", [])
        if value == "all":
            return [p.name for p in self.tensor_params]
        return [value] if isinstance(value, str) else list(value)

    @property
    def jointly_linear(self):
        return self.columns.get("linear") == "all"

    def derivative(self, name):
        """("grad" or "d", text) of a parameter; None if there is none."""
        for head in ("grad", "d"):
            text = self.text(f"{head}.{name}")
            if text is not None:
                return head, text
        return None

    def has_gradient(self, name):
        found = self.derivative(name)
        if not found or self.all_nondiff:
            return False
        return found[1] != "nondiff"

    @property
    def native_grad(self):
        return any(self.text(f"grad.{p.name}") == "native" for p in self.tensor_params)

    @property
    def native_jvp(self):
        return "native" in (self.columns.get("jvp") or {}).values() if isinstance(self.columns.get("jvp"), dict) else False

    @property
    def has_grad(self):
        return any(self.has_gradient(p.name) for p in self.tensor_params)

    @property
    def has_jvp(self):
        return self.native_jvp or self.derived_jvp

    @property
    def batch_function(self):
        name = self.columns.get("batch")
        return None if name in (None, "native") else name

    @property
    def batch_native(self):
        return self.columns.get("batch") == "native"

    @property
    def dtype_names(self):
        """Names of the compute dtypes that the op allows."""
        words = self.words("dtypes")
        if not words:
            words = ["float", "complex"] if self.columns.get("promote") == "int_to_float" else ["bool", "int", "float", "complex"]
        return {name for word in words for name in DTYPE_WORDS.get(word, (word,))}

    @property
    def reduce(self):
        return self.columns.get("reduce", self.c)

    @property
    def tensor_params(self):
        return [p for p in self.params if p.type.base == "Tensor"]


INTS = ("uint8", "int8", "int16", "int32", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex32", "complex64", "complex128")
DTYPE_WORDS = {"bool": ("bool",), "int": INTS, "float": ("float32", "float64"), "half": ("float16", "bfloat16"),
               "complex": ("complex64", "complex128"), **{name: (name,) for name in INTS + FLOATS + COMPLEX}}

# tw_dtype, and the names that PyTorch's schemas use in defaults.
DTYPES = {name: i for i, name in enumerate(("bool", *INTS, *FLOATS, *COMPLEX))}
SCHEMA_DTYPES = {"long": "int64", "int": "int32", "float": "float32", "double": "float64", "half": "float16"}

BASES = {"Tensor", "Scalar", "int", "float", "bool", "str", "ScalarType", "Layout", "Device", "MemoryFormat", "Generator"}
WORDS = {"None": None, "True": True, "False": False, "Mean": 1, "Sum": 2, "inf": float("inf"), "-inf": float("-inf")}
FORMATS = {"contiguous_format": 0, "preserve_format": 1, "channels_last": 2, "channels_last_3d": 3}


def parse_type(text):
    """A schema type; None if it is none that we know."""
    text = text.strip().replace("SymInt", "int")
    alias = re.search(r"\([a-z|]+(!?)[^)]*\)", text)
    written = bool(alias and alias.group(1))
    text = re.sub(r"\([^)]*\)", "", text)
    m = re.fullmatch(r"(\w+)(\?)?(\[(\d*)\])?(\?)?", text)
    if not m or m.group(1) not in BASES:
        return None
    base, inner, brackets, size, outer = m.groups()
    if not brackets:
        return Type(base, optional=bool(inner or outer), written=written)
    return Type(base, optional=bool(outer), is_list=True, list_size=int(size or 0), optional_items=bool(inner), written=written)


def parse_value(text, type_):
    """A default, as a Python value. ValueError if it makes no sense."""
    text = text.strip()
    if type_.base == "MemoryFormat" and text in FORMATS:
        return FORMATS[text]
    if type_.base == "ScalarType" and SCHEMA_DTYPES.get(text, text) in DTYPES:
        return DTYPES[SCHEMA_DTYPES.get(text, text)]
    if type_.base == "Layout" and text == "strided":
        return 0
    if text in WORDS:
        return WORDS[text]
    if text.startswith("["):
        inner = text.strip("[]").strip()
        return [parse_value(item, type_) for item in inner.split(",")] if inner else []
    if text[0] in "\"'":
        return text[1:-1]
    try:
        value = int(text)
    except ValueError:
        value = float(text)
    return value


def split_top(text):
    """Splits at commas outside brackets and quotes."""
    parts, depth, start, quote = [], 0, 0, None
    for i, ch in enumerate(text):
        if quote:
            quote = None if ch == quote else quote
        elif ch in "\"'":
            quote = ch
        elif ch in "([":
            depth += 1
        elif ch in ")]":
            depth -= 1
        elif ch == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    last = text[start:].strip()
    return parts + [last] if last else parts


def parse_param(text):
    """One parameter; ValueError says what is wrong."""
    m = re.fullmatch(r"\s*([\w?\[\]]+(?:\([a-z|!>*\- ]*\))?[?\[\]\d]*)\s+(\w+)\s*(?:=(.*))?", text.strip(), re.S)
    type_ = parse_type(m.group(1)) if m else None
    if not type_:
        raise ValueError(f"cannot read parameter '{text.strip()}'")
    default = NO_DEFAULT
    if m.group(3) is not None:
        try:
            default = parse_value(m.group(3), type_)
        except (ValueError, IndexError):
            raise ValueError(f"cannot read the default of '{text.strip()}'") from None
        if type_.is_list and isinstance(default, (int, float)) and not isinstance(default, bool):
            default = [default] * max(type_.list_size, 1)
    return Param(m.group(2), type_, default)


def parse_schema(text):
    """PyTorch's schema string. ValueError says what is wrong."""
    m = re.fullmatch(r"\s*(?:\w+::)?(\w+)(?:\.(\w+))?\((.*)\)\s*->\s*(.*?)\s*", text, re.S)
    if not m:
        raise ValueError(f"not a schema: '{text}'")
    name, _, inside, result = m.groups()
    params, keyword_only = [], False
    for part in split_top(inside):
        if part.strip() == "*":
            keyword_only = True
            continue
        param = parse_param(part)
        param.keyword_only = keyword_only
        params.append(param)
    names = [p.name for p in params]
    for name_ in names:
        if names.count(name_) > 1:
            raise ValueError(f"parameter '{name_}' appears twice")
    return Schema(name, params, parse_results(result), result)


def parse_results(text):
    text = text.strip()
    if text == "()":
        return []
    parts = split_top(text[1:-1]) if text.startswith("(") else [text]
    results = []
    for part in parts:
        m = re.fullmatch(r"(\S+?(?:\([a-z|!>*\- ]*\))?\S*?)(?:\s+(\w+))?", part.strip())
        if not m or not parse_type(m.group(1)):
            raise ValueError(f"cannot read result '{part.strip()}'")
        results.append(m.group(2))
    return results


def column_lines(text):
    """(key, column) -> line, by reading headers and `name =` at the start of lines; tomllib does not tell."""
    lines, key, inside = {}, None, None
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = None if inside in line else inside
            continue
        header = re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line)
        if header:
            key = header.group(1).replace('"', "").replace("'", "").strip()
            lines.setdefault((key, None), number)
            continue
        column = re.match(r"\s*([\w.]+)\s*=\s*(.*)", line)
        if column and key:
            lines[(key, column.group(1))] = number
            for quote in ('"""', "'''"):
                if column.group(2).startswith(quote) and column.group(2).count(quote) == 1:
                    inside = quote
    return lines


def find_ops(table, prefix=""):
    """Yields (key, columns): `["max.dim"]` and `[max.dim]` both name an overload."""
    for name, value in table.items():
        if not isinstance(value, dict):
            continue
        key = f"{prefix}{name}"
        nested = {k: v for k, v in value.items() if isinstance(v, dict) and "sig" in v}
        if "sig" in value or not nested:
            yield key, {k: v for k, v in value.items() if k not in nested}
        yield from find_ops(nested, key + ".")


def parse_file(path, errors):
    text = path.read_text(encoding="utf-8")
    name = f"{path.parent.name}/{path.name}"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        errors.append(SpecError(f"{name}:{line.group(1) if line else 1}", str(error)))
        return []
    lines = column_lines(text)
    ops = []
    for key, columns in find_ops(table):
        op = Op(key, columns, name, lines.get((key, None), 1), {c: n for (k, c), n in lines.items() if k == key and c})
        try:
            if "sig" not in columns:
                raise ValueError(f"'{key}' has no sig")
            op.schema = parse_schema(columns["sig"])
        except ValueError as error:
            errors.append(SpecError(op.where("sig"), str(error)))
            continue
        ops.append(op)
    return ops


def parse_table(folder):
    """All ops of a folder of spec files, in file order, and the errors found so far. optim.toml (gen/steps.py) and autocast.toml hold no ops."""
    errors, ops, seen = [], [], {}
    for path in sorted(Path(folder).glob("*.toml")):
        if path.name in ("optim.toml", "autocast.toml"):
            continue
        for op in parse_file(path, errors):
            if op.key in seen:
                errors.append(SpecError(op.where(), f"'{op.key}' is defined twice, first at {seen[op.key].where()}"))
                continue
            seen[op.key] = op
            op.id = len(ops)
            ops.append(op)
    for op in [twin for op in ops for twin in twins(op)]:
        if op.key in seen:
            errors.append(SpecError(op.where("twins"), f"'{op.key}' is defined twice, first at {seen[op.key].where()}"))
            continue
        seen[op.key] = op
        op.id = len(ops)
        ops.append(op)
    policies = read_autocast(folder)
    for op in ops:
        op.autocast = policies.get(op.base, "")
    return ops, errors


def twins(op):
    """What follows from a view: `copy`, its elements in memory of their own; `scatter`, self with the view overwritten by src."""
    for word in op.words("twins"):
        if word not in ("copy", "scatter"):
            continue  # check.py refuses it
        name = f"{op.base}_{word}"
        more = "Tensor src, " if word == "scatter" else ""
        sig = re.sub(rf"^{op.base}\b(.*?)\(Tensor self,? ?", rf"{name}\1(Tensor self, {more}", op.columns["sig"], count=1).replace(", )", ")")
        if word == "scatter":
            sig = re.sub(r"^(\w+)\.\w+\(", r"\1(", sig)
        key = name if word == "scatter" else op.key.replace(op.base, name, 1)
        doc = {"copy": f"{op.base}, copied.", "scatter": f"self, copied, with src in the place of {op.base}."}[word]
        variants = "function method out" if word == "scatter" else "function out"
        twin = Op(key, {"sig": sig, "kind": "composite", "variants": variants, "out": "exact", "doc": doc}, op.file, op.line, op.lines, twin_of=op, twin=word)
        twin.schema = parse_schema(sig)
        yield twin


def read_autocast(folder):
    """{name of an op: policy} of autocast.toml."""
    path = Path(folder) / "autocast.toml"
    lists = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: policy for policy, names in lists.items() for name in names.split()}
