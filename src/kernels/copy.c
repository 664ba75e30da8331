/* Casts and strided moves, compiled per instruction set. Plain loops: the compiler vectorises conversions well. */
#include "kernels/copy.h"
#include "kernels/math.h"
#include <string.h>

/* --- casts ------------------------------------------------------------------------------------------------------ */

/* Floats to integers as x86 converts them: truncated; out of range and NaN give the lowest value. Narrower targets keep the low
 * bits of the 32-bit result, unsigned char those of the 64-bit one (PyTorch's inter-type). */
#if defined(__x86_64__)
static inline int32_t to_i32(double v) { return (int32_t)v; }
static inline int64_t to_i64(double v) { return (int64_t)v; }
static inline int32_t to_i32f(float v) { return (int32_t)v; }
static inline int64_t to_i64f(float v) { return (int64_t)v; }
#else
static inline int32_t to_i32(double v) { return v > -2147483649.0 && v < 2147483648.0 ? (int32_t)v : INT32_MIN; }
static inline int64_t to_i64(double v) { return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN; }
static inline int32_t to_i32f(float v) { return to_i32(v); }
static inline int64_t to_i64f(float v) { return to_i64(v); }
#endif

#define CAST(FROM, TO, TF, TT, EXPR) \
    static void cast_##FROM##_##TO(int64_t n, void *restrict to, const void *restrict from) { \
        const TF *restrict a = from; \
        TT *restrict b = to; \
        for (int64_t i = 0; i < n; i++) { \
            TF v = a[i]; \
            EXPR; \
        } \
    }
/* From one real type to every other; F32/F64 say how it becomes an integer. */
#define TO_INTS(FROM, TF) \
    CAST(FROM, u8, TF, uint8_t, b[i] = (uint8_t)v) CAST(FROM, i8, TF, int8_t, b[i] = (int8_t)v) \
    CAST(FROM, i16, TF, int16_t, b[i] = (int16_t)v) CAST(FROM, i32, TF, int32_t, b[i] = (int32_t)v) \
    CAST(FROM, i64, TF, int64_t, b[i] = (int64_t)v)
