/* Sparse tensors with their dimensions reordered, added or cut: new tensors, which share values where they can. */
#include "composite/sparse.h"
#include "ops_decl.h"
#include <string.h>

static bool strided_out(const char *name) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "%s: not implemented for these layouts", name);
}

/* Dimension perm[d] becomes dimension d; sparse ones stay before dense ones. */
static bool permuted(tw_tensor *t, const int64_t *perm, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t sizes[TW_MAX_DIMS], inner[TW_MAX_DIMS] = {0};
    const int sparse = tw_sparse_dims(t);
    bool same = true, moved = false;
    for (int d = 0; d < t->ndim; d++) {
        if ((d < sparse) != (perm[d] < sparse))
            return tw_fail(TW_RUNTIME_ERROR, "permute(sparse_coo): transpositions between sparse and dense dimensions are not allowed.Found the "
                           "following permutation: %s which places a dense dimension in the place of a sparse one", tw_sizes_text(perm, t->ndim));
        sizes[d] = t->sizes[perm[d]];
        same &= perm[d] == d;
        moved |= d >= sparse && perm[d] != d;
        if (d >= sparse) inner[d - sparse + 1] = perm[d] - sparse + 1;
    }
    const tw_sparse *s = tw_sparse_of(t);
    tw_tensor *rows[TW_MAX_DIMS];
    for (int d = 0; d < sparse; d++)
        if (!(rows[d] = tw_sparse_row(&p, t, (int)perm[d]))) return tw_pool_done(&p, outs, 1);
    tw_tensor *indices = same || sparse == 0 ? s->indices : TEMP(&p, stack, tw_a_tensors(rows, sparse));
    tw_tensor *values = moved ? TEMP(&p, permute, T(s->values), INTS(inner, s->values->ndim)) : s->values;
    outs[0] = tw_sparse_make(indices, values, sizes, t->ndim, same && s->coalesced);
    return tw_pool_done(&p, outs, 1);
}

static bool swapped(tw_tensor *t, int64_t a, int64_t b, tw_tensor **outs) {
    int64_t perm[TW_MAX_DIMS];
    if (!tw_wrap_dim(&a, t->ndim) || !tw_wrap_dim(&b, t->ndim)) return false;
    for (int d = 0; d < t->ndim; d++) perm[d] = d == a ? b : d == b ? a : d;
    return permuted(t, perm, outs);
}

/* (self, dim0, dim1) */
bool tw_transpose_int_sparse(const tw_arg *a, tw_tensor **outs) { return swapped(a[0].t, a[1].i, a[2].i, outs); }

bool tw_t_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *t = a[0].t;
    if (t->ndim > 2)
        return tw_fail(TW_RUNTIME_ERROR, "t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got %d sparse and %d dense dimensions",
                       tw_sparse_dims(t), tw_dense_dims(t));
    return t->ndim < 2 ? tw_give(outs, tw_sparse_like(t, tw_sparse_of(t)->values)) : swapped(t, 0, 1, outs);
}

/* (self, dims) */
bool tw_permute_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *t = a[0].t;
    int64_t perm[TW_MAX_DIMS];
    bool seen[TW_MAX_DIMS] = {false};
    if (a[1].n != t->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
                       "ordering of dimensions i.e. input.dim() = %d is not equal to len(dims) = %d", t->ndim, a[1].n);
    for (int d = 0; d < t->ndim; d++) {
        perm[d] = a[1].ints[d];
        if (!tw_wrap_dim(&perm[d], t->ndim)) return false;
        if (seen[perm[d]]) return tw_fail(TW_RUNTIME_ERROR, "permute(): duplicate dims are not allowed.");
        seen[perm[d]] = true;
    }
    return permuted(t, perm, outs);
}

bool tw_expand_sparse(const tw_arg *a, tw_tensor **outs) {
    (void)a, (void)outs;
    return tw_fail(TW_RUNTIME_ERROR, "expand is unsupported for Sparse tensors");
}

