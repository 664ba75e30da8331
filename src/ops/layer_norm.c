/* native_layer_norm and native_group_norm: statistics of rows, float64 sums; and their gradients. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "ops/clear.h"
#include "ops/conv.h"
#include "ops/normalize.h"
#include <math.h>

enum { CHUNKS = 16 };

typedef struct job {
    const tw_normalize_type *k;
    int64_t rows, n, each; /* layer_norm: rows of n elements, in chunks of `each` for the gradients of parameters */
    int64_t channels, inner; /* group_norm: a row is `channels` planes of `inner` elements */
    int64_t groups;
    size_t size;
    double eps;
    const char *x, *g, *w, *b;
    char *y;
    const tw_tensor *mean, *rstd, *weight, *bias;
    double *sums, *gw, *gb; /* group_norm: two sums for each plane; layer_norm: parameter gradients of each chunk */
} job;

static double first_of(const job *j, const char *p) {
    return j->size == 8 ? *(const double *)(const void *)p : (double)*(const float *)(const void *)p;
}

static void row_statistics(const job *j, const char *x, double *mean, double *rstd) {
    double sum[2] = {0, 0}, shift = first_of(j, x), squares;
    j->k->moments(j->n, x, shift, sum);
    tw_normalize_center((double)j->n, shift, sum, mean, &squares);
    *rstd = 1 / sqrt(squares / (double)j->n + j->eps);
}

/* --- native_layer_norm(input, normalized_shape, weight, bias, eps) ------------------------------------------------------------- */

static bool check_shape(const tw_tensor *x, const tw_arg *shape) {
    const char *text = tw_sizes_text(shape->ints, shape->n);
    if (shape->n < 1) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
                       "normalized_shape = %s", text);
    }
    bool same = x->ndim >= shape->n;
    for (int i = 0; same && i < shape->n; i++) same = x->sizes[x->ndim - shape->n + i] == shape->ints[i];
    if (same) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Given normalized_shape=%s, expected input with shape [*, %s, but got input of size%s", text, text + 1,
                   tw_sizes_text(x->sizes, x->ndim));
}

static bool check_param(const tw_tensor *t, const char *name, const tw_arg *shape) {
    if (!t) return true;
    bool same = t->ndim == shape->n;
    for (int i = 0; same && i < shape->n; i++) same = t->sizes[i] == shape->ints[i];
    if (same) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Expected %s to be of same shape as normalized_shape, but got %s of shape %s and normalized_shape = %s", name, name,
                   tw_sizes_text(t->sizes, t->ndim), tw_sizes_text(shape->ints, shape->n));
}

bool tw_native_layer_norm_meta(const tw_arg *a, tw_meta *out) {
    tw_tensor *x = a[0].t, *params[2] = {tw_normalize_optional(&a[2]), tw_normalize_optional(&a[3])};
    int64_t sizes[TW_MAX_DIMS];
    bool mixed;
    if (a[1].n >= 1 && (!check_param(params[0], "weight", &a[1]) || !check_param(params[1], "bias", &a[1]))) return false;
    if (!check_shape(x, &a[1]) || !tw_normalize_check_types(x, "LayerNormKernelImpl", params, 2, &mixed)) return false;
    for (int i = 0; i < x->ndim; i++) sizes[i] = i < x->ndim - a[1].n ? x->sizes[i] : 1;
    tw_dtype dtype = mixed ? TW_FLOAT32 : (tw_dtype)x->dtype;
    return tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim) && tw_meta_set(&out[1], dtype, x->device, sizes, x->ndim) &&
           tw_meta_set(&out[2], dtype, x->device, sizes, x->ndim);
}

static void set_rows(job *j, const tw_tensor *x, int normalized) {
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    *j = (job){.k = tw_normalize_of((tw_dtype)x->dtype), .n = 1, .size = tw_dtype_size(compute)};
    for (int i = x->ndim - normalized; i < x->ndim; i++) j->n *= x->sizes[i];
    j->rows = j->n ? x->numel / j->n : 0;
    j->each = j->rows < 256 ? j->rows : (j->rows + CHUNKS - 1) / CHUNKS;
}

