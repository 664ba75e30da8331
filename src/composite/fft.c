/* torch.fft over the transforms of src/ops/fft.c: sizes, dimensions and norms as PyTorch reads them; and their gradients. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

enum { AS_IS, BY_ROOT, BY_POINTS };

static bool norm_of(const tw_arg *a, bool forward, int64_t *norm) {
    const char *s = a->tag == TW_ARG_STRING ? a->s : "backward";
    if (strcmp(s, "backward") == 0) *norm = forward ? AS_IS : BY_POINTS;
    else if (strcmp(s, "forward") == 0) *norm = forward ? BY_POINTS : AS_IS;
    else if (strcmp(s, "ortho") == 0) *norm = BY_ROOT;
    else return tw_fail(TW_RUNTIME_ERROR, "Invalid normalization mode: \"%s\"", s);
    return true;
}

/* self as what can be transformed: floating point, complex where asked for; borrowed. */
static tw_tensor *ready(tw_pool *p, tw_tensor *self, bool complex) {
    tw_dtype d = (tw_dtype)self->dtype;
    if (tw_is_integral(d)) d = tw_default_dtype();
    if (d != TW_FLOAT32 && d != TW_FLOAT64 && d != TW_COMPLEX64 && d != TW_COMPLEX128)
        return tw_fail_null(TW_RUNTIME_ERROR, "Unsupported dtype %s", tw_dtypes[d].type_name);
    if (complex && !tw_is_complex(d)) d = d == TW_FLOAT32 ? TW_COMPLEX64 : TW_COMPLEX128;
    return d == (tw_dtype)self->dtype ? self : TEMP(p, _to_copy, T(self), I(d));
}

/* Cut or filled up with zeros to n along dim. */
static tw_tensor *resized(tw_pool *p, tw_tensor *x, int64_t dim, int64_t n) {
    if (!x || x->sizes[dim] == n) return x;
    if (x->sizes[dim] > n) return TEMP(p, slice_Tensor, T(x), I(dim), I(0), I(n));
    int64_t around[2 * TW_MAX_DIMS] = {0};
    const int64_t from_last = x->ndim - 1 - dim;
    around[2 * from_last + 1] = n - x->sizes[dim];
    return TEMP(p, constant_pad_nd, T(x), INTS(around, 2 * (from_last + 1)), I(0));
}

static bool valid_points(int64_t n) {
    return n >= 1 || tw_fail(TW_RUNTIME_ERROR, "Invalid number of data points (%lld) specified", (long long)n);
}

