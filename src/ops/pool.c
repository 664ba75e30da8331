/* max_pool2d_with_indices, and the two linear ops that are its gradients of every order. */
#include "core/threads.h"
#include "ops/conv.h"
#include "ops/op.h"
#include <math.h>

typedef struct pool_shape { int64_t images, channels, in[2], out[2], window[2], stride[2], padding[2], dilation[2]; } pool_shape;
typedef struct planes { void *data; int64_t image, channel, y, x; } planes; /* strides in elements */
typedef struct pool_job { pool_shape s; planes x, v, at; } pool_job;

static inline uint16_t add_half(uint16_t a, uint16_t b) { return tw_float_to_half(tw_half_to_float(a) + tw_half_to_float(b)); }
static inline uint16_t add_bfloat(uint16_t a, uint16_t b) { return tw_float_to_bfloat(tw_bfloat_to_float(a) + tw_bfloat_to_float(b)); }

#define NAME u8
#define T uint8_t
#define LOAD(x) (x)
#define IS_NAN(x) false
#define LOWEST 0
#include "ops/pool_plain.h"
#define NAME i8
#define T int8_t
#define LOAD(x) (x)
#define IS_NAN(x) false
#define LOWEST INT8_MIN
#include "ops/pool_plain.h"
#define NAME i16
#define T int16_t
#define LOAD(x) (x)
#define IS_NAN(x) false
#define LOWEST INT16_MIN
#include "ops/pool_plain.h"
#define NAME i32
#define T int32_t
#define LOAD(x) (x)
#define IS_NAN(x) false
#define LOWEST INT32_MIN
#include "ops/pool_plain.h"
#define NAME i64
#define T int64_t
#define LOAD(x) (x)
#define IS_NAN(x) false
#define LOWEST INT64_MIN
#include "ops/pool_plain.h"
#define NAME f32
#define T float
#define LOAD(x) (x)
#define IS_NAN(x) ((x) != (x))
#define LOWEST -INFINITY
#define ADD(x, y) ((x) + (y))
#include "ops/pool_plain.h"
#define NAME f64
#define T double
#define LOAD(x) (x)
#define IS_NAN(x) ((x) != (x))
#define LOWEST -INFINITY
#define ADD(x, y) ((x) + (y))
#include "ops/pool_plain.h"
#define NAME f16
#define T uint16_t
#define LOAD(x) tw_half_to_float(x)
#define IS_NAN(x) (tw_half_to_float(x) != tw_half_to_float(x))
#define LOWEST 0xfc00
#define ADD(x, y) add_half(x, y)
#include "ops/pool_plain.h"
#define NAME bf16
#define T uint16_t
#define LOAD(x) tw_bfloat_to_float(x)
#define IS_NAN(x) (tw_bfloat_to_float(x) != tw_bfloat_to_float(x))
#define LOWEST 0xff80
#define ADD(x, y) add_bfloat(x, y)
#include "ops/pool_plain.h"

typedef float f4 __attribute__((vector_size(16)));
typedef float f4u __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t i4 __attribute__((vector_size(16)));

/* best and its index k, or q and i where q is larger or NaN. */
static inline void take(f4 *best, i4 *k, f4 q, int32_t i) {
    i4 wins = (q > *best) | (q != q), other = {i, i, i, i};
    *best = (f4)((wins & (i4)q) | (~wins & (i4)*best));
    *k = (wins & other) | (~wins & *k);
}

/* Four neighbouring windows of 2 x 2, over rows a and b. */
static inline void four_pairs(const float *a, const float *b, int32_t width, f4 *best, i4 *k) {
    f4 a0 = *(const f4u *)a, a1 = *(const f4u *)(a + 4), b0 = *(const f4u *)b, b1 = *(const f4u *)(b + 4);
    i4 even = {0, 2, 4, 6}, odd = {1, 3, 5, 7};
    *best = __builtin_shuffle(a0, a1, even);
    *k = (i4){0, 0, 0, 0};
    take(best, k, __builtin_shuffle(a0, a1, odd), 1);
    take(best, k, __builtin_shuffle(b0, b1, even), width);
    take(best, k, __builtin_shuffle(b0, b1, odd), width + 1);
}

