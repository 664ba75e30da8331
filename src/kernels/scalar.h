/* Primitives on single integers and complex numbers: the scalar twins of vec.h and math.h (see gen/primitives.py).
 * Integers wrap. Complex functions stand on our own real ones, so that their bits do not depend on libm. */
#ifndef TW_KERNELS_SCALAR_H
#define TW_KERNELS_SCALAR_H
#include "kernels/math.h"

/* --- integers --------------------------------------------------------------------------------------------------- */

/* Division by zero gives 0 here: the engine refuses it before (ZeroDivisionError). The lowest value by -1 wraps. */
#define TW_INT_OPS(S, T, U, SIGNED, BITS) \
    TW_INLINE T s_add_##S(T a, T b) { return (T)((U)a + (U)b); } \
    TW_INLINE T s_sub_##S(T a, T b) { return (T)((U)a - (U)b); } \
    TW_INLINE T s_mul_##S(T a, T b) { return (T)((U)a * (U)b); } \
    TW_INLINE T s_neg_##S(T a) { return (T)(0u - (U)a); } \
    TW_INLINE T s_abs_##S(T a) { return SIGNED && a < 0 ? (T)(0u - (U)a) : a; } \
    TW_INLINE T s_sign_##S(T a) { return (T)((a > 0) - (SIGNED && a < 0)); } \
    TW_INLINE T s_sgn_##S(T a) { return s_sign_##S(a); } \
    TW_INLINE T s_square_##S(T a) { return (T)((U)a * (U)a); } \
    TW_INLINE T s_floor_##S(T a) { return a; } \
    TW_INLINE T s_ceil_##S(T a) { return a; } \
    TW_INLINE T s_trunc_##S(T a) { return a; } \
    TW_INLINE T s_round_##S(T a) { return a; } \
    TW_INLINE T s_relu_##S(T a) { return a > 0 ? a : 0; } \
    TW_INLINE T s_maximum_##S(T a, T b) { return a > b ? a : b; } \
    TW_INLINE T s_minimum_##S(T a, T b) { return a < b ? a : b; } \
    TW_INLINE T s_trunc_divide_##S(T a, T b) { \
        if (SIGNED && b == (T)-1) return (T)(0u - (U)a); \
        return b == 0 ? 0 : (T)(a / b); } \
    TW_INLINE T s_fmod_##S(T a, T b) { \
        if (SIGNED && b == (T)-1) return 0; \
        return b == 0 ? 0 : (T)(a % b); } \
    TW_INLINE T s_floor_divide_##S(T a, T b) { \
        if (SIGNED && b == (T)-1) return (T)(0u - (U)a); \
        if (b == 0) return 0; \
        T q = (T)(a / b); \
        return SIGNED && (a % b != 0) && ((a < 0) != (b < 0)) ? (T)(q - 1) : q; } \
    TW_INLINE T s_remainder_##S(T a, T b) { \
        T r = s_fmod_##S(a, b); \
        return SIGNED && r != 0 && ((r < 0) != (b < 0)) ? (T)(r + b) : r; } \
    /* As PyTorch: a negative exponent gives 0 but for the bases 1 and -1. */ \
    TW_INLINE T s_pow_##S(T a, T b) { \
        if (SIGNED && b < 0) return a == 1 ? 1 : a == (T)-1 ? (b % 2 == 0 ? (T)1 : (T)-1) : 0; \
        U r = 1, x = (U)a; \
        for (; b; b = (T)(b / 2)) { \
            if (b & 1) r = (U)(r * x); \
            x = (U)(x * x); \
        } \
        return (T)r; } \
    TW_INLINE T s_gcd_##S(T a, T b) { \
        U x = (U)s_abs_##S(a), y = (U)s_abs_##S(b); \
        while (y) { \
            U r = (U)(x % y); \
            x = y; \
            y = r; \
        } \
        return (T)x; } \
    TW_INLINE bool s_eq_##S(T a, T b) { return a == b; } \
    TW_INLINE bool s_ne_##S(T a, T b) { return a != b; } \
    TW_INLINE bool s_lt_##S(T a, T b) { return a < b; } \
    TW_INLINE bool s_le_##S(T a, T b) { return a <= b; } \
    TW_INLINE bool s_gt_##S(T a, T b) { return a > b; } \
    TW_INLINE bool s_ge_##S(T a, T b) { return a >= b; } \
    TW_INLINE T s_bitand_##S(T a, T b) { return (T)(a & b); } \
    TW_INLINE T s_bitor_##S(T a, T b) { return (T)(a | b); } \
    TW_INLINE T s_bitxor_##S(T a, T b) { return (T)(a ^ b); } \
    TW_INLINE T s_bitnot_##S(T a) { return (T)~a; } \
    /* Counts out of range: left gives 0, right the sign. */ \
    TW_INLINE T s_shift_left_##S(T a, T b) { return (SIGNED && b < 0) || (uint64_t)b >= BITS ? 0 : (T)((U)a << b); } \
    TW_INLINE T s_shift_right_##S(T a, T b) { \
        return (T)(a >> ((SIGNED && b < 0) || (uint64_t)b >= BITS ? BITS - (SIGNED ? 1 : 0) : (uint64_t)b)); } \
    TW_INLINE T s_select_##S(bool m, T a, T b) { return m ? a : b; } \
    TW_INLINE T s_conj_##S(T a) { return a; }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits" /* "is it negative" of unsigned ones */
