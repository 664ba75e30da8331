/* Reductions made of others, and the gradients of reductions. */
#include "composite/boxed.h"
#include "composite/reduce.h"
#include "ops/reduce.h"
#include "ops_decl.h"
#include <math.h>
#include <string.h>

/* --- shapes --------------------------------------------------------------------------------------------------------- */

/* Which dims of `ndim` an optional dim argument reduces. */
static bool reduced_dims(const tw_arg *dim, int ndim, bool *reduced) {
    if (dim->tag == TW_ARG_INT) return tw_reduce_dims(&dim->i, 1, ndim, reduced);
    return tw_reduce_dims(dim->ints, dim->tag == TW_ARG_INTS ? dim->n : 0, ndim, reduced);
}

tw_tensor *tw_keep_dims(tw_tensor *t, const tw_arg *dim, int ndim, bool keepdim) {
    bool reduced[TW_MAX_DIMS];
    if (!t || tw_failed() || (ndim && !reduced_dims(dim, ndim, reduced))) return NULL;
    tw_tensor *now = tw_retain(t);
    for (int d = 0; d < ndim && !keepdim && now; d++) {
        if (!reduced[d]) continue;
        tw_tensor *next = CALL(unsqueeze, T(now), I(d));
        tw_release(now);
        now = next;
    }
    return now;
}

static double reduced_count(const tw_arg *dim, const int64_t *sizes, int ndim) {
    bool reduced[TW_MAX_DIMS];
    double n = 1;
    if (!reduced_dims(dim, ndim, reduced)) return 1;
    for (int d = 0; d < ndim; d++)
        if (reduced[d]) n *= (double)sizes[d];
    return n;
}

/* --- sum, mean --------------------------------------------------------------------------------------------------------- */

/* (grad, sizes, dim, keepdim) */
bool tw__sum_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *kept = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[2], a[1].n, a[3].i != 0));
    outs[0] = CALL(expand, T(kept), a[1]);
    return tw_pool_done(&p, outs, 1);
}

bool tw__mean_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *kept = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[2], a[1].n, a[3].i != 0));
    tw_tensor *wide = TEMP(&p, expand, T(kept), a[1]);
    outs[0] = CALL(div, T(wide), F(reduced_count(&a[2], a[1].ints, a[1].n)));
    return tw_pool_done(&p, outs, 1);
}

/* --- prod --------------------------------------------------------------------------------------------------------------- */

/* Products of all other elements along the last dim: exclusive products from both sides. x has a last dim. */
static tw_tensor *products_of_others(tw_pool *p, tw_tensor *x) {
    if (!x || tw_failed()) return NULL;
    int last = x->ndim - 1;
    int64_t n = x->sizes[last];
    tw_tensor *one = TEMP(p, ones_like, T(x));
    one = TEMP(p, narrow, T(one), I(last), I(0), I(n > 0 ? 1 : 0));
    tw_tensor *head = TEMP(p, narrow, T(x), I(last), I(0), I(n > 0 ? n - 1 : 0));
    tw_tensor *list[2] = {one, head};
    if (tw_failed()) return NULL;
    tw_tensor *left = TEMP(p, cumprod, T(TEMP(p, cat, tw_a_tensors(list, 2), I(last))), I(last));
    const int64_t flip = last;
    list[1] = TEMP(p, narrow, T(TEMP(p, flip, T(x), INTS(&flip, 1))), I(last), I(0), I(n > 0 ? n - 1 : 0));
    if (tw_failed()) return NULL;
    tw_tensor *right = TEMP(p, cumprod, T(TEMP(p, cat, tw_a_tensors(list, 2), I(last))), I(last));
    right = TEMP(p, flip, T(right), INTS(&flip, 1));
    return TEMP(p, mul, T(left), T(right));
}

/* (grad, self, result) */
bool tw__prod_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[1].t;
    const int64_t flat = -1;
    if (self->ndim == 0) {
        outs[0] = CALL(clone, a[0]);
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *x = TEMP(&p, reshape, T(self), INTS(&flat, 1));
    tw_tensor *others = TEMP(&p, conj, T(products_of_others(&p, x)));
    tw_tensor *grad = TEMP(&p, mul, T(others), T(a[0].t));
    outs[0] = CALL(reshape, T(grad), INTS(self->sizes, self->ndim));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, self, result, dim, keepdim) */
bool tw__prod_dim_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[1].t;
    if (self->ndim == 0) {
        outs[0] = CALL(clone, a[0]);
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *grad = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[3], self->ndim, a[4].i != 0));
    tw_tensor *x = TEMP(&p, transpose_int, T(self), a[3], I(-1));
    tw_tensor *others = TEMP(&p, transpose_int, T(products_of_others(&p, x)), a[3], I(-1));
    outs[0] = CALL(mul, T(grad), T(TEMP(&p, conj, T(others))));
    return tw_pool_done(&p, outs, 1);
}

