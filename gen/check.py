"""Checks the table: columns, words, signatures, and that every gradient is there. Errors read `file:line: message`."""
import difflib

from formula import CONSTANTS, parse_formula
from lower import COMPUTES, SYNONYMS, CannotLower, Lowering
from parse import DTYPE_WORDS, FLOATS, SpecError
from primitives import COMPLEX_PARTS, PRIMITIVES

KINDS = ("elementwise", "reduce", "view", "kernel", "composite")
COLUMNS = {"sig", "kind", "value", "value_bool", "value_int", "value_float", "value_complex", "promote", "dtypes", "d", "grad", "jvp",
           "linear", "nondiff", "batch", "variants", "namespaces", "aliases", "number", "flags", "reduce", "samples", "doc", "node",
           "save", "label", "unlike", "wide", "half_grad", "lead", "twins", "out", "refuse", "guard", "mixed", "sparse"}
COLUMNS |= {"let", "require"}  # of composites that are spelt out
VALUES = ("value", "value_bool", "value_int", "value_float", "value_complex")
PROMOTES = ("default", "bool_to_int", "int_to_float", "compare", "real", "bool", "first", "where")
VARIANTS = ("function", "method", "inplace", "out")
REFUSALS = ("bool", "int", "float", "complex", "any_bool")
GUARDS = ("divisor", "exponent")
OUT_RULES = ("exact", "cast", "any")
SPARSE = ("values", "linear", "native", "function")
FLAGS = ("dynamic", "random", "inplace", "fresh", "geometry", "apart", "constant", "across")
DEFAULT_VARIANTS = {"elementwise": VARIANTS, "reduce": ("function", "method", "out")}
MAX_ARGS, MAX_OUTS = 16, 4


def suggest(word, known):
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


