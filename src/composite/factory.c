/* linspace between numbers that 0-d tensors hold. */
#include "composite/boxed.h"
#include "core/device.h"
#include "ops/copy.h"
#include "ops_decl.h"

static bool number_in(const tw_arg *a, tw_arg *number) {
    *number = *a;
    if (a->tag != TW_ARG_TENSOR) return true;
    tw_tensor *plain = tw_contiguous_new(a->t, (tw_dtype)a->t->dtype);
    if (!plain) return false;
    const bool held = tw_device_of(plain->device)->has_data;
    if (held) *number = tw_a_scalar(tw_load_scalar(tw_data(plain), (tw_dtype)plain->dtype));
    tw_release(plain);
    return held || tw_fail(TW_RUNTIME_ERROR, "Tensor.item() cannot be called on meta tensors");
}

static bool between(const tw_arg *a, tw_tensor **out) {
    const bool start = a[0].tag == TW_ARG_TENSOR, end = a[1].tag == TW_ARG_TENSOR;
    const int d0 = start ? a[0].t->ndim : 0, d1 = end ? a[1].t->ndim : 0;
    tw_arg from, to;
    if (start && end && (d0 || d1))
        return tw_fail(TW_RUNTIME_ERROR, "linspace only supports 0-dimensional start and end tensors, but got start with %d dimension(s) and "
                       "end with %d dimension(s).", d0, d1);
    if (d0 || d1)
        return tw_fail(TW_RUNTIME_ERROR, "linspace only supports 0-dimensional start and end tensors, but got %s with %d dimension(s).",
                       d0 ? "start" : "end", d0 ? d0 : d1);
    if (!number_in(&a[0], &from) || !number_in(&a[1], &to)) return false;
    *out = CALL(linspace, from, to, a[2], a[3], a[4], a[5], a[6]);
    return *out != NULL;
}

bool tw_linspace_Tensor_Tensor_composite(const tw_arg *a, tw_tensor **out) { return between(a, out); }
bool tw_linspace_Scalar_Tensor_composite(const tw_arg *a, tw_tensor **out) { return between(a, out); }
bool tw_linspace_Tensor_Scalar_composite(const tw_arg *a, tw_tensor **out) { return between(a, out); }