TW_INT_OPS(u8, uint8_t, uint32_t, 0, 8)
TW_INT_OPS(i8, int8_t, uint32_t, 1, 8)
TW_INT_OPS(i16, int16_t, uint32_t, 1, 16)
TW_INT_OPS(i32, int32_t, uint32_t, 1, 32)
TW_INT_OPS(i64, int64_t, uint64_t, 1, 64)
#pragma GCC diagnostic pop

/* --- single floats: lane 0 of a vector, the same bits -------------------------------------------------------------- */

#define TW_ONE(NAME) \
    TW_INLINE double s_##NAME##_f64(double a) { return tw_lane_f64(v_##NAME##_f64(v_splat_f64(a))); } \
    TW_INLINE float s_##NAME##_f32(float a) { return tw_lane_f32(v_##NAME##_f32(v_splat_f32(a))); }
TW_ONE(exp) TW_ONE(log) TW_ONE(log1p) TW_ONE(expm1) TW_ONE(sin) TW_ONE(cos) TW_ONE(sinh) TW_ONE(cosh) TW_ONE(tan) TW_ONE(tanh) TW_ONE(asinh)
TW_INLINE double s_atan2_f64(double a, double b) { return tw_lane_f64(v_atan2_f64(v_splat_f64(a), v_splat_f64(b))); }
TW_INLINE double s_hypot_f64(double a, double b) { return tw_lane_f64(v_hypot_f64(v_splat_f64(a), v_splat_f64(b))); }
TW_INLINE double s_pow_f64(double a, double b) { return tw_lane_f64(v_pow_f64(v_splat_f64(a), v_splat_f64(b))); }

/* --- complex: computed in float64, also for complex64, but where a comment says otherwise ----------------------------- */

typedef struct c64 { float re, im; } c64;
typedef struct c128 { double re, im; } c128;

TW_INLINE c64 s_complex_c64(float re, float im) { c64 z = {re, im}; return z; }
TW_INLINE c128 s_complex_c128(double re, double im) { c128 z = {re, im}; return z; }
TW_INLINE c128 tw_wide(c64 z) { return s_complex_c128((double)z.re, (double)z.im); }
TW_INLINE c64 tw_narrow(c128 z) { return s_complex_c64((float)z.re, (float)z.im); }

#define TW_COMPLEX_OPS(S, R, MINUS, FABS) \
    TW_INLINE R s_real_##S(S z) { return z.re; } \
    TW_INLINE R s_imag_##S(S z) { return z.im; } \
    TW_INLINE S s_add_##S(S a, S b) { return s_complex_##S(a.re + b.re, a.im + b.im); } \
    TW_INLINE S s_sub_##S(S a, S b) { return s_complex_##S(a.re - b.re, a.im - b.im); } \
    TW_INLINE S s_mul_##S(S a, S b) { return s_complex_##S(MINUS(a.re * b.re, a.im * b.im), a.re * b.im + a.im * b.re); } \
    TW_INLINE S s_neg_##S(S a) { return s_complex_##S(-a.re, -a.im); } \
    TW_INLINE S s_conj_##S(S a) { return s_complex_##S(a.re, -a.im); } \
    TW_INLINE S s_square_##S(S a) { return s_mul_##S(a, a); } \
    /* Smith's division: scaled by the larger part of the divisor. */ \
    TW_INLINE S s_div_##S(S a, S b) { \
        if (FABS(b.re) >= FABS(b.im)) { \
            if (b.re == 0 && b.im == 0) return s_complex_##S(a.re / FABS(b.re), a.im / FABS(b.im)); \
            R r = b.im / b.re, d = 1 / (b.re + b.im * r); \
            return s_complex_##S((a.re + a.im * r) * d, MINUS(a.im, a.re * r) * d); \
        } \
        R r = b.re / b.im, d = 1 / (b.im + b.re * r); \
        return s_complex_##S((a.re * r + a.im) * d, MINUS(a.im * r, a.re) * d); \
    } \
    TW_INLINE S s_reciprocal_##S(S a) { return s_div_##S(s_complex_##S(1, 0), a); } \
    TW_INLINE bool s_eq_##S(S a, S b) { return a.re == b.re && a.im == b.im; } \
    TW_INLINE bool s_ne_##S(S a, S b) { return a.re != b.re || a.im != b.im; } \
    TW_INLINE bool s_isnan_##S(S a) { return a.re != a.re || a.im != a.im; } \
    TW_INLINE S s_select_##S(bool m, S a, S b) { return m ? a : b; }
