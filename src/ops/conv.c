/* The convolution ops: checks, shapes and layouts; plain loops for integers and complex. */
#include "ops/conv.h"
#include "core/memory.h"
#include "ops/clear.h"
#include "ops/copy.h"
#include "ops/linalg.h"
#include <complex.h>
#include <string.h>

#define PLAIN_LOOPS "ops/conv_plain.h"
#include "ops/plain_types.h"

bool tw_wants_channels_last(const tw_tensor *t) {
    static const int orders[2][5] = {{1, 3, 2, 0}, {1, 4, 3, 2, 0}};
    int64_t least = 0;
    if ((t->ndim != 4 && t->ndim != 5) || t->strides[1] == 0) return false;
    for (int i = 0; i < t->ndim; i++) {
        int d = orders[t->ndim == 5][i];
        if (t->sizes[d] == 0 || t->strides[d] < least) return false;
        if (d == 0 && least == t->strides[1]) return false; /* a plain (N, 1, 1, 1), or an implicit expand */
        least = t->strides[d];
        if (t->sizes[d] > 1) least *= t->sizes[d];
    }
    return true;
}

void tw_set_channels_last(tw_meta *m) {
    tw_format_strides(m->sizes, m->ndim, m->ndim == 5 ? TW_CHANNELS_LAST_3D : TW_CHANNELS_LAST, m->strides);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

/* Zeros, or the bias of each channel. */
static void start_result(const tw_tensor *to, const tw_tensor *bias) {
    size_t size = tw_dtype_size((tw_dtype)to->dtype);
    int64_t inner = to->sizes[2] * to->sizes[3] * to->sizes[4];
    const int64_t *n = to->sizes, *st = to->strides;
    if (!bias) {
        tw_clear_dense(to); /* the meta functions made it dense */
        return;
    }
    for (int64_t image = 0; image < n[0]; image++)
    for (int64_t channel = 0; channel < n[1]; channel++) {
        const char *from = (const char *)tw_data(bias) + (size_t)(channel * bias->strides[0]) * size;
        for (int64_t i = 0; i < inner; i++) {
            int64_t x = i % n[4], y = i / n[4] % n[3], z = i / (n[4] * n[3]);
            memcpy((char *)tw_data(to) + (size_t)(image * st[0] + channel * st[1] + z * st[2] + y * st[3] + x * st[4]) * size, from, size);
        }
    }
}

/* Half types: the same in float32, and the result rounded once. Each operand is widened as a whole, which costs little beside its products. */
static bool run_widened(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    enum { OPERANDS = 4 };
    const tw_tensor *given[OPERANDS] = {x, w, y, bias};
    const int result = mode == CONV_FORWARD ? 2 : mode == CONV_INPUT ? 0 : 1;
    tw_tensor *wide[OPERANDS] = {NULL};
    bool ok = true;
    for (int i = 0; i < OPERANDS && ok; i++) {
        if (!given[i]) continue;
        tw_tensor t = *given[i];
        int64_t strides[5];
        const bool last = t.ndim == 5 && t.strides[1] == 1 && t.sizes[1] > 1;
        tw_format_strides(t.sizes, t.ndim, last ? TW_CHANNELS_LAST_3D : TW_CONTIGUOUS_FORMAT, strides);
        ok = (wide[i] = tw_empty_strided_new(t.sizes, strides, t.ndim, TW_FLOAT32, t.device)) && (i == result || tw_copy(wide[i], &t));
    }
    ok = ok && tw_conv_packed(s, mode, wide[0], wide[1], wide[3], wide[2]);
    if (ok) {
        tw_tensor t = *given[result];
        ok = tw_copy(&t, wide[result]);
    }
    for (int i = 0; i < OPERANDS; i++) tw_release(wide[i]);
    return ok;
}

bool tw_conv_run(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    const tw_tensor *to = mode == CONV_FORWARD ? y : mode == CONV_INPUT ? x : w;
    tw_dtype dtype = (tw_dtype)to->dtype;
    bool empty = x->numel == 0 || w->numel == 0 || y->numel == 0;
    if (to->numel == 0) return true;
    if (!empty && (dtype == TW_FLOAT32 || dtype == TW_FLOAT64)) return tw_conv_packed(s, mode, x, w, bias, y);
    if (!empty && tw_is_float(dtype) && dtype < TW_FLOAT64) return run_widened(s, mode, x, w, bias, y);
    start_result(to, bias);
    if (empty) return true;
#define PLAIN(name) name(s, mode, tw_data(x), x->strides, tw_data(w), w->strides, tw_data(y), y->strides)
    switch (dtype) {
    case TW_COMPLEX64: PLAIN(plain_c64); break;
    case TW_COMPLEX128: PLAIN(plain_c128); break;
    case TW_UINT8: case TW_INT8: PLAIN(plain_u8); break;
    case TW_INT16: PLAIN(plain_u16); break;
    case TW_INT32: PLAIN(plain_u32); break;
    default: PLAIN(plain_u64); break;
    }
#undef PLAIN
    return true;
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

typedef struct options { /* of a call with `dims` dimensions; entries [3 - dims, 3) of the lists are given */
    tw_conv_shape s;
    int dims;
    bool transposed;
    int64_t output_padding[3];
} options;

/* More than any tensor has elements: larger windows, steps and paddings mean the same, and their products still fit. */
static const int64_t far = (int64_t)1 << 35;

/* A list of one entry, or one for each dimension. */
static bool spread(const tw_arg *a, const char *name, int dims, int64_t fill, int64_t into[3]) {
    for (int i = 0; i < 3; i++) into[i] = fill;
    const int64_t all = a->tag == TW_ARG_INTS ? fill : tw_a_get_int(a, fill);
    const tw_arg one = tw_a_ints(&all, 1);
    if (a->tag != TW_ARG_INTS) a = &one;
    if (a->n != 1 && a->n != dims) {
        return tw_fail(TW_RUNTIME_ERROR, "expected %s to be a single integer value or a list of %d values to match the convolution dimensions, "
                       "but got %s=%s", name, dims, name, tw_sizes_text(a->ints, a->n));
    }
    for (int i = 0; i < dims; i++) {
        int64_t value = a->ints[a->n == 1 ? 0 : i];
        if (fill == 0 && value > INT64_MAX / 2) {
            return tw_fail(TW_RUNTIME_ERROR, "Given padding=%lld at dimension %d , expected padding to be at most %lld", (long long)value, i,
                           (long long)(INT64_MAX / 2));
        }
        into[3 - dims + i] = value < far ? value : far;
    }
    return true;
}

static bool any_below(const int64_t values[3], int64_t least) {
    return values[0] < least || values[1] < least || values[2] < least;
}

/* stride, padding, dilation. */
static bool read_lists(const tw_arg *a, options *o) {
    return spread(&a[0], "stride", o->dims, 1, o->s.stride) && spread(&a[1], "padding", o->dims, 0, o->s.padding) &&
           spread(&a[2], "dilation", o->dims, 1, o->s.dilation);
}

static bool check_options(const options *o) {
    if (any_below(o->s.padding, 0)) return tw_fail(TW_RUNTIME_ERROR, "negative padding is not supported");
    if (any_below(o->output_padding, 0)) return tw_fail(TW_RUNTIME_ERROR, "negative output_padding is not supported");
    if (any_below(o->s.stride, 1)) return tw_fail(TW_RUNTIME_ERROR, "non-positive stride is not supported");
    if (any_below(o->s.dilation, 1)) {
        return tw_fail(TW_RUNTIME_ERROR, "dilation should be greater than zero, but got %s",
                       tw_sizes_text(o->s.dilation + 3 - o->dims, o->dims));
    }
    return true;
}

/* The lists of `convolution`, in PyTorch's order of checks. */
static bool read_options(const tw_arg *a, options *o) {
    const tw_tensor *w = a[1].t;
    *o = (options){.dims = w->ndim - 2, .transposed = tw_a_get_int(&a[6], 0) != 0};
    o->s.groups = tw_a_get_int(&a[8], 1);
    if (o->dims <= 0) return tw_fail(TW_RUNTIME_ERROR, "weight should have at least three dimensions");
    if (o->s.groups <= 0) return tw_fail(TW_RUNTIME_ERROR, "non-positive groups is not supported");
    if (o->dims > 3) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "convolution: more than three dimensions are not implemented");
    return read_lists(a + 3, o) && spread(&a[7], "output_padding", o->dims, 0, o->output_padding) && check_options(o);
}

/* Sizes of x, w and y into the shape; those of missing dimensions are 1. */
static void set_sizes(options *o, const int64_t *x, const int64_t *w, const int64_t *y) {
    tw_conv_shape *s = &o->s;
    s->images = x[0], s->channels = x[1], s->filters = w[0];
    for (int i = 0; i < 3; i++) {
        int d = i - (3 - o->dims) + 2;
        s->in[i] = d < 2 ? 1 : x[d], s->window[i] = d < 2 ? 1 : w[d], s->out[i] = d < 2 ? 1 : y[d];
        if (s->out[i] == 1 && s->stride[i] > s->in[i] + 1) s->stride[i] = s->in[i] + 1; /* steps that nobody takes stay small */
        if (s->window[i] == 1 && s->dilation[i] > s->in[i] + 1) s->dilation[i] = s->in[i] + 1;
    }
}

/* A tensor of 3 to 5 dimensions as one of five; strides of dimensions of size 1 are as in a dense tensor. */
static tw_tensor five(const tw_tensor *t, int64_t room[10]) {
    tw_tensor out = *t;
    int dims = t->ndim - 2;
    for (int i = 0; i < 5; i++) {
        int d = i < 2 ? i : i - (3 - dims);
        bool given = i < 2 || d >= 2;
        room[i] = given ? t->sizes[d] : 1, room[5 + i] = given ? t->strides[d] : 0;
    }
    if (room[4] == 1) room[9] = room[1] > 1 && room[6] == 1 ? room[1] : 1;
    for (int i = 3; i >= 2; i--) {
        if (room[i] == 1) room[5 + i] = room[6 + i] * room[1 + i];
    }
    out.ndim = 5, out.sizes = room, out.strides = room + 5;
    return out;
}

static bool run_shape(const options *o, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    int64_t room[3][10];
    tw_tensor x5 = five(x, room[0]), w5 = five(w, room[1]), y5 = five(y, room[2]);
    return tw_conv_run(&o->s, mode, &x5, &w5, bias, &y5);
}

/* --- convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups) -------------------- */

static bool check_weight(const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const options *o) {
    const char *text = tw_sizes_text(w->sizes, w->ndim);
    long long groups = (long long)o->s.groups;
    if (w->ndim != x->ndim) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected %d-dimensional input for %d-dimensional weight %s, but got %d-dimensional input of size %s "
                       "instead", w->ndim, w->ndim, text, x->ndim, tw_sizes_text(x->sizes, x->ndim));
    }
    if (w->sizes[0] < groups) {
        return tw_fail(TW_RUNTIME_ERROR, "Given groups=%lld, expected weight to be at least %lld at dimension 0, but got weight of size %s "
                       "instead", groups, groups, text);
    }
    if (w->sizes[0] % groups) {
        return tw_fail(TW_RUNTIME_ERROR, "Given groups=%lld, expected weight to be divisible by %lld at dimension 0, but got weight of size "
                       "[%s] instead", groups, groups, text);
    }
    int64_t channels = o->transposed ? w->sizes[0] : w->sizes[1] * groups, filters = o->transposed ? w->sizes[1] * groups : w->sizes[0];
    char given[40];
    snprintf(given, sizeof given, o->transposed ? "transposed=1" : "groups=%lld", groups);
    if (x->sizes[1] != channels) {
        return tw_fail(TW_RUNTIME_ERROR, "Given %s, weight of size %s, expected input%s to have %lld channels, but got %lld channels instead",
                       given, text, tw_sizes_text(x->sizes, x->ndim), (long long)channels, (long long)x->sizes[1]);
    }
    if (!bias || (bias->ndim == 1 && bias->sizes[0] == filters)) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Given %s%sweight of size %s, expected bias to be 1-dimensional with %lld elements, but got bias of size %s "
                   "instead", o->transposed ? given : "", o->transposed ? ", " : "", text, (long long)filters,
                   tw_sizes_text(bias->sizes, bias->ndim));
}

