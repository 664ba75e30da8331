/* The gradient of a convolution's weight: w(o, tap, channel) = sum over places of y(place, o) * x(place under the tap, channel).
 * Places come in blocks: planes (one image and depth), rows of a plane, or a piece of a row. A block of x, with its padding, is copied with its
 * channels last, in panels as wide as a tile; every tap is the same copy read from another place on. Where channels are few, those of a row of
 * taps are one run. Blocks are summed in order within a chunk, and chunks in order; both depend on the shape only. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/conv.h"
#include "ops/conv.h"
#include "ops/conv_pack.h"
#include <stdatomic.h>
#include <string.h>

enum { CHUNKS = 8, CHUNK_NUMEL = 1 << 17, MOST_ELEMENTS = 1 << 24 };

typedef struct job {
    const tw_conv_shape *s;
    const tw_conv_type *type;
    const tw_tensor *x, *y;
    size_t size;
    int64_t cg, og;             /* channels and filters of a group */
    int64_t planes, rows, width, blocks_y, blocks_x, blocks; /* places of a block; how many blocks in a plane, and in all */
    int64_t step[2], skip[2];   /* y, x: from place to place in the copy; from one pixel of the copy to the next in x */
    int64_t high, wide, pixels; /* of the copy: rows of a plane, pixels of a row and in all */
    int64_t pixel, run, panels; /* elements from pixel to pixel; what a tile takes its columns of, and their count */
    bool joined;
    int64_t high_rows, row_panels, filters_each; /* rows of a tile, tiles of all filters, filters of a task */
    int64_t chunks, tasks;      /* tasks: ranges of filters */
    char *sums;                 /* (chunk, filter, tap, channel) */
    atomic_bool failed;
} job;

typedef struct block { int64_t plane, planes, y, rows, x, width; } block;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }

static block block_at(const job *j, int64_t i) {
    const tw_conv_shape *s = j->s;
    block b = {i / (j->blocks_y * j->blocks_x) * j->planes, 0, i / j->blocks_x % j->blocks_y * j->rows, 0, i % j->blocks_x * j->width, 0};
    b.planes = smaller(j->planes, s->images * s->out[0] - b.plane);
    b.rows = smaller(j->rows, s->out[1] - b.y);
    b.width = smaller(j->width, s->out[2] - b.x);
    return b;
}

/* --- copying ------------------------------------------------------------------------------------------------------- */

/* n pixels from `source` on (NULL: zeros), as `skip` says, to pixels of the copy. */
static void copy_pixels(const job *j, const char *source, int64_t n, char *to) {
    const int64_t *st = j->x->strides;
    int64_t step = st[4] * j->skip[1];
    size_t size = j->size;
    for (int64_t c = 0; c < j->cg; c += j->run) {
        int64_t now = smaller(j->run, j->cg - c);
        char *panel = to + (size_t)(j->joined ? 0 : c / j->run * j->pixels * j->pixel) * size;
        const char *from = source + (size_t)(c * st[1]) * size;
        if (!source) {
            for (int64_t i = 0; i < n; i++) memset(panel + (size_t)(i * j->pixel) * size, 0, (size_t)now * size);
        } else if (st[1] == 1 || j->cg == 1) {
            j->type->copy_rows(n, now, from, step, panel, j->pixel);
        } else if (step == 1) {
            j->type->to_last(n, now, from, st[1], panel, j->pixel);
        } else {
            for (int64_t i = 0; i < n; i++) j->type->to_last(1, now, from + (size_t)(i * step) * size, st[1], panel + (size_t)(i * j->pixel) * size, j->pixel);
        }
    }
}

static void copy_block(const job *j, const block *b, int64_t group, char *to) {
    const tw_conv_shape *s = j->s;
    const int64_t *st = j->x->strides;
    int64_t x0 = b->x * s->stride[2] - s->padding[2], left = x0 < 0 ? smaller(ceiling(-x0, j->skip[1]), j->wide) : 0;
    int64_t end = larger(left, smaller(j->wide, ceiling(s->in[2] - x0, j->skip[1])));
    for (int64_t p = 0; p < b->planes; p++)
    for (int64_t tz = 0; tz < s->window[0]; tz++)
    for (int64_t row = 0; row < j->high; row++) {
        int64_t image = (b->plane + p) / s->out[0], z = (b->plane + p) % s->out[0] * s->stride[0] - s->padding[0] + tz * s->dilation[0];
        int64_t y = b->y * s->stride[1] - s->padding[1] + row * j->skip[0], pixel = ((p * s->window[0] + tz) * j->high + row) * j->wide;
        bool inside = z >= 0 && z < s->in[0] && y >= 0 && y < s->in[1];
        int64_t from = image * st[0] + group * j->cg * st[1] + z * st[2] + y * st[3] + (x0 + left * j->skip[1]) * st[4];
        char *row_to = to + (size_t)(pixel * j->pixel) * j->size;
        if (!inside || left == end) {
            copy_pixels(j, NULL, j->wide, row_to);
            continue;
        }
        if (left > 0) copy_pixels(j, NULL, left, row_to);
        copy_pixels(j, (const char *)tw_data(j->x) + from * (int64_t)j->size, end - left, row_to + (size_t)(left * j->pixel) * j->size);
        if (end < j->wide) copy_pixels(j, NULL, j->wide - end, row_to + (size_t)(end * j->pixel) * j->size);
    }
}

