/* Making tensors: meta gives geometry and dtype, run writes the values. */
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/make.h"
#include "ops_decl.h"

#include <math.h>
#include <string.h>

enum { DTYPE, LAYOUT, DEVICE, PIN, FORMAT }; /* places among the options */

static bool check_options(const tw_arg *o) {
    if (tw_a_get_int(&o[LAYOUT], 0) != 0) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "layouts other than torch.strided are not implemented");
    if (tw_a_get_int(&o[PIN], 0)) return tw_fail(TW_RUNTIME_ERROR, "Cannot access accelerator device when none is available.");
    return true;
}

bool tw_make_meta(const tw_arg *sizes, const tw_arg *o, tw_dtype otherwise, tw_device device, tw_meta *out) {
    if (!check_options(o)) return false;
    for (int i = 0; i < sizes->n; i++)
        if (sizes->ints[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s", (long long)sizes->ints[i],
                           tw_sizes_text(sizes->ints, sizes->n));
    return tw_meta_set(out, (tw_dtype)tw_a_get_int(&o[DTYPE], otherwise), (tw_device)tw_a_get_int(&o[DEVICE], device), sizes->ints, sizes->n);
}

bool tw_make_like_meta(const tw_tensor *t, const tw_arg *o, tw_meta *out) {
    const tw_arg sizes = tw_a_ints(t->sizes, t->ndim);
    const int64_t format = tw_a_get_int(&o[FORMAT], TW_PRESERVE_FORMAT);
    if (!tw_make_meta(&sizes, o, (tw_dtype)t->dtype, t->device, out)) return false;
    if (format == TW_PRESERVE_FORMAT) tw_like_strides(t, out->strides);
    else tw_format_strides(t->sizes, t->ndim, (tw_memory_format)format, out->strides);
    return true;
}

static bool nothing(tw_tensor **out) {
    (void)out;
    return true;
}

/* --- constants -------------------------------------------------------------------------------------------------- */

bool tw_empty_meta(const tw_arg *a, tw_meta *out) {
    const int64_t format = tw_a_get_int(&a[5], TW_CONTIGUOUS_FORMAT);
    if (format == TW_PRESERVE_FORMAT) return tw_fail(TW_RUNTIME_ERROR, "unsupported memory format option Preserve");
    if (!tw_make_meta(&a[0], a + 1, tw_default_dtype(), TW_CPU, out)) return false;
    if (format == TW_CHANNELS_LAST && out->ndim != 4) return tw_fail(TW_RUNTIME_ERROR, "required rank 4 tensor to use channels_last format");
    tw_format_strides(a[0].ints, out->ndim, (tw_memory_format)format, out->strides);
    return true;
}
bool tw_empty_run(const tw_arg *a, tw_tensor **out) { (void)a; return nothing(out); }

bool tw_zeros_meta(const tw_arg *a, tw_meta *out) { return tw_make_meta(&a[0], a + 1, tw_default_dtype(), TW_CPU, out); }
bool tw_zeros_run(const tw_arg *a, tw_tensor **out) { (void)a; return tw_fill(out[0], tw_int(0)); }
bool tw_ones_meta(const tw_arg *a, tw_meta *out) { return tw_zeros_meta(a, out); }
bool tw_ones_run(const tw_arg *a, tw_tensor **out) { (void)a; return tw_fill(out[0], tw_int(1)); }

bool tw_full_meta(const tw_arg *a, tw_meta *out) {
    return tw_make_meta(&a[0], a + 2, tw_scalar_dtype(tw_a_to_scalar(&a[1])), TW_CPU, out);
}
static bool filled(tw_tensor *out, const tw_arg *number) {
    const tw_scalar s = tw_a_to_scalar(number);
    return tw_check_number(s, (tw_dtype)out->dtype) && tw_fill(out, s);
}
bool tw_full_run(const tw_arg *a, tw_tensor **out) { return filled(out[0], &a[1]); }

bool tw_scalar_tensor_meta(const tw_arg *a, tw_meta *out) {
    const tw_arg none = tw_a_ints(NULL, 0);
    return tw_make_meta(&none, a + 1, tw_default_dtype(), TW_CPU, out);
}
bool tw_scalar_tensor_run(const tw_arg *a, tw_tensor **out) { return filled(out[0], &a[0]); }

static bool strided_meta(const tw_arg *sizes, const tw_arg *strides, const tw_arg *options, tw_dtype dtype, tw_device device, tw_meta *out) {
    if (sizes->n != strides->n) return tw_fail(TW_RUNTIME_ERROR, "mismatch in length of strides and shape");
    if (!tw_make_meta(sizes, options, dtype, device, out)) return false;
    for (int i = 0; i < strides->n; i++) {
        if (strides->ints[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "as_strided: Negative strides are not supported at the moment, got strides: %s",
                           tw_sizes_text(strides->ints, strides->n));
        out->strides[i] = strides->ints[i];
    }
    return true;
}
bool tw_empty_strided_meta(const tw_arg *a, tw_meta *out) { return strided_meta(&a[0], &a[1], a + 2, tw_default_dtype(), TW_CPU, out); }
bool tw_empty_strided_run(const tw_arg *a, tw_tensor **out) { (void)a; return nothing(out); }
bool tw_new_empty_strided_meta(const tw_arg *a, tw_meta *out) {
    return strided_meta(&a[1], &a[2], a + 3, (tw_dtype)a[0].t->dtype, a[0].t->device, out);
}
bool tw_new_empty_strided_run(const tw_arg *a, tw_tensor **out) { (void)a; return nothing(out); }

bool tw_empty_like_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 1, out); }
bool tw_empty_like_run(const tw_arg *a, tw_tensor **out) { (void)a; return nothing(out); }
bool tw_zeros_like_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 1, out); }
bool tw_zeros_like_run(const tw_arg *a, tw_tensor **out) { return tw_zeros_run(a, out); }
bool tw_full_like_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 2, out); }
bool tw_full_like_run(const tw_arg *a, tw_tensor **out) { return tw_full_run(a, out); }

