/* vmap of convolution, pooling and losses. A batch of convolutions is one convolution with as many times the groups. */
#include "composite/linalg_chain.h"
#include "core/memory.h"
#include <string.h>

static int64_t product(const int64_t *sizes, int n) {
    int64_t all = 1;
    for (int i = 0; i < n; i++) all *= sizes[i];
    return all;
}

/* (B, N, C, ...) or (N, C, ...) as (N, B * C, ...). */
static tw_tensor *channels_of(tw_tensor *t, bool batched, int64_t size) {
    int64_t sizes[TW_MAX_DIMS], wide[TW_MAX_DIMS];
    tw_tensor *x = batched ? tw_op_transpose_int(t, 0, 1) : tw_op_unsqueeze(t, 1);
    if (!x) return NULL;
    int n = x->ndim;
    memcpy(wide, x->sizes, (size_t)n * sizeof *wide);
    wide[1] = size;
    if (!batched) x = tw_chain(x, tw_op_expand(x, wide, n, false));
    sizes[0] = wide[0], sizes[1] = wide[1] * wide[2];
    for (int i = 3; i < n; i++) sizes[i - 1] = wide[i];
    return x ? tw_chain(x, tw_op_reshape(x, sizes, n - 1)) : NULL;
}

/* (N, B * C, ...) back to (B, N, C, ...). */
static tw_tensor *channels_back(tw_tensor *owned, int64_t size) {
    int64_t sizes[TW_MAX_DIMS];
    if (!owned) return NULL;
    int n = owned->ndim;
    sizes[0] = owned->sizes[0], sizes[1] = size, sizes[2] = owned->sizes[1] / size;
    for (int i = 2; i < n; i++) sizes[i + 1] = owned->sizes[i];
    tw_tensor *t = tw_chain(owned, tw_op_reshape(owned, sizes, n + 1));
    return t ? tw_chain(t, tw_op_transpose_int(t, 0, 1)) : NULL;
}

/* (B, O, ...) or (O, ...) as (B * O, ...). */
static tw_tensor *rows_of(tw_tensor *t, bool batched, int64_t size) {
    int64_t sizes[TW_MAX_DIMS];
    tw_tensor *x = batched ? tw_retain(t) : tw_op_unsqueeze(t, 0);
    if (!x) return NULL;
    int n = x->ndim;
    memcpy(sizes, x->sizes, (size_t)n * sizeof *sizes);
    sizes[0] = size;
    if (!batched) x = tw_chain(x, tw_op_expand(x, sizes, n, false));
    sizes[1] *= size;
    return x ? tw_chain(x, tw_op_reshape(x, sizes + 1, n - 1)) : NULL;
}

/* input, weight, bias, ... of a convolution, transposed or not. */
bool tw_convolution_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_tensor *bias = tw_optional(&a[2]);
    tw_tensor *x = channels_of(a[0].t, batched & 1, size), *w = x ? rows_of(a[1].t, (batched & 2) != 0, size) : NULL;
    tw_tensor *b = w && bias ? rows_of(bias, (batched & 4) != 0, size) : NULL, *y = NULL;
    if (w && (b || !bias)) {
        y = tw_op_convolution(x, w, b, a[3].ints, a[3].n, a[4].ints, a[4].n, a[5].ints, a[5].n, a[6].i, a[7].ints, a[7].n, a[8].i * size);
    }
    tw_release(b);
    return tw_give(outs, channels_back(tw_chain2(x, w, y), size));
}

/* gradient, weight (or input), sizes, stride, padding, dilation, groups of the two others. */
bool tw__conv_input_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_tensor *g = channels_of(a[0].t, batched & 1, size), *w = g ? rows_of(a[1].t, (batched & 2) != 0, size) : NULL;
    int64_t sizes[5];
    for (int i = 0; i < a[2].n; i++) sizes[i] = i == 1 ? a[2].ints[i] * size : a[2].ints[i];
    tw_tensor *x = w ? tw_op__conv_input(g, w, sizes, a[2].n, a[3].ints, a[3].n, a[4].ints, a[4].n, a[5].ints, a[5].n, a[6].i * size) : NULL;
    return tw_give(outs, channels_back(tw_chain2(g, w, x), size));
}

bool tw__conv_weight_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_tensor *g = channels_of(a[0].t, batched & 1, size), *x = g ? channels_of(a[1].t, (batched & 2) != 0, size) : NULL;
    int64_t sizes[6];
    for (int i = 0; i < a[2].n; i++) sizes[i + 1] = a[2].ints[i];
    sizes[1] *= size;
    tw_tensor *w = x ? tw_op__conv_weight(g, x, sizes + 1, a[2].n, a[3].ints, a[3].n, a[4].ints, a[4].n, a[5].ints, a[5].n, a[6].i * size) : NULL;
    w = tw_chain2(g, x, w);
    sizes[0] = size, sizes[1] = a[2].ints[0];
    return w && tw_give(outs, tw_chain(w, tw_op_reshape(w, sizes, a[2].n + 1)));
}

