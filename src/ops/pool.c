/* Max pooling of every kind (sliding windows, adaptive, fractional), and the two linear ops that are its gradients of every order;
 * unpooling, which is one of them. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/maxima.h"
#include "ops/conv.h"
#include "ops/pooling.h"
#include <math.h>
#include <stdatomic.h>

typedef struct volume { void *data; int64_t image, channel, stride[3]; } volume; /* strides in elements */
typedef struct windows { int64_t *first, *last, step; } windows; /* of each place along a dimension: [first, last), every step-th */

typedef struct pool_job {
    int64_t channels, in[3], out[3];
    volume x, v, at;
    windows w[3];            /* the same for all planes; or of each by itself: */
    const tw_tensor *samples;
    int64_t window[3];       /* with samples */
    int dims;
    int64_t stride, padding; /* of the last dimension, where windows are regular */
    bool assign;
    atomic_bool failed;
    _Atomic int64_t bad;     /* an index outside, plus one for the sign: 0 is none */
} pool_job;

static int64_t offset(const pool_job *j, const volume *v, int64_t plane) {
    return plane / j->channels * v->image + plane % j->channels * v->channel;
}

static inline int64_t place(const pool_job *j, int64_t k) { /* of index k in a volume of x */
    if (j->x.stride[1] == j->in[2] * j->x.stride[2] && j->in[0] == 1) return k * j->x.stride[2];
    int64_t row = k / j->in[2];
    return row / j->in[1] * j->x.stride[0] + row % j->in[1] * j->x.stride[1] + k % j->in[2] * j->x.stride[2];
}

static inline bool inside(pool_job *j, int64_t k) {
    if (k >= 0 && k < j->in[0] * j->in[1] * j->in[2]) return true;
    atomic_store(&j->bad, k < 0 || k == INT64_MAX ? k : k + 1);
    return false;
}

static const windows *windows_of(pool_job *j, int64_t plane, windows own[3], int64_t **room);

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

/* --- float32: whole rows at a time --------------------------------------------------------------------------------------- */

typedef struct row_state { float *best; int32_t *at; } row_state; /* of a row of results, or of all channels of one */

static void row_start(row_state *r, int64_t n, int64_t first, const int64_t *each) {
    for (int64_t i = 0; i < n; i++) r->best[i] = -INFINITY, r->at[i] = (int32_t)(first + (each ? each[i] : 0));
}

/* Row (oz, oy) of results, one plane: for each place in the window, all results that it lies inside the plane for. */
static void row_of_plane(const pool_job *j, const float *x, int64_t oz, int64_t oy, row_state *r) {
    const windows *w = j->w;
    int64_t n = j->out[2], stride = j->stride, reach = w[2].step;
    row_start(r, n, (w[0].first[oz] * j->in[1] + w[1].first[oy]) * j->in[2], w[2].first);
    for (int64_t z = w[0].first[oz]; z < w[0].last[oz]; z += w[0].step)
    for (int64_t y = w[1].first[oy]; y < w[1].last[oy]; y += w[1].step) {
        const float *row = x + z * j->x.stride[0] + y * j->x.stride[1];
        int64_t base = (z * j->in[1] + y) * j->in[2];
        for (int64_t k = 0; k < j->window[2]; k++) {
            int64_t start = k * reach - j->padding; /* source of result o is start + o * stride */
            int64_t low = start >= 0 ? 0 : (-start + stride - 1) / stride, high = (j->in[2] - start + stride - 1) / stride;
            if (start >= j->in[2]) continue;
            if (high > n) high = n;
            if (low >= high) continue;
            tw_maxima()->max_row(high - low, row + start + low * stride, stride, r->best + low, r->at + low,
                                 (int32_t)(base + start + low * stride), (int32_t)stride);
        }
    }
}

static void store_row(row_state *r, int64_t n, float *v, int64_t v_step, int64_t *at, int64_t at_step) {
    for (int64_t i = 0; i < n; i++) v[i * v_step] = r->best[i], at[i * at_step] = r->at[i];
}

static bool row_room(pool_job *j, int64_t n, row_state *r) {
    r->best = tw_malloc((size_t)(n + 1) * (sizeof(float) + sizeof(int32_t)));
    if (!r->best) return atomic_store(&j->failed, true), false;
    r->at = (int32_t *)(void *)(r->best + n);
    return true;
}

