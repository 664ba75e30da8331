/* Autocast mode: casts the arguments of some ops (spec/autocast.toml) before the entry. */
#ifndef TW_AUTOGRAD_AUTOCAST_H
#define TW_AUTOGRAD_AUTOCAST_H
#include "autograd/autograd.h"

/* tw_call of an op with a policy, in autocast mode; what the op does inside is not cast again. */
bool tw_call_autocast(const tw_op *op, const tw_arg *args, tw_tensor **outs);
#endif
