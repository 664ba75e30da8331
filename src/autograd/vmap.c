/* Batching, see vmap.h.
 *
 * Note [Batching, a level at a time]
 * tw_vmap_run takes off the innermost level that an argument has: that dimension becomes dim 0 of the arguments, the op runs by the rule
 * of its kind (through run_one, so that outer levels are taken off in turn), and dim 0 of the results is hidden again. Levels have
 * numbers that are never used twice, so that a graph may outlive its level. */
#include "autograd/vmap.h"
#include "autograd/jvp.h"
#include "autograd/engine.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/view.h"
#include "op_ids.h"
#include <string.h>

static _Thread_local int depth, last_level;
static _Thread_local struct { int level; int64_t size; tw_randomness randomness; } levels[TW_VMAP_LEVELS];
bool tw_vmap_used;

int tw_vmap_level(void) { return depth ? levels[depth - 1].level : 0; }

int tw_vmap_enter(int64_t size, tw_randomness randomness) {
    if (depth == TW_VMAP_LEVELS) {
        tw_fail(TW_RUNTIME_ERROR, "vmap nests at most %d levels", TW_VMAP_LEVELS);
        return -1;
    }
    levels[depth].level = ++last_level;
    levels[depth].size = size;
    levels[depth].randomness = randomness;
    depth++;
    tw_mode |= TW_MODE_VMAP;
    tw_vmap_used = true;
    return last_level;
}

void tw_vmap_exit(void) {
    if (depth && --depth == 0) tw_mode &= ~(unsigned)TW_MODE_VMAP;
}

uint64_t tw_vmap_active(void) {
    uint64_t mask = 0;
    for (int i = 0; i < depth; i++) mask |= (uint64_t)1 << (levels[i].level % 64);
    return mask;
}

/* --- hidden dimensions --- */

static const tw_batch *batch_of(const tw_tensor *t) { return t->flags & TW_BATCHED ? t->autograd->batch : NULL; }

static int top_level(const tw_tensor *t) {
    const tw_batch *b = t ? batch_of(t) : NULL;
    return b && b->n ? b->dim[b->n - 1].level : 0;
}

static int find_level(const tw_batch *b, int level) {
    for (int i = 0; b && i < b->n; i++)
        if (b->dim[i].level == level) return i;
    return -1;
}

static bool set_batch(tw_tensor *t, const tw_batch *b) {
    if (!b || b->n == 0) { t->flags &= (uint8_t)~TW_BATCHED; return true; }
    tw_autograd *a = tw_autograd_of(t);
    if (!a) return false;
    if (!a->batch && !(a->batch = tw_malloc(sizeof *a->batch))) return false;
    if (a->batch != b) *a->batch = *b;
    t->flags |= TW_BATCHED;
    return true;
}

bool tw_vmap_copy_batch(tw_tensor *to, const tw_tensor *from) { return set_batch(to, batch_of(from)); }
void tw_vmap_take_batch(tw_tensor *to, tw_tensor *from) { (void)tw_vmap_copy_batch(to, from); }

/* t under another geometry, without history; with the hidden dimensions of b. */
static tw_tensor *alias(tw_tensor *t, const int64_t *sizes, const int64_t *strides, int ndim, const tw_batch *b) {
    tw_tensor *out = tw_alias_new(t, sizes, strides, ndim, t->offset, (tw_dtype)t->dtype);
    if (!out) return NULL;
    out->flags = (uint8_t)((out->flags & TW_CONTIGUOUS) | (t->flags & (TW_CONJ | TW_NEG)));
    if (!set_batch(out, b)) { tw_release(out); return NULL; }
    return out;
}

/* Shows `level` of t as dim 0, then `pad` dimensions of size 1, then t's own. Owned. */
static tw_tensor *expose(tw_tensor *t, int level, int pad) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    tw_batch b = *batch_of(t);
    int at = find_level(&b, level), n = 1;
    if (t->ndim + 1 + pad > TW_MAX_DIMS) return tw_fail_null(TW_RUNTIME_ERROR, "vmap: too many dimensions");
    sizes[0] = b.dim[at].size;
    strides[0] = b.dim[at].stride;
    for (int i = 0; i < pad; i++, n++) { sizes[n] = 1; strides[n] = 0; }
    for (int i = 0; i < t->ndim; i++, n++) { sizes[n] = t->sizes[i]; strides[n] = t->strides[i]; }
    memmove(&b.dim[at], &b.dim[at + 1], (size_t)(b.n - at - 1) * sizeof b.dim[0]);
    b.n--;
    return alias(t, sizes, strides, n, &b);
}