static void layer_rows(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    for (int64_t r = begin; r < end; r++) {
        size_t at = (size_t)(r * j->n) * j->size;
        double mean, rstd;
        row_statistics(j, j->x + at, &mean, &rstd);
        tw_normalize_set(j->mean, r, mean), tw_normalize_set(j->rstd, r, rstd);
        j->k->row(j->n, j->x + at, mean, rstd, j->w, j->b, j->y + at);
    }
}

bool tw_native_layer_norm_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[0].t, *owned[4] = {NULL};
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    job j;
    if (x->numel == 0) {
        for (int64_t i = 0; i < out[1]->numel; i++) tw_normalize_set(out[1], i, 0), tw_normalize_set(out[2], i, (double)NAN);
        return true;
    }
    set_rows(&j, x, a[1].n);
    j.eps = tw_a_get_double(&a[4], 1e-5), j.mean = out[1], j.rstd = out[2];
    owned[0] = tw_normalize_input(x, compute, false);
    owned[1] = tw_normalize_input(tw_normalize_optional(&a[2]), compute, false);
    owned[2] = tw_normalize_input(tw_normalize_optional(&a[3]), compute, false);
    owned[3] = tw_normalize_output(out[0], compute, false);
    bool ok = !tw_failed() && owned[0] && owned[3];
    if (ok) {
        j.x = tw_data(owned[0]), j.w = owned[1] ? tw_data(owned[1]) : NULL, j.b = owned[2] ? tw_data(owned[2]) : NULL, j.y = tw_data(owned[3]);
        tw_parallel(j.rows, 1 + 16384 / j.n, layer_rows, &j);
        ok = tw_normalize_done(out[0], owned[3]);
    } else {
        tw_release(owned[3]);
    }
    for (int i = 0; i < 3; i++) tw_release(owned[i]);
    return ok;
}

/* --- _layer_norm_backward(grad_output, input, normalized_shape, mean, rstd, weight) --------------------------------------------- */

bool tw__layer_norm_backward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[1].t, *weight = tw_normalize_optional(&a[5]);
    tw_dtype dtype = weight ? (tw_dtype)weight->dtype : (tw_dtype)x->dtype;
    return tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim) &&
           tw_meta_set(&out[1], dtype, x->device, a[2].ints, a[2].n) && tw_meta_set(&out[2], dtype, x->device, a[2].ints, a[2].n);
}

static void layer_chunks(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t last = (i + 1) * j->each < j->rows ? (i + 1) * j->each : j->rows;
        for (int64_t r = i * j->each; r < last; r++) {
            size_t at = (size_t)(r * j->n) * j->size;
            double mean = tw_normalize_at(j->mean, r), rstd = tw_normalize_at(j->rstd, r), sum[2] = {0, 0}, n = (double)j->n;
            j->k->dots(j->n, j->g + at, j->w, j->x + at, mean, sum);
            j->k->row_grad(j->n, j->g + at, j->w, j->x + at, mean, rstd, sum[0] / n, sum[1] * rstd * rstd / n, j->y + at);
            j->k->row_params(j->n, j->g + at, j->x + at, mean, rstd, j->gw + i * j->n, j->gb + i * j->n);
        }
    }
}

/* Sums over chunks into a dense result. */
static void add_chunks(const tw_tensor *to, double *parts, int64_t n, int64_t chunks) {
    for (int64_t c = 1; c < chunks; c++)
        for (int64_t i = 0; i < n; i++) parts[i] += parts[c * n + i];
    tw_cast(n, tw_data(to), (tw_dtype)to->dtype, parts, TW_FLOAT64);
}

bool tw__layer_norm_backward_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[1].t, *owned[4] = {NULL};
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    job j;
    set_rows(&j, x, a[2].n);
    if (x->numel == 0) {
        for (int i = 1; i < 3; i++) tw_clear_dense(out[i]);
        return true;
    }
    int64_t chunks = (j.rows + j.each - 1) / j.each;
    j.mean = a[3].t, j.rstd = a[4].t;
    owned[0] = tw_normalize_input(a[0].t, compute, false);
    owned[1] = tw_normalize_input(x, compute, false);
    owned[2] = tw_normalize_input(tw_normalize_optional(&a[5]), compute, false);
    owned[3] = tw_normalize_output(out[0], compute, false);
    j.gw = tw_calloc((size_t)(2 * chunks * j.n), sizeof(double));
    bool ok = !tw_failed() && owned[0] && owned[1] && owned[3] && j.gw;
    if (ok) {
        j.gb = j.gw + chunks * j.n;
        j.g = tw_data(owned[0]), j.x = tw_data(owned[1]), j.w = owned[2] ? tw_data(owned[2]) : NULL, j.y = tw_data(owned[3]);
        tw_parallel(chunks, 1, layer_chunks, &j);
        add_chunks(out[1], j.gw, j.n, chunks);
        add_chunks(out[2], j.gb, j.n, chunks);
        ok = tw_normalize_done(out[0], owned[3]);
    } else {
        tw_release(owned[3]);
    }
    for (int i = 0; i < 3; i++) tw_release(owned[i]);
    tw_free(j.gw);
    return ok;
}

