/* vmap of convolution and pooling. A batch of convolutions is one convolution with as many times the groups. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

/* (B, N, C, ...) or (N, C, ...) as (N, B * C, ...). */
static tw_tensor *channels_of(tw_pool *p, tw_tensor *t, bool batched, int64_t size) {
    int64_t sizes[TW_MAX_DIMS], wide[TW_MAX_DIMS];
    tw_tensor *x = batched ? TEMP(p, transpose_int, T(t), I(0), I(1)) : TEMP(p, unsqueeze, T(t), I(1));
    if (!x) return NULL;
    int n = x->ndim;
    memcpy(wide, x->sizes, (size_t)n * sizeof *wide);
    wide[1] = size;
    if (!batched) x = TEMP(p, expand, T(x), INTS(wide, n));
    sizes[0] = wide[0], sizes[1] = wide[1] * wide[2];
    for (int i = 3; i < n; i++) sizes[i - 1] = wide[i];
    return TEMP(p, reshape, T(x), INTS(sizes, n - 1));
}

/* (N, B * C, ...) back to (B, N, C, ...). */
static tw_tensor *channels_back(tw_pool *p, tw_tensor *t, int64_t size) {
    int64_t sizes[TW_MAX_DIMS];
    if (!t) return NULL;
    sizes[0] = t->sizes[0], sizes[1] = size, sizes[2] = t->sizes[1] / size;
    for (int i = 2; i < t->ndim; i++) sizes[i + 1] = t->sizes[i];
    return TEMP(p, transpose_int, T(TEMP(p, reshape, T(t), INTS(sizes, t->ndim + 1))), I(0), I(1));
}

/* (B, O, ...) or (O, ...) as (B, O, ...). */
static tw_tensor *spread(tw_pool *p, tw_tensor *t, bool batched, int64_t size) {
    int64_t sizes[TW_MAX_DIMS];
    if (batched) return t;
    sizes[0] = size;
    memcpy(sizes + 1, t->sizes, (size_t)t->ndim * sizeof *sizes);
    return TEMP(p, expand, T(t), INTS(sizes, t->ndim + 1));
}

/* (B, O, ...) or (O, ...) as (B * O, ...). */
static tw_tensor *rows_of(tw_pool *p, tw_tensor *t, bool batched, int64_t size) {
    int64_t sizes[TW_MAX_DIMS];
    tw_tensor *x = spread(p, t, batched, size);
    if (!x) return NULL;
    memcpy(sizes, x->sizes, (size_t)x->ndim * sizeof *sizes);
    sizes[1] *= size;
    return TEMP(p, reshape, T(x), INTS(sizes + 1, x->ndim - 1));
}

static bool is_batched(uint64_t batched, int i) { return batched >> i & 1; }

/* input, weight, bias, ... of a convolution, transposed or not. */
bool tw_convolution_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *x = channels_of(&p, a[0].t, is_batched(batched, 0), size), *w = rows_of(&p, a[1].t, is_batched(batched, 1), size);
    tw_tensor *bias = a[2].tag == TW_ARG_TENSOR ? rows_of(&p, a[2].t, is_batched(batched, 2), size) : NULL;
    tw_tensor *y = TEMP(&p, convolution, T(x), T(w), T(bias), a[3], a[4], a[5], a[6], a[7], I(a[8].i * size));
    return tw_pool_give(&p, outs, channels_back(&p, y, size));
}

/* gradient, weight (or input), sizes, stride, padding, dilation, groups of the two others. */
bool tw__conv_input_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *g = channels_of(&p, a[0].t, is_batched(batched, 0), size), *w = rows_of(&p, a[1].t, is_batched(batched, 1), size);
    int64_t sizes[TW_MAX_DIMS];
    for (int i = 0; i < a[2].n; i++) sizes[i] = i == 1 ? a[2].ints[i] * size : a[2].ints[i];
    tw_tensor *x = TEMP(&p, _conv_input, T(g), T(w), INTS(sizes, a[2].n), a[3], a[4], a[5], I(a[6].i * size));
    return tw_pool_give(&p, outs, channels_back(&p, x, size));
}

