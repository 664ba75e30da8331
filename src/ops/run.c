/* Runs an op below autograd: meta, allocation, the device's function. out= and in-place results are handled here for every kernel op. */
#include "ops/elementwise.h"
#include "ops/copy.h"
#include "ops/odd.h"
#include "ops/op.h"
#include "ops/out.h"
#include "ops/reduce.h"
#include "ops/trace.h"
#include "ops/view.h"
#include <string.h>

bool tw_meta_set(tw_meta *m, tw_dtype dtype, tw_device device, const int64_t *sizes, int ndim) {
    if (ndim > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    m->dtype = (int8_t)dtype;
    m->device = device;
    m->ndim = (uint8_t)ndim;
    m->absent = false;
    for (int i = 0; i < ndim; i++) m->sizes[i] = sizes[i];
    tw_contiguous_strides(sizes, ndim, m->strides);
    return true;
}

/* --- devices ------------------------------------------------------------------------------------------------- */

typedef struct place { tw_device device; bool found, zero_dim; } place;

static bool see(const tw_op *op, place *p, const tw_tensor *t) {
    if (!t) return true;
    if (!p->found || (p->zero_dim && t->ndim > 0 && p->device == TW_CPU)) {
        *p = (place){t->device, true, t->ndim == 0};
        return true;
    }
    /* a 0-d tensor of the CPU goes with any device */
    if (t->device == p->device || (t->ndim == 0 && t->device == TW_CPU)) return true;
    char first[32];
    snprintf(first, sizeof first, "%s", tw_device_text(p->device));
    (void)op;
    return tw_fail(TW_RUNTIME_ERROR, "Expected all tensors to be on the same device, but found at least two devices, %s and %s!",
                   first, tw_device_text(t->device));
}

/* The one device of the tensor arguments. */
static bool device_of(const tw_op *op, const tw_arg *args, tw_device *device) {
    place p = {TW_CPU, false, false};
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag != TW_ARG_TENSOR && args[i].tag != TW_ARG_TENSORS) continue;
        if (op->params[i].optional_items) continue; /* indices may stay on the CPU */
        if (args[i].tag == TW_ARG_TENSOR && !see(op, &p, args[i].t)) return false;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            if (!see(op, &p, args[i].ts[j])) return false;
    }
    *device = p.device;
    return true;
}

static bool run_on(const tw_op *op, tw_device device, const tw_arg *args, tw_tensor **outs) {
    const tw_device_ops *ops = tw_device_of(device);
    if (!ops) return false;
    if (device == TW_CPU) return op->run(args, outs);
    if (!ops->has_data) return true;
    if (ops->run && ops->run[op->id]) return ops->run[op->id](args, outs);
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Could not run '%s' on device '%s': it has no such kernel", op->name, tw_device_text(device));
}

/* --- kernel ops ---------------------------------------------------------------------------------------------- */

static bool same_sizes(const tw_tensor *t, const tw_meta *m) {
    if (t->ndim != m->ndim) return false;
    for (int i = 0; i < t->ndim; i++)
        if (t->sizes[i] != m->sizes[i]) return false;
    return true;
}

static bool same_layout(const tw_tensor *t, const tw_meta *m) {
    for (int i = 0; i < t->ndim; i++)
        if (t->sizes[i] > 1 && t->strides[i] != m->strides[i]) return false;
    return true;
}

bool tw_fit_out(tw_tensor *out, const int64_t *sizes, int ndim) {
    bool same = out->ndim == ndim;
    for (int i = 0; same && i < ndim; i++) same = out->sizes[i] == sizes[i];
    if (same) return true;
    if (out->numel != 0)
        tw_warn("An output with one or more elements was resized since it had shape %s, which does not match the required output shape "
                "%s. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero "
                "elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                tw_sizes_text(out->sizes, out->ndim), tw_sizes_text(sizes, ndim));
    return tw_resize(out, sizes, ndim);
}

/* Whether run may write to `out` directly: right layout and memory that no argument shares. */
static bool direct(const tw_tensor *out, const tw_meta *m, const tw_op *op, const tw_arg *args) {
    if (out->dtype != m->dtype || !same_layout(out, m) || (out->flags & (TW_CONJ | TW_NEG))) return false;
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR && args[i].t->storage == out->storage) return false;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            if (args[i].ts[j] && args[i].ts[j]->storage == out->storage) return false;
    }
    return true;
}

