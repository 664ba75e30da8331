/* Views and in-place writes in the graph.
 *
 * Note [Writes through views]
 * A view owns its root base. A recorded write to a view puts a CopySlices node into the base's history: it takes the gradient of the
 * base apart by the view's geometry. The view's own grad_fn is remade (AsStridedBackward0 of the base) when it is next asked for and
 * the shared version has moved on; so are those of all other views of that base. */
#include "autograd/engine.h"
#include "autograd/vmap.h"
#include "core/sparse.h"
#include "ops/copy.h"
#include "op_ids.h"
#include <string.h>

typedef struct geometry {
    int8_t dtype;
    uint8_t ndim, flags;
    tw_device device;
    int64_t offset, sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
} geometry;

static void take_geometry(geometry *g, const tw_tensor *t) {
    g->dtype = t->dtype;
    g->ndim = t->ndim;
    g->flags = t->flags & (TW_CONJ | TW_NEG);
    g->device = t->device;
    g->offset = t->offset;
    memcpy(g->sizes, t->sizes, t->ndim * sizeof *g->sizes);
    memcpy(g->strides, t->strides, t->ndim * sizeof *g->strides);
}

/* The part of `whole` (laid out like `base`) that the view shows; owned, recorded. */
static tw_tensor *part_of(tw_tensor *whole, const geometry *base, const geometry *view) {
    if (view->dtype != base->dtype || view->flags != base->flags)
        return tw_fail_null(TW_NOT_IMPLEMENTED_ERROR, "writes through a view of another dtype (view_as_real, conj) in the graph");
    tw_arg a[] = {tw_a_tensor(whole), tw_a_ints(view->sizes, view->ndim), tw_a_ints(view->strides, view->ndim),
                  tw_a_int(view->offset - base->offset + whole->offset)};
    return tw_call1(TW_OP_as_strided, 4, a);
}

static bool write_part(tw_tensor *part, tw_tensor *value) {
    tw_arg a[] = {tw_a_tensor(part), tw_a_tensor(value)}, full[TW_MAX_ARGS];
    tw_fill_defaults(&tw_ops[TW_OP_copy_], 2, a, full);
    return tw_call_inplace(&tw_ops[TW_OP_copy_], full);
}

static tw_tensor *blank(const geometry *base) {
    tw_tensor *t = tw_empty_strided_new(base->sizes, base->strides, base->ndim, (tw_dtype)base->dtype, base->device);
    if (t && !tw_fill(t, tw_int(0))) { tw_release(t); t = NULL; }
    return t;
}

tw_tensor *tw_part_like(tw_tensor *whole, const tw_tensor *base, const tw_tensor *view) {
    geometry b, v;
    take_geometry(&b, base);
    take_geometry(&v, view);
    return part_of(whole, &b, &v);
}

tw_tensor *tw_laid_out_like(tw_tensor *t, const tw_tensor *base) {
    geometry b;
    take_geometry(&b, base);
    tw_tensor *whole = blank(&b);
    if (!whole || !t || write_part(whole, t)) return whole;
    tw_release(whole);
    return NULL;
}

bool tw_write_part(tw_tensor *part, tw_tensor *value) { return write_part(part, value); }

/* --- a view's remade grad_fn --- */

typedef struct view_context { geometry base, view; } view_context;

static bool view_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    const view_context *c = n->context;
    if (!g[0] || !(need & 1)) return true;
    tw_tensor *whole = blank(&c->base), *part = whole ? part_of(whole, &c->base, &c->view) : NULL;
    bool ok = part && write_part(part, g[0]);
    tw_release(part);
    if (ok) gin[0] = whole;
    else tw_release(whole);
    return ok;
}

static void free_context(tw_node *n) { tw_free(n->context); }

static bool remake(tw_tensor *t) {
    tw_node *n = tw_node_new(3, 1, 1);
    view_context *c = n ? tw_malloc(sizeof *c) : NULL;
    if (!c) { tw_node_release(n); return false; }
    n->name = "AsStridedBackward0";
    n->context = c;
    n->destroy = free_context;
    n->apply = view_apply;
    take_geometry(&c->base, t->base);
    take_geometry(&c->view, t);
    bool ok = tw_node_connect(n, 0, t->base) && tw_meta_of(&n->outputs[0], t) && tw_set_history(t, n, 0);
    tw_node_release(n);
    t->view_version = tw_version_of(t);
    return ok;
}