/* --- max, min, amax, amin -------------------------------------------------------------------------------------------------- */

/* 1 where self equals the kept result (or both are NaN), else 0, in self's dtype; divided by how many there are. */
static tw_tensor *equal_shares(tw_pool *p, tw_tensor *self, tw_tensor *kept, const tw_arg *dim) {
    tw_tensor *mask = TEMP(p, eq, T(self), T(kept));
    tw_tensor *both = TEMP(p, logical_and, T(TEMP(p, ne, T(self), T(self))), T(TEMP(p, ne, T(kept), T(kept))));
    mask = TEMP(p, logical_or, T(mask), T(both));
    if (!mask || tw_failed()) return NULL;
    tw_tensor *count = TEMP(p, sum_dim_IntList, T(mask), dim->tag == TW_ARG_INT ? INTS(&dim->i, 1) : *dim, B(true));
    mask = TEMP(p, _to_copy, T(mask), I(self->dtype));
    return TEMP(p, div, T(mask), T(count));
}

/* (grad, self, result) */
bool tw__evenly_read_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_arg all = TW_A_NONE;
    outs[0] = CALL(mul, T(equal_shares(&p, a[1].t, a[2].t, &all)), a[0]);
    return tw_pool_done(&p, outs, 1);
}

bool tw__evenly_read_jvp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_arg all = TW_A_NONE;
    outs[0] = CALL(sum, T(TEMP(&p, mul, T(equal_shares(&p, a[1].t, a[2].t, &all)), a[0])));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, self, result, dim, keepdim) */
bool tw__amax_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[1].t;
    tw_tensor *grad = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[3], self->ndim, a[4].i != 0));
    tw_tensor *kept = tw_pool_own(&p, tw_keep_dims(a[2].t, &a[3], self->ndim, a[4].i != 0));
    outs[0] = CALL(mul, T(equal_shares(&p, self, kept, &a[3])), T(grad));
    return tw_pool_done(&p, outs, 1);
}

bool tw__amax_jvp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[1].t;
    tw_tensor *kept = tw_pool_own(&p, tw_keep_dims(a[2].t, &a[3], self->ndim, a[4].i != 0));
    tw_tensor *part = TEMP(&p, mul, T(equal_shares(&p, self, kept, &a[3])), a[0]);
    outs[0] = CALL(sum_dim_IntList, T(part), a[3], a[4]);
    return tw_pool_done(&p, outs, 1);
}

/* (grad, dim, indices, sizes, keepdim) */
bool tw_value_selecting_reduction_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *grad = a[0].t, *indices = a[2].t;
    if (!a[4].i && a[3].n > 0) {
        grad = TEMP(&p, unsqueeze, a[0], a[1]);
        indices = TEMP(&p, unsqueeze, a[2], a[1]);
    }
    tw_tensor *zeros = TEMP(&p, new_zeros, T(grad), a[3]);
    outs[0] = CALL(scatter_add, T(zeros), a[1], T(indices), T(grad));
    return tw_pool_done(&p, outs, 1);
}

/* (self, dim, indices, keepdim) */
bool tw__gather_with_keepdim_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (a[3].i || a[0].t->ndim == 0) {
        outs[0] = CALL(gather, a[0], a[1], a[2]);
    } else {
        tw_tensor *picked = TEMP(&p, gather, a[0], a[1], T(TEMP(&p, unsqueeze, a[2], a[1])));
        outs[0] = CALL(squeeze_dim, T(picked), a[1]);
    }
    return tw_pool_done(&p, outs, 1);
}

bool tw_max_other_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(maximum, a[0], a[1]);
    return outs[0] != NULL;
}

bool tw_min_other_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(minimum, a[0], a[1]);
    return outs[0] != NULL;
}

/* --- variance ---------------------------------------------------------------------------------------------------------------- */

bool tw_var_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(var_correction, a[0], NONE_, I(a[1].i), B(false));
    return outs[0] != NULL;
}
bool tw_var_dim_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(var_correction, a[0], a[1], I(a[2].i), a[3]);
    return outs[0] != NULL;
}
bool tw_std_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(std_correction, a[0], NONE_, I(a[1].i), B(false));
    return outs[0] != NULL;
}
bool tw_std_dim_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(std_correction, a[0], a[1], I(a[2].i), a[3]);
    return outs[0] != NULL;
}

