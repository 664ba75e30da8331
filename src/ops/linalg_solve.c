/* Factorisations and solvers: Cholesky, LU, inverse, systems of equations. LU of real matrices is our own (lu.c); the rest is LAPACK's. */
#include "core/threads.h"
#include "ops/linalg_solve.h"
#include "ops/lu.h"
#include "ops_decl.h"
#include <stdio.h>
#include <string.h>

/* --- shared --------------------------------------------------------------------------------------------------------------- */

bool tw_check_matrix(const char *op, const tw_tensor *t, const char *name) {
    return t->ndim >= 2 || tw_fail(TW_RUNTIME_ERROR, "%s: The input tensor %s must have at least 2 dimensions.", op, name);
}

bool tw_check_square(const char *op, const tw_tensor *t, const char *name) {
    if (!tw_check_matrix(op, t, name)) return false;
    return tw_rows(t) == tw_columns(t) || tw_fail(TW_RUNTIME_ERROR, "%s: %s must be batches of square matrices, but they are %lld by %lld matrices",
                                                  op, name, (long long)tw_rows(t), (long long)tw_columns(t));
}

bool tw_check_lapack_dtype(const char *op, const tw_tensor *t) {
    const tw_dtype d = (tw_dtype)t->dtype;
    if (!tw_is_float(d) && !tw_is_complex(d))
        return tw_fail(TW_RUNTIME_ERROR, "%s: Expected a floating point or complex tensor as input. Got %s", op, tw_dtypes[d].type_name);
    if (d == TW_FLOAT32 || d == TW_FLOAT64 || d == TW_COMPLEX64 || d == TW_COMPLEX128) return true;
    return tw_fail(TW_RUNTIME_ERROR, "%s: Low precision dtypes not supported. Got %s", op, tw_dtypes[d].type_name);
}

int64_t tw_matrices(const tw_tensor *t) {
    int64_t n = 1;
    for (int d = 0; d + 2 < t->ndim; d++) n *= t->sizes[d];
    return n;
}

bool tw_matrix_meta(tw_meta *m, const tw_tensor *t, tw_dtype dtype, int64_t rows, int64_t columns) {
    int64_t sizes[TW_MAX_DIMS];
    const int n = t->ndim;
    memcpy(sizes, t->sizes, sizeof(int64_t) * (size_t)n);
    sizes[n - 2] = rows;
    sizes[n - 1] = columns;
    if (!tw_meta_set(m, dtype, t->device, sizes, n)) return false;
    m->strides[n - 2] = 1;
    m->strides[n - 1] = tw_at_least_one(rows);
    return true;
}

bool tw_vector_meta(tw_meta *m, const tw_tensor *t, tw_dtype dtype, int64_t n) {
    int64_t sizes[TW_MAX_DIMS];
    memcpy(sizes, t->sizes, sizeof(int64_t) * (size_t)t->ndim);
    sizes[t->ndim - 2] = n;
    return tw_meta_set(m, dtype, t->device, sizes, t->ndim - 1);
}

bool tw_number_meta(tw_meta *m, const tw_tensor *t, tw_dtype dtype) { return tw_meta_set(m, dtype, t->device, t->sizes, t->ndim - 2); }

tw_tensor *tw_column_major_new(tw_tensor *t) {
    tw_meta m;
    if (!tw_matrix_meta(&m, t, (tw_dtype)t->dtype, tw_rows(t), tw_columns(t))) return NULL;
    tw_tensor *out = tw_empty_strided_new(m.sizes, m.strides, m.ndim, (tw_dtype)m.dtype, m.device);
    if (out && tw_copy(out, t)) return out;
    tw_release(out);
    return NULL;
}

int tw_work_size(const void *work, tw_dtype dtype) {
    const double n = tw_load_scalar(work, dtype).re;
    return n < 1 ? 1 : (int)n;
}