/* (B, N, C, H, W) as (B * N, C, H, W), (B, C, H, W) as it is. */
static tw_tensor *images_of(tw_tensor *t, bool batched, int64_t size) {
    tw_tensor *x = batched ? tw_retain(t) : tw_op_unsqueeze(t, 0);
    if (!x) return NULL;
    int64_t sizes[TW_MAX_DIMS];
    int n = x->ndim;
    memcpy(sizes, x->sizes, (size_t)n * sizeof *sizes);
    sizes[0] = size;
    if (!batched) x = tw_chain(x, tw_op_expand(x, sizes, n, false));
    if (n == 4 || !x) return x;
    int64_t flat[] = {product(sizes, n - 3), sizes[n - 3], sizes[n - 2], sizes[n - 1]};
    return tw_chain(x, tw_op_reshape(x, flat, 4));
}

static tw_tensor *images_back(tw_tensor *owned, int ndim, int64_t size) {
    if (!owned || ndim == 3) return owned;
    const int64_t *s = owned->sizes;
    return tw_chain(owned, tw_op_reshape(owned, (int64_t[]){size, s[0] / size, s[1], s[2], s[3]}, 5));
}

bool tw_max_pool2d_with_indices_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_arg b[6];
    int ndim = a[0].t->ndim - 1;
    tw_tensor *x = images_of(a[0].t, batched & 1, size);
    memcpy(b, a, sizeof b);
    b[0] = tw_a_tensor(x);
    bool ok = x && tw_call(&tw_ops[TW_OP_max_pool2d_with_indices], b, outs);
    tw_release(x);
    for (int i = 0; ok && i < 2; i++) ok = (outs[i] = images_back(outs[i], ndim, size)) != NULL;
    return ok;
}

bool tw__max_pool2d_scatter_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    int ndim = a[1].t->ndim - (batched & 2 ? 1 : 0);
    tw_tensor *g = images_of(a[0].t, batched & 1, size), *self = g ? images_of(a[1].t, (batched & 2) != 0, size) : NULL;
    tw_tensor *at = self ? images_of(a[2].t, (batched & 4) != 0, size) : NULL, *x = at ? tw_op__max_pool2d_scatter(g, self, at) : NULL;
    tw_release(self);
    return tw_give(outs, images_back(tw_chain2(g, at, x), ndim, size));
}

bool tw__max_pool2d_gather_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    int ndim = a[0].t->ndim - (batched & 1 ? 1 : 0);
    tw_tensor *x = images_of(a[0].t, batched & 1, size), *at = x ? images_of(a[1].t, (batched & 2) != 0, size) : NULL;
    return tw_give(outs, images_back(tw_chain2(x, at, at ? tw_op__max_pool2d_gather(x, at) : NULL), ndim, size));
}

/* One call for each element of the batch, results stacked. */
static bool one_by_one(const tw_op *op, const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_tensor **results = tw_calloc((size_t)(size ? size : 1), (size_t)op->nouts * sizeof *results);
    bool ok = results != NULL;
    for (int64_t i = 0; ok && i < size; i++) {
        tw_arg b[TW_MAX_ARGS];
        tw_tensor *one[TW_MAX_OUTS] = {NULL}, *picked[TW_MAX_ARGS] = {NULL};
        for (int p = 0; p < op->nparams; p++) {
            b[p] = a[p];
            if (!(batched >> p & 1)) continue;
            picked[p] = ok ? tw_op_select_int(a[p].t, 0, i) : NULL;
            if (!picked[p]) ok = false;
            else b[p] = tw_a_tensor(picked[p]);
        }
        ok = ok && tw_call(op, b, one);
        for (int r = 0; r < op->nouts; r++) results[r * size + i] = one[r];
        for (int p = 0; p < op->nparams; p++) tw_release(picked[p]);
    }
    for (int r = 0; ok && r < op->nouts; r++) ok = (outs[r] = tw_op_stack(results + r * size, size, 0)) != NULL;
    for (int64_t i = 0; results && i < op->nouts * size; i++) tw_release(results[i]);
    tw_free(results);
    return ok;
}

bool tw_nll_loss_forward_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return one_by_one(&tw_ops[TW_OP_nll_loss_forward], a, batched, size, outs);
}
bool tw_nll_loss_backward_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return one_by_one(&tw_ops[TW_OP_nll_loss_backward], a, batched, size, outs);
}
