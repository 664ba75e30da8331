/* Template: the convolution kernels of one element type. T, TS, V (vector), VLEN, MR, NV are defined by conv.c. */
#define TWN_(name, s) name##_##s
#define TWN2_(name, s) TWN_(name, s)
#define TWN(name) TWN2_(name, TS)

enum { TWN(NR) = NV * VLEN, TWN(HALF) = NV / 2 * VLEN };

/* --- fetching ------------------------------------------------------------------------------------------------------ */

#include "kernels/copy_run.h"

/* Elements [from, to) of the run of one row of taps at a place: whatever lies outside the image is zero. */
static inline void TWN(fetch_joined)(const tw_patches *p, const T *row, int64_t x, int64_t from, int64_t to, T *into) {
    int64_t start = x * p->channels, low = -start, high = p->size[2] * p->channels - start;
    low = low < from ? from : low > to ? to : low;
    high = high > to ? to : high < low ? low : high;
    if (low > from) TWN(zero_run)(into, low - from);
    TWN(copy_run)(into + (low - from), row + start + low, high - low);
    if (high < to) TWN(zero_run)(into + (high - from), to - high);
}

static void TWN(fetch)(const tw_patches *p, const void *source, int64_t place, int64_t m, int64_t k, int64_t kc, void *rows) {
    int64_t x = place % p->places[2], y = place / p->places[2], z = y / p->places[1], image = z / p->places[0];
    int64_t run = p->joined ? p->taps[2] * p->channels : p->channels;
    int64_t first = k / run, skip = k - first * run, tx0 = p->joined ? 0 : first % p->taps[2];
    int64_t row = p->joined ? first : first / p->taps[2], ty0 = row % p->taps[1], tz0 = row / p->taps[1];
    y -= z * p->places[1], z -= image * p->places[0];
    for (int64_t i = 0; i < m; i++) {
        const T *base = (const T *)source + image * p->image_stride;
        T *to = (T *)rows + i * TW_CONV_ROW;
        int64_t tx = tx0, ty = ty0, tz = tz0, from = skip, sx = x * p->scale[2] + p->first[2];
        for (int64_t left = kc; left > 0; from = 0) {
            int64_t end = run - from < left ? run : from + left;
            int64_t sz = z * p->scale[0] + p->first[0] + tz * p->step[0], sy = y * p->scale[1] + p->first[1] + ty * p->step[1];
            bool inside = sz >= 0 && sz < p->size[0] && sy >= 0 && sy < p->size[1];
            const T *line = base + sz * p->stride[0] + sy * p->stride[1];
            if (p->joined) {
                if (inside) TWN(fetch_joined)(p, line, sx, from, end, to);
                else TWN(zero_run)(to, end - from);
            } else {
                int64_t at = sx + tx * p->step[2];
                if (inside && at >= 0 && at < p->size[2]) TWN(copy_run)(to, line + at * p->stride[2] + from, end - from);
                else TWN(zero_run)(to, end - from);
                if (++tx == p->taps[2]) tx = 0;
            }
            to += end - from, left -= end - from;
            if (tx == 0 && ++ty == p->taps[1]) ty = 0, tz++;
        }
        if (++x == p->places[2]) {
            x = 0;
            if (++y == p->places[1]) {
                y = 0;
                if (++z == p->places[0]) z = 0, image++;
            }
        }
    }
}

/* --- tiles --------------------------------------------------------------------------------------------------------- */

/* M rows and N vectors. TW_SUMS: the row of b for each k, and the rows' elements side by side; TW_ROWS: the other way round. */
#define TW_TILE_END(M, N) \
    _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
        _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) { \
            T *to = c + i * c_row + j * VLEN; \
            if (add) TWN(TW_STORE)(to, TWN(TW_LOAD)(to) + acc[i][j]); \
            else TWN(TW_STORE)(to, acc[i][j]); \
        } \
    }
#define TW_TILE_BEGIN(M, N) \
    V acc[M][N]; \
    _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
        _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_splat)(0); \
    }
/* What is written in the end. */
#define TW_TILE_FETCH(M, N) \
    _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
        for (int j = 0; j < N * VLEN; j += LINE) __builtin_prefetch(c + i * c_row + j, 1); \
    }
