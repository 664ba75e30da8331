/* The table of element types, promotion, and the conversion of single values. */
#include "core/dtype.h"

#include "core/error.h"
#include <math.h>
#include <string.h>

enum { BOOLEAN, INTEGER, FLOATING, COMPLEX };

const tw_dtype_info tw_dtypes[TW_DTYPE_COUNT] = {
    [TW_BOOL] = {"bool", "Bool", 1, BOOLEAN, TW_BOOL, TW_BOOL, false, true},
    [TW_UINT8] = {"uint8", "Byte", 1, INTEGER, TW_UINT8, TW_UINT8, false, true},
    [TW_INT8] = {"int8", "Char", 1, INTEGER, TW_INT8, TW_INT8, true, true},
    [TW_INT16] = {"int16", "Short", 2, INTEGER, TW_INT16, TW_INT16, true, true},
    [TW_INT32] = {"int32", "Int", 4, INTEGER, TW_INT32, TW_INT32, true, true},
    [TW_INT64] = {"int64", "Long", 8, INTEGER, TW_INT64, TW_INT64, true, true},
    [TW_FLOAT16] = {"float16", "Half", 2, FLOATING, TW_FLOAT32, TW_FLOAT16, true, true},
    [TW_BFLOAT16] = {"bfloat16", "BFloat16", 2, FLOATING, TW_FLOAT32, TW_BFLOAT16, true, true},
    [TW_FLOAT32] = {"float32", "Float", 4, FLOATING, TW_FLOAT32, TW_FLOAT32, true, true},
    [TW_FLOAT64] = {"float64", "Double", 8, FLOATING, TW_FLOAT64, TW_FLOAT64, true, true},
    [TW_COMPLEX32] = {"complex32", "ComplexHalf", 4, COMPLEX, TW_COMPLEX64, TW_FLOAT16, true, true},
    [TW_COMPLEX64] = {"complex64", "ComplexFloat", 8, COMPLEX, TW_COMPLEX64, TW_FLOAT32, true, true},
    [TW_COMPLEX128] = {"complex128", "ComplexDouble", 16, COMPLEX, TW_COMPLEX128, TW_FLOAT64, true, true},
    [TW_UINT16] = {"uint16", "UInt16", 2, INTEGER, TW_UINT16, TW_UINT16, false, false},
    [TW_UINT32] = {"uint32", "UInt32", 4, INTEGER, TW_UINT32, TW_UINT32, false, false},
    [TW_UINT64] = {"uint64", "UInt64", 8, INTEGER, TW_UINT64, TW_UINT64, false, false},
    [TW_FLOAT8_E4M3FN] = {"float8_e4m3fn", "Float8_e4m3fn", 1, FLOATING, TW_FLOAT32, TW_FLOAT8_E4M3FN, true, false},
    [TW_FLOAT8_E5M2] = {"float8_e5m2", "Float8_e5m2", 1, FLOATING, TW_FLOAT32, TW_FLOAT8_E5M2, true, false},
    [TW_FLOAT8_E4M3FNUZ] = {"float8_e4m3fnuz", "Float8_e4m3fnuz", 1, FLOATING, TW_FLOAT32, TW_FLOAT8_E4M3FNUZ, true, false},
    [TW_FLOAT8_E5M2FNUZ] = {"float8_e5m2fnuz", "Float8_e5m2fnuz", 1, FLOATING, TW_FLOAT32, TW_FLOAT8_E5M2FNUZ, true, false},
    [TW_FLOAT8_E8M0FNU] = {"float8_e8m0fnu", "Float8_e8m0fnu", 1, FLOATING, TW_FLOAT32, TW_FLOAT8_E8M0FNU, false, false},
};

/* --- promotion ----------------------------------------------------------------------------------------------- */

static bool is_float8(tw_dtype d) { return d >= TW_FLOAT8_E4M3FN; }

