/* Template: the product kernels of one element type. T, TS, TDTYPE, V (vector), VLEN, MR, NV are defined by gemm.c. */
#include "kernels/gemm_fetch.h"

/* The last panel of b is read up to HALF where it is no wider than that. */
enum { TWN(NR) = NV * VLEN, TWN(HALF) = NV / 2 * VLEN, TWN(CHUNK) = 512 };

/* One line is one k: spread its columns over the panels. */
static void TWN(pack_rows)(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, T *to) {
    T buffer[TWN(CHUNK)];
    int64_t chunk = TWN(CHUNK) / width * width;
    for (int64_t k = 0; k < kc; k++) {
        for (int64_t done = 0; done < n; done += chunk) {
            int64_t now = n - done < chunk ? n - done : chunk;
            const T *row = TWN(fetch)(x, k0 + k, j + done, now, buffer);
            T *panel = to + (done * kc + k * width); /* done is a multiple of width */
            int64_t i = 0;
            if (width == TWN(NR)) {
                for (; i + TWN(NR) <= now; i += TWN(NR), panel += kc * TWN(NR)) memcpy(panel, row + i, TWN(NR) * sizeof(T));
            } else if (width == MR) {
                for (; i + MR <= now; i += MR, panel += kc * MR) memcpy(panel, row + i, MR * sizeof(T));
            } else {
                for (; i + width <= now; i += width, panel += kc * width) {
                    for (int c = 0; c < width; c++) panel[c] = row[i + c];
                }
            }
            if (i < now) {
                int c = 0, used = now - i <= TWN(HALF) && width == TWN(NR) ? TWN(HALF) : width;
                for (; i + c < now; c++) panel[c] = row[i + c];
                for (; c < used; c++) panel[c] = 0;
            }
        }
    }
}

/* Four columns' runs along k to four neighbouring places of each row of a panel. */
static void TWN(interleave4)(const T *const *c, int64_t kc, int width, T *to) {
    int64_t k = 0;
    if (sizeof(T) == 4) {
        for (; k + 4 <= kc; k += 4, to += 4 * width) {
            v4f32 r0 = *(const v4f32u *)(c[0] + k), r1 = *(const v4f32u *)(c[1] + k);
            v4f32 r2 = *(const v4f32u *)(c[2] + k), r3 = *(const v4f32u *)(c[3] + k);
            v4f32 a = __builtin_shuffle(r0, r1, (v4i32){0, 4, 1, 5}), b = __builtin_shuffle(r2, r3, (v4i32){0, 4, 1, 5});
            v4f32 d = __builtin_shuffle(r0, r1, (v4i32){2, 6, 3, 7}), e = __builtin_shuffle(r2, r3, (v4i32){2, 6, 3, 7});
            *(v4f32u *)to = __builtin_shuffle(a, b, (v4i32){0, 1, 4, 5});
            *(v4f32u *)(to + width) = __builtin_shuffle(a, b, (v4i32){2, 3, 6, 7});
            *(v4f32u *)(to + 2 * width) = __builtin_shuffle(d, e, (v4i32){0, 1, 4, 5});
            *(v4f32u *)(to + 3 * width) = __builtin_shuffle(d, e, (v4i32){2, 3, 6, 7});
        }
    }
    for (; k < kc; k++, to += width) {
        for (int i = 0; i < 4; i++) to[i] = c[i][k];
    }
}

#if TW_VB == 64
/* A register's width of columns' runs along k, `count` of them, to neighbouring places of each row of a panel. */
static void TWN(interleave)(const T *const *c, int count, int64_t kc, int width, T *to) {
    int64_t k = 0;
    for (; k + VLEN <= kc; k += VLEN) {
        __m512i v[VLEN];
        _Pragma("GCC unroll 16") for (int i = 0; i < VLEN; i++) v[i] = _mm512_loadu_si512(c[i] + k);
        TWN(turn)(v);
        _Pragma("GCC unroll 16") for (int i = 0; i < VLEN; i++) TWN(store_some)(to + (k + i) * width, count, v[i]);
    }
    for (; k < kc; k++)
        for (int i = 0; i < count; i++) to[k * width + i] = c[i][k];
}
#endif