static tw_tensor *allocate(const tw_meta *m) {
    return tw_empty_strided_new(m->sizes, m->strides, m->ndim, (tw_dtype)m->dtype, m->device);
}

/* out= of an op that takes a dtype: what is not given is out's; of ops that make tensors, what is given must be. */
static bool take_dtype(const tw_op *op, const tw_arg *args, const tw_tensor *out, tw_arg *with) {
    bool makes = true;
    for (int i = 0; i < op->nparams; i++) makes &= args[i].tag != TW_ARG_TENSOR;
    for (int i = 0; i < op->nparams; i++) {
        const tw_arg *usual = &op->params[i].fallback;
        with[i] = args[i];
        if (op->params[i].type != TW_TYPE_DTYPE) continue;
        if (args[i].tag == TW_ARG_NONE || (usual->tag == TW_ARG_INT && args[i].i == usual->i)) with[i] = tw_a_int(out->dtype);
        else if (makes && args[i].i != out->dtype)
            return tw_fail(TW_RUNTIME_ERROR, "dtype %s does not match dtype of out parameter (%s)", tw_dtypes[args[i].i].type_name,
                           tw_dtypes[out->dtype].type_name);
    }
    return true;
}

/* Ops that write their first argument: run gets it as its result. */
static bool run_inplace(const tw_op *op, tw_device device, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *self = args[0].t;
    if (!(op->flags & TW_OP_CONSTANT) && tw_internal_overlap(self))
        return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                       "location. Please clone() the tensor before performing the operation.");
    if (!run_on(op, device, args, &self)) return false;
    if (!outs[0]) outs[0] = tw_retain(self);
    return true;
}

static bool run_kernel(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_meta meta[TW_MAX_OUTS];
    tw_tensor *target[TW_MAX_OUTS] = {NULL};
    tw_device device;
    bool ok = false;
    if (op->flags & TW_OP_ACROSS) device = args[0].t->device;
    else if (!device_of(op, args, &device)) return false;
    tw_arg with[TW_MAX_ARGS];
    if (op->out_rule == TW_OUT_ANY && op->nouts == 1 && outs[0] && !(op->flags & TW_OP_INPLACE)) {
        if (!take_dtype(op, args, outs[0], with)) return false;
        args = with;
    }
    for (int i = 0; i < op->nouts; i++) meta[i].absent = false;
    if (!op->meta(args, meta)) return false;
    if (op->flags & TW_OP_INPLACE) return run_inplace(op, device, args, outs);
    for (int i = 0; i < op->nouts; i++) {
        if (meta[i].absent) continue;
        if (!outs[i]) {
            if (!(target[i] = allocate(&meta[i]))) goto done;
            continue;
        }
        if (!tw_check_out(op, args, outs[i], (tw_dtype)meta[i].dtype, meta[i].device)) goto done;
        if (!same_sizes(outs[i], &meta[i]) && !tw_fit_out(outs[i], meta[i].sizes, meta[i].ndim)) goto done;
        if (direct(outs[i], &meta[i], op, args)) target[i] = tw_retain(outs[i]);
        else if (!(target[i] = allocate(&meta[i]))) goto done;
    }
    device = op->nouts && !meta[0].absent ? meta[0].device : device;
    if (!run_on(op, device, args, target)) goto done;
    for (int i = 0; i < op->nouts; i++)
        if (outs[i] && target[i] && target[i] != outs[i] && !tw_copy(outs[i], target[i])) goto done;
    for (int i = 0; i < op->nouts; i++) {
        if (outs[i]) continue;
        outs[i] = target[i];
        target[i] = NULL;
    }
    ok = true;
done:
    for (int i = 0; i < op->nouts; i++) tw_release(target[i]);
    return ok;
}

