/* linspace and logspace between numbers that 0-d tensors hold. */
#include "composite/boxed.h"
#include "core/device.h"
#include "ops/copy.h"
#include "ops_decl.h"

/* On a device without data the result has the sizes and dtype that any number would give. */
static bool number_in(const tw_arg *a, tw_arg *number) {
    *number = *a;
    if (a->tag != TW_ARG_TENSOR) return true;
    const tw_dtype dtype = (tw_dtype)a->t->dtype;
    if (!tw_device_of(a->t->device)->has_data) {
        *number = tw_is_complex(dtype) ? tw_a_scalar(tw_complex(0, 0)) : tw_is_float(dtype) ? F(0) : I(0);
        return true;
    }
    tw_tensor *plain = tw_contiguous_new(a->t, dtype);
    if (!plain) return false;
    *number = tw_a_scalar(tw_load_scalar(tw_data(plain), dtype));
    tw_release(plain);
    return true;
}

static bool check_ends(const char *name, const tw_arg *a) {
    const bool start = a[0].tag == TW_ARG_TENSOR, end = a[1].tag == TW_ARG_TENSOR;
    const int d0 = start ? a[0].t->ndim : 0, d1 = end ? a[1].t->ndim : 0;
    if (start && end && (d0 || d1))
        return tw_fail(TW_RUNTIME_ERROR, "%s only supports 0-dimensional start and end tensors, but got start with %d dimension(s) and "
                       "end with %d dimension(s).", name, d0, d1);
    if (!d0 && !d1) return true;
    return tw_fail(TW_RUNTIME_ERROR, "%s only supports 0-dimensional start and end tensors, but got %s with %d dimension(s).", name,
                   d0 ? "start" : "end", d0 ? d0 : d1);
}

/* Where an end is on a device without data, so is the result, whatever device is asked for. */
static tw_arg device_of(const tw_arg *a, const tw_arg *asked) {
    for (int i = 0; i < 2; i++)
        if (a[i].tag == TW_ARG_TENSOR && !tw_device_of(a[i].t->device)->has_data) return I(a[i].t->device);
    return *asked;
}

static bool is_batched(const tw_arg *a) { return a->tag == TW_ARG_TENSOR && (a->t->flags & TW_BATCHED); }

/* Under vmap each sample has ends of its own: the steps from 0 to 1, stretched. */
static tw_tensor *stretched(tw_pool *p, const tw_arg *a, const tw_arg *options) {
    const tw_dtype dtype = options[0].tag == TW_ARG_NONE ? tw_default_dtype() : (tw_dtype)options[0].i;
    const tw_dtype exact = tw_is_integral(dtype) ? TW_FLOAT64 : dtype;
    tw_tensor *w = TEMP(p, linspace, I(0), I(1), a[2], I(exact), options[1], options[2], options[3]);
    tw_tensor *width = a[1].tag == TW_ARG_TENSOR ? TEMP(p, sub, a[1], a[0]) : TEMP(p, rsub, a[0], a[1]);
    tw_tensor *y = TEMP(p, add, T(TEMP(p, mul, T(w), T(width))), a[0]);
    return y && y->dtype != exact ? TEMP(p, _to_copy, T(y), I(exact)) : y;
}

static bool between(const tw_arg *a, tw_tensor **out) {
    tw_arg from, to;
    if (!check_ends("linspace", a)) return false;
    if (is_batched(&a[0]) || is_batched(&a[1])) {
        tw_pool p = {0};
        tw_tensor *y = stretched(&p, a, a + 3);
        const bool whole = a[3].tag == TW_ARG_INT && tw_is_integral((tw_dtype)a[3].i);
        return tw_pool_give(&p, out, y && whole ? TEMP(&p, _to_copy, T(y), a[3]) : y);
    }
    if (!number_in(&a[0], &from) || !number_in(&a[1], &to)) return false;
    *out = CALL(linspace, from, to, a[2], a[3], a[4], device_of(a, &a[5]), a[6]);
    return *out != NULL;
}

static bool powers_between(const tw_arg *a, tw_tensor **out) {
    tw_arg from, to;
    if (!check_ends("logspace", a)) return false;
    if (is_batched(&a[0]) || is_batched(&a[1])) {
        tw_pool p = {0};
        tw_tensor *y = stretched(&p, a, a + 4), *powers = y ? TEMP(&p, pow, F(tw_a_get_double(&a[3], 10)), T(y)) : NULL;
        const bool whole = a[4].tag == TW_ARG_INT && tw_is_integral((tw_dtype)a[4].i);
        return tw_pool_give(&p, out, powers && whole ? TEMP(&p, _to_copy, T(powers), a[4]) : powers);
    }
    if (!number_in(&a[0], &from) || !number_in(&a[1], &to)) return false;
    *out = CALL(logspace, from, to, a[2], a[3], a[4], a[5], device_of(a, &a[6]), a[7]);
    return *out != NULL;
}

bool tw_linspace_Tensor_Tensor_composite(const tw_arg *a, tw_tensor **out) { return between(a, out); }
bool tw_linspace_Scalar_Tensor_composite(const tw_arg *a, tw_tensor **out) { return between(a, out); }
bool tw_linspace_Tensor_Scalar_composite(const tw_arg *a, tw_tensor **out) { return between(a, out); }
bool tw_logspace_Tensor_Tensor_composite(const tw_arg *a, tw_tensor **out) { return powers_between(a, out); }
bool tw_logspace_Scalar_Tensor_composite(const tw_arg *a, tw_tensor **out) { return powers_between(a, out); }
bool tw_logspace_Tensor_Scalar_composite(const tw_arg *a, tw_tensor **out) { return powers_between(a, out); }
