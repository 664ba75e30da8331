/* Leaves of reductions. Element i of a leaf goes to lane i mod LANES; lanes fold by halves. Up to 8 elements are taken in order. */
#include "kernels/reduce.h"
#include "kernels/vec.h"
#include <math.h>

#define SELF(x) (x)
#define SQUARE(x) ((x) * (x))
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define OR(a, b) ((a) | (b))
#define AND(a, b) ((a) & (b))
/* NaN wins; the earlier one stays among equals. */
#define MAX(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define MIN(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))

/* A long stream is asked for AHEAD bytes before it is read, earlier than the processor would by itself. */
enum { AHEAD = 4096, FAR = 4096 };

/* A kind whose accumulator is one value of type T, that takes OF(x). */
#define PLAIN(name, T, LANES, INIT, OP, OF) PLAIN_LEAF(name, T, LANES, INIT, OP, OF) PLAIN_REST(name, T, INIT, OP, OF)
#define PLAIN_LEAF(name, T, LANES, INIT, OP, OF) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        const T *x = from; \
        (void)first; \
        if (n <= 8) { \
            T a = INIT; \
            for (int64_t i = 0; i < n; i++) a = (T)OP(a, OF(x[i])); \
            *(T *)acc = a; \
            return; \
        } \
        T lane[LANES]; \
        for (int j = 0; j < LANES; j++) lane[j] = INIT; \
        int64_t i = 0; \
        for (; i + LANES <= n; i += LANES) { \
            if (n >= FAR) for (size_t b = 0; b < LANES * sizeof(T); b += 64) __builtin_prefetch((const void *)((uintptr_t)(x + i) + AHEAD + b)); \
            for (int j = 0; j < LANES; j++) lane[j] = (T)OP(lane[j], OF(x[i + j])); \
        } \
        for (int j = 0; i + j < n; j++) lane[j] = (T)OP(lane[j], OF(x[i + j])); \
        for (int w = LANES / 2; w; w /= 2) \
            for (int j = 0; j < w; j++) lane[j] = (T)OP(lane[j], lane[j + w]); \
        *(T *)acc = lane[0]; \
    }
#define PLAIN_REST(name, T, INIT, OP, OF) \
    static void name##_combine(int64_t n, void *to, const void *from) { \
        T *a = to; \
        const T *b = from; \
        for (int64_t i = 0; i < n; i++) a[i] = (T)OP(a[i], b[i]); \
    } \
    static void name##_columns(int64_t rows, int64_t cols, const void *from, int64_t stride, void *acc) { \
        T *restrict a = acc; \
        int64_t r = 0; \
        for (; r + 4 <= rows; r += 4) { \
            const T *p = (const T *)((const char *)from + r * stride), *q = (const T *)((const char *)p + stride); \
            const T *s = (const T *)((const char *)q + stride), *t = (const T *)((const char *)s + stride); \
            for (int64_t c = 0; c < cols; c++) { \
                T v = (T)OP(a[c], OF(p[c])); \
                v = (T)OP(v, OF(q[c])); \
                v = (T)OP(v, OF(s[c])); \
                a[c] = (T)OP(v, OF(t[c])); \
            } \
        } \
        for (; r < rows; r++) { \
            const T *p = (const T *)((const char *)from + r * stride); \
            for (int64_t c = 0; c < cols; c++) a[c] = (T)OP(a[c], OF(p[c])); \
        } \
    } \
    static void name##_identity(int64_t n, void *acc) { \
        for (int64_t i = 0; i < n; i++) ((T *)acc)[i] = INIT; \
    }
#define PLAIN_ROW(name, T) {.acc_size = sizeof(T), .leaf = name##_leaf, .combine = name##_combine, .columns = name##_columns, .identity = name##_identity}

PLAIN(sum_i, uint64_t, 32, 0, ADD, SELF)
PLAIN(sum_f, float, 64, 0.0f, ADD, SELF)
PLAIN(sum_d, double, 32, 0.0, ADD, SELF)
PLAIN(squares_f, float, 64, 0.0f, ADD, SQUARE)
PLAIN(squares_d, double, 32, 0.0, ADD, SQUARE)
PLAIN(prod_i, uint64_t, 32, 1, MUL, SELF)
PLAIN(prod_f, float, 64, 1.0f, MUL, SELF)
PLAIN(prod_d, double, 32, 1.0, MUL, SELF)
PLAIN(max_i, int64_t, 32, INT64_MIN, MAX, SELF)
PLAIN(min_i, int64_t, 32, INT64_MAX, MIN, SELF)