void tw_set_base(tw_tensor *view, tw_tensor *t, uint8_t mode) {
    const bool nested = (t->flags & TW_IS_VIEW) && t->base;
    tw_tensor *old = view->base;
    view->base = nested ? t->base : t;
    tw_tensor_retain(view->base);
    tw_release(old);
    view->view_mode = nested && t->view_mode ? t->view_mode : mode;
    view->view_version = tw_version_of(view);
    view->flags |= TW_IS_VIEW;
}

/* --- writes --- */

/* A view whose grad_fn is of before a write to its base. */
static bool outdated(const tw_tensor *t) {
    return (t->flags & TW_IS_VIEW) && t->base && tw_wants_grad(t) && t->view_version != tw_version_of((tw_tensor *)t) &&
           (t->base->flags & TW_REQUIRES_GRAD);
}

/* A view of which PyTorch cannot tell what a write means. event: "is being modified inplace". */
static bool refuse_view(const tw_tensor *t, const char *event, const char *mode_event) {
    char from[256];
    const tw_autograd *a = t->autograd;
    if (a && a->grad_fn) snprintf(from, sizeof from, "Output %u of %s is a view and %s.", a->output_number, tw_forward_name(a->grad_fn), event);
    else snprintf(from, sizeof from, "A view was created in no_grad mode and %s with grad mode enabled.", mode_event);
    return tw_fail(TW_RUNTIME_ERROR, "%s %s", from,
                   t->view_mode == 2
                       ? "This view is the output of a function that returns multiple views. Such functions do not allow the output views to be "
                         "modified inplace. You should replace the inplace operation by an out-of-place one."
                       : "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the "
                         "view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both "
                         "outside (if you want the inplace to be tracked).");
}

tw_node *tw_grad_fn_of(tw_tensor *t) {
    if (!outdated(t)) return t->autograd ? t->autograd->grad_fn : NULL;
    if (t->view_mode) {
        const char *event = "its base or another view of its base has been modified inplace";
        return refuse_view(t, event, event), NULL;
    }
    return remake(t) ? t->autograd->grad_fn : NULL;
}

bool tw_is_leaf(const tw_tensor *t) { return !(t->autograd && t->autograd->grad_fn) && !outdated(t); }

bool tw_check_inplace(tw_tensor *t, bool wants) {
    if (!wants) return true;
    if ((t->flags & TW_IS_VIEW) && t->base) {
        if (t->view_mode) return refuse_view(t, "is being modified inplace", "is being modified inplace");
        if (tw_wants_grad(t) && tw_is_leaf(t->base))
            return tw_fail(TW_RUNTIME_ERROR, "a view of a leaf Variable that requires grad is being used in an in-place operation.");
    }
    if (tw_wants_grad(t) && tw_is_leaf(t))
        return tw_fail(TW_RUNTIME_ERROR, "a leaf Variable that requires grad is being used in an in-place operation.");
    return true;
}

typedef struct slices { geometry base, view; tw_node *fn; } slices;

static void slices_release(tw_node *n) {
    slices *s = n->context;
    tw_node *fn = s->fn;
    s->fn = NULL;
    tw_node_release(fn);
}

static void slices_destroy(tw_node *n) {
    slices_release(n);
    tw_free(n->context);
}

static bool slices_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    slices *s = n->context;
    tw_tensor *whole = NULL, *part = NULL, *copy = NULL;
    bool ok = false;
    if (!g[0]) return true;
    if (!s->fn)
        return tw_fail(TW_RUNTIME_ERROR,
                       "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
                       "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
                       "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
                       "saved tensors after calling backward.");
    whole = blank(&s->base);
    if (!whole || !write_part(whole, g[0])) goto done;
    part = part_of(whole, &s->base, &s->view);
    copy = part ? tw_clone_of(part, TW_PRESERVE_FORMAT) : NULL;
    if (!copy) goto done;
    tw_tensor *const given[TW_MAX_OUTS] = {copy};
    if (!tw_node_apply(s->fn, given, need, gin)) goto done;
    if (need & 1) {
        tw_tensor *zero = NULL, *value = gin[0];
        if (!value) value = zero = tw_scalar_new(tw_int(0), (tw_dtype)s->view.dtype, s->view.device);
        tw_release(part); /* remade: it must not see the history of what was copied out of it */
        part = part_of(whole, &s->base, &s->view);
        ok = value && part && write_part(part, value);
        tw_release(zero);
        tw_release(gin[0]);
        gin[0] = NULL;
        if (ok) { gin[0] = whole; whole = NULL; }
    } else {
        ok = true;
    }
