/* Losses of margins and angles between vectors, and the distances they are made of. */
#include "composite/boxed.h"
#include "ops/elementwise.h"
#include "ops_decl.h"
#include <math.h>

static tw_tensor *reduced(tw_tensor *loss, int64_t reduction) {
    if (loss && reduction == TW_REDUCTION_MEAN) return CALL(mean, T(loss));
    if (loss && reduction == TW_REDUCTION_SUM) return CALL(sum, T(loss));
    return tw_retain(loss);
}

/* --- norms --------------------------------------------------------------------------------------------------------------------- */

static tw_tensor *norm(tw_pool *p, tw_tensor *x, double power, int64_t dim, bool keepdim) {
    return TEMP(p, linalg_vector_norm, T(x), F(power), INTS(&dim, 1), B(keepdim));
}

static tw_tensor *distance(tw_pool *p, const tw_arg *x, const tw_arg *y, double power, double eps, bool keepdim) {
    tw_tensor *d = TEMP(p, add, T(TEMP(p, sub, *x, *y)), F(eps));
    return norm(p, d, power, -1, keepdim);
}

/* (x1, x2, p, eps, keepdim) */
bool tw_pairwise_distance_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    *out = tw_retain(distance(&p, &a[0], &a[1], tw_a_get_double(&a[2], 2), tw_a_get_double(&a[3], 1e-6), a[4].i != 0));
    return tw_pool_done(&p, out, 1);
}

/* Each vector over its norm, which is eps at least (and has its gradient even then, as PyTorch's). */
static tw_tensor *unit(tw_pool *p, tw_tensor *x, int64_t dim, double eps) {
    tw_tensor *size = norm(p, x, 2, dim, true);
    tw_tensor *plain = size ? tw_pool_own(p, tw_detach_new(size)) : NULL;
    tw_tensor *raise = TEMP(p, sub, T(TEMP(p, clamp_min, T(plain), F(eps))), T(plain));
    return TEMP(p, div, T(x), T(TEMP(p, add, T(size), T(raise))));
}

/* (x1, x2, dim, eps) */
bool tw_cosine_similarity_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    const tw_dtype dtype = tw_result_type(a, 2);
    const double eps = tw_a_get_double(&a[3], 1e-8);
    if (!tw_is_float(dtype)) {
        return tw_fail(TW_RUNTIME_ERROR, "expected common dtype to be floating point, yet common dtype is %s", tw_dtypes[dtype].type_name);
    }
    tw_tensor *both[2] = {TEMP(&p, to_dtype, a[0], I(dtype)), TEMP(&p, to_dtype, a[1], I(dtype))};
    int64_t sizes[TW_MAX_DIMS]; /* dim counts in the broadcast shape */
    int ndim = 0;
    if (tw_failed() || !tw_broadcast_sizes(a, 2, sizes, &ndim)) return tw_pool_done(&p, out, 0);
    for (int i = 0; i < 2; i++) both[i] = TEMP(&p, expand, T(both[i]), INTS(sizes, ndim));
    tw_tensor *product = TEMP(&p, mul, T(unit(&p, both[0], a[2].i, eps)), T(unit(&p, both[1], a[2].i, eps)));
    *out = CALL(sum_dim_IntList, T(product), INTS(&a[2].i, 1));
    return tw_pool_done(&p, out, 1);
}

/* --- losses -------------------------------------------------------------------------------------------------------------------- */

/* (input1, input2, target, margin, reduction) */
bool tw_cosine_embedding_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    const tw_tensor *x = a[0].t, *y = a[1].t;
    const int64_t dim = a[2].t->ndim;
    if (dim > 1) return tw_fail(TW_RUNTIME_ERROR, "0D or 1D target tensor expected, multi-target not supported");
    if (x->ndim != dim + 1 || y->ndim != dim + 1) {
        return tw_fail(TW_RUNTIME_ERROR, "%dD target tensor expects %dD input tensors, but found inputs with sizes %s and %s.", (int)dim,
                       (int)dim + 1, tw_sizes_text(x->sizes, x->ndim), tw_sizes_text(y->sizes, y->ndim));
    }
    tw_tensor *sums[3];
    for (int i = 0; i < 3; i++) { /* x y, x x, y y */
        sums[i] = TEMP(&p, sum_dim_IntList, T(TEMP(&p, mul, a[i == 2], a[i != 1])), INTS(&dim, 1));
        if (i > 0) sums[i] = TEMP(&p, add, T(sums[i]), F(1e-12));
    }
    tw_tensor *cosine = TEMP(&p, div, T(sums[0]), T(TEMP(&p, sqrt, T(TEMP(&p, mul, T(sums[1]), T(sums[2]))))));
    tw_tensor *near = TEMP(&p, rsub, T(cosine), I(1)), *far = TEMP(&p, clamp_min, T(TEMP(&p, sub, T(cosine), a[3])), I(0));
    near = TEMP(&p, masked_fill_Scalar, T(near), T(TEMP(&p, ne, a[2], I(1))), I(0));
    far = TEMP(&p, masked_fill_Scalar, T(far), T(TEMP(&p, ne, a[2], I(-1))), I(0));
    *out = reduced(TEMP(&p, add, T(near), T(far)), a[4].i);
    return tw_pool_done(&p, out, 1);
}

