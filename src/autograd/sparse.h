/* Calls with sparse tensors among their arguments or given results: what the table's column `sparse` says. */
#ifndef TW_AUTOGRAD_SPARSE_H
#define TW_AUTOGRAD_SPARSE_H
#include "core/sparse.h"
#include "ops/op.h"

/* Only to be asked while tw_sparse_used. outs: given results, or all NULL. */
bool tw_any_sparse(const tw_op *op, const tw_arg *args, tw_tensor *const *outs);
/* tw_run for such a call: below autograd, nothing that it does is recorded. */
bool tw_sparse_call(const tw_op *op, const tw_arg *args, tw_tensor **outs);
/* A sparse tensor without repeated indices; t itself when it is one. Owned. */
tw_tensor *tw_coalesced(tw_tensor *t);
#endif
