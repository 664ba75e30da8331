/* Special functions in float64. Part of math.h. */
#ifndef TW_KERNELS_MATH_SPECIAL_H
#define TW_KERNELS_MATH_SPECIAL_H

/* The rational approximation that PyTorch's calc_erfinv starts from (to 6e-5), then two Newton steps. */
TW_INLINE vf64 v_erfinv_f64(vf64 y) {
    const vf64 one = v_splat_f64(1);
    vf64 a = v_abs_f64(y), z = y * y;
    vf64 num = ((-0.140543331 * z + 0.914624893) * z - 1.645349621) * z + 0.886226899;
    vf64 den = (((0.012229801 * z - 0.329097515) * z + 1.442710462) * z - 2.118377725) * z + 1.0;
    vf64 x = y * num / den;
    m_f64 outer = v_gt_f64(a, v_splat_f64(0.7));
    if (m_any_f64(outer)) {
        vf64 t = v_sqrt_f64(-v_log_f64((1.0 - v_select_f64(v_lt_f64(a, one), a, v_splat_f64(0.75))) * 0.5));
        vf64 top = ((1.641345311 * t + 3.429567803) * t - 1.624906493) * t - 1.970840454, bottom = (1.637067800 * t + 3.543889200) * t + 1.0;
        x = v_select_f64(outer, v_copysign_f64(top / bottom, y), x);
    }
    for (int i = 0; i < 2; i++) x = x - (v_erf_f64(x) - y) / (0x1.20dd750429b6dp+0 * v_exp_f64(-(x * x)));
    x = v_select_f64(v_eq_f64(a, one), v_copysign_f64(v_splat_f64(INFINITY), y), x);
    return v_select_f64(v_le_f64(a, one), x, v_splat_f64((double)NAN));
}

/* e^(x^2) erfc(x). */
TW_INLINE vf64 v_erfcx_f64(vf64 x) {
    const vf64 far = v_splat_f64(28);
    vf64 a = v_abs_f64(x), c = v_select_f64(v_gt_f64(a, far), far, a), t = (c - 3.75) / (c + 3.75);
    vf64 v = tw_poly_erfcx_f64(t) / v_fma_f64(c, v_splat_f64(2), v_splat_f64(1));
    vf64 w = 1.0 / (2.0 * a * a), series = (0x1.20dd750429b6dp-1 / a) * (1.0 - w * (1.0 - 3.0 * w * (1.0 - 5.0 * w)));
    v = v_select_f64(v_gt_f64(a, far), series, v);
    vf64 grown = v_exp_f64(v_select_f64(v_gt_f64(x, v_splat_f64(1)), v_splat_f64(0), x * x));
    v = v_select_f64(v_lt_f64(a, v_splat_f64(0.8)), grown * v_erfc_f64(x), v_select_f64(v_lt_f64(x, v_splat_f64(0)), 2.0 * grown - v, v));
    return v_select_f64(v_isnan_f64(x), x, v);
}

/* The logarithm of the normal distribution function. */
TW_INLINE vf64 v_log_ndtr_f64(vf64 x) {
    m_f64 left = v_lt_f64(x, v_splat_f64(0));
    vf64 a = v_abs_f64(x) * 0x1.6a09e667f3bcdp-1, v;
    if (!m_any_f64(left)) return v_log1p_f64(-0.5 * v_erfc_f64(a));
    v = v_log_f64(0.5 * v_erfcx_f64(a)) - 0.5 * x * x;
    return m_any_f64(m_not_f64(left)) ? v_select_f64(left, v, v_log1p_f64(-0.5 * v_erfc_f64(a))) : v;
}

/* Inverse of the normal distribution function: through erfinv in the middle; in the tails from Hastings' approximation (Abramowitz and
 * Stegun 26.2.23) by Halley steps. */
TW_INLINE vf64 v_ndtri_f64(vf64 p) {
    const vf64 zero = v_splat_f64(0), one = v_splat_f64(1), edge = v_splat_f64(0.1);
    vf64 v = 0x1.6a09e667f3bcdp+0 * v_erfinv_f64(2.0 * p - 1.0);
    m_f64 upper = v_gt_f64(p, v_splat_f64(0.5));
    vf64 q = v_select_f64(upper, 1.0 - p, p);
    m_f64 tail = m_and_f64(v_lt_f64(q, edge), v_gt_f64(q, zero));
    if (m_any_f64(tail)) {
        vf64 s = v_select_f64(tail, q, edge), t = v_sqrt_f64(-2.0 * v_log_f64(s));
        vf64 x = ((0.010328 * t + 0.802853) * t + 2.515517) / (((0.001308 * t + 0.189269) * t + 1.432788) * t + 1.0) - t;
        for (int i = 0; i < 3; i++) {
            vf64 u = (0.5 * v_erfc_f64(-0x1.6a09e667f3bcdp-1 * x) - s) * 0x1.40d931ff62706p+1 * v_exp_f64(0.5 * x * x);
            x = x - u / (1.0 + 0.5 * x * u);
        }
        v = v_select_f64(tail, v_select_f64(upper, -x, x), v);
    }
    v = v_select_f64(v_lt_f64(p, zero), v_splat_f64((double)NAN), v); /* however little less */
    return v_select_f64(v_eq_f64(p, zero), v_splat_f64(-INFINITY), v_select_f64(v_eq_f64(p, one), v_splat_f64(INFINITY), v));
}

/* Hurwitz's zeta function where it is plain: q > 0 and finite. Nine terms, then the Euler-Maclaurin formula; of what is rounded to float32,
 * four terms and less of the formula. */
