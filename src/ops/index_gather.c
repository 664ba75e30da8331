/* gather, scatter, scatter_add, scatter.reduce: one walk over the index tensor. */
#include "core/threads.h"
#include "op_ids.h"
#include "ops/copy.h"
#include "ops/index.h"
#include <string.h>

bool tw_gather_meta(const tw_arg *a, tw_meta *out);
bool tw_gather_run(const tw_arg *a, tw_tensor **outs);
bool tw_scatter_add_meta(const tw_arg *a, tw_meta *out);
bool tw_scatter_add_run(const tw_arg *a, tw_tensor **outs);
bool tw_scatter_src_meta(const tw_arg *a, tw_meta *out);
bool tw_scatter_src_run(const tw_arg *a, tw_tensor **outs);
bool tw_scatter_value_meta(const tw_arg *a, tw_meta *out);
bool tw_scatter_value_run(const tw_arg *a, tw_tensor **outs);
bool tw_scatter_reduce_meta(const tw_arg *a, tw_meta *out);
bool tw_scatter_reduce_run(const tw_arg *a, tw_tensor **outs);
bool tw_scatter_value_reduce_meta(const tw_arg *a, tw_meta *out);
bool tw_scatter_value_reduce_run(const tw_arg *a, tw_tensor **outs);
bool tw_scatter_reduce_two_meta(const tw_arg *a, tw_meta *out);
bool tw_scatter_reduce_two_run(const tw_arg *a, tw_tensor **outs);

static int64_t size_at(const tw_tensor *t, int d) { return t->ndim ? t->sizes[d] : 1; }

/* --- checks ----------------------------------------------------------------------------------------------------- */

static bool index_dtype(const tw_tensor *index, const char *name) {
    if (index->numel == 0 || index->dtype == TW_INT64 || index->dtype == TW_INT32) return true;
    return tw_fail(TW_RUNTIME_ERROR, "%s(): Expected dtype int32/int64 for index", name);
}

static int ranks(const tw_tensor *t) { return t->ndim ? t->ndim : 1; }

bool tw_gather_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *index = a[2].t;
    int64_t dim = a[1].i;
    if (!tw_wrap_dim(&dim, self->ndim) || !index_dtype(index, "gather")) return false;
    if (index->numel) {
        if (ranks(index) != ranks(self))
            return tw_fail(TW_RUNTIME_ERROR, "Index tensor must have the same number of dimensions as input tensor");
        for (int d = 0; d < ranks(self); d++)
            if (d != dim && size_at(index, d) > size_at(self, d))
                return tw_fail(TW_RUNTIME_ERROR, "Size does not match at dimension %d expected index %s to be no larger than self %s "
                               "apart from dimension %lld", d, tw_sizes_text(index->sizes, index->ndim),
                               tw_sizes_text(self->sizes, self->ndim), (long long)dim);
    }
    return tw_meta_set(out, (tw_dtype)self->dtype, self->device, index->sizes, index->ndim);
}

static bool scatter_shapes(const tw_tensor *self, int64_t dim, const tw_tensor *index, const tw_tensor *src) {
    if (index->numel == 0) return true;
    if (ranks(index) != ranks(self))
        return tw_fail(TW_RUNTIME_ERROR, "Index tensor must have the same number of dimensions as self tensor");
    if (src && ranks(index) != ranks(src))
        return tw_fail(TW_RUNTIME_ERROR, "Index tensor must have the same number of dimensions as src tensor");
    bool wrong = false;
    for (int d = 0; d < ranks(self); d++) {
        if (d != dim && size_at(index, d) > size_at(self, d)) wrong = true;
        if (src && size_at(index, d) > size_at(src, d)) wrong = true;
    }
    if (!wrong) return true;
    if (src)
        return tw_fail(TW_RUNTIME_ERROR, "Expected index %s to be no larger than self %s apart from dimension %lld and to be no larger "
                       "size than src %s", tw_sizes_text(index->sizes, index->ndim), tw_sizes_text(self->sizes, self->ndim),
                       (long long)dim, tw_sizes_text(src->sizes, src->ndim));
    return tw_fail(TW_RUNTIME_ERROR, "Expected index %s to be no larger than self %s apart from dimension %lld",
                   tw_sizes_text(index->sizes, index->ndim), tw_sizes_text(self->sizes, self->ndim), (long long)dim);
}

