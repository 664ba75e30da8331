/* Vectors of native width for one instruction set: vf32, vf64, their masks, and the operations whose bits every set agrees on.
 * Include only in files compiled per instruction set. Compilers' vector types do the arithmetic (+ - * /); what they lack is here.
 * Elementwise results do not depend on the width. Reductions that need fixed lanes take 16 / V_LANES_f32 of these.
 * The x86 baseline has no fma: v_fma is a product and a sum there, and its results are exempt from "same bits". */
#ifndef TW_KERNELS_VEC_H
#define TW_KERNELS_VEC_H
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TW_INLINE static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define TW_VEC_AVX512 1
#include <immintrin.h>
enum { V_BYTES = 64 };
#elif defined(__AVX2__)
#define TW_VEC_AVX2 1
#include <immintrin.h>
enum { V_BYTES = 32 };
#elif defined(__SSE4_1__)
#define TW_VEC_SSE 1
#include <immintrin.h>
enum { V_BYTES = 16 };
#elif defined(__aarch64__)
#define TW_VEC_NEON 1
#include <arm_neon.h>
enum { V_BYTES = 16 };
#else
#define TW_VEC_PLAIN 1
enum { V_BYTES = 16 };
#endif
enum { V_LANES_f32 = V_BYTES / 4, V_LANES_f64 = V_BYTES / 8 };

typedef float vf32 __attribute__((vector_size(V_BYTES), may_alias));
typedef double vf64 __attribute__((vector_size(V_BYTES), may_alias));
typedef int32_t vi32 __attribute__((vector_size(V_BYTES), may_alias));
typedef int64_t vi64 __attribute__((vector_size(V_BYTES), may_alias));
typedef uint32_t vu32 __attribute__((vector_size(V_BYTES), may_alias));
typedef uint64_t vu64 __attribute__((vector_size(V_BYTES), may_alias));
#if TW_VEC_AVX512
typedef __mmask16 m_f32;
typedef __mmask8 m_f64;
#else
typedef vi32 m_f32;
typedef vi64 m_f64;
#endif
typedef uint8_t tw_u8xf32 __attribute__((vector_size(V_BYTES / 4)));
typedef uint8_t tw_u8xf64 __attribute__((vector_size(V_BYTES / 8)));

TW_INLINE vf32 v_splat_f32(float x) { return x - (vf32){0}; } /* minus: x + 0 would lose the sign of -0 */
TW_INLINE vf64 v_splat_f64(double x) { return x - (vf64){0}; }
TW_INLINE vf32 v_load_f32(const float *p) { vf32 v; memcpy(&v, p, sizeof v); return v; }
TW_INLINE vf64 v_load_f64(const double *p) { vf64 v; memcpy(&v, p, sizeof v); return v; }
TW_INLINE void v_store_f32(float *p, vf32 v) { memcpy(p, &v, sizeof v); }
TW_INLINE void v_store_f64(double *p, vf64 v) { memcpy(p, &v, sizeof v); }

/* a - b. Where a sum stands beside a difference of products, GCC 12 makes one fused operation of them whatever -ffp-contract says; the
 * flipped sign bit hides the difference. */
TW_INLINE float tw_minus_f32(float a, float b) {
    uint32_t u;
    memcpy(&u, &b, sizeof u);
    u ^= 1u << 31;
    memcpy(&b, &u, sizeof u);
    return a + b;
}
TW_INLINE double tw_minus_f64(double a, double b) {
    uint64_t u;
    memcpy(&u, &b, sizeof u);
    u ^= 1ull << 63;
    memcpy(&b, &u, sizeof u);
    return a + b;
}

/* --- what differs by instruction set: fma, sqrt, rounding, select, compare, masked memory ----------------------- */