/* Hides dimension `dim` of t under `level`. Owned. */
static tw_tensor *hide(tw_tensor *t, int64_t dim, int level) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    tw_batch b = {0};
    int n = 0, at;
    if (batch_of(t)) b = *batch_of(t);
    if (b.n == TW_VMAP_LEVELS) return tw_fail_null(TW_RUNTIME_ERROR, "vmap nests at most %d levels", TW_VMAP_LEVELS);
    for (int i = 0; i < t->ndim; i++) {
        if (i == dim) continue;
        sizes[n] = t->sizes[i];
        strides[n++] = t->strides[i];
    }
    for (at = b.n; at > 0 && b.dim[at - 1].level > level; at--) b.dim[at] = b.dim[at - 1];
    b.dim[at].level = level;
    b.dim[at].size = t->sizes[dim];
    b.dim[at].stride = t->strides[dim];
    b.n++;
    return alias(t, sizes, strides, n, &b);
}

/* Takes an owned t and gives it with dim 0 hidden. */
static tw_tensor *hide_first(tw_tensor *t, int level) {
    tw_tensor *out = t ? hide(t, 0, level) : NULL;
    tw_release(t);
    return out;
}

static bool run_one(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    for (int i = 0; i < op->nparams; i++) {
        bool batched = args[i].tag == TW_ARG_TENSOR && (args[i].t->flags & TW_BATCHED);
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            batched |= args[i].ts[j] && (args[i].ts[j]->flags & TW_BATCHED);
        if (batched) return tw_vmap_run(op, args, outs);
    }
    return tw_run(op, args, outs);
}

/* --- rules by kind --- */

/* Views are functions of the logical geometry; hidden dimensions stay. */
static bool run_view(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *self = args[0].t;
    tw_batch b = *batch_of(self);
    if (op->pieces) {
        tw_list *list = tw_pieces_new(op, args);
        for (int64_t i = 0; list && i < list->n; i++) {
            if (set_batch(list->items[i], &b)) continue;
            tw_list_release(list);
            return false;
        }
        outs[0] = tw_list_result(list);
        return list != NULL;
    }
    outs[0] = tw_view_new(op, args);
    if (!outs[0]) return false;
    int64_t from = (int64_t)tw_dtype_size((tw_dtype)self->dtype), to = (int64_t)tw_dtype_size((tw_dtype)outs[0]->dtype);
    for (int i = 0; i < b.n; i++) b.dim[i].stride = b.dim[i].stride * from / to;
    if (set_batch(outs[0], &b)) return true;
    tw_release(outs[0]);
    outs[0] = NULL;
    return false;
}

/* Tensor arguments aligned from the right beneath the batch; what writes in place writes through args[0]. */
static bool run_aligned(const tw_op *op, const tw_arg *args, int level, tw_tensor **outs) {
    tw_arg full[TW_MAX_ARGS];
    tw_tensor *made[TW_MAX_ARGS] = {NULL}, *inner[TW_MAX_OUTS] = {NULL}, *target = outs[0];
    tw_dtype common = TW_DTYPE_NONE;
    int ndim = 0;
    bool ok = true;
    const int condition = op->kind == TW_KIND_ELEMENTWISE && op->ew->promote == TW_PROMOTE_WHERE; /* it stays bool */
    for (int i = 0; i < op->nparams; i++)
        if (args[i].tag == TW_ARG_TENSOR && args[i].t->ndim > ndim) ndim = args[i].t->ndim;
    if (op->kind == TW_KIND_ELEMENTWISE && op->ew->promote != TW_PROMOTE_FIRST)
        common = tw_result_type(args + condition, op->ew->nin - condition);
    for (int i = 0; ok && i < op->nparams; i++) {
        full[i] = args[i];
        if (args[i].tag != TW_ARG_TENSOR) continue;
        tw_tensor *t = args[i].t;
        if (find_level(batch_of(t), level) >= 0) made[i] = expose(t, level, ndim - t->ndim);
        else if (i == 0 && target == t)
            ok = tw_fail(TW_RUNTIME_ERROR, "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` "
                         "in extra_args that has more elements than `self`. This happened due to `other` being vmapped over but `self` not "
                         "being vmapped over at level %d. Please try to use out-of-place operators instead of inplace arithmetic. If said "
                         "operator is being called inside the PyTorch framework, please file a bug report instead.", level);
        else made[i] = tw_retain(t);
        ok = ok && made[i];
        if (ok && i >= condition && t->ndim == 0 && common != TW_DTYPE_NONE && t->dtype != common && made[i]->ndim > 0) { /* 0-d tensors yield in promotion */
            tw_tensor *cast = tw_cast_to(made[i], common);
            tw_release(made[i]);
            made[i] = cast;
            ok = cast != NULL;
        }
        if (ok) full[i] = tw_a_tensor(made[i]);
    }
    if (ok && target) {
        inner[0] = target == args[0].t && made[0] ? tw_retain(made[0])
                   : find_level(batch_of(target), level) >= 0 ? expose(target, level, ndim - target->ndim) : NULL;
        ok = inner[0] || tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Batching rule not implemented for aten::%s.out", op->base);
    }
    ok = ok && run_one(op, full, inner);
    for (int i = 0; i < op->nouts; i++) {
        if (!target && ok) ok = (outs[i] = hide_first(inner[i], level)) != NULL;
        else tw_release(inner[i]);
    }
    for (int i = 0; i < op->nparams; i++) tw_release(made[i]);
    return ok;
}

