/* Life of a tensor: making, aliasing, resizing, dying. Questions about geometry are answered in geometry.c. */
#include "core/tensor.h"

#include "core/memory.h"
#include <string.h>

void (*tw_autograd_free)(struct tw_autograd *data);
void (*tw_tensor_pyobj_free)(void *pyobj);

/* The number of elements; false with PyTorch's error for negative or too large sizes. */
static bool count_elements(const int64_t *sizes, int ndim, size_t item, int64_t *numel) {
    int64_t n = 1;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s", (long long)sizes[i],
                           tw_sizes_text(sizes, ndim));
        empty |= sizes[i] == 0;
    }
    for (int i = 0; i < ndim && !empty; i++)
        if (__builtin_mul_overflow(n, sizes[i], &n) || n > INT64_MAX / (int64_t)item)
            return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s", tw_sizes_text(sizes, ndim));
    *numel = empty ? 0 : n;
    return true;
}

/* Bytes of storage that a geometry reaches; false when that does not fit. */
static bool extent(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, size_t *bytes) {
    int64_t last = offset, step;
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] == 0) { *bytes = 0; return true; }
        if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &step) || __builtin_add_overflow(last, step, &last))
            return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s and strides=%s",
                           tw_sizes_text(sizes, ndim), tw_sizes_text(strides, ndim));
    }
    if (last >= INT64_MAX / (int64_t)item)
        return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s and strides=%s",
                       tw_sizes_text(sizes, ndim), tw_sizes_text(strides, ndim));
    *bytes = (size_t)(last + 1) * item;
    return true;
}

static bool row_major(const tw_tensor *t) {
    int64_t expected = 1;
    if (t->numel == 0) return true;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->sizes[i] == 1) continue;
        if (t->strides[i] != expected) return false;
        expected *= t->sizes[i];
    }
    return true;
}

static void drop_dims(tw_tensor *t) {
    if (t->sizes != t->dims) tw_small_free(t->sizes, 2 * t->ndim * sizeof(int64_t));
}

