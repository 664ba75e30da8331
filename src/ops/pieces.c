/* Views that are several: a tensor shared out along one dimension. */
#include "ops/view.h"
#include <string.h>

tw_list *tw_pieces_new(const tw_op *op, const tw_arg *args) {
    tw_pieces p = {0};
    tw_tensor *t = args[0].t;
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS], start = 0;
    if (!op->pieces(args, &p)) return NULL;
    tw_list *list = tw_list_new(p.n);
    if (!list) return NULL;
    const int64_t whole = t->sizes[p.dim], stride = t->strides[p.dim];
    const int ndim = t->ndim - p.drop;
    for (int i = 0, n = 0; i < t->ndim; i++) {
        if (i == p.dim && p.drop) continue;
        sizes[n] = t->sizes[i];
        strides[n++] = t->strides[i];
    }
    for (int64_t i = 0; i < p.n; i++) {
        const int64_t left = whole - start, length = p.lengths ? p.lengths[i] : p.step < left ? p.step : left;
        if (!p.drop) sizes[p.dim] = length;
        list->items[i] = tw_alias_new(t, sizes, strides, ndim, t->offset + start * stride, (tw_dtype)t->dtype);
        if (!list->items[i]) {
            tw_list_release(list);
            return NULL;
        }
        start += length;
    }
    return list;
}

static bool dim_of(const tw_arg *a, const tw_arg *dim, tw_pieces *p) {
    int64_t d = dim->i;
    if (!tw_wrap_dim(&d, a[0].t->ndim)) return false;
    p->dim = (int)d;
    return true;
}

bool tw_split_Tensor_pieces(const tw_arg *a, tw_pieces *p) {
    const int64_t step = a[1].i;
    if (a[0].t->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "split expects at least a 1-dimensional tensor");
    if (step < 0) return tw_fail(TW_RUNTIME_ERROR, "split expects split_size be non-negative, but got split_size=%lld", (long long)step);
    if (!dim_of(a, &a[2], p)) return false;
    const int64_t size = a[0].t->sizes[p->dim];
    if (step == 0 && size)
        return tw_fail(TW_RUNTIME_ERROR, "split_size can only be 0 if dimension size is 0, but got dimension size of %lld", (long long)size);
    p->step = step;
    p->n = size ? (size - 1) / step + 1 : 1;
    return true;
}

bool tw_unsafe_split_Tensor_pieces(const tw_arg *a, tw_pieces *p) { return tw_split_Tensor_pieces(a, p); }

bool tw_split_with_sizes_pieces(const tw_arg *a, tw_pieces *p) {
    int64_t sum = 0;
    if (a[0].t->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "split expects at least a 1-dimensional tensor");
    if (!dim_of(a, &a[2], p)) return false;
    const int64_t size = a[0].t->sizes[p->dim];
    for (int i = 0; i < a[1].n; i++) {
        if (a[1].ints[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=%s",
                           tw_sizes_text(a[1].ints, a[1].n));
        sum = sum > size || a[1].ints[i] > size - sum ? size + 1 : sum + a[1].ints[i]; /* does not overflow */
    }
    if (sum != size)
        return tw_fail(TW_RUNTIME_ERROR, "split_with_sizes expects split_sizes to sum exactly to %lld (input tensor's size at dimension %d), "
                       "but got split_sizes=%s", (long long)size, p->dim, tw_sizes_text(a[1].ints, a[1].n));
    p->n = a[1].n;
    p->lengths = a[1].ints;
    return true;
}

bool tw_unsafe_split_with_sizes_pieces(const tw_arg *a, tw_pieces *p) { return tw_split_with_sizes_pieces(a, p); }

bool tw_unbind_int_pieces(const tw_arg *a, tw_pieces *p) {
    if (a[0].t->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions", (long long)a[1].i);
    if (!dim_of(a, &a[1], p)) return false;
    p->drop = true;
    p->step = 1;
    p->n = a[0].t->sizes[p->dim];
    return true;
}
