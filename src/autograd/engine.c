/* The backward engine: runs nodes newest first on the caller's thread. Reentrant: a hook or a node may start another run.
 *
 * One run (task) keeps a record per node that it reaches, found through a hash table by the node's address; nodes themselves hold
 * nothing of a run. Discovery is one depth-first walk with its own stack, which counts dependencies and, when `inputs` are given,
 * finds which nodes lead to one of them. */
#include "autograd/engine.h"
#include "autograd/vmap.h"
#include "core/debug.h"
#include "core/sparse.h"
#include "op_ids.h"
#include "ops/copy.h"
#include <string.h>

char *(*tw_trace_hook)(void);
bool tw_anomaly_check_nan = true;

typedef struct record {
    tw_node *node;          /* borrowed: kept by the roots or by edges; retained while its run may release edges (see run) */
    tw_tensor **grads;      /* per output; owned */
    tw_tensor *one;         /* room for one output */
    int32_t deps;
    bool needed, queued, walked;
    int32_t capture;        /* first capture + 1; 0 none */
} record;

typedef struct capture { int input; uint32_t output; int32_t next; uint64_t levels; } capture;
typedef struct frame { int32_t record; int32_t edge; } frame;

typedef struct task {
    record *records;
    int32_t n, room;
    int32_t *table;         /* record + 1, by hash; size a power of two */
    uint32_t mask;
    int32_t *heap, nheap;
    capture *captures;
    record few[32];
    int32_t few_table[128], few_heap[32];
    bool keep, create, accumulate, selective;
    tw_tensor **result;
} task;

/* --- records --- */

static uint32_t hash(const tw_node *n) { return (uint32_t)(((uintptr_t)n >> 6) * 0x9E3779B97F4A7C15u >> 32); }

static int32_t find(const task *k, const tw_node *n) {
    for (uint32_t i = hash(n) & k->mask;; i = (i + 1) & k->mask) {
        int32_t r = k->table[i];
        if (!r || k->records[r - 1].node == n) return r - 1;
    }
}

static bool grow(task *k) {
    int32_t room = k->room * 2;
    bool few = k->records == k->few;
    record *records = few ? tw_malloc((size_t)room * sizeof *records) : tw_realloc(k->records, (size_t)room * sizeof *records);
    if (!records) return false;
    if (few) memcpy(records, k->few, (size_t)k->n * sizeof *records);
    k->records = records;
    int32_t *heap = few ? tw_malloc((size_t)room * sizeof *heap) : tw_realloc(k->heap, (size_t)room * sizeof *heap);
    if (!heap) { k->room = room; if (few) k->heap = NULL; return false; }
    if (few) memcpy(heap, k->few_heap, (size_t)k->nheap * sizeof *heap);
    k->heap = heap;
    k->room = room;
    uint32_t size = (k->mask + 1) * 2;
    int32_t *table = tw_calloc(size, sizeof *table);
    if (!table) return false;
    if (k->table != k->few_table) tw_free(k->table);
    k->table = table;
    k->mask = size - 1;
    for (int32_t r = 0; r < k->n; r++) {
        uint32_t i = hash(records[r].node) & k->mask;
        while (table[i]) i = (i + 1) & k->mask;
        table[i] = r + 1;
    }
    return true;
}

/* The record of n, made when it is new; -1 on failure. */
static int32_t intern(task *k, tw_node *n) {
    int32_t r = find(k, n);
    if (r >= 0) return r;
    if (k->n == k->room && !grow(k)) return -1;
    r = k->n++;
    k->records[r] = (record){.node = n};
    tw_node_retain(n);
    uint32_t i = hash(n) & k->mask;
    while (k->table[i]) i = (i + 1) & k->mask;
    k->table[i] = r + 1;
    return r;
}

static tw_tensor **grads_of(record *r) {
    if (r->node->nouts <= 1) return &r->one;
    if (!r->grads) r->grads = tw_calloc(r->node->nouts, sizeof *r->grads);
    return r->grads;
}

static void drop_grads(record *r) {
    tw_tensor **g = r->node->nouts <= 1 ? &r->one : r->grads;
    for (int i = 0; g && i < r->node->nouts; i++) { tw_release(g[i]); g[i] = NULL; }
    if (r->node->nouts > 1) tw_free(r->grads);
    r->grads = NULL;
}

/* --- the queue: a heap, largest sequence number first --- */

