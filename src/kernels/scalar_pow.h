/* Powers of complex numbers. PyTorch calls the C library's cpow, which is e^(b log z) rounded to the type after each step; at large exponents the
 * rounding of the logarithm decides what comes out, so its steps are taken here as glibc 2.36 takes them: the logarithm of a float's length rounded
 * to float, differences from the unit circle where one is near, exponents beyond the range in parts. Included by scalar.h. */
#ifndef TW_KERNELS_SCALAR_POW_H
#define TW_KERNELS_SCALAR_POW_H

/* --- float64: logarithm, length and angle are nearly always the nearest numbers ------------------------------------- */

TW_INLINE double tw_log_nearest(double x) {
    vf64 lo;
    return tw_lane_f64(tw_log_pair_f64(v_splat_f64(x), &lo));
}

/* sqrt(a^2 + b^2), a >= b, a > 0 and finite. */
TW_INLINE double tw_length_nearest(double a, double b) {
    const double down = a > 0x1p500 ? 0x1p-600 : a < 0x1p-450 ? 0x1p600 : 1, up = a > 0x1p500 ? 0x1p600 : a < 0x1p-450 ? 0x1p-600 : 1;
    a *= down;
    b *= down;
    const double s = a * a, t = b * b, u = s + t, r = sqrt(u), lost = (tw_minus_f64(s, u) + t) + (fma(a, a, -s) + fma(b, b, -t));
    return (r + (fma(-r, r, u) + lost) / (2 * r)) * up;
}

/* a^2 + b^2 - 1, 1/2 <= a < 1, b <= a. */
TW_INLINE double tw_beyond_circle(double a, double b) {
    const double s = a * a, t = b * b, m = s - 1, m_lo = s - (m + 1), u = m + t, v = u - m, u_lo = (m - (u - v)) + (t - v);
    return u + ((u_lo + m_lo) + (fma(a, a, -s) + fma(b, b, -t)));
}

/* The angle of finite numbers that are not both zero: k pi/4 and the arcus tangent of a ratio t + t_lo below tan(pi/8). */
static __attribute__((noinline, unused)) double tw_angle_nearest(double y, double x) {
    static const double c[] = {C_atan_f64(TW_ID)};
    enum { N = sizeof c / sizeof c[0] };
    const double third = -0x1.5555555555555p-2, third_lo = -0x1.5555555555555p-56, quarter = 0x1.921fb54442d18p-1, quarter_lo = 0x1.1a62633145c07p-55;
    const bool steep = fabs(y) > fabs(x);
    double n = steep ? fabs(x) : fabs(y), d = steep ? fabs(y) : fabs(x), k = 0, sign = 1, n_lo = 0, d_lo = 0;
    const double scale = d > 0x1p900 ? 0x1p-200 : d < 0x1p-900 ? 0x1p200 : 1;
    n *= scale;
    d *= scale;
    if (n > d * 0.41421356237309503) {
        const double less = n - d, more = n + d;
        n_lo = n - (less + d);
        d_lo = n - (more - d);
        n = less;
        d = more;
        k = 1;
    }
    const double t = n / d, t_lo = ((fma(-t, d, n) + n_lo) - t * d_lo) / d;
    const double z = t * t, z_lo = fma(t, t, -z) + 2 * t * t_lo;
    double rest = c[N - 1];
    for (int i = N - 2; i > 0; i--) rest = fma(rest, z, c[i]);
    const double e = z * third, e_lo = fma(z, third, -e) + (z_lo * third + z * fma(z, rest, third_lo));
    const double cubic = t * e, cubic_lo = fma(t, e, -cubic) + (t * e_lo + t_lo * e);
    if (steep) { k = 2 - k; sign = -sign; }
    if (signbit(x)) { k = 4 - k; sign = -sign; }
    const double base = k * quarter, base_lo = fma(k, quarter, -base) + k * quarter_lo, sum = base + sign * t, lost = sign * t - (sum - base);
    return copysign(sum + (sign * cubic + ((sign * (cubic_lo + t_lo) + base_lo) + lost)), y);
}

TW_INLINE c128 tw_pow_log_c128(c128 z) {
    double a = fabs(z.re), b = fabs(z.im), r;
    if (a < b) { a = b; b = fabs(z.re); }
    if (!(a > 0 && a < (double)INFINITY && b == b)) return s_log_c128(z);
    if (a >= 1 && a < 2 && b < 1) r = 0.5 * s_log1p_f64((a - 1) * (a + 1) + b * b);
    else if (a >= 0.5 && a < 1 && a * a + b * b >= 0.5) r = 0.5 * s_log1p_f64(tw_beyond_circle(a, b));
    else if (a > 0x1p1023) r = tw_log_nearest(tw_length_nearest(0.5 * a, 0.5 * b)) + 0x1.62e42fefa39efp-1;
    else if (a < 0x1p-1022) r = tw_log_nearest(tw_length_nearest(0x1p53 * a, 0x1p53 * b)) - 53 * 0x1.62e42fefa39efp-1;
    else r = tw_log_nearest(tw_length_nearest(a, b));
    return s_complex_c128(r, tw_angle_nearest(z.im, z.re));
}

