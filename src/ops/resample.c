/* Applying taps: one pass per dimension over one plane (or, channels last, one image) at a time. */
#include "ops/resample.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "ops/tile.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

typedef struct pass {
    tw_taps taps;    /* of what is summed; its divisors are not looked at here */
    void *weight;    /* in the type that is computed in */
    int shift;       /* uint8: fractional bits of the weights */
    int dim;
} pass;

#define NAME f32
#define T float
#include "ops/resample_type.h"
#define NAME f64
#define T double
#include "ops/resample_type.h"
#define NAME i64
#define T int64_t
#include "ops/resample_type.h"

/* --- taps ----------------------------------------------------------------------------------------------------------- */

bool tw_taps_new(tw_taps *t, int64_t in, int64_t out, int64_t count, bool weighted, bool divided) {
    *t = (tw_taps){.in = in, .out = out};
    t->first = tw_calloc((size_t)out + 1, sizeof *t->first);
    t->index = tw_calloc((size_t)count + 1, sizeof *t->index);
    if (weighted) t->weight = tw_calloc((size_t)count + 1, sizeof *t->weight);
    if (divided) t->divide = tw_calloc((size_t)out + 1, sizeof *t->divide);
    return t->first && t->index && (!weighted || t->weight) && (!divided || t->divide);
}

void tw_taps_free(tw_taps *t, int n) {
    for (int i = 0; i < n; i++) {
        tw_free(t[i].first), tw_free(t[i].index), tw_free(t[i].weight), tw_free(t[i].divide);
        t[i] = (tw_taps){0};
    }
}

bool tw_taps_gather(tw_taps *t, int64_t in, int64_t out) {
    if (!tw_taps_new(t, in, out, out, false, false)) return false;
    for (int64_t o = 0; o <= out; o++) t->first[o] = o;
    return true;
}

/* Taps of the transpose: of each source element, the results that it goes to, in order. */
static bool transpose(const tw_taps *t, tw_taps *into) {
    int64_t count = t->first[t->out];
    if (!tw_taps_new(into, t->out, t->in, count, t->weight != NULL, false)) return false;
    for (int64_t k = 0; k < count; k++) into->first[t->index[k] + 1]++;
    for (int64_t i = 0; i < t->in; i++) into->first[i + 1] += into->first[i];
    for (int64_t o = 0; o < t->out; o++) {
        for (int64_t k = t->first[o]; k < t->first[o + 1]; k++) {
            int64_t at = into->first[t->index[k]]++;
            into->index[at] = o;
            if (t->weight) into->weight[at] = t->weight[k];
        }
    }
    for (int64_t i = t->in; i > 0; i--) into->first[i] = into->first[i - 1];
    into->first[0] = 0;
    return true;
}

static bool is_gather(const tw_taps *t) {
    return !t->weight && !t->divide && t->first[t->out] == t->out;
}

/* --- geometry --------------------------------------------------------------------------------------------------------- */

typedef struct side { /* of x or y */
    char *data;
    tw_dtype dtype;
    int64_t image, channel, n[3], stride[3]; /* strides in elements */
    bool dense;      /* a unit is dense, in the order and dtype that passes work in */
} side;

typedef struct job {
    side x, y;
    int64_t images, channels;
    bool last;           /* a unit is an image (z, y, x, channels), else a plane (z, y, x) */
    tw_dtype compute;    /* of a component */
    int64_t inner;       /* components of an innermost element of a unit: channels, twice that for complex */
    const tw_taps *taps; /* for divisors */
    bool before, after;  /* divide */
    pass passes[3];
    int npasses;
    int64_t most;        /* components of the largest intermediate */
    atomic_bool failed;
} job;

static side side_of(const tw_tensor *t, int dims) {
    int lead = t->ndim - dims;
    side s = {.data = tw_data(t), .dtype = (tw_dtype)t->dtype, .channel = t->strides[lead - 1], .image = lead == 2 ? t->strides[0] : 0};
    for (int i = 0; i < 3; i++) {
        int d = i - (3 - dims);
        s.n[i] = d < 0 ? 1 : t->sizes[lead + d], s.stride[i] = d < 0 ? 0 : t->strides[lead + d];
    }
    return s;
}

static bool is_dense(const side *s, bool last, int64_t channels, tw_dtype compute) {
    int64_t step = last ? channels : 1;
    if (tw_dtypes[s->dtype].real != compute || (last && s->channel != 1 && channels > 1)) return false;
    for (int i = 2; i >= 0; i--) {
        if (s->n[i] != 1 && s->stride[i] != step) return false;
        step *= s->n[i];
    }
    return true;
}

