/* Small differentiable helpers that the engine, the entry and the rebasing of views share. */
#ifndef TW_AUTOGRAD_ENGINE_H
#define TW_AUTOGRAD_ENGINE_H
#include "autograd/autograd.h"

/* The op of a table key that the library does not need to have ("clone"); NULL with NotImplementedError. */
const tw_op *tw_op_named(const char *key);
/* Owned; differentiable when grad mode is on. */
tw_tensor *tw_cast_to(tw_tensor *t, tw_dtype dtype);
tw_tensor *tw_clone_of(tw_tensor *t, tw_memory_format format);
/* As tw_call1, of an op named by key; args in full or missing trailing ones. */
tw_tensor *tw_call_named(const char *key, int nargs, const tw_arg *args);
/* Fills the missing trailing arguments with their defaults. */
void tw_fill_defaults(const tw_op *op, int nargs, const tw_arg *args, tw_arg *full);
bool tw_accumulate_apply(tw_node *n, tw_tensor *const *g, uint64_t need, tw_tensor **gin);
#endif
