/* The arithmetic of mt19937 (Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8, 1998), inline so that kernels have it in vectors. */
#ifndef TW_CORE_MERSENNE_H
#define TW_CORE_MERSENNE_H
#include <stdint.h>

enum { TW_MERSENNE_WORDS = 624, TW_MERSENNE_STEP = 397 };

static inline uint32_t tw_twist(uint32_t u, uint32_t v) {
    return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ ((0u - (v & 1u)) & 0x9908b0dfu);
}

/* The next 624 words of state. What a step reads it finds at least 227 words away from what it writes, or just ahead: vectors may take both loops. */
static inline void tw_twist_all(uint32_t *s) {
    enum { N = TW_MERSENNE_WORDS, M = TW_MERSENNE_STEP };
    int j = 0;
    for (; j < N - M; j++) s[j] = s[j + M] ^ tw_twist(s[j], s[j + 1]);
    for (; j < N - 1; j++) s[j] = s[j + M - N] ^ tw_twist(s[j], s[j + 1]);
    s[N - 1] = s[M - 1] ^ tw_twist(s[N - 1], s[0]);
}

static inline uint32_t tw_temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}
#endif
