/* searchsorted, bincount, histc, repeat_interleave's indices, tril_indices and triu_indices. */
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/half_step.h"
#include "ops/copy.h"
#include "ops/index.h"
#include "ops/introsort.h"
#include "ops/make.h"
#include "ops/range.h"
#include "ops_decl.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* --- searchsorted -------------------------------------------------------------------------------------------------------- */

static bool same_sizes(const tw_tensor *a, const tw_tensor *b, int ndim) {
    return a->ndim >= ndim && b->ndim >= ndim && memcmp(a->sizes, b->sizes, sizeof(int64_t) * (size_t)ndim) == 0;
}

static bool check_side(const tw_arg *side, bool right) {
    if (side->tag != TW_ARG_STRING) return true;
    const bool is_right = !strcmp(side->s, "right");
    if (!is_right && strcmp(side->s, "left"))
        return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): side can only be 'left' or 'right' but got %s", side->s);
    if (right && !is_right)
        return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): side and right can't be set to opposites, got side of %s while right was True",
                       side->s);
    return true;
}

/* (sorted_sequence, self, out_int32, right, side, sorter) */
static bool search_meta(const tw_arg *a, const tw_tensor *input, tw_meta *out) {
    const tw_tensor *rows = a[0].t, *sorter = a[5].tag == TW_ARG_TENSOR ? a[5].t : NULL;
    const int ndim = input ? input->ndim : 0;
    if (!check_side(&a[4], a[3].i != 0)) return false;
    if (sorter) {
        if (sorter->ndim != rows->ndim || !same_sizes(sorter, rows, rows->ndim))
            return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor %sand "
                           "got sorter tensor %s", tw_sizes_text(rows->sizes, rows->ndim), tw_sizes_text(sorter->sizes, sorter->ndim));
        if (sorter->dtype != TW_INT64)
            return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype %s",
                           tw_dtypes[sorter->dtype].type_name);
    }
    if (ndim == 0 && rows->ndim != 1)
        return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we "
                       "got boundaries tensor dim(%d) and input value's dim(0) numel(1)", rows->ndim);
    if (rows->ndim == 0)
        return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension");
    if (rows->ndim != 1 && (rows->ndim != ndim || !same_sizes(rows, input, ndim - 1)))
        return tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
                       "boundaries tensor and input value tensor must match, but we got boundaries tensor %s and input value tensor %s",
                       tw_sizes_text(rows->sizes, rows->ndim), tw_sizes_text(input->sizes, ndim));
    const tw_dtype wide = tw_promote((tw_dtype)rows->dtype, input ? (tw_dtype)input->dtype : (tw_dtype)rows->dtype);
    if (wide == TW_DTYPE_NONE || tw_is_complex(wide) || wide == TW_BOOL)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"searchsorted_out_cpu\" not implemented for '%s'",
                       tw_dtypes[wide == TW_DTYPE_NONE ? rows->dtype : (int)wide].type_name);
    return tw_meta_set(out, a[2].i ? TW_INT32 : TW_INT64, rows->device, input ? input->sizes : NULL, ndim);
}
bool tw_searchsorted_Tensor_meta(const tw_arg *a, tw_meta *out) { return search_meta(a, a[1].t, out); }
bool tw_searchsorted_Scalar_meta(const tw_arg *a, tw_meta *out) { return search_meta(a, NULL, out); }

typedef struct search {
    const uint64_t *row, *value;  /* keys */
    int64_t n, per_row;           /* boundaries in a row; values for each row, or all of them */
    bool right, one_row;
    tw_dtype dtype;
    void *out;
    bool narrow;
} search;

static void search_range(void *context, int64_t begin, int64_t end) {
    const search *s = context;
    for (int64_t i = begin; i < end; i++) {
        const uint64_t *row = s->one_row ? s->row : s->row + i / s->per_row * s->n, value = s->value[i];
        int64_t low = 0, high = s->n;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            const bool nan = tw_key_is_nan(row[middle], s->dtype) || tw_key_is_nan(value, s->dtype); /* unordered: goes on to the right */
            if (nan || (s->right ? row[middle] <= value : row[middle] < value)) low = middle + 1;
            else high = middle;
        }
        if (s->narrow) ((int32_t *)s->out)[i] = (int32_t)low;
        else ((int64_t *)s->out)[i] = low;
    }
}

