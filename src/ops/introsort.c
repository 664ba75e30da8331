/* Note [Equal elements]. Where PyTorch does not promise a stable order, its results still show one: that of the C++ library's sort,
 * nth_element and partial_sort, which its CPU kernels call. We compare and move in the same order (introsort and introselect by
 * D. R. Musser, Introspective sorting and selection algorithms, 1997, with the median of the second, the middle and the last
 * element as pivot, runs of 16 left to insertion, heaps by Floyd's bottom-up sifting), so that equal elements fall alike. */
#include "ops/introsort.h"
#include "core/threads.h"
#include "kernels/order.h"

enum { RUN = 16, BLOCK = 64, PIECES = 64, FEW = 32768 }; /* PIECES for threads, unless there are FEW */
static int depth_limit(int64_t n) { return 2 * (63 - __builtin_clzll((uint64_t)n)); }

/* --- keys --------------------------------------------------------------------------------------------------------------- */

static uint64_t float_key(double v, bool nan) {
    union { double d; uint64_t u; } x = {v == 0 ? 0.0 : v};
    if (nan) return UINT64_MAX;
    return x.u >> 63 ? ~x.u : x.u | (1ull << 63);
}

uint64_t tw_key_of(const char *p, tw_dtype d) {
    switch (d) {
    case TW_BOOL: case TW_UINT8: return *(const uint8_t *)p;
    case TW_INT8: return (uint64_t)(*(const int8_t *)p + 128);
    case TW_INT16: return (uint64_t)(*(const int16_t *)(const void *)p + 32768);
    case TW_INT32: return (uint64_t)((int64_t)*(const int32_t *)(const void *)p + 2147483648);
    case TW_INT64: return (uint64_t)*(const int64_t *)(const void *)p ^ 1ull << 63;
    case TW_UINT16: return *(const uint16_t *)(const void *)p;
    case TW_UINT32: return *(const uint32_t *)(const void *)p;
    case TW_UINT64: return *(const uint64_t *)(const void *)p;
    case TW_FLOAT32: { float v = *(const float *)(const void *)p; return float_key((double)v, v != v); }
    case TW_FLOAT64: { double v = *(const double *)(const void *)p; return float_key(v, v != v); }
    case TW_FLOAT16: { float v = tw_half_to_float(*(const uint16_t *)(const void *)p); return float_key((double)v, v != v); }
    default: { float v = tw_bfloat_to_float(*(const uint16_t *)(const void *)p); return float_key((double)v, v != v); }
    }
}

/* --- of each kind ------------------------------------------------------------------------------------------------------ */

#define ITEM tw_keyed
#define KEY(x) ((x).key)
#define NAME(name) name
#include "ops/introsort_type.h"
#undef ITEM
#undef KEY
#undef NAME
#define ITEM uint64_t
#define KEY(x) ((x) >> 32)
#define NAME(name) name##_packed
#include "ops/introsort_type.h"
#undef KEY
#undef NAME
#define KEY(x) (x)
#define NAME(name) name##_whole
#include "ops/introsort_type.h"

void tw_smallest_of_keys(const uint32_t *key, int64_t n, int64_t k, uint64_t *x) {
    tw_order()->pack(k, key, 0, x);
    make_heap_packed(x, k);
    for (int64_t i = k; (i += tw_order()->below(n - i, key + i, (uint32_t)(x[0] >> 32))) < n; i++)
        sift_packed(x, 0, k, (uint64_t)key[i] << 32 | (uint32_t)i);
    heap_sort_packed(x, k);
}

/* --- keys of rows ------------------------------------------------------------------------------------------------------- */

void tw_keys32_of(int64_t n, const char *from, int64_t stride, tw_dtype d, uint32_t flip, uint32_t *to) {
    enum { AT_ONCE = 1024 };
    union { float f[AT_ONCE]; int32_t i[AT_ONCE]; } buffer;
    if ((d == TW_FLOAT32 || d == TW_INT32) && stride == 4) {
        if (d == TW_INT32) tw_order()->keys_int(n, (const int32_t *)(const void *)from, flip, to);
        else tw_order()->keys_float(n, (const float *)(const void *)from, flip, to);
        return;
    }
    if (!tw_is_float(d) && d != TW_INT32) {
        for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)tw_key_of(from + i * stride, d) ^ flip;
        return;
    }
    for (int64_t at = 0; at < n; at += AT_ONCE) {
        const int64_t many = n - at < AT_ONCE ? n - at : AT_ONCE;
        for (int64_t i = 0; i < many; i++) {
            const char *p = from + (at + i) * stride;
            if (d == TW_INT32) buffer.i[i] = *(const int32_t *)(const void *)p;
            else if (d == TW_FLOAT32) buffer.f[i] = *(const float *)(const void *)p;
            else buffer.f[i] = d == TW_FLOAT16 ? tw_half_to_float(*(const uint16_t *)(const void *)p) : tw_bfloat_to_float(*(const uint16_t *)(const void *)p);
        }
        if (d == TW_INT32) tw_order()->keys_int(many, buffer.i, flip, to + at);
        else tw_order()->keys_float(many, buffer.f, flip, to + at);
    }
}

/* The least of n numbers of int64 if all lie within 2^32 of it. */
static bool narrow(const char *from, int64_t n, int64_t stride, int64_t *least) {
    int64_t most = INT64_MIN;
    *least = INT64_MAX;
    if (stride == 8) {
        tw_order()->range_long(n, (const int64_t *)(const void *)from, least, &most);
    } else {
        for (int64_t i = 0; i < n; i++) {
            const int64_t v = *(const int64_t *)(const void *)(from + i * stride);
            *least = v < *least ? v : *least;
            most = v > most ? v : most;
        }
    }
    return (uint64_t)most - (uint64_t)*least <= UINT32_MAX;
}

bool tw_pack(int64_t n, const char *from, int64_t stride, tw_dtype d, bool descending, uint64_t *to, int64_t *offset) {
    enum { AT_ONCE = 2048 };
    uint32_t key[AT_ONCE];
    const uint32_t flip = descending ? UINT32_MAX : 0;
    int64_t least = d == TW_INT8 ? INT8_MIN : d == TW_INT16 ? INT16_MIN : d == TW_INT32 ? INT32_MIN : 0;
    if (n > UINT32_MAX || (d == TW_INT64 ? !narrow(from, n, stride, &least) : tw_dtype_size(d) == 8)) return false;
    *offset = least;
    if (d == TW_INT64 && stride == 8) {
        tw_order()->pack_long(n, (const int64_t *)(const void *)from, least, flip, 0, to);
        return true;
    }
    for (int64_t at = 0; at < n; at += AT_ONCE) {
        const int64_t many = n - at < AT_ONCE ? n - at : AT_ONCE;
        if (d == TW_INT64) {
            for (int64_t i = 0; i < many; i++)
                key[i] = (uint32_t)((uint64_t)*(const int64_t *)(const void *)(from + (at + i) * stride) - (uint64_t)least) ^ flip;
        } else {
            tw_keys32_of(many, from + at * stride, stride, d, flip, key);
        }
        tw_order()->pack(many, key, (uint32_t)at, to + at);
    }
    return true;
}
