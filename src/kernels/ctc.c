#include "kernels/ctc.h"
#include "kernels/math.h"
#include "kernels/vec.h"

static int64_t state(const tw_ctc_job *j, int64_t s) { return s % 2 ? j->target[s / 2] : j->blank; }

/* May s be reached from s - 2, over the blank between two different labels? */
static bool skips(const tw_ctc_job *j, int64_t s) { return s > 1 && s % 2 && j->target[s / 2] != j->target[s / 2 - 1]; }

/* exp and log of float32 are rounded once from float64: likelihoods are large, and an error of theirs in the last place shows in the gradient. */
TW_INLINE vf32 exp_f32(vf32 x) { return tw_join_f64(v_exp_f64(tw_low_f32(x)), v_exp_f64(tw_high_f32(x))); }
TW_INLINE vf32 log_f32(vf32 x) { return tw_join_f64(v_log_f64(tw_low_f32(x)), v_log_f64(tw_high_f32(x))); }

#define S f32
#define T float
#define EXP exp_f32
#define LOG log_f32
#include "kernels/ctc_type.h"
#define S f64
#define T double
#define EXP v_exp_f64
#define LOG v_log_f64
#include "kernels/ctc_type.h"

const tw_ctc_kernels TW_K(tw_ctc_kernels) = {{forward_f32, forward_f64}, {backward_f32, backward_f64}};