static bool before(const task *k, int32_t a, int32_t b) {
    return k->records[a].node->sequence > k->records[b].node->sequence;
}

static void push(task *k, int32_t r) {
    int32_t i = k->nheap++;
    k->records[r].queued = true;
    for (; i > 0 && before(k, r, k->heap[(i - 1) / 2]); i = (i - 1) / 2) k->heap[i] = k->heap[(i - 1) / 2];
    k->heap[i] = r;
}

static int32_t pop(task *k) {
    int32_t top = k->heap[0], last = k->heap[--k->nheap], i = 0;
    for (int32_t c; (c = 2 * i + 1) < k->nheap; i = c) {
        if (c + 1 < k->nheap && before(k, k->heap[c + 1], k->heap[c])) c++;
        if (!before(k, k->heap[c], last)) break;
        k->heap[i] = k->heap[c];
    }
    if (k->nheap) k->heap[i] = last;
    return top;
}

/* --- discovery --- */

static bool walk(task *k, tw_node *root) {
    bool ok = false;
    int32_t r = intern(k, root), top = 0, room = 64;
    frame few[64], *stack = few;
    if (r < 0) return false;
    if (k->records[r].walked) return true;
    k->records[r].walked = true;
    stack[0] = (frame){r, 0};
    while (top >= 0) {
        frame *f = &stack[top];
        tw_node *n = k->records[f->record].node;
        if (f->edge == n->nedges) { /* done: tell the parent whether this leads to an input */
            if (top > 0 && k->records[f->record].needed) k->records[stack[top - 1].record].needed = true;
            top--;
            continue;
        }
        tw_node *next = n->edges[f->edge++].node;
        if (!next) continue;
        int32_t at = f->record;
        r = intern(k, next);
        if (r < 0) goto done;
        k->records[r].deps++;
        if (k->records[r].walked) {
            if (k->records[r].needed) k->records[at].needed = true;
            continue;
        }
        k->records[r].walked = true;
        if (++top == room) {
            frame *more = stack == few ? tw_malloc(2 * sizeof few) : tw_realloc(stack, 2 * (size_t)room * sizeof *more);
            if (!more) goto done;
            if (stack == few) memcpy(more, few, sizeof few);
            stack = more;
            room *= 2;
        }
        stack[top] = (frame){r, 0};
    }
    ok = true;
done:
    if (stack != few) tw_free(stack);
    return ok;
}

/* --- gradients --- */

/* Adds `grad` (owned, consumed) to *into; in place when nobody else can see *into. */
static bool add_grad(tw_tensor **into, tw_tensor *grad) {
    tw_tensor *old = *into;
    if (!old) { *into = grad; return true; }
    bool alone = (tw_mode & TW_MODE_NO_GRAD) && atomic_load(&old->refs) == 1 && atomic_load(&old->storage->refs) == 1 &&
                 old->dtype == grad->dtype && !old->layout && tw_non_overlapping_dense(old) && !(old->flags & (TW_BATCHED | TW_CONJ | TW_NEG)) &&
                 !(grad->flags & TW_BATCHED) && !(old->autograd && old->autograd->tangents);
    const bool swap = old->layout && !grad->layout; /* only a dense tensor takes both */
    tw_arg args[] = {tw_a_tensor(swap ? grad : old), tw_a_tensor(swap ? old : grad)};
    bool ok;
    if (alone) {
        tw_arg full[3] = {args[0], args[1], tw_a_int(1)};
        ok = tw_call_inplace(&tw_ops[TW_OP_add], full);
    } else {
        *into = tw_call1(TW_OP_add, 2, args);
        ok = *into != NULL;
        tw_release(old);
    }
    tw_release(grad);
    return ok;
}

static bool expandable(const int64_t *to, int nto, const tw_tensor *g) {
    if (nto > g->ndim) return false;
    for (int i = 0; i < nto; i++) {
        int64_t have = g->sizes[g->ndim - nto + i];
        if (to[i] != have && to[i] != 1) return false;
    }
    return true;
}