static void join(char *to, size_t room, const int64_t *values, int n) {
    size_t at = 0;
    to[0] = 0;
    for (int i = 0; i < n && at < room; i++) {
        at += (size_t)snprintf(to + at, room - at, i ? " x %lld" : "%lld", (long long)values[i]);
    }
}

static bool check_window(const tw_tensor *x, const tw_tensor *w, const options *o) {
    int64_t padded[3], spans[3];
    bool fits = true;
    char left[80], right[80];
    for (int i = 0; i < o->dims; i++) {
        int d = 3 - o->dims + i;
        padded[i] = x->sizes[i + 2] + 2 * o->s.padding[d], spans[i] = o->s.dilation[d] * (w->sizes[i + 2] - 1) + 1;
        fits = fits && padded[i] >= spans[i];
    }
    if (fits) return true;
    join(left, sizeof left, padded, o->dims);
    join(right, sizeof right, spans, o->dims);
    return tw_fail(TW_RUNTIME_ERROR, "Calculated padded input size per channel: (%s). Kernel size: (%s). Kernel size can't be greater than actual "
                   "input size", left, right);
}

static bool check_empty(const tw_tensor *x, const tw_tensor *w, const options *o) {
    int64_t window[3] = {1, 1, 1};
    for (int i = 0; i < o->dims; i++) window[3 - o->dims + i] = w->sizes[i + 2];
    if (any_below(window, 1)) {
        if (o->dims == 3) {
            return tw_fail(TW_RUNTIME_ERROR, "kernel size should be greater than zero, but got: %lld x %lld x %lld (TxHxW)",
                           (long long)window[0], (long long)window[1], (long long)window[2]);
        }
        return tw_fail(TW_RUNTIME_ERROR, "kernel size should be greater than zero, but got kernel_height: %lld kernel_width: %lld",
                       (long long)window[1], (long long)window[2]);
    }
    if (x->numel == 0 && x->sizes[0] != 0 && x->sizes[1] != 0) {
        return tw_fail(TW_RUNTIME_ERROR, "Only zero batch or zero channel inputs are supported, but got input shape: %s",
                       tw_sizes_text(x->sizes, x->ndim));
    }
    return true;
}

