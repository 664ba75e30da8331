/* grid_sample in half types, on float32 arrays: rounded after each operation, coordinates and weights included, in the order of PyTorch's
 * GridSamplerKernel.cpp (two dimensions) and GridSampler.cpp (three). */
#include "kernels/grid.h"
#include "kernels/half_step.h"
#include "kernels/math.h"
#include "kernels/vec.h"

enum { VECTOR = 16 }; /* half numbers in a vector of AVX2, whose order of additions this is */

typedef struct axis { int n; int64_t at[4]; float weight[4], slope[4], scale; } axis; /* at -1: outside, where everything is 0 */
typedef struct place { axis x, y, z; int64_t at[16]; float weight[8]; } place;         /* weight: of the taps, but of bicubic */

typedef struct lanes { int64_t at[16][TW_GRID_BLOCK]; float weight[8][TW_GRID_BLOCK]; } lanes; /* the same by tap; bicubic: of x, then of y */

static int64_t inside(float x, int64_t n) { return x >= 0 && x < (float)n ? (int64_t)x : -1; }
static int64_t fewer(int64_t a, int64_t b) { return a < b ? a : b; }

#define NAME f16
#define R tw_step_f16_of
#define RV tw_step_f16
#include "kernels/grid_half_type.h"
#define NAME bf16
#define R tw_step_bf16_of
#define RV tw_step_bf16
#include "kernels/grid_half_type.h"

const tw_grid_kernels TW_K(tw_grid_kernels) = {
    {{sample_f16, input_gradient_f16, grid_gradient_f16}},
    {{sample_bf16, input_gradient_bf16, grid_gradient_bf16}},
};
