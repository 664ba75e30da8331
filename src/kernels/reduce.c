/* Leaves of reductions. Element i of a leaf goes to lane i mod LANES; lanes fold by halves. Up to 8 elements are taken in order. */
#include "kernels/reduce.h"
#include "kernels/vec.h"
#include <math.h>

#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define OR(a, b) ((a) | (b))
#define AND(a, b) ((a) & (b))
/* NaN wins; the earlier one stays among equals. */
#define MAX(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define MIN(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))

/* A kind whose accumulator is one value of type T. */
#define PLAIN(name, T, LANES, INIT, OP) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        const T *x = from; \
        (void)first; \
        if (n <= 8) { \
            T a = INIT; \
            for (int64_t i = 0; i < n; i++) a = (T)OP(a, x[i]); \
            *(T *)acc = a; \
            return; \
        } \
        T lane[LANES]; \
        for (int j = 0; j < LANES; j++) lane[j] = INIT; \
        int64_t i = 0; \
        for (; i + LANES <= n; i += LANES) \
            for (int j = 0; j < LANES; j++) lane[j] = (T)OP(lane[j], x[i + j]); \
        for (int j = 0; i + j < n; j++) lane[j] = (T)OP(lane[j], x[i + j]); \
        for (int w = LANES / 2; w; w /= 2) \
            for (int j = 0; j < w; j++) lane[j] = (T)OP(lane[j], lane[j + w]); \
        *(T *)acc = lane[0]; \
    } \
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
                T v = (T)OP(a[c], p[c]); \
                v = (T)OP(v, q[c]); \
                v = (T)OP(v, s[c]); \
                a[c] = (T)OP(v, t[c]); \
            } \
        } \
        for (; r < rows; r++) { \
            const T *p = (const T *)((const char *)from + r * stride); \
            for (int64_t c = 0; c < cols; c++) a[c] = (T)OP(a[c], p[c]); \
        } \
    } \
    static void name##_identity(int64_t n, void *acc) { \
        for (int64_t i = 0; i < n; i++) ((T *)acc)[i] = INIT; \
    }
#define PLAIN_ROW(name, T) {sizeof(T), name##_leaf, name##_combine, name##_columns, name##_identity}

PLAIN(sum_i, uint64_t, 32, 0, ADD)
PLAIN(sum_f, float, 64, 0.0f, ADD)
PLAIN(sum_d, double, 32, 0.0, ADD)
PLAIN(prod_i, uint64_t, 32, 1, MUL)
PLAIN(prod_f, float, 64, 1.0f, MUL)
PLAIN(prod_d, double, 32, 1.0, MUL)
PLAIN(max_i, int64_t, 32, INT64_MIN, MAX)
PLAIN(max_f, float, 64, -INFINITY, MAX)
PLAIN(max_d, double, 32, -INFINITY, MAX)
PLAIN(min_i, int64_t, 32, INT64_MAX, MIN)
PLAIN(min_f, float, 64, INFINITY, MIN)
PLAIN(min_d, double, 32, INFINITY, MIN)
PLAIN(any, uint8_t, 64, 0, OR)
PLAIN(all, uint8_t, 64, 1, AND)

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

/* Extreme value with the index of its first occurrence; the first NaN wins. */
#define ARG(name, T, FIELD, VALUE, BETTER) \
    static void name##_leaf(int64_t n, const void *from, int64_t first, void *acc) { \
        const T *x = from; \
        tw_acc_arg *a = acc; \
        VALUE##_leaf(n, from, first, &a->value.FIELD); \
        T v = a->value.FIELD; \
        int64_t i = 0; \
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
    }
#define ARG_ROW(name) {sizeof(tw_acc_arg), name##_leaf, name##_combine, NULL, NULL}
ARG(argmax_i, int64_t, i, max_i, >)
ARG(argmax_f, float, f, max_f, >)
ARG(argmax_d, double, d, max_d, >)
ARG(argmin_i, int64_t, i, min_i, <)
ARG(argmin_f, float, f, min_f, <)
ARG(argmin_d, double, d, min_d, <)

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
#define VAR_ROW(name) {sizeof(tw_acc_var), name##_leaf, var_combine, NULL, NULL}

const tw_reducers_kernels TW_K(tw_reducers_kernels) = {{
    [TW_R_SUM] = {[TW_RC_INT] = PLAIN_ROW(sum_i, int64_t), [TW_RC_FLOAT] = PLAIN_ROW(sum_f, float),
                  [TW_RC_DOUBLE] = PLAIN_ROW(sum_d, double), [TW_RC_CFLOAT] = PLAIN_ROW(sum_cf, float[2]),
                  [TW_RC_CDOUBLE] = PLAIN_ROW(sum_cd, double[2])},
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
    [TW_R_VAR] = {[TW_RC_FLOAT] = VAR_ROW(var_f), [TW_RC_DOUBLE] = VAR_ROW(var_d),
                  [TW_RC_CFLOAT] = VAR_ROW(var_cf), [TW_RC_CDOUBLE] = VAR_ROW(var_cd)},
}};
