/* Single numbers: lane 0 of a vector. */
#include "kernels/number.h"
#include "kernels/math.h"

static double one_pow(double x, double y) { return s_pow_f64(x, y); }
static double one_exp(double x) { return s_exp_f64(x); }
static double one_log(double x) { return s_log_f64(x); }
static double one_cos(double x) { return s_cos_f64(x); }
static double one_erf(double x) { return tw_lane_f64(v_erf_f64(v_splat_f64(x))); }

extern const tw_number_kernels TW_K(tw_number_kernels);
const tw_number_kernels TW_K(tw_number_kernels) = {.pow = one_pow, .exp = one_exp, .log = one_log, .cos = one_cos, .erf = one_erf};
