/* Picking what a mask marks: its bytes are 0 or not. */
#ifndef TW_KERNELS_COMPACT_H
#define TW_KERNELS_COMPACT_H
#include "kernels/kernel.h"

typedef struct tw_compact_kernels {
    int64_t (*count)(int64_t n, const uint8_t *mask);
    /* first + i of each marked i, in order. `count` of n are marked; nothing is written beyond. */
    void (*places)(int64_t n, const uint8_t *mask, int64_t count, int64_t first, int64_t *to);
    /* The marked elements of sizes 1, 2, 4, 8, 16 (index: log2 of it), in order; as above. */
    void (*take[5])(int64_t n, const uint8_t *mask, int64_t count, const void *from, void *to);
    /* to[i] = value where marked, else from[i]; elements as above. `to` may be `from`. */
    void (*fill[5])(int64_t n, const uint8_t *mask, const void *value, const void *from, void *to);
} tw_compact_kernels;
const tw_compact_kernels *tw_compact(void);
#endif