static bool scatter_meta(const tw_arg *a, const tw_tensor *src, tw_meta *out) {
    const tw_tensor *self = a[0].t, *index = a[2].t;
    int64_t dim = a[1].i;
    if (!tw_wrap_dim(&dim, self->ndim) || !index_dtype(index, "scatter")) return false;
    if (src && self->dtype != src->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "scatter(): Expected self.dtype to be equal to src.dtype");
    return scatter_shapes(self, dim, index, src) && tw_meta_like(out, self, (tw_dtype)self->dtype);
}

bool tw_scatter_add_meta(const tw_arg *a, tw_meta *out) { return scatter_meta(a, a[3].t, out); }
bool tw_scatter_src_meta(const tw_arg *a, tw_meta *out) { return scatter_meta(a, a[3].t, out); }
bool tw_scatter_value_meta(const tw_arg *a, tw_meta *out) { return scatter_meta(a, NULL, out); }

static bool read_reduce(const tw_arg *a, tw_scatter_mode *mode) {
    *mode = !strcmp(a->s, "add") ? TW_SCATTER_ADD : TW_SCATTER_MUL;
    return !strcmp(a->s, "add") || !strcmp(a->s, "multiply") ||
           tw_fail(TW_RUNTIME_ERROR, "reduce argument must be either add or multiply.");
}

bool tw_scatter_reduce_meta(const tw_arg *a, tw_meta *out) {
    tw_scatter_mode mode;
    return read_reduce(&a[4], &mode) && scatter_meta(a, a[3].t, out);
}
bool tw_scatter_value_reduce_meta(const tw_arg *a, tw_meta *out) {
    tw_scatter_mode mode;
    return read_reduce(&a[4], &mode) && scatter_meta(a, NULL, out);
}

static bool reduce_named(const char *text, tw_scatter_mode *mode) {
    static const char *const names[] = {"sum", "mean", "prod", "amax", "amin"};
    static const tw_scatter_mode modes[] = {TW_SCATTER_ADD, TW_SCATTER_ADD, TW_SCATTER_MUL, TW_SCATTER_MAX, TW_SCATTER_MIN};
    for (int i = 0; i < 5; i++) {
        *mode = modes[i];
        if (!strcmp(text, names[i])) return true;
    }
    return tw_fail(TW_RUNTIME_ERROR, "reduce argument must be either sum, prod, mean, amax or amin, got %s", text);
}
bool tw_scatter_reduce_two_meta(const tw_arg *a, tw_meta *out) {
    tw_scatter_mode mode;
    if (!reduce_named(a[4].s, &mode)) return false;
    const tw_dtype d = (tw_dtype)a[0].t->dtype;
    const bool mean = !strcmp(a[4].s, "mean"), extreme = mode == TW_SCATTER_MAX || mode == TW_SCATTER_MIN;
    if ((d == TW_BOOL && mean) || (tw_is_complex(d) && extreme))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"scatter_gather_tensor_cpu_reduce_%s\" not implemented for '%s'", a[4].s, tw_dtypes[d].type_name);
    return scatter_meta(a, a[3].t, out);
}

/* --- the walk --------------------------------------------------------------------------------------------------- */

/* Rows along the last dimension of the index. `big` is indexed along dim (gather reads it, scatter writes it), `small` lies
 * beside the index (NULL data with strides 0: one value). */
typedef struct walk {
    int ndim, dim;
    int64_t sizes[TW_MAX_DIMS];                       /* of the index */
    int64_t index_stride[TW_MAX_DIMS], big_stride[TW_MAX_DIMS], small_stride[TW_MAX_DIMS]; /* bytes */
    const char *index;
    char *big, *small;
    tw_dtype index_dtype, dtype;
    int64_t limit, by;                                /* size and stride of big along dim */
    int64_t rows;
    bool far;                                         /* big is larger than the cache */
    bool scatter;
    tw_scatter_mode mode;
    int64_t bad;                                      /* a bad index was seen: bad_index */
    int64_t bad_index;
} walk;

static void walk_init(walk *w, tw_tensor *big, int64_t dim, tw_tensor *index, tw_tensor *small) {
    w->ndim = ranks(index);
    w->dim = (int)dim;
    w->dtype = (tw_dtype)big->dtype;
    w->index_dtype = (tw_dtype)index->dtype;
    w->index = tw_data(index);
    w->big = tw_data(big);
    if (small) w->small = tw_data(small);
    for (int d = 0; d < w->ndim; d++) {
        w->sizes[d] = size_at(index, d);
        w->index_stride[d] = index->ndim ? tw_step_of(index, d) : 0;
        w->big_stride[d] = big->ndim ? tw_step_of(big, d) : 0;
        w->small_stride[d] = small && small->ndim ? tw_step_of(small, d) : 0;
    }
    w->limit = size_at(big, w->dim);
    w->by = w->big_stride[w->dim];
    w->big_stride[w->dim] = 0;
}

