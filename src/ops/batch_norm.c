/* native_batch_norm and its gradient. Statistics are summed in float64, of each channel over its planes, or channels last over chunks of
 * rows that depend on the shape only. */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv.h"
#include "ops/normalize.h"
#include <math.h>
#include <string.h>

enum { CHUNKS = 16 };

typedef struct job {
    const tw_normalize_type *k;
    bool last;
    int64_t images, channels, inner, rows, each; /* rows = images * inner, in chunks of `each` */
    size_t size;
    const char *x, *g;
    char *y;
    double *shift, *sums, *a, *b, *c; /* per channel; sums: two rows of channels, of each chunk */
} job;

static bool set_job(job *j, const tw_tensor *x) {
    *j = (job){.k = tw_normalize_of((tw_dtype)x->dtype), .images = x->sizes[0], .channels = x->sizes[1]};
    j->inner = x->numel / (j->images * j->channels), j->rows = j->images * j->inner;
    j->last = tw_wants_channels_last(x), j->size = tw_dtype_size(tw_dtypes[x->dtype].compute);
    j->each = j->rows < 1024 ? j->rows : (j->rows + CHUNKS - 1) / CHUNKS;
    j->shift = tw_calloc((size_t)j->channels * (4 + 2 * CHUNKS), sizeof(double));
    if (!j->shift) return false;
    j->a = j->shift + j->channels, j->b = j->a + j->channels, j->c = j->b + j->channels, j->sums = j->c + j->channels;
    return true;
}

static const char *plane(const job *j, const char *data, int64_t image, int64_t channel) {
    return data + (size_t)((image * j->channels + channel) * j->inner) * j->size;
}

static double element(const job *j, const char *p) {
    return j->size == 8 ? *(const double *)(const void *)p : (double)*(const float *)(const void *)p;
}

/* Sums of x - shift and its square, or of g and g (x - shift): per channel, or per chunk of rows. */
static void sum_channels(void *context, int64_t begin, int64_t end) {
    job *j = context;
    for (int64_t c = begin; c < end; c++) {
        double sum[2] = {0, 0};
        for (int64_t n = 0; n < j->images; n++) {
            if (j->g) j->k->dots(j->inner, plane(j, j->g, n, c), NULL, plane(j, j->x, n, c), j->shift[c], sum);
            else j->k->moments(j->inner, plane(j, j->x, n, c), j->shift[c], sum);
        }
        j->sums[c] = sum[0], j->sums[j->channels + c] = sum[1];
    }
}

static void sum_chunks(void *context, int64_t begin, int64_t end) {
    job *j = context;
    size_t row = (size_t)j->channels * j->size;
    for (int64_t i = begin; i < end; i++) {
        double *s1 = j->sums + 2 * i * j->channels, *s2 = s1 + j->channels;
        int64_t last = (i + 1) * j->each < j->rows ? (i + 1) * j->each : j->rows;
        for (int64_t r = i * j->each; r < last; r++) {
            if (j->g) j->k->each_dots(j->channels, j->g + (size_t)r * row, j->x + (size_t)r * row, j->shift, s1, s2);
            else j->k->each_moments(j->channels, j->x + (size_t)r * row, j->shift, s1, s2);
        }
    }
}

static void run_sums(job *j) {
    if (!j->last) {
        tw_parallel(j->channels, 1 + 16384 / (j->rows + 1), sum_channels, j);
        return;
    }
    int64_t chunks = (j->rows + j->each - 1) / j->each;
    tw_parallel(chunks, 1, sum_chunks, j);
    for (int64_t i = 1; i < chunks; i++) {
        for (int64_t c = 0; c < 2 * j->channels; c++) j->sums[c] += j->sums[2 * i * j->channels + c];
    }
}

/* y = a x + c, or a g + b x + c, with numbers of the channel. */
static void map_planes(void *context, int64_t begin, int64_t end) {
    job *j = context;
    for (int64_t p = begin; p < end; p++) {
        int64_t n = p / j->channels, c = p % j->channels;
        char *to = j->y + (size_t)(p * j->inner) * j->size;
        if (j->g) j->k->blend(j->inner, plane(j, j->g, n, c), plane(j, j->x, n, c), j->a[c], j->b[c], j->c[c], to);
        else j->k->affine(j->inner, plane(j, j->x, n, c), j->a[c], j->c[c], to);
    }
}

