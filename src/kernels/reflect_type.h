/* Template: reflections for one element type T, with suffix S. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define VEC TW_PASTE(v, S)
#define STEP FN(V_LANES)

enum { FN(LANES) = 128 / (int)sizeof(T), FN(PARTS) = 128 / V_BYTES, FN(SIDE) = V_BYTES == 64 ? 4 : 2 };

TW_INLINE T FN(folded)(const VEC *acc) {
    T lane[FN(LANES)];
    for (int p = 0; p < FN(PARTS); p++) FN(v_store)(lane + p * STEP, acc[p]);
    for (int w = FN(LANES) / 2; w > 0; w /= 2)
        for (int l = 0; l < w; l++) lane[l] += lane[l + w];
    return lane[0];
}

/* The dot products of `columns` columns at once. The last run is filled with zeros. */
TW_INLINE void FN(dots_of)(int64_t m, int columns, const T *a, int64_t lead, const T *x, T *to) {
    VEC acc[FN(SIDE)][FN(PARTS)];
    int64_t i = 0;
    _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {
        _Pragma("GCC unroll 8") for (int p = 0; p < FN(PARTS); p++) acc[c][p] = FN(v_splat)(0);
    }
    for (; i + FN(LANES) <= m; i += FN(LANES)) {
        _Pragma("GCC unroll 8") for (int p = 0; p < FN(PARTS); p++) {
            const VEC by = FN(v_load)(x + i + p * STEP);
            _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++)
                acc[c][p] = FN(v_fma)(FN(v_load)(a + c * lead + i + p * STEP), by, acc[c][p]);
        }
    }
    if (i < m) {
        _Pragma("GCC unroll 8") for (int p = 0; p < FN(PARTS); p++) {
            const int64_t left = m - i - p * STEP, n = left < 0 ? 0 : left < STEP ? left : STEP, at = n ? i + p * STEP : 0;
            const VEC by = FN(v_load_n)(x + at, n);
            _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) acc[c][p] = FN(v_fma)(FN(v_load_n)(a + c * lead + at, n), by, acc[c][p]);
        }
    }
    for (int c = 0; c < columns; c++) to[c] = FN(folded)(acc[c]);
}

static void FN(dots)(int64_t m, int64_t columns, const void *av, int64_t lead, const void *x, void *to) {
    const T *a = av;
    int64_t c = 0;
    for (; c + FN(SIDE) <= columns; c += FN(SIDE)) FN(dots_of)(m, FN(SIDE), a + c * lead, lead, x, (T *)to + c);
    for (; c < columns; c++) FN(dots_of)(m, 1, a + c * lead, lead, x, (T *)to + c);
}

TW_INLINE VEC FN(column_sum)(int columns, const T *a, int64_t lead, const T *x, int64_t i, int64_t n, VEC sum) {
    _Pragma("GCC unroll 8") for (int c = 0; c < columns; c++) {
        const T *from = a + c * lead + i;
        sum = FN(v_fma)(FN(v_splat)(x[c]), n == STEP ? FN(v_load)(from) : FN(v_load_n)(from, n), sum);
    }
    return sum;
}

/* Two vectors at a time, so that their sums go side by side. */
TW_INLINE void FN(combine_of)(int64_t m, int columns, const T *a, int64_t lead, const T *x, T *y) {
    int64_t i = 0;
    for (; i + 2 * STEP <= m; i += 2 * STEP) {
        const VEC one = FN(column_sum)(columns, a, lead, x, i, STEP, FN(v_load)(y + i));
        const VEC two = FN(column_sum)(columns, a, lead, x, i + STEP, STEP, FN(v_load)(y + i + STEP));
        FN(v_store)(y + i, one);
        FN(v_store)(y + i + STEP, two);
    }
    for (; i + STEP <= m; i += STEP) FN(v_store)(y + i, FN(column_sum)(columns, a, lead, x, i, STEP, FN(v_load)(y + i)));
    if (i < m) FN(v_store_n)(y + i, FN(column_sum)(columns, a, lead, x, i, m - i, FN(v_load_n)(y + i, m - i)), m - i);
}

static void FN(combine)(int64_t m, int64_t columns, const void *av, int64_t lead, const void *xv, void *y) {
    const T *a = av, *x = xv;
    int64_t c = 0;
    for (; c + 8 <= columns; c += 8) FN(combine_of)(m, 8, a + c * lead, lead, x + c, y);
    for (; c < columns; c++) FN(combine_of)(m, 1, a + c * lead, lead, x + c, y);
}

