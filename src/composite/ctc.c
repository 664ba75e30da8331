/* ctc_loss: _ctc_loss reduced, lengths as lists or tensors. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include "core/memory.h"
#include <math.h>

bool tw_ctc_loss_IntList_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    const int64_t reduction = a[5].i, n = a[3].n;
    const tw_arg call[] = {a[0], a[1], a[2], a[3], a[4], a[6]};
    tw_tensor *both[2] = {NULL, NULL};
    if (!tw_call(&tw_ops[TW_OP__ctc_loss], call, both)) return false;
    tw_release(both[1]);
    tw_tensor *loss = tw_pool_own(&p, both[0]);
    if (a[6].i) { /* sequences that cannot be told */
        tw_tensor *never = TEMP(&p, eq, T(loss), F(INFINITY));
        loss = TEMP(&p, masked_fill_Scalar, T(loss), T(never), I(0));
    }
    if (reduction == TW_REDUCTION_MEAN) { /* each over its target's length first */
        tw_tensor *lengths = loss ? tw_pool_own(&p, tw_empty_new(&n, 1, TW_INT64, loss->device)) : NULL;
        if (lengths && loss->device == TW_CPU) {
            for (int64_t i = 0; i < n; i++) ((int64_t *)tw_data(lengths))[i] = a[3].ints[i] > 1 ? a[3].ints[i] : 1;
        }
        if (loss && loss->ndim == 0) lengths = TEMP(&p, squeeze, T(lengths));
        *out = CALL(mean, T(TEMP(&p, div, T(loss), T(lengths))));
    } else {
        *out = reduction == TW_REDUCTION_SUM ? CALL(sum, T(loss)) : tw_retain(loss);
    }
    return tw_pool_done(&p, out, 1);
}

/* A tensor of lengths as a list, tw_malloc-ed; NULL and an error. */
static int64_t *lengths_of(tw_tensor *t, int64_t *count) {
    if (!tw_is_integral((tw_dtype)t->dtype) || t->dtype == TW_BOOL) {
        return tw_fail(TW_RUNTIME_ERROR, "input_lengths must be integral"), NULL;
    }
    if (t->device != TW_CPU) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "aten::_ctc_loss.Tensor: its lengths are data, which tensors on meta do not have"), NULL;
    }
    tw_pool p = {0};
    const int64_t flat = -1;
    tw_tensor *wide = TEMP(&p, reshape, T(TEMP(&p, to_dtype, T(t), I(TW_INT64))), INTS(&flat, 1));
    int64_t *list = wide ? tw_malloc((size_t)(wide->numel ? wide->numel : 1) * sizeof *list) : NULL;
    if (list) {
        *count = wide->numel;
        for (int64_t i = 0; i < wide->numel; i++) list[i] = tw_long_at(wide, i);
    }
    tw_pool_done(&p, NULL, 0);
    return list;
}

bool tw_ctc_loss_Tensor_composite(const tw_arg *a, tw_tensor **out) {
    int64_t n[2] = {0, 0}, *inputs = lengths_of(a[2].t, &n[0]), *targets = inputs ? lengths_of(a[3].t, &n[1]) : NULL;
    bool ok = inputs && targets;
    if (ok) {
        const tw_arg call[] = {a[0], a[1], INTS(inputs, n[0]), INTS(targets, n[1]), a[4], a[5], a[6]};
        ok = tw_ctc_loss_IntList_composite(call, out);
    }
    tw_free(inputs);
    tw_free(targets);
    return ok;
}

/* PyTorch has no second derivative either. */
bool tw__ctc_loss_backward_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need,
                                tw_tensor **gin) {
    (void)node, (void)a, (void)r, (void)g, (void)need, (void)gin;
    return tw_fail(TW_RUNTIME_ERROR, "the derivative for '_ctc_loss_backward' is not implemented");
}