#if TW_VEC_AVX512
#define TW_VEC_OPS(T, P, W, MASK, LANES) \
    TW_INLINE v##T v_fma_##T(v##T a, v##T b, v##T c) { return (v##T)_mm512_fmadd_##P(a, b, c); } \
    TW_INLINE v##T v_sqrt_##T(v##T a) { return (v##T)_mm512_sqrt_##P(a); } \
    TW_INLINE v##T v_floor_##T(v##T a) { return (v##T)_mm512_roundscale_##P(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_ceil_##T(v##T a) { return (v##T)_mm512_roundscale_##P(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_trunc_##T(v##T a) { return (v##T)_mm512_roundscale_##P(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_round_##T(v##T a) { return (v##T)_mm512_roundscale_##P(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_select_##T(m_##T m, v##T a, v##T b) { return (v##T)_mm512_mask_blend_##P(m, b, a); } \
    TW_INLINE m_##T v_eq_##T(v##T a, v##T b) { return _mm512_cmp_##P##_mask(a, b, _CMP_EQ_OQ); } \
    TW_INLINE m_##T v_ne_##T(v##T a, v##T b) { return _mm512_cmp_##P##_mask(a, b, _CMP_NEQ_UQ); } \
    TW_INLINE m_##T v_lt_##T(v##T a, v##T b) { return _mm512_cmp_##P##_mask(a, b, _CMP_LT_OQ); } \
    TW_INLINE m_##T v_le_##T(v##T a, v##T b) { return _mm512_cmp_##P##_mask(a, b, _CMP_LE_OQ); } \
    TW_INLINE m_##T v_gt_##T(v##T a, v##T b) { return _mm512_cmp_##P##_mask(a, b, _CMP_GT_OQ); } \
    TW_INLINE m_##T v_ge_##T(v##T a, v##T b) { return _mm512_cmp_##P##_mask(a, b, _CMP_GE_OQ); } \
    TW_INLINE m_##T tw_first_##T(int64_t n) { return (m_##T)((1u << n) - 1u); } \
    TW_INLINE m_##T m_and_##T(m_##T a, m_##T b) { return (m_##T)(a & b); } \
    TW_INLINE m_##T m_or_##T(m_##T a, m_##T b) { return (m_##T)(a | b); } \
    TW_INLINE m_##T m_not_##T(m_##T a) { return (m_##T)~a; } \
    TW_INLINE bool m_any_##T(m_##T a) { return a != 0; } \
    TW_INLINE v##T v_load_n_##T(const W *p, int64_t n) { return (v##T)_mm512_maskz_loadu_##P(tw_first_##T(n), p); } \
    TW_INLINE v##T v_load_rest_##T(const W *p, int64_t n) { return (v##T)_mm512_mask_loadu_##P(v_splat_##T(*p), tw_first_##T(n), p); } \
    TW_INLINE void v_store_n_##T(W *p, v##T v, int64_t n) { _mm512_mask_storeu_##P(p, tw_first_##T(n), v); } \
    TW_INLINE void v_store_mask_##T(uint8_t *p, m_##T m) { __m128i b = _mm_maskz_set1_epi8((__mmask16)m, 1); memcpy(p, &b, LANES); } \
    TW_INLINE void v_store_mask_n_##T(uint8_t *p, m_##T m, int64_t n) { \
        _mm_mask_storeu_epi8(p, (__mmask16)tw_first_##T(n), _mm_maskz_set1_epi8((__mmask16)m, 1)); } \
    TW_INLINE m_##T v_load_mask_n_##T(const uint8_t *p, int64_t n) { \
        __m128i b = _mm_maskz_loadu_epi8((__mmask16)tw_first_##T(n), p); return (m_##T)_mm_test_epi8_mask(b, b); } \
    TW_INLINE m_##T v_load_mask_##T(const uint8_t *p) { \
        __m128i b = _mm_setzero_si128(); memcpy(&b, p, LANES); return (m_##T)_mm_test_epi8_mask(b, b); }
TW_VEC_OPS(f32, ps, float, __mmask16, 16)
TW_VEC_OPS(f64, pd, double, __mmask8, 8)
TW_INLINE vf64 tw_low_f32(vf32 a) { return (vf64)_mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
TW_INLINE vf64 tw_high_f32(vf32 a) { return (vf64)_mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)); }
/* table[i mod 16] */
TW_INLINE vf32 v_pick16_f32(const float table[16], vi32 i) { return (vf32)_mm512_permutexvar_ps((__m512i)i, _mm512_loadu_ps(table)); }
TW_INLINE vf32 tw_join_f64(vf64 low, vf64 high) {
    return (vf32)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}
#else
#define TW_VEC_COMMON(T, I, W, LANES) \
    TW_INLINE m_##T v_eq_##T(v##T a, v##T b) { return (m_##T)(a == b); } \
    TW_INLINE m_##T v_ne_##T(v##T a, v##T b) { return (m_##T)(a != b); } \
    TW_INLINE m_##T v_lt_##T(v##T a, v##T b) { return (m_##T)(a < b); } \
    TW_INLINE m_##T v_le_##T(v##T a, v##T b) { return (m_##T)(a <= b); } \
    TW_INLINE m_##T v_gt_##T(v##T a, v##T b) { return (m_##T)(a > b); } \
    TW_INLINE m_##T v_ge_##T(v##T a, v##T b) { return (m_##T)(a >= b); } \
    TW_INLINE m_##T m_and_##T(m_##T a, m_##T b) { return a & b; } \
    TW_INLINE m_##T m_or_##T(m_##T a, m_##T b) { return a | b; } \
    TW_INLINE m_##T m_not_##T(m_##T a) { return ~a; } \
    TW_INLINE void v_store_mask_##T(uint8_t *p, m_##T m) { \
        tw_u8x##T b = __builtin_convertvector(-m, tw_u8x##T); memcpy(p, &b, LANES); } \
    TW_INLINE void v_store_mask_n_##T(uint8_t *p, m_##T m, int64_t n) { \
        tw_u8x##T b = __builtin_convertvector(-m, tw_u8x##T); memcpy(p, &b, (size_t)n); } \
    TW_INLINE m_##T v_load_mask_##T(const uint8_t *p) { \
        tw_u8x##T b; memcpy(&b, p, LANES); return (m_##T)(__builtin_convertvector(b, m_##T) != 0); } \
    TW_INLINE m_##T v_load_mask_n_##T(const uint8_t *p, int64_t n) { \
        tw_u8x##T b = {0}; memcpy(&b, p, (size_t)n); return (m_##T)(__builtin_convertvector(b, m_##T) != 0); }
TW_VEC_COMMON(f32, 32, float, V_LANES_f32)
TW_VEC_COMMON(f64, 64, double, V_LANES_f64)

#define TW_VEC_BUFFERED(T, W) \
    TW_INLINE v##T v_load_n_##T(const W *p, int64_t n) { v##T v = {0}; memcpy(&v, p, (size_t)n * sizeof(W)); return v; } \
    TW_INLINE v##T v_load_rest_##T(const W *p, int64_t n) { v##T v = v_splat_##T(*p); memcpy(&v, p, (size_t)n * sizeof(W)); return v; } \
    TW_INLINE void v_store_n_##T(W *p, v##T v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof(W)); }

#define TW_VEC_PICKED \
    TW_INLINE vf32 v_pick16_f32(const float table[16], vi32 i) { \
        vf32 r; \
        for (int l = 0; l < V_LANES_f32; l++) r[l] = table[i[l] & 15]; \
        return r; \
    }

#if TW_VEC_AVX2 || TW_VEC_SSE
#if TW_VEC_AVX2
#define TW_MM(NAME) _mm256_##NAME
#define TW_FMA(P, a, b, c) _mm256_fmadd_##P(a, b, c)
#else
#define TW_MM(NAME) _mm_##NAME
#define TW_FMA(P, a, b, c) ((a) * (b) + (c))
#endif
#define TW_VEC_OPS(T, P) \
    TW_INLINE v##T v_fma_##T(v##T a, v##T b, v##T c) { return (v##T)TW_FMA(P, a, b, c); } \
    TW_INLINE v##T v_sqrt_##T(v##T a) { return (v##T)TW_MM(sqrt_##P)(a); } \
    TW_INLINE v##T v_floor_##T(v##T a) { return (v##T)TW_MM(round_##P)(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_ceil_##T(v##T a) { return (v##T)TW_MM(round_##P)(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_trunc_##T(v##T a) { return (v##T)TW_MM(round_##P)(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); } \
    TW_INLINE v##T v_round_##T(v##T a) { return (v##T)TW_MM(round_##P)(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); } \
    TW_INLINE bool m_any_##T(m_##T m) { return TW_MM(movemask_##P)((v##T)m) != 0; }
TW_VEC_OPS(f32, ps)
TW_VEC_OPS(f64, pd)
TW_INLINE vf32 v_select_f32(m_f32 m, vf32 a, vf32 b) { return (vf32)TW_MM(blendv_ps)(b, a, (vf32)m); }
TW_INLINE vf64 v_select_f64(m_f64 m, vf64 a, vf64 b) { return (vf64)TW_MM(blendv_pd)(b, a, (vf64)m); }
#if TW_VEC_AVX2
static const int32_t tw_tail_f32[16] __attribute__((unused)) = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static const int64_t tw_tail_f64[8] __attribute__((unused)) = {-1, -1, -1, -1, 0, 0, 0, 0};
#define TW_VEC_MASKED(T, P, W) \
    TW_INLINE v##T v_load_n_##T(const W *p, int64_t n) { \
        return (v##T)_mm256_maskload_##P(p, _mm256_loadu_si256((const __m256i *)(const void *)(tw_tail_##T + V_LANES_##T - n))); } \
    TW_INLINE v##T v_load_rest_##T(const W *p, int64_t n) { \
        m_##T m; \
        memcpy(&m, tw_tail_##T + V_LANES_##T - n, sizeof m); \
        return v_select_##T(m, v_load_n_##T(p, n), v_splat_##T(*p)); } \
    TW_INLINE void v_store_n_##T(W *p, v##T v, int64_t n) { \
        _mm256_maskstore_##P(p, _mm256_loadu_si256((const __m256i *)(const void *)(tw_tail_##T + V_LANES_##T - n)), v); }
TW_INLINE vf32 v_pick16_f32(const float table[16], vi32 i) {
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)i), high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)i);
    return (vf32)_mm256_blendv_ps(low, high, (__m256)(i << 28));
}
TW_VEC_MASKED(f32, ps, float)
TW_VEC_MASKED(f64, pd, double)
TW_INLINE vf64 tw_low_f32(vf32 a) { return (vf64)_mm256_cvtps_pd(_mm256_castps256_ps128(a)); }
TW_INLINE vf64 tw_high_f32(vf32 a) { return (vf64)_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)); }
TW_INLINE vf32 tw_join_f64(vf64 low, vf64 high) { return (vf32)_mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low)); }
#else
TW_VEC_BUFFERED(f32, float)
TW_VEC_BUFFERED(f64, double)
TW_VEC_PICKED
TW_INLINE vf64 tw_low_f32(vf32 a) { return (vf64)_mm_cvtps_pd(a); }
TW_INLINE vf64 tw_high_f32(vf32 a) { return (vf64)_mm_cvtps_pd(_mm_movehl_ps(a, a)); }
TW_INLINE vf32 tw_join_f64(vf64 low, vf64 high) { return (vf32)_mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)); }
#endif
#elif TW_VEC_NEON
#define TW_VEC_OPS(T, U) \
    TW_INLINE v##T v_fma_##T(v##T a, v##T b, v##T c) { return (v##T)vfmaq_##T(c, a, b); } \
    TW_INLINE v##T v_sqrt_##T(v##T a) { return (v##T)vsqrtq_##T(a); } \
    TW_INLINE v##T v_floor_##T(v##T a) { return (v##T)vrndmq_##T(a); } \
    TW_INLINE v##T v_ceil_##T(v##T a) { return (v##T)vrndpq_##T(a); } \
    TW_INLINE v##T v_trunc_##T(v##T a) { return (v##T)vrndq_##T(a); } \
    TW_INLINE v##T v_round_##T(v##T a) { return (v##T)vrndnq_##T(a); } \
    TW_INLINE v##T v_select_##T(m_##T m, v##T a, v##T b) { return (v##T)vbslq_##T((U)m, a, b); } \
    TW_INLINE bool m_any_##T(m_##T m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
