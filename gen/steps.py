"""Optimiser steps: spec/optim.toml → kernels, numbers worked out once for a parameter, the table, and the public header."""
import ast
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from ctext import BANNER, c_double, c_string
from formula import Node, convert
from lower import COMPUTES, Lowering
from parse import SpecError

FILE = "optim.toml"
COLUMNS = {"doc", "options", "scalars", "states", "body"}
VALUES = ("param", "grad")
FLOATS = [c for c in COMPUTES if c.kind == "f"]
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass
class State:
    name: str
    first: str = "0"      # a number or an option
    condition: str = ""   # an option


@dataclass
class Step:
    name: str
    doc: str
    options: dict          # name: default
    scalars: dict          # name: number or option
    states: list
    body: str
    numbers: list = field(default_factory=list)   # C lines: what is worked out once
    elements: dict = field(default_factory=dict)  # {compute dtype's suffix: C lines}
    count: int = 0                                # numbers handed to the kernel
    locals: dict = field(default_factory=dict)    # name: is it a tensor


def parse_steps(folder):
    """The steps of a spec folder, translated; and the errors."""
    path = Path(folder) / FILE
    steps, errors = [], []
    if not path.exists():
        return steps, errors
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for name, columns in tomllib.loads(text).items():
        where = f"{path.parent.name}/{path.name}:{lines.index(f'[{name}]') + 1}"
        try:
            steps.append(translate(read(name, columns)))
        except ValueError as error:
            errors.append(SpecError(where, f"step '{name}': {error}"))
    return steps, errors


def read(name, columns):
    unknown = set(columns) - COLUMNS
    if unknown:
        raise ValueError(f"unknown column '{min(unknown)}'")
    options = {key: float(value) for key, value in (item.split("=") for item in columns["options"].split())}
    scalars = dict(item.split("=") for item in columns.get("scalars", "").split())
    states = []
    for item in columns["states"]:
        item, _, condition = item.partition(" if ")
        state, _, first = item.partition(" = ")
        states.append(State(state.strip(), first.strip() or "0", condition.strip()))
    for used in [s.condition for s in states if s.condition] + [f for f in [*scalars.values(), *(s.first for s in states)] if f.isidentifier()]:
        if used not in options:
            raise ValueError(f"unknown option '{used}'")
    return Step(name, columns["doc"], options, scalars, states, columns["body"])