done:
    tw_release(copy);
    tw_release(part);
    tw_release(whole);
    return ok;
}

bool tw_rebase_history(tw_tensor *t, tw_node *node, uint32_t output) {
    if (!(t->flags & TW_IS_VIEW) || !t->base) return tw_set_history(t, node, output);
    tw_tensor *base = t->base;
    tw_node *n = tw_node_new(3, node->nedges, 1);
    slices *s = n ? tw_calloc(1, sizeof *s) : NULL;
    bool ok = false;
    if (!s) goto done;
    n->name = "torch::autograd::CopySlices";
    n->context = s;
    n->destroy = slices_destroy;
    n->release_saved = slices_release;
    n->apply = slices_apply;
    take_geometry(&s->base, base);
    take_geometry(&s->view, t);
    s->fn = node;
    tw_node_retain(node);
    if (!tw_node_connect(n, 0, base)) goto done;
    for (int i = 1; i < node->nedges; i++) {
        if (!node->edges[i].node) continue;
        n->edges[i] = node->edges[i];
        tw_node_retain(n->edges[i].node);
        n->inputs[i] = node->inputs[i];
        if (node->inputs[i].sizes) {
            n->inputs[i].sizes = tw_malloc(node->inputs[i].ndim * sizeof(int64_t));
            if (!n->inputs[i].sizes) goto done;
            memcpy(n->inputs[i].sizes, node->inputs[i].sizes, node->inputs[i].ndim * sizeof(int64_t));
        }
    }
    ok = tw_meta_of(&n->outputs[0], base) && tw_set_history(base, n, 0);
    if (ok) {
        t->flags |= TW_REQUIRES_GRAD;
        ok = remake(t);
    }
done:
    tw_node_release(n);
    return ok;
}

/* --- leaves --- */

tw_tensor *tw_detach_new(tw_tensor *t) {
    tw_tensor *alias = tw_alias_new(t, t->sizes, t->strides, t->ndim, t->offset, (tw_dtype)t->dtype);
    if (!alias) return NULL;
    alias->flags = (uint8_t)((alias->flags & TW_CONTIGUOUS) | (t->flags & (TW_CONJ | TW_NEG | TW_INFERENCE | TW_WRAPPED)));
    if (!tw_vmap_copy_batch(alias, t)) { tw_release(alias); return NULL; }
    return alias;
}

tw_tensor *tw_data_alias_new(tw_tensor *t) {
    tw_tensor *alias = t->layout ? tw_sparse_alias(t)
                                 : tw_tensor_over(t->storage, t->sizes, t->strides, t->ndim, t->offset, (tw_dtype)t->dtype);
    if (!alias) return NULL;
    alias->flags = (uint8_t)((alias->flags & TW_CONTIGUOUS) | (t->flags & (TW_CONJ | TW_NEG)));
    if (!tw_vmap_copy_batch(alias, t)) { tw_release(alias); return NULL; }
    return alias;
}

bool tw_set_requires_grad(tw_tensor *t, bool on) {
    if (!on && !tw_is_leaf(t))
        return tw_fail(TW_RUNTIME_ERROR, "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                       "a subgraph that doesn't require differentiation use var_no_grad = var.detach().");
    if (on && !tw_is_float((tw_dtype)t->dtype) && !tw_is_complex((tw_dtype)t->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "only Tensors of floating point dtype can require gradients");
    if (on && (t->flags & TW_INFERENCE) && !(tw_mode & TW_MODE_INFERENCE))
        return tw_fail(TW_RUNTIME_ERROR, "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
    if (on && (tw_mode & TW_MODE_VMAP)) {
        if (!tw_autograd_of(t)) return false;
        t->autograd->born = tw_vmap_active();
    }
    if (on) t->flags |= TW_REQUIRES_GRAD;
    else t->flags &= (uint8_t)~TW_REQUIRES_GRAD;
    return true;
}
