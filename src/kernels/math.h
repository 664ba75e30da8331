/* Mathematical functions on vectors, with the same bits on every instruction set: our own polynomials, exact operations and fma only.
 * float64: about 1 ulp (2 for the compositions: tan, sinh, asinh, ...). float32: exp, log, tanh, sigmoid, erf and their kin are native, within
 * 1 to 2 ulp; the others are computed in float64 and rounded. Nothing is libm's but what is exact (fma, fmod, ldexp).
 * Reductions and identities are the usual ones (W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980;
 * J.-M. Muller, Elementary Functions, 2016). */
#ifndef TW_KERNELS_MATH_H
#define TW_KERNELS_MATH_H
#include "kernels/math_coefficients.h"
#include "kernels/math_far.h"
#include "kernels/vec.h"

#define TW_ID(x) x
/* A polynomial with the coefficients of a C_... list, by Horner's rule with fma. */
#define TW_POLY_FN(T, W, NAME) \
    TW_INLINE v##T tw_poly_##NAME(v##T z) { \
        static const W c[] = {C_##NAME(TW_ID)}; \
        enum { N = sizeof c / sizeof c[0] }; \
        v##T p = v_splat_##T(c[N - 1]); \
        _Pragma("GCC unroll 32") for (int i = N - 2; i >= 0; i--) p = v_fma_##T(p, z, v_splat_##T(c[i])); \
        return p; \
    }
TW_POLY_FN(f32, float, exp_f32) TW_POLY_FN(f32, float, log_f32) TW_POLY_FN(f32, float, tanh_f32) TW_POLY_FN(f32, float, erfinv_f32)
TW_POLY_FN(f64, double, exp_f64) TW_POLY_FN(f64, double, log_f64) TW_POLY_FN(f64, double, tanh_f64)
TW_POLY_FN(f64, double, sin_f64) TW_POLY_FN(f64, double, cos_f64) TW_POLY_FN(f64, double, atan_f64)
TW_POLY_FN(f64, double, asin_f64) TW_POLY_FN(f64, double, erf_f64) TW_POLY_FN(f64, double, erfcx_f64)
TW_POLY_FN(f64, double, log2_wide) TW_POLY_FN(f64, double, exp2_wide)
TW_POLY_FN(f64, double, log_tail_f64) TW_POLY_FN(f64, double, lgamma_f64) TW_POLY_FN(f64, double, stirling_f64)

/* float32 by way of float64. */
#define TW_VIA_F64(NAME) \
    TW_INLINE vf32 v_##NAME##_f32(vf32 a) { return tw_join_f64(v_##NAME##_f64(tw_low_f32(a)), v_##NAME##_f64(tw_high_f32(a))); }
#define TW_VIA_F64_2(NAME) \
    TW_INLINE vf32 v_##NAME##_f32(vf32 a, vf32 b) { \
        return tw_join_f64(v_##NAME##_f64(tw_low_f32(a), tw_low_f32(b)), v_##NAME##_f64(tw_high_f32(a), tw_high_f32(b))); }

/* Whether the upper half of the lanes all hold, bit for bit, what the first one holds: so it is at the end of a run (v_load_rest). */
TW_INLINE bool tw_high_repeats_f32(vf32 a) {
#if TW_VEC_AVX512
    return (_mm512_cmpneq_epi32_mask((__m512i)a, (__m512i)(vf32)_mm512_broadcastss_ps(_mm512_castps512_ps128(a))) & 0xff00) == 0;
#else
    uint32_t lane[V_LANES_f32], other = 0;
    memcpy(lane, &a, sizeof a);
    for (int i = V_LANES_f32 / 2; i < V_LANES_f32; i++) other |= lane[i] ^ lane[0];
    return other == 0;
#endif
}

/* The same for functions so long that half a vector is worth a look. WIDE: the function in float64, perhaps to fewer bits. */
#define TW_VIA_F64_LONG(NAME, WIDE) \
    TW_INLINE vf32 v_##NAME##_f32(vf32 a) { \
        vf64 low = WIDE(tw_low_f32(a)); \
        return tw_join_f64(low, tw_high_repeats_f32(a) ? v_splat_f64(low[0]) : WIDE(tw_high_f32(a))); }
#define TW_VIA_F64_2_LONG(NAME, WIDE) \
    TW_INLINE vf32 v_##NAME##_f32(vf32 a, vf32 b) { \
        vf64 low = WIDE(tw_low_f32(a), tw_low_f32(b)); \
        if (tw_high_repeats_f32(a) && tw_high_repeats_f32(b)) return tw_join_f64(low, v_splat_f64(low[0])); \
        return tw_join_f64(low, WIDE(tw_high_f32(a), tw_high_f32(b))); }

/* --- float32: exp, log, tanh and their kin --------------------------------------------------------------------------- */

/* p * 2^k, k an integer in [-300, 300]: two exact scalings, of which at most the last rounds. */
TW_INLINE vf32 tw_scale_f32(vf32 p, vf32 k) {
#if TW_VEC_AVX512
    return (vf32)_mm512_scalef_ps(p, k);
#else
    vi32 n = __builtin_convertvector(k, vi32), h = n >> 1;
    vf32 a = (vf32)((h + 127) << 23), b = (vf32)((n - h + 127) << 23);
    return p * a * b;
#endif
}

