/* LU factorisation with row exchanges, Cholesky factorisation, and systems of equations with triangles, of column-major float32 and float64 matrices, over our own
 * products: same bits everywhere. false only for want of memory. */
#ifndef TW_OPS_LU_H
#define TW_OPS_LU_H
#include "core/dtype.h"

static inline bool tw_lu_takes(tw_dtype dtype) { return dtype == TW_FLOAT32 || dtype == TW_FLOAT64; }

/* a (m x n) = P L U in place. pivots: min(m, n) rows counted from 1, as LAPACK's getrf gives them; *info: the first zero pivot, or 0. */
bool tw_plu_factor(tw_dtype dtype, int64_t m, int64_t n, void *a, int64_t lead, int32_t *pivots, int32_t *info);
/* A X = B, or A^T X = B, in place of B (n x columns), by the factors of A. */
bool tw_plu_solve(tw_dtype dtype, bool transposed, int64_t n, int64_t columns, const void *lu, int64_t lead, const int32_t *pivots, void *b,
                 int64_t b_lead);
/* The upper triangle of a (n x n) becomes U with A = U^T U; what lies below is left alone. *info: the order of the first leading minor that is not
 * positive, where it stops, or 0. */
bool tw_cholesky_factor(tw_dtype dtype, int64_t n, void *a, int64_t lead, int32_t *info);
/* T X = B in place of B; T(i, j) is t[i * row + j * column], `lower` or upper, with ones on the diagonal where `unit`. */
bool tw_triangle_solve(tw_dtype dtype, bool lower, bool unit, int64_t n, int64_t columns, const void *t, int64_t row, int64_t column, void *b,
                       int64_t b_lead);
#endif
