/* median, nanmedian, kthvalue, mode: one row along a dimension at a time, as keys. Equal elements fall as in PyTorch. */
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/introsort.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <stdatomic.h>
#include <string.h>

/* --- shapes ------------------------------------------------------------------------------------------------------------ */

static bool ordered(const tw_tensor *self, const char *label) {
    if (!tw_is_complex((tw_dtype)self->dtype) && tw_dtypes[self->dtype].computes) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", label, tw_dtypes[self->dtype].type_name);
}

/* values and indices: self without dim, or with 1 there. */
static bool row_meta(const tw_tensor *self, int64_t dim, bool keepdim, tw_meta *outs) {
    int64_t sizes[TW_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < self->ndim; d++) {
        if (d != dim) sizes[n++] = self->sizes[d];
        else if (keepdim) sizes[n++] = 1;
    }
    return tw_meta_set(&outs[0], (tw_dtype)self->dtype, self->device, sizes, n) && tw_meta_set(&outs[1], TW_INT64, self->device, sizes, n);
}

static bool check_row(const char *name, const tw_tensor *self, int64_t *dim) {
    if (!tw_wrap_dim(dim, self->ndim)) return false;
    if (self->numel || !self->ndim || self->sizes[*dim]) return true;
    return tw_fail(TW_INDEX_ERROR, "%s: Expected reduction dim %lld to have non-zero size.", name, (long long)*dim);
}

static bool median_meta(const char *name, const tw_arg *a, tw_meta *outs) {
    int64_t dim = a[1].i;
    return check_row(name, a[0].t, &dim) && ordered(a[0].t, "median_out_impl") && row_meta(a[0].t, dim, a[2].i != 0, outs);
}
bool tw_median_dim_meta(const tw_arg *a, tw_meta *outs) { return median_meta("median()", a, outs); }
bool tw_nanmedian_dim_meta(const tw_arg *a, tw_meta *outs) { return median_meta("nanmedian()", a, outs); }

static bool scalar_meta(const tw_arg *a, tw_meta *out) {
    return ordered(a[0].t, "median_cpu") && tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, NULL, 0);
}
bool tw_median_meta(const tw_arg *a, tw_meta *out) { return scalar_meta(a, out); }
bool tw_nanmedian_meta(const tw_arg *a, tw_meta *out) { return scalar_meta(a, out); }

bool tw_mode_meta(const tw_arg *a, tw_meta *outs) {
    int64_t dim = a[1].i;
    return check_row("mode()", a[0].t, &dim) && ordered(a[0].t, "mode_cpu") && row_meta(a[0].t, dim, a[2].i != 0, outs);
}

bool tw_kthvalue_meta(const tw_arg *a, tw_meta *outs) {
    int64_t dim = a[2].i, k = a[1].i;
    if (!check_row("kthvalue()", a[0].t, &dim)) return false;
    if (k < 1 || k > (a[0].t->ndim ? a[0].t->sizes[dim] : 1)) return tw_fail(TW_RUNTIME_ERROR, "selected index k out of range");
    return ordered(a[0].t, "kthvalue_cpu") && row_meta(a[0].t, dim, a[3].i != 0, outs);
}

/* --- rows ---------------------------------------------------------------------------------------------------------------- */

typedef struct rows rows;
struct rows {
    int64_t (*pick)(const rows *r, tw_keyed *x, int64_t n); /* the index of the row's element; x may be reordered */
    const tw_tensor *self;
    int64_t dim, n, k;
    tw_dtype dtype;
    char *values;          /* contiguous */
    int64_t *indices;      /* NULL: not wanted */
    atomic_bool starved;   /* a thread found no memory */
};

static void pick_rows(void *context, int64_t begin, int64_t end) {
    rows *r = context;
    const tw_tensor *t = r->self;
    const int64_t bytes = (int64_t)tw_dtype_size(r->dtype), step = t->ndim ? tw_step_of(t, r->dim) : 0;
    tw_keyed *x = tw_calloc((size_t)r->n, sizeof *x);
    if (!x) atomic_store(&r->starved, true);
    for (int64_t row = begin; x && row < end; row++) {
        const char *from = tw_data(t);
        int64_t rest = row;
        for (int d = t->ndim - 1; d >= 0; d--) {
            if (d == r->dim) continue;
            from += rest % t->sizes[d] * tw_step_of(t, d);
            rest /= t->sizes[d];
        }
        for (int64_t i = 0; i < r->n; i++) x[i] = (tw_keyed){tw_key_of(from + i * step, r->dtype), i};
        const int64_t at = r->pick(r, x, r->n);
        memcpy(r->values + row * bytes, from + at * step, (size_t)bytes);
        if (r->indices) r->indices[row] = at;
    }
    tw_free(x);
}

static bool pick(rows *r, tw_tensor *self, int64_t dim, tw_tensor **outs, int nouts) {
    tw_tensor *values = outs[0], *indices = nouts > 1 ? outs[1] : NULL, *made[2] = {NULL};
    bool ok = true;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (values->numel == 0) return true;
    if (!tw_is_contiguous(values)) ok = (values = made[0] = tw_clone_new(values, TW_DTYPE_NONE, TW_CONTIGUOUS_FORMAT)) != NULL;
    if (ok && indices && !tw_is_contiguous(indices)) ok = (indices = made[1] = tw_clone_new(indices, TW_DTYPE_NONE, TW_CONTIGUOUS_FORMAT)) != NULL;
    if (ok) {
        r->self = self;
        r->dim = dim;
        r->n = self->ndim ? self->sizes[dim] : 1;
        r->dtype = (tw_dtype)self->dtype;
        r->values = tw_data(values);
        r->indices = indices ? tw_data(indices) : NULL;
        tw_parallel(values->numel, 1 + 4096 / r->n, pick_rows, r);
        ok = !atomic_load(&r->starved) || tw_fail_memory((size_t)r->n * 16);
    }
    for (int i = 0; i < 2; i++) {
        ok = ok && (!made[i] || tw_copy(outs[i], made[i]));
        tw_release(made[i]);
    }
    return ok;
}

