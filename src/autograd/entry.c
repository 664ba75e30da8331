/* The entry that every op goes through: records the graph, attaches tangents, then runs. The straight path, with nothing that
 * requires grad and no mode, is a few tests.
 *
 * Everything here sees logical tensors. Batching lies below (run_below), so gradients and tangents of batched tensors are ordinary. */
#include "autograd/engine.h"
#include "autograd/autocast.h"
#include "autograd/jvp.h"
#include "autograd/profile.h"
#include "autograd/sparse.h"
#include "autograd/vmap.h"
#include "ops/elementwise.h"
#include "ops/out.h"
#include "ops/view.h"
#include "ops/copy.h"
#include "op_ids.h"
#include <string.h>

_Thread_local TW_FAST_TLS unsigned tw_mode;
_Thread_local TW_FAST_TLS unsigned char tw_autocast_dtype = TW_BFLOAT16;

/* --- small helpers --- */

tw_tensor *tw_call1(int op_id, int nargs, const tw_arg *args) {
    const tw_op *op = &tw_ops[op_id];
    tw_arg full[TW_MAX_ARGS];
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    if (tw_failed()) return NULL;
    tw_fill_defaults(op, nargs, args, full);
    if (!tw_call(op, full, outs)) return NULL;
    for (int i = 1; i < op->nouts; i++) tw_release(outs[i]);
    return outs[0];
}

/* Nothing watches: results need no history, tangent or batch. */
static bool quiet(const tw_tensor *t) {
    return (tw_mode & TW_MODE_NO_GRAD) && !(t->flags & TW_BATCHED) && !(t->autograd && t->autograd->tangents);
}

tw_tensor *tw_cast_to(tw_tensor *t, tw_dtype dtype) {
    if (quiet(t)) return tw_clone_new(t, dtype, TW_PRESERVE_FORMAT);
    tw_arg a[] = {tw_a_tensor(t), tw_a_int(dtype)};
    return tw_call1(TW_OP__to_copy, 2, a);
}

tw_tensor *tw_clone_of(tw_tensor *t, tw_memory_format format) {
    if (quiet(t)) return tw_clone_new(t, TW_DTYPE_NONE, format);
    tw_arg a[] = {tw_a_tensor(t), tw_a_int(format)};
    return tw_call1(TW_OP_clone, 2, a);
}

/* --- recording --- */

static inline bool wants_param(const tw_arg *a) {
    if (a->tag == TW_ARG_TENSOR) return tw_requires_grad(a->t);
    for (int j = 0; a->tag == TW_ARG_TENSORS && j < a->n; j++)
        if (a->ts[j] && tw_requires_grad(a->ts[j])) return true;
    return false;
}

static inline bool any_requires(const tw_op *op, const tw_arg *args) {
    for (uint64_t left = op->differentiable; left; left &= left - 1)
        if (wants_param(&args[__builtin_ctzll(left)])) return true;
    return false;
}

/* What the wanted gradients read. */
static uint32_t save_mask(const tw_op *op, const tw_arg *args) {
    uint32_t mask = 0;
    for (int i = 0; op->save && i < op->nparams; i++)
        if ((op->differentiable >> i & 1) && wants_param(&args[i])) mask |= op->save[i];
    return mask;
}

static int words_of(const tw_arg *a) {
    if (a->tag == TW_ARG_INTS || a->tag == TW_ARG_DOUBLES) return a->n;
    return a->tag == TW_ARG_STRING ? (int)(strlen(a->s) / 8 + 1) : 0;
}

/* Copies a list or string into the node's own room. */
static int64_t *copy_words(tw_arg *to, const tw_arg *from, int64_t *room) {
    int n = words_of(from);
    if (from->tag == TW_ARG_STRING) strcpy((char *)room, from->s);
    else if (n) memcpy(room, from->ints, (size_t)n * sizeof *room);
    *to = *from;
    to->ints = room;
    return room + n;
}

/* A node of op with its edges and saved arguments; its results are saved by finish(). self: what to save in the place of
 * args[0], whose elements will be overwritten; NULL: args[0]. Owned; NULL on failure. */
