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

static int64_t least(int64_t left) { return left < V_LANES_f32 ? left : V_LANES_f32; }
static void step_f16(int64_t n, void *to) {
    float *x = to;
    for (int64_t i = 0; i < n; i += V_LANES_f32) store_f32(x + i, tw_step_f16(load_f32(x + i, least(n - i))), least(n - i));
}
static void step_bf16(int64_t n, void *to) {
    float *x = to;
    for (int64_t i = 0; i < n; i += V_LANES_f32) store_f32(x + i, tw_step_bf16(load_f32(x + i, least(n - i))), least(n - i));
}

#define BOTH(name) {name##_f32, name##_f64}
const tw_attention_kernels TW_K(tw_attention_kernels) = {BOTH(weigh), BOTH(back), BOTH(divide), BOTH(add), step_f16, step_bf16};
