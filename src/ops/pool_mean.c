/* Average pooling, with given windows or with windows that share a dimension out evenly; and their transposes. */
#include "core/error.h"
#include "ops/conv.h"
#include "ops/pooling.h"
#include "ops/resample.h"

/* --- avg_pool ------------------------------------------------------------------------------------------------------------ */

typedef struct mean_call { tw_pooling p; bool ceil_mode, include_pad; int64_t divisor; } mean_call; /* divisor 0: none given */

/* a: kernel_size, stride, padding, ceil_mode, count_include_pad, and divisor_override where there is one. */
static bool read_call(mean_call *c, const tw_tensor *x, int dims, const tw_arg *a, bool has_divisor) {
    static const char *const names[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
    c->p.name = names[dims - 1], c->p.dims = dims;
    c->ceil_mode = tw_a_get_int(&a[3], 0) != 0, c->include_pad = tw_a_get_int(&a[4], 1) != 0;
    c->divisor = has_divisor ? tw_a_get_int(&a[5], 0) : 0;
    if (has_divisor && a[5].tag != TW_ARG_NONE && c->divisor == 0) return tw_fail(TW_RUNTIME_ERROR, "divisor must be not zero");
    return tw_pooling_read(&c->p, x, &a[0], &a[1], &a[2], NULL, c->ceil_mode, true);
}

static bool check_dtype(const tw_tensor *x, int dims) {
    tw_dtype d = (tw_dtype)x->dtype;
    if (d == TW_INT64 || d == TW_FLOAT32 || d == TW_FLOAT64 || (dims < 3 && (d == TW_FLOAT16 || d == TW_BFLOAT16))) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", dims == 3 ? "avg_pool3d_out_frame" : "avg_pool2d",
                   tw_dtypes[d].type_name);
}

static bool mean_meta(const tw_tensor *x, int dims, const tw_arg *a, bool has_divisor, tw_meta *out) {
    mean_call c;
    return read_call(&c, x, dims, a, has_divisor) && check_dtype(x, dims) && tw_pooling_meta(&c.p, x, (tw_dtype)x->dtype, dims == 2, out);
}

/* The windows of one dimension; a window may stick out at its end, but counts no more than the padding there. */
static bool window_taps(const mean_call *c, int d, tw_taps *t) {
    const tw_pooling *p = &c->p;
    if (!tw_taps_new(t, p->in[d], p->out[d], p->out[d] * p->window[d], false, !c->divisor || d == 2)) return false;
    int64_t n = 0;
    for (int64_t o = 0; o < p->out[d]; o++) {
        int64_t first = o * p->stride[d] - p->padding[d], last = first + p->window[d], most = p->in[d] + p->padding[d];
        if (last > most) last = most;
        int64_t all = last - first;
        if (first < 0) first = 0;
        if (last > p->in[d]) last = p->in[d];
        for (int64_t i = first; i < last; i++) t->index[n++] = i;
        t->first[o + 1] = n;
        int64_t count = c->include_pad ? all : last - first;
        if (t->divide) t->divide[o] = c->divisor ? (double)c->divisor : count > 0 ? (double)count : 1;
    }
    return true;
}

static bool mean_run(const mean_call *c, bool transposed, const tw_tensor *x, const tw_tensor *y) {
    tw_taps taps[3] = {{0}};
    bool ok = true;
    for (int d = 3 - c->p.dims; ok && d < 3; d++) ok = window_taps(c, d, &taps[d]);
    ok = ok && tw_resample_run(taps, c->p.dims, transposed, x, y);
    tw_taps_free(taps, 3);
    return ok;
}

static bool gather_run(const tw_tensor *x, int dims, const tw_arg *a, bool has_divisor, tw_tensor **out) {
    mean_call c;
    return read_call(&c, x, dims, a, has_divisor) && mean_run(&c, false, x, out[0]);
}

bool tw_avg_pool2d_meta(const tw_arg *a, tw_meta *out) { return mean_meta(a[0].t, 2, a + 1, true, out); }
bool tw_avg_pool3d_meta(const tw_arg *a, tw_meta *out) { return mean_meta(a[0].t, 3, a + 1, true, out); }
bool tw_avg_pool2d_run(const tw_arg *a, tw_tensor **out) { return gather_run(a[0].t, 2, a + 1, true, out); }
bool tw_avg_pool3d_run(const tw_arg *a, tw_tensor **out) { return gather_run(a[0].t, 3, a + 1, true, out); }

/* _avg_pool_gather(self, dims, kernel_size, ...): whichever of the above. */
bool tw__avg_pool_gather_meta(const tw_arg *a, tw_meta *out) { return mean_meta(a[0].t, (int)a[1].i, a + 2, true, out); }
bool tw__avg_pool_gather_run(const tw_arg *a, tw_tensor **out) { return gather_run(a[0].t, (int)a[1].i, a + 2, true, out); }