/* Extremes of floats: the lanes leave NaN aside, as one comparison tells whether two vectors have any, and a leaf that has one is
 * NaN. The set's own max(b, a) is b > a ? b : a on x86, whatever a and b are. */
#if TW_VEC_AVX512
#define V_MAX(P, W, b, a) _mm512_max_##P(b, a)
#define V_MIN(P, W, b, a) _mm512_min_##P(b, a)
#define V_EITHER_NAN(P, W, a, b) _mm512_cmp_##P##_mask(a, b, _CMP_UNORD_Q)
#elif TW_VEC_AVX2
#define V_MAX(P, W, b, a) _mm256_max_##P(b, a)
#define V_MIN(P, W, b, a) _mm256_min_##P(b, a)
#define V_EITHER_NAN(P, W, a, b) (m_##W)_mm256_cmp_##P(a, b, _CMP_UNORD_Q)
#elif TW_VEC_SSE
#define V_MAX(P, W, b, a) _mm_max_##P(b, a)
#define V_MIN(P, W, b, a) _mm_min_##P(b, a)
#define V_EITHER_NAN(P, W, a, b) (m_##W)_mm_cmpunord_##P(a, b)
#else
#define V_MAX(P, W, b, a) v_select_##W(v_gt_##W(b, a), b, a)
#define V_MIN(P, W, b, a) v_select_##W(v_lt_##W(b, a), b, a)
#define V_EITHER_NAN(P, W, a, b) m_or_##W(v_isnan_##W(a), v_isnan_##W(b))
#endif
#define EXTREME(name, T, W, P, LANES, INIT, OP, V_OP) \
    PLAIN_LEAF(name##_short, T, LANES, INIT, OP, SELF) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        enum { VECTORS = LANES / V_LANES_##W }; \
        const T *x = from; \
        v##W lane[VECTORS]; \
        m_##W nan = v_ne_##W(v_splat_##W(0), v_splat_##W(0)); \
        int64_t i = 0; \
        if (n < 2 * LANES) { \
            name##_short_leaf(n, from, first, acc); \
            return; \
        } \
        for (int j = 0; j < VECTORS; j++) lane[j] = v_splat_##W(INIT); \
        for (; i + LANES <= n; i += LANES) \
            for (int j = 0; j < VECTORS; j += 2) { \
                v##W a = v_load_##W(x + i + j * V_LANES_##W), b = v_load_##W(x + i + (j + 1) * V_LANES_##W); \
                lane[j] = (v##W)V_OP(P, W, a, lane[j]); \
                lane[j + 1] = (v##W)V_OP(P, W, b, lane[j + 1]); \
                nan = m_or_##W(nan, V_EITHER_NAN(P, W, a, b)); \
            } \
        T rest, *best = acc; \
        name##_short_leaf(LANES, lane, first, best); \
        name##_short_leaf(n - i, x + i, first, &rest); \
        *best = (T)OP(*best, rest); \
        if (m_any_##W(nan)) *best = (T)NAN; \
    } \
    PLAIN_REST(name, T, INIT, OP, SELF)
EXTREME(max_f, float, f32, ps, 64, -INFINITY, MAX, V_MAX)
EXTREME(max_d, double, f64, pd, 32, -INFINITY, MAX, V_MAX)
EXTREME(min_f, float, f32, ps, 64, INFINITY, MIN, V_MIN)
EXTREME(min_d, double, f64, pd, 32, INFINITY, MIN, V_MIN)
PLAIN(any, uint8_t, 64, 0, OR, SELF)
PLAIN(all, uint8_t, 64, 1, AND, SELF)

/* Complex sums: lanes of parts, even ones real. */
#define COMPLEX_SUM(name, T, LANES) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        const T *x = from; \
        T lane[LANES] = {0}; \
        (void)first; \
        int64_t i = 0; \
        n *= 2; \
        for (; i + LANES <= n; i += LANES) \
            for (int j = 0; j < LANES; j++) lane[j] += x[i + j]; \
        for (int j = 0; i + j < n; j++) lane[j] += x[i + j]; \
        for (int w = LANES / 2; w > 1; w /= 2) \
            for (int j = 0; j < w; j++) lane[j] += lane[j + w]; \
        ((T *)acc)[0] = lane[0]; \
        ((T *)acc)[1] = lane[1]; \
    } \
    static void name##_combine(int64_t n, void *to, const void *from) { \
        for (int64_t i = 0; i < 2 * n; i++) ((T *)to)[i] += ((const T *)from)[i]; \
    } \
    static void name##_columns(int64_t rows, int64_t cols, const void *from, int64_t stride, void *acc) { \
        T *restrict a = acc; \
        for (int64_t r = 0; r < rows; r++) { \
            const T *p = (const T *)((const char *)from + r * stride); \
            for (int64_t c = 0; c < 2 * cols; c++) a[c] += p[c]; \
        } \
    } \
    static void name##_identity(int64_t n, void *acc) { \
        for (int64_t i = 0; i < 2 * n; i++) ((T *)acc)[i] = 0; \
    }