/* Makes a gradient fit the tensor it is for: sum to its sizes, real part, dtype. Owned in, owned out; NULL on failure. */
static tw_tensor *fit(tw_tensor *g, const tw_input_meta *m, const char *name, int at) {
    const int64_t *sizes = tw_meta_sizes(m);
    bool same = g->ndim == m->ndim;
    for (int i = 0; same && i < m->ndim; i++) same = g->sizes[i] == sizes[i];
    if (!same) {
        if (!expandable(sizes, m->ndim, g)) {
            tw_fail(TW_RUNTIME_ERROR, "Function %s returned an invalid gradient at index %d - got %s but expected shape compatible with %s",
                    name, at, tw_sizes_text(g->sizes, g->ndim), tw_sizes_text(sizes, m->ndim));
            tw_release(g);
            return NULL;
        }
        g = tw_sum_to_sizes(g, sizes, m->ndim);
        if (!g) return NULL;
    }
    if (g->dtype != m->dtype) {
        tw_tensor *old = g;
        if (tw_is_complex((tw_dtype)g->dtype) && !tw_is_complex((tw_dtype)m->dtype)) {
            tw_arg a[] = {tw_a_tensor(g)};
            g = tw_call1(TW_OP_real, 1, a);
            tw_release(old);
            old = g;
            if (!g) return NULL;
        }
        if (g->dtype != m->dtype) {
            g = tw_cast_to(old, (tw_dtype)m->dtype);
            tw_release(old);
        }
    }
    return g;
}

tw_tensor *tw_sum_to_sizes(tw_tensor *g, const int64_t *sizes, int ndim) {
    int64_t dims[TW_MAX_DIMS];
    int n = 0, lead = g->ndim - ndim;
    for (int i = 0; i < g->ndim; i++)
        if (i < lead || (sizes[i - lead] == 1 && g->sizes[i] != 1)) dims[n++] = i;
    if (n) {
        tw_arg a[] = {tw_a_tensor(g), tw_a_ints(dims, n), tw_a_bool(true)};
        tw_tensor *sum = tw_call1(TW_OP_sum_dim_IntList, 3, a);
        tw_release(g);
        g = sum;
    }
    if (g && lead > 0) {
        tw_arg a[] = {tw_a_tensor(g), tw_a_ints(sizes, ndim)};
        tw_tensor *flat = tw_call1(TW_OP_reshape, 2, a);
        tw_release(g);
        g = flat;
    }
    return g;
}

/* --- leaves --- */

/* PyTorch's layout contract: like the leaf if that is dense, else contiguous. */
static bool obeys_layout(const tw_tensor *g, const tw_tensor *leaf) {
    if (!tw_non_overlapping_dense(leaf)) return tw_is_contiguous(g);
    for (int i = 0; i < g->ndim; i++)
        if (leaf->sizes[i] != 1 && g->strides[i] != leaf->strides[i]) return false;
    return true;
}

static tw_tensor *clone_like(tw_tensor *g, tw_tensor *leaf) {
    if (tw_mode != TW_MODE_NO_GRAD || g->layout || !tw_non_overlapping_dense(leaf) || tw_is_contiguous(leaf)) {
        return tw_clone_of(g, tw_is_contiguous(leaf) ? TW_CONTIGUOUS_FORMAT : TW_PRESERVE_FORMAT);
    }
    tw_tensor *copy = tw_empty_strided_new(leaf->sizes, leaf->strides, leaf->ndim, (tw_dtype)g->dtype, g->device);
    if (copy && !tw_copy(copy, g)) { tw_release(copy); copy = NULL; }
    return copy;
}

static bool accumulate_grad(tw_autograd *a, tw_tensor *leaf, tw_tensor *g) {
    bool quiet = (tw_mode & TW_MODE_NO_GRAD) != 0;
    tw_tensor *made;
    if (!a->grad) {
        if (quiet && atomic_load(&g->refs) <= 1 && !(g->flags & (TW_BATCHED | TW_CONJ | TW_NEG | TW_WRAPPED | TW_IS_VIEW)) &&
            (g->layout || obeys_layout(g, leaf)) && atomic_load(&g->storage->refs) == 1)
            made = g->layout ? tw_sparse_new(tw_sparse_of(g)->indices, tw_sparse_of(g)->values, g->sizes, g->ndim, false) : tw_retain(g);
        else
            made = clone_like(g, leaf);
    } else if (a->grad->layout && !g->layout) { /* only a dense tensor takes both */
        tw_arg args[] = {tw_a_tensor(g), tw_a_tensor(a->grad)};
        made = tw_call1(TW_OP_add, 2, args);
    } else if (quiet && !(g->flags & TW_BATCHED)) {
        tw_arg args[] = {tw_a_tensor(a->grad), tw_a_tensor(g), tw_a_int(1)};
        return tw_call_inplace(&tw_ops[TW_OP_add], args);
    } else {
        tw_arg args[] = {tw_a_tensor(a->grad), tw_a_tensor(g)};
        made = tw_call1(TW_OP_add, 2, args);
    }
    if (!made) return false;
    tw_release(a->grad);
    a->grad = made;
    return true;
}

