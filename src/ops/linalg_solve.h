/* What the ops over LAPACK share: checks, column-major layouts, batches, workspaces. */
#ifndef TW_OPS_LINALG_SOLVE_H
#define TW_OPS_LINALG_SOLVE_H
#include "core/error.h"
#include "core/memory.h"
#include "ops/copy.h"
#include "ops/lapack.h"
#include "ops/op.h"

/* PyTorch's checks: at least a matrix, square, of a dtype that LAPACK has. `op` is as users know it: "linalg.inv". */
bool tw_check_matrix(const char *op, const tw_tensor *t, const char *name);
bool tw_check_square(const char *op, const tw_tensor *t, const char *name);
bool tw_check_lapack_dtype(const char *op, const tw_tensor *t);

static inline int64_t tw_rows(const tw_tensor *t) { return t->sizes[t->ndim - 2]; }
static inline int64_t tw_columns(const tw_tensor *t) { return t->sizes[t->ndim - 1]; }
/* Number of matrices. */
int64_t tw_matrices(const tw_tensor *t);

/* Meta of a batch of rows x columns matrices with t's leading dims, column-major; of vectors of n; of single numbers. */
bool tw_matrix_meta(tw_meta *m, const tw_tensor *t, tw_dtype dtype, int64_t rows, int64_t columns);
bool tw_vector_meta(tw_meta *m, const tw_tensor *t, tw_dtype dtype, int64_t n);
bool tw_number_meta(tw_meta *m, const tw_tensor *t, tw_dtype dtype);

/* An owned column-major copy of t. */
tw_tensor *tw_column_major_new(tw_tensor *t);
/* Matrix (or vector, or number) b of a column-major batch with `each` elements apiece. */
static inline void *tw_matrix_at(const tw_tensor *t, int64_t b, int64_t each) {
    return (char *)tw_data(t) + (size_t)(b * each) * tw_dtype_size((tw_dtype)t->dtype);
}
/* The size that a routine wrote into the first element of its workspace. */
int tw_work_size(const void *work, tw_dtype dtype);
static inline int tw_at_least_one(int64_t n) { return n > 1 ? (int)n : 1; }
/* "(Batch element 3): " where there are batches, else "". */
const char *tw_batch_text(const tw_tensor *t, int64_t b, char *buffer, size_t size);
#endif