/* Columns times x, each added to its place of `sums`, and y += the columns times `by`: each element is read once. */
TW_INLINE void FN(both_ways)(int64_t m, int columns, const T *a, int64_t lead, const T *x, const T *by, T *y, T *sums) {
    VEC acc[4][FN(PARTS)], factor[4];
    int64_t i = 0;
    _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {
        factor[c] = FN(v_splat)(by[c]);
        _Pragma("GCC unroll 8") for (int p = 0; p < FN(PARTS); p++) acc[c][p] = FN(v_splat)(0);
    }
    for (; i + FN(LANES) <= m; i += FN(LANES)) {
        _Pragma("GCC unroll 8") for (int p = 0; p < FN(PARTS); p++) {
            const int64_t at = i + p * STEP;
            const VEC with = FN(v_load)(x + at);
            VEC sum = FN(v_load)(y + at);
            _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {
                const VEC v = FN(v_load)(a + c * lead + at);
                acc[c][p] = FN(v_fma)(v, with, acc[c][p]);
                sum = FN(v_fma)(v, factor[c], sum);
            }
            FN(v_store)(y + at, sum);
        }
    }
    if (i < m) {
        _Pragma("GCC unroll 8") for (int p = 0; p < FN(PARTS); p++) {
            const int64_t left = m - i - p * STEP, n = left < 0 ? 0 : left < STEP ? left : STEP, at = n ? i + p * STEP : 0;
            const VEC with = FN(v_load_n)(x + at, n);
            VEC sum = FN(v_load_n)(y + at, n);
            _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {
                const VEC v = FN(v_load_n)(a + c * lead + at, n);
                acc[c][p] = FN(v_fma)(v, with, acc[c][p]);
                sum = FN(v_fma)(v, factor[c], sum);
            }
            FN(v_store_n)(y + at, sum, n);
        }
    }
    for (int c = 0; c < columns; c++) sums[c] += FN(folded)(acc[c]);
}

/* Four columns at a time on every instruction set, as what is left of their triangle is summed by itself. */
static void FN(half_product)(int64_t m, int64_t columns, const void *av, int64_t lead, const void *xv, void *yv) {
    const T *x = xv;
    T *y = yv;
    memset(y, 0, (size_t)m * sizeof(T));
    for (int64_t j = 0; j < columns; j += 4) {
        const T *a = (const T *)av + j * lead, *below = a + j + 4;
        const int64_t now = columns - j < 4 ? columns - j : 4, rows = m - j - 4;
        for (int64_t c = 0; c < now; c++) {
            y[j + c] += a[c * lead + j + c] * x[j + c];
            for (int64_t r = c + 1; r < 4 && j + r < m; r++) {
                y[j + c] += a[c * lead + j + r] * x[j + r];
                y[j + r] += a[c * lead + j + r] * x[j + c];
            }
        }
        if (rows <= 0) continue;
        if (now < 4) {
            for (int64_t c = 0; c < now; c++) FN(both_ways)(rows, 1, below + c * lead, lead, x + j + 4, x + j + c, y + j + 4, y + j + c);
        } else if (FN(SIDE) == 4) {
            FN(both_ways)(rows, 4, below, lead, x + j + 4, x + j, y + j + 4, y + j);
        } else {
            FN(both_ways)(rows, 2, below, lead, x + j + 4, x + j, y + j + 4, y + j);
            FN(both_ways)(rows, 2, below + 2 * lead, lead, x + j + 4, x + j + 2, y + j + 4, y + j + 2);
        }
    }
}

TW_INLINE void FN(take_outer_of)(int64_t m, int columns, T *a, int64_t lead, const T *x, const T *w) {
    int64_t i = 0;
    for (; i + STEP <= m; i += STEP) {
        const VEC by = FN(v_load)(x + i);
        _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {
            T *to = a + c * lead + i;
            FN(v_store)(to, FN(v_fma)(FN(v_splat)(-w[c]), by, FN(v_load)(to)));
        }
    }
    if (i < m) {
        const VEC by = FN(v_load_n)(x + i, m - i);
        for (int c = 0; c < columns; c++) {
            T *to = a + c * lead + i;
            FN(v_store_n)(to, FN(v_fma)(FN(v_splat)(-w[c]), by, FN(v_load_n)(to, m - i)), m - i);
        }
    }
}

static void FN(take_outer)(int64_t m, int64_t columns, void *av, int64_t lead, const void *x, const void *wv) {
    T *a = av;
    const T *w = wv;
    int64_t c = 0;
    for (; c + 4 <= columns; c += 4) FN(take_outer_of)(m, 4, a + c * lead, lead, x, w + c);
    for (; c < columns; c++) FN(take_outer_of)(m, 1, a + c * lead, lead, x, w + c);
}

#undef STEP
#undef VEC
#undef FN
#undef FN2
#undef FN_
#undef S
#undef T
