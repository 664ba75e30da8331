/* The part of a reduction that has forgotten what it means: geometry, class of elements, kernel. */
#ifndef TW_OPS_REDUCE_ENGINE_H
#define TW_OPS_REDUCE_ENGINE_H
#include "core/tensor.h"
#include "kernels/reduce.h"

typedef struct tw_reduction_plan {
    const tw_tensor *in;
    tw_dtype cast;                    /* elements are first rounded to this dtype (dtype= of a sum); in->dtype if none */
    bool truth;                       /* elements are first turned into booleans */
    tw_reducer_kind kernel;
    bool ordered;                     /* indices matter: reduced dims keep their order */
    const bool *reduced;              /* per dimension of `in` */
    void *context;
    /* Writes n results, the i-th at element index o + i * step of the contiguous result. acc: n accumulators side by side. */
    void (*finish)(void *context, int64_t n, void *acc, int64_t o, int64_t step);
} tw_reduction_plan;

/* The class that a dtype is accumulated in, and its dtype. */
tw_reduce_class tw_reduce_class_of(tw_dtype d);
tw_dtype tw_reduce_class_dtype(tw_reduce_class c);
/* Runs it; fails only for want of memory. The kernel must exist for the class. */
bool tw_reduce_execute(const tw_reduction_plan *plan);
#endif
