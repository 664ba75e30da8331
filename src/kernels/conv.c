/* Tiles of convolutions for float32 and float64; see conv.h for the order of their sums. */
#include "kernels/conv.h"
#include "kernels/gemm_vec.h"
#include <string.h>

/* 14 x 2 vectors of 32 registers, 6 x 2 of 16, and on NEON 6 x 4 of 32. */
#if TW_VB == 64
#define MR 14
#define NV 2
#elif defined(__aarch64__)
#define MR 6
#define NV 4
#else
#define MR 6
#define NV 2
#endif

/* Lanes of a pair of vectors whose index has a bit clear and set, for turning squares of vectors. */
typedef int32_t vi32 __attribute__((vector_size(TW_VB)));
typedef int64_t vi64 __attribute__((vector_size(TW_VB)));
#if TW_VB == 64
static const vi32 even_1_f32 = {0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30}, odd_1_f32 = {1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31};
static const vi32 even_2_f32 = {0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29}, odd_2_f32 = {2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31};
static const vi32 even_4_f32 = {0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27}, odd_4_f32 = {4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31};
static const vi32 even_8_f32 = {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23}, odd_8_f32 = {8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31};
static const vi64 even_1_f64 = {0, 8, 2, 10, 4, 12, 6, 14}, odd_1_f64 = {1, 9, 3, 11, 5, 13, 7, 15};
static const vi64 even_2_f64 = {0, 1, 8, 9, 4, 5, 12, 13}, odd_2_f64 = {2, 3, 10, 11, 6, 7, 14, 15};
static const vi64 even_4_f64 = {0, 1, 2, 3, 8, 9, 10, 11}, odd_4_f64 = {4, 5, 6, 7, 12, 13, 14, 15};
#elif TW_VB == 32
static const vi32 even_1_f32 = {0, 8, 2, 10, 4, 12, 6, 14}, odd_1_f32 = {1, 9, 3, 11, 5, 13, 7, 15};
static const vi32 even_2_f32 = {0, 1, 8, 9, 4, 5, 12, 13}, odd_2_f32 = {2, 3, 10, 11, 6, 7, 14, 15};
static const vi32 even_4_f32 = {0, 1, 2, 3, 8, 9, 10, 11}, odd_4_f32 = {4, 5, 6, 7, 12, 13, 14, 15};
static const vi64 even_1_f64 = {0, 4, 2, 6}, odd_1_f64 = {1, 5, 3, 7};
static const vi64 even_2_f64 = {0, 1, 4, 5}, odd_2_f64 = {2, 3, 6, 7};
#else
static const vi32 even_1_f32 = {0, 4, 2, 6}, odd_1_f32 = {1, 5, 3, 7};
static const vi32 even_2_f32 = {0, 1, 4, 5}, odd_2_f32 = {2, 3, 6, 7};
static const vi64 even_1_f64 = {0, 2}, odd_1_f64 = {1, 3};
#endif

#define T float
#define TS f32
#define V vf32
#define VLEN (TW_VB / 4)
#include "kernels/conv_type.h"
#undef T
#undef TS
#undef V
#undef VLEN

#define T double
#define TS f64
#define V vf64
#define VLEN (TW_VB / 8)
#include "kernels/conv_type.h"

const tw_conv_kernels TW_K(tw_conv_kernels) = {
    .f32 = {MR, NV * (TW_VB / 4), fetch_f32, rows_f32, runs_f32, sums_f32, each_channel_f32, each_sum_f32, add_row_f32, copy_rows_f32, to_last_f32,
            from_last_f32},
    .f64 = {MR, NV * (TW_VB / 8), fetch_f64, rows_f64, runs_f64, sums_f64, each_channel_f64, each_sum_f64, add_row_f64, copy_rows_f64, to_last_f64,
            from_last_f64},
};
