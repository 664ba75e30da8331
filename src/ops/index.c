/* Advanced indexing: index and index_put_. Index tensors (long, int, bool and byte masks, None) become one list of places per
 * element of their broadcast shape; the dimensions that are not indexed ride along. */
#include "ops/index.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "ops/copy.h"
#include "ops/iterate.h"
#include "ops/mask.h"
#include <stddef.h>
#include <string.h>

bool tw_index_Tensor_meta(const tw_arg *a, tw_meta *out);
bool tw_index_Tensor_run(const tw_arg *a, tw_tensor **outs);
bool tw_index_put__meta(const tw_arg *a, tw_meta *out);
bool tw_index_put__run(const tw_arg *a, tw_tensor **outs);
bool tw__index_put_impl__meta(const tw_arg *a, tw_meta *out);
bool tw__index_put_impl__run(const tw_arg *a, tw_tensor **outs);

/* One indexed dimension. */
typedef struct item {
    tw_tensor *t;      /* owned; NULL: not indexed, or (in shape-only plans) a column of a mask's nonzero */
    bool indexed;
    int ndim;          /* geometry of t, known in shape-only plans too */
    int64_t count;     /* size of a mask's column */
    int64_t step;      /* its stride */
} item;

typedef struct plan {
    int n;                                 /* items, one per dimension of self (the rest: not indexed) */
    int kdims, ndim, at;                   /* dims of the broadcast indices; of the result; where the former begin in it */
    item items[TW_MAX_DIMS];               /* what precedes is cleared */
    int64_t ksizes[TW_MAX_DIMS], sizes[TW_MAX_DIMS];
    int rest[TW_MAX_DIMS];                 /* result dim -> dim of self, -1 for index dims */
} plan;

static void plan_clear(plan *p) {
    for (int i = 0; i < p->n; i++) tw_release(p->items[i].t);
}

/* --- from arguments to a plan -------------------------------------------------------------------------------------- */

static bool is_mask(const tw_tensor *t) { return t->dtype == TW_BOOL || t->dtype == TW_UINT8; }

static bool too_many(const tw_tensor *self) {
    return tw_fail(TW_INDEX_ERROR, "too many indices for tensor of dimension %d", self->ndim);
}

/* Columns of nonzero(mask), as items. */
static bool add_mask(plan *p, const tw_tensor *self, tw_tensor *t, bool shapes_only) {
    tw_mask mask;
    for (int j = 0; j < t->ndim; j++) {
        if (p->n + j >= self->ndim) return too_many(self);
        if (t->sizes[j] != self->sizes[p->n + j])
            return tw_fail(TW_INDEX_ERROR, "The shape of the mask %s at index %d does not match the shape of the indexed tensor %s at "
                           "index %d", tw_sizes_text(t->sizes, t->ndim), j, tw_sizes_text(self->sizes, self->ndim), p->n + j);
    }
    if (!tw_device_of(t->device)->has_data)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "aten::nonzero: the number of results depends on data, which the meta device lacks");
    if (!tw_mask_init(&mask, t)) return false;
    const int64_t sizes[2] = {t->ndim, mask.count}, step = 1;
    tw_tensor *columns = shapes_only ? NULL : tw_empty_new(sizes, 2, TW_INT64, TW_CPU);
    bool ok = columns || shapes_only;
    if (columns && columns->numel) tw_mask_coordinates(&mask, tw_data(columns));
    for (int j = 0; ok && j < t->ndim; j++) {
        item *it = &p->items[p->n];
        *it = (item){.indexed = true, .ndim = 1, .count = mask.count, .step = 1};
        if (columns) ok = (it->t = tw_alias_new(columns, &mask.count, &step, 1, j * mask.count, TW_INT64)) != NULL;
        p->n += ok;
    }
    tw_release(columns);
    tw_mask_clear(&mask);
    return ok;
}

/* A 0-d mask adds a dimension of size 1 to self that it indexes. PyTorch's Python binding unsqueezes before; here it is refused. */
static bool add_item(plan *p, const tw_tensor *self, tw_tensor *t, bool shapes_only) {
    if (!t) {
        if (p->n >= self->ndim) return too_many(self);
        p->items[p->n++] = (item){0};
        return true;
    }
    if (is_mask(t)) return add_mask(p, self, t, shapes_only);
    if (t->dtype != TW_INT64 && t->dtype != TW_INT32)
        return tw_fail(TW_INDEX_ERROR, "tensors used as indices must be long, int, byte or bool tensors");
    if (p->n >= self->ndim) return too_many(self);
    tw_tensor_retain(t);
    p->items[p->n++] = (item){.t = t, .indexed = true, .ndim = t->ndim};
    return true;
}

