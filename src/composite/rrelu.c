/* leaky_relu with random slopes. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <math.h>

/* Slopes in [lower, upper): one draw in double for each element that is not positive, in order; ones elsewhere. */
static tw_tensor *slopes(tw_pool *p, tw_tensor *self, const tw_arg *lower, const tw_arg *upper, const tw_arg *generator) {
    if (self->device != TW_CPU || tw_mode & TW_MODE_VMAP) {
        tw_fail(TW_NOT_IMPLEMENTED_ERROR, "rrelu: how many slopes are drawn depends on the values, which are not at hand here");
        return NULL;
    }
    if (!tw_is_float((tw_dtype)self->dtype)) {
        tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"rrelu_with_noise_out_cpu\" not implemented for '%s'", tw_dtypes[self->dtype].type_name);
        return NULL;
    }
    const int64_t flat = -1;
    tw_tensor *falls = TEMP(p, reshape, T(TEMP(p, le, T(self), I(0))), INTS(&flat, 1)), *count = TEMP(p, sum, T(falls));
    if (!count) return NULL;
    const int64_t n = *(const int64_t *)tw_data(count);
    tw_tensor *drawn = tw_pool_own(p, tw_empty_new(&n, 1, TW_FLOAT64, TW_CPU));
    const tw_arg draw[] = {T(drawn), *lower, *upper, *generator};
    if (!drawn || !tw_call_inplace(&tw_ops[TW_OP_uniform_], draw)) return NULL;
    tw_tensor *ones = TEMP(p, ones, INTS(&self->numel, 1), I(self->dtype));
    tw_tensor *all = TEMP(p, index_put, T(ones), tw_a_tensors(&falls, 1), T(TEMP(p, to_dtype, T(drawn), I(self->dtype))));
    return TEMP(p, reshape, T(all), INTS(self->sizes, self->ndim));
}

/* (self, lower, upper, training, generator) -> what self is multiplied by, or NULL with the slope of inference in *fixed. */
static tw_tensor *rrelu_factor(tw_pool *p, const tw_arg *a, double *fixed) {
    const double lower = tw_a_get_double(&a[1], 0.125), upper = tw_a_get_double(&a[2], 1.0 / 3);
    if (!(lower <= upper)) {
        tw_fail(TW_RUNTIME_ERROR, "Lower bound should be less than or equal to the upper bound");
        return NULL;
    }
    if (!isfinite(lower) || !isfinite(upper)) {
        const bool low = !isfinite(lower);
        tw_fail(TW_RUNTIME_ERROR, "rrelu: %s bound must be finite, got %g", low ? "lower" : "upper", low ? lower : upper);
        return NULL;
    }
    *fixed = (lower + upper) / 2;
    const tw_arg bounds[] = {F(lower), F(upper)};
    return a[3].i ? slopes(p, a[0].t, &bounds[0], &bounds[1], &a[4]) : NULL;
}

bool tw_rrelu_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    double fixed = 0;
    tw_tensor *factor = rrelu_factor(&p, a, &fixed);
    if (!tw_failed()) outs[0] = factor ? CALL(mul, T(factor), a[0]) : CALL(leaky_relu, a[0], F(fixed));
    return tw_pool_done(&p, outs, 1);
}

bool tw_rrelu__composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    double fixed = 0;
    tw_tensor *factor = rrelu_factor(&p, a, &fixed);
    const tw_arg scale[] = {a[0], factor ? T(factor) : F(fixed)};
    if (!tw_failed()) tw_call_inplace(&tw_ops[factor ? TW_OP_mul : TW_OP_leaky_relu_], scale);
    return tw_pool_give(&p, outs, a[0].t);
}

/* (self, noise, lower, upper, training, generator) */
bool tw_rrelu_with_noise_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    double fixed = 0;
    const tw_arg plain[] = {a[0], a[2], a[3], a[4], a[5]};
    tw_tensor *factor = rrelu_factor(&p, plain, &fixed);
    if (factor) {
        const tw_arg keep[] = {a[1], T(factor)};
        tw_call_inplace(&tw_ops[TW_OP_copy_], keep);
    }
    if (!tw_failed()) outs[0] = factor ? CALL(mul, T(factor), a[0]) : CALL(leaky_relu, a[0], F(fixed));
    return tw_pool_done(&p, outs, 1);
}
