/* Copying between tensors: the one path for casts, gathers and scatters. */
#ifndef TW_OPS_COPY_H
#define TW_OPS_COPY_H
#include "core/tensor.h"

/* Writes `from`, broadcast and cast, to `to`: any dtypes, strides, conj and neg flags, and overlaps; across devices too. False with
 * PyTorch's error when the sizes do not broadcast. Version counters are the caller's. */
bool tw_copy(tw_tensor *to, tw_tensor *from);
/* Sets every element. */
bool tw_fill(tw_tensor *t, tw_scalar value);
/* An owned copy: contiguous (TW_CONTIGUOUS_FORMAT) or laid out by the format; flags resolved. dtype TW_DTYPE_NONE keeps. */
tw_tensor *tw_clone_new(tw_tensor *t, tw_dtype dtype, tw_memory_format format);
/* An owned reference to t itself when it is contiguous, has that dtype and no lazy flags; else to a contiguous copy. */
tw_tensor *tw_contiguous_new(tw_tensor *t, tw_dtype dtype);
#endif
