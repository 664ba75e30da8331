#include "ops/iterate.h"
#include <string.h>

void tw_broadcast_strides(const int64_t *own_sizes, const int64_t *own, int n, const int64_t *sizes, int ndim, int64_t *strides) {
    int lead = ndim - n;
    for (int d = 0; d < ndim; d++) {
        if (d < lead) strides[d] = 0;
        else strides[d] = own_sizes[d - lead] == 1 && sizes[d] != 1 ? 0 : own[d - lead];
    }
}

/* Positive: the two should be swapped; negative: they are in order; 0: no operand can tell. */
static int compare_dims(const int64_t *sizes, const int64_t *const *strides, int n, int dim0, int dim1) {
    for (int i = 0; i < n; i++) {
        int64_t a = strides[i][dim0], b = strides[i][dim1];
        if (a == 0 || b == 0) continue;
        if (a < b) return -1;
        if (a > b || sizes[dim0] > sizes[dim1]) return 1;
    }
    return 0;
}

void tw_iter_order(const int64_t *sizes, int ndim, const int64_t *const *strides, int n, int *perm) {
    for (int d = 0; d < ndim; d++) perm[d] = ndim - 1 - d;
    for (int i = 1; i < ndim; i++) { /* insertion sort that steps over ambiguous comparisons */
        int at = i;
        for (int d = i - 1; d >= 0; d--) {
            int c = compare_dims(sizes, strides, n, perm[d], perm[at]);
            if (c < 0) break;
            if (c == 0) continue;
            int swap = perm[d];
            perm[d] = perm[at];
            perm[at] = swap;
            at = d;
        }
    }
}

static bool can_merge(const tw_iter *it, int d, int64_t next_size, int next) {
    if (it->sizes[d] == 1 || next_size == 1) return true;
    for (int i = 0; i < it->nops; i++)
        if (it->op[i].strides[d] * it->sizes[d] != it->op[i].strides[next]) return false;
    return true;
}

static void coalesce(tw_iter *it) {
    if (it->ndim == 0) {
        it->ndim = 1;
        it->sizes[0] = it->numel;
        for (int i = 0; i < it->nops; i++) it->op[i].strides[0] = 0;
        return;
    }
    int last = 0;
    for (int d = 1; d < it->ndim; d++) {
        if (can_merge(it, last, it->sizes[d], d)) {
            if (it->sizes[last] == 1)
                for (int i = 0; i < it->nops; i++) it->op[i].strides[last] = it->op[i].strides[d];
            it->sizes[last] *= it->sizes[d];
        } else if (++last != d) {
            it->sizes[last] = it->sizes[d];
            for (int i = 0; i < it->nops; i++) it->op[i].strides[last] = it->op[i].strides[d];
        }
    }
    it->ndim = last + 1;
}

void tw_iter_init(tw_iter *it, const int64_t *sizes, int ndim, tw_tensor *const *ops, int nops) {
    int64_t strides[TW_ITER_OPERANDS][TW_MAX_DIMS];
    const int64_t *rows[TW_ITER_OPERANDS] = {NULL};
    int n = 0, perm[TW_MAX_DIMS];
    it->ndim = ndim;
    it->nops = nops;
    it->numel = 1;
    for (int d = 0; d < ndim; d++) it->numel *= sizes[d];
    for (int i = 0; i < nops; i++) {
        if (ops[i]) {
            tw_broadcast_strides(ops[i]->sizes, ops[i]->strides, ops[i]->ndim, sizes, ndim, strides[i]);
            rows[n++] = strides[i];
            it->op[i].data = tw_data(ops[i]);
            it->op[i].dtype = (tw_dtype)ops[i]->dtype;
            it->op[i].flags = ops[i]->flags & (TW_CONJ | TW_NEG);
        } else {
            memset(strides[i], 0, (size_t)ndim * sizeof strides[i][0]);
            it->op[i].data = NULL;
            it->op[i].dtype = TW_BOOL;
            it->op[i].flags = 0;
        }
    }
    tw_iter_order(sizes, ndim, rows, n, perm);
    for (int d = 0; d < ndim; d++) it->sizes[d] = sizes[perm[d]];
    for (int i = 0; i < nops; i++) {
        const size_t size = ops[i] ? tw_dtype_size(it->op[i].dtype) : 0;
        for (int d = 0; d < ndim; d++) it->op[i].strides[d] = (int64_t)((uint64_t)strides[i][perm[d]] * size); /* of one element a stride may be anything */
    }
    coalesce(it);
}

void tw_iter_seek(const tw_iter *it, int64_t linear, int64_t *counters) {
    for (int d = 0; d < it->ndim; d++) {
        int64_t size = it->sizes[d] ? it->sizes[d] : 1;
        counters[d] = d + 1 < it->ndim ? linear % size : linear;
        linear /= size;
    }
}
