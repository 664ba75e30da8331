/* Native vectors for the product kernels: one type per element type, loads at any address, fused multiply-add. */
#ifndef TW_KERNELS_GEMM_VEC_H
#define TW_KERNELS_GEMM_VEC_H
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#define TW_VB 64
#elif defined(__AVX2__)
#include <immintrin.h>
#define TW_VB 32
#else
#define TW_VB 16
#if defined(__aarch64__)
#include <arm_neon.h>
#endif
#endif

typedef float vf32 __attribute__((vector_size(TW_VB)));
typedef double vf64 __attribute__((vector_size(TW_VB)));
typedef float vf32u __attribute__((vector_size(TW_VB), aligned(4), may_alias));
typedef double vf64u __attribute__((vector_size(TW_VB), aligned(8), may_alias));
typedef float v4f32 __attribute__((vector_size(16)));
typedef float v4f32u __attribute__((vector_size(16), aligned(4), may_alias));
typedef int v4i32 __attribute__((vector_size(16)));

#define TW_LOAD_f32(p) (*(const vf32u *)(p))
#define TW_LOAD_f64(p) (*(const vf64u *)(p))
#define TW_STORE_f32(p, v) (*(vf32u *)(p) = (v))
#define TW_STORE_f64(p, v) (*(vf64u *)(p) = (v))

/* The x86 baseline has no fused multiply-add: two roundings there. */
#if defined(__AVX512F__)
static inline vf32 tw_fma_f32(vf32 a, vf32 b, vf32 c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf64 tw_fma_f64(vf64 a, vf64 b, vf64 c) { return _mm512_fmadd_pd(a, b, c); }
static inline vf32 tw_splat_f32(float x) { return _mm512_set1_ps(x); }
static inline vf64 tw_splat_f64(double x) { return _mm512_set1_pd(x); }
#elif defined(__AVX2__)
static inline vf32 tw_fma_f32(vf32 a, vf32 b, vf32 c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf64 tw_fma_f64(vf64 a, vf64 b, vf64 c) { return _mm256_fmadd_pd(a, b, c); }
static inline vf32 tw_splat_f32(float x) { return _mm256_set1_ps(x); }
static inline vf64 tw_splat_f64(double x) { return _mm256_set1_pd(x); }
#else
#if defined(__aarch64__)
static inline vf32 tw_fma_f32(vf32 a, vf32 b, vf32 c) { return vfmaq_f32(c, a, b); }
static inline vf64 tw_fma_f64(vf64 a, vf64 b, vf64 c) { return vfmaq_f64(c, a, b); }
#else
static inline vf32 tw_fma_f32(vf32 a, vf32 b, vf32 c) { return a * b + c; }
static inline vf64 tw_fma_f64(vf64 a, vf64 b, vf64 c) { return a * b + c; }
#endif
static inline vf32 tw_splat_f32(float x) { return (vf32){x, x, x, x}; }
static inline vf64 tw_splat_f64(double x) { return (vf64){x, x}; }
#endif
#if defined(__FMA__) || defined(__aarch64__)
static inline float tw_fma1_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double tw_fma1_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
static inline float tw_fma1_f32(float a, float b, float c) { return a * b + c; }
static inline double tw_fma1_f64(double a, double b, double c) { return a * b + c; }
#endif

/* The first n lanes, of fewer than all. */
#if TW_VB == 64
#define TW_LOAD_N_f32(p, n) ((vf32)_mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1u), p))
#define TW_LOAD_N_f64(p, n) ((vf64)_mm512_maskz_loadu_pd((__mmask8)((1u << (n)) - 1u), p))
#define TW_STORE_N_f32(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1u), v)
#define TW_STORE_N_f64(p, v, n) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (n)) - 1u), v)
#elif TW_VB == 32
static const int32_t tw_on_f32[16] __attribute__((unused)) = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static const int64_t tw_on_f64[8] __attribute__((unused)) = {-1, -1, -1, -1, 0, 0, 0, 0};
#define TW_ON(T, lanes, n) _mm256_loadu_si256((const __m256i *)(const void *)(tw_on_##T + (lanes) - (n)))
#define TW_LOAD_N_f32(p, n) ((vf32)_mm256_maskload_ps(p, TW_ON(f32, 8, n)))
#define TW_LOAD_N_f64(p, n) ((vf64)_mm256_maskload_pd(p, TW_ON(f64, 4, n)))
#define TW_STORE_N_f32(p, v, n) _mm256_maskstore_ps(p, TW_ON(f32, 8, n), v)
#define TW_STORE_N_f64(p, v, n) _mm256_maskstore_pd(p, TW_ON(f64, 4, n), v)
#else
static inline vf32 TW_LOAD_N_f32(const float *p, int64_t n) { vf32 v = {0}; memcpy(&v, p, (size_t)n * sizeof *p); return v; }
static inline vf64 TW_LOAD_N_f64(const double *p, int64_t n) { vf64 v = {0}; memcpy(&v, p, (size_t)n * sizeof *p); return v; }
static inline void TW_STORE_N_f32(float *p, vf32 v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }
static inline void TW_STORE_N_f64(double *p, vf64 v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }
#endif
#endif
