/* Interpolation in all its modes: each dimension's taps, by PyTorch's formulas, in the precision that it computes them in. */
#include "core/error.h"
#include "kernels/number.h"
#include "ops/conv.h"
#include "ops/resample.h"
#include <math.h>

enum { NEAREST, NEAREST_EXACT, LINEAR, CUBIC, LINEAR_AA, CUBIC_AA, LANCZOS_AA };

typedef struct call { int mode; bool align, single; } call; /* single: places and weights in float32 */

/* One step of arithmetic in the precision of the call. */
static double in(const call *c, double x) { return c->single ? (double)(float)x : x; }

static double scale_of(const call *c, int64_t from, int64_t to, double scale) {
    if (c->mode <= NEAREST_EXACT) return (double)(float)(scale > 0 ? 1 / scale : (float)from / (float)to);
    if (c->align) return to > 1 ? in(c, in(c, (double)(from - 1)) / (double)(to - 1)) : 0;
    return scale > 0 ? in(c, 1 / scale) : in(c, (double)from / (double)to);
}

static double source_of(const call *c, double scale, int64_t o, bool cubic) {
    if (c->align) return in(c, scale * (double)o);
    double x = in(c, fma(scale, in(c, (double)o + 0.5), -0.5)); /* rounded once, as PyTorch's is compiled */
    return !cubic && x < 0 ? 0 : x;
}

/* Keys 1981, "Cubic convolution interpolation for digital image processing". */
static double cubic_near(const call *c, double x, double a) {
    return in(c, in(c, in(c, in(c, in(c, (a + 2) * x) - (a + 3)) * x) * x) + 1);
}
static double cubic_far(const call *c, double x, double a) {
    return in(c, in(c, in(c, in(c, in(c, in(c, in(c, a * x) - 5 * a) * x) + 8 * a) * x)) - 4 * a);
}

/* Adds a tap of result o, or its weight to the tap of the same source before it. */
static void add_tap(tw_taps *t, int64_t o, int64_t *n, int64_t index, double weight) {
    if (*n > t->first[o] && t->index[*n - 1] == index) {
        t->weight[*n - 1] += weight;
        return;
    }
    t->index[*n] = index, t->weight[*n] = weight;
    ++*n;
}

static void linear_taps(const call *c, double scale, tw_taps *t) {
    int64_t n = 0;
    for (int64_t o = 0; o < t->out; o++) {
        double x = source_of(c, scale, o, false);
        int64_t index = (int64_t)floor(x) < t->in - 1 ? (int64_t)floor(x) : t->in - 1;
        double part = in(c, x - (double)index);
        part = part < 0 ? 0 : part > 1 ? 1 : part;
        if (t->in == t->out) index = o, part = 0;
        add_tap(t, o, &n, index, in(c, 1 - part));
        add_tap(t, o, &n, index < t->in - 1 ? index + 1 : index, part);
        t->first[o + 1] = n;
    }
}

static void cubic_taps(const call *c, double scale, tw_taps *t) {
    int64_t n = 0;
    for (int64_t o = 0; o < t->out; o++) {
        double x = source_of(c, scale, o, true);
        int64_t index = (int64_t)floor(x) < t->in - 1 ? (int64_t)floor(x) : t->in - 1;
        double p = in(c, x - (double)index);
        p = p < 0 ? 0 : p > 1 ? 1 : p;
        double q = in(c, 1 - p), w[] = {cubic_far(c, in(c, p + 1), -0.75), cubic_near(c, p, -0.75), cubic_near(c, q, -0.75), cubic_far(c, in(c, q + 1), -0.75)};
        for (int i = 0; i < 4; i++) {
            int64_t at = index - 1 + i;
            add_tap(t, o, &n, at < 0 ? 0 : at >= t->in ? t->in - 1 : at, w[i]);
        }
        t->first[o + 1] = n;
    }
}

static double sinc(double x) {
    if (x == 0) return 1;
    x *= 3.14159265358979323846;
    return tw_number()->cos(x - 1.57079632679489661923) / x; /* sin */
}

