/* Products with a sparse matrix: _coo_mm, its rows with a dense matrix; _coo_dots, a product of dense matrices at some places only;
 * _coo_spgemm, two sparse ones. */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <stdlib.h>

typedef struct spmm {
    const int64_t *rows, *cols;   /* of each stored element */
    const int64_t *start, *order; /* where each row's elements begin; which they are, NULL: in order as they lie */
    const void *values, *dense;   /* of _coo_dots: the left and the right matrix */
    void *out;
    int64_t n;                    /* columns of the dense matrix */
    void (*run)(const struct spmm *w, int64_t begin, int64_t end);
} spmm;

/* Row by row of the result (Gustavson, 1978): the rows of the second matrix that a row of the first names, summed. */
typedef struct spgemm {
    const int64_t *cols, *other_cols, *start, *other_start; /* of the two matrices, whose elements lie in order */
    const void *values, *other_values;
    int64_t m, n, *mark;                                    /* mark[c]: one more than the row that last had something in column c */
    int64_t *to_start, *to_cols;
    void *sums, *to_values;                                 /* sums: a row of the result */
} spgemm;

static int by_number(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The columns of row r, in order; cols NULL: only how many. */
static int64_t row_of(const spgemm *w, int64_t r, int64_t *cols) {
    const int64_t now = cols ? -r - 1 : r + 1; /* other marks than those of the first walk */
    int64_t count = 0;
    for (int64_t e = w->start[r]; e < w->start[r + 1]; e++) {
        const int64_t k = w->cols[e];
        for (int64_t f = w->other_start[k]; f < w->other_start[k + 1]; f++) {
            const int64_t c = w->other_cols[f];
            if (w->mark[c] == now) continue;
            w->mark[c] = now;
            if (cols) cols[count] = c;
            count++;
        }
    }
    if (!cols || count < 2) return count;
    if (count < w->n / 32) {
        qsort(cols, (size_t)count, sizeof *cols, by_number);
        return count;
    }
    for (int64_t c = 0, i = 0; i < count; c++)
        if (w->mark[c] == now) cols[i++] = c;
    return count;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define PLAIN_LOOPS "ops/sparse_plain.h"
#include "ops/plain_types.h"
#define NAME plain_f32
#define T float
#define MUL_ADD(s, x, y) ((s) + (x) * (y))
#include PLAIN_LOOPS
#define NAME plain_f64
#define T double
#define MUL_ADD(s, x, y) ((s) + (x) * (y))
#include PLAIN_LOOPS

typedef void (*spmm_fn)(const spmm *w, int64_t begin, int64_t end);
typedef void (*spgemm_fn)(const spgemm *w);
#define TABLE(fn, kind) \
    static fn kind##_for(tw_dtype d) { \
        switch (d) { \
        case TW_UINT8: case TW_INT8: return plain_u8_##kind; \
        case TW_INT16: return plain_u16_##kind; \
        case TW_INT32: return plain_u32_##kind; \
        case TW_INT64: return plain_u64_##kind; \
        case TW_FLOAT32: return plain_f32_##kind; \
        case TW_FLOAT64: return plain_f64_##kind; \
        case TW_COMPLEX64: return plain_c64_##kind; \
        case TW_COMPLEX128: return plain_c128_##kind; \
        default: return NULL; \
        } \
    }
TABLE(spmm_fn, rows)
TABLE(spmm_fn, dots)
TABLE(spgemm_fn, spgemm)

static void run(void *context, int64_t begin, int64_t end) {
    const spmm *w = context;
    w->run(w, begin, end);
}

static int64_t grain(int64_t work, int64_t pieces) {
    const int64_t each = work / (pieces ? pieces : 1) + 1;
    return each > 32768 ? 1 : 32768 / each;
}

/* Whether every place is within the sizes. */
static bool inside(const int64_t *at, int64_t n, int64_t size) {
    for (int64_t i = 0; i < n; i++)
        if ((uint64_t)at[i] >= (uint64_t)size)
            return tw_fail(TW_RUNTIME_ERROR, "size is inconsistent with indices: size is %lld but found index %lld", (long long)size, (long long)at[i]);
    return true;
}

static bool is_vector(const tw_tensor *t, tw_dtype dtype) { return t->ndim == 1 && t->dtype == (int8_t)dtype; }

/* (rows, cols, values, dense, m): values of a matrix of m rows times a dense one. */
bool tw__coo_mm_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *values = a[2].t, *dense = a[3].t;
    const int64_t sizes[2] = {a[4].i, dense->ndim == 2 ? dense->sizes[1] : 0};
    if (!is_vector(a[0].t, TW_INT64) || !is_vector(a[1].t, TW_INT64) || !is_vector(values, (tw_dtype)dense->dtype) || dense->ndim != 2 ||
        a[0].t->numel != values->numel || a[1].t->numel != values->numel || a[4].i < 0)
        return tw_fail(TW_RUNTIME_ERROR, "_coo_mm: rows, columns and values are vectors of one length, and the dense matrix has the values' dtype");
    if (!rows_for((tw_dtype)dense->dtype))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"addmm_sparse_dense\" not implemented for '%s'", tw_dtypes[dense->dtype].type_name);
    return tw_meta_set(out, (tw_dtype)dense->dtype, dense->device, sizes, 2);
}

