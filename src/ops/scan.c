/* Running sums and products, and flip. float accumulates in double and half types in float, as PyTorch does. */
#include "core/threads.h"
#include "kernels/copy.h"
#include "ops/copy.h"
#include "ops/op.h"
#include <string.h>

bool tw_cumsum_meta(const tw_arg *a, tw_meta *out);
bool tw_cumsum_run(const tw_arg *a, tw_tensor **outs);
bool tw_cumprod_meta(const tw_arg *a, tw_meta *out);
bool tw_cumprod_run(const tw_arg *a, tw_tensor **outs);
bool tw_flip_meta(const tw_arg *a, tw_meta *out);
bool tw_flip_run(const tw_arg *a, tw_tensor **outs);

static tw_dtype scan_dtype(const tw_arg *a) {
    tw_dtype wanted = (tw_dtype)tw_a_get_int(&a[2], TW_DTYPE_NONE), have = (tw_dtype)a[0].t->dtype;
    return wanted != TW_DTYPE_NONE ? wanted : tw_is_integral(have) ? TW_INT64 : have;
}

bool tw_cumsum_meta(const tw_arg *a, tw_meta *out) {
    int64_t dim = a[1].i;
    return tw_wrap_dim(&dim, a[0].t->ndim) && tw_meta_set(out, scan_dtype(a), a[0].t->device, a[0].t->sizes, a[0].t->ndim);
}

bool tw_cumprod_meta(const tw_arg *a, tw_meta *out) { return tw_cumsum_meta(a, out); }

/* (outer, n, inner), contiguous, in and out of one dtype. */
typedef struct scan { const char *in; char *out; int64_t n, inner; tw_dtype dtype; bool product; } scan;

/* Several scans at a time: neighbouring columns, whose elements lie side by side; or whole rows, so that one addition need not wait for the
 * one before: no more rows than a cache set has ways for, where they lie a power of two apart. Each scan goes in order all the same. */
enum { ROWS = 4, COLUMNS = 512 };

#define SCANS(T, A, LOAD, STORE, OP, START, COUNT, APART, STEP) do { \
    A acc[COLUMNS]; \
    for (int64_t l = 0; l < (COUNT); l++) acc[l] = START; \
    for (int64_t k = 0; k < s->n; k++) { \
        for (int64_t l = 0; l < (COUNT); l++) acc[l] = (A)OP(acc[l], LOAD(in[k * (STEP) + l * (APART)])); \
        for (int64_t l = 0; l < (COUNT); l++) out[k * (STEP) + l * (APART)] = (T)STORE(acc[l]); \
    } \
} while (0)
#define LOOP(T, A, LOAD, STORE, OP, START) do { \
    const T *in = (const T *)(const void *)s->in + at; \
    T *out = (T *)(void *)s->out + at; \
    if (s->inner > 1) SCANS(T, A, LOAD, STORE, OP, START, count, 1, s->inner); \
    else if (count == ROWS) SCANS(T, A, LOAD, STORE, OP, START, ROWS, s->n, 1); \
    else SCANS(T, A, LOAD, STORE, OP, START, count, s->n, 1); \
} while (0)
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define OR(a, b) ((a) | (b))
#define AND(a, b) ((a) & (b))
#define AS_DOUBLE(x) ((double)(x))
#define TO_FLOAT(x) ((float)(x))
#define SAME(x) (x)
#define BOTH(T, A, LOAD, STORE) \
    if (s->product) LOOP(T, A, LOAD, STORE, MUL, 1); else LOOP(T, A, LOAD, STORE, ADD, 0); \
    break
#define WRAPPED(T) \
    if (s->product) LOOP(T, uint64_t, (uint64_t), (T), MUL, 1); else LOOP(T, uint64_t, (uint64_t), (T), ADD, 0); \
    break

static void complex_scan(const scan *s, int64_t at) {
    bool wide = s->dtype == TW_COMPLEX128;
    double re = s->product, im = 0;
    for (int64_t k = 0; k < s->n; k++, at += s->inner) {
        double x[2];
        if (wide) memcpy(x, (const double *)(const void *)s->in + 2 * at, sizeof x);
        else for (int j = 0; j < 2; j++) x[j] = (double)((const float *)(const void *)s->in)[2 * at + j];
        double r = s->product ? re * x[0] - im * x[1] : re + x[0];
        im = s->product ? re * x[1] + im * x[0] : im + x[1];
        re = r;
        if (wide) ((double *)(void *)s->out)[2 * at] = re, ((double *)(void *)s->out)[2 * at + 1] = im;
        else ((float *)(void *)s->out)[2 * at] = (float)re, ((float *)(void *)s->out)[2 * at + 1] = (float)im;
    }
}

