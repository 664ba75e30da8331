/* Sparse tensors: making them, taking them apart, to and from dense ones. */
#include "composite/sparse.h"
#include "ops_decl.h"
#include <string.h>

/* --- helpers --------------------------------------------------------------------------------------------------------------------- */

/* Whether both parts are where their numbers can be read. */
static bool on_cpu(const tw_tensor *indices, const tw_tensor *values) {
    return (indices->device == TW_CPU && values->device == TW_CPU) ||
           tw_fail(TW_NOT_IMPLEMENTED_ERROR, "sparse tensors on '%s' are not implemented",
                   tw_device_text(indices->device == TW_CPU ? values->device : indices->device));
}

tw_tensor *tw_sparse_make(tw_tensor *indices, tw_tensor *values, const int64_t *sizes, int ndim, bool coalesced) {
    if (!indices || !values || !on_cpu(indices, values)) return NULL;
    tw_tensor *i = tw_detach_new(indices), *v = i ? tw_detach_new(values) : NULL;
    tw_tensor *made = v ? tw_sparse_new(i, v, sizes, ndim, coalesced) : NULL;
    tw_release(i);
    tw_release(v);
    return made;
}

tw_tensor *tw_sparse_like(const tw_tensor *t, tw_tensor *values) {
    return t ? tw_sparse_make(tw_sparse_of(t)->indices, values, t->sizes, t->ndim, tw_sparse_of(t)->coalesced) : NULL;
}

tw_tensor *tw_sparse_coalesced(tw_pool *p, tw_tensor *t) { return tw_pool_own(p, tw_coalesced(t)); }

tw_tensor *tw_sparse_flat(tw_pool *p, tw_tensor *t) {
    return t ? TEMP(p, _coo_flatten, T(tw_sparse_of(t)->indices), INTS(t->sizes, tw_sparse_dims(t))) : NULL;
}

tw_tensor *tw_sparse_row(tw_pool *p, tw_tensor *t, int d) {
    return t ? TEMP(p, select_int, T(tw_sparse_of(t)->indices), I(0), I(d)) : NULL;
}

static int64_t product(const int64_t *sizes, int n) {
    int64_t out = 1;
    for (int i = 0; i < n; i++) out *= sizes[i];
    return out;
}

/* (product of the sparse sizes, dense sizes...) */
static int flat_sizes(const tw_tensor *t, int sparse, int64_t *sizes) {
    sizes[0] = product(t->sizes, sparse);
    memcpy(sizes + 1, t->sizes + sparse, (size_t)(t->ndim - sparse) * sizeof *sizes);
    return t->ndim - sparse + 1;
}

bool tw_call_all(int op_id, int nargs, const tw_arg *args, tw_tensor **outs) {
    tw_arg full[TW_MAX_ARGS];
    for (int i = 0; i < nargs; i++)
        if (tw_failed()) return false;
    tw_fill_defaults(&tw_ops[op_id], nargs, args, full);
    return tw_call(&tw_ops[op_id], full, outs);
}

bool tw_expect_sparse(const tw_tensor *t, const char *what) {
    return tw_is_sparse(t) || tw_fail(TW_RUNTIME_ERROR, "%s expected sparse coordinate tensor layout but got Strided", what);
}

/* Rows of (n, ...) summed into `count` rows at `at`; bools by or. */
static tw_tensor *summed(tw_pool *p, tw_tensor *rows, tw_tensor *at, int64_t count) {
    int64_t sizes[TW_MAX_DIMS];
    if (!rows || !at) return NULL;
    memcpy(sizes, rows->sizes, (size_t)rows->ndim * sizeof *sizes);
    sizes[0] = count;
    const bool logical = rows->dtype == TW_BOOL;
    tw_tensor *from = logical ? TEMP(p, _to_copy, T(rows), I(TW_UINT8)) : rows;
    tw_tensor *zeros = from ? TEMP(p, new_zeros, T(from), INTS(sizes, rows->ndim)) : NULL;
    if (logical) return zeros ? TEMP(p, _to_copy, T(TEMP(p, index_reduce, T(zeros), I(0), T(at), T(from), tw_a_string("amax"))), I(TW_BOOL)) : NULL;
    return zeros ? TEMP(p, index_add, T(zeros), I(0), T(at), T(from)) : NULL;
}