/* Runs tensor hooks of one gradient; *g may be replaced. */
static bool run_tensor_hooks(tw_hook *hooks, int n, bool any, uint32_t output, tw_node *node, tw_tensor **g) {
    for (int i = 0; i < n; i++)
        if ((any || hooks[i].output == output) && !hooks[i].call(hooks[i].context, node, g, 1, NULL, 0)) return false;
    return true;
}

bool tw_accumulate_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    (void)need; (void)gin;
    tw_tensor *leaf = n->variable;
    if (!g[0] || !leaf) return true;
    tw_autograd *a = leaf->autograd;
    if (g[0]->flags & TW_BATCHED) {
        tw_tensor *sum = tw_vmap_sum_outside(tw_retain(g[0]), tw_vmap_levels_of(leaf));
        bool ok = sum && accumulate_grad(a, leaf, sum);
        tw_release(sum);
        if (!ok) return false;
    } else if (!accumulate_grad(a, leaf, g[0])) {
        return false;
    }
    for (int i = 0; i < a->npost_accumulate; i++)
        if (!a->post_accumulate[i].call(a->post_accumulate[i].context, n, &leaf, 1, NULL, 0)) return false;
    return true;
}

static bool retain(tw_node *n, tw_tensor **g) {
    for (int i = 0; i < n->nretained; i++) {
        tw_autograd *a = n->retained[i].of;
        tw_tensor *got = g[n->retained[i].output], *sum;
        if (!got) continue;
        if (a->grad) {
            const bool swap = a->grad->layout && !got->layout;
            tw_arg args[] = {tw_a_tensor(swap ? got : a->grad), tw_a_tensor(swap ? a->grad : got)};
            sum = tw_call1(TW_OP_add, 2, args);
        } else {
            sum = tw_retain(got);
        }
        if (!sum) return false;
        tw_release(a->grad);
        a->grad = sum;
    }
    return true;
}

/* --- running a node --- */

static bool batched(tw_tensor *const *a, int na, tw_tensor *const *b, int nb) {
    for (int i = 0; i < na; i++)
        if (a[i] && (a[i]->flags & TW_BATCHED)) return true;
    for (int i = 0; i < nb; i++)
        if (b[i] && (b[i]->flags & TW_BATCHED)) return true;
    return false;
}

static bool sparse(tw_tensor *const *a, int n) {
    for (int i = 0; i < n; i++)
        if (a[i] && a[i]->layout) return true;
    return false;
}

static bool apply_op(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    tw_arg a[TW_MAX_ARGS];
    tw_tensor *r[TW_MAX_OUTS] = {NULL}, *few[16], **tensors = few;
    int nt = 0;
    bool ok = true, some = false;
    for (int i = 0; i < n->nouts; i++) some |= g[i] != NULL;
    if (!some) return true;
    if (n->nsaved > 16) tensors = tw_malloc(n->nsaved * sizeof *tensors);
    if (!tensors) return false;
    for (; ok && nt < n->nsaved; nt++) ok = tw_unpack(n, &n->saved[nt], &tensors[nt]);
    for (int i = 0; ok && i < n->op->nparams; i++) {
        a[i] = n->args[i];
        if (a[i].tag == TW_ARG_TENSOR) a[i] = tw_a_tensor(tensors[n->args[i].n]);
        else if (a[i].tag == TW_ARG_TENSORS) a[i] = tw_a_tensors(tensors + n->args[i].i, n->args[i].n);
    }
    for (int i = 0; ok && i < n->nsaved; i++)
        if (n->saved[i].is_output) r[n->saved[i].output_number] = tensors[i];
    unsigned mode = tw_mode;
    if (tw_vmap_used && batched(tensors, ok ? nt : 0, g, n->nouts)) tw_mode |= TW_MODE_VMAP; /* its level may be over: no fused kernels */
    if (tw_sparse_used && (sparse(tensors, ok ? nt : 0) || sparse(g, n->nouts))) tw_mode |= TW_MODE_UNFUSED;
    ok = ok && n->op->grad(n, a, r, g, need, gin);
    tw_mode = mode;
    for (int i = 0; i < nt; i++) tw_release(tensors[i]);
    if (tensors != few) tw_free(tensors);
    return ok;
}

