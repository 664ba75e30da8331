/* What poolings share: see pooling.h. One dimension is told to users as PyTorch does, as images of one row. */
#include "ops/pooling.h"
#include "core/error.h"
#include "ops/conv.h"
#include <string.h>

bool tw_pooling_list(const tw_arg *a, int dims, int64_t fill, int64_t into[3]) {
    into[0] = into[1] = into[2] = fill;
    if (a->tag == TW_ARG_NONE) return true;
    if (a->tag == TW_ARG_INTS && a->n != 1 && a->n != dims) return false;
    for (int i = 0; i < dims; i++) into[3 - dims + i] = a->tag != TW_ARG_INTS ? tw_a_get_int(a, fill) : a->ints[a->n == 1 ? 0 : i];
    return true;
}

/* Windows, steps and paddings are ints in PyTorch; of one dimension they are wider, but more than any tensor has elements means the same. */
static bool narrow(const tw_pooling *p, int64_t values[3]) {
    for (int i = 0; i < 3; i++) {
        if (values[i] >= INT32_MIN && values[i] <= INT32_MAX) continue;
        if (p->dims > 1) return tw_fail(TW_RUNTIME_ERROR, "value cannot be converted to type int without overflow");
        values[i] = values[i] < 0 ? INT32_MIN : INT32_MAX;
    }
    return true;
}

static bool bad_list(const tw_pooling *p, const tw_arg *a, const char *which, bool average) {
    static const char *const counts[] = {"", "one", "two", "three"};
    bool stride = strcmp(which, "stride") == 0, dilation = strcmp(which, "dilation") == 0;
    if (p->dims == 1) return tw_fail(TW_RUNTIME_ERROR, "%s() argument '%s' should contain one int (got %d)", p->name, which, a->n);
    return tw_fail(TW_RUNTIME_ERROR, "%s: %s must %s%sa single int, or a tuple of %s ints", p->name, which,
                   average && p->dims == 3 ? "be " : dilation ? "be either " : "either be ", stride ? "omitted, " : "", counts[p->dims]);
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static bool pooled_size(tw_pooling *p, int d, bool ceil_mode) {
    if (p->stride[d] == 0) return tw_fail(TW_RUNTIME_ERROR, "stride should not be zero");
    if (p->padding[d] < 0) return tw_fail(TW_RUNTIME_ERROR, "pad must be non-negative, but got pad: %lld", (long long)p->padding[d]);
    if (p->padding[d] > ((p->window[d] - 1) * p->dilation[d] + 1) / 2) {
        return tw_fail(TW_RUNTIME_ERROR, "pad should be at most half of effective kernel size, but got pad=%lld, kernel_size=%lld and "
                       "dilation=%lld", (long long)p->padding[d], (long long)p->window[d], (long long)p->dilation[d]);
    }
    int64_t span = p->in[d] + 2 * p->padding[d] - p->dilation[d] * (p->window[d] - 1) - 1 + (ceil_mode ? p->stride[d] - 1 : 0);
    p->out[d] = floor_div(span, p->stride[d]) + 1;
    if (ceil_mode && (p->out[d] - 1) * p->stride[d] >= p->in[d] + p->padding[d]) p->out[d]--;
    return true;
}

static bool any_below(const int64_t v[3], int64_t least) { return v[0] < least || v[1] < least || v[2] < least; }

/* "kernel size should be greater than zero, but got kH: 0 kW: 2" */
static bool positive(const tw_pooling *p, const int64_t v[3], const char *what, const char *letter) {
    if (!any_below(v, 1)) return true;
    char text[120];
    int n = 0;
    if (p->dims == 3) n = snprintf(text, sizeof text, "%sT: %lld ", letter, (long long)v[0]);
    snprintf(text + n, sizeof text - (size_t)n, "%sH: %lld %sW: %lld", letter, (long long)v[1], letter, (long long)v[2]);
    return tw_fail(TW_RUNTIME_ERROR, "%s should be greater than zero, but got %s", what, text);
}

const char *tw_pooling_text(const tw_tensor *x, int dims) {
    int64_t sizes[TW_MAX_DIMS + 1];
    int n = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (dims == 1 && i == x->ndim - 1) sizes[n++] = 1;
        sizes[n++] = x->sizes[i];
    }
    return tw_sizes_text(sizes, n);
}

static bool check_input(const tw_pooling *p, const tw_tensor *x, bool average) {
    const char *sizes = tw_pooling_text(x, p->dims);
    if (p->dims == 3) {
        for (int i = x->ndim == 5; i < x->ndim; i++) {
            if (x->sizes[i] > 0) continue; /* the text gives the size where it speaks of the dimension, as PyTorch's */
            return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected input's non-batch dimensions to have positive length, but input has a shape of %s and "
                           "non-batch dimension 0 has length zero!", average ? "avg_pool3d" : "max_pool3d_with_indices_out_cpu_template", sizes);
        }
        return true;
    }
    if (p->channels != 0 && !any_below(p->in, 1)) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:%s", sizes);
}

static void volume_text(const tw_pooling *p, const int64_t v[3], char *text, size_t room) {
    if (p->dims == 3) {
        snprintf(text, room, "%lldx%lldx%lldx%lld", (long long)p->channels, (long long)v[0], (long long)v[1], (long long)v[2]);
    } else {
        snprintf(text, room, "%lldx%lldx%lld", (long long)p->channels, (long long)v[1], (long long)v[2]);
    }
}

