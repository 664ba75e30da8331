/* The arithmetic of random numbers; drawing itself is core/rng.c's. */
#ifndef TW_KERNELS_RANDOM_H
#define TW_KERNELS_RANDOM_H
#include "kernels/kernel.h"

typedef struct tw_random_kernels {
    /* 16 uniform numbers in [0, 1) become 16 normal ones, in place, `groups` times. Element i pairs with element i + 8. */
    void (*normal16)(float *data, int64_t groups, float mean, float std);
    /* n words become floats in [from, to), of 24 random bits. */
    void (*uniform)(int64_t n, const uint32_t *words, float *out, float from, float to);
    /* 2 n words, the high one of each pair first, become 1 where their lowest 53 bits are below `limit`, else 0. */
    void (*below)(int64_t n, const uint32_t *words, uint64_t limit, float *out);
    /* mt19937: the next state of 624 words; n words of state as they are given out. */
    void (*twist)(uint32_t *state);
    void (*temper)(int64_t n, const uint32_t *state, uint32_t *to);
} tw_random_kernels;
const tw_random_kernels *tw_random(void);
#endif
