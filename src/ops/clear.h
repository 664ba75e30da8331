/* Zeros in a result that is dense. */
#ifndef TW_OPS_CLEAR_H
#define TW_OPS_CLEAR_H
#include "core/dtype.h"
#include "core/tensor.h"
#include <string.h>

/* An empty tensor may have no memory, and memset takes no null pointer, not even for no bytes. */
static inline void tw_clear_dense(const tw_tensor *t) {
    if (t->numel) memset(tw_data(t), 0, (size_t)t->numel * tw_dtype_size((tw_dtype)t->dtype));
}
#endif
