/* Running maxima with their places. */
#ifndef TW_KERNELS_MAXIMA_H
#define TW_KERNELS_MAXIMA_H
#include "kernels/kernel.h"

typedef struct tw_maxima_kernels {
    /* Where x[i * step] is above best[i], or is NaN, both best[i] and its place at[i] = place + i * place_step change. */
    void (*max_row)(int64_t n, const float *x, int64_t step, float *best, int32_t *at, int32_t place, int32_t place_step);
    /* n results, each the largest of `places` elements: value(p, i) = from[p][i], numbered at[p]; the first of equals, and NaN beats all. */
    void (*max_window)(int64_t n, int64_t places, const float *const *from, const int32_t *at, float *best, int64_t *best_at);
} tw_maxima_kernels;
const tw_maxima_kernels *tw_maxima(void);
#endif