static void map_rows(void *context, int64_t begin, int64_t end) {
    job *j = context;
    size_t row = (size_t)j->channels * j->size;
    for (int64_t r = begin; r < end; r++) {
        size_t at = (size_t)r * row;
        if (j->g) j->k->each_blend(j->channels, j->g + at, j->x + at, j->a, j->b, j->c, j->y + at);
        else j->k->each_affine(j->channels, j->x + at, j->a, j->c, j->y + at);
    }
}

static void run_map(job *j) {
    if (j->last) tw_parallel(j->rows, 1 + 16384 / (j->channels + 1), map_rows, j);
    else tw_parallel(j->images * j->channels, 1 + 16384 / (j->inner + 1), map_planes, j);
}

/* --- native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps) ----------------------------- */

static bool check_count(const tw_tensor *t, const char *name, int64_t channels) {
    if (!t || t->numel == channels) return true;
    return tw_fail(TW_RUNTIME_ERROR, "%s should contain %lld elements not %lld", name, (long long)channels, (long long)t->numel);
}

bool tw_native_batch_norm_meta(const tw_arg *a, tw_meta *out) {
    tw_tensor *x = a[0].t, *params[4];
    static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
    bool training = tw_a_get_int(&a[5], 0) != 0, mixed;
    for (int i = 0; i < 4; i++) params[i] = tw_normalize_optional(&a[1 + i]);
    if (x->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "batch_norm: expected an input of at least 2 dimensions, got %d", x->ndim);
    if (!training && (!params[2] || !params[3])) {
        return tw_fail(TW_RUNTIME_ERROR, "%s must be defined in evaluation mode", params[2] ? "running_var" : "running_mean");
    }
    for (int i = 2; i < 6; i++)
        if (!check_count(params[i % 4], names[i % 4], x->sizes[1])) return false;
    if (!tw_normalize_check_types(x, "batch_norm", params, 4, &mixed)) return false;
    if (!tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(&out[0]);
    int64_t saved = training ? x->sizes[1] : 0;
    tw_dtype dtype = mixed ? TW_FLOAT32 : (tw_dtype)x->dtype;
    return tw_meta_set(&out[1], dtype, x->device, &saved, 1) && tw_meta_set(&out[2], dtype, x->device, &saved, 1);
}

/* Not counted as a write, as PyTorch does not: the graph of this very call keeps the statistics. */
static void update_running(tw_tensor *t, const double *values, int64_t channels, double momentum) {
    if (!t) return;
    for (int64_t c = 0; c < channels; c++) tw_normalize_set(t, c, momentum * values[c] + (1 - momentum) * tw_normalize_at(t, c));
}

static void batch_statistics(job *j, const tw_arg *a, double eps, tw_tensor **out) {
    double n = (double)j->rows, momentum = tw_a_get_double(&a[6], 0.1);
    for (int64_t c = 0; c < j->channels; c++) j->shift[c] = element(j, j->last ? j->x + (size_t)c * j->size : plane(j, j->x, 0, c));
    run_sums(j);
    double *mean = j->b, *var = j->c;
    for (int64_t c = 0; c < j->channels; c++) {
        double sum[2] = {j->sums[c], j->sums[j->channels + c]}, squares;
        tw_normalize_center(n, j->shift[c], sum, &mean[c], &squares);
        j->shift[c] = mean[c], j->a[c] = 1 / sqrt(squares / n + eps), var[c] = squares / (n - 1);
        tw_normalize_set(out[1], c, mean[c]);
        tw_normalize_set(out[2], c, j->a[c]);
    }
    update_running(tw_normalize_optional(&a[3]), mean, j->channels, momentum);
    update_running(tw_normalize_optional(&a[4]), var, j->channels, momentum);
}

bool tw_native_batch_norm_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[0].t, *weight = tw_normalize_optional(&a[1]), *bias = tw_normalize_optional(&a[2]);
    double eps = tw_a_get_double(&a[7], 1e-5);
    bool training = tw_a_get_int(&a[5], 0) != 0;
    job j;
    if (x->numel == 0) return true;
    if (!set_job(&j, x)) return false;
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    tw_tensor *from = tw_normalize_input(x, compute, j.last), *to = from ? tw_normalize_output(out[0], compute, j.last) : NULL;
    bool ok = to != NULL;
    if (ok) {
        j.x = tw_data(from), j.y = tw_data(to);
        if (training) {
            batch_statistics(&j, a, eps, out);
        } else {
            for (int64_t c = 0; c < j.channels; c++) {
                j.shift[c] = tw_normalize_at(a[3].t, c), j.a[c] = 1 / sqrt(tw_normalize_at(a[4].t, c) + eps);
            }
        }
        for (int64_t c = 0; c < j.channels; c++) {
            j.a[c] *= weight ? tw_normalize_at(weight, c) : 1;
            j.c[c] = (bias ? tw_normalize_at(bias, c) : 0) - j.shift[c] * j.a[c];
        }
        run_map(&j);
        ok = tw_normalize_done(out[0], to);
    }
    tw_release(from);
    tw_free(j.shift);
    return ok;
}

