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

bool tw_cumprod_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched;
    return along_dim(TW_OP_cumprod, a, size, outs);
}

/* (self, dim, index, src or a number, ...): the scatters. */
static bool scatter(int id, const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    const int ndim = a[0].t->ndim - is_batched(batched, 0);
    tw_arg b[TW_MAX_ARGS];
    for (int i = 0; i < tw_ops[id].nparams; i++)
        b[i] = a[i].tag == TW_ARG_TENSOR ? T(with_batch(&p, &a[i], is_batched(batched, i), size)) : a[i];
    b[1] = I(shifted(a[1].i, ndim));
    outs[0] = tw_call1(id, tw_ops[id].nparams, b);
    if (outs[0] && ndim == 0) outs[0] = CALL(squeeze_dim, T(tw_pool_own(&p, outs[0])), I(1));
    return tw_pool_done(&p, outs, 1);
}
#define SCATTER(op) \
    bool tw_##op##_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) { \
        return scatter(TW_OP_##op, a, batched, size, outs); \
    }
SCATTER(scatter_add)
SCATTER(scatter_src)
SCATTER(scatter_value)
SCATTER(scatter_reduce)
SCATTER(scatter_value_reduce)
SCATTER(scatter_reduce_two)

/* Values and indices along the dim at args[at]. */
static bool ordered(int id, const tw_arg *a, int at, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *both[TW_MAX_OUTS] = {NULL};
    const int ndim = a[0].t->ndim - 1;
    tw_arg b[TW_MAX_ARGS];
    for (int i = 0; i < tw_ops[id].nparams; i++) b[i] = a[i];
    b[0] = T(with_batch(&p, &a[0], true, size));
    b[at] = I(shifted(a[at].i, ndim));
    if (b[0].t && tw_call(&tw_ops[id], b, both))
        for (int i = 0; i < 2; i++) outs[i] = ndim ? both[i] : CALL(squeeze_dim, T(tw_pool_own(&p, both[i])), I(1));
    return tw_pool_done(&p, outs, 2);
}
bool tw_sort_stable_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched;
    return ordered(TW_OP_sort_stable, a, 2, size, outs);
}
bool tw_topk_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched;
    return ordered(TW_OP_topk, a, 2, size, outs);
}

/* (self, indices): the batch is one index more, in front. All indices have the batch at dim 0, and none is a mask or empty. */
bool tw_index_Tensor_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *index[TW_MAX_DIMS + 1] = {NULL}, *self = with_batch(&p, &a[0], is_batched(batched, 0), size);
    int rank = 0, first = -1, last = -1, count = 0;
    for (int i = 0; i < a[1].n; i++) {
        if (!a[1].ts[i]) continue;
        if (a[1].ts[i]->ndim > rank) rank = a[1].ts[i]->ndim;
        if (first < 0) first = i;
        last = i;
        count++;
    }
    for (int i = 0; i < a[1].n; i++) {
        const tw_tensor *t = a[1].ts[i];
        int64_t sizes[TW_MAX_DIMS];
        if (!t) continue;
        for (int d = 0; d < rank; d++) sizes[d] = d == 0 ? size : d < rank - t->ndim + 1 ? 1 : t->sizes[d - (rank - t->ndim)];
        index[i + 1] = TEMP(&p, reshape, T(a[1].ts[i]), INTS(sizes, rank));
    }
    int64_t ones[TW_MAX_DIMS];
    for (int d = 0; d < rank; d++) ones[d] = d == 0 ? size : 1;
    index[0] = TEMP(&p, reshape, T(TEMP(&p, arange, I(size))), INTS(ones, rank));
    tw_tensor *out = index[0] && self ? TEMP(&p, index_Tensor, T(self), tw_a_tensors(index, a[1].n + 1)) : NULL;
    if (out && first > 0 && last - first + 1 == count) { /* neighbours: their dims stand where theirs stood */
        int64_t from[TW_MAX_DIMS], to[TW_MAX_DIMS];
        for (int d = 1; d < rank; d++) from[d - 1] = d, to[d - 1] = first + d;
        out = TEMP(&p, movedim_intlist, T(out), INTS(from, rank - 1), INTS(to, rank - 1));
    }
    return tw_pool_give(&p, outs, out);
}