class Translation:
    def __init__(self, step):
        self.step = step
        self.tensors = {*VALUES, *(s.name for s in step.states)}
        self.known = {**{name: True for name in self.tensors}, **{name: False for name in [*step.options, *step.scalars, "first"]}}
        self.scalar_names = {name: f"o[{i}]" for i, name in enumerate(step.options)}
        self.scalar_names |= {name: f"s[{i}]" for i, name in enumerate(step.scalars)}
        self.scalar_names["first"] = "first"
        self.lowerings = {c.suffix: Lowering(c, {name: (name, "v") for name in self.tensors}) for c in FLOATS}
        self.lines = {c.suffix: [] for c in FLOATS}

    def is_tensor(self, node):
        for name in (n.value for n in node.walk() if n.kind == "name"):
            if name not in self.known:
                raise ValueError(f"unknown name '{name}'")
        return any(n.kind == "name" and self.known[n.value] for n in node.walk())

    def scalar(self, node):
        """C text of a number, in double."""
        if node.kind == "num":
            return c_double(node.value)
        if node.kind == "name":
            return self.scalar_names[node.value]
        if node.kind == "call":
            args = [self.scalar(a) for a in node.args]
            if node.value in OPERATORS:
                return f"({args[0]} {OPERATORS[node.value]} {args[1]})"
            if node.value == "neg":
                return f"(-{args[0]})"
            if node.value in ("pow", "max"):
                return f"{'tw_number()->pow' if node.value == 'pow' else 'fmax'}({args[0]}, {args[1]})"
        raise ValueError(f"not allowed between numbers: '{node.value or node.kind}'")

    def narrow(self, name, value):
        """C text of what a float32 tensor would hold: arithmetic with its own value (x *= y) is in float32 too."""
        if value.kind == "call" and value.args[0] == Node("name", name):
            a, b = (self.scalar(arg) for arg in value.args)
            return f"(double)((float){a} {OPERATORS[value.value]} (float){b})"
        return f"(double)(float)({self.scalar(value)})"

    def number(self, text, depth):
        """Hands a number to the kernel; its name there."""
        index = self.step.count
        self.step.count += 1
        self.step.numbers.append(f"{'    ' * depth}out[{index}] = {text};")
        for lowering in self.lowerings.values():
            lowering.names[f"c{index}"] = (f"c[{index}]", "v")
        return index

    def element(self, node, depth):
        """The tree with numbers replaced by what the kernel is handed."""
        if not self.is_tensor(node):
            return Node("name", f"c{self.number(self.scalar(node), depth)}")
        if node.kind == "call" and node.value == "lerp":
            a, b, w = node.args
            weight = self.scalar(w)
            small = self.number(f"fabs({weight}) < 0.5", depth)
            scale = self.number(f"fabs({weight}) < 0.5 ? {weight} : {weight} - 1", depth)
            a, b = self.element(a, depth), self.element(b, depth)
            base = Node("if", None, [Node("name", f"c{small}"), a, b])
            return Node("call", "fma", [Node("name", f"c{scale}"), Node("call", "sub", [b, a]), base])
        if node.kind == "call" and node.value == "clamp":
            x, low, high = (self.element(a, depth) for a in node.args)
            return Node("call", "minimum", [Node("call", "maximum", [x, low]), high])
        return Node(node.kind, node.value, [self.element(a, depth) for a in node.args], {}, node.operator)

    def statement(self, statement, depth):
        pad = "    " * depth
        if isinstance(statement, ast.If):
            test = convert(statement.test)
            if self.is_tensor(test):
                raise ValueError(f"'if' needs a number: {ast.unparse(statement.test)}")
            index = self.number(f"{self.scalar(test)} != 0", depth)
            for branch, head in ((statement.body, f"if (b[{index}]) {{"), (statement.orelse, "} else {")):
                if branch:
                    self.step.numbers.append(pad + head.replace(f"b[{index}]", f"out[{index}] != 0"))
                    for lines in self.lines.values():
                        lines.append(pad + head)
                    for inner in branch:
                        self.statement(inner, depth + 1)
            self.step.numbers.append(pad + "}")
            for lines in self.lines.values():
                lines.append(pad + "}")
            return
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f"not allowed in a step: '{ast.unparse(statement)}'")
        name, value = statement.targets[0].id, convert(statement.value)
        tensor = self.is_tensor(value)
        if self.known.setdefault(name, tensor) != tensor:
            raise ValueError(f"'{name}' is both a number and a tensor")
        if name in self.step.options:
            raise ValueError(f"the option '{name}' is written")
        if name not in self.tensors and name not in self.step.scalars:
            self.step.locals[name] = tensor
        if not tensor:
            self.scalar_names.setdefault(name, name)
            text = self.scalar(value)
            if name in self.step.scalars:
                text = f"narrow ? {self.narrow(name, value)} : {text}"
            self.step.numbers.append(f"{pad}{self.scalar_names[name]} = {text};")
            return
        node = self.element(value, depth)
        for suffix, lowering in self.lowerings.items():
            lowering.names.setdefault(name, (name, "v"))
            text, kind = lowering.lower(node)
            self.lines[suffix].append(f"{pad}{name} = {lowering.as_kind(text, kind, 'v')};")


def translate(step):
    translation = Translation(step)
    try:
        tree = ast.parse(step.body)
    except SyntaxError as error:
        raise ValueError(f"cannot read the body: {error.msg}, line {error.lineno}") from None
    for statement in tree.body:
        translation.statement(statement, 1)
    step.elements = translation.lines
    return step


