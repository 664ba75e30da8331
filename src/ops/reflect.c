/* Blocks of reflections as 1 - V T V^T, so that most of the work is products (R. Schreiber, C. Van Loan, "A storage-efficient WY representation
 * for products of Householder transformations", SIAM J. Sci. Stat. Comput. 10, 1989). */
#include "ops/reflect.h"
#include "core/memory.h"
#include "kernels/reflect.h"
#include "ops/linalg_gemm.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { PANEL = 32, BLOCK = 64 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#define T float
#define S f32
#define WIDE 0
#define LEAST 1e-25f
#define MOST 1e35f
#define MOST_NUMBER FLT_MAX
#define SQRT sqrtf
#define ABS fabsf
#define COPYSIGN copysignf
#include "ops/reflect_type.h"
#define T double
#define S f64
#define WIDE 1
#define LEAST 1e-250
#define MOST 1e300
#define MOST_NUMBER DBL_MAX
#define SQRT sqrt
#define ABS fabs
#define COPYSIGN copysign
#include "ops/reflect_type.h"

static void *at(tw_dtype dtype, const void *p, int64_t elements) {
    return (char *)(uintptr_t)p + elements * (int64_t)tw_dtype_size(dtype);
}

bool tw_reflect_product(tw_dtype dtype, bool subtract, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_k, const void *b,
                        int64_t b_k, int64_t b_column, void *c, int64_t c_row) {
    const tw_gemm_call g = {.m = m, .n = n, .k = k, .a = tw_gemm_matrix(a, dtype, a_k, a_row), .b = tw_gemm_matrix(b, dtype, b_k, b_column), .c = c,
                            .c_row = c_row, .dtype = dtype, .alpha = 1, .subtract = subtract};
    return tw_gemm_run(&g);
}

void tw_reflection(tw_dtype dtype, int64_t n, void *alpha, void *x, void *tau) {
    if (dtype == TW_FLOAT64) *(double *)tau = reflection_f64(n, alpha, x);
    else *(float *)tau = reflection_f32(n, alpha, x);
}

/* Reflections [from, from + k) of q on rows from `from` on, and on columns from `first` on. room: (2 m + 2 k + columns) k elements. */
static bool apply_block(const tw_reflections *q, int64_t from, int64_t k, bool transposed, int64_t columns, void *c, int64_t c_row, int64_t c_column,
                        void *room) {
    const tw_dtype dtype = q->dtype;
    const int64_t m = q->m - from;
    void *v = room, *vt = at(dtype, v, m * k), *s = at(dtype, vt, m * k), *t = at(dtype, s, k * k), *w = at(dtype, t, k * k);
    const void *stored = at(dtype, q->v, from * (q->row + q->column)), *tau = at(dtype, q->tau, from);
    (dtype == TW_FLOAT64 ? spell_out_f64 : spell_out_f32)(m, k, stored, q->row, q->column, v);
    if (!tw_reflect_product(dtype, false, k, k, m, v, m, 1, v, 1, m, s, k)) return false;
    (dtype == TW_FLOAT64 ? triangle_f64 : triangle_f32)(k, s, tau, t);
    /* rows of vt: of (V T)^T or (V T^T)^T. t is column-major */
    if (!tw_reflect_product(dtype, false, k, m, k, t, transposed ? 1 : k, transposed ? k : 1, v, m, 1, vt, m)) return false;
    if (!tw_reflect_product(dtype, false, k, columns, m, v, m, 1, c, c_row, c_column, w, columns)) return false;
    if (c_row == 1) return tw_reflect_product(dtype, true, columns, m, k, w, 1, columns, vt, m, 1, c, c_column);
    return tw_reflect_product(dtype, true, m, columns, k, vt, 1, m, w, columns, 1, c, c_row);
}

static size_t room_of(int64_t m, int64_t k, int64_t columns, tw_dtype dtype) {
    return (size_t)((2 * m + 2 * k + columns) * k) * tw_dtype_size(dtype);
}

bool tw_reflect_apply(const tw_reflections *q, bool transposed, bool triangle, int64_t columns, void *c, int64_t c_row, int64_t c_column) {
    const int64_t blocks = (q->k + BLOCK - 1) / BLOCK;
    const size_t bytes = room_of(q->m, smaller(q->k, BLOCK), columns, q->dtype);
    if (q->k == 0 || columns == 0) return true;
    void *room = tw_block_alloc(bytes);
    bool ok = room != NULL;
    for (int64_t i = 0; ok && i < blocks; i++) {
        const int64_t from = (transposed ? i : blocks - 1 - i) * BLOCK, first = triangle ? smaller(from, columns) : 0;
        ok = first == columns || apply_block(q, from, smaller(q->k - from, BLOCK), transposed, columns - first,
                                             at(q->dtype, c, from * c_row + first * c_column), c_row, c_column, room);
    }
    tw_block_free(room, bytes);
    return ok;
}

bool tw_reflect_factor(tw_dtype dtype, int64_t m, int64_t n, void *a, int64_t lead, void *tau) {
    const int64_t k = smaller(m, n);
    const size_t bytes = room_of(m, smaller(k, PANEL), n, dtype);
    void *room = k < n || k > PANEL ? tw_block_alloc(bytes) : NULL;
    bool ok = true;
    for (int64_t j = 0; ok && j < k; j += PANEL) {
        const int64_t now = smaller(k - j, PANEL), rest = n - j - now;
        void *corner = at(dtype, a, j * (lead + 1));
        (dtype == TW_FLOAT64 ? panel_f64 : panel_f32)(m - j, now, corner, lead, at(dtype, tau, j));
        if (rest == 0) continue;
        const tw_reflections q = {dtype, m - j, now, corner, 1, lead, at(dtype, tau, j)};
        ok = room && apply_block(&q, 0, now, true, rest, at(dtype, corner, now * lead), 1, lead, room);
    }
    tw_block_free(room, bytes);
    return ok;
}

bool tw_is_moderate(const void *p, int64_t n, tw_dtype dtype) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = fabs(dtype == TW_FLOAT32 ? (double)((const float *)p)[i] : ((const double *)p)[i]);
        if (!(x <= most)) most = x;
    }
    return dtype == TW_FLOAT32 ? most > 1e-12 && most < 1e12 : most > 1e-120 && most < 1e120;
}
