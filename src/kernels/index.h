/* Moving elements to and from computed places: gather, scatter, advanced indexing. Offsets and strides are in bytes. */
#ifndef TW_KERNELS_INDEX_H
#define TW_KERNELS_INDEX_H
#include "core/dtype.h"

typedef enum tw_scatter_mode { TW_SCATTER_SET, TW_SCATTER_ADD, TW_SCATTER_MUL, TW_SCATTER_MAX, TW_SCATTER_MIN } tw_scatter_mode;

/* to[i * to_stride] = from[at[i]], elements of `size` bytes (1, 2, 4, 8, 16). */
void tw_gather_places(int64_t n, size_t size, char *to, int64_t to_stride, const char *from, const int64_t *at);
/* to[at[i]] = mode(to[at[i]], from[i * from_stride]), in order; half types round at each step. */
void tw_scatter_places(int64_t n, tw_dtype dtype, tw_scatter_mode mode, char *to, const int64_t *at, const char *from,
                       int64_t from_stride);
/* to[i * to_stride] = mode(to[..], from[i * from_stride]) for places that are evenly spaced. */
void tw_scatter_run(int64_t n, tw_dtype dtype, tw_scatter_mode mode, char *to, int64_t to_stride, const char *from,
                    int64_t from_stride);
/* at[i] += index[i] * by, for n indices of int32 or int64 that lie index_stride apart, each within [-size, size) (or [0, size)
 * when `negative` is false); negative ones count from the end. The position of the first bad one, or -1. */
int64_t tw_add_places(int64_t n, int64_t *at, const char *index, int64_t index_stride, tw_dtype dtype, int64_t size, bool negative,
                      int64_t by);
/* to[i * to_stride] = value where mask[i * mask_stride] is not 0. */
void tw_fill_masked(int64_t n, size_t size, char *to, int64_t to_stride, const char *mask, int64_t mask_stride, const void *value);
/* Value of index i. */
static inline int64_t tw_index_at(const char *index, int64_t i, int64_t stride, tw_dtype dtype) {
    return dtype == TW_INT32 ? *(const int32_t *)(const void *)(index + i * stride) : *(const int64_t *)(const void *)(index + i * stride);
}
#endif
