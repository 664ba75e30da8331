/* softmax and log_softmax, and their gradients: rows in float or double scratch, over the kernels of exp, log and the
 * reductions, so that the bits are theirs. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/op.h"

bool tw__softmax_meta(const tw_arg *a, tw_meta *out);
bool tw__softmax_run(const tw_arg *a, tw_tensor **outs);
bool tw__log_softmax_meta(const tw_arg *a, tw_meta *out);
bool tw__log_softmax_run(const tw_arg *a, tw_tensor **outs);
bool tw__softmax_backward_data_meta(const tw_arg *a, tw_meta *out);
bool tw__softmax_backward_data_run(const tw_arg *a, tw_tensor **outs);
bool tw__log_softmax_backward_data_meta(const tw_arg *a, tw_meta *out);
bool tw__log_softmax_backward_data_run(const tw_arg *a, tw_tensor **outs);
extern const tw_ew tw_ew_exp, tw_ew_log;

/* --- meta ------------------------------------------------------------------------------------------------------------------ */

static bool forward_meta(const tw_arg *a, tw_meta *out, const char *name) {
    const tw_tensor *self = a[0].t;
    tw_dtype dtype = (tw_dtype)self->dtype;
    int64_t dim = a[1].i;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    bool last = dim == self->ndim - 1 || self->ndim == 0;
    if (!tw_is_float(dtype) || !tw_dtypes[dtype].computes)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s_%skernel_impl\" not implemented for '%s'", name, last ? "lastdim_" : "",
                       tw_dtypes[dtype].type_name);
    return tw_meta_set(out, a[2].i ? TW_FLOAT32 : dtype, self->device, self->sizes, self->ndim);
}

bool tw__softmax_meta(const tw_arg *a, tw_meta *out) { return forward_meta(a, out, "softmax"); }
bool tw__log_softmax_meta(const tw_arg *a, tw_meta *out) { return forward_meta(a, out, "log_softmax"); }

static bool backward_meta(const tw_arg *a, tw_meta *out) {
    int64_t dim = a[2].i;
    return tw_wrap_dim(&dim, a[0].t->ndim) && tw_meta_set(out, (tw_dtype)a[3].i, a[0].t->device, a[0].t->sizes, a[0].t->ndim);
}

bool tw__softmax_backward_data_meta(const tw_arg *a, tw_meta *out) { return backward_meta(a, out); }
bool tw__log_softmax_backward_data_meta(const tw_arg *a, tw_meta *out) { return backward_meta(a, out); }

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

typedef struct rows rows;
/* Computes one row in place of x; y is the second input, or scratch. Both of the compute dtype. */
typedef void (*row_fn)(const rows *w, void *x, void *y);

struct rows {
    const tw_tensor *in, *other;   /* contiguous; other NULL in forward */
    tw_tensor *out;
    tw_dtype compute;
    int64_t n, inner;
    row_fn row;
    atomic_bool failed;
};

static void unary(const tw_ew *ew, tw_dtype dtype, int64_t n, void *to, const void *from) {
    const void *in[1] = {from};
    tw_ew_kernels()[ew->kernel][dtype](n, to, in, 0);
}

static const tw_reducer *reducer(const rows *w, tw_reducer_kind kind) {
    return &tw_reducers()->table[kind][w->compute == TW_FLOAT64 ? TW_RC_DOUBLE : TW_RC_FLOAT];
}

/* Leaves in order, as the reduction engine's tree does for up to two of them; longer rows fold left to right. */
static void reduce(const rows *w, tw_reducer_kind kind, const void *x, void *acc) {
    const tw_reducer *k = reducer(w, kind);
    char next[TW_ACC_BYTES];
    size_t size = tw_dtype_size(w->compute);
    k->leaf(w->n < TW_LEAF ? w->n : TW_LEAF, x, 0, acc);
    for (int64_t i = TW_LEAF; i < w->n; i += TW_LEAF) {
        k->leaf(w->n - i < TW_LEAF ? w->n - i : TW_LEAF, (const char *)x + (size_t)i * size, i, next);
        k->combine(1, acc, next);
    }
}

#define ROWS(T, suffix) \
    static void softmax_##suffix(const rows *w, void *xp, void *yp) { \
        T *x = xp, most, sum; \
        (void)yp; \
        reduce(w, TW_R_MAX, x, &most); \
        for (int64_t i = 0; i < w->n; i++) x[i] -= most; \
        unary(&tw_ew_exp, w->compute, w->n, x, x); \
        reduce(w, TW_R_SUM, x, &sum); \
        for (int64_t i = 0; i < w->n; i++) x[i] /= sum; \
    } \
    static void log_softmax_##suffix(const rows *w, void *xp, void *yp) { \
        T *x = xp, most, sum; \
        reduce(w, TW_R_MAX, x, &most); \
        for (int64_t i = 0; i < w->n; i++) x[i] -= most; \
        unary(&tw_ew_exp, w->compute, w->n, yp, x); \
        reduce(w, TW_R_SUM, yp, &sum); \
        unary(&tw_ew_log, w->compute, 1, &sum, &sum); \
        for (int64_t i = 0; i < w->n; i++) x[i] -= sum; \
    } \
    static void softmax_grad_##suffix(const rows *w, void *xp, void *yp) { \
        T *x = xp, *y = yp, sum; \
        for (int64_t i = 0; i < w->n; i++) x[i] *= y[i]; \
        reduce(w, TW_R_SUM, x, &sum); \
        for (int64_t i = 0; i < w->n; i++) x[i] -= y[i] * sum; \
    } \
    static void log_softmax_grad_##suffix(const rows *w, void *xp, void *yp) { \
        T *x = xp, *y = yp, sum; \
        unary(&tw_ew_exp, w->compute, w->n, y, y); \
        reduce(w, TW_R_SUM, x, &sum); \
        for (int64_t i = 0; i < w->n; i++) x[i] -= y[i] * sum; \
    }