tw_tensor *tw_sparse_dense(tw_pool *p, tw_tensor *t) {
    int64_t sizes[TW_MAX_DIMS + 1];
    tw_tensor *at = tw_sparse_flat(p, t);
    if (!at) return NULL;
    const int n = flat_sizes(t, tw_sparse_dims(t), sizes);
    tw_tensor *values = tw_sparse_of(t)->values, *rows;
    if (tw_sparse_of(t)->coalesced) {
        tw_tensor *zeros = TEMP(p, new_zeros, T(values), INTS(sizes, n));
        rows = zeros ? TEMP(p, index_copy, T(zeros), I(0), T(at), T(values)) : NULL;
    } else {
        rows = summed(p, values, at, sizes[0]);
    }
    return rows ? TEMP(p, reshape, T(rows), INTS(t->sizes, t->ndim)) : NULL;
}

/* Values of a sparse tensor at flat positions, zero where it has none. */
static tw_tensor *found(tw_pool *p, tw_tensor *t, tw_tensor *at) {
    t = tw_sparse_coalesced(p, t);
    tw_tensor *keys = tw_sparse_flat(p, t);
    if (!keys || !at) return NULL;
    tw_tensor *values = tw_sparse_of(t)->values;
    if (keys->numel == 0) {
        int64_t sizes[TW_MAX_DIMS];
        memcpy(sizes, values->sizes, (size_t)values->ndim * sizeof *sizes);
        sizes[0] = at->numel;
        return TEMP(p, new_zeros, T(values), INTS(sizes, values->ndim));
    }
    tw_tensor *place = TEMP(p, clamp, T(TEMP(p, searchsorted_Tensor, T(keys), T(at))), NONE_, I(keys->numel - 1));
    tw_tensor *missing = TEMP(p, ne, T(TEMP(p, index_select, T(keys), I(0), T(place))), T(at));
    tw_tensor *rows = TEMP(p, index_select, T(values), I(0), T(place));
    int64_t sizes[TW_MAX_DIMS];
    if (!rows || !missing) return NULL;
    for (int d = 0; d < rows->ndim; d++) sizes[d] = d ? 1 : at->numel;
    return TEMP(p, masked_fill_Scalar, T(rows), T(TEMP(p, reshape, T(missing), INTS(sizes, rows->ndim))), I(0));
}

tw_tensor *tw_sparse_take_at(tw_pool *p, tw_tensor *t, tw_tensor *indices) {
    int64_t sizes[TW_MAX_DIMS + 1];
    if (!t || !indices) return NULL;
    const int sparse = (int)indices->sizes[0];
    tw_tensor *at = TEMP(p, _coo_flatten, T(indices), INTS(t->sizes, sparse));
    if (!at) return NULL;
    if (tw_is_sparse(t) && tw_sparse_dims(t) == sparse) return found(p, t, at);
    if (tw_is_sparse(t) && !(t = tw_sparse_dense(p, t))) return NULL;
    const int n = flat_sizes(t, sparse, sizes);
    return TEMP(p, index_select, T(TEMP(p, reshape, T(t), INTS(sizes, n))), I(0), T(at));
}

/* --- making ---------------------------------------------------------------------------------------------------------------------- */

