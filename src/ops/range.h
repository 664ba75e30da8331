/* The range of integers. */
#ifndef TW_OPS_RANGE_H
#define TW_OPS_RANGE_H
#include "core/tensor.h"

/* The least element and how many numbers there are up to the greatest; t is contiguous and not empty. False for other dtypes than integers
 * and booleans, and for ranges that int64 cannot tell. */
bool tw_range_of(const tw_tensor *t, int64_t *least, int64_t *range);
#endif
