/* Places of sparse tensors as numbers: index vectors to positions in row-major order and back, and how two sorted lists merge. */
#include "core/memory.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops_decl.h"

static bool is_vector(const tw_tensor *t) { return t->ndim == 1 && t->dtype == TW_INT64; }

/* (indices, size) */
bool tw__coo_flatten_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *indices = a[0].t;
    int64_t numel = 1;
    if (indices->ndim != 2 || indices->dtype != TW_INT64 || indices->sizes[0] != a[1].n)
        return tw_fail(TW_RUNTIME_ERROR, "_coo_flatten: indices are int64 of (%d, number of elements)", a[1].n);
    for (int d = 0; d < a[1].n; d++)
        if (a[1].ints[d] < 0 || __builtin_mul_overflow(numel, a[1].ints[d], &numel))
            return tw_fail(TW_RUNTIME_ERROR, "flatten_indices: product of sizes overflows");
    return tw_meta_set(out, TW_INT64, indices->device, indices->sizes + 1, 1);
}

bool tw__coo_flatten_run(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *indices = a[0].t;
    const int64_t n = indices->sizes[1], step = indices->strides[1];
    if (n == 0) return true;
    int64_t *to = tw_data(outs[0]);
    for (int64_t i = 0; i < n; i++) to[i] = 0;
    for (int d = 0; d < a[1].n; d++) {
        const int64_t *from = (const int64_t *)tw_data(indices) + d * indices->strides[0], size = a[1].ints[d];
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = from[i * step];
            if (at < 0) return tw_fail(TW_RUNTIME_ERROR, "found negative index %lld for dim %d", (long long)at, d);
            if (at >= size)
                return tw_fail(TW_RUNTIME_ERROR, "size is inconsistent with indices: for dim %d, size is %lld but found index %lld", d,
                               (long long)size, (long long)at);
            to[i] = to[i] * size + at;
        }
    }
    return true;
}

/* (flat, size) */
bool tw__coo_unflatten_meta(const tw_arg *a, tw_meta *out) {
    const int64_t sizes[2] = {a[1].n, a[0].t->numel};
    if (!is_vector(a[0].t)) return tw_fail(TW_RUNTIME_ERROR, "_coo_unflatten: expected a vector of int64");
    return tw_meta_set(out, TW_INT64, a[0].t->device, sizes, 2);
}

bool tw__coo_unflatten_run(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *flat = a[0].t;
    const int64_t n = flat->numel;
    if (n == 0 || a[1].n == 0) return true;
    const int64_t *from = tw_data(flat);
    int64_t *to = tw_data(outs[0]);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = from[i * flat->strides[0]];
        for (int d = a[1].n - 1; d >= 0; d--) {
            const int64_t size = a[1].ints[d];
            if (size <= 0) return tw_fail(TW_RUNTIME_ERROR, "_coo_unflatten: no element fits a size of 0");
            to[d * n + i] = rest % size;
            rest /= size;
        }
    }
    return true;
}

/* (first, second): places of each one's elements in the merged list, and its length. Where both heads are the same, they share a place; the
 * lists need not be sorted: then it is the walk that PyTorch's addition of sparse tensors makes. */
bool tw__coo_merge_meta(const tw_arg *a, tw_meta *outs) {
    if (!is_vector(a[0].t) || !is_vector(a[1].t)) return tw_fail(TW_RUNTIME_ERROR, "_coo_merge: expected two vectors of int64");
    return tw_meta_set(&outs[0], TW_INT64, a[0].t->device, a[0].t->sizes, 1) && tw_meta_set(&outs[1], TW_INT64, a[0].t->device, a[1].t->sizes, 1) &&
           tw_meta_set(&outs[2], TW_INT64, a[0].t->device, NULL, 0);
}

bool tw__coo_merge_run(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *first = a[0].t, *second = a[1].t;
    const int64_t n = first->numel, m = second->numel, step = n ? first->strides[0] : 0, stride = m ? second->strides[0] : 0;
    const int64_t *x = n ? tw_data(first) : NULL, *y = m ? tw_data(second) : NULL;
    int64_t *at_x = n ? tw_data(outs[0]) : NULL, *at_y = m ? tw_data(outs[1]) : NULL, i = 0, j = 0, at = 0;
    for (; i < n || j < m; at++) {
        const int64_t next_x = i < n ? x[i * step] : INT64_MAX, next_y = j < m ? y[j * stride] : INT64_MAX;
        if (i < n && next_x <= next_y) at_x[i++] = at;
        if (j < m && next_y <= next_x) at_y[j++] = at;
    }
    *(int64_t *)tw_data(outs[2]) = at;
    return true;
}
