/* Decompositions: QR, eigenvalues, least squares. QR of real matrices and the reflections of large symmetric ones are our own (reflect.c); the
 * rest is LAPACK's. */
#include "ops/linalg_solve.h"
#include "ops/reflect.h"
#include "ops_decl.h"
#include <math.h>
#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

/* --- QR ---------------------------------------------------------------------------------------------------------------------- */

/* (A, complete) -> (Q, R) */
bool tw__qr_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    if (!tw_check_matrix("linalg.qr", A, "A")) return false;
    const int64_t m = tw_rows(A), n = tw_columns(A), k = a[1].i ? m : m < n ? m : n;
    return tw_matrix_meta(&outs[0], A, (tw_dtype)A->dtype, m, k) && tw_matrix_meta(&outs[1], A, (tw_dtype)A->dtype, k, n);
}

/* Reflections of one matrix, and the first columns of their product: real ones by reflect.c; the routines of LAPACK are looked for when the
 * first complex one comes. */
typedef struct qr_calls {
    const char *op;
    tw_dtype dtype;
    tw_lapack_fn geqrf, orgqr;
    void *work;
    int room;
} qr_calls;

static bool find_qr(qr_calls *f, int64_t columns) {
    if (f->work) return true;
    f->room = 64 * tw_at_least_one(columns);
    return (f->geqrf = tw_lapack(f->op, "geqrf", NULL, f->dtype)) && (f->orgqr = tw_lapack(f->op, "orgqr", "ungqr", f->dtype)) &&
           (f->work = tw_calloc((size_t)f->room, tw_dtype_size(f->dtype)));
}

static bool qr_factor(qr_calls *f, int m, int n, void *a, void *tau) {
    const int lead = tw_at_least_one(m);
    int ignored = 0;
    if (m == 0 || n == 0) return true;
    if (tw_reflect_takes(f->dtype)) return tw_reflect_factor(f->dtype, m, n, a, lead, tau);
    if (!find_qr(f, most(m, n))) return false;
    f->geqrf(&m, &n, a, &lead, tau, f->work, &f->room, &ignored);
    return true;
}

/* q (m x k) from `small` reflections, as qr_factor leaves them. */
static bool qr_product(qr_calls *f, int m, int k, int small, const void *a, const void *tau, void *q) {
    const size_t bytes = tw_dtype_size(f->dtype);
    const int lead = tw_at_least_one(m);
    int ignored = 0;
    if (m == 0 || k == 0) return true;
    memset(q, 0, (size_t)m * (size_t)k * bytes);
    if (tw_reflect_takes(f->dtype)) {
        const tw_reflections all = {f->dtype, m, small, a, 1, lead, tau};
        for (int i = 0; i < k; i++) tw_store_scalar((char *)q + (size_t)i * (size_t)(m + 1) * bytes, f->dtype, tw_int(1));
        return tw_reflect_apply(&all, false, true, k, q, 1, lead);
    }
    if (!find_qr(f, most(m, k))) return false;
    if (small) memcpy(q, a, (size_t)m * (size_t)small * bytes);
    f->orgqr(&m, &k, &small, q, &lead, tau, f->work, &f->room, &ignored);
    return true;
}

bool tw__qr_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = tw_column_major_new(a[0].t), *Q = outs[0], *R = outs[1];
    if (!A) return false;
    const tw_dtype dtype = (tw_dtype)A->dtype;
    const size_t bytes = tw_dtype_size(dtype);
    const int m = (int)tw_rows(A), n = (int)tw_columns(A), small = least(m, n), k = (int)tw_columns(Q);
    qr_calls calls = {.op = "linalg.qr", .dtype = dtype};
    void *tau = tw_calloc((size_t)tw_at_least_one(small), bytes);
    bool ok = tau != NULL;
    for (int64_t b = 0; ok && k && b < tw_matrices(A); b++) {
        char *from = tw_matrix_at(A, b, (int64_t)m * n), *r = tw_matrix_at(R, b, (int64_t)k * n);
        ok = qr_factor(&calls, m, n, from, tau) && qr_product(&calls, m, k, small, from, tau, tw_matrix_at(Q, b, (int64_t)m * k));
        for (int c = 0; ok && c < n; c++) {
            const int above = least(c + 1, k);
            memcpy(r + (size_t)c * (size_t)k * bytes, from + (size_t)c * (size_t)m * bytes, (size_t)above * bytes);
            memset(r + ((size_t)c * (size_t)k + (size_t)above) * bytes, 0, (size_t)(k - above) * bytes);
        }
    }
    tw_release(A);
    tw_free(tau);
    tw_free(calls.work);
    return ok;
}