/* --- float32 --------------------------------------------------------------------------------------------------------- */

/* The arcus tangent of a >= 0 in float steps: Sun's fdlibm (1993). */
TW_INLINE float tw_atan_steps(float a) {
    static const float base[4] = {0x1.dac670p-2f, 0x1.921fb4p-1f, 0x1.f730bcp-1f, 0x1.921fb4p+0f};
    static const float base_lo[4] = {0x1.586ed2p-28f, 0x1.4442d0p-25f, 0x1.281f68p-25f, 0x1.4442d0p-24f};
    static const float c[11] = {0x1.555556p-2f, -0x1.99999ap-3f, 0x1.24924ap-3f, -0x1.c71c70p-4f, 0x1.745cdcp-4f, -0x1.3b0f2ap-4f,
                                0x1.10d66ap-4f, -0x1.dde2d6p-5f, 0x1.97b4b2p-5f, -0x1.2b4442p-5f, 0x1.0ad3aep-6f};
    if (a >= 0x1p25f) return base[3] + base_lo[3];
    if (a < 0x1p-29f) return a;
    const int i = a < 0.4375f ? -1 : a < 0.6875f ? 0 : a < 1.1875f ? 1 : a < 2.4375f ? 2 : 3;
    const float x = i < 0 ? a : i == 0 ? (2 * a - 1) / (2 + a) : i == 1 ? (a - 1) / (a + 1) : i == 2 ? (a - 1.5f) / (1 + 1.5f * a) : -1 / a;
    const float z = x * x, w = z * z;
    const float odd = z * (c[0] + w * (c[2] + w * (c[4] + w * (c[6] + w * (c[8] + w * c[10])))));
    const float even = w * (c[1] + w * (c[3] + w * (c[5] + w * (c[7] + w * c[9]))));
    return i < 0 ? x - x * (odd + even) : base[i] - ((x * (odd + even) - base_lo[i]) - x);
}
/* The angle of finite numbers that are not both zero. */
TW_INLINE float tw_angle_steps(float y, float x) {
    const float pi = 0x1.921fb6p+1f, pi_lo = -0x1.777a5cp-24f, far = 0x1p60f, r = fabsf(y) / fabsf(x);
    float v = r > far ? 0.5f * pi : x < 0 && r < 1 / far ? 0 : tw_atan_steps(r);
    if (signbit(x)) v = pi - (v - pi_lo);
    return copysignf(x == 0 ? 0.5f * pi : v, y);
}

/* log(1 + x), -1/2 < x < 3, in float steps: Sun's fdlibm (1993). */
TW_INLINE float tw_log1p_steps(float x) {
    static const float c[7] = {0x1.555556p-1f, 0x1.99999ap-2f, 0x1.24924ap-2f, 0x1.c71c52p-3f, 0x1.74664ap-3f, 0x1.39a09ep-3f, 0x1.2f112ep-3f};
    const float ln2 = 0x1.62e300p-1f, ln2_lo = 0x1.2fefa2p-17f;
    float f = x, k = 0, lost = 0;
    if (fabsf(x) < 0x1p-29f) return x - x * x * 0.5f;
    if (!(x > -0x1.2bec3ep-2f && x < 0x1.a827aep-2f)) { /* 1 + x = 2^k (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1) */
        const float u = 1 + x;
        k = u < 0x1.6a09eep-1f ? -1 : u < 0x1.6a09eep+0f ? 0 : u < 0x1.6a09eep+1f ? 1 : 2;
        lost = (u >= 2 ? 1 - (u - x) : x - (u - 1)) / u;
        f = (k < 0 ? 2 * u : k < 1 ? u : k < 2 ? 0.5f * u : 0.25f * u) - 1;
    }
    const float half = 0.5f * f * f;
    if (fabsf(f) < 0x1p-20f) {
        const float rest = half * (1 - 0x1.555556p-1f * f);
        if (k == 0) return f - rest;
        return f == 0 ? k * ln2 + (lost + k * ln2_lo) : k * ln2 - ((rest - (k * ln2_lo + lost)) - f);
    }
    const float t = f / (2 + f), z = t * t, r = z * (c[0] + z * (c[1] + z * (c[2] + z * (c[3] + z * (c[4] + z * (c[5] + z * c[6]))))));
    if (k == 0 && f == x) return f - (half - t * (half + r));
    return k * ln2 - ((half - (t * (half + r) + (k * ln2_lo + lost))) - f);
}

