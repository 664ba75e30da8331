/* Convolutions and gradients to the input with channels last: the patches of a few places at a time, times the packed weights. A tensor whose
 * channels come first is turned on the way.
 * With strides, the gradient's pixels fall into phases, by their remainders: pixels of one phase meet the same taps, and their patches are
 * those of a convolution without strides. So a forward convolution is one phase, and no product with a zero between strides is computed. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/conv.h"
#include "ops/conv.h"
#include "ops/conv_pack.h"
#include <stdatomic.h>
#include <string.h>

/* IN_PLACE: for so few columns that copying patches takes noticeable time; a step of a PAGE would put all rows into one cache set. */
enum { MOST_PLACES = 224, MOST_COLUMNS = 512, TASK_FLOPS = 1000000, MOST_IN_PLACE = 256, PAGE = 4096 };

typedef struct taps { /* of one phase in one dimension: tap t is element `window + t * window_step` of the window */
    int64_t count, window, window_step, first, step; /* and shows source place * scale + first + t * step */
} taps;

typedef struct phase {
    tw_patches p;
    taps t[3];
    int64_t start[3], step[3];      /* its pixels */
    int64_t k, places, blocks;      /* elements of a patch; places in all images; tasks for one group and range of columns */
    int64_t weight;                 /* where its packed weights begin, in elements; of one group after the other */
} phase;

typedef struct job {
    const tw_conv_shape *s;
    const tw_conv_type *type;
    const tw_tensor *w, *to;
    int mode;
    size_t size;
    const char *source, *bias;      /* channels last; bias: dense, or NULL */
    char *packed;
    phase *phases;
    int64_t phase_count;
    int64_t from_each, to_each;     /* channels of a group, read and written */
    int64_t columns, column_tasks, rows, row_tasks; /* tasks: ranges of columns, of places; row_tasks: over all phases */
    bool straight;                  /* rows of places are written where they belong */
    atomic_bool failed;
} job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* --- phases -------------------------------------------------------------------------------------------------------- */

static taps forward_taps(const tw_conv_shape *s, int d) { return (taps){s->window[d], 0, 1, -s->padding[d], s->dilation[d]}; }

/* The taps k that pixel `start` of dimension d meets: (start + padding - k * dilation) is a multiple of the stride. Last tap first, so that
 * the source index rises. */
static taps input_taps(const tw_conv_shape *s, int d, int64_t start) {
    int64_t stride = s->stride[d], first = -1, gap = 0, count = 0, last = 0;
    for (int64_t k = 0; k < s->window[d]; k++) {
        if ((start + s->padding[d] - k * s->dilation[d]) % stride) continue;
        if (first < 0) first = k;
        else if (gap == 0) gap = k - first;
        last = k, count++;
    }
    if (count == 0) return (taps){0};
    return (taps){count, last, -gap, (start + s->padding[d] - last * s->dilation[d]) / stride, gap * s->dilation[d] / stride};
}

static void set_phase(const job *j, phase *f, const int64_t start[3]) {
    const tw_conv_shape *s = j->s;
    bool forward = j->mode == CONV_FORWARD;
    const int64_t *size = forward ? s->out : s->in;
    f->p = (tw_patches){.channels = j->from_each};
    f->k = j->from_each, f->places = s->images;
    for (int d = 0; d < 3; d++) {
        f->start[d] = start[d], f->step[d] = forward ? 1 : s->stride[d];
        f->t[d] = forward ? forward_taps(s, d) : input_taps(s, d, start[d]);
        f->p.places[d] = (size[d] - start[d] + f->step[d] - 1) / f->step[d];
        f->p.scale[d] = forward ? s->stride[d] : 1;
        f->p.first[d] = f->t[d].first, f->p.step[d] = f->t[d].step, f->p.taps[d] = f->t[d].count;
        f->k *= f->t[d].count, f->places *= f->p.places[d];
    }
}

static bool make_phases(job *j) {
    const tw_conv_shape *s = j->s;
    int64_t n[3] = {1, 1, 1}, at = 0;
    for (int d = 0; d < 3 && j->mode == CONV_INPUT; d++) n[d] = smaller(s->stride[d], s->in[d]);
    j->phase_count = n[0] * n[1] * n[2];
    if (!(j->phases = tw_malloc((size_t)j->phase_count * sizeof(phase)))) return false;
    for (int64_t i = 0; i < j->phase_count; i++) {
        phase *f = &j->phases[i];
        set_phase(j, f, (int64_t[]){i / (n[1] * n[2]), i / n[2] % n[1], i % n[2]});
        f->weight = at;
        at += f->k * round_up(j->to_each, j->type->nr) * s->groups;
    }
    return true;
}

