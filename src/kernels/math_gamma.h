/* log |gamma(x)| and its derivative. Included by math.h, on whose logarithms they stand. */
#ifndef TW_KERNELS_MATH_GAMMA_H
#define TW_KERNELS_MATH_GAMMA_H

/* x times (x + d) ..., as a pair: one factor more where m. */
TW_INLINE void tw_times_f64(m_f64 m, vf64 x, vf64 d, vf64 *p, vf64 *p_lo) {
    vf64 s = x + d, b = s - x, s_lo = (x - (s - b)) + (d - b); /* x + d exactly */
    vf64 q = *p * s, q_lo = v_fma_f64(*p, s, -q) + v_fma_f64(*p, s_lo, *p_lo * s);
    *p_lo = v_select_f64(m, q_lo, *p_lo);
    *p = v_select_f64(m, q, *p);
}

/* |x| < 8: with u = x - round(x), log gamma(2 + u) is a polynomial, and the recurrence's factors between give one logarithm. Near the zeros
 * left of -2 the error stays about 1e-16, which is not small against the value. */
TW_INLINE vf64 tw_lgamma_near(vf64 x) {
    vf64 near = v_round_f64(x), u = x - near, steps = near - 2.0, count = v_abs_f64(steps), one = v_splat_f64(1);
    vf64 base = tw_poly_lgamma_f64(u);
    m_f64 up = v_gt_f64(steps, v_splat_f64(0));
    vf64 p = one, p_lo = v_splat_f64(0);
    for (int i = 0; i < 10; i++) { /* above 2.5: (x - 1) (x - 2) ...; below 1.5: x (x + 1) ... */
        m_f64 more = v_gt_f64(count, v_splat_f64((double)i));
        if (!m_any_f64(more)) break;
        tw_times_f64(more, x, v_select_f64(up, v_splat_f64(-1.0 - (double)i), v_splat_f64((double)i)), &p, &p_lo);
    }
    vf64 lo, hi = tw_log_pair_f64(v_abs_f64(p), &lo);
    lo = lo + p_lo / p;
    vf64 sign = v_select_f64(up, one, -one), a = u * base, a_lo = v_fma_f64(u, base, -a);
    hi = v_select_f64(v_eq_f64(steps, v_splat_f64(0)), v_splat_f64(0), hi * sign);
    lo = v_select_f64(v_eq_f64(steps, v_splat_f64(0)), v_splat_f64(0), lo * sign);
    vf64 sum = hi + a, b = sum - hi, err = (hi - (sum - b)) + (a - b);
    vf64 v = sum + (err + (lo + a_lo));
    /* around 1, u (P(u) - 1) - (log(1 + u) - u): nothing cancels */
    vf64 f, k = tw_split_f64(v_select_f64(v_eq_f64(steps, -one), x, one), &f), s = f / (f + 2.0), z = s * s, h = f * f * 0.5;
    vf64 w = v_select_f64(v_eq_f64(k, v_splat_f64(0)), v_splat_f64(0), f - u);
    vf64 r = v_fma_f64(k, v_splat_f64(tw_ln2_hi), w) - (h - v_fma_f64(s, v_fma_f64(z, tw_poly_log_f64(z), h), k * tw_ln2_lo));
    return v_select_f64(v_eq_f64(steps, -one), v_fma_f64(u, base - 1.0, -r), v) + 0.0; /* of 1 and 2: not -0 */
}

/* x >= 8: Stirling's series; (x - 1/2) (log x - 1) by a pair. */
TW_INLINE vf64 tw_lgamma_stirling(vf64 x) {
    vf64 lo, a = tw_log_pair_f64(x, &lo) - 1.0, m = x - 0.5, y = 1.0 / x;
    vf64 p = m * a, p_lo = v_fma_f64(m, a, -p) + m * lo;
    vf64 c = v_fma_f64(y, tw_poly_stirling_f64(y * y), v_splat_f64(0x1.acfe390c97d69p-2)); /* log(2 pi) / 2 - 1/2 */
    return v_select_f64(v_isinf_f64(p), p, p + (c + p_lo));
}

