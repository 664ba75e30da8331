/* Spectra of overlapping frames of a signal, and the signal back from them. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

typedef struct frames {
    int64_t n_fft, hop, win;
    tw_tensor *window;              /* borrowed; NULL: ones */
    char text[512];                 /* "stft(torch.FloatTensor[2, 40], n_fft=8, ...)", what PyTorch's errors begin with */
} frames;

static const char *optional_text(const tw_arg *a, char *room, size_t size) {
    if (a->tag == TW_ARG_NONE) return "None";
    snprintf(room, size, "%lld", (long long)a->i);
    return room;
}

static void window_text(const frames *f, char *room, size_t size) {
    if (!f->window) snprintf(room, size, "None");
    else snprintf(room, size, "torch.%sTensor{%s}", tw_dtypes[f->window->dtype].type_name, tw_sizes_text(f->window->sizes, f->window->ndim));
}

static bool refuse(const frames *f, const char *what, int64_t got) {
    return tw_fail(TW_RUNTIME_ERROR, got == TW_NONE ? "%s : expected %s" : "%s : expected %s%lld", f->text, what, (long long)got);
}

static bool check_frames(const frames *f) {
    if (f->win <= 0 || f->win > f->n_fft) {
        const bool back = f->text[0] == 'i';
        return refuse(f, back ? "0 < win_length <= n_fft" : "0 < win_length <= n_fft, but got win_length=", back ? TW_NONE : f->win);
    }
    if (f->window && (f->window->ndim != 1 || f->window->sizes[0] != f->win))
        return tw_fail(TW_RUNTIME_ERROR, "%s : expected a 1D window tensor of size equal to win_length=%lld, but got window with size %s", f->text,
                       (long long)f->win, tw_sizes_text(f->window->sizes, f->window->ndim));
    return true;
}

/* The window in the middle of n_fft places; NULL where it is ones all over and not wanted. */
static tw_tensor *whole_window(tw_pool *p, const frames *f, bool wanted, tw_dtype dtype, tw_device device) {
    tw_tensor *w = f->window;
    if (!w && f->win == f->n_fft && !wanted) return NULL;
    if (!w) w = TEMP(p, ones, INTS(&f->win, 1), I(dtype), NONE_, I(device));
    if (!w || f->win == f->n_fft) return w;
    const int64_t left = (f->n_fft - f->win) / 2, around[] = {left, f->n_fft - f->win - left};
    return TEMP(p, constant_pad_nd, T(w), INTS(around, 2), I(0));
}

static bool is_complex(const tw_tensor *t) { return t && tw_is_complex((tw_dtype)t->dtype); }

/* a: self, n_fft, hop_length, win_length, window; o: normalized, onesided, return_complex, align_to_window. */
static bool spectra(tw_pool *p, const tw_arg *a, const tw_arg *o, tw_tensor *x, tw_tensor **outs) {
    frames f = {.n_fft = a[1].i, .hop = a[2].tag == TW_ARG_NONE ? a[1].i / 4 : a[2].i, .win = a[3].tag == TW_ARG_NONE ? a[1].i : a[3].i,
                .window = tw_optional(&a[4])};
    char window[128], sided[24], complex[24], aligned[24];
    const bool given = o[2].tag != TW_ARG_NONE;
    const tw_tensor *self = x;
    window_text(&f, window, sizeof window);
    snprintf(f.text, sizeof f.text, "stft(torch.%sTensor%s, n_fft=%lld, hop_length=%lld, win_length=%lld, window=%s, normalized=%d, onesided=%s, "
             "return_complex=%s, align_to_window=%s)", tw_dtypes[x->dtype].type_name, tw_sizes_text(x->sizes, x->ndim), (long long)f.n_fft,
             (long long)f.hop, (long long)f.win, window, o[0].i != 0, optional_text(&o[1], sided, sizeof sided),
             optional_text(&o[2], complex, sizeof complex), optional_text(&o[3], aligned, sizeof aligned));
    if (!given && !is_complex(x) && !is_complex(f.window))
        return tw_fail(TW_RUNTIME_ERROR, "stft requires the return_complex parameter be given for real inputs, and will further require that "
                       "return_complex=True in a future PyTorch release.");
    if (!tw_is_float((tw_dtype)x->dtype) && !is_complex(x)) return refuse(&f, "a tensor of floating point or complex values", TW_NONE);
    if (x->ndim != 1 && x->ndim != 2) return refuse(&f, "a 1D or 2D tensor", TW_NONE);
    if (x->ndim == 1 && !(x = TEMP(p, unsqueeze, T(x), I(0)))) return false;
    const int64_t length = x->sizes[1];
    if (f.n_fft <= 0 || f.n_fft > length) {
        char what[96];
        snprintf(what, sizeof what, "0 < n_fft < %lld, but got n_fft=", (long long)length);
        return refuse(&f, what, f.n_fft);
    }
    if (f.hop <= 0) return refuse(&f, "hop_length > 0, but got hop_length=", f.hop);
    if (!check_frames(&f)) return false;
    tw_tensor *w = whole_window(p, &f, false, (tw_dtype)x->dtype, x->device);
    x = TEMP(p, unfold, T(x), I(-1), I(f.n_fft), I(f.hop));
    if (w) x = TEMP(p, mul, T(x), T(w));
    if (tw_failed()) return false;
    const bool whole = is_complex(x), onesided = o[1].tag == TW_ARG_NONE ? !whole : o[1].i != 0;
    if (whole && onesided) return tw_fail(TW_RUNTIME_ERROR, "Cannot have onesided output if window or input is complex");
    const tw_arg norm = o[0].i ? tw_a_string("ortho") : NONE_;
    x = onesided ? TEMP(p, fft_rfft, T(x), NONE_, I(-1), norm) : TEMP(p, fft_fft, T(x), NONE_, I(-1), norm);
    x = TEMP(p, transpose_int, T(x), I(1), I(2));
    if (self->ndim == 1) x = TEMP(p, squeeze_dim, T(x), I(0));
    if (!given || o[2].i) return tw_pool_give(p, outs, x);
    return tw_pool_give(p, outs, TEMP(p, view_as_real, T(x)));
}