static char *unit_at(const job *j, const side *s, int64_t unit) {
    int64_t image = j->last ? unit : unit / j->channels, channel = j->last ? 0 : unit % j->channels;
    return s->data + (image * s->image + channel * s->channel) * (int64_t)tw_dtype_size(s->dtype);
}

/* A unit to or from dense components; rows go through `row`, which has room for the longest, of the tensor's own dtype. */
static void transfer(const job *j, const side *s, int64_t unit, char *dense, char *row, bool store) {
    int64_t size = (int64_t)tw_dtype_size(s->dtype), length = j->last ? j->channels : s->n[2];
    int64_t step = (j->last ? s->channel : s->stride[2]) * size, columns = j->last ? s->n[2] : 1;
    bool complex = tw_is_complex(s->dtype);
    int64_t parts = complex ? 2 : 1, bytes = length * parts * (int64_t)tw_dtype_size(j->compute);
    tw_dtype part = tw_dtypes[s->dtype].real;
    int kind = tw_size_index((size_t)size);
    for (int64_t z = 0; z < s->n[0]; z++)
    for (int64_t y = 0; y < s->n[1]; y++)
    for (int64_t x = 0; x < columns; x++, dense += bytes) {
        char *p = unit_at(j, s, unit) + (z * s->stride[0] + y * s->stride[1] + x * (j->last ? s->stride[2] : 0)) * size;
        if (store) {
            tw_cast(length * parts, row, part, dense, j->compute);
            tw_move()->move[kind](length, p, step, row, size);
        } else {
            tw_move()->move[kind](length, row, size, p, step);
            tw_cast(length * parts, dense, j->compute, row, part);
        }
    }
}

/* --- passes ------------------------------------------------------------------------------------------------------------ */

/* Weights as integers with the most fractional bits that keep them within 16 (as Pillow and PyTorch do). */
static bool fix_weights(pass *p) {
    int64_t count = p->taps.first[p->taps.out];
    double most = 0;
    int32_t *to = p->weight = tw_calloc((size_t)count + 1, sizeof *to);
    if (!to) return false;
    for (int64_t k = 0; k < count; k++) most = p->taps.weight[k] > most ? p->taps.weight[k] : most;
    for (p->shift = 0; p->shift < 22; p->shift++) {
        if ((int)(0.5 + most * (double)(1 << (p->shift + 1))) >= 1 << 15) break;
    }
    for (int64_t k = 0; k < count; k++) {
        double w = p->taps.weight[k] * (double)(1 << p->shift);
        to[k] = w < 0 ? (int)(-0.5 + w) : (int)(0.5 + w);
    }
    return true;
}

static bool copy_weights(pass *p, tw_dtype compute) {
    if (compute == TW_UINT8) return fix_weights(p);
    if (!p->taps.weight) return true;
    int64_t count = p->taps.first[p->taps.out];
    p->weight = tw_calloc((size_t)count + 1, tw_dtype_size(compute));
    if (p->weight) tw_cast(count, p->weight, compute, p->taps.weight, TW_FLOAT64);
    return p->weight != NULL;
}

static void pass_u8(const pass *p, int64_t a, int64_t b, const void *from, void *into) {
    const uint8_t *x = from;
    const int32_t *weight = p->weight;
    const tw_taps *t = &p->taps;
    uint8_t *y = into;
    for (int64_t i = 0; i < a; i++, x += t->in * b) {
        for (int64_t o = 0; o < t->out; o++) {
            for (int64_t j = 0; j < b; j++) {
                int32_t sum = p->shift ? 1 << (p->shift - 1) : 0;
                for (int64_t k = t->first[o]; k < t->first[o + 1]; k++) sum += weight[k] * x[t->index[k] * b + j];
                sum >>= p->shift;
                *y++ = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
            }
        }
    }
}

static void run_pass(const job *j, const pass *p, int64_t a, int64_t b, const void *from, void *to) {
    switch (j->compute) {
    case TW_FLOAT32: pass_f32(p, a, b, from, to); break;
    case TW_FLOAT64: pass_f64(p, a, b, from, to); break;
    case TW_UINT8: pass_u8(p, a, b, from, to); break;
    default: pass_i64(p, a, b, from, to); break;
    }
}

