/* Compiled once: these loops wait for memory, not for arithmetic. */
#include "kernels/index.h"
#include <string.h>

#define GATHER(T) \
    for (int64_t i = 0; i < n; i++) *(T *)(void *)(to + i * to_stride) = *(const T *)(const void *)(from + at[i]); \
    return

void tw_gather_places(int64_t n, size_t size, char *to, int64_t to_stride, const char *from, const int64_t *at) {
    typedef struct { uint64_t part[2]; } pair;
    switch (size) {
    case 1: GATHER(uint8_t);
    case 2: GATHER(uint16_t);
    case 4: GATHER(uint32_t);
    case 8: GATHER(uint64_t);
    default: GATHER(pair);
    }
}

/* --- scattering: one loop per dtype and mode ------------------------------------------------------------------- */

static inline float load_half(const uint16_t *p) { return tw_half_to_float(*p); }
static inline void store_half(uint16_t *p, float v) { *p = tw_float_to_half(v); }
static inline float load_bfloat(const uint16_t *p) { return tw_bfloat_to_float(*p); }
static inline void store_bfloat(uint16_t *p, float v) { *p = tw_float_to_bfloat(v); }

#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define MAX(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define MIN(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define OR(a, b) ((a) || (b))
#define AND(a, b) ((a) && (b))

/* PLACE: bytes from `to` to element i. */
#define LOOP(PLACE, ...) \
    for (int64_t i = 0; i < n; i++) { \
        char *p = to + (PLACE); \
        const char *q = from + i * from_stride; \
        __VA_ARGS__ \
    } \
    return
#define PLAIN(T, U, PLACE, OP) LOOP(PLACE, { *(T *)(void *)p = (T)OP(*(const U *)(void *)p, *(const U *)(const void *)q); })
#define HALF(KIND, PLACE, OP) LOOP(PLACE, { \
    float a = load_##KIND((const uint16_t *)(void *)p), b = load_##KIND((const uint16_t *)(const void *)q); \
    store_##KIND((uint16_t *)(void *)p, OP(a, b)); })
#define REAL_TYPES(PLACE, OP, BOOLEAN) \
    case TW_BOOL: PLAIN(uint8_t, uint8_t, PLACE, BOOLEAN); \
    case TW_UINT8: PLAIN(uint8_t, uint8_t, PLACE, OP); \
    case TW_INT8: PLAIN(int8_t, int8_t, PLACE, OP); \
    case TW_INT16: PLAIN(int16_t, int16_t, PLACE, OP); \
    case TW_FLOAT16: HALF(half, PLACE, OP); \
    case TW_BFLOAT16: HALF(bfloat, PLACE, OP); \
    case TW_FLOAT32: PLAIN(float, float, PLACE, OP); \
    case TW_FLOAT64: PLAIN(double, double, PLACE, OP);
/* Sums and products wrap: unsigned. */
#define WRAPPING(PLACE, OP) \
    case TW_INT32: PLAIN(uint32_t, uint32_t, PLACE, OP); \
    case TW_INT64: PLAIN(uint64_t, uint64_t, PLACE, OP);
#define SIGNED(PLACE, OP) \
    case TW_INT32: PLAIN(int32_t, int32_t, PLACE, OP); \
    case TW_INT64: PLAIN(int64_t, int64_t, PLACE, OP);
#define COMPLEX_ADD(T, PLACE) LOOP(PLACE, { \
    T *a = (T *)(void *)p; const T *b = (const T *)(const void *)q; a[0] += b[0]; a[1] += b[1]; })
#define COMPLEX_MUL(T, PLACE) LOOP(PLACE, { \
    T *a = (T *)(void *)p; const T *b = (const T *)(const void *)q; \
    T re = a[0] * b[0] - a[1] * b[1], im = a[0] * b[1] + a[1] * b[0]; a[0] = re; a[1] = im; })
#define HALF_COMPLEX_ADD(PLACE) LOOP(PLACE, { \
    uint16_t *a = (uint16_t *)(void *)p; const uint16_t *b = (const uint16_t *)(const void *)q; \
    store_half(a, load_half(a) + load_half(b)); store_half(a + 1, load_half(a + 1) + load_half(b + 1)); })

#define SCATTER(PLACE) \
    size_t size = tw_dtype_size(dtype); \
    switch (mode) { \
    case TW_SCATTER_SET: \
        switch (size) { \
        case 1: LOOP(PLACE, { *p = *q; }); \
        case 2: LOOP(PLACE, { memcpy(p, q, 2); }); \
        case 4: LOOP(PLACE, { memcpy(p, q, 4); }); \
        case 8: LOOP(PLACE, { memcpy(p, q, 8); }); \
        default: LOOP(PLACE, { memcpy(p, q, 16); }); \
        } \
    case TW_SCATTER_ADD: \
        switch (dtype) { \
        REAL_TYPES(PLACE, ADD, OR) \
        WRAPPING(PLACE, ADD) \
        case TW_COMPLEX32: HALF_COMPLEX_ADD(PLACE); \
        case TW_COMPLEX64: COMPLEX_ADD(float, PLACE); \
        case TW_COMPLEX128: COMPLEX_ADD(double, PLACE); \
        default: return; \
        } \
    case TW_SCATTER_MUL: \
        switch (dtype) { \
        REAL_TYPES(PLACE, MUL, AND) \
        WRAPPING(PLACE, MUL) \
        case TW_COMPLEX64: COMPLEX_MUL(float, PLACE); \
        case TW_COMPLEX128: COMPLEX_MUL(double, PLACE); \
        default: return; \
        } \
    case TW_SCATTER_MAX: \
        switch (dtype) { \
        REAL_TYPES(PLACE, MAX, OR) \
        SIGNED(PLACE, MAX) \
        default: return; \
        } \
    case TW_SCATTER_MIN: \
        switch (dtype) { \
        REAL_TYPES(PLACE, MIN, AND) \
        SIGNED(PLACE, MIN) \
        default: return; \
        } \
    }

void tw_scatter_places(int64_t n, tw_dtype dtype, tw_scatter_mode mode, char *to, const int64_t *at, const char *from,
                       int64_t from_stride) {
    SCATTER(at[i])
}

void tw_scatter_run(int64_t n, tw_dtype dtype, tw_scatter_mode mode, char *to, int64_t to_stride, const char *from,
                    int64_t from_stride) {
    SCATTER(i * to_stride)
}

int64_t tw_add_places(int64_t n, int64_t *at, const char *index, int64_t index_stride, tw_dtype dtype, int64_t size, bool negative,
                      int64_t by) {
    int64_t least = negative ? -size : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t v = tw_index_at(index, i, index_stride, dtype);
        if (v < least || v >= size) return i;
        at[i] += (v < 0 ? v + size : v) * by;
    }
    return -1;
}

#define FILL(T) \
    for (int64_t i = 0; i < n; i++) \
        if (mask[i * mask_stride]) memcpy(to + i * to_stride, value, sizeof(T)); \
    return

void tw_fill_masked(int64_t n, size_t size, char *to, int64_t to_stride, const char *mask, int64_t mask_stride, const void *value) {
    typedef struct { uint64_t part[2]; } pair;
    switch (size) {
    case 1: FILL(uint8_t);
    case 2: FILL(uint16_t);
    case 4: FILL(uint32_t);
    case 8: FILL(uint64_t);
    default: FILL(pair);
    }
}