bool tw__conv_weight_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *g = channels_of(&p, a[0].t, is_batched(batched, 0), size), *x = channels_of(&p, a[1].t, is_batched(batched, 1), size);
    int64_t sizes[TW_MAX_DIMS + 1];
    for (int i = 0; i < a[2].n; i++) sizes[i + 1] = a[2].ints[i];
    sizes[1] *= size;
    tw_tensor *w = TEMP(&p, _conv_weight, T(g), T(x), INTS(sizes + 1, a[2].n), a[3], a[4], a[5], I(a[6].i * size));
    sizes[0] = size, sizes[1] = a[2].ints[0];
    return tw_pool_give(&p, outs, TEMP(&p, reshape, T(w), INTS(sizes, a[2].n + 1)));
}

/* (B, N, C, ...) as (B * N, C, ...), (B, C, ...) as it is: the last dims + 1 dimensions stay. */
static tw_tensor *images_of(tw_pool *p, tw_tensor *t, bool batched, int64_t size, int dims) {
    int64_t sizes[TW_MAX_DIMS];
    tw_tensor *x = spread(p, t, batched, size);
    if (!x || x->ndim == dims + 2) return x;
    memcpy(sizes, x->sizes, (size_t)x->ndim * sizeof *sizes);
    sizes[1] *= size;
    return TEMP(p, reshape, T(x), INTS(sizes + 1, x->ndim - 1));
}

/* ndim: that of one sample. */
static tw_tensor *images_back(tw_pool *p, tw_tensor *t, int ndim, int64_t size, int dims) {
    int64_t sizes[TW_MAX_DIMS];
    if (!t || ndim == dims + 1) return t;
    memcpy(sizes + 1, t->sizes, (size_t)t->ndim * sizeof *sizes);
    sizes[0] = size, sizes[1] /= size ? size : 1;
    return TEMP(p, reshape, T(t), INTS(sizes, t->ndim + 1));
}

static bool max_pool_batch(const tw_arg *a, uint64_t batched, int64_t size, int op, int dims, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *both[TW_MAX_OUTS] = {NULL};
    int ndim = a[0].t->ndim - 1;
    tw_arg b[] = {T(images_of(&p, a[0].t, is_batched(batched, 0), size, dims)), a[1], a[2], a[3], a[4], a[5]};
    if (b[0].t && tw_call(&tw_ops[op], b, both))
        for (int i = 0; i < 2; i++) outs[i] = tw_retain(images_back(&p, tw_pool_own(&p, both[i]), ndim, size, dims));
    return tw_pool_done(&p, outs, 2);
}

bool tw_max_pool1d_with_indices_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return max_pool_batch(a, batched, size, TW_OP_max_pool1d_with_indices, 1, outs);
}
bool tw_max_pool2d_with_indices_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return max_pool_batch(a, batched, size, TW_OP_max_pool2d_with_indices, 2, outs);
}
bool tw_max_pool3d_with_indices_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return max_pool_batch(a, batched, size, TW_OP_max_pool3d_with_indices, 3, outs);
}

bool tw__pool_scatter_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *t[3];
    int ndim = a[1].t->ndim - is_batched(batched, 1), dims = (int)a[3].i;
    for (int i = 0; i < 3; i++) t[i] = images_of(&p, a[i].t, is_batched(batched, i), size, dims);
    return tw_pool_give(&p, outs, images_back(&p, TEMP(&p, _pool_scatter, T(t[0]), T(t[1]), T(t[2]), a[3], a[4]), ndim, size, dims));
}

bool tw__pool_gather_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    int ndim = a[0].t->ndim - is_batched(batched, 0), dims = (int)a[2].i;
    tw_tensor *x = images_of(&p, a[0].t, is_batched(batched, 0), size, dims), *at = images_of(&p, a[1].t, is_batched(batched, 1), size, dims);
    return tw_pool_give(&p, outs, images_back(&p, TEMP(&p, _pool_gather, T(x), T(at), a[2], a[3]), ndim, size, dims));
}
