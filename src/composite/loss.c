/* Losses of classes: nll_loss, cross_entropy_loss. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <math.h>

static tw_tensor *sum_over(tw_pool *p, tw_tensor *t, int64_t dim) { return TEMP(p, sum_dim_IntList, T(t), INTS(&dim, 1)); }

/* --- nll_loss ---------------------------------------------------------------------------------------------------------------- */

static bool check_nll(const tw_tensor *self, const tw_tensor *target) {
    if (self->ndim < 1) return tw_fail(TW_VALUE_ERROR, "Expected 1 or more dimensions (got %d)", self->ndim);
    if (self->ndim == 1 && target->ndim == 1 && target->sizes[0] != 1) {
        return tw_fail(TW_VALUE_ERROR, "For 1D input, 1D target must have size 1, but got target size: %lld", (long long)target->sizes[0]);
    }
    if (self->ndim != 1 && target->ndim > 0 && self->sizes[0] != target->sizes[0]) {
        return tw_fail(TW_VALUE_ERROR, "Expected input batch_size (%lld) to match target batch_size (%lld).", (long long)self->sizes[0],
                       (long long)target->sizes[0]);
    }
    if (self->ndim == 3 || self->ndim > 4) {
        int64_t sizes[TW_MAX_DIMS];
        bool fits = target->ndim == self->ndim - 1;
        sizes[0] = self->sizes[0];
        for (int i = 2; i < self->ndim; i++) sizes[i - 1] = self->sizes[i];
        for (int i = 1; fits && i < target->ndim; i++) fits = target->sizes[i] == sizes[i];
        if (!fits) {
            return tw_fail(TW_RUNTIME_ERROR, "Expected target size %s, got %s", tw_sizes_text(sizes, self->ndim - 1),
                           tw_sizes_text(target->sizes, target->ndim));
        }
    }
    return true;
}

/* *total: the sum of the weights of the targets that count; NULL if not wanted. */
static tw_tensor *nll(tw_pool *p, tw_tensor *self, tw_tensor *target, tw_tensor *weight, int64_t reduction, int64_t ignore_index,
                      tw_tensor **total) {
    tw_tensor *both[TW_MAX_OUTS] = {NULL};
    if (!self || !check_nll(self, target)) return NULL;
    if (!tw_call(&tw_ops[TW_OP_nll_loss_forward], (tw_arg[]){T(self), T(target), T(weight), I(reduction), I(ignore_index)}, both)) return NULL;
    tw_tensor *loss = tw_pool_own(p, both[0]), *sum = tw_pool_own(p, both[1]);
    if (total) *total = sum;
    return loss;
}

bool tw_nll_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    return tw_pool_give(&p, out, nll(&p, a[0].t, a[1].t, tw_optional(&a[2]), a[3].i, a[4].i, NULL));
}
bool tw_nll_loss_nd_composite(const tw_arg *a, tw_tensor **out) { return tw_nll_loss_composite(a, out); }

/* --- cross_entropy_loss -------------------------------------------------------------------------------------------------------- */

static bool same_sizes(const tw_tensor *x, const tw_tensor *y) {
    bool same = x->ndim == y->ndim;
    for (int i = 0; same && i < x->ndim; i++) same = x->sizes[i] == y->sizes[i];
    return same;
}

/* t * weight, broadcast over the class dimension of input: weight (C) is seen as (1, C, 1, ...). weight NULL: t itself. */
static tw_tensor *weighted(tw_pool *p, tw_tensor *t, tw_tensor *weight, const tw_tensor *input, int class_dim) {
    int64_t sizes[TW_MAX_DIMS];
    if (!weight) return t;
    for (int i = 0; i < input->ndim; i++) sizes[i] = i == class_dim ? weight->numel : 1;
    return TEMP(p, mul, T(t), T(TEMP(p, view, T(weight), INTS(sizes, input->ndim))));
}

static bool check_smoothing(double smoothing) {
    return smoothing <= 1 || tw_fail(TW_RUNTIME_ERROR, "label_smoothing must be between 0.0 and 1.0. Got: %g", smoothing);
}

