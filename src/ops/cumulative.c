/* cummax, cummin: the largest or smallest element so far, as the sort's keys compare them. */
#include "core/error.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/index.h"
#include "ops/introsort.h"
#include "ops_decl.h"
#include <string.h>

static bool running_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *self = a[0].t;
    int64_t dim = a[1].i;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (tw_is_complex((tw_dtype)self->dtype) || !tw_dtypes[self->dtype].computes)
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"cummaxmin_cpu\" not implemented for '%s'", tw_dtypes[self->dtype].type_name);
    return tw_meta_set(&outs[0], (tw_dtype)self->dtype, self->device, self->sizes, self->ndim) &&
           tw_meta_set(&outs[1], TW_INT64, self->device, self->sizes, self->ndim);
}
bool tw_cummax_meta(const tw_arg *a, tw_meta *outs) { return running_meta(a, outs); }
bool tw_cummin_meta(const tw_arg *a, tw_meta *outs) { return running_meta(a, outs); }

typedef struct running { const char *from; char *values; int64_t *indices; int64_t n, inner; size_t bytes; tw_dtype dtype; bool largest; } running;

/* Rows along dim: row r starts at element (r / inner) * n * inner + r % inner of contiguous tensors. */
static void run_rows(void *context, int64_t begin, int64_t end) {
    const running *c = context;
    for (int64_t r = begin; r < end; r++) {
        const int64_t start = r / c->inner * c->n * c->inner + r % c->inner;
        uint64_t best = 0;
        int64_t at = 0;
        for (int64_t i = 0; i < c->n; i++) {
            const int64_t place = start + i * c->inner;
            const uint64_t key = tw_key_of(c->from + (size_t)place * c->bytes, c->dtype);
            const bool nan = tw_key_is_nan(key, c->dtype), stuck = tw_key_is_nan(best, c->dtype);
            if (i == 0 || nan || (!stuck && (c->largest ? key >= best : key <= best))) {
                best = key;
                at = i;
            }
            memcpy(c->values + (size_t)place * c->bytes, c->from + (size_t)(start + at * c->inner) * c->bytes, c->bytes);
            c->indices[place] = at;
        }
    }
}

static bool run(const tw_arg *a, tw_tensor **outs, bool largest) {
    tw_tensor *self = tw_contiguous_new(a[0].t, (tw_dtype)a[0].t->dtype), *made[2] = {NULL};
    int64_t dim = a[1].i, inner = 1;
    bool ok = self && tw_wrap_dim(&dim, self->ndim);
    for (int i = 0; ok && i < 2; i++) {
        made[i] = tw_is_contiguous(outs[i]) ? tw_retain(outs[i]) : tw_empty_new(outs[i]->sizes, outs[i]->ndim, (tw_dtype)outs[i]->dtype, outs[i]->device);
        ok = made[i] != NULL;
    }
    if (ok && self->numel) {
        for (int d = (int)dim + 1; d < self->ndim; d++) inner *= self->sizes[d];
        const int64_t n = self->ndim ? self->sizes[dim] : 1;
        running c = {tw_data(self), tw_data(made[0]), tw_data(made[1]), n, inner, tw_dtype_size((tw_dtype)self->dtype), (tw_dtype)self->dtype, largest};
        tw_parallel(self->numel / n, 1 + 8192 / n, run_rows, &c);
    }
    for (int i = 0; i < 2; i++) {
        ok = ok && (made[i] == outs[i] || tw_copy(outs[i], made[i]));
        tw_release(made[i]);
    }
    tw_release(self);
    return ok;
}
bool tw_cummax_run(const tw_arg *a, tw_tensor **outs) { return run(a, outs, true); }
bool tw_cummin_run(const tw_arg *a, tw_tensor **outs) { return run(a, outs, false); }