static int param_named(const tw_op *op, const char *name) {
    for (int i = 0; i < op->nparams; i++)
        if (strcmp(op->params[i].name, name) == 0) return i;
    return -1;
}

/* The overload of a full reduction that takes dims. */
static const tw_op *with_dims(const tw_op *op) {
    static const char *const forms[] = {"%s.dim_IntList", "%s.dim", "%s.dim_int", "a%s"};
    char key[64];
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        snprintf(key, sizeof key, forms[f], op->base);
        if (f == 1 && (strcmp(op->base, "max") == 0 || strcmp(op->base, "min") == 0)) continue;
        for (int i = 0; i < tw_op_count; i++)
            if (strcmp(tw_ops[i].name, key) == 0 && param_named(&tw_ops[i], "dim") >= 0) return &tw_ops[i];
    }
    return tw_fail_null(TW_NOT_IMPLEMENTED_ERROR, "Batching rule not implemented for aten::%s", op->base);
}

/* (batch) → (batch, 1, ..., 1), in place. */
static bool keep_ones(tw_tensor **t, int ndim) {
    int64_t sizes[TW_MAX_DIMS + 1] = {(*t)->sizes[0]};
    for (int i = 1; i <= ndim; i++) sizes[i] = 1;
    tw_arg a[] = {tw_a_tensor(*t), tw_a_ints(sizes, ndim + 1)};
    tw_tensor *kept = tw_call1(TW_OP_reshape, 2, a);
    tw_release(*t);
    return (*t = kept) != NULL;
}

static bool run_reduce(const tw_op *op, const tw_arg *args, int level, tw_tensor **outs) {
    tw_arg full[TW_MAX_ARGS];
    int64_t dims[TW_MAX_DIMS], sizes[2];
    tw_tensor *self = args[0].t, *t = expose(self, level, 0), *inner[TW_MAX_OUTS] = {NULL};
    const tw_op *by = param_named(op, "dim") >= 0 ? op : with_dims(op);
    int at = by ? param_named(by, "dim") : -1, ndim = self->ndim, keep = by ? param_named(by, "keepdim") : -1;
    bool ok = t && by;
    if (!ok) goto done;
    for (int i = 0; i < by->nparams; i++) {
        int from = param_named(op, by->params[i].name);
        full[i] = from >= 0 ? args[from] : by->params[i].fallback;
    }
    bool all = by != op || full[at].tag == TW_ARG_NONE || (full[at].tag == TW_ARG_INTS && full[at].n == 0);
    bool list = by->params[at].type == TW_TYPE_INTS, ones = false;
    if (ndim == 0 || (all && !list)) { /* one dimension to reduce */
        sizes[0] = t->sizes[0];
        sizes[1] = self->numel;
        tw_arg a[] = {tw_a_tensor(t), tw_a_ints(sizes, 2)};
        tw_tensor *flat = tw_call1(TW_OP_reshape, 2, a);
        tw_release(t);
        t = flat;
        if (!(ok = t != NULL)) goto done;
        dims[0] = 1;
        full[at] = list ? tw_a_ints(dims, 1) : tw_a_int(1);
        if (keep >= 0) {
            ones = ndim > 0 && full[keep].i != 0; /* all of the sample's dimensions are kept, not the one */
            full[keep] = tw_a_bool(false);
        }
    } else if (all) {
        for (int i = 0; i < ndim; i++) dims[i] = i + 1;
        full[at] = tw_a_ints(dims, ndim);
    } else if (full[at].tag == TW_ARG_INTS) {
        int n = full[at].n;
        for (int i = 0; ok && i < n; i++) {
            dims[i] = full[at].ints[i];
            ok = tw_wrap_dim(&dims[i], ndim);
            dims[i]++;
        }
        full[at] = tw_a_ints(dims, n);
    } else {
        ok = tw_wrap_dim(&full[at].i, ndim);
        full[at].i++;
    }
    full[0] = tw_a_tensor(t);
    ok = ok && run_one(by, full, inner);
    for (int i = 0; ok && ones && i < op->nouts; i++) ok = keep_ones(&inner[i], ndim);
    for (int i = 0; i < op->nouts; i++)
        if (ok) ok = (outs[i] = hide_first(inner[i], level)) != NULL;
        else tw_release(inner[i]);
done:
    tw_release(t);
    return ok;
}

