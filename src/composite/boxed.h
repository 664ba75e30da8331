/* Writing composites over boxed calls: temporaries live in a pool until the function is done.
 *     pool p = {0};
 *     tw_tensor *e = TEMP(&p, exp, T(x));
 *     outs[0] = CALL(sum, T(e));
 *     return pool_done(&p, outs, 1);
 * A failed call gives NULL, and so does every call after it. */
#ifndef TW_COMPOSITE_BOXED_H
#define TW_COMPOSITE_BOXED_H
#include "autograd/autograd.h"
#include "op_ids.h"

enum { TW_POOL = 48 };
typedef struct tw_pool { tw_tensor *t[TW_POOL]; int n; } tw_pool;

#define CALL(op, ...) \
    tw_call1(TW_OP_##op, (int)(sizeof((tw_arg[]){__VA_ARGS__}) / sizeof(tw_arg)), (const tw_arg[]){__VA_ARGS__})
#define TEMP(pool, op, ...) tw_pool_own(pool, CALL(op, __VA_ARGS__))
#define T(x) tw_a_tensor(x)
#define I(x) tw_a_int(x)
#define F(x) tw_a_float(x)
#define B(x) tw_a_bool(x)
#define INTS(p, n) tw_a_ints(p, n)
#define NONE_ TW_A_NONE

/* Takes an owned reference; gives it back borrowed. */
static inline tw_tensor *tw_pool_own(tw_pool *p, tw_tensor *t) {
    if (t && p->n < TW_POOL) p->t[p->n++] = t;
    return t;
}
/* Releases the temporaries; on failure the results too. Whether all went well. */
static inline bool tw_pool_done(tw_pool *p, tw_tensor **outs, int nouts) {
    bool ok = !tw_failed();
    while (p->n) tw_release(p->t[--p->n]);
    for (int i = 0; i < nouts; i++) {
        if (ok) continue;
        tw_release(outs[i]);
        outs[i] = NULL;
    }
    return ok;
}
static inline tw_tensor *tw_retained(tw_tensor *t) {
    if (t) tw_tensor_retain(t);
    return t;
}
#endif
