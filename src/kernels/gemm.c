/* Packed, register-blocked products for float32 and float64; see gemm.h for the order of their sums. */
#include "kernels/gemm.h"
#include "core/dtype.h"
#include "kernels/gemm_vec.h"
#include <string.h>

static inline float half_to_float(uint16_t h) {
#if defined(__F16C__)
    return _cvtsh_ss(h);
#else
    return tw_half_to_float(h);
#endif
}

/* Tiles: 14 x 2 vectors of 32 registers, 6 x 2 of 16, and on NEON 6 x 4 of 32. */
#if TW_VB == 64
#define TW_MR 14
#define TW_NV 2
#elif defined(__aarch64__)
#define TW_MR 6
#define TW_NV 4
#else
#define TW_MR 6
#define TW_NV 2
#endif

#if TW_VB == 64
#include "kernels/turn.h"
static inline void turn_f32(__m512i v[16]) { tw_turn_16(v); }
static inline void turn_f64(__m512i v[8]) { tw_turn_8(v); }
static inline void store_some_f32(float *to, int n, __m512i v) { _mm512_mask_storeu_epi32(to, (__mmask16)((1u << n) - 1u), v); }
static inline void store_some_f64(double *to, int n, __m512i v) { _mm512_mask_storeu_epi64(to, (__mmask8)((1u << n) - 1u), v); }
#endif

typedef enum tile_mode { TILE_SET, TILE_ADD, TILE_SUBTRACT } tile_mode;
#define MR TW_MR
#define NV TW_NV

#define T float
#define TS f32
#define TDTYPE TW_FLOAT32
#define V vf32
#define VLEN (TW_VB / 4)
#include "kernels/gemm_type.h"
#undef T
#undef TS
#undef TDTYPE
#undef V
#undef VLEN

#define T double
#define TS f64
#define TDTYPE TW_FLOAT64
#define V vf64
#define VLEN (TW_VB / 8)
#include "kernels/gemm_type.h"

#include "kernels/gemm_bf16.h"

const tw_gemm_kernels TW_K(tw_gemm_kernels) = {
    .f32 = {MR, NV * (TW_VB / 4), pack_f32, block_f32, finish_all_f32, row_times_rows_f32, dot_f32, few_rows_f32, few_results_f32, tiny_f32, direct_f32, fold_f32},
    .bf16 = {MR, NV * (TW_VB / 4), pack_f32, block_bf16, finish_all_f32, row_times_rows_f32, dot_f32, few_rows_f32, few_results_f32, tiny_f32, direct_f32, fold_f32},
#if TW_VB == 64
    .bf16_pairs = {MR, NV * (TW_VB / 4), pack_pairs, block_pairs, finish_all_f32, row_times_rows_f32, dot_f32, few_rows_f32, few_results_f32,
                   tiny_f32, direct_f32, fold_f32},
    .pairs_hold = pairs_hold,
#endif
    .f64 = {MR, NV * (TW_VB / 8), pack_f64, block_f64, finish_all_f64, row_times_rows_f64, dot_f64, few_rows_f64, few_results_f64, tiny_f64, direct_f64, fold_f64},
};