/* (anchor, positive, negative, margin, p, eps, swap, reduction) */
bool tw_triplet_margin_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    const int n = a[0].t->ndim;
    const double power = tw_a_get_double(&a[4], 2), eps = tw_a_get_double(&a[5], 1e-6);
    if (a[1].t->ndim != n || a[2].t->ndim != n) {
        return tw_fail(TW_RUNTIME_ERROR, "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but "
                       "got: anchor %dD, positive %dD, and negative %dD inputs", n, a[1].t->ndim, a[2].t->ndim);
    }
    tw_tensor *near = distance(&p, &a[0], &a[1], power, eps, false), *far = distance(&p, &a[0], &a[2], power, eps, false);
    if (a[6].i) far = TEMP(&p, minimum, T(far), T(distance(&p, &a[1], &a[2], power, eps, false)));
    tw_tensor *d = TEMP(&p, sub, T(TEMP(&p, add, T(near), a[3])), T(far));
    *out = reduced(TEMP(&p, clamp_min, T(d), I(0)), a[7].i);
    return tw_pool_done(&p, out, 1);
}

/* Reads the values: not on the meta device, nor inside vmap. */
static bool check_targets(const tw_tensor *target, int64_t classes, int64_t least, const char *message) {
    if (target->dtype != TW_INT64) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type Long but found %s", tw_dtypes[target->dtype].type_name);
    }
    if (target->device != TW_CPU || tw_mode & TW_MODE_VMAP || target->numel == 0) return true;
    tw_pool p = {0};
    tw_tensor *t = (tw_tensor *)(uintptr_t)target;
    tw_tensor *bad = TEMP(&p, logical_or, T(TEMP(&p, lt, T(t), I(least))), T(TEMP(&p, ge, T(t), I(classes))));
    tw_tensor *any = TEMP(&p, any, T(bad));
    bool outside = any && *(const uint8_t *)tw_data(any) != 0;
    return tw_pool_done(&p, NULL, 0) && (!outside || tw_fail(TW_RUNTIME_ERROR, "%s", message));
}

/* A vector of C, or (N, C), N possibly 0. */
static bool is_scores(const tw_tensor *self) {
    return (self->ndim == 2 && self->sizes[1] != 0) || (self->ndim == 1 && self->sizes[0] != 0) || self->ndim == 0;
}