/* (sparse_dim, dense_dim, size, indices, values, options, is_coalesced) */
bool tw__sparse_coo_tensor_with_dims_and_tensors_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *indices = a[3].t, *values = a[4].t;
    const int64_t sparse = a[0].i, dense = a[1].i, *size = a[2].ints;
    int64_t want[TW_MAX_DIMS + 1];
    if (sparse < 0 || dense < 0 || a[2].n != sparse + dense)
        return tw_fail(TW_RUNTIME_ERROR, "'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = %d, sparse_dim = %lld, dense_dim = "
                       "%lld", a[2].n, (long long)sparse, (long long)dense);
    if (indices->ndim != 2)
        return tw_fail(TW_RUNTIME_ERROR, "indices must be sparse_dim x nnz, but got: %s", tw_sizes_text(indices->sizes, indices->ndim));
    const int64_t given = values->ndim ? values->sizes[0] : 1;
    if (indices->sizes[1] != given || values->ndim == 0)
        return tw_fail(TW_RUNTIME_ERROR, "indices and values must have same nnz, but got nnz from indices: %lld, nnz from values: %lld",
                       (long long)indices->sizes[1], (long long)given);
    if (indices->sizes[0] != sparse)
        return tw_fail(TW_RUNTIME_ERROR, "indices has incorrect first dimension, expected %lld, got %lld", (long long)sparse,
                       (long long)indices->sizes[0]);
    want[0] = given;
    memcpy(want + 1, size + sparse, (size_t)dense * sizeof *want);
    if (values->ndim != dense + 1 || memcmp(values->sizes, want, (size_t)values->ndim * sizeof *want) != 0) {
        char text[400];
        snprintf(text, sizeof text, "%s", tw_sizes_text(want, dense + 1));
        return tw_fail(TW_RUNTIME_ERROR, "values has incorrect size, expected %s, got %s", text, tw_sizes_text(values->sizes, values->ndim));
    }
    if (indices->dtype != TW_INT64) indices = TEMP(&p, _to_copy, T(indices), I(TW_INT64));
    if (a[5].tag == TW_ARG_INT && a[5].i != values->dtype) values = TEMP(&p, _to_copy, T(values), a[5]);
    outs[0] = tw_sparse_make(indices, values, size, a[2].n, tw_a_get_int(&a[9], 0) != 0);
    return tw_pool_done(&p, outs, 1);
}

static bool make(tw_pool *p, tw_tensor *indices, tw_tensor *values, const int64_t *sizes, int ndim, const tw_arg *o, tw_tensor **outs) {
    if (tw_a_get_int(&o[1], TW_SPARSE_COO) != TW_SPARSE_COO)
        return tw_fail(TW_RUNTIME_ERROR, "Error in sparse_coo_tensor: expected a sparse layout");
    if (o[0].tag == TW_ARG_INT && o[0].i != values->dtype) values = TEMP(p, _to_copy, T(values), o[0]);
    if (!values) return false;
    const int64_t sparse = indices->ndim ? indices->sizes[0] : 0, dense = values->ndim ? values->ndim - 1 : 0;
    outs[0] = CALL(_sparse_coo_tensor_with_dims_and_tensors, I(sparse), I(dense), INTS(sizes, ndim), T(indices), T(values), NONE_, NONE_, NONE_,
                   NONE_, o[4]);
    return outs[0] != NULL;
}

/* (indices, values, size, options, is_coalesced) */
bool tw_sparse_coo_tensor_indices_size_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    make(&p, a[0].t, a[1].t, a[2].ints, a[2].n, &a[3], outs);
    return tw_pool_done(&p, outs, 1);
}

/* (indices, values, options, is_coalesced): as large as the largest indices. */
bool tw_sparse_coo_tensor_indices_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *indices = a[0].t, *values = a[1].t;
    int64_t sizes[TW_MAX_DIMS] = {0};
    if (indices->ndim != 2)
        return tw_fail(TW_RUNTIME_ERROR, "indices must be sparse_dim x nnz, but got: %s", tw_sizes_text(indices->sizes, indices->ndim));
    if (!on_cpu(indices, values)) return false;
    const int sparse = (int)indices->sizes[0], dense = values->ndim ? values->ndim - 1 : 0;
    if (indices->sizes[0] + dense > TW_MAX_DIMS)
        return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, sparse + dense);
    if (indices->sizes[1] > 0 && sparse > 0) {
        const int64_t along = 1;
        tw_tensor *wide = TEMP(&p, _to_copy, T(indices), I(TW_INT64));
        tw_tensor *least = TEMP(&p, amin, T(wide), INTS(&along, 1)), *most = TEMP(&p, amax, T(wide), INTS(&along, 1));
        for (int d = 0; least && most && d < sparse; d++) {
            const int64_t high = ((const int64_t *)tw_data(most))[d];
            sizes[d] = high < INT64_MAX ? high + 1 : high; /* too large either way */
            const int64_t low = ((const int64_t *)tw_data(least))[d];
            if (low < 0) tw_fail(TW_RUNTIME_ERROR, "found negative index %lld for dim %d", (long long)low, d);
        }
    }
    for (int d = 0; d < dense; d++) sizes[sparse + d] = values->sizes[1 + d];
    if (!tw_failed()) make(&p, indices, values, sizes, sparse + dense, &a[2], outs);
    return tw_pool_done(&p, outs, 1);
}

