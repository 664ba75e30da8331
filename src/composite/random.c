/* Random ops made of others: dropout, randperm. */
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
    *out = a[1].d == 0 || !a[2].i || a[0].t->numel == 0 ? tw_retain(a[0].t) : dropped(a[0].t, &a[1]);
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
    *out = tw_retain(a[0].t);
    return true;
}
