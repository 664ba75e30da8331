/* Convolution and pooling as users call them: unbatched inputs, one dimension, padding by name. */
#include "composite/linalg_chain.h"
#include <string.h>

static tw_arg list_or(const tw_arg *a, int64_t otherwise, int64_t *room) { /* one entry for each dimension, or the given list */
    if (a->tag == TW_ARG_INTS) return *a;
    room[0] = tw_a_get_int(a, otherwise);
    return tw_a_ints(room, 1);
}

static bool check_length(const tw_arg *a, const char *name, int dims) {
    if (a->n == 1 || a->n == dims) return true;
    return tw_fail(TW_RUNTIME_ERROR, "expected %s to be a single integer value or a list of %d values to match the convolution dimensions, "
                   "but got %s=%s", name, dims, name, tw_sizes_text(a->ints, a->n));
}

typedef struct conv_call { /* of conv1d or conv2d; a list has one entry or one for each dimension */
    tw_tensor *input, *weight, *bias;
    tw_arg stride, padding, dilation;
    int64_t groups, room[3];
    int dims;
} conv_call;

static bool check_conv(const conv_call *c) {
    const tw_tensor *x = c->input, *w = c->weight;
    if (x->ndim != c->dims + 1 && x->ndim != c->dims + 2) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected %dD (unbatched) or %dD (batched) input to conv%dd, but got input of size: %s", c->dims + 1,
                       c->dims + 2, c->dims, tw_sizes_text(x->sizes, x->ndim));
    }
    if (w->ndim < 3) {
        return tw_fail(TW_RUNTIME_ERROR, "weight should have at least three dimensions");
    }
    int dims = w->ndim - 2;
    return check_length(&c->stride, "stride", dims) && check_length(&c->padding, "padding", dims) &&
           check_length(&c->dilation, "dilation", dims);
}

/* What _conv2d would say about two dimensions, said about one. */
static bool check_conv1d(const conv_call *c) {
    const tw_tensor *x = c->input, *w = c->weight;
    int64_t n = x->sizes[x->ndim - 2], groups = c->groups, padded = x->sizes[x->ndim - 1] + 2 * c->padding.ints[0];
    if (c->padding.ints[0] < 0 || c->stride.ints[0] <= 0 || c->dilation.ints[0] <= 0 || groups <= 0 || w->ndim != 3) return true;
    if (w->sizes[0] >= groups && w->sizes[0] % groups == 0 && n != w->sizes[1] * groups) {
        int64_t sizes[3] = {1, x->sizes[x->ndim - 2], x->sizes[x->ndim - 1]};
        if (x->ndim == 3) sizes[0] = x->sizes[0];
        return tw_fail(TW_RUNTIME_ERROR, "Given groups=%lld, weight of size %s, expected input%s to have %lld channels, but got %lld channels "
                       "instead", (long long)groups, tw_sizes_text(w->sizes, 3), tw_sizes_text(sizes, 3), (long long)(w->sizes[1] * groups),
                       (long long)n);
    }
    if (c->bias && (c->bias->ndim != 1 || c->bias->sizes[0] != w->sizes[0])) {
        return tw_fail(TW_RUNTIME_ERROR, "Given weight of size %s, expected bias to be 1-dimensional with %lld elements, but got bias of "
                       "size %s instead", tw_sizes_text(w->sizes, 3), (long long)w->sizes[0], tw_sizes_text(c->bias->sizes, c->bias->ndim));
    }
    int64_t window = c->dilation.ints[0] * (w->sizes[2] - 1) + 1;
    if (padded >= window) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Calculated padded input size per channel: (%lld). Kernel size: (%lld). Kernel size can't be greater than "
                   "actual input size", (long long)padded, (long long)window);
}

