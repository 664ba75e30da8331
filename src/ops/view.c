/* Making views, and those that reorder or regroup dimensions; view_select.c has those that pick elements. */
#include "ops/view.h"

#include <string.h>

tw_tensor *tw_view_new(const tw_op *op, const tw_arg *args) {
    tw_view v;
    tw_tensor *t = args[0].t;
    v.dtype = -1;
    v.flags_xor = 0;
    if (!op->view(args, &v)) return NULL;
    tw_tensor *out = tw_alias_new(t, v.sizes, v.strides, v.ndim, v.offset, v.dtype < 0 ? (tw_dtype)t->dtype : (tw_dtype)v.dtype);
    if (out) out->flags = (uint8_t)(out->flags ^ v.flags_xor);
    return out;
}

/* Starts as the tensor itself. */
static void begin(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    v->ndim = t->ndim;
    v->offset = t->offset;
    memcpy(v->sizes, t->sizes, t->ndim * sizeof(int64_t));
    memcpy(v->strides, t->strides, t->ndim * sizeof(int64_t));
}

bool tw_alias_view(const tw_arg *a, tw_view *v) {
    begin(a, v);
    return true;
}

bool tw__conj_view(const tw_arg *a, tw_view *v) {
    begin(a, v);
    v->flags_xor = tw_is_complex((tw_dtype)a[0].t->dtype) ? TW_CONJ : 0;
    return true;
}

/* --- view, reshape ------------------------------------------------------------------------------------------- */

bool tw_infer_sizes(const int64_t *given, int64_t n, int64_t numel, int64_t *sizes) {
    int64_t product = 1, hole = -1;
    for (int64_t i = 0; i < n; i++) {
        sizes[i] = given[i];
        if (given[i] == -1) {
            if (hole >= 0) return tw_fail(TW_RUNTIME_ERROR, "only one dimension can be inferred");
            hole = i;
        } else if (given[i] < 0) {
            return tw_fail(TW_RUNTIME_ERROR, "invalid shape dimension %lld at index %lld of shape %s", (long long)given[i], (long long)i,
                           tw_sizes_text(given, n));
        } else if (__builtin_mul_overflow(product, given[i], &product)) {
            product = -1; /* cannot fit any tensor */
            break;
        }
    }
    if (numel == product || (hole >= 0 && product > 0 && numel % product == 0)) {
        if (hole < 0) return true;
        if (product == 0)
            return tw_fail(TW_RUNTIME_ERROR, "cannot reshape tensor of 0 elements into shape %s because the unspecified dimension size -1 "
                           "can be any value and is ambiguous", tw_sizes_text(given, n));
        sizes[hole] = numel / product;
        return true;
    }
    return tw_fail(TW_RUNTIME_ERROR, "shape '%s' is invalid for input of size %lld", tw_sizes_text(given, n), (long long)numel);
}

bool tw_view_strides(const tw_tensor *t, const int64_t *sizes, int ndim, int64_t *strides) {
    if (t->numel == 0) {
        if (t->ndim == ndim && memcmp(t->sizes, sizes, (size_t)ndim * sizeof *sizes) == 0)
            memcpy(strides, t->strides, (size_t)ndim * sizeof *strides);
        else tw_contiguous_strides(sizes, ndim, strides);
        return true;
    }
    if (t->ndim == 0) {
        for (int i = 0; i < ndim; i++) strides[i] = 1;
        return true;
    }
    /* Walks from the last dimension, gathering old dimensions that lie in one piece and splitting each piece into new ones. */
    int out = ndim - 1;
    int64_t base = t->strides[t->ndim - 1], have = 1, made = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        have *= t->sizes[i];
        const bool ends = i == 0 || (t->sizes[i - 1] != 1 && t->strides[i - 1] != have * base);
        if (!ends) continue;
        while (out >= 0 && (made < have || sizes[out] == 1)) {
            strides[out] = made * base;
            made *= sizes[out];
            out--;
        }
        if (made != have) return false;
        if (i > 0) {
            base = t->strides[i - 1];
            have = made = 1;
        }
    }
    return out == -1;
}

