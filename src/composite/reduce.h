/* What composites over reductions share. */
#ifndef TW_COMPOSITE_REDUCE_H
#define TW_COMPOSITE_REDUCE_H
#include "ops/arg.h"

/* t, a result reduced over dim (an int, int list or none: all) of `ndim` dims, with the reduced dims back as 1; owned. */
tw_tensor *tw_keep_dims(tw_tensor *t, const tw_arg *dim, int ndim, bool keepdim);
#endif