static __attribute__((noinline, unused)) vf64 tw_zeta_right(vf64 s, vf64 q) {
    /* (2k)! / B(2k) */
    static const double scale[12] = {12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
        -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18};
    vf64 w = q, e = v_neg_f64(s), b = v_pow_f64(w, e), sum = b;
    for (int i = 0; i < 9; i++) {
        w = w + 1.0;
        b = v_pow_f64(w, e);
        sum = sum + b;
    }
    m_f64 done = v_lt_f64(b, sum * 0x1p-53); /* as in PyTorch: what is left is no part of the sum */
    vf64 a = v_splat_f64(1), k = v_splat_f64(0), below = 1.0 / w, v = sum + b * w / (s - 1.0) - 0.5 * b;
    for (int i = 0; i < 12; i++) {
        a = a * (s + k);
        b = b * below;
        v = v + a * b * (1.0 / scale[i]);
        k = k + 1.0;
        a = a * (s + k);
        b = b * below;
        k = k + 1.0;
    }
    return v_select_f64(done, sum, v);
}
TW_INLINE vf64 tw_zeta_near(vf64 s, vf64 q) { /* s <= 1000 */
    /* (2k)! / B(2k) over (2k - 2)! / B(2k - 2), inverted */
    static const double ratio[8] = {1.0 / 12, -1.0 / 60, -1.0 / 42, -1.0 / 40, -5.0 / 198, -691.0 / 27300, -35.0 / 1382, -3617.0 / 142800};
    const vf64 one = v_splat_f64(1);
    vf64 w = q, e = v_neg_f64(s), b = one, sum = v_splat_f64(0);
    _Pragma("GCC unroll 5") for (int i = 0; i < 5; i++) {
        vf64 f, k = tw_split_f64(w, &f);
        b = tw_pow_wide(k, f, e);
        sum = sum + b;
        if (i < 4) w = w + 1.0;
    }
    vf64 below = 1.0 / w, squared = below * below, t = one;
    _Pragma("GCC unroll 8") for (int i = 7; i > 0; i--) t = v_fma_f64(t, (s + (2.0 * i - 1.0)) * (s + 2.0 * i) * squared * ratio[i], one);
    t = v_fma_f64(t, s * below * ratio[0], w / (s - 1.0) - 0.5);
    return v_select_f64(v_lt_f64(b, sum * 0x1p-53), sum, v_fma_f64(b, t, sum));
}

/* The cases of Cephes, which PyTorch follows. Left of zero, with f the part of -q after the point, the terms at q + i are those at f + j, but for
 * the sign, up to -q. */
TW_INLINE vf64 tw_zeta_ends(vf64 s, vf64 q, vf64 v) {
    const vf64 one = v_splat_f64(1), nan = v_splat_f64((double)NAN), inf = v_splat_f64(INFINITY);
    m_f64 down = v_le_f64(q, v_splat_f64(0));
    v = v_select_f64(m_or_f64(m_or_f64(v_isnan_f64(s), v_isnan_f64(q)), m_and_f64(down, v_ne_f64(v_floor_f64(s), s))), nan, v);
    v = v_select_f64(m_and_f64(down, v_eq_f64(v_floor_f64(q), q)), inf, v);
    return v_select_f64(v_lt_f64(s, one), nan, v_select_f64(v_eq_f64(s, one), inf, v));
}
TW_INLINE vf64 v_zeta_f64(vf64 s, vf64 q) {
    m_f64 down = v_le_f64(q, v_splat_f64(0));
    vf64 size = v_neg_f64(q), f = size - v_floor_f64(size), v = tw_zeta_right(s, v_select_f64(down, 1.0 - f, q));
    if (m_any_f64(down)) {
        const vf64 one = v_splat_f64(1), half = s * 0.5;
        vf64 beyond = tw_zeta_right(s, v_select_f64(down, size + 1.0, one)); /* NaN where every term is zero */
        vf64 left = tw_zeta_right(s, v_select_f64(down, f, one)) - v_select_f64(v_isnan_f64(beyond), v_splat_f64(0), beyond);
        v = v_select_f64(down, v_select_f64(v_eq_f64(v_floor_f64(half), half), v + left, v - left), v);
    }
    return tw_zeta_ends(s, q, v);
}
TW_INLINE vf64 tw_narrow_zeta_f64(vf64 s, vf64 q) {
    const vf64 one = v_splat_f64(1), zero = v_splat_f64(0);
    vf64 v = zero;
    if (m_any_f64(v_gt_f64(s, one))) {
        m_f64 near = m_and_f64(m_and_f64(v_gt_f64(q, zero), v_lt_f64(q, v_splat_f64(INFINITY))), v_le_f64(s, v_splat_f64(1000)));
        v = tw_zeta_near(s, v_select_f64(near, q, one));
        if (m_any_f64(m_not_f64(near))) v = v_select_f64(near, v, v_zeta_f64(s, q));
    }
    return tw_zeta_ends(s, q, v);
}

/* n-th derivative of digamma: (-1)^(n + 1) n! zeta(n + 1, x); n a whole number from 1. */
TW_INLINE vf64 v_polygamma_f64(vf64 n, vf64 x) {
    vf64 size = v_exp_f64(v_lgamma_f64(n + 1.0)) * v_zeta_f64(n + 1.0, x), half = n * 0.5;
    return v_select_f64(v_eq_f64(v_floor_f64(half), half), v_neg_f64(size), size);
}

TW_VIA_F64_2_LONG(zeta, tw_narrow_zeta_f64) TW_VIA_F64_2_LONG(polygamma, v_polygamma_f64)
#endif