/* self - mean(self), times 2 / (n - correction). */
static tw_tensor *var_slope(tw_pool *p, tw_tensor *self, const tw_arg *dim, const tw_arg *correction) {
    double n = reduced_count(dim, self->sizes, self->ndim) - tw_a_get_double(correction, 1);
    tw_arg none = TW_A_NONE;
    tw_tensor *mean = TEMP(p, mean_dim, T(self), dim->tag == TW_ARG_INTS && dim->n ? *dim : none, B(true));
    tw_tensor *centred = TEMP(p, sub, T(self), T(mean));
    return TEMP(p, mul, T(centred), F(2.0 / (n > 0 ? n : 0)));
}

/* (grad, self, dim, correction, keepdim) */
bool tw__var_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[1].t;
    tw_tensor *grad = tw_pool_own(&p, tw_keep_dims(a[0].t, &a[2], self->ndim, a[4].i != 0));
    outs[0] = CALL(mul, T(var_slope(&p, self, &a[2], &a[3])), T(grad));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, self, result, dim, correction, keepdim) */
bool tw__std_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[1].t;
    tw_tensor *ratio = TEMP(&p, div, a[0], T(TEMP(&p, mul, a[2], I(2))));
    tw_tensor *zero = TEMP(&p, eq, a[2], I(0));
    ratio = TEMP(&p, masked_fill_Scalar, T(ratio), T(zero), I(0));
    tw_tensor *grad = tw_pool_own(&p, tw_keep_dims(ratio, &a[3], self->ndim, a[5].i != 0));
    outs[0] = CALL(mul, T(var_slope(&p, self, &a[3], &a[4])), T(grad));
    return tw_pool_done(&p, outs, 1);
}

/* (tangent, self, result, dim, correction, keepdim, root) */
bool tw__var_jvp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *slope = TEMP(&p, conj, T(var_slope(&p, a[1].t, &a[3], &a[4])));
    tw_tensor *part = TEMP(&p, real, T(TEMP(&p, mul, T(slope), a[0])));
    tw_tensor *sum = TEMP(&p, sum_dim_IntList, T(part), a[3], a[5]);
    outs[0] = a[6].i ? CALL(div, T(sum), T(TEMP(&p, mul, a[2], I(2)))) : tw_retain(sum);
    return tw_pool_done(&p, outs, 1);
}

/* --- logsumexp ---------------------------------------------------------------------------------------------------------------- */

/* max, with infinities taken as 0, is subtracted first; it takes no part in the gradient. */
bool tw_logsumexp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t;
    if (tw_is_integral((tw_dtype)self->dtype)) self = TEMP(&p, _to_copy, T(self), I(tw_default_dtype()));
    if (self && self->numel == 0) {
        tw_tensor *sum = TEMP(&p, sum_dim_IntList, T(TEMP(&p, exp, T(self))), a[1], a[2]);
        outs[0] = CALL(log, T(sum));
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *plain = self ? tw_pool_own(&p, tw_detach_new(self)) : NULL;
    if (plain && tw_is_complex((tw_dtype)plain->dtype)) plain = TEMP(&p, real, T(plain));
    tw_tensor *most = TEMP(&p, amax, T(plain), a[1], B(true));
    tw_tensor *infinite = TEMP(&p, eq, T(TEMP(&p, abs, T(most))), F(INFINITY));
    most = TEMP(&p, masked_fill_Scalar, T(most), T(infinite), I(0));
    tw_tensor *sum = TEMP(&p, sum_dim_IntList, T(TEMP(&p, exp, T(TEMP(&p, sub, T(self), T(most))))), a[1], B(true));
    tw_tensor *kept = TEMP(&p, add, T(TEMP(&p, log, T(sum))), T(most));
    if (a[2].i || !kept || self->ndim == 0) {
        outs[0] = tw_retain(kept);
    } else {
        bool reduced[TW_MAX_DIMS];
        int64_t sizes[TW_MAX_DIMS];
        int n = 0;
        (void)reduced_dims(&a[1], self->ndim, reduced);
        for (int d = 0; d < self->ndim; d++)
            if (!reduced[d]) sizes[n++] = self->sizes[d];
        outs[0] = CALL(reshape, T(kept), INTS(sizes, n));
    }
    return tw_pool_done(&p, outs, 1);
}

/* --- softmax, sorting, scans ----------------------------------------------------------------------------------------------- */

/* (self, dim, dtype): converted first, but halves that become float32 convert on the way. */
bool tw_softmax_int_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_dtype have = (tw_dtype)a[0].t->dtype, want = (tw_dtype)tw_a_get_int(&a[2], have);
    tw_tensor *self = want == have ? a[0].t : TEMP(&p, _to_copy, a[0], I(want));
    outs[0] = CALL(_softmax, T(self), a[1], B(false));
    return tw_pool_done(&p, outs, 1);
}

