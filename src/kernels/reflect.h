/* The innermost steps of Householder reflections: columns of float32 (index 0) and float64 (index 1) matrices, each contiguous, `lead` apart.
 *
 * Note [Order of a column's sums]
 * Element i of a dot product goes to lane i mod 128 bytes; lanes fold by halves: the same for every instruction set. */
#ifndef TW_KERNELS_REFLECT_H
#define TW_KERNELS_REFLECT_H
#include "kernels/kernel.h"

typedef struct tw_reflect_kernels {
    /* to[j] = column j (m elements) times x */
    void (*dots[2])(int64_t m, int64_t columns, const void *a, int64_t lead, const void *x, void *to);
    /* y += a x, the columns in order */
    void (*combine[2])(int64_t m, int64_t columns, const void *a, int64_t lead, const void *x, void *y);
    /* y (m) = the product with x of the symmetric matrix of which a holds the lower triangle: of its first `columns` columns, and of the rows
     * that mirror them. */
    void (*half_product[2])(int64_t m, int64_t columns, const void *a, int64_t lead, const void *x, void *y);
    /* column j -= w[j] x */
    void (*take_outer[2])(int64_t m, int64_t columns, void *a, int64_t lead, const void *x, const void *w);
} tw_reflect_kernels;
const tw_reflect_kernels *tw_reflect(void);
#endif
