/* Batching rules (vmap) of indexing, scans and softmax: dim 0 of a batched argument is the batch. Dims of the op move on by one;
 * arguments that are not batched are expanded. */
#include "composite/boxed.h"
#include "ops_decl.h"

static bool is_batched(uint64_t batched, int i) { return batched >> i & 1; }

/* The argument with the batch at dim 0; `rank`: 0-d inputs become 1-d beneath the batch. */
static tw_tensor *with_batch(tw_pool *p, const tw_arg *a, bool batched, int64_t size) {
    int64_t sizes[TW_MAX_DIMS];
    tw_tensor *t = a->t;
    if (!batched) {
        sizes[0] = size;
        for (int d = 0; d < t->ndim; d++) sizes[d + 1] = t->sizes[d];
        t = TEMP(p, expand, T(t), INTS(sizes, t->ndim + 1));
    }
    return t && t->ndim == 1 ? TEMP(p, unsqueeze, T(t), I(1)) : t;
}

/* The op's dim, one further; ndim: without the batch. */
static int64_t shifted(int64_t dim, int ndim) { return tw_wrap_dim(&dim, ndim) ? dim + 1 : 0; }

/* One tensor argument, its dim at args[1]: cumsum, _softmax, _log_softmax. */
static bool along_dim(int id, const tw_arg *a, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    int ndim = a[0].t->ndim - 1;
    tw_tensor *self = with_batch(&p, &a[0], true, size);
    outs[0] = tw_call1(id, 3, (const tw_arg[]){T(self), I(shifted(a[1].i, ndim)), a[2]});
    if (outs[0] && ndim == 0) outs[0] = CALL(squeeze_dim, T(tw_pool_own(&p, outs[0])), I(1));
    return tw_pool_done(&p, outs, 1);
}

bool tw_cumsum_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched;
    return along_dim(TW_OP_cumsum, a, size, outs);
}
bool tw__softmax_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched;
    return along_dim(TW_OP__softmax, a, size, outs);
}
bool tw__log_softmax_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched;
    return along_dim(TW_OP__log_softmax, a, size, outs);
}

/* (grad_output, output, dim, input_dtype) */
static bool softmax_backward(int id, const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    int ndim = a[0].t->ndim - is_batched(batched, 0);
    tw_tensor *grad = with_batch(&p, &a[0], is_batched(batched, 0), size), *out = with_batch(&p, &a[1], is_batched(batched, 1), size);
    outs[0] = tw_call1(id, 4, (const tw_arg[]){T(grad), T(out), I(shifted(a[2].i, ndim)), a[3]});
    if (outs[0] && ndim == 0) outs[0] = CALL(squeeze_dim, T(tw_pool_own(&p, outs[0])), I(1));
    return tw_pool_done(&p, outs, 1);
}
bool tw__softmax_backward_data_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return softmax_backward(TW_OP__softmax_backward_data, a, batched, size, outs);
}
bool tw__log_softmax_backward_data_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    return softmax_backward(TW_OP__log_softmax_backward_data, a, batched, size, outs);
}

/* (self, dim, index) */
bool tw_gather_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    int ndim = a[0].t->ndim - is_batched(batched, 0), index_ndim = a[2].t->ndim - is_batched(batched, 2);
    tw_tensor *self = with_batch(&p, &a[0], is_batched(batched, 0), size), *index = with_batch(&p, &a[2], is_batched(batched, 2), size);
    outs[0] = CALL(gather, T(self), I(shifted(a[1].i, ndim)), T(index));
    if (outs[0] && index_ndim == 0) outs[0] = CALL(squeeze_dim, T(tw_pool_own(&p, outs[0])), I(1));
    return tw_pool_done(&p, outs, 1);
}

/* (self, dim, index, src) */
bool tw_scatter_add_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    int ndim = a[0].t->ndim - is_batched(batched, 0);
    tw_tensor *self = with_batch(&p, &a[0], is_batched(batched, 0), size), *index = with_batch(&p, &a[2], is_batched(batched, 2), size);
    tw_tensor *src = with_batch(&p, &a[3], is_batched(batched, 3), size);
    outs[0] = CALL(scatter_add, T(self), I(shifted(a[1].i, ndim)), T(index), T(src));
    if (outs[0] && ndim == 0) outs[0] = CALL(squeeze_dim, T(tw_pool_own(&p, outs[0])), I(1));
    return tw_pool_done(&p, outs, 1);
}
