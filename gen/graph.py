"""Formulas as sequences of op calls: gradients and tangents that are themselves differentiable.

Types of values, and what they are in C: tensor, tensors, number, ints, floats, str, other: a tw_arg; int, float, bool: the C type.
A tensor-typed value may hold a number at run time (mul(x, 2.0)) and NONE, which stands for zero (a missing tangent)."""
import difflib
from dataclasses import dataclass

from ctext import c_double, c_string
from emit_table import Defaults, fallback
from formula import Node
from parse import DTYPES
from primitives import OP_OF, PRIMITIVES

HELPERS = {"add": 2, "sub": 2, "mul": 2, "div": 2, "pow": 2, "neg": 1, "conj": 1}  # tw_f_add, ...: tensors and numbers alike
COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ARITHMETIC = {"add": "plus", "sub": "minus", "mul": "times"}
CATEGORIES = {"is_complex": "== 3", "is_floating_point": "== 2", "is_integral": "<= 1", "is_bool": "== 0"}
# Functions of integers and int lists: (types of arguments, type, C); {n} are the arguments, {into} an array for the result.
PLAIN = {
    "max": ("int int", "int", "tw_f_max({0}, {1})"), "min": ("int int", "int", "tw_f_min({0}, {1})"),
    "floor_divide": ("int int", "int", "tw_f_quotient({0}, {1})"), "remainder": ("int int", "int", "tw_f_modulo({0}, {1})"),
    "abs": ("int", "int", "tw_f_max({0}, tw_f_minus(0, {0}))"),
    "wrap_dim": ("int int", "int", "tw_f_wrap({0}, {1})"),          # dim, ndim: IndexError when out of range
    "cut": ("ints int", "ints", "tw_f_cut({0}, {1}, {into})"),       # without the item at a place
    "put_size": ("ints int int", "ints", "tw_f_put({0}, {1}, {2}, {into})"),  # another item at a place
    "join": ("ints ints", "ints", "tw_f_join({0}, {1}, {into})"),
    "head": ("ints int", "ints", "tw_f_head({0}, {1})"), "tail": ("ints int", "ints", "tw_f_tail({0}, {1})"),  # the first n; all but the first n
    "product": ("ints", "int", "tw_f_product({0})"),
    "range_of": ("int int", "ints", "tw_f_range({0}, {1}, {into})"),
    "broadcast_shape": ("ints ints", "ints", "tw_f_broadcast({0}, {1}, {into})"),
    "ones_list": ("int", "ints", "tw_f_ones_list({0}, {into})"),
    "holds": ("tensor", "bool", "tw_f_holds({0})"),                  # whether all elements are true; reads them
    "rank_rtol": ("tensor", "float", "tw_f_rank_rtol({0})"),         # the larger side of a matrix times the dtype's epsilon
    "has_data": ("tensor", "bool", "tw_f_has_data({0})"),             # not so on the meta device
    "wants_grad": ("tensor", "bool", "tw_f_wants_grad({0})"),
    "default_dtype": ("", "other", "tw_a_int(tw_default_dtype())"),
    "to_real": ("other", "other", "tw_f_part_dtype({0})"), "to_complex": ("other", "other", "tw_f_complex_dtype({0})"),
    "promote": ("other other", "other", "tw_f_promoted({0}, {1})"),
}


ALIKE = {"bool": "int", "dtype": "other"}  # types that PLAIN functions take for others


@dataclass
class Value:
    type: str
    c: str                 # C expression: of the C type for int, float and bool, else a tw_arg
    owned: bool = False    # a slot of t[] that holds a result
    zero: bool = False     # may be NONE, meaning zero
    boxed: str = ""        # the same as tw_arg, if there is one
    items: tuple = ()      # of a list


def param_value(param, c):
    """A parameter of the op, boxed in c."""
    type_ = param.type
    if type_.base == "Tensor":
        return Value("tensors" if type_.is_list else "tensor", c)
    if type_.is_list:
        return Value("floats" if type_.base in ("float", "Scalar") else "ints", c)
    if type_.base == "Scalar":
        return Value("number", c)
    if type_.base == "str":
        return Value("str", c)
    if type_.base == "int":
        return Value("int", f"tw_a_get_int(&{c}, 0)", boxed=c)
    if type_.base == "float":
        return Value("float", f"tw_a_get_double(&{c}, 0)", boxed=c)
    if type_.base == "bool":
        return Value("bool", f"(tw_a_get_int(&{c}, 0) != 0)", boxed=c)
    return Value("other", c)