/* log(a), a > 0 and finite: in double, of 16 pieces and a cubic, as the C library's logf since glibc 2.27 (Szabolcs Nagy, ARM). */
TW_INLINE float tw_log_steps(float a) {
    static const double piece[16][2] = { /* c near 1 / a, -log(c) */
        {0x1.661ec79f8f3bep+0, -0x1.57bf7808caadep-2}, {0x1.571ed4aaf883dp+0, -0x1.2bef0a7c06ddbp-2}, {0x1.49539f0f010bp+0, -0x1.01eae7f513a67p-2},
        {0x1.3c995b0b80385p+0, -0x1.b31d8a68224e9p-3}, {0x1.30d190c8864a5p+0, -0x1.6574f0ac07758p-3}, {0x1.25e227b0b8eap+0, -0x1.1aa2bc79c81p-3},
        {0x1.1bb4a4a1a343fp+0, -0x1.a4e76ce8c0e5ep-4}, {0x1.12358f08ae5bap+0, -0x1.1973c5a611cccp-4}, {0x1.0953f419900a7p+0, -0x1.252f438e10c1ep-5},
        {1, 0}, {0x1.e608cfd9a47acp-1, 0x1.aa5aa5df25984p-5}, {0x1.ca4b31f026aap-1, 0x1.c5e53aa362eb4p-4},
        {0x1.b2036576afce6p-1, 0x1.526e57720db08p-3}, {0x1.9c2d163a1aa2dp-1, 0x1.bc2860d22477p-3}, {0x1.886e6037841edp-1, 0x1.1058bc8a07ee1p-2},
        {0x1.767dcf5534862p-1, 0x1.4043057b6ee09p-2}};
    uint32_t u;
    int down = 0;
    if (a < 0x1p-126f) a *= 0x1p23f, down = 23;
    memcpy(&u, &a, sizeof u);
    const uint32_t from = u - 0x3f330000u;
    const double *p = piece[from >> 19 & 15], k = (double)((int32_t)from >> 23) - down;
    u -= from & 0xff800000u;
    memcpy(&a, &u, sizeof a);
    const double r = fma((double)a, p[0], -1), square = r * r, y = fma(0x1.5575b0be00b6ap-2, r, -0x1.ffffef20a4123p-2);
    return (float)fma(fma(-0x1.00ea348b88334p-2, square, y), square, fma(k, 0x1.62e42fefa39efp-1, p[1]) + r);
}

TW_INLINE float tw_log_length_f32(float a, float b) { return tw_log_steps((float)sqrt((double)a * (double)a + (double)b * (double)b)); }
TW_INLINE c64 tw_pow_log_c64(c64 z) {
    float a = fabsf(z.re), b = fabsf(z.im), r;
    if (a < b) { a = b; b = fabsf(z.re); }
    if (!(a > 0 && a < INFINITY && b == b)) return s_log_c64(z);
    if (a >= 1 && a < 2 && b < 1) r = 0.5f * tw_log1p_steps((a - 1) * (a + 1) + b * b);
    else if (a >= 0.5f && a < 1 && a * a + b * b >= 0.5f)
        r = 0.5f * tw_log1p_steps((float)tw_beyond_circle((double)a, (double)b));
    else if (a > 0x1p127f) r = tw_log_length_f32(0.5f * a, 0.5f * b) + 0x1.62e430p-1f;
    else if (a < 0x1p-126f) r = tw_log_length_f32(0x1p24f * a, 0x1p24f * b) - 24 * 0x1.62e430p-1f;
    else r = tw_log_length_f32(a, b);
    return s_complex_c64(r, tw_angle_steps(z.im, z.re));
}

/* --- both: e^z, also where only the part's cosine or sine keeps it in range ----------------------------------------- */

#define TW_POW(S, R, TOP, E_TOP) \
    TW_INLINE S tw_pow_exp_##S(S z) { \
        if (z.re - z.re != 0 || z.im - z.im != 0) return s_exp_##S(z); \
        R x = z.re, s = (R)s_sin_f64((double)z.im), c = (R)s_cos_f64((double)z.im); \
        for (int i = 0; i < 3 && x > TOP; i++) { x -= TOP; s *= E_TOP; c *= E_TOP; } \
        const R e = (R)s_exp_f64((double)x); \
        return s_complex_##S(e * c, e * s); \
    } \
    TW_INLINE S s_pow_##S(S z, S b) { return tw_pow_exp_##S(tw_annex_mul_##S(b, tw_pow_log_##S(z))); }
TW_POW(c64, float, 88, 0x1.f1056ep+126f)
TW_POW(c128, double, 709, 0x1.d422d2be5dc9bp+1022)
#endif