#define LINE (64 / (int)sizeof(T)) /* elements of a line of the cache */
#define TW_TILE(M, N) \
    static void TWN(rows_##M##x##N)(int64_t kc, const T *restrict a, const T *restrict b, T *restrict c, int64_t c_row, bool add) { \
        TW_TILE_BEGIN(M, N) \
        for (int64_t k = 0; k < kc; k++, a++, b += TWN(NR)) { \
            V row[N]; \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) row[j] = TWN(TW_LOAD)(b + j * VLEN); \
            _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
                V x = TWN(tw_splat)(a[i * TW_CONV_ROW]); \
                _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_fma)(x, row[j], acc[i][j]); \
            } \
        } \
        TW_TILE_END(M, N) \
    } \
    static void TWN(runs_##M##x##N)(int64_t count, const tw_conv_piece *runs, const T *restrict base, int64_t a_row, const T *restrict b, \
                                    T *restrict c, int64_t c_row, bool add) { \
        TW_TILE_BEGIN(M, N) \
        TW_TILE_FETCH(M, N) \
        for (int64_t r = 0; r < count; r++) { \
            const T *a = base + runs[r].at; \
            int64_t line = 0; \
            for (const T *end = a + runs[r].n; a < end; a++, b += TWN(NR)) { \
                V row[N]; \
                for (int i = 0; i < M; i += LINE) __builtin_prefetch(a + (M + i + line) * a_row - line, 0, 2); \
                line = (line + 1) % LINE; \
                _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) row[j] = TWN(TW_LOAD)(b + j * VLEN); \
                _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
                    V x = TWN(tw_splat)(a[i * a_row]); \
                    _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_fma)(x, row[j], acc[i][j]); \
                } \
            } \
        } \
        TW_TILE_END(M, N) \
    } \
    static void TWN(sums_##M##x##N)(int64_t kc, const T *restrict a, int64_t a_row, const T *restrict b, const int32_t *restrict at, \
                                    T *restrict c, int64_t c_row, bool add, const T *bias, tw_conv_next next) { \
        TW_TILE_BEGIN(M, N) \
        const char *soon = next.at; \
        TW_TILE_FETCH(M, N) \
        for (int64_t k = 0; k < kc; k++, a += a_row, soon += next.step) { \
            V row[N]; \
            const T *from = b + at[k]; \
            __builtin_prefetch(soon, 0, 2); \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) row[j] = TWN(TW_LOAD)(from + j * VLEN); \
            _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
                V x = TWN(tw_splat)(a[i]); \
                _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_fma)(x, row[j], acc[i][j]); \
            } \
        } \
        if (!bias) { \
            TW_TILE_END(M, N) \
            return; \
        } \
        _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) { \
                T *to = c + i * c_row + j * VLEN; \
                V y = acc[i][j]; \
                if (add) y = TWN(TW_LOAD)(to) + y; \
                TWN(TW_STORE)(to, y + TWN(tw_splat)(bias[i])); \
            } \
        } \
    }
#if NV == 4
#define TW_TILES(M) TW_TILE(M, 4) TW_TILE(M, 2)
#define TW_TILE_ROW(NAME, M) {TWN(NAME##_##M##x2), TWN(NAME##_##M##x4)}
#else
#define TW_TILES(M) TW_TILE(M, 2) TW_TILE(M, 1)
#define TW_TILE_ROW(NAME, M) {TWN(NAME##_##M##x1), TWN(NAME##_##M##x2)}
#endif
TW_TILES(1) TW_TILES(2) TW_TILES(4) TW_TILES(6)
#if MR > 6
TW_TILES(8) TW_TILES(10) TW_TILES(12) TW_TILES(14)
#endif
typedef void (*TWN(rows_fn))(int64_t, const T *, const T *, T *, int64_t, bool);
typedef void (*TWN(runs_fn))(int64_t, const tw_conv_piece *, const T *, int64_t, const T *, T *, int64_t, bool);
typedef void (*TWN(sums_fn))(int64_t, const T *, int64_t, const T *, const int32_t *, T *, int64_t, bool, const T *, tw_conv_next);
/* By rows, an odd number as the next even one: [(m + 1) / 2]. */
#if MR > 6
#define TW_TILE_TABLE(NAME) \
    {TW_TILE_ROW(NAME, 1), TW_TILE_ROW(NAME, 2), TW_TILE_ROW(NAME, 4), TW_TILE_ROW(NAME, 6), TW_TILE_ROW(NAME, 8), TW_TILE_ROW(NAME, 10), \
     TW_TILE_ROW(NAME, 12), TW_TILE_ROW(NAME, 14)}