def boxed(value):
    if value.boxed:
        return value.boxed
    make = {"int": "tw_a_int", "float": "tw_a_float", "bool": "tw_a_bool"}.get(value.type)
    return f"{make}({value.c})" if make else value.c


class OpIndex:
    """Ops by the names that formulas use."""

    def __init__(self, ops):
        self.by_name = {}
        for op in ops:
            for name in {op.key, op.c, op.base}:
                self.by_name.setdefault(name, []).append(op)

    def find(self, name):
        return self.by_name.get(name, [])

    def unknown(self, name):
        near = difflib.get_close_matches(name, list(self.by_name), n=1)
        return ValueError(f"unknown op '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))


def fits(param, value):
    """Whether a value can be passed for a parameter."""
    t, v = param.type, value.type
    if v == "none":
        return t.optional or (param.has_default and param.default is None)
    if t.base == "Tensor":
        if t.is_list:
            return v == "tensors" or (v == "list" and all(i.type == "tensor" for i in value.items))
        return v == "tensor" or (v in ("number", "int", "float", "bool") and param.number_too)
    if t.is_list:
        kind = "floats" if t.base in ("float", "Scalar") else "ints"
        return v in (kind, "ints") or (v == "list" and all(i.type in ("int", "bool", "float") for i in value.items)) or \
            (v == "int" and t.list_size > 0)
    if t.base in ("Scalar", "float"):
        return v in ("number", "int", "float", "bool") and (t.base == "Scalar" or v != "other")
    if t.base == "int":
        return v in ("int", "bool", "number")
    if t.base == "bool":
        return v in ("bool", "int")
    if t.base == "str":
        return v == "str"
    return v in ("other", "int") or (t.base == "ScalarType" and v == "dtype")


class Emitter:
    """Emits statements for one function; self.lines collects them. Results of calls live in t[0..count)."""

    def __init__(self, index, op, names, edges, arrays):
        self.index = index          # OpIndex
        self.op = op
        self.names = names          # name -> Value
        self.edges = edges          # parameter -> C expression of its tw_input_meta *, or None (shapes come from the argument)
        self.arrays = arrays        # Defaults
        self.lines = []
        self.indent = "        "
        self.count = 0
        self.most = 0
        self.lists = 0
        self.read = set()           # names whose values (not only shapes) are read

    def put(self, text):
        self.lines.append(self.indent + text)

    def slot(self, text, zero=False):
        k = self.count
        self.count += 1
        self.most = max(self.most, self.count)
        self.put(f"t[{k}] = {text};")
        return Value("tensor", f"t[{k}]", owned=True, zero=zero)

    # --- expressions ---

    def value(self, node):
        return getattr(self, "on_" + node.kind)(node)

    def on_num(self, node):
        if isinstance(node.value, int):
            return Value("int", f"{node.value}")
        return Value("float", c_double(node.value))

    def on_bool(self, node):
        return Value("bool", str(node.value).lower())

    def on_str(self, node):
        return Value("str", f"tw_a_string({c_string(node.value)})")

    def on_none(self, node):
        return Value("none", "TW_A_NONE")

    def on_name(self, node):
        if node.value in self.names:
            self.read.add(node.value)
            return self.names[node.value]
        if node.value in DTYPES:
            return Value("dtype", f"tw_a_int({DTYPES[node.value]})")
        near = difflib.get_close_matches(node.value, list(self.names), n=1)
        raise ValueError(f"unknown name '{node.value}' in a formula of '{self.op.key}'" + (f"; did you mean '{near[0]}'?" if near else ""))

    def on_attr(self, node):
        name = node.value
        if name in ("shape", "ndim", "dtype", "numel", "device"):
            return self.meta_attribute(node.args[0], name)
        if name in ("T", "H", "mT", "mH"):
            turned = self.op_call("transpose", [self.value(node.args[0]), Value("int", "-2"), Value("int", "-1")], {})
            return self.helper("conj", [turned]) if name in ("H", "mH") else turned
        raise ValueError(f"unknown attribute '.{name}': there are shape, ndim, dtype, numel, T, H")

    def meta_attribute(self, node, name):
        param = self.op.param(node.value) if node.kind == "name" else None
        if param is not None and param.type.is_tensor and self.edges.get(node.value):
            at = self.edges[node.value]
            return {"shape": Value("ints", f"tw_f_input_shape({at})"), "ndim": Value("int", f"(int64_t){at}->ndim"),
                    "dtype": Value("other", f"tw_a_int({at}->dtype)"), "numel": Value("int", f"tw_f_input_numel({at})"),
                    "device": Value("other", f"tw_a_int({at}->device)")}[name]
        inner = self.value(node)
        if inner.type == "tensor":
            c = boxed(inner)
            return {"shape": Value("ints", f"tw_f_shape({c})"), "ndim": Value("int", f"tw_f_ndim({c})"),
                    "dtype": Value("other", f"tw_f_dtype({c})"), "numel": Value("int", f"tw_f_numel({c})"),
                    "device": Value("other", f"tw_f_device({c})")}[name]
        if inner.type == "ints" and name == "ndim":
            return Value("int", f"(int64_t)({inner.c}).n")
        raise ValueError(f"'.{name}' of what is not a tensor")

    def on_index(self, node):
        if node.args[0].kind == "call":
            op = self.resolve_names(node.args[0].value)
            if op and len(op[0].schema.results) > 1:
                which = node.args[1]
                if which.kind != "num" or not 0 <= which.value < len(op[0].schema.results):
                    raise ValueError(f"'{node.args[0].value}' has {len(op[0].schema.results)} results")
                args, kwargs = self.arguments(node.args[0])
                return self.op_call(node.args[0].value, args, kwargs, which.value)
        of, at = self.value(node.args[0]), self.value(node.args[1])
        if of.type == "results":
            if node.args[1].kind != "num" or not 0 <= node.args[1].value < len(of.items):
                raise ValueError(f"there are {len(of.items)} results")
            return of.items[node.args[1].value]
        if at.type != "int":
            raise ValueError("an index must be an integer")
        if of.type == "ints":
            return Value("int", f"tw_f_item({of.c}, {at.c})")
        raise ValueError("only int lists and several results can be indexed")

    def on_list(self, node):
        items = [self.value(a) for a in node.args]
        if all(i.type in ("int", "bool") for i in items):
            constant = all(n.kind in ("num", "bool") for n in node.args)
            if constant and items:
                name = self.arrays.array("int64_t", [str(int(n.value)) for n in node.args])
                return Value("ints", f"tw_a_ints({name}, {len(items)})")
            name = f"l{self.lists}"
            self.lists += 1
            self.put(f"const int64_t {name}[] = {{{', '.join(i.c for i in items) or '0'}}};")
            return Value("ints", f"tw_a_ints({name}, {len(items)})")
        if all(i.type == "tensor" for i in items):
            name = f"l{self.lists}"
            self.lists += 1
            self.put(f"tw_tensor *const {name}[] = {{{', '.join(f'({i.c}).t' for i in items)}}};")
            return Value("tensors", f"tw_a_tensors({name}, {len(items)})")
        raise ValueError("a list of what is neither integers nor tensors")

    def on_is_none(self, node):
        if node.args[0].kind != "name":
            raise ValueError("only an argument can be compared with None")
        value = self.value(node.args[0])
        return Value("bool", f"(({boxed(value)}).tag == TW_ARG_NONE)")

    def on_not_(self, node):
        value = self.value(node.args[0])
        if value.type == "tensor":
            return self.op_call("logical_not", [value], {})
        return Value("bool", f"!{self.truth(value)}")

    def truth(self, value):
        if value.type in ("bool", "int"):
            return f"({value.c})"
        if value.type == "float":
            return f"({value.c} != 0)"
        if value.type == "number":
            return f"tw_f_truth({value.c})"
        if value.type in ("ints", "floats", "tensors"):
            return f"(({value.c}).n != 0)"
        raise ValueError("a condition that is not a number or bool")

    def on_all(self, node):
        return self.logic(node, "logical_and", " && ")

    def on_any(self, node):
        return self.logic(node, "logical_or", " || ")

    def logic(self, node, op, operator):
        values = [self.value(a) for a in node.args]
        if any(v.type == "tensor" for v in values):
            out = values[0]
            for other in values[1:]:
                out = self.op_call(op, [out, other], {})
            return out
        return Value("bool", "(" + operator.join(self.truth(v) for v in values) + ")")

    def on_if(self, node):
        condition = self.value(node.args[0])
        if condition.type == "tensor":
            raise ValueError("a condition on a tensor: use where()")
        test = self.truth(condition)
        start = len(self.lines)
        then = self.branch(node.args[1])
        middle = len(self.lines)
        otherwise = self.branch(node.args[2])
        first, second = self.lines[start:middle], self.lines[middle:]
        if "tensor" in (then.type, otherwise.type):
            del self.lines[start:]
            k = self.count
            self.count += 1
            self.most = max(self.most, self.count)
            self.put(f"if ({test}) {{")
            self.lines += first
            self.put(f"    t[{k}] = tw_f_retain({boxed(then)});")
            self.put("} else {")
            self.lines += second
            self.put(f"    t[{k}] = tw_f_retain({boxed(otherwise)});")
            self.put("}")
            return Value("tensor", f"t[{k}]", owned=True, zero=then.zero or otherwise.zero)
        if then.type == otherwise.type and then.type in ("int", "float", "bool"):
            return Value(then.type, f"({test} ? {then.c} : {otherwise.c})")
        kinds = {then.type, otherwise.type} - {"none", "list"}
        return Value(kinds.pop() if len(kinds) == 1 else "number", f"({test} ? {boxed(then)} : {boxed(otherwise)})")

    def branch(self, node):
        self.indent += "    "
        try:
            return self.value(node)
        finally:
            self.indent = self.indent[:-4]

    # --- calls ---

    def on_call(self, node):
        args, kwargs = self.arguments(node)
        name = node.value
        if name in HELPERS and not kwargs and len(args) == HELPERS[name] and (node.operator or len(args) <= 2):
            return self.helper(name, args)
        if name in COMPARE and len(args) == 2 and not any(a.type == "tensor" for a in args):
            return Value("bool", self.compare(name, args))
        if name == "len" and len(args) == 1 and args[0].type in ("ints", "floats", "tensors"):
            return Value("int", f"(int64_t)({args[0].c}).n")
        if name in CATEGORIES and len(args) == 1 and args[0].type in ("tensor", "other", "number", "dtype"):
            return Value("bool", f"(tw_f_category({boxed(args[0])}) {CATEGORIES[name]})")
        if name in PLAIN and not kwargs and [ALIKE.get(a.type, a.type) for a in args] == PLAIN[name][0].split():
            return self.plain(PLAIN[name], args)
        if name == "real" and len(args) == 1 and args[0].type != "tensor":
            return Value("number", f"tw_f_real({boxed(args[0])})")
        return self.op_call(name if self.index.find(name) and name != "real" else OP_OF.get(name, name), args, kwargs)

    def plain(self, function, args):
        _, type_, text = function
        into = ""
        if "{into}" in text:
            into = f"l{self.lists}"
            self.lists += 1
            self.put(f"int64_t {into}[TW_MAX_DIMS];")
        return Value(type_, text.format(*(a.c for a in args), into=into))

    def compare(self, name, args):
        if all(a.type in ("int", "float", "bool") for a in args):
            return f"({args[0].c} {COMPARE[name]} {args[1].c})"
        if all(a.type in ("other", "dtype") for a in args) and name in ("eq", "ne"):
            return f"(({boxed(args[0])}).i {COMPARE[name]} ({boxed(args[1])}).i)"
        if all(a.type == "ints" for a in args) and name in ("eq", "ne"):
            return ("" if name == "eq" else "!") + f"tw_f_same_ints({args[0].c}, {args[1].c})"
        if all(a.type == "str" for a in args):
            test = f"tw_f_same_text({args[0].c}, {args[1].c})"
            return test if name == "eq" else f"!{test}"
        if all(a.type in ("number", "int", "float", "bool") for a in args):
            return f"(tw_f_compare({boxed(args[0])}, {boxed(args[1])}) {COMPARE[name]} 0)"
        raise ValueError(f"cannot compare {args[0].type} with {args[1].type}")

    def arguments(self, node):
        return [self.value(a) for a in node.args], {k: self.value(v) for k, v in node.kwargs.items()}

    def helper(self, name, args):
        """Arithmetic on tensors, numbers and zeros alike."""
        if all(a.type in ("int", "bool") for a in args) and (name in ARITHMETIC or name == "neg"):
            return Value("int", f"tw_f_minus(0, {args[0].c})" if name == "neg" else f"tw_f_{ARITHMETIC[name]}({args[0].c}, {args[1].c})")
        if not all(a.type in ("tensor", "number", "int", "float", "bool") for a in args):
            raise ValueError(f"'{name}' of {' and '.join(a.type for a in args)}")
        text = f"tw_f_{name}({', '.join(boxed(a) for a in args)})"
        if any(a.type == "tensor" for a in args):
            if name != "conj":
                self.require(name)
            zeros = [a.zero for a in args]
            return self.slot(text, zero=all(zeros) if name in ("add", "sub") else any(zeros))
        return Value("number", text)

    def require(self, name):
        if not self.index.find(name):
            raise self.index.unknown(name)

    def resolve_names(self, name):
        found = self.index.find(name)
        if not found:
            raise self.index.unknown(name)
        return found

    def bind(self, op, args, kwargs, accepts):
        """Values per parameter; ValueError says what does not fit."""
        places = [p.name for p in op.params if not p.keyword_only or not op.public]
        bound = dict(zip(places, args))
        if len(args) > len(places):
            raise ValueError(f"'{op.key}' takes {len(places)} arguments, not {len(args)}")
        for name, value in kwargs.items():
            if op.param(name) is None:
                near = difflib.get_close_matches(name, [p.name for p in op.params], n=1)
                raise ValueError(f"'{op.key}' has no argument '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
            if name in bound:
                raise ValueError(f"'{op.key}' is given '{name}' twice")
            bound[name] = value
        for p in op.params:
            if p.name not in bound and not p.has_default and not p.type.optional:
                raise ValueError(f"'{op.key}' needs the argument '{p.name}'")
            if p.name in bound and not accepts(p, bound[p.name]):
                raise ValueError(f"'{op.key}' takes no {bound[p.name].type} for '{p.name}'")
        return bound

    def accepts(self, param, value):
        if fits(param, value):
            return True
        # Numbers become 0-d tensors at run time; optional integers and the like travel boxed.
        return param.type.is_tensor and value.type in ("number", "int", "float", "bool")

    def results(self, node):
        """All results of a call of an op that has several."""
        args, kwargs = self.arguments(node)
        return self.op_call(node.value, args, kwargs, None)

    def has_several(self, node):
        return node.kind == "call" and node.value not in PLAIN and any(len(op.schema.results) > 1 for op in self.index.find(node.value))

    def op_call(self, name, args, kwargs, which=0):
        problems = []
        for accepts in (fits, self.accepts):  # an overload that takes the values as they are comes first
            for op in self.resolve_names(name):
                try:
                    bound = self.bind(op, args, kwargs, accepts)
                except ValueError as error:
                    problems.append(error)
                    continue
                return self.emit_call(op, bound, which)
        raise problems[-1]

    def emit_call(self, op, bound, which):
        items, zeros = [], 0
        for i, p in enumerate(op.params):
            if p.name not in bound:
                items.append("(tw_arg)" + fallback(p, self.arrays))
                continue
            value = bound[p.name]
            if value.zero and not p.type.optional: # an optional one is told that there is none
                zeros |= 1 << i
            if value.type == "int" and p.type.is_list:
                value = Value("ints", f"tw_f_repeat({value.c}, (int64_t[{p.type.list_size}]){{0}}, {p.type.list_size})")
            if p.type.base == "float" and not p.type.is_list and value.type in ("int", "bool", "number"):
                number = f"(double)({value.c})" if value.type != "number" else f"tw_scalar_double(tw_f_scalar({value.c}))"
                value = Value("float", number)
            if value.type == "none" and p.type.is_list and p.type.base != "Tensor":
                value = Value("none", "TW_A_NONE")
            items.append(boxed(value))
        array = f"(const tw_arg[]){{{', '.join(items)}}}" if items else "NULL"
        if which is None:
            first = self.count
            self.count += len(op.schema.results)
            self.most = max(self.most, self.count)
            self.put(f"tw_f_call_all(TW_OP_{op.c}, {array}, &t[{first}]);")
            return Value("results", f"t[{first}]", items=tuple(Value("tensor", f"t[{first + i}]", owned=True)
                                                              for i in range(len(op.schema.results))))
        if len(op.schema.results) > 1:
            return self.slot(f"tw_f_call_nth(TW_OP_{op.c}, {array}, {zeros:#x}, {which})", zero=zeros != 0)
        return self.slot(f"tw_f_call(TW_OP_{op.c}, {array}, {zeros:#x})", zero=zeros != 0)


def known_functions(index):
    return set(PRIMITIVES) | set(index.by_name)
