/* Template: products with a sparse matrix in T, one row of the result or one stored element at a time, so that neither order nor bits
 * depend on threads. MUL_ADD(s, x, y) is s + x * y, rounded in between. */
static void JOIN(NAME, _rows)(const spmm *w, int64_t begin, int64_t end) {
    const T *values = w->values, *dense = w->dense;
    for (int64_t r = begin; r < end; r++) {
        T *to = (T *)w->out + r * w->n;
        for (int64_t j = 0; j < w->n; j++) to[j] = 0;
        for (int64_t e = w->start[r]; e < w->start[r + 1]; e++) {
            const int64_t at = w->order ? w->order[e] : e;
            const T x = values[at], *from = dense + w->cols[at] * w->n;
            for (int64_t j = 0; j < w->n; j++) to[j] = MUL_ADD(to[j], x, from[j]);
        }
    }
}
static void JOIN(NAME, _dots)(const spmm *w, int64_t begin, int64_t end) {
    const T *left = w->values, *right = w->dense;
    for (int64_t e = begin; e < end; e++) {
        const T *x = left + w->rows[e] * w->n, *y = right + w->cols[e] * w->n;
        T lane[4] = {0, 0, 0, 0};
        int64_t j = 0;
        for (; j + 4 <= w->n; j += 4)
            for (int l = 0; l < 4; l++) lane[l] = MUL_ADD(lane[l], x[j + l], y[j + l]);
        for (; j < w->n; j++) lane[0] = MUL_ADD(lane[0], x[j], y[j]);
        ((T *)w->out)[e] = (T)((T)(lane[0] + lane[1]) + (T)(lane[2] + lane[3]));
    }
}
static void JOIN(NAME, _spgemm)(const spgemm *w) {
    const T *left = w->values, *right = w->other_values;
    T *sum = w->sums, *to = w->to_values;
    for (int64_t r = 0; r < w->m; r++) {
        int64_t *cols = w->to_cols + w->to_start[r];
        const int64_t count = row_of(w, r, cols);
        for (int64_t i = 0; i < count; i++) sum[cols[i]] = 0;
        for (int64_t e = w->start[r]; e < w->start[r + 1]; e++) {
            const int64_t k = w->cols[e];
            for (int64_t f = w->other_start[k]; f < w->other_start[k + 1]; f++)
                sum[w->other_cols[f]] = MUL_ADD(sum[w->other_cols[f]], left[e], right[f]);
        }
        for (int64_t i = 0; i < count; i++) to[w->to_start[r] + i] = sum[cols[i]];
    }
}
#undef NAME
#undef T
#undef MUL_ADD
