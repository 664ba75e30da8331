/* Sums and maps of normalisation layers, per instruction set. */
#include "kernels/normalize.h"
#include "kernels/vec.h"

enum { SUMS = 16 / V_LANES_f64 };

TW_INLINE void clear(vf64 v[SUMS]) { for (int j = 0; j < SUMS; j++) v[j] = v_splat_f64(0); }
TW_INLINE void store(const vf64 v[SUMS], double lane[16]) { for (int j = 0; j < SUMS; j++) v_store_f64(lane + j * V_LANES_f64, v[j]); }
TW_INLINE double fma_of(double a, double b, double c) { return tw_lane_f64(v_fma_f64(v_splat_f64(a), v_splat_f64(b), v_splat_f64(c))); }
static double fold(double lane[16]) {
    for (int w = 8; w > 0; w /= 2)
        for (int i = 0; i < w; i++) lane[i] += lane[i + w];
    return lane[0];
}

/* 16 elements as doubles. */
TW_INLINE void lanes_f32(const float *x, vf64 to[SUMS]) {
    for (int j = 0; j < SUMS; j += 2) {
        vf32 v = v_load_f32(x + j * V_LANES_f64);
        to[j] = tw_low_f32(v), to[j + 1] = tw_high_f32(v);
    }
}
TW_INLINE void lanes_f64(const double *x, vf64 to[SUMS]) { for (int j = 0; j < SUMS; j++) to[j] = v_load_f64(x + j * V_LANES_f64); }

#define T float
#define S f32
#include "kernels/normalize_type.h"
#define T double
#define S f64
#include "kernels/normalize_type.h"

#define KERNELS(S) {moments_##S, dots_##S, affine_##S, blend_##S, row_##S, row_grad_##S, row_params_##S, each_moments_##S, each_dots_##S, \
                    each_affine_##S, each_blend_##S}
const tw_normalize_kernels TW_K(tw_normalize_kernels) = {KERNELS(f32), KERNELS(f64)};
