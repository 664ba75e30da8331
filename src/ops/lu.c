/* Recursion by halves, so that most of the work is products of large matrices (S. Toledo, "Locality of reference in LU decomposition with
 * partial pivoting", SIAM J. Matrix Anal. Appl. 18, 1997; Cholesky likewise). */
#include "ops/lu.h"
#include "core/threads.h"
#include "kernels/lu.h"
#include "ops/linalg_gemm.h"

static int wide(tw_dtype dtype) { return dtype == TW_FLOAT64; }

static void *at(tw_dtype dtype, const void *p, int64_t elements) {
    return (char *)(uintptr_t)p + elements * (int64_t)tw_dtype_size(dtype);
}

/* Half of n, in whole blocks. */
static int64_t half_of(int64_t n, int64_t block) { return (n / 2 + block - 1) / block * block; }

/* c (m x n) -= a (m x k, element (i, p) at a[i * row + p * column]) times b (k x n). Columns of b and c are contiguous; columns of the
 * product are rows of what the kernels see. */
static bool subtract_product(tw_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, int64_t row, int64_t column, const void *b, int64_t b_lead,
                             void *c, int64_t c_lead) {
    const tw_gemm_call g = {.m = n, .n = m, .k = k, .a = tw_gemm_matrix(b, dtype, 1, b_lead), .b = tw_gemm_matrix(a, dtype, column, row), .c = c,
                            .c_row = c_lead, .dtype = dtype, .alpha = 1, .subtract = true};
    return m == 0 || k == 0 || tw_gemm_run(&g);
}

/* --- triangles ---------------------------------------------------------------------------------------------------- */

typedef struct triangle {
    tw_dtype dtype;
    bool lower, unit;
    int64_t n, columns, row, column, lead;
    const void *t;
    void *b;
} triangle;

static void substitute_columns(void *context, int64_t begin, int64_t end) {
    const triangle *s = context;
    for (int64_t c = begin; c < end; c += TW_LU_COLUMNS) {
        const int64_t now = end - c < TW_LU_COLUMNS ? end - c : TW_LU_COLUMNS;
        tw_lu()->substitute[wide(s->dtype)](s->n, now, s->t, s->row, s->column, s->lower, s->unit, at(s->dtype, s->b, c * s->lead), s->lead);
    }
}

static bool solve(triangle s) {
    if (s.columns == 0) return true;
    if (s.n <= TW_LU_BLOCK) {
        enum { GRAIN = 8 * TW_LU_COLUMNS };
        if (s.n) tw_parallel(s.columns, GRAIN, substitute_columns, &s);
        return true;
    }
    const int64_t half = half_of(s.n, TW_LU_BLOCK);
    triangle upper_left = s, lower_right = s;
    upper_left.n = half;
    lower_right.n = s.n - half;
    lower_right.t = at(s.dtype, s.t, half * (s.row + s.column));
    lower_right.b = at(s.dtype, s.b, half);
    if (s.lower)
        return solve(upper_left) &&
               subtract_product(s.dtype, s.n - half, s.columns, half, at(s.dtype, s.t, half * s.row), s.row, s.column, s.b, s.lead, lower_right.b, s.lead) &&
               solve(lower_right);
    return solve(lower_right) &&
           subtract_product(s.dtype, half, s.columns, s.n - half, at(s.dtype, s.t, half * s.column), s.row, s.column, lower_right.b, s.lead, s.b, s.lead) &&
           solve(upper_left);
}

/* --- columns by themselves ---------------------------------------------------------------------------------------------- */

typedef bool (*columns_fn)(void *context, int64_t first, int64_t columns);
typedef struct columns_job { columns_fn run; void *context; } columns_job;

static bool run_columns(void *context, int64_t begin, int64_t end) {
    const columns_job *j = context;
    return j->run(j->context, begin, end - begin);
}

/* Columns of right sides need nothing of each other: each thread takes as many of them as it can get through all steps, and they stay in its
 * caches. Where that would leave it narrow ones, of which products are slow, the steps share out their work instead. */
static bool by_columns(int64_t columns, columns_fn run, void *context) {
    enum { NARROW = 48 };
    const int64_t threads = tw_num_threads(), share = (columns + threads - 1) / threads;
    columns_job j = {run, context};
    if (share < NARROW) return run(context, 0, columns);
    return tw_try_parallel(columns, (share + TW_LU_COLUMNS - 1) / TW_LU_COLUMNS * TW_LU_COLUMNS, run_columns, &j);
}

static bool solve_columns(void *context, int64_t first, int64_t columns) {
    triangle s = *(const triangle *)context;
    s.columns = columns;
    s.b = at(s.dtype, s.b, first * s.lead);
    return solve(s);
}

bool tw_triangle_solve(tw_dtype dtype, bool lower, bool unit, int64_t n, int64_t columns, const void *t, int64_t row, int64_t column, void *b,
                       int64_t b_lead) {
    triangle s = {dtype, lower, unit, n, columns, row, column, b_lead, t, b};
    return by_columns(columns, solve_columns, &s);
}

/* --- exchanges of rows --------------------------------------------------------------------------------------------- */

typedef struct exchange {
    tw_dtype dtype;
    void *a;
    int64_t lead, count;
    const int32_t *pivots;
    bool back;
} exchange;

static void exchange_columns(void *context, int64_t begin, int64_t end) {
    const exchange *x = context;
    tw_lu()->swap[wide(x->dtype)](end - begin, at(x->dtype, x->a, begin * x->lead), x->lead, 0, x->count, x->pivots, x->back);
}