/* self -> (R and the reflections, tau) */
bool tw_geqrf_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    if (!tw_check_matrix("torch.geqrf", A, "input") || !tw_check_lapack_dtype("geqrf", A)) return false;
    const int64_t m = tw_rows(A), n = tw_columns(A);
    return tw_matrix_meta(&outs[0], A, (tw_dtype)A->dtype, m, n) && tw_vector_meta(&outs[1], A, (tw_dtype)A->dtype, m < n ? m : n);
}

bool tw_geqrf_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = tw_column_major_new(a[0].t);
    if (!A) return false;
    const int m = (int)tw_rows(A), n = (int)tw_columns(A), small = least(m, n);
    qr_calls calls = {.op = "geqrf", .dtype = (tw_dtype)A->dtype};
    bool ok = true;
    for (int64_t b = 0; ok && small && b < tw_matrices(A); b++) {
        void *from = tw_matrix_at(A, b, (int64_t)m * n);
        ok = qr_factor(&calls, m, n, from, tw_matrix_at(outs[1], b, small));
        memcpy(tw_matrix_at(outs[0], b, (int64_t)m * n), from, (size_t)m * (size_t)n * tw_dtype_size(calls.dtype));
    }
    tw_release(A);
    tw_free(calls.work);
    return ok;
}

/* --- symmetric eigenvalues ------------------------------------------------------------------------------------------------------- */

/* (A, UPLO, compute_v) -> (L, V) */
bool tw__linalg_eigh_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    const int64_t none = 0;
    if (!tw_check_square("linalg.eigh", A, "A") || !tw_check_lapack_dtype("linalg.eigh", A)) return false;
    if (strlen(a[1].s) != 1 || !strchr("LUlu", a[1].s[0]))
        return tw_fail(TW_RUNTIME_ERROR, "Expected UPLO argument to be 'L' or 'U', but got %s", a[1].s);
    const tw_dtype dtype = (tw_dtype)A->dtype;
    if (!tw_vector_meta(&outs[0], A, tw_dtypes[dtype].real, tw_rows(A))) return false;
    return a[2].i ? tw_matrix_meta(&outs[1], A, dtype, tw_rows(A), tw_rows(A)) : tw_meta_set(&outs[1], dtype, A->device, &none, 1);
}

typedef struct eigh_calls {
    const char *uplo;
    tw_dtype dtype;
    int n;
    bool vectors;
    tw_lapack_fn whole, inner; /* of the matrix; of a tridiagonal one */
    void *work, *rwork, *tau, *space;
    int *iwork, room, real_room, int_room;
} eigh_calls;

static int eigh_by_lapack(const eigh_calls *f, void *m, void *w) {
    const char *job = f->vectors ? "V" : "N";
    int info = 0;
    if (tw_is_complex(f->dtype))
        f->whole(job, f->uplo, &f->n, m, &f->n, w, f->work, &f->room, f->rwork, &f->real_room, f->iwork, &f->int_room, &info, (size_t)1, (size_t)1);
    else f->whole(job, f->uplo, &f->n, m, &f->n, w, f->work, &f->room, f->iwork, &f->int_room, &info, (size_t)1, (size_t)1);
    return info;
}

/* Likewise of a large real matrix, given below its diagonal. *info: as LAPACK's. */
static bool eigh_large(const eigh_calls *f, void *m, void *w, int *info) {
    const int64_t n = f->n;
    const size_t bytes = tw_dtype_size(f->dtype);
    char *a = f->space, *tau = f->tau, *e = tau + (size_t)n * bytes;
    memcpy(a, m, (size_t)(n * n) * bytes);
    if (!tw_tridiagonal(f->dtype, n, a, n, w, e, tau)) return false;
    if (!f->vectors) {
        f->inner(&f->n, w, e, info);
        return true;
    }
    f->inner("I", &f->n, w, e, m, &f->n, f->work, &f->room, f->iwork, &f->int_room, info, (size_t)1);
    const tw_reflections q = {f->dtype, n - 1, n - 1, a + bytes, 1, n, tau};
    return tw_reflect_apply(&q, false, false, n, (char *)m + bytes, 1, n);
}

