/* Draws whose parameters are tensors: gamma, Dirichlet, Poisson, binomial. The algorithms are those that PyTorch uses, so that the same
 * numbers come from the same state: Marsaglia and Tsang 2000 (gamma), Hoermann 1993 (Poisson, PTRS; binomial, BTRS), and inversion
 * for small parameters. */
#include "kernels/number.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops/random_draw.h"
#include "ops_decl.h"

#include <float.h>
#include <math.h>

static tw_generator *generator_of(const tw_arg *a) { return a->tag == TW_ARG_GENERATOR ? a->g : tw_default_generator(); }
static double ln(double x) { return tw_number()->log(x); }

static bool meta_self(const tw_arg *a, tw_meta *out, const char *name) {
    const tw_tensor *self = a[0].t;
    if (!tw_is_float((tw_dtype)self->dtype))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", name, tw_dtypes[self->dtype].type_name);
    return tw_meta_set(out, (tw_dtype)self->dtype, self->device, self->sizes, self->ndim);
}

/* A dense copy in float64; owned. */
static tw_tensor *doubles(tw_tensor *t, const tw_tensor *like) {
    tw_tensor *wide = tw_empty_new(like->sizes, like->ndim, TW_FLOAT64, TW_CPU);
    if (wide && tw_copy(wide, t)) return wide;
    tw_release(wide);
    return NULL;
}

static double smallest_normal(tw_dtype dtype) {
    return dtype == TW_FLOAT64 ? DBL_MIN : dtype == TW_FLOAT16 ? 0x1p-14 : (double)FLT_MIN;
}

/* narrow: the shape is a float, and what is worked out from it alone is too, as in PyTorch (whose constants are floats always). */
static double sample_gamma(double alpha, bool narrow, tw_generator *g) {
    double scale = 1;
    if (alpha < 1) {
        if (alpha == 0) return 0;
        scale = tw_number()->pow(1 - tw_draw_uniform(g), narrow ? (double)(1 / (float)alpha) : 1 / alpha);
        alpha = narrow ? (double)((float)alpha + 1) : alpha + 1;
    }
    const double d = narrow ? (double)((float)alpha - 1.0f / 3.0f) : alpha - (double)(1.0f / 3.0f), c = 1 / sqrt(9 * d);
    for (;;) {
        double x, y;
        do {
            x = tw_draw_normal(g);
            y = 1 + c * x;
        } while (y <= 0);
        const double v = y * y * y, u = 1 - tw_draw_uniform(g), xx = x * x;
        if (u < 1 - (double)0.0331f * xx * xx) return scale * d * v;
        if (ln(u) < 0.5 * xx + d * (1 - v + ln(v))) return scale * d * v;
    }
}

bool tw__standard_gamma_meta(const tw_arg *a, tw_meta *out) { return meta_self(a, out, "gamma"); }
bool tw__standard_gamma_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *wide = doubles(a[0].t, out[0]);
    tw_generator *g = generator_of(&a[1]);
    if (!wide) return false;
    double *p = tw_data(wide);
    const double least = smallest_normal((tw_dtype)out[0]->dtype);
    for (int64_t i = 0; i < wide->numel; i++) {
        const double sample = sample_gamma(p[i], out[0]->dtype != TW_FLOAT64, g);
        p[i] = sample > least ? sample : least;
    }
    const bool ok = tw_copy(out[0], wide);
    tw_release(wide);
    return ok;
}

bool tw__sample_dirichlet_meta(const tw_arg *a, tw_meta *out) {
    if (a[0].t->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "_sample_dirichlet: concentration must have a dimension");
    return meta_self(a, out, "dirichlet");
}
bool tw__sample_dirichlet_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *wide = doubles(a[0].t, out[0]);
    tw_generator *g = generator_of(&a[1]);
    if (!wide) return false;
    double *p = tw_data(wide);
    const int64_t width = wide->sizes[wide->ndim - 1];
    const tw_dtype dtype = (tw_dtype)out[0]->dtype;
    const double least = smallest_normal(dtype);
    const double most = dtype == TW_FLOAT64 ? 1 - DBL_EPSILON / 2 : 1 - (double)FLT_EPSILON / 2;
    for (int64_t i = 0; i < wide->numel; i++) p[i] = sample_gamma(p[i], false, g);
    for (int64_t row = 0; row < wide->numel; row += width) {
        double sum = 0;
        for (int64_t i = 0; i < width; i++) sum += p[row + i];
        for (int64_t i = 0; i < width; i++) {
            const double share = p[row + i] / sum;
            p[row + i] = share > most ? most : share > least ? share : least;
        }
    }
    const bool ok = tw_copy(out[0], wide);
    tw_release(wide);
    return ok;
}

/* log(k!) - [log(sqrt(2 pi)) + (k + 1/2) log(k + 1) - (k + 1)], for whole k >= 0 */
static double stirling_tail(double k) {
    static const double small[] = {0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
                                   0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287};
    if (k <= 9) return small[(int)k];
    const double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / square) / square) / square) / (k + 1);
}
static double log_factorial(double k) { return 0.91893853320467274178 + (k + 0.5) * ln(k + 1) - (k + 1) + stirling_tail(k); }