static tw_node *record(const tw_op *op, const tw_arg *args, uint32_t mask, tw_tensor *self, int nouts) {
    int nedges = 0, nsaved = 0, words = 0;
    for (int i = 0; i < op->nparams; i++) {
        bool list = op->params[i].type == TW_TYPE_TENSORS;
        int n = list ? (args[i].tag == TW_ARG_TENSORS ? args[i].n : 0) : op->params[i].type == TW_TYPE_TENSOR;
        nedges += n;
        if (args[i].tag == TW_ARG_TENSOR || args[i].tag == TW_ARG_TENSORS) nsaved += mask >> i & 1 ? n : 0;
        else words += words_of(&args[i]);
    }
    nsaved += __builtin_popcount(mask >> 16);
    tw_node *n = tw_node_make(0, nedges, nouts, op->nparams, nsaved, words);
    if (!n) return NULL;
    n->op = op;
    n->name = op->node;
    int64_t *room = (int64_t *)(void *)(n->saved + nsaved);
    int edge = 0, s = 0;
    for (int i = 0; i < op->nparams; i++) {
        const tw_arg *a = &args[i];
        bool save = mask >> i & 1, differentiable = op->differentiable >> i & 1;
        if (op->params[i].type == TW_TYPE_TENSORS) {
            int count = a->tag == TW_ARG_TENSORS ? a->n : 0;
            if (save) n->args[i] = (tw_arg){.i = s, .n = count, .tag = TW_ARG_TENSORS};
            else n->args[i] = (tw_arg){.n = count, .tag = TW_ARG_NONE};
            for (int j = 0; j < count; j++, edge++) {
                if (differentiable && a->ts[j] && !tw_node_connect(n, edge, a->ts[j])) goto failed;
                if (a->ts[j] && !n->edges[edge].node && !tw_meta_of(&n->inputs[edge], a->ts[j])) goto failed;
                if (save && !tw_saved_set(&n->saved[s++], a->ts[j], false, 0)) goto failed;
            }
        } else if (a->tag == TW_ARG_TENSOR) {
            if (differentiable && !tw_node_connect(n, edge, a->t)) goto failed;
            if (!n->edges[edge].node && !tw_meta_of(&n->inputs[edge], a->t)) goto failed;
            edge++;
            if (save) {
                n->args[i] = (tw_arg){.n = s, .tag = TW_ARG_TENSOR};
                if (!tw_saved_set(&n->saved[s++], i == 0 && self ? self : a->t, false, 0)) goto failed;
            }
        } else {
            edge += op->params[i].type == TW_TYPE_TENSOR;
            if (words_of(a)) room = copy_words(&n->args[i], a, room);
            else if (a->tag != TW_ARG_GENERATOR) n->args[i] = *a;
        }
    }
    if ((tw_mode & TW_MODE_ANOMALY) && tw_trace_hook) n->trace = tw_trace_hook();
    return n;
failed:
    tw_node_release(n);
    return NULL;
}

static bool differentiable_out(const tw_op *op, int i, const tw_tensor *t) {
    return t && !(op->out_nondiff >> i & 1) && (tw_is_float((tw_dtype)t->dtype) || tw_is_complex((tw_dtype)t->dtype));
}

/* Saves the results that the gradient reads and describes all of them. */
static bool finish(tw_node *n, uint32_t mask, tw_tensor **outs) {
    int s = n->nsaved - __builtin_popcount(mask >> 16);
    for (int i = 0; i < n->nouts; i++) {
        if (!outs[i]) continue;
        if (!tw_meta_of(&n->outputs[i], outs[i])) return false;
        if (i < TW_MAX_OUTS && (mask >> (16 + i) & 1) && !tw_saved_set(&n->saved[s++], outs[i], true, (uint8_t)i)) return false;
    }
    return true;
}

/* --- running --- */

static bool any_batched(const tw_op *op, const tw_arg *args) {
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR && (args[i].t->flags & TW_BATCHED)) return true;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            if (args[i].ts[j] && (args[i].ts[j]->flags & TW_BATCHED)) return true;
    }
    return false;
}

static void release_all(const tw_op *op, tw_tensor **outs) {
    if (op->flags & TW_OP_LIST) tw_list_release(tw_list_of(outs[0]));
    for (int i = 0; i < op->nouts; i++) {
        if (!(op->flags & TW_OP_LIST)) tw_release(outs[i]);
        outs[i] = NULL;
    }
}

/* A composite that fails may have made its first results. */
static bool run_composite(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (op->composite(args, outs)) return true;
    release_all(op, outs);
    return false;
}