/* Filters [first, first + n) of the block's places, in panels of high_rows: (panel, place, filter). */
static void pack_filters(const job *j, const block *b, int64_t first, int64_t n, char *to) {
    const int64_t *st = j->y->strides, *out = j->s->out;
    int64_t places = b->planes * b->rows * b->width, high = j->high_rows;
    bool whole = b->width == out[2] && st[3] == out[2] * st[4];
    for (int64_t o = 0; o < n; o += high, to += (size_t)(places * high) * j->size) {
        int64_t now = smaller(high, n - o), run = b->width * (whole ? b->rows : 1);
        char *at = to;
        for (int64_t p = 0; p < b->planes; p++)
        for (int64_t y = 0; y < (whole ? 1 : b->rows); y++, at += (size_t)(run * high) * j->size) {
            int64_t from = (b->plane + p) / out[0] * st[0] + (first + o) * st[1] + (b->plane + p) % out[0] * st[2] + (b->y + y) * st[3] + b->x * st[4];
            const char *source = (const char *)tw_data(j->y) + from * (int64_t)j->size;
            if (st[1] == 1) j->type->copy_rows(run, now, source, st[4], at, high);
            else if (st[4] == 1) j->type->to_last(run, now, source, st[1], at, high);
            else for (int64_t i = 0; i < run; i++) j->type->to_last(1, now, source + (size_t)(i * st[4]) * j->size, st[1], at + (size_t)(i * high) * j->size, high);
        }
    }
}

/* --- fetching ahead ------------------------------------------------------------------------------------------------ */

/* Runs of memory that the next block will read. Some lines of them are fetched with each tile: while a block is copied, nothing is multiplied. */
typedef struct ahead { const char *at; int64_t runs, step, bytes, done; } ahead;

/* Rows [first, end) of plane `plane` of t (its depth n), as they lie; nothing where they are scattered. */
static ahead rows_ahead(const tw_tensor *t, int64_t plane, int64_t channel, int64_t channels, int64_t first, int64_t end) {
    const int64_t *st = t->strides, *n = t->sizes, size = (int64_t)tw_dtype_size((tw_dtype)t->dtype);
    first = larger(first, 0), end = smaller(end, n[3]);
    const char *at = (const char *)tw_data(t) + (plane / n[2] * st[0] + plane % n[2] * st[2] + channel * st[1] + first * st[3]) * size;
    if (first >= end) return (ahead){0};
    if (st[1] == 1) return (ahead){at, (end - first) * n[4], st[4] * size, channels * size, 0};
    if (st[4] == 1 && st[3] == n[4]) return (ahead){at, channels, st[1] * size, (end - first) * n[4] * size, 0};
    return (ahead){0};
}

static int64_t lines_left(const ahead *a) { return a->runs * (a->bytes / 64 + 1); }

static void fetch_lines(ahead *a, int64_t n) {
    for (; n > 0 && a->runs > 0; n--) {
        __builtin_prefetch(a->at + smaller(a->done, a->bytes - 1), 0, 2);
        if (a->done < a->bytes) {
            a->done += 64;
        } else {
            a->done = 0, a->at += a->step, a->runs--;
        }
    }
}

/* --- sums ---------------------------------------------------------------------------------------------------------- */