static void planes_f32(void *context, int64_t begin, int64_t end) {
    pool_job *j = context;
    row_state r;
    if (!row_room(j, j->out[2], &r)) return;
    for (int64_t p = begin; p < end; p++) {
        const float *x = (const float *)j->x.data + offset(j, &j->x, p);
        float *v = (float *)j->v.data + offset(j, &j->v, p);
        int64_t *at = (int64_t *)j->at.data + offset(j, &j->at, p);
        for (int64_t oz = 0; oz < j->out[0]; oz++)
        for (int64_t oy = 0; oy < j->out[1]; oy++) {
            row_of_plane(j, x, oz, oy, &r);
            store_row(&r, j->out[2], v + oz * j->v.stride[0] + oy * j->v.stride[1], j->v.stride[2],
                      at + oz * j->at.stride[0] + oy * j->at.stride[1], j->at.stride[2]);
        }
    }
    tw_free(r.best);
}

static int64_t longest(windows w, int64_t n) {
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t now = (w.last[i] - w.first[i] + w.step - 1) / w.step;
        if (now > most) most = now;
    }
    return most;
}

/* Channels last: all channels of one result. A unit is a row of results of an image. */
static void channels_f32(void *context, int64_t begin, int64_t end) {
    pool_job *j = context;
    const windows *w = j->w;
    int64_t most = longest(w[0], j->out[0]) * longest(w[1], j->out[1]) * longest(w[2], j->out[2]) + 1;
    const float **from = tw_malloc((size_t)most * (sizeof *from + sizeof(int32_t)));
    if (!from) {
        atomic_store(&j->failed, true);
        return;
    }
    int32_t *number = (int32_t *)(void *)(from + most);
    for (int64_t u = begin; u < end; u++) {
        int64_t oy = u % j->out[1], oz = u / j->out[1] % j->out[0], image = u / (j->out[1] * j->out[0]);
        const float *x = (const float *)j->x.data + image * j->x.image;
        for (int64_t ox = 0; ox < j->out[2]; ox++) {
            int64_t n = 0;
            number[0] = (int32_t)((w[0].first[oz] * j->in[1] + w[1].first[oy]) * j->in[2] + w[2].first[ox]);
            for (int64_t z = w[0].first[oz]; z < w[0].last[oz]; z += w[0].step)
            for (int64_t y = w[1].first[oy]; y < w[1].last[oy]; y += w[1].step)
            for (int64_t i = w[2].first[ox]; i < w[2].last[ox]; i += w[2].step, n++) {
                from[n] = x + z * j->x.stride[0] + y * j->x.stride[1] + i * j->x.stride[2];
                number[n] = (int32_t)((z * j->in[1] + y) * j->in[2] + i);
            }
            tw_maxima()->max_window(j->channels, n, from, number,
                                    (float *)j->v.data + image * j->v.image + oz * j->v.stride[0] + oy * j->v.stride[1] + ox * j->v.stride[2],
                                    (int64_t *)j->at.data + image * j->at.image + oz * j->at.stride[0] + oy * j->at.stride[1] + ox * j->at.stride[2]);
        }
    }
    tw_free(from);
}

/* --- windows -------------------------------------------------------------------------------------------------------------- */

static bool windows_new(pool_job *j) {
    bool ok = true;
    for (int d = 0; d < 3; d++) {
        j->w[d].step = 1;
        j->w[d].first = tw_calloc((size_t)j->out[d] + 1, 2 * sizeof(int64_t));
        ok = ok && j->w[d].first;
        if (ok) j->w[d].last = j->w[d].first + j->out[d];
    }
    return ok;
}

static void windows_free(pool_job *j) {
    for (int d = 0; d < 3; d++) tw_free(j->w[d].first);
}

static void sliding(pool_job *j, const tw_pooling *p) {
    for (int d = 0; d < 3; d++) {
        j->w[d].step = p->dilation[d], j->window[d] = p->window[d];
        for (int64_t o = 0; o < p->out[d]; o++) {
            int64_t first = o * p->stride[d] - p->padding[d], last = first + (p->window[d] - 1) * p->dilation[d] + 1;
            while (first < 0) first += p->dilation[d];
            j->w[d].first[o] = first, j->w[d].last[o] = last > p->in[d] ? p->in[d] : last;
        }
    }
    j->stride = p->stride[2], j->padding = p->padding[2];
}

