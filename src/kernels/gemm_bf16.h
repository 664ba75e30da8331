/* Products of two bfloat16 matrices; see Note [bfloat16]. Included by gemm.c, after the kernels of float32. */

/* Numbers below 2^-126 are zero in this thread until the mode is set back. */
#if defined(__x86_64__)
#include <xmmintrin.h>
static unsigned flush(void) {
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040u);
    return mode;
}
static void unflush(unsigned mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
static uint64_t flush(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | 1ull << 24) : "memory");
    return mode;
}
static void unflush(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
static int flush(void) { return 0; }
static void unflush(int mode) { (void)mode; }
#endif

/* The kernels to flush under are called through pointers, so that none of their arithmetic moves across. */
static void (*const volatile block_to_flush)(int64_t, int64_t, int64_t, const void *, int, const void *, void *, int64_t, const tw_gemm_finish *) = block_f32;

static void block_bf16(int64_t m, int64_t n, int64_t kc, const void *a, int mr, const void *b, void *c, int64_t c_row, const tw_gemm_finish *f) {
    const __typeof__(flush()) mode = flush();
    block_to_flush(m, n, kc, a, mr, b, c, c_row, f);
    unflush(mode);
}

#if TW_VB == 64
typedef uint32_t __attribute__((may_alias)) pair_word; /* also read and moved as a float */
#define TW_PAIRS __attribute__((target("avx512bf16")))

/* A word is an element and, below it, the next one along k; zero after the last. */
static void pack_pair_rows(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, pair_word *to) {
    const uint16_t *from = (const uint16_t *)x->data + k0 * x->line_stride + j * x->step;
    for (int64_t done = 0; done < n; done += width, from += width * x->step) {
        const int64_t now = n - done < width ? n - done : width;
        for (int64_t k = 0; k < kc; k += 2, to += width) {
            const uint16_t *high = from + k * x->line_stride, *low = high + x->line_stride;
            int64_t c = 0;
            if (k + 1 == kc) for (; c < now; c++) to[c] = (uint32_t)high[c * x->step] << 16;
            else if (x->step == 1) for (; c < now; c++) to[c] = (uint32_t)high[c] << 16 | low[c];
            else for (; c < now; c++) to[c] = (uint32_t)high[c * x->step] << 16 | low[c * x->step];
            for (; c < width; c++) to[c] = 0;
        }
    }
}

/* Lines of k are spread over the words of a panel. */
static void pack_pair_columns(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, pair_word *to) {
    const int64_t pairs = kc / 2, words = (kc + 1) / 2;
    pair_word lines[16][TW_GEMM_KC / 2] __attribute__((aligned(64)));
    const float *all[16];
    for (int q = 0; q < 16; q++) all[q] = (const float *)lines[q];
    memset(lines, 0, sizeof lines);
    for (int64_t done = 0; done < n; done += width, to += words * width) {
        const int64_t now = n - done < width ? n - done : width;
        for (int64_t c = 0; c < now; c += 16) {
            const int64_t some = now - c < 16 ? now - c : 16;
            for (int64_t q = 0; q < some; q++) {
                const uint16_t *from = (const uint16_t *)x->data + (j + done + c + q) * x->line_stride + k0 * x->step;
                if (x->step == 1) memcpy(lines[q], from, (size_t)pairs * 4);
                else for (int64_t k = 0; k < pairs; k++) lines[q][k] = (uint32_t)from[(2 * k + 1) * x->step] << 16 | from[2 * k * x->step];
                for (int64_t k = 0; k < pairs; k++) lines[q][k] = lines[q][k] << 16 | lines[q][k] >> 16;
                if (kc % 2) to[pairs * width + c + q] = (uint32_t)from[(kc - 1) * x->step] << 16;
            }
            interleave_f32(all, (int)some, pairs, width, (float *)to + c);
        }
        for (int64_t k = 0; k < words && now < width; k++) memset(to + k * width + now, 0, (size_t)(width - now) * 4);
    }
}

static void pack_pairs(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, void *to) {
    (x->lines_are_k ? pack_pair_rows : pack_pair_columns)(x, k0, kc, j, n, width, to);
}

#define TW_TILE(M, N) \
    TW_PAIRS static void tile_pairs_##M##x##N(int64_t kc, const pair_word *restrict a, const pair_word *restrict b, float *restrict c, int64_t c_row, \
                                              tile_mode mode) { \
        __m512 acc[M][N]; \
        _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = _mm512_setzero_ps(), __builtin_prefetch(c + i * c_row + j * 16, 1); \
        } \
        for (int64_t k = 0; k < kc / 2; k++, a += M, b += 32) { \
            __m512bh row[N]; \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) row[j] = (__m512bh)_mm512_loadu_si512(b + j * 16); \
            _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
                const __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[i]); \
                _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], x, row[j]); \
            } \
        } \
        if (kc % 2) { /* the last one alone; the lower halves are zero */ \
            _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
                _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) \
                    acc[i][j] = _mm512_fmadd_ps((__m512)_mm512_set1_epi32((int)a[i]), _mm512_loadu_ps((const float *)b + j * 16), acc[i][j]); \
            } \
        } \
        _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) { \
                float *to = c + i * c_row + j * 16; \
                if (mode == TILE_SET) _mm512_storeu_ps(to, acc[i][j]); \
                else if (mode == TILE_ADD) _mm512_storeu_ps(to, _mm512_loadu_ps(to) + acc[i][j]); \
                else _mm512_storeu_ps(to, _mm512_loadu_ps(to) - acc[i][j]); \
            } \
        } \
    }
