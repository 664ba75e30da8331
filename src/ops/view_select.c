/* Views that pick elements, and their gradients: zeros with the gradient written into the same view of them. */
#include "ops/copy.h"
#include "ops/view.h"

#include <string.h>

static void begin(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_view *v) {
    v->ndim = (uint8_t)ndim;
    v->offset = offset;
    memcpy(v->sizes, sizes, (size_t)ndim * sizeof *sizes);
    memcpy(v->strides, strides, (size_t)ndim * sizeof *strides);
}
static void begin_at(const tw_tensor *t, tw_view *v) { begin(t->sizes, t->strides, t->ndim, t->offset, v); }

static void drop_dim(tw_view *v, int64_t d) {
    v->ndim--;
    for (int64_t i = d; i < v->ndim; i++) {
        v->sizes[i] = v->sizes[i + 1];
        v->strides[i] = v->strides[i + 1];
    }
}

/* The three geometries, on a view that starts as the whole tensor. */

static bool select_geometry(tw_view *v, int64_t dim, int64_t index) {
    if (v->ndim == 0) return tw_fail(TW_INDEX_ERROR, "select() cannot be applied to a 0-dim tensor.");
    if (!tw_wrap_dim(&dim, v->ndim)) return false;
    const int64_t n = v->sizes[dim];
    if (index < -n || index >= n)
        return tw_fail(TW_INDEX_ERROR, "select(): index %lld out of range for tensor of size %s at dimension %lld", (long long)index,
                       tw_sizes_text(v->sizes, v->ndim), (long long)dim);
    v->offset += (index < 0 ? index + n : index) * v->strides[dim];
    drop_dim(v, dim);
    return true;
}

static int64_t clamp(int64_t i, int64_t n) {
    if (i < 0) i += n;
    return i < 0 ? 0 : i > n ? n : i;
}

static bool slice_geometry(tw_view *v, const tw_arg *dim_start_end_step) {
    const tw_arg *a = dim_start_end_step;
    if (v->ndim == 0) return tw_fail(TW_INDEX_ERROR, "slice() cannot be applied to a 0-dim tensor.");
    int64_t dim = a[0].i;
    if (!tw_wrap_dim(&dim, v->ndim)) return false;
    const int64_t n = v->sizes[dim], step = a[3].i;
    if (step <= 0) return tw_fail(TW_RUNTIME_ERROR, "slice step must be positive");
    const int64_t start = clamp(tw_a_get_int(&a[1], 0), n);
    int64_t end = clamp(tw_a_get_int(&a[2], INT64_MAX), n);
    if (end < start) end = start;
    v->offset += start * v->strides[dim];
    v->sizes[dim] = end == start ? 0 : (end - start - 1) / step + 1;
    v->strides[dim] = (int64_t)((uint64_t)v->strides[dim] * (uint64_t)step); /* which may wrap where no second element is left */
    return true;
}

static bool diagonal_geometry(tw_view *v, int64_t offset, int64_t dim1, int64_t dim2) {
    if (!tw_wrap_dim(&dim1, v->ndim) || !tw_wrap_dim(&dim2, v->ndim)) return false;
    if (dim1 == dim2)
        return tw_fail(TW_RUNTIME_ERROR, "diagonal dimensions cannot be identical %lld, %lld", (long long)dim1, (long long)dim2);
    const int64_t rows = v->sizes[dim1] + (offset < 0 ? offset : 0), columns = v->sizes[dim2] - (offset > 0 ? offset : 0);
    const int64_t n = rows < columns ? rows : columns, stride = v->strides[dim1] + v->strides[dim2];
    if (n > 0) v->offset += offset >= 0 ? offset * v->strides[dim2] : -offset * v->strides[dim1];
    drop_dim(v, dim1 > dim2 ? dim1 : dim2);
    drop_dim(v, dim1 > dim2 ? dim2 : dim1);
    v->sizes[v->ndim] = n > 0 ? n : 0;
    v->strides[v->ndim++] = stride;
    return true;
}

bool tw_select_int_view(const tw_arg *a, tw_view *v) {
    begin_at(a[0].t, v);
    return select_geometry(v, a[1].i, a[2].i);
}
bool tw_slice_Tensor_view(const tw_arg *a, tw_view *v) {
    begin_at(a[0].t, v);
    return slice_geometry(v, a + 1);
}
bool tw_diagonal_view(const tw_arg *a, tw_view *v) {
    begin_at(a[0].t, v);
    return diagonal_geometry(v, a[1].i, a[2].i, a[3].i);
}

bool tw_as_strided_view(const tw_arg *a, tw_view *v) {
    if (a[1].n != a[2].n) return tw_fail(TW_RUNTIME_ERROR, "mismatch in length of strides and shape");
    if (a[1].n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, a[1].n);
    begin(a[1].ints, a[2].ints, a[1].n, tw_a_get_int(&a[3], a[0].t->offset), v);
    return true;
}

