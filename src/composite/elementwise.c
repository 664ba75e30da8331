/* Elementwise ops made of others. */
#include "entries.h"
#include "kernels/number.h"
#include "ops/elementwise.h"
#include "ops_decl.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* out = op(x, y, z) over n boxed arguments. */
static bool one(tw_tensor **out, int op, int n, const tw_arg *args) {
    *out = tw_call1(op, n, args);
    return *out != NULL;
}

bool tw_conj_physical_composite(const tw_arg *a, tw_tensor **outs) {
    return (outs[0] = tw_is_complex((tw_dtype)a[0].t->dtype) ? tw_op__conj_physical(a[0].t) : tw_retain(a[0].t)) != NULL;
}

bool tw_positive_composite(const tw_arg *a, tw_tensor **outs) {
    if (a[0].t->dtype == TW_BOOL) return tw_fail(TW_RUNTIME_ERROR, "The `+` operator, on a bool tensor is not supported.");
    outs[0] = tw_retain(a[0].t);
    return true;
}

bool tw_div_Tensor_mode_composite(const tw_arg *a, tw_tensor **outs) {
    const char *mode = a[2].tag == TW_ARG_STRING ? a[2].s : NULL;
    if (!mode) return one(outs, TW_OP_div, 2, a);
    if (strcmp(mode, "floor") == 0) return one(outs, TW_OP_floor_divide, 2, a);
    if (strcmp(mode, "trunc") == 0) return one(outs, TW_OP__trunc_divide, 2, a);
    return tw_fail(TW_RUNTIME_ERROR, "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '%s'", mode);
}

static bool clamp(const tw_arg *a, tw_tensor **outs) {
    bool low = a[1].tag != TW_ARG_NONE, high = a[2].tag != TW_ARG_NONE;
    if (!low && !high) return tw_fail(TW_RUNTIME_ERROR, "torch.clamp: At least one of 'min' or 'max' must not be None");
    if (tw_is_complex((tw_dtype)a[0].t->dtype)) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "clamp is not supported for complex types");
    const tw_arg limit[] = {a[0], low ? a[1] : a[2]};
    const tw_dtype dtype = tw_result_type(a, 3);
    if (dtype == TW_DTYPE_NONE) return false;
    if (tw_is_complex(dtype) && tw_is_integral((tw_dtype)a[0].t->dtype))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "clamp is not supported for complex types");
    for (int i = 1; i < 3; i++)
        if (tw_a_is_number(&a[i]) && !tw_check_number(tw_a_to_scalar(&a[i]), tw_is_complex(dtype) ? TW_FLOAT64 : dtype)) return false;
    if (low && high) return one(outs, TW_OP__clamp, 3, a);
    return one(outs, low ? TW_OP_clamp_min : TW_OP_clamp_max, 2, limit);
}

bool tw_clamp_composite(const tw_arg *a, tw_tensor **outs) { return clamp(a, outs); }
bool tw_clamp_Tensor_composite(const tw_arg *a, tw_tensor **outs) { return clamp(a, outs); }

/* Real: zeros. Complex, as PyTorch's sgn_backward: (grad - real(grad * conj(sgn)) * sgn) / |self|, and 0 where self is 0. */
bool tw__sgn_backward_composite(const tw_arg *a, tw_tensor **outs) {
    if (!tw_is_complex((tw_dtype)a[1].t->dtype)) {
        outs[0] = tw_op_mul_s(a[0].t, tw_int(0));
        return outs[0] != NULL;
    }
    tw_tensor *sgn = a[2].t, *grad = a[0].t;
    tw_tensor *conj = tw_op_conj_physical(sgn), *turned = tw_op_mul(conj, grad), *along = tw_op__real(turned);
    tw_tensor *part = tw_op_mul(sgn, along), *rest = tw_op_sub(grad, part, tw_int(1)), *length = tw_op_abs(a[1].t);
    tw_tensor *ratio = tw_op_div(rest, length), *at_zero = tw_op_eq_s(length, tw_int(0));
    const tw_arg chosen[] = {tw_a_tensor(at_zero), tw_a_int(0), tw_a_tensor(ratio)};
    bool ok = !tw_failed() && one(outs, TW_OP_where, 3, chosen);
    tw_tensor *made[] = {conj, turned, along, part, rest, length, ratio, at_zero};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) tw_release(made[i]);
    return ok;
}

/* Largest finite value of a floating dtype. */
static double largest(tw_dtype dtype) {
    switch (dtype) {
    case TW_FLOAT16: return 65504.0;
    case TW_BFLOAT16: return 0x1.fep127;
    case TW_FLOAT64: return DBL_MAX;
    default: return FLT_MAX;
    }
}

bool tw_nan_to_num_composite(const tw_arg *a, tw_tensor **outs) {
    tw_dtype dtype = (tw_dtype)a[0].t->dtype;
    if (tw_is_complex(dtype)) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "nan_to_num of complex tensors is not implemented");
    if (tw_is_integral(dtype)) { /* nothing to replace: a copy */
        outs[0] = tw_op_maximum(a[0].t, a[0].t);
        return outs[0] != NULL;
    }
    double most = largest(dtype);
    outs[0] = tw_op__nan_to_num(a[0].t, tw_a_get_double(&a[1], 0), tw_a_get_double(&a[2], most), tw_a_get_double(&a[3], -most));
    return outs[0] != NULL;
}

bool tw_round_decimals_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t decimals = tw_a_get_int(&a[1], 0);
    const tw_dtype dtype = (tw_dtype)a[0].t->dtype;
    if (!tw_is_float(dtype))
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", decimals == 0 ? "round_vml_cpu" : "round_cpu",
                       tw_dtypes[dtype].type_name);
    if (decimals == 0) outs[0] = tw_op_round(a[0].t);
    else outs[0] = tw_op__round_decimals(a[0].t, tw_float(tw_number()->pow(10, fabs((double)decimals))), decimals < 0);
    return outs[0] != NULL;
}

bool tw_special_round_composite(const tw_arg *a, tw_tensor **outs) { return tw_round_decimals_composite(a, outs); }

bool tw_conj_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = tw_is_complex((tw_dtype)a[0].t->dtype) ? tw_op__conj(a[0].t) : tw_retain(a[0].t);
    return outs[0] != NULL;
}
