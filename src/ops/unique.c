/* _unique2, unique_dim, unique_consecutive: an order of the elements (or of the slices along a dimension), and a walk along it. */
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/compact.h"
#include "op_ids.h"
#include "ops/copy.h"
#include "ops/index.h"
#include "ops/radix.h"
#include "ops/range.h"
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

/* Tensors for inverse and counts, empty where not asked for. */
static tw_tensor *inverse_new(tw_tensor *self, const int64_t *dim, int64_t n, bool wanted) {
    const int64_t none = 0;
    if (!wanted) return tw_empty_new(&none, 1, TW_INT64, self->device);
    return dim ? tw_empty_new(&n, 1, TW_INT64, self->device) : tw_empty_new(self->sizes, self->ndim, TW_INT64, self->device);
}
static tw_tensor *counts_new(tw_tensor *self, int64_t kept, bool wanted) {
    const int64_t none = 0;
    return tw_empty_new(wanted ? &kept : &none, 1, TW_INT64, self->device);
}

/* Owns all three, of which any may be NULL. */
static bool hand_over(tw_tensor *values, tw_tensor *which, tw_tensor *count, tw_tensor **outs) {
    tw_tensor *made[3] = {values, which, count};
    bool ok = values && which && count;
    for (int i = 0; i < 3; i++) {
        if (ok) ok = tw_hand_over(made[i], &outs[i]);
        else tw_release(made[i]);
    }
    return ok;
}

/* (values, inverse, counts) of items in the order at[0..n); equal neighbours are one. */
static bool finish(tw_tensor *self, const int64_t *dim, const items *s, const int64_t *at, bool inverse, bool counts, tw_tensor **outs) {
    int64_t kept = 0, *first = tw_calloc((size_t)s->n + 1, sizeof *first), *many = first ? tw_calloc((size_t)s->n + 1, sizeof *many) : NULL;
    tw_tensor *which = many ? inverse_new(self, dim, s->n, inverse) : NULL, *count = NULL, *values = NULL;
    for (int64_t i = 0; which && i < s->n; i++) {
        if (i == 0 || !equal(s, at[i - 1], at[i])) first[kept++] = at[i];
        many[kept - 1]++;
        if (inverse) ((int64_t *)tw_data(which))[at[i]] = kept - 1;
    }
    if (which && (count = counts_new(self, kept, counts))) {
        if (count->numel) memcpy(tw_data(count), many, sizeof(int64_t) * (size_t)kept);
        values = values_new(self, dim, first, kept);
    }
    tw_free(first);
    tw_free(many);
    return hand_over(values, which, count, outs);
}

/* The order of slices, by merging, without `ordered` as they stand. NULL and an error for want of memory. */
static int64_t *order_new(const items *s, bool ordered) {
    int64_t *at = tw_calloc((size_t)s->n + 1, sizeof *at), *spare = NULL;
    if (!at) return NULL;
    for (int64_t i = 0; i < s->n; i++) at[i] = i;
    if (!ordered) return at;
    if (!(spare = tw_calloc((size_t)s->n + 1, sizeof *spare))) {
        tw_free(at);
        return NULL;
    }
    merge(s, at, spare, s->n);
    tw_free(spare);
    return at;
}

static bool known(const char *name, const tw_tensor *self) {
    if (!tw_is_complex((tw_dtype)self->dtype) && (!tw_is_float((tw_dtype)self->dtype) || tw_dtypes[self->dtype].computes)) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", name, tw_dtypes[self->dtype].type_name);
}

/* --- single elements ----------------------------------------------------------------------------------------------------- */

/* Elements in order, packed or keyed. */
typedef struct order { const uint64_t *packed; tw_keyed *keyed; bool floats; size_t bytes; void *block; } order;

static uint64_t key_at(const order *o, int64_t i) { return o->packed ? o->packed[i] >> 32 : o->keyed[i].key; }
/* NaN, whose key is the greatest, is unequal to itself. */
static bool is_new(const order *o, int64_t i) {
    return i == 0 || key_at(o, i) != key_at(o, i - 1) || (o->floats && key_at(o, i) == (o->packed ? UINT32_MAX : UINT64_MAX));
}
static int64_t place_at(const order *o, int64_t i) { return o->packed ? (int64_t)(uint32_t)o->packed[i] : o->keyed[i].at; }

/* Equal integers are the same in any order; which zero of -0 and 0 stands for both is up to the library's sort. */
static bool order_of(const tw_tensor *plain, order *o) {
    const tw_dtype d = (tw_dtype)plain->dtype;
    const int64_t n = plain->numel, size = (int64_t)tw_dtype_size(d);
    uint64_t *x = tw_block_alloc(o->bytes = 16 * (size_t)(n ? n : 1)); /* no bytes would be no block */
    if (!(o->block = x)) return false;
    int64_t offset;
    if (tw_pack(n, tw_data(plain), size, d, false, x, &offset)) {
        o->packed = x;
        if (tw_is_float(d)) tw_introsort_packed(x, n);
        else o->packed = tw_radix_sort_packed(x, n, x + n);
        return true;
    }
    o->keyed = (tw_keyed *)x;
    for (int64_t i = 0; i < n; i++) o->keyed[i] = (tw_keyed){tw_key_of((const char *)tw_data(plain) + i * size, d), i};
    tw_introsort(o->keyed, n);
    return true;
}

