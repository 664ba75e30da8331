/* Losses with one term for each element: a fused kernel or a few ops, then weight, then mean or sum. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <math.h>

/* Owned `loss` times an optional weight, reduced. */
static tw_tensor *reduced(tw_tensor *loss, const tw_arg *weight, int64_t reduction) {
    tw_pool p = {0};
    tw_tensor *t = tw_pool_own(&p, loss);
    if (t && weight && weight->tag == TW_ARG_TENSOR) t = TEMP(&p, mul, T(t), *weight);
    if (t && reduction == TW_REDUCTION_MEAN) t = TEMP(&p, mean, T(t));
    else if (t && reduction == TW_REDUCTION_SUM) t = TEMP(&p, sum, T(t));
    tw_tensor *out = tw_retain(t);
    if (tw_pool_done(&p, &out, 1)) return out;
    return NULL;
}

static bool give(tw_tensor **out, tw_tensor *loss) {
    *out = loss;
    return loss != NULL;
}

bool tw_mse_loss_composite(const tw_arg *a, tw_tensor **out) {
    return give(out, reduced(CALL(_squared_difference, a[0], a[1]), NULL, a[2].i));
}

bool tw_l1_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *d = CALL(sub, a[0], a[1]), *size = d ? CALL(abs, T(d)) : NULL;
    tw_release(d);
    return give(out, reduced(size, NULL, a[2].i));
}

/* --- binary cross entropy ---------------------------------------------------------------------------------------------------- */

/* Looks at the values: not on the meta device, nor inside vmap. */
static bool check_probabilities(tw_tensor *t) {
    if (t->device != TW_CPU || tw_mode & TW_MODE_VMAP) return true;
    tw_pool p = {0};
    bool outside = false;
    tw_tensor *any = TEMP(&p, any, T(TEMP(&p, _outside_unit, T(t))));
    if (any) outside = *(const uint8_t *)tw_data(any) != 0;
    return tw_pool_done(&p, NULL, 0) &&
           (!outside || tw_fail(TW_RUNTIME_ERROR, "all elements of input should be between 0 and 1"));
}

bool tw_binary_cross_entropy_composite(const tw_arg *a, tw_tensor **out) {
    if (tw_is_float((tw_dtype)a[0].t->dtype) && !check_probabilities(a[0].t)) return false;
    return give(out, reduced(CALL(_bce, a[0], a[1]), &a[2], a[3].i));
}

bool tw_binary_cross_entropy_with_logits_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *loss = a[3].tag == TW_ARG_TENSOR ? CALL(_bce_logits_weighted, a[0], a[1], a[3]) : CALL(_bce_logits, a[0], a[1]);
    return give(out, reduced(loss, &a[2], a[4].i));
}

/* --- between squared and absolute -------------------------------------------------------------------------------------------- */

bool tw_smooth_l1_loss_composite(const tw_arg *a, tw_tensor **out) {
    const double beta = tw_a_get_double(&a[3], 1);
    if (beta < 0) return tw_fail(TW_RUNTIME_ERROR, "smooth_l1_loss does not support negative values for beta.");
    if (beta == 0) return tw_l1_loss_composite(a, out);
    return give(out, reduced(CALL(_smooth_l1, a[0], a[1], F(beta)), NULL, a[2].i));
}

bool tw_huber_loss_composite(const tw_arg *a, tw_tensor **out) {
    const double delta = tw_a_get_double(&a[3], 1);
    if (!(delta > 0)) return tw_fail(TW_RUNTIME_ERROR, "huber_loss does not support non-positive values for delta.");
    return give(out, reduced(CALL(_huber, a[0], a[1], F(delta)), NULL, a[2].i));
}

bool tw_soft_margin_loss_composite(const tw_arg *a, tw_tensor **out) {
    return give(out, reduced(CALL(_soft_margin, a[0], a[1]), NULL, a[2].i));
}

/* --- made of other ops --------------------------------------------------------------------------------------------------------- */

bool tw_kl_div_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *loss;
    if (a[3].i) {
        tw_tensor *d = TEMP(&p, sub, a[1], a[0]);
        loss = CALL(mul, T(TEMP(&p, exp, a[1])), T(d));
    } else {
        loss = CALL(sub, T(TEMP(&p, xlogy_Tensor, a[1], a[1])), T(TEMP(&p, mul, a[1], a[0])));
    }
    return tw_pool_done(&p, &loss, 1) && give(out, reduced(loss, NULL, a[2].i));
}

/* max(0, margin - self) where target is not 1, plus self where it is not -1 */
bool tw_hinge_embedding_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *hinge = TEMP(&p, clamp_min, T(TEMP(&p, rsub, a[0], a[2])), I(0));
    tw_tensor *far = TEMP(&p, masked_fill_Scalar, T(hinge), T(TEMP(&p, eq, a[1], I(1))), I(0));
    tw_tensor *near = TEMP(&p, masked_fill_Scalar, a[0], T(TEMP(&p, eq, a[1], I(-1))), I(0));
    tw_tensor *loss = CALL(add, T(far), T(near));
    return tw_pool_done(&p, &loss, 1) && give(out, reduced(loss, NULL, a[3].i));
}

bool tw_margin_ranking_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *d = TEMP(&p, sub, a[0], a[1]);
    tw_tensor *signed_ = TEMP(&p, mul, T(TEMP(&p, neg, a[2])), T(d));
    tw_tensor *loss = CALL(clamp_min, T(TEMP(&p, add, T(signed_), a[3])), I(0));
    return tw_pool_done(&p, &loss, 1) && give(out, reduced(loss, NULL, a[4].i));
}

/* (input, target, log_input, full, eps, reduction); full adds Stirling's approximation of log(target!) where target > 1 */
bool tw_poisson_nll_loss_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *loss;
    if (a[2].i) {
        loss = TEMP(&p, sub, T(TEMP(&p, exp, a[0])), T(TEMP(&p, mul, a[1], a[0])));
    } else {
        tw_tensor *log = TEMP(&p, log, T(TEMP(&p, add, a[0], a[4])));
        loss = TEMP(&p, sub, a[0], T(TEMP(&p, mul, a[1], T(log))));
    }
    if (a[3].i) {
        tw_tensor *x = TEMP(&p, mul, a[1], T(TEMP(&p, log, a[1])));
        tw_tensor *root = TEMP(&p, mul, T(TEMP(&p, log, T(TEMP(&p, mul, a[1], F(2 * M_PI))))), F(0.5));
        tw_tensor *stirling = TEMP(&p, add, T(TEMP(&p, sub, T(x), a[1])), T(root));
        loss = TEMP(&p, add, T(loss), T(TEMP(&p, masked_fill_Scalar, T(stirling), T(TEMP(&p, le, a[1], I(1))), I(0))));
    }
    loss = tw_retain(loss);
    return tw_pool_done(&p, &loss, 1) && give(out, reduced(loss, NULL, a[5].i));
}
