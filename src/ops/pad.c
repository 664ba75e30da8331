/* Padding: by a constant, or by elements of the tensor itself (reflected, repeated, or from the other side). */
#include "core/error.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "ops/conv.h"
#include "ops/copy.h"
#include "ops/resample.h"
#include "ops/tile.h"
#include <string.h>

enum { REFLECT = 1, REPLICATE, CIRCULAR };

typedef struct padding { int dims; const int64_t *pad; } padding; /* pad: (before, after) of the last dimension, then of that before it, ... */

static int64_t before(const padding *p, int i) { return p->pad[2 * (p->dims - 1 - i)]; } /* of padded dimension i */
static int64_t after(const padding *p, int i) { return p->pad[2 * (p->dims - 1 - i) + 1]; }

/* Of padded dimension i of size n; negative too where it does not fit into 64 bits. */
static int64_t padded_size(int64_t n, const padding *p, int i) {
    int64_t size = n;
    if (i < 0) return n;
    return __builtin_add_overflow(before(p, i), after(p, i), &size) || __builtin_add_overflow(size, n, &size) ? -1 : size;
}
/* What negative widths leave of it. */
static int64_t cut_size(int64_t n, const padding *p, int i) {
    int64_t left = i < 0 || before(p, i) > 0 ? 0 : before(p, i), right = i < 0 || after(p, i) > 0 ? 0 : after(p, i);
    return left < -n || right < -n ? -1 : n + left + right;
}

/* --- constant_pad_nd --------------------------------------------------------------------------------------------------- */

bool tw_constant_pad_nd_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t;
    padding p = {a[1].n / 2, a[1].ints};
    int64_t sizes[TW_MAX_DIMS];
    if (a[1].n % 2) return tw_fail(TW_RUNTIME_ERROR, "Length of pad must be even but instead it equals %d", a[1].n);
    if (p.dims > x->ndim) {
        return tw_fail(TW_RUNTIME_ERROR, "Length of pad should be no more than twice the number of dimensions of the input. Pad length is %dwhile "
                       "the input has %ddimensions.", a[1].n, x->ndim);
    }
    for (int i = 0; i < x->ndim; i++)
        if (cut_size(x->sizes[i], &p, i - (x->ndim - p.dims)) < 0) return tw_fail(TW_RUNTIME_ERROR, "narrow(): length must be non-negative.");
    for (int i = 0; i < x->ndim; i++) {
        int d = i - (x->ndim - p.dims);
        sizes[i] = padded_size(x->sizes[i], &p, d);
        if (sizes[i] < 0) {
            return tw_fail(TW_RUNTIME_ERROR, "The input size %lld, plus negative padding %lld and %lld resulted in a negative output size, which is "
                           "invalid. Check dimension %d of your input.", (long long)x->sizes[i], (long long)before(&p, d), (long long)after(&p, d), i);
        }
    }
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes, x->ndim)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}

/* Copies what x and out share, out being x moved by the padding. */
static bool copy_inside(tw_tensor *out, tw_tensor *x, const padding *p) {
    int64_t sizes[TW_MAX_DIMS], from = x->offset, to = out->offset;
    for (int i = 0; i < x->ndim; i++) {
        int d = i - (x->ndim - p->dims);
        int64_t left = d < 0 ? 0 : before(p, d);
        sizes[i] = cut_size(x->sizes[i], p, d);
        if (sizes[i] == 0) return true;
        if (left < 0) from -= left * x->strides[i];
        else to += left * out->strides[i];
    }
    tw_tensor *source = tw_alias_new(x, sizes, x->strides, x->ndim, from, (tw_dtype)x->dtype);
    tw_tensor *target = source ? tw_alias_new(out, sizes, out->strides, x->ndim, to, (tw_dtype)x->dtype) : NULL;
    bool ok = target && tw_copy(target, source);
    tw_release(source);
    tw_release(target);
    return ok;
}

enum { PATTERN_BYTES = 256, PAD_GRAIN = 1 << 17 /* bytes */ };

/* The result in the order in which it lies in memory, dimension 0 the fastest: runs of the tensor with gaps of the value between them. */
typedef struct frame {
    int ndim;
    int64_t sizes[TW_MAX_DIMS], inside[TW_MAX_DIMS], left[TW_MAX_DIMS]; /* of the result, of what it shows of x, and before that */
    int64_t strides[TW_MAX_DIMS];                                     /* of x, in bytes; of the fastest one element */
    const char *from;                                                 /* the first element shown */
    char *to;
    size_t size;
    _Alignas(64) char pattern[PATTERN_BYTES];                         /* the value, again and again */
} frame;

