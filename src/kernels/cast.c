/* Conversion between any two dtypes, by way of the compute dtypes. */
#include "kernels/copy.h"
#include <string.h>

enum { CHUNK = 512 };

static int size_index(size_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4; }

/* One element at a time through Python-like numbers: storage-only types. */
static void cast_scalars(int64_t n, char *to, tw_dtype to_dtype, const char *from, tw_dtype from_dtype) {
    size_t to_size = tw_dtype_size(to_dtype), from_size = tw_dtype_size(from_dtype);
    bool unwrap = from_dtype == TW_UINT64 && tw_dtypes[to_dtype].category >= 2; /* a number holds these as negative */
    for (int64_t i = 0; i < n; i++) {
        tw_scalar s = tw_load_scalar(from + (size_t)i * from_size, from_dtype);
        if (unwrap && s.kind == TW_SCALAR_INT && s.i < 0) s = tw_float((double)(uint64_t)s.i);
        tw_store_scalar(to + (size_t)i * to_size, to_dtype, s);
    }
}

static void widen(int64_t n, void *to, const void *from, tw_dtype dtype) {
    const tw_move_kernels *k = tw_move();
    if (dtype == TW_COMPLEX32) k->half_to_float(2 * n, to, from);
    else (dtype == TW_FLOAT16 ? k->half_to_float : k->bfloat_to_float)(n, to, from);
}

static void narrow(int64_t n, void *to, tw_dtype dtype, const void *from) {
    const tw_move_kernels *k = tw_move();
    if (dtype == TW_COMPLEX32) k->float_to_half(2 * n, to, from);
    else (dtype == TW_FLOAT16 ? k->float_to_half : k->float_to_bfloat)(n, to, from);
}

void tw_cast(int64_t n, void *to, tw_dtype to_dtype, const void *from, tw_dtype from_dtype) {
    const tw_move_kernels *k = tw_move();
    int64_t to_size = (int64_t)tw_dtype_size(to_dtype), from_size = (int64_t)tw_dtype_size(from_dtype);
    if (to_dtype == from_dtype) {
        if (to != from) k->move[size_index((size_t)to_size)](n, to, to_size, from, from_size);
        return;
    }
    if (!tw_dtypes[to_dtype].computes || !tw_dtypes[from_dtype].computes) {
        cast_scalars(n, to, to_dtype, from, from_dtype);
        return;
    }
    tw_dtype to_compute = tw_dtypes[to_dtype].compute, from_compute = tw_dtypes[from_dtype].compute;
    if (to_compute == to_dtype && from_compute == from_dtype) {
        k->cast[from_dtype][to_dtype](n, to, from);
        return;
    }
    _Alignas(64) char wide[CHUNK * 16];
    _Alignas(64) char other[CHUNK * 16];
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK;
        const char *source = (const char *)from + i * from_size;
        char *target = (char *)to + i * to_size;
        if (from_compute != from_dtype) {
            bool last = to_compute == to_dtype && to_compute == from_compute;
            widen(m, last ? (void *)target : (void *)wide, source, from_dtype);
            if (last) continue;
            source = wide;
        }
        if (from_compute != to_compute) {
            bool last = to_compute == to_dtype;
            k->cast[from_compute][to_compute](m, last ? (void *)target : (void *)other, source);
            if (last) continue;
            source = other;
        }
        narrow(m, target, to_dtype, source);
    }
}

#define FLIP(T, FROM, STEP) \
    do { \
        T *p = data; \
        for (int64_t i = FROM; i < n * parts; i += STEP) p[i] = -p[i]; \
    } while (0)
#define FLIP_BITS(T, FROM, STEP) \
    do { \
        T *p = data; \
        for (int64_t i = FROM; i < n * parts; i += STEP) p[i] = (T)(p[i] ^ (T)((T)1 << (8 * sizeof(T) - 1))); \
    } while (0)

static void negate(int64_t n, void *data, tw_dtype dtype, int64_t from, int64_t step) {
    int64_t parts = tw_is_complex(dtype) ? 2 : 1;
    switch (tw_dtypes[dtype].real) {
    case TW_FLOAT32: FLIP(float, from, step); break;
    case TW_FLOAT64: FLIP(double, from, step); break;
    case TW_FLOAT16: case TW_BFLOAT16: FLIP_BITS(uint16_t, from, step); break;
    case TW_UINT8: case TW_INT8: {
        uint8_t *p = data;
        for (int64_t i = 0; i < n; i++) p[i] = (uint8_t)-p[i];
        break;
    }
    case TW_INT16: {
        uint16_t *p = data;
        for (int64_t i = 0; i < n; i++) p[i] = (uint16_t)-p[i];
        break;
    }
    case TW_INT32: {
        uint32_t *p = data;
        for (int64_t i = 0; i < n; i++) p[i] = 0u - p[i];
        break;
    }
    case TW_INT64: {
        uint64_t *p = data;
        for (int64_t i = 0; i < n; i++) p[i] = 0u - p[i];
        break;
    }
    default: break;
    }
}

void tw_apply_flags(int64_t n, void *data, tw_dtype dtype, unsigned flags) {
    if ((flags & 1u /* TW_CONJ */) && tw_is_complex(dtype)) negate(n, data, dtype, 1, 2);
    if (flags & 2u /* TW_NEG */) negate(n, data, dtype, 0, 1);
}