/* One line is one column. */
static void TWN(pack_columns)(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, T *to) {
    T buffer[16][TW_GEMM_KC];
    for (int64_t done = 0; done < n; done += width, to += kc * width) {
        int now = n - done < width ? (int)(n - done) : width, i = 0;
#if TW_VB == 64
        while (now - i > VLEN / 2) {
            const T *c[VLEN];
            const int count = now - i < VLEN ? now - i : VLEN;
            for (int q = 0; q < VLEN; q++) c[q] = q < count ? TWN(fetch)(x, j + done + i + q, k0, kc, buffer[q]) : c[0];
            TWN(interleave)(c, count, kc, width, to + i);
            i += count;
        }
#endif
        while (i < now) {
            if (now - i >= 4 || (now >= 4 && (i = now - 4, true))) { /* the last four may overlap those before */
                const T *c[4];
                for (int q = 0; q < 4; q++) c[q] = TWN(fetch)(x, j + done + i + q, k0, kc, buffer[q]);
                TWN(interleave4)(c, kc, width, to + i);
                i += 4;
            } else {
                const T *c = TWN(fetch)(x, j + done + i, k0, kc, buffer[0]);
                for (int64_t k = 0; k < kc; k++) to[k * width + i] = c[k];
                i++;
            }
        }
        int used = now <= TWN(HALF) && width == TWN(NR) ? TWN(HALF) : width;
        if (now < used) {
            for (int64_t k = 0; k < kc; k++) TWN(zero_run)(to + k * width + now, used - now);
        }
    }
}

static void TWN(pack)(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, void *to) {
    if (x->lines_are_k) TWN(pack_rows)(x, k0, kc, j, n, width, to);
    else TWN(pack_columns)(x, k0, kc, j, n, width, to);
}

/* A tile of M rows and N vectors: c = or += or -= the sum over kc. What is there of c is fetched some steps before the end: earlier it would
 * take the places of what a and b are fetched into. */
#define TW_TILE(M, N) \
    static void TWN(tile_##M##x##N)(int64_t kc, const T *restrict a, const T *restrict b, T *restrict c, int64_t c_row, tile_mode mode) { \
        V acc[M][N]; \
        _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_splat)(0); \
        } \
        for (int64_t k = 0, until = kc > TW_GEMM_AHEAD ? kc - TW_GEMM_AHEAD : 0;; until = kc) { \
            for (; k < until; k++, a += M, b += TWN(NR)) { \
                V row[N]; \
                _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) row[j] = TWN(TW_LOAD)(b + j * VLEN); \
                _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
                    V x = TWN(tw_splat)(a[i]); \
                    _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_fma)(x, row[j], acc[i][j]); \
                } \
            } \
            if (until == kc) break; \
            for (int i = 0; i < M; i++) \
                for (int j = 0; j < N * VLEN; j += 64 / (int)sizeof(T)) __builtin_prefetch(c + i * c_row + j, 1); \
        } \
        _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 4") for (int j = 0; j < N; j++) { \
                T *to = c + i * c_row + j * VLEN; \
                if (mode == TILE_SET) TWN(TW_STORE)(to, acc[i][j]); \
                else if (mode == TILE_ADD) TWN(TW_STORE)(to, TWN(TW_LOAD)(to) + acc[i][j]); \
                else TWN(TW_STORE)(to, TWN(TW_LOAD)(to) - acc[i][j]); \
            } \
        } \
    }
#if NV == 4
#define TW_TILES(M) TW_TILE(M, 4) TW_TILE(M, 2)
#define TW_TILE_ROW(M) {TWN(tile_##M##x2), TWN(tile_##M##x4)}
#else
#define TW_TILES(M) TW_TILE(M, 2) TW_TILE(M, 1)
#define TW_TILE_ROW(M) {TWN(tile_##M##x1), TWN(tile_##M##x2)}
#endif
#define TW_TILE_NONE {NULL, NULL}
typedef void (*TWN(tile_fn))(int64_t, const T *, const T *, T *, int64_t, tile_mode);
TW_TILES(1) TW_TILES(2) TW_TILES(4) TW_TILES(6)
#if MR > 6
TW_TILES(8)
#endif
#if MR > 8
TW_TILES(10) TW_TILES(12) TW_TILES(14)
#endif
static const TWN(tile_fn) TWN(tiles)[TW_GEMM_MAX_MR + 1][2] = {
    TW_TILE_NONE, TW_TILE_ROW(1), TW_TILE_ROW(2), TW_TILE_NONE, TW_TILE_ROW(4), TW_TILE_NONE, TW_TILE_ROW(6),
#if MR > 6
    TW_TILE_NONE, TW_TILE_ROW(8),
#endif
#if MR > 8
    TW_TILE_NONE, TW_TILE_ROW(10), TW_TILE_NONE, TW_TILE_ROW(12), TW_TILE_NONE, TW_TILE_ROW(14),
#endif
};
#undef TW_TILE
#undef TW_TILES
#undef TW_TILE_ROW
#undef TW_TILE_NONE