const char *tw_batch_text(const tw_tensor *t, int64_t b, char *buffer, size_t size) {
    if (t->ndim <= 2) return "";
    snprintf(buffer, size, "(Batch element %lld): ", (long long)b);
    return buffer;
}

/* info of each matrix as an int32 tensor; the first failure is an error when asked for. */
static bool report(const char *op, const char *text, const tw_tensor *of, const tw_tensor *info, bool check) {
    const int32_t *code = info->numel ? tw_data(info) : NULL;
    for (int64_t b = 0; check && b < info->numel; b++) {
        if (code[b] == 0) continue;
        char buffer[48], number[16];
        const char *mark = strstr(text, "%d"), *batch = tw_batch_text(of, b, buffer, sizeof buffer);
        if (!mark) return tw_fail(TW_LINALG_ERROR, "%s: %s%s", op, batch, text);
        snprintf(number, sizeof number, "%d", code[b]);
        return tw_fail(TW_LINALG_ERROR, "%s: %s%.*s%s%s", op, batch, (int)(mark - text), text, number, mark + 2);
    }
    return true;
}

/* --- Cholesky ---------------------------------------------------------------------------------------------------------------- */

/* (self, upper, check_errors) -> (L, info) */
bool tw_linalg_cholesky_ex_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *self = a[0].t;
    if (!tw_check_square("linalg.cholesky", self, "A") || !tw_check_lapack_dtype("linalg.cholesky", self)) return false;
    return tw_matrix_meta(&outs[0], self, (tw_dtype)self->dtype, tw_rows(self), tw_rows(self)) && tw_number_meta(&outs[1], self, TW_INT32);
}

/* Zeroes what lies above (or, `upper`, below) the diagonal. */
static void keep_triangle(char *m, int64_t n, size_t bytes, bool upper) {
    for (int64_t c = 0; c < n; c++) {
        char *column = m + (size_t)(c * n) * bytes;
        if (upper) memset(column + (size_t)(c + 1) * bytes, 0, (size_t)(n - c - 1) * bytes);
        else memset(column, 0, (size_t)c * bytes);
    }
}

typedef struct factoring { tw_dtype dtype; int64_t n; tw_tensor *work; int32_t *info; } factoring;

static bool factor_matrices(void *context, int64_t begin, int64_t end) {
    const factoring *f = context;
    for (int64_t b = begin; b < end; b++) {
        char *m = tw_matrix_at(f->work, b, f->n * f->n);
        if (!tw_cholesky_factor(f->dtype, f->n, m, f->n, &f->info[b])) return false;
        keep_triangle(m, f->n, tw_dtype_size(f->dtype), true);
    }
    return true;
}

/* By lu.c, which takes the upper triangle of column-major matrices: where the lower one is wanted, that of the matrix in row-major order. */
static bool real_cholesky(tw_tensor *self, tw_tensor *out, bool upper, int32_t *info) {
    tw_tensor *turned = upper ? NULL : tw_clone_new(self, (tw_dtype)self->dtype, TW_CONTIGUOUS_FORMAT);
    factoring f = {(tw_dtype)self->dtype, tw_rows(self), upper ? out : turned, info};
    const int64_t grain = 1 + 100000 / (f.n * f.n * f.n + 1);
    bool ok = upper ? tw_copy(out, self) : turned != NULL;
    ok = ok && tw_try_parallel(tw_matrices(self), grain, factor_matrices, &f) && (upper || tw_copy(out, turned));
    tw_release(turned);
    return ok;
}

static bool complex_cholesky(tw_tensor *self, tw_tensor *out, bool upper, int32_t *info) {
    const tw_dtype dtype = (tw_dtype)self->dtype;
    const int n = (int)tw_rows(self), lead = tw_at_least_one(n);
    tw_lapack_fn potrf = tw_lapack("linalg.cholesky", "potrf", NULL, dtype);
    if (!potrf || !tw_copy(out, self)) return false;
    for (int64_t b = 0; b < tw_matrices(self); b++) {
        void *m = tw_matrix_at(out, b, (int64_t)n * n);
        int code = 0;
        potrf(upper ? "U" : "L", &n, m, &lead, &code, (size_t)1);
        keep_triangle(m, n, tw_dtype_size(dtype), upper);
        info[b] = code;
    }
    return true;
}

