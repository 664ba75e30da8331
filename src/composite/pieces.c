/* Tensors shared out along a dimension in the ways that rest on split, slice and unbind. */
#include "composite/boxed.h"
#include "ops_decl.h"

bool tw_split_sizes_composite(const tw_arg *a, tw_tensor **outs) { return tw_call(&tw_ops[TW_OP_split_with_sizes], a, outs); }

/* (self, chunks, dim) by `split`, or by `split_with_sizes` where there is nothing to share out. */
static bool chunk(const tw_op *split, const tw_op *split_with_sizes, const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[2].i, chunks = a[1].i;
    if (a[0].t->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "chunk expects at least a 1-dimensional tensor");
    if (chunks <= 0) return tw_fail(TW_RUNTIME_ERROR, "chunk expects `chunks` to be greater than 0, got: %lld", (long long)chunks);
    if (!tw_wrap_dim(&dim, a[0].t->ndim)) return false;
    const int64_t size = a[0].t->sizes[dim];
    if (size) return tw_call(split, (const tw_arg[]){a[0], I((size - 1) / chunks + 1), I(dim)}, outs);
    if (chunks > INT32_MAX) return tw_fail(TW_RUNTIME_ERROR, "a list of %lld tensors is too long", (long long)chunks);
    int64_t *none = tw_calloc((size_t)chunks, sizeof *none);
    const bool ok = none && tw_call(split_with_sizes, (const tw_arg[]){a[0], INTS(none, chunks), I(dim)}, outs);
    tw_free(none);
    return ok;
}

bool tw_chunk_composite(const tw_arg *a, tw_tensor **outs) {
    return chunk(&tw_ops[TW_OP_split_Tensor], &tw_ops[TW_OP_split_with_sizes], a, outs);
}

bool tw_unsafe_chunk_composite(const tw_arg *a, tw_tensor **outs) {
    return chunk(&tw_ops[TW_OP_unsafe_split_Tensor], &tw_ops[TW_OP_unsafe_split_with_sizes], a, outs);
}

/* --- tensor_split --------------------------------------------------------------------------------------------- */

/* As many pieces, the first ones one longer where it does not come out even. */
static bool sections(tw_tensor *self, int64_t count, int64_t dim, tw_tensor **outs) {
    if (count <= 0) return tw_fail(TW_RUNTIME_ERROR, "number of sections must be larger than 0, got %lld", (long long)count);
    const int64_t size = self->sizes[dim], least = size / count, longer = size % count;
    tw_list *list = tw_list_new(count);
    for (int64_t i = 0, start = 0; list && i < count; i++) {
        const int64_t end = start + least + (i < longer);
        if (!(list->items[i] = CALL(slice_Tensor, T(self), I(dim), I(start), I(end)))) break;
        start = end;
    }
    return tw_give_list(outs, list);
}

static bool between(tw_tensor *self, const int64_t *indices, int64_t n, int64_t dim, tw_tensor **outs) {
    tw_list *list = tw_list_new(n + 1);
    for (int64_t i = 0; list && i <= n; i++) {
        const int64_t start = i ? indices[i - 1] : 0, end = i < n ? indices[i] : self->sizes[dim];
        if (!(list->items[i] = CALL(slice_Tensor, T(self), I(dim), I(start), I(end)))) break;
    }
    return tw_give_list(outs, list);
}

static bool splittable(const tw_tensor *self, int64_t *dim) {
    if (self->ndim == 0)
        return tw_fail(TW_RUNTIME_ERROR, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    return tw_wrap_dim(dim, self->ndim);
}

bool tw_tensor_split_sections_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[2].i;
    return splittable(a[0].t, &dim) && sections(a[0].t, a[1].i, dim, outs);
}

bool tw_tensor_split_indices_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[2].i;
    return splittable(a[0].t, &dim) && between(a[0].t, a[1].ints, a[1].n, dim, outs);
}