static double filter(int mode, double x) {
    x = fabs(x);
    if (mode == LINEAR_AA) return x < 1 ? 1 - x : 0;
    if (mode == LANCZOS_AA) return x < 3 ? sinc(x) * sinc(x / 3) : 0;
    const double a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Weights of the filter stretched over what one result covers, as Pillow has them. */
static int64_t antialias_taps(const call *c, double scale, tw_taps *t, bool count) {
    double reach = c->mode == LINEAR_AA ? 1 : c->mode == CUBIC_AA ? 2 : 3, support = scale >= 1 ? reach * scale : reach, inverse = scale >= 1 ? 1 / scale : 1;
    int64_t n = 0;
    for (int64_t o = 0; o < t->out; o++) {
        double center = in(c, scale * ((double)o + 0.5)), total = 0;
        int64_t first = (int64_t)(center - support + 0.5), last = (int64_t)(center + support + 0.5), start = n;
        if (first < 0) first = 0;
        if (last > t->in) last = t->in;
        for (int64_t i = first; i < last; i++, n++) {
            if (count) continue;
            t->index[n] = i, t->weight[n] = in(c, filter(c->mode, in(c, ((double)i - center + 0.5) * inverse)));
            total = in(c, total + t->weight[n]);
        }
        if (count) continue;
        for (int64_t k = start; k < n && total != 0; k++) t->weight[k] = in(c, t->weight[k] / total);
        t->first[o + 1] = n;
    }
    return n;
}

static bool taps_of(const call *c, int64_t from, int64_t to, double factor, tw_taps *t) {
    double scale = scale_of(c, from, to, factor);
    if (c->mode <= NEAREST_EXACT) {
        if (!tw_taps_gather(t, from, to)) return false;
        for (int64_t o = 0; o < to; o++) {
            float at = c->mode == NEAREST ? (float)o * (float)scale : ((float)o + 0.5f) * (float)scale;
            int64_t i = (int64_t)floorf(at);
            t->index[o] = i < from - 1 ? i : from - 1;
        }
        return true;
    }
    if (c->mode <= CUBIC) {
        if (!tw_taps_new(t, from, to, 4 * to, true, false)) return false;
        if (c->mode == LINEAR) linear_taps(c, scale, t);
        else cubic_taps(c, scale, t);
        return true;
    }
    tw_taps sizes = {.in = from, .out = to};
    if (!tw_taps_new(t, from, to, antialias_taps(c, scale, &sizes, true), true, false)) return false;
    antialias_taps(c, scale, t, false);
    return true;
}

static bool run(const tw_arg *a, const int64_t *from, const int64_t *to, int dims, bool transposed, const tw_tensor *x, const tw_tensor *y) {
    call c = {.mode = (int)a[1].i, .align = a[3].i != 0, .single = tw_dtypes[x->dtype].compute == TW_FLOAT32};
    tw_taps taps[3] = {{0}};
    bool ok = true;
    for (int i = 0; ok && i < dims; i++) {
        bool same = from[i] == to[i] && c.mode < LINEAR_AA && a[4].doubles[i] <= 0;
        if (!same) ok = taps_of(&c, from[i], to[i], a[4].doubles[i], &taps[3 - dims + i]);
    }
    ok = ok && tw_resample_run(taps, dims, transposed, x, y);
    tw_taps_free(taps, 3);
    return ok;
}

static const char *kernel_name(int mode, int dims, bool last) {
    if (mode >= LINEAR_AA) return "compute_index_ranges_weights";
    if (mode == CUBIC) return "compute_indices_weights_cubic";
    if (mode == LINEAR) return dims == 2 && last ? "upsample_bilinear2d_channels_last" : "compute_indices_weights_linear";
    return dims == 2 && last ? "upsample_nearest2d_channels_last" : "compute_indices_weights_nearest";
}

static bool check_sizes(const tw_tensor *x, const tw_arg *size) {
    int dims = size->n;
    bool positive = true;
    char text[2][100];
    if (x->ndim != dims + 2) {
        return tw_fail(TW_RUNTIME_ERROR, "It is expected input_size equals to %d, but got size %d", dims + 2, x->ndim);
    }
    for (int i = 0; i < dims; i++) positive = positive && x->sizes[i + 2] > 0 && size->ints[i] > 0;
    for (int k = 0; k < 2; k++) {
        int n = 0;
        for (int i = 0; i < dims; i++) {
            n += snprintf(text[k] + n, sizeof text[k] - (size_t)n, "%s%c: %lld", i ? ", " : "", "DHW"[3 - dims + i], (long long)(k ? size->ints[i] : x->sizes[i + 2]));
        }
    }
    if (!positive) return tw_fail(TW_RUNTIME_ERROR, "Input and output sizes should be greater than 0, but got input (%s) output (%s)", text[0], text[1]);
    if (x->sizes[1] != 0) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Non-empty %dD data tensor expected but got a tensor with sizes %s", dims + 2, tw_sizes_text(x->sizes, x->ndim));
}

/* _resample(self, mode, output_size, align_corners, scales) */
bool tw__resample_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t;
    int mode = (int)a[1].i, dims = a[2].n;
    int64_t sizes[5];
    if (!check_sizes(x, &a[2])) return false;
    bool bytes = x->dtype == TW_UINT8 && (mode != LINEAR || dims == 2), half = x->dtype == TW_FLOAT16 || x->dtype == TW_BFLOAT16;
    if (!bytes && (!tw_is_float((tw_dtype)x->dtype) || (half && mode >= LINEAR_AA))) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", kernel_name(mode, dims, tw_wants_channels_last(x)),
                       tw_dtypes[x->dtype].type_name);
    }
    for (int i = 0; i < dims + 2; i++) sizes[i] = i < 2 ? x->sizes[i] : a[2].ints[i - 2];
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes, dims + 2)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}
bool tw__resample_run(const tw_arg *a, tw_tensor **out) {
    return out[0]->numel == 0 || run(a, a[0].t->sizes + 2, a[2].ints, a[2].n, false, a[0].t, out[0]);
}

/* _resample_scatter(grad_output, mode, input_size, align_corners, scales): the transpose. */
bool tw__resample_scatter_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *g = a[0].t;
    int mode = (int)a[1].i;
    if (g->ndim != a[2].n || g->ndim < 3 || g->ndim > 5) return tw_fail(TW_RUNTIME_ERROR, "interpolation gradient: sizes do not fit");
    if (!tw_meta_set(out, (tw_dtype)g->dtype, g->device, a[2].ints, g->ndim)) return false;
    bool keeps = mode == LINEAR || mode == LINEAR_AA || (mode <= NEAREST_EXACT && g->ndim == 4);
    if (keeps && tw_wants_channels_last(g)) tw_set_channels_last(out);
    return true;
}
bool tw__resample_scatter_run(const tw_arg *a, tw_tensor **out) {
    int dims = a[2].n - 2;
    return out[0]->numel == 0 || run(a, a[2].ints + 2, a[0].t->sizes + 2, dims, true, a[0].t, out[0]);
}
