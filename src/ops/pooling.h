/* What poolings share: their arguments, checks in PyTorch's words, sizes of results. */
#ifndef TW_OPS_POOLING_H
#define TW_OPS_POOLING_H
#include "ops/op.h"

/* Dimensions are z, y, x; those that a call lacks have one place of one window. */
typedef struct tw_pooling {
    const char *name;        /* "max_pool2d" */
    int dims;
    int64_t images, channels, in[3], out[3], window[3], stride[3], padding[3], dilation[3];
} tw_pooling;

/* From arguments kernel_size, stride (none or empty: the window), padding, dilation (NULL: 1); p->name and p->dims are set.
 * average: with the checks of average pooling. */
bool tw_pooling_read(tw_pooling *p, const tw_tensor *x, const tw_arg *kernel, const tw_arg *stride, const tw_arg *padding,
                     const tw_arg *dilation, bool ceil_mode, bool average);
/* Images, channels and sizes of x, which has dims + 1 or dims + 2 dimensions. */
void tw_pooling_sizes(tw_pooling *p, const tw_tensor *x);
/* The result: sizes of x with `out` for the last ones; channels last if x is and `keep` is set. */
bool tw_pooling_meta(const tw_pooling *p, const tw_tensor *x, tw_dtype dtype, bool keep, tw_meta *out);
/* One number for each dimension, or one for all; false and no error for a list of another length. */
bool tw_pooling_list(const tw_arg *a, int dims, int64_t fill, int64_t into[3]);
/* Sizes as messages give them: one dimension is an image of one row. */
const char *tw_pooling_text(const tw_tensor *x, int dims);
#endif