TW_VEC_OPS(f32, uint32x4_t)
TW_VEC_OPS(f64, uint64x2_t)
TW_VEC_BUFFERED(f32, float)
TW_VEC_BUFFERED(f64, double)
TW_INLINE vf32 v_pick16_f32(const float table[16], vi32 i) {
    const uint8_t *bytes = (const uint8_t *)table;
    const uint8x16x4_t all = {{vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
    return (vf32)vqtbl4q_u8(all, (uint8x16_t)((vu32)(i & 15) * 0x04040404u + 0x03020100u));
}
TW_INLINE vf64 tw_low_f32(vf32 a) { return (vf64)vcvt_f64_f32(vget_low_f32(a)); }
TW_INLINE vf64 tw_high_f32(vf32 a) { return (vf64)vcvt_high_f64_f32(a); }
TW_INLINE vf32 tw_join_f64(vf64 low, vf64 high) { return (vf32)vcvt_high_f32_f64(vcvt_f32_f64(low), high); }
#else
#define TW_VEC_LANES(T, F) \
    TW_INLINE v##T v_fma_##T(v##T a, v##T b, v##T c) { for (int i = 0; i < V_LANES_##T; i++) a[i] = fma##F(a[i], b[i], c[i]); return a; } \
    TW_INLINE v##T v_sqrt_##T(v##T a) { for (int i = 0; i < V_LANES_##T; i++) a[i] = sqrt##F(a[i]); return a; } \
    TW_INLINE v##T v_floor_##T(v##T a) { for (int i = 0; i < V_LANES_##T; i++) a[i] = floor##F(a[i]); return a; } \
    TW_INLINE v##T v_ceil_##T(v##T a) { for (int i = 0; i < V_LANES_##T; i++) a[i] = ceil##F(a[i]); return a; } \
    TW_INLINE v##T v_trunc_##T(v##T a) { for (int i = 0; i < V_LANES_##T; i++) a[i] = trunc##F(a[i]); return a; } \
    TW_INLINE v##T v_round_##T(v##T a) { for (int i = 0; i < V_LANES_##T; i++) a[i] = rint##F(a[i]); return a; } \
    TW_INLINE v##T v_select_##T(m_##T m, v##T a, v##T b) { return (v##T)((m & (m_##T)a) | (~m & (m_##T)b)); } \
    TW_INLINE bool m_any_##T(m_##T m) { for (int i = 0; i < V_LANES_##T; i++) if (m[i]) return true; return false; }
TW_VEC_LANES(f32, f)
TW_VEC_LANES(f64, )
TW_VEC_BUFFERED(f32, float)
TW_VEC_BUFFERED(f64, double)
TW_VEC_PICKED
TW_INLINE vf64 tw_low_f32(vf32 a) { vf64 r; for (int i = 0; i < V_LANES_f64; i++) r[i] = a[i]; return r; }
TW_INLINE vf64 tw_high_f32(vf32 a) { vf64 r; for (int i = 0; i < V_LANES_f64; i++) r[i] = a[i + V_LANES_f64]; return r; }
TW_INLINE vf32 tw_join_f64(vf64 low, vf64 high) {
    vf32 r;
    for (int i = 0; i < V_LANES_f64; i++) { r[i] = (float)low[i]; r[i + V_LANES_f64] = (float)high[i]; }
    return r;
}
#endif
#endif

/* --- the same on every set --------------------------------------------------------------------------------------- */

/* min and max are a comparison and a select, never the set's own instruction: NaNs and signed zeros differ between those. */
#define TW_VEC_SHARED(T, W, I, U, SIGN, INF) \
    TW_INLINE v##T v_add_##T(v##T a, v##T b) { return a + b; } \
    TW_INLINE v##T v_sub_##T(v##T a, v##T b) { return a - b; } \
    TW_INLINE v##T v_mul_##T(v##T a, v##T b) { return a * b; } \
    TW_INLINE v##T v_div_##T(v##T a, v##T b) { return a / b; } \
    TW_INLINE v##T v_square_##T(v##T a) { return a * a; } \
    TW_INLINE v##T v_reciprocal_##T(v##T a) { return (W)1 / a; } \
    TW_INLINE v##T v_rsqrt_##T(v##T a) { return (W)1 / v_sqrt_##T(a); } \
    TW_INLINE v##T v_neg_##T(v##T a) { return (v##T)((U)a ^ SIGN); } \
    TW_INLINE v##T v_abs_##T(v##T a) { return (v##T)((U)a & ~SIGN); } \
    TW_INLINE v##T v_copysign_##T(v##T a, v##T b) { return (v##T)(((U)a & ~SIGN) | ((U)b & SIGN)); } \
    TW_INLINE m_##T v_isnan_##T(v##T a) { return v_ne_##T(a, a); } \
    TW_INLINE m_##T v_isinf_##T(v##T a) { return v_eq_##T(v_abs_##T(a), v_splat_##T((W)INFINITY)); } \
    TW_INLINE m_##T v_isfinite_##T(v##T a) { return v_lt_##T(v_abs_##T(a), v_splat_##T((W)INFINITY)); } \
    TW_INLINE m_##T v_signbit_##T(v##T a) { return v_lt_##T(v_copysign_##T(v_splat_##T(1), a), v_splat_##T(0)); } \
    TW_INLINE v##T v_maximum_##T(v##T a, v##T b) { \
        return v_select_##T(v_isnan_##T(a), a, v_select_##T(v_lt_##T(b, a), a, b)); } \
    TW_INLINE v##T v_minimum_##T(v##T a, v##T b) { \
        return v_select_##T(v_isnan_##T(a), a, v_select_##T(v_lt_##T(a, b), a, b)); } \
    TW_INLINE v##T v_fmax_##T(v##T a, v##T b) { \
        return v_select_##T(v_isnan_##T(b), a, v_select_##T(v_lt_##T(b, a), a, b)); } \
    TW_INLINE v##T v_fmin_##T(v##T a, v##T b) { \
        return v_select_##T(v_isnan_##T(b), a, v_select_##T(v_lt_##T(a, b), a, b)); } \
    TW_INLINE v##T v_relu_##T(v##T a) { return v_select_##T(v_le_##T(a, v_splat_##T(0)), v_splat_##T(0), a); } \
    TW_INLINE v##T v_sign_##T(v##T a) { \
        v##T one = v_splat_##T(1), zero = v_splat_##T(0); \
        return v_select_##T(v_lt_##T(zero, a), one, v_select_##T(v_lt_##T(a, zero), -one, zero)); } \
    TW_INLINE v##T v_sgn_##T(v##T a) { return v_sign_##T(a); } \
    TW_INLINE W tw_lane_##T(v##T a) { return a[0]; }
TW_VEC_SHARED(f32, float, vi32, vu32, 0x80000000u, 0)
TW_VEC_SHARED(f64, double, vi64, vu64, 0x8000000000000000ull, 0)
#endif