TW_COMPLEX_OPS(c64, float, tw_minus_f32, fabsf)
TW_COMPLEX_OPS(c128, double, tw_minus_f64, fabs)

TW_INLINE double s_abs_c128(c128 z) { return s_hypot_f64(z.re, z.im); }
TW_INLINE float s_abs_c64(c64 z) { return (float)s_abs_c128(tw_wide(z)); }
TW_INLINE double s_angle_c128(c128 z) { return s_atan2_f64(z.im, z.re); }
TW_INLINE float s_angle_c64(c64 z) { return (float)s_angle_c128(tw_wide(z)); }

TW_INLINE c128 s_sgn_c128(c128 z) {
    double a = s_abs_c128(z);
    return a == 0 ? s_complex_c128(0, 0) : s_complex_c128(z.re / a, z.im / a);
}
/* In complex64 the exponential, the cosine and the sine are rounded before they are multiplied, as PyTorch has them: 1 + e^-z near its zeros shows it. */
#define TW_COMPLEX_EXP(S, R, COPYSIGN) \
    TW_INLINE S s_exp_##S(S z) { \
        const R e = (R)s_exp_f64((double)z.re); \
        if (z.im == 0) return s_complex_##S(e, z.im); \
        if (isinf(z.re) && !isfinite(z.im)) return z.re < 0 ? s_complex_##S(0, COPYSIGN(0, z.im)) : s_complex_##S(z.re, (R)NAN); \
        const R s = (R)s_sin_f64((double)z.im); \
        if (e == 0) return s_complex_##S(0, COPYSIGN(0, s)); \
        return s_complex_##S(e * (R)s_cos_f64((double)z.im), e * s); \
    }