/* (self, dim) */
bool tw_unsqueeze_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *t = a[0].t;
    int64_t dim = a[1].i, sizes[TW_MAX_DIMS + 1];
    if (!tw_wrap_dim(&dim, t->ndim + 1)) return false;
    const int sparse = tw_sparse_dims(t);
    const tw_sparse *s = tw_sparse_of(t);
    for (int d = 0; d <= t->ndim; d++) sizes[d] = d < dim ? t->sizes[d] : d == dim ? 1 : t->sizes[d - 1];
    tw_tensor *indices = s->indices, *values = s->values, *rows[TW_MAX_DIMS + 1];
    if (dim <= sparse) {
        const int64_t n = tw_stored(t);
        for (int d = 0; d <= sparse; d++)
            rows[d] = d == dim ? TEMP(&p, zeros, INTS(&n, 1), I(TW_INT64)) : tw_sparse_row(&p, t, d - (d > dim));
        indices = tw_failed() ? NULL : TEMP(&p, stack, tw_a_tensors(rows, sparse + 1));
    } else {
        values = TEMP(&p, unsqueeze, T(values), I(dim - sparse + 1));
    }
    outs[0] = tw_sparse_make(indices, values, sizes, t->ndim + 1, false);
    return tw_pool_done(&p, outs, 1);
}

/* The stored elements that `kept` names, with the sizes of t but for dimension dim. */
static tw_tensor *some_of(tw_pool *p, tw_tensor *t, tw_tensor *kept) {
    return tw_sparse_make(TEMP(p, index_select, T(tw_sparse_of(t)->indices), I(1), T(kept)),
                          TEMP(p, index_select, T(tw_sparse_of(t)->values), I(0), T(kept)), t->sizes, t->ndim, tw_sparse_of(t)->coalesced);
}

/* (self, dim, index) */
bool tw_select_int_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *t = a[0].t;
    int64_t dim = a[1].i, index = a[2].i, sizes[TW_MAX_DIMS];
    int n = 0;
    if (t->ndim == 0) return tw_fail(TW_INDEX_ERROR, "select() cannot be applied to a 0-dim tensor.");
    if (!tw_wrap_dim(&dim, t->ndim)) return false;
    if (index < -t->sizes[dim] || index >= t->sizes[dim])
        return tw_fail(TW_INDEX_ERROR, "select(): index %lld out of range for tensor of size %s at dimension %lld", (long long)index,
                       tw_sizes_text(t->sizes, t->ndim), (long long)dim);
    if (index < 0) index += t->sizes[dim];
    for (int d = 0; d < t->ndim; d++)
        if (d != dim) sizes[n++] = t->sizes[d];
    const int sparse = tw_sparse_dims(t);
    const tw_sparse *s = tw_sparse_of(t);
    if (dim >= sparse) {
        outs[0] = tw_sparse_make(s->indices, TEMP(&p, select_int, T(s->values), I(dim - sparse + 1), I(index)), sizes, n, s->coalesced);
        return tw_pool_done(&p, outs, 1);
    }
    const int64_t flat = -1;
    tw_tensor *kept = TEMP(&p, reshape, T(TEMP(&p, nonzero, T(TEMP(&p, eq, T(tw_sparse_row(&p, t, (int)dim)), I(index))))), INTS(&flat, 1));
    tw_tensor *part = kept ? tw_pool_own(&p, some_of(&p, t, kept)) : NULL, *rows[TW_MAX_DIMS];
    if (!part) return tw_pool_done(&p, outs, 1);
    if (sparse == 1) { /* nothing sparse is left: the sum of what lies there */
        const int64_t first = 0;
        outs[0] = CALL(sum_dim_IntList, T(tw_sparse_of(part)->values), INTS(&first, 1), B(false), I(t->dtype));
        return tw_pool_done(&p, outs, 1);
    }
    n = 0;
    for (int d = 0; d < sparse; d++)
        if (d != dim) rows[n++] = tw_sparse_row(&p, part, d);
    if (!tw_failed()) outs[0] = tw_sparse_make(TEMP(&p, stack, tw_a_tensors(rows, n)), tw_sparse_of(part)->values, sizes, t->ndim - 1, s->coalesced);
    return tw_pool_done(&p, outs, 1);
}

