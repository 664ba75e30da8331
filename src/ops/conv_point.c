/* Windows of one element with channels first: a plane is one row of pixels, and a tile takes its columns from there as they lie, a row for each
 * channel. Only the weights are packed. While a tile of pixels is multiplied, the next one is fetched from memory. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "ops/conv_pack.h"
#include <string.h>

/* PIXELS: of a task, at most; ROWS: of packed weights that the second-level cache holds for them, a block of k deep. Channels whole PAGEs apart
 * would fall into a few cache sets. */
enum { PIXELS = 256, ROWS = 448, LEAST_PIXELS = 16, PAGE = 4096, TASK_FLOPS = 1000000 };

typedef struct job {
    const tw_conv_shape *s;
    const tw_conv_type *type;
    const tw_tensor *from, *w, *to;
    bool forward;
    size_t size;
    const char *bias;           /* dense, or NULL */
    char *packed;               /* of each group: (block of k, tile, k, row of the tile) */
    int64_t k, m, pixels;       /* channels of a group that are read and written; of a plane */
    int64_t high, tiles;        /* rows of a tile, tiles of a group */
    int64_t some, parts;        /* tiles and parts of a group: a task's share */
    int64_t wide, chunks;       /* pixels of a task, tasks of a plane */
} job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }

/* --- weights ------------------------------------------------------------------------------------------------------- */

#define PACK(NAME, T) \
    static void NAME(int64_t n, int64_t kc, int64_t high, const T *from, int64_t row_step, int64_t k_step, T *to) { \
        for (int64_t k = 0; k < kc; k++, to += high, from += k_step) { \
            for (int64_t r = 0; r < n; r++) to[r] = from[r * row_step]; \
            for (int64_t r = n; r < high; r++) to[r] = 0; \
        } \
    }
PACK(pack_f32, float)
PACK(pack_f64, double)

static size_t packed_at(const job *j, int64_t group, int64_t tile, int64_t k0, int64_t kc) {
    return (size_t)(j->high * (j->tiles * (group * j->k + k0) + tile * kc)) * j->size;
}

static void pack_some(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    const int64_t *st = j->w->strides, row_step = j->forward ? st[0] : st[1], k_step = j->forward ? st[1] : st[0];
    for (int64_t i = begin; i < end; i++) {
        const int64_t group = i / j->tiles, row = i % j->tiles * j->high, n = smaller(j->high, j->m - row);
        const char *from = (const char *)tw_data(j->w) + (group * (j->forward ? j->m : j->k) * st[0] + row * row_step) * (int64_t)j->size;
        for (int64_t k = 0; k < j->k; k += TW_CONV_KC) {
            const int64_t kc = smaller(TW_CONV_KC, j->k - k);
            char *to = j->packed + packed_at(j, group, i % j->tiles, k, kc);
            const char *at = from + k * k_step * (int64_t)j->size;
            if (j->size == sizeof(float)) pack_f32(n, kc, j->high, (const float *)(const void *)at, row_step, k_step, (float *)(void *)to);
            else pack_f64(n, kc, j->high, (const double *)(const void *)at, row_step, k_step, (double *)(void *)to);
        }
    }
}

/* --- products ------------------------------------------------------------------------------------------------------ */

typedef struct stretch { int64_t k, kc, pixel, n; } stretch; /* pixels of a block of channels */

/* Line `line` of the last element that a tile of s takes from each channel. */
static tw_conv_next lines_of(const job *j, const char *from, const stretch *s, int64_t line) {
    const int64_t step = j->from->strides[1] * (int64_t)j->size, first = (s->pixel + s->n) * (int64_t)j->size - 1 - 64 * line;
    if (first < s->pixel * (int64_t)j->size) return (tw_conv_next){from, 0};
    return (tw_conv_next){from + s->k * step + first, step};
}

/* Tiles [first, end) of the stretch; of `next`, a line of each channel with each. */
static void multiply(const job *j, int64_t group, const char *from, char *to, int64_t first, int64_t end, const stretch *s, const stretch *next) {
    _Alignas(64) char edge[TW_CONV_KC * 64 * 2];
    int32_t at[TW_CONV_KC];
    const int64_t nr = j->type->nr, step = j->from->strides[1];
    const char *b = from + (s->k * step + s->pixel) * (int64_t)j->size, *bias = j->bias && s->k + s->kc == j->k ? j->bias : NULL;
    const bool whole = s->n == nr || s->n == nr / 2; /* else what follows might be the end of memory */
    for (int64_t k = 0; k < s->kc; k++) at[k] = (int32_t)(k * (whole ? step : nr));
    if (!whole) {
        const size_t row = (size_t)nr * j->size, used = (size_t)s->n * j->size;
        for (int64_t k = 0; k < s->kc; k++) {
            memcpy(edge + (size_t)k * row, b + k * step * (int64_t)j->size, used);
            memset(edge + (size_t)k * row + used, 0, row - used);
        }
        b = edge;
    }
    for (int64_t tile = first; tile < end; tile++) {
        const int64_t row = tile * j->high, c_row = j->to->strides[1];
        const tw_conv_next soon = next ? lines_of(j, from, next, tile - first) : (tw_conv_next){b, 0};
        j->type->sums(smaller(j->high, j->m - row), s->n, s->kc, j->packed + packed_at(j, group, tile, s->k, s->kc), j->high, b, at,
                      to + (row * c_row + s->pixel) * (int64_t)j->size, c_row, s->k > 0,
                      bias ? bias + (size_t)(group * j->m + row) * j->size : NULL, soon);
    }
}

