/* float32 functions around erf, piece by piece: the argument is g + u, g one of 16 points, and each point has a polynomial in u. Included by
 * math.h, on whose exp and log they stand. */
#ifndef TW_KERNELS_MATH_PIECES_H
#define TW_KERNELS_MATH_PIECES_H

/* Piece by piece: |x| = i / 4 + t, a polynomial in t for each i. Up to 1/8, which rounds to i = 0, it gives what is added to |x| itself. */
TW_INLINE vf32 v_erf_f32(vf32 x) {
    static const float c[][16] = {{C_erf_near_0(TW_ID)}, {C_erf_near_1(TW_ID)}, {C_erf_near_2(TW_ID)}, {C_erf_near_3(TW_ID)}, {C_erf_near_4(TW_ID)},
                                  {C_erf_near_5(TW_ID)}, {C_erf_near_6(TW_ID)}};
    vf32 a = v_abs_f32(x), y = v_select_f32(v_gt_f32(a, v_splat_f32(3.874f)), v_splat_f32(3.874f), a);
    vf32 shifted = y + 0x1.8p21f, t = y - (shifted - 0x1.8p21f); /* to a multiple of 1/4, which then stands in the low bits */
    vi32 i = (vi32)shifted;
    vf32 p = v_pick16_f32(c[6], i);
    _Pragma("GCC unroll 8") for (int k = 5; k > 0; k--) p = v_fma_f32(p, t, v_pick16_f32(c[k], i));
    vf32 v = v_fma_f32(p, t, v_select_f32(v_le_f32(y, v_splat_f32(0.125f)), y, v_pick16_f32(c[0], i)));
    v = v_select_f32(v_gt_f32(a, v_splat_f32(3.9192f)), v_splat_f32(1), v);
    return v_copysign_f32(v, x);
}

