/* What normalisation ops share. */
#ifndef TW_OPS_NORMALIZE_H
#define TW_OPS_NORMALIZE_H
#include "kernels/normalize.h"
#include "ops/op.h"

/* The dtype that values of d are computed in (float32 for half types), and its kernels. */
const tw_normalize_type *tw_normalize_of(tw_dtype d);
/* Owned: t itself where it is contiguous (or, with `last`, channels last) and of the compute dtype, else a copy. NULL stays NULL. */
tw_tensor *tw_normalize_input(tw_tensor *t, tw_dtype compute, bool last);
/* Owned: `to` itself if results can be written to it as they come, else a tensor to be copied to it by tw_normalize_done. */
tw_tensor *tw_normalize_output(tw_tensor *to, tw_dtype compute, bool last);
/* Copies if they differ; gives `made` up. */
bool tw_normalize_done(tw_tensor *to, tw_tensor *made);
/* Mean and sum of squared deviations from sums about a shift; n > 0. */
static inline void tw_normalize_center(double n, double shift, const double sum[2], double *mean, double *squares) {
    double d = sum[0] / n, m2 = sum[1] - sum[0] * d;
    *mean = shift + d, *squares = m2 < 0 ? 0 : m2;
}
double tw_normalize_at(const tw_tensor *t, int64_t i); /* element i of a vector of any stride, or of a dense tensor */
void tw_normalize_set(const tw_tensor *t, int64_t i, double value);
/* NULL for an absent argument. */
static inline tw_tensor *tw_normalize_optional(const tw_arg *a) { return a->tag == TW_ARG_TENSOR ? a->t : NULL; }
/* Whether parameters have the dtype of the input, or float32 beside a half type; PyTorch's errors. */
bool tw_normalize_check_types(const tw_tensor *x, const char *kernel, tw_tensor *const *params, int n, bool *mixed);
#endif
