/* Small differentiable helpers that the engine, the entry and the rebasing of views share. */
#ifndef TW_AUTOGRAD_ENGINE_H
#define TW_AUTOGRAD_ENGINE_H
#include "autograd/autograd.h"

/* Owned; differentiable when grad mode is on. */
tw_tensor *tw_cast_to(tw_tensor *t, tw_dtype dtype);
tw_tensor *tw_clone_of(tw_tensor *t, tw_memory_format format);
bool tw_accumulate_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin);
#endif