/* Keys of all elements in row-major order, as `dtype`; at: places within each row to take them from, or NULL. */
static uint64_t *keys_new(tw_tensor *t, tw_dtype dtype, tw_tensor *at) {
    tw_tensor *plain = tw_contiguous_new(t, dtype), *places = at ? tw_contiguous_new(at, TW_INT64) : NULL;
    uint64_t *key = plain && (places || !at) ? tw_calloc((size_t)t->numel + 1, sizeof *key) : NULL, *out = NULL;
    if (!key) goto done;
    if (t->numel) tw_keys_of(t->numel, tw_data(plain), (int64_t)tw_dtype_size(dtype), dtype, key);
    if (!at) {
        out = key;
        key = NULL;
        goto done;
    }
    const int64_t n = t->sizes[t->ndim - 1];
    if (!(out = tw_calloc((size_t)t->numel + 1, sizeof *out))) goto done;
    for (int64_t i = 0; i < t->numel; i++) {
        const int64_t p = ((int64_t *)tw_data(places))[i];
        if (p < 0 || p >= n) {
            tw_fail(TW_RUNTIME_ERROR, "torch.searchsorted(): sorter index out of range");
            tw_free(out);
            out = NULL;
            break;
        }
        out[i] = key[i / n * n + p];
    }
done:
    tw_free(key);
    tw_release(plain);
    tw_release(places);
    return out;
}

/* The dtype to compare in: a 0-d value only counts where it is of a higher category. */
static tw_dtype common_dtype(const tw_tensor *rows, const tw_tensor *input) {
    const tw_dtype a = (tw_dtype)rows->dtype, b = (tw_dtype)input->dtype;
    if (input->ndim == 0) return tw_dtypes[b].category > tw_dtypes[a].category ? b : a;
    return tw_promote(a, b);
}

static bool search_run(const tw_arg *a, tw_tensor *input, tw_tensor *to) {
    tw_tensor *rows = a[0].t, *out = to, *made = NULL;
    const tw_dtype dtype = common_dtype(rows, input);
    uint64_t *row = NULL, *value = NULL;
    bool ok = false;
    if (!tw_is_contiguous(out) && !(out = made = tw_empty_new(out->sizes, out->ndim, (tw_dtype)out->dtype, out->device))) return false;
    row = keys_new(rows, dtype, a[5].tag == TW_ARG_TENSOR ? a[5].t : NULL);
    value = row ? keys_new(input, dtype, NULL) : NULL;
    if (!value) goto done;
    const bool right = a[3].i || (a[4].tag == TW_ARG_STRING && !strcmp(a[4].s, "right"));
    search s = {.row = row, .value = value, .n = rows->sizes[rows->ndim - 1], .per_row = input->ndim ? input->sizes[input->ndim - 1] : 1,
                .right = right, .one_row = rows->ndim == 1, .dtype = dtype, .out = out->numel ? tw_data(out) : NULL,
                .narrow = out->dtype == TW_INT32};
    tw_parallel(input->numel, 1024, search_range, &s);
    ok = !made || tw_copy(to, made);
done:
    tw_free(row);
    tw_free(value);
    tw_release(made);
    return ok;
}
bool tw_searchsorted_Tensor_run(const tw_arg *a, tw_tensor **outs) { return search_run(a, a[1].t, outs[0]); }
bool tw_searchsorted_Scalar_run(const tw_arg *a, tw_tensor **outs) {
    tw_scalar s = tw_a_to_scalar(&a[1]);
    tw_tensor *value = tw_scalar_new(s, tw_scalar_dtype(s), a[0].t->device);
    bool ok = value && search_run(a, value, outs[0]);
    tw_release(value);
    return ok;
}

/* --- bincount --------------------------------------------------------------------------------------------------------------- */

/* Parts of the numbers have counts of their own, two tables each: equal neighbours would wait for each other's sum. */
enum { COUNT_PARTS = 4 };
typedef struct counting { const int64_t *index; int64_t numel, n, *tables; } counting;

static void count_parts(void *context, int64_t begin, int64_t end) {
    const counting *c = context;
    for (int64_t part = begin; part < end; part++) {
        int64_t *even = c->tables + 2 * part * c->n, *odd = even + c->n, i = c->numel * part / COUNT_PARTS;
        const int64_t last = c->numel * (part + 1) / COUNT_PARTS;
        for (; i + 2 <= last; i += 2) {
            even[c->index[i]]++;
            odd[c->index[i + 1]]++;
        }
        if (i < last) even[c->index[i]]++;
    }
}

