/* Arguments of sin, cos and tan beyond 2^20: M. Payne and R. Hanek, Radian reduction for trigonometric functions (1983). Of 2/pi only the
 * bits that matter for x are multiplied, in integers, so the remainder is as good for 2^1000 as for 1. */
#ifndef TW_KERNELS_MATH_FAR_H
#define TW_KERNELS_MATH_FAR_H
#include "kernels/vec.h"

/* 2 / pi, 64 bits a word, after one word of zeros (the integer part). */
static const uint64_t tw_two_over_pi[21] __attribute__((unused)) = {
    0, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c,
    0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab, 0xf0cfbc209af4361d};

/* r + r_lo = x - n pi/2, |r| <= pi/4; the result is n mod 4. x is finite, |x| >= 2^20. */
static __attribute__((noinline, unused)) int64_t tw_reduce_far(double x, double *r, double *r_lo) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 0x7ff) - 1075; /* |x| = m * 2^exponent */
    const uint64_t m = (bits & 0xfffffffffffffull) | 0x10000000000000ull;
    /* 192 bits from the first whose weight in m * 2^exponent * 2/pi is below 4: what stands before adds multiples of four */
    const int first = exponent - 2 + 64, word = first / 64, shift = first % 64;
    uint64_t w[3], v[3];
    for (int i = 0; i < 3; i++) {
        w[i] = tw_two_over_pi[word + i] << shift;
        if (shift) w[i] |= tw_two_over_pi[word + i + 1] >> (64 - shift);
    }
    unsigned __int128 p = (unsigned __int128)m * w[2];
    v[2] = (uint64_t)p;
    p = (unsigned __int128)m * w[1] + (uint64_t)(p >> 64);
    v[1] = (uint64_t)p;
    v[0] = m * w[0] + (uint64_t)(p >> 64);
    /* v / 2^190 = x * 2/pi mod 4: to the nearest integer, and what is left, with its sign */
    uint64_t n = (v[0] + 0x2000000000000000ull) >> 62;
    v[0] -= n << 62;
    const bool below = v[0] >> 63;
    if (below) { /* two's complement */
        v[2] = 0 - v[2];
        v[1] = ~v[1] + (v[2] == 0);
        v[0] = ~v[0] + (v[2] == 0 && v[1] == 0);
    }
    int scale = -190 + 128; /* of the 128 bits in v[0], v[1] */
    while (v[0] >> 63 == 0 && scale > -190 - 64) { /* the nearest any double comes to a multiple of pi/2 costs some 60 bits */
        v[0] = v[0] << 1 | v[1] >> 63;
        v[1] = v[1] << 1 | v[2] >> 63;
        v[2] <<= 1;
        scale--;
    }
    /* 53 and 53 bits, exact in doubles; times pi/2 as a pair */
    const double high = ldexp((double)(v[0] >> 11), scale + 11);
    const double low = ldexp((double)((v[0] & 0x7ff) << 42 | v[1] >> 22), scale - 42);
    const double a = high * 0x1.921fb54442d18p+0;
    const double b = fma(high, 0x1.921fb54442d18p+0, -a) + fma(low, 0x1.921fb54442d18p+0, high * 0x1.1a62633145c07p-54);
    const double sum = a + b, rest = (a - sum) + b;
    const bool negative = below != (x < 0);
    *r = negative ? -sum : sum;
    *r_lo = negative ? -rest : rest;
    return (int64_t)(x < 0 ? 0 - n : n);
}

/* The lanes beyond 2^20 of a reduction that is done for the others; infinities give NaN. */
static __attribute__((noinline, unused)) void tw_reduce_far_lanes(const vf64 *x, vf64 *r, vf64 *r_lo, vi64 *n) {
    for (int i = 0; i < V_LANES_f64; i++) {
        double high, low;
        if (!(fabs((*x)[i]) >= 0x1p20)) continue;
        if (isinf((*x)[i])) {
            (*r)[i] = (double)NAN;
            continue;
        }
        (*n)[i] = tw_reduce_far((*x)[i], &high, &low);
        (*r)[i] = high;
        (*r_lo)[i] = low;
    }
}
#endif
