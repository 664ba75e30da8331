/* Forward mode inside the entry: tangents of results from tangents of arguments. */
#ifndef TW_AUTOGRAD_JVP_H
#define TW_AUTOGRAD_JVP_H
#include "autograd/autograd.h"

bool tw_any_tangent(const tw_op *op, const tw_arg *args);
/* Attaches tangents to the results of a call. */
bool tw_jvp_outs(const tw_op *op, const tw_arg *args, tw_tensor **outs);
/* args[0] was overwritten; before: its elements from before. Replaces its tangent. */
bool tw_jvp_inplace(const tw_op *op, const tw_arg *args, tw_tensor *before);
#endif
