/* index_select, masked_fill, nonzero, and what they share with other indexing. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/compact.h"
#include "kernels/copy.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/iterate.h"
#include "ops/mask.h"
#include <string.h>

bool tw_index_select_meta(const tw_arg *a, tw_meta *out);
bool tw_index_select_run(const tw_arg *a, tw_tensor **outs);
bool tw_masked_fill_Scalar_meta(const tw_arg *a, tw_meta *out);
bool tw_masked_fill_Scalar_run(const tw_arg *a, tw_tensor **outs);
bool tw_masked_fill_Tensor_meta(const tw_arg *a, tw_meta *out);
bool tw_masked_fill_Tensor_run(const tw_arg *a, tw_tensor **outs);
bool tw_nonzero_run(const tw_arg *a, tw_tensor **outs);

bool tw_start_from(tw_tensor *out, tw_tensor *self) {
    if (out == self) return true;
    bool same = out->storage == self->storage && out->offset == self->offset && out->ndim == self->ndim &&
                memcmp(out->strides, self->strides, sizeof(int64_t) * self->ndim) == 0;
    return same || tw_copy(out, self);
}

bool tw_hand_over(tw_tensor *made, tw_tensor **out) {
    if (!made) return false;
    if (!*out) {
        *out = made;
        return true;
    }
    bool ok = tw_resize(*out, made->sizes, made->ndim) && tw_copy(*out, made);
    tw_release(made);
    return ok;
}

/* --- nonzero -------------------------------------------------------------------------------------------------------- */

bool tw_nonzero_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *made = NULL;
    tw_mask mask;
    if (!tw_mask_init(&mask, self)) return false;
    /* PyTorch's result is laid out column by column. */
    const int64_t sizes[2] = {mask.count, self->ndim}, strides[2] = {1, mask.count};
    made = self->ndim ? tw_empty_strided_new(sizes, strides, 2, TW_INT64, self->device) : tw_empty_new(sizes, 2, TW_INT64, self->device);
    if (made && made->numel) tw_mask_coordinates(&mask, tw_data(made));
    tw_mask_clear(&mask);
    return tw_hand_over(made, &outs[0]);
}

/* --- index_select ----------------------------------------------------------------------------------------------------- */

bool tw_index_select_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *index = a[2].t;
    int64_t dim = a[1].i, sizes[TW_MAX_DIMS];
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (index->ndim > 1) return tw_fail(TW_INDEX_ERROR, "index_select(): Index is supposed to be a vector");
    if (self->ndim == 0 && index->numel != 1)
        return tw_fail(TW_RUNTIME_ERROR, "index_select(): Index to scalar can have only 1 value, got %lld value(s)",
                       (long long)index->numel);
    if (index->dtype != TW_INT64 && index->dtype != TW_INT32)
        return tw_fail(TW_RUNTIME_ERROR, "index_select(): Expected dtype int32 or int64 for index");
    memcpy(sizes, self->sizes, sizeof(int64_t) * self->ndim);
    if (self->ndim) sizes[dim] = index->numel;
    return tw_meta_set(out, (tw_dtype)self->dtype, self->device, sizes, self->ndim);
}

/* Rows of `bytes` bytes: k of them, named by `at`, from each of `outer` blocks of n. */
typedef struct picked { const char *from; char *to; const int64_t *at; int64_t n, k; size_t bytes; } picked;

/* Asks for the beginning of a row; the processor guesses the rest. */
static inline void ask(const char *row, size_t bytes) {
    for (size_t i = 0; i < bytes && i < 512; i += 64) __builtin_prefetch(row + i);
}

#define COPY_ROWS(SIZE) \
    for (int64_t r = begin; r < end; r++) { \
        memcpy(to, p->from + (size_t)(block * p->n + p->at[i]) * p->bytes, SIZE); \
        to += p->bytes; \
        if (++i == p->k) i = 0, block++; \
    } \
    return

static void pick_rows(void *context, int64_t begin, int64_t end) {
    enum { AHEAD = 4 };
    const picked *p = context;
    int64_t block = begin / p->k, i = begin % p->k;
    char *to = p->to + (size_t)begin * p->bytes;
    switch (p->bytes) {
    case 1: COPY_ROWS(1);
    case 2: COPY_ROWS(2);
    case 4: COPY_ROWS(4);
    case 8: COPY_ROWS(8);
    case 16: COPY_ROWS(16);
    default: break;
    }
    for (int64_t r = begin; r < end; r++) {
        if (i + AHEAD < p->k) ask(p->from + (size_t)(block * p->n + p->at[i + AHEAD]) * p->bytes, p->bytes);
        memcpy(to, p->from + (size_t)(block * p->n + p->at[i]) * p->bytes, p->bytes);
        to += p->bytes;
        if (++i == p->k) i = 0, block++;
    }
}