/* start[r]: how many elements lie in rows before r. order: the elements row by row, as they lie within one; whether that is as they lie. */
static bool sort_rows(const int64_t *rows, int64_t n, int64_t m, int64_t *start, int64_t *order) {
    bool sorted = true;
    for (int64_t r = 0; r <= m; r++) start[r] = 0;
    for (int64_t i = 0; i < n; i++) {
        start[rows[i]]++;
        sorted &= i == 0 || rows[i - 1] <= rows[i];
    }
    for (int64_t r = 0, sum = 0, count; r <= m; r++, sum += count) {
        count = start[r];
        start[r] = sum;
    }
    if (sorted) return true;
    for (int64_t i = 0; i < n; i++) order[start[rows[i]]++] = i;
    for (int64_t r = m; r > 0; r--) start[r] = start[r - 1];
    start[0] = 0;
    return false;
}

bool tw__coo_mm_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *part[4] = {NULL};
    const int64_t n = a[2].t->numel, m = a[4].i;
    int64_t *start = tw_malloc((size_t)(m + 1 + n) * sizeof *start);
    bool ok = start != NULL;
    for (int i = 0; ok && i < 4; i++) ok = (part[i] = tw_contiguous_new(a[i].t, TW_DTYPE_NONE)) != NULL;
    if (ok && outs[0]->numel > 0) {
        spmm w = {.rows = tw_data(part[0]), .cols = tw_data(part[1]), .values = tw_data(part[2]), .dense = tw_data(part[3]), .start = start,
                  .out = tw_data(outs[0]), .n = outs[0]->sizes[1], .run = rows_for((tw_dtype)outs[0]->dtype)};
        ok = inside(w.rows, n, m) && inside(w.cols, n, part[3]->sizes[0]);
        if (ok && !sort_rows(w.rows, n, m, start, start + m + 1)) w.order = start + m + 1;
        if (ok) tw_parallel(m, grain((n + m) * w.n, m), run, &w);
    }
    for (int i = 0; i < 4; i++) tw_release(part[i]);
    tw_free(start);
    return ok;
}

/* (rows, cols, left, right): for each place the product of a row of left and a row of right. */
bool tw__coo_dots_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *left = a[2].t, *right = a[3].t;
    if (!is_vector(a[0].t, TW_INT64) || !is_vector(a[1].t, TW_INT64) || a[0].t->numel != a[1].t->numel || left->ndim != 2 || right->ndim != 2 ||
        left->sizes[1] != right->sizes[1] || left->dtype != right->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "_coo_dots: rows and columns are vectors of one length, the matrices have as many columns");
    if (!dots_for((tw_dtype)left->dtype))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"sampled_addmm\" not implemented for '%s'", tw_dtypes[left->dtype].type_name);
    return tw_meta_set(out, (tw_dtype)left->dtype, left->device, a[0].t->sizes, 1);
}

bool tw__coo_dots_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *part[4] = {NULL};
    bool ok = true;
    for (int i = 0; ok && i < 4; i++) ok = (part[i] = tw_contiguous_new(a[i].t, TW_DTYPE_NONE)) != NULL;
    if (ok && outs[0]->numel > 0) {
        const int64_t n = outs[0]->numel;
        spmm w = {.rows = tw_data(part[0]), .cols = tw_data(part[1]), .values = tw_data(part[2]), .dense = tw_data(part[3]),
                  .out = tw_data(outs[0]), .n = part[2]->sizes[1], .run = dots_for((tw_dtype)outs[0]->dtype)};
        ok = inside(w.rows, n, part[2]->sizes[0]) && inside(w.cols, n, part[3]->sizes[0]);
        if (ok) tw_parallel(n, grain(n * w.n, n), run, &w);
    }
    for (int i = 0; i < 4; i++) tw_release(part[i]);
    return ok;
}