/* One sample of a batched argument. */
static tw_tensor *sample(tw_tensor *t, int level, int64_t at) {
    if (find_level(batch_of(t), level) < 0) return tw_retain(t);
    tw_tensor *whole = expose(t, level, 0), *out = NULL;
    if (!whole) return NULL;
    out = tw_alias_new(whole, whole->sizes + 1, whole->strides + 1, whole->ndim - 1, whole->offset + at * whole->strides[0],
                       (tw_dtype)whole->dtype);
    if (out) out->flags = (uint8_t)((out->flags & TW_CONTIGUOUS) | (whole->flags & (TW_CONJ | TW_NEG)));
    if (out && !tw_vmap_copy_batch(out, whole)) { tw_release(out); out = NULL; }
    tw_release(whole);
    return out;
}

static bool run_sample(const tw_op *op, const tw_arg *args, int level, int64_t at, tw_tensor **outs) {
    tw_arg full[TW_MAX_ARGS];
    tw_tensor **lists[TW_MAX_ARGS] = {NULL}, *made[TW_MAX_ARGS] = {NULL};
    bool ok = true;
    for (int i = 0; i < op->nparams; i++) {
        full[i] = args[i];
        if (args[i].tag == TW_ARG_TENSOR && ok) {
            made[i] = sample(args[i].t, level, at);
            ok = made[i] != NULL;
            full[i] = tw_a_tensor(made[i]);
        } else if (args[i].tag == TW_ARG_TENSORS && ok) {
            lists[i] = tw_calloc((size_t)args[i].n + 1, sizeof *lists[i]);
            ok = lists[i] != NULL;
            for (int j = 0; ok && j < args[i].n; j++)
                if (args[i].ts[j]) ok = (lists[i][j] = sample(args[i].ts[j], level, at)) != NULL;
            full[i] = tw_a_tensors(lists[i], args[i].n);
        }
    }
    tw_tensor *inner[TW_MAX_OUTS] = {NULL};
    if (op->flags & TW_OP_INPLACE) inner[0] = made[0];
    ok = ok && run_one(op, full, inner);
    for (int i = 0; i < op->nouts; i++) outs[i] = op->flags & TW_OP_INPLACE ? NULL : inner[i];
    for (int i = 0; i < op->nparams; i++) {
        for (int j = 0; lists[i] && j < args[i].n; j++) tw_release(lists[i][j]);
        tw_free(lists[i]);
        tw_release(made[i]);
    }
    return ok;
}

/* Without a rule: sample by sample, stacked. */
static bool run_looped(const tw_op *op, const tw_arg *args, int level, int64_t size, tw_tensor **outs) {
    tw_tensor **parts = tw_calloc((size_t)(size + 1) * TW_MAX_OUTS, sizeof *parts), *one[TW_MAX_OUTS];
    bool ok = parts != NULL;
    if (ok && size == 0) ok = tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Batching rule not implemented for aten::%s over an empty batch", op->base);
    for (int64_t b = 0; ok && b < size; b++) {
        memset(one, 0, sizeof one);
        ok = run_sample(op, args, level, b, one);
        for (int i = 0; i < op->nouts; i++) parts[i * size + b] = one[i];
    }
    for (int i = 0; ok && i < op->nouts && !(op->flags & TW_OP_INPLACE); i++) {
        if (!parts[i * size]) continue;
        tw_arg a[] = {tw_a_tensors(parts + i * size, size), tw_a_int(0)};
        outs[i] = hide_first(tw_call1(TW_OP_stack, 2, a), level);
        ok = outs[i] != NULL;
    }
    for (int64_t i = 0; parts && i < size * TW_MAX_OUTS; i++) tw_release(parts[i]);
    tw_free(parts);
    return ok;
}

