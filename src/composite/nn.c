/* Convolution as users call them: unbatched inputs, padding by name. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

/* An input of dims + 1 dimensions becomes a batch of one; any number but that and dims + 2 is refused. */
static bool check_batch(const tw_tensor *x, int dims, const char *name) {
    if (x->ndim == dims + 1 || x->ndim == dims + 2) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Expected %dD (unbatched) or %dD (batched) input to %s, but got input of size: %s", dims + 1, dims + 2, name,
                   tw_sizes_text(x->sizes, x->ndim));
}

typedef struct conv_call {
    tw_tensor *input;
    tw_arg weight, bias, stride, padding, dilation, output_padding, groups;
    bool transposed;
    int dims;
} conv_call;

static tw_tensor *convolve(tw_pool *p, const conv_call *c, tw_tensor *x) {
    bool unbatched = c->input->ndim == c->dims + 1;
    if (unbatched) x = TEMP(p, unsqueeze, T(x), I(0));
    tw_tensor *y = CALL(convolution, T(x), c->weight, c->bias, c->stride, c->padding, c->dilation, B(c->transposed), c->output_padding, c->groups);
    if (!unbatched) return y;
    return CALL(squeeze_dim, T(tw_pool_own(p, y)), I(0));
}

/* conv1d, conv2d, conv3d: input, weight, bias, stride, padding, dilation, groups. */
static bool conv_numbers(const tw_arg *a, int dims, const char *name, tw_tensor **outs) {
    static const int64_t zero[1] = {0};
    tw_pool p = {0};
    conv_call c = {a[0].t, a[1], a[2], a[3], a[4], a[5], INTS(zero, 1), a[6], false, dims};
    if (!check_batch(c.input, dims, name)) return false;
    outs[0] = convolve(&p, &c, c.input);
    return tw_pool_done(&p, outs, 1);
}

/* input, weight, bias, stride, padding, output_padding, groups, dilation. */
static bool conv_transpose(const tw_arg *a, int dims, const char *name, tw_tensor **outs) {
    tw_pool p = {0};
    conv_call c = {a[0].t, a[1], a[2], a[3], a[4], a[7], a[5], a[6], true, dims};
    if (!check_batch(c.input, dims, name)) return false;
    outs[0] = convolve(&p, &c, c.input);
    return tw_pool_done(&p, outs, 1);
}

static bool check_same(const conv_call *c) {
    const tw_tensor *w = c->weight.t;
    if (w->ndim < 3) return tw_fail(TW_RUNTIME_ERROR, "weight should have at least three dimensions");
    if (tw_a_get_int(&c->groups, 1) <= 0) return tw_fail(TW_RUNTIME_ERROR, "non-positive groups is not supported");
    int dim = w->ndim - 2, ndim = c->input->ndim == c->dims + 1 ? c->dims + 2 : c->input->ndim;
    if (w->ndim != ndim) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected %d-dimensional input for %d-dimensional weight %s, but got %d-dimensional input of size %s "
                       "instead", w->ndim, w->ndim, tw_sizes_text(w->sizes, w->ndim), ndim,
                       tw_sizes_text(c->input->sizes, c->input->ndim));
    }
    if (c->stride.n != 1 && c->stride.n != dim) return tw_fail(TW_RUNTIME_ERROR, "stride cannot broadcast to %d dimensions", dim);
    if (c->dilation.n != 1 && c->dilation.n != dim) return tw_fail(TW_RUNTIME_ERROR, "dilation cannot broadcast to %d dimensions", dim);
    for (int i = 0; i < c->stride.n; i++) {
        if (c->stride.ints[i] != 1) return tw_fail(TW_RUNTIME_ERROR, "padding='same' is not supported for strided convolutions");
    }
    return true;
}

/* padding='same': dilation * (window - 1) in all; where that is odd, one more after the input. */
static bool conv_named(const tw_arg *a, int dims, const char *name, tw_tensor **outs) {
    static const int64_t zero[1] = {0};
    int64_t each[3] = {0, 0, 0}, extra[6] = {0};
    tw_pool p = {0};
    conv_call c = {a[0].t, a[1], a[2], a[3], INTS(zero, 1), a[5], INTS(zero, 1), a[6], false, dims};
    tw_tensor *x = c.input;
    if (!check_batch(x, dims, name)) return false;
    bool same = strcmp(a[4].s, "same") == 0, odd = false;
    if (!same && strcmp(a[4].s, "valid") != 0) return tw_fail(TW_RUNTIME_ERROR, "Invalid padding string: '%s'", a[4].s);
    if (same && !check_same(&c)) return false;
    for (int i = 0; same && i < dims; i++) {
        int64_t total;
        if (__builtin_mul_overflow(c.dilation.ints[c.dilation.n == 1 ? 0 : i], a[1].t->sizes[i + 2] - 1, &total))
            return tw_fail(TW_RUNTIME_ERROR, "%s: the dilation is too large for padding='same'", name);
        each[i] = total / 2;
        if (total % 2) extra[2 * (dims - 1 - i) + 1] = 1, odd = true;
    }
    if (odd) x = TEMP(&p, constant_pad_nd, T(x), INTS(extra, 2 * dims));
    if (same) c.padding = INTS(each, dims);
    outs[0] = convolve(&p, &c, x);
    return tw_pool_done(&p, outs, 1);
}

