#include "kernels/lu.h"
#include "kernels/vec.h"

#define T float
#define S f32
#include "kernels/lu_type.h"
#define T double
#define S f64
#include "kernels/lu_type.h"

#define BOTH(NAME) {NAME##_f32, NAME##_f64}
const tw_lu_kernels TW_K(tw_lu_kernels) = {BOTH(panel), BOTH(swap), BOTH(substitute)};
