/* Questions about sizes and strides, answered by PyTorch's rules (c10/core/Contiguity, ATen/MemoryOverlap, ExpandUtils). */
#include "core/tensor.h"

/* Sizes too large for any memory are refused elsewhere: here the product may wrap. */
static int64_t wrapped_product(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

void tw_contiguous_strides(const int64_t *sizes, int ndim, int64_t *strides) {
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = step;
        step = wrapped_product(step, sizes[i] > 1 ? sizes[i] : 1);
    }
}

/* Dimensions from the fastest to the slowest, for the formats that name an order. */
static const int *format_order(tw_memory_format format) {
    static const int last[] = {1, 3, 2, 0}, last_3d[] = {1, 4, 3, 2, 0};
    return format == TW_CHANNELS_LAST ? last : last_3d;
}
static int format_dims(tw_memory_format format) { return format == TW_CHANNELS_LAST ? 4 : 5; }
static bool is_channels_last(tw_memory_format format) { return format == TW_CHANNELS_LAST || format == TW_CHANNELS_LAST_3D; }

void tw_format_strides(const int64_t *sizes, int ndim, tw_memory_format format, int64_t *strides) {
    if (!is_channels_last(format) || ndim != format_dims(format)) {
        tw_contiguous_strides(sizes, ndim, strides);
        return;
    }
    int64_t step = 1;
    const int *order = format_order(format);
    for (int i = 0; i < ndim; i++) {
        strides[order[i]] = step;
        step = wrapped_product(step, sizes[order[i]]);
    }
}

bool tw_is_contiguous_in(const tw_tensor *t, tw_memory_format format) {
    if (!is_channels_last(format)) return tw_is_contiguous(t);
    if (t->ndim != format_dims(format)) return false;
    int64_t expected = 1;
    const int *order = format_order(format);
    for (int i = 0; i < t->ndim; i++) {
        if (t->sizes[order[i]] == 1) continue;
        if (t->strides[order[i]] != expected) return false;
        expected *= t->sizes[order[i]];
    }
    return true;
}

bool tw_non_overlapping_dense(const tw_tensor *t) {
    if (tw_is_contiguous(t)) return true;
    int order[TW_MAX_DIMS], n = 0;
    for (int i = 0; i < t->ndim; i++) {
        if (t->sizes[i] < 2) continue;
        int at = n++;
        for (; at > 0 && t->strides[order[at - 1]] > t->strides[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    int64_t expected = 1;
    for (int i = 0; i < n; i++) {
        if (t->strides[order[i]] != expected) return false;
        expected *= t->sizes[order[i]];
    }
    return true;
}

bool tw_internal_overlap(const tw_tensor *t) {
    for (int i = 0; i < t->ndim; i++)
        if (t->strides[i] == 0 && t->sizes[i] > 1) return t->numel > 0;
    return false;
}

int tw_memory_overlap(const tw_tensor *a, const tw_tensor *b) {
    enum { NONE, FULL, PARTIAL, TOO_HARD };
    if (a == b) return FULL;
    if (a->numel == 0 || b->numel == 0) return NONE;
    if (!tw_non_overlapping_dense(a) || !tw_non_overlapping_dense(b)) return a->storage == b->storage ? TOO_HARD : NONE;
    if (a->storage != b->storage) return NONE;
    const int64_t size_a = (int64_t)tw_dtypes[a->dtype].size, size_b = (int64_t)tw_dtypes[b->dtype].size;
    const int64_t begin_a = a->offset * size_a, end_a = begin_a + a->numel * size_a;
    const int64_t begin_b = b->offset * size_b, end_b = begin_b + b->numel * size_b;
    if (begin_a == begin_b && end_a == end_b) {
        bool same = a->ndim == b->ndim;
        for (int i = 0; same && i < a->ndim; i++) same = a->strides[i] == b->strides[i];
        return same ? FULL : PARTIAL;
    }
    return begin_a < end_b && begin_b < end_a ? PARTIAL : NONE;
}

/* 1: dimension i should be slower than j; -1: faster; 0: no telling. */
static int slower(const tw_tensor *t, int i, int j) {
    const int64_t a = t->strides[i], b = t->strides[j];
    if (a == 0 || b == 0) return 0; /* expanded dimensions have no place of their own */
    if (a != b) return a < b ? -1 : 1;
    return t->sizes[i] > t->sizes[j] ? 1 : 0;
}

/* Keeps the order of the dimensions but closes the gaps; ties keep the row-major order. */
void tw_like_strides(const tw_tensor *t, int64_t *strides) {
    if (tw_non_overlapping_dense(t)) {
        for (int i = 0; i < t->ndim; i++) strides[i] = t->strides[i];
        return;
    }
    int order[TW_MAX_DIMS];
    for (int i = 0; i < t->ndim; i++) order[i] = t->ndim - 1 - i;
    for (int i = 1; i < t->ndim; i++) {
        int at = i;
        for (int j = i - 1; j >= 0; j--) {
            const int compare = slower(t, order[j], order[at]);
            if (compare < 0) break;
            if (compare == 0) continue;
            const int swapped = order[j];
            order[j] = order[at];
            order[at] = swapped;
            at = j;
        }
    }
    int64_t step = 1;
    for (int i = 0; i < t->ndim; i++) {
        strides[order[i]] = step;
        step *= t->sizes[order[i]] > 1 ? t->sizes[order[i]] : 1;
    }
}

bool tw_check_listed_dims(int ndim) {
    return ndim <= TW_LISTED_DIMS || tw_fail(TW_RUNTIME_ERROR, "only tensors with up to %d dims are supported", TW_LISTED_DIMS);
}

bool tw_wrap_dim(int64_t *dim, int ndim) {
    const int64_t n = ndim > 0 ? ndim : 1;
    if (*dim < -n || *dim >= n)
        return tw_fail(TW_INDEX_ERROR, "Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)",
                       (long long)-n, (long long)n - 1, (long long)*dim);
    if (*dim < 0) *dim += n;
    return true;
}
