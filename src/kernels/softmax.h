/* Rows of softmax and log_softmax and of their gradients: n contiguous floats (index 0) or doubles (index 1). `out` may be any of the inputs.
 * Sums go to 64 lanes (floats; 32 for doubles) by place, in leaves of 8192 that are added in order. */
#ifndef TW_KERNELS_SOFTMAX_H
#define TW_KERNELS_SOFTMAX_H
#include "kernels/kernel.h"

/* y is NULL in forward rows; in gradients x is the gradient of the result and y the result. */
typedef void (*tw_softmax_row)(int64_t n, const void *x, const void *y, void *out);

typedef struct tw_softmax_kernels {
    tw_softmax_row softmax[2], log_softmax[2], softmax_grad[2], log_softmax_grad[2];
} tw_softmax_kernels;
const tw_softmax_kernels *tw_softmax(void);
#endif
