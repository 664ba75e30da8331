"""Formulas as C kernel bodies: one inline function per compute dtype, over vectors for floats and scalars otherwise."""
from dataclasses import dataclass

from formula import Node
from primitives import COMPLEX_PARTS, PRIMITIVES


@dataclass(frozen=True)
class Compute:
    """A compute dtype of kernels."""
    index: int       # tw_dtype
    suffix: str      # of primitives: f32
    ctype: str       # of memory
    value: str       # type of a value in a body
    kind: str        # class: b, i, f, c
    real: str = ""   # suffix of the real dtype, of complex ones
    half: str = ""   # suffix of the half type that rounds between steps

    @property
    def prefix(self):
        return "v" if self.kind == "f" else "s"

    @property
    def mask(self):
        return f"m_{self.suffix}" if self.kind == "f" else "bool"

    @property
    def tag(self):
        return "bool" if self.kind == "b" else self.half or self.suffix


COMPUTES = [
    Compute(0, "u8", "uint8_t", "uint8_t", "b"), Compute(1, "u8", "uint8_t", "uint8_t", "i"),
    Compute(2, "i8", "int8_t", "int8_t", "i"), Compute(3, "i16", "int16_t", "int16_t", "i"),
    Compute(4, "i32", "int32_t", "int32_t", "i"), Compute(5, "i64", "int64_t", "int64_t", "i"),
    Compute(8, "f32", "float", "vf32", "f"), Compute(9, "f64", "double", "vf64", "f"),
    Compute(11, "c64", "c64", "c64", "c", "f32"), Compute(12, "c128", "c128", "c128", "c", "f64")]
# Half types compute as float32 and complex64. What PyTorch computes with their own roundings in between has primitives of theirs
# (v_floor_divide_f16, s_mul_c32): a formula that uses one has kernels for these dtypes beside those of the compute dtype.
HALVES = [Compute(6, "f32", "float", "vf32", "f", half="f16"), Compute(7, "f32", "float", "vf32", "f", half="bf16"),
          Compute(10, "c64", "c64", "c64", "c", "f32", half="c32")]
HALF_PRIMITIVES = {"f16": {"floor_divide", "trunc_divide"}, "bf16": {"floor_divide", "trunc_divide"}, "c32": {"mul"}}
REAL_CTYPE = {"f32": "float", "f64": "double"}


class CannotLower(ValueError):
    """The formula uses what kernels of this dtype do not have; other dtypes may."""


def literal(value, compute):
    if compute.kind == "f":
        if value != value:
            text = "NAN"
        elif value in (float("inf"), float("-inf")):
            text = "INFINITY" if value > 0 else "-INFINITY"
        else:
            text = repr(float(value)) + ("f" if compute.suffix == "f32" else "")
        return f"v_splat_{compute.suffix}({text})"
    if compute.kind == "c":
        return f"s_complex_{compute.suffix}({real_literal(value, compute)}, 0)"
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        raise CannotLower(f"the number {value} in a formula for integers")
    return f"(({compute.ctype}){int(value)})"


def real_literal(value, compute):
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(float(value)) + ("f" if compute.real == "f32" else "")