#else
#define TW_TILE_TABLE(NAME) {TW_TILE_ROW(NAME, 1), TW_TILE_ROW(NAME, 2), TW_TILE_ROW(NAME, 4), TW_TILE_ROW(NAME, 6)}
#endif
static const TWN(rows_fn) TWN(row_tiles)[][2] = TW_TILE_TABLE(rows);
static const TWN(runs_fn) TWN(run_tiles)[][2] = TW_TILE_TABLE(runs);
static const TWN(sums_fn) TWN(sum_tiles)[][2] = TW_TILE_TABLE(sums);
#undef TW_TILE
#undef TW_TILES
#undef TW_TILE_ROW
#undef TW_TILE_TABLE
#undef TW_TILE_BEGIN
#undef TW_TILE_END
#undef TW_TILE_FETCH
#undef LINE

/* The rows that a tile for m of them computes. */
static inline int64_t TWN(tile_rows)(int64_t m) { return m == 1 ? 1 : (m + 1) / 2 * 2; }

static void TWN(copy_edge)(int64_t m, int64_t n, const T *edge, int64_t wide, T *c, int64_t c_row, bool add) {
    for (int64_t i = 0; i < m; i++) {
        T *to = c + i * c_row;
        const T *from = edge + i * wide;
        if (add) for (int64_t j = 0; j < n; j++) to[j] += from[j];
        else for (int64_t j = 0; j < n; j++) to[j] = from[j];
    }
}

static void TWN(rows)(int64_t m, int64_t n, int64_t kc, const void *rows, const void *b, int64_t b_panel, void *c, int64_t c_row, bool add) {
    const TWN(rows_fn) *tiles = TWN(row_tiles)[m == 1 ? 0 : (m + 1) / 2];
    const T *panel = b;
    T *to = c;
    for (; n > 0; n -= TWN(NR), panel += b_panel, to += TWN(NR)) {
        int64_t wide = n <= TWN(HALF) ? TWN(HALF) : TWN(NR);
        TWN(rows_fn) tile = tiles[wide == TWN(NR)];
        if (n >= wide && TWN(tile_rows)(m) == m) {
            tile(kc, rows, panel, to, c_row, add);
            continue;
        }
        T edge[TW_CONV_MAX_MR * TWN(NR)] __attribute__((aligned(64)));
        tile(kc, rows, panel, edge, wide, false);
        TWN(copy_edge)(m, n < wide ? n : wide, edge, wide, to, c_row, add);
    }
}

static void TWN(runs)(int64_t m, int64_t n, int64_t count, const tw_conv_piece *runs, const void *a, int64_t a_row, const void *b, int64_t b_panel,
                      void *c, int64_t c_row, bool add) {
    const TWN(runs_fn) *tiles = TWN(run_tiles)[m == 1 ? 0 : (m + 1) / 2];
    const T *panel = b;
    T *to = c;
    for (; n > 0; n -= TWN(NR), panel += b_panel, to += TWN(NR)) {
        int64_t wide = n <= TWN(HALF) ? TWN(HALF) : TWN(NR);
        TWN(runs_fn) tile = tiles[wide == TWN(NR)];
        if (n >= wide) {
            tile(count, runs, a, a_row, panel, to, c_row, add);
            continue;
        }
        T edge[TW_CONV_MAX_MR * TWN(NR)] __attribute__((aligned(64)));
        tile(count, runs, a, a_row, panel, edge, wide, false);
        TWN(copy_edge)(m, n < wide ? n : wide, edge, wide, to, c_row, add);
    }
}