/* alpha * c + beta * d over m x n. */
static void TWN(finish)(int64_t m, int64_t n, T *c, int64_t c_row, const tw_gemm_finish *f, int64_t i0, int64_t j0) {
    T alpha = (T)f->alpha, beta = (T)f->beta;
    for (int64_t i = 0; i < m; i++, c += c_row) {
        if (alpha != 1) for (int64_t j = 0; j < n; j++) c[j] *= alpha;
        if (!f->d) continue;
        const T *d = (const T *)f->d + (i0 + i) * f->d_row + j0 * f->d_col;
        if (beta == 1 && f->d_col == 1) for (int64_t j = 0; j < n; j++) c[j] += d[j];
        else if (beta == 1 && f->d_col == 0) for (int64_t j = 0; j < n; j++) c[j] += d[0];
        else for (int64_t j = 0; j < n; j++) { T x = d[j * f->d_col] * beta; c[j] += x; }
    }
}

static void TWN(block)(int64_t m, int64_t n, int64_t kc, const void *a, int mr, const void *b, void *c, int64_t c_row,
                       const tw_gemm_finish *f) {
    const TWN(tile_fn) *tiles = TWN(tiles)[mr];
    bool finish = f->last && (f->alpha != 1 || f->d);
    tile_mode mode = f->subtract ? TILE_SUBTRACT : f->first ? TILE_SET : TILE_ADD;
    for (int64_t j = 0; j < n; j += TWN(NR)) {
        const T *bp = (const T *)b + j * kc;
        int nr = n - j < TWN(NR) ? (int)(n - j) : TWN(NR);
        bool half = nr <= TWN(HALF);
        TWN(tile_fn) tile = tiles[!half];
        int wide = half ? TWN(HALF) : TWN(NR);
        for (int64_t i = 0; i < m; i += mr) {
            const T *ap = (const T *)a + i * kc;
            T *to = (T *)c + i * c_row + j;
            int rows = m - i < mr ? (int)(m - i) : mr;
            if (rows == mr && nr == wide) {
                tile(kc, ap, bp, to, c_row, mode);
            } else {
                T edge[TW_GEMM_MAX_MR * TWN(NR)] __attribute__((aligned(64)));
                tile(kc, ap, bp, edge, wide, TILE_SET);
                for (int r = 0; r < rows; r++) {
                    T *row = to + r * c_row;
                    if (mode == TILE_SET) for (int q = 0; q < nr; q++) row[q] = edge[r * wide + q];
                    else if (mode == TILE_SUBTRACT) for (int q = 0; q < nr; q++) row[q] -= edge[r * wide + q];
                    else for (int q = 0; q < nr; q++) row[q] += edge[r * wide + q];
                }
            }
            if (finish) TWN(finish)(rows, nr, to, c_row, f, i, j);
        }
    }
}

static void TWN(finish_all)(int64_t m, int64_t n, void *c, int64_t c_row, const tw_gemm_finish *f) {
    if (f->alpha != 1 || f->d) TWN(finish)(m, n, c, c_row, f, 0, 0);
}

