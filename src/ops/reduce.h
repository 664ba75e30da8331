/* The reduction engine: any dims, any strides, a fixed tree. */
#ifndef TW_OPS_REDUCE_H
#define TW_OPS_REDUCE_H
#include "kernels/reduce.h"
#include "ops/op.h"

/* What the result is made of. */
typedef enum tw_reduce_rule {
    TW_RULE_SUM,      /* integers to int64, dtype= */
    TW_RULE_MEAN,     /* floating dtypes, divided by the count */
    TW_RULE_EXTREME,  /* max, min: the value; with a dim also the index */
    TW_RULE_VALUE,    /* amax, amin */
    TW_RULE_INDEX,    /* argmax, argmin */
    TW_RULE_BOOL,     /* any, all: bool (uint8 stays) */
    TW_RULE_VAR, TW_RULE_STD
} tw_reduce_rule;

/* A row of kind `reduce`. Its parameters, of those names: self, dim (int, int[] or none; absent or empty: all), keepdim, dtype,
 * correction or unbiased. */
typedef struct tw_reduce {
    const char *name;    /* as in error texts */
    uint8_t rule;        /* tw_reduce_rule */
    uint8_t kernel;      /* tw_reducer_kind */
    const char *label;   /* "..." not implemented for, of classes without a kernel */
} tw_reduce;
extern const tw_reduce tw_reduce_sum, tw_reduce_prod, tw_reduce_mean, tw_reduce_max, tw_reduce_min, tw_reduce_amax, tw_reduce_amin,
    tw_reduce_argmax, tw_reduce_argmin, tw_reduce_any, tw_reduce_all, tw_reduce_var, tw_reduce_std;

/* Runs op->reduce. outs[i] NULL: allocated, contiguous; given: resized and written, cast if the dtypes allow it. On the meta
 * device only shapes are made. */
bool tw_reduce_run(const tw_op *op, const tw_arg *args, tw_tensor **outs);

/* Dims of a reduction as flags per dimension. dims: n of them, negative ones counted from the end; n 0: all. Refuses repeats
 * and what is out of range, in PyTorch's words. */
bool tw_reduce_dims(const int64_t *dims, int64_t n, int ndim, bool *reduced);
#endif