/* Below autograd. A composite gets here when the table gives it a gradient of its own: what it does is not recorded. */
static inline bool run_below(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (tw_sparse_used && tw_any_sparse(op, args, outs)) return tw_sparse_call(op, args, outs);
    if (op->kind == TW_KIND_COMPOSITE) {
        unsigned mode = tw_mode;
        tw_mode |= TW_MODE_NO_GRAD;
        bool ok = run_composite(op, args, outs);
        tw_mode = mode;
        return ok;
    }
    if (tw_vmap_used && (any_batched(op, args) || ((op->flags & TW_OP_RANDOM) && (tw_mode & TW_MODE_VMAP)))) return tw_vmap_run(op, args, outs);
    return tw_run(op, args, outs);
}

/* One node for all items of a list, whose number is known only when they are made. */
static bool list_recorded(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    const uint32_t mask = save_mask(op, args);
    if (!run_below(op, args, outs)) return false;
    tw_list *list = tw_list_of(outs[0]);
    tw_node *n = record(op, args, mask, NULL, (int)list->n);
    bool ok = n && finish(n, mask, list->items);
    for (int i = 0; ok && i < list->n; i++) ok = tw_set_history(list->items[i], n, (uint32_t)i);
    tw_node_release(n);
    if (!ok) release_all(op, outs);
    return ok;
}

static bool call_recorded(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (op->flags & TW_OP_LIST) return list_recorded(op, args, outs);
    uint32_t mask = save_mask(op, args);
    tw_tensor *geometry = NULL;
    if ((op->flags & TW_OP_GEOMETRY) && (mask & 1) && !(geometry = tw_data_alias_new(args[0].t))) return false;
    tw_node *n = record(op, args, mask, geometry, op->nouts);
    tw_release(geometry);
    if (!n) return false;
    bool ok = run_below(op, args, outs) && finish(n, mask, outs);
    for (int i = 0; ok && i < op->nouts; i++)
        if (differentiable_out(op, i, outs[i])) ok = tw_set_history(outs[i], n, (uint32_t)i);
    tw_node_release(n);
    if (!ok) release_all(op, outs);
    return ok;
}

/* Makes the results of a view what they are, views: where there are several, PyTorch refuses writes to them while grad mode is on. */
static void set_bases(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *base = args[0].t;
    const bool quiet_mode = tw_mode & TW_MODE_NO_GRAD, list = op->flags & TW_OP_LIST;
    const int64_t n = list ? tw_list_of(outs[0])->n : 1;
    tw_tensor **views = list ? tw_list_of(outs[0])->items : outs;
    for (int64_t i = 0; i < n; i++)
        if (views[i]->storage == base->storage) tw_set_base(views[i], base, quiet_mode ? 1 : list ? 2 : 0);
}

/* PyTorch records these as one node each; ours end in another op, whose node takes the name users know, if it is of this call. */
static bool run_named(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    const uint64_t first = tw_next_sequence();
    if (!run_composite(op, args, outs)) return false;
    for (int i = 0; i < op->nouts; i++) {
        tw_node *n = outs[i] && outs[i]->autograd ? outs[i]->autograd->grad_fn : NULL;
        if (n && n->sequence >= first) n->name = op->node;
    }
    return true;
}

static bool call_graph(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (op->kind == TW_KIND_COMPOSITE && !op->grad) {
        if (tw_sparse_used && op->sparse_run && tw_any_sparse(op, args, outs)) return op->sparse_run(args, outs);
        return op->flags & TW_OP_NAMED ? run_named(op, args, outs) : run_composite(op, args, outs);
    }
    const bool wants = !(tw_mode & TW_MODE_NO_GRAD) && any_requires(op, args);
    if (wants ? !call_recorded(op, args, outs) : !run_below(op, args, outs)) return false;
    if (op->kind == TW_KIND_VIEW && !(op->flags & TW_OP_FRESH) && !(tw_mode & TW_MODE_INFERENCE)) set_bases(op, args, outs);
    return true;
}

