#include "kernels/lu.h"
#include "kernels/vec.h"

static inline float square_root_f32(float x) { return __builtin_sqrtf(x); }
static inline double square_root_f64(double x) { return __builtin_sqrt(x); }

#define T float
#define S f32
#include "kernels/lu_type.h"
#define T double
#define S f64
#include "kernels/lu_type.h"

#define BOTH(NAME) {NAME##_f32, NAME##_f64}
const tw_lu_kernels TW_K(tw_lu_kernels) = {BOTH(panel), BOTH(swap), BOTH(substitute), BOTH(cholesky)};
