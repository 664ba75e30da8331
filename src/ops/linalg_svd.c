/* Singular values: LAPACK's gesdd; for real matrices its path with our own reflections (reflect.c) where they are large or where MKL, on which
 * the signs of PyTorch's vectors depend, takes another one. */
#include "ops/linalg_solve.h"
#include "ops/reflect.h"
#include "ops_decl.h"
#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

/* (A, full_matrices, compute_uv) -> (U, S, Vh); without uv they are empty */
bool tw__linalg_svd_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    if (!tw_check_matrix("linalg.svd", A, "A") || !tw_check_lapack_dtype("linalg.svd", A)) return false;
    const int64_t m = tw_rows(A), n = tw_columns(A), k = m < n ? m : n, none = 0;
    const tw_dtype dtype = (tw_dtype)A->dtype;
    if (!tw_vector_meta(&outs[1], A, tw_dtypes[dtype].real, k)) return false;
    if (!a[2].i) return tw_meta_set(&outs[0], dtype, A->device, &none, 1) && tw_meta_set(&outs[2], dtype, A->device, &none, 1);
    return tw_matrix_meta(&outs[0], A, dtype, m, a[1].i ? m : k) && tw_matrix_meta(&outs[2], A, dtype, a[1].i ? n : k, n);
}

/* An identity where there is nothing to decompose. */
static void eye(char *to, int64_t n, tw_dtype dtype) {
    const size_t bytes = tw_dtype_size(dtype);
    memset(to, 0, (size_t)(n * n) * bytes);
    for (int64_t i = 0; i < n; i++) tw_store_scalar(to + (size_t)(i * n + i) * bytes, dtype, tw_int(1));
}

typedef struct svd_calls {
    tw_dtype dtype;
    int m, n, small, u, v;     /* columns of U, rows of Vh; 0 where they are not wanted */
    tw_lapack_fn whole, inner; /* of the matrix; of a bidiagonal one */
    void *work, *rwork;
    char *space;               /* of svd_in_steps */
    size_t space_bytes;
    int *iwork, room;
} svd_calls;

static int svd_by_lapack(const svd_calls *f, void *from, void *s, void *u, void *v) {
    const int lead = f->m, lead_v = tw_at_least_one(f->v);
    const char *job = !f->u ? "N" : f->u == f->m && f->v == f->n ? "A" : "S";
    int info = 0;
    if (tw_is_complex(f->dtype))
        f->whole(job, &f->m, &f->n, from, &lead, s, u, &lead, v, &lead_v, f->work, &f->room, f->rwork, f->iwork, &info, (size_t)1);
    else f->whole(job, &f->m, &f->n, from, &lead, s, u, &lead, v, &lead_v, f->work, &f->room, f->iwork, &info, (size_t)1);
    return info;
}

/* to (n x m) = the transpose of from (m x n), both column-major, by squares that stay in the cache. */
static void turn(int64_t m, int64_t n, const char *from, char *to, size_t bytes) {
    enum { SIDE = 16 };
    for (int64_t c = 0; c < n; c += SIDE)
        for (int64_t r = 0; r < m; r += SIDE)
            for (int64_t i = r; i < m && i < r + SIDE; i++)
                for (int64_t j = c; j < n && j < c + SIDE; j++) {
                    const char *x = from + (size_t)(j * m + i) * bytes;
                    if (bytes == 8) memcpy(to + (size_t)(i * n + j) * 8, x, 8);
                    else memcpy(to + (size_t)(i * n + j) * 4, x, 4);
                }
}

/* Elements of svd_in_steps's space: the matrix or its transpose, a square of it, the reflections of rows, vectors. */
static size_t space_of(const svd_calls *f) {
    const size_t small = (size_t)f->small;
    return (size_t)f->m * (size_t)f->n + 2 * small * small + 4 * small;
}

/* Whether the factor R of QR becomes bidiagonal instead of the matrix: by LAPACK's gesdd, and by MKL's. */
static bool lapack_shrinks(int64_t m, int64_t n) { return m < n ? n >= m * 11 / 6 : m >= n * 11 / 6; }
static bool mkl_shrinks(int64_t m, int64_t n) { return m < n ? n >= 20 * m : m >= n * 3 / 2; }

