/* Differentiation: modes, the entry every op goes through, and the backward engine. */
#ifndef TW_AUTOGRAD_AUTOGRAD_H
#define TW_AUTOGRAD_AUTOGRAD_H
#include "autograd/node.h"
#include "core/tls.h"

/* One thread-local word, tested once per entry; zero is the straight path (grad mode on, nothing else).  */
enum {
    TW_MODE_NO_GRAD = 1, TW_MODE_INFERENCE = 2, TW_MODE_AUTOCAST = 4, TW_MODE_VMAP = 8, TW_MODE_FORWARD = 16,
    TW_MODE_FUNCTION = 32, TW_MODE_TRACE = 64, TW_MODE_PROFILE = 128, TW_MODE_ANOMALY = 256, TW_MODE_SAVED_HOOKS = 512,
    TW_MODE_UNFUSED = 1024 /* gradients run op by op: their tensors are none that a fused kernel takes */
};
extern _Thread_local TW_FAST_TLS unsigned tw_mode;

extern _Thread_local TW_FAST_TLS unsigned char tw_autocast_dtype; /* tw_dtype of TW_MODE_AUTOCAST: bfloat16 or float16 */

/* The entry. Functional call: outs[] are set to owned results. Handles every mode, records the graph, then tw_run. */
bool tw_call(const tw_op *op, const tw_arg *args, tw_tensor **outs);
/* args[0] is overwritten with the op's (first) result: add_, clamp_, ... Leaf checks, version bump, rebase of views. */
bool tw_call_inplace(const tw_op *op, const tw_arg *args);
/* Results go to outs[] (all non-NULL), resized and cast by PyTorch's out= rule; refused when gradients are wanted. */
bool tw_call_out(const tw_op *op, const tw_arg *args, tw_tensor **outs);
/* The same where the result is a list. */
bool tw_call_out_list(const tw_op *op, const tw_arg *args, tw_tensor *const *outs, int64_t n);

/* Shorthands for generated gradients and composites: boxed call with one result, owned; NULL on failure. Any NULL/failed argument
 * (while an error is pending) makes the call return NULL. */
tw_tensor *tw_call1(int op_id, int nargs, const tw_arg *args); /* missing trailing args take their defaults */
/* Fills the missing trailing arguments with their defaults. */
static inline void tw_fill_defaults(const tw_op *op, int nargs, const tw_arg *args, tw_arg *full) {
    for (int i = 0; i < op->nparams; i++) full[i] = i < nargs ? args[i] : op->params[i].fallback;
}

/* Sums a gradient to the sizes of an input that was broadcast; takes and gives an owned reference. */
tw_tensor *tw_sum_to_sizes(tw_tensor *grad, const int64_t *sizes, int ndim);

/* torch.autograd.backward / grad. grads may be NULL or have NULL entries (scalars: ones). inputs NULL: accumulate into leaves.
 * result: one owned gradient per input (NULL if unused and allow_unused). */
bool tw_backward_run(tw_tensor *const *roots, tw_tensor *const *grads, int nroots, bool retain_graph, bool create_graph,
                     tw_tensor *const *inputs, int ninputs, bool allow_unused, bool accumulate, tw_tensor **result);

bool tw_set_requires_grad(tw_tensor *t, bool on);
tw_tensor *tw_detach_new(tw_tensor *t);     /* shares storage and version */
tw_tensor *tw_data_alias_new(tw_tensor *t); /* t.data: shares storage, own version */
static inline bool tw_requires_grad(const tw_tensor *t) {
    return (t->flags & TW_REQUIRES_GRAD) || ((t->flags & TW_IS_VIEW) && tw_wants_grad(t));
}
/* Marks `view` as a view of t (its base, or t's base). Used for views that are not recorded by tw_call; mode as tw_tensor.view_mode. */
void tw_set_base(tw_tensor *view, tw_tensor *t, uint8_t mode);
/* Rebases: t (perhaps a view) was overwritten with result `output` of the node, whose edge 0 is t's old history. */
bool tw_rebase_history(tw_tensor *t, tw_node *node, uint32_t output);
/* In-place checks of PyTorch ("a leaf Variable that requires grad ..."); wants: the operation will be recorded. */
bool tw_check_inplace(tw_tensor *t, bool wants);

/* Forward mode. See Note [Levels of tangents] in jvp.c. Levels are counted from 0, the outermost. */
int tw_dual_enter(void);                                           /* the new level; -1 and an error when there are too many */
void tw_dual_exit(void);                                           /* of the innermost one */
int tw_dual_levels(void);                                          /* that are open */
tw_tensor *tw_make_dual(tw_tensor *primal, tw_tensor *tangent, int level); /* owned view of primal that carries the tangent */
tw_tensor *tw_tangent_of(const tw_tensor *t, int level);           /* borrowed; NULL if none */
tw_tensor *tw_primal_of(tw_tensor *t, int level);                  /* owned view without the tangents of that level and of inner ones */

/* Anomaly mode: gives a tw_malloc-ed text of where the program is (Python's stack); NULL hook: no text. */
extern char *(*tw_trace_hook)(void);
extern bool tw_anomaly_check_nan;
#endif
