/* Arithmetic and sums of sparse tensors. */
#include "composite/sparse.h"
#include "ops_decl.h"
#include <string.h>

static bool sparse(const tw_arg *a) { return a->tag == TW_ARG_TENSOR && tw_is_sparse(a->t); }
static bool same_sizes(const tw_tensor *a, const tw_tensor *b) {
    return a->ndim == b->ndim && memcmp(a->sizes, b->sizes, (size_t)a->ndim * sizeof *a->sizes) == 0;
}
static bool refuse_sizes(const char *format, const tw_tensor *a, const tw_tensor *b) {
    char first[400];
    snprintf(first, sizeof first, "%s", tw_sizes_text(a->sizes, a->ndim));
    return tw_fail(TW_RUNTIME_ERROR, format, first, tw_sizes_text(b->sizes, b->ndim));
}

static tw_tensor *cast(tw_pool *p, tw_tensor *t, tw_dtype dtype) {
    return !t || t->dtype == (int8_t)dtype ? t : TEMP(p, _to_copy, T(t), I(dtype));
}

/* alpha * values in a dtype. */
static tw_tensor *scaled(tw_pool *p, tw_tensor *values, const tw_arg *alpha, tw_dtype dtype) {
    values = cast(p, values, dtype);
    const tw_scalar by = tw_a_to_scalar(alpha);
    return by.kind != TW_SCALAR_COMPLEX && tw_scalar_double(by) == 1 ? values : cast(p, TEMP(p, mul, T(values), *alpha), dtype);
}

/* --- sums of two ----------------------------------------------------------------------------------------------------------------- */

/* dense += alpha * t: only the stored places are touched. */
static bool add_into(tw_pool *p, tw_tensor *dense, tw_tensor *t, const tw_arg *alpha) {
    tw_tensor *at[TW_MAX_DIMS], *values = scaled(p, tw_sparse_of(t)->values, alpha, (tw_dtype)dense->dtype);
    const int n = tw_sparse_dims(t);
    if (!tw_sparse_flat(p, t) || !values) return false; /* refuses indices outside */
    if (n == 0) {
        const int64_t first = 0;
        tw_tensor *sum = TEMP(p, sum_dim_IntList, T(values), INTS(&first, 1));
        return sum && tw_call_inplace(&tw_ops[TW_OP_add], (const tw_arg[]){T(dense), T(sum), I(1)});
    }
    for (int d = 0; d < n; d++)
        if (!(at[d] = tw_sparse_row(p, t, d))) return false;
    return tw_stored(t) == 0 || tw_call_inplace(&tw_ops[TW_OP_index_put_], (const tw_arg[]){T(dense), tw_a_tensors(at, n), T(values), B(true)});
}

static bool dense_plus(tw_tensor *dense, tw_tensor *t, const tw_arg *alpha, tw_tensor **outs) {
    tw_pool p = {0};
    if (!same_sizes(dense, t))
        return refuse_sizes("add: expected 'self' and 'other' to have same size, but self has size %s while other has size %s (FYI: "
                            "op2=sparse addition does not currently support broadcasting)", dense, t);
    const tw_dtype dtype = tw_promote((tw_dtype)dense->dtype, (tw_dtype)t->dtype);
    if (outs[0] == dense && dtype == (tw_dtype)dense->dtype) {
        const bool done = add_into(&p, dense, t, alpha);
        return tw_pool_done(&p, NULL, 0) && done;
    }
    tw_tensor *sum = (tw_dtype)dense->dtype == dtype ? CALL(clone, T(dense)) : CALL(_to_copy, T(dense), I(dtype));
    if (sum && !add_into(&p, sum, t, alpha)) {
        tw_release(sum);
        sum = NULL;
    }
    outs[0] = sum;
    return tw_pool_done(&p, outs, 1);
}

/* PyTorch's two ways: contiguous values are merged in the order of places (of lists that are sorted; a walk in any case), others put one
 * after the other. */
