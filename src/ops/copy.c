/* copy_, clone, fill and conversions. */
#include "ops/copy.h"
#include "ops/odd.h"
#include "ops/op.h"
#include "ops/tile.h"
#include "kernels/copy.h"
#include "core/cpu.h"
#include "core/sparse.h"
#include "core/threads.h"
#include <string.h>

enum { COPY_GRAIN = 65536 };

static bool same_sizes(const tw_tensor *a, const tw_tensor *b) {
    return a->ndim == b->ndim && memcmp(a->sizes, b->sizes, (size_t)a->ndim * sizeof a->sizes[0]) == 0;
}

static bool check_broadcast(const tw_tensor *to, const tw_tensor *from) {
    bool fits = from->ndim <= to->ndim;
    for (int d = 0; fits && d < from->ndim; d++) {
        int64_t a = to->sizes[to->ndim - from->ndim + d], b = from->sizes[d];
        if (a != b && b != 1) {
            if (a == 1) fits = false;
            else
                return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton "
                               "dimension %d", (long long)a, (long long)b, to->ndim - from->ndim + d);
        }
    }
    if (fits) return true;
    int64_t sizes[TW_MAX_DIMS];
    int n = from->ndim > to->ndim ? from->ndim : to->ndim;
    for (int d = 1; d <= n; d++) { /* what both would broadcast to, or the mismatch */
        int64_t a = d <= to->ndim ? to->sizes[to->ndim - d] : 1, b = d <= from->ndim ? from->sizes[from->ndim - d] : 1;
        if (a != b && a != 1 && b != 1)
            return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton "
                           "dimension %d", (long long)a, (long long)b, n - d);
        sizes[n - d] = a == 1 ? b : a;
    }
    return tw_fail(TW_RUNTIME_ERROR, "output with shape %s doesn't match the broadcast shape %s", tw_sizes_text(to->sizes, to->ndim),
                   tw_sizes_text(sizes, n));
}

typedef struct flat_copy { char *to; const char *from; tw_dtype to_dtype, from_dtype; } flat_copy;

static void copy_flat(void *context, int64_t begin, int64_t end) {
    const flat_copy *c = context;
    int64_t a = (int64_t)tw_dtype_size(c->to_dtype), b = (int64_t)tw_dtype_size(c->from_dtype);
    tw_cast(end - begin, c->to + begin * a, c->to_dtype, c->from + begin * b, c->from_dtype);
}

/* Both on this machine's memory, no overlap but for an exact one. */
static void copy_here(tw_tensor *to, tw_tensor *from) {
    unsigned flags = (to->flags ^ from->flags) & (TW_CONJ | TW_NEG);
    tw_dtype t = (tw_dtype)to->dtype, f = (tw_dtype)from->dtype;
    if (!flags && tw_is_contiguous(to) && tw_is_contiguous(from) && same_sizes(to, from) && !tw_streams(to->numel * (int64_t)tw_dtype_size(t))) {
        flat_copy c = {tw_data(to), tw_data(from), t, f};
        if (to->numel <= COPY_GRAIN) copy_flat(&c, 0, to->numel);
        else tw_parallel(to->numel, COPY_GRAIN, copy_flat, &c);
        return;
    }
    tw_iter it;
    tw_tensor *ops[2] = {to, from};
    tw_iter_init(&it, to->sizes, to->ndim, ops, 2);
    it.op[0].flags = 0;
    it.op[1].flags = (uint8_t)flags;
    /* The dtype in between holds the flags' operations: complex32 and storage-only types are flipped in their own dtype. */
    tw_tile_job job = {.it = &it, .kernel = NULL, .grain = COPY_GRAIN};
    bool flip = flags != 0;
    job.out = job.in[0] = flip ? f : t;
    tw_tile_run(&job);
}

static bool copy_devices(tw_tensor *to, tw_tensor *from) {
    const tw_device_ops *a = tw_device_of(to->device), *b = tw_device_of(from->device);
    if (!a || !b) return false;
    if (!a->has_data) return true; /* nothing to write */
    if (!b->has_data) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Cannot copy out of meta tensor; no data!");
    const tw_device_ops *other = to->device == TW_CPU ? b : a;
    if (!other->copy) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "copy_: not implemented for device %s", other->name);
    tw_tensor *source = tw_contiguous_new(from, (tw_dtype)to->dtype);
    if (!source) return false;
    bool ok = true;
    tw_tensor *target = to;
    if (!tw_is_contiguous(to) || !same_sizes(to, source)) target = tw_empty_new(source->sizes, source->ndim, (tw_dtype)to->dtype, to->device);
    ok = target && other->copy(tw_data(target), to->device, tw_data(source), from->device,
                               (size_t)source->numel * tw_dtype_size((tw_dtype)to->dtype));
    if (ok && target != to) ok = to->device == TW_CPU ? tw_copy(to, target)
                                                      : tw_fail(TW_NOT_IMPLEMENTED_ERROR, "copy_: strided copy to device %s", other->name);
    if (target != to) tw_release(target);
    tw_release(source);
    return ok;
}