static void add_block(const job *j, const block *b, const char *filters, int64_t n, const char *copy, char *to, bool add, ahead next[2]) {
    const tw_conv_shape *s = j->s;
    int32_t at[TW_CONV_KC];
    int64_t places = 0, taps = s->window[0] * s->window[1] * s->window[2], row = taps * j->cg, taps_x = j->joined ? 1 : s->window[2];
    for (int64_t p = 0; p < b->planes; p++)
    for (int64_t y = 0; y < b->rows; y++)
    for (int64_t x = 0; x < b->width; x++, places++) {
        at[places] = (int32_t)(((p * s->window[0] * j->high + y * j->step[0]) * j->wide + x * j->step[1]) * j->pixel);
    }
    const int64_t tiles = j->panels * s->window[0] * s->window[1] * taps_x * ceiling(n, j->high_rows);
    const int64_t lines[2] = {lines_left(&next[0]) / tiles + 1, lines_left(&next[1]) / tiles + 1};
    for (int64_t panel = 0; panel < j->panels; panel++)
    for (int64_t tz = 0; tz < s->window[0]; tz++)
    for (int64_t ty = 0; ty < s->window[1]; ty++)
    for (int64_t tx = 0; tx < taps_x; tx++) {
        int64_t pixel = (tz * j->high + ty * (j->skip[0] == 1 ? s->dilation[1] : 1)) * j->wide + tx * s->dilation[2];
        int64_t column = panel * j->type->nr, tap = (tz * s->window[1] + ty) * s->window[2] + tx;
        int64_t from = pixel * j->pixel + (j->joined ? column : panel * j->pixels * j->pixel);
        int64_t columns = smaller(j->type->nr, (j->joined ? s->window[2] * j->cg : j->cg) - column);
        for (int64_t o = 0; o < n; o += j->high_rows) {
            fetch_lines(&next[0], lines[0]);
            fetch_lines(&next[1], lines[1]);
            j->type->sums(smaller(j->high_rows, n - o), columns, places, filters + (size_t)(o * places) * j->size, j->high_rows,
                          copy + (size_t)from * j->size, at, to + (size_t)(o * row + tap * j->cg + column) * j->size, row, add, NULL,
                          (tw_conv_next){copy, 0});
        }
    }
}

/* One chunk of blocks, for one range of a group's filters. */
static void sum_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    int64_t row = j->s->window[0] * j->s->window[1] * j->s->window[2] * j->cg, most = j->planes * j->rows * j->width;
    size_t copy_bytes = (size_t)(j->pixels * j->pixel * (j->joined ? 1 : j->panels) + j->type->nr) * j->size;
    size_t bytes = copy_bytes + (size_t)(ceiling(j->filters_each, j->high_rows) * j->high_rows * most + TW_CONV_MAX_MR) * j->size;
    char *copy = tw_block_alloc(bytes);
    if (!copy) {
        atomic_store(&j->failed, true);
        return;
    }
    memset(copy, 0, bytes);
    for (int64_t i = begin; i < end; i++) {
        int64_t chunk = i / (j->tasks * j->s->groups), group = i / j->tasks % j->s->groups, first = i % j->tasks * j->filters_each;
        int64_t n = smaller(j->filters_each, j->og - first), from = j->blocks * chunk / j->chunks, to = j->blocks * (chunk + 1) / j->chunks;
        char *sums = j->sums + (size_t)((chunk * j->s->filters + group * j->og + first) * row) * j->size;
        for (int64_t at = from; at < to; at++) {
            block b = block_at(j, at);
            copy_block(j, &b, group, copy);
            pack_filters(j, &b, group * j->og + first, n, copy + copy_bytes);
            const block after = block_at(j, smaller(at + 1, to - 1));
            ahead next[2] = {{0}, {0}};
            const tw_conv_shape *s = j->s;
            if (at + 1 < to && after.planes == 1 && s->window[0] == 1 && s->in[0] == s->out[0]) {
                const int64_t y = after.y * s->stride[1] - s->padding[1];
                const int64_t high = (after.rows - 1) * s->stride[1] + (s->window[1] - 1) * s->dilation[1] + 1;
                next[0] = rows_ahead(j->x, after.plane, group * j->cg, j->cg, y, y + high);
                next[1] = rows_ahead(j->y, after.plane, group * j->og + first, n, after.y, after.y + after.rows);
            }
            add_block(j, &b, copy + copy_bytes, n, copy, sums, at > from, next);
        }
    }
    tw_block_free(copy, bytes);
}

typedef struct gather { const job *j; const tw_tensor *w; } gather;

#define GATHER(NAME, T) \
    static void NAME(void *context, int64_t begin, int64_t end) { \
        const gather *g = context; \
        const int64_t *st = g->w->strides, *n = g->w->sizes; \
        int64_t taps = n[2] * n[3] * n[4], row = taps * n[1]; \
        for (int64_t o = begin; o < end; o++) { \
            T *sum = (T *)(void *)g->j->sums + o * row; \
            for (int64_t c = 1; c < g->j->chunks; c++) { \
                const T *more = sum + c * n[0] * row; \
                for (int64_t i = 0; i < row; i++) sum[i] += more[i]; \
            } \
            for (int64_t tap = 0; tap < taps; tap++) { \
                T *to = (T *)tw_data(g->w) + o * st[0] + tap / (n[3] * n[4]) * st[2] + tap / n[4] % n[3] * st[3] + tap % n[4] * st[4]; \
                for (int64_t c = 0; c < n[1]; c++) to[c * st[1]] = sum[tap * n[1] + c]; \
            } \
        } \
    }