static bool unique_sorted(tw_tensor *self, tw_tensor *plain, bool inverse, bool counts, tw_tensor **outs) {
    order o = {.floats = tw_is_float((tw_dtype)plain->dtype)};
    const size_t size = tw_dtype_size((tw_dtype)plain->dtype);
    const int64_t n = plain->numel;
    tw_tensor *which = inverse_new(self, NULL, n, inverse), *count = NULL, *values = NULL;
    if (which && order_of(plain, &o)) {
        int64_t kept = 0;
        for (int64_t i = 0; i < n; i++) kept += is_new(&o, i);
        values = tw_empty_new(&kept, 1, (tw_dtype)plain->dtype, self->device);
        count = counts_new(self, kept, counts);
        int64_t *many = counts && count && kept ? tw_data(count) : NULL, *to = inverse && n ? tw_data(which) : NULL, k = -1, begin = 0;
        for (int64_t i = 0; values && count && i < n; i++) {
            const int64_t at = place_at(&o, i);
            if (is_new(&o, i)) {
                if (many && k >= 0) many[k] = i - begin;
                begin = i;
                memcpy((char *)tw_data(values) + (size_t)++k * size, (const char *)tw_data(plain) + (size_t)at * size, size);
            }
            if (to) to[at] = k;
        }
        if (many) many[k] = n - begin;
    }
    tw_block_free(o.block, o.block ? o.bytes : 0);
    return hand_over(values, which, count, outs);
}

/* Integers of a small range are marked, or counted, where they stand in it. */
typedef struct marking { const char *from; tw_dtype dtype; int64_t least; uint8_t *seen; bool few; } marking;

static int64_t number_at(const char *from, int64_t i, tw_dtype d) {
    switch (d) {
    case TW_BOOL: case TW_UINT8: return ((const uint8_t *)from)[i];
    case TW_INT8: return ((const int8_t *)from)[i];
    case TW_INT16: return ((const int16_t *)(const void *)from)[i];
    case TW_INT32: return ((const int32_t *)(const void *)from)[i];
    default: return ((const int64_t *)(const void *)from)[i];
    }
}

/* Threads may mark the same number: all write 1. Where there are few, they would take the line from each other again and again, so that what
 * is marked is left alone; where there are many, no branch would be guessed. */
static void mark(void *context, int64_t begin, int64_t end) {
    const marking *m = context;
    if (m->few) {
        for (int64_t i = begin; i < end; i++) {
            uint8_t *seen = m->seen + (number_at(m->from, i, m->dtype) - m->least);
            if (!__atomic_load_n(seen, __ATOMIC_RELAXED)) __atomic_store_n(seen, 1, __ATOMIC_RELAXED);
        }
    } else {
        for (int64_t i = begin; i < end; i++) __atomic_store_n(m->seen + (number_at(m->from, i, m->dtype) - m->least), 1, __ATOMIC_RELAXED);
    }
}

static bool unique_of_range(tw_tensor *self, tw_tensor *plain, int64_t least, int64_t range, bool inverse, bool counts, tw_tensor **outs) {
    const tw_dtype d = (tw_dtype)plain->dtype;
    const int64_t n = plain->numel;
    const size_t rank_bytes = sizeof(int64_t) * (size_t)range;
    marking m = {tw_data(plain), d, least, tw_block_alloc((size_t)range), range <= 16384};
    int64_t *rank = inverse || counts ? tw_block_alloc(rank_bytes) : NULL;
    tw_tensor *which = inverse_new(self, NULL, n, inverse), *count = NULL, *values = NULL, *numbers = NULL;
    if (!m.seen || !which || ((inverse || counts) && !rank)) goto done;
    memset(m.seen, 0, (size_t)range);
    tw_parallel(n, 65536, mark, &m);
    const int64_t kept = tw_compact()->count(range, m.seen);
    numbers = tw_empty_new(&kept, 1, TW_INT64, self->device);
    count = numbers ? counts_new(self, kept, counts) : NULL;
    if (!count) goto done;
    tw_compact()->places(range, m.seen, kept, least, tw_data(numbers));
    for (int64_t k = 0; rank && k < kept; k++) rank[((int64_t *)tw_data(numbers))[k] - least] = k;
    if (counts) memset(tw_data(count), 0, sizeof(int64_t) * (size_t)kept);
    for (int64_t i = 0; rank && i < n; i++) {
        const int64_t k = rank[number_at(m.from, i, d) - least];
        if (inverse) ((int64_t *)tw_data(which))[i] = k;
        if (counts) ((int64_t *)tw_data(count))[k]++;
    }
    values = tw_contiguous_new(numbers, d);
done:
    tw_block_free(m.seen, m.seen ? (size_t)range : 0);
    tw_block_free(rank, rank ? rank_bytes : 0);
    tw_release(numbers);
    return hand_over(values, which, count, outs);
}

static bool unique_elements(tw_tensor *self, bool inverse, bool counts, tw_tensor **outs) {
    tw_tensor *plain = known("unique", self) ? tw_contiguous_new(self, (tw_dtype)self->dtype) : NULL;
    int64_t least, range;
    if (!plain) return false;
    const bool small = plain->numel && tw_range_of(plain, &least, &range) && range <= 4096 + 4 * plain->numel;
    const bool ok = small ? unique_of_range(self, plain, least, range, inverse, counts, outs) : unique_sorted(self, plain, inverse, counts, outs);
    tw_release(plain);
    return ok;
}

/* --- the ops ------------------------------------------------------------------------------------------------------------- */

static bool unique(tw_tensor *self, const int64_t *dim, bool ordered, bool inverse, bool counts, tw_tensor **outs) {
    items s = {0};
    if (!known(dim && ordered ? "unique_dim" : "unique", self)) return false;
    int64_t *at = take_items(self, dim, &s) ? order_new(&s, ordered) : NULL;
    bool ok = at && finish(self, dim, &s, at, inverse, counts, outs);
    tw_free(s.key);
    tw_free(at);
    return ok;
}

bool tw__unique2_run(const tw_arg *a, tw_tensor **outs) { return unique_elements(a[0].t, a[2].i != 0, a[3].i != 0, outs); }

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