static void TWN(sums)(int64_t m, int64_t n, int64_t kc, const void *a, int64_t a_row, const void *b, const int32_t *at, void *c, int64_t c_row,
                      bool add, const void *bias, tw_conv_next next) {
    int64_t wide = n <= TWN(HALF) ? TWN(HALF) : TWN(NR);
    TWN(sums_fn) tile = TWN(sum_tiles)[m == 1 ? 0 : (m + 1) / 2][wide == TWN(NR)];
    if (n == wide && TWN(tile_rows)(m) == m) {
        tile(kc, a, a_row, b, at, c, c_row, add, bias, next);
        return;
    }
    T edge[TW_CONV_MAX_MR * TWN(NR)] __attribute__((aligned(64)));
    tile(kc, a, a_row, b, at, edge, wide, false, NULL, next);
    TWN(copy_edge)(m, n, edge, wide, c, c_row, add);
    for (int64_t i = 0; bias && i < m; i++) {
        for (int64_t j = 0; j < n; j++) ((T *)c)[i * c_row + j] += ((const T *)bias)[i];
    }
}

/* `vectors` of channels, of `lanes` each, at `count` places: enough sums side by side to hide how long each takes. */
static inline __attribute__((always_inline)) void TWN(each_vector)(int count, int vectors, int64_t lanes, int64_t c, int64_t taps,
                                                                   const void *const *from, int64_t at, int64_t from_step,
                                                                   const void *const *weight, const T *bias, const T *ahead, T *to,
                                                                   int64_t to_step) {
    V acc[8][4];
    _Pragma("GCC unroll 8") for (int i = 0; i < count; i++) {
        _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) {
            acc[i][v] = TWN(tw_splat)(0);
            if (ahead) __builtin_prefetch(ahead + at + c + i * from_step + v * VLEN);
        }
    }
    for (int64_t t = 0; t < taps; t++) {
        const T *x = (const T *)from[t] + at + c, *w = (const T *)weight[t] + c;
        if (count == 8 && t + 2 < taps && (const T *)from[t + 1] - (const T *)from[t] == from_step &&
            (const T *)from[t + 2] - (const T *)from[t + 1] == from_step) { /* neighbours: what one tap reads is the next one's, a place further */
            V f0 = TWN(TW_LOAD)(w), f1 = TWN(TW_LOAD)((const T *)weight[t + 1] + c), f2 = TWN(TW_LOAD)((const T *)weight[t + 2] + c);
            _Pragma("GCC unroll 10") for (int i = 0; i < count + 2; i++) {
                V value = TWN(TW_LOAD)(x + i * from_step);
                if (i < count) acc[i][0] = TWN(tw_fma)(value, f0, acc[i][0]);
                if (i >= 1 && i <= count) acc[i - 1][0] = TWN(tw_fma)(value, f1, acc[i - 1][0]);
                if (i >= 2) acc[i - 2][0] = TWN(tw_fma)(value, f2, acc[i - 2][0]);
            }
            t += 2;
            continue;
        }
        _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) {
            V factor;
            if (lanes == VLEN) factor = TWN(TW_LOAD)(w + v * VLEN);
            else factor = TWN(TW_LOAD_N)(w, lanes);
            _Pragma("GCC unroll 8") for (int i = 0; i < count; i++) {
                if (lanes == VLEN) acc[i][v] = TWN(tw_fma)(TWN(TW_LOAD)(x + i * from_step + v * VLEN), factor, acc[i][v]);
                else acc[i][v] = TWN(tw_fma)(TWN(TW_LOAD_N)(x + i * from_step, lanes), factor, acc[i][v]);
            }
        }
    }
    _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) {
        V add = TWN(tw_splat)(0);
        if (bias && lanes == VLEN) add = TWN(TW_LOAD)(bias + c + v * VLEN);
        else if (bias) add = TWN(TW_LOAD_N)(bias + c, lanes);
        _Pragma("GCC unroll 8") for (int i = 0; i < count; i++) {
            V y = bias ? acc[i][v] + add : acc[i][v];
            if (lanes == VLEN) TWN(TW_STORE)(to + i * to_step + c + v * VLEN, y);
            else TWN(TW_STORE_N)(to + i * to_step + c, y, lanes);
        }
    }
}