/* Sums in registers' reach: strips of columns whose partial sums stay in the first-level cache. */
static void TWN(row_times_rows)(int64_t k, int64_t n, const void *xv, int64_t x_step, const void *bv, int64_t b_row, void *yv) {
    enum { STRIP = (16 << 10) / sizeof(T) }; /* of sums, in the first-level cache; rows long enough to be fetched ahead */
    const T *x = xv, *b = bv;
    T *y = yv, acc[STRIP] __attribute__((aligned(64)));
    for (int64_t j = 0; j < n; j += STRIP) {
        int64_t w = n - j < STRIP ? n - j : STRIP;
        if (k == 0) TWN(zero_run)(y + j, w);
        for (int64_t k0 = 0; k0 < k; k0 += TW_GEMM_KC) {
            int64_t end = k - k0 < TW_GEMM_KC ? k : k0 + TW_GEMM_KC, p = k0;
            TWN(zero_run)(acc, w);
            for (; p + 4 <= end; p += 4) {
                const T *r0 = b + p * b_row + j, *r1 = r0 + b_row, *r2 = r1 + b_row, *r3 = r2 + b_row;
                T s0 = x[p * x_step], s1 = x[(p + 1) * x_step], s2 = x[(p + 2) * x_step], s3 = x[(p + 3) * x_step];
                V x0 = TWN(tw_splat)(s0), x1 = TWN(tw_splat)(s1), x2 = TWN(tw_splat)(s2), x3 = TWN(tw_splat)(s3);
                int64_t i = 0;
                for (; i + VLEN <= w; i += VLEN) {
                    V v = TWN(tw_fma)(x0, TWN(TW_LOAD)(r0 + i), TWN(TW_LOAD)(acc + i));
                    v = TWN(tw_fma)(x1, TWN(TW_LOAD)(r1 + i), v);
                    v = TWN(tw_fma)(x2, TWN(TW_LOAD)(r2 + i), v);
                    TWN(TW_STORE)(acc + i, TWN(tw_fma)(x3, TWN(TW_LOAD)(r3 + i), v));
                }
                for (; i < w; i++) {
                    T v = TWN(tw_fma1)(s1, r1[i], TWN(tw_fma1)(s0, r0[i], acc[i]));
                    acc[i] = TWN(tw_fma1)(s3, r3[i], TWN(tw_fma1)(s2, r2[i], v));
                }
            }
            for (; p < end; p++) {
                const T *r = b + p * b_row + j;
                T s = x[p * x_step];
                for (int64_t i = 0; i < w; i++) acc[i] = TWN(tw_fma1)(s, r[i], acc[i]);
            }
            if (k0 == 0) memcpy(y + j, acc, (size_t)w * sizeof(T));
            else for (int64_t i = 0; i < w; i++) y[j + i] += acc[i];
        }
    }
}

static double TWN(dot)(int64_t k, const void *xv, const void *yv) {
    enum { LANES = 64, VECS = LANES / VLEN };
    const T *x = xv, *y = yv;
    T lanes[LANES] __attribute__((aligned(64)));
    V acc[VECS];
    for (int v = 0; v < VECS; v++) acc[v] = TWN(tw_splat)(0);
    int64_t i = 0;
    for (; i + LANES <= k; i += LANES) {
        _Pragma("GCC unroll 32") for (int v = 0; v < VECS; v++) {
            acc[v] = TWN(tw_fma)(TWN(TW_LOAD)(x + i + v * VLEN), TWN(TW_LOAD)(y + i + v * VLEN), acc[v]);
        }
    }
    for (int v = 0; v < VECS; v++) TWN(TW_STORE)(lanes + v * VLEN, acc[v]);
    for (int l = 0; i < k; i++, l++) lanes[l] = TWN(tw_fma1)(x[i], y[i], lanes[l]);
    for (int w = LANES / 2; w > 0; w /= 2) {
        for (int l = 0; l < w; l++) lanes[l] += lanes[l + w];
    }
    return (double)lanes[0];
}

/* Eight columns at a time, so that their sums go side by side. */
static inline void TWN(tiny_columns)(int64_t n, int64_t k, const T *a, int64_t a_k, const T *b, int64_t b_k, int64_t b_col, T *c) {
    enum { SIDE = 8 };
    for (int64_t j = 0; j < n; j += SIDE, b += SIDE * b_col) {
        T acc[SIDE] = {0};
        if (n - j >= SIDE) {
            for (int64_t p = 0; p < k; p++)
                for (int q = 0; q < SIDE; q++) acc[q] = TWN(tw_fma1)(a[p * a_k], b[p * b_k + q * b_col], acc[q]);
            for (int q = 0; q < SIDE; q++) c[j + q] = acc[q];
        } else {
            for (int64_t p = 0; p < k; p++)
                for (int q = 0; q < n - j; q++) acc[q] = TWN(tw_fma1)(a[p * a_k], b[p * b_k + q * b_col], acc[q]);
            for (int q = 0; q < n - j; q++) c[j + q] = acc[q];
        }
    }
}

