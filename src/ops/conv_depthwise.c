/* One filter for each channel, channels last: a row of channels at a time, forward and to the input. */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv.h"
#include <string.h>

typedef struct job {
    const tw_conv_shape *s;
    const tw_tensor *from, *to;
    int64_t to_size[3], from_size[3];
    bool back;          /* to the input: places are pixels, and the window slides over the result */
    const char *weight; /* (window, channels) */
    const char *bias;   /* NULL if none */
} job;

/* The source element of place `at` under element k of the window in dimension d; -1 where there is none. */
static int64_t source(const job *j, int d, int64_t at, int64_t k) {
    const tw_conv_shape *s = j->s;
    int64_t i = at * s->stride[d] + k * s->dilation[d] - s->padding[d];
    if (j->back) {
        i = at + s->padding[d] - k * s->dilation[d];
        if (i % s->stride[d]) return -1;
        i /= s->stride[d];
    }
    return i >= 0 && i < j->from_size[d] ? i : -1;
}

#define ROWS(NAME, T) \
    static void NAME(void *context, int64_t begin, int64_t end) { \
        const job *j = context; \
        const int64_t *window = j->s->window, *fs = j->from->strides, *ts = j->to->strides, channels = j->s->channels; \
        for (int64_t u = begin; u < end; u++) { \
            int64_t y = u % j->to_size[1], z = u / j->to_size[1] % j->to_size[0], image = u / j->to_size[1] / j->to_size[0]; \
            for (int64_t x = 0; x < j->to_size[2]; x++) { \
                T *restrict to = (T *)tw_data(j->to) + image * ts[0] + z * ts[2] + y * ts[3] + x * ts[4]; \
                if (j->bias) memcpy(to, j->bias, (size_t)channels * sizeof(T)); \
                else memset(to, 0, (size_t)channels * sizeof(T)); \
                for (int64_t k = 0; k < window[0] * window[1] * window[2]; k++) { \
                    int64_t iz = source(j, 0, z, k / (window[1] * window[2])), iy = source(j, 1, y, k / window[2] % window[1]); \
                    int64_t ix = source(j, 2, x, k % window[2]); \
                    if (iz < 0 || iy < 0 || ix < 0) continue; \
                    const T *from = (const T *)tw_data(j->from) + image * fs[0] + iz * fs[2] + iy * fs[3] + ix * fs[4]; \
                    const T *w = (const T *)(const void *)j->weight + k * channels; \
                    for (int64_t c = 0; c < channels; c++) to[c] += w[c] * from[c]; \
                } \
            } \
        } \
    }
ROWS(rows_f32, float)
ROWS(rows_f64, double)

bool tw_conv_is_depthwise(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    bool wide = x->dtype == TW_FLOAT32 || x->dtype == TW_FLOAT64;
    bool equal = w->dtype == x->dtype && y->dtype == x->dtype && (!bias || bias->dtype == x->dtype);
    bool single = s->groups > 1 && s->channels == s->groups && s->filters == s->groups;
    return mode != CONV_WEIGHT && wide && equal && single && x->strides[1] == 1 && y->strides[1] == 1;
}

bool tw_conv_depthwise(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    job j = {.s = s, .from = mode == CONV_INPUT ? y : x, .to = mode == CONV_INPUT ? x : y, .back = mode == CONV_INPUT};
    size_t size = tw_dtype_size((tw_dtype)x->dtype), weights = (size_t)w->numel * size, biases = bias ? (size_t)s->channels * size : 0;
    if (j.to->numel == 0) return true;
    memcpy(j.to_size, j.back ? s->in : s->out, sizeof j.to_size);
    memcpy(j.from_size, j.back ? s->out : s->in, sizeof j.from_size);
    char *dense = tw_block_alloc(weights + biases);
    if (!dense) return weights + biases == 0;
    int64_t k = 0;
    for (int64_t a = 0; a < s->window[0]; a++)
    for (int64_t b = 0; b < s->window[1]; b++)
    for (int64_t c = 0; c < s->window[2]; c++) {
        const char *from = (const char *)tw_data(w) + (a * w->strides[2] + b * w->strides[3] + c * w->strides[4]) * (int64_t)size;
        for (int64_t i = 0; i < s->channels; i++, k++) memcpy(dense + (size_t)k * size, from + i * w->strides[0] * (int64_t)size, size);
    }
    for (int64_t i = 0; bias && i < s->channels; i++) {
        memcpy(dense + weights + (size_t)i * size, (const char *)tw_data(bias) + i * bias->strides[0] * (int64_t)size, size);
    }
    j.weight = dense, j.bias = bias ? dense + weights : NULL;
    int64_t rows = s->images * j.to_size[0] * j.to_size[1], work = w->numel * j.to_size[2];
    tw_parallel(rows, 1 + (1 << 16) / (work + 1), x->dtype == TW_FLOAT32 ? rows_f32 : rows_f64, &j);
    tw_block_free(dense, weights + biases);
    return true;
}