bool tw_linalg_cholesky_ex_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t;
    int32_t *info = outs[1]->numel ? tw_data(outs[1]) : NULL;
    if (outs[0]->numel == 0) {
        for (int64_t b = 0; b < outs[1]->numel; b++) info[b] = 0;
    } else if (!(tw_lu_takes((tw_dtype)self->dtype) ? real_cholesky : complex_cholesky)(self, outs[0], a[1].i != 0, info)) {
        return false;
    }
    return report("linalg.cholesky", "The factorization could not be completed because the input is not positive-definite (the leading minor "
                  "of order %d is not positive-definite).", self, outs[1], a[2].i != 0);
}

/* (self B, input2 L, upper): A X = B by the Cholesky factor of A; batches broadcast before. */
bool tw__cholesky_solve_meta(const tw_arg *a, tw_meta *out) {
    if (!tw_check_lapack_dtype("cholesky_solve", a[0].t)) return false;
    return tw_matrix_meta(out, a[0].t, (tw_dtype)a[0].t->dtype, tw_rows(a[0].t), tw_columns(a[0].t));
}

bool tw__cholesky_solve_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *out = outs[0], *factor = tw_column_major_new(a[1].t);
    const tw_dtype dtype = (tw_dtype)out->dtype;
    const bool upper = a[2].i != 0, ours = tw_lu_takes(dtype);
    const int n = (int)tw_rows(out), columns = (int)tw_columns(out), lead = tw_at_least_one(n);
    tw_lapack_fn potrs = ours ? NULL : tw_lapack("cholesky_solve", "potrs", NULL, dtype);
    bool ok = factor && (ours || potrs) && tw_copy(out, a[0].t);
    for (int64_t b = 0; ok && n && columns && b < tw_matrices(out); b++) {
        const void *t = tw_matrix_at(factor, b, (int64_t)n * n);
        void *x = tw_matrix_at(out, b, (int64_t)n * columns);
        int info = 0;
        if (!ours) potrs(upper ? "U" : "L", &n, &columns, t, &lead, x, &lead, &info, (size_t)1);
        else ok = tw_triangle_solve(dtype, true, false, n, columns, t, upper ? n : 1, upper ? 1 : n, x, n) && /* L, or U^T; then its transpose */
                  tw_triangle_solve(dtype, false, false, n, columns, t, upper ? 1 : n, upper ? n : 1, x, n);
    }
    tw_release(factor);
    return ok;
}

/* One matrix at a time, real ones by lu.c; the routines of LAPACK are looked for when the first complex one comes. */
typedef struct lu_calls {
    const char *op;
    tw_dtype dtype;
    tw_lapack_fn getrf, getrs;
} lu_calls;

static bool lu_factor(lu_calls *f, int m, int n, void *a, int lead, int32_t *pivots, int32_t *info) {
    *info = 0;
    if (m == 0 || n == 0) return true;
    if (tw_lu_takes(f->dtype)) return tw_plu_factor(f->dtype, m, n, a, lead, pivots, info);
    if (!f->getrf && !(f->getrf = tw_lapack(f->op, "getrf", NULL, f->dtype))) return false;
    f->getrf(&m, &n, a, &lead, pivots, info);
    return true;
}

static bool lu_solve(lu_calls *f, bool adjoint, int n, int columns, const void *lu, int lead, const int32_t *pivots, void *b) {
    int ignored = 0;
    if (n == 0 || columns == 0) return true;
    if (tw_lu_takes(f->dtype)) return tw_plu_solve(f->dtype, adjoint, n, columns, lu, lead, pivots, b, lead);
    if (!f->getrs && !(f->getrs = tw_lapack(f->op, "getrs", NULL, f->dtype))) return false;
    f->getrs(adjoint ? "C" : "N", &n, &columns, lu, &lead, pivots, b, &lead, &ignored, (size_t)1);
    return true;
}

