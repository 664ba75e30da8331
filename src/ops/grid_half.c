/* grid_sample in half types, on float32 arrays: rounded after each operation, coordinates and weights included, in the order of PyTorch's
 * GridSamplerKernel.cpp (two dimensions) and GridSampler.cpp (three). */
#include "ops/grid.h"
#include "ops/half_step.h"

enum { VECTOR = 16 }; /* half numbers in a vector of AVX2, whose order of additions this is */

typedef struct axis { int n; int64_t at[4]; float weight[4], slope[4], scale; } axis; /* at -1: outside, where everything is 0 */
typedef struct place { axis x, y, z; int64_t at[16]; float weight[8]; } place;         /* weight: of the taps, but of bicubic */

static int64_t inside(float x, int64_t n) { return x >= 0 && x < (float)n ? (int64_t)x : -1; }
static int64_t fewer(int64_t a, int64_t b) { return a < b ? a : b; }

#define NAME f16
#define R tw_step_f16_of
#include "ops/grid_half_type.h"
#define NAME bf16
#define R tw_step_bf16_of
#include "ops/grid_half_type.h"

const tw_grid_bodies tw_grid_f16 = {{sample_f16, input_gradient_f16, grid_gradient_f16}};
const tw_grid_bodies tw_grid_bf16 = {{sample_bf16, input_gradient_bf16, grid_gradient_bf16}};