/* --- _batch_norm_backward(grad_output, input, weight, running_mean, running_var, save_mean, save_invstd, train, eps) --------- */

bool tw__batch_norm_backward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[1].t, *weight = tw_normalize_optional(&a[2]);
    tw_dtype dtype = weight ? (tw_dtype)weight->dtype : (tw_dtype)x->dtype;
    if (!tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim)) return false;
    if (tw_wants_channels_last(x)) tw_set_channels_last(&out[0]);
    return tw_meta_set(&out[1], dtype, x->device, x->sizes + 1, 1) && tw_meta_set(&out[2], dtype, x->device, x->sizes + 1, 1);
}

bool tw__batch_norm_backward_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[1].t, *weight = tw_normalize_optional(&a[2]);
    bool train = tw_a_get_int(&a[7], 0) != 0;
    job j;
    if (x->numel == 0) {
        for (int i = 1; i < 3; i++)
            for (int64_t c = 0; c < out[i]->numel; c++) tw_normalize_set(out[i], c, 0);
        return true;
    }
    if (!set_job(&j, x)) return false;
    tw_dtype compute = tw_dtypes[x->dtype].compute;
    tw_tensor *from = tw_normalize_input(x, compute, j.last), *grad = tw_normalize_input(a[0].t, compute, j.last);
    tw_tensor *to = from && grad ? tw_normalize_output(out[0], compute, j.last) : NULL;
    bool ok = to != NULL;
    if (ok) {
        j.x = tw_data(from), j.g = tw_data(grad), j.y = tw_data(to);
        for (int64_t c = 0; c < j.channels; c++) {
            j.shift[c] = tw_normalize_at(train ? a[5].t : a[3].t, c);
            j.a[c] = train ? tw_normalize_at(a[6].t, c) : 1 / sqrt(tw_normalize_at(a[4].t, c) + tw_a_get_double(&a[8], 1e-5));
        }
        run_sums(&j);
        for (int64_t c = 0; c < j.channels; c++) {
            double s1 = j.sums[c], s2 = j.sums[j.channels + c], n = (double)j.rows, rstd = j.a[c], w = weight ? tw_normalize_at(weight, c) : 1;
            tw_normalize_set(out[1], c, s2 * rstd);
            tw_normalize_set(out[2], c, s1);
            j.a[c] = rstd * w, j.b[c] = j.c[c] = 0;
            if (train) { /* g - s1 / n - (x - mean) rstd^2 s2 / n */
                j.b[c] = -j.a[c] * rstd * rstd * s2 / n;
                j.c[c] = -j.a[c] * s1 / n - j.b[c] * j.shift[c];
            }
        }
        run_map(&j);
        ok = tw_normalize_done(out[0], to);
    }
    tw_release(from);
    tw_release(grad);
    tw_free(j.shift);
    return ok;
}