COMPLEX_SUM(sum_cf, float, 64)
COMPLEX_SUM(sum_cd, double, 32)

/* Complex products: in order. */
#define COMPLEX_PROD(name, T, MINUS) \
    static inline void name##_mul(T *a, const T *b) { \
        T re = MINUS(a[0] * b[0], a[1] * b[1]), im = a[0] * b[1] + a[1] * b[0]; \
        a[0] = re; \
        a[1] = im; \
    } \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        T a[2] = {1, 0}; \
        (void)first; \
        for (int64_t i = 0; i < n; i++) name##_mul(a, (const T *)from + 2 * i); \
        ((T *)acc)[0] = a[0]; \
        ((T *)acc)[1] = a[1]; \
    } \
    static void name##_combine(int64_t n, void *to, const void *from) { \
        for (int64_t i = 0; i < n; i++) name##_mul((T *)to + 2 * i, (const T *)from + 2 * i); \
    } \
    static void name##_columns(int64_t rows, int64_t cols, const void *from, int64_t stride, void *acc) { \
        for (int64_t r = 0; r < rows; r++) name##_combine(cols, acc, (const char *)from + r * stride); \
    } \
    static void name##_identity(int64_t n, void *acc) { \
        for (int64_t i = 0; i < n; i++) ((T *)acc)[2 * i] = 1, ((T *)acc)[2 * i + 1] = 0; \
    }
COMPLEX_PROD(prod_cf, float, tw_minus_f32)
COMPLEX_PROD(prod_cd, double, tw_minus_f64)

/* Extreme value with the index of its first occurrence; the first NaN wins. Where it stands is looked up, blocks first. By columns,
 * each has its best value and its row, told by integers as wide as the values. */
