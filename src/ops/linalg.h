/* Products of strided matrices of any dtype. */
#ifndef TW_OPS_LINALG_H
#define TW_OPS_LINALG_H
#include "ops/arg.h"

typedef struct tw_matrix { void *data; int64_t rows, cols, row, col; } tw_matrix; /* strides in elements */

/* c = alpha * a @ b + beta * d, all of `dtype`; d NULL: nothing is added (and beta not looked at). d may have strides of 0.
 * Half types are summed in float32 and rounded once. c overlaps nothing. Bool and storage-only types must be refused before. */
bool tw_matrix_product(tw_dtype dtype, const tw_matrix *c, const tw_matrix *a, const tw_matrix *b, const tw_matrix *d,
                       tw_scalar alpha, tw_scalar beta);
/* n float32 values rounded to a half type, or back. */
void tw_half_from_float(uint16_t *to, int64_t step, const float *from, int64_t n, tw_dtype dtype);
void tw_float_from_half(float *to, const uint16_t *from, int64_t step, int64_t n, tw_dtype dtype);
/* "double", "long int", "c10::Half": how C++ names a dtype in PyTorch's messages. */
const char *tw_cpp_name(tw_dtype d);
/* Whether products exist for the dtype: integers, floats and complex, not bool or storage-only types. */
bool tw_can_multiply(tw_dtype d);
#endif