static bool new_meta(const tw_arg *a, const tw_arg *options, tw_meta *out) {
    return tw_make_meta(&a[1], options, (tw_dtype)a[0].t->dtype, a[0].t->device, out);
}
bool tw_new_empty_meta(const tw_arg *a, tw_meta *out) { return new_meta(a, a + 2, out); }
bool tw_new_empty_run(const tw_arg *a, tw_tensor **out) { (void)a; return nothing(out); }
bool tw_new_zeros_meta(const tw_arg *a, tw_meta *out) { return new_meta(a, a + 2, out); }
bool tw_new_zeros_run(const tw_arg *a, tw_tensor **out) { return tw_zeros_run(a, out); }
bool tw_new_full_meta(const tw_arg *a, tw_meta *out) { return new_meta(a, a + 3, out); }
bool tw_new_full_run(const tw_arg *a, tw_tensor **out) { return filled(out[0], &a[2]); }

/* --- ranges ----------------------------------------------------------------------------------------------------- */

typedef struct range { tw_scalar start, end, step; } range;

static bool integral(tw_scalar s) { return s.kind <= TW_SCALAR_INT; }

static bool range_length(const range *r, tw_dtype dtype, int64_t *n) {
    const double start = tw_scalar_double(r->start), end = tw_scalar_double(r->end), step = tw_scalar_double(r->step);
    if (step == 0) return tw_fail(TW_RUNTIME_ERROR, "step must be nonzero");
    if (!isfinite(start) || !isfinite(end))
        return tw_fail(TW_RUNTIME_ERROR, "unsupported range: %g -> %g", start, end);
    if ((step > 0 && start > end) || (step < 0 && start < end))
        return tw_fail(TW_RUNTIME_ERROR, "upper bound and lower bound inconsistent with step sign");
    double count = ceil((end - start) / step);
    if (dtype == TW_INT64) { /* the numbers are converted first: exact where doubles are not, and 2.5 counts as 2 */
        const int64_t s = tw_scalar_int64(r->step), width = tw_scalar_int64(r->end) - tw_scalar_int64(r->start);
        if (s == 0) return tw_fail(TW_VALUE_ERROR, "step must be nonzero");
        count = (double)(width / s + (width % s != 0));
        if (count < 0) count = 0;
    }
    if (count > 0x1p62) return tw_fail(TW_RUNTIME_ERROR, "invalid size, possible overflow?");
    *n = (int64_t)count;
    return true;
}

