/* Casts and strided moves, compiled per instruction set. Plain loops: the compiler vectorises conversions well. */
#include "kernels/copy.h"
#include "kernels/math.h"
#include "kernels/turn.h"
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
        if (n <= 0) return; \
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
    static void part_##NAME(int64_t rows, int64_t cols, char *to, int64_t ts, const char *from, int64_t fs) { \
        for (int64_t r = 0; r < rows; r++) { \
            T *restrict b = (T *)(void *)(to + r * ts); \
            const char *a = from + r * (int64_t)sizeof(T); \
            for (int64_t c = 0; c < cols; c++) b[c] = *(const T *)(const void *)(a + c * fs); \
        } \
    }
MOVE(uint8_t, 1) MOVE(uint16_t, 2) MOVE(uint32_t, 4) MOVE(uint64_t, 8) MOVE(b16, 16)

/* --- transposition ---------------------------------------------------------------------------------------------- */

/* A square of SQUARE x SQUARE elements through registers: pairs of rows exchange halves, then quarters, and so on. */
enum { SQUARE_4 = V_BYTES / 4, SQUARE_8 = V_BYTES / 8 };
#if TW_VEC_AVX512
TW_INLINE void square_4(char *to, int64_t ts, const char *from, int64_t fs) {
    __m512i v[16];
    for (int i = 0; i < 16; i++) v[i] = _mm512_loadu_si512(from + i * fs);
    tw_turn_16(v);
    for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + i * ts, v[i]);
}
TW_INLINE void square_8(char *to, int64_t ts, const char *from, int64_t fs) {
    __m512i v[8];
    for (int i = 0; i < 8; i++) v[i] = _mm512_loadu_si512(from + i * fs);
    tw_turn_8(v);
    for (int i = 0; i < 8; i++) _mm512_storeu_si512(to + i * ts, v[i]);
}
#elif TW_VEC_AVX2
TW_INLINE __m256i load_256(const char *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
TW_INLINE void store_256(char *p, __m256i v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
TW_INLINE void square_4(char *to, int64_t ts, const char *from, int64_t fs) {
    __m256i v[8], w[8];
    for (int i = 0; i < 8; i++) v[i] = load_256(from + i * fs);
    for (int i = 0; i < 8; i += 2) w[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]), w[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            v[i + 2 * j] = _mm256_unpacklo_epi64(w[i + j], w[i + 2 + j]);
            v[i + 2 * j + 1] = _mm256_unpackhi_epi64(w[i + j], w[i + 2 + j]);
        }
    for (int j = 0; j < 4; j++) {
        store_256(to + j * ts, _mm256_permute2x128_si256(v[j], v[4 + j], 0x20));
        store_256(to + (4 + j) * ts, _mm256_permute2x128_si256(v[j], v[4 + j], 0x31));
    }
}
TW_INLINE void square_8(char *to, int64_t ts, const char *from, int64_t fs) {
    __m256i v[4], w[4];
    for (int i = 0; i < 4; i++) v[i] = load_256(from + i * fs);
    for (int i = 0; i < 4; i += 2) w[i] = _mm256_unpacklo_epi64(v[i], v[i + 1]), w[i + 1] = _mm256_unpackhi_epi64(v[i], v[i + 1]);
    for (int j = 0; j < 2; j++) {
        store_256(to + j * ts, _mm256_permute2x128_si256(w[j], w[2 + j], 0x20));
        store_256(to + (2 + j) * ts, _mm256_permute2x128_si256(w[j], w[2 + j], 0x31));
    }
}
#else
TW_INLINE void square_4(char *to, int64_t ts, const char *from, int64_t fs) { part_4(SQUARE_4, SQUARE_4, to, ts, from, fs); }
TW_INLINE void square_8(char *to, int64_t ts, const char *from, int64_t fs) { part_8(SQUARE_8, SQUARE_8, to, ts, from, fs); }
#endif
TW_INLINE void square_1(char *to, int64_t ts, const char *from, int64_t fs) { part_1(16, 16, to, ts, from, fs); }
TW_INLINE void square_2(char *to, int64_t ts, const char *from, int64_t fs) { part_2(16, 16, to, ts, from, fs); }
TW_INLINE void square_16(char *to, int64_t ts, const char *from, int64_t fs) { part_16(4, 4, to, ts, from, fs); }

/* Squares; columns of the source, which may lie far apart, in the outer loop, the next of them on their way. */
#define TRANSPOSE(NAME, SQUARE) \
    static void transpose_##NAME(int64_t rows, int64_t cols, void *to, int64_t ts, const void *from, int64_t fs) { \
        char *b = to; \
        const char *a = from; \
        const int64_t size = NAME, whole = rows / (SQUARE) * (SQUARE); \
        int64_t c = 0; \
        for (; c + (SQUARE) <= cols; c += (SQUARE), a += (SQUARE) * fs, b += (SQUARE) * size) { \
            if (c + 2 * (SQUARE) <= cols) \
                for (int64_t i = (SQUARE); i < 2 * (SQUARE); i++) \
                    for (int64_t r = 0; r < rows * size; r += 64) __builtin_prefetch(a + i * fs + r); \
            for (int64_t r = 0; r < whole; r += (SQUARE)) square_##NAME(b + r * ts, ts, a + r * size, fs); \
            if (whole < rows) part_##NAME(rows - whole, (SQUARE), b + whole * ts, ts, a + whole * size, fs); \
        } \
        if (c < cols) part_##NAME(rows, cols - c, b, ts, a, fs); \
    }
TRANSPOSE(1, 16) TRANSPOSE(2, 16) TRANSPOSE(4, SQUARE_4) TRANSPOSE(8, SQUARE_8) TRANSPOSE(16, 4)

/* --- streaming -------------------------------------------------------------------------------------------------- */

/* Whole lines at once: two halves or quarters of a line that go out apart cost the memory a read each. */
enum { LINE = 64 };
#if TW_VEC_AVX512
TW_INLINE void stream_line(char *to, const char *from) { _mm512_stream_si512((__m512i *)(void *)to, _mm512_loadu_si512(from)); }
#elif TW_VEC_AVX2
TW_INLINE void stream_line(char *to, const char *from) {
    const __m256i a = load_256(from), b = load_256(from + 32);
    _mm256_stream_si256((__m256i *)(void *)to, a);
    _mm256_stream_si256((__m256i *)(void *)(to + 32), b);
}
#elif TW_VEC_SSE
TW_INLINE void stream_line(char *to, const char *from) {
    __m128i v[4];
    for (int i = 0; i < 4; i++) v[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + 16 * i));
    for (int i = 0; i < 4; i++) _mm_stream_si128((__m128i *)(void *)(to + 16 * i), v[i]);
}
#endif

#if TW_VEC_AVX512 || TW_VEC_AVX2 || TW_VEC_SSE
static void stream(int64_t bytes, void *to, const void *from) {
    char *b = to;
    const char *a = from;
    const int64_t before = (int64_t)(-(uintptr_t)to & (LINE - 1)), head = before < bytes ? before : bytes;
    memcpy(b, a, (size_t)head);
    int64_t i = head;
    for (; i + LINE <= bytes; i += LINE) stream_line(b + i, a + i);
    memcpy(b + i, a + i, (size_t)(bytes - i));
}
static void stream_end(void) { _mm_sfence(); }
#else /* others find out by themselves that whole lines are written, or have no such stores */
static void stream(int64_t bytes, void *to, const void *from) { memcpy(to, from, (size_t)bytes); }
static void stream_end(void) { }
#endif

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
    .stream = stream, .stream_end = stream_end,
};
