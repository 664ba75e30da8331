/* Rounding a float32 to a half type and back, as between two operations of a chain in that type. */
#ifndef TW_OPS_HALF_STEP_H
#define TW_OPS_HALF_STEP_H
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

/* Adding a power of two whose last bit is the half type's last bit of x, and taking it away, rounds to nearest even. */
static inline float tw_step_f16_of(float x) {
    const float size = fabsf(x);
    uint32_t u;
    float power;
    if (!(size < 65520)) return x != x ? x : copysignf(INFINITY, x);
    memcpy(&u, &size, sizeof u);
    u &= 0x7f800000u;
    if (u < 0x38800000u) u = 0x38800000u; /* 2^-14: subnormal below */
    u += 13u << 23;
    memcpy(&power, &u, sizeof u);
    return copysignf((size + power) - power, x);
}
#endif