/* Windows of 2 x 2 side by side over contiguous planes. The order of comparisons is that of the general kernel. */
static void pairs_f32(void *context, int64_t begin, int64_t end) {
    const pool_job *j = context;
    for (int64_t p = begin; p < end; p++) {
        int64_t image = p / j->s.channels, channel = p % j->s.channels, width = j->s.in[1], n = j->s.out[1];
        const float *x = (const float *)j->x.data + image * j->x.image + channel * j->x.channel;
        float *v = (float *)j->v.data + image * j->v.image + channel * j->v.channel;
        int64_t *at = (int64_t *)j->at.data + image * j->at.image + channel * j->at.channel;
        for (int64_t oy = 0; oy < j->s.out[0]; oy++) {
            for (int64_t ox = 0; ox < n; ox += 4) {
                int64_t from = 2 * oy * width + 2 * ox, now = n - ox < 4 ? n - ox : 4;
                float row[2][8] = {{0}};
                const float *a = x + from, *b = a + width;
                f4 best;
                i4 k;
                if (now < 4) {
                    for (int64_t i = 0; i < 2 * now; i++) row[0][i] = a[i], row[1][i] = b[i];
                    a = row[0], b = row[1];
                }
                four_pairs(a, b, (int32_t)width, &best, &k);
                for (int64_t i = 0; i < now; i++) {
                    v[oy * j->v.y + (ox + i) * j->v.x] = best[i];
                    at[oy * j->at.y + (ox + i) * j->at.x] = from + 2 * i + k[i];
                }
            }
        }
    }
}

static bool is_pairs(const pool_job *j) {
    const pool_shape *s = &j->s;
    for (int d = 0; d < 2; d++) {
        if (s->window[d] != 2 || s->stride[d] != 2 || s->padding[d] != 0 || s->dilation[d] != 1 || 2 * s->out[d] > s->in[d]) return false;
    }
    return j->x.x == 1 && j->x.y == s->in[1] && s->in[1] < INT32_MAX;
}

static planes planes_of(const tw_tensor *t) { /* of the last two of 3 or 4 dimensions */
    const int64_t *d = t->strides + (t->ndim - 3);
    return (planes){tw_data(t), t->ndim == 4 ? t->strides[0] : 0, d[0], d[1], d[2]};
}

static int64_t planes_count(const tw_tensor *t) { return t->ndim == 4 ? t->sizes[0] * t->sizes[1] : t->sizes[0]; }

static void run_planes(pool_job *j, int64_t n, void (*body)(void *, int64_t, int64_t)) {
    int64_t work = j->s.in[0] * j->s.in[1] + j->s.out[0] * j->s.out[1] + 1;
    tw_parallel(n, 20000 / work + 1, body, j);
}

/* --- max_pool2d_with_indices ------------------------------------------------------------------------------------------- */