#define TW_TILES(M) TW_TILE(M, 1) TW_TILE(M, 2)
TW_TILES(1) TW_TILES(2) TW_TILES(4) TW_TILES(6) TW_TILES(8) TW_TILES(10) TW_TILES(12) TW_TILES(14)
#define TW_TILE_ROW(M) [M] = {tile_pairs_##M##x1, tile_pairs_##M##x2}
typedef void (*tile_pairs_fn)(int64_t, const pair_word *, const pair_word *, float *, int64_t, tile_mode);
static const tile_pairs_fn tiles_pairs[TW_GEMM_MAX_MR + 1][2] = {TW_TILE_ROW(1), TW_TILE_ROW(2), TW_TILE_ROW(4), TW_TILE_ROW(6), TW_TILE_ROW(8),
                                                                 TW_TILE_ROW(10), TW_TILE_ROW(12), TW_TILE_ROW(14)};
#undef TW_TILE
#undef TW_TILES
#undef TW_TILE_ROW

static void (*const volatile finish_to_flush)(int64_t, int64_t, void *, int64_t, const tw_gemm_finish *) = finish_all_f32;

static void block_pairs(int64_t m, int64_t n, int64_t kc, const void *a, int mr, const void *b, void *c, int64_t c_row, const tw_gemm_finish *f) {
    const tile_mode mode = f->subtract ? TILE_SUBTRACT : f->first ? TILE_SET : TILE_ADD;
    const int64_t words = (kc + 1) / 2;
    const unsigned kept = flush();
    for (int64_t j = 0; j < n; j += 32) {
        const int64_t nr = n - j < 32 ? n - j : 32, half = nr <= 16;
        const tile_pairs_fn tile = tiles_pairs[mr][!half];
        for (int64_t i = 0; i < m; i += mr) {
            const int64_t rows = m - i < mr ? m - i : mr;
            const pair_word *ap = (const pair_word *)a + i * words, *bp = (const pair_word *)b + j * words;
            float *to = (float *)c + i * c_row + j, edge[TW_GEMM_MAX_MR * 32] __attribute__((aligned(64)));
            if (rows == mr && (nr == 32 || nr == 16)) {
                tile(kc, ap, bp, to, c_row, mode);
                continue;
            }
            tile(kc, ap, bp, edge, 32, TILE_SET);
            for (int64_t r = 0; r < rows; r++) {
                float *row = to + r * c_row;
                if (mode == TILE_SET) for (int64_t q = 0; q < nr; q++) row[q] = edge[r * 32 + q];
                else if (mode == TILE_SUBTRACT) for (int64_t q = 0; q < nr; q++) row[q] -= edge[r * 32 + q];
                else for (int64_t q = 0; q < nr; q++) row[q] += edge[r * 32 + q];
            }
        }
    }
    if (f->last) finish_to_flush(m, n, c, c_row, f);
    unflush(kept);
}

/* Sums whose order and roundings show, against the processor's. */
TW_PAIRS static bool pairs_hold(void) {
    uint32_t words[2][16], seed = 1;
    float sum[16], want[16];
    for (int round = 0; round < 64; round++) {
        for (int i = 0; i < 16; i++) {
            for (int s = 0; s < 2; s++) {
                uint32_t word = 0;
                for (int half = 0; half < 2; half++) { /* magnitudes from 2^-3 to 2^4 */
                    seed = seed * 1664525u + 1013904223u;
                    word = word << 16 | (seed >> 16 & 0x807fu) | (124u + (seed >> 8 & 7u)) << 7;
                }
                words[s][i] = word;
            }
            if (round % 8 == 0) want[i] = sum[i] = (float)(seed >> 12) * 0x1p-18f;
            float x[2], y[2];
            for (int half = 0; half < 2; half++) {
                const uint32_t u = half ? words[0][i] << 16 : words[0][i] & 0xffff0000u, v = half ? words[1][i] << 16 : words[1][i] & 0xffff0000u;
                memcpy(&x[half], &u, 4);
                memcpy(&y[half], &v, 4);
            }
            want[i] = __builtin_fmaf(x[1], y[1], __builtin_fmaf(x[0], y[0], want[i]));
        }
        _mm512_storeu_ps(sum, _mm512_dpbf16_ps(_mm512_loadu_ps(sum), (__m512bh)_mm512_loadu_si512(words[0]), (__m512bh)_mm512_loadu_si512(words[1])));
        if (memcmp(sum, want, sizeof sum) != 0) return false;
    }
    return true;
}
#endif