/* t with its batch at dim 0; without one, repeated. */
static tw_tensor *lead(tw_tensor *t, int level, int64_t size) {
    int64_t sizes[TW_MAX_DIMS + 1], strides[TW_MAX_DIMS + 1];
    if (find_level(batch_of(t), level) >= 0) return expose(t, level, 0);
    if (t->ndim == TW_MAX_DIMS) return tw_fail_null(TW_RUNTIME_ERROR, "vmap: too many dimensions");
    sizes[0] = size;
    strides[0] = 0;
    for (int d = 0; d < t->ndim; d++) { sizes[d + 1] = t->sizes[d]; strides[d + 1] = t->strides[d]; }
    return alias(t, sizes, strides, t->ndim + 1, batch_of(t));
}

static tw_tensor **lead_all(const tw_arg *a, int level, int64_t size) {
    tw_tensor **list = tw_calloc((size_t)a->n + 1, sizeof *list);
    bool ok = list != NULL;
    for (int j = 0; ok && j < a->n; j++) ok = !a->ts[j] || (list[j] = lead(a->ts[j], level, size));
    if (ok) return list;
    for (int j = 0; list && j < a->n; j++) tw_release(list[j]);
    tw_free(list);
    return NULL;
}

/* Items that mean something else with one dimension more: cat refuses the 0-d and leaves out empty vectors; masks among indices. */
static bool odd_items(const tw_arg *a, bool indices) {
    for (int j = 0; j < a->n; j++) {
        const tw_tensor *t = a->ts[j];
        if (t && indices && (t->dtype == TW_BOOL || t->dtype == TW_UINT8)) return true;
        if (t && !indices && (t->ndim == 0 || (t->ndim == 1 && t->numel == 0))) return true;
    }
    return false;
}

/* A rule of the table: args with the batch at dim 0. native: all of them, and dims move on by one. */
static bool run_ruled(const tw_op *op, const tw_arg *args, int level, int64_t size, tw_tensor **outs) {
    tw_arg full[TW_MAX_ARGS];
    tw_tensor *made[TW_MAX_ARGS] = {NULL}, *inner[TW_MAX_OUTS] = {NULL}, **lists[TW_MAX_ARGS] = {NULL};
    uint64_t batched = 0;
    bool ok = true, native = !op->batch;
    for (int i = 0; i < op->nparams; i++)
        if (args[i].tag == TW_ARG_TENSORS && odd_items(&args[i], !native)) return run_looped(op, args, level, size, outs);
    for (int i = 0; ok && i < op->nparams; i++) {
        full[i] = args[i];
        if (args[i].tag == TW_ARG_TENSORS) {
            ok = (lists[i] = lead_all(&args[i], level, size)) != NULL;
            full[i] = tw_a_tensors(lists[i], args[i].n);
            continue;
        }
        if (args[i].tag != TW_ARG_TENSOR) {
            if (native && strcmp(op->params[i].name, "dim") == 0 && args[i].tag == TW_ARG_INT && args[i].i >= 0) full[i].i++;
            continue;
        }
        tw_tensor *t = args[i].t;
        if (find_level(batch_of(t), level) >= 0) {
            made[i] = expose(t, level, 0);
            batched |= (uint64_t)1 << i;
        } else if (native) {
            made[i] = lead(t, level, size);
        } else {
            made[i] = tw_retain(t);
        }
        ok = made[i] != NULL;
        full[i] = tw_a_tensor(made[i]);
    }
    ok = ok && (native ? run_one(op, full, inner) : op->batch(full, batched, size, inner));
    for (int i = 0; i < op->nouts; i++) {
        if (!inner[i]) continue;
        if (ok) ok = (outs[i] = hide_first(inner[i], level)) != NULL;
        else tw_release(inner[i]);
    }
    for (int i = 0; i < op->nparams; i++) {
        tw_release(made[i]);
        for (int j = 0; lists[i] && j < args[i].n; j++) tw_release(lists[i][j]);
        tw_free(lists[i]);
    }
    return ok;
}

