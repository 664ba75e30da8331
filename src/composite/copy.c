/* Conversions that copy only when they must. */
#include "composite/boxed.h"
#include "ops_decl.h"

static bool same(tw_tensor *t, tw_tensor **out) {
    *out = tw_retain(t);
    return true;
}

static bool convert(tw_tensor *t, tw_dtype dtype, tw_device device, bool copy, const tw_arg *format, tw_tensor **out) {
    int64_t f = tw_a_get_int(format, TW_PRESERVE_FORMAT);
    if (device == TW_DEVICE_NONE) device = t->device;
    if (!copy && dtype == (tw_dtype)t->dtype && device == t->device &&
        (f == TW_PRESERVE_FORMAT || tw_is_contiguous_in(t, (tw_memory_format)f)))
        return same(t, out);
    *out = CALL(_to_copy, T(t), I(dtype), NONE_, I(device), NONE_, B(false), *format);
    return *out != NULL;
}

bool tw_to_dtype_composite(const tw_arg *a, tw_tensor **out) {
    return convert(a[0].t, (tw_dtype)a[1].i, a[0].t->device, a[3].i != 0, &a[4], out);
}
bool tw_to_device_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = a[0].t;
    return convert(t, (tw_dtype)tw_a_get_int(&a[2], t->dtype), (tw_device)tw_a_get_int(&a[1], t->device), a[4].i != 0, &a[5], out);
}
bool tw_to_other_composite(const tw_arg *a, tw_tensor **out) {
    return convert(a[0].t, (tw_dtype)a[1].t->dtype, a[1].t->device, a[3].i != 0, &a[4], out);
}
bool tw_type_as_composite(const tw_arg *a, tw_tensor **out) {
    return convert(a[0].t, (tw_dtype)a[1].t->dtype, a[1].t->device, false, &TW_A_NONE, out);
}

bool tw_contiguous_composite(const tw_arg *a, tw_tensor **out) {
    tw_memory_format f = (tw_memory_format)tw_a_get_int(&a[1], TW_CONTIGUOUS_FORMAT);
    if (f == TW_PRESERVE_FORMAT) return tw_fail(TW_RUNTIME_ERROR, "preserve memory format is unsupported by the contiguous operator");
    if (tw_is_contiguous_in(a[0].t, f)) return same(a[0].t, out);
    *out = CALL(clone, a[0], I(f));
    return *out != NULL;
}

bool tw_resolve_conj_composite(const tw_arg *a, tw_tensor **out) {
    if (!(a[0].t->flags & TW_CONJ)) return same(a[0].t, out);
    *out = CALL(clone, a[0]);
    return *out != NULL;
}
bool tw_resolve_neg_composite(const tw_arg *a, tw_tensor **out) {
    if (!(a[0].t->flags & TW_NEG)) return same(a[0].t, out);
    *out = CALL(clone, a[0]);
    return *out != NULL;
}

static bool filled(const tw_arg *a, int op, tw_tensor **out) {
    tw_tensor *t = CALL(clone, a[0]);
    tw_arg args[] = {T(t), a[1]};
    if (!t || !tw_call_inplace(&tw_ops[op], args)) {
        tw_release(t);
        return false;
    }
    *out = t;
    return true;
}
bool tw_fill_Scalar_composite(const tw_arg *a, tw_tensor **out) { return filled(a, TW_OP_fill__Scalar, out); }
bool tw_fill_Tensor_composite(const tw_arg *a, tw_tensor **out) { return filled(a, TW_OP_fill__Tensor, out); }