static int64_t item_size(const item *it, int d) { return it->t ? it->t->sizes[d] : it->count; }
static int64_t item_stride(const item *it, int d) { return it->t ? it->t->strides[d] : it->step; }

static bool shapes_differ(const plan *p) {
    char text[1024];
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < p->n && n < sizeof text - 64; i++) {
        if (!p->items[i].indexed) continue;
        const item *it = &p->items[i];
        const char *one = it->t ? tw_sizes_text(it->t->sizes, it->ndim) : tw_sizes_text(&it->count, 1);
        size_t length = strlen(one);
        if (n + length + 3 > sizeof text) break;
        if (n) memcpy(text + n, ", ", 2), n += 2;
        memcpy(text + n, one, length + 1);
        n += length;
    }
    return tw_fail(TW_INDEX_ERROR, "shape mismatch: indexing tensors could not be broadcast together with shapes %s", text);
}

static bool broadcast_items(plan *p) {
    for (int i = 0; i < p->n; i++)
        if (p->items[i].indexed && p->items[i].ndim > p->kdims) p->kdims = p->items[i].ndim;
    for (int d = 0; d < p->kdims; d++) p->ksizes[d] = 1;
    for (int i = 0; i < p->n; i++) {
        const item *it = &p->items[i];
        for (int d = 0; it->indexed && d < it->ndim; d++) {
            int64_t size = item_size(it, d), *have = &p->ksizes[p->kdims - it->ndim + d];
            if (size == 1 || size == *have) continue;
            if (*have != 1) return shapes_differ(p);
            *have = size;
        }
    }
    return true;
}

/* Order of the result's dims: indices stay in place when they are neighbours, else they come first. */
static bool lay_out(plan *p, const tw_tensor *self) {
    int first = -1, last = -1, count = 0, r = 0;
    for (int i = 0; i < p->n; i++) {
        if (!p->items[i].indexed) continue;
        if (first < 0) first = i;
        last = i;
        count++;
    }
    if (self->ndim - count + p->kdims > TW_MAX_DIMS)
        return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, self->ndim - count + p->kdims);
    bool adjacent = count && last - first + 1 == count;
    p->at = adjacent ? first : 0;
    for (int d = 0; d < self->ndim; d++) {
        for (int k = 0; d == p->at && k < p->kdims; k++, r++) p->rest[r] = -1, p->sizes[r] = p->ksizes[k];
        if (d < p->n && p->items[d].indexed) continue;
        p->rest[r] = d;
        p->sizes[r++] = self->sizes[d];
    }
    p->ndim = r;
    return true;
}

static bool check_empty(const plan *p, const tw_tensor *self) {
    int64_t numel = 1;
    for (int d = 0; d < p->kdims; d++) numel *= p->ksizes[d];
    if (numel == 0) return true;
    for (int i = 0; i < p->n; i++)
        if (p->items[i].indexed && self->sizes[i] == 0)
            return tw_fail(TW_INDEX_ERROR, "index is out of bounds for dimension with size 0");
    return true;
}

static bool make_plan(plan *p, const tw_arg *a, bool shapes_only) {
    const tw_tensor *self = a[0].t;
    memset(p, 0, offsetof(plan, items));
    if (a[1].n == 0) return tw_fail(TW_INDEX_ERROR, "at least one index must be provided");
    if (a[1].n > self->ndim) return too_many(self);
    for (int i = 0; i < a[1].n; i++)
        if (!add_item(p, self, a[1].ts[i], shapes_only)) return false;
    return broadcast_items(p) && lay_out(p, self) && check_empty(p, self);
}

/* --- meta ----------------------------------------------------------------------------------------------------------- */