/* (self, target, p, margin, weight, reduction) */
bool tw_multi_margin_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t, *target = a[1].t;
    const double power = tw_a_get_double(&a[2], 1);
    if (power != 1 && power != 2) return tw_fail(TW_RUNTIME_ERROR, "only p == 1 and p == 2 supported");
    if (!is_scores(self)) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected non-empty vector or matrix with optional 0-dim batch size, but got: %s",
                       tw_sizes_text(self->sizes, self->ndim));
    }
    const int64_t rows = self->ndim == 2 ? self->sizes[0] : 1, classes = self->ndim == 0 ? 1 : self->sizes[self->ndim - 1];
    if (target->ndim > 1 || target->numel != rows) {
        return tw_fail(TW_RUNTIME_ERROR, "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
                       "size). Expected target size [%lld], but got %s. Input has shape %s.", (long long)rows,
                       tw_sizes_text(target->sizes, target->ndim), tw_sizes_text(self->sizes, self->ndim));
    }
    const tw_tensor *weight = a[4].tag == TW_ARG_TENSOR ? a[4].t : NULL;
    if (weight && (weight->ndim > 1 || weight->numel != classes)) {
        return tw_fail(TW_RUNTIME_ERROR, "inconsistent weight size, expected %lld but got %s", (long long)classes,
                       tw_sizes_text(weight->sizes, weight->ndim));
    }
    if (!check_targets(target, classes, 0, "target out of range")) return false;
    const int64_t matrix[] = {rows, classes}, column[] = {rows, 1}, last = 1;
    tw_tensor *x = TEMP(&p, reshape, T(self), INTS(matrix, 2)), *which = TEMP(&p, reshape, T(target), INTS(column, 2));
    tw_tensor *z = TEMP(&p, add, T(TEMP(&p, sub, T(x), T(TEMP(&p, gather, T(x), I(1), T(which))))), a[3]);
    z = TEMP(&p, clamp_min, T(z), I(0));
    if (power == 2) z = TEMP(&p, mul, T(z), T(z));
    if (weight) {
        tw_tensor *all = TEMP(&p, reshape, a[4], INTS(&classes, 1)), *flat = TEMP(&p, reshape, T(which), INTS(&rows, 1));
        z = TEMP(&p, mul, T(z), T(TEMP(&p, unsqueeze, T(TEMP(&p, index_select, T(all), I(0), T(flat))), I(1))));
    }
    z = TEMP(&p, scatter_value, T(z), I(1), T(which), I(0)); /* not against itself */
    tw_tensor *loss = TEMP(&p, div, T(TEMP(&p, sum_dim_IntList, T(z), INTS(&last, 1))), I(classes));
    loss = TEMP(&p, reshape, T(loss), INTS(&rows, target->ndim == 0 && self->ndim < 2 ? 0 : 1));
    *out = reduced(loss, a[5].i);
    return tw_pool_done(&p, out, 1);
}

/* (self, target, reduction). target lists classes, up to the first -1. */
bool tw_multilabel_margin_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t, *target = a[1].t;
    if (!is_scores(self)) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected non-empty vector or matrix with optional 0-dim batch size, but got: %s",
                       tw_sizes_text(self->sizes, self->ndim));
    }
    bool fits = self->ndim == 2 ? target->ndim == 2 && target->sizes[0] == self->sizes[0] && target->sizes[1] == self->sizes[1]
                                : target->ndim <= 1 && target->numel == self->numel;
    if (!fits) {
        return tw_fail(TW_RUNTIME_ERROR, "inconsistent target size: %s for input of size: %s", tw_sizes_text(target->sizes, target->ndim),
                       tw_sizes_text(self->sizes, self->ndim));
    }
    const int64_t rows = self->ndim == 2 ? self->sizes[0] : 1, classes = self->ndim == 0 ? 1 : self->sizes[self->ndim - 1];
    if (!check_targets(target, classes, -1, "argument #2 'target' is out of range")) return false;
    const int64_t matrix[] = {rows, classes}, both[] = {1, 2};
    tw_tensor *x = TEMP(&p, reshape, T(self), INTS(matrix, 2)), *t = TEMP(&p, reshape, T(target), INTS(matrix, 2));
    tw_tensor *listed = TEMP(&p, cumprod, T(TEMP(&p, type_as, T(TEMP(&p, ge, T(t), I(0))), T(t))), I(1)); /* 1 before the first -1 */
    tw_tensor *which = TEMP(&p, clamp_min, T(t), I(0));
    tw_tensor *count = TEMP(&p, scatter_add, T(TEMP(&p, zeros_like, T(t))), I(1), T(which), T(listed));
    tw_tensor *other = TEMP(&p, eq, T(count), I(0));
    tw_tensor *own = TEMP(&p, unsqueeze, T(TEMP(&p, gather, T(x), I(1), T(which))), I(2)); /* (rows, targets, 1) */
    tw_tensor *z = TEMP(&p, add, T(TEMP(&p, sub, T(TEMP(&p, unsqueeze, T(x), I(1))), T(own))), I(1));
    tw_tensor *pair = TEMP(&p, logical_and, T(TEMP(&p, unsqueeze, T(TEMP(&p, ne, T(listed), I(0))), I(2))),
                           T(TEMP(&p, unsqueeze, T(other), I(1))));
    z = TEMP(&p, masked_fill_Scalar, T(TEMP(&p, clamp_min, T(z), I(0))), T(TEMP(&p, logical_not, T(pair))), I(0));
    tw_tensor *loss = TEMP(&p, div, T(TEMP(&p, sum_dim_IntList, T(z), INTS(both, 2))), I(classes));
    loss = TEMP(&p, reshape, T(loss), INTS(&rows, self->ndim < 2 ? 0 : 1));
    *out = reduced(loss, a[2].i);
    return tw_pool_done(&p, out, 1);
}