static void adaptive(pool_job *j) {
    for (int d = 0; d < 3; d++) {
        for (int64_t o = 0; o < j->out[d]; o++) {
            j->w[d].first[o] = o * j->in[d] / j->out[d], j->w[d].last[o] = ((o + 1) * j->in[d] + j->out[d] - 1) / j->out[d];
        }
    }
}

/* Half types round after each step, as PyTorch computes in them here. */
static double rounded(double x, tw_dtype d) {
    if (d == TW_FLOAT64) return x;
    if (d == TW_FLOAT16) return (double)tw_half_to_float(tw_float_to_half((float)x));
    if (d == TW_BFLOAT16) return (double)tw_bfloat_to_float(tw_float_to_bfloat((float)x));
    return (double)(float)x;
}

/* Graham 2014, "Fractional max-pooling": starts from one random number per dimension, spread evenly; the last window ends the dimension. */
static const windows *windows_of(pool_job *j, int64_t plane, windows own[3], int64_t **room) {
    if (!j->samples) return j->w;
    const tw_tensor *s = j->samples;
    tw_dtype dtype = (tw_dtype)s->dtype;
    if (!*room) *room = tw_calloc((size_t)(j->out[0] + j->out[1] + j->out[2]) + 1, 2 * sizeof **room);
    if (!*room) return atomic_store(&j->failed, true), NULL;
    int64_t *to = *room;
    for (int d = 0; d < 3; d++) {
        int64_t n = j->out[d], given = j->dims == 2 ? 2 - d : d; /* of two numbers, the first is for the width */
        own[d] = (windows){to, to + n, 1};
        to += 2 * n;
        if (d < 3 - j->dims) {
            own[d].first[0] = 0, own[d].last[0] = 1;
            continue;
        }
        int64_t at = plane / j->channels * s->strides[0] + plane % j->channels * s->strides[1] + given * s->strides[2];
        double sample = tw_scalar_double(tw_load_scalar((const char *)tw_data(s) + at * (int64_t)tw_dtype_size(dtype), dtype));
        double alpha = n > 1 ? rounded(rounded((double)(j->in[d] - j->window[d]), dtype) / rounded((double)(n - 1), dtype), dtype) : 0;
        for (int64_t o = 0; o < n; o++) {
            int64_t first = j->in[d] - j->window[d];
            if (o < n - 1) {
                double sum = rounded(rounded((double)o, dtype) + sample, dtype);
                first = (int64_t)rounded(sum * alpha, dtype) - (int64_t)rounded(sample * alpha, dtype);
            }
            own[d].first[o] = first, own[d].last[o] = first + j->window[d];
        }
    }
    return own;
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

static volume volume_of(const tw_tensor *t, int dims) {
    int lead = t->ndim - dims;
    volume v = {.data = tw_data(t), .image = lead == 2 ? t->strides[0] : 0, .channel = t->strides[lead - 1]};
    for (int i = 0; i < 3; i++) {
        int d = i - (3 - dims);
        v.stride[i] = d < 0 ? 0 : t->strides[lead + d];
    }
    return v;
}

static void set_job(pool_job *j, int dims, const tw_tensor *x, const tw_tensor *v, const tw_tensor *at) {
    int lead = x->ndim - dims;
    *j = (pool_job){.dims = dims, .channels = x->sizes[lead - 1], .x = volume_of(x, dims), .v = volume_of(v, dims), .at = volume_of(at, dims)};
    for (int i = 0; i < 3; i++) {
        int d = i - (3 - dims);
        j->in[i] = d < 0 ? 1 : x->sizes[lead + d], j->out[i] = d < 0 ? 1 : v->sizes[lead + d];
    }
}

static void run_planes(pool_job *j, int64_t n, void (*body)(void *, int64_t, int64_t)) {
    int64_t work = j->in[0] * j->in[1] * j->in[2] + j->out[0] * j->out[1] * j->out[2] + 1;
    tw_parallel(n, 20000 / work + 1, body, j);
}

static bool run_forward(pool_job *j, const tw_tensor *x) {
    void (*body)(void *, int64_t, int64_t) = NULL;
    int64_t planes = (x->ndim - j->dims == 2 ? x->sizes[0] : 1) * j->channels, elements = j->in[0] * j->in[1] * j->in[2];
    bool regular = j->stride > 0 && j->x.stride[2] == 1, last = j->x.channel == 1 && j->v.channel == 1 && j->at.channel == 1 && j->channels >= 8 && !j->samples;
    switch (x->dtype) {
    case TW_UINT8: body = forward_u8; break;
    case TW_INT8: body = forward_i8; break;
    case TW_INT16: body = forward_i16; break;
    case TW_INT32: body = forward_i32; break;
    case TW_INT64: body = forward_i64; break;
    case TW_FLOAT16: body = forward_f16; break;
    case TW_BFLOAT16: body = forward_bf16; break;
    case TW_FLOAT64: body = forward_f64; break;
    default: body = elements < INT32_MAX && regular && !last ? planes_f32 : forward_f32; break;
    }
    if (x->dtype == TW_FLOAT32 && last && elements < INT32_MAX) {
        tw_parallel(planes / j->channels * j->out[0] * j->out[1], 80000 / (j->channels * j->in[2] + 1) + 1, channels_f32, j);
    } else {
        run_planes(j, planes, body);
    }
    if (!atomic_load(&j->failed)) return true;
    return tw_failed() ? false : tw_fail_memory(0);
}

static bool run_linear(const tw_tensor *x, const tw_tensor *v, const tw_tensor *at, int dims, bool scatter, bool assign, pool_job *j) {
    set_job(j, dims, x, v, at);
    j->assign = assign;
    void (*body)(void *, int64_t, int64_t);
    switch (x->dtype) {
    case TW_FLOAT16: body = scatter ? scatter_f16 : gather_f16; break;
    case TW_BFLOAT16: body = scatter ? scatter_bf16 : gather_bf16; break;
    case TW_FLOAT32: body = scatter ? scatter_f32 : gather_f32; break;
    case TW_FLOAT64: body = scatter ? scatter_f64 : gather_f64; break;
    default: return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"max_pool%dd_backward\" not implemented for '%s'", dims, tw_dtypes[x->dtype].type_name);
    }
    if (x->numel > 0) run_planes(j, (x->ndim - dims == 2 ? x->sizes[0] : 1) * j->channels, body);
    return true;
}