static void fill_gap(const frame *f, char *to, const char *end) {
    const int64_t bytes = end - to;
    if (bytes <= 0) return;
    if (bytes <= PATTERN_BYTES) memcpy(to, f->pattern, (size_t)bytes);
    else tw_move()->move[tw_size_index(f->size)](bytes / (int64_t)f->size, to, (int64_t)f->size, f->pattern, 0);
}

/* begin, end: rows of dimension 0 of the result. */
static void run_frame(void *context, int64_t begin, int64_t end) {
    const frame *f = context;
    const size_t size = f->size, run = (size_t)f->inside[0] * size;
    const int64_t row = f->sizes[0] * (int64_t)size, lead = f->left[0] * (int64_t)size;
    int64_t at[TW_MAX_DIMS] = {0}, rest = begin;
    for (int d = 1; d < f->ndim; d++) {
        at[d] = rest % f->sizes[d];
        rest /= f->sizes[d];
    }
    char *written = f->to + begin * row;
    for (int64_t r = begin; r < end; r++) {
        bool shows = true;
        const char *from = f->from;
        for (int d = 1; d < f->ndim; d++) {
            const int64_t place = at[d] - f->left[d];
            shows = shows && place >= 0 && place < f->inside[d];
            from += place * f->strides[d];
        }
        if (shows) {
            char *to = f->to + r * row + lead;
            fill_gap(f, written, to);
            memcpy(to, from, run);
            written = to + run;
        }
        for (int d = 1; d < f->ndim && ++at[d] == f->sizes[d]; d++) at[d] = 0;
    }
    fill_gap(f, written, f->to + end * row);
}

/* False where x or the result lies in memory in another way. What is shown of x is not empty. */
static bool frame_for(const tw_tensor *x, const tw_tensor *out, const padding *p, frame *f) {
    const int64_t *strides[2] = {out->strides, x->strides};
    int order[TW_MAX_DIMS];
    int64_t dense = 1, from = x->offset;
    if (x->ndim == 0 || x->layout || x->device != TW_CPU || x->flags & (TW_CONJ | TW_NEG) || out->flags & (TW_CONJ | TW_NEG)) return false;
    tw_iter_order(out->sizes, out->ndim, strides, 2, order);
    f->ndim = 0;
    f->size = tw_dtype_size((tw_dtype)x->dtype);
    for (int i = 0; i < out->ndim; i++) {
        const int d = order[i], side = d - (x->ndim - p->dims);
        const int64_t left = side < 0 ? 0 : before(p, side), inside = cut_size(x->sizes[d], p, side), step = x->strides[d] * (int64_t)f->size;
        if (out->sizes[d] != 1 && out->strides[d] != dense) return false;
        dense *= out->sizes[d];
        if (inside == 0) return false;
        if (left < 0) from -= left * x->strides[d];
        if (out->sizes[d] == 1 && f->ndim > 0) continue;
        const int n = f->ndim - 1;
        if (n >= 0 && f->inside[n] == f->sizes[n] && (f->sizes[n] == 1 || step == f->strides[n] * f->sizes[n])) { /* rows of n follow one another in both */
            if (f->sizes[n] == 1) f->strides[n] = step;
            f->left[n] = (left > 0 ? left : 0) * f->sizes[n];
            f->inside[n] = inside * f->sizes[n];
            f->sizes[n] *= out->sizes[d];
            continue;
        }
        f->sizes[f->ndim] = out->sizes[d];
        f->inside[f->ndim] = inside;
        f->left[f->ndim] = left > 0 ? left : 0;
        f->strides[f->ndim++] = step;
    }
    if (f->inside[0] > 1 && f->strides[0] != (int64_t)f->size) return false;
    f->from = (const char *)x->storage->data + from * (int64_t)f->size;
    f->to = tw_data(out);
    return true;
}

bool tw_constant_pad_nd_run(const tw_arg *a, tw_tensor **out) {
    padding p = {a[1].n / 2, a[1].ints};
    bool grows = false;
    for (int i = 0; i < a[1].n; i++) grows = grows || a[1].ints[i] > 0;
    if (out[0]->numel == 0) return true;
    const tw_scalar value = tw_a_to_scalar(&a[2]);
    const tw_dtype dtype = (tw_dtype)out[0]->dtype;
    if (grows && !tw_check_number(value, dtype)) return false;
    frame f;
    if (frame_for(a[0].t, out[0], &p, &f)) {
        char one[16];
        tw_store_scalar(one, dtype, value);
        tw_move()->move[tw_size_index(f.size)](PATTERN_BYTES / (int64_t)f.size, f.pattern, (int64_t)f.size, one, 0);
        tw_parallel(out[0]->numel / f.sizes[0], PAD_GRAIN / (f.sizes[0] * (int64_t)f.size) + 1, run_frame, &f);
        return true;
    }
    return (!grows || tw_fill(out[0], value)) && copy_inside(out[0], a[0].t, &p);
}