/* Row 0 of c holds the points; the value at a point is nearly a float, so that the result is rounded once, nearly. */
TW_INLINE vf32 tw_piece_f32(const float c[8][16], vi32 i, vf32 x) {
    vf32 u = x - v_pick16_f32(c[0], i), p = v_pick16_f32(c[7], i);
    _Pragma("GCC unroll 8") for (int k = 6; k > 0; k--) p = v_fma_f32(p, u, v_pick16_f32(c[k], i));
    return p;
}
#define TW_ROWS(NAME) {{C_##NAME##_0(TW_ID)}, {C_##NAME##_1(TW_ID)}, {C_##NAME##_2(TW_ID)}, {C_##NAME##_3(TW_ID)}, \
                       {C_##NAME##_4(TW_ID)}, {C_##NAME##_5(TW_ID)}, {C_##NAME##_6(TW_ID)}, {C_##NAME##_7(TW_ID)}}

/* e^(a^2) erfc(a), 0 <= a < 14: the leading bits of 1 + a, rounded to two of the mantissa, tell the piece. */
TW_INLINE vf32 tw_erfcx_near_f32(vf32 a) {
    static const float c[8][16] = TW_ROWS(erfcx_near);
    return tw_piece_f32(c, (vi32)(((vu32)(a + 1.0f) + 0x100000u) >> 21) - (127 << 2), a);
}

/* The same for all a >= 0. */
TW_INLINE vf32 tw_erfcx_from_zero_f32(vf32 a) {
    const vf32 far = v_splat_f32(13.99f);
    m_f32 beyond = v_gt_f32(a, far);
    /* the last number: what rounding 1 / sqrt(pi) added */
    vf32 w = 0.5f / (a * a), v = 0x1.20dd76p-1f / a, series = v - v * (w * (1.0f - 3.0f * w * (1.0f - 5.0f * w)) + 0x1.be5e9ap-25f);
    return v_select_f32(beyond, series, tw_erfcx_near_f32(v_select_f32(beyond, far, a)));
}

/* e^(s a^2) g, |s| up to 1 and a power of two, less than e^100: what rounding the square lost, and the exponential less its power of two, are added. */
TW_INLINE vf32 tw_times_exp_square_f32(vf32 a, float s, vf32 g) {
    const vf32 far = v_splat_f32(19.8f);
    a = v_select_f32(v_gt_f32(a, far), far, a);
    vf32 z = a * a, lost = v_fma_f32(a, a, -z) * s, k, t = tw_exp_parts_f32(z * s, &k);
    return tw_scale_f32(v_fma_f32(t + v_fma_f32(lost, t, lost), g, g), k);
}

TW_INLINE vf32 v_erfcx_f32(vf32 x) {
    vf32 a = v_abs_f32(x), v = tw_erfcx_from_zero_f32(a);
    return v_select_f32(v_lt_f32(x, v_splat_f32(0)), tw_times_exp_square_f32(a, 1, v_splat_f32(2)) - v, v);
}

/* erfc(a), a >= 0. */
TW_INLINE vf32 tw_erfc_tail_f32(vf32 a) {
    const vf32 far = v_splat_f32(13.99f);
    return tw_times_exp_square_f32(a, -1, tw_erfcx_near_f32(v_select_f32(v_gt_f32(a, far), far, a)));
}
TW_INLINE vf32 v_erfc_f32(vf32 x) {
    vf32 a = v_abs_f32(x), near = 1.0f - v_erf_f32(x), tail = tw_erfc_tail_f32(a);
    vf32 v = v_select_f32(v_lt_f32(x, v_splat_f32(0)), 2.0f - tail, tail);
    return v_select_f32(v_lt_f32(a, v_splat_f32(0.46875f)), near, v);
}

/* The logarithm of the normal distribution function: of erfcx / 2 to the left of zero, where nothing cancels; of 1 - erfc / 2 to the right. */
TW_INLINE vf32 v_log_ndtr_f32(vf32 x) {
    m_f32 left = v_lt_f32(x, v_splat_f32(0));
    vf32 a = v_abs_f32(x), g = 0.5f * tw_erfcx_from_zero_f32(a * 0x1.6a09e6p-1f), q = tw_times_exp_square_f32(a, -0.5f, g), u = 1.0f - q;
    vf32 v = tw_log_of_f32(v_select_f32(left, g, u), v_select_f32(left, v_splat_f32(0), ((1.0f - u) - q) / u));
    return v_select_f32(left, v - 0.5f * x * x, v);
}

/* erfinv(a), a = 1 - z, from the more exact of the two: a in the middle, z in the tail; 0 <= a, z <= 1. There log z is what the pieces are of. */
TW_INLINE vf32 tw_erfinv_of_f32(vf32 a, vf32 z) {
    static const float c[8][16] = TW_ROWS(erfcinv_near);
    vf32 w = -v_log_f32(z), tail = tw_piece_f32(c, (vi32)(((vu32)w + 0x200000u) >> 22) - (126 << 1), w);
    vf32 middle = v_fma_f32(a, v_splat_f32(0x1.c5bf8ap-1f), a * tw_poly_erfinv_f32(a * a));
    tail = v_select_f32(v_eq_f32(z, v_splat_f32(0)), v_splat_f32(INFINITY), tail);
    return v_select_f32(v_lt_f32(z, v_splat_f32(0.5f)), tail, middle);
}
TW_INLINE vf32 v_erfinv_f32(vf32 y) {
    vf32 a = v_abs_f32(y);
    return v_copysign_f32(tw_erfinv_of_f32(a, 1.0f - a), y);
}
/* The inverse of the normal distribution function. */
TW_INLINE vf32 v_ndtri_f32(vf32 p) {
    vf32 lower = p - 0.5f, q = v_select_f32(v_gt_f32(p, v_splat_f32(0.5f)), 1.0f - p, p), z = q + q;
    vf32 v = tw_erfinv_of_f32(1.0f - z, z);
    return v_copysign_f32(v_fma_f32(v, v_splat_f32(0x1.6a09e6p+0f), v * 0x1.9fcef4p-26f), lower);
}
#endif
