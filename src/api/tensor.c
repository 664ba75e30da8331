/* The public functions on tensors that no operator of the table gives. */
#include "api/scope.h"
#include "autograd/autograd.h"
#include "core/sparse.h"
#include "core/memory.h"
#include "core/print.h"
#include "core/rng.h"
#include <string.h>

/* --- from data --------------------------------------------------------------------------------------------------- */

/* Whether memory of that dtype can be read or written; without elements there need be none. */
static bool memory_given(const char *function, const void *memory, int64_t numel, tw_dtype dtype) {
    if (!tw_is_dtype(dtype) || dtype == TW_DTYPE_NONE) return tw_fail(TW_VALUE_ERROR, "%s: no such dtype: %d", function, (int)dtype);
    return memory || numel == 0 || tw_fail(TW_VALUE_ERROR, "%s: there is no memory (NULL) for %lld elements", function, (long long)numel);
}

static bool sizes_given(const char *function, const int64_t *sizes, int ndim) {
    if (ndim >= 0 && (sizes || ndim == 0)) return true;
    return tw_fail(TW_VALUE_ERROR, "%s: %d sizes are expected, and none are given", function, ndim);
}

tw_tensor *tw_from_data(const void *data, const int64_t *sizes, int ndim, tw_dtype dtype) {
    if (tw_failed() || !sizes_given("tw_from_data", sizes, ndim) || !memory_given("tw_from_data", data, 0, dtype)) return NULL;
    tw_tensor *t = tw_empty_new(sizes, ndim, dtype, TW_CPU);
    if (t && !memory_given("tw_from_data", data, t->numel, dtype)) {
        tw_release(t);
        return NULL;
    }
    if (t && t->numel) memcpy(tw_data(t), data, (size_t)t->numel * tw_dtype_size(dtype));
    return tw_scoped(t);
}

tw_tensor *tw_from_borrowed(void *data, const int64_t *sizes, int ndim, tw_dtype dtype,
                            void (*release)(void *context, void *data, size_t bytes), void *context) {
    const char *name = "tw_from_borrowed";
    if (tw_failed() || !sizes_given(name, sizes, ndim) || !memory_given(name, data, 0, dtype)) return NULL;
    /* A meta tensor of this shape checks the sizes and knows the strides. */
    tw_tensor *shape = tw_empty_new(sizes, ndim, dtype, TW_META);
    if (!shape) return NULL;
    tw_tensor *t = NULL;
    tw_storage *storage = NULL;
    if (memory_given(name, data, shape->numel, dtype)) storage = tw_storage_borrow(TW_CPU, data, shape->storage->bytes, NULL, context);
    if (storage) t = tw_tensor_over(storage, shape->sizes, shape->strides, ndim, 0, dtype);
    tw_storage_release(storage);
    tw_release(shape);
    t = tw_scoped(t);
    if (t && release) t->storage->free = release; /* last: when anything failed the data stays the caller's */
    return t;
}

tw_tensor *tw_from_scalar(tw_scalar value, tw_dtype dtype) {
    if (tw_failed() || (dtype != TW_DTYPE_NONE && !memory_given("tw_from_scalar", NULL, 0, dtype))) return NULL;
    if (tw_is_none(value)) return tw_fail(TW_VALUE_ERROR, "tw_from_scalar: there is no number"), NULL;
    return tw_scoped(tw_scalar_new(value, dtype == TW_DTYPE_NONE ? tw_scalar_dtype(value) : dtype, TW_CPU));
}

/* --- what a tensor is ---------------------------------------------------------------------------------------------- */

int tw_ndim(const tw_tensor *t) { return t ? t->ndim : 0; }
int64_t tw_numel(const tw_tensor *t) { return t ? t->numel : 0; }
const int64_t *tw_sizes(const tw_tensor *t) { return t ? t->sizes : NULL; }
const int64_t *tw_strides(const tw_tensor *t) { return t ? t->strides : NULL; }
tw_dtype tw_dtype_of(const tw_tensor *t) { return t ? (tw_dtype)t->dtype : TW_DTYPE_NONE; }
tw_device tw_device_where(const tw_tensor *t) { return t ? t->device : TW_DEVICE_NONE; }
void *tw_data_ptr(const tw_tensor *t) { return t && t->numel && t->storage->data ? tw_data(t) : NULL; }
tw_layout tw_layout_of(const tw_tensor *t) { return t ? (tw_layout)t->layout : TW_STRIDED; }
int64_t tw_nnz(const tw_tensor *t) { return t && tw_is_sparse(t) ? tw_stored(t) : 0; }
bool tw_is_coalesced(const tw_tensor *t) { return t && tw_is_sparse(t) && tw_sparse_of(t)->coalesced; }
int tw_sparse_dim(const tw_tensor *t) { return t && tw_is_sparse(t) ? tw_sparse_dims(t) : 0; }
int tw_dense_dim(const tw_tensor *t) { return !t ? 0 : tw_is_sparse(t) ? tw_dense_dims(t) : t->ndim; }
bool tw_is_lazy(const tw_tensor *t) { return t && (t->flags & (TW_CONJ | TW_NEG)) != 0; }

