"""The functions that elementwise formulas may call: what src/kernels/vec.h and src/kernels/math.h define.

Each has a shape "arguments>result" in v (a value of the compute dtype), m (a mask: true or false), r (the real dtype of a complex
one), and the classes of compute dtype that have it: b bool (stored and computed as u8), i integers, f floats, c complex.

In C, for f32 and f64, over vectors: values are vf32, masks m_f32; v_add_f32(a, b), v_lt_f32(a, b) gives a mask, v_select_f32(m, a, b)
(where), m_and_f32, m_or_f32, m_not_f32, v_splat_f32(number), v_load_f32(p), v_load_n_f32(p, n), v_load_rest_f32(p, n), v_store_f32(p, v),
v_store_n_f32(p, v, n), v_store_mask_f32(uint8_t *, m), v_store_mask_n_f32(uint8_t *, m, n), v_load_mask_f32(const uint8_t *),
v_load_mask_n_f32(const uint8_t *, n), V_LANES_f32. n is int64_t, below V_LANES.
For u8 i8 i16 i32 i64 and c64 c128, scalar: s_add_i32(a, b), s_lt_i32(a, b) gives bool, s_select_i32(m, a, b); types c64 and c128,
s_complex_c64(re, im), s_real_c64(z), s_imag_c64(z), s_abs_c64(z), s_angle_c64(z) (these four give float). Signed integers wrap."""

PRIMITIVES = {
    "add": ("vv>v", "bifc"), "sub": ("vv>v", "bifc"), "mul": ("vv>v", "bifc"), "div": ("vv>v", "fc"),
    "neg": ("v>v", "bifc"), "abs": ("v>v", "bif"), "sgn": ("v>v", "bifc"), "sign": ("v>v", "bif"), "square": ("v>v", "bifc"),
    "reciprocal": ("v>v", "fc"), "pow": ("vv>v", "ifc"), "sqrt": ("v>v", "fc"), "rsqrt": ("v>v", "fc"),
    "exp": ("v>v", "fc"), "log": ("v>v", "fc"), "tanh": ("v>v", "fc"), "sigmoid": ("v>v", "fc"),
    "exp2": ("v>v", "fc"), "expm1": ("v>v", "fc"), "log1p": ("v>v", "fc"), "log2": ("v>v", "fc"), "log10": ("v>v", "fc"),
    "sin": ("v>v", "fc"), "cos": ("v>v", "fc"), "tan": ("v>v", "fc"), "asin": ("v>v", "fc"), "acos": ("v>v", "fc"),
    "atan": ("v>v", "fc"), "sinh": ("v>v", "fc"), "cosh": ("v>v", "fc"), "asinh": ("v>v", "fc"), "acosh": ("v>v", "fc"),
    "atanh": ("v>v", "fc"), "erf": ("v>v", "f"), "erfc": ("v>v", "f"), "atan2": ("vv>v", "f"), "lgamma": ("v>v", "f"),
    "digamma": ("v>v", "f"), "hypot": ("vv>v", "f"), "copysign": ("vv>v", "f"),
    "erfinv": ("v>v", "f"), "erfcx": ("v>v", "f"), "ndtri": ("v>v", "f"), "log_ndtr": ("v>v", "f"), "zeta": ("vv>v", "f"), "polygamma": ("vv>v", "f"),
    "gcd": ("vv>v", "i"), "floor": ("v>v", "if"), "ceil": ("v>v", "if"), "trunc": ("v>v", "if"), "round": ("v>v", "if"),
    "fmod": ("vv>v", "if"), "remainder": ("vv>v", "if"), "floor_divide": ("vv>v", "if"), "trunc_divide": ("vv>v", "if"),
    "maximum": ("vv>v", "bif"), "minimum": ("vv>v", "bif"), "fmax": ("vv>v", "f"), "fmin": ("vv>v", "f"),
    "relu": ("v>v", "bif"), "fma": ("vvv>v", "f"),
    "eq": ("vv>m", "bifc"), "ne": ("vv>m", "bifc"), "lt": ("vv>m", "bif"), "le": ("vv>m", "bif"), "gt": ("vv>m", "bif"),
    "ge": ("vv>m", "bif"), "isnan": ("v>m", "fc"), "isinf": ("v>m", "f"), "isfinite": ("v>m", "f"), "signbit": ("v>m", "f"),
    "bitand": ("vv>v", "bi"), "bitor": ("vv>v", "bi"), "bitxor": ("vv>v", "bi"), "bitnot": ("v>v", "i"),
    "shift_left": ("vv>v", "i"), "shift_right": ("vv>v", "i"),
    "where": ("mvv>v", "bifc"), "and": ("mm>m", "bifc"), "or": ("mm>m", "bifc"), "not": ("m>m", "bifc"),
    "conj": ("v>v", "bifc"),
}
# Of complex values only: to and from parts. For other dtypes real is the value itself and imag is zero.
COMPLEX_PARTS = {"real": "v>r", "imag": "v>r", "abs": "v>r", "angle": "v>r", "complex": "rr>v"}

# What a kernel spends, in the time of one exp; arithmetic, comparisons, roundings and roots count nothing beside the memory that they read and write.
COST = dict.fromkeys(
    ("pow log tanh sigmoid expm1 log1p log2 log10 sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc atan2 lgamma digamma "
     "erfinv erfcx ndtri log_ndtr zeta polygamma gcd fmod remainder floor_divide hypot angle").split(), 2) | {"exp": 1, "exp2": 1}


# Ops with another name than the primitive when a formula runs as ops.
OP_OF = {"and": "logical_and", "or": "logical_or", "not": "logical_not", "bitand": "bitwise_and", "bitor": "bitwise_or",
         "bitxor": "bitwise_xor", "bitnot": "bitwise_not", "real": "_real"}
