/* Products with a sparse matrix: _coo_mm, its rows with a dense matrix; _coo_dots, a product of dense matrices at some places only. */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops_decl.h"

typedef struct spmm {
    const int64_t *rows, *cols;   /* of each stored element */
    const int64_t *start, *order; /* where each row's elements begin; which they are, NULL: in order as they lie */
    const void *values, *dense;   /* of _coo_dots: the left and the right matrix */
    void *out;
    int64_t n;                    /* columns of the dense matrix */
    void (*run)(const struct spmm *w, int64_t begin, int64_t end);
} spmm;

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
#define TABLE(kind) \
    static spmm_fn kind##_for(tw_dtype d) { \
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
TABLE(rows)
TABLE(dots)

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