/* --- LU ------------------------------------------------------------------------------------------------------------------------ */

/* (A, pivot, check_errors) -> (LU, pivots, info) */
bool tw_linalg_lu_factor_ex_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    if (!tw_check_matrix("torch.lu_factor", A, "A") || !tw_check_lapack_dtype("torch.lu_factor", A)) return false;
    if (!a[1].i) return tw_fail(TW_RUNTIME_ERROR, "linalg.lu_factor: LU without pivoting is not implemented on the CPU");
    const int64_t m = tw_rows(A), n = tw_columns(A);
    return tw_matrix_meta(&outs[0], A, (tw_dtype)A->dtype, m, n) && tw_vector_meta(&outs[1], A, TW_INT32, m < n ? m : n) &&
           tw_number_meta(&outs[2], A, TW_INT32);
}

bool tw_linalg_lu_factor_ex_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = a[0].t, *out = outs[0];
    const int m = (int)tw_rows(A), n = (int)tw_columns(A), least = m < n ? m : n, lead = tw_at_least_one(m);
    lu_calls calls = {.op = "linalg.lu_factor", .dtype = (tw_dtype)A->dtype};
    if (!tw_copy(out, A)) return false;
    for (int64_t b = 0; b < tw_matrices(A); b++) {
        if (!lu_factor(&calls, m, n, tw_matrix_at(out, b, (int64_t)m * n), lead, tw_matrix_at(outs[1], b, least), (int32_t *)tw_data(outs[2]) + b))
            return false;
    }
    return report("torch.linalg.lu_factor_ex", "U[%d,%d] is zero and using it on lu_solve would result in a division by zero. If you still want to "
                  "perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)", A, outs[2], a[2].i != 0);
}

/* (LU, pivots, B, adjoint): A X = B, or A^H X = B. */
bool tw__lu_solve_meta(const tw_arg *a, tw_meta *out) {
    return tw_matrix_meta(out, a[2].t, (tw_dtype)a[2].t->dtype, tw_rows(a[2].t), tw_columns(a[2].t));
}

bool tw__lu_solve_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *out = outs[0], *LU = tw_column_major_new(a[0].t), *pivots = tw_contiguous_new(a[1].t, TW_INT32);
    const int n = (int)tw_rows(out), columns = (int)tw_columns(out), lead = tw_at_least_one(n);
    lu_calls calls = {.op = "linalg.lu_solve", .dtype = (tw_dtype)out->dtype};
    bool ok = LU && pivots && tw_copy(out, a[2].t);
    for (int64_t i = 0; ok && i < pivots->numel; i++) /* LAPACK would swap rows that are not there */
        if (((int32_t *)tw_data(pivots))[i] < 1 || ((int32_t *)tw_data(pivots))[i] > n)
            ok = tw_fail(TW_RUNTIME_ERROR, "Pivots given to lu_solve must all be %s. Did you properly pass the result of lu_factor?",
                         ((int32_t *)tw_data(pivots))[i] < 1 ? "greater or equal to 1" : "smaller or equal to LU.size(-2)");
    for (int64_t b = 0; ok && n && columns && b < tw_matrices(out); b++)
        ok = lu_solve(&calls, a[3].i != 0, n, columns, tw_matrix_at(LU, b, (int64_t)n * n), lead, tw_matrix_at(pivots, b, n),
                      tw_matrix_at(out, b, (int64_t)n * columns));
    tw_release(LU);
    tw_release(pivots);
    return ok;
}