static bool check_output_padding(const tw_tensor *x, const options *o, const int64_t *y) {
    const int64_t *p = o->output_padding, *s = o->s.stride, *d = o->s.dilation;
    bool small = true, positive = true;
    char left[80], right[80], words[3][100];
    for (int i = 3 - o->dims; i < 3; i++) small = small && (p[i] < s[i] || p[i] < d[i]);
    for (int i = 0; i < o->dims; i++) positive = positive && y[i + 2] >= 1;
    if (small && positive) return true;
    if (small) {
        join(left, sizeof left, x->sizes + 2, o->dims);
        join(right, sizeof right, y + 2, o->dims);
        bool row = o->dims == 1; /* PyTorch sees one row of an image */
        return tw_fail(TW_RUNTIME_ERROR, "Given input size per channel: (%s%s). Calculated output size per channel: (%s%s). Output size is too small",
                       row ? "1 x " : "", left, row ? "1 x " : "", right);
    }
    static const char *const names[] = {"output_padding", "stride", "dilation"};
    const int64_t *const lists[] = {p, s, d};
    for (int i = 0; i < 3; i++) {
        int n = 0;
        if (o->dims == 3) n = snprintf(words[i], sizeof words[i], "%s_depth: %lld ", names[i], (long long)lists[i][0]);
        snprintf(words[i] + n, sizeof words[i] - (size_t)n, "%s_height: %lld %s_width: %lld", names[i], (long long)lists[i][1], names[i],
                 (long long)lists[i][2]);
    }
    return tw_fail(TW_RUNTIME_ERROR, "output padding must be smaller than either stride or dilation, but got %s %s %s", words[0], words[1],
                   words[2]);
}