static bool range_meta(const range *r, const tw_arg *options, tw_meta *out) {
    int64_t n;
    if (r->start.kind == TW_SCALAR_COMPLEX || r->end.kind == TW_SCALAR_COMPLEX || r->step.kind == TW_SCALAR_COMPLEX)
        return tw_fail(TW_RUNTIME_ERROR, "arange does not take complex numbers");
    const tw_dtype otherwise = integral(r->start) && integral(r->end) && integral(r->step) ? TW_INT64 : tw_default_dtype();
    const tw_dtype dtype = (tw_dtype)tw_a_get_int(&options[DTYPE], otherwise);
    if (!range_length(r, dtype, &n)) return false;
    const tw_arg size = tw_a_ints(&n, 1);
    return tw_make_meta(&size, options, otherwise, TW_CPU, out);
}

/* torch.range, which is deprecated: with its end, and of the default dtype whatever the numbers are. */
bool tw_range_step_meta(const tw_arg *a, tw_meta *out) {
    const double start = tw_a_get_double(&a[0], 0), end = tw_a_get_double(&a[1], 0), step = tw_a_get_double(&a[2], 1);
    tw_warn("torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's range "
                       "builtin. Instead, use torch.arange, which produces values in [start, end).");
    if (step == 0) return tw_fail(TW_RUNTIME_ERROR, "step must be nonzero");
    if (!isfinite(start) || !isfinite(end)) return tw_fail(TW_RUNTIME_ERROR, "unsupported range: %g -> %g", start, end);
    if ((step > 0 && start > end) || (step < 0 && start < end))
        return tw_fail(TW_RUNTIME_ERROR, "upper bound and lower bound inconsistent with step sign");
    const double count = floor((end - start) / step) + 1;
    if (count > 0x1p62) return tw_fail(TW_RUNTIME_ERROR, "invalid size, possible overflow?");
    const int64_t n = (int64_t)count;
    const tw_arg size = tw_a_ints(&n, 1);
    return tw_make_meta(&size, a + 3, tw_default_dtype(), TW_CPU, out);
}

/* Integers are computed in int64; floats as start + i * step in the accumulation type, double. */
static bool range_run(const range *r, tw_tensor *t) {
    const bool whole = tw_is_integral((tw_dtype)t->dtype);
    tw_tensor *made = tw_empty_new(t->sizes, t->ndim, whole ? TW_INT64 : TW_FLOAT64, TW_CPU);
    if (!made) return false;
    if (whole) {
        const int64_t start = tw_scalar_int64(r->start), step = tw_scalar_int64(r->step);
        int64_t *to = tw_data(made);
        for (int64_t i = 0; i < t->numel; i++) to[i] = start + i * step;
    } else {
        const double start = tw_scalar_double(r->start), step = tw_scalar_double(r->step);
        double *to = tw_data(made);
        for (int64_t i = 0; i < t->numel; i++) to[i] = start + (double)i * step;
    }
    const bool ok = tw_copy(t, made);
    tw_release(made);
    return ok;
}

static range range_to(const tw_arg *a) { return (range){tw_int(0), tw_a_to_scalar(&a[0]), tw_int(1)}; }
static range range_from(const tw_arg *a) { return (range){tw_a_to_scalar(&a[0]), tw_a_to_scalar(&a[1]), tw_int(1)}; }
static range range_by(const tw_arg *a) { return (range){tw_a_to_scalar(&a[0]), tw_a_to_scalar(&a[1]), tw_a_to_scalar(&a[2])}; }