static tw_tensor *with_probabilities(tw_pool *p, tw_tensor *logs, tw_tensor *target, tw_tensor *weight, int64_t reduction, double smoothing,
                                     int class_dim) {
    const double classes = (double)logs->sizes[class_dim];
    if (smoothing > 0) target = TEMP(p, add, T(TEMP(p, mul, T(target), F(1 - smoothing))), F(smoothing / classes));
    tw_tensor *loss = weighted(p, TEMP(p, mul, T(logs), T(target)), weight, logs, class_dim);
    if (reduction == TW_REDUCTION_NONE) return TEMP(p, neg, T(sum_over(p, loss, class_dim)));
    loss = TEMP(p, neg, T(TEMP(p, sum, T(loss))));
    return reduction == TW_REDUCTION_SUM ? loss : TEMP(p, div, T(loss), F(logs->numel == 0 ? NAN : (double)logs->numel / classes));
}

/* The mean over classes for each target that counts, reduced as nll_loss is: `total` is what nll_loss divided by. */
static tw_tensor *smooth_part(tw_pool *p, tw_tensor *logs, tw_tensor *target, tw_tensor *weight, int64_t reduction, int64_t ignore_index,
                              tw_tensor *total, int class_dim) {
    tw_tensor *loss = TEMP(p, neg, T(sum_over(p, weighted(p, logs, weight, logs, class_dim), class_dim)));
    tw_tensor *ignored = TEMP(p, eq, T(target), I(ignore_index));
    if (!loss || !ignored) return NULL;
    tw_tensor *zero = tw_pool_own(p, tw_scalar_new(tw_float(0), (tw_dtype)loss->dtype, loss->device));
    if (ignored->ndim > loss->ndim) ignored = TEMP(p, view, T(ignored), INTS(loss->sizes, loss->ndim));
    loss = TEMP(p, where, T(ignored), T(zero), T(loss));
    if (reduction == TW_REDUCTION_NONE) return loss;
    loss = TEMP(p, sum, T(loss));
    return reduction == TW_REDUCTION_MEAN ? TEMP(p, div, T(loss), T(total)) : loss;
}

static tw_tensor *with_smoothing(tw_pool *p, tw_tensor *logs, tw_tensor *target, tw_tensor *weight, int64_t reduction, int64_t ignore_index,
                                 double smoothing, int class_dim) {
    tw_tensor *total = NULL, *hard = nll(p, logs, target, weight, reduction, ignore_index, &total);
    if (!hard) return NULL;
    tw_tensor *smooth = smooth_part(p, logs, target, weight, reduction, ignore_index, total, class_dim);
    hard = TEMP(p, mul, T(hard), F(1 - smoothing));
    return TEMP(p, add, T(hard), T(TEMP(p, mul, T(smooth), F(smoothing / (double)logs->sizes[class_dim]))));
}

bool tw_cross_entropy_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *self = a[0].t, *target = a[1].t, *weight = tw_optional(&a[2]), *loss;
    int64_t reduction = a[3].i, ignore_index = a[4].i;
    double smoothing = tw_a_get_double(&a[5], 0);
    int class_dim = self->ndim == 1 ? 0 : 1;
    bool probabilities = same_sizes(self, target);
    if (probabilities) {
        if (!tw_is_float((tw_dtype)target->dtype)) {
            return tw_fail(TW_RUNTIME_ERROR, "Expected floating point type for target with class probabilities, got %s",
                           tw_dtypes[target->dtype].type_name);
        }
        if (ignore_index >= 0) return tw_fail(TW_RUNTIME_ERROR, "ignore_index is not supported for floating point target");
        int64_t classes = self->ndim ? self->sizes[class_dim] : 0;
        if (weight && (weight->ndim != 1 || weight->numel != classes)) {
            return tw_fail(TW_RUNTIME_ERROR, "cross_entropy: weight tensor should be defined either for all %lld classes or no classes but got "
                           "weight tensor of shape: %s", (long long)classes, tw_sizes_text(weight->sizes, weight->ndim));
        }
    }
    if (smoothing > 0 && !check_smoothing(smoothing)) return false;
    tw_pool p = {0};
    tw_tensor *logs = TEMP(&p, log_softmax_int, T(self), I(class_dim), I(self->dtype));
    if (!logs) loss = NULL;
    else if (probabilities) loss = with_probabilities(&p, logs, target, weight, reduction, smoothing, class_dim);
    else if (smoothing > 0) loss = with_smoothing(&p, logs, target, weight, reduction, ignore_index, smoothing, class_dim);
    else loss = nll(&p, logs, target, weight, reduction, ignore_index, NULL);
    return tw_pool_give(&p, out, loss);
}