static tw_tensor *conv(const conv_call *c) {
    tw_tensor *x = tw_retain(c->input), *w = tw_retain(c->weight), *out = NULL;
    const int64_t *st = c->stride.ints, *pad = c->padding.ints, *dil = c->dilation.ints;
    bool unbatched = x->ndim == c->dims + 1, row = c->dims == 1;
    if (!check_conv(c) || (row && !check_conv1d(c))) goto done;
    if (unbatched) x = tw_chain(x, tw_op_unsqueeze(x, 0));
    if (row) {
        if (x) x = tw_chain(x, tw_op_unsqueeze(x, 2));
        w = tw_chain(w, tw_op_unsqueeze(w, 2));
    }
    if (!x || !w) goto done;
    if (row) {
        int64_t s[] = {1, st[0]}, p[] = {0, pad[0]}, d[] = {1, dil[0]};
        out = tw_op__conv2d(x, w, c->bias, s, 2, p, 2, d, 2, c->groups);
    } else {
        out = tw_op__conv2d(x, w, c->bias, st, c->stride.n, pad, c->padding.n, dil, c->dilation.n, c->groups);
    }
    if (out && row) out = tw_chain(out, tw_op_squeeze_dim(out, 2));
    if (out && unbatched) out = tw_chain(out, tw_op_squeeze_dim(out, 0));
done:
    tw_release(x);
    tw_release(w);
    return out;
}

static conv_call call_of(const tw_arg *a, int dims, int64_t *room) {
    return (conv_call){.input = a[0].t, .weight = a[1].t, .bias = tw_optional(&a[2]), .stride = list_or(&a[3], 1, room),
                       .dilation = list_or(&a[5], 1, room + 1), .groups = tw_a_get_int(&a[6], 1), .dims = dims};
}

static bool conv_numbers(const tw_arg *a, int dims, tw_tensor **out) {
    int64_t room[3];
    conv_call c = call_of(a, dims, room);
    c.padding = list_or(&a[4], 0, room + 2);
    return tw_give(out, conv(&c));
}

static bool names(const char *text, const char *word) { return strcmp(text, word) == 0; }

/* padding='same': dilation * (window - 1) in all, the odd one after the input. That one is computed as one more place at the start,
 * which is cut off. */
static bool conv_named(const tw_arg *a, int dims, tw_tensor **out) {
    int64_t room[3], each[2] = {0, 0};
    bool odd[2] = {false, false};
    conv_call c = call_of(a, dims, room);
    if (names(a[4].s, "valid")) {
        c.padding = tw_a_ints(each, dims);
        return tw_give(out, conv(&c));
    }
    if (!names(a[4].s, "same")) return tw_fail(TW_RUNTIME_ERROR, "Invalid padding string: '%s'", a[4].s);
    int batched = c.input->ndim == dims + 1 ? dims + 2 : c.input->ndim;
    if (c.weight->ndim != batched && (c.input->ndim == dims + 1 || c.input->ndim == dims + 2)) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected %d-dimensional input for %d-dimensional weight %s, but got %d-dimensional input of size %s "
                       "instead", c.weight->ndim, c.weight->ndim, tw_sizes_text(c.weight->sizes, c.weight->ndim), batched,
                       tw_sizes_text(c.input->sizes, c.input->ndim));
    }
    for (int i = 0; i < c.stride.n; i++) {
        if (c.stride.ints[i] != 1) return tw_fail(TW_RUNTIME_ERROR, "padding='same' is not supported for strided convolutions");
    }
    for (int i = 0; i < dims && i + 2 < c.weight->ndim; i++) {
        int64_t total = c.dilation.ints[c.dilation.n == 1 ? 0 : i] * (c.weight->sizes[i + 2] - 1);
        each[i] = (total + 1) / 2, odd[i] = total % 2 != 0;
    }
    c.padding = tw_a_ints(each, dims);
    tw_tensor *y = conv(&c);
    for (int i = 0; y && i < dims; i++) {
        if (odd[i]) y = tw_chain(y, tw_op_slice_Tensor(y, y->ndim - dims + i, 1, INT64_MAX, 1));
    }
    if (y && (odd[0] || odd[1])) y = tw_chain(y, tw_op__contiguous(y));
    return tw_give(out, y);
}

bool tw_conv2d_composite(const tw_arg *a, tw_tensor **out) { return conv_numbers(a, 2, out); }
bool tw_conv1d_composite(const tw_arg *a, tw_tensor **out) { return conv_numbers(a, 1, out); }
bool tw_conv2d_padding_composite(const tw_arg *a, tw_tensor **out) { return conv_named(a, 2, out); }
bool tw_conv1d_padding_composite(const tw_arg *a, tw_tensor **out) { return conv_named(a, 1, out); }

bool tw_max_pool2d_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *both[2] = {NULL, NULL};
    if (tw_failed() || !tw_call(&tw_ops[TW_OP_max_pool2d_with_indices], a, both)) return false;
    tw_release(both[1]);
    return tw_give(out, both[0]);
}
