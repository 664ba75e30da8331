/* The graph: a node per recorded op, edges to where its inputs came from. Note [Saved values] in node.c. */
#ifndef TW_AUTOGRAD_NODE_H
#define TW_AUTOGRAD_NODE_H
#include "core/memory.h"
#include "ops/op.h"

typedef struct tw_node tw_node;

typedef struct tw_edge { tw_node *node; uint32_t input; } tw_edge; /* owned; node NULL: no gradient wanted */

/* A hook: called with (context, grads, n); may replace grads[i] (owned swap). Freed by `free`. */
typedef struct tw_hook {
    int64_t id;
    bool (*call)(void *context, tw_node *node, tw_tensor **grads, int n, tw_tensor **other, int nother);
    void (*free)(void *context);
    void *context;
    uint32_t output;            /* tensor hooks on a node: which of its results */
} tw_hook;

typedef struct tw_saved {       /* a tensor saved for backward */
    tw_tensor *t;               /* NULL: absent or released */
    unsigned version;           /* at the time of saving */
    bool is_output;             /* a result of this very node: kept without grad_fn, regains it on unpack */
    uint8_t output_number;
    void *packed;               /* saved-tensor hooks: what pack returned; t is NULL then */
    const struct tw_saved_hooks *hooks; /* who unpacks it */
} tw_saved;

/* Saved-tensor hooks (torch.autograd.graph.saved_tensors_hooks): active while tw_saved_hooks_now is not NULL and tw_mode has
 * TW_MODE_SAVED_HOOKS. pack gives an owned thing or NULL (failed); unpack an owned tensor. Must outlive what it packed. */
typedef struct tw_saved_hooks {
    void *(*pack)(void *context, tw_tensor *t);
    tw_tensor *(*unpack)(void *context, void *packed);
    void (*free)(void *context, void *packed);
    void *context;
} tw_saved_hooks;
extern _Thread_local const tw_saved_hooks *tw_saved_hooks_now;

struct tw_node {
    atomic_uint refs;
    uint8_t kind;               /* 0 op, 1 accumulate (leaf), 2 custom (Python Function or C callback), 3 rebase/copy of slices, 4 error */
    bool released;              /* saved values are gone */
    int32_t nedges, nouts;
    const tw_op *op;            /* kind 0 */
    uint64_t sequence;          /* newer nodes run first */
    tw_edge *edges;             /* nedges, in the order of tensor parameters (lists spread) */
    tw_arg *args;               /* op->nparams: copies of non-tensor arguments; tensors sit in saved */
    tw_saved *saved;            /* one per saved tensor */
    int32_t nsaved;
    struct tw_input_meta *inputs;  /* per edge: dtype, device, sizes of the forward input: gradients are cast and summed to these */
    struct tw_input_meta *outputs; /* per result: for missing gradients (zeros) and checks */
    tw_tensor *variable;        /* kind 1: the leaf (borrowed: the leaf's autograd data owns the node, the node holds a weak ref) */
    bool (*apply)(tw_node *node, tw_tensor *const *g, uint64_t need, tw_tensor **gin); /* kinds 1-4 */
    void (*destroy)(tw_node *node);
    void (*release_saved)(tw_node *node); /* kinds 2-4: backward is over and the graph is not kept; NULL is legal */
    void *context;              /* of kinds 2-4 */
    tw_hook *pre_hooks, *post_hooks; uint16_t npre, npost;
    tw_hook *tensor_hooks; uint16_t ntensor; /* hooks of tensors that are results of this node */
    struct tw_retained { struct tw_autograd *of; uint32_t output; } *retained; uint16_t nretained; /* retain_grad: weak */
    tw_node *next;              /* in the list of dying nodes */
    uint32_t bytes;             /* of the one block that holds the node and its arrays */
    void *pyobj;                /* the Python wrapper, borrowed */
    char *trace;                /* anomaly mode: where the forward ran */
    const char *name;           /* "AddBackward0" */
};

