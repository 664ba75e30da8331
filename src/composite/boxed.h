/* Writing composites over boxed calls: temporaries live in a pool until the function is done.
 *     tw_pool p = {0};
 *     tw_tensor *e = TEMP(&p, exp, T(x));
 *     outs[0] = CALL(sum, T(e));
 *     return tw_pool_done(&p, outs, 1);
 * or, where the result is in the pool (or an argument) itself, `return tw_pool_give(&p, outs, e);`. Missing trailing arguments take their
 * defaults. A failed call gives NULL, and so does every call after it: only what looks into a tensor has to test for NULL. Helpers take
 * the pool and return borrowed tensors. */
#ifndef TW_COMPOSITE_BOXED_H
#define TW_COMPOSITE_BOXED_H
#include "autograd/autograd.h"
#include "core/memory.h"
#include "op_ids.h"

enum { TW_POOL = 24 };
typedef struct tw_pool { tw_tensor *t[TW_POOL]; int n; struct tw_pool *full; } tw_pool; /* full: blocks filled before this one */

#define CALL(op, ...) \
    tw_call1(TW_OP_##op, (int)(sizeof((tw_arg[]){__VA_ARGS__}) / sizeof(tw_arg)), (const tw_arg[]){__VA_ARGS__})
#define TEMP(pool, op, ...) tw_pool_own(pool, CALL(op, __VA_ARGS__))
#define T(x) tw_a_tensor(x)
#define I(x) tw_a_int(x)
#define F(x) tw_a_float(x)
#define B(x) tw_a_bool(x)
#define INTS(p, n) tw_a_ints(p, n)
#define NONE_ TW_A_NONE

/* Takes an owned reference; gives it back borrowed. NULL when there is no room for it and no memory for more. */
static inline tw_tensor *tw_pool_own(tw_pool *p, tw_tensor *t) {
    if (!t) return NULL;
    if (p->n == TW_POOL) {
        tw_pool *full = tw_malloc(sizeof *full);
        if (!full) {
            tw_release(t);
            return NULL;
        }
        *full = *p;
        p->full = full;
        p->n = 0;
    }
    return p->t[p->n++] = t;
}
/* Releases the temporaries; on failure the results too. Whether all went well. */
static inline bool tw_pool_done(tw_pool *p, tw_tensor **outs, int nouts) {
    bool ok = !tw_failed();
    for (;;) {
        while (p->n) tw_release(p->t[--p->n]);
        tw_pool *full = p->full;
        if (!full) break;
        *p = *full;
        tw_free(full);
    }
    for (int i = 0; i < nouts; i++) {
        if (ok) continue;
        tw_release(outs[i]);
        outs[i] = NULL;
    }
    return ok;
}
/* The same with one result, which is in the pool or somebody else's; NULL after a failure. */
static inline bool tw_pool_give(tw_pool *p, tw_tensor **out, tw_tensor *t) {
    *out = tw_retain(t);
    return tw_pool_done(p, out, 1);
}
static inline bool tw_give(tw_tensor **out, tw_tensor *owned) { return (*out = owned) != NULL; }
/* Ends a composite whose result is a list, which it owns. */
static inline bool tw_give_list(tw_tensor **outs, tw_list *list) {
    if (list && !tw_failed()) {
        outs[0] = tw_list_result(list);
        return true;
    }
    tw_list_release(list);
    return false;
}
static inline tw_tensor *tw_optional(const tw_arg *a) { return a->tag == TW_ARG_TENSOR ? a->t : NULL; }
/* The last two dimensions swapped, or the only ones. */
static inline tw_tensor *tw_swapped(tw_pool *p, tw_tensor *t) {
    return t ? TEMP(p, transpose_int, T(t), I(t->ndim < 2 ? 0 : -2), I(t->ndim < 2 ? 0 : -1)) : NULL;
}
#endif