/* --- by elements of the tensor ------------------------------------------------------------------------------------------- */

static bool check_reflection(const tw_tensor *x, const padding *p) {
    for (int i = p->dims - 1; i >= 0; i--) {
        int64_t n = x->sizes[x->ndim - p->dims + i], left = before(p, i), right = after(p, i);
        if (left < n && right < n) continue;
        return tw_fail(TW_RUNTIME_ERROR, "Argument #%d: Padding size should be less than the corresponding input dimension, but got: padding (%lld, "
                       "%lld) at dimension %d of input %s", 4 + 2 * (p->dims - 1 - i), (long long)left, (long long)right, x->ndim - p->dims + i,
                       tw_sizes_text(x->sizes, x->ndim));
    }
    return true;
}

static bool check_circular(const tw_tensor *x, const padding *p) {
    for (int i = 0; i < p->dims; i++) {
        int64_t n = x->sizes[x->ndim - p->dims + i], left = before(p, i), right = after(p, i);
        if (left > n || right > n) return tw_fail(TW_RUNTIME_ERROR, "Padding value causes wrapping around more than once.");
        if (padded_size(n, p, i) < 0 || cut_size(n, p, i) <= 0) return tw_fail(TW_RUNTIME_ERROR, "Negative padding value is resulting in an empty dimension");
    }
    return true;
}

static bool check_input(const tw_tensor *x, const padding *p, int64_t given) {
    bool batch = x->ndim == p->dims + 2, valid = batch || x->ndim == p->dims + 1;
    if (given != 2 * p->dims) return tw_fail(TW_RUNTIME_ERROR, "padding size is expected to be %d, but got: %lld", 2 * p->dims, (long long)given);
    for (int i = batch ? 1 : 0; i < x->ndim; i++) valid = valid && x->sizes[i] != 0;
    if (valid) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Expected %dD or %dD (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
                   "got: %s", p->dims + 1, p->dims + 2, tw_sizes_text(x->sizes, x->ndim));
}

/* "D: 1 H: 2, W: 3" with the input's sizes and the result's. */
static bool too_small(const tw_tensor *x, const padding *p, const int64_t *sizes) {
    static const char *const formats[] = {"input (W: %lld) is too small. Calculated output W: %lld",
                                          "input (H: %lld, W: %lld) is too small. Calculated output H: %lld W: %lld",
                                          "input (D: %lld H: %lld, W: %lld) is too small. Calculated output D: %lld H: %lld W: %lld"};
    long long v[6];
    char text[200];
    for (int i = 0; i < p->dims; i++) {
        v[i] = (long long)x->sizes[x->ndim - p->dims + i], v[p->dims + i] = (long long)sizes[x->ndim - p->dims + i];
    }
    if (p->dims == 1) snprintf(text, sizeof text, formats[0], v[0], v[1]);
    else if (p->dims == 2) snprintf(text, sizeof text, formats[1], v[0], v[1], v[2], v[3]);
    else snprintf(text, sizeof text, formats[2], v[0], v[1], v[2], v[3], v[4], v[5]);
    return tw_fail(TW_RUNTIME_ERROR, "%s", text);
}

static bool padded_meta(const tw_tensor *x, const padding *p, int64_t given, int mode, tw_meta *out) {
    static const char *const names[] = {"", "reflection", "replication"};
    int64_t sizes[TW_MAX_DIMS];
    bool empty = false;
    if (mode != CIRCULAR && !check_input(x, p, given)) return false;
    if (mode == REFLECT && !check_reflection(x, p)) return false;
    if (mode == CIRCULAR && !check_circular(x, p)) return false;
    for (int i = 0; i < x->ndim; i++) {
        int d = i - (x->ndim - p->dims);
        sizes[i] = padded_size(x->sizes[i], p, d);
        empty = empty || (d >= 0 && sizes[i] < 1);
    }
    if (mode != CIRCULAR && empty) return too_small(x, p, sizes);
    if (mode != CIRCULAR && x->dtype == TW_BOOL) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s_pad%dd\" not implemented for 'Bool'", names[mode], p->dims);
    }
    if (!tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes, x->ndim)) return false;
    if (mode != CIRCULAR && tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}

/* Which element a place shows, counted from the first element. Negative widths cut before circular padding goes round; where they cut more than
 * reflection gives back, PyTorch reads past the tensor. */
static int64_t source(int64_t place, int64_t size, int mode, int64_t left, int64_t right) {
    if (mode == REFLECT) place = place < 0 ? -place : place >= size ? 2 * (size - 1) - place : place;
    if (mode != CIRCULAR) return place < 0 ? 0 : place >= size ? size - 1 : place;
    int64_t first = left < 0 ? -left : 0, count = size - first + (right < 0 ? right : 0), at = (place - first) % count;
    return first + (at < 0 ? at + count : at);
}

