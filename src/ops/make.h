/* Options of ops that make tensors: (dtype, layout, device, pin_memory[, memory_format]) in a row, as PyTorch's schemas have them. */
#ifndef TW_OPS_MAKE_H
#define TW_OPS_MAKE_H
#include "ops/op.h"

/* Geometry from sizes; options: the first of the four; dtype when none is given. */
bool tw_make_meta(const tw_arg *sizes, const tw_arg *options, tw_dtype otherwise, tw_device device, tw_meta *out);
/* Geometry, dtype and device of another tensor unless the five options say otherwise. */
bool tw_make_like_meta(const tw_tensor *t, const tw_arg *options, tw_meta *out);
#endif
