/* One filter for each channel, channels last: a row of channels at a time, forward and to the input. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/conv.h"
#include "ops/conv.h"
#include <stdatomic.h>
#include <string.h>

typedef struct job {
    const tw_conv_shape *s;
    const tw_tensor *from, *to;
    int64_t to_size[3], from_size[3];
    bool back;          /* to the input: places are pixels, and the window slides over the result */
    const char *weight; /* (window, channels) */
    const char *bias;   /* NULL if none */
    const tw_conv_type *type;
    size_t size;
    atomic_bool failed;
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

/* Places of a row from x on that meet the same taps, each one further than the last by the same step; those taps, in order. */
static int64_t places_alike(const job *j, int64_t x, int64_t *taps, int64_t *window) {
    const tw_conv_shape *s = j->s;
    int64_t n = 0, run = j->back && s->stride[2] > 1 ? 1 : j->to_size[2] - x, step = j->back ? 1 : s->stride[2];
    for (int64_t k = 0; k < s->window[2]; k++) {
        int64_t at = source(j, 2, x, k), from = j->back ? x + s->padding[2] - k * s->dilation[2] : x * step + k * s->dilation[2] - s->padding[2];
        if (at < 0 && from >= 0) continue; /* beyond the end, or between strides, as for all that follow */
        int64_t until = at < 0 ? (-from + step - 1) / step : (j->from_size[2] - at + step - 1) / step;
        if (until < run) run = until;
        if (at >= 0) taps[n] = at, window[n++] = k;
    }
    taps[s->window[2]] = n;
    return run;
}

static void run_rows(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const tw_conv_shape *s = j->s;
    const int64_t *window = s->window, *fs = j->from->strides, *ts = j->to->strides;
    int64_t most = window[0] * window[1] * window[2], channels = s->channels, size = (int64_t)j->size;
    const void **from = tw_malloc(2 * (size_t)most * sizeof *from + (2 * (size_t)window[2] + 1) * sizeof(int64_t));
    if (!from) {
        atomic_store(&j->failed, true);
        return;
    }
    const void **weight = from + most;
    int64_t *at = (int64_t *)(void *)(weight + most), *kept = at + window[2] + 1;
    for (int64_t u = begin; u < end; u++) {
        int64_t y = u % j->to_size[1], z = u / j->to_size[1] % j->to_size[0], image = u / j->to_size[1] / j->to_size[0];
        for (int64_t x = 0, n; x < j->to_size[2]; x += n) {
            int64_t taps = 0;
            n = places_alike(j, x, at, kept);
            for (int64_t a = 0; a < window[0]; a++)
            for (int64_t b = 0; b < window[1]; b++) {
                int64_t iz = source(j, 0, z, a), iy = source(j, 1, y, b);
                if (iz < 0 || iy < 0) continue;
                for (int64_t i = 0; i < at[window[2]]; i++, taps++) {
                    int64_t offset = image * fs[0] + iz * fs[2] + iy * fs[3] + at[i] * fs[4];
                    from[taps] = (const char *)tw_data(j->from) + offset * size;
                    weight[taps] = j->weight + ((a * window[1] + b) * window[2] + kept[i]) * channels * size;
                }
            }
            int64_t offset = image * ts[0] + z * ts[2] + y * ts[3] + x * ts[4], step = j->back ? fs[4] : fs[4] * s->stride[2];
            j->type->each_channel(n, channels, taps, from, step, weight, j->bias, (char *)tw_data(j->to) + offset * size, ts[4]);
        }
    }
    tw_free(from);
}

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
    j.type = x->dtype == TW_FLOAT32 ? &tw_conv()->f32 : &tw_conv()->f64, j.size = size;
    int64_t grain = 1 + (1 << 18) / (work + 1), most = rows / (4 * (int64_t)tw_num_threads());
    if (grain < 16 && grain < most) grain = most < 16 ? most : 16; /* neighbours read the same rows */
    tw_parallel(rows, grain, run_rows, &j);
    tw_block_free(dense, weights + biases);
    return !atomic_load(&j.failed);
}