bool tw_node_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    if (tw_debugs(3)) tw_debug("backward %s", n->name ? n->name : "of a Python function");
    return n->kind == 0 ? apply_op(n, g, need, gin) : n->apply(n, g, need, gin);
}

static bool has_nan(tw_tensor *t, bool *is) {
    *is = false;
    if (!t || tw_is_integral((tw_dtype)t->dtype) || !t->storage->data || (t->flags & TW_BATCHED)) return true;
    tw_arg a[] = {tw_a_tensor(t), tw_a_tensor(t)};
    tw_tensor *ne = tw_call1(TW_OP_ne, 2, a);
    a[0] = tw_a_tensor(ne);
    tw_tensor *any = ne ? tw_call1(TW_OP_any, 1, a) : NULL;
    if (any) *is = tw_load_scalar(tw_data(any), TW_BOOL).i != 0;
    tw_release(ne);
    tw_release(any);
    return any != NULL;
}

static bool check_nan(tw_node *n, tw_tensor **gin) {
    if (!(tw_mode & TW_MODE_ANOMALY) || !tw_anomaly_check_nan) return true;
    for (int i = 0; i < n->nedges; i++) {
        bool is;
        if (!has_nan(gin[i], &is)) return false;
        if (is) return tw_fail(TW_RUNTIME_ERROR, "Function '%s' returned nan values in its %dth output.", n->name, i);
    }
    return true;
}

static void explain(tw_node *n) {
    if (!(tw_mode & TW_MODE_ANOMALY)) return;
    if (n->trace)
        tw_warn("Error detected in %s. Traceback of forward call that caused the error:\n%s", n->name, n->trace);
    else
        tw_warn("Error detected in %s. No forward pass information available. Enable detect anomaly during forward pass for more "
                "information.", n->name);
}

/* Runs the node of a record and hands its gradients on. */
static bool run_node(task *k, int32_t at) {
    tw_node *n = k->records[at].node;
    tw_tensor **g = grads_of(&k->records[at]), *few[8] = {NULL}, **gin = few;
    bool ok = false;
    if (!g) return false;
    if (n->ntensor)
        for (int o = 0; o < n->nouts; o++)
            if (g[o] && !run_tensor_hooks(n->tensor_hooks, n->ntensor, false, (uint32_t)o, n, &g[o])) return false;
    if (n->kind == 1 && n->variable && n->variable->autograd->nhooks && g[0] &&
        !run_tensor_hooks(n->variable->autograd->hooks, n->variable->autograd->nhooks, true, 0, n, &g[0])) return false;
    if (n->nretained && !retain(n, g)) return false;
    for (int32_t c = k->records[at].capture; c; c = k->captures[c - 1].next) {
        capture *to = &k->captures[c - 1];
        if (!g[to->output]) continue;
        tw_release(k->result[to->input]);
        k->result[to->input] = tw_vmap_sum_outside(tw_retain(g[to->output]), to->levels);
        if (!k->result[to->input]) return false;
    }
    bool wanted = !k->selective || (n->kind == 1 ? k->accumulate && k->records[at].capture : k->records[at].needed);
    if (k->selective && n->kind != 1 && wanted) { /* needed only for what lies behind it? */
        wanted = false;
        for (int i = 0; i < n->nedges && !wanted; i++) {
            int32_t r = n->edges[i].node ? find(k, n->edges[i].node) : -1;
            wanted = r >= 0 && k->records[r].needed;
        }
    }
    if (n->nedges > 8) {
        gin = tw_calloc(n->nedges, sizeof *gin);
        if (!gin) return false;
    }
    if (wanted) {
        uint64_t need = 0;
        for (int i = 0; i < n->nedges; i++) {
            tw_node *to = n->edges[i].node;
            if (!to) continue;
            if (k->selective && !k->records[find(k, to)].needed) continue;
            need |= (uint64_t)1 << (i < 63 ? i : 63);
        }
        for (int i = 0; i < n->npre; i++)
            if (!n->pre_hooks[i].call(n->pre_hooks[i].context, n, g, n->nouts, NULL, 0)) goto done;
        if (!tw_node_apply(n, g, need, gin) || tw_failed()) { explain(n); goto done; }
        for (int i = 0; i < n->npost; i++)
            if (!n->post_hooks[i].call(n->post_hooks[i].context, n, gin, n->nedges, g, n->nouts)) goto done;
        if (!check_nan(n, gin)) { explain(n); goto done; }
    }
    drop_grads(&k->records[at]);
    for (int i = 0; i < n->nedges; i++) {
        tw_node *to = n->edges[i].node;
        if (!to) continue;
        int32_t r = find(k, to);
        if (gin[i] && k->selective && !k->records[r].needed) { tw_release(gin[i]); gin[i] = NULL; }
        if (gin[i]) {
            tw_tensor *fitted = fit(gin[i], &n->inputs[i], n->name, i), **slots;
            gin[i] = NULL;
            if (!fitted) { explain(n); goto done; }
            slots = grads_of(&k->records[r]);
            if (!slots) { tw_release(fitted); goto done; }
            if (!add_grad(&slots[n->edges[i].input], fitted)) goto done;
        }
        if (--k->records[r].deps == 0 && !k->records[r].queued) push(k, r);
    }
    if (!k->keep && wanted && !n->released && n->kind != 1) {
        for (int i = 0; i < n->nsaved; i++) tw_saved_drop(&n->saved[i]);
        if (n->release_saved) n->release_saved(n);
        n->released = n->nsaved > 0 || n->kind >= 2;
    }
    ok = true;
done:
    for (int i = 0; i < n->nedges; i++) tw_release(gin[i]);
    if (gin != few) tw_free(gin);
    return ok;
}