/* (pivots, m) -> the permutation that the pivots' swaps make, as indices of rows. */
bool tw__pivots_order_meta(const tw_arg *a, tw_meta *out) {
    int64_t sizes[TW_MAX_DIMS];
    const tw_tensor *pivots = a[0].t;
    memcpy(sizes, pivots->sizes, sizeof(int64_t) * (size_t)pivots->ndim);
    sizes[pivots->ndim - 1] = a[1].i;
    return tw_meta_set(out, TW_INT64, pivots->device, sizes, pivots->ndim);
}

bool tw__pivots_order_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *pivots = tw_contiguous_new(a[0].t, TW_INT32);
    if (!pivots) return false;
    const int64_t k = pivots->sizes[pivots->ndim - 1], m = a[1].i, batches = m ? outs[0]->numel / m : 0;
    int64_t *to = outs[0]->numel ? tw_data(outs[0]) : NULL;
    bool ok = true;
    for (int64_t b = 0; ok && b < batches; b++) {
        int64_t *order = to + b * m;
        for (int64_t i = 0; i < m; i++) order[i] = i;
        for (int64_t i = 0; ok && i < k; i++) {
            const int64_t j = ((int32_t *)tw_data(pivots))[b * k + i] - 1, was = i < m ? order[i] : 0;
            if (!(ok = j >= 0 && j < m && i < m)) break;
            order[i] = order[j];
            order[j] = was;
        }
    }
    tw_release(pivots);
    return ok || tw_fail(TW_RUNTIME_ERROR, "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
                         "Did you properly pass the result of lu_factor?");
}

/* --- inverse, solve --------------------------------------------------------------------------------------------------------------- */

/* (A, check_errors) -> (inverse, info) */
bool tw_linalg_inv_ex_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    if (!tw_check_square("linalg.inv", A, "A") || !tw_check_lapack_dtype("linalg.inv", A)) return false;
    return tw_matrix_meta(&outs[0], A, (tw_dtype)A->dtype, tw_rows(A), tw_rows(A)) && tw_number_meta(&outs[1], A, TW_INT32);
}

/* Column-major ones on the diagonal. */
static void set_identity(void *m, int64_t n, tw_dtype dtype) {
    const size_t size = tw_dtype_size(dtype);
    memset(m, 0, (size_t)(n * n) * size);
    for (int64_t i = 0; i < n; i++) tw_store_scalar((char *)m + (size_t)(i * (n + 1)) * size, dtype, tw_int(1));
}

/* A X = 1. */
bool tw_linalg_inv_ex_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = a[0].t, *out = outs[0], *LU = tw_column_major_new(A);
    const int n = (int)tw_rows(A), lead = tw_at_least_one(n);
    lu_calls calls = {.op = "linalg.inv", .dtype = (tw_dtype)A->dtype};
    int32_t *pivots = LU ? tw_calloc((size_t)lead, sizeof *pivots) : NULL;
    bool ok = pivots != NULL;
    for (int64_t b = 0; ok && b < tw_matrices(A); b++) {
        void *m = tw_matrix_at(LU, b, (int64_t)n * n), *to = tw_matrix_at(out, b, (int64_t)n * n);
        if (n) set_identity(to, n, calls.dtype);
        ok = lu_factor(&calls, n, n, m, lead, pivots, (int32_t *)tw_data(outs[1]) + b) && lu_solve(&calls, false, n, n, m, lead, pivots, to);
    }
    tw_release(LU);
    tw_free(pivots);
    return ok && report("linalg.inv", "The diagonal element %d is zero, the inversion could not be completed because the input matrix is "
                        "singular.", A, outs[1], a[1].i != 0);
}

/* (A, B, check_errors) -> (X, info): A X = B, batches broadcast before. */
bool tw__solve_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t, *B = a[1].t;
    return tw_matrix_meta(&outs[0], B, (tw_dtype)B->dtype, tw_rows(B), tw_columns(B)) && tw_number_meta(&outs[1], A, TW_INT32);
}