bool tw_stft_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    return spectra(&p, a, a + 5, a[0].t, outs) || (tw_pool_done(&p, outs, 0), false);
}

/* (self, n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex, align_to_window) */
bool tw_stft_center_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *x = a[0].t;
    int64_t sizes[TW_MAX_DIMS] = {1, 1, 1};
    if (a[5].i && a[10].tag != TW_ARG_NONE) return tw_fail(TW_RUNTIME_ERROR, "stft align_to_window should only be set when center = false");
    if (a[5].i) { /* the frames' middles are at multiples of hop_length */
        const int more = x->ndim < 3 ? 3 - x->ndim : 0;
        const int64_t around[] = {a[1].i / 2, a[1].i / 2};
        for (int i = 0; i < x->ndim; i++) sizes[more + i] = x->sizes[i];
        x = TEMP(&p, pad, T(TEMP(&p, view, T(x), INTS(sizes, more + x->ndim))), INTS(around, 2), a[6]);
        x = x ? TEMP(&p, view, T(x), INTS(x->sizes + more, x->ndim - more)) : NULL;
    }
    return (x && spectra(&p, a, a + 7, x, outs)) || (tw_pool_done(&p, outs, 0), false);
}

/* Frames (batch, count, n) added up where they overlap: (batch, length). */
static tw_tensor *overlapped(tw_pool *p, tw_tensor *x, int64_t length, const frames *f) {
    const int64_t sizes[] = {x ? x->sizes[0] : 0, length};
    return x ? TEMP(p, _unfold_backward, T(x), INTS(sizes, 2), I(1), I(f->n_fft), I(f->hop)) : NULL;
}