bool tw_arange_meta(const tw_arg *a, tw_meta *out) { const range r = range_to(a); return range_meta(&r, a + 1, out); }
bool tw_arange_run(const tw_arg *a, tw_tensor **out) { const range r = range_to(a); return range_run(&r, out[0]); }
bool tw_arange_start_meta(const tw_arg *a, tw_meta *out) { const range r = range_from(a); return range_meta(&r, a + 2, out); }
bool tw_arange_start_run(const tw_arg *a, tw_tensor **out) { const range r = range_from(a); return range_run(&r, out[0]); }
bool tw_arange_start_step_meta(const tw_arg *a, tw_meta *out) { const range r = range_by(a); return range_meta(&r, a + 3, out); }
bool tw_arange_start_step_run(const tw_arg *a, tw_tensor **out) { const range r = range_by(a); return range_run(&r, out[0]); }

bool tw_range_step_run(const tw_arg *a, tw_tensor **out) { const range r = range_by(a); return range_run(&r, out[0]); }

bool tw_linspace_meta(const tw_arg *a, tw_meta *out) {
    const int64_t n = a[2].i;
    if (n < 0) return tw_fail(TW_RUNTIME_ERROR, "number of steps must be non-negative");
    const tw_arg size = tw_a_ints(&n, 1);
    const bool complex_ = a[0].tag == TW_ARG_COMPLEX || a[1].tag == TW_ARG_COMPLEX;
    const tw_dtype otherwise = complex_ ? tw_to_complex(tw_default_dtype()) : tw_default_dtype();
    const tw_dtype dtype = (tw_dtype)tw_a_get_int(&a[3], otherwise);
    if (complex_ && !tw_is_complex(dtype))
        return tw_fail(TW_RUNTIME_ERROR, "torch.linspace(): inferred dtype c10::complex<%s> can't be safely cast to passed dtype %s",
                       tw_default_dtype() == TW_FLOAT64 ? "double" : "float", tw_dtypes[dtype].type_name);
    return tw_make_meta(&size, a + 3, otherwise, TW_CPU, out);
}
static double rounded(double value, tw_dtype d) {
    double room[2];
    tw_store_scalar(room, d, tw_float(value));
    return tw_load_scalar(room, d).re;
}

/* One part of the numbers, at every second place for complex ones. Each step rounds to dtype d. From both ends towards the middle, so
 * that the last element is the end itself. */
static void spread(double *to, int64_t n, int64_t parts, double start, double end, tw_dtype d) {
    if (d == TW_FLOAT64) {
        const double step = n > 1 ? (end - start) / (double)(n - 1) : 0.0;
        for (int64_t i = 0; i < n; i++) to[i * parts] = i < n / 2 ? start + step * (double)i : end - step * (double)(n - 1 - i);
    } else if (d == TW_FLOAT32) {
        const float from = (float)start, till = (float)end, step = n > 1 ? (till - from) / (float)(n - 1) : 0.0f;
        for (int64_t i = 0; i < n; i++)
            to[i * parts] = (double)(i < n / 2 ? fmaf(step, (float)i, from) : fmaf(-step, (float)(n - 1 - i), till));
    } else {
        const double from = rounded(start, d), till = rounded(end, d), step = n > 1 ? rounded((till - from) / (double)(n - 1), d) : 0.0;
        for (int64_t i = 0; i < n; i++)
            to[i * parts] = i < n / 2 ? from + rounded(step * (double)i, d) : till - rounded(step * (double)(n - 1 - i), d);
    }
}