/* (self, dim, index): along a sparse dimension each stored element appears once for each time that its index is asked for. */
bool tw_index_select_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t dim = a[1].i, sizes[TW_MAX_DIMS], found[2];
    tw_tensor *t = a[0].t, *index = a[2].t, *sorted[2] = {NULL}, *rows[TW_MAX_DIMS];
    if (!tw_is_sparse(t) || tw_is_sparse(index)) return strided_out("index_select");
    if (t->ndim == 0) return tw_fail(TW_INDEX_ERROR, "index_select() cannot be applied to a 0-dim tensor.");
    if (!tw_wrap_dim(&dim, t->ndim)) return false;
    if (index->ndim != 1 || (index->dtype != TW_INT64 && index->dtype != TW_INT32))
        return tw_fail(TW_INDEX_ERROR, "index_select() argument index must be 1-D long-tensor.");
    memcpy(sizes, t->sizes, (size_t)t->ndim * sizeof *sizes);
    sizes[dim] = index->numel;
    const int sparse = tw_sparse_dims(t);
    const tw_sparse *s = tw_sparse_of(t);
    if (dim >= sparse) {
        outs[0] = tw_sparse_make(s->indices, TEMP(&p, index_select, T(s->values), I(dim - sparse + 1), T(index)), sizes, t->ndim, s->coalesced);
        return tw_pool_done(&p, outs, 1);
    }
    /* wrapped and checked: what _coo_flatten refuses is out of range */
    tw_tensor *wide = TEMP(&p, _to_copy, T(index), I(TW_INT64));
    wide = TEMP(&p, where, T(TEMP(&p, lt, T(wide), I(0))), T(TEMP(&p, add, T(wide), I(t->sizes[dim]))), T(wide));
    found[0] = 1;
    found[1] = index->numel;
    wide = TEMP(&p, _coo_flatten, T(TEMP(&p, reshape, T(wide), INTS(found, 2))), INTS(&t->sizes[dim], 1));
    if (!wide || !tw_call_all(TW_OP_sort_stable, 2, (const tw_arg[]){T(wide), B(true)}, sorted)) return tw_pool_done(&p, outs, 1);
    tw_tensor *keys = tw_pool_own(&p, sorted[0]), *order = tw_pool_own(&p, sorted[1]), *at = tw_sparse_row(&p, t, (int)dim);
    tw_tensor *from = TEMP(&p, searchsorted_Tensor, T(keys), T(at)), *to = TEMP(&p, searchsorted_Tensor, T(keys), T(at), B(false), B(true));
    tw_tensor *count = TEMP(&p, sub, T(to), T(from)), *which = TEMP(&p, repeat_interleave_Tensor, T(count));
    tw_tensor *before = TEMP(&p, sub, T(TEMP(&p, cumsum, T(count), I(0))), T(count));
    tw_tensor *part = which ? tw_pool_own(&p, some_of(&p, t, which)) : NULL;
    if (part) {
        tw_tensor *step = TEMP(&p, sub, T(TEMP(&p, arange, I(which->numel))), T(TEMP(&p, index_select, T(before), I(0), T(which))));
        tw_tensor *place = TEMP(&p, index_select, T(order), I(0), T(TEMP(&p, add, T(step), T(TEMP(&p, index_select, T(from), I(0), T(which))))));
        for (int d = 0; d < sparse; d++) rows[d] = d == dim ? place : tw_sparse_row(&p, part, d);
        if (!tw_failed()) outs[0] = tw_sparse_make(TEMP(&p, stack, tw_a_tensors(rows, sparse)), tw_sparse_of(part)->values, sizes, t->ndim, false);
    }
    return tw_pool_done(&p, outs, 1);
}