bool tw_view_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    if (a[1].n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, a[1].n);
    v->offset = t->offset;
    if (!tw_infer_sizes(a[1].ints, a[1].n, t->numel, v->sizes)) return false;
    v->ndim = (uint8_t)a[1].n;
    if (tw_view_strides(t, v->sizes, v->ndim, v->strides)) return true;
    tw_fail(TW_RUNTIME_ERROR, "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead.");
    return tw_hint("the tensor has sizes %s and strides %s", tw_sizes_text(t->sizes, t->ndim), tw_sizes_text(t->strides, t->ndim));
}

bool tw__unsafe_view_view(const tw_arg *a, tw_view *v) { return tw_view_view(a, v); }

bool tw_view_dtype_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    const tw_dtype to = (tw_dtype)a[1].i;
    const int64_t from_size = tw_dtypes[t->dtype].size, to_size = tw_dtypes[to].size;
    begin(a, v);
    v->dtype = (int8_t)to;
    if (from_size == to_size) return true;
    if (t->ndim == 0)
        return tw_fail(TW_RUNTIME_ERROR, "self.dim() cannot be 0 to view %s as %s (different element sizes)", tw_dtypes[t->dtype].type_name,
                       tw_dtypes[to].type_name);
    const int last = t->ndim - 1;
    if (t->strides[last] != 1)
        return tw_fail(TW_RUNTIME_ERROR, "self.stride(-1) must be 1 to view %s as %s (different element sizes), but got %lld",
                       tw_dtypes[t->dtype].type_name, tw_dtypes[to].type_name, (long long)t->strides[last]);
    if (from_size > to_size) {
        const int64_t ratio = from_size / to_size;
        for (int i = 0; i < last; i++) v->strides[i] *= ratio;
        v->sizes[last] *= ratio;
        v->offset *= ratio;
        return true;
    }
    const int64_t ratio = to_size / from_size;
    if (t->sizes[last] % ratio)
        return tw_fail(TW_RUNTIME_ERROR, "self.size(-1) must be divisible by %lld to view %s as %s (different element sizes), but got %lld",
                       (long long)ratio, tw_dtypes[t->dtype].type_name, tw_dtypes[to].type_name, (long long)t->sizes[last]);
    if (t->offset % ratio)
        return tw_fail(TW_RUNTIME_ERROR, "self.storage_offset() must be divisible by %lld to view %s as %s (different element sizes), but "
                       "got %lld", (long long)ratio, tw_dtypes[t->dtype].type_name, tw_dtypes[to].type_name, (long long)t->offset);
    for (int i = 0; i < last; i++) {
        if (t->strides[i] % ratio)
            return tw_fail(TW_RUNTIME_ERROR, "self.stride(%d) must be divisible by %lld to view %s as %s (different element sizes), but got "
                           "%lld", i, (long long)ratio, tw_dtypes[t->dtype].type_name, tw_dtypes[to].type_name, (long long)t->strides[i]);
        v->strides[i] /= ratio;
    }
    v->sizes[last] /= ratio;
    v->offset /= ratio;
    return true;
}

/* --- order of dimensions ------------------------------------------------------------------------------------- */

bool tw_permute_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    bool seen[TW_MAX_DIMS] = {false};
    begin(a, v);
    if (a[1].n != t->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
                       "desired ordering of dimensions i.e. input.dim() = %d is not equal to len(dims) = %d", t->ndim, a[1].n);
    for (int i = 0; i < a[1].n; i++) {
        int64_t d = a[1].ints[i];
        if (!tw_wrap_dim(&d, t->ndim)) return false;
        if (seen[d]) return tw_fail(TW_RUNTIME_ERROR, "permute(): duplicate dims are not allowed.");
        seen[d] = true;
        v->sizes[i] = t->sizes[d];
        v->strides[i] = t->strides[d];
    }
    return true;
}

static void swap_dims(tw_view *v, int64_t i, int64_t j) {
    const int64_t size = v->sizes[i], stride = v->strides[i];
    v->sizes[i] = v->sizes[j];
    v->strides[i] = v->strides[j];
    v->sizes[j] = size;
    v->strides[j] = stride;
}

bool tw_transpose_int_view(const tw_arg *a, tw_view *v) {
    int64_t i = a[1].i, j = a[2].i;
    begin(a, v);
    if (!tw_wrap_dim(&i, v->ndim) || !tw_wrap_dim(&j, v->ndim)) return false;
    if (v->ndim) swap_dims(v, i, j);
    return true;
}