static bool check_padding(const tw_pooling *p) {
    const int64_t *k = p->window, *pad = p->padding;
    if (k[0] / 2 >= pad[0] && k[1] / 2 >= pad[1] && k[2] / 2 >= pad[2]) return true;
    if (p->dims == 3) {
        return tw_fail(TW_RUNTIME_ERROR, "pad should be smaller than or equal to half of kernel size, but got kT: %lld kW: %lld kH: %lld padT: %lld "
                       "padW: %lld padH: %lld", (long long)k[0], (long long)k[2], (long long)k[1], (long long)pad[0], (long long)pad[2],
                       (long long)pad[1]);
    }
    return tw_fail(TW_RUNTIME_ERROR, "pad should be smaller than or equal to half of kernel size, but got padW = %lld, padH = %lld, kW = %lld, "
                   "kH = %lld", (long long)pad[2], (long long)pad[1], (long long)k[2], (long long)k[1]);
}

static bool check(const tw_pooling *p, const tw_tensor *x, bool average) {
    char from[100], to[100];
    if (!positive(p, p->window, "kernel size", "k") || !positive(p, p->stride, "stride", "d") ||
        !positive(p, p->dilation, "dilation", "dilation") || !check_input(p, x, average)) return false;
    if (average && p->dims == 3 && (p->in[0] < p->window[0] || p->in[1] < p->window[1] || p->in[2] < p->window[2])) {
        return tw_fail(TW_RUNTIME_ERROR, "input image (T: %lld H: %lld W: %lld) smaller than kernel size (kT: %lld kH: %lld kW: %lld)",
                       (long long)p->in[0], (long long)p->in[1], (long long)p->in[2], (long long)p->window[0], (long long)p->window[1],
                       (long long)p->window[2]);
    }
    if (!check_padding(p)) return false;
    if (!any_below(p->out, 1)) return true;
    volume_text(p, p->in, from, sizeof from);
    volume_text(p, p->out, to, sizeof to);
    return tw_fail(TW_RUNTIME_ERROR, "Given input size: (%s). Calculated output size: (%s). Output size is too small", from, to);
}

void tw_pooling_sizes(tw_pooling *p, const tw_tensor *x) {
    int lead = x->ndim - p->dims;
    p->images = lead == 2 ? x->sizes[0] : 1, p->channels = x->sizes[lead - 1];
    for (int i = 0; i < 3; i++) {
        int d = i - (3 - p->dims);
        p->in[i] = d < 0 ? 1 : x->sizes[lead + d], p->out[i] = 1;
    }
}

static bool check_ndim(const tw_pooling *p, const tw_tensor *x, bool average) {
    int64_t third = -3;
    if (x->ndim == p->dims + 1 || x->ndim == p->dims + 2) return true;
    if (p->dims == 1) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected 2 to 3 dimensions, but got %d-dimensional tensor for argument #1 'self' (while checking arguments for "
                       "%s)", x->ndim, p->name);
    }
    if (p->dims == 3) return tw_fail(TW_RUNTIME_ERROR, "non-empty 4D or 5D (batch mode) tensor expected for input");
    if (!average) return tw_fail(TW_RUNTIME_ERROR, "non-empty 3D or 4D (batch mode) tensor expected for input");
    if (x->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as -3 but tensor has no dimensions");
    if (!tw_wrap_dim(&third, x->ndim)) return false;
    return tw_fail(TW_RUNTIME_ERROR, "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:%s",
                   tw_sizes_text(x->sizes, x->ndim));
}

bool tw_pooling_read(tw_pooling *p, const tw_tensor *x, const tw_arg *kernel, const tw_arg *stride, const tw_arg *padding,
                     const tw_arg *dilation, bool ceil_mode, bool average) {
    bool own_stride = stride->tag == TW_ARG_NONE || (stride->tag == TW_ARG_INTS && stride->n == 0);
    static const tw_arg none = {.tag = TW_ARG_NONE};
    if (!tw_pooling_list(kernel, p->dims, 1, p->window)) return bad_list(p, kernel, "kernel_size", average);
    if (!tw_pooling_list(own_stride ? kernel : stride, p->dims, 1, p->stride)) return bad_list(p, stride, "stride", average);
    if (!tw_pooling_list(padding, p->dims, 0, p->padding)) return bad_list(p, padding, "padding", average);
    if (!tw_pooling_list(dilation ? dilation : &none, p->dims, 1, p->dilation)) return bad_list(p, dilation, "dilation", average);
    int64_t *const all[] = {p->window, p->stride, p->padding, p->dilation};
    for (int i = 0; i < 4; i++)
        if (!narrow(p, all[i])) return false;
    if (!check_ndim(p, x, average)) return false;
    tw_pooling_sizes(p, x);
    for (int i = 3 - p->dims; i < 3; i++)
        if (!pooled_size(p, i, ceil_mode)) return false;
    return check(p, x, average);
}

bool tw_pooling_meta(const tw_pooling *p, const tw_tensor *x, tw_dtype dtype, bool keep, tw_meta *out) {
    int64_t sizes[5];
    for (int i = 0; i < x->ndim; i++) {
        int d = i - (x->ndim - p->dims);
        sizes[i] = d < 0 ? x->sizes[i] : p->out[3 - p->dims + d];
    }
    if (!tw_meta_set(out, dtype, x->device, sizes, x->ndim)) return false;
    if (keep && tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}
