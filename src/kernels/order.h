/* Keys to sort by: unsigned numbers in the elements' order, NaN greatest, -0 equal to 0. `flip` is 0, or all ones to turn the order round. */
#ifndef TW_KERNELS_ORDER_H
#define TW_KERNELS_ORDER_H
#include "kernels/kernel.h"

typedef struct tw_order_kernels {
    void (*keys_float)(int64_t n, const float *x, uint32_t flip, uint32_t *to);
    void (*keys_int)(int64_t n, const int32_t *x, uint32_t flip, uint32_t *to);
    /* to[i]: key[i] in the high half, i in the low one. */
    void (*pack)(int64_t n, const uint32_t *key, uint32_t first, uint64_t *to);
    /* Keys of int64 above the least, packed likewise. */
    void (*pack_long)(int64_t n, const int64_t *x, int64_t least, uint32_t flip, uint32_t first, uint64_t *to);
    /* The first i with key[i] < limit, or n. */
    int64_t (*below)(int64_t n, const uint32_t *key, uint32_t limit);
    void (*range_long)(int64_t n, const int64_t *x, int64_t *least, int64_t *most); /* widens what is there */
} tw_order_kernels;
const tw_order_kernels *tw_order(void);
#endif