static void run_divide(const job *j, const int64_t n[3], void *values) {
    switch (j->compute) {
    case TW_FLOAT32: divide_f32(j->taps, n, j->inner, values); break;
    case TW_FLOAT64: divide_f64(j->taps, n, j->inner, values); break;
    default: divide_i64(j->taps, n, j->inner, values); break;
    }
}

static void run_units(void *context, int64_t begin, int64_t end) {
    job *j = context;
    size_t size = tw_dtype_size(j->compute), bytes = (size_t)j->most * size;
    int64_t longest = j->channels > j->x.n[2] ? j->channels : j->x.n[2];
    if (j->y.n[2] > longest) longest = j->y.n[2];
    size_t row_bytes = (size_t)longest * 16;
    char *room[2] = {tw_block_alloc(bytes), tw_block_alloc(bytes)}, *row = tw_block_alloc(row_bytes);
    if (!room[0] || !room[1] || !row) atomic_store(&j->failed, true);
    for (int64_t u = begin; u < end && !atomic_load(&j->failed); u++) {
        int64_t n[3] = {j->x.n[0], j->x.n[1], j->x.n[2]};
        char *now = room[0], *to = unit_at(j, &j->y, u);
        if (j->x.dense && !j->before) now = unit_at(j, &j->x, u);
        else transfer(j, &j->x, u, now, row, false);
        if (j->before) run_divide(j, n, now);
        for (int i = 0; i < j->npasses; i++) {
            const pass *p = &j->passes[i];
            int64_t a = 1, b = j->inner;
            for (int d = 0; d < 3; d++) {
                if (d < p->dim) a *= n[d];
                else if (d > p->dim) b *= n[d];
            }
            char *next = i == j->npasses - 1 && j->y.dense ? to : now == room[0] ? room[1] : room[0];
            run_pass(j, p, a, b, now, next);
            n[p->dim] = p->taps.out;
            now = next;
        }
        if (j->after) run_divide(j, n, now);
        if (now != to) transfer(j, &j->y, u, now, row, true);
    }
    tw_block_free(room[0], bytes), tw_block_free(room[1], bytes), tw_block_free(row, row_bytes);
}

/* Shrinking passes come first, growing ones last: the least work. uint8 is rounded after each pass, so its order is PyTorch's: x first. */
static void order_passes(job *j) {
    for (int i = 1; i < j->npasses; i++) {
        for (int k = i; k > 0; k--) {
            pass *p = &j->passes[k - 1], *q = &j->passes[k], swap;
            double before = (double)p->taps.out / (double)p->taps.in, after = (double)q->taps.out / (double)q->taps.in;
            bool later = j->compute == TW_UINT8 || after < before || (after == before && after >= 1);
            if (!later) break;
            swap = *p, *p = *q, *q = swap;
        }
    }
}

static bool prepare(job *j, const tw_taps *taps, int dims, bool transposed) {
    int64_t n[3] = {j->x.n[0], j->x.n[1], j->x.n[2]};
    for (int i = 3 - dims; i < 3; i++) {
        const tw_taps *t = &taps[i];
        if (!t->first) continue;
        pass *p = &j->passes[j->npasses++];
        *p = (pass){.dim = i};
        bool ok = true;
        if (transposed) ok = transpose(t, &p->taps);
        else p->taps = *t;
        if (!ok || !copy_weights(p, j->compute)) return false;
    }
    order_passes(j);
    j->most = n[0] * n[1] * n[2] * j->inner;
    for (int i = 0; i < j->npasses; i++) {
        n[j->passes[i].dim] = j->passes[i].taps.out;
        int64_t now = n[0] * n[1] * n[2] * j->inner;
        if (now > j->most) j->most = now;
    }
    return true;
}

/* --- results of one tap each: elements are moved ------------------------------------------------------------------------- */

/* One element for each index; neighbours are often the same, so that runs would be short. */
#define PICK(NAME, T) \
    static void NAME(int64_t n, const int64_t *index, const char *from, char *to) { \
        const T *x = (const T *)(const void *)from; \
        T *y = (T *)(void *)to; \
        for (int64_t i = 0; i < n; i++) y[i] = x[index[i]]; \
    }
PICK(pick_8, uint8_t)
PICK(pick_16, uint16_t)
PICK(pick_32, uint32_t)
PICK(pick_64, uint64_t)

