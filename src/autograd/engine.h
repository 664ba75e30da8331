/* Small differentiable helpers that the engine, the entry and the rebasing of views share. */
#ifndef TW_AUTOGRAD_ENGINE_H
#define TW_AUTOGRAD_ENGINE_H
#include "autograd/autograd.h"

/* Owned; differentiable when grad mode is on. */
tw_tensor *tw_cast_to(tw_tensor *t, tw_dtype dtype);
tw_tensor *tw_clone_of(tw_tensor *t, tw_memory_format format);
/* Parts of a tensor that is laid out like the base of views (history.c): the part that a view shows; a new tensor laid out like the base,
 * zeros or a copy of t; writing. Owned results, all recorded. */
tw_tensor *tw_part_like(tw_tensor *whole, const tw_tensor *base, const tw_tensor *view);
tw_tensor *tw_laid_out_like(tw_tensor *t, const tw_tensor *base);
bool tw_write_part(tw_tensor *part, tw_tensor *value);
bool tw_accumulate_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin);
#endif
