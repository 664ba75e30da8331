/* Nodes: making, connecting, saving, hooking, dying.
 *
 * Note [Saved values]
 * A node saves what its gradient reads through tw_saved_set and reads it back through tw_unpack: the one pair that checks versions and
 * calls saved-tensor hooks. A saved result would own its own node (a cycle), so what is kept is an alias without history, which
 * regains the history on unpacking. */
#include "autograd/autograd.h"
#include "autograd/jvp.h"
#include "autograd/vmap.h"
#include <string.h>

_Thread_local const tw_saved_hooks *tw_saved_hooks_now;
static _Thread_local TW_FAST_TLS uint64_t next_sequence;
uint64_t tw_next_sequence(void) { return next_sequence; }
static _Thread_local TW_FAST_TLS tw_node *dying;
static _Thread_local TW_FAST_TLS bool draining;
static atomic_llong next_hook = 1;

/* --- making --- */

tw_node *tw_node_make(uint8_t kind, int nedges, int nouts, int nargs, int nsaved, int nints) {
    size_t bytes = sizeof(tw_node) + (size_t)nedges * (sizeof(tw_edge) + sizeof(tw_input_meta)) +
                   (size_t)nouts * sizeof(tw_input_meta) + (size_t)nargs * sizeof(tw_arg) + (size_t)nsaved * sizeof(tw_saved) +
                   (size_t)nints * sizeof(int64_t);
    if (bytes > UINT32_MAX) return tw_fail_null(TW_RUNTIME_ERROR, "a node of the graph with %d edges and %d results is too large", nedges, nouts);
    tw_node *n = tw_small_alloc(bytes);
    if (!n) return NULL;
    memset(n, 0, bytes);
    atomic_init(&n->refs, 1);
    n->kind = kind;
    n->nedges = nedges;
    n->nouts = nouts;
    n->nsaved = nsaved;
    n->bytes = (uint32_t)bytes;
    n->sequence = next_sequence++;
    char *p = (char *)(n + 1);
    n->edges = (tw_edge *)(void *)p;
    p += (size_t)nedges * sizeof(tw_edge);
    n->inputs = (tw_input_meta *)(void *)p;
    n->outputs = n->inputs + nedges;
    p += (size_t)(nedges + nouts) * sizeof(tw_input_meta);
    n->args = (tw_arg *)(void *)p;
    p += (size_t)nargs * sizeof(tw_arg);
    n->saved = (tw_saved *)(void *)p;
    return n;
}

tw_node *tw_node_new(uint8_t kind, int nedges, int nouts) { return tw_node_make(kind, nedges, nouts, 0, 0, 0); }

bool tw_meta_of(tw_input_meta *m, const tw_tensor *t) {
    m->dtype = t->dtype;
    m->ndim = t->ndim;
    m->device = t->device;
    m->sizes = NULL;
    int64_t *to = m->sizes_inline;
    if (t->ndim > TW_INLINE_DIMS) {
        to = m->sizes = tw_malloc((size_t)t->ndim * sizeof(int64_t));
        if (!to) { m->ndim = 0; return false; }
    }
    for (int i = 0; i < t->ndim; i++) to[i] = t->sizes[i];
    return true;
}

/* --- dying --- */

void tw_node_retain(tw_node *n) {
    if (n) tw_count_up(&n->refs);
}

void tw_saved_drop(tw_saved *s) {
    if (s->packed && s->hooks->free) s->hooks->free(s->hooks->context, s->packed);
    s->packed = NULL;
    tw_tensor *t = s->t;
    s->t = NULL;
    tw_release(t);
}

static void drop_hooks(tw_hook *hooks, int n) {
    for (int i = 0; i < n; i++)
        if (hooks[i].free) hooks[i].free(hooks[i].context);
    tw_free(hooks);
}