static void TWN(tiny)(int64_t m, int64_t n, int64_t k, const void *av, int64_t a_row, int64_t a_k, const void *bv, int64_t b_k, int64_t b_col,
                      void *cv, int64_t c_row) {
    const T *a = av;
    T *c = cv;
    for (int64_t i = 0; i < m; i++, a += a_row, c += c_row) {
        if (b_col == 1) TWN(tiny_columns)(n, k, a, a_k, bv, b_k, 1, c);
        else TWN(tiny_columns)(n, k, a, a_k, bv, b_k, b_col, c);
    }
}

/* Tiles of M rows and N vectors straight from where the matrices lie; the last vector has `some` lanes, or all of them if 0. */
#define TW_DIRECT(M, N) \
    static void TWN(direct_##M##x##N)(int64_t k, const T *a, int64_t a_row, int64_t a_k, const T *b, int64_t b_k, T *c, int64_t c_row, int some) { \
        V acc[M][N]; \
        _Pragma("GCC unroll 8") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 2") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_splat)(0); \
        } \
        for (int64_t p = 0; p < k; p++, a += a_k, b += b_k) { \
            V row[N]; \
            _Pragma("GCC unroll 2") for (int j = 0; j < N; j++) { \
                if (j == N - 1 && some) row[j] = TWN(TW_LOAD_N)(b + j * VLEN, some); \
                else row[j] = TWN(TW_LOAD)(b + j * VLEN); \
            } \
            _Pragma("GCC unroll 8") for (int i = 0; i < M; i++) { \
                const V x = TWN(tw_splat)(a[i * a_row]); \
                _Pragma("GCC unroll 2") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_fma)(x, row[j], acc[i][j]); \
            } \
        } \
        _Pragma("GCC unroll 8") for (int i = 0; i < M; i++) { \
            _Pragma("GCC unroll 2") for (int j = 0; j < N; j++) { \
                if (j == N - 1 && some) TWN(TW_STORE_N)(c + i * c_row + j * VLEN, acc[i][j], some); \
                else TWN(TW_STORE)(c + i * c_row + j * VLEN, acc[i][j]); \
            } \
        } \
    }
#if MR > 6
#define TW_DIRECT_ROWS 8
TW_DIRECT(8, 2) TW_DIRECT(8, 1)
#else
#define TW_DIRECT_ROWS 4
#endif
TW_DIRECT(4, 2) TW_DIRECT(4, 1) TW_DIRECT(1, 2) TW_DIRECT(1, 1)
#undef TW_DIRECT

static void TWN(direct)(int64_t m, int64_t n, int64_t k, const void *av, int64_t a_row, int64_t a_k, const void *bv, int64_t b_k, void *cv,
                        int64_t c_row) {
#if TW_VB == 16 /* no masks */
    const int64_t whole = n / VLEN * VLEN;
    if (whole < n) TWN(tiny)(m, n - whole, k, av, a_row, a_k, (const T *)bv + whole, b_k, 1, (T *)cv + whole, c_row);
    n = whole;
#endif
    for (int64_t j = 0; j < n; j += 2 * VLEN) {
        const int64_t wide = n - j < 2 * VLEN ? n - j : 2 * VLEN;
        const int some = (int)(wide % VLEN), two = wide > VLEN;
        const T *b = (const T *)bv + j;
        for (int64_t i = 0; i < m;) {
            const T *a = (const T *)av + i * a_row;
            T *c = (T *)cv + i * c_row + j;
            const int64_t high = m - i >= TW_DIRECT_ROWS ? TW_DIRECT_ROWS : m - i >= 4 ? 4 : 1;
#if TW_DIRECT_ROWS == 8
            if (high == 8) (two ? TWN(direct_8x2) : TWN(direct_8x1))(k, a, a_row, a_k, b, b_k, c, c_row, some);
            else
#endif
            if (high == 4) (two ? TWN(direct_4x2) : TWN(direct_4x1))(k, a, a_row, a_k, b, b_k, c, c_row, some);
            else (two ? TWN(direct_1x2) : TWN(direct_1x1))(k, a, a_row, a_k, b, b_k, c, c_row, some);
            i += high;
        }
    }
}
#undef TW_DIRECT_ROWS

#include "kernels/gemm_few.h"
#undef TWN
#undef TWN_
#undef TWN2_