ROWS(float, f)
ROWS(double, d)

static void gather_row(const rows *w, const tw_tensor *t, int64_t first, char *to) {
    size_t size = tw_dtype_size((tw_dtype)t->dtype), wide = tw_dtype_size(w->compute);
    const char *from = (const char *)tw_data(t) + (size_t)first * size;
    if (w->inner == 1) {
        tw_cast(w->n, to, w->compute, from, (tw_dtype)t->dtype);
        return;
    }
    for (int64_t i = 0; i < w->n; i++)
        tw_cast(1, to + (size_t)i * wide, w->compute, from + (size_t)(i * w->inner) * size, (tw_dtype)t->dtype);
}

static void put_row(const rows *w, int64_t first, const char *from) {
    size_t size = tw_dtype_size((tw_dtype)w->out->dtype), wide = tw_dtype_size(w->compute);
    char *to = (char *)tw_data(w->out) + (size_t)first * size;
    if (w->inner == 1) {
        tw_cast(w->n, to, (tw_dtype)w->out->dtype, from, w->compute);
        return;
    }
    for (int64_t i = 0; i < w->n; i++)
        tw_cast(1, to + (size_t)(i * w->inner) * size, (tw_dtype)w->out->dtype, from + (size_t)i * wide, w->compute);
}

static void row_range(void *context, int64_t begin, int64_t end) {
    rows *w = context;
    size_t bytes = (size_t)w->n * tw_dtype_size(w->compute);
    char *x = tw_malloc(2 * bytes), *y = x ? x + bytes : NULL;
    if (!x) {
        atomic_store(&w->failed, true);
        return;
    }
    for (int64_t r = begin; r < end; r++) {
        int64_t first = r / w->inner * w->n * w->inner + r % w->inner;
        gather_row(w, w->in, first, x);
        if (w->other) gather_row(w, w->other, first, y);
        w->row(w, x, y);
        put_row(w, first, x);
    }
    tw_free(x);
}

static bool run(tw_tensor *in, tw_tensor *other, int64_t dim, row_fn single, row_fn twice, tw_tensor *given) {
    rows w = {.n = 1, .inner = 1, .compute = tw_dtypes[in->dtype].compute};
    tw_tensor *made = NULL, *packed = NULL, *second = NULL;
    int64_t outer = 1;
    bool ok = false;
    if (given->numel == 0) return true;
    if (!tw_wrap_dim(&dim, in->ndim)) return false;
    packed = tw_contiguous_new(in, (tw_dtype)in->dtype);
    second = other ? tw_contiguous_new(other, (tw_dtype)other->dtype) : NULL;
    if (!tw_is_contiguous(given)) made = tw_empty_new(given->sizes, given->ndim, (tw_dtype)given->dtype, given->device);
    w.out = tw_is_contiguous(given) ? given : made;
    if (!packed || (other && !second) || !w.out) goto done;
    w.in = packed;
    w.other = second;
    if (in->ndim) {
        w.n = in->sizes[dim];
        for (int d = 0; d < dim; d++) outer *= in->sizes[d];
        for (int d = (int)dim + 1; d < in->ndim; d++) w.inner *= in->sizes[d];
    }
    w.row = w.compute == TW_FLOAT64 ? twice : single;
    tw_parallel(outer * w.inner, 1 + 8192 / w.n, row_range, &w);
    ok = atomic_load(&w.failed) ? tw_fail_memory((size_t)w.n * 8) : !made || tw_copy(given, made);
done:
    tw_release(packed);
    tw_release(second);
    tw_release(made);
    return ok;
}

bool tw__softmax_run(const tw_arg *a, tw_tensor **outs) { return run(a[0].t, NULL, a[1].i, softmax_f, softmax_d, outs[0]); }
bool tw__log_softmax_run(const tw_arg *a, tw_tensor **outs) {
    return run(a[0].t, NULL, a[1].i, log_softmax_f, log_softmax_d, outs[0]);
}
bool tw__softmax_backward_data_run(const tw_arg *a, tw_tensor **outs) {
    return run(a[0].t, a[1].t, a[2].i, softmax_grad_f, softmax_grad_d, outs[0]);
}
bool tw__log_softmax_backward_data_run(const tw_arg *a, tw_tensor **outs) {
    return run(a[0].t, a[1].t, a[2].i, log_softmax_grad_f, log_softmax_grad_d, outs[0]);
}