TW_COMPLEX_EXP(c64, float, copysignf)
TW_COMPLEX_EXP(c128, double, copysign)
TW_INLINE c128 s_log_c128(c128 z) {
    double a = fabs(z.re), b = fabs(z.im), big = a > b ? a : b, small = a > b ? b : a, r;
    /* near the unit circle log|z| cancels: log1p of |z|^2 - 1 there */
    if (big > 0.5 && big < 2) r = 0.5 * s_log1p_f64((big - 1) * (big + 1) + small * small);
    else r = s_log_f64(s_hypot_f64(z.re, z.im));
    return s_complex_c128(r, s_atan2_f64(z.im, z.re));
}
TW_INLINE c128 s_sqrt_c128(c128 z) {
    if (z.re == 0 && z.im == 0) return s_complex_c128(0, z.im);
    if (isinf(z.im)) return s_complex_c128(INFINITY, z.im);
    if (z.re != z.re) return s_complex_c128(z.re, z.re);
    if (isinf(z.re)) {
        double other = z.im != z.im ? z.im : 0;
        return z.re < 0 ? s_complex_c128(fabs(other), copysign(INFINITY, z.im)) : s_complex_c128(z.re, copysign(other, z.im));
    }
    double t = sqrt(0.5 * (fabs(z.re) + s_hypot_f64(z.re, z.im)));
    if (z.re >= 0) return s_complex_c128(t, z.im / (2 * t));
    return s_complex_c128(fabs(z.im) / (2 * t), copysign(t, z.im));
}
TW_INLINE c128 s_rsqrt_c128(c128 z) { return s_reciprocal_c128(s_sqrt_c128(z)); }
TW_INLINE c128 s_tanh_c128(c128 z) {
    if (fabs(z.re) > 20) {
        if (!isfinite(z.im)) return s_complex_c128(copysign(1, z.re), 0);
        double e = s_exp_f64(-2 * fabs(z.re));
        return s_complex_c128(copysign(1, z.re), 4 * s_sin_f64(z.im) * s_cos_f64(z.im) * e);
    }
    double t = s_tan_f64(z.im), b = 1 + t * t, s = s_sinh_f64(z.re), r = sqrt(1 + s * s), d = 1 + b * s * s;
    return s_complex_c128(b * r * s / d, t / d);
}
TW_INLINE c128 s_sin_c128(c128 z) {
    return s_complex_c128(s_sin_f64(z.re) * s_cosh_f64(z.im), s_cos_f64(z.re) * s_sinh_f64(z.im));
}
TW_INLINE c128 s_cos_c128(c128 z) {
    return s_complex_c128(s_cos_f64(z.re) * s_cosh_f64(z.im), -(s_sin_f64(z.re) * s_sinh_f64(z.im)));
}
/* Products as C99's Annex G wants them, with infinities where plain arithmetic gives two NaNs: what libm's cpow multiplies with. */
#define TW_ANNEX_G(S, R, COPYSIGN) \
    TW_INLINE R tw_boxed_##S(R x) { return COPYSIGN(isinf(x) ? (R)1 : (R)0, x); } \
    TW_INLINE R tw_zeroed_##S(R x) { return x != x ? COPYSIGN((R)0, x) : x; } \
    TW_INLINE S tw_annex_mul_##S(S a, S b) { \
        S z = s_mul_##S(a, b); \
        bool again = false; \
        if (z.re == z.re || z.im == z.im) return z; \
        if (isinf(a.re) || isinf(a.im)) { \
            a = s_complex_##S(tw_boxed_##S(a.re), tw_boxed_##S(a.im)); \
            b = s_complex_##S(tw_zeroed_##S(b.re), tw_zeroed_##S(b.im)); \
            again = true; \
        } \
        if (isinf(b.re) || isinf(b.im)) { \
            b = s_complex_##S(tw_boxed_##S(b.re), tw_boxed_##S(b.im)); \
            a = s_complex_##S(tw_zeroed_##S(a.re), tw_zeroed_##S(a.im)); \
            again = true; \
        } \
        if (!again && (isinf(a.re * b.re) || isinf(a.im * b.im) || isinf(a.re * b.im) || isinf(a.im * b.re))) { \
            a = s_complex_##S(tw_zeroed_##S(a.re), tw_zeroed_##S(a.im)); \
            b = s_complex_##S(tw_zeroed_##S(b.re), tw_zeroed_##S(b.im)); \
            again = true; \
        } \
        if (!again) return z; \
        z = s_mul_##S(a, b); \
        return s_complex_##S((R)INFINITY * z.re, (R)INFINITY * z.im); \
    }
TW_ANNEX_G(c64, float, copysignf)
TW_ANNEX_G(c128, double, copysign)

/* f(z) = -i g(iz) and the like turn the hyperbolic functions into the circular ones. */
TW_INLINE c128 tw_times_i(c128 z) { return s_complex_c128(-z.im, z.re); }
TW_INLINE c128 tw_over_i(c128 z) { return s_complex_c128(z.im, -z.re); }
TW_INLINE c128 s_tan_c128(c128 z) { return tw_over_i(s_tanh_c128(tw_times_i(z))); }
TW_INLINE c128 s_sinh_c128(c128 z) { return tw_over_i(s_sin_c128(tw_times_i(z))); }
TW_INLINE c128 s_cosh_c128(c128 z) { return s_cos_c128(tw_times_i(z)); }

