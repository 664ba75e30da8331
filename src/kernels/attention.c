#include "kernels/attention.h"
#include "kernels/math.h"
#include "kernels/vec.h"

enum { LANES = 16 }; /* of a sum: element i goes to lane i mod 16, lanes fold by halves */

#define S f32
#define T float
#include "kernels/attention_type.h"
#define S f64
#define T double
#include "kernels/attention_type.h"

#define BOTH(name) {name##_f32, name##_f64}
const tw_attention_kernels TW_K(tw_attention_kernels) = {BOTH(weigh), BOTH(back), BOTH(divide), BOTH(add)};
