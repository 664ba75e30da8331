/* 2-d convolution and its two gradients, for any strides. */
#ifndef TW_OPS_CONV_H
#define TW_OPS_CONV_H
#include "ops/arg.h"

typedef struct tw_conv_shape {
    int64_t images, channels, in_y, in_x, filters, out_y, out_x, groups;
    int64_t window_y, window_x, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
} tw_conv_shape;

enum { CONV_FORWARD, CONV_INPUT, CONV_WEIGHT }; /* which of y, x, w is computed from the other two */

/* x (images, channels, in_y, in_x), w (filters, channels / groups, window_y, window_x), y (images, filters, out_y, out_x), one dtype.
 * bias: forward only, may be NULL. false only for want of memory, or with PyTorch's text for a dtype that it refuses. */
bool tw_conv_run(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y);
/* The same in float32 or float64, through the packed product; half types are widened and the result rounded once. */
bool tw_conv_packed(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y);
/* PyTorch's guess from sizes and strides of a 4-d tensor: are its channels meant to be last? */
bool tw_wants_channels_last(const tw_tensor *t);
#endif