#define CONVOLUTION(N) \
    bool tw_conv##N##d_composite(const tw_arg *a, tw_tensor **outs) { return conv_numbers(a, N, "conv" #N "d", outs); } \
    bool tw_conv##N##d_padding_composite(const tw_arg *a, tw_tensor **outs) { return conv_named(a, N, "conv" #N "d", outs); }
CONVOLUTION(1)
CONVOLUTION(2)
CONVOLUTION(3)
bool tw_conv_transpose1d_composite(const tw_arg *a, tw_tensor **outs) { return conv_transpose(a, 1, "conv_transpose1d", outs); }
bool tw_conv_transpose2d_input_composite(const tw_arg *a, tw_tensor **outs) { return conv_transpose(a, 2, "conv_transpose2d", outs); }
bool tw_conv_transpose3d_input_composite(const tw_arg *a, tw_tensor **outs) { return conv_transpose(a, 3, "conv_transpose3d", outs); }

bool tw__convolution_composite(const tw_arg *a, tw_tensor **outs) { return tw_call(&tw_ops[TW_OP_convolution], a, outs); }

/* (time, batch, channels) is a convolution over (batch, channels, time). */
bool tw_conv_tbc_composite(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *x = a[0].t, *w = a[1].t, *bias = a[2].t;
    if (x->ndim != 3) return tw_fail(TW_RUNTIME_ERROR, "Input must have 3 dims: time, batch, in_channel");
    if (w->ndim != 3) return tw_fail(TW_RUNTIME_ERROR, "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.");
    if (bias->ndim != 1) return tw_fail(TW_RUNTIME_ERROR, "Bias must be 1-D");
    if (x->sizes[2] != w->sizes[1]) return tw_fail(TW_RUNTIME_ERROR, "Input dim 2 (input channels) is not == dim 1 in the weight tensor");
    if (w->sizes[2] != bias->sizes[0]) return tw_fail(TW_RUNTIME_ERROR, "Bias size must equal dim 2 in the weight tensor (output channels).");
    static const int64_t to_front[] = {1, 2, 0}, filters_first[] = {2, 1, 0}, back[] = {2, 0, 1}, one[] = {1}, zero[] = {0};
    tw_pool p = {0};
    tw_tensor *rows = TEMP(&p, permute, a[0], INTS(to_front, 3)), *filters = TEMP(&p, permute, a[1], INTS(filters_first, 3));
    const int64_t pad[] = {tw_a_get_int(&a[3], 0)};
    tw_tensor *y = TEMP(&p, convolution, T(rows), T(filters), a[2], INTS(one, 1), INTS(pad, 1), INTS(one, 1), B(false), INTS(zero, 1), I(1));
    outs[0] = CALL(contiguous, T(TEMP(&p, permute, T(y), INTS(back, 3))));
    return tw_pool_done(&p, outs, 1);
}

bool tw__sum_channels_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t dims[TW_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < a[0].t->ndim; i++)
        if (i != 1) dims[n++] = i;
    outs[0] = n ? CALL(sum_dim_IntList, a[0], INTS(dims, n)) : tw_retain(a[0].t);
    return outs[0] != NULL;
}

bool tw__crop_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *t = a[0].t;
    for (int i = 0; t && i < a[1].n; i++)
        if (t->sizes[i] > a[1].ints[i]) t = TEMP(&p, narrow, T(t), I(i), I(0), I(a[1].ints[i]));
    outs[0] = tw_retain(t);
    return tw_pool_done(&p, outs, 1);
}

bool tw__channel_view_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t sizes[TW_MAX_DIMS];
    int n = (int)tw_a_get_int(&a[1], 2);
    for (int i = 0; i < n; i++) sizes[i] = i == 1 ? -1 : 1;
    outs[0] = CALL(reshape, a[0], INTS(sizes, n));
    return outs[0] != NULL;
}