static bool count_into(int64_t numel, const int64_t *index, int64_t n, int64_t *count) {
    if (numel < 16384 || n > numel / 32) {
        for (int64_t i = 0; i < numel; i++) count[index[i]]++;
        return true;
    }
    counting c = {index, numel, n, tw_calloc((size_t)n, 2 * COUNT_PARTS * sizeof(int64_t))};
    if (!c.tables) return false;
    tw_parallel(COUNT_PARTS, 1, count_parts, &c);
    for (int t = 0; t < 2 * COUNT_PARTS; t++)
        for (int64_t i = 0; i < n; i++) count[i] += c.tables[t * n + i];
    tw_free(c.tables);
    return true;
}

bool tw_bincount_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *weights = a[1].tag == TW_ARG_TENSOR ? a[1].t : NULL, *at = NULL, *by = NULL, *made = NULL;
    int64_t n = a[2].i;
    bool ok = false;
    if (n < 0) return tw_fail(TW_RUNTIME_ERROR, "minlength should be >= 0");
    if (self->ndim != 1) return tw_fail(TW_RUNTIME_ERROR, "bincount only supports 1-d non-negative integral inputs.");
    if (tw_dtypes[self->dtype].category != 1)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"bincount_cpu\" not implemented for '%s'", tw_dtypes[self->dtype].type_name);
    if (self->numel == 0) weights = NULL;
    if (weights && (weights->ndim != 1 || weights->numel != self->numel))
        return tw_fail(TW_RUNTIME_ERROR, "weights should be 1-d and have the same length as input");
    const tw_dtype dtype = !weights ? TW_INT64 : weights->dtype == TW_FLOAT32 ? TW_FLOAT32 : TW_FLOAT64;
    at = tw_contiguous_new(self, TW_INT64);
    if (!at || (weights && !(by = tw_contiguous_new(weights, dtype)))) goto done;
    const int64_t *index = self->numel ? tw_data(at) : NULL;
    int64_t least = 0, range = 0;
    if (self->numel && (!tw_range_of(at, &least, &range) || least < 0)) {
        tw_fail(TW_RUNTIME_ERROR, "bincount only supports 1-d non-negative integral inputs.");
        goto done;
    }
    if (__builtin_add_overflow(least, range, &range)) {
        tw_fail(TW_RUNTIME_ERROR, "bincount: a value is too large to count up to");
        goto done;
    }
    if (n < range) n = range;
    if (!(made = tw_empty_new(&n, 1, dtype, self->device)) || !tw_fill(made, tw_int(0))) goto done;
    if (dtype == TW_INT64) {
        if (n) ok = count_into(self->numel, index, n, tw_data(made));
        if (n && !ok) goto done;
    } else {
        for (int64_t i = 0; i < self->numel; i++) {
            if (dtype == TW_FLOAT32) ((float *)tw_data(made))[index[i]] += ((float *)tw_data(by))[i];
            else ((double *)tw_data(made))[index[i]] += ((double *)tw_data(by))[i];
        }
    }
    ok = tw_hand_over(made, &outs[0]);
    made = NULL;
done:
    tw_release(at);
    tw_release(by);
    tw_release(made);
    return ok;
}

/* --- histc ------------------------------------------------------------------------------------------------------------------ */

bool tw_histc_meta(const tw_arg *a, tw_meta *out) {
    const int64_t bins = a[1].i;
    if (bins <= 0) return tw_fail(TW_RUNTIME_ERROR, "bins must be > 0");
    const tw_dtype d = (tw_dtype)a[0].t->dtype;
    if (d != TW_FLOAT32 && d != TW_FLOAT64 && d != TW_FLOAT16 && d != TW_BFLOAT16)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"histogram_cpu\" not implemented for '%s'", tw_dtypes[d].type_name);
    return tw_meta_set(out, d, a[0].t->device, &bins, 1);
}

enum { HISTC_GRAIN = 32768, NEAR_BINS = 1024 };

typedef struct histogram {
    const double *x;
    double low, high;
    int64_t bins;
    tw_dtype dtype;            /* places are rounded as PyTorch rounds: in the dtype of the elements, after every operation */
    _Atomic int64_t *count;
    pthread_mutex_t range;     /* guards low and high while they are looked for */
} histogram;

/* Widens the range by some numbers; it becomes NaN if one is. */
static void find_range(void *context, int64_t begin, int64_t end) {
    histogram *h = context;
    double low = INFINITY, high = -INFINITY;
    bool nan = false;
    for (int64_t i = begin; i < end; i++) {
        low = h->x[i] < low ? h->x[i] : low;
        high = h->x[i] > high ? h->x[i] : high;
        nan |= h->x[i] != h->x[i];
    }
    pthread_mutex_lock(&h->range);
    if (nan) h->low = h->high = (double)NAN;
    else if (h->low == h->low) {
        h->low = low < h->low ? low : h->low;
        h->high = high > h->high ? high : h->high;
    }
    pthread_mutex_unlock(&h->range);
}

