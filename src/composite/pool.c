/* Pooling as users call it. */
#include "composite/boxed.h"
#include "ops_decl.h"

static bool largest(const tw_arg *a, int op, tw_tensor **outs) {
    tw_tensor *both[2] = {NULL, NULL};
    if (tw_failed() || !tw_call(&tw_ops[op], a, both)) return false;
    tw_release(both[1]);
    outs[0] = both[0];
    return true;
}

static bool one_entry(const tw_arg *a, const char *what, const char *kinds, bool may_be_empty) {
    if (a->tag != TW_ARG_INTS || a->n == 1 || (may_be_empty && a->n == 0)) return true;
    return tw_fail(TW_RUNTIME_ERROR, "max_pool1d() %s must be %s of size 1 but got size %d", what, kinds, a->n);
}

static int64_t entry(const tw_arg *a, int64_t otherwise) {
    return a->tag == TW_ARG_INTS ? a->n ? a->ints[0] : otherwise : tw_a_get_int(a, otherwise);
}

/* PyTorch's checks of max_pool1d, which are not those of max_pool1d_with_indices. */
static bool check_max_pool1d(const tw_arg *a) {
    const tw_tensor *x = a[0].t;
    bool valid = x->ndim == 2 || x->ndim == 3;
    for (int i = x->ndim == 3; valid && i < x->ndim; i++) valid = x->sizes[i] != 0;
    if (!valid) {
        return tw_fail(TW_RUNTIME_ERROR, "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:%s",
                       tw_sizes_text(x->sizes, x->ndim));
    }
    if (!one_entry(&a[1], "kernel_size", "an int, list of ints or tuple of ints", false) ||
        !one_entry(&a[2], "stride", "None, an int, list of ints, or tuple of ints", true) ||
        !one_entry(&a[3], "padding", "an int, list of ints, or tuple of ints", false) ||
        !one_entry(&a[4], "dilation", "an int, list of ints or tuple of ints", false)) return false;
    int64_t kernel = entry(&a[1], 1), stride = entry(&a[2], kernel), padding = entry(&a[3], 0), dilation = entry(&a[4], 1);
    const char *below = kernel <= 0 ? "kernel_size" : stride <= 0 ? "stride" : NULL;
    if (below) {
        return tw_fail(TW_RUNTIME_ERROR, "max_pool1d() %s must be greater than zero, but got %lld", below, (long long)(kernel <= 0 ? kernel : stride));
    }
    if (padding < 0) return tw_fail(TW_RUNTIME_ERROR, "max_pool1d() padding must be non-negative, but got %lld", (long long)padding);
    if (padding > kernel / 2) {
        return tw_fail(TW_RUNTIME_ERROR, "max_pool1d() padding should be at most half of kernel size, but got padding=%lld and kernel_size=%lld",
                       (long long)padding, (long long)kernel);
    }
    if (dilation <= 0) return tw_fail(TW_RUNTIME_ERROR, "max_pool1d() dilation must be greater than zero, but got %lld", (long long)dilation);
    int64_t span, reach;
    if (__builtin_mul_overflow(dilation, kernel - 1, &reach) || __builtin_add_overflow(x->sizes[x->ndim - 1], 2 * padding, &span))
        return tw_fail(TW_RUNTIME_ERROR, "value cannot be converted to type int without overflow");
    span = span - reach - 1;
    if (span < 0 && !tw_a_get_int(&a[5], 0)) {
        int64_t size = -((-span - 1) / stride + 1) + 1;
        return tw_fail(TW_RUNTIME_ERROR, "max_pool1d() Invalid computed output size: %lld", (long long)size);
    }
    if (tw_is_float((tw_dtype)x->dtype)) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"max_pool1d_impl\" not implemented for '%s'", tw_dtypes[x->dtype].type_name);
}

bool tw_max_pool1d_composite(const tw_arg *a, tw_tensor **outs) {
    return check_max_pool1d(a) && largest(a, TW_OP_max_pool1d_with_indices, outs);
}
bool tw_max_pool2d_composite(const tw_arg *a, tw_tensor **outs) { return largest(a, TW_OP_max_pool2d_with_indices, outs); }
bool tw_max_pool3d_composite(const tw_arg *a, tw_tensor **outs) { return largest(a, TW_OP_max_pool3d_with_indices, outs); }

/* One place for all is a mean over the last dimensions, for complex numbers too; in two and three dimensions its result has both
 * memory formats, as a plane of one element has. */
static tw_tensor *mean_of_all(tw_tensor *x, int dims) {
    static const int64_t last[] = {-1, -2, -3};
    return CALL(mean_dim, T(x), INTS(last, dims), B(true));
}

static bool adaptive(const tw_arg *a, int dims, tw_tensor **outs) {
    tw_tensor *x = a[0].t;
    const tw_arg *size = &a[1];
    if (dims == 1 && x->ndim != 2 && x->ndim != 3) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected 2 to 3 dimensions, but got %d-dimensional tensor for argument #1 'self' (while checking arguments for "
                       "adaptive_avg_pool1d)", x->ndim);
    }
    if (size->tag == TW_ARG_INTS && size->n != dims) {
        if (dims == 1) return tw_fail(TW_RUNTIME_ERROR, "adaptive_avg_pool1d() argument 'output_size' should contain one int (got %d)", size->n);
        return tw_fail(TW_RUNTIME_ERROR, "adaptive_avg_pool%dd: output_size must be %d", dims, dims);
    }
    bool all_ones = true, negative = false;
    int64_t sizes[3];
    for (int i = 0; i < dims; i++) {
        sizes[i] = size->tag == TW_ARG_INTS ? size->ints[i] : tw_a_get_int(size, 1);
        all_ones = all_ones && sizes[i] == 1, negative = negative || sizes[i] < 0;
    }
    if (negative) {
        char text[80];
        int n = 0;
        if (dims == 1) n = snprintf(text, sizeof text, "1, ");
        for (int i = 0; i < dims; i++) {
            n += snprintf(text + n, sizeof text - (size_t)n, i == 1 ? ", %lld" : i == 2 ? ",%lld" : "%lld", (long long)sizes[i]);
        }
        return tw_fail(TW_RUNTIME_ERROR, "adaptive_avg_pool%dd: elements of output_size must be greater than or equal to 0 but received {%s}",
                       dims == 1 ? 2 : dims, text);
    }
    outs[0] = all_ones && x->ndim > dims ? mean_of_all(x, dims) : CALL(_adaptive_avg_pool, T(x), I(dims), INTS(sizes, dims));
    return outs[0] != NULL;
}

bool tw_adaptive_avg_pool1d_composite(const tw_arg *a, tw_tensor **outs) { return adaptive(a, 1, outs); }
bool tw_adaptive_avg_pool2d_composite(const tw_arg *a, tw_tensor **outs) { return adaptive(a, 2, outs); }
bool tw_adaptive_avg_pool3d_composite(const tw_arg *a, tw_tensor **outs) { return adaptive(a, 3, outs); }