bool tw_t_view(const tw_arg *a, tw_view *v) {
    begin(a, v);
    if (v->ndim > 2) return tw_fail(TW_RUNTIME_ERROR, "t() expects a tensor with <= 2 dimensions, but self is %dD", v->ndim);
    if (v->ndim == 2) swap_dims(v, 0, 1);
    return true;
}

/* --- expand, squeeze, unsqueeze ------------------------------------------------------------------------------ */

bool tw_expand_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    const int n = a[1].n;
    if (n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, n);
    if (n < t->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "expand(torch.%sTensor{%s}, size=%s): the number of sizes provided (%d) must be greater or equal "
                       "to the number of dimensions in the tensor (%d)", tw_dtypes[t->dtype].type_name, tw_sizes_text(t->sizes, t->ndim),
                       tw_sizes_text(a[1].ints, n), n, t->ndim);
    v->ndim = (uint8_t)n;
    v->offset = t->offset;
    for (int i = n - 1; i >= 0; i--) {
        const int old = i - (n - t->ndim);
        const int64_t size = old >= 0 ? t->sizes[old] : 1;
        int64_t want = a[1].ints[i];
        int64_t stride = old >= 0 ? t->strides[old] : i + 1 < n ? v->sizes[i + 1] * v->strides[i + 1] : 1;
        if (want == -1) {
            if (old < 0)
                return tw_fail(TW_RUNTIME_ERROR, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension %d", i);
            want = size;
        }
        if (size != want) {
            if (size != 1)
                return tw_fail(TW_RUNTIME_ERROR, "The expanded size of the tensor (%lld) must match the existing size (%lld) at non-singleton "
                               "dimension %d.  Target sizes: %s.  Tensor sizes: %s", (long long)want, (long long)size, i,
                               tw_sizes_text(a[1].ints, n), tw_sizes_text(t->sizes, t->ndim));
            stride = 0;
        }
        v->sizes[i] = want;
        v->strides[i] = stride;
    }
    return true;
}

static void squeeze_flagged(const tw_arg *a, tw_view *v, const bool *chosen) {
    const tw_tensor *t = a[0].t;
    v->offset = t->offset;
    v->ndim = 0;
    for (int i = 0; i < t->ndim; i++) {
        if (chosen[i] && t->sizes[i] == 1) continue;
        v->sizes[v->ndim] = t->sizes[i];
        v->strides[v->ndim++] = t->strides[i];
    }
}

bool tw_squeeze_view(const tw_arg *a, tw_view *v) {
    bool chosen[TW_MAX_DIMS];
    memset(chosen, true, sizeof chosen);
    squeeze_flagged(a, v, chosen);
    return true;
}

bool tw_squeeze_dim_view(const tw_arg *a, tw_view *v) {
    bool chosen[TW_MAX_DIMS] = {false};
    int64_t d = a[1].i;
    if (!tw_wrap_dim(&d, a[0].t->ndim)) return false;
    chosen[d] = true;
    squeeze_flagged(a, v, chosen);
    return true;
}

bool tw_squeeze_dims_view(const tw_arg *a, tw_view *v) {
    bool chosen[TW_MAX_DIMS] = {false};
    if (!tw_check_listed_dims(a[0].t->ndim)) return false;
    for (int i = 0; i < a[1].n; i++) {
        int64_t d = a[1].ints[i];
        if (!tw_wrap_dim(&d, a[0].t->ndim)) return false;
        if (chosen[d]) return tw_fail(TW_RUNTIME_ERROR, "dim %lld appears multiple times in the list of dims", (long long)d);
        chosen[d] = true;
    }
    squeeze_flagged(a, v, chosen);
    return true;
}

bool tw_unsqueeze_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    int64_t d = a[1].i;
    if (!tw_wrap_dim(&d, t->ndim + 1)) return false;
    begin(a, v);
    if (t->ndim == TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions", TW_MAX_DIMS);
    v->ndim = (uint8_t)(t->ndim + 1);
    for (int i = t->ndim; i > d; i--) {
        v->sizes[i] = v->sizes[i - 1];
        v->strides[i] = v->strides[i - 1];
    }
    v->strides[d] = d < t->ndim ? t->sizes[d] * t->strides[d] : 1;
    v->sizes[d] = 1;
    return true;
}
