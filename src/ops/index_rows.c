/* index_add, index_copy, index_fill, index_reduce: slices along a dimension, at the places that a vector of indices names. */
#include "core/error.h"
#include "core/memory.h"
#include "op_ids.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops_decl.h"
#include <math.h>
#include <string.h>

static bool is_index(const tw_tensor *t) { return t->dtype == TW_INT64 || t->dtype == TW_INT32; }
static int64_t size_at(const tw_tensor *t, int64_t d) { return t->ndim ? t->sizes[d] : 1; }

/* Sizes without dimension `dim`. */
static int cut_sizes(const tw_tensor *t, int64_t dim, int64_t *sizes) {
    int n = 0;
    for (int d = 0; d < t->ndim; d++)
        if (d != dim) sizes[n++] = t->sizes[d];
    return n;
}

static bool same_slices(const tw_tensor *self, const tw_tensor *source, int64_t dim, int64_t *mine, int *n, int64_t *theirs, int *m) {
    *n = cut_sizes(self, dim, mine);
    *m = cut_sizes(source, dim, theirs);
    return *n == *m && memcmp(mine, theirs, sizeof(int64_t) * (size_t)*n) == 0;
}

/* --- checks ----------------------------------------------------------------------------------------------------------- */

static bool add_meta(const char *name, const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *index = a[2].t, *source = a[3].t;
    int64_t dim = a[1].i, mine[TW_MAX_DIMS], theirs[TW_MAX_DIMS];
    int n, m;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (index->ndim > 1)
        return tw_fail(TW_INDEX_ERROR, "%s(): Index should have dimension 1 or 0 (got %d)", name, index->ndim);
    if (!is_index(index))
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected dtype int32/int64 for index but got: %s", name, tw_dtypes[index->dtype].type_name);
    if (self->dtype != source->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "%s(): self (%s) and source (%s) must have the same scalar type", name,
                       tw_dtypes[self->dtype].type_name, tw_dtypes[source->dtype].type_name);
    if (dim != 0 && dim >= source->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Indexing dim %lld is out of bounds of the source tensor with dim %d", name,
                       (long long)dim, source->ndim);
    if (index->numel != size_at(source, dim))
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Number of indices (%lld) should be equal to source.size(dim): (%lld), for dim: %lld", name,
                       (long long)index->numel, (long long)size_at(source, dim), (long long)dim);
    if (self->ndim && source->ndim && !same_slices(self, source, dim, mine, &n, theirs, &m))
        return tw_fail(TW_RUNTIME_ERROR, "source tensor shape must match self tensor shape, excluding the specified dimension. Got "
                       "self.shape = %s source.shape = %s", tw_sizes_text(self->sizes, self->ndim),
                       tw_sizes_text(source->sizes, source->ndim));
    return tw_meta_like(out, self, (tw_dtype)self->dtype);
}

bool tw_index_add_meta(const tw_arg *a, tw_meta *out) {
    if (a[4].tag == TW_ARG_FLOAT && tw_is_integral((tw_dtype)a[0].t->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "For integral input tensors, argument alpha must not be a floating point number.");
    return add_meta("index_add_", a, out);
}

bool tw_index_copy_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *index = a[2].t, *source = a[3].t;
    int64_t dim = a[1].i, mine[TW_MAX_DIMS], theirs[TW_MAX_DIMS];
    int n = 0, m = 0;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (index->ndim > 1)
        return tw_fail(TW_INDEX_ERROR, "index_copy_(): Index should have dimension 1 or 0 (got %d)", index->ndim);
    if (source->ndim == 0 && index->numel != 1)
        return tw_fail(TW_INDEX_ERROR, "index_copy_(): When source is scalar, index should have one element (got %lld)",
                       (long long)index->numel);
    if (source->ndim != self->ndim && source->ndim != 0 && self->ndim != 0)
        return tw_fail(TW_INDEX_ERROR, "index_copy_(): When source and destination are not scalars, their dimensionality must match. "
                       "Source dimensionality (%d), destination dimensionality (%d)", source->ndim, self->ndim);
    if (index->dtype != TW_INT64)
        return tw_fail(TW_RUNTIME_ERROR, "index_copy_(): Expected a long tensor for index, but got %s", tw_dtypes[index->dtype].type_name);
    if (self->dtype != source->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "index_copy_(): self and source expected to have the same dtype, but got (self) %s and (source) %s",
                       tw_dtypes[self->dtype].type_name, tw_dtypes[source->dtype].type_name);
    if (!same_slices(self, source, dim, mine, &n, theirs, &m))
        return tw_fail(TW_RUNTIME_ERROR, "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: %s "
                       "at dimension %lld and source slice shape: %s at dimension 0.", tw_sizes_text(mine, n), (long long)dim,
                       tw_sizes_text(theirs, m));
    if (source->ndim && index->numel != source->sizes[dim])
        return tw_fail(TW_INDEX_ERROR, "index_copy_(): Number of indices (%lld) should be equal to source.size(dim) (%lld)",
                       (long long)index->numel, (long long)source->sizes[dim]);
    return tw_meta_like(out, self, (tw_dtype)self->dtype);
}

