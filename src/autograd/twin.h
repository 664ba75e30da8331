/* What follows from every view: its elements copied, and a tensor with a view of it replaced. The generator's composites call these. */
#ifndef TW_AUTOGRAD_TWIN_H
#define TW_AUTOGRAD_TWIN_H
#include "ops/op.h"

bool tw_twin_copy(const tw_op *view, const tw_arg *args, tw_tensor **outs);    /* args of the view */
bool tw_twin_scatter(const tw_op *view, const tw_arg *args, tw_tensor **outs); /* self, src, the view's other arguments */
#endif
