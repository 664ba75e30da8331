/* index_select, masked_fill, nonzero, and what they share with other indexing. */
#include "core/memory.h"
#include "kernels/copy.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/iterate.h"
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

static int64_t count_bytes(const uint8_t *p, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += p[i] != 0;
    return count;
}

int64_t tw_count_nonzero_elements(const tw_tensor *t) {
    tw_tensor *truth = tw_contiguous_new((tw_tensor *)t, TW_BOOL);
    if (!truth) return -1;
    int64_t count = truth->numel ? count_bytes(tw_data(truth), truth->numel) : 0;
    tw_release(truth);
    return count;
}

bool tw_list_nonzero(const tw_tensor *t, int64_t *flat, int64_t n) {
    tw_tensor *truth = tw_contiguous_new((tw_tensor *)t, TW_BOOL);
    if (!truth) return false;
    const uint8_t *p = truth->numel ? tw_data(truth) : NULL;
    for (int64_t i = 0, k = 0; i < truth->numel && k < n; i++)
        if (p[i]) flat[k++] = i;
    tw_release(truth);
    return true;
}

bool tw_nonzero_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *truth = tw_contiguous_new(self, TW_BOOL), *made = NULL;
    if (!truth) return false;
    const uint8_t *p = truth->numel ? tw_data(truth) : NULL;
    /* PyTorch's result is laid out column by column. */
    int64_t n = count_bytes(p, truth->numel), sizes[2] = {n, self->ndim}, strides[2] = {1, n}, counters[TW_MAX_DIMS] = {0};
    made = self->ndim ? tw_empty_strided_new(sizes, strides, 2, TW_INT64, self->device)
                           : tw_empty_new(sizes, 2, TW_INT64, self->device);
    if (made && made->numel) {
        int64_t *to = tw_data(made);
        for (int64_t i = 0; i < truth->numel; i++) {
            for (int d = 0; p[i] && d < self->ndim; d++) to[d * n] = counters[d];
            to += p[i] != 0;
            for (int d = self->ndim - 1; d >= 0 && ++counters[d] == self->sizes[d]; d--) counters[d] = 0;
        }
    }
    tw_release(truth);
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
    size_t bytes = (size_t)inner * tw_dtype_size((tw_dtype)self->dtype);
    if (out->numel) {
        const char *from = tw_data(self);
        char *to = tw_data(out);
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < k; i++) memcpy(to + (size_t)(o * k + i) * bytes, from + (size_t)(o * n + at[i]) * bytes, bytes);
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

static bool fill(tw_tensor *out, tw_tensor *self, tw_tensor *mask, const void *value) {
    tw_iter it;
    tw_tensor *ops[2] = {out, mask};
    int64_t counters[TW_MAX_DIMS] = {0};
    if (!tw_start_from(out, self)) return false;
    if (out->numel == 0) return true;
    tw_iter_init(&it, out->sizes, out->ndim, ops, 2);
    int64_t run = it.ndim ? it.sizes[0] : 1;
    for (int64_t done = 0; done < it.numel; done += run) {
        tw_fill_masked(run, tw_dtype_size((tw_dtype)out->dtype), tw_iter_at(&it, &it.op[0], counters),
                       it.ndim ? it.op[0].strides[0] : 0, tw_iter_at(&it, &it.op[1], counters), it.ndim ? it.op[1].strides[0] : 0, value);
        if (it.ndim) tw_iter_advance(&it, counters, run);
    }
    return true;
}

static bool fill_scalar(tw_tensor *out, tw_tensor *self, tw_tensor *mask, tw_scalar value) {
    char bytes[16];
    tw_dtype dtype = (tw_dtype)out->dtype;
    if (!tw_scalar_fits(value, dtype)) {
        static const char *const names[] = {"bool", "uint8_t", "int8_t", "int16_t", "int", "int64_t", "at::Half", "at::BFloat16", "float",
            "double", "c10::complex<at::Half>", "c10::complex<float>", "c10::complex<double>"};
        return tw_fail(TW_RUNTIME_ERROR, "value cannot be converted to type %s without overflow",
                       dtype <= TW_COMPLEX128 ? names[dtype] : tw_dtypes[dtype].name);
    }
    tw_store_scalar(bytes, dtype, value);
    return fill(out, self, mask, bytes);
}

bool tw_masked_fill_Scalar_run(const tw_arg *a, tw_tensor **outs) {
    return fill_scalar(outs[0], a[0].t, a[1].t, tw_a_to_scalar(&a[2]));
}

bool tw_masked_fill_Tensor_run(const tw_arg *a, tw_tensor **outs) {
    return fill_scalar(outs[0], a[0].t, a[1].t, tw_load_scalar(tw_data(a[2].t), (tw_dtype)a[2].t->dtype));
}
