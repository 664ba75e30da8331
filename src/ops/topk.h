/* Selecting along a dimension, for topk and multinomial. */
#ifndef TW_OPS_TOPK_H
#define TW_OPS_TOPK_H
#include "core/tensor.h"

/* Fills values (may be NULL) and indices, of self's sizes with k at dim. Results share no memory with self. */
bool tw_topk_into(const tw_tensor *self, int64_t k, int64_t dim, bool largest, bool sorted, tw_tensor *values, tw_tensor *indices);
#endif