static float stepped(tw_dtype d, float x) { return d == TW_BFLOAT16 ? tw_step_bf16_of(x) : d == TW_FLOAT16 ? tw_step_f16_of(x) : x; }

static int64_t bin_of(const histogram *h, double x) {
    const tw_dtype d = h->dtype;
    double place = (x - h->low) * (double)h->bins / (h->high - h->low);
    if (d != TW_FLOAT64) {
        const float low = stepped(d, (float)h->low), width = stepped(d, stepped(d, (float)h->high) - low);
        place = (double)stepped(d, stepped(d, stepped(d, (float)x - low) * stepped(d, (float)h->bins)) / width);
    }
    if (!(place >= 0)) return 0; /* a range so wide that its width, or the way to x, is no number of the dtype */
    return place < (double)h->bins ? (int64_t)place : h->bins - 1;
}

/* Few bins are counted beside, and then added. */
static void count_some(void *context, int64_t begin, int64_t end) {
    const histogram *h = context;
    int64_t near[NEAR_BINS];
    const bool beside = h->bins <= NEAR_BINS;
    if (beside) memset(near, 0, sizeof near);
    for (int64_t i = begin; i < end; i++) {
        if (!(h->x[i] >= h->low && h->x[i] <= h->high)) continue;
        if (beside) near[bin_of(h, h->x[i])]++;
        else atomic_fetch_add_explicit(&h->count[bin_of(h, h->x[i])], 1, memory_order_relaxed);
    }
    for (int64_t i = 0; beside && i < h->bins; i++)
        if (near[i]) atomic_fetch_add_explicit(&h->count[i], near[i], memory_order_relaxed);
}

bool tw_histc_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = tw_contiguous_new(a[0].t, TW_FLOAT64), *counts = NULL;
    if (!self) return false;
    histogram h = {.x = self->numel ? tw_data(self) : NULL, .low = tw_a_get_double(&a[2], 0), .high = tw_a_get_double(&a[3], 0), .bins = a[1].i,
                   .dtype = (tw_dtype)a[0].t->dtype, .range = PTHREAD_MUTEX_INITIALIZER};
    bool ok = false;
    if (h.low == h.high && self->numel) {
        h.low = INFINITY, h.high = -INFINITY;
        tw_parallel(self->numel, HISTC_GRAIN, find_range, &h);
    }
    if (h.low == h.high) {
        h.low -= 1;
        h.high += 1;
    }
    if (!isfinite(h.low) || !isfinite(h.high)) {
        tw_fail(TW_RUNTIME_ERROR, "torch.histc: range of [%g, %g] is not finite", h.low, h.high);
    } else if (h.low > h.high) {
        tw_fail(TW_RUNTIME_ERROR, "torch.histc: max must be larger than min");
    } else if ((counts = tw_empty_new(&h.bins, 1, TW_INT64, self->device)) && tw_fill(counts, tw_int(0))) {
        h.count = tw_data(counts);
        tw_parallel(self->numel, HISTC_GRAIN, count_some, &h);
        ok = tw_copy(outs[0], counts);
    }
    tw_release(self);
    tw_release(counts);
    return ok;
}

/* --- repeat_interleave -------------------------------------------------------------------------------------------------------- */

bool tw_repeat_interleave_Tensor_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *repeats = a[0].t, *made = NULL;
    if (repeats->ndim != 1) return tw_fail(TW_RUNTIME_ERROR, "repeat_interleave only accept 1D vector as repeat");
    if (repeats->dtype != TW_INT64 && repeats->dtype != TW_INT32) return tw_fail(TW_RUNTIME_ERROR, "repeats has to be Long or Int tensor");
    tw_tensor *plain = tw_contiguous_new(repeats, TW_INT64);
    if (!plain) return false;
    const int64_t *each = repeats->numel ? tw_data(plain) : NULL;
    int64_t n = 0;
    bool ok = true;
    for (int64_t i = 0; ok && i < repeats->numel; i++) {
        ok = each[i] >= 0 || tw_fail(TW_RUNTIME_ERROR, "repeats can not be negative");
        if (ok && __builtin_add_overflow(n, each[i], &n)) ok = tw_fail(TW_RUNTIME_ERROR, "repeats are too many");
    }
    if (ok && a[1].tag == TW_ARG_INT && a[1].i != n) ok = tw_fail(TW_RUNTIME_ERROR, "allocated size does not match required size");
    ok = ok && (made = tw_empty_new(&n, 1, (tw_dtype)repeats->dtype, repeats->device)) != NULL;
    for (int64_t i = 0, k = 0; ok && i < repeats->numel; i++)
        for (int64_t j = 0; j < each[i]; j++, k++) {
            if (made->dtype == TW_INT32) ((int32_t *)tw_data(made))[k] = (int32_t)i;
            else ((int64_t *)tw_data(made))[k] = i;
        }
    tw_release(plain);
    return ok && tw_hand_over(made, &outs[0]);
}