static bool call(const tw_op *op, const tw_arg *args, tw_tensor **outs);
bool tw_call(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (tw_failed()) return false;
    for (int i = 0; i < op->nouts; i++) outs[i] = NULL;
    const unsigned watched = TW_MODE_AUTOCAST | TW_MODE_INFERENCE | TW_MODE_FORWARD | TW_MODE_PROFILE;
    if (!(tw_mode & watched) && !(op->flags & TW_OP_INPLACE)) return call_graph(op, args, outs);
    if (!(tw_mode & TW_MODE_PROFILE)) return call(op, args, outs);
    const int64_t start = tw_profile_now();
    const bool ok = call(op, args, outs);
    tw_profile_note(op, false, start);
    return ok;
}

static void mark_inference(const tw_op *op, tw_tensor **outs) {
    const bool list = op->flags & TW_OP_LIST;
    const int64_t n = list ? tw_list_of(outs[0])->n : op->nouts;
    for (int64_t i = 0; i < n; i++) {
        tw_tensor *t = list ? tw_list_of(outs[0])->items[i] : outs[i];
        if (t) t->flags |= TW_INFERENCE;
    }
}

static bool call(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if ((tw_mode & TW_MODE_AUTOCAST) && op->autocast && !(op->flags & TW_OP_INPLACE)) return tw_call_autocast(op, args, outs);
    if (op->flags & TW_OP_INPLACE) {
        if (!tw_call_inplace(op, args)) return false;
        outs[0] = tw_retain(args[0].t);
        return true;
    }
    if (!(tw_mode & (TW_MODE_FORWARD | TW_MODE_INFERENCE))) return call_graph(op, args, outs);
    if (!call_graph(op, args, outs)) return false;
    if (tw_mode & TW_MODE_INFERENCE) mark_inference(op, outs);
    if (!(tw_mode & TW_MODE_FORWARD) || (op->kind == TW_KIND_COMPOSITE && !op->grad)) return true;
    if (tw_jvp_outs(op, args, outs)) return true;
    release_all(op, outs);
    return false;
}

/* --- in place --- */

/* An in-place result must have self's sizes. */
static bool check_sizes(const tw_op *op, const tw_arg *args) {
    const tw_tensor *self = args[0].t;
    int64_t sizes[TW_MAX_DIMS];
    int ndim;
    bool same = true;
    if (op->kind != TW_KIND_ELEMENTWISE) return true;
    for (int i = 1; i < op->nparams; i++) {
        if (args[i].tag != TW_ARG_TENSOR) continue;
        const tw_tensor *t = args[i].t;
        if (t->ndim == 0) continue;
        same &= t->ndim == self->ndim && memcmp(t->sizes, self->sizes, (size_t)t->ndim * sizeof *t->sizes) == 0;
    }
    if (same) return true;
    if (!tw_broadcast_sizes(args, op->ew->nin, sizes, &ndim)) return false;
    if (ndim == self->ndim && memcmp(sizes, self->sizes, (size_t)ndim * sizeof *sizes) == 0) return true;
    return tw_fail(TW_RUNTIME_ERROR, "output with shape %s doesn't match the broadcast shape %s",
                   tw_sizes_text(self->sizes, self->ndim), tw_sizes_text(sizes, ndim));
}

/* squeeze_, t_, ...: self takes the geometry of the view. */
static bool view_inplace(const tw_op *op, const tw_arg *args, tw_node *n) {
    tw_tensor *self = args[0].t, *as = NULL;
    if (!run_below(op, args, &as)) return false;
    bool ok = tw_version_ready(self) && (self->layout ? tw_sparse_take(self, as)
                                                      : tw_set_geometry(self, as->sizes, as->strides, as->ndim, as->offset));
    if (ok && (self->flags & TW_BATCHED)) tw_vmap_take_batch(self, as);
    tw_release(as);
    if (ok) tw_bump_version(self);
    if (!ok || !n) return ok;
    if (!finish(n, 0, &self) || !tw_set_history(self, n, 0)) return false;
    if (self->flags & TW_IS_VIEW) self->view_version = tw_version_of(self);
    return true;
}

/* Whether any tensor argument requires a gradient; of composites, whose `differentiable` says nothing. */
static bool any_requires_any(const tw_op *op, const tw_arg *args) {
    for (int i = 0; i < op->nparams; i++)
        if (args[i].tag == TW_ARG_TENSOR && tw_requires_grad(args[i].t)) return true;
    return false;
}