/* The path that MKL's gesdd takes, so that signs are its: of a matrix with much more rows than columns, or the other way round, the factor R of
 * QR goes on. Without it a wide matrix is transposed, and so is its bidiagonal form. */
static bool svd_in_steps(const svd_calls *f, const void *from, void *s, void *u, void *v, int *info) {
    const tw_dtype dtype = f->dtype;
    const int64_t m = f->m, n = f->n, k = f->small, big = m > n ? m : n;
    const size_t bytes = tw_dtype_size(dtype), square = (size_t)(k * k) * bytes;
    const bool wide = m < n, shrink = mkl_shrinks(m, n);
    char *a = f->space, *core = a + (size_t)(m * n) * bytes, *rows = core + square, *e = rows + square, *tau_q = e + (size_t)k * bytes;
    char *tau_p = tau_q + (size_t)k * bytes, *tau = tau_p + (size_t)k * bytes;
    int64_t height = big; /* of what becomes bidiagonal */
    if (wide) turn(m, n, from, a, bytes);
    else memcpy(a, from, (size_t)(m * n) * bytes);
    if (shrink) {
        if (!tw_reflect_factor(dtype, big, k, a, big, tau)) return false;
        for (int64_t c = 0; c < k; c++) {
            memcpy(rows + (size_t)(c * k) * bytes, a + (size_t)(c * big) * bytes, (size_t)(c + 1) * bytes);
            memset(rows + (size_t)(c * k + c + 1) * bytes, 0, (size_t)(k - c - 1) * bytes);
        }
        if (wide) turn(k, k, rows, core, bytes);
        else memcpy(core, rows, square);
        height = k;
    } else {
        core = a;
    }
    if (!tw_bidiagonal(dtype, height, k, core, height, s, e, tau_q, rows, tau_p)) return false;
    const bool turned = wide && !shrink;
    const char *form = turned ? "L" : "U", *job = f->u ? "I" : "N";
    const int lead_u = f->m, lead_v = tw_at_least_one(f->v);
    if (f->u) {
        memset(u, 0, (size_t)(m * f->u) * bytes);
        memset(v, 0, (size_t)(f->v * n) * bytes);
        for (int64_t i = k; i < f->u; i++) tw_store_scalar((char *)u + (size_t)(i * m + i) * bytes, dtype, tw_int(1));
        for (int64_t i = k; i < f->v; i++) tw_store_scalar((char *)v + (size_t)(i * f->v + i) * bytes, dtype, tw_int(1));
    }
    f->inner(form, job, &f->small, s, e, u, &lead_u, v, &lead_v, NULL, NULL, f->work, f->iwork, info, (size_t)1, (size_t)1);
    if (!f->u || *info) return true;
    /* The rows of Vh are columns of V: its elements lie the other way round. */
    const tw_reflections left = {dtype, height, k, core, 1, height, tau_q}, right = {dtype, k - 1, k - 1, rows + bytes, 1, k, tau_p};
    const tw_reflections before = {dtype, big, k, a, 1, big, tau};
    char *second_u = (char *)u + bytes, *second_v = (char *)v + (size_t)f->v * bytes;
    if (turned)
        return tw_reflect_apply(&right, false, false, k, second_u, 1, m) && tw_reflect_apply(&left, false, false, f->v, v, f->v, 1);
    return tw_reflect_apply(&left, false, false, shrink ? k : f->u, u, 1, m) && tw_reflect_apply(&right, false, false, k, second_v, f->v, 1) &&
           (!shrink || (wide ? tw_reflect_apply(&before, false, false, f->v, v, f->v, 1) : tw_reflect_apply(&before, false, false, f->u, u, 1, m)));
}

