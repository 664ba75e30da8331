/* Activations made of others. */
#include "entries.h"
#include "ops_decl.h"
#include <string.h>

/* Klambauer et al. 2017, "Self-normalizing neural networks". */
static const double SELU_ALPHA = 1.6732632423543772848170429916717, SELU_SCALE = 1.0507009873554804934193349852946;

bool tw_selu_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = tw_op_elu(a[0].t, tw_float(SELU_ALPHA), tw_float(SELU_SCALE), tw_int(1));
    return outs[0] != NULL;
}

bool tw_celu_composite(const tw_arg *a, tw_tensor **outs) {
    double alpha = tw_a_get_double(&a[1], 1);
    if (alpha == 0) return tw_fail(TW_RUNTIME_ERROR, "ZeroDivisionError: alpha cannot be 0 for CELU");
    outs[0] = tw_op_elu(a[0].t, tw_float(alpha), tw_int(1), tw_float(1 / alpha));
    return outs[0] != NULL;
}

bool tw_gelu_composite(const tw_arg *a, tw_tensor **outs) {
    const char *how = a[1].tag == TW_ARG_STRING ? a[1].s : "none";
    if (strcmp(how, "none") == 0) outs[0] = tw_op__gelu(a[0].t);
    else if (strcmp(how, "tanh") == 0) outs[0] = tw_op__gelu_tanh(a[0].t);
    else return tw_fail(TW_RUNTIME_ERROR, "approximate argument must be either none or tanh.");
    return outs[0] != NULL;
}

/* weight: one slope, or one per channel (dimension 1 of self). */
bool tw_prelu_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *weight = a[1].t;
    if (self->dtype != weight->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "prelu: Type promoting not supported. Got %s and %s", tw_dtypes[self->dtype].type_name,
                       tw_dtypes[weight->dtype].type_name);
    if (weight->numel == 1) {
        int64_t ones[TW_MAX_DIMS];
        for (int i = 0; i < self->ndim; i++) ones[i] = 1;
        tw_tensor *slope = tw_op_reshape(weight, ones, self->ndim);
        outs[0] = tw_op__prelu_kernel(self, slope);
        tw_release(slope);
        return outs[0] != NULL;
    }
    if (weight->ndim > 1)
        return tw_fail(TW_RUNTIME_ERROR, "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = %d", weight->ndim);
    if (self->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "Not allow zero-dim input tensor.");
    int64_t channels = self->ndim > 1 ? self->sizes[1] : 1, shape[TW_MAX_DIMS];
    if (channels != weight->numel)
        return tw_fail(TW_RUNTIME_ERROR, "Mismatch of parameter numbers and input channel size. Found parameter numbers = %lld and "
                       "channel size = %lld.", (long long)weight->numel, (long long)channels);
    for (int i = 0; i < self->ndim; i++) shape[i] = i == 1 ? channels : 1;
    tw_tensor *slope = tw_op_reshape(weight, shape, self->ndim);
    outs[0] = tw_op__prelu_kernel(self, slope);
    tw_release(slope);
    return outs[0] != NULL;
}

bool tw_glu_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t;
    int64_t dim = tw_a_get_int(&a[1], -1);
    if (self->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "glu does not support 0-dimensional tensors");
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    int64_t size = self->sizes[dim];
    if (size % 2 != 0)
        return tw_fail(TW_RUNTIME_ERROR, "Halving dimension must be even, but dimension %lld is size %lld", (long long)dim, (long long)size);
    tw_tensor *first = tw_op_narrow(self, dim, 0, size / 2), *second = tw_op_narrow(self, dim, size / 2, size / 2);
    tw_tensor *gate = tw_op_sigmoid(second);
    outs[0] = tw_op_mul(first, gate);
    tw_release(first);
    tw_release(second);
    tw_release(gate);
    return outs[0] != NULL;
}