/* --- starting --- */

static const char *size_text(const tw_tensor *t) { return tw_sizes_text(t->sizes, t->ndim); }

/* The gradient that a root starts with; owned. */
static tw_tensor *first_grad(tw_tensor *root, tw_tensor *given, int at) {
    if (given) {
        bool same = given->ndim == root->ndim;
        for (int i = 0; same && i < root->ndim; i++) same = given->sizes[i] == root->sizes[i];
        if (!same)
            return tw_fail_null(TW_RUNTIME_ERROR,
                                "Mismatch in shape: grad_output[%d] has a shape of torch.Size(%s) and output[%d] has a shape of torch.Size(%s).",
                                at, size_text(given), at, size_text(root));
        if (tw_is_complex((tw_dtype)given->dtype) != tw_is_complex((tw_dtype)root->dtype))
            return tw_fail_null(TW_RUNTIME_ERROR,
                                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                                "grad_output[%d] has a dtype of torch.%s and output[%d] has a dtype of torch.%s.",
                                at, tw_dtypes[given->dtype].name, at, tw_dtypes[root->dtype].name);
        return tw_retain(given);
    }
    if (root->numel != 1) return tw_fail_null(TW_RUNTIME_ERROR, "grad can be implicitly created only for scalar outputs");
    if (!tw_is_float((tw_dtype)root->dtype))
        return tw_fail_null(TW_RUNTIME_ERROR, "grad can be implicitly created only for real scalar outputs but got torch.%s",
                            tw_dtypes[root->dtype].name);
    if (root->flags & TW_BATCHED) {
        tw_arg a[] = {tw_a_tensor(root)};
        return tw_call1(TW_OP_ones_like, 1, a);
    }
    tw_tensor *one = tw_empty_strided_new(root->sizes, root->strides, root->ndim, (tw_dtype)root->dtype, root->device);
    if (!one || !tw_device_of(root->device)->has_data) return one;
    if (tw_device_type(root->device) == 0) {
        tw_store_scalar(tw_data(one), (tw_dtype)root->dtype, tw_float(1));
        return one;
    }
    if (!tw_fill(one, tw_float(1))) { tw_release(one); return NULL; }
    return one;
}

