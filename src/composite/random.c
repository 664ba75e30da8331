/* Random ops made of others: dropout, normal with tensors for its parameters, randperm. */
#include "composite/boxed.h"
#include "ops_decl.h"

bool tw_randperm_composite(const tw_arg *a, tw_tensor **out) {
    *out = CALL(randperm_generator, a[0], NONE_, a[1], a[2], a[3], a[4]);
    return *out != NULL;
}

/* Inverted dropout: the mask is drawn with probability 1 - p and scaled, then multiplied. */
static tw_tensor *dropped(tw_tensor *t, const tw_arg *p) {
    tw_pool pool = {0};
    if (p->d == 1.0) return CALL(mul, T(t), I(0));
    tw_tensor *like = TEMP(&pool, empty_like, T(t));
    tw_tensor *mask = TEMP(&pool, bernoulli_p, T(like), F(1.0 - p->d));
    tw_tensor *scaled = TEMP(&pool, div, T(mask), F(1.0 - p->d));
    tw_tensor *out = CALL(mul, T(t), T(scaled));
    tw_pool_done(&pool, NULL, 0);
    return out;
}

static bool check_rate(const tw_arg *p) {
    return (p->d >= 0 && p->d <= 1) ||
           tw_fail(TW_RUNTIME_ERROR, "dropout probability has to be between 0 and 1, but got %g", p->d);
}

bool tw_dropout_composite(const tw_arg *a, tw_tensor **out) {
    if (!check_rate(&a[1])) return false;
    *out = a[1].d == 0 || !a[2].i || a[0].t->numel == 0 ? tw_retained(a[0].t) : dropped(a[0].t, &a[1]);
    return *out != NULL;
}

bool tw_dropout__composite(const tw_arg *a, tw_tensor **out) {
    if (!check_rate(&a[1])) return false;
    if (a[1].d > 0 && a[2].i && a[0].t->numel > 0) {
        tw_tensor *ones = CALL(ones_like, a[0]), *mask = ones ? dropped(ones, &a[1]) : NULL;
        const tw_arg factors[] = {a[0], T(mask)};
        const bool ok = mask && tw_call_inplace(&tw_ops[TW_OP_mul], factors);
        tw_release(ones);
        tw_release(mask);
        if (!ok) return false;
    }
    *out = tw_retained(a[0].t);
    return true;
}

/* normal numbers times std plus mean, drawn for the broadcast shape of both */
static tw_tensor *shifted(const tw_arg *mean, const tw_arg *std, const tw_arg *generator) {
    tw_pool p = {0};
    tw_tensor *shape = TEMP(&p, add, mean->tag == TW_ARG_TENSOR ? *mean : *std, mean->tag == TW_ARG_TENSOR ? *std : *mean);
    tw_tensor *out = shape ? CALL(empty_like, T(shape), NONE_, NONE_, NONE_, NONE_, I(TW_CONTIGUOUS_FORMAT)) : NULL;
    if (out) {
        const tw_arg draw[] = {T(out), F(0), F(1), *generator}, scale[] = {T(out), *std}, shift[] = {T(out), *mean, I(1)};
        if (!tw_call_inplace(&tw_ops[TW_OP_normal_], draw) || !tw_call_inplace(&tw_ops[TW_OP_mul], scale) ||
            !tw_call_inplace(&tw_ops[TW_OP_add], shift)) {
            tw_release(out);
            out = NULL;
        }
    }
    tw_pool_done(&p, NULL, 0);
    return out;
}

bool tw_normal_Tensor_float_composite(const tw_arg *a, tw_tensor **out) {
    if (!(a[1].d >= 0)) return tw_fail(TW_RUNTIME_ERROR, "normal expects std >= 0.0, but found std %g", a[1].d);
    *out = shifted(&a[0], &a[1], &a[2]);
    return *out != NULL;
}
bool tw_normal_float_Tensor_composite(const tw_arg *a, tw_tensor **out) {
    *out = shifted(&a[0], &a[1], &a[2]);
    return *out != NULL;
}
bool tw_normal_Tensor_Tensor_composite(const tw_arg *a, tw_tensor **out) {
    *out = shifted(&a[0], &a[1], &a[2]);
    return *out != NULL;
}
