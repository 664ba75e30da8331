/* Linear maps that act along single dimensions: padding, average pooling, interpolation, and their transposes.
 * Along each dimension a result is a weighted sum of a few source elements: its taps. */
#ifndef TW_OPS_RESAMPLE_H
#define TW_OPS_RESAMPLE_H
#include "ops/op.h"

typedef struct tw_taps {
    int64_t in, out;
    int64_t *first;  /* out + 1: taps of result o are [first[o], first[o + 1]) */
    int64_t *index;  /* source element of each tap */
    double *weight;  /* of each tap; NULL: all 1 */
    double *divide;  /* per result: its sum is divided by this last (transposed: per source, before); NULL: not */
} tw_taps;

/* Room for `count` taps; weights and divisors where wanted. false for want of memory; tw_taps_free is right even then. */
bool tw_taps_new(tw_taps *t, int64_t in, int64_t out, int64_t count, bool weighted, bool divided);
void tw_taps_free(tw_taps *t, int n);
/* One tap per result, of weight 1: result o shows source index[o]. */
bool tw_taps_gather(tw_taps *t, int64_t in, int64_t out);

/* y = the map applied to x, or its transpose applied: x then has sizes `out`. The last `dims` (1 to 3) dimensions are mapped, one or two
 * come before them; taps of dimensions that are not mapped are absent. Dtypes are equal: float types and complex; int64 without weights;
 * uint8 with weights rounded to 16 bits as PyTorch does; any dtype if each result has one tap of weight 1. y overlaps nothing. */
bool tw_resample_run(const tw_taps *taps, int dims, bool transposed, const tw_tensor *x, const tw_tensor *y);
#endif
