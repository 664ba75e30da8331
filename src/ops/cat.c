/* cat: promotion, the legacy rule that empty 1-d tensors do not count, channels_last results. */
#include "core/cpu.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
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

enum { MOVE_GRAIN = 1 << 18 /* bytes */, STREAMED_PIECE = 4096 };

typedef struct pieces {
    const tw_arg *list;
    char *to;
    size_t unit;    /* bytes of a tensor's block by elements of the dimension */
    int64_t row;    /* bytes of one block of each tensor */
    int dim;
    bool stream;
} pieces;

/* begin, end: bytes of the result. */
static void move_pieces(void *context, int64_t begin, int64_t end) {
    const pieces *p = context;
    while (begin < end) {
        const int64_t outer = begin / p->row;
        int64_t start = outer * p->row;
        for (int i = 0; i < p->list->n && start < end; i++) {
            const tw_tensor *t = p->list->ts[i];
            if (t->numel == 0) continue;
            const int64_t bytes = t->sizes[p->dim] * (int64_t)p->unit, from = begin > start ? begin - start : 0;
            const int64_t to = end - start < bytes ? end - start : bytes;
            if (from < to) {
                const char *source = (const char *)tw_data(t) + outer * bytes + from;
                if (p->stream) tw_move()->stream(to - from, p->to + start + from, source);
                else memcpy(p->to + start + from, source, (size_t)(to - from));
            }
            start += bytes;
        }
        begin = start;
    }
    if (p->stream) tw_move()->stream_end();
}

static void move_blocks(const tw_arg *list, tw_tensor *out, int64_t dim) {
    pieces p = {.list = list, .to = tw_data(out), .unit = tw_dtype_size((tw_dtype)out->dtype), .dim = (int)dim};
    for (int d = (int)dim + 1; d < out->ndim; d++) p.unit *= (size_t)out->sizes[d];
    p.row = out->sizes[dim] * (int64_t)p.unit;
    const int64_t bytes = out->numel * (int64_t)tw_dtype_size((tw_dtype)out->dtype);
    p.stream = tw_streams(bytes) && p.row / list->n >= STREAMED_PIECE;
    tw_parallel(bytes, MOVE_GRAIN, move_pieces, &p);
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
