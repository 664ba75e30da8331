/* Indexing: what gather, scatter, index, index_put and their kin share. */
#ifndef TW_OPS_INDEX_H
#define TW_OPS_INDEX_H
#include "kernels/index.h"
#include "ops/op.h"

/* PyTorch's is_strides_like_channels_last, for 4 and 5 dimensions. */
bool tw_like_channels_last(const tw_tensor *t);

/* Meta of a contiguous result like t. */
bool tw_meta_like(tw_meta *m, const tw_tensor *t, tw_dtype dtype);

/* out gets self's elements, unless it is self already (in-place ops). */
bool tw_start_from(tw_tensor *out, tw_tensor *self);

/* Hands over the result of a dynamic op: *out NULL takes it; a given tensor is resized and written. Owns `made`. */
bool tw_hand_over(tw_tensor *made, tw_tensor **out);

/* The value that changes nothing under a reduction: 0, 1, or the least or greatest of the dtype. */
bool tw_divide_by_counts(tw_tensor *out, tw_tensor *counts); /* out /= max(counts, 1), which counts becomes; integers round down */
tw_scalar tw_scatter_identity(tw_scatter_mode mode, tw_dtype d);
#endif
