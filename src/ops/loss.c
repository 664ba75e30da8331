/* nll_loss_forward and nll_loss_backward, for inputs (C), (N, C) and (N, C, d1, ...). */
#include "ops/op.h"
#include "core/memory.h"
#include <string.h>

typedef struct nll_job {
    int64_t images, classes, places;
    const void *self, *weight; /* weight NULL: ones */
    int64_t self_image, self_class, weight_step;
    const tw_tensor *input, *target;
    int64_t target_image;
    int place_dims;            /* trailing dimensions of input and target that are places */
    int64_t reduction, ignore_index;
} nll_job;

/* Offset of place p in t, whose places are its last dims. */
static int64_t walk(const tw_tensor *t, int dims, int64_t p) {
    int64_t at = 0;
    for (int i = t->ndim - 1; i >= t->ndim - dims; i--) {
        at += p % t->sizes[i] * t->strides[i];
        p /= t->sizes[i];
    }
    return at;
}
static int64_t place_offset(const nll_job *j, int64_t p) { return j->place_dims ? walk(j->input, j->place_dims, p) : 0; }
static int64_t class_at(const nll_job *j, int64_t n, int64_t p) {
    int64_t at = n * j->target_image + (j->place_dims ? walk(j->target, j->place_dims, p) : 0);
    return j->target->dtype == TW_INT64 ? ((const int64_t *)tw_data(j->target))[at] : ((const uint8_t *)tw_data(j->target))[at];
}
static bool out_of_bounds(int64_t target) { return tw_fail(TW_INDEX_ERROR, "Target %lld is out of bounds.", (long long)target); }

#define NAME f32
#define T float
#define LOAD(x) (double)(x)
#define STORE(x) (float)(x)
#include "ops/loss_plain.h"
#define NAME f64
#define T double
#define LOAD(x) (x)
#define STORE(x) (x)
#include "ops/loss_plain.h"
#define NAME f16
#define T uint16_t
#define LOAD(x) (double)tw_half_to_float(x)
#define STORE(x) tw_float_to_half((float)(x))
#include "ops/loss_plain.h"
#define NAME bf16
#define T uint16_t
#define LOAD(x) (double)tw_bfloat_to_float(x)
#define STORE(x) tw_float_to_bfloat((float)(x))
#include "ops/loss_plain.h"

static tw_tensor *optional(const tw_arg *a) { return a->tag == TW_ARG_TENSOR ? a->t : NULL; }

/* self, target, weight: checked as PyTorch's two kernels (flat and spatial) do. */
static bool check(const tw_tensor *self, const tw_tensor *target, const tw_tensor *weight) {
    bool spatial = self->ndim > 2;
    int64_t classes = self->ndim ? self->sizes[self->ndim == 1 ? 0 : 1] : 0;
    if (self->ndim < 1) return tw_fail(TW_RUNTIME_ERROR, "input tensor should be 1D or 2D");
    if (target->dtype != TW_INT64 && target->dtype != TW_UINT8) {
        return tw_fail(TW_RUNTIME_ERROR, "expected target dtype to be Long or Byte, but got %s", tw_dtypes[target->dtype].type_name);
    }
    if (spatial && target->dtype != TW_INT64) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type Long but found %s", tw_dtypes[target->dtype].type_name);
    }
    if (!spatial && target->ndim > 1) {
        return tw_fail(TW_RUNTIME_ERROR, "0D or 1D target tensor expected, multi-target not supported");
    }
    bool fits = spatial ? target->ndim == self->ndim - 1 : self->ndim == 1 ? target->numel == 1 : target->numel == self->sizes[0];
    for (int i = 0; spatial && fits && i < target->ndim; i++) fits = target->sizes[i] == self->sizes[i == 0 ? 0 : i + 1];
    if (!fits) {
        return tw_fail(TW_RUNTIME_ERROR, spatial ? "size mismatch (got input: %s , target: %s" : "size mismatch (got input: %s, target: %s)",
                       tw_sizes_text(self->sizes, self->ndim), tw_sizes_text(target->sizes, target->ndim));
    }
    if (!weight) return true;
    if (spatial && weight->numel != classes) {
        return tw_fail(TW_RUNTIME_ERROR, "weight tensor should be defined either for all or no classes");
    }
    if (!spatial && (weight->ndim != 1 || weight->sizes[0] != classes)) {
        return tw_fail(TW_RUNTIME_ERROR, "weight tensor should be defined either for all %lld classes or no classes but got weight tensor "
                       "of shape: %s", (long long)classes, tw_sizes_text(weight->sizes, weight->ndim));
    }
    if (weight->dtype != self->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[self->dtype].type_name,
                       tw_dtypes[weight->dtype].type_name);
    }
    return true;
}