static bool pair(const tw_arg *a, const char *text, int64_t into[2]) {
    if (a->tag != TW_ARG_INTS) {
        into[0] = into[1] = tw_a_get_int(a, 1);
        return true;
    }
    if (a->n != 1 && a->n != 2) return tw_fail(TW_RUNTIME_ERROR, "max_pool2d: %s", text);
    into[0] = a->ints[0], into[1] = a->ints[a->n - 1];
    return true;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static bool pooled_size(pool_shape *s, int d, bool ceil_mode) {
    if (s->stride[d] == 0) return tw_fail(TW_RUNTIME_ERROR, "stride should not be zero");
    if (s->padding[d] < 0) return tw_fail(TW_RUNTIME_ERROR, "pad must be non-negative, but got pad: %lld", (long long)s->padding[d]);
    if (s->padding[d] > ((s->window[d] - 1) * s->dilation[d] + 1) / 2) {
        return tw_fail(TW_RUNTIME_ERROR, "pad should be at most half of effective kernel size, but got pad=%lld, kernel_size=%lld and "
                       "dilation=%lld", (long long)s->padding[d], (long long)s->window[d], (long long)s->dilation[d]);
    }
    int64_t span = s->in[d] + 2 * s->padding[d] - s->dilation[d] * (s->window[d] - 1) - 1 + (ceil_mode ? s->stride[d] - 1 : 0);
    s->out[d] = floor_div(span, s->stride[d]) + 1;
    if (ceil_mode && (s->out[d] - 1) * s->stride[d] >= s->in[d] + s->padding[d]) s->out[d]--;
    return true;
}

static bool check_pool(const tw_tensor *x, const pool_shape *s) {
    if (s->window[0] <= 0 || s->window[1] <= 0) {
        return tw_fail(TW_RUNTIME_ERROR, "kernel size should be greater than zero, but got kH: %lld kW: %lld", (long long)s->window[0],
                       (long long)s->window[1]);
    }
    if (s->stride[0] <= 0 || s->stride[1] <= 0) {
        return tw_fail(TW_RUNTIME_ERROR, "stride should be greater than zero, but got dH: %lld dW: %lld", (long long)s->stride[0],
                       (long long)s->stride[1]);
    }
    if (s->dilation[0] <= 0 || s->dilation[1] <= 0) {
        return tw_fail(TW_RUNTIME_ERROR, "dilation should be greater than zero, but got dilationH: %lld dilationW: %lld",
                       (long long)s->dilation[0], (long long)s->dilation[1]);
    }
    if (s->channels == 0 || s->in[0] == 0 || s->in[1] == 0) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:%s",
                       tw_sizes_text(x->sizes, x->ndim));
    }
    if (s->out[0] >= 1 && s->out[1] >= 1) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Given input size: (%lldx%lldx%lld). Calculated output size: (%lldx%lldx%lld). Output size is too small",
                   (long long)s->channels, (long long)s->in[0], (long long)s->in[1], (long long)s->channels, (long long)s->out[0],
                   (long long)s->out[1]);
}

static bool read_pool(const tw_arg *a, pool_shape *s) {
    const tw_tensor *x = a[0].t;
    bool ceil_mode = tw_a_get_int(&a[5], 0) != 0;
    if (!pair(&a[1], "kernel_size must either be a single int, or a tuple of two ints", s->window)) return false;
    if (a[2].tag == TW_ARG_NONE || (a[2].tag == TW_ARG_INTS && a[2].n == 0)) {
        s->stride[0] = s->window[0], s->stride[1] = s->window[1];
    } else if (!pair(&a[2], "stride must either be omitted, a single int, or a tuple of two ints", s->stride)) {
        return false;
    }
    if (a[3].tag == TW_ARG_NONE) s->padding[0] = s->padding[1] = 0;
    else if (!pair(&a[3], "padding must either be a single int, or a tuple of two ints", s->padding)) return false;
    if (!pair(&a[4], "dilation must be either a single int, or a tuple of two ints", s->dilation)) return false;
    if (x->ndim != 3 && x->ndim != 4) return tw_fail(TW_RUNTIME_ERROR, "non-empty 3D or 4D (batch mode) tensor expected for input");
    s->images = x->ndim == 4 ? x->sizes[0] : 1;
    s->channels = x->sizes[x->ndim - 3], s->in[0] = x->sizes[x->ndim - 2], s->in[1] = x->sizes[x->ndim - 1];
    return pooled_size(s, 0, ceil_mode) && pooled_size(s, 1, ceil_mode) && check_pool(x, s);
}

bool tw_max_pool2d_with_indices_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t;
    pool_shape s = {0};
    if (!read_pool(a, &s)) return false;
    int64_t sizes[] = {s.images, s.channels, s.out[0], s.out[1]};
    int skip = 4 - x->ndim;
    for (int i = 0; i < 2; i++) {
        if (!tw_meta_set(&out[i], i ? TW_INT64 : (tw_dtype)x->dtype, x->device, sizes + skip, x->ndim)) return false;
        if (tw_wants_channels_last(x)) tw_format_strides(sizes, 4, TW_CHANNELS_LAST, out[i].strides);
    }
    return true;
}