/* Where the source lies, with `low` zeros before it in each dimension. */
static void set_source(job *j, const char *source, const int64_t strides[5], const int64_t size[3], const int64_t low[3]) {
    j->source = source;
    for (phase *f = j->phases; f < j->phases + j->phase_count; f++) {
        f->p.image_stride = strides[0];
        for (int d = 0; d < 3; d++) f->p.stride[d] = strides[d + 2], f->p.size[d] = size[d], f->p.first[d] += low[d];
        f->p.joined = strides[4] == j->from_each && (f->p.taps[2] == 1 || f->p.step[2] == 1);
    }
}

/* How far patches reach beyond the source, if a copy with that many zeros around it makes them lie where they are read; else nothing.
 * A copy that is made anyway costs little more; one of its own has to save several times as much of fetching at the edges. */
static void reach(const job *j, const int64_t size[3], int64_t row, bool copied, int64_t low[3], int64_t high[3]) {
    int64_t fetched = 0;
    double all = (double)j->s->images; /* paddings may be absurd */
    const phase *f = j->phases;
    for (int d = 0; d < 3; d++) low[d] = high[d] = 0;
    if (j->to_each > MOST_IN_PLACE || f->p.scale[2] * row * (int64_t)j->size % PAGE == 0 || f->p.places[2] < j->type->mr) return;
    for (; f < j->phases + j->phase_count; f++) {
        int64_t edges = 0, count = f->p.taps[0] * f->p.taps[1] * f->p.taps[2];
        for (int d = 0; count > 0 && d < 3; d++) {
            int64_t last = (f->p.places[d] - 1) * f->p.scale[d] + f->p.first[d] + (f->p.taps[d] - 1) * f->p.step[d];
            if (-f->p.first[d] > low[d]) low[d] = -f->p.first[d];
            if (last - size[d] + 1 > high[d]) high[d] = last - size[d] + 1;
            if (d == 2) edges = (f->p.first[d] < 0) + (last >= size[d]);
        }
        fetched += edges * count * smaller(j->type->mr, f->p.places[2]) * (f->places / f->p.places[2]);
    }
    for (int d = 0; d < 3; d++) all *= (double)low[d] + (double)size[d] + (double)high[d];
    const int64_t pixels = j->s->images * size[0] * size[1] * size[2];
    if (fetched >= (copied ? 1 : 3) * pixels && all <= 1.5 * (double)pixels) return;
    for (int d = 0; d < 3; d++) low[d] = high[d] = 0;
}

/* --- weights ------------------------------------------------------------------------------------------------------- */

/* One panel: nr columns of each k, zeros beyond the last column. Four columns at a time: more of them would fall into the same cache sets. */
#define PACK(NAME, T) \
    static void NAME(const phase *f, int64_t channels, const int64_t st[5], int64_t from_step, int64_t to_step, int64_t n, int64_t nr, \
                     const T *from, T *to) { \
        enum { SOME = 4 }; \
        int64_t run = from_step < to_step ? 16 : 1; /* along what lies closer together */ \
        int64_t cx = f->t[2].count, cy = f->t[1].count, cz = f->t[0].count, x_step = f->t[2].window_step * st[4]; \
        if (n < nr) memset(to, 0, (size_t)(f->k * nr) * sizeof(T)); \
        for (int64_t c0 = 0; c0 < channels; c0 += run) \
        for (int64_t i0 = 0; i0 < n; i0 += SOME) \
        for (int64_t c = c0; c < smaller(c0 + run, channels); c++) \
        for (int64_t z = 0; z < cz; z++) \
        for (int64_t y = 0; y < cy; y++) { \
            int64_t at = (f->t[0].window + z * f->t[0].window_step) * st[2] + (f->t[1].window + y * f->t[1].window_step) * st[3]; \
            const T *v = from + c * from_step + at + f->t[2].window * st[4] + i0 * to_step; \
            T *r = to + ((z * cy + y) * cx * channels + c) * nr + i0; \
            for (int64_t x = 0; x < cx; x++, v += x_step, r += channels * nr) { \
                if (n - i0 >= SOME) { \
                    T v0 = v[0], v1 = v[to_step], v2 = v[2 * to_step], v3 = v[3 * to_step]; \
                    r[0] = v0, r[1] = v1, r[2] = v2, r[3] = v3; \
                } else { \
                    for (int64_t i = 0; i < n - i0; i++) r[i] = v[i * to_step]; \
                } \
            } \
        } \
    }