/* (size, options) */
bool tw_sparse_coo_tensor_size_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t places[2] = {a[0].n, 0}, none = 0;
    const tw_arg options[5] = {a[1], a[2], a[3], a[4], B(true)};
    tw_tensor *indices = TEMP(&p, zeros, INTS(places, 2), I(TW_INT64)), *values = TEMP(&p, zeros, INTS(&none, 1), a[1]);
    if (indices && values) make(&p, indices, values, a[0].ints, a[0].n, options, outs);
    return tw_pool_done(&p, outs, 1);
}

/* (self, indices) */
bool tw__sparse_values_at_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    return tw_pool_give(&p, outs, tw_sparse_take_at(&p, a[0].t, a[1].t));
}

/* --- between layouts ------------------------------------------------------------------------------------------------------------- */

bool tw_to_dense_composite(const tw_arg *a, tw_tensor **outs) {
    if (tw_is_sparse(a[0].t)) return tw_give(outs, CALL(_to_dense, a[0], a[1], a[2]));
    return tw_give(outs, a[1].tag == TW_ARG_INT ? CALL(to_dtype, a[0], a[1]) : tw_retain(a[0].t));
}

/* (self, dtype, masked_grad) */
bool tw__to_dense_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!tw_expect_sparse(a[0].t, "to_dense")) return false;
    tw_tensor *dense = tw_sparse_dense(&p, a[0].t);
    if (a[1].tag == TW_ARG_INT && dense) dense = TEMP(&p, to_dtype, T(dense), a[1]);
    return tw_pool_give(&p, outs, dense);
}

/* (grad, input, masked_grad) */
bool tw__to_dense_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!tw_a_get_int(&a[2], 1)) return tw_give(outs, tw_retain(a[0].t));
    outs[0] = CALL(sparse_mask, a[0], T(tw_sparse_coalesced(&p, a[1].t)));
    return tw_pool_done(&p, outs, 1);
}

/* Stored are the slices along the first `sparse` dimensions that have something in them. */
static bool to_sparse(tw_tensor *t, int64_t sparse, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t all = -1, sizes[TW_MAX_DIMS + 1];
    tw_tensor *some = TEMP(&p, ne, T(t), I(0));
    if (sparse < t->ndim && some) {
        memcpy(sizes, t->sizes, (size_t)sparse * sizeof *sizes);
        sizes[sparse] = product(t->sizes + sparse, t->ndim - (int)sparse);
        some = TEMP(&p, any_dims, T(TEMP(&p, reshape, T(some), INTS(sizes, sparse + 1))), INTS(&all, 1));
    }
    tw_tensor *at = TEMP(&p, nonzero, T(some)), *indices = at ? TEMP(&p, clone, T(TEMP(&p, t, T(at))), I(TW_CONTIGUOUS_FORMAT)) : NULL;
    outs[0] = tw_sparse_make(indices, tw_sparse_take_at(&p, t, indices), t->sizes, t->ndim, true);
    return tw_pool_done(&p, outs, 1);
}

bool tw_to_sparse_sparse_dim_composite(const tw_arg *a, tw_tensor **outs) {
    if (!tw_is_sparse(a[0].t)) return tw_give(outs, CALL(_to_sparse_sparse_dim, a[0], a[1]));
    if (a[1].i == tw_sparse_dims(a[0].t)) return tw_give(outs, tw_retain(a[0].t));
    return tw_fail(TW_RUNTIME_ERROR, "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported");
}

/* (self, layout, blocksize, dense_dim) */
bool tw_to_sparse_composite(const tw_arg *a, tw_tensor **outs) {
    static const char *const names[] = {"Strided", "Sparse", "SparseCsr", "SparseCsc", "SparseBsr", "SparseBsc", "Mkldnn"};
    const int64_t layout = tw_a_get_int(&a[1], TW_SPARSE_COO);
    if (layout > TW_SPARSE_COO && layout < 7)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "to_sparse: conversion to %s is not implemented", names[layout]);
    if (layout == TW_STRIDED)
        return tw_fail(TW_RUNTIME_ERROR, "to_sparse: conversion from %s to Strided is not supported", names[a[0].t->layout]);
    if (a[2].tag != TW_ARG_NONE)
        return tw_fail(TW_RUNTIME_ERROR, "to_sparse: conversion from %s to Sparse with blocksize argument given is not supported",
                       names[a[0].t->layout]);
    if (!tw_is_sparse(a[0].t)) return tw_give(outs, CALL(_to_sparse, a[0], NONE_, NONE_, a[3]));
    if (a[3].tag == TW_ARG_NONE || a[3].i == tw_dense_dims(a[0].t)) return tw_give(outs, tw_retain(a[0].t));
    return tw_fail(TW_RUNTIME_ERROR, "to_sparse: conversion from Sparse to Sparse with dense_dim argument !=self.dense_dim() is not supported");
}