/* Inverses after W. Kahan, Branch cuts for complex elementary functions (1987): products of square roots keep the cuts' signs. */
TW_INLINE c128 tw_root_plus(c128 z) { return s_sqrt_c128(s_complex_c128(1 + z.re, z.im)); }
TW_INLINE c128 tw_root_minus(c128 z) { return s_sqrt_c128(s_complex_c128(1 - z.re, -z.im)); }
TW_INLINE c128 s_asin_c128(c128 z) {
    c128 p = tw_root_plus(z), m = tw_root_minus(z);
    return s_complex_c128(s_atan2_f64(z.re, p.re * m.re - p.im * m.im), s_asinh_f64(m.re * p.im - m.im * p.re));
}
TW_INLINE c128 s_acos_c128(c128 z) {
    c128 p = tw_root_plus(z), m = tw_root_minus(z);
    return s_complex_c128(2 * s_atan2_f64(m.re, p.re), s_asinh_f64(p.re * m.im - p.im * m.re));
}
TW_INLINE c128 s_acosh_c128(c128 z) {
    c128 p = tw_root_plus(z), m = s_sqrt_c128(s_complex_c128(z.re - 1, z.im));
    return s_complex_c128(s_asinh_f64(m.re * p.re + m.im * p.im), 2 * s_atan2_f64(m.im, p.re));
}
TW_INLINE c128 s_asinh_c128(c128 z) { return tw_over_i(s_asin_c128(tw_times_i(z))); }
TW_INLINE c128 s_atanh_c128(c128 z) {
    double x = z.re, y = z.im, d = 1 - fabs(x), q = d * d + y * y;
    return s_complex_c128(copysign(0.25 * s_log1p_f64(4 * fabs(x) / q), x), 0.5 * s_atan2_f64(2 * y, (1 - x) * (1 + x) - y * y));
}
TW_INLINE c128 s_atan_c128(c128 z) { return tw_over_i(s_atanh_c128(tw_times_i(z))); }
TW_INLINE c128 s_log1p_c128(c128 z) {
    const double x = 1 + z.re;
    /* |1 + z|^2 - 1 loses everything where 1 + z is near zero, and overflows; there 1 + z is as good as exact */
    const bool near = fabs(x) < 0.5 && fabs(z.im) < 0.5, far = fabs(z.re) > 4 || fabs(z.im) > 4;
    const double r = near || far ? s_log_f64(s_hypot_f64(x, z.im)) : 0.5 * s_log1p_f64(z.re * (2 + z.re) + z.im * z.im);
    return s_complex_c128(r, s_atan2_f64(z.im, x));
}
TW_INLINE c128 s_expm1_c128(c128 z) {
    double h = s_sin_f64(0.5 * z.im);
    return s_complex_c128(s_expm1_f64(z.re) * s_cos_f64(z.im) - 2 * h * h, s_exp_f64(z.re) * s_sin_f64(z.im));
}
TW_INLINE c128 tw_scaled(c128 z, double c) { return s_complex_c128(z.re * c, z.im * c); }
TW_INLINE c128 s_exp2_c128(c128 z) { return s_exp_c128(tw_scaled(z, 0x1.62e42fefa39efp-1)); }

#define TW_VIA_C128(NAME) TW_INLINE c64 s_##NAME##_c64(c64 z) { return tw_narrow(s_##NAME##_c128(tw_wide(z))); }
TW_VIA_C128(sgn) TW_VIA_C128(log) TW_VIA_C128(sqrt) TW_VIA_C128(rsqrt) TW_VIA_C128(tanh) TW_VIA_C128(sin)
TW_VIA_C128(cos) TW_VIA_C128(tan) TW_VIA_C128(sinh) TW_VIA_C128(cosh) TW_VIA_C128(asin) TW_VIA_C128(acos)
TW_VIA_C128(acosh) TW_VIA_C128(asinh) TW_VIA_C128(atanh) TW_VIA_C128(atan) TW_VIA_C128(log1p) TW_VIA_C128(expm1) TW_VIA_C128(exp2)

/* Of both widths, rounding (and overflowing) step by step: log z over log 2 and log 10; 1 / (1 + e^-z). */
#define TW_COMPLEX_STEPS(S) \
    TW_INLINE S s_sigmoid_##S(S z) { \
        return s_reciprocal_##S(s_add_##S(s_complex_##S(1, 0), s_exp_##S(s_sub_##S(s_complex_##S(0, 0), z)))); \
    }
TW_INLINE c64 s_log2_c64(c64 z) { z = s_log_c64(z); return s_complex_c64(z.re / 0x1.62e42fefa39efp-1f, z.im / 0x1.62e42fefa39efp-1f); }
TW_INLINE c64 s_log10_c64(c64 z) { z = s_log_c64(z); return s_complex_c64(z.re / 0x1.26bb1bbb55516p+1f, z.im / 0x1.26bb1bbb55516p+1f); }
TW_INLINE c128 s_log2_c128(c128 z) { z = s_log_c128(z); return s_complex_c128(z.re / 0x1.62e42fefa39efp-1, z.im / 0x1.62e42fefa39efp-1); }
TW_INLINE c128 s_log10_c128(c128 z) { z = s_log_c128(z); return s_complex_c128(z.re / 0x1.26bb1bbb55516p+1, z.im / 0x1.26bb1bbb55516p+1); }
TW_COMPLEX_STEPS(c64)
TW_COMPLEX_STEPS(c128)

#include "kernels/scalar_pow.h"

/* A product rounded to complex32. */
TW_INLINE c64 s_mul_c32(c64 a, c64 b) {
    c64 z = s_mul_c64(a, b);
    return s_complex_c64(tw_lane_f32(tw_step_f16(v_splat_f32(z.re))), tw_lane_f32(tw_step_f16(v_splat_f32(z.im))));
}
#endif