/* Four rows at a time; gcc 12 does not make vectors of it. */
#define NO_VECTORS(DOWN)
#define IN_VECTORS(W, T, I, V_NOT_WORSE, DOWN) \
    for (; rows >= 4; rows -= 4, row += 4, from = (const char *)from + 4 * stride) { \
        v##W k[4]; \
        for (int r = 0; r < 4; r++) { \
            I lanes[V_LANES_##W]; \
            for (int l = 0; l < V_LANES_##W; l++) lanes[l] = (I)(row + r); \
            memcpy(&k[r], lanes, sizeof lanes); \
        } \
        for (done = 0; done + V_LANES_##W <= cols; done += V_LANES_##W) { \
            v##W v = v_load_##W(s->best + done), i; \
            memcpy(&i, s->at + done, sizeof i); \
            for (int r = 0; r < 4; r++) { \
                const v##W x = v_load_##W((const T *)((const char *)from + r * stride) + done); \
                const m_##W over = m_and_##W(m_not_##W(V_NOT_WORSE(x, v)), v_eq_##W(v, v)); \
                v = v_select_##W(over, x, v); \
                i = v_select_##W(over, k[r], i); \
            } \
            v_store_##W(s->best + done, v); \
            memcpy(s->at + done, &i, sizeof i); \
        } \
        if (done < cols) DOWN(4, done, cols, from, stride, row, s); \
    } \
    done = 0;
#define ARG(name, T, I, FIELD, VALUE, BETTER, NOT_WORSE, INIT, WIDE) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        enum { BLOCK = 64 }; \
        const T *x = from; \
        tw_acc_arg *a = acc; \
        VALUE##_leaf(n, from, first, &a->value.FIELD); \
        const T v = a->value.FIELD; \
        int64_t i = 0; \
        for (; i + BLOCK <= n; i += BLOCK) { \
            int hit = 0; \
            for (int j = 0; j < BLOCK; j++) hit |= (x[i + j] == v) | ((x[i + j] != x[i + j]) & (v != v)); \
            if (hit) break; \
        } \
        if (v != v) while (i < n && x[i] == x[i]) i++; \
        else while (i < n && x[i] != v) i++; \
        a->index = first + i; \
    } \
    static void name##_combine(int64_t n, void *to, const void *from) { \
        tw_acc_arg *a = to; \
        const tw_acc_arg *b = from; \
        for (int64_t i = 0; i < n; i++) { \
            T v = a[i].value.FIELD, w = b[i].value.FIELD; \
            if (w BETTER v || (w != w && v == v)) a[i] = b[i]; \
        } \
    } \
    typedef struct name##_state { T best[TW_COLUMNS]; I at[TW_COLUMNS]; } name##_state; \
    TW_INLINE void name##_down(int64_t rows, int64_t from_col, int64_t cols, const void *from, int64_t stride, int64_t row, name##_state *s) { \
        for (int64_t r = 0; r < rows; r++) { \
            const T *p = (const T *)((const char *)from + r * stride); \
            for (int64_t c = from_col; c < cols; c++) { \
                const T v = s->best[c], x = p[c]; \
                const bool over = !(x NOT_WORSE v) & (v == v); \
                s->best[c] = over ? x : v; \
                s->at[c] = over ? (I)(row + r) : s->at[c]; \
            } \
        } \
    } \
    static void name##_take(int64_t rows, int64_t cols, const void *from, int64_t stride, int64_t row, void *state) { \
        name##_state *s = state; \
        int64_t done = 0; \
        for (int64_t c = 0; row == 0 && c < cols; c++) s->best[c] = INIT, s->at[c] = 0; \
        WIDE(name##_down) \
        name##_down(rows, done, cols, from, stride, row, s); \
    } \
    static void name##_end(int64_t n, int64_t cols, int64_t first, const void *state, void *acc) { \
        const name##_state *s = state; \
        tw_acc_arg *a = acc; \
        (void)n; \
        for (int64_t c = 0; c < cols; c++) { \
            a[c].value.FIELD = s->best[c]; \
            a[c].index = first + s->at[c]; \
        } \
    }
#define ARG_ROW(name) \
    {.acc_size = sizeof(tw_acc_arg), .leaf = name##_leaf, .combine = name##_combine, .leaf_rows = 4096, .take = name##_take, .end = name##_end}
#define MAX_f32(DOWN) IN_VECTORS(f32, float, int32_t, v_le_f32, DOWN)
#define MAX_f64(DOWN) IN_VECTORS(f64, double, int64_t, v_le_f64, DOWN)
#define MIN_f32(DOWN) IN_VECTORS(f32, float, int32_t, v_ge_f32, DOWN)
#define MIN_f64(DOWN) IN_VECTORS(f64, double, int64_t, v_ge_f64, DOWN)
ARG(argmax_i, int64_t, int64_t, i, max_i, >, <=, INT64_MIN, NO_VECTORS)
ARG(argmax_f, float, int32_t, f, max_f, >, <=, -INFINITY, MAX_f32)
ARG(argmax_d, double, int64_t, d, max_d, >, <=, -INFINITY, MAX_f64)
ARG(argmin_i, int64_t, int64_t, i, min_i, <, >=, INT64_MAX, NO_VECTORS)
ARG(argmin_f, float, int32_t, f, min_f, <, >=, INFINITY, MIN_f32)
ARG(argmin_d, double, int64_t, d, min_d, <, >=, INFINITY, MIN_f64)

/* Variance: mean and sum of squared deviations of a leaf in double, two passes; leaves combine as in Chan, Golub and LeVeque
 * (1983), "Algorithms for computing the sample variance". */
#define VAR_LEAF(name, T) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        const T *x = from; \
        tw_acc_var *a = acc; \
        double lane[32] = {0}, square[32] = {0}; \
        int64_t i = 0; \
        (void)first; \
        for (; i + 32 <= n; i += 32) \
            for (int j = 0; j < 32; j++) lane[j] += (double)x[i + j]; \
        for (int j = 0; i + j < n; j++) lane[j] += (double)x[i + j]; \
        for (int w = 16; w; w /= 2) \
            for (int j = 0; j < w; j++) lane[j] += lane[j + w]; \
        double mean = n ? lane[0] / (double)n : 0; \
        for (i = 0; i + 32 <= n; i += 32) \
            for (int j = 0; j < 32; j++) { \
                double d = (double)x[i + j] - mean; \
                square[j] += d * d; \
            } \
        for (int j = 0; i + j < n; j++) { \
            double d = (double)x[i + j] - mean; \
            square[j] += d * d; \
        } \
        for (int w = 16; w; w /= 2) \
            for (int j = 0; j < w; j++) square[j] += square[j + w]; \
        a->mean = mean; \
        a->mean_im = 0; \
        a->m2 = square[0]; \
        a->n = (double)n; \
    }