/* Result strides: TensorIterator's order over self (0 where indexed) and the indices (0 elsewhere). */
static void result_strides(const plan *p, const tw_tensor *self, int64_t *out) {
    int64_t table[TW_MAX_DIMS + 1][TW_MAX_DIMS]; /* large: only the rows in use are set */
    const int64_t *rows[TW_MAX_DIMS + 1];
    int n = 1, perm[TW_MAX_DIMS];
    bool identity = true;
    for (int d = 0; d < p->ndim; d++) table[0][d] = p->rest[d] < 0 ? 0 : p->sizes[d] == 1 ? 0 : self->strides[p->rest[d]];
    for (int i = 0; i < p->n; i++) {
        const item *it = &p->items[i];
        if (!it->indexed) continue;
        memset(table[n], 0, sizeof(int64_t) * (size_t)p->ndim);
        for (int d = 0; d < it->ndim; d++)
            table[n][p->at + p->kdims - it->ndim + d] = item_size(it, d) == 1 ? 0 : item_stride(it, d) * 8;
        n++;
    }
    for (int i = 0; i < n; i++) rows[i] = table[i];
    tw_iter_order(p->sizes, p->ndim, rows, n, perm);
    for (int d = 0; d < p->ndim; d++) identity = identity && perm[d] == p->ndim - 1 - d;
    if (identity) return;
    int64_t step = 1;
    for (int d = 0; d < p->ndim; d++) {
        out[perm[d]] = step;
        step *= p->sizes[perm[d]];
    }
}

bool tw_index_Tensor_meta(const tw_arg *a, tw_meta *out) {
    plan p;
    bool ok = make_plan(&p, a, true) && tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, p.sizes, p.ndim);
    if (ok) result_strides(&p, a[0].t, out->strides);
    plan_clear(&p);
    return ok;
}

bool tw_meta_like(tw_meta *m, const tw_tensor *t, tw_dtype dtype) { return tw_meta_set(m, dtype, t->device, t->sizes, t->ndim); }

/* index_put_ writes its argument: it has no result of its own. */
bool tw_index_put__meta(const tw_arg *a, tw_meta *out) {
    (void)a;
    out->absent = true;
    return true;
}
bool tw__index_put_impl__meta(const tw_arg *a, tw_meta *out) { return tw_index_put__meta(a, out); }

/* --- moving ----------------------------------------------------------------------------------------------------------- */

/* self is indexed; other lies beside the result (what index writes, what index_put reads). */
typedef struct moves {
    int64_t k, *self_at, *other_at;     /* byte places of each index element */
    bool even;                          /* other_at[i] == i * step */
    int64_t step;
    int nrest;
    int64_t rsize[TW_MAX_DIMS], rself[TW_MAX_DIMS], rother[TW_MAX_DIMS], runs; /* fastest first, bytes; runs: all but the fastest */
    char *self, *other;
    size_t size;
    tw_dtype dtype;
    bool put, inner_rest;
    tw_scatter_mode mode;
} moves;

static void kplaces(const plan *p, const int64_t *strides, int64_t size, int64_t *at) {
    int64_t counters[TW_MAX_DIMS] = {0}, place = 0, n = 1;
    for (int d = 0; d < p->kdims; d++) n *= p->ksizes[d];
    for (int64_t i = 0; i < n; i++) {
        at[i] = place;
        for (int d = p->kdims - 1; d >= 0; d--) {
            place += strides[d] * size;
            if (++counters[d] < p->ksizes[d]) break;
            place -= strides[d] * size * counters[d];
            counters[d] = 0;
        }
    }
}

/* self_at: each index tensor, broadcast, times its dim's stride; bounds are checked. */
static bool self_places(const plan *p, const tw_tensor *self, moves *m) {
    memset(m->self_at, 0, sizeof(int64_t) * (size_t)m->k);
    for (int i = 0; i < p->n; i++) {
        const item *it = &p->items[i];
        if (!it->indexed) continue;
        int64_t strides[TW_MAX_DIMS];
        tw_broadcast_strides(it->t->sizes, it->t->strides, it->t->ndim, p->ksizes, p->kdims, strides);
        tw_tensor *wide = tw_alias_new(it->t, p->ksizes, strides, p->kdims, it->t->offset, (tw_dtype)it->t->dtype);
        tw_tensor *flat = wide ? tw_contiguous_new(wide, (tw_dtype)wide->dtype) : NULL;
        tw_release(wide);
        if (!flat) return false;
        int64_t width = (int64_t)tw_dtype_size((tw_dtype)flat->dtype);
        int64_t bad = tw_add_places(m->k, m->self_at, tw_data(flat), width, (tw_dtype)flat->dtype, self->sizes[i], true,
                                    self->strides[i] * (int64_t)m->size);
        if (bad >= 0)
            tw_fail(TW_INDEX_ERROR, "index %lld is out of bounds for dimension %d with size %lld",
                    (long long)tw_index_at(tw_data(flat), bad, width, (tw_dtype)flat->dtype), i, (long long)self->sizes[i]);
        tw_release(flat);
        if (bad >= 0) return false;
    }
    return true;
}