static bool both_metas(const tw_pooling *p, const tw_tensor *x, bool keep, tw_meta *out) {
    return tw_pooling_meta(p, x, (tw_dtype)x->dtype, keep, &out[0]) && tw_pooling_meta(p, x, TW_INT64, keep, &out[1]);
}

static bool refuse(const char *name, const tw_tensor *x) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", name, tw_dtypes[x->dtype].type_name);
}

/* --- max_pool_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode) ---------------------------------------- */

static bool read_max(tw_pooling *p, const tw_arg *a, int dims) {
    static const char *const names[] = {"max_pool1d", "max_pool2d", "max_pool3d"};
    *p = (tw_pooling){.name = names[dims - 1], .dims = dims};
    return tw_pooling_read(p, a[0].t, &a[1], &a[2], &a[3], &a[4], tw_a_get_int(&a[5], 0) != 0, false);
}

static bool max_meta(const tw_arg *a, int dims, tw_meta *out) {
    tw_pooling p;
    const tw_tensor *x = a[0].t;
    if (!read_max(&p, a, dims)) return false;
    bool can = x->dtype != TW_BOOL && x->dtype <= TW_FLOAT64;
    return (can || refuse(dims == 3 ? "max_pool3d" : "max_pool2d", x)) && both_metas(&p, x, true, out);
}

static bool max_run(const tw_arg *a, int dims, tw_tensor **out) {
    tw_pooling p;
    pool_job j;
    if (!read_max(&p, a, dims)) return false;
    if (out[0]->numel == 0) return true;
    set_job(&j, dims, a[0].t, out[0], out[1]);
    bool ok = windows_new(&j);
    if (ok) sliding(&j, &p);
    ok = ok && run_forward(&j, a[0].t);
    windows_free(&j);
    return ok;
}

#define MAX_POOL(N) \
    bool tw_max_pool##N##d_with_indices_meta(const tw_arg *a, tw_meta *out) { return max_meta(a, N, out); } \
    bool tw_max_pool##N##d_with_indices_run(const tw_arg *a, tw_tensor **out) { return max_run(a, N, out); }
MAX_POOL(1)
MAX_POOL(2)
MAX_POOL(3)

/* --- adaptive_max_pool(self, output_size) ----------------------------------------------------------------------------------- */

