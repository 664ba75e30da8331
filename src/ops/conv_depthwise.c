/* One filter for each channel, channels last: a row of channels at a time. Forward and to the input, results are sums over the window; to the weight,
 * rows of places are summed strip by strip within a chunk of rows, and chunks in order: both depend on the shape only. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/conv.h"
#include "ops/conv.h"
#include <string.h>

enum { MOST_TAPS = 32, CHUNKS = 16, CHUNK_ROWS = 4 }; /* of one call of the kernel; of rows, each of so many at least */

typedef struct job {
    const tw_conv_shape *s;
    const tw_tensor *from, *to;
    int64_t to_size[3], from_size[3];
    bool back;          /* to the input: places are pixels, and the window slides over the result */
    const char *weight; /* (window, channels) */
    const char *bias;   /* NULL if none */
    const tw_conv_type *type;
    size_t size;
    const tw_tensor *y; /* to the weight: the gradient of the result, whose places these are */
    char *sums;         /* (chunk, window, channels) */
    int64_t chunks;
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

/* n places of a row from x on, all of which meet the same taps along x. */
typedef struct strip { int64_t x, n; const int64_t *at, *window; } strip;

static void run_strip(const job *j, const strip *p, int64_t image, int64_t z, int64_t y, bool more, void *room) {
    const tw_conv_shape *s = j->s;
    const int64_t *window = s->window, *fs = j->from->strides, *ts = j->to->strides, size = (int64_t)j->size;
    const void **from = room, **weight = from + window[0] * window[1] * window[2];
    const int64_t count = p->at[window[2]];
    const char *source_image = (const char *)tw_data(j->from) + image * fs[0] * size, *ahead = NULL;
    int64_t taps = 0, iz = 0;
    for (int64_t a = 0; a < window[0]; a++) {
        if ((iz = source(j, 0, z, a)) < 0) continue;
        for (int64_t b = 0; b < window[1]; b++) {
            const int64_t iy = source(j, 1, y, b);
            if (iy < 0) continue;
            const char *row = source_image + (iz * fs[2] + iy * fs[3]) * size;
            const char *factors = j->weight + (a * window[1] + b) * window[2] * s->channels * size;
            for (int64_t i = 0; i < count; i++, taps++) {
                from[taps] = row + p->at[i] * fs[4] * size;
                weight[taps] = factors + p->window[i] * s->channels * size;
            }
        }
        const int64_t next = more ? source(j, 1, y + 1, j->back ? 0 : window[1] - 1) : -1; /* the row that is new there */
        if (next >= 0 && count > 0) ahead = source_image + (iz * fs[2] + next * fs[3] + p->at[count - 1] * fs[4]) * size;
    }
    const int64_t offset = image * ts[0] + z * ts[2] + y * ts[3] + p->x * ts[4], step = j->back ? fs[4] : fs[4] * s->stride[2];
    j->type->each_channel(p->n, s->channels, taps, from, step, weight, j->bias, ahead, (char *)tw_data(j->to) + offset * size, ts[4]);
}

/* Places of a strip: so few that what one row reads is still in the first-level cache for the next. */
static int64_t strip_width(const job *j) {
    enum { NEAR_BYTES = 32 << 10, LEAST = 8 };
    const int64_t near = NEAR_BYTES / (j->s->channels * (int64_t)j->size * j->s->window[0] * (j->s->window[1] + 1));
    return near < LEAST ? LEAST : near / LEAST * LEAST;
}

/* What a strip of a row of places is for; more: the row below it is next. */
typedef void (*strip_fn)(const job *j, const strip *p, int64_t image, int64_t z, int64_t y, bool more, void *room);

/* Rows [begin, end) of places of the given size, (depth, height, width), strip by strip: each strip of all rows of a plane before the next one. */
static bool walk_strips(const job *j, const int64_t *size, int64_t begin, int64_t end, strip_fn run, void *room) {
    const int64_t taps = j->s->window[2], high = size[1], wide = size[2], width = strip_width(j);
    int64_t *at = tw_malloc((2 * (size_t)taps + 1) * sizeof *at), *kept = at + taps + 1;
    if (!at) return false;
    for (int64_t u = begin, rows; u < end; u += rows) {
        const int64_t first = u % high, z = u / high % size[0], image = u / high / size[0];
        rows = end - u < high - first ? end - u : high - first;
        for (int64_t x = 0, n; x < wide; x += n) {
            n = places_alike(j, x, at, kept);
            if (n > width) n = width;
            const strip p = {x, n, at, kept};
            for (int64_t y = first; y < first + rows; y++) run(j, &p, image, z, y, y + 1 < first + rows, room);
        }
    }
    tw_free(at);
    return true;
}

static bool run_rows(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    const int64_t *window = j->s->window;
    const void **taps = tw_malloc(2 * (size_t)(window[0] * window[1] * window[2]) * sizeof *taps);
    const bool ok = taps && walk_strips(j, j->to_size, begin, end, run_strip, taps);
    tw_free(taps);
    return ok;
}

/* --- to the weight ------------------------------------------------------------------------------------------------- */

/* One strip of a row of places, to the sums of the taps that it meets. */
static void sum_strip(const job *j, const strip *p, int64_t image, int64_t z, int64_t y, bool more, void *room) {
    const tw_conv_shape *s = j->s;
    const int64_t *window = s->window, *fs = j->from->strides, *ys = j->y->strides, size = (int64_t)j->size, step = fs[4] * s->stride[2];
    const int64_t count = p->at[window[2]];
    const char *source_image = (const char *)tw_data(j->from) + image * fs[0] * size;
    const char *grad = (const char *)tw_data(j->y) + (image * ys[0] + z * ys[2] + y * ys[3] + p->x * ys[4]) * size;
    const bool every = count == window[2];
    char *sums = room;
    for (int64_t a = 0; a < window[0]; a++) {
        const int64_t iz = source(j, 0, z, a);
        if (iz < 0) continue;
        const int64_t next = more ? source(j, 1, y + 1, window[1] - 1) : -1;
        const char *ahead = next < 0 || count == 0 ? NULL : source_image + (iz * fs[2] + next * fs[3] + p->at[count - 1] * fs[4]) * size;
        const void *from[MOST_TAPS];
        int64_t taps = 0, first = 0;
        for (int64_t b = 0; b < window[1]; b++) {
            const int64_t iy = source(j, 1, y, b);
            for (int64_t i = 0; iy >= 0 && i < count; i++) {
                if (taps == 0) first = (a * window[1] + b) * window[2] + p->window[i];
                from[taps++] = source_image + (iz * fs[2] + iy * fs[3] + p->at[i] * fs[4]) * size;
                const bool last = i + 1 == count, below = last && every && b + 1 < window[1] && source(j, 1, y, b + 1) >= 0;
                if (taps < MOST_TAPS && (below || (!last && p->window[i + 1] == p->window[i] + 1))) continue;
                j->type->each_sum(p->n, s->channels, taps, from, step, grad, ys[4], ahead, more ? grad + ys[3] * size : NULL,
                                  sums + first * s->channels * size);
                taps = 0;
            }
        }
    }
}

static bool sum_chunks(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    const tw_conv_shape *s = j->s;
    const int64_t *window = s->window, all = s->images * s->out[0] * s->out[1];
    const size_t bytes = (size_t)(window[0] * window[1] * window[2] * s->channels) * j->size;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        char *sums = j->sums + (size_t)chunk * bytes;
        memset(sums, 0, bytes);
        if (!walk_strips(j, s->out, all * chunk / j->chunks, all * (chunk + 1) / j->chunks, sum_strip, sums)) return false;
    }
    return true;
}