/* Makes room for ndim sizes and strides; the old ones are gone. */
static bool make_dims(tw_tensor *t, int ndim) {
    if (ndim > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    int64_t *room = t->dims;
    if (ndim > TW_INLINE_DIMS) {
        room = tw_small_alloc(2 * (size_t)ndim * sizeof *room);
        if (!room) return false;
    }
    if (t->sizes) drop_dims(t);
    t->sizes = room;
    t->strides = room == t->dims ? t->dims + TW_INLINE_DIMS : room + ndim;
    t->ndim = (uint8_t)ndim;
    return true;
}

bool tw_set_geometry(tw_tensor *t, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset) {
    int64_t kept[2 * TW_MAX_DIMS], numel; /* sizes and strides may point into t itself */
    if (ndim > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    if (!count_elements(sizes, ndim, tw_dtypes[t->dtype].size, &numel)) return false;
    const size_t bytes = (size_t)ndim * sizeof *kept;
    if (ndim) {
        memcpy(kept, sizes, bytes);
        if (strides) memcpy(kept + TW_MAX_DIMS, strides, bytes);
        else tw_contiguous_strides(sizes, ndim, kept + TW_MAX_DIMS);
    }
    if ((!t->sizes || ndim != t->ndim) && !make_dims(t, ndim)) return false;
    if (ndim) {
        memcpy(t->sizes, kept, bytes);
        memcpy(t->strides, kept + TW_MAX_DIMS, bytes);
    }
    t->numel = numel;
    t->offset = offset;
    t->flags = (uint8_t)((t->flags & ~TW_CONTIGUOUS) | (row_major(t) ? TW_CONTIGUOUS : 0));
    return true;
}

/* A tensor without storage; strides NULL: contiguous. */
static tw_tensor *make(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype, tw_device device) {
    tw_tensor *t = tw_small_alloc(sizeof *t);
    if (!t) return NULL;
    atomic_init(&t->refs, 1);
    t->dtype = (int8_t)dtype;
    t->ndim = 0;
    t->flags = 0;
    t->device = device;
    t->sizes = NULL;
    t->storage = NULL;
    t->version = NULL;
    t->autograd = NULL;
    t->pyobj = NULL;
    if (strides || ndim > TW_INLINE_DIMS) {
        if (tw_set_geometry(t, sizes, strides, ndim, offset)) return t;
        tw_small_free(t, sizeof *t);
        return NULL;
    }
    if (!count_elements(sizes, ndim, tw_dtypes[dtype].size, &t->numel)) {
        tw_small_free(t, sizeof *t);
        return NULL;
    }
    t->sizes = t->dims;
    t->strides = t->dims + TW_INLINE_DIMS;
    t->ndim = (uint8_t)ndim;
    t->offset = offset;
    t->flags = TW_CONTIGUOUS;
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        t->sizes[i] = sizes[i];
        t->strides[i] = step;
        step *= sizes[i] > 1 ? sizes[i] : 1;
    }
    return t;
}

tw_tensor *tw_empty_strided_new(const int64_t *sizes, const int64_t *strides, int ndim, tw_dtype dtype, tw_device device) {
    size_t bytes;
    tw_tensor *t = make(sizes, strides, ndim, 0, dtype, device);
    if (!t) return NULL;
    if (extent(t->sizes, t->strides, ndim, 0, tw_dtypes[dtype].size, &bytes)) t->storage = tw_storage_new(device, bytes);
    if (t->storage) return t;
    tw_release(t);
    return NULL;
}

tw_tensor *tw_empty_new(const int64_t *sizes, int ndim, tw_dtype dtype, tw_device device) {
    tw_tensor *t = make(sizes, NULL, ndim, 0, dtype, device);
    if (!t) return NULL;
    t->storage = tw_storage_new(device, (size_t)t->numel * tw_dtypes[dtype].size);
    if (t->storage) return t;
    tw_release(t);
    return NULL;
}

tw_tensor *tw_scalar_new(tw_scalar value, tw_dtype dtype, tw_device device) {
    tw_tensor *t = tw_empty_new(NULL, 0, dtype, device);
    if (t && device == TW_CPU) tw_store_scalar(t->storage->data, dtype, value);
    return t;
}

tw_tensor *tw_tensor_over(tw_storage *storage, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype) {
    size_t bytes;
    const size_t item = tw_dtypes[dtype].size;
    for (int i = 0; strides && i < ndim; i++)
        if (strides[i] < 0)
            return tw_fail_null(TW_RUNTIME_ERROR, "as_strided: Negative strides are not supported at the moment, got strides: %s",
                                tw_sizes_text(strides, ndim));
    if (offset < 0)
        return tw_fail_null(TW_RUNTIME_ERROR, "Tensor: invalid storage offset %lld", (long long)offset);
    tw_tensor *t = make(sizes, strides, ndim, offset, dtype, storage->device);
    if (!t) return NULL;
    if (!extent(t->sizes, t->strides, ndim, offset, item, &bytes)) goto fail;
    if (bytes > storage->bytes) {
        tw_fail(TW_RUNTIME_ERROR, "setStorage: sizes %s, strides %s, storage offset %lld, and itemsize %zu requiring a storage size of "
                "%zu are out of bounds for storage of size %zu", tw_sizes_text(t->sizes, ndim), tw_sizes_text(t->strides, ndim),
                (long long)offset, item, bytes, storage->bytes);
        goto fail;
    }
    tw_storage_retain(storage);
    t->storage = storage;
    return t;
fail:
    tw_release(t);
    return NULL;
}

tw_tensor *tw_alias_new(tw_tensor *of, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype) {
    tw_tensor *t = tw_tensor_over(of->storage, sizes, strides, ndim, offset, dtype);
    if (!t) return NULL;
    t->flags = (uint8_t)(t->flags | (of->flags & (TW_CONJ | TW_NEG | TW_INFERENCE)));
    if (tw_share_version(t, of)) return t;
    tw_release(t);
    return NULL;
}

bool tw_resize(tw_tensor *t, const int64_t *sizes, int ndim) {
    int64_t numel;
    const size_t item = tw_dtypes[t->dtype].size;
    if (!count_elements(sizes, ndim, item, &numel)) return false;
    const size_t bytes = (size_t)(t->offset + numel) * item;
    if (numel > 0 && bytes > t->storage->bytes && !tw_storage_resize(t->storage, bytes)) return false;
    return tw_set_geometry(t, sizes, NULL, ndim, t->offset);
}

tw_tensor *tw_retain(tw_tensor *t) {
    if (t) tw_tensor_retain(t);
    return t;
}

static void release_version(tw_version *v) {
    if (v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1) tw_small_free(v, sizeof *v);
}

void tw_release(tw_tensor *t) {
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) return;
    if (t->pyobj && tw_tensor_pyobj_free) tw_tensor_pyobj_free(t->pyobj);
    if (t->autograd) tw_autograd_free(t->autograd);
    tw_storage_release(t->storage);
    release_version(t->version);
    if (t->sizes) drop_dims(t);
    tw_small_free(t, sizeof *t);
}

/* --- versions ------------------------------------------------------------------------------------------------ */

static tw_version *version_made(tw_tensor *t) {
    if (t->version) return t->version;
    tw_version *v = tw_small_alloc(sizeof *v);
    if (!v) return NULL;
    atomic_init(&v->refs, 1);
    atomic_init(&v->value, 0);
    return t->version = v;
}

unsigned tw_version_of(tw_tensor *t) {
    return t->version ? atomic_load_explicit(&t->version->value, memory_order_relaxed) : 0;
}

bool tw_bump_version(tw_tensor *t) {
    tw_version *v = version_made(t);
    if (v) atomic_fetch_add_explicit(&v->value, 1, memory_order_relaxed);
    return v != NULL;
}

bool tw_share_version(tw_tensor *view, tw_tensor *base) {
    tw_version *v = version_made(base);
    if (!v) return false;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    release_version(view->version);
    view->version = v;
    return true;
}
