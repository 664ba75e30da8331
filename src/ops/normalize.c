/* What normalisation ops share: see normalize.h. */
#include "ops/normalize.h"
#include "ops/copy.h"
#include "ops/linalg.h"

const tw_normalize_type *tw_normalize_of(tw_dtype d) {
    return tw_dtypes[d].compute == TW_FLOAT64 ? &tw_normalize()->f64 : &tw_normalize()->f32;
}

static bool fits(const tw_tensor *t, tw_dtype compute, bool last) {
    if (t->dtype != (int8_t)compute || (t->flags & (TW_CONJ | TW_NEG))) return false;
    if (!last) return tw_is_contiguous(t);
    return tw_is_contiguous_in(t, t->ndim == 5 ? TW_CHANNELS_LAST_3D : TW_CHANNELS_LAST);
}

tw_tensor *tw_normalize_input(tw_tensor *t, tw_dtype compute, bool last) {
    if (!t) return NULL;
    if (fits(t, compute, last)) return tw_retain(t);
    return tw_clone_new(t, compute, !last ? TW_CONTIGUOUS_FORMAT : t->ndim == 5 ? TW_CHANNELS_LAST_3D : TW_CHANNELS_LAST);
}

tw_tensor *tw_normalize_output(tw_tensor *to, tw_dtype compute, bool last) {
    int64_t strides[TW_MAX_DIMS];
    if (fits(to, compute, last)) return tw_retain(to);
    tw_format_strides(to->sizes, to->ndim, !last ? TW_CONTIGUOUS_FORMAT : to->ndim == 5 ? TW_CHANNELS_LAST_3D : TW_CHANNELS_LAST, strides);
    return tw_empty_strided_new(to->sizes, strides, to->ndim, compute, to->device);
}

bool tw_normalize_done(tw_tensor *to, tw_tensor *made) {
    bool ok = made == to || tw_copy(to, made);
    tw_release(made);
    return ok;
}

double tw_normalize_at(const tw_tensor *t, int64_t i) {
    int64_t step = t->ndim == 1 ? t->strides[0] : 1;
    return tw_scalar_double(tw_load_scalar((const char *)tw_data(t) + i * step * (int64_t)tw_dtype_size((tw_dtype)t->dtype), (tw_dtype)t->dtype));
}

void tw_normalize_set(const tw_tensor *t, int64_t i, double value) {
    int64_t step = t->ndim == 1 ? t->strides[0] : 1;
    tw_store_scalar((char *)tw_data(t) + i * step * (int64_t)tw_dtype_size((tw_dtype)t->dtype), (tw_dtype)t->dtype, tw_float(value));
}

bool tw_normalize_check_types(const tw_tensor *x, const char *kernel, tw_tensor *const *params, int n, bool *mixed) {
    tw_dtype d = (tw_dtype)x->dtype;
    bool half = d == TW_FLOAT16 || d == TW_BFLOAT16;
    *mixed = false;
    if (!tw_is_float(d) || d > TW_FLOAT64) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", kernel, tw_dtypes[d].type_name);
    for (int i = 0; i < n; i++) {
        const tw_tensor *p = params[i];
        if (!p || p->dtype == x->dtype) continue;
        if (!half) return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[d].type_name, tw_dtypes[p->dtype].type_name);
        if (p->dtype != TW_FLOAT32) return tw_fail(TW_RUNTIME_ERROR, "mixed dtype (CPU): expect parameter to have scalar type of Float");
        *mixed = true;
    }
    for (int i = 0; i < n && *mixed; i++) {
        if (params[i] && params[i]->dtype != TW_FLOAT32) {
            return tw_fail(TW_RUNTIME_ERROR, "mixed dtype (CPU): expect parameter to have scalar type of Float");
        }
    }
    return true;
}
