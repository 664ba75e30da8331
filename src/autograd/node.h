/* The graph: a node per recorded op, edges to where its inputs came from. Note [Saved values] in node.c. */
#ifndef TW_AUTOGRAD_NODE_H
#define TW_AUTOGRAD_NODE_H
#include "ops/op.h"

typedef struct tw_node tw_node;

typedef struct tw_edge { tw_node *node; uint32_t input; } tw_edge; /* owned; node NULL: no gradient wanted */

/* A hook: called with (context, grads, n); may replace grads[i] (owned swap). Freed by `free`. */
typedef struct tw_hook {
    int64_t id;
    bool (*call)(void *context, tw_node *node, tw_tensor **grads, int n, tw_tensor **other, int nother);
    void (*free)(void *context);
    void *context;
} tw_hook;

typedef struct tw_saved {       /* a tensor saved for backward */
    tw_tensor *t;               /* NULL: absent or released */
    unsigned version;           /* at the time of saving */
    bool is_output;             /* a result of this very node: kept without grad_fn, regains it on unpack */
    uint8_t output_number;
    void *packed;               /* saved-tensor hooks: what pack returned; t is NULL then */
} tw_saved;

struct tw_node {
    atomic_uint refs;
    uint8_t kind;               /* 0 op, 1 accumulate (leaf), 2 custom (Python Function or C callback), 3 rebase/copy of slices, 4 error */
    bool released;              /* saved values are gone */
    uint16_t nedges, nouts;
    const tw_op *op;            /* kind 0 */
    uint64_t sequence;          /* newer nodes run first */
    tw_edge *edges;             /* nedges, in the order of tensor parameters (lists spread) */
    tw_arg *args;               /* op->nparams: copies of non-tensor arguments; tensors sit in saved */
    tw_saved *saved;            /* one per saved tensor */
    uint16_t nsaved;
    struct tw_input_meta *inputs;  /* per edge: dtype, device, sizes of the forward input: gradients are cast and summed to these */
    struct tw_input_meta *outputs; /* per result: for missing gradients (zeros) and checks */
    tw_tensor *variable;        /* kind 1: the leaf (borrowed: the leaf's autograd data owns the node, the node holds a weak ref) */
    bool (*apply)(tw_node *node, tw_tensor *const *g, uint64_t need, tw_tensor **gin); /* kinds 1-4 */
    void (*destroy)(tw_node *node);
    void *context;              /* of kinds 2-4 */
    tw_hook *pre_hooks, *post_hooks; uint16_t npre, npost;
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
    tw_tensor *base;            /* of a view: owned root base */
    const tw_op *view_op; tw_arg *view_args; /* how to replay the view is by geometry: sizes, strides, offset */
    unsigned view_version;      /* version of the base at which grad_fn was made: regenerate grad_fn when it moved on */
    uint8_t view_mode;          /* 0 ordinary; 1 made under no_grad; 2 one of several results (in-place is refused) */
    tw_tensor *tangent;         /* forward mode; owned */
    struct tw_batch *batch;     /* vmap */
    tw_hook *hooks; uint16_t nhooks;               /* tensor hooks */
    tw_hook *post_accumulate; uint16_t npost_accumulate;
    char *name;
} tw_autograd;

tw_autograd *tw_autograd_of(tw_tensor *t);          /* made when missing; NULL on failure */
tw_node *tw_grad_fn_of(tw_tensor *t);               /* borrowed; regenerates a view's after in-place writes; NULL for leaves */
bool tw_is_leaf(const tw_tensor *t);
bool tw_gradient_edge(tw_tensor *t, tw_edge *into); /* owned node; for leaves the accumulate node */
tw_node *tw_node_new(uint8_t kind, int nedges, int nouts);
void tw_node_retain(tw_node *n);
void tw_node_release(tw_node *n);                   /* iterative: a chain of a million nodes frees without recursion */
bool tw_unpack(tw_node *n, tw_saved *s, tw_tensor **into); /* owned; checks the version; "Trying to backward ... a second time" */
#endif