/* _avg_pool_scatter(grad_output, self, dims, kernel_size, ...): the transpose. */
static bool scatter_meta(const tw_tensor *g, const tw_tensor *x, const tw_pooling *p, tw_meta *out) {
    bool fits = g->ndim == x->ndim;
    for (int i = 0; fits && i < g->ndim; i++) {
        int d = i - (g->ndim - p->dims);
        fits = g->sizes[i] == (d < 0 ? x->sizes[i] : p->out[3 - p->dims + d]);
    }
    if (!fits) return tw_fail(TW_RUNTIME_ERROR, "%s gradient: sizes of gradient and input do not fit", p->name);
    if (!tw_meta_set(out, (tw_dtype)g->dtype, g->device, x->sizes, x->ndim)) return false;
    if (p->dims == 2 && tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}

bool tw__avg_pool_scatter_meta(const tw_arg *a, tw_meta *out) {
    mean_call c;
    return read_call(&c, a[1].t, (int)a[2].i, a + 3, true) && scatter_meta(a[0].t, a[1].t, &c.p, out);
}
bool tw__avg_pool_scatter_run(const tw_arg *a, tw_tensor **out) {
    mean_call c;
    return read_call(&c, a[1].t, (int)a[2].i, a + 3, true) && mean_run(&c, true, a[0].t, out[0]);
}

/* --- adaptive_avg_pool --------------------------------------------------------------------------------------------------- */

static bool read_adaptive(tw_pooling *p, const tw_tensor *x, int dims, const tw_arg *size) {
    static const char *const names[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};
    *p = (tw_pooling){.name = names[dims - 1], .dims = dims};
    int64_t wanted[3];
    const char *shown = dims == 3 ? "adaptive_avg_pool3d" : "adaptive_avg_pool2d";
    if (!tw_pooling_list(size, dims, 1, wanted)) return tw_fail(TW_RUNTIME_ERROR, "%s: output_size must be %d", p->name, dims);
    for (int i = dims == 3 ? 1 : x->ndim - dims; i >= 0 && i < x->ndim; i++) {
        if (x->sizes[i] > 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected input to have non-zero size for non-batch dimensions, but input has sizes %s with dimension "
                       "%d being empty", shown, tw_pooling_text(x, dims), dims == 1 ? i + 1 : i);
    }
    if (x->ndim != dims + 1 && x->ndim != dims + 2) {
        return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected %dD or %dD tensor, but got %s", shown, dims + 1, dims + 2, tw_sizes_text(x->sizes, x->ndim));
    }
    tw_pooling_sizes(p, x);
    for (int i = 3 - dims; i < 3; i++) p->out[i] = wanted[i];
    return true;
}

static bool adaptive_run(const tw_pooling *p, bool transposed, const tw_tensor *x, const tw_tensor *y) {
    tw_taps taps[3] = {{0}};
    bool ok = true;
    for (int d = 3 - p->dims; ok && d < 3; d++) {
        int64_t in = p->in[d], out = p->out[d], n = 0;
        ok = tw_taps_new(&taps[d], in, out, in + 2 * out, false, true);
        for (int64_t o = 0; ok && o < out; o++) {
            int64_t first = o * in / out, last = ((o + 1) * in + out - 1) / out;
            for (int64_t i = first; i < last; i++) taps[d].index[n++] = i;
            taps[d].first[o + 1] = n, taps[d].divide[o] = (double)(last - first);
        }
    }
    ok = ok && tw_resample_run(taps, p->dims, transposed, x, y);
    tw_taps_free(taps, 3);
    return ok;
}

/* _adaptive_avg_pool(self, dims, output_size) and _adaptive_avg_pool_scatter(grad_output, self, dims, output_size) */
bool tw__adaptive_avg_pool_meta(const tw_arg *a, tw_meta *out) {
    tw_pooling p;
    const tw_tensor *x = a[0].t;
    int dims = (int)a[1].i;
    if (!read_adaptive(&p, x, dims, &a[2])) return false;
    if (!tw_is_float((tw_dtype)x->dtype)) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", dims == 3 ? "adaptive_avg_pool3d_cpu" : "adaptive_avg_pool2d",
                       tw_dtypes[x->dtype].type_name);
    }
    return tw_pooling_meta(&p, x, (tw_dtype)x->dtype, dims == 2, out);
}
bool tw__adaptive_avg_pool_run(const tw_arg *a, tw_tensor **out) {
    tw_pooling p;
    return read_adaptive(&p, a[0].t, (int)a[1].i, &a[2]) && adaptive_run(&p, false, a[0].t, out[0]);
}
bool tw__adaptive_avg_pool_scatter_meta(const tw_arg *a, tw_meta *out) {
    tw_pooling p;
    return read_adaptive(&p, a[1].t, (int)a[2].i, &a[3]) && scatter_meta(a[0].t, a[1].t, &p, out);
}
bool tw__adaptive_avg_pool_scatter_run(const tw_arg *a, tw_tensor **out) {
    tw_pooling p;
    return read_adaptive(&p, a[1].t, (int)a[2].i, &a[3]) && adaptive_run(&p, true, a[0].t, out[0]);
}
