/* Rows of attention weights. Index 0 is float32, 1 float64. */
#ifndef TW_KERNELS_ATTENTION_H
#define TW_KERNELS_ATTENTION_H
#include "kernels/kernel.h"

typedef struct tw_attention_kernels {
    /* x = exp(x - max(x)). Stores its sum and the logarithm of what exp(x) summed to; a row of -inf gives zeros, sum 1 and -inf. */
    void (*weigh[2])(int64_t n, void *x, void *sum, void *log);
    /* x = exp(x - *log), y = x * (y - *mean): the weights again, and the gradient of the scores from that of the weights. */
    void (*back[2])(int64_t n, void *x, void *y, const void *log, const void *mean);
    void (*divide[2])(int64_t n, void *x, const void *by);                  /* x /= *by */
    void (*add[2])(int64_t n, void *to, const void *from);
    void (*step_f16)(int64_t n, void *x), (*step_bf16)(int64_t n, void *x); /* float32 numbers rounded to what a half type holds */
} tw_attention_kernels;
const tw_attention_kernels *tw_attention(void);
#endif