static void TWN(each_channel)(int64_t n, int64_t channels, int64_t taps, const void *const *from, int64_t from_step, const void *const *weight,
                              const void *bias, const void *ahead, void *to, int64_t to_step) {
    const int64_t whole = channels - channels % VLEN;
    for (int64_t i = 0; i < n;) {
        const int count = n - i >= 8 ? 8 : n - i >= 4 ? 4 : 1;
        T *row = (T *)to + i * to_step;
        const int64_t at = i * from_step;
        int64_t c = 0;
        if (count == 8) {
            for (; c < whole; c += VLEN) TWN(each_vector)(8, 1, VLEN, c, taps, from, at, from_step, weight, bias, ahead, row, to_step);
        } else if (count == 4) {
            for (; c + VLEN < whole; c += 2 * VLEN) TWN(each_vector)(4, 2, VLEN, c, taps, from, at, from_step, weight, bias, ahead, row, to_step);
        } else {
            for (; c + 3 * VLEN < whole; c += 4 * VLEN) TWN(each_vector)(1, 4, VLEN, c, taps, from, at, from_step, weight, bias, ahead, row, to_step);
        }
        for (; c < whole; c += VLEN) {
            for (int q = 0; q < count; q++) {
                TWN(each_vector)(1, 1, VLEN, c, taps, from, at + q * from_step, 0, weight, bias, ahead, row + q * to_step, 0);
            }
        }
        if (whole < channels) {
            for (int q = 0; q < count; q++) {
                TWN(each_vector)(1, 1, channels - whole, whole, taps, from, at + q * from_step, 0, weight, bias, ahead, row + q * to_step, 0);
            }
        }
        i += count;
    }
}

/* The sums of `count` taps for one vector of channels, of `lanes`. */
static inline __attribute__((always_inline)) void TWN(sum_vector)(int count, int64_t lanes, int64_t c, int64_t n, int64_t channels,
                                                                  const void *const *from, int64_t from_step, const T *y, int64_t y_step,
                                                                  const T *ahead, const T *y_ahead, T *sums) {
    V acc[9];
    const T *x[9];
    _Pragma("GCC unroll 9") for (int t = 0; t < count; t++) acc[t] = TWN(tw_splat)(0), x[t] = (const T *)from[t] + c;
    y += c;
    for (int64_t i = 0, at = 0; i < n; i++, at += from_step, y += y_step) {
        V factor;
        if (ahead) __builtin_prefetch(ahead + at + c);
        if (y_ahead) __builtin_prefetch(y_ahead + i * y_step + c);
        if (lanes == VLEN) factor = TWN(TW_LOAD)(y);
        else factor = TWN(TW_LOAD_N)(y, lanes);
        _Pragma("GCC unroll 9") for (int t = 0; t < count; t++) {
            if (lanes == VLEN) acc[t] = TWN(tw_fma)(TWN(TW_LOAD)(x[t] + at), factor, acc[t]);
            else acc[t] = TWN(tw_fma)(TWN(TW_LOAD_N)(x[t] + at, lanes), factor, acc[t]);
        }
    }
    _Pragma("GCC unroll 9") for (int t = 0; t < count; t++) {
        T *to = sums + t * channels + c;
        if (lanes == VLEN) TWN(TW_STORE)(to, TWN(TW_LOAD)(to) + acc[t]);
        else TWN(TW_STORE_N)(to, TWN(TW_LOAD_N)(to, lanes) + acc[t], lanes);
    }
}

static void TWN(each_sum)(int64_t n, int64_t channels, int64_t taps, const void *const *from, int64_t from_step, const void *y, int64_t y_step,
                          const void *ahead, const void *y_ahead, void *sums) {
    const int64_t whole = channels - channels % VLEN, rest = channels - whole;
    for (int64_t t = 0, count; t < taps; t += count) {
        T *to = (T *)sums + t * channels;
        count = taps - t >= 9 ? 9 : taps - t >= 3 ? 3 : 1;
        for (int64_t c = 0; c < whole; c += VLEN) {
            if (count == 9) TWN(sum_vector)(9, VLEN, c, n, channels, from + t, from_step, y, y_step, ahead, y_ahead, to);
            else if (count == 3) TWN(sum_vector)(3, VLEN, c, n, channels, from + t, from_step, y, y_step, ahead, y_ahead, to);
            else TWN(sum_vector)(1, VLEN, c, n, channels, from + t, from_step, y, y_step, ahead, y_ahead, to);
        }
        for (int64_t q = 0; rest && q < count; q++) {
            TWN(sum_vector)(1, rest, whole, n, channels, from + t + q, from_step, y, y_step, NULL, NULL, to + q * channels);
        }
    }
}

