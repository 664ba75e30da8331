/* Changes of shape that are made of views and copies. */
#include "autograd/twin.h"
#include "composite/boxed.h"
#include "ops/copy.h"
#include "ops/view.h"
#include "ops_decl.h"

bool tw__contiguous_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = a[0].t;
    *out = tw_is_contiguous(t) && !(t->flags & (TW_CONJ | TW_NEG)) ? tw_retain(t) : CALL(clone, T(t), I(TW_CONTIGUOUS_FORMAT));
    return *out != NULL;
}

/* A view where that is possible, else a copy. Owned. */
static tw_tensor *reshaped(tw_tensor *t, const int64_t *shape, int n) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    if (tw_is_contiguous(t)) return CALL(view, T(t), INTS(shape, n)); /* always possible */
    if (n > TW_MAX_DIMS) return tw_fail_null(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, n);
    if (!tw_infer_sizes(shape, n, t->numel, sizes)) return NULL;
    if (tw_view_strides(t, sizes, n, strides)) return CALL(view, T(t), INTS(sizes, n));
    tw_tensor *copy = CALL(clone, T(t), I(TW_CONTIGUOUS_FORMAT)), *out = CALL(_unsafe_view, T(copy), INTS(sizes, n));
    tw_release(copy);
    return out;
}

bool tw_reshape_composite(const tw_arg *a, tw_tensor **out) { return (*out = reshaped(a[0].t, a[1].ints, a[1].n)) != NULL; }

bool tw__permute_backward_composite(const tw_arg *a, tw_tensor **out) {
    int64_t inverse[TW_MAX_DIMS];
    for (int i = 0; i < a[1].n; i++) {
        int64_t d = a[1].ints[i];
        if (!tw_wrap_dim(&d, a[1].n)) return false;
        inverse[d] = i;
    }
    *out = CALL(permute, a[0], INTS(inverse, a[1].n));
    return *out != NULL;
}

bool tw_narrow_composite(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *t = a[0].t;
    int64_t dim = a[1].i, start = a[2].i;
    const int64_t length = a[3].i;
    if (t->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "narrow() cannot be applied to a 0-dim tensor.");
    if (length < 0) return tw_fail(TW_RUNTIME_ERROR, "narrow(): length must be non-negative.");
    if (!tw_wrap_dim(&dim, t->ndim)) return false;
    const int64_t n = t->sizes[dim];
    if (start < -n || start > n)
        return tw_fail(TW_INDEX_ERROR, "start out of range (expected to be in range of [%lld, %lld], but got %lld)", (long long)-n,
                       (long long)n, (long long)start);
    if (start < 0) start += n;
    if (start > n - length)
        return tw_fail(TW_RUNTIME_ERROR, "start (%lld) + length (%lld) exceeds dimension size (%lld).", (long long)start,
                       (long long)length, (long long)n);
    *out = CALL(slice_Tensor, a[0], I(dim), I(start), I(start + length), I(1));
    return *out != NULL;
}

bool tw_narrow_Tensor_composite(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *start = a[2].t;
    if (start->ndim != 0 || !tw_is_integral((tw_dtype)start->dtype) || start->dtype == TW_BOOL)
        return tw_fail(TW_RUNTIME_ERROR, "start must be an 0-dim integral Tensor.");
    if (start->layout) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "narrow: a sparse start");
    if (start->device != TW_CPU) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "narrow: a start on device %s", tw_device_text(start->device));
    const tw_arg in[] = {a[0], a[1], tw_a_int(tw_load_scalar(tw_data(start), (tw_dtype)start->dtype).i), a[3]};
    return tw_narrow_composite(in, out);
}

bool tw_narrow_copy_composite(const tw_arg *a, tw_tensor **out) { return tw_twin_copy(&tw_ops[TW_OP_narrow], a, out); }

bool tw_expand_as_composite(const tw_arg *a, tw_tensor **out) {
    *out = CALL(expand, a[0], INTS(a[1].t->sizes, a[1].t->ndim));
    return *out != NULL;
}
bool tw_view_as_composite(const tw_arg *a, tw_tensor **out) {
    *out = CALL(view, a[0], INTS(a[1].t->sizes, a[1].t->ndim));
    return *out != NULL;
}
bool tw_reshape_as_composite(const tw_arg *a, tw_tensor **out) {
    *out = CALL(reshape, a[0], INTS(a[1].t->sizes, a[1].t->ndim));
    return *out != NULL;
}

bool tw_flatten_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = a[0].t;
    int64_t sizes[TW_MAX_DIMS], start = a[1].i, end = a[2].i, product = 1;
    int n = 0;
    if (!tw_wrap_dim(&start, t->ndim) || !tw_wrap_dim(&end, t->ndim)) return false;
    if (start > end) return tw_fail(TW_RUNTIME_ERROR, "flatten() has invalid args: start_dim cannot come after end_dim");
    if (start == end && t->ndim > 0) {
        *out = tw_retain(t);
        return true;
    }
    for (int i = 0; i < t->ndim; i++) {
        if (i >= start && i <= end) product *= t->sizes[i];
        else sizes[n++] = t->sizes[i];
        if (i == end) sizes[n++] = product;
    }
    if (t->ndim == 0) sizes[n++] = 1;
    return (*out = reshaped(t, sizes, n)) != NULL;
}

/* Adds the elements of grad, the gradient of a view, to a flat tensor of `length` zeros at the places that the view shows. The view may
 * show an element many times. Owned. */
