/* _unique2, unique_dim, unique_consecutive: an order of the elements (or of the slices along a dimension), and a walk along it. */
#include "core/error.h"
#include "core/memory.h"
#include "op_ids.h"
#include "ops/copy.h"
#include "ops/index.h"
#include "ops/introsort.h"
#include "ops_decl.h"
#include <string.h>

/* What is compared: n items of `width` keys. */
typedef struct items { uint64_t *key; int64_t n, width; tw_dtype dtype; } items;

static int compare(const items *s, int64_t i, int64_t j) {
    for (int64_t k = 0; k < s->width; k++) {
        const uint64_t a = s->key[i * s->width + k], b = s->key[j * s->width + k];
        if (a != b) return a < b ? -1 : 1;
    }
    return 0;
}

/* Equal, NaN being unequal to itself. */
static bool equal(const items *s, int64_t i, int64_t j) {
    for (int64_t k = 0; k < s->width; k++)
        if (s->key[i * s->width + k] != s->key[j * s->width + k] || tw_key_is_nan(s->key[i * s->width + k], s->dtype)) return false;
    return true;
}

static void merge(const items *s, int64_t *at, int64_t *spare, int64_t n) {
    if (n < 2) return;
    const int64_t half = n / 2;
    merge(s, at, spare, half);
    merge(s, at + half, spare, n - half);
    memcpy(spare, at, sizeof *at * (size_t)half);
    for (int64_t i = 0, j = half, k = 0; i < half; k++) at[k] = j < n && compare(s, at[j], spare[i]) < 0 ? at[j++] : spare[i++];
}

/* A view of self with dim first; owned. */
static tw_tensor *dim_first_new(tw_tensor *self, int64_t dim) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    int n = 0;
    sizes[n] = self->sizes[dim];
    strides[n++] = self->strides[dim];
    for (int d = 0; d < self->ndim; d++) {
        if (d == dim) continue;
        sizes[n] = self->sizes[d];
        strides[n++] = self->strides[d];
    }
    return tw_alias_new(self, sizes, strides, n, self->offset, (tw_dtype)self->dtype);
}

/* A view of t with its first dimension at dim; owned. */
static tw_tensor *dim_back_new(tw_tensor *t, int64_t dim) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++) {
        const int from = d == dim ? 0 : d < dim ? d + 1 : d;
        sizes[d] = t->sizes[from];
        strides[d] = t->strides[from];
    }
    return tw_alias_new(t, sizes, strides, t->ndim, t->offset, (tw_dtype)t->dtype);
}

/* The items of self: its elements, or with a dim the slices, first made the rows of a matrix. */
static bool take_items(tw_tensor *self, const int64_t *dim, items *s) {
    tw_tensor *turned = NULL, *plain;
    if (dim && !(turned = dim_first_new(self, *dim))) return false;
    s->n = dim ? self->sizes[*dim] : self->numel;
    s->width = dim ? (s->n ? self->numel / s->n : 0) : 1;
    s->dtype = (tw_dtype)self->dtype;
    plain = tw_contiguous_new(turned ? turned : self, s->dtype);
    s->key = plain ? tw_calloc((size_t)self->numel + 1, sizeof *s->key) : NULL;
    if (s->key && self->numel) tw_keys_of(self->numel, tw_data(plain), (int64_t)tw_dtype_size(s->dtype), s->dtype, s->key);
    tw_release(turned);
    tw_release(plain);
    return s->key != NULL;
}

/* values: the items at `first[0..kept)`; along dim they lie one after the other in memory, as PyTorch's. */
static tw_tensor *values_new(tw_tensor *self, const int64_t *dim, const int64_t *first, int64_t kept) {
    tw_tensor *at = tw_empty_new(&kept, 1, TW_INT64, self->device), *from = NULL, *picked = NULL, *out = NULL;
    const int64_t sizes[1] = {self->numel}, strides[1] = {1};
    if (!at) return NULL;
    if (kept) memcpy(tw_data(at), first, sizeof(int64_t) * (size_t)kept);
    if (dim) {
        from = dim_first_new(self, *dim);
    } else {
        tw_tensor *plain = tw_contiguous_new(self, (tw_dtype)self->dtype);
        from = plain ? tw_alias_new(plain, sizes, strides, 1, plain->offset, (tw_dtype)plain->dtype) : NULL;
        tw_release(plain);
    }
    if (from && tw_run(&tw_ops[TW_OP_index_select], (const tw_arg[]){tw_a_tensor(from), tw_a_int(0), tw_a_tensor(at)}, &picked))
        out = dim ? dim_back_new(picked, *dim) : tw_retain(picked);
    tw_release(at);
    tw_release(from);
    tw_release(picked);
    return out;
}