class Lowering:
    """Turns one formula into a C expression for one dtype. names: input name -> (C expression, kind v or m)."""

    def __init__(self, compute, names):
        self.c = compute
        self.names = names
        self.used = set()

    def as_kind(self, text, have, want):
        c = self.c
        if have == want:
            return text
        if want == "m":
            zero = literal(0, c) if have == "v" else "0"
            return f"{c.prefix}_ne_{c.suffix}({text}, {zero})" if have == "v" else f"({text} != 0)"
        if want == "v" and have == "m":
            return f"{c.prefix}_select_{c.suffix}({text}, {literal(1, c)}, {literal(0, c)})"
        if want == "v" and have == "r":
            return f"s_complex_{c.suffix}({text}, 0)"
        raise CannotLower(f"a {have} where a {want} is needed")

    def shape(self, name):
        c = self.c
        if c.kind == "c" and name in COMPLEX_PARTS:
            return COMPLEX_PARTS[name]
        if name in ("real", "imag", "conj") and c.kind != "c":
            return "v>v"
        if name not in PRIMITIVES or c.kind not in PRIMITIVES[name][1]:
            raise CannotLower(f"'{name}' has no kernel for {c.tag}")
        return PRIMITIVES[name][0]

    def call(self, name, args):
        c = self.c
        if c.kind == "c" and name in COMPARISONS and name not in ("eq", "ne"):
            shape = "vv>m"
        else:
            shape = self.shape(name)
        wants, result = shape.split(">")
        if len(wants) != len(args):
            raise ValueError(f"'{name}' takes {len(wants)} arguments, not {len(args)}")
        done = [self.lower(a) for a in args]
        if c.kind == "c" and "r" in [k for _, k in done] and name in REAL_OF:
            if all(k == "r" or a.kind == "num" for a, (_, k) in zip(args, done)):
                parts = [real_literal(a.value, c) if a.kind == "num" else text for a, (text, _) in zip(args, done)]
                fabs = "fabsf" if c.real == "f32" else "fabs"
                return "(" + REAL_OF[name].format(*parts, fabs=fabs) + ")", "m" if name in COMPARISONS else "r"
        if c.kind == "c" and name in COMPARISONS and name not in ("eq", "ne"):
            raise CannotLower(f"'{name}' has no kernel for {c.tag}")
        texts = [self.as_kind(text, kind, want) for (text, kind), want in zip(done, wants)]
        if c.kind != "c" and name in ("real", "conj"):
            return texts[0], "v"
        if c.kind != "c" and name == "imag":
            return literal(0, c), "v"
        if name in ("and", "or", "not"):
            if c.kind == "f":
                return f"m_{name}_{c.suffix}({', '.join(texts)})", "m"
            return {"and": "({} && {})", "or": "({} || {})", "not": "(!{})"}[name].format(*texts), "m"
        name = "select" if name == "where" else name
        if c.half and name in HALF_PRIMITIVES[c.half]:
            return f"{c.prefix}_{name}_{c.half}({', '.join(texts)})", result
        return f"{c.prefix}_{name}_{c.suffix}({', '.join(texts)})", result

    def lower(self, node):
        """(C expression, kind)."""
        if node.kind == "num":
            return literal(node.value, self.c), "v"
        if node.kind == "bool":
            return literal(int(node.value), self.c), "v"
        if node.kind == "name":
            if node.value not in self.names:
                raise ValueError(f"unknown name '{node.value}'")
            self.used.add(node.value)
            return self.names[node.value]
        if node.kind in ("all", "any"):
            out = node.args[0]
            for other in node.args[1:]:
                out = Node("call", "and" if node.kind == "all" else "or", [out, other])
            return self.lower(out)
        if node.kind == "not_":
            return self.lower(Node("call", "not", node.args))
        if node.kind == "if":
            return self.call("where", node.args)
        if node.kind == "call" and node.value == "_where_of" and len(node.args) == 4:
            return self.call("where", node.args[:3])
        if node.kind == "call" and not node.kwargs:
            return self.call(SYNONYMS.get(node.value, node.value), node.args)
        raise CannotLower("what only runs as ops")


COMPARISONS = {"eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "le": "{} <= {}", "gt": "{} > {}", "ge": "{} >= {}"}
# Of the parts of complex numbers.
REAL_OF = {"add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}", "neg": "-{}", "abs": "{fabs}({})", **COMPARISONS}
SYNONYMS = {"logical_and": "and", "logical_or": "or", "logical_not": "not", "bitwise_and": "bitand", "bitwise_or": "bitor",
            "bitwise_xor": "bitxor", "bitwise_not": "bitnot", "clamp_min": "maximum", "clamp_max": "minimum"}


def names_in(node):
    return {n.value for n in node.walk() if n.kind == "name"}
