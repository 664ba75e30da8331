/* Batching, see vmap.h. */
#include "autograd/vmap.h"
#include "autograd/engine.h"
#include "ops/copy.h"
#include <string.h>

static _Thread_local int level;
static _Thread_local struct { int64_t size; tw_randomness randomness; } levels[TW_VMAP_LEVELS + 1];

int tw_vmap_level(void) { return level; }

int tw_vmap_enter(int64_t size, tw_randomness randomness) {
    if (level == TW_VMAP_LEVELS) {
        tw_fail(TW_RUNTIME_ERROR, "vmap nests at most %d levels", TW_VMAP_LEVELS);
        return -1;
    }
    level++;
    levels[level].size = size;
    levels[level].randomness = randomness;
    tw_mode |= TW_MODE_VMAP;
    return level;
}

void tw_vmap_exit(void) {
    if (--level == 0) tw_mode &= ~(unsigned)TW_MODE_VMAP;
}

bool tw_vmap_copy_batch(tw_tensor *to, const tw_tensor *from) {
    if (!(from->flags & TW_BATCHED)) return true;
    tw_autograd *a = tw_autograd_of(to);
    if (!a) return false;
    if (!a->batch && !(a->batch = tw_malloc(sizeof *a->batch))) return false;
    *a->batch = *from->autograd->batch;
    to->flags |= TW_BATCHED;
    return true;
}

void tw_vmap_take_batch(tw_tensor *to, tw_tensor *from) { tw_vmap_copy_batch(to, from); }

tw_tensor *tw_vmap_clone(tw_tensor *t) {
    if (t->flags & TW_BATCHED) return tw_clone_of(t, TW_PRESERVE_FORMAT);
    return tw_clone_new(t, TW_DTYPE_NONE, TW_PRESERVE_FORMAT);
}

bool tw_vmap_run(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    (void)args; (void)outs;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Batching rule not implemented for aten::%s", op->base);
}

tw_tensor *tw_vmap_add(tw_tensor *t, int64_t dim, int at) {
    (void)t; (void)dim; (void)at;
    return tw_fail_null(TW_NOT_IMPLEMENTED_ERROR, "vmap");
}

tw_tensor *tw_vmap_remove(tw_tensor *t, int64_t dim, int at, int64_t size) {
    (void)t; (void)dim; (void)at; (void)size;
    return tw_fail_null(TW_NOT_IMPLEMENTED_ERROR, "vmap");
}