static bool sparse_plus(tw_tensor *a, tw_tensor *b, const tw_arg *alpha, tw_tensor **outs) {
    tw_pool p = {0};
    if (!same_sizes(a, b)) return refuse_sizes("add: expected sizes of 'self' and 'other' to match, but %s != %s", a, b);
    if (tw_sparse_dims(a) != tw_sparse_dims(b))
        return tw_fail(TW_RUNTIME_ERROR, "add: expected 'self' and 'other' to have same number of sparse dimensions, but got %d and %d",
                       tw_sparse_dims(a), tw_sparse_dims(b));
    const tw_dtype dtype = tw_promote((tw_dtype)a->dtype, (tw_dtype)b->dtype);
    const tw_sparse *x = tw_sparse_of(a), *y = tw_sparse_of(b);
    const bool merge = tw_is_contiguous(x->values) && tw_is_contiguous(y->values);
    tw_tensor *first = cast(&p, x->values, dtype), *second = scaled(&p, y->values, alpha, dtype);
    if (!merge) {
        tw_tensor *indices[2] = {x->indices, y->indices}, *values[2] = {first, second};
        if (first && second)
            outs[0] = tw_sparse_make(TEMP(&p, cat, tw_a_tensors(indices, 2), I(1)), TEMP(&p, cat, tw_a_tensors(values, 2), I(0)), a->sizes, a->ndim, false);
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *places[3] = {NULL}, *left = tw_sparse_flat(&p, a), *right = tw_sparse_flat(&p, b);
    if (left && right && first && second && tw_call_all(TW_OP__coo_merge, 2, (const tw_arg[]){T(left), T(right)}, places)) {
        int64_t sizes[TW_MAX_DIMS], at[2] = {x->indices->sizes[0], *(const int64_t *)tw_data(places[2])};
        memcpy(sizes, first->sizes, (size_t)first->ndim * sizeof *sizes);
        sizes[0] = at[1];
        tw_tensor *values = TEMP(&p, index_copy, T(TEMP(&p, new_zeros, T(first), INTS(sizes, first->ndim))), I(0), T(places[0]), T(first));
        tw_tensor *indices = TEMP(&p, index_copy, T(TEMP(&p, new_zeros, T(left), INTS(at, 2))), I(1), T(places[0]), T(x->indices));
        outs[0] = tw_sparse_make(TEMP(&p, index_copy, T(indices), I(1), T(places[1]), T(y->indices)),
                                 TEMP(&p, index_add, T(values), I(0), T(places[1]), T(second)), a->sizes, a->ndim, x->coalesced && y->coalesced);
    }
    for (int i = 0; i < 3; i++) tw_release(places[i]);
    return tw_pool_done(&p, outs, 1);
}

static bool plus(const tw_arg *a, const tw_arg *alpha, tw_tensor **outs) {
    if (sparse(&a[0]) && sparse(&a[1])) return sparse_plus(a[0].t, a[1].t, alpha, outs);
    if (a[0].tag == TW_ARG_TENSOR && sparse(&a[1])) return dense_plus(a[0].t, a[1].t, alpha, outs);
    return tw_fail(TW_RUNTIME_ERROR, "add(sparse, dense) is not supported. Use add(dense, sparse) instead.");
}

/* (self, other, alpha) */
bool tw_add_sparse(const tw_arg *a, tw_tensor **outs) { return plus(a, &a[2], outs); }
bool tw_sub_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_scalar by = tw_a_to_scalar(&a[2]);
    by.i = (int64_t)(0 - (uint64_t)by.i);
    by.re = -by.re;
    by.im = -by.im;
    if (by.kind == TW_SCALAR_BOOL) by.kind = TW_SCALAR_INT;
    const tw_arg alpha = tw_a_scalar(by);
    return plus(a, &alpha, outs);
}

/* --- products and quotients ------------------------------------------------------------------------------------------------------ */

static bool is_number(const tw_arg *a) { return a->tag != TW_ARG_TENSOR || (!tw_is_sparse(a->t) && a->t->ndim == 0); }