bool tw_index_fill_int_Scalar_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *index = a[2].t;
    int64_t dim = a[1].i;
    if (!is_index(index)) return tw_fail(TW_INDEX_ERROR, "index_fill_(): Expected dtype int32/int64 for index.");
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (index->ndim > 1) return tw_fail(TW_RUNTIME_ERROR, "Index has to be a vector/scalar");
    if (a[3].tag == TW_ARG_COMPLEX && !tw_is_complex((tw_dtype)self->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "index_fill_(): Converting complex Scalar to non-complex type is not supported");
    return tw_meta_like(out, self, (tw_dtype)self->dtype);
}

bool tw_index_fill_int_Tensor_meta(const tw_arg *a, tw_meta *out) {
    if (a[3].t->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "index_fill_ only supports a 0-dimensional value tensor, but got tensor with %d dimension(s).",
                       a[3].t->ndim);
    return tw_index_fill_int_Scalar_meta(a, out);
}

/* --- the walk --------------------------------------------------------------------------------------------------------- */

/* Where slices go: byte offsets along dim, checked. NULL and an error otherwise. `negative` ones count from the end. */
static int64_t *places_new(const char *name, tw_tensor *index, int64_t dim, int64_t size, int64_t by, bool negative) {
    tw_tensor *plain = tw_contiguous_new(index, TW_INT64);
    int64_t *at = plain ? tw_calloc((size_t)plain->numel + 1, sizeof *at) : NULL, bad = -1;
    if (at && plain->numel) bad = tw_add_places(plain->numel, at, tw_data(plain), sizeof(int64_t), TW_INT64, size, negative, by);
    if (bad >= 0) {
        long long wrong = (long long)((int64_t *)tw_data(plain))[bad];
        if (name) tw_fail(TW_INDEX_ERROR, "%sindex %lld is out of bounds for dimension %lld with size %lld", name, wrong, (long long)dim,
                          (long long)size);
        else tw_fail(TW_INDEX_ERROR, "index out of range in self");
        tw_free(at);
        at = NULL;
    }
    tw_release(plain);
    return at;
}

/* Applies `mode` to out, contiguous, at n places along dim: with slices of `from`, contiguous, or with one value (step 0). */
static void place(tw_tensor *out, int64_t dim, const int64_t *at, int64_t n, tw_scatter_mode mode, const char *from, bool one) {
    int64_t outer = 1, inner = 1, bytes = (int64_t)tw_dtype_size((tw_dtype)out->dtype), size = size_at(out, dim);
    for (int d = 0; d < dim && d < out->ndim; d++) outer *= out->sizes[d];
    for (int d = (int)dim + 1; d < out->ndim; d++) inner *= out->sizes[d];
    if (out->numel == 0 || n == 0) return;
    char *to = tw_data(out);
    for (int64_t o = 0; o < outer; o++) {
        char *row = to + o * size * inner * bytes;
        if (inner == 1) {
            tw_scatter_places(n, (tw_dtype)out->dtype, mode, row, at, from + (one ? 0 : o * n * bytes), one ? 0 : bytes);
            continue;
        }
        for (int64_t i = 0; i < n; i++)
            tw_scatter_run(inner, (tw_dtype)out->dtype, mode, row + at[i], bytes, one ? from : from + (o * n + i) * inner * bytes,
                           one ? 0 : bytes);
    }
}

/* out holds self's elements afterwards; a contiguous place to work in: out itself, or *made, to be copied back. */
static tw_tensor *work_in(tw_tensor *out, tw_tensor *self, tw_tensor **made) {
    if (!tw_start_from(out, self)) return NULL;
    if (tw_is_contiguous(out) && !(out->flags & (TW_CONJ | TW_NEG))) return out;
    return *made = tw_clone_new(out, TW_DTYPE_NONE, TW_CONTIGUOUS_FORMAT);
}

static int64_t step_of(const tw_tensor *t, int64_t dim) {
    int64_t inner = (int64_t)tw_dtype_size((tw_dtype)t->dtype);
    for (int d = (int)dim + 1; d < t->ndim; d++) inner *= t->sizes[d];
    return inner;
}

