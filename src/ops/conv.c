/* The convolution ops: checks, shapes and layouts; plain loops for integers and complex. */
#include "ops/conv.h"
#include "core/memory.h"
#include "ops/linalg.h"
#include "ops/op.h"
#include <complex.h>
#include <string.h>

#define PLAIN_LOOPS "ops/conv_plain.h"
#include "ops/plain_types.h"

bool tw_wants_channels_last(const tw_tensor *t) {
    static const int order[] = {1, 3, 2, 0};
    int64_t least = 0;
    if (t->ndim != 4 || t->strides[1] == 0) return false;
    for (int i = 0; i < 4; i++) {
        int d = order[i];
        if (t->sizes[d] == 0 || t->strides[d] < least) return false;
        if (d == 0 && least == t->strides[1]) return false; /* a plain (N, 1, 1, 1), or an implicit expand */
        least = t->strides[d];
        if (t->sizes[d] > 1) least *= t->sizes[d];
    }
    return true;
}

bool tw_conv_run(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    const tw_tensor *to = mode == CONV_FORWARD ? y : mode == CONV_INPUT ? x : w;
    tw_dtype dtype = (tw_dtype)to->dtype;
    if (to->numel == 0) return true;
    if (tw_is_float(dtype) && dtype <= TW_FLOAT64) return tw_conv_packed(s, mode, x, w, bias, y);
    if (!tw_can_multiply(dtype)) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"slow_conv2d_cpu\" not implemented for '%s'", tw_dtypes[dtype].type_name);
    }
    if (mode != CONV_FORWARD) memset(tw_data(to), 0, (size_t)to->numel * tw_dtype_size(dtype)); /* the meta functions made it dense */
    const void *b = bias ? tw_data(bias) : NULL;
    int64_t step = bias ? bias->strides[0] : 0;
#define PLAIN(name, type) name(s, mode, tw_data(x), x->strides, tw_data(w), w->strides, (const type *)b, step, tw_data(y), y->strides)
    switch (dtype) {
    case TW_COMPLEX64: PLAIN(plain_c64, float complex); break;
    case TW_COMPLEX128: PLAIN(plain_c128, double complex); break;
    case TW_UINT8: case TW_INT8: PLAIN(plain_u8, uint8_t); break;
    case TW_INT16: PLAIN(plain_u16, uint16_t); break;
    case TW_INT32: PLAIN(plain_u32, uint32_t); break;
    default: PLAIN(plain_u64, uint64_t); break;
    }
#undef PLAIN
    return true;
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */

static bool pair(const tw_arg *a, const char *name, int64_t into[2]) {
    if (a->tag != TW_ARG_INTS) {
        into[0] = into[1] = tw_a_get_int(a, 1);
        return true;
    }
    if (a->n == 1 || a->n == 2) {
        into[0] = a->ints[0], into[1] = a->ints[a->n - 1];
        return true;
    }
    return tw_fail(TW_RUNTIME_ERROR, "expected %s to be a single integer value or a list of 2 values to match the convolution dimensions, "
                   "but got %s=%s", name, name, tw_sizes_text(a->ints, a->n));
}

/* stride, padding, dilation, groups are a[0..3]. */
static bool read_options(const tw_arg *a, tw_conv_shape *s) {
    int64_t stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};
    if (!pair(&a[0], "stride", stride) || !pair(&a[1], "padding", padding) || !pair(&a[2], "dilation", dilation)) return false;
    s->stride_y = stride[0], s->stride_x = stride[1];
    s->padding_y = padding[0], s->padding_x = padding[1];
    s->dilation_y = dilation[0], s->dilation_x = dilation[1];
    s->groups = tw_a_get_int(&a[3], 1);
    if (padding[0] < 0 || padding[1] < 0) return tw_fail(TW_RUNTIME_ERROR, "negative padding is not supported");
    if (stride[0] <= 0 || stride[1] <= 0) return tw_fail(TW_RUNTIME_ERROR, "non-positive stride is not supported");
    if (dilation[0] <= 0 || dilation[1] <= 0) {
        return tw_fail(TW_RUNTIME_ERROR, "dilation should be greater than zero, but got %s", tw_sizes_text(dilation, 2));
    }
    if (s->groups <= 0) return tw_fail(TW_RUNTIME_ERROR, "non-positive groups is not supported");
    return true;
}

static int64_t places(int64_t size, int64_t padding, int64_t dilation, int64_t window, int64_t stride) {
    return (size + 2 * padding - dilation * (window - 1) - 1) / stride + 1;
}

static bool read_sizes(const int64_t *x, const int64_t *w, tw_conv_shape *s) {
    s->images = x[0], s->channels = x[1], s->in_y = x[2], s->in_x = x[3];
    s->filters = w[0], s->window_y = w[2], s->window_x = w[3];
    s->out_y = places(s->in_y, s->padding_y, s->dilation_y, s->window_y, s->stride_y);
    s->out_x = places(s->in_x, s->padding_x, s->dilation_x, s->window_x, s->stride_x);
    return true;
}