/* The places that both have. Equal indices of `a` may repeat: the sum of products with one value is the product with it. */
static bool times_sparse(tw_tensor *a, tw_tensor *b, tw_tensor **outs) {
    tw_pool p = {0};
    if (!same_sizes(a, b)) return refuse_sizes("mul: expected sizes of 'self' and 'other' to match, but %s != %s", a, b);
    if (tw_sparse_dims(a) != tw_sparse_dims(b))
        return tw_fail(TW_RUNTIME_ERROR, "mul: expected 'self' and 'other' to have same number of sparse dimensions, but got %d and %d",
                       tw_sparse_dims(a), tw_sparse_dims(b));
    const bool swap = tw_sparse_of(a)->coalesced && !tw_sparse_of(b)->coalesced;
    tw_tensor *x = swap ? b : a, *y = tw_sparse_coalesced(&p, swap ? a : b);
    tw_tensor *keys = tw_sparse_flat(&p, y), *at = tw_sparse_flat(&p, x);
    if (!keys || !at) return tw_pool_done(&p, outs, 1);
    const int64_t last = keys->numel - 1, flat = -1;
    tw_tensor *kept, *place = NULL;
    if (keys->numel == 0) {
        kept = TEMP(&p, narrow, T(at), I(0), I(0), I(0));
        place = kept;
    } else {
        place = TEMP(&p, clamp, T(TEMP(&p, searchsorted_Tensor, T(keys), T(at))), NONE_, I(last));
        tw_tensor *hit = TEMP(&p, eq, T(TEMP(&p, index_select, T(keys), I(0), T(place))), T(at));
        kept = TEMP(&p, reshape, T(TEMP(&p, nonzero, T(hit))), INTS(&flat, 1));
        place = TEMP(&p, index_select, T(place), I(0), T(kept));
    }
    tw_tensor *values = TEMP(&p, mul, T(TEMP(&p, index_select, T(tw_sparse_of(x)->values), I(0), T(kept))),
                             T(TEMP(&p, index_select, T(tw_sparse_of(y)->values), I(0), T(place))));
    outs[0] = tw_sparse_make(TEMP(&p, index_select, T(tw_sparse_of(x)->indices), I(1), T(kept)), values, x->sizes, x->ndim, tw_sparse_of(x)->coalesced);
    return tw_pool_done(&p, outs, 1);
}

/* (self, other) */
bool tw_mul_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const bool swap = !sparse(&a[0]);
    const tw_arg *first = swap ? &a[1] : &a[0], *second = swap ? &a[0] : &a[1];
    if (!sparse(first)) return tw_fail(TW_RUNTIME_ERROR, "mul(sparse, dense): the result is sparse: it cannot be written to a dense tensor");
    if (sparse(second)) return times_sparse(first->t, second->t, outs);
    tw_tensor *t = first->t;
    if (is_number(second)) {
        outs[0] = tw_sparse_like(t, TEMP(&p, mul, T(tw_sparse_of(t)->values), *second));
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *dense = same_sizes(t, second->t) ? second->t : TEMP(&p, expand, *second, INTS(t->sizes, t->ndim));
    tw_tensor *there = tw_sparse_take_at(&p, dense, tw_sparse_of(t)->indices);
    outs[0] = tw_sparse_like(t, TEMP(&p, mul, T(tw_sparse_of(t)->values), T(there)));
    return tw_pool_done(&p, outs, 1);
}

bool tw_div_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!sparse(&a[0]) || !is_number(&a[1]))
        return tw_fail(TW_RUNTIME_ERROR, "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape %s for divisor)",
                       tw_sizes_text(a[1].t->sizes, a[1].t->ndim));
    outs[0] = tw_sparse_like(a[0].t, TEMP(&p, div, T(tw_sparse_of(a[0].t)->values), a[1]));
    return tw_pool_done(&p, outs, 1);
}

/* (self, exponent): zeros have to stay zeros. */
bool tw_pow_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!sparse(&a[0]) || !tw_a_is_number(&a[1]))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Could not run 'aten::pow' with arguments from the 'SparseCPU' backend. This could be because the "
                       "operator doesn't exist for this backend.");
    if (!(tw_scalar_double(tw_a_to_scalar(&a[1])) > 0))
        return tw_fail(TW_RUNTIME_ERROR, "pow: an exponent that is not positive would make a sparse tensor dense");
    tw_tensor *t = tw_sparse_coalesced(&p, a[0].t);
    outs[0] = t ? tw_sparse_like(t, TEMP(&p, pow, T(tw_sparse_of(t)->values), a[1])) : NULL;
    return tw_pool_done(&p, outs, 1);
}

/* --- sums ------------------------------------------------------------------------------------------------------------------------ */

/* (self, dtype) */
bool tw_sum_sparse(const tw_arg *a, tw_tensor **outs) {
    if (!sparse(&a[0])) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "sum: a dense sum cannot be written to a sparse tensor");
    return tw_give(outs, CALL(sum, T(tw_sparse_of(a[0].t)->values), a[1]));
}

static bool dims_of(const tw_tensor *t, const tw_arg *dims, bool *gone) {
    memset(gone, 0, TW_MAX_DIMS * sizeof *gone);
    for (int i = 0; i < dims->n && dims->tag == TW_ARG_INTS; i++) {
        int64_t d = dims->ints[i];
        if (!tw_wrap_dim(&d, t->ndim)) return false;
        if (gone[d]) return tw_fail(TW_RUNTIME_ERROR, "dim %lld appears multiple times in the list of dims", (long long)d);
        gone[d] = true;
    }
    for (int d = 0; d < t->ndim && (dims->tag != TW_ARG_INTS || dims->n == 0); d++) gone[d] = true;
    return true;
}