static void destroy(tw_node *n) {
    if (n->kind == 1 && n->variable && n->variable->autograd && n->variable->autograd->accumulate == n)
        n->variable->autograd->accumulate = NULL;
    for (int i = 0; i < n->nretained; i++) n->retained[i].of->retains_grad = false;
    if (n->destroy) n->destroy(n);
    for (int i = 0; i < n->nsaved; i++) tw_saved_drop(&n->saved[i]);
    for (int i = 0; i < n->nedges; i++) tw_node_release(n->edges[i].node);
    for (int i = 0; i < n->nedges + n->nouts; i++) tw_free(n->inputs[i].sizes);
    drop_hooks(n->pre_hooks, n->npre);
    drop_hooks(n->post_hooks, n->npost);
    drop_hooks(n->tensor_hooks, n->ntensor);
    tw_free(n->retained);
    tw_free(n->trace);
    if (n->kind == 1) tw_release(n->variable);
    tw_small_free(n, n->bytes);
}

void tw_node_release(tw_node *n) {
    if (!n || !tw_last_reference(&n->refs)) return;
    n->next = dying;
    dying = n;
    if (draining) return;
    draining = true;
    while (dying) {
        n = dying;
        dying = n->next;
        destroy(n);
    }
    draining = false;
}

static void forget_retained(tw_node *n, const tw_autograd *of) {
    for (int i = 0; n && i < n->nretained; i++)
        if (n->retained[i].of == of) n->retained[i--] = n->retained[--n->nretained];
}

/* Frees what a dying tensor carried. Deep chains of tensors do not arise: tensors reach each other through nodes, which are
 * released iteratively. */
static void autograd_free(tw_autograd *a) {
    if (a->retains_grad) forget_retained(a->grad_fn, a);
    if (a->accumulate) a->accumulate->variable = NULL;
    tw_release(a->grad);
    tw_tangents_free(a->tangents);
    tw_node_release(a->grad_fn);
    drop_hooks(a->hooks, a->nhooks);
    drop_hooks(a->post_accumulate, a->npost_accumulate);
    tw_free(a->batch);
    tw_free(a->name);
    tw_small_free(a, sizeof *a);
}

__attribute__((constructor)) static void install(void) { tw_autograd_free = autograd_free; }

/* --- what a tensor carries --- */

tw_autograd *tw_autograd_of(tw_tensor *t) {
    if (!t->autograd) {
        t->autograd = tw_small_alloc(sizeof(tw_autograd));
        if (t->autograd) memset(t->autograd, 0, sizeof(tw_autograd));
    }
    return t->autograd;
}

bool tw_wants_grad(const tw_tensor *t) {
    if (t->flags & TW_REQUIRES_GRAD) return true;
    return (t->flags & TW_IS_VIEW) && t->base && (t->base->flags & TW_REQUIRES_GRAD) &&
           (tw_is_float((tw_dtype)t->dtype) || tw_is_complex((tw_dtype)t->dtype));
}

bool tw_set_history(tw_tensor *t, tw_node *n, uint32_t output) {
    tw_autograd *a = tw_autograd_of(t);
    if (!a) return false;
    tw_node_retain(n);
    bool retains = a->retains_grad;
    if (retains) forget_retained(a->grad_fn, a);
    a->retains_grad = false;
    tw_node_release(a->grad_fn);
    a->grad_fn = n;
    a->output_number = output;
    t->flags |= TW_REQUIRES_GRAD;
    return !retains || tw_retain_grad(t);
}

static tw_node *accumulate_of(tw_tensor *t);

bool tw_gradient_edge(tw_tensor *t, tw_edge *into) {
    into->node = NULL;
    into->input = 0;
    if (!tw_wants_grad(t)) return true;
    tw_node *n = tw_grad_fn_of(t);
    if (n) {
        tw_node_retain(n);
        into->node = n;
        into->input = t->autograd->output_number;
        return true;
    }
    if (tw_failed()) return false;
    into->node = accumulate_of(t);
    return into->node != NULL;
}

bool tw_node_connect(tw_node *n, int edge, tw_tensor *t) {
    if (!tw_gradient_edge(t, &n->edges[edge])) return false;
    return !n->edges[edge].node || tw_meta_of(&n->inputs[edge], t);
}

/* --- leaves --- */

bool tw_accumulate_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin);

