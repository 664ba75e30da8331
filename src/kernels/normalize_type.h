/* Template: kernels of normalisation for one element type T, with suffix S. Sums are 16 lanes in vectors; maps are plain loops, which the
 * compiler turns into vectors, their products and sums rounded one by one. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)

static void FN(moments)(int64_t n, const void *from, double shift, double sum[2]) {
    const T *x = from;
    const vf64 by = v_splat_f64(shift);
    vf64 s1[SUMS], s2[SUMS], d[SUMS];
    clear(s1), clear(s2);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        FN(lanes)(x + i, d);
        for (int j = 0; j < SUMS; j++) d[j] -= by, s1[j] += d[j], s2[j] = v_fma_f64(d[j], d[j], s2[j]);
    }
    double lane1[16], lane2[16];
    store(s1, lane1), store(s2, lane2);
    for (int l = 0; i < n; i++, l++) {
        double e = (double)x[i] - shift;
        lane1[l] += e, lane2[l] = fma_of(e, e, lane2[l]);
    }
    sum[0] += fold(lane1), sum[1] += fold(lane2);
}

static void FN(dots)(int64_t n, const void *gv, const void *wv, const void *xv, double shift, double sum[2]) {
    const T *g = gv, *w = wv, *x = xv;
    const vf64 by = v_splat_f64(shift);
    vf64 s1[SUMS], s2[SUMS], d[SUMS], h[SUMS], f[SUMS];
    clear(s1), clear(s2);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        FN(lanes)(x + i, d);
        FN(lanes)(g + i, h);
        if (w) {
            FN(lanes)(w + i, f);
            for (int j = 0; j < SUMS; j++) h[j] *= f[j];
        }
        for (int j = 0; j < SUMS; j++) s1[j] += h[j], s2[j] = v_fma_f64(h[j], d[j] - by, s2[j]);
    }
    double lane1[16], lane2[16];
    store(s1, lane1), store(s2, lane2);
    for (int l = 0; i < n; i++, l++) {
        double e = w ? (double)g[i] * (double)w[i] : (double)g[i];
        lane1[l] += e, lane2[l] = fma_of(e, (double)x[i] - shift, lane2[l]);
    }
    sum[0] += fold(lane1), sum[1] += fold(lane2);
}

static void FN(affine)(int64_t n, const void *xv, double a, double c, void *yv) {
    const T *x = xv;
    T *y = yv, ta = (T)a, tc = (T)c;
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * ta + tc;
}

static void FN(blend)(int64_t n, const void *gv, const void *xv, double a, double b, double c, void *yv) {
    const T *g = gv, *x = xv;
    T *y = yv, ta = (T)a, tb = (T)b, tc = (T)c;
    for (int64_t i = 0; i < n; i++) y[i] = g[i] * ta + x[i] * tb + tc;
}

static void FN(row)(int64_t n, const void *xv, double mean, double rstd, const void *wv, const void *bv, void *yv) {
    const T *x = xv, *w = wv, *b = bv;
    T *y = yv, m = (T)mean, r = (T)rstd;
    if (w && b) for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * r * w[i] + b[i];
    else if (w) for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * r * w[i];
    else if (b) for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * r + b[i];
    else for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) * r;
}

static void FN(row_grad)(int64_t n, const void *gv, const void *wv, const void *xv, double mean, double rstd, double m1, double m2, void *yv) {
    const T *g = gv, *w = wv, *x = xv;
    T *y = yv, m = (T)mean, r = (T)rstd, t1 = (T)m1, t2 = (T)m2;
    if (w) for (int64_t i = 0; i < n; i++) y[i] = r * (g[i] * w[i] - t1 - (x[i] - m) * t2);
    else for (int64_t i = 0; i < n; i++) y[i] = r * (g[i] - t1 - (x[i] - m) * t2);
}

static void FN(row_params)(int64_t n, const void *gv, const void *xv, double mean, double rstd, double *gw, double *gb) {
    const T *g = gv, *x = xv;
    if (gw) for (int64_t i = 0; i < n; i++) gw[i] += (double)g[i] * (((double)x[i] - mean) * rstd);
    if (gb) for (int64_t i = 0; i < n; i++) gb[i] += (double)g[i];
}

static void FN(each_moments)(int64_t n, const void *xv, const double *shift, double *s1, double *s2) {
    const T *x = xv;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i] - shift[i];
        s1[i] += d, s2[i] += d * d;
    }
}

static void FN(each_dots)(int64_t n, const void *gv, const void *xv, const double *shift, double *s1, double *s2) {
    const T *g = gv, *x = xv;
    for (int64_t i = 0; i < n; i++) {
        double h = (double)g[i];
        s1[i] += h, s2[i] += h * ((double)x[i] - shift[i]);
    }
}

static void FN(each_affine)(int64_t n, const void *xv, const double *a, const double *c, void *yv) {
    const T *x = xv;
    T *y = yv;
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * (T)a[i] + (T)c[i];
}

static void FN(each_blend)(int64_t n, const void *gv, const void *xv, const double *a, const double *b, const double *c, void *yv) {
    const T *g = gv, *x = xv;
    T *y = yv;
    for (int64_t i = 0; i < n; i++) y[i] = g[i] * (T)a[i] + x[i] * (T)b[i] + (T)c[i];
}

#undef FN
#undef FN2
#undef FN_
#undef S
#undef T
