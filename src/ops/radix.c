#include "ops/radix.h"
#include "core/threads.h"
#include <string.h>

enum { DIGIT = 8, DIGITS = 1 << DIGIT, PARTS = 8, MANY = 32768, LINE = 8 }; /* many items are counted and moved in parts, by threads */

typedef struct pass {
    const uint64_t *from;
    uint64_t *to;
    int64_t n;
    int shift, bits, parts;
    int64_t (*count)[DIGITS]; /* per part: of each digit, then where its next one goes */
} pass;

static int64_t part_begin(const pass *p, int64_t part) { return p->n * part / p->parts; }

static void count_parts(void *context, int64_t begin, int64_t end) {
    const pass *p = context;
    const uint64_t mask = (1ull << p->bits) - 1;
    for (int64_t part = begin; part < end; part++) {
        int64_t *count = p->count[part];
        memset(count, 0, sizeof(int64_t) << p->bits);
        for (int64_t i = part_begin(p, part); i < part_begin(p, part + 1); i++) count[p->from[i] >> p->shift & mask]++;
    }
}

/* Few items lie in the cache wherever they go. Many are gathered in lines of the cache, one for each digit: where digits occur equally often,
 * their places are powers of two apart, and would drive each other out of it. */
static void move_few(const pass *p, int64_t *next) {
    const uint64_t mask = (1ull << p->bits) - 1;
    for (int64_t i = 0; i < p->n; i++) p->to[next[p->from[i] >> p->shift & mask]++] = p->from[i];
}

static void move_parts(void *context, int64_t begin, int64_t end) {
    const pass *p = context;
    const uint64_t mask = (1ull << p->bits) - 1;
    for (int64_t part = begin; part < end; part++) {
        uint64_t line[DIGITS][LINE] __attribute__((aligned(64)));
        int64_t *next = p->count[part], start[DIGITS];
        memcpy(start, next, sizeof(int64_t) << p->bits);
        for (int64_t i = part_begin(p, part); i < part_begin(p, part + 1); i++) {
            const uint64_t item = p->from[i];
            const size_t d = item >> p->shift & mask;
            const int64_t at = next[d]++;
            line[d][(uint64_t)at % LINE] = item;
            if ((uint64_t)at % LINE < LINE - 1) continue;
            const int64_t first = at - (LINE - 1);
            if (first >= start[d]) memcpy(p->to + first, line[d], sizeof line[d]);
            else memcpy(p->to + start[d], line[d] + start[d] % LINE, sizeof(uint64_t) * (size_t)(at + 1 - start[d]));
        }
        for (size_t d = 0; d <= mask; d++) {
            const int64_t first = next[d] / LINE * LINE > start[d] ? next[d] / LINE * LINE : start[d];
            memcpy(p->to + first, line[d] + first % LINE, sizeof(uint64_t) * (size_t)(next[d] - first));
        }
    }
}

/* Counts become places: of a digit, those in earlier parts come first. */
static void place(const pass *p) {
    int64_t at = 0;
    for (int d = 0; d < 1 << p->bits; d++)
        for (int part = 0; part < p->parts; part++) {
            const int64_t count = p->count[part][d];
            p->count[part][d] = at;
            at += count;
        }
}

uint64_t *tw_radix_sort_packed(uint64_t *x, int64_t n, uint64_t *spare) {
    int64_t count[PARTS][DIGITS];
    uint64_t differ = 0;
    for (int64_t i = 1; i < n; i++) differ |= x[i] ^ x[0];
    differ >>= 32;
    if (!differ) return x;
    const int low = __builtin_ctzll(differ), width = 64 - __builtin_clzll(differ) - low, passes = (width + DIGIT - 1) / DIGIT;
    const int bits = (width + passes - 1) / passes;
    for (int i = 0; i < passes; i++) {
        pass p = {x, spare, n, 32 + low + i * bits, bits, n >= MANY ? PARTS : 1, count};
        if (p.shift + p.bits > 64) p.bits = 64 - p.shift;
        tw_parallel(p.parts, 1, count_parts, &p);
        place(&p);
        if (p.parts == 1) move_few(&p, count[0]);
        else tw_parallel(p.parts, 1, move_parts, &p);
        spare = x;
        x = p.to;
    }
    return x;
}

/* Bytes that are all the same are skipped. */
tw_keyed *tw_radix_sort(tw_keyed *x, int64_t n, tw_keyed *spare) {
    int64_t count[8][256] = {{0}};
    for (int64_t i = 0; i < n; i++)
        for (int b = 0; b < 8; b++) count[b][x[i].key >> 8 * b & 255]++;
    for (int b = 0; b < 8; b++) {
        int64_t at = 0;
        if (count[b][x[0].key >> 8 * b & 255] == n) continue;
        for (int d = 0; d < 256; d++) {
            const int64_t many = count[b][d];
            count[b][d] = at;
            at += many;
        }
        for (int64_t i = 0; i < n; i++) spare[count[b][x[i].key >> 8 * b & 255]++] = x[i];
        tw_keyed *swap = x;
        x = spare;
        spare = swap;
    }
    return x;
}
