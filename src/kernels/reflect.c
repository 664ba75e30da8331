#include "kernels/reflect.h"
#include "kernels/vec.h"

#define T float
#define S f32
#include "kernels/reflect_type.h"
#define T double
#define S f64
#include "kernels/reflect_type.h"

#define BOTH(NAME) {NAME##_f32, NAME##_f64}
const tw_reflect_kernels TW_K(tw_reflect_kernels) = {BOTH(dots), BOTH(combine), BOTH(half_product), BOTH(take_outer)};