PACK(pack_f32, float)
PACK(pack_f64, double)

static void pack_panel(const job *j, const phase *f, int64_t group, int64_t column, void *to) {
    const int64_t *st = j->w->strides;
    bool forward = j->mode == CONV_FORWARD;
    int64_t nr = j->type->nr, n = smaller(nr, j->to_each - column), from_step = forward ? st[1] : st[0], to_step = forward ? st[0] : st[1];
    int64_t base = forward ? (group * j->to_each + column) * st[0] : group * j->from_each * st[0] + column * st[1];
    if (j->size == sizeof(float)) pack_f32(f, j->from_each, st, from_step, to_step, n, nr, (const float *)tw_data(j->w) + base, to);
    else pack_f64(f, j->from_each, st, from_step, to_step, n, nr, (const double *)tw_data(j->w) + base, to);
}

static void pack_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    int64_t panels = round_up(j->to_each, j->type->nr) / j->type->nr;
    for (int64_t i = begin; i < end; i++) {
        int64_t panel = i % panels, group = i / panels % j->s->groups;
        const phase *f = &j->phases[i / panels / j->s->groups];
        int64_t at = f->weight + (group * panels + panel) * f->k * j->type->nr;
        pack_panel(j, f, group, panel * j->type->nr, j->packed + (size_t)at * j->size);
    }
}

/* --- products ------------------------------------------------------------------------------------------------------ */

static char *pixel_of(const job *j, const phase *f, int64_t place, int64_t channel) {
    const int64_t *n = f->p.places, *st = j->to->strides;
    int64_t x = place % n[2], y = place / n[2] % n[1], z = place / (n[2] * n[1]) % n[0], image = place / (n[2] * n[1] * n[0]);
    int64_t at = image * st[0] + channel * st[1];
    at += (f->start[0] + z * f->step[0]) * st[2] + (f->start[1] + y * f->step[1]) * st[3] + (f->start[2] + x * f->step[2]) * st[4];
    return (char *)tw_data(j->to) + at * (int64_t)j->size;
}

/* Finished rows of `columns` channels to the pixels that they belong to. */
static void scatter_rows(const job *j, const phase *f, int64_t place, int64_t m, int64_t channel, int64_t columns, const char *rows) {
    int64_t channel_step = j->to->strides[1], pixel_step = f->step[2] * j->to->strides[4];
    while (m > 0) {
        int64_t run = smaller(m, f->p.places[2] - place % f->p.places[2]);
        char *to = pixel_of(j, f, place, channel);
        if (channel_step == 1) {
            for (int64_t i = 0; i < run; i++) {
                memcpy(to + (size_t)(i * pixel_step) * j->size, rows + (size_t)(i * columns) * j->size, (size_t)columns * j->size);
            }
        } else {
            /* rows of pixels that follow each other are one */
            bool on = f->step[2] == 1 && f->step[1] == 1 && j->to->strides[3] == f->p.places[2] * pixel_step;
            int64_t plane = f->p.places[2] * f->p.places[1];
            if (on) run = smaller(m, plane - place % plane);
            j->type->from_last(run, columns, rows, columns, to, channel_step, pixel_step);
        }
        place += run, m -= run, rows += (size_t)(run * columns) * j->size;
    }
}

static bool is_every_pixel(const phase *f) {
    const tw_patches *p = &f->p;
    bool every = f->places == 1 || p->image_stride == p->size[0] * p->stride[0];
    for (int d = 0; d < 3; d++) every = every && p->taps[d] == 1 && p->scale[d] == 1 && p->first[d] == 0 && p->places[d] == p->size[d];
    return every && p->stride[0] == p->size[1] * p->stride[1] && p->stride[1] == p->size[2] * p->stride[2];
}

/* Elements [k, k + kc) of a patch that lies in the source as a whole. */
static int64_t pieces_of(const tw_patches *p, int64_t k, int64_t kc, tw_conv_piece *to) {
    int64_t run = p->joined ? p->taps[2] * p->channels : p->channels, count = 0;
    for (int64_t end = k + kc; k < end; count++) {
        int64_t tap = k / run, x = p->joined ? 0 : tap % p->taps[2], row = p->joined ? tap : tap / p->taps[2], skip = k - tap * run;
        int64_t at = row / p->taps[1] * p->step[0] * p->stride[0] + row % p->taps[1] * p->step[1] * p->stride[1] + x * p->step[2] * p->stride[2];
        to[count] = (tw_conv_piece){at + skip, smaller(run - skip, end - k)};
        k += to[count].n;
    }
    return count;
}