static bool adaptive_meta(const tw_arg *a, int dims, tw_meta *out) {
    const tw_tensor *x = a[0].t;
    tw_pooling p = {.dims = dims};
    char name[40];
    int64_t wanted[3];
    snprintf(name, sizeof name, "adaptive_max_pool%dd", dims);
    const char *sizes = tw_sizes_text(x->sizes, x->ndim);
    if (x->ndim != dims + 1 && x->ndim != dims + 2) {
        if (dims == 1) {
            return tw_fail(TW_RUNTIME_ERROR, "Expected 2 to 3 dimensions, but got %d-dimensional tensor for argument #1 'self' (while checking "
                           "arguments for %s)", x->ndim, name);
        }
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected %dD or %dD tensor, but got: %s", name, dims + 1, dims + 2, sizes);
    }
    for (int i = 1; i < x->ndim; i++) {
        if (x->sizes[i] > 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected input to have non-zero size for non-batch dimensions, but input has sizes %s with dimension "
                       "%d being empty", name, sizes, i);
    }
    if (!tw_pooling_list(&a[1], dims, 1, wanted) || (a[1].tag == TW_ARG_INTS && a[1].n != dims)) {
        if (dims == 1) return tw_fail(TW_RUNTIME_ERROR, "adaptive_max_pool1d() argument 'output_size' should contain one int (got %d)", a[1].n);
        return tw_fail(TW_RUNTIME_ERROR, "%s(): internal error: output_size.size() must be %d", name, dims);
    }
    tw_pooling_sizes(&p, x);
    for (int i = 3 - dims; i < 3; i++) p.out[i] = wanted[i];
    if (!tw_is_float((tw_dtype)x->dtype)) return refuse(dims == 3 ? "adaptive_max_pool3d_cpu" : "adaptive_max_pool2d", x);
    return both_metas(&p, x, dims == 2, out);
}

static bool adaptive_run(const tw_arg *a, int dims, tw_tensor **out) {
    pool_job j;
    if (out[0]->numel == 0) return true;
    set_job(&j, dims, a[0].t, out[0], out[1]);
    bool ok = windows_new(&j);
    if (ok) adaptive(&j);
    ok = ok && run_forward(&j, a[0].t);
    windows_free(&j);
    return ok;
}

#define ADAPTIVE_POOL(N) \
    bool tw_adaptive_max_pool##N##d_meta(const tw_arg *a, tw_meta *out) { return adaptive_meta(a, N, out); } \
    bool tw_adaptive_max_pool##N##d_run(const tw_arg *a, tw_tensor **out) { return adaptive_run(a, N, out); }
ADAPTIVE_POOL(1)
ADAPTIVE_POOL(2)
ADAPTIVE_POOL(3)

/* --- fractional_max_pool(self, kernel_size, output_size, random_samples) ----------------------------------------------------- */