bool tw__solve_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = tw_column_major_new(a[0].t), *out = outs[0];
    const int n = (int)tw_rows(out), columns = (int)tw_columns(out), lead = tw_at_least_one(n);
    lu_calls calls = {.op = "linalg.solve", .dtype = (tw_dtype)out->dtype};
    int32_t *pivots = tw_calloc((size_t)lead, sizeof *pivots);
    bool ok = A && pivots && tw_copy(out, a[1].t);
    for (int64_t b = 0; ok && b < tw_matrices(out); b++) {
        void *m = tw_matrix_at(A, b, (int64_t)n * n);
        ok = lu_factor(&calls, n, n, m, lead, pivots, (int32_t *)tw_data(outs[1]) + b) &&
             lu_solve(&calls, false, n, columns, m, lead, pivots, tw_matrix_at(out, b, (int64_t)n * columns));
    }
    ok = ok && report("torch.linalg.solve", "The solver failed because the input matrix is singular.", a[0].t, outs[1], a[2].i != 0);
    tw_release(A);
    tw_free(pivots);
    return ok;
}

/* --- triangles ---------------------------------------------------------------------------------------------------------------------- */

/* (A, B, upper, left, unitriangular): A X = B or X A = B, batches broadcast before. */
bool tw__solve_triangular_meta(const tw_arg *a, tw_meta *out) {
    return tw_matrix_meta(out, a[1].t, (tw_dtype)a[1].t->dtype, tw_rows(a[1].t), tw_columns(a[1].t));
}

/* Real ones by lu.c. X A = B is A^T X^T = B^T, and X^T in column-major order is X in row-major order. */
static bool real_triangles(const tw_tensor *A, tw_tensor *B, tw_tensor *out, bool upper, bool left, bool unit) {
    const tw_dtype dtype = (tw_dtype)out->dtype;
    const int64_t m = tw_rows(out), n = tw_columns(out), k = left ? m : n, columns = left ? n : m;
    tw_tensor *turned = left ? NULL : tw_clone_new(B, dtype, TW_CONTIGUOUS_FORMAT), *x = left ? out : turned;
    bool ok = left ? tw_copy(out, B) : turned != NULL;
    for (int64_t b = 0; ok && b < tw_matrices(out); b++)
        ok = tw_triangle_solve(dtype, upper != left, unit, k, columns, tw_matrix_at(A, b, k * k), left ? 1 : k, left ? k : 1, tw_matrix_at(x, b, m * n), k);
    ok = ok && (left || tw_copy(out, turned));
    tw_release(turned);
    return ok;
}

static bool complex_triangles(const tw_tensor *A, tw_tensor *B, tw_tensor *out, bool upper, bool left, bool unit) {
    static const double one[2] = {1, 0};
    static const float narrow_one[2] = {1, 0};
    const tw_dtype dtype = (tw_dtype)out->dtype;
    const int m = (int)tw_rows(out), n = (int)tw_columns(out), k = left ? m : n;
    const void *alpha = dtype == TW_COMPLEX64 ? (const void *)narrow_one : (const void *)one;
    tw_lapack_fn trsm = tw_lapack("linalg.solve_triangular", "trsm", NULL, dtype);
    if (!trsm || !tw_copy(out, B)) return false;
    for (int64_t b = 0; b < tw_matrices(out); b++)
        trsm(left ? "L" : "R", upper ? "U" : "L", "N", unit ? "U" : "N", &m, &n, alpha, tw_matrix_at(A, b, (int64_t)k * k), &k,
             tw_matrix_at(out, b, (int64_t)m * n), &m, (size_t)1, (size_t)1, (size_t)1, (size_t)1);
    return true;
}

bool tw__solve_triangular_run(const tw_arg *a, tw_tensor **outs) {
    if (outs[0]->numel == 0) return true;
    tw_tensor *A = tw_column_major_new(a[0].t);
    const bool ok = A && (tw_lu_takes((tw_dtype)outs[0]->dtype) ? real_triangles : complex_triangles)(A, a[1].t, outs[0], a[2].i != 0, a[3].i != 0, a[4].i != 0);
    tw_release(A);
    return ok;
}