enum { CHUNK = 512 };

/* n elements of one row, from column c. False for a bad index. */
static bool walk_chunk(walk *w, int64_t n, int64_t c, const char *index, char *big, char *small) {
    int64_t at[CHUNK];
    int last = w->ndim - 1;
    for (int64_t i = 0; i < n; i++) at[i] = (c + i) * w->big_stride[last];
    index += c * w->index_stride[last];
    int64_t bad = tw_add_places(n, at, index, w->index_stride[last], w->index_dtype, w->limit, false, w->by);
    if (bad >= 0) {
        w->bad_index = tw_index_at(index, bad, w->index_stride[last], w->index_dtype);
        w->bad = 1;
        return false;
    }
    small += c * w->small_stride[last];
    if (w->far) /* all at once, as each would be waited for */
        for (int64_t i = 0; i < n; i++) __builtin_prefetch(big + at[i], 1);
    if (w->scatter) tw_scatter_places(n, w->dtype, w->mode, big, at, small, w->small_stride[last]);
    else tw_gather_places(n, tw_dtype_size(w->dtype), small, w->small_stride[last], big, at);
    return true;
}

/* Columns [from, to) of row r. */
static bool walk_row(walk *w, int64_t r, int64_t from, int64_t to) {
    const char *index = w->index;
    char *big = w->big, *small = w->small;
    for (int d = w->ndim - 2; d >= 0; d--) {
        int64_t c = r % w->sizes[d];
        r /= w->sizes[d];
        index += c * w->index_stride[d];
        big += c * w->big_stride[d];
        small += c * w->small_stride[d];
    }
    for (int64_t c = from; c < to; c += CHUNK)
        if (!walk_chunk(w, to - c < CHUNK ? to - c : CHUNK, c, index, big, small)) return false;
    return true;
}

static void walk_rows(void *context, int64_t begin, int64_t end) {
    walk *w = context;
    for (int64_t r = begin; r < end; r++)
        if (!walk_row(w, r, 0, w->sizes[w->ndim - 1])) return;
}

static void walk_columns(void *context, int64_t begin, int64_t end) {
    walk *w = context;
    for (int64_t r = 0; r < w->rows; r++)
        if (!walk_row(w, r, begin, end)) return;
}

/* Every thread walks all rows, so that few columns for each cost; and fewer than a line of the cache, more. */
static int64_t columns_each(int64_t columns) {
    const int64_t share = (columns + tw_num_threads() - 1) / tw_num_threads();
    return share < 16 ? 16 : share < 256 ? share : 256;
}

/* Threads may scatter where they never meet: the coordinates but that along dim are those of the index. */
static bool walk_all(walk *w, int64_t numel) {
    if (numel == 0) return true;
    const int last = w->ndim - 1;
    const int64_t columns = w->sizes[last];
    bool apart = true;
    for (int d = 0; d < w->ndim; d++) apart = apart && (d == w->dim || w->sizes[d] == 1 || w->big_stride[d] != 0);
    w->rows = numel / columns;
    w->far = w->limit * w->by >= 1 << 20;
    if (!w->scatter || (apart && w->dim == last)) tw_parallel(w->rows, 1 + 8192 / columns, walk_rows, w);
    else if (apart && numel >= 16384 && columns >= 64) tw_parallel(columns, columns_each(columns), walk_columns, w);
    else walk_rows(w, 0, w->rows);
    if (!w->bad) return true;
    return tw_fail(TW_RUNTIME_ERROR, "index %lld is out of bounds for dimension %d with size %lld", (long long)w->bad_index, w->dim,
                   (long long)w->limit);
}

/* --- runs ------------------------------------------------------------------------------------------------------- */

bool tw_gather_run(const tw_arg *a, tw_tensor **outs) {
    walk w = {0};
    int64_t dim = a[1].i;
    if (outs[0]->numel == 0) return true;
    if (!tw_wrap_dim(&dim, a[0].t->ndim)) return false;
    walk_init(&w, a[0].t, dim, a[2].t, outs[0]);
    return walk_all(&w, a[2].t->numel);
}