VAR_LEAF(var_f, float)
VAR_LEAF(var_d, double)
/* Of complex numbers: parts side by side, even lanes real. */
#define COMPLEX_VAR_LEAF(name, T) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        const T *x = from; \
        tw_acc_var *a = acc; \
        double lane[32] = {0}, square = 0; \
        (void)first; \
        for (int64_t i = 0; i < 2 * n; i++) lane[i & 31] += (double)x[i]; \
        for (int w = 16; w > 1; w /= 2) \
            for (int j = 0; j < w; j++) lane[j] += lane[j + w]; \
        a->mean = n ? lane[0] / (double)n : 0; \
        a->mean_im = n ? lane[1] / (double)n : 0; \
        for (int64_t i = 0; i < n; i++) { \
            double re = (double)x[2 * i] - a->mean, im = (double)x[2 * i + 1] - a->mean_im; \
            square += re * re + im * im; \
        } \
        a->m2 = square; \
        a->n = (double)n; \
    }
COMPLEX_VAR_LEAF(var_cf, float)
COMPLEX_VAR_LEAF(var_cd, double)
static void var_combine(int64_t n, void *to, const void *from) {
    tw_acc_var *a = to;
    const tw_acc_var *b = from;
    for (int64_t i = 0; i < n; i++) {
        double total = a[i].n + b[i].n, delta = b[i].mean - a[i].mean, delta_im = b[i].mean_im - a[i].mean_im;
        if (total == 0) continue;
        double part = b[i].n / total;
        a[i].mean = a[i].mean + delta * part;
        a[i].mean_im = a[i].mean_im + delta_im * part;
        a[i].m2 = a[i].m2 + b[i].m2 + (delta * delta + delta_im * delta_im) * a[i].n * part;
        a[i].n = total;
    }
}
/* By columns, in one pass: sums of distances from the leaf's first row and of their squares. As that row is one of the leaf's own, the
 * sum of squares exceeds the wanted one by a factor of leaf_rows at most. */
typedef struct var_state { double from[TW_COLUMNS], sum[TW_COLUMNS], square[TW_COLUMNS]; } var_state;
#define VAR_COLUMNS(name, T) \
    static void name##_take(int64_t rows, int64_t cols, const void *elements, int64_t stride, int64_t row, void *state) { \
        var_state *s = state; \
        double *restrict from = s->from, *restrict sum = s->sum, *restrict square = s->square; \
        for (int64_t c = 0; row == 0 && c < cols; c++) from[c] = (double)((const T *)elements)[c], sum[c] = square[c] = 0; \
        int64_t r = 0; \
        for (; r + 4 <= rows; r += 4) { \
            const T *p = (const T *)((const char *)elements + r * stride), *q = (const T *)((const char *)p + stride); \
            const T *u = (const T *)((const char *)q + stride), *w = (const T *)((const char *)u + stride); \
            for (int64_t c = 0; c < cols; c++) { \
                const double by = from[c], d0 = (double)p[c] - by, d1 = (double)q[c] - by, d2 = (double)u[c] - by, d3 = (double)w[c] - by; \
                sum[c] = (((sum[c] + d0) + d1) + d2) + d3; \
                square[c] = (((square[c] + d0 * d0) + d1 * d1) + d2 * d2) + d3 * d3; \
            } \
        } \
        for (; r < rows; r++) { \
            const T *p = (const T *)((const char *)elements + r * stride); \
            for (int64_t c = 0; c < cols; c++) { \
                const double d = (double)p[c] - from[c]; \
                sum[c] += d; \
                square[c] += d * d; \
            } \
        } \
    }