/* (values, inverse, counts) of items in the order at[0..n); equal neighbours are one. */
static bool finish(tw_tensor *self, const int64_t *dim, const items *s, const int64_t *at, bool inverse, bool counts, tw_tensor **outs) {
    const int64_t none = 0;
    int64_t kept = 0, *first = tw_calloc((size_t)s->n + 1, sizeof *first), *many = first ? tw_calloc((size_t)s->n + 1, sizeof *many) : NULL;
    tw_tensor *which = NULL, *count = NULL, *values = NULL;
    bool ok = false;
    if (!many) goto done;
    if (!inverse) which = tw_empty_new(&none, 1, TW_INT64, self->device);
    else if (dim) which = tw_empty_new(&s->n, 1, TW_INT64, self->device);
    else which = tw_empty_new(self->sizes, self->ndim, TW_INT64, self->device);
    if (!which) goto done;
    for (int64_t i = 0; i < s->n; i++) {
        if (i == 0 || !equal(s, at[i - 1], at[i])) first[kept++] = at[i];
        many[kept - 1]++;
        if (inverse) ((int64_t *)tw_data(which))[at[i]] = kept - 1;
    }
    count = tw_empty_new(counts ? &kept : &none, 1, TW_INT64, self->device);
    if (!count) goto done;
    if (count->numel) memcpy(tw_data(count), many, sizeof(int64_t) * (size_t)kept);
    if (!(values = values_new(self, dim, first, kept))) goto done;
    ok = tw_hand_over(values, &outs[0]);
    values = NULL;
    ok = ok && tw_hand_over(tw_retain(which), &outs[1]) && tw_hand_over(tw_retain(count), &outs[2]);
done:
    tw_free(first);
    tw_free(many);
    tw_release(which);
    tw_release(count);
    tw_release(values);
    return ok;
}

/* The order of the items, without `ordered` as they stand. NULL and an error for want of memory. */
static int64_t *order_new(const items *s, bool ordered) {
    int64_t *at = tw_calloc((size_t)s->n + 1, sizeof *at), *spare = NULL;
    tw_keyed *x = NULL;
    if (!at) return NULL;
    if (ordered && s->width == 1 && !(x = tw_calloc((size_t)s->n + 1, sizeof *x))) goto fail;
    if (ordered && !x && !(spare = tw_calloc((size_t)s->n + 1, sizeof *spare))) goto fail;
    for (int64_t i = 0; i < s->n; i++) {
        at[i] = i;
        if (x) x[i] = (tw_keyed){s->key[i], i};
    }
    if (x) tw_introsort(x, s->n);
    for (int64_t i = 0; x && i < s->n; i++) at[i] = x[i].at;
    if (spare) merge(s, at, spare, s->n);
    tw_free(x);
    tw_free(spare);
    return at;
fail:
    tw_free(at);
    return NULL;
}

static bool unique(tw_tensor *self, const int64_t *dim, bool ordered, bool inverse, bool counts, tw_tensor **outs) {
    items s = {0};
    if (tw_is_complex((tw_dtype)self->dtype) || (tw_is_float((tw_dtype)self->dtype) && !tw_dtypes[self->dtype].computes))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", dim && ordered ? "unique_dim" : "unique",
                       tw_dtypes[self->dtype].type_name);
    int64_t *at = take_items(self, dim, &s) ? order_new(&s, ordered) : NULL;
    bool ok = at && finish(self, dim, &s, at, inverse, counts, outs);
    tw_free(s.key);
    tw_free(at);
    return ok;
}

bool tw__unique2_run(const tw_arg *a, tw_tensor **outs) { return unique(a[0].t, NULL, true, a[2].i != 0, a[3].i != 0, outs); }

static bool check_dim(const tw_tensor *self, int64_t *dim) {
    if (!tw_wrap_dim(dim, self->ndim)) return false;
    int zeros = 0;
    for (int d = 0; d < self->ndim; d++) zeros += d != *dim && self->sizes[d] == 0;
    if (self->ndim && self->sizes[*dim] == 0) {
        if (zeros) return tw_fail(TW_RUNTIME_ERROR, "Number of zero sized dimensions is more than one, so unique cannot be applied ");
    } else if (zeros) {
        return tw_fail(TW_RUNTIME_ERROR, "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
    }
    return true;
}

bool tw_unique_dim_run(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[1].i;
    if (!check_dim(a[0].t, &dim)) return false;
    return unique(a[0].t, a[0].t->ndim ? &dim : NULL, true, a[3].i != 0, a[4].i != 0, outs);
}

bool tw_unique_consecutive_run(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[3].tag == TW_ARG_INT ? a[3].i : 0;
    const bool along = a[3].tag == TW_ARG_INT && a[0].t->ndim;
    if (a[3].tag == TW_ARG_INT && !check_dim(a[0].t, &dim)) return false;
    return unique(a[0].t, along ? &dim : NULL, false, a[1].i != 0, a[2].i != 0, outs);
}
