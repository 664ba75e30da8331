#include "autograd/sparse.h"

#include "autograd/autograd.h"
#include "op_ids.h"
#include "ops/copy.h"
#include "ops/out.h"
#include "ops/view.h"

static bool sparse(const tw_tensor *t) { return t && t->layout != TW_STRIDED; }

bool tw_any_sparse(const tw_op *op, const tw_arg *args, tw_tensor *const *outs) {
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR && sparse(args[i].t)) return true;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            if (sparse(args[i].ts[j])) return true;
    }
    for (int i = 0; i < op->nouts && !(op->flags & TW_OP_LIST); i++)
        if (sparse(outs[i])) return true;
    return false;
}

tw_tensor *tw_coalesced(tw_tensor *t) {
    if (!t || tw_sparse_of(t)->coalesced) return tw_retain(t);
    return tw_call1(TW_OP__coalesce, 1, (const tw_arg[]){tw_a_tensor(t)});
}

/* In PyTorch's words; which of its backends have the op is not ours to list. */
static bool refuse(const tw_op *op) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Could not run 'aten::%s' with arguments from the 'SparseCPU' backend. This could be because the "
                   "operator doesn't exist for this backend.", op->name);
}

/* An op of one sparse tensor, done to its values. */
static bool run_values(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_arg with[TW_MAX_ARGS];
    tw_tensor *values[TW_MAX_OUTS] = {NULL}, *self = NULL;
    if (args[0].tag != TW_ARG_TENSOR || !sparse(args[0].t)) return refuse(op);
    for (int i = 1; i < op->nparams; i++)
        if (args[i].tag == TW_ARG_TENSOR && (sparse(args[i].t) || args[i].t->ndim > 0)) return refuse(op);
    self = op->sparse == TW_SPARSE_LINEAR ? tw_retain(args[0].t) : tw_coalesced(args[0].t);
    if (!self) return false;
    const tw_sparse *s = tw_sparse_of(self);
    for (int i = 0; i < op->nparams; i++) with[i] = args[i];
    with[0] = tw_a_tensor(s->values);
    if (tw_call(op, with, values)) outs[0] = tw_sparse_new(s->indices, values[0], self->sizes, self->ndim, s->coalesced);
    tw_release(values[0]);
    tw_release(self);
    return outs[0] != NULL;
}

static bool run_rule(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    switch ((tw_sparse_rule)op->sparse) {
    case TW_SPARSE_VALUES: case TW_SPARSE_LINEAR: return run_values(op, args, outs);
    case TW_SPARSE_NATIVE: return op->composite ? op->composite(args, outs) : refuse(op);
    case TW_SPARSE_FUNCTION: return op->sparse_run(args, outs);
    default: return refuse(op);
    }
}

/* Puts a result in the place of a given one. */
static bool deliver(const tw_op *op, const tw_arg *args, tw_tensor *out, tw_tensor *made) {
    if (sparse(out) != sparse(made))
        return tw_fail(TW_RUNTIME_ERROR, "%s: Expected result Tensor to be of format %s", op->base, sparse(made) ? "Sparse" : "Strided");
    if (!sparse(made))
        return tw_check_out(op, args, out, (tw_dtype)made->dtype, made->device) && tw_fit_out(out, made->sizes, made->ndim) && tw_copy(out, made);
    if (out->dtype == made->dtype) return tw_sparse_take(out, made);
    if (!tw_can_cast((tw_dtype)made->dtype, (tw_dtype)out->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "result type %s can't be cast to the desired output type %s", tw_dtypes[made->dtype].type_name,
                       tw_dtypes[out->dtype].type_name);
    tw_tensor *cast = tw_clone_new(made, (tw_dtype)out->dtype, TW_PRESERVE_FORMAT);
    const bool ok = cast && tw_sparse_take(out, cast);
    tw_release(cast);
    return ok;
}

bool tw_sparse_call(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *given[TW_MAX_OUTS], *made[TW_MAX_OUTS];
    const unsigned mode = tw_mode;
    for (int i = 0; i < op->nouts; i++) made[i] = given[i] = outs[i];
    tw_mode |= TW_MODE_NO_GRAD;
    bool ok = run_rule(op, args, made);
    tw_mode = mode;
    for (int i = 0; i < op->nouts; i++) {
        if (made[i] == given[i] || !given[i]) {
            outs[i] = made[i];
            continue;
        }
        ok = ok && deliver(op, args, given[i], made[i]);
        tw_release(made[i]);
    }
    if (!ok)
        for (int i = 0; i < op->nouts; i++)
            if (!given[i]) {
                tw_release(outs[i]);
                outs[i] = NULL;
            }
    return ok;
}
