/* topk: the k largest or smallest elements of every row. */
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/introsort.h"
#include "ops/op.h"
#include "ops/topk.h"
#include <stdatomic.h>
#include <string.h>

bool tw_topk_meta(const tw_arg *a, tw_meta *outs);
bool tw_topk_run(const tw_arg *a, tw_tensor **outs);

/* (self, k, dim, largest, sorted) */
bool tw_topk_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *self = a[0].t;
    int64_t dim = a[2].i, sizes[TW_MAX_DIMS];
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (a[1].i < 0 || a[1].i > (self->ndim ? self->sizes[dim] : 1)) return tw_fail(TW_RUNTIME_ERROR, "selected index k out of range");
    if (tw_is_complex((tw_dtype)self->dtype)) return tw_fail(TW_RUNTIME_ERROR, " topk does not support complex dtypes on CPU");
    if (self->dtype == TW_BOOL && self->ndim > 0) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"topk_cpu\" not implemented for 'Bool'");
    memcpy(sizes, self->sizes, (size_t)self->ndim * sizeof *sizes);
    if (self->ndim) sizes[dim] = a[1].i;
    return tw_meta_set(&outs[0], (tw_dtype)self->dtype, self->device, sizes, self->ndim) &&
           tw_meta_set(&outs[1], TW_INT64, self->device, sizes, self->ndim);
}

/* Rows to select from: bytes from element to element. */
typedef struct selecting {
    const tw_tensor *self, *values, *indices;
    int64_t dim, n, k, size, from_step, value_step, index_step;
    tw_dtype dtype;
    bool largest, sorted;
    atomic_bool starved;   /* a thread found no memory */
} selecting;

/* x: 16 bytes for each element. */
static void select_row(const selecting *s, const char *from, char *values, char *indices, uint64_t *x) {
    uint32_t *key = (uint32_t *)(x + s->n);
    tw_keyed *wide = NULL;
    int64_t offset;
    if (s->size <= 4 && tw_few_of(s->k, s->n) && s->n <= UINT32_MAX) {
        tw_keys32_of(s->n, from, s->from_step, s->dtype, s->largest ? UINT32_MAX : 0, key);
        tw_smallest_of_keys(key, s->n, s->k, x);
    } else if (tw_pack(s->n, from, s->from_step, s->dtype, s->largest, x, &offset)) {
        tw_smallest_first_packed(x, s->n, s->k, s->sorted);
    } else {
        wide = (tw_keyed *)x;
        for (int64_t i = 0; i < s->n; i++) {
            const uint64_t key64 = tw_key_of(from + i * s->from_step, s->dtype);
            wide[i] = (tw_keyed){s->largest ? ~key64 : key64, i};
        }
        tw_smallest_first(wide, s->n, s->k, s->sorted);
    }
    for (int64_t i = 0; i < s->k; i++) {
        const int64_t at = wide ? wide[i].at : (int64_t)(uint32_t)x[i];
        if (values) memcpy(values + i * s->value_step, from + at * s->from_step, (size_t)s->size);
        memcpy(indices + i * s->index_step, &at, 8);
    }
}

static void select_rows(void *context, int64_t begin, int64_t end) {
    selecting *s = context;
    uint64_t *x = tw_block_alloc(16 * (size_t)s->n);
    if (!x) atomic_store(&s->starved, true);
    for (int64_t i = begin; x && i < end; i++) {
        const char *from = tw_data(s->self);
        char *values = s->values ? tw_data(s->values) : NULL, *indices = tw_data(s->indices);
        int64_t rest = i;
        for (int d = s->self->ndim - 1; d >= 0; d--) {
            if (d == s->dim) continue;
            const int64_t c = rest % s->self->sizes[d];
            rest /= s->self->sizes[d];
            from += c * tw_step_of(s->self, d);
            if (values) values += c * tw_step_of(s->values, d);
            indices += c * tw_step_of(s->indices, d);
        }
        select_row(s, from, values, indices, x);
    }
    tw_block_free(x, x ? 16 * (size_t)s->n : 0);
}

bool tw_topk_into(const tw_tensor *self, int64_t k, int64_t dim, bool largest, bool sorted, tw_tensor *values, tw_tensor *indices) {
    if (indices->numel == 0) return true;
    selecting s = {.self = self, .values = values, .indices = indices, .dim = dim, .n = self->ndim ? self->sizes[dim] : 1, .k = k,
                   .size = (int64_t)tw_dtype_size((tw_dtype)self->dtype), .dtype = (tw_dtype)self->dtype, .largest = largest, .sorted = sorted};
    if (self->ndim) {
        s.from_step = tw_step_of(self, dim);
        s.value_step = values ? tw_step_of(values, dim) : 0;
        s.index_step = tw_step_of(indices, dim);
    }
    tw_parallel(indices->numel / k, 1 + 16384 / s.n, select_rows, &s);
    return !atomic_load(&s.starved) || tw_fail_memory((size_t)s.n * 16);
}

bool tw_topk_run(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[2].i;
    return tw_wrap_dim(&dim, a[0].t->ndim) && tw_topk_into(a[0].t, a[1].i, dim, a[3].i != 0, a[4].i != 0, outs[0], outs[1]);
}