static bool fractional_meta(const tw_arg *a, int dims, tw_meta *out) {
    static const char *const words[] = {"time", "height", "width"};
    const tw_tensor *x = a[0].t, *s = a[3].t;
    const char *name = dims == 2 ? "fractional_max_pool2d" : "fractional_max_pool3d_out";
    tw_pooling p = {.dims = dims};
    int64_t wanted[3];
    if (!tw_pooling_list(&a[1], dims, 1, p.window)) {
        return tw_fail(TW_RUNTIME_ERROR, "fractional_max_pool%dd: kernel_size must either be a single Int or tuple of Ints", dims);
    }
    if (!tw_pooling_list(&a[2], dims, 1, wanted)) {
        return tw_fail(TW_RUNTIME_ERROR, "fractional_max_pool%dd: output_size must either be a single Int or tuple of Ints", dims);
    }
    if (x->ndim != dims + 1 && x->ndim != dims + 2) {
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected %dD or %dD tensor, but got: %s", name, dims + 1, dims + 2, tw_sizes_text(x->sizes, x->ndim));
    }
    for (int i = 1; i < x->ndim; i++) {
        if (x->sizes[i] > 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected input to have non-zero size for non-batch dimensions, but got%s with dimension %d being empty.",
                       name, tw_sizes_text(x->sizes, x->ndim), i);
    }
    tw_pooling_sizes(&p, x);
    for (int i = 3 - dims; i < 3; i++) {
        p.out[i] = wanted[i];
        if (p.window[i] <= 0 || wanted[i] <= 0) return tw_fail(TW_RUNTIME_ERROR, "%s(): kernel and output sizes should be greater than zero", name);
        if (wanted[i] <= p.in[i] - (p.window[i] - 1)) continue;
        return tw_fail(TW_RUNTIME_ERROR, "%s(): pool %s %lld too large relative to input %s %lld", name, words[i], (long long)p.window[i], words[i],
                       (long long)p.in[i]);
    }
    if (!tw_is_float((tw_dtype)x->dtype)) return refuse(dims == 2 ? "fractional_max_pool2d_out_frame" : "fractional_max_pool3d_out_frame", x);
    if (s->dtype != x->dtype) return tw_fail(TW_RUNTIME_ERROR, "Expect _random_samples to have the same dtype as input");
    if (s->ndim != 3) return tw_fail(TW_RUNTIME_ERROR, "Expect _random_samples to have 3 dimensions, got %d", s->ndim);
    if (s->sizes[0] < p.images) {
        return tw_fail(TW_RUNTIME_ERROR, "Expect _random_samples.size(0) no less then input batch size.");
    }
    if (s->sizes[1] != p.channels) return tw_fail(TW_RUNTIME_ERROR, "Expect _random_samples.size(1) equals to input channel size.");
    if (s->sizes[2] != dims) return tw_fail(TW_RUNTIME_ERROR, "Expect _random_samples.size(2) equals to %d; got %lld.", dims, (long long)s->sizes[2]);
    return both_metas(&p, x, false, out);
}

static bool fractional_run(const tw_arg *a, int dims, tw_tensor **out) {
    pool_job j;
    if (out[0]->numel == 0) return true;
    set_job(&j, dims, a[0].t, out[0], out[1]);
    j.samples = a[3].t;
    tw_pooling_list(&a[1], dims, 1, j.window);
    return run_forward(&j, a[0].t);
}

bool tw_fractional_max_pool2d_meta(const tw_arg *a, tw_meta *out) { return fractional_meta(a, 2, out); }
bool tw_fractional_max_pool3d_meta(const tw_arg *a, tw_meta *out) { return fractional_meta(a, 3, out); }
bool tw_fractional_max_pool2d_run(const tw_arg *a, tw_tensor **out) { return fractional_run(a, 2, out); }
bool tw_fractional_max_pool3d_run(const tw_arg *a, tw_tensor **out) { return fractional_run(a, 3, out); }

/* --- _pool_scatter(grad_output, self, indices, dims, keep), _pool_gather(self, indices, dims) --------------------------------- */

static bool same_sizes(const tw_tensor *a, const tw_tensor *b) {
    bool same = a->ndim == b->ndim;
    for (int i = 0; same && i < a->ndim; i++) same = a->sizes[i] == b->sizes[i];
    return same;
}

static bool check_gradient(const tw_tensor *t, const tw_tensor *at, const tw_arg *dims) {
    if ((t->ndim == dims->i + 1 || t->ndim == dims->i + 2) && at->ndim == t->ndim && at->dtype == TW_INT64) return true;
    return tw_fail(TW_RUNTIME_ERROR, "max_pool%lldd gradient: sizes of gradient, indices and input do not fit", (long long)dims->i);
}

bool tw__pool_scatter_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *g = a[0].t, *self = a[1].t, *at = a[2].t;
    if (!check_gradient(self, at, &a[3])) return false;
    if (!same_sizes(g, at)) return tw_fail(TW_RUNTIME_ERROR, "max_pool%lldd gradient: sizes of gradient and indices do not fit", (long long)a[3].i);
    if (!tw_meta_set(out, (tw_dtype)g->dtype, g->device, self->sizes, self->ndim)) return false;
    if (tw_a_get_int(&a[4], 0) && tw_wants_channels_last(self)) tw_set_channels_last(out);
    return true;
}

static bool check_bad(const pool_job *j, int dims) {
    int64_t bad = atomic_load(&j->bad);
    if (bad == 0) return true;
    char size[100];
    int n = 0;
    for (int i = 3 - dims; i < 3; i++) n += snprintf(size + n, sizeof size - (size_t)n, i > 3 - dims ? "x%lld" : "%lld", (long long)j->in[i]);
    return tw_fail(TW_RUNTIME_ERROR, "%sound an invalid max index%s %lld (output volumes are of size %s", dims == 3 ? "f" : "F", dims == 3 ? "" : ":",
                   (long long)(bad < 0 ? bad : bad - 1), size);
}

