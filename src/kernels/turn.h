/* Square matrices in registers, transposed: pairs of rows exchange halves, then quarters, and so on. AVX-512 only. */
#ifndef TW_KERNELS_TURN_H
#define TW_KERNELS_TURN_H
#if defined(__AVX512F__)
#include <immintrin.h>

static inline __attribute__((always_inline, unused)) void tw_pairs_4(__m512i *a, __m512i *b) {
    __m512i low = _mm512_unpacklo_epi32(*a, *b), high = _mm512_unpackhi_epi32(*a, *b);
    *a = low, *b = high;
}
static inline __attribute__((always_inline, unused)) void tw_pairs_8(__m512i *a, __m512i *b) {
    __m512i low = _mm512_unpacklo_epi64(*a, *b), high = _mm512_unpackhi_epi64(*a, *b);
    *a = low, *b = high;
}
/* Quarters of four vectors: column i of the 4 x 4 quarters becomes row i. */
static inline __attribute__((always_inline, unused)) void tw_quarters(__m512i *a, __m512i *b, __m512i *c, __m512i *d) {
    __m512i ab_even = _mm512_shuffle_i64x2(*a, *b, 0x88), ab_odd = _mm512_shuffle_i64x2(*a, *b, 0xdd);
    __m512i cd_even = _mm512_shuffle_i64x2(*c, *d, 0x88), cd_odd = _mm512_shuffle_i64x2(*c, *d, 0xdd);
    *a = _mm512_shuffle_i64x2(ab_even, cd_even, 0x88), *b = _mm512_shuffle_i64x2(ab_odd, cd_odd, 0x88);
    *c = _mm512_shuffle_i64x2(ab_even, cd_even, 0xdd), *d = _mm512_shuffle_i64x2(ab_odd, cd_odd, 0xdd);
}
/* 16 rows of 16 words of 32 bits. */
static inline __attribute__((always_inline, unused)) void tw_turn_16(__m512i v[16]) {
    for (int i = 0; i < 16; i += 4) {
        tw_pairs_4(&v[i], &v[i + 1]), tw_pairs_4(&v[i + 2], &v[i + 3]);
        tw_pairs_8(&v[i], &v[i + 2]), tw_pairs_8(&v[i + 1], &v[i + 3]);
        const __m512i kept = v[i + 1]; /* v[i + j] would hold, in each quarter, column (0, 2, 1, 3)[j] of that quarter's four rows */
        v[i + 1] = v[i + 2], v[i + 2] = kept;
    }
    for (int j = 0; j < 4; j++) tw_quarters(&v[j], &v[4 + j], &v[8 + j], &v[12 + j]);
}

/* 8 rows of 8 words of 64 bits. */
static inline __attribute__((always_inline, unused)) void tw_turn_8(__m512i v[8]) {
    for (int i = 0; i < 8; i += 2) tw_pairs_8(&v[i], &v[i + 1]);
    for (int j = 0; j < 2; j++) tw_quarters(&v[j], &v[2 + j], &v[4 + j], &v[6 + j]);
}
#endif
#endif