bool tw__to_sparse_sparse_dim_composite(const tw_arg *a, tw_tensor **outs) {
    const int64_t n = a[0].t->ndim;
    if (a[1].i < (n > 0) || a[1].i > n)
        return tw_fail(TW_RUNTIME_ERROR, "sparse_dim argument must be in >0 and <=%lld range, but got %lld", (long long)n, (long long)a[1].i);
    return to_sparse(a[0].t, a[1].i, outs);
}

bool tw__to_sparse_composite(const tw_arg *a, tw_tensor **outs) {
    const int64_t dense = tw_a_get_int(&a[3], 0);
    if (dense < 0 || dense > a[0].t->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "sparse_dim argument must be in >0 and <=%d range, but got %lld", a[0].t->ndim,
                       (long long)((uint64_t)a[0].t->ndim - (uint64_t)dense));
    return to_sparse(a[0].t, a[0].t->ndim - dense, outs);
}

/* (self, mask) */
bool tw_sparse_mask_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t, *mask = a[1].t;
    if (!tw_is_sparse(mask)) return tw_fail(TW_RUNTIME_ERROR, "sparse_mask(): expected a sparse mask");
    if (self->ndim != mask->ndim || memcmp(self->sizes, mask->sizes, (size_t)self->ndim * sizeof *self->sizes) != 0) {
        char text[400];
        snprintf(text, sizeof text, "%s", tw_sizes_text(self->sizes, self->ndim));
        return tw_fail(TW_RUNTIME_ERROR, "sparse_mask(): operands have incompatible sizes; self has size %s but mask has size %s", text,
                       tw_sizes_text(mask->sizes, mask->ndim));
    }
    outs[0] = tw_sparse_like(mask, tw_sparse_take_at(&p, self, tw_sparse_of(mask)->indices));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, self, mask): a place that the mask repeats counts as often */
bool tw__sparse_mask_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!tw_is_sparse(a[1].t)) {
        outs[0] = CALL(to_dense, T(tw_sparse_of(a[2].t)->coalesced ? a[0].t : TEMP(&p, sparse_mask, a[0], a[2])));
        return tw_pool_done(&p, outs, 1);
    }
    outs[0] = CALL(sparse_mask, a[0], T(tw_sparse_coalesced(&p, a[1].t)));
    return tw_pool_done(&p, outs, 1);
}

/* --- parts ----------------------------------------------------------------------------------------------------------------------- */

bool tw_coalesce_composite(const tw_arg *a, tw_tensor **outs) {
    if (!tw_expect_sparse(a[0].t, "coalesce")) return false;
    return tw_give(outs, tw_sparse_of(a[0].t)->coalesced ? tw_retain(a[0].t) : CALL(_coalesce, a[0]));
}

bool tw__coalesce_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *t = a[0].t, *sorted[2] = {NULL}, *distinct[3] = {NULL};
    if (!tw_expect_sparse(t, "coalesce")) return false;
    const tw_sparse *s = tw_sparse_of(t);
    if (tw_stored(t) < 2) {
        tw_tensor *at = tw_sparse_flat(&p, t); /* refuses what lies outside */
        outs[0] = at ? tw_sparse_make(TEMP(&p, clone, T(s->indices)), TEMP(&p, clone, T(s->values)), t->sizes, t->ndim, true) : NULL;
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *at = tw_sparse_flat(&p, t);
    if (at && tw_call_all(TW_OP_sort_stable, 2, (const tw_arg[]){T(at), B(true)}, sorted))
        tw_call_all(TW_OP_unique_consecutive, 2, (const tw_arg[]){T(sorted[0]), B(true)}, distinct);
    tw_tensor *keys = distinct[0];
    if (keys) {
        tw_tensor *rows = TEMP(&p, index_select, T(s->values), I(0), T(sorted[1]));
        outs[0] = tw_sparse_make(TEMP(&p, _coo_unflatten, T(keys), INTS(t->sizes, tw_sparse_dims(t))),
                                 keys->numel == at->numel ? rows : summed(&p, rows, distinct[1], keys->numel), t->sizes, t->ndim, true);
    }
    for (int i = 0; i < 2; i++) tw_release(sorted[i]);
    for (int i = 0; i < 3; i++) tw_release(distinct[i]);
    return tw_pool_done(&p, outs, 1);
}

