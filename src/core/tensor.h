/* The tensor: geometry over a storage, with lazily made autograd data.
 * Invariants: numel is the product of sizes; every element lies within the storage; strides are >= 0; sizes and strides point
 * into `dims` up to TW_INLINE_DIMS dimensions and into one heap block beyond; version points at storage-wide or detached state. */
#ifndef TW_CORE_TENSOR_H
#define TW_CORE_TENSOR_H
#include "core/dtype.h"
#include "core/error.h"
#include "core/storage.h"
#include <string.h>

enum { TW_INLINE_DIMS = 5, TW_MAX_DIMS = 128 /* of a tensor; operators over lists of dimensions refuse more than TW_LISTED_DIMS */, TW_LISTED_DIMS = 64 };

enum { /* tensor flags */
    TW_CONJ = 1,        /* lazy conjugate: elements are to be read as their conjugates */
    TW_NEG = 2,         /* lazy negation */
    TW_WRAPPED = 4,     /* made from a Python number: yields in promotion */
    TW_REQUIRES_GRAD = 8,  /* a leaf that wants a gradient, or the result of a recorded op */
    TW_INFERENCE = 16,  /* made under inference mode */
    TW_CONTIGUOUS = 32, /* cached: row-major without gaps (maintained by tw_set_geometry) */
    TW_BATCHED = 64,    /* see autograd/vmap.h */
    TW_IS_VIEW = 128,   /* has a base */
};

typedef struct tw_version { atomic_uint refs; atomic_uint value; } tw_version; /* shared by a tensor and its views */
struct tw_autograd; /* src/autograd/node.h; freed through tw_autograd_free below */

struct tw_tensor {
    atomic_uint refs;
    int8_t dtype;            /* tw_dtype */
    uint8_t ndim;
    uint8_t flags;
    uint8_t layout;          /* tw_layout; of one that is not strided, core/sparse.h tells what it has instead of elements */
    tw_device device;
    int64_t numel, offset;   /* elements */
    int64_t *sizes, *strides;
    tw_storage *storage;
    tw_version *version;     /* owned reference; NULL until the first write or save (then it is 0) */
    struct tw_autograd *autograd; /* owned; NULL for a plain tensor */
    void *pyobj;             /* the Python wrapper, borrowed (ext keeps the protocol); NULL if none */
    tw_tensor *base;         /* of a view: owned root base */
    unsigned view_version;   /* of a view: version of the base at which its grad_fn was made; that is remade when it moved on */
    uint8_t view_mode;       /* of a view: 0 ordinary; 1 made under no_grad; 2 one of several results (in-place is refused) */
    int64_t dims[2 * TW_INLINE_DIMS];
};

/* All constructors give one owned reference, or NULL with an error. */
tw_tensor *tw_empty_strided_new(const int64_t *sizes, const int64_t *strides, int ndim, tw_dtype dtype, tw_device device);
tw_tensor *tw_empty_new(const int64_t *sizes, int ndim, tw_dtype dtype, tw_device device); /* contiguous; uninitialised */
tw_tensor *tw_scalar_new(tw_scalar value, tw_dtype dtype, tw_device device);              /* 0-d */
tw_tensor *tw_wrapped_new(tw_scalar value); /* a number in a tensor's place: TW_WRAPPED, of the widest dtype of its kind */
/* A second tensor over the same storage (and version, unless TW_NEW_VERSION): dtype may differ (view(dtype)). Checks bounds. */
tw_tensor *tw_alias_new(tw_tensor *of, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype);
/* Bytes of storage that a geometry of sizes and strides that are not negative reaches; false and an error when that does not fit. */
bool tw_extent(const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, size_t item, size_t *bytes);
tw_tensor *tw_tensor_over(tw_storage *storage, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype);
/* Changes the geometry of t in place (resize_, set_, squeeze_, ...): sizes, strides, offset; recomputes numel and TW_CONTIGUOUS. */
bool tw_set_geometry(tw_tensor *t, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset);
bool tw_resize(tw_tensor *t, const int64_t *sizes, int ndim); /* contiguous; grows the storage when needed */

static inline void tw_tensor_retain(tw_tensor *t) { tw_count_up(&t->refs); }
/* tw_release (public) drops one; the last one calls the hooks below and frees. */
/* Set once by autograd and ext: free autograd data (iteratively), and ask Python whether the wrapper dies too. */
extern void (*tw_autograd_free)(struct tw_autograd *data);
/* Called with t->pyobj when a tensor that has a wrapper dies (the tensor owned it then); NULL until the extension sets it. */
extern void (*tw_tensor_pyobj_free)(void *pyobj);

static inline void *tw_data(const tw_tensor *t) {
    return (char *)t->storage->data + (size_t)t->offset * tw_dtypes[t->dtype].size;
}
/* The distance in bytes between neighbours along a dimension. Where there is only one index a stride may be any number, so this may wrap. */
static inline int64_t tw_step_of(const tw_tensor *t, int64_t dim) {
    return (int64_t)((uint64_t)t->strides[dim] * tw_dtypes[t->dtype].size);
}
/* Element i of a 1-d int64 tensor of the CPU (or the one of a 0-d one), which may lie at any address. */
static inline int64_t tw_long_at(const tw_tensor *t, int64_t i) {
    int64_t value;
    memcpy(&value, (const int64_t *)tw_data(t) + (t->ndim ? i * t->strides[0] : 0), sizeof value);
    return value;
}
static inline bool tw_is_contiguous(const tw_tensor *t) { return (t->flags & TW_CONTIGUOUS) != 0; }
bool tw_is_contiguous_in(const tw_tensor *t, tw_memory_format format); /* channels_last and 3d too */
bool tw_non_overlapping_dense(const tw_tensor *t);
bool tw_internal_overlap(const tw_tensor *t);                       /* certainly: a stride of 0 over a size > 1 */
int tw_memory_overlap(const tw_tensor *a, const tw_tensor *b);      /* 0 none, 1 full (same elements), 2 partial, 3 too hard to tell */
void tw_contiguous_strides(const int64_t *sizes, int ndim, int64_t *strides); /* PyTorch's: product of max(size, 1) */
void tw_format_strides(const int64_t *sizes, int ndim, tw_memory_format format, int64_t *strides);
void tw_like_strides(const tw_tensor *t, int64_t *strides); /* preserve_format: PyTorch's empty_like rule */

unsigned tw_version_of(tw_tensor *t);       /* t._version */
/* Before a write: makes what tw_bump_version needs, so that it cannot fail once the elements are written. False: out of memory. */
__attribute__((warn_unused_result)) bool tw_version_ready(tw_tensor *t);
void tw_bump_version(tw_tensor *t);         /* after a write */
bool tw_share_version(tw_tensor *view, tw_tensor *base);

/* Wraps a dimension of a tensor with ndim dimensions; IndexError with PyTorch's text when out of range. 0-d counts as 1-d. */
bool tw_wrap_dim(int64_t *dim, int ndim);
bool tw_check_listed_dims(int ndim); /* PyTorch keeps lists of dimensions as bits of 64: an error for a tensor with more */
#endif