static bool wrap(int64_t *dim, const tw_tensor *x) {
    if (x->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions", (long long)*dim);
    return tw_wrap_dim(dim, x->ndim);
}

/* Which dimensions and sizes a call means. Dims are kept negative, so that a batch in front of them does not matter. */
typedef struct shape { int64_t dims[TW_MAX_DIMS], sizes[TW_MAX_DIMS]; int n; } shape;

static void count_from_end(shape *s, int ndim) {
    for (int i = 0; i < s->n; i++) s->dims[i] -= ndim;
}

/* (self, n, dim, norm): one dimension. given: whether n was. */
static bool one(const tw_arg *a, tw_tensor *x, bool to_real, shape *s, int64_t *points) {
    int64_t dim = a[2].i;
    if (!wrap(&dim, x)) return false;
    *points = a[1].tag == TW_ARG_NONE ? (to_real ? 2 * (x->sizes[dim] - 1) : x->sizes[dim]) : a[1].i;
    s->n = 1;
    s->dims[0] = dim;
    s->sizes[0] = to_real ? *points / 2 + 1 : *points;
    return valid_points(*points);
}

/* (self, s, dim, norm): several. */
static bool several(const tw_arg *a, tw_tensor *x, shape *s) {
    const bool dims = a[2].tag == TW_ARG_INTS, sizes = a[1].tag == TW_ARG_INTS;
    bool seen[TW_MAX_DIMS] = {false};
    s->n = dims ? a[2].n : sizes ? a[1].n : x->ndim;
    if (dims && s->n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "FFT dims must be unique");
    for (int i = 0; dims && i < s->n; i++) {
        s->dims[i] = a[2].ints[i];
        if (!wrap(&s->dims[i], x)) return false;
        if (seen[s->dims[i]]) return tw_fail(TW_RUNTIME_ERROR, "FFT dims must be unique");
        seen[s->dims[i]] = true;
    }
    if (sizes && dims && a[1].n != a[2].n) return tw_fail(TW_RUNTIME_ERROR, "When given, dim and shape arguments must have the same length");
    if (sizes && a[1].n > x->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "Got shape with %d values but input tensor only has %d dimensions.", a[1].n, x->ndim);
    for (int i = 0; i < s->n; i++) {
        if (!dims) s->dims[i] = x->ndim - s->n + i;
        s->sizes[i] = sizes && a[1].ints[i] != -1 ? a[1].ints[i] : x->sizes[s->dims[i]];
    }
    return true;
}

static bool all_valid(const shape *s) {
    for (int i = 0; i < s->n; i++)
        if (!valid_points(s->sizes[i])) return false;
    return true;
}

static tw_tensor *resize_all(tw_pool *p, tw_tensor *x, shape *s) {
    for (int i = 0; i < s->n; i++) x = resized(p, x, s->dims[i], s->sizes[i]);
    if (x) count_from_end(s, x->ndim);
    return x;
}

static bool refuse_complex(const char *name, const tw_tensor *t) {
    return !tw_is_complex((tw_dtype)t->dtype) ||
           tw_fail(TW_RUNTIME_ERROR, "%s expects a real input tensor, but got %s", name, tw_dtypes[t->dtype].type_name);
}

/* --- one dimension -------------------------------------------------------------------------------------------------------- */

static bool whole(const tw_arg *a, bool forward, tw_tensor **outs) {
    tw_pool p = {0};
    shape s;
    int64_t norm = AS_IS, points;
    tw_tensor *x = ready(&p, a[0].t, true);
    if (!x || !one(a, x, false, &s, &points) || !norm_of(&a[3], forward, &norm)) return tw_pool_done(&p, outs, 0);
    x = resize_all(&p, x, &s);
    outs[0] = CALL(_fft_c2c, T(x), INTS(s.dims, 1), I(norm), B(forward));
    return tw_pool_done(&p, outs, 1);
}

static bool halved(const char *name, const tw_arg *a, bool forward, tw_tensor **outs) {
    tw_pool p = {0};
    shape s;
    int64_t norm = AS_IS, points;
    if (!refuse_complex(name, a[0].t)) return false;
    tw_tensor *x = ready(&p, a[0].t, false);
    if (!x || !one(a, x, false, &s, &points) || !norm_of(&a[3], forward, &norm)) return tw_pool_done(&p, outs, 0);
    x = resize_all(&p, x, &s);
    tw_tensor *half = TEMP(&p, _fft_r2c, T(x), INTS(s.dims, 1), I(norm), B(true));
    return tw_pool_give(&p, outs, forward ? half : TEMP(&p, conj, T(half)));
}

static bool to_real(const tw_arg *a, bool forward, tw_tensor **outs) {
    tw_pool p = {0};
    shape s;
    int64_t norm = AS_IS, points;
    tw_tensor *x = ready(&p, a[0].t, true);
    if (!x || !one(a, x, true, &s, &points) || !norm_of(&a[3], forward, &norm)) return tw_pool_done(&p, outs, 0);
    x = resize_all(&p, x, &s);
    if (forward) x = TEMP(&p, conj, T(x));
    outs[0] = CALL(_fft_c2r, T(x), INTS(s.dims, 1), I(norm), I(points));
    return tw_pool_done(&p, outs, 1);
}

bool tw_fft_fft_composite(const tw_arg *a, tw_tensor **outs) { return whole(a, true, outs); }
bool tw_fft_ifft_composite(const tw_arg *a, tw_tensor **outs) { return whole(a, false, outs); }
bool tw_fft_rfft_composite(const tw_arg *a, tw_tensor **outs) { return halved("rfft", a, true, outs); }
bool tw_fft_ihfft_composite(const tw_arg *a, tw_tensor **outs) { return halved("ihfft", a, false, outs); }
bool tw_fft_irfft_composite(const tw_arg *a, tw_tensor **outs) { return to_real(a, false, outs); }
bool tw_fft_hfft_composite(const tw_arg *a, tw_tensor **outs) { return to_real(a, true, outs); }

/* --- several dimensions --------------------------------------------------------------------------------------------------- */

static bool whole_n(const tw_arg *a, bool forward, tw_tensor **outs) {
    tw_pool p = {0};
    shape s;
    int64_t norm = AS_IS;
    tw_tensor *x = ready(&p, a[0].t, true);
    if (!x || !several(a, x, &s) || !all_valid(&s) || !norm_of(&a[3], forward, &norm)) return tw_pool_done(&p, outs, 0);
    x = resize_all(&p, x, &s);
    outs[0] = CALL(_fft_c2c, T(x), INTS(s.dims, s.n), I(norm), B(forward));
    return tw_pool_done(&p, outs, 1);
}

static bool halved_n(const char *name, const tw_arg *a, bool forward, tw_tensor **outs) {
    tw_pool p = {0};
    shape s;
    int64_t norm = AS_IS;
    if (!refuse_complex(name, a[0].t)) return false;
    tw_tensor *x = ready(&p, a[0].t, false);
    if (!x || !several(a, x, &s) || !all_valid(&s)) return tw_pool_done(&p, outs, 0);
    if (s.n == 0) {
        tw_fail(TW_RUNTIME_ERROR, "%s must transform at least one axis", name);
        return tw_pool_done(&p, outs, 0);
    }
    if (!norm_of(&a[3], forward, &norm)) return tw_pool_done(&p, outs, 0);
    x = resize_all(&p, x, &s);
    if (forward) {
        outs[0] = CALL(_fft_r2c, T(x), INTS(s.dims, s.n), I(norm), B(true));
        return tw_pool_done(&p, outs, 1);
    }
    tw_tensor *half = TEMP(&p, conj, T(TEMP(&p, _fft_r2c, T(x), INTS(s.dims + s.n - 1, 1), I(norm), B(true))));
    return tw_pool_give(&p, outs, s.n == 1 ? half : TEMP(&p, _fft_c2c, T(half), INTS(s.dims, s.n - 1), I(norm), B(false)));
}

static bool to_real_n(const char *name, const tw_arg *a, bool forward, tw_tensor **outs) {
    tw_pool p = {0};
    shape s;
    int64_t norm = AS_IS;
    tw_tensor *x = ready(&p, a[0].t, true);
    if (!x || !several(a, x, &s)) return tw_pool_done(&p, outs, 0);
    if (s.n == 0) {
        tw_fail(TW_RUNTIME_ERROR, "%s must transform at least one axis", name);
        return tw_pool_done(&p, outs, 0);
    }
    const bool given = a[1].tag == TW_ARG_INTS && a[1].ints[a[1].n - 1] != -1;
    const int64_t points = given ? s.sizes[s.n - 1] : 2 * (s.sizes[s.n - 1] - 1);
    if (!valid_points(points)) return tw_pool_done(&p, outs, 0);
    s.sizes[s.n - 1] = points / 2 + 1;
    if (!all_valid(&s) || !norm_of(&a[3], forward, &norm)) return tw_pool_done(&p, outs, 0);
    x = resize_all(&p, x, &s);
    if (!forward) {
        outs[0] = CALL(_fft_c2r, T(x), INTS(s.dims, s.n), I(norm), I(points));
        return tw_pool_done(&p, outs, 1);
    }
    if (s.n > 1) x = TEMP(&p, _fft_c2c, T(x), INTS(s.dims, s.n - 1), I(norm), B(true));
    x = TEMP(&p, conj, T(x));
    outs[0] = CALL(_fft_c2r, T(x), INTS(s.dims + s.n - 1, 1), I(norm), I(points));
    return tw_pool_done(&p, outs, 1);
}

bool tw_fft_fftn_composite(const tw_arg *a, tw_tensor **outs) { return whole_n(a, true, outs); }
bool tw_fft_ifftn_composite(const tw_arg *a, tw_tensor **outs) { return whole_n(a, false, outs); }
bool tw_fft_rfftn_composite(const tw_arg *a, tw_tensor **outs) { return halved_n("rfftn", a, true, outs); }
bool tw_fft_ihfftn_composite(const tw_arg *a, tw_tensor **outs) { return halved_n("ihfftn", a, false, outs); }
bool tw_fft_irfftn_composite(const tw_arg *a, tw_tensor **outs) { return to_real_n("irfftn", a, false, outs); }
bool tw_fft_hfftn_composite(const tw_arg *a, tw_tensor **outs) { return to_real_n("hfftn", a, true, outs); }
bool tw_fft_fft2_composite(const tw_arg *a, tw_tensor **outs) { return whole_n(a, true, outs); }
bool tw_fft_ifft2_composite(const tw_arg *a, tw_tensor **outs) { return whole_n(a, false, outs); }
bool tw_fft_rfft2_composite(const tw_arg *a, tw_tensor **outs) { return halved_n("rfftn", a, true, outs); }
bool tw_fft_ihfft2_composite(const tw_arg *a, tw_tensor **outs) { return halved_n("ihfftn", a, false, outs); }
bool tw_fft_irfft2_composite(const tw_arg *a, tw_tensor **outs) { return to_real_n("irfftn", a, false, outs); }
bool tw_fft_hfft2_composite(const tw_arg *a, tw_tensor **outs) { return to_real_n("hfftn", a, true, outs); }

/* --- gradients ------------------------------------------------------------------------------------------------------------ */

/* (grad, dim, normalization, onesided, last_dim_size) */
bool tw__fft_r2c_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *g = a[0].t;
    int64_t last = a[1].ints[a[1].n - 1];
    if (!tw_wrap_dim(&last, g->ndim)) return false;
    if (a[3].i) g = resized(&p, g, last, a[4].i);
    return tw_pool_give(&p, outs, TEMP(&p, real, T(TEMP(&p, _fft_c2c, T(g), a[1], a[2], B(false)))));
}