/* Kernel ops that work element by element on one tensor. */
static bool pointwise(const tw_op *op) {
    static const char *const names[] = {"clone", "_to_copy", "copy_", "fill_", "zero_", "zeros_like", "empty_like",
                                        "full_like", "masked_fill.Scalar", "fill_.Scalar"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(op->name, names[i]) == 0) return true;
    return false;
}

static bool run_random(const tw_op *op, const tw_arg *args, bool batched, int level, int64_t size, tw_tensor **outs) {
    tw_randomness r = depth ? levels[depth - 1].randomness : TW_RANDOM_DIFFERENT;
    if (r == TW_RANDOM_ERROR)
        return tw_fail(TW_RUNTIME_ERROR, "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
                       "'different' randomness flags on vmap or perform the randomness operation out of vmap");
    if (!batched && (r == TW_RANDOM_SAME || !depth)) return tw_run(op, args, outs);
    if (op->flags & TW_OP_INPLACE) {
        if (batched && r == TW_RANDOM_DIFFERENT) return run_aligned(op, args, level, outs);
        return tw_fail(TW_RUNTIME_ERROR, "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same "
                       "randomness. If this is necessary for your usage, please file an issue with functorch.");
    }
    if (!batched) return run_looped(op, args, levels[depth - 1].level, levels[depth - 1].size, outs);
    return run_looped(op, args, level, size, outs);
}

bool tw_vmap_run(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    int level = 0;
    int64_t size = 0;
    unsigned mode = tw_mode;
    bool ok, ours = !outs[0] && !(op->flags & TW_OP_INPLACE);
    for (int i = 0; i < op->nparams; i++) {
        int n = args[i].tag == TW_ARG_TENSOR ? 1 : args[i].tag == TW_ARG_TENSORS ? args[i].n : 0;
        for (int j = 0; j < n; j++) {
            tw_tensor *t = args[i].tag == TW_ARG_TENSOR ? args[i].t : args[i].ts[j];
            if (top_level(t) <= level) continue;
            const tw_batch *b = batch_of(t);
            level = b->dim[b->n - 1].level;
            size = b->dim[b->n - 1].size;
        }
    }
    tw_mode = (mode | TW_MODE_NO_GRAD) & ~(unsigned)TW_MODE_FORWARD;
    if (op->flags & TW_OP_RANDOM) ok = run_random(op, args, level != 0, level, size, outs);
    else if (op->kind == TW_KIND_VIEW) ok = run_view(op, args, outs);
    else if (op->kind == TW_KIND_ELEMENTWISE || pointwise(op)) ok = run_aligned(op, args, level, outs);
    else if (outs[0] && !(op->flags & TW_OP_INPLACE))
        ok = tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Batching rule not implemented for aten::%s.out", op->base);
    else if (op->kind == TW_KIND_REDUCE) ok = run_reduce(op, args, level, outs);
    else if (op->flags & TW_OP_DYNAMIC)
        ok = tw_fail(TW_RUNTIME_ERROR, "vmap: It looks like you're calling %s on a Tensor, whose result's shape depends on data. We don't support "
                     "vmap over such operators.", op->base);
    else if (op->batch || (op->flags & TW_OP_BATCH_NATIVE)) ok = run_ruled(op, args, level, size, outs);
    else ok = run_looped(op, args, level, size, outs);
    tw_mode = mode;
    for (int i = 0; !ok && ours && i < op->nouts; i++) { /* the first results of a call that failed at a later one */
        tw_release(outs[i]);
        outs[i] = NULL;
    }
    return ok;
}

tw_tensor *tw_vmap_clone(tw_tensor *t) {
    if (!(t->flags & TW_BATCHED)) return tw_clone_new(t, TW_DTYPE_NONE, TW_PRESERVE_FORMAT);
    tw_tensor *whole = expose(t, top_level(t), 0), *copy = whole ? tw_vmap_clone(whole) : NULL;
    int level = top_level(t);
    tw_release(whole);
    return hide_first(copy, level);
}

/* --- adding and removing a level, with history --- */

typedef struct context { int64_t dim, size; int level; bool added; } context;

