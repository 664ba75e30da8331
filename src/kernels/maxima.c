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

static void max_window(int64_t n, int64_t places, const float *const *from, const int32_t *at, float *best, int64_t *best_at) {
    enum { SOME = 64 };
    for (int64_t i0 = 0; i0 < n; i0 += SOME) {
        int64_t now = n - i0 < SOME ? n - i0 : SOME;
        float top[SOME];
        int32_t where[SOME];
        for (int64_t i = 0; i < SOME; i++) top[i] = -INFINITY, where[i] = at[0];
        if (now == SOME) for (int64_t p = 0; p < places; p++) max_steps(SOME, from[p] + i0, 1, top, where, at[p], 0);
        else for (int64_t p = 0; p < places; p++) max_steps(now, from[p] + i0, 1, top, where, at[p], 0);
        memcpy(best + i0, top, (size_t)now * sizeof *top);
        for (int64_t i = 0; i < now; i++) best_at[i0 + i] = where[i];
    }
}

const tw_maxima_kernels TW_K(tw_maxima_kernels) = {max_row, max_window};