static bool check_dtypes(const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const options *o) {
    if (bias && bias->dtype != x->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "Input type (%s) and bias type (%s) should be the same", tw_cpp_name((tw_dtype)x->dtype),
                       tw_cpp_name((tw_dtype)bias->dtype));
    }
    if (x->dtype != w->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[x->dtype].type_name,
                       tw_dtypes[w->dtype].type_name);
    }
    bool dilated = o->s.dilation[0] > 1 || o->s.dilation[1] > 1 || o->s.dilation[2] > 1;
    bool small = x->dtype >= TW_UINT8 && x->dtype <= TW_INT32;
    if (tw_can_multiply((tw_dtype)x->dtype) && x->dtype != TW_COMPLEX32 && !(small && (dilated || o->transposed))) return true;
    if (o->transposed) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"slow_conv_transpose%dd_out_cpu\" not implemented for '%s'", o->dims == 3 ? 3 : 2,
                       tw_dtypes[x->dtype].type_name);
    }
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", dilated ? "slow_conv_dilated<>" :
                   o->dims == 3 ? "compute_columns3d" : "slow_conv2d_cpu", tw_dtypes[x->dtype].type_name);
}

static int64_t places(int64_t size, int64_t padding, int64_t dilation, int64_t window, int64_t stride) {
    return (size + 2 * padding - dilation * (window - 1) - 1) / stride + 1;
}

/* Whether the result has its channels last: in three dimensions only where PyTorch leaves the work to oneDNN, which handles float32
 * (some shapes are not worth it) and the half types. x is the input of the convolution as called. */