/* Between sparse tensors: copies of the parts. */
static bool copy_sparse(tw_tensor *to, tw_tensor *from) {
    if (!to->layout || !from->layout)
        return tw_fail(TW_RUNTIME_ERROR, "copy_() between dense and sparse Tensors is not implemented! Found self type = torch.%s%sTensor and src "
                       "type = torch.%s%sTensor", to->layout ? "sparse." : "", tw_dtypes[to->dtype].type_name,
                       from->layout ? "sparse." : "", tw_dtypes[from->dtype].type_name);
    tw_tensor *copy = tw_clone_new(from, (tw_dtype)to->dtype, TW_PRESERVE_FORMAT);
    const bool ok = copy && tw_sparse_take(to, copy);
    tw_release(copy);
    return ok;
}

static tw_tensor *clone_sparse(tw_tensor *t, tw_dtype dtype) {
    const tw_sparse *s = tw_sparse_of(t);
    tw_tensor *indices = tw_clone_new(s->indices, TW_INT64, TW_CONTIGUOUS_FORMAT), *made = NULL;
    tw_tensor *values = indices ? tw_clone_new(s->values, dtype, TW_CONTIGUOUS_FORMAT) : NULL;
    if (values) made = tw_sparse_new(indices, values, t->sizes, t->ndim, s->coalesced);
    tw_release(indices);
    tw_release(values);
    return made;
}

static bool copy_even(const void *none, const tw_arg *from, tw_tensor **to) {
    (void)none;
    return tw_copy(to[0], from[0].t);
}

bool tw_copy(tw_tensor *to, tw_tensor *from) {
    if (tw_odd_used && (tw_is_odd(to) || tw_is_odd(from))) return tw_run_even(copy_even, NULL, &(tw_arg){.t = from, .tag = TW_ARG_TENSOR}, 1, &to, 1, false);
    if (to->layout || from->layout) return to == from || copy_sparse(to, from);
    if (!check_broadcast(to, from)) return false;
    if (to == from) return true;
    if (to->device != TW_CPU || from->device != TW_CPU) return copy_devices(to, from);
    if (to->numel == 0) return true;
    int overlap = to->storage == from->storage ? tw_memory_overlap(to, from) : 0;
    bool same = overlap == 1 && to->dtype == from->dtype;
    if (same && !((to->flags ^ from->flags) & (TW_CONJ | TW_NEG))) return true;
    if (overlap && !same) {
        tw_tensor *spare = tw_empty_new(from->sizes, from->ndim, (tw_dtype)from->dtype, TW_CPU);
        if (!spare) return false;
        copy_here(spare, from);
        copy_here(to, spare);
        tw_release(spare);
        return true;
    }
    copy_here(to, from);
    return true;
}

static bool fill_even(const void *value, const tw_arg *none, tw_tensor **t) {
    (void)none;
    return tw_fill(t[0], *(const tw_scalar *)value);
}

bool tw_fill(tw_tensor *t, tw_scalar value) {
    if (tw_odd_used && tw_is_odd(t)) return tw_run_even(fill_even, &value, NULL, 0, &t, 1, false);
    if (t->layout) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "fill_: not implemented for sparse tensors");
    const tw_device_ops *ops = tw_device_of(t->device);
    if (t->numel == 0 || !ops->has_data) return true;
    _Alignas(16) char one[16];
    tw_dtype d = (tw_dtype)t->dtype;
    size_t size = tw_dtype_size(d);
    tw_store_scalar(one, d, value);
    if (t->flags & (TW_CONJ | TW_NEG)) tw_apply_flags(1, one, d, t->flags & (TW_CONJ | TW_NEG));
    if (t->device != TW_CPU) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "fill_: not implemented for device %s", ops->name);
    if (t->numel <= 64 && tw_is_contiguous(t)) {
        tw_move()->move[tw_size_index(size)](t->numel, tw_data(t), (int64_t)size, one, 0);
        return true;
    }
    tw_iter it;
    tw_tensor *operands[2] = {t, NULL};
    tw_iter_init(&it, t->sizes, t->ndim, operands, 2);
    it.op[0].flags = 0;
    it.op[1].dtype = d;
    tw_tile_job job = {.it = &it, .kernel = NULL, .grain = COPY_GRAIN, .out = d, .in = {d}, .constant = {one}};
    tw_tile_run(&job);
    return true;
}

tw_tensor *tw_clone_new(tw_tensor *t, tw_dtype dtype, tw_memory_format format) {
    int64_t strides[TW_MAX_DIMS];
    if (dtype == TW_DTYPE_NONE) dtype = (tw_dtype)t->dtype;
    if (t->layout) return clone_sparse(t, dtype);
    if (format == TW_PRESERVE_FORMAT || format == TW_FORMAT_NONE) tw_like_strides(t, strides);
    else tw_format_strides(t->sizes, t->ndim, format, strides);
    tw_tensor *to = tw_empty_strided_new(t->sizes, strides, t->ndim, dtype, t->device);
    if (to && !tw_copy(to, t)) {
        tw_release(to);
        return NULL;
    }
    return to;
}

tw_tensor *tw_contiguous_new(tw_tensor *t, tw_dtype dtype) {
    if (t->layout) return tw_fail_null(TW_NOT_IMPLEMENTED_ERROR, "a sparse tensor has no contiguous copy; to_dense() gives one");
    if ((dtype == TW_DTYPE_NONE || dtype == (tw_dtype)t->dtype) && tw_is_contiguous(t) && !(t->flags & (TW_CONJ | TW_NEG)))
        return tw_retain(t);
    return tw_clone_new(t, dtype, TW_CONTIGUOUS_FORMAT);
}