/* The node owns the leaf while it lives, the leaf points back weakly: as PyTorch's AccumulateGrad. */
static tw_node *accumulate_of(tw_tensor *t) {
    tw_autograd *a = tw_autograd_of(t);
    if (!a) return NULL;
    if (a->accumulate) { tw_node_retain(a->accumulate); return a->accumulate; }
    tw_node *n = tw_node_new(1, 0, 1);
    if (!n) return NULL;
    n->sequence = UINT64_MAX;
    n->name = "torch::autograd::AccumulateGrad";
    n->apply = tw_accumulate_apply;
    n->variable = tw_retain(t);
    if (!tw_meta_of(&n->outputs[0], t)) { tw_node_release(n); return NULL; }
    a->accumulate = n;
    return n;
}

/* --- saving --- */

/* t without history over the same elements and version. */
static tw_tensor *bare_alias(tw_tensor *t) {
    tw_tensor *alias = tw_alias_new(t, t->sizes, t->strides, t->ndim, t->offset, (tw_dtype)t->dtype);
    if (alias) alias->flags = (uint8_t)((alias->flags & TW_CONTIGUOUS) | (t->flags & (TW_CONJ | TW_NEG | TW_WRAPPED | TW_INFERENCE)));
    if (alias && (t->flags & TW_BATCHED) && !tw_vmap_copy_batch(alias, t)) { tw_release(alias); return NULL; }
    return alias;
}

bool tw_saved_set(tw_saved *s, tw_tensor *t, bool is_output, uint8_t output_number) {
    s->is_output = is_output;
    s->output_number = output_number;
    if (!t) return true;
    s->version = tw_version_of(t);
    if ((tw_mode & TW_MODE_SAVED_HOOKS) && tw_saved_hooks_now) {
        s->hooks = tw_saved_hooks_now;
        tw_tensor *given = is_output ? bare_alias(t) : tw_retain(t);
        if (given) s->packed = s->hooks->pack(s->hooks->context, given);
        tw_release(given);
        return s->packed != NULL;
    }
    s->t = is_output ? bare_alias(t) : tw_retain(t);
    return s->t != NULL;
}

const char *tw_forward_name(const tw_node *n) {
    static _Thread_local char name[96];
    const char *end = strstr(n->name, "Backward");
    snprintf(name, sizeof name, "%.*s", end ? (int)(end - n->name) : (int)strlen(n->name), n->name);
    return name;
}

static bool version_error(tw_node *n, const tw_saved *s, unsigned now) {
    char from[160] = "";
    tw_tensor *t = s->t;
    tw_node *made = s->is_output ? n : t->autograd ? t->autograd->grad_fn : NULL;
    if (made)
        snprintf(from, sizeof from, ", which is output %u of %s,", s->is_output ? s->output_number : t->autograd->output_number,
                 tw_forward_name(made));
    return tw_fail(TW_RUNTIME_ERROR,
                   "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.%sTensor "
                   "%s]%s is at version %u; expected version %u instead. Hint: %s",
                   tw_dtypes[t->dtype].type_name, tw_sizes_text(t->sizes, t->ndim), from, now, s->version,
                   tw_mode & TW_MODE_ANOMALY
                       ? "the backtrace further above shows the operation that failed to compute its gradient. The variable in "
                         "question was changed in there or anywhere later. Good luck!"
                       : "enable anomaly detection to find the operation that failed to compute its gradient, with "
                         "torch.autograd.set_detect_anomaly(True, check_nan=False).");
}

bool tw_unpack(tw_node *n, tw_saved *s, tw_tensor **into) {
    *into = NULL;
    if (n->released)
        return tw_fail(TW_RUNTIME_ERROR,
                       "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
                       "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
                       "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
                       "saved tensors after calling backward.");
    tw_tensor *t = NULL;
    if (s->packed) {
        t = s->hooks->unpack(s->hooks->context, s->packed);
        if (!t) return false;
    } else if (!s->t) {
        return true;
    } else {
        unsigned now = tw_version_of(s->t);
        if (now != s->version) return version_error(n, s, now);
        t = tw_retain(s->t);
    }
    if (s->is_output && !(tw_mode & TW_MODE_NO_GRAD) && (tw_is_float((tw_dtype)t->dtype) || tw_is_complex((tw_dtype)t->dtype)) &&
        !(n->op && (n->op->out_nondiff >> s->output_number & 1))) {
        tw_tensor *whole = bare_alias(t);
        bool ok = whole && tw_tangents_copy(whole, t) && tw_set_history(whole, n, s->output_number);
        tw_release(t);
        if (!ok) { tw_release(whole); return false; }
        t = whole;
    }
    *into = t;
    return true;
}