bool tw_unfold_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    int64_t dim = a[1].i;
    const int64_t size = a[2].i, step = a[3].i;
    if (!tw_wrap_dim(&dim, t->ndim)) return false;
    begin_at(t, v);
    const int64_t n = t->ndim ? t->sizes[dim] : 1, stride = t->ndim ? t->strides[dim] : 1;
    if (size < 0) return tw_fail(TW_RUNTIME_ERROR, "size is %lld but must be >= 0", (long long)size);
    if (size > n)
        return tw_fail(TW_RUNTIME_ERROR, "maximum size for tensor at dimension %lld is %lld but size is %lld", (long long)dim, (long long)n,
                       (long long)size);
    if (step <= 0) return tw_fail(TW_RUNTIME_ERROR, "step is %lld but must be > 0", (long long)step);
    if (t->ndim == TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, TW_MAX_DIMS + 1);
    v->sizes[v->ndim] = size;
    v->strides[v->ndim] = stride;
    if (t->ndim) {
        v->sizes[dim] = (n - size) / step + 1;
        v->strides[dim] = step * stride;
    }
    v->ndim++;
    return true;
}

/* --- parts of complex tensors -------------------------------------------------------------------------------- */

static void halves(const tw_tensor *t, tw_view *v) {
    begin_at(t, v);
    v->dtype = (int8_t)tw_dtypes[t->dtype].real;
    v->offset *= 2;
    for (int i = 0; i < v->ndim; i++) v->strides[i] *= 2;
}

bool tw_view_as_real_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    if (!tw_is_complex((tw_dtype)t->dtype)) return tw_fail(TW_RUNTIME_ERROR, "view_as_real is only supported for complex tensors");
    if (t->flags & TW_CONJ)
        return tw_fail(TW_RUNTIME_ERROR, "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you "
                       "can view it as real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the "
                       "original.");
    if (t->ndim == TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, TW_MAX_DIMS + 1);
    halves(t, v);
    v->sizes[v->ndim] = 2;
    v->strides[v->ndim++] = 1;
    return true;
}

bool tw_view_as_complex_view(const tw_arg *a, tw_view *v) {
    const tw_tensor *t = a[0].t;
    const tw_dtype d = (tw_dtype)t->dtype;
    if (d != TW_FLOAT16 && d != TW_FLOAT32 && d != TW_FLOAT64)
        return tw_fail(TW_RUNTIME_ERROR, "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar "
                       "type: %s", tw_dtypes[d].type_name);
    if (t->ndim == 0 || t->sizes[t->ndim - 1] != 2) return tw_fail(TW_RUNTIME_ERROR, "Tensor must have a last dimension of size 2");
    if (t->strides[t->ndim - 1] != 1) return tw_fail(TW_RUNTIME_ERROR, "Tensor must have a last dimension with stride 1");
    begin_at(t, v);
    v->ndim--;
    for (int i = 0; i < v->ndim; i++) {
        if (v->strides[i] % 2) return tw_fail(TW_RUNTIME_ERROR, "Tensor must have a stride divisible by 2 for all but last dimension");
        v->strides[i] /= 2;
    }
    if (v->offset % 2) return tw_fail(TW_RUNTIME_ERROR, "Tensor must have a storage_offset divisible by 2");
    v->offset /= 2;
    v->dtype = (int8_t)tw_to_complex(d);
    return true;
}

/* --- gradients: zeros but for one view of them --------------------------------------------------------------- */

static bool zeros_meta(const tw_arg *a, tw_meta *out) {
    return tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, a[1].ints, a[1].n);
}

static bool write_view(tw_tensor *out, tw_tensor *grad, const tw_view *v) {
    tw_tensor *part = tw_alias_new(out, v->sizes, v->strides, v->ndim, v->offset, (tw_dtype)out->dtype);
    const bool ok = part && tw_fill(out, tw_int(0)) && tw_copy(part, grad);
    tw_release(part);
    return ok;
}

bool tw_select_backward_meta(const tw_arg *a, tw_meta *out) { return zeros_meta(a, out); }
bool tw_select_backward_run(const tw_arg *a, tw_tensor **out) {
    tw_view v;
    begin_at(out[0], &v);
    return select_geometry(&v, a[2].i, a[3].i) && write_view(out[0], a[0].t, &v);
}
bool tw__slice_backward_meta(const tw_arg *a, tw_meta *out) { return zeros_meta(a, out); }
bool tw__slice_backward_run(const tw_arg *a, tw_tensor **out) {
    tw_view v;
    begin_at(out[0], &v);
    return slice_geometry(&v, a + 2) && write_view(out[0], a[0].t, &v);
}
bool tw_diagonal_backward_meta(const tw_arg *a, tw_meta *out) { return zeros_meta(a, out); }
bool tw_diagonal_backward_run(const tw_arg *a, tw_tensor **out) {
    tw_view v;
    begin_at(out[0], &v);
    return diagonal_geometry(&v, a[2].i, a[3].i, a[4].i) && write_view(out[0], a[0].t, &v);
}