typedef struct tw_input_meta { int8_t dtype; uint8_t ndim; tw_device device; int64_t sizes_inline[TW_INLINE_DIMS]; int64_t *sizes; } tw_input_meta;

/* What a tensor carries when it takes part in differentiation (tw_tensor.autograd). */
typedef struct tw_autograd {
    tw_tensor *grad;            /* owned */
    tw_node *grad_fn;           /* owned; NULL for leaves */
    tw_node *accumulate;        /* the leaf's AccumulateGrad node, weak: it lives as long as some graph or hook holds it */
    uint32_t output_number;
    bool retains_grad;
    struct tw_tangents *tangents; /* forward mode (jvp.h); NULL: none at any level */
    struct tw_batch *batch;     /* vmap */
    uint64_t born;              /* vmap: levels inside which it was made to require grad (bit level % 64) */
    tw_hook *hooks; uint16_t nhooks;               /* tensor hooks */
    tw_hook *post_accumulate; uint16_t npost_accumulate;
    char *name;
} tw_autograd;

tw_autograd *tw_autograd_of(tw_tensor *t);          /* made when missing; NULL on failure */
uint64_t tw_next_sequence(void);                    /* of this thread: nodes made from now on have it or a larger one */
tw_node *tw_grad_fn_of(tw_tensor *t);               /* borrowed; regenerates a view's after in-place writes; NULL for leaves */
bool tw_is_leaf(const tw_tensor *t);
bool tw_gradient_edge(tw_tensor *t, tw_edge *into); /* owned node; for leaves the accumulate node */
/* A node with room for its edges and metas, with the next sequence number; kinds 1-4. Owned; NULL on failure. */
tw_node *tw_node_new(uint8_t kind, int nedges, int nouts);
tw_node *tw_node_make(uint8_t kind, int nedges, int nouts, int nargs, int nsaved, int nints);
bool tw_node_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin); /* its gradient, whatever the kind */
bool tw_meta_of(struct tw_input_meta *m, const tw_tensor *t);      /* describes t */
static inline const int64_t *tw_meta_sizes(const struct tw_input_meta *m) { return m->sizes ? m->sizes : m->sizes_inline; }
/* Connects an edge to where t came from and describes t; nothing when t wants no gradient. */
bool tw_node_connect(tw_node *n, int edge, tw_tensor *t);
/* Makes t the result `output` of n: requires grad from now on. Takes no reference of the caller. */
bool tw_set_history(tw_tensor *t, tw_node *n, uint32_t output);
/* Saves t in *s (see Note [Saved values]); is_output: t is a result of the node that owns s. */
bool tw_saved_set(tw_saved *s, tw_tensor *t, bool is_output, uint8_t output_number);
const char *tw_forward_name(const tw_node *n);     /* "Add" of AddBackward0, for messages; valid until the next call */
void tw_saved_drop(tw_saved *s);
bool tw_wants_grad(const tw_tensor *t);             /* t.requires_grad: of a view also when its base came to require it */

/* Hooks. Each takes the hook over (its id is set, unique, and returned; -1 on failure). */
int64_t tw_tensor_hook_add(tw_tensor *t, tw_hook hook);
int64_t tw_post_accumulate_hook_add(tw_tensor *t, tw_hook hook);
int64_t tw_node_hook_add(tw_node *n, tw_hook hook, bool pre);
bool tw_tensor_hook_remove(tw_tensor *t, int64_t id);  /* also post-accumulate; false when it is not there */
bool tw_node_hook_remove(tw_node *n, int64_t id);
bool tw_retain_grad(tw_tensor *t);                  /* non-leaves: t.grad is filled by backward */
void tw_node_retain(tw_node *n);
void tw_node_release(tw_node *n);                   /* iterative: a chain of a million nodes frees without recursion */
bool tw_unpack(tw_node *n, tw_saved *s, tw_tensor **into); /* owned; checks the version; "Trying to backward ... a second time" */
#endif