static bool composite_inplace(const tw_op *op, const tw_arg *args) {
    tw_tensor *outs[TW_MAX_OUTS] = {NULL}, *self = args[0].t;
    if (op->flags & TW_OP_INPLACE) {
        bool ok = op->composite(args, outs);
        release_all(op, outs);
        return ok;
    }
    tw_arg inputs[TW_MAX_ARGS];
    for (int i = 0; i < op->nparams; i++) inputs[i] = args[i];
    tw_tensor *before = NULL;
    if (!(tw_mode & TW_MODE_NO_GRAD) && any_requires_any(op, args)) { /* what it saves of self must outlive the write */
        const tw_op *clone = &tw_ops[TW_OP_clone];
        tw_arg cloned[TW_MAX_ARGS];
        tw_fill_defaults(clone, 1, args, cloned);
        if (!tw_call(clone, cloned, &before)) return false;
        inputs[0] = tw_a_tensor(before);
    }
    bool made = tw_call(op, inputs, outs);
    tw_release(before);
    if (!made) return false;
    bool same = outs[0]->ndim == self->ndim && memcmp(outs[0]->sizes, self->sizes, (size_t)self->ndim * sizeof *self->sizes) == 0;
    const tw_op *copy = &tw_ops[TW_OP_copy_];
    tw_arg full[TW_MAX_ARGS], a[] = {args[0], tw_a_tensor(outs[0])};
    bool ok = same;
    if (!same)
        ok = tw_fail(TW_RUNTIME_ERROR, "output with shape %s doesn't match the broadcast shape %s",
                     tw_sizes_text(self->sizes, self->ndim), tw_sizes_text(outs[0]->sizes, outs[0]->ndim));
    if (ok && !tw_can_cast((tw_dtype)outs[0]->dtype, (tw_dtype)self->dtype))
        ok = tw_fail(TW_RUNTIME_ERROR, "result type %s can't be cast to the desired output type %s", tw_dtypes[outs[0]->dtype].type_name,
                     tw_dtypes[self->dtype].type_name);
    if (ok) {
        tw_fill_defaults(copy, 2, a, full);
        ok = tw_call_inplace(copy, full);
    }
    release_all(op, outs);
    return ok;
}

/* Ops with arguments to cast have them cast in functional calls only: writing into a given tensor, they are as without autocast. */
static bool cleared(const tw_op *op) { return (tw_mode & TW_MODE_AUTOCAST) && op->autocast; }

static bool call_inplace(const tw_op *op, const tw_arg *args);
bool tw_call_inplace(const tw_op *op, const tw_arg *args) {
    const unsigned mode = tw_mode;
    const int64_t start = mode & TW_MODE_PROFILE ? tw_profile_now() : 0;
    if (cleared(op)) tw_mode &= ~(unsigned)TW_MODE_AUTOCAST;
    const bool ok = call_inplace(op, args);
    tw_mode = mode;
    if (mode & TW_MODE_PROFILE) tw_profile_note(op, !(op->flags & TW_OP_INPLACE), start);
    return ok;
}

static bool call_inplace(const tw_op *op, const tw_arg *args) {
    if (tw_failed()) return false;
    tw_tensor *self = args[0].t, *outs[TW_MAX_OUTS] = {self}, *before = NULL;
    tw_node *n = NULL;
    bool ok = false, quiet_mode = (tw_mode & TW_MODE_NO_GRAD) != 0;
    if (op->kind == TW_KIND_COMPOSITE && !op->grad) return composite_inplace(op, args);
    if ((self->flags & TW_INFERENCE) && !(tw_mode & TW_MODE_INFERENCE))
        return tw_fail(TW_RUNTIME_ERROR, "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get "
                       "a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.");
    bool wants = !quiet_mode && op->differentiable && any_requires(op, args);
    if (!quiet_mode && !tw_check_inplace(self, wants || tw_requires_grad(self))) return false;
    if (op->kind != TW_KIND_VIEW && !(op->flags & TW_OP_CONSTANT) && tw_internal_overlap(self))
        return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                       "location. Please clone() the tensor before performing the operation.");
    if (!check_sizes(op, args)) return false;
    bool dual = (tw_mode & TW_MODE_FORWARD) && tw_any_tangent(op, args);
    uint32_t mask = wants ? save_mask(op, args) : 0;
    if ((wants && (mask & 1)) || dual) {
        unsigned mode = tw_mode;
        tw_mode |= TW_MODE_NO_GRAD;
        before = tw_vmap_clone(self);
        tw_mode = mode;
        if (!before) return false;
    }
    if (wants && !(n = record(op, args, mask, before, op->nouts))) goto done;
    if (op->kind == TW_KIND_VIEW) {
        ok = view_inplace(op, args, n);
        goto done;
    }
    if (!tw_version_ready(self) || !run_below(op, args, outs)) goto done;
    tw_bump_version(self);
    if (n && (!finish(n, mask, outs) || (differentiable_out(op, 0, self) && !tw_rebase_history(self, n, 0)))) goto done;
    ok = !dual || tw_jvp_inplace(op, args, before);
