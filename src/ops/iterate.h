/* Iterating over several tensors of one broadcast shape: order of dimensions, coalescing, walking. Shared by the elementwise
 * engine and by copies. Strides are in bytes and dimension 0 is the fastest here. */
#ifndef TW_OPS_ITERATE_H
#define TW_OPS_ITERATE_H
#include "core/tensor.h"

enum { TW_ITER_OPERANDS = 17 };

typedef struct tw_operand {
    char *data;
    tw_dtype dtype;
    uint8_t flags;                 /* TW_CONJ, TW_NEG: applied on reading */
    int64_t strides[TW_MAX_DIMS];
} tw_operand;

typedef struct tw_iter {
    int ndim, nops;
    int64_t numel;
    int64_t sizes[TW_MAX_DIMS];
    tw_operand op[TW_ITER_OPERANDS]; /* operand 0 is the one written to */
} tw_iter;

/* Strides `own` of n dimensions, broadcast to sizes (0 where a dimension is repeated), outermost first. */
void tw_broadcast_strides(const int64_t *own_sizes, const int64_t *own, int n, const int64_t *sizes, int ndim, int64_t *strides);

/* TensorIterator's order of dimensions: perm[0] is the fastest. strides: n rows of ndim, any unit, outermost first. */
void tw_iter_order(const int64_t *sizes, int ndim, const int64_t *const *strides, int n, int *perm);

/* Prepares the walk: sizes are the broadcast ones (outermost first); ops[0] has them. An operand NULL has no strides (data set
 * by the caller). Reorders and coalesces dimensions. */
void tw_iter_init(tw_iter *it, const int64_t *sizes, int ndim, tw_tensor *const *ops, int nops);

/* Byte offset of the walk's element `linear` in operand o, and its counters. */
void tw_iter_seek(const tw_iter *it, int64_t linear, int64_t *counters);
static inline char *tw_iter_at(const tw_iter *it, const tw_operand *o, const int64_t *counters) {
    char *p = o->data;
    for (int d = 0; d < it->ndim; d++) p += counters[d] * o->strides[d];
    return p;
}
/* Adds n to the counters, n within or up to the end of a run of dimension 0, or any multiple that fits. */
static inline void tw_iter_advance(const tw_iter *it, int64_t *counters, int64_t n) {
    counters[0] += n;
    for (int d = 0; d + 1 < it->ndim && counters[d] >= it->sizes[d]; d++) {
        int64_t carry = counters[d] / it->sizes[d];
        counters[d] -= carry * it->sizes[d];
        counters[d + 1] += carry;
    }
}
#endif
