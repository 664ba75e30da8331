/* Running maxima with their places. */
#ifndef TW_KERNELS_MAXIMA_H
#define TW_KERNELS_MAXIMA_H
#include "kernels/kernel.h"

typedef struct tw_maxima_kernels {
    /* Where x[i * step] is above best[i], or is NaN, both best[i] and its place at[i] = place + i * place_step change. */
    void (*max_row)(int64_t n, const float *x, int64_t step, float *best, int32_t *at, int32_t place, int32_t place_step);
} tw_maxima_kernels;
const tw_maxima_kernels *tw_maxima(void);
#endif