#define GATHER(NAME, T) \
    static void NAME(const job *j, const tw_tensor *w) { \
        const int64_t *st = w->strides, *n = w->sizes, taps = n[2] * n[3] * n[4], channels = n[0]; \
        T *sums = (T *)(void *)j->sums; \
        for (int64_t chunk = 1; chunk < j->chunks; chunk++) { \
            const T *more = sums + chunk * taps * channels; \
            for (int64_t i = 0; i < taps * channels; i++) sums[i] += more[i]; \
        } \
        for (int64_t tap = 0; tap < taps; tap++) { \
            T *to = (T *)tw_data(w) + tap / (n[3] * n[4]) * st[2] + tap / n[4] % n[3] * st[3] + tap % n[4] * st[4]; \
            for (int64_t c = 0; c < channels; c++) to[c * st[0]] = sums[tap * channels + c]; \
        } \
    }
GATHER(gather_f32, float)
GATHER(gather_f64, double)

static bool run_weight(const tw_conv_shape *s, const tw_tensor *x, const tw_tensor *w, const tw_tensor *y) {
    job j = {.s = s, .from = x, .y = y, .size = tw_dtype_size((tw_dtype)x->dtype)};
    const int64_t rows = s->images * s->out[0] * s->out[1];
    memcpy(j.to_size, s->out, sizeof j.to_size);
    memcpy(j.from_size, s->in, sizeof j.from_size);
    j.type = x->dtype == TW_FLOAT32 ? &tw_conv()->f32 : &tw_conv()->f64;
    j.chunks = rows < CHUNKS * CHUNK_ROWS ? rows / CHUNK_ROWS + 1 : CHUNKS;
    const size_t bytes = (size_t)(w->numel * j.chunks) * j.size;
    if (!(j.sums = tw_block_alloc(bytes))) return false;
    const double each = (double)w->numel * (double)(rows * s->out[2]) / (double)j.chunks;
    const bool ok = tw_try_parallel(j.chunks, 1 + (int64_t)((1 << 16) / (each + 1)), sum_chunks, &j);
    if (ok && x->dtype == TW_FLOAT32) gather_f32(&j, w);
    else if (ok) gather_f64(&j, w);
    tw_block_free(j.sums, bytes);
    return ok;
}

/* --- the three ----------------------------------------------------------------------------------------------------- */

bool tw_conv_is_depthwise(const tw_conv_shape *s, const tw_tensor *x, const tw_tensor *y) {
    bool single = s->groups > 1 && s->channels == s->groups && s->filters == s->groups;
    return single && x->strides[1] == 1 && y->strides[1] == 1;
}

bool tw_conv_depthwise(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    if (mode == CONV_WEIGHT) return run_weight(s, x, w, y);
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
    const bool ok = tw_try_parallel(rows, grain, run_rows, &j);
    tw_block_free(dense, weights + biases);
    return ok;
}