static tw_tensor *add_at_view(tw_tensor *grad, int64_t length, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset) {
    const int64_t all[] = {-1}, flat[] = {length};
    tw_pool p = {0};
    tw_tensor *out = NULL, *places = tw_pool_own(&p, tw_empty_new(flat, 1, TW_INT64, grad->device));
    tw_tensor *zeros = tw_pool_own(&p, tw_empty_new(flat, 1, (tw_dtype)grad->dtype, grad->device));
    if (!places || !zeros || !tw_fill(zeros, tw_int(0))) goto done;
    for (int64_t i = 0; places->storage->data && i < length; i++) ((int64_t *)tw_data(places))[i] = i;
    tw_tensor *at = TEMP(&p, reshape, T(tw_pool_own(&p, tw_alias_new(places, sizes, strides, ndim, offset, TW_INT64))), INTS(all, 1));
    tw_tensor *values = TEMP(&p, reshape, T(grad), INTS(all, 1));
    out = CALL(scatter_add, T(zeros), I(0), T(at), T(values));
done:
    return tw_pool_done(&p, &out, 1) ? out : NULL;
}

/* The highest element that a geometry reaches, plus one. */
static int64_t reach(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset) {
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] == 0) return 0;
        offset += (sizes[i] - 1) * strides[i];
    }
    return offset + 1;
}

/* As PyTorch's as_strided_backward: through the storage that both geometries share; where the input shows an element many times, its
 * gradient is shared out evenly. */
bool tw__as_strided_backward_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *grad = a[0].t, *self = a[1].t;
    const int64_t offset = a[4].tag == TW_ARG_INT ? a[4].i : self->offset;
    const int64_t low = offset < self->offset ? offset : self->offset;
    int64_t length = reach(self->sizes, self->strides, self->ndim, self->offset - low);
    const int64_t other = reach(a[2].ints, a[3].ints, a[2].n, offset - low);
    tw_pool p = {0};
    if (other > length) length = other;
    tw_tensor *flat = tw_pool_own(&p, add_at_view(grad, length, a[2].ints, a[3].ints, a[2].n, offset - low));
    if (flat && tw_internal_overlap(self)) {
        tw_tensor *ones = tw_pool_own(&p, tw_empty_new(self->sizes, self->ndim, (tw_dtype)grad->dtype, grad->device));
        tw_tensor *count = ones && tw_fill(ones, tw_int(1))
                               ? tw_pool_own(&p, add_at_view(ones, length, self->sizes, self->strides, self->ndim, self->offset - low)) : NULL;
        flat = TEMP(&p, div, T(flat), T(count));
    }
    tw_tensor *part = TEMP(&p, as_strided, T(flat), INTS(self->sizes, self->ndim), INTS(self->strides, self->ndim), I(self->offset - low));
    *out = CALL(clone, T(part), I(TW_CONTIGUOUS_FORMAT));
    return tw_pool_done(&p, out, 1);
}

bool tw__unfold_backward_composite(const tw_arg *a, tw_tensor **out) {
    int64_t strides[TW_MAX_DIMS], sizes[TW_MAX_DIMS], steps[TW_MAX_DIMS], dim = a[2].i;
    const int ndim = a[1].n;
    const int64_t *input = a[1].ints;
    tw_pool p = {0};
    if (!tw_wrap_dim(&dim, ndim)) return false;
    tw_contiguous_strides(input, ndim, strides);
    for (int i = 0; i < ndim; i++) {
        sizes[i] = a[0].t->sizes[i];
        steps[i] = i == dim ? strides[i] * a[4].i : strides[i];
    }
    const int last = ndim == 0 ? 0 : ndim; /* the windows' own dimension */
    sizes[last] = a[3].i;
    steps[last] = ndim == 0 ? 1 : strides[dim];
    int64_t length = 1;
    for (int i = 0; i < ndim; i++) length *= input[i];
    tw_tensor *flat = tw_pool_own(&p, add_at_view(a[0].t, length, sizes, steps, last + 1, 0));
    *out = CALL(reshape, T(flat), INTS(input, ndim));
    return tw_pool_done(&p, out, 1);
}

/* --- parts of complex tensors -------------------------------------------------------------------------------- */

static tw_tensor *part(tw_tensor *t, int64_t which) {
    tw_pool p = {0};
    tw_tensor *plain = tw_retain(t);
    if (t->flags & TW_CONJ) plain = CALL(_conj, T(t)); /* a view without the flag; its imaginary part has the other sign */
    tw_pool_own(&p, plain);
    tw_tensor *pairs = TEMP(&p, view_as_real, T(plain));
    tw_tensor *out = CALL(select_int, T(pairs), I(-1), I(which));
    if (out && which == 1 && (t->flags & TW_CONJ)) {
        tw_tensor *negative = CALL(neg, T(out));
        tw_release(out);
        out = negative;
    }
    tw_pool_done(&p, NULL, 0);
    return out;
}

bool tw_real_composite(const tw_arg *a, tw_tensor **out) {
    *out = tw_is_complex((tw_dtype)a[0].t->dtype) ? part(a[0].t, 0) : tw_retain(a[0].t);
    return *out != NULL;
}

bool tw_imag_composite(const tw_arg *a, tw_tensor **out) {
    if (!tw_is_complex((tw_dtype)a[0].t->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "imag is not implemented for tensors with non-complex dtypes.");
    *out = part(a[0].t, 1);
    return *out != NULL;
}

/* (self, shifts, dims) */
bool tw__roll_back_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t back[TW_MAX_DIMS];
    if (a[1].n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, a[1].n);
    for (int i = 0; i < a[1].n; i++) {
        if (__builtin_sub_overflow(0, a[1].ints[i], &back[i]))
            return tw_fail(TW_RUNTIME_ERROR, "roll: a shift of %lld cannot be taken back", (long long)a[1].ints[i]);
    }
    outs[0] = CALL(roll, a[0], INTS(back, a[1].n), a[2]);
    return outs[0] != NULL;
}
