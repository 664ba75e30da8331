#include "kernels/softmax.h"
#include "kernels/math.h"

#define T float
#define S f32
#include "kernels/softmax_type.h"
#define T double
#define S f64
#include "kernels/softmax_type.h"

#define BOTH(NAME) {NAME##_f32, NAME##_f64}
const tw_softmax_kernels TW_K(tw_softmax_kernels) = {BOTH(softmax), BOTH(log_softmax), BOTH(softmax_grad), BOTH(log_softmax_grad)};
