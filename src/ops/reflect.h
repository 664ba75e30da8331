/* Householder reflections of float32 and float64 matrices, over our own products: same bits everywhere. As LAPACK's: H = 1 - tau v v^T with
 * v(0) = 1, which is not stored, and the sign that makes the leading element's opposite. false only for want of memory. */
#ifndef TW_OPS_REFLECT_H
#define TW_OPS_REFLECT_H
#include "core/dtype.h"

static inline bool tw_reflect_takes(tw_dtype dtype) { return dtype == TW_FLOAT32 || dtype == TW_FLOAT64; }

/* From this size on, what LAPACK's decompositions have of reflections is ours. */
enum { TW_REFLECT_LARGE = 128 };
/* Whether the largest magnitude of n numbers is one whose squares neither vanish nor overflow. */
bool tw_is_moderate(const void *x, int64_t n, tw_dtype dtype);

/* a (m x n, column-major) = Q R in place: R, and below its diagonal the min(m, n) reflections. */
bool tw_reflect_factor(tw_dtype dtype, int64_t m, int64_t n, void *a, int64_t lead, void *tau);

/* The product of k reflections H(1) ... H(k) of m elements each. Element i of the j-th, i > j, is v[i * row + j * column]. */
typedef struct tw_reflections {
    tw_dtype dtype;
    int64_t m, k;
    const void *v;
    int64_t row, column;
    const void *tau;
} tw_reflections;

/* c (m x columns) = Q c, or Q^T c. One of c's strides is 1. `triangle`: column j of c is zero but from place j on. */
bool tw_reflect_apply(const tw_reflections *q, bool transposed, bool triangle, int64_t columns, void *c, int64_t c_row, int64_t c_column);

/* The reflection of (alpha, x), x of n contiguous elements, onto the first axis: beta in place of alpha, v in place of x, and tau. */
void tw_reflection(tw_dtype dtype, int64_t n, void *alpha, void *x, void *tau);

/* c (m x n, rows c_row apart and contiguous) = or -= a b; a(i, p) = a[i * a_row + p * a_k], b(p, j) = b[p * b_k + j * b_column]. */
bool tw_reflect_product(tw_dtype dtype, bool subtract, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_k, const void *b,
                        int64_t b_k, int64_t b_column, void *c, int64_t c_row);

/* a (n x n, symmetric, column-major, its lower triangle) = Q T Q^T: diagonal d (n) and e (n - 1) of T; the n - 1 reflections, of rows from 1 on,
 * replace the columns below the places beside the diagonal. */
bool tw_tridiagonal(tw_dtype dtype, int64_t n, void *a, int64_t lead, void *d, void *e, void *tau);

/* a (m x n, m >= n, column-major) = Q B P^T: diagonal d (n) and e (n - 1), right of it, of B. Q's n reflections replace a's columns below the
 * diagonal; those of P, n - 1 of rows from 1 on, go to the columns of p (n x n) below its diagonal. */
bool tw_bidiagonal(tw_dtype dtype, int64_t m, int64_t n, void *a, int64_t lead, void *d, void *e, void *tau_q, void *p, void *tau_p);
#endif