/* a: (self, dim, index, ...). source NULL: `value`, an element. */
static bool write(const tw_arg *a, tw_tensor *out, const char *name, bool negative, tw_scatter_mode mode, tw_tensor *source,
                  const void *value) {
    int64_t dim = a[1].i;
    tw_tensor *made = NULL, *from = NULL;
    int64_t *at = NULL;
    bool ok = false;
    if (!tw_wrap_dim(&dim, a[0].t->ndim)) return false;
    at = places_new(name, a[2].t, dim, size_at(out, dim), step_of(out, dim), negative);
    tw_tensor *to = at ? work_in(out, a[0].t, &made) : NULL;
    if (!to || (source && !(from = tw_contiguous_new(source, (tw_dtype)out->dtype)))) goto done;
    if (!from || from->numel) place(to, dim, at, a[2].t->numel, mode, from ? tw_data(from) : value, !from);
    ok = !made || tw_copy(out, made);
done:
    tw_release(made);
    tw_release(from);
    tw_free(at);
    return ok;
}

/* --- runs ------------------------------------------------------------------------------------------------------------- */

/* source times alpha, owned. */
static tw_tensor *scaled_new(tw_tensor *source, const tw_arg *alpha) {
    tw_scalar s = tw_a_to_scalar(alpha);
    if (s.kind != TW_SCALAR_COMPLEX && tw_scalar_double(s) == 1) return tw_retain(source);
    tw_tensor *out = NULL;
    return tw_run(&tw_ops[TW_OP_mul], (const tw_arg[]){tw_a_tensor(source), *alpha}, &out) ? out : NULL;
}

bool tw_index_add_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *source = scaled_new(a[3].t, &a[4]);
    bool ok = source && write(a, outs[0], NULL, false, TW_SCATTER_ADD, source, NULL);
    tw_release(source);
    return ok;
}

bool tw_index_copy_run(const tw_arg *a, tw_tensor **outs) {
    return write(a, outs[0], "index_copy_(): ", false, TW_SCATTER_SET, a[3].t, NULL);
}

static bool fill(const tw_arg *a, tw_tensor *out, tw_scalar value) {
    char element[16];
    if (!tw_check_number(value, (tw_dtype)out->dtype)) return false;
    tw_store_scalar(element, (tw_dtype)out->dtype, value);
    return write(a, out, "", true, TW_SCATTER_SET, NULL, element);
}
bool tw_index_fill_int_Scalar_run(const tw_arg *a, tw_tensor **outs) { return fill(a, outs[0], tw_a_to_scalar(&a[3])); }
bool tw_index_fill_int_Tensor_run(const tw_arg *a, tw_tensor **outs) {
    return fill(a, outs[0], tw_load_scalar(tw_data(a[3].t), (tw_dtype)a[3].t->dtype));
}

/* --- index_reduce ----------------------------------------------------------------------------------------------------- */

/* The value that changes nothing under a reduction. */
tw_scalar tw_scatter_identity(tw_scatter_mode mode, tw_dtype d) {
    if (mode == TW_SCATTER_MUL) return tw_int(1);
    if (mode == TW_SCATTER_ADD) return tw_int(0);
    const bool high = mode == TW_SCATTER_MIN;
    if (tw_is_float(d)) return tw_float(high ? INFINITY : -INFINITY);
    if (d == TW_BOOL) return tw_int(high);
    const int bits = (int)tw_dtype_size(d) * 8;
    if (!tw_dtypes[d].is_signed) return tw_int(high ? (1LL << bits) - 1 : 0);
    const int64_t most = (int64_t)(UINT64_MAX >> (65 - bits));
    return tw_int(high ? most : -most - 1);
}

static bool reduce_of(const char *text, tw_scatter_mode *mode, bool *mean) {
    *mean = !strcmp(text, "mean");
    *mode = !strcmp(text, "prod") ? TW_SCATTER_MUL : !strcmp(text, "amax") ? TW_SCATTER_MAX : !strcmp(text, "amin") ? TW_SCATTER_MIN
                                                                                                              : TW_SCATTER_ADD;
    return *mean || *mode != TW_SCATTER_ADD;
}

bool tw_index_reduce_meta(const tw_arg *a, tw_meta *out) {
    tw_scatter_mode mode;
    bool mean;
    if (!reduce_of(a[4].s, &mode, &mean))
        return tw_fail(TW_RUNTIME_ERROR, "reduce argument must be either prod, mean, amax or amin, got %s.", a[4].s);
    const tw_dtype d = (tw_dtype)a[0].t->dtype;
    if (d == TW_BOOL || tw_is_complex(d))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", a[5].i ? "index_func_" : "index_reduce_func_exclude_input_init",
                       tw_dtypes[d].type_name);
    return add_meta("index_reduce", a, out);
}

