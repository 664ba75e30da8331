/* Sparse COO tensors. A tensor whose `layout` is TW_SPARSE_COO has no elements of its own: its storage is of zero bytes and carries a
 * tw_sparse instead. So aliases (detach, .data, saved results) share the parts as they would share memory, and whatever takes a sparse
 * tensor for a dense one meets an empty storage.
 * Invariants: indices are int64 of (sparse_dim, nnz), values of (nnz, the last dense_dim sizes) and the tensor's dtype; neither has a
 * history. Strides of the tensor say nothing; TW_CONTIGUOUS is not set. */
#ifndef TW_CORE_SPARSE_H
#define TW_CORE_SPARSE_H
#include "core/tensor.h"

typedef struct tw_sparse {
    tw_tensor *indices, *values; /* owned */
    bool coalesced;              /* indices are sorted and differ */
} tw_sparse;

extern bool tw_sparse_used; /* a sparse tensor was ever made: until then nobody needs to look for one */

/* A tensor of these parts, which it shares; sizes and dtype are the caller's care. Owned; NULL on failure. */
tw_tensor *tw_sparse_new(tw_tensor *indices, tw_tensor *values, const int64_t *sizes, int ndim, bool coalesced);
tw_tensor *tw_sparse_alias(tw_tensor *of);           /* owned: the same parts; a version of its own */
/* t, which is sparse, becomes what `from` is: sizes and parts. Its aliases see the parts change. */
bool tw_sparse_take(tw_tensor *t, tw_tensor *from);

static inline bool tw_is_sparse(const tw_tensor *t) { return t->layout == TW_SPARSE_COO; }
static inline tw_sparse *tw_sparse_of(const tw_tensor *t) { return t->storage->context; }
static inline int tw_sparse_dims(const tw_tensor *t) { return (int)tw_sparse_of(t)->indices->sizes[0]; }
static inline int tw_dense_dims(const tw_tensor *t) { return t->ndim - tw_sparse_dims(t); }
static inline int64_t tw_stored(const tw_tensor *t) { return tw_sparse_of(t)->indices->sizes[1]; }
#endif