VAR_COLUMNS(var_f, float)
VAR_COLUMNS(var_d, double)
static void var_end(int64_t n, int64_t cols, int64_t first, const void *state, void *acc) {
    const var_state *s = state;
    tw_acc_var *a = acc;
    (void)first;
    for (int64_t c = 0; c < cols; c++) {
        const double mean = s->sum[c] / (double)n, m2 = tw_minus_f64(s->square[c], s->sum[c] * mean);
        a[c] = (tw_acc_var){s->from[c] + mean, 0, m2 < 0 ? 0 : m2, (double)n};
    }
}
#define VAR_ROW(name) {.acc_size = sizeof(tw_acc_var), .leaf = name##_leaf, .combine = var_combine}
#define VAR_ROW_BY_COLUMNS(name) \
    {.acc_size = sizeof(tw_acc_var), .leaf = name##_leaf, .combine = var_combine, .leaf_rows = 1024, .take = name##_take, .end = var_end}

const tw_reducers_kernels TW_K(tw_reducers_kernels) = {{
    [TW_R_SUM] = {[TW_RC_INT] = PLAIN_ROW(sum_i, int64_t), [TW_RC_FLOAT] = PLAIN_ROW(sum_f, float),
                  [TW_RC_DOUBLE] = PLAIN_ROW(sum_d, double), [TW_RC_CFLOAT] = PLAIN_ROW(sum_cf, float[2]),
                  [TW_RC_CDOUBLE] = PLAIN_ROW(sum_cd, double[2])},
    [TW_R_SQUARES] = {[TW_RC_FLOAT] = PLAIN_ROW(squares_f, float), [TW_RC_DOUBLE] = PLAIN_ROW(squares_d, double)},
    [TW_R_PROD] = {[TW_RC_INT] = PLAIN_ROW(prod_i, int64_t), [TW_RC_FLOAT] = PLAIN_ROW(prod_f, float),
                   [TW_RC_DOUBLE] = PLAIN_ROW(prod_d, double), [TW_RC_CFLOAT] = PLAIN_ROW(prod_cf, float[2]),
                   [TW_RC_CDOUBLE] = PLAIN_ROW(prod_cd, double[2])},
    [TW_R_MAX] = {[TW_RC_INT] = PLAIN_ROW(max_i, int64_t), [TW_RC_FLOAT] = PLAIN_ROW(max_f, float),
                  [TW_RC_DOUBLE] = PLAIN_ROW(max_d, double)},
    [TW_R_MIN] = {[TW_RC_INT] = PLAIN_ROW(min_i, int64_t), [TW_RC_FLOAT] = PLAIN_ROW(min_f, float),
                  [TW_RC_DOUBLE] = PLAIN_ROW(min_d, double)},
    [TW_R_ARGMAX] = {[TW_RC_INT] = ARG_ROW(argmax_i), [TW_RC_FLOAT] = ARG_ROW(argmax_f), [TW_RC_DOUBLE] = ARG_ROW(argmax_d)},
    [TW_R_ARGMIN] = {[TW_RC_INT] = ARG_ROW(argmin_i), [TW_RC_FLOAT] = ARG_ROW(argmin_f), [TW_RC_DOUBLE] = ARG_ROW(argmin_d)},
    [TW_R_ANY] = {[TW_RC_BOOL] = PLAIN_ROW(any, uint8_t)},
    [TW_R_ALL] = {[TW_RC_BOOL] = PLAIN_ROW(all, uint8_t)},
    [TW_R_VAR] = {[TW_RC_FLOAT] = VAR_ROW_BY_COLUMNS(var_f), [TW_RC_DOUBLE] = VAR_ROW_BY_COLUMNS(var_d),
                  [TW_RC_CFLOAT] = VAR_ROW(var_cf), [TW_RC_CDOUBLE] = VAR_ROW(var_cd)},
}};