bool tw_divide_by_counts(tw_tensor *out, tw_tensor *counts) {
    const bool whole = tw_is_integral((tw_dtype)out->dtype);
    const tw_arg least[2] = {tw_a_tensor(counts), tw_a_int(1)}, ratio[3] = {tw_a_tensor(out), tw_a_tensor(counts), TW_A_NONE};
    tw_tensor *quotient = NULL;
    const bool ok = tw_run(&tw_ops[TW_OP_clamp_min], least, &counts) &&
                    tw_run(&tw_ops[whole ? TW_OP_floor_divide : TW_OP_div], ratio, &quotient) && tw_copy(out, quotient);
    tw_release(quotient);
    return ok;
}

/* Divides out by how many slices each place got. */
static bool divide_by_slices(const tw_arg *a, tw_tensor *out, bool include_self) {
    tw_tensor *counts = tw_empty_new(out->sizes, out->ndim, (tw_dtype)out->dtype, out->device);
    char one[16];
    tw_store_scalar(one, (tw_dtype)out->dtype, tw_int(1));
    const tw_arg start[4] = {tw_a_tensor(counts), a[1], a[2], a[3]};
    const bool ok = counts && tw_fill(counts, tw_int(include_self)) && write(start, counts, NULL, false, TW_SCATTER_ADD, NULL, one) &&
                    tw_divide_by_counts(out, counts);
    tw_release(counts);
    return ok;
}

bool tw_index_reduce_run(const tw_arg *a, tw_tensor **outs) {
    tw_scatter_mode mode;
    bool mean;
    char element[16];
    if (!reduce_of(a[4].s, &mode, &mean)) return false;
    tw_tensor *out = outs[0];
    tw_arg own[4] = {tw_a_tensor(out), a[1], a[2], a[3]};
    if (!a[5].i) { /* the places that get something start afresh */
        tw_store_scalar(element, (tw_dtype)out->dtype, tw_scatter_identity(mode, (tw_dtype)out->dtype));
        if (!write(a, out, NULL, false, TW_SCATTER_SET, NULL, element)) return false;
    }
    if (!write(a[5].i ? a : own, out, NULL, false, mode, a[3].t, NULL)) return false;
    return !mean || divide_by_slices(own, out, a[5].i != 0);
}

/* --- masked_scatter ---------------------------------------------------------------------------------------------------- */

bool tw_masked_scatter_meta(const tw_arg *a, tw_meta *out) {
    int64_t sizes[TW_MAX_DIMS];
    int ndim;
    if (a[0].t->dtype != a[2].t->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "masked_scatter: expected self and source to have same dtypes but got %s and %s",
                       tw_dtypes[a[0].t->dtype].type_name, tw_dtypes[a[2].t->dtype].type_name);
    if (a[1].t->dtype != TW_BOOL)
        return tw_fail(TW_RUNTIME_ERROR, "masked_scatter_ only supports boolean masks, but got mask with dtype %s",
                       tw_dtypes[a[1].t->dtype].type_name);
    return tw_broadcast_sizes(a, 2, sizes, &ndim) && tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, sizes, ndim);
}

bool tw_masked_scatter_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *out = outs[0], *made = NULL, *source = tw_contiguous_new(a[2].t, (tw_dtype)out->dtype), *mask = NULL;
    bool ok = false;
    tw_tensor *to = source ? work_in(out, a[0].t, &made) : NULL;
    mask = to ? tw_empty_new(out->sizes, out->ndim, TW_BOOL, out->device) : NULL;
    if (!mask || !tw_copy(mask, a[1].t)) goto done;
    const size_t bytes = tw_dtype_size((tw_dtype)out->dtype);
    int64_t taken = 0;
    for (int64_t i = 0; i < out->numel; i++) {
        if (!((uint8_t *)tw_data(mask))[i]) continue;
        if (taken >= source->numel) {
            tw_fail(TW_RUNTIME_ERROR, "Number of elements of source < number of ones in mask");
            goto done;
        }
        memcpy((char *)tw_data(to) + (size_t)i * bytes, (char *)tw_data(source) + (size_t)taken++ * bytes, bytes);
    }
    ok = !made || tw_copy(out, made);
done:
    tw_release(source);
    tw_release(made);
    tw_release(mask);
    return ok;
}