static bool pick(int64_t size, int64_t n, const int64_t *index, const char *from, char *to) {
    switch (size) {
    case 1: pick_8(n, index, from, to); return true;
    case 2: pick_16(n, index, from, to); return true;
    case 4: pick_32(n, index, from, to); return true;
    case 8: pick_64(n, index, from, to); return true;
    default: return false;
    }
}

static void move_units(void *context, int64_t begin, int64_t end) {
    job *j = context;
    int64_t size = (int64_t)tw_dtype_size(j->x.dtype), run = j->last ? j->channels : 1;
    const side *sx = &j->x, *sy = &j->y;
    int kind = tw_size_index((size_t)size);
    const int64_t *iz = j->taps[0].index, *iy = j->taps[1].index, *ix = j->taps[2].index;
    for (int64_t u = begin; u < end; u++)
    for (int64_t z = 0; z < sy->n[0]; z++)
    for (int64_t y = 0; y < sy->n[1]; y++) {
        const char *from = unit_at(j, sx, u) + ((iz ? iz[z] : z) * sx->stride[0] + (iy ? iy[y] : y) * sx->stride[1]) * size;
        char *to = unit_at(j, sy, u) + (z * sy->stride[0] + y * sy->stride[1]) * size;
        int64_t fx = sx->stride[2] * size, tx = sy->stride[2] * size;
        bool rows = tx == size * run && (run == 1 || sy->channel == 1);
        if (rows && y > 0 && iy && iy[y] == iy[y - 1]) { /* the row before once more */
            memcpy(to, to - sy->stride[1] * size, (size_t)(sy->n[2] * run * size));
            continue;
        }
        if (rows && run == 1 && ix && fx == size && pick(size, sy->n[2], ix, from, to)) continue;
        if (run > 1) {
            bool dense = sx->channel == 1 && sy->channel == 1;
            for (int64_t x = 0; x < sy->n[2]; x++) {
                if (dense) memcpy(to + x * tx, from + (ix ? ix[x] : x) * fx, (size_t)(run * size));
                else tw_move()->move[kind](run, to + x * tx, sy->channel * size, from + (ix ? ix[x] : x) * fx, sx->channel * size);
            }
            continue;
        }
        for (int64_t x = 0; x < sy->n[2];) { /* runs of neighbours are moved at once */
            int64_t first = ix ? ix[x] : x, n = 1;
            while (x + n < sy->n[2] && (ix ? ix[x + n] : x + n) == first + n) n++;
            if (n == 1) memcpy(to + x * tx, from + first * fx, (size_t)size);
            else tw_move()->move[kind](n, to + x * tx, tx, from + first * fx, fx);
            x += n;
        }
    }
}

bool tw_resample_run(const tw_taps *taps, int dims, bool transposed, const tw_tensor *x, const tw_tensor *y) {
    if (y->numel == 0) return true;
    int lead = y->ndim - dims;
    job j = {.x = side_of(x, dims), .y = side_of(y, dims), .channels = y->sizes[lead - 1], .images = lead == 2 ? y->sizes[0] : 1, .taps = taps};
    bool gather = !transposed, ok = true;
    for (int i = 0; i < 3; i++) {
        bool divides = taps[i].divide != NULL;
        j.before = j.before || (transposed && divides), j.after = j.after || (!transposed && divides);
        gather = gather && (!taps[i].first || is_gather(&taps[i]));
    }
    j.last = j.y.channel == 1 && j.channels > 1 && j.y.n[0] * j.y.n[1] * j.y.n[2] > 1;
    int64_t units = j.last ? j.images : j.images * j.channels;
    if (gather) {
        tw_parallel(units, 1 + 16384 / (y->numel / units + 1), move_units, &j);
        return true;
    }
    bool complex = tw_is_complex(j.x.dtype);
    j.compute = tw_dtypes[tw_dtypes[j.x.dtype].real].compute;
    j.inner = (j.last ? j.channels : 1) * (complex ? 2 : 1);
    j.x.dense = is_dense(&j.x, j.last, j.channels, j.compute), j.y.dense = is_dense(&j.y, j.last, j.channels, j.compute);
    ok = prepare(&j, taps, dims, transposed);
    if (ok) tw_parallel(units, 1 + 16384 / ((x->numel + y->numel) / units + 1), run_units, &j);
    for (int i = 0; i < j.npasses; i++) {
        if (transposed) tw_taps_free(&j.passes[i].taps, 1);
        tw_free(j.passes[i].weight);
    }
    if (ok && atomic_load(&j.failed)) ok = tw_failed() ? false : tw_fail_memory(0);
    return ok;
}