def kernel(step, c):
    """One step of one dtype over n elements. Data: parameter, gradient, states; NULL where a state is not in use."""
    s, values = c.suffix, [*VALUES, *(state.name for state in step.states)]
    conditional = {name for name, state in zip(values[2:], step.states) if state.condition}
    tensors = [name for name, tensor in step.locals.items() if tensor]
    lines = [f"TW_INLINE void body_{step.name}_{s}(const {c.value} *c, const bool *b, {c.value} *v) {{", "    (void)b;"]
    lines += [f"    {c.value} {', '.join(f'{name} = v[{i}]' for i, name in enumerate(values))};"]
    lines += [f"    {c.value} {name} = v_splat_{s}(0);" for name in tensors]
    lines += step.elements[s]
    lines += [f"    v[{i}] = {name};" for i, name in enumerate(values) if name != "grad"] + ["}", ""]
    lines += [f"static void step_{step.name}_{s}(int64_t n, void *const *data, const double *o) {{",
              f"    {c.value} c[{step.count}], v[{len(values)}];", f"    bool b[{step.count}];",
              f"    for (int k = 0; k < {step.count}; k++) c[k] = v_splat_{s}(({c.ctype})o[k]), b[k] = o[k] != 0;"]
    lines += [f"    {'const ' if name == 'grad' else ''}{c.ctype} *p{i} = data[{i}];" for i, name in enumerate(values)]
    lines += ["    int64_t i = 0;"]
    for tail in ("", "_n"):
        rest = ", n - i" if tail else ""
        lines.append("    if (i < n) {" if tail else f"    for (; i + V_LANES_{s} <= n; i += V_LANES_{s}) {{")
        for i, name in enumerate(values):
            load = f"v_load{tail}_{s}(p{i} + i{rest})"
            lines.append(f"        v[{i}] = " + (f"p{i} ? {load} : v_splat_{s}(0);" if name in conditional else f"{load};"))
        lines.append(f"        body_{step.name}_{s}(c, b, v);")
        for i, name in enumerate(values):
            if name != "grad":
                lines.append(f"        {f'if (p{i}) ' if name in conditional else ''}v_store{tail}_{s}(p{i} + i, v[{i}]{rest});")
        lines.append("    }")
    return "\n".join([*lines, "}", ""])


def emit_step_kernels(steps):
    """step_kernels.c: the family's kernels, compiled once per instruction set."""
    text = BANNER + '#include "kernels/ew_kernels.h"\n#include "kernels/step.h"\n\n'
    text += "\n".join(kernel(step, c) for step in steps for c in FLOATS)
    rows = "".join(f"    {{{', '.join(f'step_{step.name}_{c.suffix}' for c in FLOATS)}}},\n" for step in steps)
    return text + (f"\nstatic const tw_step_row rows[] = {{\n{rows}}};\n"
                   "extern const tw_step_kernels TW_K(tw_step_kernels);\nconst tw_step_kernels TW_K(tw_step_kernels) = {rows};\n")


def first_value(step, text):
    return f"o[{list(step.options).index(text)}]" if text in step.options else c_double(float(text))


