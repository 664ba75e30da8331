/* Template: rows in T, whose vectors are named by S (f32, f64). */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define VEC_(s) v##s
#define VEC2(s) VEC_(s)
#define V VEC2(S)
#define L FN(V_LANES)

TW_INLINE V FN(load)(const T *p, int64_t m) { return m == L ? FN(v_load)(p) : FN(v_load_n)(p, m); }
TW_INLINE void FN(store)(T *p, V x, int64_t m) {
    if (m == L) FN(v_store)(p, x);
    else FN(v_store_n)(p, x, m);
}

static T FN(largest)(int64_t n, const T *x) {
    T most = (T)-INFINITY, all[L];
    V m = FN(v_splat)(most);
    int64_t i = 0;
    for (; i + L <= n; i += L) m = FN(v_maximum)(m, FN(v_load)(x + i));
    FN(v_store)(all, m);
    for (int k = 0; k < L; k++) most = all[k] > most || all[k] != all[k] ? all[k] : most;
    for (; i < n; i++) most = x[i] > most || x[i] != x[i] ? x[i] : most;
    return most;
}

static void FN(weigh)(int64_t n, void *to, void *sum, void *log) {
    T *x = to, most = FN(largest)(n, x), lanes[LANES];
    if (most == (T)-INFINITY) {
        for (int64_t i = 0; i < n; i++) x[i] = 0;
        *(T *)sum = 1, *(T *)log = most;
        return;
    }
    const V m = FN(v_splat)(most);
    V sums[LANES / L];
    for (int k = 0; k < LANES / L; k++) sums[k] = FN(v_splat)((T)0);
    for (int64_t i = 0; i < n; i += LANES) {
        for (int k = 0; k < LANES / L; k++) {
            const int64_t at = i + k * L, left = n - at;
            if (left >= L) {
                const V e = FN(v_exp)(FN(v_load)(x + at) - m);
                FN(v_store)(x + at, e);
                sums[k] += e;
            } else if (left > 0) {
                FN(v_store_n)(x + at, FN(v_exp)(FN(v_load_n)(x + at, left) - m), left);
                sums[k] += FN(v_load_n)(x + at, left); /* zeros beyond */
            }
        }
    }
    for (int k = 0; k < LANES / L; k++) FN(v_store)(lanes + k * L, sums[k]);
    for (int half = LANES / 2; half; half /= 2) {
        for (int k = 0; k < half; k++) lanes[k] += lanes[k + half];
    }
    *(T *)sum = lanes[0];
    FN(v_store)(lanes, FN(v_log)(FN(v_splat)(lanes[0])));
    *(T *)log = most + lanes[0];
}

TW_INLINE void FN(back_some)(int64_t i, int64_t m, T *x, T *y, V log, V mean) {
    const V p = FN(v_exp)(FN(load)(x + i, m) - log);
    FN(store)(x + i, p, m);
    FN(store)(y + i, p * (FN(load)(y + i, m) - mean), m);
}
static void FN(back)(int64_t n, void *x, void *y, const void *log, const void *mean) {
    if (*(const T *)log == (T)-INFINITY) { /* masked altogether */
        for (int64_t i = 0; i < n; i++) ((T *)x)[i] = ((T *)y)[i] = 0;
        return;
    }
    const V l = FN(v_splat)(*(const T *)log), d = FN(v_splat)(*(const T *)mean);
    int64_t i = 0;
    for (; i + L <= n; i += L) FN(back_some)(i, L, x, y, l, d);
    if (i < n) FN(back_some)(i, n - i, x, y, l, d);
}

static void FN(divide)(int64_t n, void *to, const void *by) {
    T *x = to, v = *(const T *)by;
    for (int64_t i = 0; i < n; i++) x[i] /= v;
}

static void FN(add)(int64_t n, void *to, const void *from) {
    T *restrict x = to;
    const T *restrict y = from;
    for (int64_t i = 0; i < n; i++) x[i] += y[i];
}

#undef FN_
#undef FN2
#undef FN
#undef VEC_
#undef VEC2
#undef V
#undef L
#undef S
#undef T