/* Kernels read elements as they lie: an argument with lazy flags is resolved before. Ops that write their argument see to it themselves. */
static bool run_resolved(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_arg plain[TW_MAX_ARGS] = {{.tag = TW_ARG_NONE}};
    tw_tensor *made[TW_MAX_ARGS];
    int n = 0;
    bool ok = true;
    for (int i = 0; i < op->nparams; i++) {
        plain[i] = args[i];
        if (args[i].tag != TW_ARG_TENSOR || !(args[i].t->flags & (TW_CONJ | TW_NEG))) continue;
        if (!(made[n] = tw_clone_new(args[i].t, TW_DTYPE_NONE, TW_PRESERVE_FORMAT))) {
            ok = false;
            break;
        }
        plain[i] = tw_a_tensor(made[n++]);
    }
    ok = ok && run_kernel(op, plain, outs);
    while (n) tw_release(made[--n]);
    return ok;
}

static bool has_flags(const tw_op *op, const tw_arg *args) {
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR && (args[i].t->flags & (TW_CONJ | TW_NEG))) return true;
    }
    return false;
}

/* Sizes are known only after the work: the op allocates; given results get a copy. */
static bool run_dynamic(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *made[TW_MAX_OUTS] = {NULL};
    tw_device device;
    bool ok = false;
    if (!device_of(op, args, &device)) return false;
    if (tw_device_type(device) == TW_META)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "aten::%s: the shape of its result depends on data, which tensors on meta do not have", op->base);
    if (!run_on(op, device, args, made)) goto done;
    for (int i = 0; i < op->nouts; i++) {
        if (!outs[i]) {
            outs[i] = made[i];
            made[i] = NULL;
            continue;
        }
        tw_meta m;
        if (!tw_meta_set(&m, (tw_dtype)made[i]->dtype, made[i]->device, made[i]->sizes, made[i]->ndim)) goto done;
        if (!tw_check_out(op, args, outs[i], (tw_dtype)m.dtype, m.device) || !tw_fit_out(outs[i], m.sizes, m.ndim) || !tw_copy(outs[i], made[i])) goto done;
    }
    ok = true;
done:
    for (int i = 0; i < op->nouts; i++) tw_release(made[i]);
    return ok;
}

/* --- the five kinds ------------------------------------------------------------------------------------------ */

static bool on_device(const tw_arg *args) { return args[0].tag == TW_ARG_TENSOR && tw_device_type(args[0].t->device) > TW_META; }

/* Elementwise ops and reductions on another device: its own kernel allocates. */
static bool run_elsewhere(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_device device;
    if (!device_of(op, args, &device)) return false;
    const tw_device_ops *ops = tw_device_of(device);
    if (!ops) return false;
    if (ops->run && ops->run[op->id]) return ops->run[op->id](args, outs);
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Could not run '%s' on device '%s': it has no such kernel", op->name, tw_device_text(device));
}

static bool run_kind(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    switch (op->kind) {
    case TW_KIND_ELEMENTWISE:
        if (on_device(args)) return run_elsewhere(op, args, outs);
        return tw_elementwise(op->ew, args, op->ew->nin, &outs[0]);
    case TW_KIND_REDUCE:
        if (on_device(args)) return run_elsewhere(op, args, outs);
        return tw_reduce_run(op, args, outs);
    case TW_KIND_VIEW: return (outs[0] = op->pieces ? tw_list_result(tw_pieces_new(op, args)) : tw_view_new(op, args)) != NULL;
    case TW_KIND_KERNEL:
        if (op->flags & TW_OP_DYNAMIC) return run_dynamic(op, args, outs);
        return !(op->flags & TW_OP_INPLACE) && has_flags(op, args) ? run_resolved(op, args, outs) : run_kernel(op, args, outs);
    default: return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "'%s' is a composite: it has no kernel to run", op->name);
    }
}

static bool run_even(const void *op, const tw_arg *args, tw_tensor **outs) { return tw_run(op, args, outs); }

bool tw_run(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (tw_odd_used && op->kind != TW_KIND_VIEW && tw_any_odd(args, op->nparams, outs, op->nouts))
        return tw_run_even(run_even, op, args, op->nparams, outs, op->nouts, op->flags & TW_OP_INPLACE);
    if (!tw_debugs(2) || op->kind == TW_KIND_ELEMENTWISE || op->kind == TW_KIND_VIEW) return run_kind(op, args, outs);
    int64_t began = tw_debug_clock();
    bool ok = run_kind(op, args, outs), list = op->flags & TW_OP_LIST;
    tw_trace(op->name, op->kind == TW_KIND_REDUCE ? "reduce" : "kernel", began, args, op->nparams, outs, ok && !list ? op->nouts : 0);
    return ok;
}