/* Within one category. Unsigned bytes need a wider signed type beside a signed one; float16 and bfloat16 meet in float32. */
static tw_dtype wider(tw_dtype a, tw_dtype b) {
    if (a > b) { const tw_dtype c = a; a = b; b = c; }
    if (a == TW_UINT8 && b == TW_INT8) return TW_INT16;
    if (a == TW_FLOAT16 && b == TW_BFLOAT16) return TW_FLOAT32;
    return b; /* the enumeration goes from narrow to wide */
}

tw_dtype tw_promote(tw_dtype a, tw_dtype b) {
    if (a == b) return a;
    if (!tw_dtypes[a].computes || !tw_dtypes[b].computes) {
        if (is_float8(a) || is_float8(b)) {
            tw_fail(TW_RUNTIME_ERROR, "Promotion for Float8 Types is not supported, attempted to promote %s and %s",
                    tw_dtypes[a].type_name, tw_dtypes[b].type_name);
            return TW_DTYPE_NONE;
        }
        if (tw_dtypes[a].category == FLOATING) return a; /* floats absorb the wide unsigned integers */
        if (tw_dtypes[b].category == FLOATING) return b;
        tw_fail(TW_RUNTIME_ERROR, "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote %s and %s",
                tw_dtypes[a].type_name, tw_dtypes[b].type_name);
        return TW_DTYPE_NONE;
    }
    const int ca = tw_dtypes[a].category, cb = tw_dtypes[b].category;
    if (ca == cb) return wider(a, b);
    const tw_dtype high = ca > cb ? a : b, low = ca > cb ? b : a;
    if (tw_dtypes[high].category != COMPLEX || tw_dtypes[low].category != FLOATING) return high;
    return tw_to_complex(wider(tw_dtypes[high].real, low));
}

tw_dtype tw_to_complex(tw_dtype d) {
    switch (d) {
    case TW_BFLOAT16: case TW_FLOAT32: return TW_COMPLEX64;
    case TW_FLOAT16: return TW_COMPLEX32;
    case TW_FLOAT64: return TW_COMPLEX128;
    default: return tw_is_complex(d) ? d : TW_COMPLEX64;
    }
}

bool tw_can_cast(tw_dtype from, tw_dtype to) {
    const int a = tw_dtypes[from].category, b = tw_dtypes[to].category;
    if (a == COMPLEX && b != COMPLEX) return false;
    if (a == FLOATING && b <= INTEGER) return false;
    return a == BOOLEAN || b != BOOLEAN;
}

static tw_dtype default_dtype = TW_FLOAT32;
tw_dtype tw_default_dtype(void) { return default_dtype; }
void tw_set_default_dtype(tw_dtype d) { default_dtype = d; }

tw_dtype tw_scalar_dtype(tw_scalar s) {
    switch (s.kind) {
    case TW_SCALAR_BOOL: return TW_BOOL;
    case TW_SCALAR_INT: return TW_INT64;
    case TW_SCALAR_FLOAT: return default_dtype;
    default: return tw_to_complex(default_dtype);
    }
}

/* --- narrow floats ------------------------------------------------------------------------------------------- */

static uint32_t float_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static float bits_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }

float tw_half_to_float(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
    if (rest >= 0x7c00) return bits_float(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    if (rest >= 0x400) return bits_float(sign | ((rest << 13) + (112u << 23)));
    return bits_float(sign | float_bits((float)rest * 0x1p-24f));
}

uint16_t tw_float_to_half(float f) {
    const uint32_t u = float_bits(f), sign = u >> 16 & 0x8000, rest = u & 0x7fffffff;
    if (rest > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (rest >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* rounds beyond 65504 */
    if (rest < 0x38800000) /* subnormal: adding 1/2 rounds at 2^-24 */
        return (uint16_t)(sign | (float_bits(bits_float(rest) + 0.5f) - float_bits(0.5f)));
    const uint32_t rounded = rest + 0xfff + (rest >> 13 & 1);
    return (uint16_t)(sign | ((rounded - (112u << 23)) >> 13));
}

uint16_t tw_float_to_bfloat(float f) {
    const uint32_t u = float_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) return 0x7fc0;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* 8-bit floats of the OCP and Graphcore kinds: sign, exponent, mantissa. `top` is the largest finite code, `over` what larger values
 * become, `nan` the code of NaN; only e5m2 has infinities. The fnuz kinds have no negative zero: its code is NaN. */
typedef struct small_float { int mantissa, bias; uint8_t top, over, infinite, nan; bool unsigned_zero; } small_float;
static const small_float e4m3fn = {3, 7, 0x7e, 0x7e, 0x7e, 0x7f, false}, e5m2 = {2, 15, 0x7b, 0x7c, 0x7c, 0x7f, false},
                         e4m3fnuz = {3, 8, 0x7f, 0x80, 0x80, 0x80, true}, e5m2fnuz = {2, 16, 0x7f, 0x80, 0x80, 0x80, true};

static const small_float *small_of(tw_dtype d) {
    switch (d) {
    case TW_FLOAT8_E4M3FN: return &e4m3fn;
    case TW_FLOAT8_E5M2: return &e5m2;
    case TW_FLOAT8_E4M3FNUZ: return &e4m3fnuz;
    default: return &e5m2fnuz;
    }
}

static float small_to_float(uint8_t code, const small_float *k) {
    const int rest = code & 0x7f, exponent = rest >> k->mantissa, fraction = rest & ((1 << k->mantissa) - 1);
    if (k->unsigned_zero ? code == k->nan : rest > k->top && rest != k->infinite) return NAN;
    float size = exponent ? ldexpf((float)(fraction + (1 << k->mantissa)), exponent - k->bias - k->mantissa)
                          : ldexpf((float)fraction, 1 - k->bias - k->mantissa);
    if (!k->unsigned_zero && rest == k->infinite && k->infinite != k->top) size = INFINITY;
    return code & 0x80 ? -size : size;
}

static uint8_t float_to_small(float f, const small_float *k) {
    const uint8_t sign = signbit(f) ? 0x80 : 0;
    if (isnan(f)) return k->unsigned_zero ? k->nan : (uint8_t)(sign | k->nan);
    const float size = fabsf(f);
    const float most = small_to_float(k->top, k);
    int code;
    if (size == 0) code = 0;
    else if (isinf(size)) code = k->infinite;
    else if (size > 2 * most) code = k->over;
    else {
        int exponent;
        frexpf(size, &exponent); /* size = m * 2^exponent, m in [1/2, 1) */
        int step = exponent - 1 - k->mantissa;
        const int least = 1 - k->bias - k->mantissa;
        if (step < least) step = least;
        /* Units of the last place, to nearest even. Carries run into the exponent as they should. */
        const int units = (int)rintf(ldexpf(size, -step));
        code = units + ((step - least) << k->mantissa);
        if (code > k->top) code = k->over;
    }
    if (code == 0) return k->unsigned_zero ? 0 : sign;
    return (uint8_t)(code == 0x80 ? 0x80 : sign | code);
}

/* e8m0: a power of two, no sign; to the nearest exponent, ties up. */
static float e8m0_to_float(uint8_t code) { return code == 0xff ? NAN : ldexpf(1.0f, code - 127); }
static uint8_t float_to_e8m0(float f) {
    const uint32_t u = float_bits(f), exponent = u >> 23 & 0xff;
    if (exponent == 0xff) return 0xff;
    const bool up = (u & 0x400000) && ((u & 0x3fffff) || exponent > 0);
    return (uint8_t)(exponent + up);
}

/* --- single values ------------------------------------------------------------------------------------------- */

/* elements that others lend may lie at any address */
#define PACKED(type) struct __attribute__((packed, may_alias)) { type x; }
#define LOAD(type, from) (((const PACKED(type) *)(from))->x)

tw_scalar tw_load_scalar(const void *from, tw_dtype d) {
    const char *second = (const char *)from + tw_dtypes[d].size / 2; /* of a complex number */
    switch (d) {
    case TW_BOOL: return tw_bool(LOAD(uint8_t, from) != 0);
    case TW_UINT8: return tw_int(LOAD(uint8_t, from));
    case TW_INT8: return tw_int(LOAD(int8_t, from));
    case TW_INT16: return tw_int(LOAD(int16_t, from));
    case TW_INT32: return tw_int(LOAD(int32_t, from));
    case TW_INT64: return tw_int(LOAD(int64_t, from));
    case TW_UINT16: return tw_int(LOAD(uint16_t, from));
    case TW_UINT32: return tw_int(LOAD(uint32_t, from));
    case TW_UINT64: return tw_int((int64_t)LOAD(uint64_t, from));
    case TW_FLOAT16: return tw_float((double)tw_half_to_float(LOAD(uint16_t, from)));
    case TW_BFLOAT16: return tw_float((double)tw_bfloat_to_float(LOAD(uint16_t, from)));
    case TW_FLOAT32: return tw_float((double)LOAD(float, from));
    case TW_FLOAT64: return tw_float(LOAD(double, from));
    case TW_COMPLEX32:
        return tw_complex((double)tw_half_to_float(LOAD(uint16_t, from)), (double)tw_half_to_float(LOAD(uint16_t, second)));
    case TW_COMPLEX64: return tw_complex((double)LOAD(float, from), (double)LOAD(float, second));
    case TW_COMPLEX128: return tw_complex(LOAD(double, from), LOAD(double, second));
    case TW_FLOAT8_E8M0FNU: return tw_float((double)e8m0_to_float(LOAD(uint8_t, from)));
    default: return tw_float((double)small_to_float(LOAD(uint8_t, from), small_of(d)));
    }
}

/* As x86 converts: out of range and NaN give the least int64; the narrower types take its low bits. */
static int64_t to_int64(tw_scalar s) {
    if (s.kind < TW_SCALAR_FLOAT) return s.i;
    return tw_double_to_int64(s.re);
}

static uint64_t to_uint64(tw_scalar s) {
    if (s.kind < TW_SCALAR_FLOAT) return (uint64_t)s.i;
    return s.re >= 0x1p63 && s.re < 0x1p64 ? (uint64_t)s.re : (uint64_t)to_int64(s);
}

#define STORE(type, to, value) (((PACKED(type) *)(to))->x = (type)(value))

void tw_store_scalar(void *to, tw_dtype d, tw_scalar s) {
    char *second = (char *)to + tw_dtypes[d].size / 2;
    const double re = s.kind >= TW_SCALAR_FLOAT ? s.re : (double)s.i, im = s.kind == TW_SCALAR_COMPLEX ? s.im : 0.0;
    const float narrow = s.kind >= TW_SCALAR_FLOAT ? (float)s.re : (float)s.i;
    switch (d) {
    case TW_BOOL: STORE(uint8_t, to, re != 0 || im != 0); return;
    case TW_UINT8: STORE(uint8_t, to, to_int64(s)); return;
    case TW_INT8: STORE(int8_t, to, to_int64(s)); return;
    case TW_INT16: STORE(int16_t, to, to_int64(s)); return;
    case TW_INT32: STORE(int32_t, to, to_int64(s)); return;
    case TW_INT64: STORE(int64_t, to, to_int64(s)); return;
    case TW_UINT16: STORE(uint16_t, to, to_int64(s)); return;
    case TW_UINT32: STORE(uint32_t, to, to_int64(s)); return;
    case TW_UINT64: STORE(uint64_t, to, to_uint64(s)); return;
    case TW_FLOAT16: STORE(uint16_t, to, tw_float_to_half(narrow)); return;
    case TW_BFLOAT16: STORE(uint16_t, to, tw_float_to_bfloat(narrow)); return;
    case TW_FLOAT32: STORE(float, to, narrow); return;
    case TW_FLOAT64: STORE(double, to, re); return;
    case TW_COMPLEX32: STORE(uint16_t, to, tw_float_to_half(narrow)); STORE(uint16_t, second, tw_float_to_half((float)im)); return;
    case TW_COMPLEX64: STORE(float, to, narrow); STORE(float, second, (float)im); return;
    case TW_COMPLEX128: STORE(double, to, re); STORE(double, second, im); return;
    case TW_FLOAT8_E8M0FNU: STORE(uint8_t, to, float_to_e8m0(narrow)); return;
    default: STORE(uint8_t, to, float_to_small(narrow, small_of(d))); return;
    }
}

static double most_of(tw_dtype d) {
    switch (d) {
    case TW_FLOAT16: case TW_COMPLEX32: return 65504.0;
    case TW_BFLOAT16: return 0x1.fep127;
    case TW_FLOAT8_E4M3FN: return 448.0;
    case TW_FLOAT8_E5M2: return 57344.0;
    case TW_FLOAT8_E4M3FNUZ: return 240.0;
    case TW_FLOAT8_E5M2FNUZ: return 57344.0;
    case TW_FLOAT64: case TW_COMPLEX128: return INFINITY;
    default: return 0x1.fffffep127;
    }
}

static bool int_fits(tw_scalar s, tw_dtype d) {
    const int bits = 8 * tw_dtypes[d].size;
    if (s.kind >= TW_SCALAR_FLOAT) {
        const double low = tw_dtypes[d].is_signed ? -ldexp(1.0, bits - 1) : 0.0;
        const double high = ldexp(1.0, tw_dtypes[d].is_signed ? bits - 1 : bits);
        return s.re >= low && (bits == 64 ? s.re <= high : s.re <= high - 1); /* 2^63 and 2^64 pass: they are what the limit is as a double */
    }
    if (bits == 64) return true;
    const int64_t high = ((int64_t)1 << (tw_dtypes[d].is_signed ? bits - 1 : bits)) - 1;
    return s.i <= high && s.i >= (tw_dtypes[d].is_signed ? -high - 1 : -high); /* negative ints may wrap into unsigned types */
}

bool tw_scalar_fits(tw_scalar s, tw_dtype d) {
    if (d == TW_BOOL) return true;
    if (s.kind == TW_SCALAR_COMPLEX && !tw_is_complex(d)) {
        if (s.im != 0) return false;
        s = tw_float(s.re);
    }
    if (tw_dtypes[d].category == INTEGER) return int_fits(s, d);
    const double re = s.kind >= TW_SCALAR_FLOAT ? s.re : (double)s.i, im = s.kind == TW_SCALAR_COMPLEX ? s.im : 0.0;
    const double most = most_of(d);
    return !(isfinite(re) && fabs(re) > most) && !(isfinite(im) && fabs(im) > most);
}

const char *tw_c_name(tw_dtype d) {
    switch (d) {
    case TW_BOOL: return "bool";
    case TW_UINT8: return "uint8_t";
    case TW_INT8: return "int8_t";
    case TW_INT16: return "int16_t";
    case TW_INT32: return "int";
    case TW_INT64: return "int64_t";
    case TW_FLOAT16: return "c10::Half";
    case TW_BFLOAT16: return "c10::BFloat16";
    case TW_FLOAT32: return "float";
    case TW_FLOAT64: return "double";
    case TW_COMPLEX32: return "c10::complex<c10::Half>";
    case TW_COMPLEX64: return "c10::complex<float>";
    case TW_COMPLEX128: return "c10::complex<double>";
    default: return tw_dtypes[d].name;
    }
}

bool tw_check_number(tw_scalar s, tw_dtype d) {
    if (tw_scalar_fits(s, d)) return true;
    return tw_fail(TW_RUNTIME_ERROR, "value cannot be converted to type %s without overflow", tw_c_name(d));
}