static bool find_svd(svd_calls *f) {
    const bool is_complex = tw_is_complex(f->dtype);
    const int k = f->small, lead_v = tw_at_least_one(f->v), query = -1;
    const char *job = !f->u ? "N" : f->u == f->m && f->v == f->n ? "A" : "S";
    const int64_t real_room = is_complex ? (int64_t)k * most(5 * k + 7, 2 * most(f->m, f->n) + 2 * k + 1) + 1 : 1;
    double size[2] = {0, 0};
    int info = 0;
    if (!(f->whole = tw_lapack("linalg.svd", "gesdd", NULL, f->dtype)) || !(f->iwork = tw_calloc(8 * (size_t)k, sizeof *f->iwork)) ||
        !(f->rwork = tw_calloc((size_t)real_room, sizeof(double)))) return false;
    if (is_complex) f->whole(job, &f->m, &f->n, NULL, &f->m, NULL, NULL, &f->m, NULL, &lead_v, size, &query, f->rwork, f->iwork, &info, (size_t)1);
    else f->whole(job, &f->m, &f->n, NULL, &f->m, NULL, NULL, &f->m, NULL, &lead_v, size, &query, f->iwork, &info, (size_t)1);
    f->room = tw_work_size(size, f->dtype);
    const bool other = f->u && k > 1 && f->m != f->n && lapack_shrinks(f->m, f->n) != mkl_shrinks(f->m, f->n);
    if (tw_reflect_takes(f->dtype) && (k >= TW_REFLECT_LARGE || other)) {
        const int inner_room = f->u ? 3 * k * k + 4 * k : 8 * k;
        f->room = most(f->room, inner_room);
        f->space_bytes = space_of(f) * tw_dtype_size(f->dtype);
        if (!(f->inner = tw_lapack("linalg.svd", "bdsdc", NULL, f->dtype)) || !(f->space = tw_block_alloc(f->space_bytes))) return false;
    }
    return (f->work = tw_calloc((size_t)f->room, tw_dtype_size(f->dtype))) != NULL;
}

bool tw__linalg_svd_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = tw_column_major_new(a[0].t);
    if (!A) return false;
    const bool uv = a[2].i != 0, full = a[1].i != 0;
    const int m = (int)tw_rows(A), n = (int)tw_columns(A), k = least(m, n);
    svd_calls f = {.dtype = (tw_dtype)A->dtype, .m = m, .n = n, .small = k, .u = !uv ? 0 : full ? m : k, .v = !uv ? 0 : full ? n : k};
    bool ok = k == 0 || find_svd(&f);
    for (int64_t b = 0; ok && b < tw_matrices(A); b++) {
        void *from = tw_matrix_at(A, b, (int64_t)m * n), *s = tw_matrix_at(outs[1], b, k);
        void *to_u = uv ? tw_matrix_at(outs[0], b, (int64_t)m * f.u) : NULL, *to_v = uv ? tw_matrix_at(outs[2], b, (int64_t)f.v * n) : NULL;
        int info = 0;
        if (k == 0) {
            if (uv && full && m) eye(to_u, m, f.dtype);
            if (uv && full && n) eye(to_v, n, f.dtype);
            continue;
        }
        if (f.inner && tw_is_moderate(from, (int64_t)m * n, f.dtype)) ok = svd_in_steps(&f, from, s, to_u, to_v, &info);
        else info = svd_by_lapack(&f, from, s, to_u, to_v);
        char text[48];
        if (info == -4) {
            ok = tw_fail(TW_LINALG_ERROR, "linalg.svd: %sThe algorithm failed to converge because the input matrix contained non-finite values.",
                         tw_batch_text(a[0].t, b, text, sizeof text));
        } else if (info) {
            ok = tw_fail(TW_LINALG_ERROR, "linalg.svd: %sThe algorithm failed to converge because the input matrix is ill-conditioned or has too "
                         "many repeated singular values (error code: %d).", tw_batch_text(a[0].t, b, text, sizeof text), info);
        }
    }
    tw_release(A);
    tw_block_free(f.space, f.space_bytes);
    tw_free(f.iwork);
    tw_free(f.rwork);
    tw_free(f.work);
    return ok;
}
