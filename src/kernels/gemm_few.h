/* Template: products with few rows or few results, where packing would cost more than the sums. Included by gemm_type.h. */

enum { TWN(RUN) = TW_GEMM_RUN, TWN(GROUPS) = TW_GEMM_LANES / VLEN };

/* c (m x n) = w (m x k) @ patches (k x n): one line after the other into rows of partial sums. */
static void TWN(few_rows)(const tw_gemm_operand *patches, int64_t m, int64_t n, int64_t k, const void *wv, int64_t w_row, int64_t w_col,
                          void *cv, int64_t c_row, const void *bias) {
    const T *w = wv;
    T *c = cv, buffer[TWN(RUN)] __attribute__((aligned(64))), acc[TW_GEMM_FEW][TWN(RUN)] __attribute__((aligned(64)));
    for (int64_t j = 0; j < n; j += TWN(RUN)) {
        int64_t now = n - j < TWN(RUN) ? n - j : TWN(RUN);
        for (int64_t r = 0; r < m; r++) TWN(zero_run)(acc[r], now);
        for (int64_t line = 0; line < k; line++) {
            const T *row = TWN(fetch)(patches, line, j, now, buffer);
            for (int64_t r = 0; r < m; r++) {
                T x = w[r * w_row + line * w_col], *to = acc[r];
                V xs = TWN(tw_splat)(x);
                int64_t i = 0;
                for (; i + VLEN <= now; i += VLEN) TWN(TW_STORE)(to + i, TWN(tw_fma)(xs, TWN(TW_LOAD)(row + i), TWN(TW_LOAD)(to + i)));
                for (; i < now; i++) to[i] = TWN(tw_fma1)(x, row[i], to[i]);
            }
        }
        for (int64_t r = 0; r < m; r++) {
            T *to = c + r * c_row + j;
            if (bias) for (int64_t i = 0; i < now; i++) to[i] = acc[r][i] + ((const T *)bias)[r];
            else memcpy(to, acc[r], (size_t)now * sizeof(T));
        }
    }
}

/* lanes (M x N groups of TW_GEMM_LANES) += products of M and N runs of n elements, n a multiple of TW_GEMM_LANES. */
#define TW_DOTS(M, N) \
    static void TWN(dots_##M##x##N)(int64_t n, const T *a, int64_t a_row, const T *b, int64_t b_row, T *lanes, int64_t l_row) { \
        for (int g = 0; g < TWN(GROUPS); g++, a += VLEN, b += VLEN, lanes += VLEN) { \
            V acc[M][N]; \
            _Pragma("GCC unroll 8") for (int i = 0; i < M; i++) { \
                _Pragma("GCC unroll 8") for (int j = 0; j < N; j++) acc[i][j] = TWN(TW_LOAD)(lanes + i * l_row + j * TW_GEMM_LANES); \
            } \
            for (int64_t p = 0; p < n; p += TW_GEMM_LANES) { \
                V y[N]; \
                _Pragma("GCC unroll 8") for (int j = 0; j < N; j++) y[j] = TWN(TW_LOAD)(b + j * b_row + p); \
                _Pragma("GCC unroll 8") for (int i = 0; i < M; i++) { \
                    V x = TWN(TW_LOAD)(a + i * a_row + p); \
                    _Pragma("GCC unroll 8") for (int j = 0; j < N; j++) acc[i][j] = TWN(tw_fma)(x, y[j], acc[i][j]); \
                } \
            } \
            _Pragma("GCC unroll 8") for (int i = 0; i < M; i++) { \
                _Pragma("GCC unroll 8") for (int j = 0; j < N; j++) TWN(TW_STORE)(lanes + i * l_row + j * TW_GEMM_LANES, acc[i][j]); \
            } \
        } \
    }
TW_DOTS(4, 3) TW_DOTS(4, 1) TW_DOTS(1, 3) TW_DOTS(1, 1)
#undef TW_DOTS

/* A run with zeros up to a multiple of TW_GEMM_LANES. */
static void TWN(padded_run)(const tw_gemm_operand *o, int64_t line, int64_t p, int64_t n, T *to) {
    const T *from = TWN(fetch)(o, line, p, n, to);
    if (from != to) memcpy(to, from, (size_t)n * sizeof(T));
    for (; n % TW_GEMM_LANES; n++) to[n] = 0;
}

