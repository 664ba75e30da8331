/* Losses of classes: nll_loss, cross_entropy_loss. */
#include "composite/linalg_chain.h"
#include <math.h>

static tw_tensor *sum_of(tw_tensor *owned) { return owned ? tw_chain(owned, tw_op_sum(owned, TW_DTYPE_NONE)) : NULL; }
static tw_tensor *negated(tw_tensor *owned) { return owned ? tw_chain(owned, tw_op_neg(owned)) : NULL; }
static tw_tensor *scaled(tw_tensor *owned, double by) { return owned ? tw_chain(owned, tw_op_mul_s(owned, tw_float(by))) : NULL; }
static tw_tensor *sum_over(tw_tensor *owned, int64_t dim) {
    return owned ? tw_chain(owned, tw_op_sum_dim_IntList(owned, &dim, 1, false, TW_DTYPE_NONE)) : NULL;
}

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

/* *total: the sum of the weights of the targets that count, owned; NULL if not wanted. */
static tw_tensor *nll(tw_tensor *self, tw_tensor *target, tw_tensor *weight, int64_t reduction, int64_t ignore_index, tw_tensor **total) {
    tw_tensor *both[2] = {NULL, NULL};
    if (!check_nll(self, target)) return NULL;
    if (!tw_op_nll_loss_forward(self, target, weight, reduction, ignore_index, both)) return NULL;
    if (total) *total = both[1];
    else tw_release(both[1]);
    return both[0];
}

bool tw_nll_loss_composite(const tw_arg *a, tw_tensor **out) {
    return tw_give(out, nll(a[0].t, a[1].t, tw_optional(&a[2]), a[3].i, a[4].i, NULL));
}
bool tw_nll_loss_nd_composite(const tw_arg *a, tw_tensor **out) { return tw_nll_loss_composite(a, out); }

/* --- cross_entropy_loss -------------------------------------------------------------------------------------------------------- */

static bool same_sizes(const tw_tensor *x, const tw_tensor *y) {
    bool same = x->ndim == y->ndim;
    for (int i = 0; same && i < x->ndim; i++) same = x->sizes[i] == y->sizes[i];
    return same;
}

/* weight (C) as (1, C, 1, ...), to broadcast with input. */
static tw_tensor *weight_like(tw_tensor *weight, const tw_tensor *input, int class_dim) {
    int64_t sizes[TW_MAX_DIMS];
    for (int i = 0; i < input->ndim; i++) sizes[i] = i == class_dim ? weight->numel : 1;
    return tw_op_view(weight, sizes, input->ndim);
}

/* owned * weight, broadcast over the class dimension; weight NULL: owned itself. */
static tw_tensor *weighted(tw_tensor *owned, tw_tensor *weight, const tw_tensor *input, int class_dim) {
    if (!owned || !weight) return owned;
    tw_tensor *w = weight_like(weight, input, class_dim);
    return tw_chain2(owned, w, w ? tw_op_mul(owned, w) : NULL);
}

static bool check_smoothing(double smoothing) {
    return smoothing <= 1 || tw_fail(TW_RUNTIME_ERROR, "label_smoothing must be between 0.0 and 1.0. Got: %g", smoothing);
}

static tw_tensor *with_probabilities(tw_tensor *logs, tw_tensor *target, tw_tensor *weight, int64_t reduction, double smoothing, int class_dim) {
    int64_t classes = logs->sizes[class_dim];
    tw_tensor *t = tw_retain(target);
    if (smoothing > 0) {
        t = scaled(t, 1 - smoothing);
        if (t) t = tw_chain(t, tw_op_add_s(t, tw_float(smoothing / (double)classes), tw_int(1)));
        if (!t) return NULL;
    }
    tw_tensor *loss = weighted(tw_chain(t, tw_op_mul(logs, t)), weight, logs, class_dim);
    if (reduction == TW_REDUCTION_NONE) return negated(sum_over(loss, class_dim));
    loss = negated(sum_of(loss));
    if (!loss || reduction == TW_REDUCTION_SUM) return loss;
    double divisor = logs->numel == 0 ? NAN : (double)logs->numel / (double)classes;
    return tw_chain(loss, tw_op_div_s(loss, tw_float(divisor)));
}

/* The mean over classes for each target that counts, reduced as nll_loss is: `total` is what nll_loss divided by. */
static tw_tensor *smooth_part(tw_tensor *logs, tw_tensor *target, tw_tensor *weight, int64_t reduction, int64_t ignore_index, tw_tensor *total,
                              int class_dim) {
    tw_tensor *loss = negated(sum_over(weighted(tw_retain(logs), weight, logs, class_dim), class_dim));
    tw_tensor *ignored = loss ? tw_op_eq_s(target, tw_int(ignore_index)) : NULL;
    tw_tensor *zero = ignored ? tw_scalar_new(tw_float(0), (tw_dtype)loss->dtype, loss->device) : NULL;
    if (zero && ignored->ndim > loss->ndim) ignored = tw_chain(ignored, tw_op_view(ignored, loss->sizes, loss->ndim));
    loss = tw_chain(loss, zero && ignored ? tw_op_where(ignored, zero, loss) : NULL);
    tw_release(ignored);
    tw_release(zero);
    if (reduction == TW_REDUCTION_NONE) return loss;
    loss = sum_of(loss);
    return loss && reduction == TW_REDUCTION_MEAN ? tw_chain(loss, tw_op_div(loss, total)) : loss;
}

static tw_tensor *with_smoothing(tw_tensor *logs, tw_tensor *target, tw_tensor *weight, int64_t reduction, int64_t ignore_index,
                                 double smoothing, int class_dim) {
    tw_tensor *total = NULL, *hard = nll(logs, target, weight, reduction, ignore_index, &total);
    tw_tensor *smooth = hard ? smooth_part(logs, target, weight, reduction, ignore_index, total, class_dim) : NULL;
    hard = scaled(hard, 1 - smoothing);
    smooth = scaled(smooth, smoothing / (double)logs->sizes[class_dim]);
    tw_tensor *out = hard && smooth ? tw_op_add(hard, smooth, tw_int(1)) : NULL;
    tw_release(total);
    return tw_chain2(hard, smooth, out);
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
    tw_tensor *logs = tw_op_log_softmax_int(self, class_dim, (tw_dtype)self->dtype);
    if (!logs) return false;
    if (probabilities) loss = with_probabilities(logs, target, weight, reduction, smoothing, class_dim);
    else if (smoothing > 0) loss = with_smoothing(logs, target, weight, reduction, ignore_index, smoothing, class_dim);
    else loss = nll(logs, target, weight, reduction, ignore_index, NULL);
    return tw_give(out, tw_chain(logs, loss));
}
