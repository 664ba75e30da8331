#include "kernels/ctc.h"
#include "kernels/math.h"
#include "kernels/scalar.h"

static int64_t state(const tw_ctc_job *j, int64_t s) { return s % 2 ? j->target[s / 2] : j->blank; }

/* May s be reached from s - 2, over the blank between two different labels? */
static bool skips(const tw_ctc_job *j, int64_t s) { return s > 1 && s % 2 && j->target[s / 2] != j->target[s / 2 - 1]; }

#define NAME f32
#define T float
#define EXP s_exp_f32
#define LOG s_log_f32
#include "kernels/ctc_type.h"
#define NAME f64
#define T double
#define EXP s_exp_f64
#define LOG s_log_f64
#include "kernels/ctc_type.h"

const tw_ctc_kernels TW_K(tw_ctc_kernels) = {{forward_f32, forward_f64}, {backward_f32, backward_f64}};