done:
    for (int i = 1; i < op->nouts; i++) tw_release(outs[i]);
    tw_node_release(n);
    tw_release(before);
    return ok;
}

/* --- out= --- */

static bool refuse_out(const tw_op *op) {
    return tw_fail(TW_RUNTIME_ERROR, "%s(): functions with out=... arguments don't support automatic differentiation, but one of the "
                   "arguments requires grad.", op->base);
}

/* Copies a result to where it is wanted. */
static bool put_out(const tw_op *op, const tw_arg *args, tw_tensor *out, tw_tensor *made) {
    return tw_check_out(op, args, out, (tw_dtype)made->dtype, made->device) && tw_fit_out(out, made->sizes, made->ndim) && tw_copy(out, made);
}

static bool composite_out(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *made[TW_MAX_OUTS] = {NULL};
    if (!tw_call(op, args, made)) return false;
    bool ok = true;
    for (int i = 0; ok && i < op->nouts; i++)
        if (outs[i] && made[i]) ok = put_out(op, args, outs[i], made[i]);
    release_all(op, made);
    return ok;
}

static bool call_out(const tw_op *op, const tw_arg *args, tw_tensor **outs);
bool tw_call_out(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (!cleared(op)) return call_out(op, args, outs);
    tw_mode &= ~(unsigned)TW_MODE_AUTOCAST;
    const bool ok = call_out(op, args, outs);
    tw_mode |= TW_MODE_AUTOCAST;
    return ok;
}

static bool call_out(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (tw_failed()) return false;
    if (!(tw_mode & TW_MODE_NO_GRAD)) {
        for (int i = 0; i < op->nparams; i++)
            if (wants_param(&args[i])) return refuse_out(op);
        for (int i = 0; i < op->nouts; i++)
            if (outs[i] && tw_requires_grad(outs[i])) return refuse_out(op);
    }
    for (int i = 0; i < op->nouts; i++)
        if (outs[i] && !tw_version_ready(outs[i])) return false;
    bool ok = op->kind == TW_KIND_COMPOSITE ? composite_out(op, args, outs) : run_below(op, args, outs);
    for (int i = 0; ok && i < op->nouts; i++)
        if (outs[i]) tw_bump_version(outs[i]);
    return ok;
}

bool tw_call_out_list(const tw_op *op, const tw_arg *args, tw_tensor *const *outs, int64_t n) {
    tw_tensor *made[TW_MAX_OUTS] = {NULL};
    if (tw_failed()) return false;
    for (int i = 0; !(tw_mode & TW_MODE_NO_GRAD) && i < op->nparams; i++)
        if (wants_param(&args[i])) return refuse_out(op);
    for (int64_t i = 0; i < n; i++) {
        if (!(tw_mode & TW_MODE_NO_GRAD) && tw_requires_grad(outs[i])) return refuse_out(op);
        if (!tw_version_ready(outs[i])) return false;
    }
    if (!tw_call(op, args, made)) return false;
    const tw_list *list = tw_list_of(made[0]);
    bool ok = list->n == n;
    if (!ok) {
        char name[64];
        snprintf(name, sizeof name, "%s", op->name);
        for (char *dot; (dot = strchr(name, '.'));) *dot = '_';
        tw_fail(TW_RUNTIME_ERROR, "%s_out() expected an out= argument of size %lld, got size %lld", name, (long long)list->n, (long long)n);
    }
    for (int64_t i = 0; ok && i < n; i++) {
        ok = put_out(op, args, outs[i], list->items[i]);
        if (ok) tw_bump_version(outs[i]);
    }
    release_all(op, made);
    return ok;
}
