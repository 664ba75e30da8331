/* Template: rows in T, whose vectors are named by S (f32, f64). */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define VEC_(s) v##s
#define VEC2(s) VEC_(s)
#define V VEC2(S)
#define ONE FN(v_splat)((T)1)
/* m elements: a constant in the loops over whole vectors. */
TW_INLINE V FN(load)(const T *p, int64_t m) { return m == FN(V_LANES) ? FN(v_load)(p) : FN(v_load_n)(p, m); }
TW_INLINE void FN(store)(T *p, V x, int64_t m) {
    if (m == FN(V_LANES)) FN(v_store)(p, x);
    else FN(v_store_n)(p, x, m);
}
#define UNITS(CALL) \
    int64_t i = from; \
    for (; i + FN(V_LANES) <= to; i += FN(V_LANES)) { const int64_t m = FN(V_LANES); CALL; } \
    if (i < to) { const int64_t m = to - i; CALL; }

TW_INLINE void FN(lstm_some)(int64_t n, int64_t i, int64_t m, const T *x, T *g, T *cell, T *hidden) {
    const V in = FN(v_sigmoid)(FN(load)(g + i, m) + FN(load)(x + i, m));
    const V forget = FN(v_sigmoid)(FN(load)(g + n + i, m) + FN(load)(x + n + i, m));
    const V new = FN(v_tanh)(FN(load)(g + 2 * n + i, m) + FN(load)(x + 2 * n + i, m));
    const V out = FN(v_sigmoid)(FN(load)(g + 3 * n + i, m) + FN(load)(x + 3 * n + i, m));
    const V c = forget * FN(load)(cell + i, m) + in * new;
    FN(store)(g + i, in, m);
    FN(store)(g + n + i, forget, m);
    FN(store)(g + 2 * n + i, new, m);
    FN(store)(g + 3 * n + i, out, m);
    FN(store)(cell + i, c, m);
    FN(store)(hidden + i, out * FN(v_tanh)(c), m);
}
static void FN(lstm)(int64_t n, int64_t from, int64_t to, const void *x, void *gates, void *cell, void *hidden) {
    UNITS(FN(lstm_some)(n, i, m, x, gates, cell, hidden))
}

TW_INLINE void FN(lstm_back_some)(int64_t n, int64_t i, int64_t m, const T *g, const T *cell, const T *dh, T *dc, T *d) {
    const V in = FN(load)(g + i, m), forget = FN(load)(g + n + i, m), new = FN(load)(g + 2 * n + i, m), out = FN(load)(g + 3 * n + i, m);
    const V before = FN(load)(cell + i, m), t = FN(v_tanh)(forget * before + in * new), h = FN(load)(dh + i, m);
    const V c = FN(load)(dc + i, m) + h * out * (ONE - t * t);
    FN(store)(d + i, c * new * (in * (ONE - in)), m);
    FN(store)(d + n + i, c * before * (forget * (ONE - forget)), m);
    FN(store)(d + 2 * n + i, c * in * (ONE - new * new), m);
    FN(store)(d + 3 * n + i, h * t * (out * (ONE - out)), m);
    FN(store)(dc + i, c * forget, m);
}
static void FN(lstm_back)(int64_t n, int64_t from, int64_t to, const void *gates, const void *cell, const void *dh, void *dc, void *dsums) {
    UNITS(FN(lstm_back_some)(n, i, m, gates, cell, dh, dc, dsums))
}

TW_INLINE void FN(gru_some)(int64_t n, int64_t i, int64_t m, const T *x, const T *h, T *kept, T *hidden) {
    const V reset = FN(v_sigmoid)(FN(load)(x + i, m) + FN(load)(h + i, m));
    const V update = FN(v_sigmoid)(FN(load)(x + n + i, m) + FN(load)(h + n + i, m)), own = FN(load)(h + 2 * n + i, m);
    const V new = FN(v_tanh)(FN(load)(x + 2 * n + i, m) + reset * own);
    FN(store)(kept + i, reset, m);
    FN(store)(kept + n + i, update, m);
    FN(store)(kept + 2 * n + i, new, m);
    FN(store)(kept + 3 * n + i, own, m);
    FN(store)(hidden + i, (FN(load)(hidden + i, m) - new) * update + new, m);
}
static void FN(gru)(int64_t n, int64_t from, int64_t to, const void *x, const void *h, void *kept, void *hidden) {
    UNITS(FN(gru_some)(n, i, m, x, h, kept, hidden))
}

TW_INLINE void FN(gru_back_some)(int64_t n, int64_t i, int64_t m, const T *kept, const T *hidden, T *dh, T *dx, T *d) {
    const V reset = FN(load)(kept + i, m), update = FN(load)(kept + n + i, m), new = FN(load)(kept + 2 * n + i, m);
    const V own = FN(load)(kept + 3 * n + i, m), h = FN(load)(dh + i, m);
    const V dnew = h * (ONE - update) * (ONE - new * new), dupdate = h * (FN(load)(hidden + i, m) - new) * (update * (ONE - update));
    const V dreset = dnew * own * (reset * (ONE - reset));
    FN(store)(dx + i, dreset, m);
    FN(store)(dx + n + i, dupdate, m);
    FN(store)(dx + 2 * n + i, dnew, m);
    FN(store)(d + i, dreset, m);
    FN(store)(d + n + i, dupdate, m);
    FN(store)(d + 2 * n + i, dnew * reset, m);
    FN(store)(dh + i, h * update, m);
}
static void FN(gru_back)(int64_t n, int64_t from, int64_t to, const void *kept, const void *hidden, void *dh, void *dx, void *dsums) {
    UNITS(FN(gru_back_some)(n, i, m, kept, hidden, dh, dx, dsums))
}

TW_INLINE void FN(plain_some)(int64_t i, int64_t m, bool relu, const T *x, T *sums, T *hidden) {
    const V sum = FN(load)(sums + i, m) + FN(load)(x + i, m), y = relu ? FN(v_relu)(sum) : FN(v_tanh)(sum);
    FN(store)(sums + i, y, m);
    FN(store)(hidden + i, y, m);
}
static void FN(plain)(int64_t from, int64_t to, bool relu, const void *x, void *sums, void *hidden) {
    UNITS(FN(plain_some)(i, m, relu, x, sums, hidden))
}

TW_INLINE void FN(plain_back_some)(int64_t i, int64_t m, bool relu, const T *hidden, const T *dh, T *d) {
    const V y = FN(load)(hidden + i, m), g = FN(load)(dh + i, m), zero = FN(v_splat)((T)0);
    if (relu) FN(store)(d + i, FN(v_select)(FN(v_le)(y, zero), zero, g), m);
    else FN(store)(d + i, g * (ONE - y * y), m);
}
static void FN(plain_back)(int64_t from, int64_t to, bool relu, const void *hidden, const void *dh, void *dsums) {
    UNITS(FN(plain_back_some)(i, m, relu, hidden, dh, dsums))
}

TW_INLINE void FN(add_some)(int64_t i, int64_t m, T *y, const T *x) { FN(store)(y + i, FN(load)(y + i, m) + FN(load)(x + i, m), m); }
static void FN(add)(int64_t from, int64_t to, void *y, const void *x) { UNITS(FN(add_some)(i, m, y, x)) }

#undef FN_
#undef FN2
#undef FN
#undef VEC_
#undef VEC2
#undef V
#undef ONE
#undef UNITS
#undef S
#undef T
