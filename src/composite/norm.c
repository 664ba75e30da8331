/* Gradients of linalg_vector_norm. */
#include "composite/boxed.h"
#include "composite/reduce.h"
#include "ops_decl.h"
#include <math.h>

/* 0 where norm is 0. */
static tw_tensor *unless_zero(tw_pool *p, tw_tensor *t, tw_tensor *norm) {
    return TEMP(p, masked_fill_Scalar, T(t), T(TEMP(p, eq, T(norm), I(0))), I(0));
}

/* Shared out among the k elements whose size is the norm: grad / k there, 0 elsewhere. */
static tw_tensor *shares(tw_pool *p, tw_tensor *grad, tw_tensor *self, tw_tensor *norm, const tw_arg *dim) {
    tw_tensor *size = TEMP(p, abs, T(self));
    tw_tensor *at = TEMP(p, logical_or, T(TEMP(p, eq, T(size), T(norm))), T(TEMP(p, ne, T(size), T(size))));
    tw_tensor *many = TEMP(p, sum_dim_IntList, T(at), dim->tag == TW_ARG_INT ? INTS(&dim->i, 1) : *dim, B(true));
    return TEMP(p, mul, T(TEMP(p, div, T(grad), T(many))), T(at));
}

/* The product of grad and the derivative of the norm, in the order of PyTorch's norm_backward: it tells what overflows, what half types
 * round, and where second derivatives are NaN. norm and grad have their reduced dims kept. */
static tw_tensor *gradient(tw_pool *p, tw_tensor *grad, tw_tensor *self, double ord, tw_tensor *norm, const tw_arg *dim) {
    if (ord == 0) return TEMP(p, zeros_like, T(self));
    if (ord == 1) return TEMP(p, mul, T(TEMP(p, sgn, T(self))), T(grad));
    if (ord == 2) return TEMP(p, mul, T(grad), T(unless_zero(p, TEMP(p, div, T(self), T(norm)), norm)));
    if (isinf(ord)) return TEMP(p, mul, T(TEMP(p, sgn, T(self))), T(shares(p, grad, self, norm, dim)));
    if (ord < 1) {
        tw_tensor *raised = TEMP(p, pow, T(TEMP(p, abs, T(self))), F(ord - 1));
        raised = TEMP(p, mul, T(TEMP(p, sgn, T(self))), T(unless_zero(p, raised, self)));
        return TEMP(p, mul, T(TEMP(p, mul, T(raised), T(grad))), T(TEMP(p, pow, T(norm), F(1 - ord))));
    }
    tw_tensor *size = TEMP(p, abs, T(self));
    tw_tensor *raised = ord < 2 ? TEMP(p, mul, T(TEMP(p, sgn, T(self))), T(TEMP(p, pow, T(size), F(ord - 1))))
                                : TEMP(p, mul, T(self), T(ord == 3 ? size : TEMP(p, pow, T(size), F(ord - 2))));
    tw_tensor *scale = TEMP(p, div, T(grad), T(TEMP(p, pow, T(norm), F(ord - 1))));
    return TEMP(p, mul, T(raised), T(unless_zero(p, scale, norm)));
}

/* (self, ord, norm, dim); norm with its reduced dims kept. */
bool tw__vector_norm_slope_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *one = TEMP(&p, ones_like, a[2]);
    outs[0] = tw_retain(gradient(&p, one, a[0].t, tw_scalar_double(tw_a_to_scalar(&a[1])), a[2].t, &a[3]));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, self, ord, norm, dim, keepdim) */
bool tw__vector_norm_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int ndim = a[1].t->ndim;
    tw_tensor *norm = tw_pool_own(&p, tw_keep_dims(a[3].t, &a[4], ndim, a[5].i != 0));
    tw_tensor *grad = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[4], ndim, a[5].i != 0));
    outs[0] = tw_retain(gradient(&p, grad, a[1].t, tw_scalar_double(tw_a_to_scalar(&a[2])), norm, &a[4]));
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