static bool find_eigh(eigh_calls *f) {
    const int query = -1, lead = f->n;
    const size_t bytes = tw_dtype_size(f->dtype);
    const char *job = f->vectors ? "V" : "N";
    double size[2] = {0}, real_size[2] = {0};
    int info = 0;
    f->room = f->real_room = f->int_room = 1;
    if (!(f->whole = tw_lapack("linalg.eigh", "syevd", "heevd", f->dtype))) return false;
    if (tw_is_complex(f->dtype)) {
        f->whole(job, f->uplo, &f->n, NULL, &lead, NULL, size, &query, real_size, &query, &f->int_room, &query, &info, (size_t)1, (size_t)1);
        f->real_room = tw_work_size(real_size, tw_dtypes[f->dtype].real);
    } else {
        f->whole(job, f->uplo, &f->n, NULL, &lead, NULL, size, &query, &f->int_room, &query, &info, (size_t)1, (size_t)1);
    }
    f->room = tw_work_size(size, f->dtype);
    if (tw_reflect_takes(f->dtype) && f->n >= TW_REFLECT_LARGE && f->uplo[0] == 'L') {
        if (!(f->inner = tw_lapack("linalg.eigh", f->vectors ? "stedc" : "sterf", NULL, f->dtype))) return false;
        if (!(f->space = tw_block_alloc((size_t)f->n * (size_t)f->n * bytes)) || !(f->tau = tw_calloc(2 * (size_t)f->n, bytes))) return false;
    }
    return (f->work = tw_calloc((size_t)f->room, bytes)) && (f->rwork = tw_calloc((size_t)f->real_room, sizeof(double))) &&
           (f->iwork = tw_calloc((size_t)tw_at_least_one(f->int_room), sizeof *f->iwork));
}

bool tw__linalg_eigh_run(const tw_arg *a, tw_tensor **outs) {
    const bool vectors = a[2].i != 0;
    tw_tensor *V = vectors ? tw_retain(outs[1]) : tw_column_major_new(a[0].t);
    if (!V || (vectors && !tw_copy(V, a[0].t))) return false;
    const char uplo[2] = {(char)(a[1].s[0] & ~0x20), 0};
    eigh_calls f = {.uplo = uplo, .dtype = (tw_dtype)V->dtype, .n = (int)tw_rows(V), .vectors = vectors};
    const int64_t n = f.n;
    bool ok = n == 0 || find_eigh(&f);
    for (int64_t b = 0; ok && n && b < tw_matrices(V); b++) {
        void *m = tw_matrix_at(V, b, n * n), *w = tw_matrix_at(outs[0], b, n);
        int info = 0;
        if (f.inner && tw_is_moderate(m, n * n, f.dtype)) ok = eigh_large(&f, m, w, &info);
        else info = eigh_by_lapack(&f, m, w);
        char text[48];
        if (info)
            ok = tw_fail(TW_LINALG_ERROR, "linalg.eigh: %sThe algorithm failed to converge because the input matrix is ill-conditioned or has too "
                         "many repeated eigenvalues (error code: %d).", tw_batch_text(a[0].t, b, text, sizeof text), info);
    }
    tw_release(V);
    tw_block_free(f.space, (size_t)n * (size_t)n * tw_dtype_size(f.dtype));
    tw_free(f.tau);
    tw_free(f.work);
    tw_free(f.rwork);
    tw_free(f.iwork);
    return ok;
}

/* --- eigenvalues ------------------------------------------------------------------------------------------------------------------ */

/* self -> (eigenvalues, eigenvectors), complex */
bool tw_linalg_eig_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t;
    if (!tw_check_square("linalg.eig", A, "A") || !tw_check_lapack_dtype("linalg.eig", A)) return false;
    const tw_dtype dtype = tw_to_complex((tw_dtype)A->dtype);
    return tw_vector_meta(&outs[0], A, dtype, tw_rows(A)) && tw_matrix_meta(&outs[1], A, dtype, tw_rows(A), tw_rows(A));
}

/* Values from their parts; of a pair of conjugate ones LAPACK gives the real and the imaginary part of one vector. */
static void join_pairs(const double *re, const double *im, const double *v, int n, double *values, double *vectors) {
    for (int i = 0; i < n; i++) {
        values[2 * i] = re[i];
        values[2 * i + 1] = im[i];
    }
    for (int i = 0; i < n; i++) {
        const bool pair = im[i] != 0 && i + 1 < n;
        for (int r = 0; r < n; r++) {
            double *to = vectors + 2 * ((size_t)i * (size_t)n + (size_t)r);
            const double x = v[(size_t)i * (size_t)n + (size_t)r], y = pair ? v[(size_t)(i + 1) * (size_t)n + (size_t)r] : 0;
            to[0] = x;
            to[1] = y;
            if (!pair) continue;
            to[2 * (size_t)n] = x;
            to[2 * (size_t)n + 1] = -y;
        }
        i += pair;
    }
}