/* t and k of e^x = 2^k (1 + t). */
TW_INLINE vf32 tw_exp_parts_f32(vf32 x, vf32 *exponent) {
    const vf32 top = v_splat_f32(100.0f), bottom = v_splat_f32(-120.0f);
    vf32 y = v_select_f32(v_gt_f32(x, top), top, v_select_f32(v_lt_f32(x, bottom), bottom, x));
    vf32 k = v_round_f32(y * 0x1.715476p+0f);
    vf32 r = v_fma_f32(k, v_splat_f32(-0x1.62e400p-1f), y); /* ln 2 in two parts: k * the first is exact */
    r = v_fma_f32(k, v_splat_f32(-0x1.7f7d1cp-20f), r);
#if TW_VEC_AVX512
    *exponent = k;
#else
    *exponent = v_select_f32(v_isnan_f32(x), v_splat_f32(0), k);
#endif
    return v_fma_f32(tw_poly_exp_f32(r), r * r, r);
}
TW_INLINE vf32 v_exp_f32(vf32 x) {
    vf32 k, t = tw_exp_parts_f32(x, &k);
    return tw_scale_f32(t + 1.0f, k);
}

/* The exponent k and f = m - 1 of x = 2^k m, m in [sqrt(1/2), sqrt(2)); x positive and finite. */
TW_INLINE vf32 tw_split_f32(vf32 x, vf32 *f) {
    m_f32 tiny = v_lt_f32(x, v_splat_f32(0x1p-126f));
    vf32 y = v_select_f32(tiny, x * 0x1p23f, x);
    vu32 bits = (vu32)y + (0x3f800000u - 0x3f3504f3u);
    *f = (vf32)((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    return __builtin_convertvector((vi32)(bits >> 23), vf32) - v_select_f32(tiny, v_splat_f32(150), v_splat_f32(127));
}

/* log x, v where x is positive and finite. */
TW_INLINE vf32 tw_log_ends_f32(vf32 x, vf32 v) {
    v = v_select_f32(v_lt_f32(x, v_splat_f32(INFINITY)), v, x);
    v = v_select_f32(v_lt_f32(x, v_splat_f32(0)), v_splat_f32(NAN), v);
    return v_select_f32(v_eq_f32(x, v_splat_f32(0)), v_splat_f32(-INFINITY), v);
}

/* log(x (1 + c)), c small. */
TW_INLINE vf32 tw_log_of_f32(vf32 x, vf32 c) {
    vf32 f, k = tw_split_f32(x, &f);
    vf32 s = f / (f + 2.0f), z = s * s;
    vf32 h = f * f * 0.5f;
    vf32 r = v_fma_f32(s, v_fma_f32(z, tw_poly_log_f32(z), h), v_fma_f32(k, v_splat_f32(0x1.7f7d1cp-20f), c));
    return tw_log_ends_f32(x, v_fma_f32(k, v_splat_f32(0x1.62e400p-1f), f - (h - r)));
}
TW_INLINE vf32 v_log_f32(vf32 x) { return tw_log_of_f32(x, v_splat_f32(0)); }
TW_INLINE vf32 v_log1p_f32(vf32 x) {
    vf32 u = x + 1.0f, c = v_select_f32(v_gt_f32(x, v_splat_f32(1)), 1.0f - (u - x), x - (u - 1.0f)) / u; /* what rounding 1 + x lost, relative */
    return v_select_f32(v_lt_f32(v_abs_f32(x), v_splat_f32(0x1p-25f)), x, tw_log_of_f32(u, c));
}

TW_INLINE vf32 v_exp2_f32(vf32 x) {
    const vf32 top = v_splat_f32(200.0f), bottom = v_splat_f32(-200.0f), ln2 = v_splat_f32(0x1.62e430p-1f);
    vf32 y = v_select_f32(v_gt_f32(x, top), top, v_select_f32(v_lt_f32(x, bottom), bottom, x));
    vf32 k = v_round_f32(y), t = y - k, r = t * ln2, low = v_fma_f32(t, v_splat_f32(-0x1.05c610p-29f), v_fma_f32(t, ln2, -r));
    vf32 p = v_fma_f32(tw_poly_exp_f32(r), r * r, low) + r + 1.0f;
    return tw_scale_f32(p, v_select_f32(v_isnan_f32(x), v_splat_f32(0), k));
}

TW_INLINE vf32 v_tanh_f32(vf32 x) {
    vf32 a = v_abs_f32(x), z = a * a;
    vf32 small = v_fma_f32(tw_poly_tanh_f32(z), z * a, a);
    vf32 large = 1.0f - 2.0f / (v_exp_f32(a + a) + 1.0f);
    return v_copysign_f32(v_select_f32(v_lt_f32(a, v_splat_f32(0.625f)), small, large), x);
}

TW_INLINE vf32 v_sigmoid_f32(vf32 x) { return 1.0f / (1.0f + v_exp_f32(v_neg_f32(x))); }

/* --- float64: exp and its kin ------------------------------------------------------------------------------------- */

static const double tw_ln2_hi = 0x1.62e42fee00000p-1, tw_ln2_lo = 0x1.a39ef35793c76p-33;

/* An integral double, |k| < 2^51, as an integer in the low bits. */
TW_INLINE vi64 tw_int_bits(vf64 k) { return (vi64)(k + 0x1.8p52); }
TW_INLINE vf64 tw_pow2_f64(vi64 n) { return (vf64)((n + 1023) << 52); }

/* p * 2^k, k an integer in [-2100, 2100]. */
TW_INLINE vf64 tw_scale_f64(vf64 p, vf64 k) {
#if TW_VEC_AVX512
    return (vf64)_mm512_scalef_pd(p, k);
#else
    vf64 h = v_floor_f64(k * 0.5);
    vf64 a = tw_pow2_f64(tw_int_bits(h)), b = tw_pow2_f64(tw_int_bits(k - h));
    return p * a * b;
#endif
}

TW_INLINE vf64 tw_clamp_f64(vf64 x, double low, double high) {
    return v_select_f64(v_gt_f64(x, v_splat_f64(high)), v_splat_f64(high), v_select_f64(v_lt_f64(x, v_splat_f64(low)), v_splat_f64(low), x));
}

/* e^(x + tail), tail small against x. */
TW_INLINE vf64 tw_exp_tail_f64(vf64 x, vf64 tail) {
    vf64 y = tw_clamp_f64(x, -1000, 1000);
    vf64 k = v_round_f64(y * 0x1.71547652b82fep+0);
    vf64 r = v_fma_f64(k, v_splat_f64(-tw_ln2_hi), y);
    vf64 low = v_fma_f64(k, v_splat_f64(-tw_ln2_lo), tail);
    vf64 s = r + low;
    low = (r - s) + low;
    vf64 one = 1.0 + s; /* what this sum rounds away is added with the small terms: the result is rounded once, nearly */
    vf64 p = one + ((s - (one - 1.0)) + v_fma_f64(tw_poly_exp_f64(s), s * s, low));
    k = v_select_f64(v_isnan_f64(x), v_splat_f64(0), k);
    return tw_scale_f64(p, k);
}
TW_INLINE vf64 v_exp_f64(vf64 x) { return tw_exp_tail_f64(x, v_splat_f64(0)); }

TW_INLINE vf64 v_expm1_f64(vf64 x) {
    vf64 y = tw_clamp_f64(x, -60, 1000);
    vf64 k = v_round_f64(y * 0x1.71547652b82fep+0);
    vf64 r0 = v_fma_f64(k, v_splat_f64(-tw_ln2_hi), y);
    vf64 low = k * -tw_ln2_lo, r = r0 + low;
    low = (r0 - r) + low;
    vf64 p = r + v_fma_f64(tw_poly_exp_f64(r), r * r, low);
    k = v_select_f64(v_isnan_f64(x), v_splat_f64(0), k);
    vf64 big = tw_scale_f64(p + 1.0, k);
    vf64 scale = tw_scale_f64(v_splat_f64(1), v_select_f64(v_gt_f64(k, v_splat_f64(60)), v_splat_f64(60), k));
    vf64 v = v_fma_f64(p, scale, scale - 1.0);
    v = v_select_f64(v_gt_f64(k, v_splat_f64(58)), big, v);
    return v_select_f64(v_eq_f64(k, v_splat_f64(0)), v_select_f64(v_eq_f64(x, v_splat_f64(0)), x, p), v);
}

TW_INLINE vf64 v_exp2_f64(vf64 x) {
    vf64 y = tw_clamp_f64(x, -1200, 1200), k = v_round_f64(y), r = y - k;
    vf64 a = r * 0x1.62e42fefa39efp-1, low = v_fma_f64(r, v_splat_f64(0x1.62e42fefa39efp-1), -a);
    low = v_fma_f64(r, v_splat_f64(0x1.abc9e3b39803fp-56), low);
    vf64 p = 1.0 + (a + v_fma_f64(tw_poly_exp_f64(a), a * a, low));
    k = v_select_f64(v_isnan_f64(x), v_splat_f64(0), k);
    return tw_scale_f64(p, k);
}

/* The exponent k and f = m - 1 of x = 2^k m, m in [sqrt(1/2), sqrt(2)); x positive and finite. */
TW_INLINE vf64 tw_split_f64(vf64 x, vf64 *f) {
    m_f64 tiny = v_lt_f64(x, v_splat_f64(0x1p-1022));
    vf64 y = v_select_f64(tiny, x * 0x1p54, x);
    vu64 bits = (vu64)y + (0x3ff0000000000000ull - 0x3fe6a09e667f3bcdull);
    vf64 k = (vf64)((bits >> 52) | 0x4330000000000000ull) - 0x1p52; /* an integer below 2^52 in the bits of a double */
    *f = (vf64)((bits & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull) - 1.0;
    return k - v_select_f64(tiny, v_splat_f64(1023 + 54), v_splat_f64(1023));
}

TW_INLINE vf64 tw_log_ends_f64(vf64 x, vf64 v) {
    v = v_select_f64(v_lt_f64(x, v_splat_f64(INFINITY)), v, x);
    v = v_select_f64(v_lt_f64(x, v_splat_f64(0)), v_splat_f64((double)NAN), v);
    return v_select_f64(v_eq_f64(x, v_splat_f64(0)), v_splat_f64(-INFINITY), v);
}

/* log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + z R(z)), s = f / (2 + f); c is added to 1 + f. */
TW_INLINE vf64 tw_log_parts_f64(vf64 k, vf64 f, vf64 c) {
    vf64 s = f / (f + 2.0), z = s * s, h = f * f * 0.5;
    vf64 r = v_fma_f64(s, v_fma_f64(z, tw_poly_log_f64(z), h), v_fma_f64(k, v_splat_f64(tw_ln2_lo), c));
    return v_fma_f64(k, v_splat_f64(tw_ln2_hi), f - (h - r));
}

TW_INLINE vf64 v_log_f64(vf64 x) {
    vf64 f, k = tw_split_f64(x, &f);
    return tw_log_ends_f64(x, tw_log_parts_f64(k, f, v_splat_f64(0)));
}

TW_INLINE vf64 v_log1p_f64(vf64 x) {
    vf64 u = x + 1.0, d = u - 1.0;
    vf64 c = v_select_f64(v_gt_f64(x, v_splat_f64(1)), 1.0 - (u - x), x - d) / u; /* what rounding 1 + x lost, relative */
    vf64 f, k = tw_split_f64(u, &f);
    vf64 v = tw_log_parts_f64(k, f, v_select_f64(v_lt_f64(v_abs_f64(x), v_splat_f64(0x1p53)), c, v_splat_f64(0)));
    v = tw_log_ends_f64(u, v);
    return v_select_f64(v_lt_f64(v_abs_f64(x), v_splat_f64(0x1p-54)), x, v);
}

/* log(x) = hi + lo with about 13 bits more than a double, for pow and logarithms to other bases. */
TW_INLINE vf64 tw_log_pair_f64(vf64 x, vf64 *lo) {
    vf64 f, k = tw_split_f64(x, &f);
    /* s = f / (2 + f) as a pair; 2 + f as one too */
    vf64 b = f + 2.0, b_lo = f - (b - 2.0);
    vf64 s = f / b, s_lo = (v_fma_f64(-s, b, f) - s * b_lo) / b;
    vf64 z = s * s, z_lo = v_fma_f64(s, s, -z) + 2.0 * s * s_lo;
    /* 2 s + s^3 (2/3 + z (...)): the cubic term as a pair as well */
    vf64 two_thirds = v_splat_f64(0x1.5555555555555p-1);
    vf64 rest = v_fma_f64(z, tw_poly_log_tail_f64(z), v_splat_f64(0x1.5555555555555p-55));
    vf64 c = z * two_thirds, c_lo = v_fma_f64(z, two_thirds, -c) + v_fma_f64(z_lo, two_thirds, z * rest);
    vf64 t = s * c, t_lo = v_fma_f64(s, c, -t) + v_fma_f64(s, c_lo, s_lo * c);
    vf64 a = 2.0 * s, sum = a + t, sum_lo = (a - sum) + t + (t_lo + 2.0 * s_lo);
    vf64 kh = k * tw_ln2_hi, total = kh + sum; /* kh is exact */
    vf64 bb = total - kh, err = (kh - (total - bb)) + (sum - bb);
    vf64 low = err + v_fma_f64(k, v_splat_f64(tw_ln2_lo), sum_lo);
    vf64 hi = total + low;
    *lo = (total - hi) + low;
    return hi;
}

TW_INLINE vf64 tw_log_base_f64(vf64 x, double c, double c_lo) {
    vf64 lo, hi = tw_log_pair_f64(x, &lo), v = hi * c;
    vf64 rest = v_fma_f64(hi, v_splat_f64(c), -v) + v_fma_f64(lo, v_splat_f64(c), hi * c_lo);
    return tw_log_ends_f64(x, v + rest);
}
TW_INLINE vf64 v_log2_f64(vf64 x) { return tw_log_base_f64(x, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56); }
TW_INLINE vf64 v_log10_f64(vf64 x) { return tw_log_base_f64(x, 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57); }

/* x^y where x is not positive and finite or y not finite: v is |x|^y as computed. BIG: every number from there on is an even integer, or infinite. */
#define TW_POW_ENDS(T, W, BIG) \
    TW_INLINE v##T tw_pow_ends_##T(v##T x, v##T y, v##T v) { \
        const v##T zero = v_splat_##T(0), one = v_splat_##T(1), inf = v_splat_##T((W)INFINITY), a = v_abs_##T(x), ay = v_abs_##T(y); \
        m_##T big = v_ge_##T(ay, v_splat_##T(BIG)); \
        m_##T integer = m_or_##T(v_eq_##T(v_trunc_##T(y), y), big); \
        v##T half = y * (W)0.5; \
        m_##T odd = m_and_##T(m_and_##T(integer, m_not_##T(big)), v_ne_##T(v_trunc_##T(half), half)); \
        /* 0, infinity and 1 to a power; |x| decides whether infinite y grows */ \
        m_##T grows = v_gt_##T(y, zero); \
        v = v_select_##T(v_eq_##T(a, zero), v_select_##T(grows, zero, inf), v); \
        v = v_select_##T(v_eq_##T(a, inf), v_select_##T(grows, inf, zero), v); \
        v##T at_inf = v_select_##T(v_eq_##T(a, one), one, \
                                   v_select_##T(v_gt_##T(a, one), v_select_##T(grows, inf, zero), v_select_##T(grows, zero, inf))); \
        v = v_select_##T(v_eq_##T(ay, inf), at_inf, v); \
        v = v_select_##T(m_and_##T(v_signbit_##T(x), odd), v_neg_##T(v), v); \
        m_##T undefined = m_and_##T(m_and_##T(v_lt_##T(x, zero), v_isfinite_##T(x)), m_not_##T(integer)); \
        v = v_select_##T(undefined, v_splat_##T((W)NAN), v); \
        v = v_select_##T(m_or_##T(v_isnan_##T(x), v_isnan_##T(y)), x + y, v); \
        return v_select_##T(m_or_##T(v_eq_##T(y, zero), v_eq_##T(x, one)), one, v); \
    }
TW_POW_ENDS(f64, double, 0x1p53)
TW_POW_ENDS(f32, float, 0x1p24f)

TW_INLINE vf64 v_pow_f64(vf64 x, vf64 y) {
    vf64 a = v_abs_f64(x), lo, hi = tw_log_pair_f64(a, &lo);
    vf64 p = y * hi, p_lo = v_fma_f64(y, hi, -p) + y * lo;
    p_lo = v_select_f64(v_lt_f64(v_abs_f64(p), v_splat_f64(1000)), p_lo, v_splat_f64(0));
    return tw_pow_ends_f64(x, y, tw_exp_tail_f64(p, p_lo));
}

/* (2^k (1 + f))^y for float32, in double: the logarithm is good to 2^-35, so that the result is rounded once, nearly. */
TW_INLINE vf64 tw_pow_wide(vf64 k, vf64 f, vf64 y) {
    vf64 e = tw_clamp_f64(v_fma_f64(f, tw_poly_log2_wide(f), k) * y, -1000, 1000), n = v_round_f64(e), r = e - n;
    vf64 p = v_fma_f64(r, tw_poly_exp2_wide(r), v_splat_f64(1));
#if TW_VEC_AVX512
    return tw_scale_f64(p, n);
#else
    return p * tw_pow2_f64(tw_int_bits(n));
#endif
}

TW_INLINE vf32 v_pow_f32(vf32 x, vf32 y) {
    const vf32 zero = v_splat_f32(0), inf = v_splat_f32(INFINITY);
    vf32 f, k = tw_split_f32(v_abs_f32(x), &f);
    vf32 v = tw_join_f64(tw_pow_wide(tw_low_f32(k), tw_low_f32(f), tw_low_f32(y)), tw_pow_wide(tw_high_f32(k), tw_high_f32(f), tw_high_f32(y)));
    m_f32 plain = m_and_f32(m_and_f32(v_gt_f32(x, zero), v_lt_f32(x, inf)), v_lt_f32(v_abs_f32(y), inf));
    return m_any_f32(m_not_f32(plain)) ? tw_pow_ends_f32(x, y, v) : v;
}

TW_INLINE vf64 v_tanh_f64(vf64 x) {
    vf64 a = v_abs_f64(x), z = a * a;
    vf64 small = v_fma_f64(tw_poly_tanh_f64(z), z * a, a);
    vf64 large = 1.0 - 2.0 / (v_exp_f64(a + a) + 1.0);
    return v_copysign_f64(v_select_f64(v_lt_f64(a, v_splat_f64(0.625)), small, large), x);
}
TW_INLINE vf64 v_sigmoid_f64(vf64 x) { return 1.0 / (1.0 + v_exp_f64(v_neg_f64(x))); }

TW_INLINE vf64 v_sinh_f64(vf64 x) {
    vf64 a = v_abs_f64(x), t = v_expm1_f64(a);
    vf64 v = 0.5 * (t + t / (t + 1.0));
    vf64 e = v_exp_f64(a * 0.5);
    return v_copysign_f64(v_select_f64(v_gt_f64(a, v_splat_f64(709)), 0.5 * e * e, v), x);
}
TW_INLINE vf64 v_cosh_f64(vf64 x) {
    vf64 a = v_abs_f64(x), t = v_exp_f64(a), e = v_exp_f64(a * 0.5);
    return v_select_f64(v_gt_f64(a, v_splat_f64(709)), 0.5 * e * e, v_fma_f64(t, v_splat_f64(0.5), 0.5 / t));
}
TW_INLINE vf64 v_asinh_f64(vf64 x) {
    vf64 a = v_abs_f64(x), z = a * a;
    vf64 small = v_log1p_f64(a + z / (1.0 + v_sqrt_f64(z + 1.0)));
    vf64 v = v_select_f64(v_gt_f64(a, v_splat_f64(0x1p28)), v_log_f64(a) + 0x1.62e42fefa39efp-1, small);
    return v_copysign_f64(v, x);
}
TW_INLINE vf64 v_acosh_f64(vf64 x) {
    vf64 t = x - 1.0, v = v_log1p_f64(t + v_sqrt_f64(v_fma_f64(t, t, t + t)));
    v = v_select_f64(v_gt_f64(x, v_splat_f64(0x1p28)), v_log_f64(x) + 0x1.62e42fefa39efp-1, v);
    return v_select_f64(v_lt_f64(x, v_splat_f64(1)), v_splat_f64((double)NAN), v);
}
TW_INLINE vf64 v_atanh_f64(vf64 x) {
    vf64 a = v_abs_f64(x);
    return v_copysign_f64(0.5 * v_log1p_f64((a + a) / (1.0 - a)), x);
}

/* --- float64: circular functions ----------------------------------------------------------------------------------- */

/* r + r_lo = x - n pi/2 and n mod 4 in the low bits. pi/2 in three parts: good to |x| = 2^20 or so; beyond, see math_far.h. */
TW_INLINE vi64 tw_reduce_f64(vf64 x, vf64 *r, vf64 *r_lo) {
    vf64 n = v_round_f64(x * 0x1.45f306dc9c883p-1);
    vf64 a = v_fma_f64(n, v_splat_f64(-0x1.921fb54442d18p+0), x);
    vf64 w = n * 0x1.1a62633145c07p-54, w_lo = v_fma_f64(n, v_splat_f64(0x1.1a62633145c07p-54), -w);
    vf64 s = a - w, b = a - s;
    vf64 low = ((b - w) + (a - (s + b))) - w_lo;
    low = v_fma_f64(n, v_splat_f64(0x1.f1976b7ed8fbcp-110), low);
    *r = s + low;
    *r_lo = (s - *r) + low;
    vi64 whole = tw_int_bits(n);
    if (m_any_f64(v_ge_f64(v_abs_f64(x), v_splat_f64(0x1p20)))) tw_reduce_far_lanes(&x, r, r_lo, &whole);
    return whole;
}
TW_INLINE vf64 tw_sin_near(vf64 r, vf64 low) {
    vf64 z = r * r, v = r * z;
    vf64 p = tw_poly_sin_f64(z);
    return r + v_fma_f64(v, p, v_fma_f64(low, v_fma_f64(z, v_splat_f64(-0.5), v_splat_f64(1)), v_splat_f64(0)));
}
TW_INLINE vf64 tw_cos_near(vf64 r, vf64 low) {
    vf64 z = r * r, h = z * 0.5, w = 1.0 - h;
    return w + (((1.0 - w) - h) + v_fma_f64(z * z, tw_poly_cos_f64(z), -(r * low)));
}
TW_INLINE m_f64 tw_bit_f64(vi64 n, int64_t bit) {
    return v_ne_f64((vf64)((n & bit) | 0x3ff0000000000000ll), v_splat_f64(1));
}
TW_INLINE vf64 v_sin_f64(vf64 x) {
    vf64 r, low;
    vi64 n = tw_reduce_f64(x, &r, &low);
    vf64 v = v_select_f64(tw_bit_f64(n, 1), tw_cos_near(r, low), tw_sin_near(r, low));
    v = v_select_f64(tw_bit_f64(n, 2), -v, v);
    return v_select_f64(v_eq_f64(x, v_splat_f64(0)), x, v);
}
TW_INLINE vf64 v_cos_f64(vf64 x) {
    vf64 r, low;
    vi64 n = tw_reduce_f64(x, &r, &low);
    vf64 v = v_select_f64(tw_bit_f64(n, 1), tw_sin_near(r, low), tw_cos_near(r, low));
    return v_select_f64(tw_bit_f64(n + 1, 2), -v, v);
}
TW_INLINE vf64 v_tan_f64(vf64 x) {
    vf64 r, low;
    vi64 n = tw_reduce_f64(x, &r, &low);
    vf64 s = tw_sin_near(r, low), c = tw_cos_near(r, low);
    m_f64 odd = tw_bit_f64(n, 1);
    vf64 v = v_select_f64(odd, -c, s) / v_select_f64(odd, s, c);
    return v_select_f64(v_eq_f64(x, v_splat_f64(0)), x, v);
}

/* atan of a ratio a / b, 0 <= a <= b. */
TW_INLINE vf64 tw_atan_ratio(vf64 a, vf64 b) {
    m_f64 upper = v_gt_f64(a, b * 0.41421356237309503);
    vf64 t = v_select_f64(upper, a - b, a) / v_select_f64(upper, a + b, b);
    vf64 z = t * t;
    vf64 p = t * z * tw_poly_atan_f64(z);
    vf64 v = v_select_f64(upper, 0x1.921fb54442d18p-1 + (t + (p + 0x1.1a62633145c07p-55)), t + p);
    return v;
}
TW_INLINE vf64 v_atan_f64(vf64 x) {
    vf64 a = v_abs_f64(x), one = v_splat_f64(1);
    m_f64 large = v_gt_f64(a, one);
    vf64 v = tw_atan_ratio(v_select_f64(large, one, a), v_select_f64(large, a, one));
    v = v_select_f64(large, 0x1.921fb54442d18p+0 - (v - 0x1.1a62633145c07p-54), v);
    return v_copysign_f64(v, x);
}
TW_INLINE vf64 v_atan2_f64(vf64 y, vf64 x) {
    vf64 ay = v_abs_f64(y), ax = v_abs_f64(x), zero = v_splat_f64(0), one = v_splat_f64(1);
    /* bring the exponents to the middle, and infinities to ones, so that the ratio is defined */
    m_f64 far = m_or_f64(v_gt_f64(ay, v_splat_f64(0x1p1000)), v_gt_f64(ax, v_splat_f64(0x1p1000)));
    m_f64 both = m_and_f64(v_isinf_f64(x), v_isinf_f64(y));
    vf64 sy = v_select_f64(far, ay * 0x1p-200, ay), sx = v_select_f64(far, ax * 0x1p-200, ax);
    m_f64 near = m_and_f64(v_lt_f64(ay, v_splat_f64(0x1p-900)), v_lt_f64(ax, v_splat_f64(0x1p-900)));
    sy = v_select_f64(near, sy * 0x1p200, sy);
    sx = v_select_f64(near, sx * 0x1p200, sx);
    sy = v_select_f64(both, one, sy);
    sx = v_select_f64(both, one, sx);
    m_f64 steep = v_gt_f64(sy, sx);
    vf64 a = v_select_f64(steep, sx, sy), b = v_select_f64(steep, sy, sx);
    b = v_select_f64(v_eq_f64(b, zero), one, b);
    vf64 v = tw_atan_ratio(a, b);
    v = v_select_f64(v_isinf_f64(b), zero, v);
    v = v_select_f64(steep, 0x1.921fb54442d18p+0 - (v - 0x1.1a62633145c07p-54), v);
    v = v_select_f64(v_signbit_f64(x), 0x1.921fb54442d18p+1 - (v - 0x1.1a62633145c07p-53), v);
    v = v_copysign_f64(v, y);
    return v_select_f64(m_or_f64(v_isnan_f64(x), v_isnan_f64(y)), x + y, v);
}
TW_INLINE vf64 v_asin_f64(vf64 x) {
    vf64 a = v_abs_f64(x);
    m_f64 large = v_gt_f64(a, v_splat_f64(0.5));
    vf64 z = v_select_f64(large, 0.5 * (1.0 - a), a * a);
    vf64 s = v_select_f64(large, v_sqrt_f64(z), a);
    vf64 p = s * z * tw_poly_asin_f64(z);
    /* what the square root lost: (z - s^2) / (2 s) */
    vf64 lost = v_fma_f64(-s, s, z) / (s + s);
    vf64 big = 0x1.921fb54442d18p+0 - (2.0 * s - (0x1.1a62633145c07p-54 - 2.0 * (p + lost)));
    return v_copysign_f64(v_select_f64(large, v_select_f64(v_eq_f64(z, v_splat_f64(0)), v_splat_f64(0x1.921fb54442d18p+0), big), s + p), x);
}
TW_INLINE vf64 v_acos_f64(vf64 x) {
    vf64 a = v_abs_f64(x);
    m_f64 large = v_gt_f64(a, v_splat_f64(0.5));
    vf64 z = v_select_f64(large, 0.5 * (1.0 - a), x * x);
    vf64 s = v_select_f64(large, v_sqrt_f64(z), x);
    vf64 p = s * z * tw_poly_asin_f64(z);
    vf64 lost = v_select_f64(v_gt_f64(z, v_splat_f64(0)), v_fma_f64(-s, s, z) / (s + s), v_splat_f64(0));
    vf64 middle = 0x1.921fb54442d18p+0 - (s - (0x1.1a62633145c07p-54 - p));
    vf64 near = 2.0 * (s + (p + lost)); /* x close to 1; close to -1 it is pi less that */
    vf64 far = 0x1.921fb54442d18p+1 - (near - 0x1.1a62633145c07p-53);
    vf64 v = v_select_f64(large, v_select_f64(v_lt_f64(x, v_splat_f64(0)), far, near), middle);
    return v;
}

/* --- error function ------------------------------------------------------------------------------------------------- */

TW_INLINE vf64 tw_erfc_tail_f64(vf64 a) { /* erfc(a), a >= 0.8 */
    a = v_select_f64(v_gt_f64(a, v_splat_f64(28)), v_splat_f64(28), a);
    vf64 t = (a - 3.75) / (a + 3.75);
    vf64 g = tw_poly_erfcx_f64(t);
    vf64 z = a * a, z_lo = v_fma_f64(a, a, -z);
    vf64 b = v_fma_f64(a, v_splat_f64(2), v_splat_f64(1)), b_lo = v_fma_f64(a, v_splat_f64(2), 1.0 - b);
    vf64 q = g / b, q_lo = (v_fma_f64(-q, b, g) - q * b_lo) / b, e = tw_exp_tail_f64(-z, -z_lo);
    return v_fma_f64(e, q, e * q_lo);
}
TW_INLINE vf64 v_erf_f64(vf64 x) {
    vf64 a = v_abs_f64(x), near = v_fma_f64(a, tw_poly_erf_f64(a * a), a);
    vf64 v = v_select_f64(v_gt_f64(a, v_splat_f64(1)), 1.0 - tw_erfc_tail_f64(a), near);
    v = v_select_f64(v_isnan_f64(x), x, v);
    return v_copysign_f64(v, x);
}
TW_INLINE vf64 v_erfc_f64(vf64 x) {
    vf64 a = v_abs_f64(x), near = 1.0 - v_fma_f64(x, tw_poly_erf_f64(a * a), x), tail = tw_erfc_tail_f64(a);
    vf64 v = v_select_f64(v_lt_f64(x, v_splat_f64(0)), 2.0 - tail, tail);
    v = v_select_f64(v_lt_f64(a, v_splat_f64(0.8)), near, v);
    return v_select_f64(v_isnan_f64(x), x, v);
}

#include "kernels/math_pieces.h"

/* --- the rest ------------------------------------------------------------------------------------------------------- */

/* Lane by lane. libm's is exact, but slow where it reports an error: for a zero divisor. */
static inline double tw_fmod(double a, double b) { return b == 0 || isinf(a) ? (double)NAN : fmod(a, b); }
static inline float tw_fmodf(float a, float b) { return b == 0 || isinf(a) ? NAN : fmodf(a, b); }

/* Below LIMIT the quotient, rounded down, is right or one too many, and both remainders are exact where the product is, by fma or by its size. */
#define TW_FMOD(T, W, LIMIT, CALL) \
    static __attribute__((noinline, unused)) v##T tw_fmod_lanes_##T(v##T a, v##T b) { \
        W x[V_LANES_##T], y[V_LANES_##T]; \
        v_store_##T(x, a); \
        v_store_##T(y, b); \
        for (int i = 0; i < V_LANES_##T; i++) x[i] = CALL(x[i], y[i]); \
        return v_load_##T(x); \
    } \
    TW_INLINE v##T v_fmod_##T(v##T a, v##T b) { \
        v##T x = v_abs_##T(a), y = v_abs_##T(b), q = v_trunc_##T(x / y), r = v_fma_##T(-q, y, x); \
        if (m_any_##T(m_not_##T(m_and_##T(v_lt_##T(q, v_splat_##T(LIMIT)), v_lt_##T(y, v_splat_##T((W)INFINITY)))))) return tw_fmod_lanes_##T(a, b); \
        return v_copysign_##T(v_select_##T(v_lt_##T(r, v_splat_##T(0)), r + y, r), a); \
    }
#if TW_VEC_SSE /* which has no fma: every quotient is too large */
TW_FMOD(f64, double, 0, tw_fmod)
TW_FMOD(f32, float, 0, tw_fmodf)
#else
TW_FMOD(f64, double, 0x1p53, tw_fmod)
TW_FMOD(f32, float, 0x1p24f, tw_fmodf)
#endif

/* sqrt(a^2 + b^2): scaled by the larger's power of two, squares by fma. */
TW_INLINE vf64 v_hypot_f64(vf64 a, vf64 b) {
    vf64 x = v_abs_f64(a), y = v_abs_f64(b), zero = v_splat_f64(0), inf = v_splat_f64(INFINITY);
    vf64 h = v_select_f64(v_gt_f64(x, y), x, y), l = v_select_f64(v_gt_f64(x, y), y, x);
    m_f64 big = v_gt_f64(h, v_splat_f64(0x1p500)), small = v_lt_f64(h, v_splat_f64(0x1p-450));
    vf64 down = v_select_f64(big, v_splat_f64(0x1p-600), v_select_f64(small, v_splat_f64(0x1p600), v_splat_f64(1)));
    vf64 up = v_select_f64(big, v_splat_f64(0x1p600), v_select_f64(small, v_splat_f64(0x1p-600), v_splat_f64(1)));
    h = h * down;
    l = l * down;
    vf64 v = v_sqrt_f64(v_fma_f64(h, h, l * l)) * up;
    (void)zero;
    v = v_select_f64(m_or_f64(v_isnan_f64(a), v_isnan_f64(b)), a + b, v);
    return v_select_f64(m_or_f64(v_isinf_f64(a), v_isinf_f64(b)), inf, v);
}

/* float32 values rounded to what float16 and bfloat16 hold: to the nearest, ties to even. NaN stays. */
TW_INLINE vf32 tw_step_bf16(vf32 x) {
    vu32 u = (vu32)x;
    return v_select_f32(v_isnan_f32(x), x, (vf32)((u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u));
}
TW_INLINE vf32 tw_step_f16(vf32 x) {
    vu32 u = (vu32)x;
    vf32 size = (vf32)(u & 0x7fffffffu), small = (size + v_splat_f32(0.75f)) - v_splat_f32(0.75f); /* multiples of 2^-24 */
    vf32 normal = (vf32)(((u & 0x7fffffffu) + 0xfff + (u >> 13 & 1)) & 0xffffe000u);
    vf32 r = v_select_f32(v_lt_f32(size, v_splat_f32(0x1p-14f)), small, normal);
    r = v_select_f32(v_gt_f32(r, v_splat_f32(65504.0f)), v_splat_f32(INFINITY), r);
    return v_select_f32(v_isnan_f32(x), x, (vf32)((vu32)r | (u & 0x80000000u)));
}

/* remainder has the divisor's sign; floor_divide agrees with it: (a - remainder) / b, rounded as Python's. */
#define TW_REMAINDER(T) \
    TW_INLINE m_##T tw_signs_differ_##T(v##T m, v##T b) { \
        v##T zero = v_splat_##T(0); \
        return m_and_##T(v_ne_##T(m, zero), m_or_##T(m_and_##T(v_lt_##T(b, zero), v_gt_##T(m, zero)), \
                                                     m_and_##T(v_gt_##T(b, zero), v_lt_##T(m, zero)))); \
    } \
    TW_INLINE v##T v_remainder_##T(v##T a, v##T b) { \
        v##T m = v_fmod_##T(a, b); \
        return v_select_##T(tw_signs_differ_##T(m, b), m + b, m); \
    }
TW_REMAINDER(f32)
TW_REMAINDER(f64)

/* STEP rounds what a step gives: PyTorch divides half types in half precision where both operands are vectors. */
#define TW_DIVISIONS(NAME, T, W, STEP) \
    TW_INLINE v##T v_trunc_divide_##NAME(v##T a, v##T b) { return v_trunc_##T(STEP(a / b)); } \
    TW_INLINE v##T v_floor_divide_##NAME(v##T a, v##T b) { \
        v##T m = v_fmod_##T(a, b), d = STEP(STEP(a - m) / b), zero = v_splat_##T(0), one = v_splat_##T(1); \
        d = v_select_##T(tw_signs_differ_##T(m, b), STEP(d - one), d); \
        v##T f = v_floor_##T(d); \
        f = v_select_##T(v_gt_##T(d - f, v_splat_##T((W)0.5)), STEP(f + one), f); \
        f = v_select_##T(v_eq_##T(d, zero), v_copysign_##T(zero, a / b), f); \
        return v_select_##T(v_eq_##T(b, zero), a / b, f); \
    }
#define TW_EXACT(x) (x)
TW_DIVISIONS(f32, f32, float, TW_EXACT)
TW_DIVISIONS(f64, f64, double, TW_EXACT)
TW_DIVISIONS(f16, f32, float, tw_step_f16)
TW_DIVISIONS(bf16, f32, float, tw_step_bf16)

#include "kernels/math_gamma.h"

TW_VIA_F64(expm1) TW_VIA_F64(log2) TW_VIA_F64(log10)
TW_VIA_F64(sin) TW_VIA_F64(cos) TW_VIA_F64(tan) TW_VIA_F64(asin) TW_VIA_F64(acos) TW_VIA_F64(atan)
TW_VIA_F64(sinh) TW_VIA_F64(cosh) TW_VIA_F64(asinh) TW_VIA_F64(acosh) TW_VIA_F64(atanh)
TW_VIA_F64_LONG(lgamma, v_lgamma_f64) TW_VIA_F64_LONG(digamma, v_digamma_f64) TW_VIA_F64_2(atan2) TW_VIA_F64_2(hypot)
#include "kernels/math_special.h"
#include "kernels/scalar.h"
#endif
