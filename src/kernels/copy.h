/* Moving and converting elements: the one cast, gather and scatter that tiles and copies share. */
#ifndef TW_KERNELS_COPY_H
#define TW_KERNELS_COPY_H
#include "core/dtype.h"
#include "kernels/kernel.h"

/* n contiguous elements from one dtype to another. */
typedef void (*tw_cast_fn)(int64_t n, void *to, const void *from);

typedef struct tw_move_kernels {
    /* Between compute dtypes (see kernel.h); NULL on the diagonal. Floats to integers truncate; complex to real drops the
     * imaginary part; anything to bool is "!= 0". */
    tw_cast_fn cast[TW_COMPUTE_COUNT][TW_COMPUTE_COUNT];
    tw_cast_fn half_to_float, float_to_half, bfloat_to_float, float_to_bfloat;
    /* Elements of size 1, 2, 4, 8, 16 (index: log2 of it), strides in bytes. */
    void (*move[5])(int64_t n, void *to, int64_t to_stride, const void *from, int64_t from_stride);
    /* to[r * to_stride + c] = from[c * from_stride + r]: rows x cols block, strides in bytes, elements as above. */
    void (*transpose[5])(int64_t rows, int64_t cols, void *to, int64_t to_stride, const void *from, int64_t from_stride);
    /* memcpy past the caches: whole lines are written without being read first. Others see them after stream_end (Note [Streaming]). */
    void (*stream)(int64_t bytes, void *to, const void *from);
    void (*stream_end)(void);
} tw_move_kernels;
const tw_move_kernels *tw_move(void);

/* Any pair of dtypes, contiguous; equal dtypes are moved. `to` and `from` do not overlap, or are equal for equal dtypes. */
void tw_cast(int64_t n, void *to, tw_dtype to_dtype, const void *from, tw_dtype from_dtype);
/* Conjugates (complex) and negates n contiguous elements in place, by TW_CONJ, TW_NEG of flags. */
void tw_apply_flags(int64_t n, void *data, tw_dtype dtype, unsigned flags);
#endif