/* Whether (row, column) pairs are within the sizes and in order; where each row begins, tw_malloc-ed, else NULL and an error. */
static int64_t *starts_of(const int64_t *rows, const int64_t *cols, int64_t n, int64_t m, int64_t width) {
    if (!inside(rows, n, m) || !inside(cols, n, width)) return NULL;
    for (int64_t i = 1; i < n; i++)
        if (rows[i - 1] > rows[i]) return tw_fail(TW_RUNTIME_ERROR, "_coo_spgemm: the matrices must be coalesced"), NULL;
    int64_t *start = tw_calloc((size_t)m + 1, sizeof *start);
    for (int64_t i = 0; start && i < n; i++) start[rows[i] + 1]++;
    for (int64_t r = 0; start && r < m; r++) start[r + 1] += start[r];
    return start;
}

static bool is_matrix(const tw_tensor *indices, const tw_tensor *values) {
    return indices->ndim == 2 && indices->dtype == TW_INT64 && indices->sizes[0] == 2 && values->ndim == 1 && values->numel == indices->sizes[1];
}

/* (indices, values, other_indices, other_values, m, k, n): of two coalesced matrices, (m, k) and (k, n), the indices and values of the product */
bool tw__coo_spgemm_run(const tw_arg *a, tw_tensor **outs) {
    const int64_t m = a[4].i, k = a[5].i, n = a[6].i;
    tw_tensor *part[4] = {NULL};
    int64_t *start = NULL, *other = NULL, *to = NULL, *mark = NULL;
    void *sums = NULL;
    bool ok = false;
    if (!is_matrix(a[0].t, a[1].t) || !is_matrix(a[2].t, a[3].t) || a[1].t->dtype != a[3].t->dtype || m < 0 || k < 0 || n < 0)
        return tw_fail(TW_RUNTIME_ERROR, "_coo_spgemm: expected indices and values of two matrices of one dtype");
    const tw_dtype dtype = (tw_dtype)a[1].t->dtype;
    const spgemm_fn run_rows = spgemm_for(dtype);
    if (!run_rows) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"sparse_matmul\" not implemented for '%s'", tw_dtypes[dtype].type_name);
    for (int i = 0; i < 4; i++)
        if (!(part[i] = tw_contiguous_new(a[i].t, TW_DTYPE_NONE))) goto done;
    const int64_t x = part[1]->numel, y = part[3]->numel, none = 0, *at = x ? tw_data(part[0]) : &none, *there = y ? tw_data(part[2]) : &none;
    if (!(start = starts_of(at, at + x, x, m, k)) || !(other = starts_of(there, there + y, y, k, n)) ||
        !(to = tw_calloc((size_t)m + 1, sizeof *to)) || !(mark = tw_calloc((size_t)n + 1, sizeof *mark)) ||
        !(sums = tw_malloc((size_t)(n + 1) * tw_dtypes[dtype].size))) goto done;
    spgemm w = {.cols = at + x, .other_cols = there + y, .start = start, .other_start = other, .values = x ? tw_data(part[1]) : NULL,
                .other_values = y ? tw_data(part[3]) : NULL, .m = m, .n = n, .mark = mark, .to_start = to, .sums = sums};
    for (int64_t r = 0; r < m; r++) to[r + 1] = to[r] + row_of(&w, r, NULL);
    const int64_t sizes[2] = {2, to[m]};
    if (!(outs[0] = tw_empty_new(sizes, 2, TW_INT64, TW_CPU)) || !(outs[1] = tw_empty_new(&to[m], 1, dtype, TW_CPU))) goto done;
    if (to[m]) {
        int64_t *rows = tw_data(outs[0]);
        w.to_cols = rows + to[m];
        w.to_values = tw_data(outs[1]);
        for (int64_t r = 0; r < m; r++)
            for (int64_t i = to[r]; i < to[r + 1]; i++) rows[i] = r;
        run_rows(&w);
    }
    ok = true;
done:
    for (int i = 0; i < 4; i++) tw_release(part[i]);
    tw_free(start);
    tw_free(other);
    tw_free(to);
    tw_free(mark);
    tw_free(sums);
    return ok;
}