/* Integers: both ends are converted first, and what lies between is truncated. */
static bool spread_integers(tw_tensor *t, tw_scalar start, tw_scalar end) {
    const tw_dtype d = (tw_dtype)t->dtype;
    int64_t ends[2];
    tw_tensor *made = tw_empty_new(t->sizes, t->ndim, TW_INT64, TW_CPU);
    if (!made) return false;
    int64_t *to = tw_data(made);
    tw_store_scalar(&ends[0], d, start);
    tw_store_scalar(&ends[1], d, end);
    const int64_t n = t->numel, from = tw_load_scalar(&ends[0], d).i, till = tw_load_scalar(&ends[1], d).i;
    const double step = n > 1 ? ((double)till - (double)from) / (double)(n - 1) : 0.0;
    for (int64_t i = 0; i < n; i++)
        to[i] = (int64_t)(i < n / 2 ? (double)from + step * (double)i : (double)till - step * (double)(n - 1 - i));
    if (n == 1) to[0] = from;
    const bool ok = tw_copy(t, made);
    tw_release(made);
    return ok;
}

bool tw_linspace_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = out[0];
    const tw_dtype d = (tw_dtype)t->dtype;
    const tw_scalar start = tw_a_to_scalar(&a[0]), end = tw_a_to_scalar(&a[1]);
    if (t->numel == 0) return true;
    if (d == TW_BOOL) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"linspace_cpu\" not implemented for 'Bool'");
    if (!tw_check_number(start, d) || (t->numel > 1 && !tw_check_number(end, d))) return false;
    if (t->numel == 1) return tw_fill(t, start);
    if (tw_is_integral(d)) return spread_integers(t, start, end);
    const bool complex_ = tw_is_complex(d);
    const int64_t parts = complex_ ? 2 : 1;
    tw_tensor *made = tw_empty_new(t->sizes, t->ndim, complex_ ? TW_COMPLEX128 : TW_FLOAT64, TW_CPU);
    if (!made) return false;
    const bool from_im = start.kind == TW_SCALAR_COMPLEX, till_im = end.kind == TW_SCALAR_COMPLEX;
    const double from = from_im ? start.re : tw_scalar_double(start), till = till_im ? end.re : tw_scalar_double(end);
    spread(tw_data(made), t->numel, parts, from, till, complex_ ? tw_dtypes[d].real : d);
    if (complex_)
        spread((double *)tw_data(made) + 1, t->numel, parts, from_im ? start.im : 0, till_im ? end.im : 0, tw_dtypes[d].real);
    const bool ok = tw_copy(t, made);
    tw_release(made);
    return ok;
}

static bool eye_meta(int64_t n, int64_t m, const tw_arg *options, tw_meta *out) {
    if (n < 0) return tw_fail(TW_RUNTIME_ERROR, "n must be greater or equal to 0, got %lld", (long long)n);
    if (m < 0) return tw_fail(TW_RUNTIME_ERROR, "m must be greater or equal to 0, got %lld", (long long)m);
    const int64_t sizes[] = {n, m};
    const tw_arg size = tw_a_ints(sizes, 2);
    return tw_make_meta(&size, options, tw_default_dtype(), TW_CPU, out);
}
bool tw_eye_meta(const tw_arg *a, tw_meta *out) { return eye_meta(a[0].i, a[0].i, a + 1, out); }
bool tw_eye_m_meta(const tw_arg *a, tw_meta *out) { return eye_meta(a[0].i, a[1].i, a + 2, out); }
bool tw_eye_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = out[0];
    const int64_t n = t->sizes[0] < t->sizes[1] ? t->sizes[0] : t->sizes[1], stride = t->strides[0] + t->strides[1];
    (void)a;
    if (!tw_fill(t, tw_int(0))) return false;
    tw_tensor *diagonal = tw_alias_new(t, &n, &stride, 1, t->offset, (tw_dtype)t->dtype);
    const bool ok = diagonal && tw_fill(diagonal, tw_int(1));
    tw_release(diagonal);
    return ok;
}
bool tw_eye_m_run(const tw_arg *a, tw_tensor **out) { return tw_eye_run(a, out); }