static nll_job job_of(const tw_tensor *self, const tw_tensor *target, const tw_tensor *weight, int64_t reduction, int64_t ignore_index) {
    bool one = self->ndim == 1;
    nll_job j = {.images = one ? 1 : self->sizes[0], .classes = self->sizes[one ? 0 : 1], .places = 1, .self = tw_data(self),
                 .self_image = one ? 0 : self->strides[0], .self_class = self->strides[one ? 0 : 1], .input = self, .target = target,
                 .target_image = target->ndim ? target->strides[0] : 0, .place_dims = self->ndim > 2 ? self->ndim - 2 : 0,
                 .reduction = reduction, .ignore_index = ignore_index};
    for (int i = 2; i < self->ndim; i++) j.places *= self->sizes[i];
    if (weight) {
        j.weight = tw_data(weight), j.weight_step = 1;
        for (int i = 0; i < weight->ndim; i++) if (weight->sizes[i] != 1) j.weight_step = weight->strides[i];
    }
    return j;
}

/* nll_loss_forward(self, target, weight, reduction, ignore_index) -> (output, total_weight) */
bool tw_nll_loss_forward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *target = a[1].t;
    if (!check(self, target, optional(&a[2]))) return false;
    bool each = a[3].i == TW_REDUCTION_NONE && self->ndim > 1;
    tw_dtype dtype = (tw_dtype)self->dtype;
    return tw_meta_set(&out[0], dtype, self->device, target->sizes, each ? target->ndim : 0) &&
           tw_meta_set(&out[1], dtype, self->device, NULL, 0);
}

bool tw_nll_loss_forward_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *self = a[0].t;
    nll_job j = job_of(self, a[1].t, optional(&a[2]), a[3].i, a[4].i);
    void *output = tw_data(out[0]), *total = tw_data(out[1]);
    switch (self->dtype) {
    case TW_FLOAT32: return forward_f32(&j, output, total);
    case TW_FLOAT64: return forward_f64(&j, output, total);
    case TW_FLOAT16: return forward_f16(&j, output, total);
    case TW_BFLOAT16: return forward_bf16(&j, output, total);
    default:
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'",
                       self->ndim > 2 ? "nll_loss2d_forward_out_frame" : "nll_loss_out_frame", tw_dtypes[self->dtype].type_name);
    }
}

/* nll_loss_backward(grad_output, self, target, weight, reduction, ignore_index, total_weight) */
bool tw_nll_loss_backward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *grad = a[0].t, *self = a[1].t, *target = a[2].t;
    if (!check(self, target, optional(&a[3]))) return false;
    bool each = a[4].i == TW_REDUCTION_NONE && self->ndim > 1, fits = grad->ndim == (each ? target->ndim : 0);
    for (int i = 0; each && fits && i < grad->ndim; i++) fits = grad->sizes[i] == target->sizes[i];
    if (!fits && (each || grad->numel != 1)) {
        return tw_fail(TW_RUNTIME_ERROR, "nll_loss_backward: grad_output of size %s does not fit", tw_sizes_text(grad->sizes, grad->ndim));
    }
    if (optional(&a[6]) && a[6].t->numel != 1) {
        return tw_fail(TW_RUNTIME_ERROR, "expected total_weight to be a  single element tensor, got: %s (%lld elements)",
                       tw_sizes_text(a[6].t->sizes, a[6].t->ndim), (long long)a[6].t->numel);
    }
    return tw_meta_set(out, (tw_dtype)self->dtype, self->device, self->sizes, self->ndim);
}

bool tw_nll_loss_backward_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *grad = a[0].t, *self = a[1].t;
    nll_job j = job_of(self, a[2].t, optional(&a[3]), a[4].i, a[5].i);
    size_t size = tw_dtype_size((tw_dtype)self->dtype);
    int64_t strides[2] = {grad->ndim ? grad->strides[0] : 0, 1};
    char *dense = NULL, *from = tw_data(grad);
    const void *total = optional(&a[6]) ? tw_data(a[6].t) : NULL;
    bool ok = false;
    if (out[0]->numel == 0) return true;
    if (j.place_dims && j.reduction == TW_REDUCTION_NONE) { /* places side by side */
        int64_t n = j.images * j.places;
        if (!(dense = tw_malloc((size_t)n * size))) return false;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = i / j.places * grad->strides[0] + walk(grad, j.place_dims, i % j.places);
            memcpy(dense + (size_t)i * size, from + (size_t)at * size, size);
        }
        from = dense, strides[0] = j.places;
    }
    switch (self->dtype) {
    case TW_FLOAT32: ok = backward_f32(&j, from, strides, total, tw_data(out[0])); break;
    case TW_FLOAT64: ok = backward_f64(&j, from, strides, total, tw_data(out[0])); break;
    case TW_FLOAT16: ok = backward_f16(&j, from, strides, total, tw_data(out[0])); break;
    case TW_BFLOAT16: ok = backward_bf16(&j, from, strides, total, tw_data(out[0])); break;
    default:
        tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"nll_loss_backward_out_frame\" not implemented for '%s'", tw_dtypes[self->dtype].type_name);
    }
    tw_free(dense);
    return ok;
}
