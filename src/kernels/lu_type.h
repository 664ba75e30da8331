/* Template: steps of LU for one element type T, with suffix S. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define VEC TW_PASTE(v, S)
#define STEP FN(V_LANES)

/* y -= s x */
TW_INLINE void FN(take_away)(int64_t n, T s, const T *x, T *y) {
    const VEC by = FN(v_splat)(-s);
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) FN(v_store)(y + i, FN(v_fma)(by, FN(v_load)(x + i), FN(v_load)(y + i)));
    if (i < n) FN(v_store_n)(y + i, FN(v_fma)(by, FN(v_load_n)(x + i, n - i), FN(v_load_n)(y + i, n - i)), n - i);
}

/* Where the largest magnitude stands, the first of equal ones; NaN counts only in the first place. */
TW_INLINE int64_t FN(largest)(int64_t n, const T *x) {
    VEC most = FN(v_splat)(0);
    T lane[STEP], best = 0;
    int64_t i = 0;
    if (x[0] != x[0]) return 0;
    for (; i + STEP <= n; i += STEP) {
        const VEC a = FN(v_abs)(FN(v_load)(x + i));
        most = FN(v_select)(FN(v_gt)(a, most), a, most);
    }
    FN(v_store)(lane, most);
    for (int l = 0; l < STEP; l++) best = lane[l] > best ? lane[l] : best;
    for (; i < n; i++) best = x[i] > best ? x[i] : -x[i] > best ? -x[i] : best;
    for (i = 0; i < n; i++)
        if (x[i] == best || -x[i] == best) return i;
    return 0; /* unreached: best is among them, or all are zero */
}

static int64_t FN(panel)(int64_t m, int64_t n, void *av, int64_t lead, int32_t *pivots) {
    T *a = av;
    int64_t info = 0;
    for (int64_t j = 0; j < n && j < m; j++) {
        T *column = a + j * lead;
        const int64_t p = j + FN(largest)(m - j, column + j);
        pivots[j] = (int32_t)(p + 1);
        if (column[p] == 0) {
            if (!info) info = j + 1;
            continue; /* below it are zeros only */
        }
        if (p != j)
            for (int64_t c = 0; c < n; c++) {
                const T kept = a[j + c * lead];
                a[j + c * lead] = a[p + c * lead];
                a[p + c * lead] = kept;
            }
        const T pivot = column[j];
        for (int64_t i = j + 1; i < m; i++) column[i] /= pivot;
        for (int64_t c = j + 1; c < n; c++) FN(take_away)(m - j - 1, a[j + c * lead], column + j + 1, a + c * lead + j + 1);
    }
    return info;
}

static void FN(swap)(int64_t columns, void *av, int64_t lead, int64_t first, int64_t last, const int32_t *pivots, bool back) {
    for (int64_t c = 0; c < columns; c++) {
        T *a = (T *)av + c * lead;
        for (int64_t k = first; k < last; k++) {
            const int64_t i = back ? last - 1 - (k - first) : k, p = pivots[i] - 1;
            const T kept = a[i];
            a[i] = a[p];
            a[p] = kept;
        }
    }
}

/* Right sides lie across vectors meanwhile. */
static void FN(substitute)(int64_t n, int64_t columns, const void *tv, int64_t row, int64_t column, bool lower, bool unit, void *bv, int64_t lead) {
    const T *t = tv;
    T *b = bv, x[TW_LU_BLOCK][TW_LU_COLUMNS] __attribute__((aligned(64)));
    for (int64_t c = 0; c < TW_LU_COLUMNS; c++)
        for (int64_t i = 0; i < n; i++) x[i][c] = c < columns ? b[i + c * lead] : 0;
    for (int64_t k = 0; k < n; k++) {
        const int64_t j = lower ? k : n - 1 - k, from = lower ? j + 1 : 0, to = lower ? n : j;
        VEC own[TW_LU_COLUMNS / STEP];
        for (int v = 0; v < TW_LU_COLUMNS / STEP; v++) own[v] = FN(v_load)(x[j] + v * STEP);
        if (!unit) {
            const VEC by = FN(v_splat)(t[j * row + j * column]);
            for (int v = 0; v < TW_LU_COLUMNS / STEP; v++) FN(v_store)(x[j] + v * STEP, own[v] /= by);
        }
        for (int64_t i = from; i < to; i++) {
            const VEC s = FN(v_splat)(-t[i * row + j * column]);
            for (int v = 0; v < TW_LU_COLUMNS / STEP; v++) FN(v_store)(x[i] + v * STEP, FN(v_fma)(s, own[v], FN(v_load)(x[i] + v * STEP)));
        }
    }
    for (int64_t c = 0; c < columns; c++)
        for (int64_t i = 0; i < n; i++) b[i + c * lead] = x[i][c];
}

/* Rows lie across vectors meanwhile. */
static int64_t FN(cholesky)(int64_t n, void *av, int64_t lead) {
    T *a = av, u[TW_LU_BLOCK][TW_LU_BLOCK] __attribute__((aligned(64)));
    for (int64_t c = 0; c < TW_LU_BLOCK; c++)
        for (int64_t i = 0; i < n; i++) u[i][c] = c < n && i <= c ? a[i + c * lead] : 0;
    for (int64_t j = 0; j < n; j++) {
        if (!(u[j][j] > 0)) return j + 1;
        const T root = FN(square_root)(u[j][j]);
        const VEC by = FN(v_splat)(root);
        for (int64_t c = j / STEP * STEP; c < TW_LU_BLOCK; c += STEP) FN(v_store)(u[j] + c, FN(v_load)(u[j] + c) / by);
        u[j][j] = root;
        for (int64_t i = j + 1; i < n; i++) {
            const VEC s = FN(v_splat)(-u[j][i]);
            for (int64_t c = i / STEP * STEP; c < TW_LU_BLOCK; c += STEP)
                FN(v_store)(u[i] + c, FN(v_fma)(s, FN(v_load)(u[j] + c), FN(v_load)(u[i] + c)));
        }
    }
    for (int64_t c = 0; c < n; c++)
        for (int64_t i = 0; i <= c; i++) a[i + c * lead] = u[i][c];
    return 0;
}

#undef STEP
#undef VEC
#undef FN
#undef FN2
#undef FN_
#undef S
#undef T
