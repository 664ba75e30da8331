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

enum { AHEAD = 8 }; /* places, where they lie next to each other */

static void max_window(int64_t n, int64_t places, const float *const *from, const int32_t *at, float *best, int64_t *best_at) {
    for (int64_t i = 0; i < n; i += V_LANES_f32) {
        int64_t now = n - i < V_LANES_f32 ? n - i : V_LANES_f32;
        vf32 top = v_splat_f32(-INFINITY), where = (vf32)(vi32){0};
        int32_t number[V_LANES_f32];
        where = (vf32)((vi32)where + at[0]);
        for (int64_t p = 0; p < places; p++) {
            __builtin_prefetch(from[p] + i + AHEAD * n);
            vf32 v = now == V_LANES_f32 ? v_load_f32(from[p] + i) : v_load_n_f32(from[p] + i, now);
            m_f32 above = m_or_f32(v_gt_f32(v, top), v_isnan_f32(v));
            top = v_select_f32(above, v, top);
            where = v_select_f32(above, (vf32)((vi32){0} + at[p]), where);
        }
        memcpy(number, &where, sizeof number);
        if (now == V_LANES_f32) {
            v_store_f32(best + i, top);
            for (int l = 0; l < V_LANES_f32; l++) best_at[i + l] = number[l];
        } else {
            v_store_n_f32(best + i, top, now);
            for (int l = 0; l < now; l++) best_at[i + l] = number[l];
        }
    }
}

const tw_maxima_kernels TW_K(tw_maxima_kernels) = {max_row, max_window};
