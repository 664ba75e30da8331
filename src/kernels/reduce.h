/* Reductions of contiguous runs. An accumulator is a small value of a kind's own (at most TW_ACC_BYTES); a run is cut by the
 * engine (ops/reduce.c) into leaves of TW_LEAF elements whose accumulators are combined in a fixed tree, so that results depend
 * on neither instruction set nor thread count. */
#ifndef TW_KERNELS_REDUCE_H
#define TW_KERNELS_REDUCE_H
#include "kernels/kernel.h"

enum { TW_LEAF = 8192, TW_LEAF_ROWS = 64, TW_ACC_BYTES = 32, TW_COLUMNS = 256, TW_STATE_BYTES = 24 * TW_COLUMNS };

/* What is accumulated. */
typedef enum tw_reducer_kind {
    TW_R_SUM, TW_R_PROD, TW_R_MAX, TW_R_MIN, TW_R_ARGMAX, TW_R_ARGMIN, TW_R_ANY, TW_R_ALL, TW_R_VAR, TW_R_SQUARES, TW_R_COUNT
} tw_reducer_kind;

/* Classes of elements that leaves are computed in. */
typedef enum tw_reduce_class { TW_RC_BOOL, TW_RC_INT, TW_RC_FLOAT, TW_RC_DOUBLE, TW_RC_CFLOAT, TW_RC_CDOUBLE, TW_RC_COUNT } tw_reduce_class;

typedef struct tw_acc_arg { union { double d; float f; int64_t i; } value; int64_t index; } tw_acc_arg; /* ARGMAX, ARGMIN */
typedef struct tw_acc_var { double mean, mean_im, m2, n; } tw_acc_var;                                 /* VAR */

typedef struct tw_reducer {
    size_t acc_size;
    /* n (0 too) contiguous elements; `first` is the index of x[0] in the whole reduction. */
    void (*leaf)(int64_t n, const void *x, int64_t first, void *acc);
    /* a[i] = a[i] then b[i], for n accumulators side by side. */
    void (*combine)(int64_t n, void *a, const void *b);
    /* acc[c] is accumulated with rows elements at x + r * stride bytes + c; NULL where accumulators are not plain values. */
    void (*columns)(int64_t rows, int64_t cols, const void *x, int64_t stride, void *acc);
    void (*identity)(int64_t n, void *acc);
    /* Instead of the latter two, for up to TW_COLUMNS columns side by side and `leaf_rows` rows: `take` is told how many rows of the leaf
     * it has seen (`row`), `end` makes accumulators of the state after n rows, `first` being the index of the leaf's first row. */
    int64_t leaf_rows;
    void (*take)(int64_t rows, int64_t cols, const void *x, int64_t stride, int64_t row, void *state);
    void (*end)(int64_t n, int64_t cols, int64_t first, const void *state, void *acc);
} tw_reducer;

typedef struct tw_reducers_kernels {
    tw_reducer table[TW_R_COUNT][TW_RC_COUNT]; /* leaf NULL: the kind does not exist for the class */
} tw_reducers_kernels;
const tw_reducers_kernels *tw_reducers(void);
#endif