/* --- native_group_norm(input, weight, bias, N, C, HxW, group, eps) --------------------------------------------------------------- */

static bool check_vector(const tw_tensor *t, const char *name, const tw_tensor *x, int64_t channels) {
    if (!t || (t->ndim == 1 && t->numel == channels)) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Expected %s to be a vector of size equal to the number of channels in input, but got %s of shape %s and input of "
                   "shape %s", name, name, tw_sizes_text(t->sizes, t->ndim), tw_sizes_text(x->sizes, x->ndim));
}

bool tw_native_group_norm_meta(const tw_arg *a, tw_meta *out) {
    tw_tensor *x = a[0].t, *params[2] = {tw_normalize_optional(&a[1]), tw_normalize_optional(&a[2])};
    int64_t channels = a[4].i, group = a[6].i, sizes[] = {a[3].i, group};
    bool mixed;
    if (group <= 0) return tw_fail(TW_RUNTIME_ERROR, "Expected num groups to be greater than 0, got %lld", (long long)group);
    if (channels % group) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected number of channels in input to be divisible by num_groups, but got input of shape %s and "
                       "num_groups=%lld", tw_sizes_text(x->sizes, x->ndim), (long long)group);
    }
    int64_t rows, numel;
    if (__builtin_mul_overflow(a[3].i, channels, &rows) || __builtin_mul_overflow(rows, a[5].i, &numel) || numel != x->numel) return tw_fail(TW_RUNTIME_ERROR, "native_group_norm: N * C * HxW is not the number of elements");
    if (!check_vector(params[0], "weight", x, channels) || !check_vector(params[1], "bias", x, channels)) return false;
    if (!tw_normalize_check_types(x, "GroupNormKernelImpl", params, 2, &mixed)) return false;
    if (!tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(&out[0]);
    tw_dtype dtype = mixed ? TW_FLOAT32 : (tw_dtype)x->dtype;
    return tw_meta_set(&out[1], dtype, x->device, sizes, 2) && tw_meta_set(&out[2], dtype, x->device, sizes, 2);
}

static void set_groups(job *j, const tw_tensor *x, const tw_tensor *weight, int64_t images, int64_t channels, int64_t inner, int64_t groups) {
    *j = (job){.k = tw_normalize_of((tw_dtype)x->dtype), .size = tw_dtype_size(tw_dtypes[x->dtype].compute), .groups = groups,
               .channels = channels / groups, .inner = inner, .rows = images * groups, .weight = weight};
    j->n = j->channels * inner;
}

static double weight_of(const job *j, int64_t row, int64_t c) {
    return j->weight ? tw_normalize_at(j->weight, row % j->groups * j->channels + c) : 1;
}

static void group_rows(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    for (int64_t r = begin; r < end; r++) {
        const char *x = j->x + (size_t)(r * j->n) * j->size;
        double mean, rstd;
        row_statistics(j, x, &mean, &rstd);
        tw_normalize_set(j->mean, r, mean), tw_normalize_set(j->rstd, r, rstd);
        for (int64_t c = 0; c < j->channels; c++) {
            size_t at = (size_t)(c * j->inner) * j->size;
            double scale = rstd * weight_of(j, r, c), shift = j->bias ? tw_normalize_at(j->bias, r % j->groups * j->channels + c) : 0;
            j->k->affine(j->inner, x + at, scale, shift - mean * scale, j->y + (size_t)(r * j->n) * j->size + at);
        }
    }
}