/* (grad, dim, normalization): what stands for two numbers of the spectrum counts twice. */
bool tw__fft_c2r_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t last = a[1].ints[a[1].n - 1], sizes[TW_MAX_DIMS];
    if (!tw_wrap_dim(&last, a[0].t->ndim)) return false;
    tw_tensor *g = TEMP(&p, _fft_r2c, a[0], a[1], a[2], B(true));
    if (!g) return tw_pool_done(&p, outs, 0);
    const int64_t twice = a[0].t->sizes[last] - g->sizes[last];
    if (twice <= 0) return tw_pool_give(&p, outs, g);
    const int64_t lengths[] = {1, twice, g->sizes[last] - 1 - twice};
    for (int i = 0; i < g->ndim; i++) sizes[i] = i == last ? -1 : 1;
    tw_tensor *weights[3] = {NULL};
    for (int i = 0; i < 3; i++)
        weights[i] = TEMP(&p, full, INTS(&lengths[i], 1), I(1 + (i == 1)), I(a[0].t->dtype), NONE_, I(a[0].t->device));
    tw_tensor *all = tw_failed() ? NULL : TEMP(&p, cat, tw_a_tensors(weights, 3), I(0));
    return tw_pool_give(&p, outs, TEMP(&p, mul, T(g), T(TEMP(&p, view, T(all), INTS(sizes, g->ndim)))));
}