static void scan_range(void *context, int64_t begin, int64_t end) {
    const scan *s = context;
    for (int64_t i = begin, count; i < end; i += count) {
        const int64_t at = i / s->inner * s->n * s->inner + i % s->inner;
        count = s->inner > 1 ? s->inner - i % s->inner : end - i;
        if (count > (s->inner > 1 ? COLUMNS : ROWS)) count = s->inner > 1 ? COLUMNS : ROWS;
        if (count > end - i) count = end - i;
        switch (s->dtype) {
        case TW_FLOAT32: BOTH(float, double, AS_DOUBLE, TO_FLOAT);
        case TW_FLOAT64: BOTH(double, double, SAME, SAME);
        case TW_FLOAT16: BOTH(uint16_t, float, tw_half_to_float, tw_float_to_half);
        case TW_BFLOAT16: BOTH(uint16_t, float, tw_bfloat_to_float, tw_float_to_bfloat);
        case TW_UINT8: WRAPPED(uint8_t);
        case TW_INT8: WRAPPED(int8_t);
        case TW_INT16: WRAPPED(int16_t);
        case TW_INT32: WRAPPED(int32_t);
        case TW_INT64: WRAPPED(int64_t);
        case TW_BOOL:
            if (s->product) LOOP(uint8_t, uint8_t, SAME, SAME, AND, 1);
            else LOOP(uint8_t, uint8_t, SAME, SAME, OR, 0);
            break;
        default:
            count = 1;
            complex_scan(s, at);
        }
    }
}

static bool run_scan(const tw_arg *a, tw_tensor *out, bool product) {
    int64_t dim = a[1].i, outer = 1;
    tw_tensor *in = NULL, *made = NULL;
    bool ok = false;
    if (out->numel == 0) return true;
    if (!tw_wrap_dim(&dim, out->ndim)) return false;
    if (!tw_dtypes[out->dtype].computes || out->dtype == TW_COMPLEX32)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", product ? "cumprod_out_cpu" : "cumsum_out_cpu",
                       tw_dtypes[out->dtype].type_name);
    in = tw_contiguous_new(a[0].t, (tw_dtype)out->dtype);
    tw_tensor *to = tw_is_contiguous(out) ? out : (made = tw_empty_new(out->sizes, out->ndim, (tw_dtype)out->dtype, out->device));
    if (!in || !to) goto done;
    scan s = {.in = tw_data(in), .out = tw_data(to), .n = 1, .inner = 1, .dtype = (tw_dtype)out->dtype, .product = product};
    if (out->ndim) {
        s.n = out->sizes[dim];
        for (int d = 0; d < dim; d++) outer *= out->sizes[d];
        for (int d = (int)dim + 1; d < out->ndim; d++) s.inner *= out->sizes[d];
    }
    const int64_t fair = 1 + 16384 / s.n, together = s.inner == 1 ? ROWS : s.inner < COLUMNS ? s.inner : COLUMNS;
    tw_parallel(outer * s.inner, fair < together ? together : fair, scan_range, &s);
    ok = to == out || tw_copy(out, to);
done:
    tw_release(in);
    tw_release(made);
    return ok;
}

bool tw_cumsum_run(const tw_arg *a, tw_tensor **outs) { return run_scan(a, outs[0], false); }
bool tw_cumprod_run(const tw_arg *a, tw_tensor **outs) { return run_scan(a, outs[0], true); }

/* --- flip ------------------------------------------------------------------------------------------------------------- */

static bool flipped_dims(const tw_arg *a, bool *flip) {
    const tw_arg *dims = &a[1];
    int ndim = a[0].t->ndim;
    if (!tw_check_listed_dims(ndim)) return false;
    memset(flip, 0, sizeof(bool) * TW_MAX_DIMS);
    for (int i = 0; i < dims->n; i++) {
        int64_t d = dims->ints[i];
        if (!tw_wrap_dim(&d, ndim)) return false;
        if (flip[d]) return tw_fail(TW_RUNTIME_ERROR, "dim %lld appears multiple times in the list of dims", (long long)d);
        flip[d] = true;
    }
    return true;
}

bool tw_flip_meta(const tw_arg *a, tw_meta *out) {
    bool flip[TW_MAX_DIMS];
    const tw_tensor *self = a[0].t;
    if (!flipped_dims(a, flip) || !tw_meta_set(out, (tw_dtype)self->dtype, self->device, self->sizes, self->ndim)) return false;
    tw_like_strides(self, out->strides);
    return true;
}

static int log2_size(size_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4; }

bool tw_flip_run(const tw_arg *a, tw_tensor **outs) {
    bool flip[TW_MAX_DIMS];
    tw_tensor *self = a[0].t, *out = outs[0];
    int64_t from[TW_MAX_DIMS], to[TW_MAX_DIMS], counters[TW_MAX_DIMS] = {0}, size = (int64_t)tw_dtype_size((tw_dtype)self->dtype);
    if (!flipped_dims(a, flip)) return false;
    if (self->numel == 0) return true;
    if (self->ndim == 0) return tw_copy(out, self);
    const char *p = tw_data(self);
    char *q = tw_data(out);
    for (int d = 0; d < self->ndim; d++) {
        from[d] = flip[d] && self->sizes[d] > 1 ? -tw_step_of(self, d) : tw_step_of(self, d);
        to[d] = tw_step_of(out, d);
        if (flip[d]) p += tw_step_of(self, d) * (self->sizes[d] - 1);
    }
    int last = self->ndim - 1;
    int64_t rows = self->numel / self->sizes[last];
    for (int64_t r = 0; r < rows; r++) {
        tw_move()->move[log2_size((size_t)size)](self->sizes[last], q, to[last], p, from[last]);
        for (int d = last - 1; d >= 0; d--) {
            p += from[d];
            q += to[d];
            if (++counters[d] < self->sizes[d]) break;
            p -= from[d] * counters[d];
            q -= to[d] * counters[d];
            counters[d] = 0;
        }
    }
    return true;
}