/* Like tw_wrap_dim, but a 0-d tensor has no dimension at all: there is nothing to return. */
static int64_t dim_entry(const tw_tensor *t, const int64_t *entries, int64_t dim) {
    if (!t) return 0;
    if (t->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions", (long long)dim), -1;
    return tw_wrap_dim(&dim, t->ndim) ? entries[dim] : -1;
}

int64_t tw_size(const tw_tensor *t, int64_t dim) { return dim_entry(t, t ? t->sizes : NULL, dim); }
int64_t tw_stride(const tw_tensor *t, int64_t dim) { return dim_entry(t, t ? t->strides : NULL, dim); }

/* --- values --------------------------------------------------------------------------------------------------------- */

static tw_scalar read_element(const tw_tensor *t, int64_t offset) {
    tw_dtype dtype = (tw_dtype)t->dtype;
    tw_scalar s = tw_load_scalar((const char *)t->storage->data + (size_t)offset * tw_dtype_size(dtype), dtype);
    if (t->flags & TW_CONJ) s.im = -s.im;
    if (t->flags & TW_NEG) {
        s.i = (int64_t)(0 - (uint64_t)s.i);
        s.re = -s.re;
        s.im = -s.im;
    }
    return s;
}

static bool has_values(const tw_tensor *t) {
    if (!t) return tw_failed() ? false : tw_fail(TW_VALUE_ERROR, "a tensor was expected, not NULL");
    if (t->layout) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "reading the values of a sparse tensor: take its dense form (tw_to_dense) first");
    if (tw_device_type(t->device) == TW_CPU) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "reading the values of a tensor on '%s': copy it to the CPU first",
                   tw_device_text(t->device));
}

/* The only element; false and an error when there is not exactly one. */
static bool only_element(const tw_tensor *t, tw_scalar *into) {
    if (tw_failed() || !has_values(t)) return false;
    if (t->numel != 1)
        return tw_fail(TW_RUNTIME_ERROR, "a Tensor with %lld elements cannot be converted to Scalar", (long long)t->numel);
    *into = read_element(t, t->offset);
    return true;
}

double tw_item_double(const tw_tensor *t) {
    tw_scalar s = {0};
    if (!only_element(t, &s)) return 0;
    return t->dtype == TW_UINT64 ? (double)(uint64_t)s.i : tw_scalar_double(s);
}

int64_t tw_item_int64(const tw_tensor *t) {
    tw_scalar s = {0};
    if (!only_element(t, &s)) return 0;
    if (s.kind < TW_SCALAR_FLOAT) return s.i;
    int64_t value;
    tw_store_scalar(&value, TW_INT64, s); /* defined for what does not fit, too */
    return value;
}

bool tw_to_data(const tw_tensor *t, void *to, tw_dtype dtype) {
    if (tw_failed() || !has_values(t) || !memory_given("tw_to_data", to, t->numel, dtype)) return false;
    size_t size = tw_dtype_size(dtype);
    if (t->numel == 0) return true;
    if (tw_is_contiguous(t) && (int)dtype == t->dtype && !tw_is_lazy(t)) {
        memcpy(to, tw_data(t), (size_t)t->numel * size);
        return true;
    }
    int64_t at[TW_MAX_DIMS] = {0}, offset = t->offset;
    char *next = to;
    for (int64_t i = 0; i < t->numel; i++, next += size) {
        tw_store_scalar(next, dtype, read_element(t, offset));
        for (int d = t->ndim - 1; d >= 0; d--) { /* the next position, last dimension fastest */
            offset += t->strides[d];
            if (++at[d] < t->sizes[d]) break;
            offset -= at[d] * t->strides[d];
            at[d] = 0;
        }
    }
    return true;
}

bool tw_print(FILE *to, const tw_tensor *t) {
    if (tw_failed()) return false;
    if (!t) return fputs("None\n", to) >= 0;
    char grad[96] = "";
    const tw_node *node = t->autograd ? t->autograd->grad_fn : NULL;
    if (node) snprintf(grad, sizeof grad, "grad_fn=<%s>", node->name);
    else if (tw_requires_grad(t)) snprintf(grad, sizeof grad, "requires_grad=True");
    char *text = tw_tensor_text(t, NULL, "tensor", grad[0] ? grad : NULL);
    if (!text) return false;
    bool ok = fprintf(to, "%s\n", text) >= 0;
    tw_free(text);
    return ok || tw_fail(TW_OS_ERROR, "printing a tensor: the stream cannot be written");
}

void tw_manual_seed(uint64_t seed) { tw_generator_seed(tw_default_generator(), seed); }

/* --- gradients ------------------------------------------------------------------------------------------------------- */

static bool present(const tw_tensor *t) {
    if (tw_failed()) return false;
    return t || tw_fail(TW_VALUE_ERROR, "a tensor was expected, not NULL");
}

bool tw_requires_grad_(tw_tensor *t, bool on) { return present(t) && tw_set_requires_grad(t, on); }

bool tw_backward(tw_tensor *loss) {
    return present(loss) && tw_backward_run(&loss, NULL, 1, false, false, NULL, 0, true, true, NULL);
}

tw_tensor *tw_grad(tw_tensor *t) { return t && t->autograd ? t->autograd->grad : NULL; }

void tw_clear_grad(tw_tensor *t) {
    if (!t || !t->autograd) return;
    tw_tensor *grad = t->autograd->grad;
    t->autograd->grad = NULL;
    tw_release(grad);
}

unsigned tw_set_no_grad(bool on) {
    unsigned was = tw_mode & TW_MODE_NO_GRAD;
    tw_mode = on ? tw_mode | TW_MODE_NO_GRAD : tw_mode & ~(unsigned)TW_MODE_NO_GRAD;
    return was;
}

void tw_restore_grad_mode(unsigned was) { tw_set_no_grad(was != 0); }