class Checker:
    def __init__(self, ops):
        self.ops = ops
        self.errors = []

    def error(self, op, column, message):
        self.errors.append(SpecError(op.where(column), message))

    def one_of(self, op, column, word, known):
        if word in known:
            return True
        self.error(op, column, f"unknown {column} '{word}' in '{op.key}'{suggest(word, known)}")
        return False

    def words(self, op):
        kind = op.columns.get("kind")
        if kind is None:
            self.error(op, None, f"'{op.key}' has no kind")
        elif self.one_of(op, "kind", kind, KINDS):
            op.kind = kind
        for column in op.columns:
            if column not in COLUMNS:
                self.error(op, column, f"unknown column '{column}' in '{op.key}'{suggest(column, COLUMNS)}")
        for column, known in (("variants", VARIANTS), ("flags", FLAGS), ("dtypes", DTYPE_WORDS), ("twins", ("copy", "scatter"))):
            for word in op.words(column):
                self.one_of(op, column, word, known)
        rule, colon, text = op.columns.get("out", "exact" if op.kind == "kernel" else "cast").partition(":")
        if self.one_of(op, "out", rule, OUT_RULES):
            op.out_rule, op.out_text = rule, text.strip()
        if "sparse" in op.columns:
            self.one_of(op, "sparse", op.columns["sparse"], SPARSE)
        if "promote" in op.columns:
            self.one_of(op, "promote", op.columns["promote"], PROMOTES)
        for category in op.columns.get("refuse", {}):
            self.one_of(op, "refuse", category, REFUSALS)
        if "guard" in op.columns:
            self.one_of(op, "guard", op.columns["guard"], GUARDS)
        default = DEFAULT_VARIANTS.get(op.kind, ("function", "method"))
        op.variants = set(op.words("variants")) if "variants" in op.columns else set(default)
        op.flags = set(op.words("flags"))
        if op.base.endswith("_") and not op.base.endswith("__"):
            op.flags.add("inplace")

    def names(self, op):
        """Columns that name parameters and results."""
        tensors = [p.name for p in op.tensor_params]
        for head in ("grad", "d"):
            for name in (op.columns.get(head) or {}) if isinstance(op.columns.get(head), dict) else {}:
                if name not in tensors:
                    self.error(op, f"{head}.{name}", f"'{op.key}' has no tensor argument '{name}'{suggest(name, tensors)}")
        results = set(op.result_names) | {f"result{i}" for i in range(len(op.schema.results))}
        jvp = op.columns.get("jvp") or {}
        for name in jvp:
            if name not in results | {"result"}:
                self.error(op, f"jvp.{name}", f"'{op.key}' has no result '{name}'{suggest(name, results)}")
        for name in op.nondiff:
            if name not in results:
                self.error(op, "nondiff", f"'{op.key}' has no result '{name}'{suggest(name, results)}")
        for name in op.words("save"):
            if name not in results | set(tensors):
                self.error(op, "save", f"'{op.key}' has no tensor '{name}' to save{suggest(name, results | set(tensors))}")
        for column in ("linear", "number"):
            for name in op.linear if column == "linear" else op.words(column):
                if name not in tensors:
                    self.error(op, column, f"'{op.key}' has no tensor argument '{name}'{suggest(name, tensors)}")
        for param in op.params:
            if param.name in CONSTANTS and op.kind == "elementwise":
                self.error(op, "sig", f"'{param.name}' of '{op.key}' is a constant in formulas: give the parameter another name")
            param.number_too = param.type.is_tensor and self.takes_numbers(op, param)

    def takes_numbers(self, op, param):
        if "number" in op.columns:
            return param.name in op.words("number")
        return op.kind == "elementwise" and op.params.index(param) > 0 and not param.name.startswith("grad")

    def signature(self, op):
        if len(op.params) > MAX_ARGS or len(op.schema.results) > MAX_OUTS:
            self.error(op, "sig", f"'{op.key}' has more than {MAX_ARGS} arguments or {MAX_OUTS} results")
        name = op.key.split(".")[0]
        if op.base not in (name, name.rstrip("_")) and name != op.base:
            self.error(op, "sig", f"the signature's name '{op.base}' is not the entry's '{op.key}'")
        if op.kind == "elementwise" and len(op.schema.results) != 1:
            self.error(op, "sig", f"elementwise '{op.key}' must have one result")

    def derivatives(self, op):
        """Every tensor input has a derivative or says that it has none."""
        if op.kind == "" or (op.kind == "composite" and "grad" not in op.columns) or op.all_nondiff or "inplace" in op.flags:
            return
        if op.kind == "elementwise" and op.words("dtypes") and not set(op.words("dtypes")) & {"float", "half", "complex", *FLOATS}:
            return
        for p in op.tensor_params:
            if op.derivative(p.name) is None and not (op.kind == "elementwise" and op.columns.get("promote") == "where" and
                                                      p is op.params[0]):
                self.error(op, None, f"'{op.key}' has no derivative for '{p.name}': give d.{p.name}, grad.{p.name}, or "
                                     f'grad.{p.name} = "zero" or "nondiff"')

    def formulas(self, op):
        """Parses every formula into op.formulas; those of kernels must use what kernels have."""
        texts = {column: op.columns[column] for column in VALUES if column in op.columns}
        for head in ("d", "grad", "jvp"):
            if isinstance(op.columns.get(head), dict):
                texts.update({f"{head}.{name}": text for name, text in op.columns[head].items()})
        for column, text in texts.items():
            if text in ("zero", "nondiff", "native"):
                continue
            try:
                op.formulas[column] = parse_formula(str(text))
                if column in VALUES and op.kind != "composite":
                    self.value(op, column, op.formulas[column])
            except ValueError as error:
                self.error(op, column, str(error))
        for column in ("let", "require"):
            if column in op.columns and not (op.kind == "composite" and "value" in op.columns):
                self.error(op, column, f"'{op.key}': {column} is for composites that have a value")
        if op.kind == "elementwise" and not any(column in op.columns for column in VALUES):
            self.error(op, None, f"elementwise '{op.key}' has no value")

    def value(self, op, column, node):
        """A formula of a kernel: functions, their arguments and names, whatever the dtype."""
        for part in node.walk():
            if part.kind == "call":
                name = SYNONYMS.get(part.value, part.value)
                if name not in PRIMITIVES and name not in COMPLEX_PARTS:
                    raise ValueError(f"unknown function '{name}' in a formula of '{op.key}'{suggest(name, {*PRIMITIVES, *COMPLEX_PARTS})}")
                shapes = {shape.split(">")[0] for shape in (PRIMITIVES.get(name, ("",))[0], COMPLEX_PARTS.get(name, "")) if shape}
                if part.kwargs or not any(len(shape) == len(part.args) for shape in shapes):
                    raise ValueError(f"'{name}' takes {len(min(shapes))} arguments, not {len(part.args) + len(part.kwargs)}")
            if part.kind == "name" and op.param(part.value) is None:
                names = [p.name for p in op.params]
                raise ValueError(f"unknown name '{part.value}' in a formula of '{op.key}'{suggest(part.value, names)}")
            if part.kind in ("attr", "index", "list", "none", "str", "is_none"):
                raise ValueError("a kernel's formula has only arguments, numbers and functions")
        names = {p.name: ("x", "v") for p in op.params}
        problem = None
        for compute in COMPUTES:
            try:
                Lowering(compute, names).lower(node)
                return
            except CannotLower as error:
                problem = error
        raise ValueError(f"no dtype has a kernel for it: {problem}")

    def run(self):
        for op in self.ops:
            self.words(op)
            self.names(op)
            self.signature(op)
            self.derivatives(op)
            self.formulas(op)
        return self.errors


def check_table(ops):
    """Fills in what the columns imply; the errors found."""
    return Checker(ops).run()
