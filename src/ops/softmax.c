/* softmax and log_softmax, and their gradients: rows where they lie, or in float or double scratch. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "kernels/softmax.h"
#include "ops/copy.h"
#include "ops/op.h"
#include <string.h>

bool tw__softmax_meta(const tw_arg *a, tw_meta *out);
bool tw__softmax_run(const tw_arg *a, tw_tensor **outs);
bool tw__log_softmax_meta(const tw_arg *a, tw_meta *out);
bool tw__log_softmax_run(const tw_arg *a, tw_tensor **outs);
bool tw__softmax_backward_data_meta(const tw_arg *a, tw_meta *out);
bool tw__softmax_backward_data_run(const tw_arg *a, tw_tensor **outs);
bool tw__log_softmax_backward_data_meta(const tw_arg *a, tw_meta *out);
bool tw__log_softmax_backward_data_run(const tw_arg *a, tw_tensor **outs);

/* --- meta ------------------------------------------------------------------------------------------------------------------ */

static bool forward_meta(const tw_arg *a, tw_meta *out, const char *name) {
    const tw_tensor *self = a[0].t;
    tw_dtype dtype = (tw_dtype)self->dtype;
    int64_t dim = a[1].i;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    bool last = dim == self->ndim - 1 || self->ndim == 0;
    if (self->numel && (!tw_is_float(dtype) || !tw_dtypes[dtype].computes))
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

typedef struct rows {
    const tw_tensor *in, *other;   /* contiguous; other NULL in forward */
    tw_tensor *out;
    tw_dtype compute;
    int64_t n, inner;
    tw_softmax_row row;
    atomic_bool failed;
} rows;

enum { COLUMNS = 16 };

/* `count` neighbouring rows (columns of the matrix, when inner > 1) to rows of n in `to`. */
static void gather_rows(const rows *w, const tw_tensor *t, int64_t first, int64_t count, char *to) {
    size_t size = tw_dtype_size((tw_dtype)t->dtype), step = tw_dtype_size(w->compute);
    const char *from = (const char *)tw_data(t) + (size_t)first * size;
    char across[COLUMNS * 8];
    if (w->inner == 1) {
        tw_cast(w->n, to, w->compute, from, (tw_dtype)t->dtype);
        return;
    }
    if (t->dtype == w->compute) {
        tw_move()->transpose[step == 4 ? 2 : 3](count, w->n, to, w->n * (int64_t)step, from, w->inner * (int64_t)step);
        return;
    }
    for (int64_t i = 0; i < w->n; i++) {
        tw_cast(count, across, w->compute, from + (size_t)(i * w->inner) * size, (tw_dtype)t->dtype);
        for (int64_t c = 0; c < count; c++) memcpy(to + (size_t)(c * w->n + i) * step, across + (size_t)c * step, step);
    }
}

static void put_rows(const rows *w, int64_t first, int64_t count, const char *from) {
    size_t size = tw_dtype_size((tw_dtype)w->out->dtype), step = tw_dtype_size(w->compute);
    char *to = (char *)tw_data(w->out) + (size_t)first * size;
    char across[COLUMNS * 8];
    if (w->inner == 1) {
        tw_cast(w->n, to, (tw_dtype)w->out->dtype, from, w->compute);
        return;
    }
    if (w->out->dtype == w->compute) {
        tw_move()->transpose[step == 4 ? 2 : 3](w->n, count, to, w->inner * (int64_t)step, from, w->n * (int64_t)step);
        return;
    }
    for (int64_t i = 0; i < w->n; i++) {
        for (int64_t c = 0; c < count; c++) memcpy(across + (size_t)c * step, from + (size_t)(c * w->n + i) * step, step);
        tw_cast(count, to + (size_t)(i * w->inner) * size, (tw_dtype)w->out->dtype, across, w->compute);
    }
}

/* Rows that are contiguous and of the compute dtype on every side. */
static bool in_place(const rows *w) {
    return w->inner == 1 && w->in->dtype == w->compute && w->out->dtype == w->compute && (!w->other || w->other->dtype == w->compute);
}

static void direct_range(void *context, int64_t begin, int64_t end) {
    const rows *w = context;
    const size_t bytes = (size_t)w->n * tw_dtype_size(w->compute);
    const char *x = tw_data(w->in), *y = w->other ? tw_data(w->other) : NULL;
    char *out = tw_data(w->out);
    for (int64_t r = begin; r < end; r++) w->row(w->n, x + (size_t)r * bytes, y ? y + (size_t)r * bytes : NULL, out + (size_t)r * bytes);
}

static void row_range(void *context, int64_t begin, int64_t end) {
    rows *w = context;
    size_t bytes = (size_t)w->n * tw_dtype_size(w->compute);
    int64_t most = w->inner == 1 ? 1 : COLUMNS;
    char *x = tw_malloc(2 * bytes * (size_t)most), *y = x ? x + bytes * (size_t)most : NULL;
    if (!x) {
        atomic_store(&w->failed, true);
        return;
    }
    for (int64_t r = begin, count; r < end; r += count) {
        int64_t first = r / w->inner * w->n * w->inner + r % w->inner, left = w->inner - r % w->inner;
        count = left < most ? left : most;
        if (count > end - r) count = end - r;
        gather_rows(w, w->in, first, count, x);
        if (w->other) gather_rows(w, w->other, first, count, y);
        for (int64_t c = 0; c < count; c++) w->row(w->n, x + (size_t)c * bytes, y + (size_t)c * bytes, x + (size_t)c * bytes);
        put_rows(w, first, count, x);
    }
    tw_free(x);
}

static bool run(tw_tensor *in, tw_tensor *other, int64_t dim, const tw_softmax_row row[2], tw_tensor *given) {
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
    w.row = row[w.compute == TW_FLOAT64];
    tw_parallel(outer * w.inner, in_place(&w) ? 1 + 8192 / w.n : COLUMNS * (1 + 8192 / COLUMNS / w.n), in_place(&w) ? direct_range : row_range, &w);
    ok = atomic_load(&w.failed) ? tw_fail_memory((size_t)w.n * 8) : !made || tw_copy(given, made);
done:
    tw_release(packed);
    tw_release(second);
    tw_release(made);
    return ok;
}

bool tw__softmax_run(const tw_arg *a, tw_tensor **outs) { return run(a[0].t, NULL, a[1].i, tw_softmax()->softmax, outs[0]); }
bool tw__log_softmax_run(const tw_arg *a, tw_tensor **outs) {
    return run(a[0].t, NULL, a[1].i, tw_softmax()->log_softmax, outs[0]);
}
bool tw__softmax_backward_data_run(const tw_arg *a, tw_tensor **outs) {
    return run(a[0].t, a[1].t, a[2].i, tw_softmax()->softmax_grad, outs[0]);
}
bool tw__log_softmax_backward_data_run(const tw_arg *a, tw_tensor **outs) {
    return run(a[0].t, a[1].t, a[2].i, tw_softmax()->log_softmax_grad, outs[0]);
}