static void TWN(add_row)(int64_t m, int64_t n, const void *row, void *c, int64_t c_row) {
    for (int64_t i = 0; i < m; i++) {
        T *restrict to = (T *)c + i * c_row;
        for (int64_t j = 0; j < n; j++) to[j] += ((const T *)row)[j];
    }
}

/* --- layouts ------------------------------------------------------------------------------------------------------- */

/* A square of vectors: lanes whose bit is set trade places, one bit at a time. */
#define TW_TRADE(BIT) \
    _Pragma("GCC unroll 16") for (int i = 0; i < VLEN; i++) { \
        if (i & BIT) continue; \
        V a = r[i], b = r[i + BIT]; \
        r[i] = __builtin_shuffle(a, b, TWN(even_##BIT)), r[i + BIT] = __builtin_shuffle(a, b, TWN(odd_##BIT)); \
    }
/* to[j * to_step + i] = from[i * from_step + j] for i < m, j < n, both at most VLEN. */
static inline __attribute__((always_inline)) void TWN(transpose_square)(int64_t m, int64_t n, const T *from, int64_t from_step, T *to, int64_t to_step) {
    V r[VLEN];
    _Pragma("GCC unroll 16") for (int i = 0; i < VLEN; i++) {
        const T *row = from + i * from_step;
        if (i >= m) r[i] = TWN(tw_splat)(0);
        else if (n == VLEN) r[i] = TWN(TW_LOAD)(row);
        else r[i] = TWN(TW_LOAD_N)(row, n);
    }
    TW_TRADE(1)
#if VLEN > 2
    TW_TRADE(2)
#endif
#if VLEN > 4
    TW_TRADE(4)
#endif
#if VLEN > 8
    TW_TRADE(8)
#endif
    _Pragma("GCC unroll 16") for (int i = 0; i < VLEN; i++) {
        T *row = to + i * to_step;
        if (i >= n) break;
        if (m == VLEN) TWN(TW_STORE)(row, r[i]);
        else TWN(TW_STORE_N)(row, r[i], m);
    }
}
#undef TW_TRADE

static void TWN(transpose_edge)(int64_t m, int64_t n, const T *from, int64_t from_step, T *to, int64_t to_step) {
    TWN(transpose_square)(m, n, from, from_step, to, to_step);
}

/* The same of any size. */
static void TWN(transpose)(int64_t m, int64_t n, const T *from, int64_t from_step, T *to, int64_t to_step) {
    for (int64_t i = 0; i < m; i += VLEN) {
        int64_t high = m - i < VLEN ? m - i : VLEN;
        for (int64_t j = 0; j < n; j += VLEN) {
            int64_t wide = n - j < VLEN ? n - j : VLEN;
            const T *r = from + i * from_step + j;
            T *w = to + j * to_step + i;
            if (high == VLEN && wide == VLEN) {
                TWN(transpose_square)(VLEN, VLEN, r, from_step, w, to_step);
            } else if (high > 2 && wide > 2) {
                TWN(transpose_edge)(high, wide, r, from_step, w, to_step);
            } else {
                for (int64_t q = 0; q < high; q++) {
                    for (int64_t p = 0; p < wide; p++) w[p * to_step + q] = r[q * from_step + p];
                }
            }
        }
    }
}

static void TWN(copy_rows)(int64_t n, int64_t channels, const void *from, int64_t from_step, void *to, int64_t to_step) {
    if (from_step == channels && to_step == channels) channels *= n, n = 1;
    for (int64_t i = 0; i < n; i++) TWN(copy_run)((T *)to + i * to_step, (const T *)from + i * from_step, channels);
}

static void TWN(to_last)(int64_t n, int64_t channels, const void *from, int64_t from_step, void *to, int64_t to_step) {
    TWN(transpose)(channels, n, from, from_step, to, to_step);
}

static void TWN(from_last)(int64_t n, int64_t channels, const void *from, int64_t from_step, void *to, int64_t to_step, int64_t step) {
    if (step == 1) {
        TWN(transpose)(n, channels, from, from_step, to, to_step);
        return;
    }
    for (int64_t c = 0; c < channels; c++) {
        T *row = (T *)to + c * to_step;
        for (int64_t i = 0; i < n; i++) row[i * step] = ((const T *)from)[i * from_step + c];
    }
}
#undef TWN
#undef TWN_
#undef TWN2_