#define TO_INTS_FLOAT(FROM, TF, F) \
    CAST(FROM, u8, TF, uint8_t, b[i] = (uint8_t)to_i64##F(v)) CAST(FROM, i8, TF, int8_t, b[i] = (int8_t)to_i32##F(v)) \
    CAST(FROM, i16, TF, int16_t, b[i] = (int16_t)to_i32##F(v)) CAST(FROM, i32, TF, int32_t, b[i] = to_i32##F(v)) \
    CAST(FROM, i64, TF, int64_t, b[i] = to_i64##F(v))
#define TO_REST(FROM, TF) \
    CAST(FROM, b8, TF, uint8_t, b[i] = v != 0) \
    CAST(FROM, f32, TF, float, b[i] = (float)v) CAST(FROM, f64, TF, double, b[i] = (double)v) \
    CAST(FROM, c64, TF, c64, b[i].re = (float)v; b[i].im = 0) CAST(FROM, c128, TF, c128, b[i].re = (double)v; b[i].im = 0)

TO_INTS(b8, uint8_t) TO_REST(b8, uint8_t)
TO_INTS(u8, uint8_t) TO_REST(u8, uint8_t)
TO_INTS(i8, int8_t) TO_REST(i8, int8_t)
TO_INTS(i16, int16_t) TO_REST(i16, int16_t)
TO_INTS(i32, int32_t) TO_REST(i32, int32_t)
TO_INTS(i64, int64_t) TO_REST(i64, int64_t)
TO_INTS_FLOAT(f32, float, f) TO_REST(f32, float)
TO_INTS_FLOAT(f64, double, ) TO_REST(f64, double)
#define FROM_COMPLEX(FROM, TF, F) \
    CAST(FROM, b8, TF, uint8_t, b[i] = v.re != 0 || v.im != 0) \
    CAST(FROM, u8, TF, uint8_t, b[i] = (uint8_t)to_i64##F(v.re)) CAST(FROM, i8, TF, int8_t, b[i] = (int8_t)to_i32##F(v.re)) \
    CAST(FROM, i16, TF, int16_t, b[i] = (int16_t)to_i32##F(v.re)) CAST(FROM, i32, TF, int32_t, b[i] = to_i32##F(v.re)) \
    CAST(FROM, i64, TF, int64_t, b[i] = to_i64##F(v.re)) \
    CAST(FROM, f32, TF, float, b[i] = (float)v.re) CAST(FROM, f64, TF, double, b[i] = (double)v.re) \
    CAST(FROM, c64, TF, c64, b[i].re = (float)v.re; b[i].im = (float)v.im) \
    CAST(FROM, c128, TF, c128, b[i].re = (double)v.re; b[i].im = (double)v.im)
FROM_COMPLEX(c64, c64, f)
FROM_COMPLEX(c128, c128, )

/* --- half types ------------------------------------------------------------------------------------------------- */

/* bfloat16 is the upper half of a float; rounding to nearest even adds 0x7fff and the lowest kept bit. NaN becomes 0x7fc0. */
static void bfloat_to_float(int64_t n, void *restrict to, const void *restrict from) {
    const uint16_t *restrict a = from;
    uint32_t *restrict b = to;
    for (int64_t i = 0; i < n; i++) b[i] = (uint32_t)a[i] << 16;
}

static void float_to_bfloat(int64_t n, void *restrict to, const void *restrict from) {
    const uint32_t *restrict a = from;
    uint16_t *restrict b = to;
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = a[i], rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
        b[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
    }
}

static void half_to_float(int64_t n, void *to, const void *from) {
    const uint16_t *a = from;
    float *b = to;
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(b + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(a + i))));
#endif
    for (; i < n; i++) b[i] = tw_half_to_float(a[i]);
}

static void float_to_half(int64_t n, void *to, const void *from) {
    const float *a = from;
    uint16_t *b = to;
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(b + i), _mm256_cvtps_ph(_mm256_loadu_ps(a + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++) b[i] = tw_float_to_half(a[i]);
}

/* --- strided moves ---------------------------------------------------------------------------------------------- */

typedef struct b16 { uint64_t a, b; } b16;

#define MOVE(T, NAME) \
    static void move_##NAME(int64_t n, void *to, int64_t ts, const void *from, int64_t fs) { \
        if (ts == (int64_t)sizeof(T)) { \
            T *b = to; \
            if (fs == (int64_t)sizeof(T)) memcpy(b, from, (size_t)n * sizeof(T)); \
            else if (fs == 0) { \
                T v = *(const T *)from; \
                for (int64_t i = 0; i < n; i++) b[i] = v; \
            } else \
                for (int64_t i = 0; i < n; i++) b[i] = *(const T *)(const void *)((const char *)from + i * fs); \
        } else if (fs == (int64_t)sizeof(T)) { \
            const T *a = from; \
            for (int64_t i = 0; i < n; i++) *(T *)(void *)((char *)to + i * ts) = a[i]; \
        } else \
            for (int64_t i = 0; i < n; i++) \
                *(T *)(void *)((char *)to + i * ts) = *(const T *)(const void *)((const char *)from + i * fs); \
    } \
    /* 16x16 blocks: each touches 16 source and 16 target lines, all in L1. */ \
    static void transpose_##NAME(int64_t rows, int64_t cols, void *to, int64_t ts, const void *from, int64_t fs) { \
        for (int64_t c0 = 0; c0 < cols; c0 += 16) { \
            int64_t nc = cols - c0 < 16 ? cols - c0 : 16; \
            for (int64_t r0 = 0; r0 < rows; r0 += 16) { \
                int64_t nr = rows - r0 < 16 ? rows - r0 : 16; \
                for (int64_t r = r0; r < r0 + nr; r++) { \
                    T *restrict b = (T *)(void *)((char *)to + r * ts) + c0; \
                    const char *restrict a = (const char *)from + c0 * fs + r * (int64_t)sizeof(T); \
                    for (int64_t c = 0; c < nc; c++) b[c] = *(const T *)(const void *)(a + c * fs); \
                } \
            } \
        } \
    }
MOVE(uint8_t, 1) MOVE(uint16_t, 2) MOVE(uint32_t, 4) MOVE(uint64_t, 8) MOVE(b16, 16)

#define ROW(FROM) { \
    [TW_BOOL] = cast_##FROM##_b8, [TW_UINT8] = cast_##FROM##_u8, [TW_INT8] = cast_##FROM##_i8, [TW_INT16] = cast_##FROM##_i16, \
    [TW_INT32] = cast_##FROM##_i32, [TW_INT64] = cast_##FROM##_i64, [TW_FLOAT32] = cast_##FROM##_f32, \
    [TW_FLOAT64] = cast_##FROM##_f64, [TW_COMPLEX64] = cast_##FROM##_c64, [TW_COMPLEX128] = cast_##FROM##_c128}

extern const tw_move_kernels TW_K(tw_move_kernels);
const tw_move_kernels TW_K(tw_move_kernels) = {
    .cast = {[TW_BOOL] = ROW(b8), [TW_UINT8] = ROW(u8), [TW_INT8] = ROW(i8), [TW_INT16] = ROW(i16), [TW_INT32] = ROW(i32),
             [TW_INT64] = ROW(i64), [TW_FLOAT32] = ROW(f32), [TW_FLOAT64] = ROW(f64), [TW_COMPLEX64] = ROW(c64),
             [TW_COMPLEX128] = ROW(c128)},
    .half_to_float = half_to_float, .float_to_half = float_to_half,
    .bfloat_to_float = bfloat_to_float, .float_to_bfloat = float_to_bfloat,
    .move = {move_1, move_2, move_4, move_8, move_16},
    .transpose = {transpose_1, transpose_2, transpose_4, transpose_8, transpose_16},
};