bool tw_log_softmax_int_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_dtype have = (tw_dtype)a[0].t->dtype, want = (tw_dtype)tw_a_get_int(&a[2], have);
    tw_tensor *self = want == have ? a[0].t : TEMP(&p, _to_copy, a[0], I(want));
    outs[0] = CALL(_log_softmax, T(self), a[1], B(false));
    return tw_pool_done(&p, outs, 1);
}

/* (self, dim, descending) */
bool tw_sort_composite(const tw_arg *a, tw_tensor **outs) {
    tw_arg args[4] = {a[0], B(false), a[1], a[2]};
    return tw_call(&tw_ops[TW_OP_sort_stable], args, outs);
}

static bool indices_of_sort(const tw_arg *args, tw_tensor **outs) {
    tw_tensor *both[2] = {NULL, NULL};
    if (!tw_call(&tw_ops[TW_OP_sort_stable], args, both)) return false;
    tw_release(both[0]);
    outs[0] = both[1];
    return true;
}

bool tw_argsort_composite(const tw_arg *a, tw_tensor **outs) {
    return indices_of_sort((const tw_arg[]){a[0], B(false), a[1], a[2]}, outs);
}

/* (self, stable, dim, descending) */
bool tw_argsort_stable_composite(const tw_arg *a, tw_tensor **outs) { return indices_of_sort(a, outs); }

/* (grad, dim) */
bool tw__cumsum_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t dim = a[1].i;
    if (a[0].t->ndim == 0 || a[0].t->numel <= 1) {
        outs[0] = CALL(clone, a[0]);
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *sums = TEMP(&p, cumsum, T(TEMP(&p, flip, a[0], INTS(&dim, 1))), a[1]);
    outs[0] = CALL(flip, T(sums), INTS(&dim, 1));
    return tw_pool_done(&p, outs, 1);
}

/* The slopes of cumprod along its last dim: d[.., i, k] = dresult[k]/dx[i], by one product of k elements without the i-th.
 * x is (.., n). */
static tw_tensor *cumprod_slopes(tw_pool *p, tw_tensor *x) {
    if (!x || tw_failed()) return NULL;
    int64_t wide[TW_MAX_DIMS], n = x->sizes[x->ndim - 1];
    memcpy(wide, x->sizes, sizeof(int64_t) * x->ndim);
    wide[x->ndim - 1] = n;
    wide[x->ndim] = n;
    tw_tensor *rows = TEMP(p, expand, T(TEMP(p, unsqueeze, T(x), I(-2))), INTS(wide, x->ndim + 1)); /* (.., i, k) = x[k] */
    tw_tensor *at = TEMP(p, arange, I(n));
    tw_tensor *i = TEMP(p, unsqueeze, T(at), I(-1));
    tw_tensor *own = TEMP(p, eq, T(i), T(at)), *before = TEMP(p, gt, T(i), T(at));
    rows = TEMP(p, cumprod, T(TEMP(p, masked_fill_Scalar, T(rows), T(own), I(1))), I(-1));
    return TEMP(p, masked_fill_Scalar, T(rows), T(before), I(0));
}

/* (grad, self, dim, result) */
bool tw__cumprod_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t last = -1;
    if (a[1].t->numel <= 1) {
        outs[0] = CALL(clone, a[0]);
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *slopes = TEMP(&p, conj, T(cumprod_slopes(&p, TEMP(&p, transpose_int, a[1], a[2], I(-1)))));
    tw_tensor *grad = TEMP(&p, unsqueeze, T(TEMP(&p, transpose_int, a[0], a[2], I(-1))), I(-2));
    tw_tensor *sum = TEMP(&p, sum_dim_IntList, T(TEMP(&p, mul, T(slopes), T(grad))), INTS(&last, 1));
    outs[0] = CALL(clone, T(TEMP(&p, transpose_int, T(sum), a[2], I(-1))), I(TW_CONTIGUOUS_FORMAT));
    return tw_pool_done(&p, outs, 1);
}

/* (tangent, self, dim) */
bool tw__cumprod_jvp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t rows = -2;
    if (a[1].t->numel <= 1) {
        outs[0] = CALL(clone, a[0]);
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *slopes = cumprod_slopes(&p, TEMP(&p, transpose_int, a[1], a[2], I(-1)));
    tw_tensor *tangent = TEMP(&p, unsqueeze, T(TEMP(&p, transpose_int, a[0], a[2], I(-1))), I(-1));
    tw_tensor *sum = TEMP(&p, sum_dim_IntList, T(TEMP(&p, mul, T(slopes), T(tangent))), INTS(&rows, 1));
    outs[0] = CALL(transpose_int, T(sum), a[2], I(-1));
    return tw_pool_done(&p, outs, 1);
}
