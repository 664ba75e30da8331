/* Rounding a float32 to a half type and back, as between two operations of a chain in that type. */
#ifndef TW_KERNELS_HALF_STEP_H
#define TW_KERNELS_HALF_STEP_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float tw_step_bf16_of(float x) {
    uint32_t u;
    if (x != x) return x;
    memcpy(&u, &x, sizeof u);
    u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &u, sizeof u);
    return x;
}

static inline float tw_step_f16_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    const uint32_t size = u & 0x7fffffffu;
    if (size - 0x38800000u < 0x477ff000u - 0x38800000u) { /* from 2^-14 to below 65520, which rounds to infinity */
        u = (u + 0xfff + (u >> 13 & 1)) & 0xffffe000u;
        memcpy(&x, &u, sizeof x);
        return x;
    }
    if (size > 0x7f800000u) return x;
    return copysignf(size < 0x38800000u ? (fabsf(x) + 0.75f) - 0.75f : INFINITY, x); /* a multiple of 2^-24 */
}
#endif