static void exchange_rows(tw_dtype dtype, int64_t columns, void *a, int64_t lead, int64_t count, const int32_t *pivots, bool back) {
    exchange x = {dtype, a, lead, count, pivots, back};
    if (columns && count) tw_parallel(columns, 16384 / count + 1, exchange_columns, &x);
}

/* --- LU -------------------------------------------------------------------------------------------------------------- */

typedef struct right_half { /* of a matrix whose left half has its factors */
    tw_dtype dtype;
    int64_t m, left, lead;
    void *a, *beside;
    const int32_t *pivots;
} right_half;

static bool update_columns(void *context, int64_t first, int64_t columns) {
    const right_half *r = context;
    void *beside = at(r->dtype, r->beside, first * r->lead);
    exchange_rows(r->dtype, columns, beside, r->lead, r->left, r->pivots, false);
    return solve((triangle){r->dtype, true, true, r->left, columns, 1, r->lead, r->lead, r->a, beside}) &&
           subtract_product(r->dtype, r->m - r->left, columns, r->left, at(r->dtype, r->a, r->left), 1, r->lead, beside, r->lead,
                            at(r->dtype, beside, r->left), r->lead);
}

bool tw_plu_factor(tw_dtype dtype, int64_t m, int64_t n, void *a, int64_t lead, int32_t *pivots, int32_t *info) {
    if (n <= TW_LU_PANEL) {
        *info = (int32_t)tw_lu()->panel[wide(dtype)](m, n, a, lead, pivots);
        return true;
    }
    const int64_t least = m < n ? m : n, left = least <= TW_LU_PANEL ? least : half_of(least, TW_LU_PANEL), right = n - left;
    right_half r = {dtype, m, left, lead, a, at(dtype, a, left * lead), pivots};
    int32_t later = 0;
    if (!tw_plu_factor(dtype, m, left, a, lead, pivots, info)) return false;
    if (!by_columns(right, update_columns, &r)) return false;
    if (m == left) return true;
    if (!tw_plu_factor(dtype, m - left, right, at(dtype, r.beside, left), lead, pivots + left, &later)) return false;
    if (!*info && later) *info = later + (int32_t)left;
    exchange_rows(dtype, left, at(dtype, a, left), lead, least - left, pivots + left, false);
    for (int64_t i = left; i < least; i++) pivots[i] += (int32_t)left;
    return true;
}

typedef struct right_sides { /* of equations whose matrix has its factors */
    tw_dtype dtype;
    bool transposed;
    int64_t n, lead, b_lead;
    const void *lu;
    void *b;
    const int32_t *pivots;
} right_sides;

static bool solve_right_sides(void *context, int64_t first, int64_t columns) {
    const right_sides *r = context;
    void *b = at(r->dtype, r->b, first * r->b_lead);
    const triangle unit = {r->dtype, true, true, r->n, columns, 1, r->lead, r->b_lead, r->lu, b};
    triangle other = unit, turned = unit;
    other.lower = other.unit = false;
    turned.row = r->lead, turned.column = 1; /* of U's transpose, which is lower */
    if (!r->transposed) {
        exchange_rows(r->dtype, columns, b, r->b_lead, r->n, r->pivots, false);
        return solve(unit) && solve(other);
    }
    turned.unit = false;
    other.row = r->lead, other.column = 1, other.unit = true;
    if (!solve(turned) || !solve(other)) return false;
    exchange_rows(r->dtype, columns, b, r->b_lead, r->n, r->pivots, true);
    return true;
}

bool tw_plu_solve(tw_dtype dtype, bool transposed, int64_t n, int64_t columns, const void *lu, int64_t lead, const int32_t *pivots, void *b,
                  int64_t b_lead) {
    right_sides r = {dtype, transposed, n, lead, b_lead, lu, b, pivots};
    return by_columns(columns, solve_right_sides, &r);
}

/* --- Cholesky -------------------------------------------------------------------------------------------------------- */

typedef struct lower_right { /* of a matrix whose upper half of rows has its factor: beside, k x n */
    tw_dtype dtype;
    int64_t n, k, lead;
    void *a, *beside;
} lower_right;

/* Strips of columns down to the diagonal. */
enum { STRIP = 64 };
static bool update_strips(void *context, int64_t begin, int64_t end) {
    const lower_right *r = context;
    for (int64_t j = begin * STRIP; j < r->n && j < end * STRIP; j += STRIP) {
        const int64_t columns = r->n - j < STRIP ? r->n - j : STRIP;
        if (!subtract_product(r->dtype, j + columns, columns, r->k, r->beside, r->lead, 1, at(r->dtype, r->beside, j * r->lead), r->lead,
                              at(r->dtype, r->a, j * r->lead), r->lead)) return false;
    }
    return true;
}

bool tw_cholesky_factor(tw_dtype dtype, int64_t n, void *a, int64_t lead, int32_t *info) {
    enum { SERIAL_WORK = 8000000 };
    if (n <= TW_LU_BLOCK) {
        *info = (int32_t)tw_lu()->cholesky[wide(dtype)](n, a, lead);
        return true;
    }
    const int64_t half = half_of(n, TW_LU_BLOCK), right = n - half, strips = (right + STRIP - 1) / STRIP;
    lower_right r = {dtype, right, half, lead, at(dtype, a, half * (lead + 1)), at(dtype, a, half * lead)};
    if (!tw_cholesky_factor(dtype, half, a, lead, info)) return false;
    if (*info) return true;
    if (!tw_triangle_solve(dtype, true, false, half, right, a, lead, 1, r.beside, lead) ||
        !tw_try_parallel(strips, (double)half * (double)right * (double)right < SERIAL_WORK ? strips : 1, update_strips, &r) ||
        !tw_cholesky_factor(dtype, right, r.a, lead, info)) return false;
    if (*info) *info += (int32_t)half;
    return true;
}