static bool coalesced(const tw_tensor *t, const char *what) {
    return tw_sparse_of(t)->coalesced ||
           tw_fail(TW_RUNTIME_ERROR, "Cannot get %s on an uncoalesced tensor, please call .coalesce() first", what);
}

bool tw_indices_composite(const tw_arg *a, tw_tensor **outs) {
    if (!tw_expect_sparse(a[0].t, "indices") || !coalesced(a[0].t, "indices")) return false;
    return tw_give(outs, tw_detach_new(tw_sparse_of(a[0].t)->indices));
}

bool tw_values_composite(const tw_arg *a, tw_tensor **outs) {
    if (!tw_is_sparse(a[0].t)) return tw_fail(TW_RUNTIME_ERROR, "values expected sparse tensor layout but got Strided");
    return coalesced(a[0].t, "values") && tw_give(outs, tw_detach_new(tw_sparse_of(a[0].t)->values));
}

static bool refuse_strided(const char *name) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Could not run 'aten::%s' with arguments from the 'CPU' backend. This could be because the operator "
                   "doesn't exist for this backend.", name);
}

bool tw__indices_composite(const tw_arg *a, tw_tensor **outs) {
    return tw_is_sparse(a[0].t) ? tw_give(outs, tw_detach_new(tw_sparse_of(a[0].t)->indices)) : refuse_strided("_indices");
}

bool tw__values_composite(const tw_arg *a, tw_tensor **outs) {
    return tw_is_sparse(a[0].t) ? tw_give(outs, tw_detach_new(tw_sparse_of(a[0].t)->values)) : refuse_strided("_values");
}

/* (self, values) */
bool tw__sparse_with_values_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *values = a[1].t;
    if (!tw_expect_sparse(a[0].t, "_sparse_with_values")) return false;
    if (tw_is_sparse(values)) values = tw_sparse_dense(&p, values);
    outs[0] = values ? tw_sparse_like(a[0].t, values) : NULL;
    return tw_pool_done(&p, outs, 1);
}

/* (self, coalesced) */
bool tw__coalesced__composite(const tw_arg *a, tw_tensor **outs) {
    if (!tw_is_sparse(a[0].t)) return refuse_strided("_coalesced_");
    tw_sparse_of(a[0].t)->coalesced = a[1].i != 0;
    return tw_give(outs, tw_retain(a[0].t));
}

/* --- embeddings ------------------------------------------------------------------------------------------------------------------ */

/* (grad, indices, num_weights, padding_idx, scale_grad_by_freq) */
bool tw_embedding_sparse_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *grad = a[0].t, *at = a[1].t;
    if (a[4].i) return tw_fail(TW_RUNTIME_ERROR, "embedding_backward: scale_grad_by_freq not supported with sparse gradients");
    const int64_t width = grad->ndim ? grad->sizes[grad->ndim - 1] : 1, n = at->numel, row[2] = {n, width}, size[2] = {a[2].i, width};
    at = TEMP(&p, reshape, T(at), INTS(&n, 1));
    grad = TEMP(&p, reshape, T(grad), INTS(row, 2));
    if (a[3].i != -1 && at) {
        const int64_t flat = -1;
        tw_tensor *kept = TEMP(&p, reshape, T(TEMP(&p, nonzero, T(TEMP(&p, ne, T(at), a[3])))), INTS(&flat, 1));
        at = TEMP(&p, index_select, T(at), I(0), T(kept));
        grad = TEMP(&p, index_select, T(grad), I(0), T(kept));
    }
    if (at && at->dtype != TW_INT64) at = TEMP(&p, _to_copy, T(at), I(TW_INT64));
    const int64_t rows[2] = {1, at ? at->numel : 0};
    if (at) outs[0] = CALL(_sparse_coo_tensor_with_dims_and_tensors, I(1), I(1), INTS(size, 2), T(TEMP(&p, reshape, T(at), INTS(rows, 2))), T(grad));
    return tw_pool_done(&p, outs, 1);
}
