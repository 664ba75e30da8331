/* Discrete Fourier transforms of lengths of any kind, in double, rounded once at the end.
 *
 * Lengths whose prime factors are small are transformed stage by stage, a factor each, between two buffers (Stockham's order, which needs no
 * permutation at the end); others as a convolution with a chirp of a length that is a power of two (Bluestein). Several lines are
 * transformed side by side: the line is the fastest index of the buffers. The inverse is the transform of numbers with real and imaginary parts swapped. */
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/number.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { LINES = 8, LARGEST = 61 /* prime factor of a stage */, STAGES = 64 };

typedef struct number { double re, im; } number;

typedef struct plan {
    int64_t n, padded;              /* padded: of the convolution; 0: none */
    int radix[STAGES], stages;
    number *roots;                  /* exp(-2 pi i k / length) of the length transformed in stages */
    number *chirp, *filter;         /* exp(-pi i k^2 / n); the transform of its inverse, padded */
} plan;

/* exp(-2 pi i k / n): the angle is brought into the first octant in integers, so that the roots are as symmetric as the circle. */
static number root(int64_t k, int64_t n) {
    const int64_t octant = 8 * k / n, rest = 8 * k - octant * n, part = octant & 1 ? n - rest : rest;
    const double angle = (double)part * (0.78539816339744830962 / (double)n);
    const double c = tw_number()->cos(angle), s = tw_number()->cos(1.57079632679489661923 - angle);
    const bool turned = ((octant + 1) >> 1) & 1; /* beyond 45 degrees from the real axis */
    const double real = part == 0 && turned ? 0 : turned ? s : c, imaginary = part == 0 && !turned ? 0 : turned ? c : s;
    return (number){octant >= 2 && octant < 6 ? -real : real, octant < 4 ? -imaginary : imaginary};
}

static number *roots_of(int64_t n) {
    number *w = tw_malloc((size_t)n * sizeof *w);
    for (int64_t k = 0; w && k < n; k++) w[k] = root(k, n);
    return w;
}

static bool factor(plan *p, int64_t n) {
    static const int first[] = {4, 2, 3, 5};
    p->stages = 0;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        for (; n % first[i] == 0; n /= first[i]) p->radix[p->stages++] = first[i];
    for (int r = 7; r <= LARGEST && n > 1; r += 2)
        for (; n % r == 0; n /= r) p->radix[p->stages++] = r;
    return n == 1;
}

static void plan_free(plan *p) {
    tw_free(p->roots);
    tw_free(p->chirp);
    tw_free(p->filter);
}