/* --- hooks --- */

static int64_t add_hook(tw_hook **hooks, uint16_t *n, tw_hook hook) {
    tw_hook *more = tw_realloc(*hooks, (*n + 1u) * sizeof *more);
    if (!more) {
        if (hook.free) hook.free(hook.context);
        return -1;
    }
    hook.id = (int64_t)atomic_fetch_add(&next_hook, 1);
    more[(*n)++] = hook;
    *hooks = more;
    return hook.id;
}

static bool remove_hook(tw_hook *hooks, uint16_t *n, int64_t id) {
    for (int i = 0; i < *n; i++) {
        if (hooks[i].id != id) continue;
        tw_hook gone = hooks[i];
        memmove(hooks + i, hooks + i + 1, (size_t)(*n - i - 1) * sizeof *hooks);
        --*n;
        if (gone.free) gone.free(gone.context);
        return true;
    }
    return false;
}

int64_t tw_tensor_hook_add(tw_tensor *t, tw_hook hook) {
    tw_autograd *a = NULL;
    if (!tw_wants_grad(t))
        tw_fail(TW_RUNTIME_ERROR, "cannot register a hook on a tensor that doesn't require gradient");
    else
        a = tw_autograd_of(t);
    tw_node *n = a ? tw_grad_fn_of(t) : NULL;
    if (tw_failed() || !a) {
        if (hook.free) hook.free(hook.context);
        return -1;
    }
    hook.output = a->output_number;
    return n ? add_hook(&n->tensor_hooks, &n->ntensor, hook) : add_hook(&a->hooks, &a->nhooks, hook);
}

int64_t tw_post_accumulate_hook_add(tw_tensor *t, tw_hook hook) {
    tw_autograd *a = NULL;
    if (!tw_wants_grad(t))
        tw_fail(TW_RUNTIME_ERROR, "cannot register a hook on a tensor that doesn't require gradient");
    else if (!tw_is_leaf(t))
        tw_fail(TW_RUNTIME_ERROR, "post accumulate grad hooks cannot be registered on non-leaf tensors");
    else
        a = tw_autograd_of(t);
    if (a) return add_hook(&a->post_accumulate, &a->npost_accumulate, hook);
    if (hook.free) hook.free(hook.context);
    return -1;
}

int64_t tw_node_hook_add(tw_node *n, tw_hook hook, bool pre) {
    return pre ? add_hook(&n->pre_hooks, &n->npre, hook) : add_hook(&n->post_hooks, &n->npost, hook);
}

bool tw_tensor_hook_remove(tw_tensor *t, int64_t id) {
    tw_autograd *a = t->autograd;
    if (!a) return false;
    return remove_hook(a->hooks, &a->nhooks, id) || remove_hook(a->post_accumulate, &a->npost_accumulate, id) ||
           (a->grad_fn && remove_hook(a->grad_fn->tensor_hooks, &a->grad_fn->ntensor, id));
}

bool tw_node_hook_remove(tw_node *n, int64_t id) {
    return remove_hook(n->pre_hooks, &n->npre, id) || remove_hook(n->post_hooks, &n->npost, id) ||
           remove_hook(n->tensor_hooks, &n->ntensor, id);
}

bool tw_retain_grad(tw_tensor *t) {
    if (!tw_wants_grad(t)) return tw_fail(TW_RUNTIME_ERROR, "can't retain_grad on Tensor that has requires_grad=False");
    tw_node *n = tw_grad_fn_of(t);
    if (tw_failed()) return false;
    if (!n || t->autograd->retains_grad) return true;
    struct tw_retained *more = tw_realloc(n->retained, (n->nretained + 1u) * sizeof *more);
    if (!more) return false;
    more[n->nretained++] = (struct tw_retained){t->autograd, t->autograd->output_number};
    n->retained = more;
    t->autograd->retains_grad = true;
    return true;
}