bool tw__pool_scatter_run(const tw_arg *a, tw_tensor **out) {
    pool_job j;
    int dims = (int)a[3].i;
    return run_linear(out[0], a[0].t, a[2].t, dims, true, false, &j) && check_bad(&j, dims);
}

bool tw__pool_gather_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *at = a[1].t;
    if (!check_gradient(x, at, &a[2])) return false;
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, at->sizes, at->ndim)) return false;
    if (tw_a_get_int(&a[3], 0) && tw_wants_channels_last(at)) tw_set_channels_last(out);
    return true;
}

bool tw__pool_gather_run(const tw_arg *a, tw_tensor **out) {
    pool_job j;
    int dims = (int)a[2].i;
    return run_linear(a[0].t, out[0], a[1].t, dims, false, false, &j) && check_bad(&j, dims);
}

/* --- max_unpool2d(self, indices, output_size), max_unpool3d(self, indices, output_size, stride, padding) ----------------------- */

static bool unpool_meta(const tw_arg *a, int dims, tw_meta *out) {
    const tw_tensor *x = a[0].t, *at = a[1].t;
    int64_t sizes[5];
    if (at->dtype != TW_INT64) {
        return tw_fail(TW_RUNTIME_ERROR, "elements in indices should be type int64 but got: %s", tw_dtypes[at->dtype].type_name);
    }
    if (dims == 3 && x->ndim != 4 && x->ndim != 5) {
        return tw_fail(TW_RUNTIME_ERROR, "Input to max_unpooling3d should be a 4d or 5d Tensor, but got a tensor with %d dims.", x->ndim);
    }
    if (a[2].n != dims) {
        return tw_fail(TW_RUNTIME_ERROR, dims == 2 ? "There should be exactly two elements (height, width) in output_size, but got %d elements."
                       : "There should be exactly three elements (depth, height, width) in output_size, but got %d elements.", a[2].n);
    }
    if (dims == 2 && x->ndim != 3 && x->ndim != 4) {
        return tw_fail(TW_RUNTIME_ERROR, "Input to max_unpooling2d should be a 3d or 4d Tensor, but got a tensor with %d dimensions.", x->ndim);
    }
    for (int i = 0; dims == 3 && i < 3; i++) {
        if (a[3].ints[a[3].n == 1 ? 0 : i] > 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "strides should be greater than zero, but got stride: %s", tw_sizes_text(a[3].ints, a[3].n));
    }
    if (!same_sizes(x, at)) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected shape of indices to be same as that of the input tensor (%s) but got indices tensor with shape: %s",
                       tw_sizes_text(x->sizes, x->ndim), tw_sizes_text(at->sizes, at->ndim));
    }
    for (int i = dims == 3 && x->ndim == 4 ? 0 : 1; i < x->ndim; i++) {
        if (x->sizes[i] > 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "max_unpooling%dd(): Expected input to have non-zero size for non-batch dimensions, but got %s with dimension %d "
                       "being empty.", dims, tw_sizes_text(x->sizes, x->ndim), i);
    }
    if (!tw_is_float((tw_dtype)x->dtype)) return refuse(dims == 2 ? "max_unpool2d" : "max_unpool3d", x);
    for (int i = 0; i < x->ndim; i++) sizes[i] = i < x->ndim - dims ? x->sizes[i] : a[2].ints[i - (x->ndim - dims)];
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes, x->ndim)) return false;
    if (dims == 2 && tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}

static bool unpool_run(const tw_arg *a, int dims, tw_tensor **out) {
    pool_job j;
    return run_linear(out[0], a[0].t, a[1].t, dims, true, true, &j) && check_bad(&j, dims);
}

bool tw_max_unpool2d_meta(const tw_arg *a, tw_meta *out) { return unpool_meta(a, 2, out); }
bool tw_max_unpool3d_meta(const tw_arg *a, tw_meta *out) { return unpool_meta(a, 3, out); }
bool tw_max_unpool2d_run(const tw_arg *a, tw_tensor **out) { return unpool_run(a, 2, out); }
bool tw_max_unpool3d_run(const tw_arg *a, tw_tensor **out) { return unpool_run(a, 3, out); }