/* All in double precision's storage: single precision is widened after the work, so that its bits are LAPACK's. */
static void widen(const void *from, tw_dtype dtype, int64_t n, double *to) {
    for (int64_t i = 0; i < n; i++) to[i] = dtype == TW_FLOAT32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}
static void narrow(const double *from, tw_dtype dtype, int64_t n, void *to) {
    for (int64_t i = 0; i < n; i++) {
        if (dtype == TW_FLOAT32) ((float *)to)[i] = (float)from[i];
        else ((double *)to)[i] = from[i];
    }
}

/* One real matrix; space: n * (4 n + 6) doubles. */
static int eig_real(tw_lapack_fn geev, void *m, int n, tw_dtype dtype, double *space, void *work, int room, void *values, void *vectors) {
    const size_t size = (size_t)n, all = size * size;
    double *re = space, *im = re + size, *v = im + size, *both = v + all, *out = both + 2 * size;
    int info = 0;
    geev("N", "V", &n, m, &n, re, im, NULL, &n, v, &n, work, &room, &info, (size_t)1, (size_t)1);
    if (dtype == TW_FLOAT32) { /* from the end, as the wide elements overlap the narrow ones */
        double *wide = out + 2 * all;
        widen(re, dtype, n, wide);
        memcpy(re, wide, size * sizeof(double));
        widen(im, dtype, n, wide);
        memcpy(im, wide, size * sizeof(double));
        widen(v, dtype, (int64_t)all, wide);
        memcpy(v, wide, all * sizeof(double));
    }
    join_pairs(re, im, v, n, both, out);
    narrow(both, dtype, 2 * n, values);
    narrow(out, dtype, 2 * (int64_t)all, vectors);
    return info;
}

bool tw_linalg_eig_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = tw_column_major_new(a[0].t);
    if (!A) return false;
    const tw_dtype dtype = (tw_dtype)A->dtype;
    const int n = (int)tw_rows(A), lead = tw_at_least_one(n), query = -1;
    tw_lapack_fn geev = tw_lapack("linalg.eig", "geev", NULL, dtype);
    double size[2] = {0}, *space = tw_calloc((size_t)n * (4 * (size_t)n + 6) + 1, sizeof *space); /* asked for its size, LAPACK writes there */
    int room = 1, info = 0;
    if (geev && n && space) {
        if (tw_is_complex(dtype)) geev("N", "V", &n, NULL, &lead, NULL, NULL, &lead, NULL, &lead, size, &query, space, &info, (size_t)1, (size_t)1);
        else geev("N", "V", &n, NULL, &lead, NULL, NULL, NULL, &lead, NULL, &lead, size, &query, &info, (size_t)1, (size_t)1);
        room = tw_work_size(size, dtype);
    }
    void *work = tw_calloc((size_t)room, tw_dtype_size(dtype));
    bool ok = geev && work && space;
    for (int64_t b = 0; ok && n && b < tw_matrices(A); b++) {
        void *m = tw_matrix_at(A, b, (int64_t)n * n), *values = tw_matrix_at(outs[0], b, n), *vectors = tw_matrix_at(outs[1], b, (int64_t)n * n);
        if (tw_is_complex(dtype)) geev("N", "V", &n, m, &lead, values, NULL, &lead, vectors, &lead, work, &room, space, &info, (size_t)1, (size_t)1);
        else info = eig_real(geev, m, n, dtype, space, work, room, values, vectors);
        char text[48];
        if (info)
            ok = tw_fail(TW_LINALG_ERROR, "linalg.eig: %sThe algorithm failed to converge because the input matrix is ill-conditioned or has too "
                         "many repeated eigenvalues (error code: %d).", tw_batch_text(a[0].t, b, text, sizeof text), info);
    }
    tw_release(A);
    tw_free(work);
    tw_free(space);
    return ok;
}

/* --- least squares ------------------------------------------------------------------------------------------------------------------ */

/* (A, B, rcond, driver) -> (B overwritten by LAPACK, with max(m, n) rows; rank; singular values). Batches broadcast before. */
bool tw__lstsq_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *A = a[0].t, *B = a[1].t;
    const tw_dtype dtype = (tw_dtype)A->dtype;
    if (dtype != TW_FLOAT32 && dtype != TW_FLOAT64 && dtype != TW_COMPLEX64 && dtype != TW_COMPLEX128)
        return tw_fail(TW_RUNTIME_ERROR, "This function doesn't handle types other than float and double");
    if (B->dtype != A->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype %s and "
                       "other's dtype %s", tw_dtypes[dtype].type_name, tw_dtypes[B->dtype].type_name);
    const int64_t m = tw_rows(A), n = tw_columns(A);
    return tw_matrix_meta(&outs[0], B, dtype, m > n ? m : n, tw_columns(B)) && tw_number_meta(&outs[1], A, TW_INT64) &&
           tw_vector_meta(&outs[2], A, tw_dtypes[dtype].real, m < n ? m : n);
}

