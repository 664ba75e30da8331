/* Plain loops that the compiler turns into vectors. */
#include "kernels/order.h"
#include "kernels/vec.h"

static void keys_float(int64_t n, const float *x, uint32_t flip, uint32_t *to) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        const uint32_t size = u & 0x7fffffffu, number = size ? u ^ ((uint32_t)-(int32_t)(u >> 31) | 1u << 31) : 1u << 31;
        to[i] = (size > 0x7f800000u ? UINT32_MAX : number) ^ flip;
    }
}

static void keys_int(int64_t n, const int32_t *x, uint32_t flip, uint32_t *to) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)x[i] ^ 1u << 31 ^ flip;
}

static void pack(int64_t n, const uint32_t *key, uint32_t first, uint64_t *to) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint64_t)key[i] << 32 | (first + (uint32_t)i);
}

static void pack_long(int64_t n, const int64_t *x, int64_t least, uint32_t flip, uint32_t first, uint64_t *to) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint64_t)((uint32_t)((uint64_t)x[i] - (uint64_t)least) ^ flip) << 32 | (first + (uint32_t)i);
}

static int64_t below(int64_t n, const uint32_t *key, uint32_t limit) {
    enum { BLOCK = 64 };
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        int hit = 0;
        for (int j = 0; j < BLOCK; j++) hit |= key[i + j] < limit;
        if (hit) break;
    }
    while (i < n && key[i] >= limit) i++;
    return i;
}

static void range_long(int64_t n, const int64_t *x, int64_t *least, int64_t *most) {
    int64_t low = *least, high = *most;
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *least = low;
    *most = high;
}

const tw_order_kernels TW_K(tw_order_kernels) = {keys_float, keys_int, pack, pack_long, below, range_long};
