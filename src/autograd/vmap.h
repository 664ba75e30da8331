/* Batching: a batched tensor shows logical sizes and strides and hides its batch dimensions (one per level) in
 * tw_autograd.batch. Everything above tw_run sees logical tensors; tw_vmap_run makes them physical, batch dimensions first. */
#ifndef TW_AUTOGRAD_VMAP_H
#define TW_AUTOGRAD_VMAP_H
#include "autograd/autograd.h"

enum { TW_VMAP_LEVELS = 8 };
typedef enum tw_randomness { TW_RANDOM_ERROR, TW_RANDOM_SAME, TW_RANDOM_DIFFERENT } tw_randomness;

typedef struct tw_batch {
    int n;                                   /* hidden dimensions, by ascending level */
    struct { int level; int64_t size, stride; } dim[TW_VMAP_LEVELS];
} tw_batch;

int tw_vmap_enter(int64_t size, tw_randomness randomness); /* the new level, from 1; -1 and an error when there are too many */
void tw_vmap_exit(void);
int tw_vmap_level(void);
/* Hides dimension `dim` of t at `level` (owned result, differentiable) and the reverse: a level that t lacks is expanded. */
tw_tensor *tw_vmap_add(tw_tensor *t, int64_t dim, int level);
tw_tensor *tw_vmap_remove(tw_tensor *t, int64_t dim, int level, int64_t size);

bool tw_vmap_run(const tw_op *op, const tw_arg *args, tw_tensor **outs);
tw_tensor *tw_vmap_clone(tw_tensor *t);               /* owned copy without history, batched like t */
void tw_vmap_take_batch(tw_tensor *to, tw_tensor *from);
/* Sums an owned gradient over the levels that are not in `keep` (bit level % 64); owned result. */
tw_tensor *tw_vmap_sum_outside(tw_tensor *g, uint64_t keep);
uint64_t tw_vmap_levels_of(const tw_tensor *t);       /* levels that t is batched at, or was made a leaf inside */
uint64_t tw_vmap_active(void);
extern bool tw_vmap_used;                             /* some level was ever entered: batched tensors may exist */
bool tw_vmap_copy_batch(tw_tensor *to, const tw_tensor *from);
#endif
