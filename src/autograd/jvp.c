/* Forward mode: one level of tangents, kept in tw_autograd.tangent. */
#include "autograd/jvp.h"
#include "autograd/engine.h"
#include "autograd/vmap.h"
#include "op_ids.h"
#include <string.h>

static _Thread_local int depth;

bool tw_dual_enter(void) {
    depth++;
    tw_mode |= TW_MODE_FORWARD;
    return true;
}

void tw_dual_exit(void) {
    if (--depth == 0) tw_mode &= ~(unsigned)TW_MODE_FORWARD;
}

tw_tensor *tw_tangent_of(tw_tensor *t) { return t && t->autograd ? t->autograd->tangent : NULL; }

static bool set_tangent(tw_tensor *t, tw_tensor *tangent) {
    tw_autograd *a = tw_autograd_of(t);
    if (!a) return false;
    tw_retain(tangent);
    tw_release(a->tangent);
    a->tangent = tangent;
    return true;
}

tw_tensor *tw_make_dual(tw_tensor *primal, tw_tensor *tangent) {
    if (!primal || !tangent) return NULL; /* the failed result of an earlier call */
    if (!tw_is_float((tw_dtype)primal->dtype) && !tw_is_complex((tw_dtype)primal->dtype))
        return tw_fail_null(TW_VALUE_ERROR, "Expected primal to be floating point or complex, but got: torch.%s", tw_dtypes[primal->dtype].name);
    if (primal->ndim != tangent->ndim || memcmp(primal->sizes, tangent->sizes, primal->ndim * sizeof(int64_t)) != 0)
        return tw_fail_null(TW_RUNTIME_ERROR, "Expected tangent to have the same shape as primal, but got: %s and %s",
                            tw_sizes_text(tangent->sizes, tangent->ndim), tw_sizes_text(primal->sizes, primal->ndim));
    unsigned mode = tw_mode;
    tw_mode &= ~(unsigned)TW_MODE_FORWARD;
    tw_arg a[] = {tw_a_tensor(primal)};
    tw_tensor *dual = tw_call1(TW_OP_alias, 1, a);
    tw_mode = mode;
    if (dual && !set_tangent(dual, tangent)) { tw_release(dual); dual = NULL; }
    return dual;
}

bool tw_any_tangent(const tw_op *op, const tw_arg *args) {
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR && tw_tangent_of(args[i].t)) return true;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            if (args[i].ts[j] && tw_tangent_of(args[i].ts[j])) return true;
    }
    return false;
}

static bool refuse(const tw_op *op) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR,
                   "Trying to use forward AD with %s that does not support it because it has not been implemented yet.\nPlease file an issue "
                   "to PyTorch at https://github.com/pytorch/pytorch/issues/new?template=feature-request.yml so that we can prioritize its "
                   "implementation or submit a PR adding the implementation to derivatives.yaml", op->base);
}

/* Calls the op's tangent function with forward mode off, so that formulas read plain primals. */
static bool tangents(const tw_op *op, const tw_arg *args, tw_tensor *const *results, tw_tensor **tout) {
    tw_arg t[TW_MAX_ARGS];
    tw_tensor **lists[TW_MAX_ARGS] = {NULL};
    unsigned mode = tw_mode;
    bool ok = true, some = false;
    for (int i = 0; i < op->nparams; i++) {
        t[i] = TW_A_NONE;
        if (args[i].tag == TW_ARG_TENSOR) {
            t[i] = tw_a_tensor(tw_tangent_of(args[i].t));
            some |= t[i].tag == TW_ARG_TENSOR && (op->differentiable >> i & 1);
        } else if (args[i].tag == TW_ARG_TENSORS) {
            lists[i] = tw_calloc((size_t)args[i].n + 1, sizeof *lists[i]);
            if (!lists[i]) { ok = false; continue; }
            for (int j = 0; j < args[i].n; j++) {
                lists[i][j] = args[i].ts[j] ? tw_tangent_of(args[i].ts[j]) : NULL;
                some |= lists[i][j] && (op->differentiable >> i & 1);
            }
            t[i] = tw_a_tensors(lists[i], args[i].n);
        }
    }
    tw_mode &= ~(unsigned)TW_MODE_FORWARD;
    if (ok && some) {
        if (op->jvp) {
            ok = op->jvp(args, results, t, tout);
        } else if (op->kind == TW_KIND_VIEW) {
            tw_arg full[TW_MAX_ARGS];
            memcpy(full, args, op->nparams * sizeof *full);
            full[0] = t[0];
            ok = tw_call(op, full, tout);
        } else {
            ok = refuse(op);
        }
    }
    tw_mode = mode;
    for (int i = 0; i < op->nparams; i++) tw_free(lists[i]);
    return ok;
}

/* A tangent has its result's sizes and dtype. */
static tw_tensor *shape_tangent(tw_tensor *tangent, const tw_tensor *like) {
    if (tangent->dtype != like->dtype) {
        tw_tensor *cast = tw_cast_to(tangent, (tw_dtype)like->dtype);
        tw_release(tangent);
        if (!cast) return NULL;
        tangent = cast;
    }
    if (tangent->ndim == like->ndim && memcmp(tangent->sizes, like->sizes, like->ndim * sizeof(int64_t)) == 0) return tangent;
    tw_arg a[] = {tw_a_tensor(tangent), tw_a_ints(like->sizes, like->ndim)};
    tw_tensor *whole = tw_call1(TW_OP_expand, 2, a);
    tw_release(tangent);
    return whole;
}

bool tw_jvp_outs(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *tout[TW_MAX_OUTS] = {NULL};
    if (!tw_any_tangent(op, args)) return true;
    bool ok = tangents(op, args, outs, tout);
    for (int i = 0; i < op->nouts; i++) {
        /* whole numbers have no tangent */
        if (ok && tout[i] && outs[i] && (tw_is_float((tw_dtype)outs[i]->dtype) || tw_is_complex((tw_dtype)outs[i]->dtype))) {
            tout[i] = shape_tangent(tout[i], outs[i]);
            ok = tout[i] && set_tangent(outs[i], tout[i]);
        }
        tw_release(tout[i]);
    }
    return ok;
}

bool tw_jvp_inplace(const tw_op *op, const tw_arg *args, tw_tensor *before) {
    tw_tensor *tout[TW_MAX_OUTS] = {NULL}, *self = args[0].t, *results[TW_MAX_OUTS] = {self};
    tw_arg full[TW_MAX_ARGS];
    memcpy(full, args, op->nparams * sizeof *full);
    full[0] = tw_a_tensor(before);
    tw_tensor *old = tw_tangent_of(self);
    if (old && !set_tangent(before, old)) return false;
    if (!tangents(op, full, results, tout)) return false;
    for (int i = 1; i < op->nouts; i++) tw_release(tout[i]);
    if (!tout[0]) { /* zero from now on */
        if (old) { tw_release(old); self->autograd->tangent = NULL; }
        return true;
    }
    tout[0] = shape_tangent(tout[0], self);
    bool ok = tout[0] && set_tangent(self, tout[0]);
    tw_release(tout[0]);
    return ok;
}
