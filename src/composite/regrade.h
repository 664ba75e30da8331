/* Second derivatives of ops whose gradient is a kernel: the op again, made of differentiable ops, and the gradient of that as a graph. */
#ifndef TW_COMPOSITE_REGRADE_H
#define TW_COMPOSITE_REGRADE_H
#include "ops/op.h"

/* For a native gradient while a graph of it is wanted. a: the op's nargs arguments; same: computes its results from such arguments;
 * g, need, gin: as tw_grad_fn. Edges must be single tensors. */
bool tw_regrade(const tw_op *op, tw_composite_fn same, const tw_arg *a, tw_tensor *const *g, uint64_t need, tw_tensor **gin);
#endif