bool tw_native_group_norm_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[0].t;
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    job j;
    if (x->numel == 0) {
        for (int64_t i = 0; i < out[1]->numel; i++) tw_normalize_set(out[1], i, 0), tw_normalize_set(out[2], i, (double)NAN);
        return true;
    }
    set_groups(&j, x, tw_normalize_optional(&a[1]), a[3].i, a[4].i, a[5].i, a[6].i);
    j.bias = tw_normalize_optional(&a[2]), j.eps = tw_a_get_double(&a[7], 1e-5), j.mean = out[1], j.rstd = out[2];
    tw_tensor *from = tw_normalize_input(x, compute, false), *to = from ? tw_normalize_output(out[0], compute, false) : NULL;
    bool ok = to != NULL;
    if (ok) {
        j.x = tw_data(from), j.y = tw_data(to);
        tw_parallel(j.rows, 1 + 16384 / j.n, group_rows, &j);
        ok = tw_normalize_done(out[0], to);
    }
    tw_release(from);
    return ok;
}

/* --- _group_norm_backward(grad_output, input, mean, rstd, weight, N, C, HxW, group) ------------------------------------------------ */

bool tw__group_norm_backward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[1].t, *weight = tw_normalize_optional(&a[4]);
    tw_dtype dtype = weight ? (tw_dtype)weight->dtype : (tw_dtype)x->dtype;
    if (!tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(&out[0]);
    return tw_meta_set(&out[1], dtype, x->device, &a[6].i, 1) && tw_meta_set(&out[2], dtype, x->device, &a[6].i, 1);
}

static void group_rows_backward(void *context, int64_t begin, int64_t end) {
    const job *j = context;
    for (int64_t r = begin; r < end; r++) {
        double mean = tw_normalize_at(j->mean, r), rstd = tw_normalize_at(j->rstd, r), s1 = 0, s2 = 0;
        for (int64_t c = 0; c < j->channels; c++) {
            size_t at = (size_t)(r * j->n + c * j->inner) * j->size;
            double *sum = j->sums + 2 * (r * j->channels + c), w = weight_of(j, r, c);
            sum[0] = sum[1] = 0;
            j->k->dots(j->inner, j->g + at, NULL, j->x + at, mean, sum);
            s1 += w * sum[0], s2 += w * sum[1];
        }
        double b = -rstd * rstd * rstd * s2 / (double)j->n, shift = -rstd * s1 / (double)j->n - b * mean;
        for (int64_t c = 0; c < j->channels; c++) {
            size_t at = (size_t)(r * j->n + c * j->inner) * j->size;
            j->k->blend(j->inner, j->g + at, j->x + at, rstd * weight_of(j, r, c), b, shift, j->y + at);
        }
    }
}

bool tw__group_norm_backward_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[1].t;
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    job j;
    if (x->numel == 0) {
        for (int i = 1; i < 3; i++) tw_clear_dense(out[i]);
        return true;
    }
    set_groups(&j, x, tw_normalize_optional(&a[4]), a[5].i, a[6].i, a[7].i, a[8].i);
    j.mean = a[2].t, j.rstd = a[3].t;
    tw_tensor *grad = tw_normalize_input(a[0].t, compute, false), *from = tw_normalize_input(x, compute, false);
    tw_tensor *to = grad && from ? tw_normalize_output(out[0], compute, false) : NULL;
    j.sums = to ? tw_calloc((size_t)(2 * j.rows * j.channels), sizeof(double)) : NULL;
    bool ok = j.sums != NULL;
    if (ok) {
        j.g = tw_data(grad), j.x = tw_data(from), j.y = tw_data(to);
        tw_parallel(j.rows, 1 + 16384 / j.n, group_rows_backward, &j);
        for (int64_t c = 0; c < a[6].i; c++) {
            double gw = 0, gb = 0;
            for (int64_t n = 0; n < a[5].i; n++) {
                const double *sum = j.sums + 2 * (n * a[6].i + c);
                gw += sum[1] * tw_normalize_at(j.rstd, n * j.groups + c / j.channels), gb += sum[0];
            }
            tw_normalize_set(out[1], c, gw), tw_normalize_set(out[2], c, gb);
        }
        ok = tw_normalize_done(out[0], to);
    } else {
        tw_release(to);
    }
    tw_release(grad);
    tw_release(from);
    tw_free(j.sums);
    return ok;
}