/* The stretch after s, of a task that begins at `pixel`; past the task's end, the first one of the task that is next in the plane. */
static stretch after(const job *j, stretch s, int64_t pixel, int64_t end) {
    const int64_t nr = j->type->nr;
    s.pixel += s.n;
    if (s.pixel == end && s.k + s.kc < j->k) s.pixel = pixel, s.k += s.kc;
    else if (s.pixel == end) end = smaller(j->pixels, end + nr), s.k = 0;
    s.kc = smaller(TW_CONV_KC, j->k - s.k), s.n = smaller(nr, end - s.pixel);
    return s;
}

static void multiply_some(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    const int64_t *fs = j->from->strides, *ts = j->to->strides, size = (int64_t)j->size;
    for (int64_t i = begin; i < end; i++) {
        const int64_t pixel = i % j->chunks * j->wide, last = smaller(j->pixels, pixel + j->wide), part = i / j->chunks % j->parts;
        const int64_t group = i / (j->chunks * j->parts) % j->s->groups, image = i / (j->chunks * j->parts * j->s->groups);
        const char *from = (const char *)tw_data(j->from) + (image * fs[0] + group * j->k * fs[1]) * size;
        char *to = (char *)tw_data(j->to) + (image * ts[0] + group * j->m * ts[1]) * size;
        stretch s = {0, smaller(TW_CONV_KC, j->k), pixel, smaller(j->type->nr, last - pixel)};
        for (int64_t left = ceiling(j->k, TW_CONV_KC) * ceiling(last - pixel, j->type->nr); left > 0; left--) {
            const stretch next = after(j, s, pixel, last);
            multiply(j, group, from, to, part * j->some, smaller(j->tiles, (part + 1) * j->some), &s, next.n > 0 ? &next : NULL);
            s = next;
        }
    }
}

static bool is_row(const tw_tensor *t) {
    const int64_t *n = t->sizes, *st = t->strides;
    return st[4] == 1 && st[3] == n[4] && st[2] == n[3] * n[4];
}

bool tw_conv_is_point(const tw_conv_shape *s, int mode, const tw_tensor *from, const tw_tensor *to) {
    if (mode == CONV_WEIGHT) return false;
    for (int d = 0; d < 3; d++) {
        if (s->window[d] != 1 || s->stride[d] != 1 || s->padding[d] != 0) return false;
    }
    const int64_t m = to->sizes[1] / s->groups, step = from->strides[1], pixels = s->in[0] * s->in[1] * s->in[2];
    if (m <= TW_GEMM_FEW || pixels < LEAST_PIXELS || !is_row(from) || !is_row(to)) return false;
    return step > 0 && step < INT32_MAX / TW_CONV_KC && step * (int64_t)tw_dtype_size((tw_dtype)from->dtype) % PAGE != 0;
}

bool tw_conv_point(const tw_conv_shape *s, int mode, const tw_tensor *from, const tw_tensor *w, const void *bias, const tw_tensor *to) {
    job j = {.s = s, .from = from, .w = w, .to = to, .forward = mode == CONV_FORWARD, .bias = bias, .size = tw_dtype_size((tw_dtype)to->dtype)};
    j.type = to->dtype == TW_FLOAT32 ? &tw_conv()->f32 : &tw_conv()->f64;
    j.k = from->sizes[1] / s->groups, j.m = to->sizes[1] / s->groups, j.pixels = s->in[0] * s->in[1] * s->in[2];
    j.high = ceiling(ceiling(j.m, ceiling(j.m, j.type->mr)), 2) * 2, j.tiles = ceiling(j.m, j.high);
    j.parts = ceiling(j.tiles * j.high, ROWS), j.some = ceiling(j.tiles, j.parts);
    const int64_t width = ceiling(j.pixels, ceiling(j.pixels, PIXELS));
    j.wide = ceiling(width, j.type->nr) * j.type->nr, j.chunks = ceiling(j.pixels, j.wide);
    const size_t bytes = (size_t)(j.high * j.tiles * j.k * s->groups) * j.size;
    if (!(j.packed = tw_block_alloc(bytes))) return false;
    tw_parallel(j.tiles * s->groups, 1 + (1 << 15) / (j.high * j.k), pack_some, &j);
    const int64_t tasks = s->images * s->groups * j.parts * j.chunks;
    const double flops = 2.0 * (double)w->numel * (double)j.pixels * (double)s->images;
    tw_parallel(tasks, 1 + (int64_t)(TASK_FLOPS / (flops / (double)tasks + 1)), multiply_some, &j);
    tw_block_free(j.packed, bytes);
    return true;
}