TW_INLINE vf64 v_lgamma_f64(vf64 x) {
    const vf64 inf = v_splat_f64(INFINITY), eight = v_splat_f64(8);
    vf64 a = v_abs_f64(x);
    m_f64 small = v_lt_f64(a, eight), whole = v_eq_f64(v_trunc_f64(x), x);
    vf64 v = inf;
    if (m_any_f64(small)) v = tw_lgamma_near(v_select_f64(small, x, v_splat_f64(2)));
    if (m_any_f64(m_not_f64(small))) {
        vf64 big = v_select_f64(v_gt_f64(a, eight), a, eight), far = tw_lgamma_stirling(big);
        m_f64 negative = v_lt_f64(x, v_splat_f64(0));
        if (m_any_f64(negative)) { /* reflection: gamma(x) gamma(-x) = -pi / (x sin(pi x)) */
            vf64 r = v_abs_f64(big - v_round_f64(big));
            m_f64 steep = v_gt_f64(r, v_splat_f64(0.25));
            vf64 t = v_select_f64(steep, 0.5 - r, r), y = t * 0x1.921fb54442d18p+1;
            vf64 y_lo = v_fma_f64(t, v_splat_f64(0x1.921fb54442d18p+1), -y) + t * 0x1.1a62633145c07p-53;
            vf64 s = v_select_f64(steep, tw_cos_near(y, y_lo), tw_sin_near(y, y_lo));
            vf64 q = big * s, q_lo = v_fma_f64(big, s, -q), lo, hi = tw_log_pair_f64(q, &lo);
            vf64 c = 0x1.250d048e7a1bdp+0 - hi; /* log(pi) */
            far = v_select_f64(negative, (c - far) - (lo + q_lo / q), far);
        }
        v = v_select_f64(small, v, far);
    }
    v = v_select_f64(v_eq_f64(a, inf), inf, v);
    v = v_select_f64(m_and_f64(whole, v_le_f64(x, v_splat_f64(0))), inf, v);
    return v_select_f64(v_isnan_f64(x), x, v);
}

/* As PyTorch's, but for a tangent of the part next to a whole number: reflection, recurrence up to 10, then the asymptotic series, whose
 * coefficients are the Bernoulli numbers B(2n) / 2n. */
TW_INLINE vf64 v_digamma_f64(vf64 x) {
    const vf64 zero = v_splat_f64(0), ten = v_splat_f64(10);
    m_f64 negative = v_lt_f64(x, zero);
    vf64 whole = v_trunc_f64(x), y = v_select_f64(negative, 1.0 - x, x), sum = zero;
    if (m_any_f64(negative)) {
        vf64 t = v_tan_f64((x - v_round_f64(x)) * 0x1.921fb54442d18p+1);
        sum = v_select_f64(negative, -0x1.921fb54442d18p+1 / t, zero);
    }
    for (int i = 0; i < 10; i++) {
        m_f64 more = v_lt_f64(y, ten);
        if (!m_any_f64(more)) break;
        sum = v_select_f64(more, sum - 1.0 / y, sum);
        y = v_select_f64(more, y + 1.0, y);
    }
    vf64 w = 1.0 / (y * y), p = v_fma_f64(v_splat_f64(0x1.5555555555555p-4), w, v_splat_f64(-0x1.5995995995996p-6));
    p = v_fma_f64(p, w, v_splat_f64(0x1.f07c1f07c1f08p-8));
    p = v_fma_f64(p, w, v_splat_f64(-0x1.1111111111111p-8));
    p = v_fma_f64(p, w, v_splat_f64(0x1.0410410410410p-8));
    p = v_fma_f64(p, w, v_splat_f64(-0x1.1111111111111p-7));
    p = v_fma_f64(p, w, v_splat_f64(0x1.5555555555555p-4));
    vf64 v = sum + ((v_log_f64(y) - 0.5 / y) - w * p);
    v = v_select_f64(v_eq_f64(y, ten), sum + 0x1.20396dc85cc95p+1, v); /* digamma(10), as PyTorch has it */
    v = v_select_f64(v_eq_f64(x, zero), v_copysign_f64(v_splat_f64(INFINITY), v_neg_f64(x)), v);
    return v_select_f64(m_and_f64(negative, v_eq_f64(whole, x)), v_splat_f64((double)NAN), v);
}
#endif
