/* Composites as chains: each step takes ownership of what it no longer needs. */
#ifndef TW_COMPOSITE_LINALG_CHAIN_H
#define TW_COMPOSITE_LINALG_CHAIN_H
#include "entries.h"

/* Gives `used` up and passes `result` on. */
static inline tw_tensor *tw_chain(tw_tensor *used, tw_tensor *result) {
    tw_release(used);
    return result;
}
static inline tw_tensor *tw_chain2(tw_tensor *used, tw_tensor *used2, tw_tensor *result) {
    tw_release(used);
    tw_release(used2);
    return result;
}
static inline bool tw_give(tw_tensor **out, tw_tensor *t) { return (*out = t) != NULL; }
static inline tw_tensor *tw_optional(const tw_arg *a) { return a->tag == TW_ARG_TENSOR ? a->t : NULL; }
/* The last two dimensions swapped, or the only ones. */
static inline tw_tensor *tw_swap(tw_tensor *t) { return tw_op_transpose_int(t, t->ndim < 2 ? 0 : -2, t->ndim < 2 ? 0 : -1); }
static inline tw_tensor *tw_view_as(tw_tensor *owned, const int64_t *sizes, int ndim) {
    return owned ? tw_chain(owned, tw_op_view(owned, sizes, ndim)) : NULL;
}
#endif
