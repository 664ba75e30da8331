#include "core/sparse.h"

#include "core/memory.h"

bool tw_sparse_used;

static void free_parts(void *context, void *data, size_t bytes) {
    tw_sparse *s = context;
    (void)data, (void)bytes;
    tw_release(s->indices);
    tw_release(s->values);
    tw_small_free(s, sizeof *s);
}

/* A storage of no bytes that owns the parts. */
static tw_storage *storage_of(tw_tensor *indices, tw_tensor *values, bool coalesced) {
    tw_sparse *s = tw_small_alloc(sizeof *s);
    if (!s) return NULL;
    *s = (tw_sparse){tw_retain(indices), tw_retain(values), coalesced};
    tw_storage *storage = tw_storage_borrow(values->device, NULL, 0, free_parts, s);
    if (!storage) free_parts(s, NULL, 0);
    return storage;
}

static tw_tensor *over(tw_storage *storage, const int64_t *sizes, int ndim, tw_dtype dtype) {
    const int64_t nothing = 0;
    tw_tensor *t = tw_tensor_over(storage, &nothing, NULL, 1, 0, dtype);
    if (!t || tw_set_geometry(t, sizes, NULL, ndim, 0)) {
        if (t) t->flags &= (uint8_t)~TW_CONTIGUOUS;
        if (t) t->layout = TW_SPARSE_COO;
        return t;
    }
    tw_release(t);
    return NULL;
}

tw_tensor *tw_sparse_new(tw_tensor *indices, tw_tensor *values, const int64_t *sizes, int ndim, bool coalesced) {
    tw_sparse_used = true;
    tw_storage *storage = storage_of(indices, values, coalesced);
    tw_tensor *t = storage ? over(storage, sizes, ndim, (tw_dtype)values->dtype) : NULL;
    tw_storage_release(storage);
    return t;
}

tw_tensor *tw_sparse_alias(tw_tensor *of) {
    return over(of->storage, of->sizes, of->ndim, (tw_dtype)of->dtype);
}

bool tw_sparse_take(tw_tensor *t, tw_tensor *from) {
    tw_sparse *to = tw_sparse_of(t), *s = tw_sparse_of(from), old = *to;
    if (t->storage == from->storage) return true;
    if (!tw_set_geometry(t, from->sizes, NULL, from->ndim, 0)) return false;
    t->flags &= (uint8_t)~TW_CONTIGUOUS;
    *to = (tw_sparse){tw_retain(s->indices), tw_retain(s->values), s->coalesced};
    tw_release(old.indices);
    tw_release(old.values);
    return true;
}
