/* Life of a tensor: making, aliasing, resizing, dying. Questions about geometry are answered in geometry.c. */
#include "core/tensor.h"

#include "core/memory.h"
#include "core/sparse.h"
#include <string.h>

void (*tw_autograd_free)(struct tw_autograd *data);
void (*tw_tensor_pyobj_free)(void *pyobj);

/* The number of elements; false with PyTorch's error for negative or too large sizes. */
static inline bool count_elements(const int64_t *sizes, int ndim, size_t item, int64_t *numel) {
    int64_t n = 1;
    bool empty = false;
    *numel = 0;
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s", (long long)sizes[i],
                           tw_sizes_text(sizes, ndim));
        empty |= sizes[i] == 0;
    }
    for (int i = 0; i < ndim && !empty; i++)
        if (__builtin_mul_overflow(n, sizes[i], &n) || (n > INT64_MAX / 16 && n > INT64_MAX / (int64_t)item))
            return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s", tw_sizes_text(sizes, ndim));
    if (!empty) *numel = n;
    return true;
}

bool tw_extent(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, size_t *bytes) {
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

/* What sizes and strides say together. Found in one walk, which is what a view costs; a geometry that may not fit is looked at
 * again by the functions above, which know the errors. */
typedef struct measure { int64_t numel; size_t bytes; bool contiguous; } measure;

static bool measure_slowly(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, measure *m) {
    if (!count_elements(sizes, ndim, item, &m->numel) || !tw_extent(sizes, strides, ndim, offset, item, &m->bytes)) return false;
    int64_t expected = 1;
    m->contiguous = true;
    for (int i = ndim - 1; i >= 0 && m->numel > 0; i--) {
        if (sizes[i] == 1) continue;
        m->contiguous &= strides[i] == expected;
        expected *= sizes[i];
    }
    return true;
}

/* False: look again, slowly. Then nothing is known, not even that strides are not negative. */
static inline bool measure_plainly(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, measure *m) {
    int64_t numel = 1, last = offset;
    uint64_t all = (uint64_t)offset >> 24; /* ored: a bit above 28 tells a negative or a very large number */
    bool plain = true, contiguous = true;
    for (int i = ndim - 1; i >= 0; i--) {
        all |= (uint64_t)sizes[i] | (uint64_t)strides[i];
        contiguous &= sizes[i] == 1 || strides[i] == numel;
        last = (int64_t)((uint64_t)last + ((uint64_t)sizes[i] - 1) * (uint64_t)strides[i]);
        plain &= !__builtin_mul_overflow(numel, sizes[i], &numel);
    }
    *m = (measure){numel, ((size_t)last + 1) * item, contiguous};
    return plain && !(all >> 28) && numel != 0 && numel <= INT64_MAX / 16; /* 16: the largest item */
}

static inline bool measure_of(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, measure *m) {
    return measure_plainly(sizes, strides, ndim, offset, item, m) || measure_slowly(sizes, strides, ndim, offset, item, m);
}

static void drop_dims(tw_tensor *t) {
    if (t->sizes != t->dims) tw_small_free(t->sizes, 2 * t->ndim * sizeof(int64_t));
}

/* Makes room for ndim sizes and strides; the old ones are gone. */
static inline bool make_dims(tw_tensor *t, int ndim) {
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

/* Takes over a measured geometry; sizes and strides do not point into t. */
static inline bool take_geometry(tw_tensor *t, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, const measure *m) {
    if ((!t->sizes || ndim != t->ndim) && !make_dims(t, ndim)) return false;
    for (int i = 0; i < ndim; i++) {
        t->sizes[i] = sizes[i];
        t->strides[i] = strides[i];
    }
    t->numel = m->numel;
    t->offset = offset;
    t->flags = (uint8_t)((t->flags & ~TW_CONTIGUOUS) | (m->contiguous ? TW_CONTIGUOUS : 0));
    return true;
}

bool tw_set_geometry(tw_tensor *t, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset) {
    int64_t kept[2 * TW_MAX_DIMS]; /* sizes and strides may point into t itself */
    measure m;
    if (ndim > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    for (int i = 0; i < ndim; i++) kept[i] = sizes[i];
    for (int i = 0; strides && i < ndim; i++) kept[TW_MAX_DIMS + i] = strides[i];
    if (!strides) {
        if (!count_elements(sizes, ndim, tw_dtypes[t->dtype].size, &m.numel)) return false;
        tw_contiguous_strides(kept, ndim, kept + TW_MAX_DIMS);
    }
    return measure_of(kept, kept + TW_MAX_DIMS, ndim, offset, tw_dtypes[t->dtype].size, &m) &&
           take_geometry(t, kept, kept + TW_MAX_DIMS, ndim, offset, &m);
}

static tw_version *version_made(tw_tensor *t);

/* A tensor without storage or geometry. */
static inline tw_tensor *blank(tw_dtype dtype, tw_device device) {
    tw_tensor *t = tw_small_alloc(sizeof *t);
    if (!t) return NULL;
    atomic_init(&t->refs, 1);
    t->dtype = (int8_t)dtype;
    t->ndim = 0;
    t->flags = 0;
    t->layout = TW_STRIDED;
    t->device = device;
    t->sizes = NULL;
    t->storage = NULL;
    t->version = NULL;
    t->autograd = NULL;
    t->pyobj = NULL;
    t->base = NULL;
    return t;
}

/* A tensor without storage, of a measured geometry. */
static inline tw_tensor *make(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype, tw_device device,
                       const measure *m) {
    tw_tensor *t = blank(dtype, device);
    if (!t || take_geometry(t, sizes, strides, ndim, offset, m)) return t;
    tw_small_free(t, sizeof *t);
    return NULL;
}

static tw_tensor *with_storage(tw_tensor *t, size_t bytes) {
    if (!t || (t->storage = tw_storage_new(t->device, bytes))) return t;
    tw_release(t);
    return NULL;
}

tw_tensor *tw_empty_strided_new(const int64_t *sizes, const int64_t *strides, int ndim, tw_dtype dtype, tw_device device) {
    measure m;
    if (!measure_of(sizes, strides, ndim, 0, tw_dtypes[dtype].size, &m)) return NULL;
    return with_storage(make(sizes, strides, ndim, 0, dtype, device, &m), m.bytes);
}

tw_tensor *tw_empty_new(const int64_t *sizes, int ndim, tw_dtype dtype, tw_device device) {
    int64_t numel, step = 1;
    const size_t item = tw_dtypes[dtype].size;
    if (!count_elements(sizes, ndim, item, &numel)) return NULL;
    tw_tensor *t = blank(dtype, device);
    if (!t || !make_dims(t, ndim)) {
        tw_small_free(t, sizeof *t);
        return NULL;
    }
    for (int i = ndim - 1; i >= 0; i--) {
        t->sizes[i] = sizes[i];
        t->strides[i] = step;
        step = (int64_t)((uint64_t)step * (uint64_t)(sizes[i] > 1 ? sizes[i] : 1)); /* may wrap where another size is 0 */
    }
    t->numel = numel;
    t->offset = 0;
    t->flags = TW_CONTIGUOUS;
    return with_storage(t, (size_t)numel * item);
}

tw_tensor *tw_scalar_new(tw_scalar value, tw_dtype dtype, tw_device device) {
    tw_tensor *t = tw_empty_new(NULL, 0, dtype, device);
    if (t && device == TW_CPU) tw_store_scalar(t->storage->data, dtype, value);
    return t;
}

tw_tensor *tw_wrapped_new(tw_scalar value) {
    static const tw_dtype widest[] = {[TW_SCALAR_BOOL] = TW_BOOL, [TW_SCALAR_INT] = TW_INT64, [TW_SCALAR_FLOAT] = TW_FLOAT64,
                                      [TW_SCALAR_COMPLEX] = TW_COMPLEX128};
    tw_tensor *t = tw_scalar_new(value, widest[value.kind], TW_CPU);
    if (t) t->flags |= TW_WRAPPED;
    return t;
}

/* The same for a tensor that is laid over a storage, where strides and offset come from users. */
static bool measure_over(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, measure *m) {
    for (int i = 0; i < ndim; i++)
        if (strides[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "as_strided: Negative strides are not supported at the moment, got strides: %s",
                           tw_sizes_text(strides, ndim));
    if (offset < 0) return tw_fail(TW_RUNTIME_ERROR, "Tensor: invalid storage offset %lld", (long long)offset);
    return measure_slowly(sizes, strides, ndim, offset, item, m);
}

static inline tw_tensor *over(tw_storage *storage, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype) {
    measure m;
    const size_t item = tw_dtypes[dtype].size;
    if (!measure_plainly(sizes, strides, ndim, offset, item, &m) && !measure_over(sizes, strides, ndim, offset, item, &m)) return NULL;
    if (m.bytes > storage->bytes)
        return tw_fail_null(TW_RUNTIME_ERROR, "setStorage: sizes %s, strides %s, storage offset %lld, and itemsize %zu requiring a storage "
                            "size of %zu are out of bounds for storage of size %zu", tw_sizes_text(sizes, ndim),
                            tw_sizes_text(strides, ndim), (long long)offset, item, m.bytes, storage->bytes);
    tw_tensor *t = make(sizes, strides, ndim, offset, dtype, storage->device, &m);
    if (!t) return NULL;
    tw_storage_retain(storage);
    t->storage = storage;
    return t;
}

tw_tensor *tw_tensor_over(tw_storage *storage, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype) {
    int64_t room[TW_MAX_DIMS];
    if (ndim > TW_MAX_DIMS)
        return tw_fail_null(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    if (!strides) {
        tw_contiguous_strides(sizes, ndim, room);
        strides = room;
    }
    return over(storage, sizes, strides, ndim, offset, dtype);
}

/* What only strided tensors have is wanted of a sparse one. */
static bool refuse_view(void) { return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "a sparse tensor has no elements to be viewed"); }

tw_tensor *tw_alias_new(tw_tensor *of, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype) {
    if (ndim > TW_MAX_DIMS)
        return tw_fail_null(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    if (of->layout && (sizes != of->sizes || dtype != (tw_dtype)of->dtype)) return refuse_view(), NULL;
    if (!version_made(of)) return NULL;
    tw_tensor *t = of->layout ? tw_sparse_alias(of) : over(of->storage, sizes, strides, ndim, offset, dtype);
    if (!t) return NULL;
    t->flags = (uint8_t)(t->flags | (of->flags & (TW_CONJ | TW_NEG | TW_INFERENCE)));
    tw_count_up(&of->version->refs);
    t->version = of->version;
    return t;
}

bool tw_resize(tw_tensor *t, const int64_t *sizes, int ndim) {
    int64_t numel;
    const size_t item = tw_dtypes[t->dtype].size;
    if (t->layout) return refuse_view();
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
    if (v && tw_last_reference(&v->refs)) tw_small_free(v, sizeof *v);
}

void tw_release(tw_tensor *t) {
    if (!t || !tw_last_reference(&t->refs)) return;
    if (t->pyobj && tw_tensor_pyobj_free) tw_tensor_pyobj_free(t->pyobj);
    if (t->autograd) tw_autograd_free(t->autograd);
    tw_release(t->base);
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

bool tw_version_ready(tw_tensor *t) { return version_made(t) != NULL; }

void tw_bump_version(tw_tensor *t) { tw_count_up(&t->version->value); }

bool tw_share_version(tw_tensor *view, tw_tensor *base) {
    tw_version *v = version_made(base);
    if (!v) return false;
    tw_count_up(&v->refs);
    release_version(view->version);
    view->version = v;
    return true;
}