bool tw_tensor_split_tensor_indices_or_sections_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *where = a[1].t;
    int64_t dim = a[2].i;
    if (self->ndim == 0)
        return tw_fail(TW_RUNTIME_ERROR, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    if (where->layout) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "tensor_split: sparse tensor_indices_or_sections");
    if (where->device != TW_CPU)
        return tw_fail(TW_RUNTIME_ERROR, "tensor_split expected tensor_indices_or_sections to be on cpu, but it's on %s",
                       tw_device_text(where->device));
    if (where->dtype != TW_INT64)
        return tw_fail(TW_RUNTIME_ERROR, "tensor_split expected tensor_indices_or_sections to have dtype of long, but got %s",
                       tw_dtypes[where->dtype].type_name);
    if (where->ndim > 1)
        return tw_fail(TW_RUNTIME_ERROR, "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, "
                       "but got a tensor with %d dims", where->ndim);
    if (where->flags & TW_BATCHED)
        return tw_fail(TW_RUNTIME_ERROR, "vmap: tensor_split(): the number and places of the pieces must be the same for every sample");
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (where->ndim == 0) return sections(self, tw_long_at(where, 0), dim, outs);
    const int64_t n = where->numel;
    int64_t *indices = tw_malloc(((size_t)n + 1) * sizeof *indices);
    for (int64_t i = 0; indices && i < n; i++) indices[i] = tw_long_at(where, i);
    const bool ok = indices && between(self, indices, n, dim, outs);
    tw_free(indices);
    return ok;
}

/* hsplit, vsplit, dsplit: along one dimension, by sections of one length. */
static bool along(const char *name, const tw_arg *a, int least, int64_t dim, tw_tensor **outs) {
    const tw_tensor *self = a[0].t;
    if (self->ndim < least)
        return tw_fail(TW_RUNTIME_ERROR, "torch.%s requires a tensor with at least %d dimension, but got a tensor with %d dimensions!", name, least,
                       self->ndim);
    if (a[1].tag == TW_ARG_INTS) return between(a[0].t, a[1].ints, a[1].n, dim, outs);
    if (a[1].i == 0 || self->sizes[dim] % a[1].i)
        return tw_fail(TW_RUNTIME_ERROR, "torch.%s attempted to split along dimension %lld, but the size of the dimension %lld is not divisible by "
                       "the split_size %lld!", name, (long long)dim, (long long)self->sizes[dim], (long long)a[1].i);
    return sections(a[0].t, a[1].i, dim, outs);
}

bool tw_hsplit_int_composite(const tw_arg *a, tw_tensor **outs) { return along("hsplit", a, 1, a[0].t->ndim != 1, outs); }
bool tw_hsplit_array_composite(const tw_arg *a, tw_tensor **outs) { return along("hsplit", a, 1, a[0].t->ndim != 1, outs); }
bool tw_vsplit_int_composite(const tw_arg *a, tw_tensor **outs) { return along("vsplit", a, 2, 0, outs); }
bool tw_vsplit_array_composite(const tw_arg *a, tw_tensor **outs) { return along("vsplit", a, 2, 0, outs); }
bool tw_dsplit_int_composite(const tw_arg *a, tw_tensor **outs) { return along("dsplit", a, 3, 2, outs); }
bool tw_dsplit_array_composite(const tw_arg *a, tw_tensor **outs) { return along("dsplit", a, 3, 2, outs); }

/* --- places of what is not zero -------------------------------------------------------------------------------- */

bool tw_nonzero_numpy_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t->ndim ? a[0].t : TEMP(&p, unsqueeze, a[0], I(0)), *places = TEMP(&p, nonzero, T(self));
    const bool ok = places && tw_call(&tw_ops[TW_OP_unbind_int], (const tw_arg[]){T(places), I(1)}, outs);
    return tw_pool_done(&p, NULL, 0) && ok;
}

bool tw_where_places_composite(const tw_arg *a, tw_tensor **outs) { return tw_nonzero_numpy_composite(a, outs); }
