#include "kernels/softmax.h"

#define STEPS(T, s) \
    static void shift_##s(int64_t n, void *to, const void *by) { \
        T *x = to, v = *(const T *)by; \
        for (int64_t i = 0; i < n; i++) x[i] -= v; \
    } \
    static void divide_##s(int64_t n, void *to, const void *by) { \
        T *x = to, v = *(const T *)by; \
        for (int64_t i = 0; i < n; i++) x[i] /= v; \
    } \
    static void multiply_##s(int64_t n, void *to, const void *from) { \
        T *restrict x = to; \
        const T *restrict y = from; \
        for (int64_t i = 0; i < n; i++) x[i] *= y[i]; \
    } \
    static void less_##s(int64_t n, void *to, const void *from, const void *by) { \
        T *restrict x = to; \
        const T *restrict y = from; \
        T v = *(const T *)by; \
        for (int64_t i = 0; i < n; i++) x[i] -= y[i] * v; \
    }
STEPS(float, f)
STEPS(double, d)

const tw_softmax_kernels TW_K(tw_softmax_kernels) = {
    {shift_f, shift_d}, {divide_f, divide_d}, {multiply_f, multiply_d}, {less_f, less_d}};