static number times(number a, number b) { return (number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

/* One stage: the transforms of `radix` numbers that lie apart, times roots. x and y: (n / radix ... , s) numbers. */
static void stage(int64_t n, int64_t s, int radix, const number *x, number *y, const number *w, int64_t step, int64_t whole) {
    const int64_t m = n / radix;
    for (int64_t p = 0; p < m; p++) {
        const number *from = x + s * p;
        number *to = y + s * radix * p;
        if (radix == 2) {
            const number w1 = w[p * step];
            for (int64_t q = 0; q < s; q++) {
                const number a = from[q], b = from[q + s * m];
                to[q] = (number){a.re + b.re, a.im + b.im};
                to[q + s] = times((number){a.re - b.re, a.im - b.im}, w1);
            }
        } else if (radix == 4) {
            const number w1 = w[p * step], w2 = w[2 * p * step], w3 = w[3 * p * step];
            for (int64_t q = 0; q < s; q++) {
                const number a = from[q], b = from[q + s * m], c = from[q + 2 * s * m], d = from[q + 3 * s * m];
                const number ac = {a.re + c.re, a.im + c.im}, a_c = {a.re - c.re, a.im - c.im};
                const number bd = {b.re + d.re, b.im + d.im}, b_d = {b.re - d.re, b.im - d.im};
                to[q] = (number){ac.re + bd.re, ac.im + bd.im};
                to[q + s] = times((number){a_c.re + b_d.im, a_c.im - b_d.re}, w1);
                to[q + 2 * s] = times((number){ac.re - bd.re, ac.im - bd.im}, w2);
                to[q + 3 * s] = times((number){a_c.re - b_d.im, a_c.im + b_d.re}, w3);
            }
        } else {
            for (int j = 0; j < radix; j++) {
                const number wj = w[p * j * step];
                for (int64_t q = 0; q < s; q++) {
                    number sum = from[q];
                    for (int k = 1; k < radix; k++) {
                        const number term = times(from[q + k * s * m], w[(int64_t)(j * k % radix) * (whole / radix)]);
                        sum = (number){sum.re + term.re, sum.im + term.im};
                    }
                    to[q + j * s] = times(sum, wj);
                }
            }
        }
    }
}

/* Transforms LINES lines of length n in place of a; b has as much room. Gives the buffer that holds the result. */
static number *in_stages(const plan *p, int64_t n, number *a, number *b) {
    int64_t length = n, s = LINES;
    for (int i = 0; i < p->stages; i++) {
        stage(length, s, p->radix[i], a, b, p->roots, n / length, n);
        length /= p->radix[i];
        s *= p->radix[i];
        number *other = a;
        a = b;
        b = other;
    }
    return a;
}

static void swap_parts(number *a, int64_t n) {
    for (int64_t i = 0; i < n; i++) a[i] = (number){a[i].im, a[i].re};
}

static number *convolved(const plan *p, number *a, number *b) {
    const int64_t n = p->n, m = p->padded;
    for (int64_t k = 0; k < n; k++)
        for (int l = 0; l < LINES; l++) a[k * LINES + l] = times(a[k * LINES + l], p->chirp[k]);
    memset(a + n * LINES, 0, (size_t)(m - n) * LINES * sizeof *a);
    number *x = in_stages(p, m, a, b), *y = x == a ? b : a;
    for (int64_t k = 0; k < m; k++)
        for (int l = 0; l < LINES; l++) x[k * LINES + l] = times(x[k * LINES + l], p->filter[k]);
    swap_parts(x, m * LINES);
    x = in_stages(p, m, x, y);
    swap_parts(x, n * LINES);
    for (int64_t k = 0; k < n; k++)
        for (int l = 0; l < LINES; l++) x[k * LINES + l] = times(x[k * LINES + l], p->chirp[k]);
    return x;
}

/* exp(-pi i k^2 / n), and the transform of its inverse around 0, divided by the padded length. */
static bool make_chirp(plan *p) {
    const int64_t n = p->n, m = p->padded;
    const size_t bytes = (size_t)m * LINES * sizeof(number);
    number *a = tw_calloc((size_t)m * LINES, sizeof *a), *b = tw_malloc(bytes);
    p->chirp = tw_malloc((size_t)n * sizeof *p->chirp);
    p->filter = tw_malloc((size_t)m * sizeof *p->filter);
    const bool ok = a && b && p->chirp && p->filter;
    for (int64_t k = 0, square = 0; ok && k < n; k++) { /* square: k^2 modulo 2 n */
        p->chirp[k] = root(square, 2 * n);
        square = (square + 2 * k + 1) % (2 * n);
        const number inverse = {p->chirp[k].re, -p->chirp[k].im};
        a[k * LINES] = inverse;
        if (k) a[(m - k) * LINES] = inverse;
    }
    if (ok) {
        const number *x = in_stages(p, m, a, b);
        for (int64_t k = 0; k < m; k++) p->filter[k] = (number){x[k * LINES].re / (double)m, x[k * LINES].im / (double)m};
    }
    tw_free(a);
    tw_free(b);
    return ok;
}

static bool plan_make(plan *p, int64_t n) {
    *p = (plan){.n = n};
    if (n > (INT64_C(1) << 40)) return tw_fail(TW_RUNTIME_ERROR, "a transform of %lld points is too long", (long long)n);
    if (!factor(p, n)) {
        for (p->padded = 1; p->padded < 2 * n - 1;) p->padded *= 2;
        factor(p, p->padded);
    }
    p->roots = roots_of(p->padded ? p->padded : n);
    if (p->roots && (!p->padded || make_chirp(p))) return true;
    plan_free(p);
    return false;
}

/* --- lines of tensors ---------------------------------------------------------------------------------------------------- */

typedef struct job {
    const plan *p;
    const tw_tensor *from;
    tw_tensor *to;
    int dim;
    bool inverse, halved;   /* halved: `from` holds the first half of a spectrum of real numbers */
    double scale;
    int64_t lines;
    atomic_bool failed;
} job;

static number load(const tw_tensor *t, int64_t at) {
    const char *data = tw_data(t);
    switch ((tw_dtype)t->dtype) {
    case TW_FLOAT32: return (number){((const float *)(const void *)data)[at], 0};
    case TW_FLOAT64: return (number){((const double *)(const void *)data)[at], 0};
    case TW_COMPLEX64: return (number){((const float *)(const void *)data)[2 * at], ((const float *)(const void *)data)[2 * at + 1]};
    default: return (number){((const double *)(const void *)data)[2 * at], ((const double *)(const void *)data)[2 * at + 1]};
    }
}

static void store(tw_tensor *t, int64_t at, number v) {
    char *data = tw_data(t);
    switch ((tw_dtype)t->dtype) {
    case TW_FLOAT32: ((float *)(void *)data)[at] = (float)v.re; break;
    case TW_FLOAT64: ((double *)(void *)data)[at] = v.re; break;
    case TW_COMPLEX64:
        ((float *)(void *)data)[2 * at] = (float)v.re;
        ((float *)(void *)data)[2 * at + 1] = (float)v.im;
        break;
    default:
        ((double *)(void *)data)[2 * at] = v.re;
        ((double *)(void *)data)[2 * at + 1] = v.im;
    }
}

/* Where line i of t begins, among the lines along `dim`. */
static int64_t start_of(const tw_tensor *t, int dim, int64_t i) {
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        if (d == dim) continue;
        at += i % t->sizes[d] * t->strides[d];
        i /= t->sizes[d];
    }
    return at;
}

static void fetch_line(const job *j, int64_t line, number *a) {
    const int64_t n = j->p->n, stride = j->from->strides[j->dim], at = start_of(j->from, j->dim, line), half = n / 2 + 1;
    const int64_t there = j->halved ? half : n;
    for (int64_t k = 0; k < there; k++) a[k * LINES] = load(j->from, at + k * stride);
    if (!j->halved) return;
    a[0].im = 0; /* what a spectrum of real numbers cannot have */
    if (n % 2 == 0) a[n / 2 * LINES].im = 0;
    for (int64_t k = half; k < n; k++) a[k * LINES] = (number){a[(n - k) * LINES].re, -a[(n - k) * LINES].im};
}

static void put_line(const job *j, int64_t line, const number *a) {
    const int64_t stride = j->to->strides[j->dim], at = start_of(j->to, j->dim, line), n = j->to->sizes[j->dim];
    for (int64_t k = 0; k < n; k++) store(j->to, at + k * stride, (number){a[k * LINES].re * j->scale, a[k * LINES].im * j->scale});
}

static void run_lines(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const int64_t n = j->p->n, room = j->p->padded ? j->p->padded : n;
    number *a = tw_calloc((size_t)room * LINES, sizeof *a), *b = tw_malloc((size_t)room * LINES * sizeof *b);
    for (int64_t i = begin; a && b && i < end; i++) {
        const int64_t first = i * LINES, count = j->lines - first < LINES ? j->lines - first : LINES;
        for (int64_t l = 0; l < count; l++) fetch_line(j, first + l, a + l);
        if (j->inverse) swap_parts(a, n * LINES);
        number *x = j->p->padded ? convolved(j->p, a, b) : in_stages(j->p, n, a, b);
        if (j->inverse) swap_parts(x, n * LINES);
        for (int64_t l = 0; l < count; l++) put_line(j, first + l, x + l);
    }
    if (!a || !b) atomic_store(&j->failed, true);
    tw_free(a);
    tw_free(b);
}

/* One dimension of `from` into `to`, which may be the same tensor. n: points of the transform. */
static bool transform(const tw_tensor *from, tw_tensor *to, int64_t dim, int64_t n, bool inverse, bool halved, double scale) {
    plan p;
    int64_t lines = 1;
    for (int d = 0; d < to->ndim; d++)
        if (d != dim) lines *= to->sizes[d];
    if (lines == 0) return true;
    if (!plan_make(&p, n)) return false;
    job j = {.p = &p, .from = from, .to = to, .dim = (int)dim, .inverse = inverse, .halved = halved, .scale = scale, .lines = lines};
    const int64_t grain = 1 + 16384 / (n * LINES);
    tw_parallel((lines + LINES - 1) / LINES, grain, run_lines, &j);
    plan_free(&p);
    return !atomic_load(&j.failed) || (tw_failed() ? false : tw_fail(TW_MEMORY_ERROR, "a Fourier transform has no memory for its buffers"));
}

/* --- the ops -------------------------------------------------------------------------------------------------------------- */

static double scale_of(int64_t normalization, double points) {
    return normalization == 0 ? 1 : normalization == 1 ? 1 / sqrt(points) : 1 / points;
}

/* PyTorch's layout: the dimensions that are transformed come last, in the order of falling strides (with `last` fixed at the end), the others
 * before them in the same order. */
static bool lay_out(const tw_tensor *self, const tw_arg *dims, bool fixed, const int64_t *sizes, tw_dtype dtype, tw_meta *out) {
    bool chosen[TW_MAX_DIMS] = {false};
    int order[TW_MAX_DIMS], n = 0;
    if (!tw_meta_set(out, dtype, self->device, sizes, self->ndim)) return false;
    for (int i = 0; i < dims->n; i++) {
        int64_t d = dims->ints[i];
        if (!tw_wrap_dim(&d, self->ndim)) return false;
        chosen[d] = true;
    }
    if (dims->n == 0) return true;
    int64_t last = dims->ints[dims->n - 1];
    if (!tw_wrap_dim(&last, self->ndim)) return false;
    for (int pass = 0; pass < 2; pass++) {
        const int begin = n;
        for (int d = 0; d < self->ndim; d++) {
            if (chosen[d] != (pass == 1) || (fixed && d == last)) continue;
            int at = n++;
            for (; at > begin && self->strides[order[at - 1]] < self->strides[d]; at--) order[at] = order[at - 1];
            order[at] = d;
        }
    }
    if (fixed) order[n++] = (int)last;
    int64_t step = 1;
    for (int i = n - 1; i >= 0; i--) {
        out->strides[order[i]] = step;
        step *= sizes[order[i]] > 1 ? sizes[order[i]] : 1;
    }
    return true;
}

static bool known(const tw_tensor *t, bool complex) {
    const tw_dtype d = (tw_dtype)t->dtype;
    if (complex ? d == TW_COMPLEX64 || d == TW_COMPLEX128 : d == TW_FLOAT32 || d == TW_FLOAT64) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Unsupported dtype %s", tw_dtypes[d].type_name);
}

static tw_dtype complex_of(tw_dtype d) { return d == TW_FLOAT32 ? TW_COMPLEX64 : TW_COMPLEX128; }
static tw_dtype real_of(tw_dtype d) { return d == TW_COMPLEX64 ? TW_FLOAT32 : TW_FLOAT64; }

/* The dims of `a` of `from` into `to` one after the other; the scale goes into the first. */
static bool all_dims(const tw_tensor *from, tw_tensor *to, const int64_t *dims, int n, bool inverse, double scale) {
    for (int i = n - 1; i >= 0; i--) {
        int64_t d = dims[i];
        if (!tw_wrap_dim(&d, to->ndim) || !transform(from, to, d, to->sizes[d], inverse, false, scale)) return false;
        from = to;
        scale = 1;
    }
    return n > 0 || tw_copy(to, (tw_tensor *)from);
}

static double points_of(const tw_tensor *t, const tw_arg *dims) {
    double points = 1;
    for (int i = 0; i < dims->n; i++) {
        int64_t d = dims->ints[i];
        if (!tw_wrap_dim(&d, t->ndim)) return 0;
        points *= (double)t->sizes[d];
    }
    return points;
}

/* (self, dim, normalization, forward) */
bool tw__fft_c2c_meta(const tw_arg *a, tw_meta *out) {
    return known(a[0].t, true) && lay_out(a[0].t, &a[1], false, a[0].t->sizes, (tw_dtype)a[0].t->dtype, out);
}

bool tw__fft_c2c_run(const tw_arg *a, tw_tensor **outs) {
    if (outs[0]->numel == 0) return true;
    return all_dims(a[0].t, outs[0], a[1].ints, a[1].n, !a[3].i, scale_of(a[2].i, points_of(a[0].t, &a[1])));
}

static bool last_of(const tw_arg *a, int64_t *last) {
    if (a[1].n == 0) return tw_fail(TW_RUNTIME_ERROR, "a transform of real numbers must transform at least one axis");
    *last = a[1].ints[a[1].n - 1];
    return tw_wrap_dim(last, a[0].t->ndim);
}

/* (self, dim, normalization, onesided): the last of dim halved, the others whole. */
bool tw__fft_r2c_meta(const tw_arg *a, tw_meta *out) {
    int64_t sizes[TW_MAX_DIMS], last;
    if (!known(a[0].t, false) || !last_of(a, &last)) return false;
    memcpy(sizes, a[0].t->sizes, a[0].t->ndim * sizeof *sizes);
    if (a[3].i) sizes[last] = sizes[last] / 2 + 1;
    return lay_out(a[0].t, &a[1], true, sizes, complex_of((tw_dtype)a[0].t->dtype), out);
}

bool tw__fft_r2c_run(const tw_arg *a, tw_tensor **outs) {
    const double scale = scale_of(a[2].i, points_of(a[0].t, &a[1]));
    int64_t last;
    if (outs[0]->numel == 0) return true;
    return last_of(a, &last) && transform(a[0].t, outs[0], last, a[0].t->sizes[last], false, false, scale) &&
           (a[1].n == 1 || all_dims(outs[0], outs[0], a[1].ints, a[1].n - 1, false, 1));
}

/* (self, dim, normalization, last_dim_size) */
bool tw__fft_c2r_meta(const tw_arg *a, tw_meta *out) {
    int64_t sizes[TW_MAX_DIMS], last;
    if (!known(a[0].t, true) || !last_of(a, &last)) return false;
    memcpy(sizes, a[0].t->sizes, a[0].t->ndim * sizeof *sizes);
    if (a[3].i < 1) return tw_fail(TW_RUNTIME_ERROR, "Invalid number of data points (%lld) specified", (long long)a[3].i);
    if (sizes[last] < a[3].i / 2 + 1)
        return tw_fail(TW_RUNTIME_ERROR, "a transform to %lld real numbers needs %lld complex ones, got %lld", (long long)a[3].i,
                       (long long)(a[3].i / 2 + 1), (long long)sizes[last]);
    sizes[last] = a[3].i;
    return lay_out(a[0].t, &a[1], true, sizes, real_of((tw_dtype)a[0].t->dtype), out);
}

bool tw__fft_c2r_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *made = NULL, *from = a[0].t;
    int64_t last;
    if (outs[0]->numel == 0) return true;
    if (!last_of(a, &last)) return false;
    const double scale = scale_of(a[2].i, points_of(outs[0], &a[1]));
    if (a[1].n > 1) {
        made = tw_empty_new(from->sizes, from->ndim, (tw_dtype)from->dtype, from->device);
        if (!made || !all_dims(from, made, a[1].ints, a[1].n - 1, true, 1)) {
            tw_release(made);
            return false;
        }
        from = made;
    }
    const bool ok = transform(from, outs[0], last, a[3].i, true, true, scale);
    tw_release(made);
    return ok;
}