/* Sum over the dimensions `gone`: dense when no sparse one is left. */
static tw_tensor *sum_over(tw_pool *p, tw_tensor *t, const bool *gone, bool keep) {
    int64_t dims[TW_MAX_DIMS], sizes[TW_MAX_DIMS];
    int n = 0, ndim = 0, rows = 0;
    const int sparse_dims = tw_sparse_dims(t);
    for (int d = 0; d < sparse_dims; d++)
        rows += !gone[d];
    if (rows == 0) dims[n++] = 0;
    for (int d = sparse_dims; d < t->ndim; d++)
        if (gone[d]) dims[n++] = d - sparse_dims + 1;
    for (int d = 0; d < t->ndim; d++)
        if (!gone[d] || keep) sizes[ndim++] = gone[d] ? 1 : t->sizes[d];
    tw_tensor *values = tw_sparse_of(t)->values;
    if (n) values = TEMP(p, sum_dim_IntList, T(values), INTS(dims, n), B(rows > 0 && keep));
    if (rows == 0) return values && keep ? TEMP(p, reshape, T(values), INTS(sizes, ndim)) : values;
    tw_tensor *at[TW_MAX_DIMS];
    int n_at = 0;
    tw_tensor *none = keep ? TEMP(p, zeros_like, T(tw_sparse_row(p, t, 0))) : NULL;
    for (int d = 0; d < sparse_dims; d++)
        if (!gone[d] || keep) at[n_at++] = gone[d] ? none : tw_sparse_row(p, t, d);
    if (tw_failed()) return NULL;
    return tw_sparse_coalesced(p, tw_pool_own(p, tw_sparse_make(TEMP(p, stack, tw_a_tensors(at, n_at)), values, sizes, ndim, false)));
}

static tw_tensor *summable(tw_pool *p, tw_tensor *t, const tw_arg *dtype) {
    const tw_dtype to = dtype->tag == TW_ARG_INT ? (tw_dtype)dtype->i : tw_is_integral((tw_dtype)t->dtype) ? TW_INT64 : (tw_dtype)t->dtype;
    return cast(p, t, to);
}

/* (self, dim, keepdim, dtype) */
bool tw_sum_dim_IntList_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    bool gone[TW_MAX_DIMS];
    if (!sparse(&a[0])) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "sum: a dense sum cannot be written to a sparse tensor");
    if (!dims_of(a[0].t, &a[1], gone)) return false;
    tw_tensor *t = summable(&p, a[0].t, &a[3]);
    return tw_pool_give(&p, outs, t ? sum_over(&p, t, gone, a[2].i != 0) : NULL);
}

bool tw__sparse_sum_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    outs[0] = CALL(sum, T(TEMP(&p, values, T(TEMP(&p, coalesce, a[0])))));
    return tw_pool_done(&p, outs, 1);
}
bool tw__sparse_sum_dtype_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    outs[0] = CALL(sum, T(TEMP(&p, values, T(TEMP(&p, coalesce, a[0])))), a[1]);
    return tw_pool_done(&p, outs, 1);
}
bool tw__sparse_sum_dim_dtype_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    outs[0] = CALL(_sparse_sum_dim, T(TEMP(&p, to_dtype, a[0], a[2])), a[1]);
    return tw_pool_done(&p, outs, 1);
}

/* (self, dim): keeps the dtype of integers */
bool tw__sparse_sum_dim_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    bool gone[TW_MAX_DIMS];
    if (!tw_expect_sparse(a[0].t, "_sparse_sum") || !dims_of(a[0].t, &a[1], gone)) return false;
    if (a[1].n == 0) return tw_fail(TW_RUNTIME_ERROR, "_sparse_sum: dims_to_sum must be non-empty");
    return tw_pool_give(&p, outs, sum_over(&p, a[0].t, gone, false));
}