static bool start(task *k, tw_tensor *const *roots, tw_tensor *const *grads, int nroots) {
    for (int i = 0; i < nroots; i++) {
        tw_edge e;
        if (!roots[i] || !tw_wants_grad(roots[i]))
            return tw_fail(TW_RUNTIME_ERROR, "element %d of tensors does not require grad and does not have a grad_fn", i);
        tw_tensor *g = first_grad(roots[i], grads ? grads[i] : NULL, i);
        if (!g) return false;
        if (!tw_gradient_edge(roots[i], &e)) { tw_release(g); return false; }
        int32_t r = walk(k, e.node) ? find(k, e.node) : -1;
        tw_node_release(e.node);
        tw_tensor **slots = r < 0 ? NULL : grads_of(&k->records[r]);
        if (slots && g->dtype != roots[i]->dtype) {
            tw_tensor *cast = tw_cast_to(g, (tw_dtype)roots[i]->dtype);
            tw_release(g);
            g = cast;
        }
        if (!slots || !g) { tw_release(g); return false; }
        if (!add_grad(&slots[e.input], g)) return false;
    }
    for (int32_t r = 0; r < k->n; r++)
        if (k->records[r].walked && k->records[r].deps == 0) push(k, r);
    return true;
}

/* Marks the nodes of the inputs before the walk, so that the walk finds what leads to them. */
static bool mark_inputs(task *k, tw_tensor *const *inputs, int n) {
    k->selective = true;
    k->captures = tw_calloc((size_t)n + 1, sizeof *k->captures);
    if (!k->captures) return false;
    for (int i = 0; i < n; i++) {
        tw_edge e;
        if (!tw_wants_grad(inputs[i])) return tw_fail(TW_RUNTIME_ERROR, "One of the differentiated Tensors does not require grad");
        if (k->accumulate && !tw_is_leaf(inputs[i]) && !tw_retain_grad(inputs[i])) return false;
        if (!tw_gradient_edge(inputs[i], &e)) return false;
        int32_t r = intern(k, e.node); /* its edges are walked when a root reaches it */
        tw_node_release(e.node);
        if (r < 0) return false;
        k->captures[i] = (capture){i, e.input, k->records[r].capture, tw_vmap_levels_of(inputs[i])};
        k->records[r].capture = i + 1;
        k->records[r].needed = true;
    }
    return true;
}

static void end(task *k) {
    for (int32_t i = 0; i < k->n; i++) drop_grads(&k->records[i]);
    for (int32_t i = 0; i < k->n; i++) tw_node_release(k->records[i].node);
    if (k->records != k->few) tw_free(k->records);
    if (k->heap != k->few_heap) tw_free(k->heap);
    if (k->table != k->few_table) tw_free(k->table);
    tw_free(k->captures);
}

bool tw_backward_run(tw_tensor *const *roots, tw_tensor *const *grads, int nroots, bool retain_graph, bool create_graph,
                     tw_tensor *const *inputs, int ninputs, bool allow_unused, bool accumulate, tw_tensor **result) {
    task k;
    tw_tensor **own = NULL;
    unsigned mode = tw_mode;
    bool ok = false;
    k.records = k.few;
    k.n = k.nheap = 0;
    k.room = 32;
    k.table = k.few_table;
    memset(k.few_table, 0, sizeof k.few_table);
    k.mask = 127;
    k.heap = k.few_heap;
    k.captures = NULL;
    k.keep = retain_graph;
    k.create = create_graph;
    k.accumulate = accumulate;
    k.selective = false;
    k.result = result;
    tw_mode = (create_graph ? mode & ~(unsigned)TW_MODE_NO_GRAD : mode | TW_MODE_NO_GRAD) & ~(unsigned)TW_MODE_AUTOCAST;
    if (inputs) {
        if (!result) k.result = own = tw_calloc((size_t)ninputs + 1, sizeof *own);
        if (!k.result) goto done;
        for (int i = 0; i < ninputs; i++) k.result[i] = NULL;
        if (!mark_inputs(&k, inputs, ninputs)) goto done;
    }
    if (!start(&k, roots, grads, nroots)) goto done;
    ok = true;
    while (ok && k.nheap) ok = run_node(&k, pop(&k));
    for (int i = 0; ok && inputs && !accumulate && !allow_unused && i < ninputs; i++)
        if (!k.result[i])
            ok = tw_fail(TW_RUNTIME_ERROR, "The differentiated Tensor at index %d appears to not have been used in the graph. Set "
                         "allow_unused=True if this is the desired behavior.", i);
done:
    tw_mode = mode;
    end(&k);
    for (int i = 0; inputs && i < ninputs && (own || !ok) && k.result; i++) { tw_release(k.result[i]); k.result[i] = NULL; }
    tw_free(own);
    return ok;
}