/* Where the patches of m places lie, one pixel step after the other; -1 if they do not. */
static int64_t lying(const tw_patches *p, int64_t place, int64_t m, bool every) {
    if (every) return place * p->stride[2];
    int64_t x = place % p->places[2], y = place / p->places[2], z = y / p->places[1], image = z / p->places[0];
    int64_t at[3] = {z - image * p->places[0], y - z * p->places[1], x}, sum = image * p->image_stride;
    if (x + m > p->places[2]) return -1;
    for (int d = 0; d < 3; d++) {
        int64_t first = at[d] * p->scale[d] + p->first[d], last = first + (p->taps[d] - 1) * p->step[d] + (d == 2 ? (m - 1) * p->scale[2] : 0);
        if (first < 0 || last >= p->size[d]) return -1;
        sum += first * p->stride[d];
    }
    return sum;
}

static void multiply(job *j, const phase *f, int64_t group, int64_t place, int64_t m, int64_t column, int64_t columns) {
    const tw_conv_type *type = j->type;
    _Alignas(64) char patches[TW_CONV_MAX_MR * TW_CONV_ROW * sizeof(double)];
    int64_t nr = type->nr, panels = round_up(j->to_each, nr) / nr, channel = group * j->to_each + column;
    size_t room = j->straight ? 0 : (size_t)(m * columns) * j->size;
    char *rows = j->straight ? pixel_of(j, f, place, channel) : tw_block_alloc(room);
    int64_t row = j->straight ? j->to->strides[4] : columns;
    const char *weight = j->packed + (size_t)(f->weight + (group * panels + column / nr) * f->k * nr) * j->size;
    const char *source = j->source + (size_t)(group * j->from_each) * j->size;
    tw_conv_piece pieces[TW_CONV_KC];
    int64_t a_row = f->p.scale[2] * f->p.stride[2];
    bool every = is_every_pixel(f), lies = j->to_each <= MOST_IN_PLACE && a_row * (int64_t)j->size % PAGE != 0;
    if (!rows) {
        atomic_store(&j->failed, true);
        return;
    }
    if (f->k == 0) {
        for (int64_t i = 0; i < m; i++) memset(rows + (size_t)(i * row) * j->size, 0, (size_t)columns * j->size);
    }
    for (int64_t k = 0; k < f->k; k += TW_CONV_KC) {
        int64_t kc = smaller(f->k - k, TW_CONV_KC);
        int64_t count = lies ? pieces_of(&f->p, k, kc, pieces) : 0;
        for (int64_t i = 0; i < m; i += type->mr) {
            int64_t high = smaller(m - i, type->mr), at = lies && (high == 1 || high % 2 == 0) ? lying(&f->p, place + i, high, every) : -1;
            char *to = rows + (size_t)(i * row) * j->size;
            const char *panel = weight + (size_t)(k * nr) * j->size;
            if (at >= 0) {
                type->runs(high, columns, count, pieces, source + (size_t)at * j->size, a_row, panel, f->k * nr, to, row, k > 0);
            } else {
                type->fetch(&f->p, source, place + i, high, k, kc, patches);
                type->rows(high, columns, kc, patches, panel, f->k * nr, to, row, k > 0);
            }
        }
    }
    if (j->bias) type->add_row(m, columns, j->bias + (size_t)channel * j->size, rows, row);
    if (!j->straight) {
        scatter_rows(j, f, place, m, channel, columns, rows);
        tw_block_free(rows, room);
    }
}

static void multiply_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t block = i % j->row_tasks, column = i / j->row_tasks % j->column_tasks * j->columns;
        const phase *f = j->phases;
        while (block >= f->blocks) block -= (f++)->blocks;
        int64_t place = block * j->rows;
        multiply(j, f, i / j->row_tasks / j->column_tasks, place, smaller(j->rows, f->places - place), column, smaller(j->columns, j->to_each - column));
    }
}

