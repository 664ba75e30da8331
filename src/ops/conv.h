/* Convolution over up to three dimensions and its two gradients, for any strides. */
#ifndef TW_OPS_CONV_H
#define TW_OPS_CONV_H
#include "ops/op.h"

/* Dimensions are z, y, x; those that a call lacks have size 1 and a window of 1. */
typedef struct tw_conv_shape {
    int64_t images, channels, filters, groups;
    int64_t in[3], out[3], window[3], stride[3], padding[3], dilation[3];
} tw_conv_shape;

enum { CONV_FORWARD, CONV_INPUT, CONV_WEIGHT }; /* which of y, x, w is computed from the other two */

/* x (images, channels, in), w (filters, channels / groups, window), y (images, filters, out), one dtype, each of five dimensions.
 * bias (NULL: none) is added to what is computed: y, or x with CONV_INPUT. false only for want of memory, or with PyTorch's text for a
 * dtype that it refuses. */
bool tw_conv_run(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y);
/* The same in float32 or float64. */
bool tw_conv_packed(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y);
/* PyTorch's guess from sizes and strides of a 4-d or 5-d tensor: are its channels meant to be last? */
bool tw_wants_channels_last(const tw_tensor *t);
/* Sets strides of a result to channels last, of 4 or 5 dimensions. */
void tw_set_channels_last(tw_meta *m);
/* Convolutions with one filter for each channel, channels last. */
bool tw_conv_is_depthwise(const tw_conv_shape *s, const tw_tensor *x, const tw_tensor *y);
bool tw_conv_depthwise(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y);
#endif
