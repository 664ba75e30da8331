/* cat: promotion, the legacy rule that empty 1-d tensors do not count, channels_last results. */
#include "core/memory.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/op.h"
#include <string.h>

bool tw_cat_meta(const tw_arg *a, tw_meta *out);
bool tw_cat_run(const tw_arg *a, tw_tensor **out);

static bool skipped(const tw_tensor *t) { return t->ndim == 1 && t->numel == 0; }

bool tw_like_channels_last(const tw_tensor *t) {
    static const int order4[] = {1, 3, 2, 0}, order5[] = {1, 4, 3, 2, 0};
    if (t->ndim != 4 && t->ndim != 5) return false;
    const int *order = t->ndim == 4 ? order4 : order5;
    int64_t least = 0;
    if (t->strides[1] == 0) return false;
    for (int i = 0; i < t->ndim; i++) {
        int d = order[i];
        if (t->sizes[d] == 0 || t->strides[d] < least || (d == 0 && least == t->strides[1])) return false;
        least = t->strides[d];
        if (t->sizes[d] > 1) least *= t->sizes[d];
    }
    return true;
}

/* The first tensor that counts; NULL when none does. Fails for 0-d ones. */
static bool first_counting(const tw_arg *list, const tw_tensor **first) {
    *first = NULL;
    for (int i = 0; i < list->n; i++) {
        if (list->ts[i]->ndim == 0)
            return tw_fail(TW_RUNTIME_ERROR, "zero-dimensional tensor (at position %d) cannot be concatenated", i);
        if (!*first && !skipped(list->ts[i])) *first = list->ts[i];
    }
    return true;
}

static bool add_size(const tw_tensor *first, const tw_tensor *t, int position, int64_t dim, int64_t *total) {
    if (t->ndim != first->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "Tensors must have same number of dimensions: got %d and %d", first->ndim, t->ndim);
    for (int d = 0; d < t->ndim; d++)
        if (d != dim && t->sizes[d] != first->sizes[d])
            return tw_fail(TW_RUNTIME_ERROR, "Sizes of tensors must match except in dimension %lld. Expected size %lld but got size "
                           "%lld for tensor number %d in the list.", (long long)dim, (long long)first->sizes[d],
                           (long long)t->sizes[d], position);
    *total += t->sizes[dim];
    return true;
}

static bool common_dtype(const tw_arg *list, tw_dtype *dtype) {
    tw_arg few[16], *args = list->n <= 16 ? few : tw_malloc(sizeof(tw_arg) * (size_t)list->n);
    if (!args) return false;
    for (int i = 0; i < list->n; i++) args[i] = tw_a_tensor(list->ts[i]);
    *dtype = tw_result_type(args, list->n);
    if (args != few) tw_free(args);
    return *dtype != TW_DTYPE_NONE;
}

bool tw_cat_meta(const tw_arg *a, tw_meta *out) {
    const tw_arg *list = &a[0];
    const tw_tensor *first;
    tw_dtype dtype;
    int64_t dim = tw_a_get_int(&a[1], 0), sizes[TW_MAX_DIMS];
    if (list->n == 0) return tw_fail(TW_VALUE_ERROR, "torch.cat(): expected a non-empty list of Tensors");
    if (!first_counting(list, &first) || !tw_wrap_dim(&dim, first ? first->ndim : 1) || !common_dtype(list, &dtype)) return false;
    const int64_t none = 0;
    if (!first) return tw_meta_set(out, dtype, list->ts[0]->device, &none, 1);
    memcpy(sizes, first->sizes, sizeof(int64_t) * first->ndim);
    sizes[dim] = 0;
    bool channels_last = true;
    for (int i = 0; i < list->n; i++) {
        channels_last = channels_last && tw_like_channels_last(list->ts[i]);
        if (!skipped(list->ts[i]) && !add_size(first, list->ts[i], i, dim, &sizes[dim])) return false;
    }
    if (!tw_meta_set(out, dtype, first->device, sizes, first->ndim)) return false;
    if (channels_last)
        tw_format_strides(sizes, first->ndim, first->ndim == 4 ? TW_CHANNELS_LAST : TW_CHANNELS_LAST_3D, out->strides);
    return true;
}

/* Whether all is row-major and of one dtype, so that blocks of bytes move. */
static bool plain(const tw_arg *list, const tw_tensor *out) {
    if (!tw_is_contiguous(out)) return false;
    for (int i = 0; i < list->n; i++)
        if (!skipped(list->ts[i]) && (!tw_is_contiguous(list->ts[i]) || list->ts[i]->dtype != out->dtype)) return false;
    return true;
}

static void move_blocks(const tw_arg *list, tw_tensor *out, int64_t dim) {
    int64_t outer = 1, inner = 1;
    for (int d = 0; d < dim; d++) outer *= out->sizes[d];
    for (int d = (int)dim + 1; d < out->ndim; d++) inner *= out->sizes[d];
    size_t size = tw_dtype_size((tw_dtype)out->dtype);
    char *to = tw_data(out);
    for (int64_t o = 0; o < outer; o++)
        for (int i = 0; i < list->n; i++) {
            if (list->ts[i]->numel == 0) continue;
            size_t bytes = (size_t)(list->ts[i]->sizes[dim] * inner) * size;
            memcpy(to, (const char *)tw_data(list->ts[i]) + (size_t)o * bytes, bytes);
            to += bytes;
        }
}

bool tw_cat_run(const tw_arg *a, tw_tensor **outs) {
    const tw_arg *list = &a[0];
    tw_tensor *out = outs[0];
    int64_t dim = tw_a_get_int(&a[1], 0), offset = out->offset;
    if (out->numel == 0) return true;
    if (!tw_wrap_dim(&dim, out->ndim)) return false;
    if (plain(list, out)) {
        move_blocks(list, out, dim);
        return true;
    }
    for (int i = 0; i < list->n; i++) {
        tw_tensor *t = list->ts[i];
        if (skipped(t)) continue;
        tw_tensor *part = tw_alias_new(out, t->sizes, out->strides, out->ndim, offset, (tw_dtype)out->dtype);
        bool ok = part && tw_copy(part, t);
        tw_release(part);
        if (!ok) return false;
        offset += t->sizes[dim] * out->strides[dim];
    }
    return true;
}
