/* Sums and maps of normalisation layers, per instruction set. */
#include "kernels/normalize.h"

#define T float
#define S f32
#include "kernels/normalize_type.h"
#define T double
#define S f64
#include "kernels/normalize_type.h"

#define KERNELS(S) {moments_##S, dots_##S, affine_##S, blend_##S, row_##S, row_grad_##S, row_params_##S, each_moments_##S, each_dots_##S, \
                    each_affine_##S, each_blend_##S}
const tw_normalize_kernels TW_K(tw_normalize_kernels) = {KERNELS(f32), KERNELS(f64)};