/* self as (outer, n, inner): `inner` elements per place when it is contiguous. */
bool tw_index_select_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = tw_contiguous_new(a[0].t, (tw_dtype)a[0].t->dtype), *index = tw_contiguous_new(a[2].t, TW_INT64), *out = outs[0];
    tw_tensor *made = NULL;
    bool ok = false;
    int64_t dim = a[1].i, outer = 1, inner = 1;
    if (!self || !index || !tw_wrap_dim(&dim, self->ndim)) goto done;
    for (int d = 0; d < dim; d++) outer *= self->sizes[d];
    for (int d = (int)dim + 1; d < self->ndim; d++) inner *= self->sizes[d];
    int64_t n = self->ndim ? self->sizes[dim] : 1, k = index->numel;
    const int64_t *at = index->numel ? tw_data(index) : NULL;
    for (int64_t i = 0; i < k; i++)
        if (at[i] < 0 || at[i] >= n) {
            tw_fail(TW_INDEX_ERROR, "index out of range in self");
            goto done;
        }
    if (!tw_is_contiguous(out)) out = made = tw_empty_new(out->sizes, out->ndim, (tw_dtype)out->dtype, out->device);
    if (!out) goto done;
    if (out->numel) {
        picked p = {tw_data(self), tw_data(out), at, n, k, (size_t)inner * tw_dtype_size((tw_dtype)self->dtype)};
        tw_parallel(outer * k, 1 + (int64_t)(65536 / p.bytes), pick_rows, &p);
    }
    ok = !made || tw_copy(outs[0], made);
done:
    tw_release(self);
    tw_release(index);
    tw_release(made);
    return ok;
}

/* --- masked_fill -------------------------------------------------------------------------------------------------------- */

static const char *scalar_type_text(tw_dtype d) {
    static const char *const names[] = {"bool", "unsigned char", "signed char", "short int", "int", "long int", "c10::Half",
        "c10::BFloat16", "float", "double", "c10::complex<c10::Half>", "c10::complex<float>", "c10::complex<double>"};
    return d <= TW_COMPLEX128 ? names[d] : tw_dtypes[d].name;
}

bool tw_masked_fill_Scalar_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *mask = a[1].t;
    int64_t sizes[TW_MAX_DIMS];
    int ndim;
    if (mask->dtype != TW_BOOL)
        return tw_fail(TW_RUNTIME_ERROR, "masked_fill_ only supports boolean masks, but got mask with dtype %s",
                       scalar_type_text((tw_dtype)mask->dtype));
    /* PyTorch names the mask first in its text about sizes. */
    tw_arg both[2] = {a[1], a[0]};
    return tw_broadcast_sizes(both, 2, sizes, &ndim) && tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, sizes, ndim);
}

bool tw_masked_fill_Tensor_meta(const tw_arg *a, tw_meta *out) {
    if (a[2].t->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %d dimension(s).",
                       a[2].t->ndim);
    return tw_masked_fill_Scalar_meta(a, out);
}

typedef struct filling { tw_iter it; int size; const void *value; int nops; } filling;

/* Runs [begin, end) of the fastest dim, in pieces. Operands: out, mask, and what out starts from. */
static void fill_range(void *context, int64_t begin, int64_t end) {
    const filling *f = context;
    int64_t counters[TW_MAX_DIMS], bytes = 1 << f->size;
    tw_iter_seek(&f->it, begin, counters);
    for (int64_t done = begin; done < end;) {
        const int64_t rest = f->it.ndim ? f->it.sizes[0] - counters[0] : 1, run = rest < end - done ? rest : end - done;
        char *to = tw_iter_at(&f->it, &f->it.op[0], counters);
        const char *mask = tw_iter_at(&f->it, &f->it.op[1], counters);
        const char *from = f->nops > 2 ? tw_iter_at(&f->it, &f->it.op[2], counters) : to;
        const int64_t step = f->it.op[0].strides[0], mask_step = f->it.op[1].strides[0], from_step = f->nops > 2 ? f->it.op[2].strides[0] : step;
        if (step == bytes && mask_step == 1 && from_step == bytes) {
            tw_compact()->fill[f->size](run, (const uint8_t *)mask, f->value, from, to);
        } else {
            if (from != to) tw_move()->move[f->size](run, to, step, from, from_step);
            tw_fill_masked(run, (size_t)bytes, to, step, mask, mask_step, f->value);
        }
        tw_iter_advance(&f->it, counters, run);
        done += run;
    }
}

static bool fill(tw_tensor *out, tw_tensor *self, tw_tensor *mask, const void *value) {
    filling f = {.size = __builtin_ctzll(tw_dtype_size((tw_dtype)out->dtype)), .value = value, .nops = 3};
    tw_tensor *ops[3] = {out, mask, self};
    const bool apart = out->storage != self->storage && out->storage != mask->storage && !(self->flags & (TW_CONJ | TW_NEG));
    if (!apart) {
        f.nops = 2;
        if (!tw_start_from(out, self)) return false;
    }
    if (out->numel == 0) return true;
    tw_iter_init(&f.it, out->sizes, out->ndim, ops, f.nops);
    tw_parallel(f.it.numel, 32768, fill_range, &f);
    return true;
}

static bool fill_scalar(tw_tensor *out, tw_tensor *self, tw_tensor *mask, tw_scalar value) {
    char bytes[16];
    tw_dtype dtype = (tw_dtype)out->dtype;
    if (!tw_check_number(value, dtype)) return false;
    tw_store_scalar(bytes, dtype, value);
    return fill(out, self, mask, bytes);
}

bool tw_masked_fill_Scalar_run(const tw_arg *a, tw_tensor **outs) {
    return fill_scalar(outs[0], a[0].t, a[1].t, tw_a_to_scalar(&a[2]));
}

bool tw_masked_fill_Tensor_run(const tw_arg *a, tw_tensor **outs) {
    return fill_scalar(outs[0], a[0].t, a[1].t, tw_load_scalar(tw_data(a[2].t), (tw_dtype)a[2].t->dtype));
}