/* to already holds self's elements. */
static bool scatter_into(const tw_arg *a, tw_tensor *src, tw_tensor *to, tw_scatter_mode mode) {
    walk w = {.scatter = true, .mode = mode};
    char value[16];
    int64_t dim = a[1].i;
    if (!tw_wrap_dim(&dim, to->ndim)) return false;
    walk_init(&w, to, dim, a[2].t, src);
    if (!src) {
        if (!tw_check_number(tw_a_to_scalar(&a[3]), w.dtype)) return false;
        tw_store_scalar(value, w.dtype, tw_a_to_scalar(&a[3]));
        w.small = value;
    }
    return walk_all(&w, a[2].t->numel);
}

/* Half types accumulate in float and round once. */
static bool scatter_half(const tw_arg *a, tw_tensor *src, tw_tensor *out, tw_scatter_mode mode) {
    tw_tensor *wide = tw_clone_new(a[0].t, TW_FLOAT32, TW_CONTIGUOUS_FORMAT), *from = tw_contiguous_new(src, TW_FLOAT32);
    bool ok = wide && from && scatter_into(a, from, wide, mode) && tw_copy(out, wide);
    tw_release(wide);
    tw_release(from);
    return ok;
}

static bool scatter(const tw_arg *a, tw_tensor *src, tw_tensor *out, tw_scatter_mode mode) {
    bool half = out->dtype == TW_FLOAT16 || out->dtype == TW_BFLOAT16;
    if (a[2].t->numel == 0) return tw_start_from(out, a[0].t);
    if (half && src && mode != TW_SCATTER_SET) return scatter_half(a, src, out, mode);
    return tw_start_from(out, a[0].t) && scatter_into(a, src, out, mode);
}

bool tw_scatter_add_run(const tw_arg *a, tw_tensor **outs) { return scatter(a, a[3].t, outs[0], TW_SCATTER_ADD); }
bool tw_scatter_src_run(const tw_arg *a, tw_tensor **outs) { return scatter(a, a[3].t, outs[0], TW_SCATTER_SET); }
bool tw_scatter_value_run(const tw_arg *a, tw_tensor **outs) { return scatter(a, NULL, outs[0], TW_SCATTER_SET); }

bool tw_scatter_reduce_run(const tw_arg *a, tw_tensor **outs) {
    tw_scatter_mode mode;
    return read_reduce(&a[4], &mode) && scatter(a, a[3].t, outs[0], mode);
}
bool tw_scatter_value_reduce_run(const tw_arg *a, tw_tensor **outs) {
    tw_scatter_mode mode;
    return read_reduce(&a[4], &mode) && scatter(a, NULL, outs[0], mode);
}

/* --- scatter_reduce ----------------------------------------------------------------------------------------------- */

/* Divides out by how many elements each place got, at least one; integers round down. */
static bool mean_of(const tw_arg *a, tw_tensor *out, bool include_self) {
    tw_tensor *counts = tw_empty_new(out->sizes, out->ndim, tw_dtypes[out->dtype].real, out->device);
    const tw_arg ones[4] = {tw_a_tensor(counts), a[1], a[2], tw_a_int(1)};
    const bool ok = counts && tw_fill(counts, tw_int(include_self)) && scatter_into(ones, NULL, counts, TW_SCATTER_ADD) && tw_divide_by_counts(out, counts);
    tw_release(counts);
    return ok;
}

bool tw_scatter_reduce_two_run(const tw_arg *a, tw_tensor **outs) {
    tw_scatter_mode mode;
    tw_tensor *out = outs[0];
    if (!reduce_named(a[4].s, &mode)) return false;
    if (a[2].t->numel == 0) return tw_start_from(out, a[0].t);
    tw_arg own[6] = {tw_a_tensor(out), a[1], a[2], a[3], a[4], a[5]};
    if (!tw_start_from(out, a[0].t)) return false;
    if (!a[5].i) { /* the places that get something start afresh */
        tw_arg start[4] = {own[0], a[1], a[2], tw_a_scalar(tw_scatter_identity(mode, (tw_dtype)out->dtype))};
        if (!scatter_into(start, NULL, out, TW_SCATTER_SET)) return false;
    }
    return scatter(own, a[3].t, out, mode) && (strcmp(a[4].s, "mean") || mean_of(own, out, a[5].i != 0));
}
