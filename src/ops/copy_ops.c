/* The ops of spec/copy.toml below autograd: clone, _to_copy, copy_, fill_, zero_. */
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <string.h>

static bool like(const tw_arg *a, tw_meta *out, tw_dtype dtype, tw_device device, const tw_arg *format) {
    tw_tensor *t = a[0].t;
    if (!tw_meta_set(out, dtype, device, t->sizes, t->ndim)) return false;
    tw_memory_format f = (tw_memory_format)tw_a_get_int(format, TW_PRESERVE_FORMAT);
    if (f == TW_PRESERVE_FORMAT) tw_like_strides(t, out->strides);
    else tw_format_strides(t->sizes, t->ndim, f, out->strides);
    if ((f == TW_CHANNELS_LAST && t->ndim != 4) || (f == TW_CHANNELS_LAST_3D && t->ndim != 5))
        return tw_fail(TW_RUNTIME_ERROR, "required rank %d tensor to use %s format", f == TW_CHANNELS_LAST ? 4 : 5,
                       f == TW_CHANNELS_LAST ? "channels_last" : "channels_last_3d");
    return true;
}

bool tw_clone_meta(const tw_arg *a, tw_meta *out) { return like(a, out, (tw_dtype)a[0].t->dtype, a[0].t->device, &a[1]); }
bool tw_clone_run(const tw_arg *a, tw_tensor **out) { return tw_copy(out[0], a[0].t); }

bool tw__to_copy_meta(const tw_arg *a, tw_meta *out) {
    return like(a, out, (tw_dtype)tw_a_get_int(&a[1], a[0].t->dtype), (tw_device)tw_a_get_int(&a[3], a[0].t->device), &a[6]);
}
bool tw__to_copy_run(const tw_arg *a, tw_tensor **out) { return tw_copy(out[0], a[0].t); }

static bool self_meta(const tw_arg *a, tw_meta *out) {
    tw_tensor *t = a[0].t;
    if (!tw_meta_set(out, (tw_dtype)t->dtype, t->device, t->sizes, t->ndim)) return false;
    memcpy(out->strides, t->strides, (size_t)t->ndim * sizeof out->strides[0]);
    return true;
}
bool tw_copy__meta(const tw_arg *a, tw_meta *out) { return self_meta(a, out); }
bool tw_copy__run(const tw_arg *a, tw_tensor **out) {
    if (out[0]->storage == a[1].t->storage && tw_memory_overlap(out[0], a[1].t) == 2)
        return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                       "single memory location. Please clone() the tensor before performing the operation.");
    return tw_copy(out[0], a[1].t);
}
bool tw_zero__meta(const tw_arg *a, tw_meta *out) { return self_meta(a, out); }
bool tw_zero__run(const tw_arg *a, tw_tensor **out) {
    (void)a;
    return tw_fill(out[0], tw_int(0));
}
bool tw_fill__Scalar_meta(const tw_arg *a, tw_meta *out) { return self_meta(a, out); }
bool tw_fill__Scalar_run(const tw_arg *a, tw_tensor **out) {
    tw_scalar s = tw_a_to_scalar(&a[1]);
    return tw_check_number(s, (tw_dtype)out[0]->dtype) && tw_fill(out[0], s);
}
bool tw_fill__Tensor_meta(const tw_arg *a, tw_meta *out) { return self_meta(a, out); }
bool tw_fill__Tensor_run(const tw_arg *a, tw_tensor **out) {
    if (a[1].t->ndim != 0)
        return tw_fail(TW_RUNTIME_ERROR, "fill_ only supports 0-dimension value tensor but got tensor with %d dimensions.", a[1].t->ndim);
    return tw_copy(out[0], a[1].t);
}