/* strides: of the other tensor, per result dim, in elements. */
static void rest_dims(const plan *p, const tw_tensor *self, const int64_t *strides, moves *m) {
    int n = 0;
    for (int d = p->ndim - 1; d >= 0; d--) {
        if (p->rest[d] < 0 || p->sizes[d] == 1) continue;
        m->rsize[n] = p->sizes[d];
        m->rself[n] = self->strides[p->rest[d]] * (int64_t)m->size;
        m->rother[n++] = strides[d] * (int64_t)m->size;
    }
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && m->rself[j - 1] > m->rself[j]; j--) {
            int64_t s = m->rsize[j], a = m->rself[j], b = m->rother[j];
            m->rsize[j] = m->rsize[j - 1], m->rself[j] = m->rself[j - 1], m->rother[j] = m->rother[j - 1];
            m->rsize[j - 1] = s, m->rself[j - 1] = a, m->rother[j - 1] = b;
        }
    for (int i = 0; i < n; i++) {
        int k = m->nrest;
        if (k && m->rself[i] == m->rself[k - 1] * m->rsize[k - 1] && m->rother[i] == m->rother[k - 1] * m->rsize[k - 1]) {
            m->rsize[k - 1] *= m->rsize[i];
            continue;
        }
        m->rsize[k] = m->rsize[i], m->rself[k] = m->rself[i], m->rother[k] = m->rother[i];
        m->nrest++;
    }
}

static int log2_size(size_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4; }

static void run_of(const moves *m, int64_t n, char *self, int64_t self_stride, char *other, int64_t other_stride) {
    if (m->put) tw_scatter_run(n, m->dtype, m->mode, self, self_stride, other, other_stride);
    else if (self_stride == (int64_t)m->size && other_stride == self_stride) memcpy(other, self, (size_t)n * m->size);
    else tw_move()->move[log2_size(m->size)](n, other, other_stride, self, self_stride);
}

static void places_of(const moves *m, int64_t begin, int64_t end, char *self, char *other) {
    if (m->even) {
        if (m->put) tw_scatter_places(end - begin, m->dtype, m->mode, self, m->self_at + begin, other + begin * m->step, m->step);
        else tw_gather_places(end - begin, m->size, other + begin * m->step, m->step, self, m->self_at + begin);
        return;
    }
    for (int64_t i = begin; i < end; i++) run_of(m, 1, self + m->self_at[i], 0, other + m->other_at[i], 0);
}

/* The index elements [begin, end). */
static void move_range(void *context, int64_t begin, int64_t end) {
    const moves *m = context;
    int from = m->inner_rest ? 1 : 0;
    int64_t runs = 1;
    for (int d = from; d < m->nrest; d++) runs *= m->rsize[d];
    for (int64_t k = begin; k < (m->inner_rest ? end : begin + 1); k++) {
        char *self = m->self + (m->inner_rest ? m->self_at[k] : 0), *other = m->other + (m->inner_rest ? m->other_at[k] : 0);
        int64_t counters[TW_MAX_DIMS] = {0};
        for (int64_t r = 0; r < runs; r++) {
            if (m->inner_rest) run_of(m, m->rsize[0], self, m->rself[0], other, m->rother[0]);
            else places_of(m, begin, end, self, other);
            for (int d = from; d < m->nrest; d++) {
                self += m->rself[d];
                other += m->rother[d];
                if (++counters[d] < m->rsize[d]) break;
                self -= m->rself[d] * counters[d];
                other -= m->rother[d] * counters[d];
                counters[d] = 0;
            }
        }
    }
}