/* c (m x n) = a (lines m) times b (lines n) over k positions. lanes: room for m * n * TW_GEMM_LANES, rows: for m * RUN. Position p goes
 * to lane p mod TW_GEMM_LANES; lanes fold by halves: an order of its own, the same for every instruction set. */
static void TWN(few_results)(const tw_gemm_operand *a, const tw_gemm_operand *b, int64_t m, int64_t n, int64_t k, void *cv, int64_t c_row,
                             void *lanes_room, void *rows_room) {
    T *lanes = lanes_room, *rows = rows_room, *c = cv, columns[3 * TWN(RUN)] __attribute__((aligned(64)));
    int64_t l_row = n * TW_GEMM_LANES;
    TWN(zero_run)(lanes, m * l_row);
    for (int64_t p = 0; p < k; p += TWN(RUN)) {
        int64_t now = k - p < TWN(RUN) ? k - p : TWN(RUN), whole = (now + TW_GEMM_LANES - 1) / TW_GEMM_LANES * TW_GEMM_LANES;
        for (int64_t i = 0; i < m; i++) TWN(padded_run)(a, i, p, now, rows + i * TWN(RUN));
        for (int64_t j = 0; j < n;) {
            int64_t wide = n - j >= 3 ? 3 : 1;
            for (int64_t q = 0; q < wide; q++) TWN(padded_run)(b, j + q, p, now, columns + q * TWN(RUN));
            for (int64_t i = 0; i < m;) {
                int64_t high = m - i >= 4 ? 4 : 1;
                void (*dots)(int64_t, const T *, int64_t, const T *, int64_t, T *, int64_t) =
                    high == 4 ? (wide == 3 ? TWN(dots_4x3) : TWN(dots_4x1)) : wide == 3 ? TWN(dots_1x3) : TWN(dots_1x1);
                dots(whole, rows + i * TWN(RUN), TWN(RUN), columns, TWN(RUN), lanes + i * l_row + j * TW_GEMM_LANES, l_row);
                i += high;
            }
            j += wide;
        }
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            T *lane = lanes + i * l_row + j * TW_GEMM_LANES;
            for (int w = TW_GEMM_LANES / 2; w > 0; w /= 2) {
                for (int l = 0; l < w; l++) lane[l] += lane[l + w];
            }
            c[i * c_row + j] = lane[0];
        }
    }
}

/* Adds positions [position, position + n) of every line to where the window took them from: the transpose of unfolding. The order is that
 * of lines, then positions. */
static void TWN(fold)(const tw_unfold *u, int64_t lines, int64_t position, int64_t n, const void *from, int64_t from_row, void *image) {
    for (int64_t line = 0; line < lines; line++) {
        const T *v = (const T *)from + line * from_row;
        int64_t wx = line % u->window_x, wy = line / u->window_x % u->window_y, rest = line / (u->window_x * u->window_y);
        int64_t wz = rest % u->window_z, channel = rest / u->window_z;
        int64_t x = position % u->places_x, row = position / u->places_x, dx = wx * u->dilation_x - u->padding_x, stride = u->stride_x;
        T *volume = (T *)image + channel * u->channel_stride;
        for (int64_t left = n; left > 0; row++, x = 0) {
            int64_t y = row % u->places_y, z = row / u->places_y;
            int64_t sy = y * u->stride_y + wy * u->dilation_y - u->padding_y, sz = z * u->stride_z + wz * u->dilation_z - u->padding_z;
            int64_t run = u->places_x - x < left ? u->places_x - x : left;
            int64_t first = x * stride + dx, i = first >= 0 ? 0 : (-first + stride - 1) / stride;
            int64_t end = first >= u->width ? 0 : (u->width - first + stride - 1) / stride;
            if (end > run) end = run;
            if (sy >= 0 && sy < u->height && sz >= 0 && sz < u->depth) {
                T *to = volume + sz * u->z_stride + sy * u->y_stride + first * u->x_stride;
                int64_t step = stride * u->x_stride;
                if (step == 1) for (; i < end; i++) to[i] += v[i];
                else for (; i < end; i++) to[i * step] += v[i];
            }
            v += run, left -= run;
        }
    }
}
