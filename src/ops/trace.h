/* TALLOW_DEBUG=2: a line per kernel that ran. */
#ifndef TW_OPS_TRACE_H
#define TW_OPS_TRACE_H
#include "core/debug.h"
#include "ops/arg.h"

/* path: which way the kernel went ("flat", "tiles"; the kind of an op that has one way only). began: tw_debug_clock() before it. */
void tw_trace(const char *op, const char *path, int64_t began, const tw_arg *args, int nargs, tw_tensor *const *outs, int nouts);
#endif
