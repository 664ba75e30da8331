/* Convolutions with channels last (kernels/conv.h), and the layouts that they share. float32 and float64. */
#ifndef TW_OPS_CONV_PACK_H
#define TW_OPS_CONV_PACK_H
#include "kernels/conv.h"
#include "ops/conv.h"

/* A tensor of five dimensions to a dense copy with its channels last, of `size` pixels: from `low` on in each dimension, zeros around them. */
void tw_conv_turn(const tw_conv_type *type, const tw_tensor *t, const int64_t low[3], const int64_t size[3], char *to);
/* Forward and to the input; bias is dense, or NULL. */
bool tw_conv_last(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const void *bias, const tw_tensor *y);
/* The same for a window of one element without strides, where pixels follow each other in both tensors, and their planes are large enough. */
bool tw_conv_is_point(const tw_conv_shape *s, int mode, const tw_tensor *from, const tw_tensor *to);
bool tw_conv_point(const tw_conv_shape *s, int mode, const tw_tensor *from, const tw_tensor *w, const void *bias, const tw_tensor *to);
/* To the weight; where the copies that it works on would be unreasonably large, it does not fit. */
bool tw_conv_weight_fits(const tw_conv_shape *s, tw_dtype dtype);
bool tw_conv_weight(const tw_conv_shape *s, const tw_tensor *x, const tw_tensor *y, const tw_tensor *w);
#endif