static double sample_poisson(double rate, tw_generator *g) {
    if (rate == 0) return 0;
    if (rate < 10) {
        const double end = tw_number()->exp(-rate);
        double product = 1;
        for (int64_t k = 0;; k++) {
            product *= tw_draw_uniform(g);
            if (product <= end) return (double)k;
        }
    }
    const double root = sqrt(rate), log_rate = ln(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        const double u = tw_draw_uniform(g) - 0.5, v = tw_draw_uniform(g), us = 0.5 - fabs(u);
        const double k = floor((2 * a / us + b) * u + rate + 0.43);
        if (us >= 0.07 && v <= v_r) return k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        if (ln(v) + ln(inverse_alpha) - ln(a / (us * us) + b) <= -rate + k * log_rate - log_factorial(k)) return k;
    }
}

bool tw_poisson_meta(const tw_arg *a, tw_meta *out) { return meta_self(a, out, "poisson_cpu"); }
bool tw_poisson_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *wide = doubles(a[0].t, out[0]);
    tw_generator *g = generator_of(&a[1]);
    bool ok = wide != NULL;
    double *p = ok ? tw_data(wide) : NULL;
    for (int64_t i = 0; ok && i < wide->numel; i++) {
        if (!(p[i] >= 0)) ok = tw_fail(TW_RUNTIME_ERROR, "invalid Poisson rate, expected rate to be non-negative");
        else p[i] = sample_poisson(p[i], g);
    }
    ok = ok && tw_copy(out[0], wide);
    tw_release(wide);
    return ok;
}

static double binomial_by_inversion(double count, double p, tw_generator *g) {
    const double logq = tw_number()->log(1 - p);
    double sum = 0, k = 0;
    for (;;) {
        sum += ceil(ln(tw_draw_uniform(g)) / logq);
        if (sum > count) return k;
        k += 1;
    }
}

static double binomial_by_rejection(double count, double p, tw_generator *g) {
    const double deviation = sqrt(count * p * (1 - p)), b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double c = count * p + 0.5, v_r = 0.92 - 4.2 / b, r = p / (1 - p), alpha = (2.83 + 5.1 / b) * deviation, m = floor((count + 1) * p);
    for (;;) {
        const double u = tw_draw_uniform(g) - 0.5, v = tw_draw_uniform(g), us = 0.5 - fabs(u), k = floor((2 * a / us + b) * u + c);
        if (k < 0 || k > count) continue;
        if (us >= 0.07 && v <= v_r) return k;
        const double bound = (m + 0.5) * ln((m + 1) / (r * (count - m + 1))) + (count + 1) * ln((count - m + 1) / (count - k + 1)) +
                             (k + 0.5) * ln(r * (count - k + 1) / (k + 1)) + stirling_tail(m) + stirling_tail(count - m) - stirling_tail(k) -
                             stirling_tail(count - k);
        if (ln(v * alpha / (a / (us * us) + b)) <= bound) return k;
    }
}

static double sample_binomial(double count, double p, tw_generator *g) {
    if (!(count > 0) || !(p > 0)) return count != count || p != p ? (double)NAN : 0;
    if (p >= 1) return count;
    const double less = p <= 0.5 ? p : 1 - p;
    const double k = count * less >= 10 ? binomial_by_rejection(count, less, g) : binomial_by_inversion(count, less, g);
    return p <= 0.5 ? k : count - k;
}

bool tw_binomial_meta(const tw_arg *a, tw_meta *out) {
    if (a[0].t->dtype != a[1].t->dtype)
        return tw_fail(TW_VALUE_ERROR, "binomial only supports floating-point dtypes for prob, got: %s", tw_dtypes[a[1].t->dtype].name);
    int64_t sizes[TW_MAX_DIMS];
    int ndim = a[0].t->ndim > a[1].t->ndim ? a[0].t->ndim : a[1].t->ndim;
    for (int i = 1; i <= ndim; i++) {
        const int64_t m = i <= a[0].t->ndim ? a[0].t->sizes[a[0].t->ndim - i] : 1, n = i <= a[1].t->ndim ? a[1].t->sizes[a[1].t->ndim - i] : 1;
        if (m != n && m != 1 && n != 1)
            return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                           (long long)m, (long long)n, ndim - i);
        sizes[ndim - i] = m == 1 ? n : m;
    }
    tw_meta own;
    return meta_self(a, &own, "binomial_cpu") && tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, sizes, ndim);
}
bool tw_binomial_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *counts = doubles(a[0].t, out[0]), *wide = counts ? doubles(a[1].t, out[0]) : NULL;
    tw_generator *g = generator_of(&a[2]);
    bool ok = wide != NULL;
    if (ok) {
        const double *n = tw_data(counts);
        double *p = tw_data(wide);
        for (int64_t i = 0; i < wide->numel; i++) p[i] = sample_binomial(n[i], p[i], g);
        ok = tw_copy(out[0], wide);
    }
    tw_release(counts);
    tw_release(wide);
    return ok;
}