/* Into tasks: small enough for every thread to have some, and for the packed weights of a block of k to stay in the second-level cache. */
static int64_t split_tasks(job *j, double flops) {
    int64_t threads = tw_num_threads(), wanted = flops < 2 * TASK_FLOPS || threads == 1 ? 1 : 4 * threads, mr = j->type->mr, nr = j->type->nr;
    j->columns = smaller(round_up(j->to_each, nr), MOST_COLUMNS);
    j->rows = smaller(round_up(j->phases[0].places, mr), MOST_PLACES / mr * mr);
    /* Half of that where one task too many would be felt; not where there are so few that each reads weights which no cache holds. */
    const int64_t all = j->phase_count * j->phases[0].places / (8 * threads);
    if (threads > 1 && all >= j->rows && all < 2 * j->rows) j->rows = round_up(j->rows / 2, mr);
    for (;;) {
        j->column_tasks = (j->to_each + j->columns - 1) / j->columns;
        j->row_tasks = 0;
        for (int64_t i = 0; i < j->phase_count; i++) {
            phase *f = &j->phases[i];
            f->blocks = (f->places + j->rows - 1) / j->rows;
            j->row_tasks += f->blocks;
        }
        if (j->row_tasks * j->column_tasks * j->s->groups >= wanted) break;
        if (j->columns > 2 * nr && j->columns >= j->rows) j->columns = round_up(j->columns / 2, nr);
        else if (j->rows > mr) j->rows = round_up(j->rows / 2, mr);
        else if (j->columns > nr) j->columns = round_up(j->columns / 2, nr);
        else break;
    }
    return j->row_tasks * j->column_tasks * j->s->groups;
}

/* Are the channels of t contiguous, and its pixels equally far from each other along x? */
static bool is_last(const tw_tensor *t) { return t->strides[1] == 1 || t->sizes[1] == 1; }

bool tw_conv_last(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const void *bias, const tw_tensor *y) {
    const tw_tensor *from = mode == CONV_FORWARD ? x : y, *to = mode == CONV_FORWARD ? y : x;
    job j = {.s = s, .w = w, .to = to, .mode = mode, .bias = bias, .size = tw_dtype_size((tw_dtype)to->dtype)};
    j.type = to->dtype == TW_FLOAT32 ? &tw_conv()->f32 : &tw_conv()->f64;
    j.from_each = (mode == CONV_FORWARD ? s->channels : s->filters) / s->groups;
    j.to_each = (mode == CONV_FORWARD ? s->filters : s->channels) / s->groups;
    const int64_t channels = from->sizes[1];
    int64_t low[3], high[3], size[3];
    size_t copy_bytes = 0, packed_bytes = 0;
    char *copy = NULL;
    bool ok = false, turned = !is_last(from);
    if (!make_phases(&j)) goto done;
    reach(&j, from->sizes + 2, turned ? channels : from->strides[4], turned, low, high);
    for (int d = 0; d < 3; d++) size[d] = low[d] + from->sizes[d + 2] + high[d];
    if (turned || low[0] + low[1] + low[2] + high[0] + high[1] + high[2] > 0) {
        const int64_t row = size[2] * channels, plane = size[1] * row, image = size[0] * plane;
        copy_bytes = (size_t)(from->sizes[0] * image) * j.size;
        if (!(copy = tw_block_alloc(copy_bytes))) goto done;
        tw_conv_turn(j.type, from, low, size, copy);
        set_source(&j, copy, (int64_t[]){image, 1, plane, row, channels}, size, low);
    } else {
        set_source(&j, tw_data(from), from->strides, size, low);
    }
    const phase *last = &j.phases[j.phase_count - 1];
    int64_t panels = round_up(j.to_each, j.type->nr) / j.type->nr;
    packed_bytes = (size_t)(last->weight + last->k * panels * j.type->nr * s->groups) * j.size;
    if (packed_bytes && !(j.packed = tw_block_alloc(packed_bytes))) goto done;
    tw_parallel(panels * s->groups * j.phase_count, 1 + (1 << 15) / (w->numel / (panels * s->groups * j.phase_count) + 1), pack_some, &j);
    const int64_t *st = to->strides, *n = to->sizes;
    j.straight = j.phase_count == 1 && j.phases[0].step[2] == 1 && j.phases[0].step[1] == 1 && j.phases[0].step[0] == 1 && is_last(to) &&
                 st[3] == st[4] * n[4] && st[2] == st[3] * n[3] && (st[0] == st[2] * n[2] || n[0] == 1);
    double flops = 2.0 * (double)w->numel * (double)(y->numel / s->filters);
    int64_t tasks = split_tasks(&j, flops);
    tw_parallel(tasks, 1 + (int64_t)(TASK_FLOPS / (flops / (double)tasks + 1)), multiply_some, &j);
    ok = !atomic_load(&j.failed);
done:
    tw_block_free(copy, copy_bytes);
    tw_block_free(j.packed, packed_bytes);
    tw_free(j.phases);
    return ok;
}
