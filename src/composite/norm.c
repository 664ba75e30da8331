/* Gradients of linalg_vector_norm. */
#include "composite/boxed.h"
#include "composite/reduce.h"
#include "ops_decl.h"
#include <math.h>

/* sgn(self) * |self|^power, 0 where self is 0. */
static tw_tensor *signed_power(tw_pool *p, tw_tensor *self, double power) {
    tw_tensor *raised = TEMP(p, pow, T(TEMP(p, abs, T(self))), F(power));
    raised = TEMP(p, masked_fill_Scalar, T(raised), T(TEMP(p, eq, T(self), I(0))), I(0));
    return TEMP(p, mul, T(TEMP(p, sgn, T(self))), T(raised));
}

/* 0 where norm is 0. */
static tw_tensor *unless_zero(tw_pool *p, tw_tensor *t, tw_tensor *norm) {
    return TEMP(p, masked_fill_Scalar, T(t), T(TEMP(p, eq, T(norm), I(0))), I(0));
}

/* 1 / k at the k elements whose size is the norm, 0 elsewhere. */
static tw_tensor *shares(tw_pool *p, tw_tensor *self, tw_tensor *norm, const tw_arg *dim) {
    tw_tensor *size = TEMP(p, abs, T(self));
    tw_tensor *nan = TEMP(p, logical_and, T(TEMP(p, ne, T(size), T(size))), T(TEMP(p, ne, T(norm), T(norm))));
    tw_tensor *at = TEMP(p, logical_or, T(TEMP(p, eq, T(size), T(norm))), T(nan));
    tw_tensor *many = TEMP(p, sum_dim_IntList, T(at), dim->tag == TW_ARG_INT ? INTS(&dim->i, 1) : *dim, B(true));
    return norm ? TEMP(p, div, T(TEMP(p, _to_copy, T(at), I(norm->dtype))), T(many)) : NULL;
}

/* (self, ord, norm, dim); norm with its reduced dims kept. As PyTorch's linalg_vector_norm_backward, for a gradient of 1. */
bool tw__vector_norm_slope_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t, *norm = a[2].t;
    const double ord = tw_scalar_double(tw_a_to_scalar(&a[1]));
    if (ord == 0) {
        outs[0] = CALL(zeros_like, T(self));
    } else if (ord == 1) {
        outs[0] = CALL(sgn, T(self));
    } else if (ord == 2) {
        outs[0] = tw_retain(unless_zero(&p, TEMP(&p, div, T(self), T(norm)), norm));
    } else if (isinf(ord)) {
        outs[0] = CALL(mul, T(TEMP(&p, sgn, T(self))), T(shares(&p, self, norm, &a[3])));
    } else if (ord < 1) {
        outs[0] = CALL(mul, T(signed_power(&p, self, ord - 1)), T(TEMP(&p, pow, T(norm), F(1 - ord))));
    } else {
        tw_tensor *raised = ord < 2 ? signed_power(&p, self, ord - 1)
                                    : TEMP(&p, mul, T(self), T(ord == 3 ? TEMP(&p, abs, T(self)) : TEMP(&p, pow, T(TEMP(&p, abs, T(self))), F(ord - 2))));
        tw_tensor *scale = unless_zero(&p, TEMP(&p, reciprocal, T(TEMP(&p, pow, T(norm), F(ord - 1)))), norm);
        outs[0] = CALL(mul, T(raised), T(scale));
    }
    return tw_pool_done(&p, outs, 1);
}

/* (grad, self, ord, norm, dim, keepdim) */
bool tw__vector_norm_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int ndim = a[1].t->ndim;
    tw_tensor *norm = tw_pool_own(&p, tw_keep_dims(a[3].t, &a[4], ndim, a[5].i != 0));
    tw_tensor *grad = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[4], ndim, a[5].i != 0));
    tw_tensor *slope = TEMP(&p, _vector_norm_slope, a[1], a[2], T(norm), a[4]);
    outs[0] = CALL(mul, T(slope), T(grad));
    return tw_pool_done(&p, outs, 1);
}

/* (tangent, self, ord, norm, dim, keepdim) */
bool tw__vector_norm_jvp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *norm = tw_pool_own(&p, tw_keep_dims(a[3].t, &a[4], a[1].t->ndim, a[5].i != 0));
    tw_tensor *slope = TEMP(&p, conj, T(TEMP(&p, _vector_norm_slope, a[1], a[2], T(norm), a[4])));
    tw_tensor *change = TEMP(&p, mul, T(slope), a[0]);
    if (change && tw_is_complex((tw_dtype)change->dtype)) change = TEMP(&p, real, T(change));
    outs[0] = CALL(sum_dim_IntList, T(change), a[4].tag == TW_ARG_INT ? INTS(&a[4].i, 1) : a[4], a[5]);
    return tw_pool_done(&p, outs, 1);
}