/* sizes: of the tensor that is padded, the last p->dims dimensions. */
static bool run_padding(const int64_t *sizes, const padding *p, int mode, bool transposed, const tw_tensor *x, const tw_tensor *y) {
    tw_taps taps[3] = {{0}};
    bool ok = true;
    for (int i = 0; ok && i < p->dims; i++) {
        int64_t left = before(p, i), right = after(p, i), n = sizes[i], total = n + left + right;
        tw_taps *t = &taps[3 - p->dims + i];
        if (left == 0 && total == n) continue;
        ok = tw_taps_gather(t, n, total);
        for (int64_t o = 0; ok && o < total; o++) t->index[o] = source(o - left, n, mode, left, right);
    }
    ok = ok && tw_resample_run(taps, p->dims, transposed, x, y);
    tw_taps_free(taps, 3);
    return ok;
}

static bool gather_run(const tw_arg *a, int mode, tw_tensor **out) {
    padding p = {a[1].n / 2, a[1].ints};
    return out[0]->numel == 0 || run_padding(a[0].t->sizes + a[0].t->ndim - p.dims, &p, mode, false, a[0].t, out[0]);
}

#define PADDING(NAME, MODE, N) \
    bool tw_##NAME##_pad##N##d_meta(const tw_arg *a, tw_meta *out) { \
        padding p = {N, a[1].ints}; \
        return padded_meta(a[0].t, &p, a[1].n, MODE, out); \
    } \
    bool tw_##NAME##_pad##N##d_run(const tw_arg *a, tw_tensor **out) { return gather_run(a, MODE, out); }
PADDING(reflection, REFLECT, 1)
PADDING(reflection, REFLECT, 2)
PADDING(reflection, REFLECT, 3)
PADDING(replication, REPLICATE, 1)
PADDING(replication, REPLICATE, 2)
PADDING(replication, REPLICATE, 3)

bool tw__pad_circular_meta(const tw_arg *a, tw_meta *out) {
    padding p = {a[1].n / 2, a[1].ints};
    int ndim = a[0].t->ndim;
    if (a[1].n % 2 || p.dims < 1 || p.dims > 3 || (ndim != p.dims + 1 && ndim != p.dims + 2)) {
        return tw_fail(TW_RUNTIME_ERROR, "Invalid padding size, expected 1 or 2 non-padded dimensions, which would be equivalent to padding size of "
                       "%d or %d respectively but got %d", (ndim - 1) * 2, (ndim - 2) * 2, a[1].n);
    }
    return padded_meta(a[0].t, &p, a[1].n, CIRCULAR, out);
}
bool tw__pad_circular_run(const tw_arg *a, tw_tensor **out) { return gather_run(a, CIRCULAR, out); }

/* _pad_gather(self, pad, mode): whichever of the above. */
bool tw__pad_gather_meta(const tw_arg *a, tw_meta *out) {
    padding p = {a[1].n / 2, a[1].ints};
    return padded_meta(a[0].t, &p, a[1].n, (int)a[2].i, out);
}
bool tw__pad_gather_run(const tw_arg *a, tw_tensor **out) { return gather_run(a, (int)a[2].i, out); }

/* The transpose. */
static bool scatter_meta(const tw_tensor *g, const int64_t *sizes, int ndim, int dims, tw_meta *out) {
    if (g->ndim != ndim || (ndim != dims + 1 && ndim != dims + 2)) {
        return tw_fail(TW_RUNTIME_ERROR, "padding gradient: sizes of gradient and input do not fit");
    }
    return tw_meta_set(out, (tw_dtype)g->dtype, g->device, sizes, ndim);
}

static bool scatter_run(const tw_arg *grad, const tw_arg *pad, int mode, tw_tensor **out) {
    padding p = {pad->n / 2, pad->ints};
    return out[0]->numel == 0 || run_padding(out[0]->sizes + out[0]->ndim - p.dims, &p, mode, true, grad->t, out[0]);
}

/* _pad_scatter(grad_output, self, pad, mode) */
bool tw__pad_scatter_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[1].t;
    if (!scatter_meta(a[0].t, x->sizes, x->ndim, a[2].n / 2, out)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(out);
    return true;
}
bool tw__pad_scatter_run(const tw_arg *a, tw_tensor **out) { return scatter_run(&a[0], &a[2], (int)a[3].i, out); }

/* _pad_circular_scatter(grad_output, size, pad) */
bool tw__pad_circular_scatter_meta(const tw_arg *a, tw_meta *out) { return scatter_meta(a[0].t, a[1].ints, a[1].n, a[2].n / 2, out); }
bool tw__pad_circular_scatter_run(const tw_arg *a, tw_tensor **out) { return scatter_run(&a[0], &a[2], CIRCULAR, out); }