typedef struct squares { tw_lapack_fn call; const char *driver; int m, n, columns, lead, lead_b, room; tw_dtype dtype; double rcond; } squares;

/* One system, or with room -1 a query of the workspace. */
static int solve_one(const squares *q, void *A, void *B, void *s, int *pivots, int *rank, void *work, const int *room, void *rwork, int *iwork) {
    const float narrow_rcond = (float)q->rcond;
    const bool single = q->dtype == TW_FLOAT32 || q->dtype == TW_COMPLEX64, is_complex = tw_is_complex(q->dtype);
    const void *rcond = single ? (const void *)&narrow_rcond : (const void *)&q->rcond;
    int info = 0;
    if (!strcmp(q->driver, "gels")) {
        q->call("N", &q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, work, room, &info, (size_t)1);
    } else if (!strcmp(q->driver, "gelsy")) {
        if (is_complex) q->call(&q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, pivots, rcond, rank, work, room, rwork, &info);
        else q->call(&q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, pivots, rcond, rank, work, room, &info);
    } else if (!strcmp(q->driver, "gelsd")) {
        if (is_complex) q->call(&q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, s, rcond, rank, work, room, rwork, iwork, &info);
        else q->call(&q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, s, rcond, rank, work, room, iwork, &info);
    } else {
        if (is_complex) q->call(&q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, s, rcond, rank, work, room, rwork, &info);
        else q->call(&q->m, &q->n, &q->columns, A, &q->lead, B, &q->lead_b, s, rcond, rank, work, room, &info);
    }
    return info;
}

bool tw__lstsq_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *A = tw_column_major_new(a[0].t), *out = outs[0], *top = NULL;
    if (!A) return false;
    squares q = {.driver = a[3].s, .m = (int)tw_rows(A), .n = (int)tw_columns(A), .columns = (int)tw_columns(out), .dtype = (tw_dtype)A->dtype,
                 .rcond = a[2].d};
    q.lead = tw_at_least_one(q.m);
    q.lead_b = tw_at_least_one(most(q.m, q.n));
    q.call = tw_lapack("linalg.lstsq", q.driver, NULL, q.dtype);
    const int small = least(q.m, q.n), query = -1;
    const size_t many = (size_t)tw_at_least_one(most(q.m, q.n)) * 64 + 1024;
    int *pivots = tw_calloc(many, sizeof *pivots), *iwork = tw_calloc(many * 16, sizeof *iwork), rank = 0;
    double *rwork = tw_calloc(many * 64 + (size_t)small * (size_t)q.columns * 8, sizeof *rwork), size[2] = {0};
    void *work = NULL;
    bool ok = q.call && pivots && iwork && rwork && tw_fill(out, tw_int(0)) && tw_fill(outs[1], tw_int(0)) && tw_fill(outs[2], tw_int(0));
    ok = ok && (top = tw_alias_new(out, a[1].t->sizes, out->strides, out->ndim, out->offset, (tw_dtype)out->dtype)) && tw_copy(top, a[1].t);
    int room = 1;
    if (ok && small && q.columns) {
        (void)solve_one(&q, NULL, NULL, NULL, pivots, &rank, size, &query, rwork, iwork);
        room = tw_work_size(size, q.dtype);
    }
    ok = ok && (work = tw_calloc((size_t)room, tw_dtype_size(q.dtype)));
    for (int64_t b = 0; ok && small && b < tw_matrices(A); b++) {
        memset(pivots, 0, many * sizeof *pivots);
        const int info = solve_one(&q, tw_matrix_at(A, b, (int64_t)q.m * q.n), tw_matrix_at(out, b, (int64_t)q.lead_b * q.columns),
                                   tw_matrix_at(outs[2], b, small), pivots, &rank, work, &room, rwork, iwork);
        ((int64_t *)tw_data(outs[1]))[b] = rank;
        char text[48];
        if (info)
            ok = tw_fail(TW_LINALG_ERROR, "torch.linalg.lstsq: %sThe least squares solution could not be computed because the input matrix does not "
                         "have full rank (error code: %d).", tw_batch_text(a[0].t, b, text, sizeof text), info);
    }
    tw_release(A);
    tw_release(top);
    tw_free(pivots);
    tw_free(iwork);
    tw_free(rwork);
    tw_free(work);
    return ok;
}