GATHER(gather_f32, float)
GATHER(gather_f64, double)

/* --- blocks -------------------------------------------------------------------------------------------------------- */

static void set_blocks(job *j) {
    const tw_conv_shape *s = j->s;
    int64_t plane = s->out[1] * s->out[2], planes = s->images * s->out[0];
    j->width = smaller(s->out[2], TW_CONV_KC);
    j->rows = smaller(s->out[1], larger(1, TW_CONV_KC / s->out[2]));
    j->planes = plane <= TW_CONV_KC ? smaller(planes, TW_CONV_KC / plane) : 1;
    j->blocks_x = ceiling(s->out[2], j->width), j->blocks_y = ceiling(s->out[1], j->rows);
    j->blocks = j->blocks_x * j->blocks_y * ceiling(planes, j->planes);
    int64_t places[2] = {j->rows, j->width}, size[2];
    for (int d = 0; d < 2; d++) { /* a window of one element: nothing between the places is copied */
        bool one = s->window[d + 1] == 1;
        j->step[d] = one ? 1 : s->stride[d + 1], j->skip[d] = one ? s->stride[d + 1] : 1;
        size[d] = (places[d] - 1) * j->step[d] + (s->window[d + 1] - 1) * s->dilation[d + 1] + 1;
    }
    j->high = size[0], j->wide = size[1], j->pixels = j->planes * s->window[0] * j->high * j->wide;
}

static void set_panels(job *j) {
    int64_t nr = j->type->nr;
    j->joined = j->s->dilation[2] == 1 && j->cg % nr != 0 && j->cg < 4 * nr;
    j->run = j->joined ? j->cg : nr;
    j->pixel = j->joined ? j->cg : nr;
    j->panels = ceiling(j->joined ? j->s->window[2] * j->cg : j->cg, nr);
}

/* Ranges of filters, where there are fewer chunks than threads want; each copies its blocks anew. */
static void split_filters(job *j) {
    int64_t most = j->type->mr, count = ceiling(j->og, most), each = ceiling(j->og, count), threads = tw_num_threads();
    j->high_rows = each == 1 ? 1 : ceiling(each, 2) * 2;
    j->row_panels = ceiling(j->og, j->high_rows);
    int64_t wanted = threads == 1 ? 1 : ceiling(3 * threads, j->chunks * j->s->groups);
    j->filters_each = larger(smaller(2, j->row_panels), ceiling(j->row_panels, wanted)) * j->high_rows;
    j->tasks = ceiling(j->og, j->filters_each);
}

bool tw_conv_weight_fits(const tw_conv_shape *s, tw_dtype dtype) {
    job j = {.s = s, .type = dtype == TW_FLOAT32 ? &tw_conv()->f32 : &tw_conv()->f64, .cg = s->channels / s->groups};
    set_blocks(&j);
    set_panels(&j);
    return (double)j.high * (double)j.wide * (double)j.planes * (double)s->window[0] * (double)(j.panels * j.type->nr) < MOST_ELEMENTS;
}

bool tw_conv_weight(const tw_conv_shape *s, const tw_tensor *x, const tw_tensor *y, const tw_tensor *w) {
    job j = {.s = s, .x = x, .y = y, .size = tw_dtype_size((tw_dtype)w->dtype), .cg = s->channels / s->groups, .og = s->filters / s->groups};
    j.type = w->dtype == TW_FLOAT32 ? &tw_conv()->f32 : &tw_conv()->f64;
    set_blocks(&j);
    set_panels(&j);
    j.chunks = w->numel <= CHUNK_NUMEL && j.blocks >= CHUNKS ? CHUNKS : 1;
    split_filters(&j);
    size_t bytes = (size_t)(w->numel * j.chunks) * j.size;
    if (!(j.sums = tw_block_alloc(bytes))) return false;
    double flops = 2.0 * (double)w->numel * (double)(y->numel / s->filters);
    int64_t tasks = j.chunks * j.tasks * s->groups;
    tw_parallel(tasks, 1 + (int64_t)(1e6 / (flops / (double)tasks + 1)), sum_some, &j);
    bool ok = !atomic_load(&j.failed);
    gather g = {&j, w};
    if (ok) tw_parallel(s->filters, 1 + (1 << 15) / (w->numel / s->filters * j.chunks), w->dtype == TW_FLOAT32 ? gather_f32 : gather_f64, &g);
    tw_block_free(j.sums, bytes);
    return ok;
}
