/* topk: the k largest or smallest elements of every row. */
#include "core/memory.h"
#include "ops/introsort.h"
#include "ops/op.h"
#include "ops/topk.h"
#include <string.h>

bool tw_topk_meta(const tw_arg *a, tw_meta *outs);
bool tw_topk_run(const tw_arg *a, tw_tensor **outs);

/* (self, k, dim, largest, sorted) */
bool tw_topk_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *self = a[0].t;
    int64_t dim = a[2].i, sizes[TW_MAX_DIMS];
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (a[1].i < 0 || a[1].i > (self->ndim ? self->sizes[dim] : 1)) return tw_fail(TW_RUNTIME_ERROR, "selected index k out of range");
    if (tw_is_complex((tw_dtype)self->dtype)) return tw_fail(TW_RUNTIME_ERROR, " topk does not support complex dtypes on CPU");
    if (self->dtype == TW_BOOL && self->ndim > 0) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"topk_cpu\" not implemented for 'Bool'");
    memcpy(sizes, self->sizes, (size_t)self->ndim * sizeof *sizes);
    if (self->ndim) sizes[dim] = a[1].i;
    return tw_meta_set(&outs[0], (tw_dtype)self->dtype, self->device, sizes, self->ndim) &&
           tw_meta_set(&outs[1], TW_INT64, self->device, sizes, self->ndim);
}

bool tw_topk_into(const tw_tensor *self, int64_t k, int64_t dim, bool largest, bool sorted, tw_tensor *values, tw_tensor *indices) {
    const int64_t size = (int64_t)tw_dtype_size((tw_dtype)self->dtype), n = self->ndim ? self->sizes[dim] : 1;
    const int64_t step = self->ndim ? self->strides[dim] * size : 0;
    int64_t counters[TW_MAX_DIMS] = {0};
    if (indices->numel == 0) return true;
    const int64_t value_step = values && self->ndim ? values->strides[dim] * size : 0, index_step = self->ndim ? indices->strides[dim] * 8 : 0;
    tw_keyed *x = tw_malloc(sizeof *x * (size_t)n);
    if (!x) return false;
    const char *p = tw_data(self);
    char *v = values ? tw_data(values) : NULL, *ix = tw_data(indices);
    for (int64_t rows = indices->numel / k; rows > 0; rows--) {
        for (int64_t i = 0; i < n; i++) {
            uint64_t key = tw_key_of(p + i * step, (tw_dtype)self->dtype);
            x[i] = (tw_keyed){largest ? ~key : key, i};
        }
        tw_smallest_first(x, n, k, sorted);
        for (int64_t i = 0; i < k; i++) {
            if (v) memcpy(v + i * value_step, p + x[i].at * step, (size_t)size);
            memcpy(ix + i * index_step, &x[i].at, 8);
        }
        for (int d = self->ndim - 1; d >= 0; d--) {
            if (d == dim) continue;
            const int64_t vs = values ? values->strides[d] * size : 0, is = indices->strides[d] * 8;
            p += self->strides[d] * size, ix += is;
            if (v) v += vs;
            if (++counters[d] < self->sizes[d]) break;
            p -= self->strides[d] * size * counters[d], ix -= is * counters[d];
            if (v) v -= vs * counters[d];
            counters[d] = 0;
        }
    }
    tw_free(x);
    return true;
}

bool tw_topk_run(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[2].i;
    return tw_wrap_dim(&dim, a[0].t->ndim) && tw_topk_into(a[0].t, a[1].i, dim, a[3].i != 0, a[4].i != 0, outs[0], outs[1]);
}
