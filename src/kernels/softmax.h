/* The steps of softmax that no other kernel has: n contiguous floats (index 0) or doubles (index 1). */
#ifndef TW_KERNELS_SOFTMAX_H
#define TW_KERNELS_SOFTMAX_H
#include "kernels/kernel.h"

typedef struct tw_softmax_kernels {
    void (*shift[2])(int64_t n, void *x, const void *by);                   /* x -= *by */
    void (*divide[2])(int64_t n, void *x, const void *by);                  /* x /= *by */
    void (*multiply[2])(int64_t n, void *x, const void *y);                 /* x *= y */
    void (*less[2])(int64_t n, void *x, const void *y, const void *by);     /* x -= y * *by */
} tw_softmax_kernels;
const tw_softmax_kernels *tw_softmax(void);
#endif