static bool move_all(const plan *p, tw_tensor *self, tw_tensor *other, bool put, tw_scatter_mode mode) {
    moves m = {.k = 1, .self = tw_data(self), .other = tw_data(other), .dtype = (tw_dtype)self->dtype, .put = put, .mode = mode};
    int64_t strides[TW_MAX_DIMS], rest = 1;
    bool ok = false;
    m.size = tw_dtype_size(m.dtype);
    for (int d = 0; d < p->kdims; d++) m.k *= p->ksizes[d];
    if (m.k == 0) return true;
    m.self_at = tw_malloc(sizeof(int64_t) * (size_t)m.k * 2);
    if (!m.self_at) return false;
    m.other_at = m.self_at + m.k;
    if (!self_places(p, self, &m)) goto done;
    tw_broadcast_strides(other->sizes, other->strides, other->ndim, p->sizes, p->ndim, strides);
    kplaces(p, strides + p->at, (int64_t)m.size, m.other_at);
    m.step = m.k > 1 ? m.other_at[1] : 0;
    m.even = true;
    for (int64_t i = 0; i < m.k && m.even; i++) m.even = m.other_at[i] == i * m.step;
    rest_dims(p, self, strides, &m);
    for (int d = 0; d < m.nrest; d++) rest *= m.rsize[d];
    ok = true;
    if (rest == 0) goto done;
    m.inner_rest = m.nrest > 0 && (m.rself[0] == (int64_t)m.size || m.k < 4);
    if (put) move_range(&m, 0, m.k);
    else tw_parallel(m.k, 1 + 16384 / rest, move_range, &m);
done:
    tw_free(m.self_at);
    return ok;
}

/* --- runs -------------------------------------------------------------------------------------------------------------- */

/* One mask over the first dims of what is contiguous: each item marked is a run of memory. */
static bool take_marked(const tw_tensor *self, tw_tensor *t, tw_tensor *out) {
    tw_mask mask;
    if (!tw_mask_init(&mask, t)) return false;
    if (out->numel) tw_mask_take(&mask, tw_dtype_size((tw_dtype)self->dtype) * (size_t)(self->numel / t->numel), tw_data(self), tw_data(out));
    tw_mask_clear(&mask);
    return true;
}

bool tw_index_Tensor_run(const tw_arg *a, tw_tensor **outs) {
    plan p;
    tw_tensor *first = a[1].n == 1 ? a[1].ts[0] : NULL;
    if (first && is_mask(first) && first->ndim && tw_is_contiguous(a[0].t) && tw_is_contiguous(outs[0])) return take_marked(a[0].t, first, outs[0]);
    bool ok = make_plan(&p, a, false) && move_all(&p, a[0].t, outs[0], false, TW_SCATTER_SET);
    plan_clear(&p);
    return ok;
}

static bool values_fit(const plan *p, const tw_tensor *values) {
    bool fits = true;
    /* Leading dimensions of size 1 are dropped, as in slice assignment. */
    for (int d = 0; d < values->ndim; d++) {
        int at = p->ndim - values->ndim + d;
        if (values->sizes[d] != 1 && (at < 0 || values->sizes[d] != p->sizes[at])) fits = false;
        if (at < 0) fits = false;
    }
    return fits || tw_fail(TW_RUNTIME_ERROR, "shape mismatch: value tensor of shape %s cannot be broadcast to indexing result of shape %s",
                           tw_sizes_text(values->sizes, values->ndim), tw_sizes_text(p->sizes, p->ndim));
}

static bool overlaps(const tw_tensor *self, const tw_tensor *t) {
    if (self->storage != t->storage || self->numel == 0 || t->numel == 0) return false;
    int overlap = tw_memory_overlap(self, t);
    return overlap == 1 || (overlap == 2 && tw_non_overlapping_dense(self) && tw_non_overlapping_dense(t));
}

/* index_put_(self, indices, values, accumulate): writes self. */
bool tw_index_put__run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *values = a[2].t;
    plan p;
    bool ok = false;
    if (self->dtype != values->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "Index put requires the source and destination dtypes match, got %s for the destination and %s "
                       "for the source.", tw_dtypes[self->dtype].type_name, tw_dtypes[values->dtype].type_name);
    if (overlaps(self, values))
        return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                       "single memory location. Please clone() the tensor before performing the operation.");
    ok = make_plan(&p, a, false) && values_fit(&p, values) &&
         move_all(&p, self, values, true, tw_a_get_int(&a[3], 0) ? TW_SCATTER_ADD : TW_SCATTER_SET);
    plan_clear(&p);
    if (ok && !outs[0]) outs[0] = tw_retain(self);
    return ok;
}
bool tw__index_put_impl__run(const tw_arg *a, tw_tensor **outs) { return tw_index_put__run(a, outs); }