/* a: self, n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex */
static bool signal(tw_pool *p, const tw_arg *a, tw_tensor **outs) {
    frames f = {.n_fft = a[1].i, .hop = a[2].tag == TW_ARG_NONE ? a[1].i / 4 : a[2].i, .win = a[3].tag == TW_ARG_NONE ? a[1].i : a[3].i,
                .window = tw_optional(&a[4])};
    char window[128], sided[24], long_as[24];
    tw_tensor *x = a[0].t;
    const int ndim = x->ndim;
    window_text(&f, window, sizeof window);
    snprintf(f.text, sizeof f.text, "istft(CPU%sType%s, n_fft=%lld, hop_length=%lld, win_length=%lld, window=%s, center=%d, normalized=%d, "
             "onesided=%s, length=%s, return_complex=%d)", tw_dtypes[x->dtype].type_name, tw_sizes_text(x->sizes, x->ndim), (long long)f.n_fft,
             (long long)f.hop, (long long)f.win, window, a[5].i != 0, a[6].i != 0, optional_text(&a[7], sided, sizeof sided),
             optional_text(&a[8], long_as, sizeof long_as), a[9].i != 0);
    if (!is_complex(x))
        return tw_fail(TW_RUNTIME_ERROR, "istft requires a complex-valued input tensor matching the output from stft with return_complex=True.");
    if (x->numel == 0) return tw_fail(TW_RUNTIME_ERROR, "%s : input tensor cannot be empty.", f.text);
    if (ndim != 2 && ndim != 3)
        return tw_fail(TW_RUNTIME_ERROR, "%s : expected a tensor with 2 or 3 dimensions, but got %d", f.text, ndim);
    if (ndim == 2 && !(x = TEMP(p, unsqueeze, T(x), I(0)))) return false;
    const int64_t points = x->sizes[1], count = x->sizes[2], length = f.n_fft + f.hop * (count - 1);
    const bool onesided = a[7].tag == TW_ARG_NONE ? points != f.n_fft : a[7].i != 0;
    if (onesided && f.n_fft / 2 + 1 != points)
        return refuse(&f, "the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when onesided=True, but got ", points);
    if (!onesided && f.n_fft != points)
        return refuse(&f, "the frequency dimension (3rd to the last) of the input tensor to match n_fft when onesided=False, but got ", points);
    if (f.hop <= 0 || f.hop > f.win) return refuse(&f, "0 < hop_length <= win_length", TW_NONE);
    if (!check_frames(&f)) return false;
    if (a[9].i && onesided) return tw_fail(TW_RUNTIME_ERROR, "Cannot have onesided output if window or input is complex");
    if (!a[9].i && is_complex(f.window))
        return tw_fail(TW_RUNTIME_ERROR, "Complex windows are incompatible with return_complex=False");
    const tw_dtype part = x->dtype == TW_COMPLEX64 ? TW_FLOAT32 : TW_FLOAT64;
    tw_tensor *w = whole_window(p, &f, true, part, x->device);
    const tw_arg norm = a[6].i ? tw_a_string("ortho") : NONE_;
    x = TEMP(p, transpose_int, T(x), I(1), I(2));
    if (!a[9].i && !onesided) x = TEMP(p, slice_Tensor, T(x), I(-1), I(0), I(f.n_fft / 2 + 1));
    x = a[9].i ? TEMP(p, fft_ifft, T(x), NONE_, I(-1), norm) : TEMP(p, fft_irfft, T(x), I(f.n_fft), I(-1), norm);
    tw_tensor *y = overlapped(p, TEMP(p, mul, T(x), T(w)), length, &f);
    const int64_t shape[] = {1, count, f.n_fft};
    tw_tensor *weights = overlapped(p, TEMP(p, expand, T(TEMP(p, mul, T(w), T(w))), INTS(shape, 3)), length, &f);
    const int64_t start = a[5].i ? f.n_fft / 2 : 0;
    int64_t end = a[8].tag != TW_ARG_NONE ? (a[8].i < INT64_MAX - start ? start + a[8].i : INT64_MAX) : a[5].i ? length - f.n_fft / 2 : length;
    const int64_t there = end < length ? end : length;
    y = TEMP(p, slice_Tensor, T(y), I(1), I(start), I(there));
    weights = TEMP(p, slice_Tensor, T(weights), I(1), I(start), I(there));
    if (weights && weights->numel && tw_device_type(weights->device) != TW_META && !(weights->flags & TW_BATCHED)) {
        tw_tensor *low = TEMP(p, any, T(TEMP(p, lt, T(TEMP(p, abs, T(weights))), F(1e-11))));
        if (low && tw_load_scalar(tw_data(low), TW_BOOL).i) return tw_fail(TW_RUNTIME_ERROR, "%s window overlap add min: 1", f.text);
    }
    y = TEMP(p, div, T(y), T(weights));
    if (ndim == 2) y = TEMP(p, squeeze_dim, T(y), I(0));
    if (y && end > length) {
        tw_warn("The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. Please check your "
                "center and hop_length settings.");
        const int64_t around[] = {0, end - length};
        y = tw_failed() ? NULL : TEMP(p, constant_pad_nd, T(y), INTS(around, 2), I(0));
    }
    return tw_pool_give(p, outs, y);
}

bool tw_istft_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    return signal(&p, a, outs) || (tw_pool_done(&p, outs, 0), false);
}
