/* The innermost steps of LU and Cholesky factorisations and of triangular systems: column-major float32 (index 0) and float64 (index 1). */
#ifndef TW_KERNELS_LU_H
#define TW_KERNELS_LU_H
#include "kernels/kernel.h"

enum { TW_LU_PANEL = 16, TW_LU_BLOCK = 32, TW_LU_COLUMNS = 16 };

typedef struct tw_lu_kernels {
    /* LU with row exchanges of an m x n panel, n <= TW_LU_PANEL, in place. pivots: the row, counted from 1, that each row changed places with.
     * The number of the first pivot that is zero, counted from 1; 0 where there is none. */
    int64_t (*panel[2])(int64_t m, int64_t n, void *a, int64_t lead, int32_t *pivots);
    /* Exchanges rows first to last - 1 of each column with their pivots, in order or, `back`, the last one first. */
    void (*swap[2])(int64_t columns, void *a, int64_t lead, int64_t first, int64_t last, const int32_t *pivots, bool back);
    /* Solves T X = B in place of B. n <= TW_LU_BLOCK rows, at most TW_LU_COLUMNS columns; T(i, j) is t[i * row + j * column]. */
    void (*substitute[2])(int64_t n, int64_t columns, const void *t, int64_t row, int64_t column, bool lower, bool unit, void *b, int64_t lead);
    /* The upper triangle of an n x n matrix, n <= TW_LU_BLOCK, in place: U with A = U^T U. The order of the first minor that is not positive,
     * where it stops; 0 where there is none. */
    int64_t (*cholesky[2])(int64_t n, void *a, int64_t lead);
} tw_lu_kernels;
const tw_lu_kernels *tw_lu(void);
#endif
