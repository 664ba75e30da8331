/* Running maxima: plain loops that the compiler turns into vectors, one for each common step. */
#include "kernels/maxima.h"
#include "kernels/vec.h"

TW_INLINE void max_steps(int64_t n, const float *restrict x, int64_t step, float *restrict best, int32_t *restrict at, int32_t place,
                         int32_t place_step) {
    for (int64_t i = 0; i < n; i++) {
        float v = x[i * step];
        bool above = !(v <= best[i]) && !(best[i] != best[i] && v == v); /* NaN is above all, and stays */
        at[i] = above ? place + (int32_t)i * place_step : at[i];
        best[i] = above ? v : best[i];
    }
}

static void max_row(int64_t n, const float *x, int64_t step, float *best, int32_t *at, int32_t place, int32_t place_step) {
    if (step == 1 && place_step == 0) max_steps(n, x, 1, best, at, place, 0);
    else if (step == 1) max_steps(n, x, 1, best, at, place, place_step);
    else if (step == 2) max_steps(n, x, 2, best, at, place, place_step);
    else max_steps(n, x, step, best, at, place, place_step);
}

const tw_maxima_kernels TW_K(tw_maxima_kernels) = {max_row};
