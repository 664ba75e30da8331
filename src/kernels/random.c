/* Box-Muller with the logarithm and sine of the Cephes library (S. L. Moshier, Methods and Programs for Mathematical Functions, 1989:
 * logf.c, sinf.c, cosf.c), in the order of operations, fused ones included, that gives PyTorch's numbers bit for bit. */
#include "kernels/random.h"
#include "core/mersenne.h"
#include <math.h>
#include <string.h>

enum { LANES = 8 };

static inline float bits_to_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static inline uint32_t float_to_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

static inline float log_cephes(float x) {
    const uint32_t u = float_to_bits(x < 0x1p-126f ? 0x1p-126f : x);
    float e = (float)((int32_t)(u >> 23) - 126);
    float m = bits_to_float((u & 0x007fffffu) | 0x3f000000u); /* [1/2, 1) */
    const float small = m < 0.707106781186547524f ? 1.0f : 0.0f;
    m = (m - 1.0f) + (small != 0 ? m : 0.0f);
    e = e - small;
    const float z = m * m;
    float y = 7.0376836292e-2f;
    y = fmaf(y, m, -1.1514610310e-1f);
    y = fmaf(y, m, 1.1676998740e-1f);
    y = fmaf(y, m, -1.2420140846e-1f);
    y = fmaf(y, m, 1.4249322787e-1f);
    y = fmaf(y, m, -1.6668057665e-1f);
    y = fmaf(y, m, 2.0000714765e-1f);
    y = fmaf(y, m, -2.4999993993e-1f);
    y = fmaf(y, m, 3.3333331174e-1f);
    y = y * m;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = fmaf(-z, 0.5f, y);
    return fmaf(e, 0.693359375f, m + y);
}

static inline void sincos_cephes(float x, float *sine, float *cosine) {
    const int32_t octant = ((int32_t)(x * 1.27323954473516f) + 1) & ~1; /* x >= 0 */
    const float y = (float)octant;
    x = fmaf(y, -0.78515625f, x);
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    const float z = x * x;
    float c = 2.443315711809948e-5f;
    c = fmaf(c, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f);
    c = c * z;
    c = fmaf(c, z, -(z * 0.5f));
    c = c + 1.0f;
    float s = -1.9515295891e-4f;
    s = fmaf(s, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f);
    s = s * z;
    s = fmaf(s, x, x);
    const uint32_t swap = octant & 2 ? ~0u : 0u;
    const uint32_t sign_sin = ((uint32_t)octant & 4u) << 29, sign_cos = (~((uint32_t)octant - 2u) & 4u) << 29;
    const uint32_t a = float_to_bits(s), b = float_to_bits(c);
    *sine = bits_to_float(((a & ~swap) | (b & swap)) ^ sign_sin);
    *cosine = bits_to_float(((b & ~swap) | (a & swap)) ^ sign_cos);
}

static void normal16(float *data, int64_t groups, float mean, float std) {
    for (int64_t g = 0; g < groups; g++, data += 2 * LANES) {
        float first[LANES], second[LANES];
        for (int i = 0; i < LANES; i++) {
            float sine, cosine;
            const float radius = sqrtf(-2.0f * log_cephes(1.0f - data[i]));
            sincos_cephes(6.28318530717958647692f * data[i + LANES], &sine, &cosine);
            first[i] = fmaf(radius * cosine, std, mean);
            second[i] = fmaf(radius * sine, std, mean);
        }
        memcpy(data, first, sizeof first);
        memcpy(data + LANES, second, sizeof second);
    }
}

static void uniform(int64_t n, const uint32_t *words, float *out, float from, float to) {
    const float width = to - from;
    for (int64_t i = 0; i < n; i++) out[i] = fmaf((float)(words[i] & 0xffffff) * 0x1p-24f, width, from);
}

static void below(int64_t n, const uint32_t *words, uint64_t limit, float *out) {
    for (int64_t i = 0; i < n; i++) {
        const uint64_t word = (uint64_t)words[2 * i] << 32 | words[2 * i + 1];
        out[i] = (word & ((1ull << 53) - 1)) < limit ? 1.0f : 0.0f;
    }
}

static void twist(uint32_t *state) { tw_twist_all(state); }

static void temper(int64_t n, const uint32_t *restrict state, uint32_t *restrict to) {
    for (int64_t i = 0; i < n; i++) to[i] = tw_temper(state[i]);
}

const tw_random_kernels TW_K(tw_random_kernels) = {normal16, uniform, below, twist, temper};