def emit_steps(steps):
    """steps.c: the table, with the numbers of each step."""
    lines = [BANNER, '#include "kernels/number.h"', '#include "nn/step_table.h"', '#include "tallow/optim.h"', "#include <math.h>", ""]
    for step in steps:
        numbers = [name for name, tensor in step.locals.items() if not tensor]
        lines += [f"static void {step.name}_numbers(const double *o, double *s, double first, bool narrow, double *out) {{",
                  "    (void)s;", "    (void)first;", "    (void)narrow;", *(f"    double {name} = 0;" for name in numbers), *step.numbers,
                  *(f"    (void){name};" for name in numbers), "}", "",
                  f"static void {step.name}_begin(const double *o, double *scalars, double *states) {{", "    (void)o;", "    (void)scalars;",
                  *(f"    scalars[{i}] = {first_value(step, first)};" for i, first in enumerate(step.scalars.values())),
                  *(f"    states[{i}] = {first_value(step, state.first)};" for i, state in enumerate(step.states)), "}", ""]
    lines += ["const tw_step_formula tw_step_formulas[] = {"]
    for step in steps:
        conditions = ", ".join(str(list(step.options).index(s.condition) if s.condition else -1) for s in step.states)
        lines += [f"    {{.name = {c_string(step.name)}, .options = {c_string(' '.join(step.options))}, "
                  f".scalars = {c_string(' '.join(step.scalars))},",
                  f"     .states = {c_string(' '.join(s.name for s in step.states))}, .option_count = {len(step.options)}, "
                  f".scalar_count = {len(step.scalars)}, .state_count = {len(step.states)},",
                  f"     .conditions = {{{conditions}}}, .numbers = {step.name}_numbers, .begin = {step.name}_begin,",
                  f"     .body = {c_string(step.body)}}},"]
    lines += ["};", f"const int tw_step_count = {len(steps)};",
              f"_Static_assert({max(s.count for s in steps)} <= TW_STEP_NUMBERS && {max(len(s.states) for s in steps)} <= TW_STEP_STATES && "
              f"{max(len(s.scalars) for s in steps)} <= TW_STEP_SCALARS && {max(len(s.options) for s in steps)} <= TW_STEP_OPTIONS, "
              '"nn/step_table.h has room");', ""]
    for i, step in enumerate(steps):
        fields = "".join(f", options->{name}" for name in step.options)[2:]
        memory = "params && grads" + (" && scalars" if step.scalars else "")
        lines += [f"{signature(step)} {{", f"    if (!tw_step_given({c_string(step.name)}, options && (n <= 0 || ({memory})))) return false;",
                  f"    const double numbers[] = {{{fields}}};",
                  f"    return tw_step_run(&tw_step_formulas[{i}], numbers, n, params, grads, states, {'scalars' if step.scalars else 'NULL'}, "
              "TW_STEP_OWN);",
                  "}", ""]
    return "\n".join(lines)


def signature(step):
    scalars = ", double *scalars" if step.scalars else ""
    return (f"bool tw_{step.name}_step(int64_t n, tw_tensor *const *params, tw_tensor *const *grads, tw_tensor **states{scalars}, "
            f"const tw_{step.name}_options *options)")


HEADER = """\
/* One optimiser step over n parameters, written in place without recording gradients. grads[i] NULL: parameter i is left alone.
 * states: those named below, n of each, one kind after the other; NULL is made on first use, and the caller owns it; kinds "if" an
 * option stay NULL without it. scalars: those named below, for each parameter all of them together; zeros before the first step.
 * Parameters, gradients and states of one parameter have one dtype (floating-point or complex) and one shape.
 * False on failure: parameters before the failing one have been stepped. */
"""


def emit_optim_h(steps):
    """tallow/optim.h."""
    lines = [BANNER + HEADER + "#ifndef TALLOW_OPTIM_H\n#define TALLOW_OPTIM_H\n#include \"tallow/tallow.h\"\n",
             "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"]
    for step in steps:
        usual = ", ".join(f"{name} {value:g}" for name, value in step.options.items() if value)
        upper = step.name.upper()
        states = ", ".join(s.name + (f" (if {s.condition})" if s.condition else "") for s in step.states)
        lines += [f"/* {step.doc} Usual: {usual}; else 0.", f" * States: {states}."
                  + (f" Scalars: {', '.join(step.scalars)}." if step.scalars else "") + " */",
                  f"typedef struct tw_{step.name}_options {{ double {', '.join(step.options)}; }} tw_{step.name}_options;",
                  f"enum {{ TW_{upper}_STATES = {len(step.states)}, TW_{upper}_SCALARS = {len(step.scalars)} }};",
                  f"TW_API {signature(step)};", ""]
    return "\n".join([*lines, "#ifdef __cplusplus\n}\n#endif\n#endif\n"])