/* --- median --------------------------------------------------------------------------------------------------------------- */

static bool before(tw_keyed a, tw_keyed b) { return a.key < b.key || (a.key == b.key && a.at < b.at); }

static void swap(tw_keyed *a, tw_keyed *b) {
    tw_keyed t = *a;
    *a = *b;
    *b = t;
}

/* The k-th in order, equal ones by index: quickselect with the median of three as pivot. No two are equal in that order, so that the
 * result does not depend on the way, and rows that are in order already take linear time. */
static int64_t stable_kth(tw_keyed *x, int64_t n, int64_t k) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (before(x[middle], x[low])) swap(&x[middle], &x[low]);
        if (before(x[high], x[low])) swap(&x[high], &x[low]);
        if (before(x[high], x[middle])) swap(&x[high], &x[middle]);
        const tw_keyed pivot = x[middle];
        int64_t i = low, j = high;
        while (i <= j) {
            while (before(x[i], pivot)) i++;
            while (before(pivot, x[j])) j--;
            if (i <= j) swap(&x[i++], &x[j--]);
        }
        if (k <= j) high = j;
        else if (k >= i) low = i;
        else break;
    }
    return x[k].at;
}

static int64_t pick_median(const rows *r, tw_keyed *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (tw_key_is_nan(x[i].key, r->dtype)) return i;
    return stable_kth(x, n, (n - 1) / 2);
}

static int64_t pick_nanmedian(const rows *r, tw_keyed *x, int64_t n) {
    int64_t numbers = 0;
    for (int64_t i = 0; i < n; i++) numbers += !tw_key_is_nan(x[i].key, r->dtype);
    return stable_kth(x, n, numbers ? (numbers - 1) / 2 : 0);
}

bool tw_median_dim_run(const tw_arg *a, tw_tensor **outs) { return pick(&(rows){.pick = pick_median}, a[0].t, a[1].i, outs, 2); }
bool tw_nanmedian_dim_run(const tw_arg *a, tw_tensor **outs) { return pick(&(rows){.pick = pick_nanmedian}, a[0].t, a[1].i, outs, 2); }

/* All elements as one row; of none the result is NaN, or 0 where there is no NaN. */
static bool median_of_all(rows *r, const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *flat = NULL;
    const int64_t sizes[1] = {self->numel}, strides[1] = {1};
    if (self->numel == 0) return tw_fill(outs[0], tw_is_float((tw_dtype)self->dtype) ? tw_float(__builtin_nan("")) : tw_int(0));
    tw_tensor *plain = tw_contiguous_new(self, (tw_dtype)self->dtype);
    flat = plain ? tw_alias_new(plain, sizes, strides, 1, plain->offset, (tw_dtype)self->dtype) : NULL;
    bool ok = flat && pick(r, flat, 0, outs, 1);
    tw_release(flat);
    tw_release(plain);
    return ok;
}
bool tw_median_run(const tw_arg *a, tw_tensor **outs) { return median_of_all(&(rows){.pick = pick_median}, a, outs); }
bool tw_nanmedian_run(const tw_arg *a, tw_tensor **outs) { return median_of_all(&(rows){.pick = pick_nanmedian}, a, outs); }

/* --- kthvalue ------------------------------------------------------------------------------------------------------------- */

/* Quickselect with the median of three at the left, as PyTorch's kthvalue has it. */
static int64_t pick_kth(const rows *r, tw_keyed *x, int64_t n) {
    int64_t left = 0, right = n - 1, k = r->k - 1;
    while (right > left) {
        if (right == left + 1) {
            if (x[left].key > x[right].key) swap(&x[left], &x[right]);
            break;
        }
        swap(&x[left + (right - left) / 2], &x[left + 1]);
        if (x[left + 1].key > x[right].key) swap(&x[left + 1], &x[right]);
        if (x[left].key > x[right].key) swap(&x[left], &x[right]);
        if (x[left + 1].key > x[left].key) swap(&x[left + 1], &x[left]);
        int64_t i = left + 1, j = right;
        const uint64_t pivot = x[left].key;
        for (;;) {
            do i++; while (pivot > x[i].key);
            do j--; while (x[j].key > pivot);
            if (j < i) break;
            swap(&x[i], &x[j]);
        }
        swap(&x[left], &x[j]);
        if (j <= k) left = i;
        if (j >= k) right = j - 1;
    }
    return x[k].at;
}
bool tw_kthvalue_run(const tw_arg *a, tw_tensor **outs) { return pick(&(rows){.pick = pick_kth, .k = a[1].i}, a[0].t, a[2].i, outs, 2); }

/* --- mode ------------------------------------------------------------------------------------------------------------------ */

static int64_t pick_mode(const rows *r, tw_keyed *x, int64_t n) {
    int64_t best = 0, most = 0, run = 0;
    (void)r;
    tw_introsort(x, n);
    for (int64_t i = 0; i < n; i++) {
        run++;
        if (i + 1 < n && x[i].key == x[i + 1].key) continue;
        if (run > most) {
            most = run;
            best = x[i].at;
        }
        run = 0;
    }
    return best;
}
bool tw_mode_run(const tw_arg *a, tw_tensor **outs) { return pick(&(rows){.pick = pick_mode}, a[0].t, a[1].i, outs, 2); }