/* (grad, self, dim): each stored element gets the gradient of the sum that it is in. */
bool tw__sparse_sum_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    bool gone[TW_MAX_DIMS];
    int64_t sizes[TW_MAX_DIMS];
    tw_tensor *grad = a[0].t, *t = tw_sparse_coalesced(&p, a[1].t), *rows[TW_MAX_DIMS];
    int n = 0, ndim = 0;
    if (!t || !dims_of(t, &a[2], gone)) return tw_pool_done(&p, outs, 1);
    const int sparse_dims = tw_sparse_dims(t);
    for (int d = 0; d < sparse_dims; d++)
        if (!gone[d]) rows[n++] = tw_sparse_row(&p, t, d);
    /* (1, dense sizes...), where a summed one is 1: grad there, for all stored elements, with dimensions of 1 put back */
    sizes[ndim++] = n ? -1 : 1;
    for (int d = sparse_dims; d < t->ndim; d++) sizes[ndim++] = gone[d] ? 1 : t->sizes[d];
    if (n && !tw_failed()) grad = tw_sparse_take_at(&p, grad, TEMP(&p, stack, tw_a_tensors(rows, n)));
    if (n) sizes[0] = tw_stored(t);
    tw_tensor *values = tw_sparse_of(t)->values;
    tw_tensor *each = TEMP(&p, expand, T(TEMP(&p, reshape, T(grad), INTS(sizes, ndim))), INTS(values->sizes, values->ndim));
    outs[0] = tw_sparse_like(t, TEMP(&p, clone, T(each), I(TW_CONTIGUOUS_FORMAT)));
    return tw_pool_done(&p, outs, 1);
}

/* --- copies ---------------------------------------------------------------------------------------------------------------------- */

/* The sizes of t with nothing stored. */
static bool empty(const tw_tensor *t, tw_dtype dtype, tw_tensor **outs) {
    tw_pool p = {0};
    const tw_tensor *values = tw_sparse_of(t)->values;
    int64_t at[2] = {tw_sparse_dims(t), 0}, sizes[TW_MAX_DIMS];
    memcpy(sizes, values->sizes, (size_t)values->ndim * sizeof *sizes);
    sizes[0] = 0;
    outs[0] = tw_sparse_make(TEMP(&p, zeros, INTS(at, 2), I(TW_INT64)), TEMP(&p, zeros, INTS(sizes, values->ndim), I(dtype)), t->sizes, t->ndim, true);
    return tw_pool_done(&p, outs, 1);
}

bool tw_zero__sparse(const tw_arg *a, tw_tensor **outs) { return empty(a[0].t, (tw_dtype)a[0].t->dtype, outs); }

/* (self, dtype, layout, ...) */
static bool empty_like(const tw_arg *a, tw_tensor **outs) {
    const tw_dtype dtype = (tw_dtype)tw_a_get_int(&a[1], a[0].t->dtype);
    if (tw_a_get_int(&a[2], TW_SPARSE_COO) == TW_SPARSE_COO) return empty(a[0].t, dtype, outs);
    return tw_give(outs, CALL(zeros, INTS(a[0].t->sizes, a[0].t->ndim), I(dtype)));
}
bool tw_zeros_like_sparse(const tw_arg *a, tw_tensor **outs) { return empty_like(a, outs); }
bool tw_empty_like_sparse(const tw_arg *a, tw_tensor **outs) { return empty_like(a, outs); }

bool tw_clone_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!sparse(&a[0])) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "clone: a dense copy cannot be written to a sparse tensor");
    const tw_sparse *s = tw_sparse_of(a[0].t);
    outs[0] = tw_sparse_make(TEMP(&p, clone, T(s->indices)), TEMP(&p, clone, T(s->values)), a[0].t->sizes, a[0].t->ndim, s->coalesced);
    return tw_pool_done(&p, outs, 1);
}

/* (self, dtype, layout, device, ...) */
bool tw__to_copy_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!sparse(&a[0])) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "_to_copy: a dense copy cannot be written to a sparse tensor");
    if (tw_a_get_int(&a[3], TW_CPU) != TW_CPU)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "_to_copy: sparse tensors are on the CPU only");
    const tw_sparse *s = tw_sparse_of(a[0].t);
    outs[0] = tw_sparse_make(TEMP(&p, clone, T(s->indices)), TEMP(&p, _to_copy, T(s->values), a[1]), a[0].t->sizes, a[0].t->ndim, s->coalesced);
    return tw_pool_done(&p, outs, 1);
}

/* (self, src): between sparse tensors */
bool tw_copy__sparse(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *src = a[1].t;
    if (!tw_is_sparse(self) || !tw_is_sparse(src))
        return tw_fail(TW_RUNTIME_ERROR, "copy_() between dense and sparse Tensors is not implemented! Found self type = torch.%s%sTensor and src "
                       "type = torch.%s%sTensor", tw_is_sparse(self) ? "sparse." : "", tw_dtypes[self->dtype].type_name,
                       tw_is_sparse(src) ? "sparse." : "", tw_dtypes[src->dtype].type_name);
    if (!same_sizes(self, src)) return refuse_sizes("copy_: a tensor of size %s cannot take one of size %s", self, src);
    return tw_give(outs, CALL(_to_copy, a[1], I(self->dtype)));
}