/* (tensors, dim): along a sparse dimension indices move on, along a dense one values get zeros around them. */
bool tw_cat_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t dim = a[1].i, sizes[TW_MAX_DIMS];
    const int n = a[0].n;
    tw_tensor *first = a[0].ts[0];
    for (int i = 0; i < n; i++)
        if (!tw_is_sparse(a[0].ts[i]))
            return tw_fail(TW_RUNTIME_ERROR, "Concatenating sparse tensors, but a dense tensor was found at position %d.", i);
    if (!tw_wrap_dim(&dim, first->ndim)) return false;
    const int sparse = tw_sparse_dims(first);
    memcpy(sizes, first->sizes, (size_t)first->ndim * sizeof *sizes);
    sizes[dim] = 0;
    for (int i = 0; i < n; i++) {
        const tw_tensor *t = a[0].ts[i];
        if (t->ndim != first->ndim || tw_sparse_dims(t) != sparse)
            return tw_fail(TW_RUNTIME_ERROR, "All tensors must have the same shape: %s (except in the concatenating dimension). Found tensor at "
                           "position %d with other sparse or dense dimensions", tw_sizes_text(first->sizes, first->ndim), i);
        for (int d = 0; d < t->ndim; d++)
            if (d != dim && t->sizes[d] != first->sizes[d])
                return tw_fail(TW_RUNTIME_ERROR, "Sizes of tensors must match except in dimension %lld. Expected size %lld but got size %lld for "
                               "tensor number %d in the list.", (long long)dim, (long long)first->sizes[d], (long long)t->sizes[d], i);
        sizes[dim] += t->sizes[dim];
    }
    tw_tensor *sum = tw_pool_own(&p, tw_sparse_like(first, tw_sparse_of(first)->values));
    int64_t at = 0;
    for (int i = 0; i < n && sum; i++) {
        tw_tensor *t = a[0].ts[i], *rows[TW_MAX_DIMS], *parts[2], *values = tw_sparse_of(t)->values;
        for (int d = 0; d < sparse; d++) {
            rows[d] = tw_sparse_row(&p, t, d);
            if (d == dim && at) rows[d] = TEMP(&p, add, T(rows[d]), I(at));
        }
        if (tw_failed()) break;
        tw_tensor *indices = sparse ? TEMP(&p, stack, tw_a_tensors(rows, sparse)) : tw_sparse_of(t)->indices;
        if (dim >= sparse) {
            int64_t whole[TW_MAX_DIMS];
            memcpy(whole, values->sizes, (size_t)values->ndim * sizeof *whole);
            whole[dim - sparse + 1] = sizes[dim];
            tw_tensor *zeros = TEMP(&p, new_zeros, T(values), INTS(whole, values->ndim));
            tw_tensor *piece = TEMP(&p, narrow, T(zeros), I(dim - sparse + 1), I(at), I(t->sizes[dim]));
            if (!piece || !tw_call_inplace(&tw_ops[TW_OP_copy_], (const tw_arg[]){T(piece), T(values), B(false)})) break;
            values = zeros;
        }
        at += t->sizes[dim];
        if (i == 0) {
            sum = tw_pool_own(&p, tw_sparse_make(indices, values, sizes, first->ndim, false));
            continue;
        }
        parts[0] = tw_sparse_of(sum)->indices;
        parts[1] = indices;
        tw_tensor *all = indices ? TEMP(&p, cat, tw_a_tensors(parts, 2), I(1)) : NULL;
        parts[0] = tw_sparse_of(sum)->values;
        parts[1] = values;
        tw_tensor *more = values ? TEMP(&p, cat, tw_a_tensors(parts, 2), I(0)) : NULL;
        sum = tw_pool_own(&p, tw_sparse_make(all, more, sizes, first->ndim, false));
    }
    return tw_pool_give(&p, outs, tw_failed() ? NULL : sum);
}