static tw_tensor *removed(tw_tensor *t, int64_t dim, int level, int64_t size) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS], s = size, st = 0;
    tw_batch b = {0};
    if (batch_of(t)) b = *batch_of(t);
    int at = find_level(&b, level), n = 0;
    if (at >= 0) {
        s = b.dim[at].size;
        st = b.dim[at].stride;
        memmove(&b.dim[at], &b.dim[at + 1], (size_t)(b.n - at - 1) * sizeof b.dim[0]);
        b.n--;
    }
    if (t->ndim + 1 > TW_MAX_DIMS) return tw_fail_null(TW_RUNTIME_ERROR, "vmap: too many dimensions");
    for (int i = 0; i <= t->ndim; i++) {
        if (i == dim) { sizes[i] = s; strides[i] = st; continue; }
        sizes[i] = t->sizes[n];
        strides[i] = t->strides[n++];
    }
    return alias(t, sizes, strides, t->ndim + 1, &b);
}

static bool level_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    const context *c = n->context;
    if (!g[0] || !(need & 1)) return true;
    gin[0] = c->added ? tw_vmap_remove(g[0], c->dim, c->level, c->size) : tw_vmap_add(g[0], c->dim, c->level);
    return gin[0] != NULL;
}

static void level_free(tw_node *n) { tw_free(n->context); }

static tw_tensor *follow_tangent(tw_tensor *tangent, const void *with) {
    const context *c = with;
    return c->added ? tw_vmap_add(tangent, c->dim, c->level) : tw_vmap_remove(tangent, c->dim, c->level, c->size);
}

/* Gives `to` its history and tangents from `from`. Owned in and out. */
static tw_tensor *follow(tw_tensor *to, tw_tensor *from, context c) {
    if (!to) return NULL;
    if (!(tw_mode & TW_MODE_NO_GRAD) && tw_requires_grad(from)) {
        tw_node *n = tw_node_new(2, 1, 1);
        bool ok = n && (n->context = tw_malloc(sizeof c)) != NULL;
        if (ok) {
            *(context *)n->context = c;
            n->name = c.added ? "AddBatchDimBackward0" : "RemoveBatchDimBackward0";
            n->apply = level_apply;
            n->destroy = level_free;
            ok = tw_node_connect(n, 0, from) && tw_meta_of(&n->outputs[0], to) && tw_set_history(to, n, 0);
        }
        tw_node_release(n);
        if (!ok) goto failed;
    }
    if (tw_tangents_map(to, from, follow_tangent, &c)) return to;
failed:
    tw_release(to);
    return NULL;
}

tw_tensor *tw_vmap_add(tw_tensor *t, int64_t dim, int level) {
    if (!tw_wrap_dim(&dim, t->ndim)) return NULL;
    if (t->ndim == 0) return tw_fail_null(TW_VALUE_ERROR, "vmap: cannot batch a tensor without dimensions");
    return follow(hide(t, dim, level), t, (context){dim, t->sizes[dim], level, true});
}

tw_tensor *tw_vmap_remove(tw_tensor *t, int64_t dim, int level, int64_t size) {
    if (dim < 0) dim += t->ndim + 1;
    if (dim < 0 || dim > t->ndim)
        return tw_fail_null(TW_INDEX_ERROR, "Dimension out of range (expected to be in range of [%d, %d], but got %lld)", -(t->ndim + 1), t->ndim,
                            (long long)dim);
    return follow(removed(t, dim, level, size), t, (context){dim, size, level, false});
}

tw_tensor *tw_vmap_sum_outside(tw_tensor *g, uint64_t keep) {
    while (g && (g->flags & TW_BATCHED)) {
        const tw_batch *b = batch_of(g);
        int i = b->n - 1;
        while (i >= 0 && (keep >> (b->dim[i].level % 64) & 1)) i--;
        if (i < 0) break;
        tw_tensor *shown = tw_vmap_remove(g, 0, b->dim[i].level, b->dim[i].size);
        const int64_t first[] = {0};
        tw_arg a[] = {tw_a_tensor(shown), tw_a_ints(first, 1)};
        tw_tensor *sum = shown ? tw_call1(TW_OP_sum_dim_IntList, 2, a) : NULL;
        tw_release(shown);
        tw_release(g);
        g = sum;
    }
    return g;
}

uint64_t tw_vmap_levels_of(const tw_tensor *t) {
    uint64_t mask = t->autograd ? t->autograd->born : 0;
    const tw_batch *b = batch_of(t);
    for (int i = 0; b && i < b->n; i++) mask |= (uint64_t)1 << (b->dim[i].level % 64);
    return mask;
}