/* --- triangles ---------------------------------------------------------------------------------------------------------------- */

/* How many columns of row r lie in the triangle, and the first. */
static int64_t in_row(int64_t r, int64_t columns, int64_t offset, bool lower, int64_t *first) {
    int64_t edge = r + offset + (lower ? 1 : 0); /* one past the lower triangle's last, or the upper one's first */
    edge = edge < 0 ? 0 : edge > columns ? columns : edge;
    *first = lower ? 0 : edge;
    return lower ? edge : columns - edge;
}

static int64_t clamped(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

/* How many elements a lower triangle has: rows of 1, 2, ... or more, then whole ones. INT64_MAX where that does not fit. */
static int64_t lower_count(int64_t rows, int64_t columns, int64_t offset) {
    int64_t first = offset < 0 ? -offset : 0, left = rows - first, start, growing, sum, whole;
    if (left <= 0 || columns == 0) return 0;
    start = offset < 0 ? 1 : offset < columns ? offset + 1 : columns;
    growing = columns - start < left - 1 ? columns - start + 1 : left;
    if (__builtin_add_overflow(2 * (uint64_t)start, (uint64_t)growing - 1, &sum) || __builtin_mul_overflow(sum, growing, &sum) ||
        __builtin_mul_overflow(left - growing, columns, &whole) || __builtin_add_overflow(sum / 2, whole, &sum)) return INT64_MAX;
    return sum;
}

static bool triangle_meta(const tw_arg *a, bool lower, tw_meta *out) {
    int64_t n, offset = clamped(a[2].i, 1 - INT64_MAX, INT64_MAX - 1);
    if (a[0].i < 0) return tw_fail(TW_RUNTIME_ERROR, "row must be non-negative, got%lld", (long long)a[0].i);
    if (a[1].i < 0) return tw_fail(TW_RUNTIME_ERROR, "col must be non-negative, got%lld", (long long)a[1].i);
    if (lower) n = lower_count(a[0].i, a[1].i, offset);
    else if (__builtin_mul_overflow(a[0].i, a[1].i, &n)) n = INT64_MAX;
    else n -= lower_count(a[0].i, a[1].i, offset - 1);
    const int64_t sizes[2] = {2, n};
    tw_arg list = tw_a_ints(sizes, 2);
    return tw_make_meta(&list, &a[3], TW_INT64, TW_CPU, out);
}

static bool triangle_run(const tw_arg *a, bool lower, tw_tensor *to) {
    tw_tensor *places = tw_empty_new(to->sizes, to->ndim, TW_INT64, to->device);
    if (!places) return false;
    const int64_t n = to->sizes[1];
    const int64_t offset = clamped(a[2].i, -a[0].i, a[1].i), begin = lower && offset < 0 ? -offset : 0; /* rows before it have nothing */
    int64_t *at = n ? tw_data(places) : NULL, k = 0;
    for (int64_t r = begin; k < n; r++) {
        int64_t first, count = in_row(r, a[1].i, offset, lower, &first);
        for (int64_t c = first; c < first + count; c++, k++) {
            at[k] = r;
            at[n + k] = c;
        }
    }
    bool ok = tw_copy(to, places);
    tw_release(places);
    return ok;
}
bool tw_tril_indices_meta(const tw_arg *a, tw_meta *out) { return triangle_meta(a, true, out); }
bool tw_triu_indices_meta(const tw_arg *a, tw_meta *out) { return triangle_meta(a, false, out); }
bool tw_tril_indices_run(const tw_arg *a, tw_tensor **outs) { return triangle_run(a, true, outs[0]); }
bool tw_triu_indices_run(const tw_arg *a, tw_tensor **outs) { return triangle_run(a, false, outs[0]); }