static bool channels_last(const tw_tensor *x, const tw_tensor *w, const tw_tensor *other, int64_t groups) {
    if (!tw_wants_channels_last(other) && !tw_wants_channels_last(w)) return false;
    if (w->ndim == 4) return true;
    tw_dtype real = tw_dtypes[x->dtype].real;
    if (real == TW_FLOAT16 || real == TW_BFLOAT16) return true;
    if (real != TW_FLOAT32) return false;
    const int64_t *k = w->sizes + w->ndim - 2, *n = x->sizes;
    return groups > 1 || (k[0] > 3 && k[1] > 3) || n[0] > 1 || n[0] * n[1] * n[2] * n[3] > 20480;
}

bool tw_convolution_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *w = a[1].t, *bias = a[2].tag == TW_ARG_TENSOR ? a[2].t : NULL;
    options o;
    if (!read_options(a, &o) || !check_weight(x, w, bias, &o)) return false;
    if (!o.transposed && !check_window(x, w, &o)) return false;
    int64_t sizes[5] = {x->sizes[0], o.transposed ? w->sizes[1] * o.s.groups : w->sizes[0]};
    if (!check_empty(x, w, &o)) return false;
    for (int i = 0; i < o.dims; i++) {
        int d = 3 - o.dims + i;
        int64_t n = x->sizes[i + 2], k = w->sizes[i + 2], pad = o.s.padding[d], gap = o.s.dilation[d], step = o.s.stride[d];
        sizes[i + 2] = o.transposed ? (n - 1) * step - 2 * pad + gap * (k - 1) + o.output_padding[d] + 1 : places(n, pad, gap, k, step);
    }
    if (o.transposed && !check_output_padding(x, &o, sizes)) return false;
    if (!check_dtypes(x, w, bias, &o)) return false;
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes, w->ndim)) return false;
    if (channels_last(x, w, x, o.s.groups)) tw_set_channels_last(out);
    return true;
}

bool tw_convolution_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[0].t, *w = a[1].t, *bias = a[2].tag == TW_ARG_TENSOR ? a[2].t : NULL;
    options o;
    if (!read_options(a, &o)) return false;
    if (o.transposed) {
        set_sizes(&o, out[0]->sizes, w->sizes, x->sizes);
        return run_shape(&o, CONV_INPUT, out[0], w, bias, x);
    }
    set_sizes(&o, x->sizes, w->sizes, out[0]->sizes);
    return run_shape(&o, CONV_FORWARD, x, w, bias, out[0]);
}

/* --- _conv_input(grad_output, weight, input_size, ...), _conv_weight(grad_output, input, weight_size, ...) ---------------- */

static bool read_gradient(const tw_arg *a, options *o) {
    *o = (options){.dims = a[0].t->ndim - 2, .s.groups = tw_a_get_int(&a[6], 1)};
    if (o->dims < 1 || o->dims > 3 || a[1].t->ndim != a[0].t->ndim || a[2].n != a[0].t->ndim) {
        return tw_fail(TW_RUNTIME_ERROR, "convolution gradient: expected arguments of 3 to 5 dimensions");
    }
    return read_lists(a + 3, o) && check_options(o);
}

static bool gradient_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *g = a[0].t, *other = a[1].t;
    options o;
    if (!read_gradient(a, &o)) return false;
    if (g->dtype != other->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[g->dtype].type_name,
                       tw_dtypes[other->dtype].type_name);
    }
    if (!tw_meta_set(out, (tw_dtype)g->dtype, g->device, a[2].ints, g->ndim)) return false;
    if (channels_last(g, other, g, o.s.groups)) tw_set_channels_last(out);
    return true;
}

bool tw__conv_input_meta(const tw_arg *a, tw_meta *out) { return gradient_meta(a, out); }
bool tw__conv_weight_meta(const tw_arg *a, tw_meta *out) { return gradient_meta(a, out); }

bool tw__conv_input_run(const tw_arg *a, tw_tensor **out) {
    options o;
    if (!read_gradient(a, &o)) return false;
    set_sizes(&o, a[2].ints, a[1].t->sizes, a[0].t->sizes);
    return run_shape(&o, CONV_INPUT, out[0], a[1].t, NULL, a[0].t);
}

bool tw__conv_weight_run(const tw_arg *a, tw_tensor **out) {
    options o;
    if (!read_gradient(a, &o)) return false;
    set_sizes(&o, a[1].t->sizes, a[2].ints, a[0].t->sizes);
    return run_shape(&o, CONV_WEIGHT, a[1].t, out[0], NULL, a[0].t);
}