/* --- orders and frequencies ------------------------------------------------------------------------------------------------ */

static bool shifted(const tw_arg *a, bool back, tw_tensor **outs) {
    const tw_tensor *t = a[0].t;
    const bool given = a[1].tag == TW_ARG_INTS;
    const int n = given ? a[1].n : t->ndim;
    int64_t dims[TW_MAX_DIMS], shifts[TW_MAX_DIMS];
    if (n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, n);
    for (int i = 0; i < n; i++) {
        dims[i] = given ? a[1].ints[i] : i;
        if (!tw_wrap_dim(&dims[i], t->ndim)) return false;
        const int64_t size = t->ndim ? t->sizes[dims[i]] : 1;
        shifts[i] = back ? (size + 1) / 2 : size / 2;
        dims[i] -= t->ndim;
    }
    if (n == 0) return tw_give(outs, CALL(clone, a[0]));
    return tw_give(outs, CALL(roll, a[0], INTS(shifts, n), INTS(dims, n)));
}

bool tw_fft_fftshift_composite(const tw_arg *a, tw_tensor **outs) { return shifted(a, false, outs); }
bool tw_fft_ifftshift_composite(const tw_arg *a, tw_tensor **outs) { return shifted(a, true, outs); }

/* (n, d, dtype, layout, device, pin_memory): k / (n d), k from 0 up and, of the whole spectrum, then from below 0. */
static bool frequencies(const char *name, const tw_arg *a, bool half, tw_tensor **outs) {
    tw_pool p = {0};
    const tw_dtype dtype = a[2].tag == TW_ARG_NONE ? tw_default_dtype() : (tw_dtype)a[2].i;
    const int64_t n = a[0].i;
    if (!tw_is_float(dtype) && !tw_is_complex(dtype)) return tw_fail(TW_RUNTIME_ERROR, "%s requires a floating point or complex dtype", name);
    const double step = 1.0 / ((double)n * a[1].d);
    const int64_t up = half || n == INT64_MAX ? n / 2 + 1 : (n + 1) / 2;
    tw_tensor *k = TEMP(&p, arange, I(up), I(dtype), a[3], a[4]);
    if (!half && k) {
        tw_tensor *below = TEMP(&p, arange_start, I(-(n / 2)), I(0), I(dtype), a[3], a[4]), *both[] = {k, below};
        k = below ? TEMP(&p, cat, tw_a_tensors(both, 2), I(0)) : NULL;
    }
    return tw_pool_give(&p, outs, TEMP(&p, mul, T(k), F(step)));
}

bool tw_fft_fftfreq_composite(const tw_arg *a, tw_tensor **outs) { return frequencies("fftfreq", a, false, outs); }
bool tw_fft_rfftfreq_composite(const tw_arg *a, tw_tensor **outs) { return frequencies("rfftfreq", a, true, outs); }
