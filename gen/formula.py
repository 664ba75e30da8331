"""Formulas: a checked subset of Python expressions, as a tree of Nodes.

Node kinds: num(value) name(value) call(value: function; args, kwargs) attr(args[0], value) index(args[0], value) list(args)
if(args: condition, then, otherwise) none bool(value) str(value) is_none(args[0]) all(args) any(args) not_(args[0])."""
import ast
import math
from dataclasses import dataclass, field

BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
          ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or", ast.BitXor: "bitwise_xor", ast.Mod: "remainder",
          ast.FloorDiv: "floor_divide"}
COMPARE = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e}


@dataclass
class Node:
    kind: str
    value: object = None
    args: list = field(default_factory=list)
    kwargs: dict = field(default_factory=dict)
    operator: bool = False   # written as an operator, not as a call

    def walk(self):
        yield self
        for child in [*self.args, *self.kwargs.values()]:
            yield from child.walk()


def num(value):
    return Node("num", value)


def call(name, *args):
    return Node("call", name, list(args), operator=True)


def parse_formula(text):
    """The tree of a formula; ValueError says what is not understood."""
    try:
        tree = ast.parse(text.strip().replace("\n", " "), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"cannot read the formula '{text}': {error.msg}") from None
    return convert(tree.body)


def convert(node):
    if isinstance(node, ast.Constant):
        if node.value is None:
            return Node("none")
        if isinstance(node.value, bool):
            return Node("bool", node.value)
        if isinstance(node.value, str):
            return Node("str", node.value)
        return num(node.value)
    if isinstance(node, ast.Name):
        return num(CONSTANTS[node.id]) if node.id in CONSTANTS else Node("name", node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        return call(BINARY[type(node.op)], convert(node.left), convert(node.right))
    if isinstance(node, ast.UnaryOp):
        return convert_unary(node)
    if isinstance(node, ast.BoolOp):
        return Node("all" if isinstance(node.op, ast.And) else "any", None, [convert(v) for v in node.values])
    if isinstance(node, ast.Compare):
        return convert_compare(node)
    if isinstance(node, ast.IfExp):
        return Node("if", None, [convert(node.test), convert(node.body), convert(node.orelse)])
    if isinstance(node, (ast.List, ast.Tuple)):
        return Node("list", None, [convert(item) for item in node.elts])
    if isinstance(node, ast.Attribute):
        return Node("attr", node.attr, [convert(node.value)])
    if isinstance(node, ast.Subscript):
        return Node("index", None, [convert(node.value), convert(node.slice)])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return Node("call", node.func.id, [convert(a) for a in node.args], {k.arg: convert(k.value) for k in node.keywords})
    raise ValueError(f"not allowed in a formula: '{ast.unparse(node)}'")


def convert_unary(node):
    inner = convert(node.operand)
    if isinstance(node.op, ast.USub):
        return num(-inner.value) if inner.kind == "num" else call("neg", inner)
    if isinstance(node.op, ast.Not):
        return Node("not_", None, [inner])
    if isinstance(node.op, ast.Invert):
        return call("bitwise_not", inner)
    return inner


def convert_compare(node):
    parts, left = [], node.left
    for op, right in zip(node.ops, node.comparators):
        if isinstance(op, (ast.Is, ast.IsNot)):
            test = Node("is_none", None, [convert(left)])
            parts.append(test if isinstance(op, ast.Is) else Node("not_", None, [test]))
        elif type(op) in COMPARE:
            parts.append(call(COMPARE[type(op)], convert(left), convert(right)))
        else:
            raise ValueError(f"not allowed in a formula: '{ast.unparse(node)}'")
        left = right
    return parts[0] if len(parts) == 1 else Node("all", None, parts)


def substitute(node, names):
    """The tree with names replaced by other names."""
    value = names.get(node.value, node.value) if node.kind == "name" else node.value
    return Node(node.kind, value, [substitute(a, names) for a in node.args],
                {k: substitute(v, names) for k, v in node.kwargs.items()}, node.operator)


def times(a, b):
    """a * b without multiplying by one."""
    if b.kind == "num" and b.value in (1, -1) and not isinstance(b.value, bool):
        return a if b.value == 1 else call("neg", a)
    return call("mul", a, b)


def names_in_values(node):
    """Names whose values are read: not those of which only the shape or dtype is."""
    if node.kind == "attr" and node.value in ("shape", "ndim", "dtype", "numel", "device"):
        return set()
    out = {node.value} if node.kind == "name" else set()
    for child in [*node.args, *node.kwargs.values()]:
        out |= names_in_values(child)
    return out