bool tw_max_pool2d_with_indices_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *x = a[0].t;
    pool_job j = {.x = planes_of(x), .v = planes_of(out[0]), .at = planes_of(out[1])};
    void (*body)(void *, int64_t, int64_t);
    if (!read_pool(a, &j.s)) return false;
    if (out[0]->numel == 0) return true;
    switch (x->dtype) {
    case TW_UINT8: body = forward_u8; break;
    case TW_INT8: body = forward_i8; break;
    case TW_INT16: body = forward_i16; break;
    case TW_INT32: body = forward_i32; break;
    case TW_INT64: body = forward_i64; break;
    case TW_FLOAT16: body = forward_f16; break;
    case TW_BFLOAT16: body = forward_bf16; break;
    case TW_FLOAT32: body = is_pairs(&j) ? pairs_f32 : forward_f32; break;
    case TW_FLOAT64: body = forward_f64; break;
    default: return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"max_pool2d\" not implemented for '%s'", tw_dtypes[x->dtype].type_name);
    }
    run_planes(&j, planes_count(x), body);
    return true;
}

/* --- _max_pool2d_scatter, _max_pool2d_gather ---------------------------------------------------------------------------- */

static bool run_linear(const tw_tensor *x, const tw_tensor *v, const tw_tensor *at, bool scatter) {
    int skip = x->ndim - 3;
    pool_job j = {.x = planes_of(x), .v = planes_of(v), .at = planes_of(at)};
    void (*body)(void *, int64_t, int64_t);
    j.s.channels = x->sizes[skip];
    for (int i = 0; i < 2; i++) j.s.in[i] = x->sizes[skip + 1 + i], j.s.out[i] = v->sizes[skip + 1 + i];
    switch (x->dtype) {
    case TW_FLOAT16: body = scatter ? scatter_f16 : gather_f16; break;
    case TW_BFLOAT16: body = scatter ? scatter_bf16 : gather_bf16; break;
    case TW_FLOAT32: body = scatter ? scatter_f32 : gather_f32; break;
    case TW_FLOAT64: body = scatter ? scatter_f64 : gather_f64; break;
    default: return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"max_pool2d_backward\" not implemented for '%s'", tw_dtypes[x->dtype].type_name);
    }
    run_planes(&j, planes_count(x), body);
    return true;
}

bool tw__max_pool2d_scatter_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *g = a[0].t, *self = a[1].t, *at = a[2].t;
    bool fits = (g->ndim == 3 || g->ndim == 4) && at->ndim == g->ndim && self->ndim == g->ndim && at->dtype == TW_INT64;
    for (int i = 0; fits && i < g->ndim; i++) fits = g->sizes[i] == at->sizes[i];
    if (!fits) return tw_fail(TW_RUNTIME_ERROR, "max_pool2d gradient: sizes of gradient, indices and input do not fit");
    if (!tw_meta_set(out, (tw_dtype)g->dtype, g->device, self->sizes, self->ndim)) return false;
    if (tw_wants_channels_last(self)) tw_format_strides(self->sizes, 4, TW_CHANNELS_LAST, out->strides);
    return true;
}

bool tw__max_pool2d_scatter_run(const tw_arg *a, tw_tensor **out) { return run_linear(out[0], a[0].t, a[2].t, true); }

bool tw__max_pool2d_gather_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *at = a[1].t;
    if ((x->ndim != 3 && x->ndim != 4) || at->ndim != x->ndim || at->dtype != TW_INT64) {
        return tw_fail(TW_RUNTIME_ERROR, "max_pool2d gradient: sizes of gradient, indices and input do not fit");
    }
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, at->sizes, at->ndim)) return false;
    if (tw_wants_channels_last(at)) tw_format_strides(at->sizes, 4, TW_CHANNELS_LAST, out->strides);
    return true;
}

bool tw__max_pool2d_gather_run(const tw_arg *a, tw_tensor **out) { return run_linear(a[0].t, out[0], a[1].t, false); }
