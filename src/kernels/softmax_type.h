/* Template: rows of softmax for one element type T, with suffix S. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define VEC TW_PASTE(v, S)
#define STEP FN(V_LANES)
#define LANES ((int)(256 / sizeof(T)))
#define SUMS (LANES / STEP)

/* The lanes of `a`, folded by halves: whole vectors, then within the last one. */
TW_INLINE T FN(fold)(VEC a[SUMS], bool most) {
    T lane[STEP];
    _Pragma("GCC unroll 8") for (int w = SUMS / 2; w; w /= 2) {
        _Pragma("GCC unroll 8") for (int j = 0; j < w; j++) {
            if (most) a[j] = FN(v_maximum)(a[j], a[j + w]);
            else a[j] += a[j + w];
        }
    }
    FN(v_store)(lane, a[0]);
    for (int w = STEP / 2; w; w /= 2)
        for (int l = 0; l < w; l++) lane[l] = most ? lane[l + w] > lane[l] || lane[l + w] != lane[l + w] ? lane[l + w] : lane[l] : lane[l] + lane[l + w];
    return lane[0];
}

TW_INLINE VEC FN(load)(const T *p, int64_t m) { return m == STEP ? FN(v_load)(p) : FN(v_load_n)(p, m); }

/* The sum over a row of VALUE(i, m): m elements from i, zeros in further lanes. */
#define SUM(TOTAL, VALUE) \
    do { \
        TOTAL = 0; \
        for (int64_t from = 0; from < n; from += 8192) { \
            const int64_t to = n - from < 8192 ? n : from + 8192; \
            VEC a[SUMS]; \
            for (int j = 0; j < SUMS; j++) a[j] = FN(v_splat)(0); \
            int64_t i = from; \
            for (; i + LANES <= to; i += LANES) \
                _Pragma("GCC unroll 16") for (int j = 0; j < SUMS; j++) a[j] += VALUE(i + j * STEP, STEP); \
            if (i < to) { \
                T rest[LANES] __attribute__((aligned(64))) = {0}; \
                for (int j = 0; i < to; i += STEP, j++) FN(v_store)(rest + j * STEP, to - i >= STEP ? VALUE(i, STEP) : VALUE(i, to - i)); \
                _Pragma("GCC unroll 16") for (int j = 0; j < SUMS; j++) a[j] += FN(v_load)(rest + j * STEP); \
            } \
            TOTAL = TOTAL + FN(fold)(a, false); \
        } \
    } while (0)
/* out = VALUE(i, m): m elements from i. */
#define MAP(VALUE) \
    do { \
        int64_t i = 0; \
        for (; i + STEP <= n; i += STEP) FN(v_store)(out + i, VALUE(i, STEP)); \
        if (i < n) FN(v_store_n)(out + i, VALUE(i, n - i), n - i); \
    } while (0)

static T FN(most)(int64_t n, const T *x) {
    const VEC least = FN(v_splat)((T)-INFINITY);
    VEC a[SUMS];
    for (int j = 0; j < SUMS; j++) a[j] = least;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _Pragma("GCC unroll 16") for (int j = 0; j < SUMS; j++) a[j] = FN(v_maximum)(a[j], FN(v_load)(x + i + j * STEP));
    if (n >= STEP && i < n) { /* the last vector may overlap the one before */
        for (; i + STEP < n; i += STEP) a[0] = FN(v_maximum)(a[0], FN(v_load)(x + i));
        a[0] = FN(v_maximum)(a[0], FN(v_load)(x + n - STEP));
        i = n;
    }
    T most = FN(fold)(a, true);
    for (; i < n; i++) most = x[i] > most || x[i] != x[i] ? x[i] : most;
    return most;
}

/* The first m lanes of v, then zeros. */
TW_INLINE VEC FN(first)(VEC v, int64_t m) {
    T lane[STEP];
    if (m == STEP) return v;
    FN(v_store)(lane, v);
    return FN(v_load_n)(lane, m);
}

static void FN(softmax)(int64_t n, const void *xv, const void *unused, void *outv) {
    const T *x = xv;
    T *out = outv, sum = 0;
    const VEC most = FN(v_splat)(FN(most)(n, x));
    (void)unused;
#define VALUE(i, m) FN(v_exp)(FN(load)(x + (i), m) - most)
    /* exponentials are kept where they are wanted, and summed from there */
    MAP(VALUE);
#undef VALUE
#define VALUE(i, m) FN(load)(out + (i), m)
    SUM(sum, VALUE);
#undef VALUE
    const VEC scale = FN(v_splat)((T)1 / sum);
#define VALUE(i, m) (FN(load)(out + (i), m) * scale)
    MAP(VALUE);
#undef VALUE
}

static void FN(log_softmax)(int64_t n, const void *xv, const void *unused, void *outv) {
    const T *x = xv;
    T *out = outv, sum = 0;
    const VEC most = FN(v_splat)(FN(most)(n, x));
    (void)unused;
#define VALUE(i, m) FN(first)(FN(v_exp)(FN(load)(x + (i), m) - most), m)
    SUM(sum, VALUE);
#undef VALUE
    const VEC log = FN(v_log)(FN(v_splat)(sum));
#define VALUE(i, m) (FN(load)(x + (i), m) - most - log)
    MAP(VALUE);
#undef VALUE
}

static void FN(softmax_grad)(int64_t n, const void *gv, const void *yv, void *outv) {
    const T *g = gv, *y = yv;
    T *out = outv, sum = 0;
#define VALUE(i, m) (FN(load)(g + (i), m) * FN(load)(y + (i), m))
    SUM(sum, VALUE);
#undef VALUE
    const VEC by = FN(v_splat)(sum);
#define VALUE(i, m) ((FN(load)(g + (i), m) - by) * FN(load)(y + (i), m))
    MAP(VALUE);
#undef VALUE
}

static void FN(log_softmax_grad)(int64_t n, const void *gv, const void *yv, void *outv) {
    const T *g = gv, *y = yv;
    T *out = outv, sum = 0;
#define VALUE(i, m) FN(load)(g + (i), m)
    SUM(sum, VALUE);
#undef VALUE
    const VEC by = FN(v_splat)(-sum);
#define VALUE(i, m) FN(v_fma)(FN(v_exp)(FN(load)(y + (i), m)), by, FN(load)(g + (i), m))
    MAP(VALUE);
#undef VALUE
}

#undef SUM
#undef MAP
#undef SUMS
#undef LANES
#undef STEP
#undef VEC
#undef FN
#undef FN2
#undef FN_
#undef S
#undef T
