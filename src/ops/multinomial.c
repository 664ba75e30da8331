/* multinomial. Without replacement: the categories of the largest p / q, where q is exponential noise (the Gumbel trick). With it: a
 * search in the cumulative sums per draw. */
#include "core/memory.h"
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/op.h"
#include "ops/topk.h"
#include "ops_decl.h"

#include <math.h>

extern const tw_ew tw_ew_div;

/* (self, num_samples, replacement, generator) */
bool tw_multinomial_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t;
    const int64_t n = a[1].i, categories = self->ndim ? self->sizes[self->ndim - 1] : 0;
    if (self->ndim < 1 || self->ndim > 2) return tw_fail(TW_RUNTIME_ERROR, "prob_dist must be 1 or 2 dim");
    if (!tw_is_float((tw_dtype)self->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "multinomial only supports floating-point dtypes for input, got: %s", tw_dtypes[self->dtype].type_name);
    if (n <= 0) return tw_fail(TW_RUNTIME_ERROR, "cannot sample n_sample <= 0 samples");
    if (!a[2].i && n > categories) return tw_fail(TW_RUNTIME_ERROR, "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    if (categories > 1 << 24) return tw_fail(TW_RUNTIME_ERROR, "number of categories cannot exceed 2^24");
    const int64_t sizes[] = {self->ndim == 2 ? self->sizes[0] : n, n};
    return tw_meta_set(out, TW_INT64, self->device, sizes, self->ndim);
}

/* p: (rows, n) */
static bool check_rows(const double *p, int64_t rows, int64_t n) {
    for (int64_t i = 0; i < rows * n; i++)
        if (!(p[i] < INFINITY && p[i] >= 0))
            return tw_fail(TW_RUNTIME_ERROR, "probability tensor contains either `inf`, `nan` or element < 0");
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += p[r * n + i];
        if (sum == 0) return tw_fail(TW_RUNTIME_ERROR, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    return true;
}

static bool without_replacement(const tw_arg *a, tw_tensor *out) {
    tw_tensor *self = a[0].t, *noise = NULL;
    int64_t strides[TW_MAX_DIMS];
    tw_like_strides(self, strides);
    bool ok = (noise = tw_empty_strided_new(self->sizes, strides, self->ndim, (tw_dtype)self->dtype, TW_CPU)) != NULL;
    const tw_arg draw[] = {tw_a_tensor(noise), tw_a_float(1), a[3]}, quotient[] = {a[0], tw_a_tensor(noise)};
    ok = ok && tw_exponential__run(draw, &noise) && tw_elementwise(&tw_ew_div, quotient, 2, &noise) &&
         tw_topk_into(noise, a[1].i, self->ndim - 1, true, true, NULL, out);
    tw_release(noise);
    return ok;
}

/* Cumulative sums of a row in float32 or, of float64, in float64; the last is 1. */
static bool cumulate(const double *p, int64_t n, bool fine, double *sums) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(p[i] >= 0)) return tw_fail(TW_RUNTIME_ERROR, "invalid multinomial distribution (encountering probability entry < 0)");
        if (!isfinite(p[i]))
            return tw_fail(TW_RUNTIME_ERROR, "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
        sum = fine ? sum + p[i] : (double)((float)sum + (float)p[i]);
        sums[i] = sum;
    }
    if (!(sum > 0)) return tw_fail(TW_RUNTIME_ERROR, "invalid multinomial distribution (sum of probabilities <= 0)");
    for (int64_t i = 0; i < n; i++) sums[i] = fine ? sums[i] / sum : (double)((float)sums[i] / (float)sum);
    sums[n - 1] = 1;
    return true;
}

static int64_t find(const double *sums, int64_t n, double at) {
    int64_t left = 0, right = n;
    while (left < right) {
        const int64_t middle = left + (right - left) / 2;
        if (sums[middle] < at) left = middle + 1;
        else right = middle;
    }
    return left;
}

bool tw_multinomial_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *out = outs[0], *wide;
    const int64_t n = self->sizes[self->ndim - 1], samples = a[1].i, rows = self->ndim == 2 ? self->sizes[0] : 1;
    if (out->numel == 0) return true;
    if (!(wide = tw_contiguous_new(self, TW_FLOAT64))) return false;
    const double *p = tw_data(wide);
    bool ok;
    if (!a[2].i || samples == 1) {
        ok = check_rows(p, rows, n) && without_replacement(a, out);
    } else {
        tw_generator *g = a[3].tag == TW_ARG_GENERATOR ? a[3].g : tw_default_generator();
        double *sums = tw_malloc(sizeof *sums * (size_t)n);
        int64_t *to = tw_data(out);
        ok = sums != NULL;
        for (int64_t r = 0; ok && r < rows; r++) {
            ok = cumulate(p + r * n, n, self->dtype == TW_FLOAT64, sums);
            for (int64_t i = 0; ok && i < samples; i++) {
                const double u = (double)(tw_random64(g) & ((1ull << 53) - 1)) * 0x1p-53;
                to[r * out->strides[0] * (self->ndim == 2) + i * out->strides[self->ndim - 1]] = find(sums, n, u);
            }
        }
        tw_free(sums);
    }
    tw_release(wide);
    return ok;
}