static bool check_weight(const tw_tensor *x, const tw_tensor *w, const tw_conv_shape *s) {
    const char *text = tw_sizes_text(w->sizes, w->ndim);
    long long groups = (long long)s->groups;
    if (w->sizes[0] < s->groups) {
        return tw_fail(TW_RUNTIME_ERROR, "Given groups=%lld, expected weight to be at least %lld at dimension 0, but got weight of size %s "
                       "instead", groups, groups, text);
    }
    if (w->sizes[0] % s->groups) {
        return tw_fail(TW_RUNTIME_ERROR, "Given groups=%lld, expected weight to be divisible by %lld at dimension 0, but got weight of size "
                       "[%s] instead", groups, groups, text);
    }
    if (x->sizes[1] != w->sizes[1] * s->groups) {
        return tw_fail(TW_RUNTIME_ERROR, "Given groups=%lld, weight of size %s, expected input%s to have %lld channels, but got %lld "
                       "channels instead", groups, text, tw_sizes_text(x->sizes, x->ndim), (long long)(w->sizes[1] * s->groups),
                       (long long)x->sizes[1]);
    }
    return true;
}

/* conv1d arrives as a convolution over images of one row: the text speaks of its one dimension. */
static bool check_window(const tw_tensor *x, const tw_tensor *w, const tw_conv_shape *s) {
    int64_t py = s->in_y + 2 * s->padding_y, px = s->in_x + 2 * s->padding_x;
    int64_t ky = s->dilation_y * (s->window_y - 1) + 1, kx = s->dilation_x * (s->window_x - 1) + 1;
    (void)x, (void)w;
    if (py >= ky && px >= kx && s->in_y > 0 && s->in_x > 0) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Calculated padded input size per channel: (%lld x %lld). Kernel size: (%lld x %lld). Kernel size can't "
                   "be greater than actual input size", (long long)py, (long long)px, (long long)ky, (long long)kx);
}

static bool layout(tw_meta *out, tw_dtype dtype, tw_device device, const int64_t *sizes, bool last) {
    if (!tw_meta_set(out, dtype, device, sizes, 4)) return false;
    if (last) tw_format_strides(sizes, 4, TW_CHANNELS_LAST, out->strides);
    return true;
}

/* --- _conv2d(input, weight, bias, stride, padding, dilation, groups) ---------------------------------------------------- */

bool tw__conv2d_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *w = a[1].t, *bias = a[2].tag == TW_ARG_TENSOR ? a[2].t : NULL;
    tw_conv_shape s;
    if (!read_options(a + 3, &s)) return false;
    if (x->ndim != 4 || w->ndim != 4) return tw_fail(TW_RUNTIME_ERROR, "_conv2d: expected 4-d input and weight");
    if (!check_weight(x, w, &s)) return false;
    if (bias && (bias->ndim != 1 || bias->sizes[0] != w->sizes[0])) {
        return tw_fail(TW_RUNTIME_ERROR, "Given weight of size %s, expected bias to be 1-dimensional with %lld elements, but got bias of "
                       "size %s instead", tw_sizes_text(w->sizes, 4), (long long)w->sizes[0], tw_sizes_text(bias->sizes, bias->ndim));
    }
    read_sizes(x->sizes, w->sizes, &s);
    if (!check_window(x, w, &s)) return false;
    if (bias && bias->dtype != x->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "Input type (%s) and bias type (%s) should be the same", tw_cpp_name((tw_dtype)x->dtype),
                       tw_cpp_name((tw_dtype)bias->dtype));
    }
    if (x->dtype != w->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[x->dtype].type_name,
                       tw_dtypes[w->dtype].type_name);
    }
    int64_t sizes[] = {s.images, s.filters, s.out_y, s.out_x};
    return layout(out, (tw_dtype)x->dtype, x->device, sizes, tw_wants_channels_last(x) || tw_wants_channels_last(w));
}

bool tw__conv2d_run(const tw_arg *a, tw_tensor **out) {
    tw_conv_shape s;
    if (!read_options(a + 3, &s)) return false;
    read_sizes(a[0].t->sizes, a[1].t->sizes, &s);
    return tw_conv_run(&s, CONV_FORWARD, a[0].t, a[1].t, a[2].tag == TW_ARG_TENSOR ? a[2].t : NULL, out[0]);
}

/* --- _conv2d_input(grad_output, weight, input_size, ...), _conv2d_weight(grad_output, input, weight_size, ...) ---------------- */

static bool gradient_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *g = a[0].t, *other = a[1].t;
    if (g->ndim != 4 || other->ndim != 4 || a[2].n != 4) return tw_fail(TW_RUNTIME_ERROR, "convolution gradient: expected 4-d arguments");
    if (g->dtype != other->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[g->dtype].type_name,
                       tw_dtypes[other->dtype].type_name);
    }
    return layout(out, (tw_dtype)g->dtype, g->device, a[2].ints, tw_wants_channels_last(g) || tw_wants_channels_last(other));
}

bool tw__conv2d_input_meta(const tw_arg *a, tw_meta *out) { return gradient_meta(a, out); }
bool tw__conv2d_weight_meta(const tw_arg *a, tw_meta *out) { return gradient_meta(a, out); }

bool tw__conv2d_input_run(const tw_arg *a, tw_tensor **out) {
    tw_conv_shape s;
    if (!read_options(a + 3, &s)) return false;
    read_sizes(a[2].ints, a[1].t->sizes, &s);
    return tw_conv_run(&s, CONV_INPUT, out[0], a[1].t, NULL, a[0].t);
}

bool tw__conv2d_weight_run(const tw_arg *a, tw_tensor **out) {
    tw_conv_shape s;
    if (!read_options(a + 3, &s)) return false;
    read_sizes(a[1].t->sizes, a[2].ints, &s);
    return tw_conv_run(&s, CONV_WEIGHT, a[1].t, out[0], NULL, a[0].t);
}
