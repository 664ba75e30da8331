/* Views: pure functions of sizes, strides, offset and arguments. Each op of kind `view` has a tw_NAME_view in view.c or view_shape.c. */
#ifndef TW_OPS_VIEW_H
#define TW_OPS_VIEW_H
#include "ops/op.h"

/* The view of args[0].t; owned, shares storage and version. */
tw_tensor *tw_view_new(const tw_op *op, const tw_arg *args);
/* The pieces of args[0].t (pieces.c); owned. */
tw_list *tw_pieces_new(const tw_op *op, const tw_arg *args);
/* Strides that show a tensor under other sizes without moving data; false if there are none. */
bool tw_view_strides(const tw_tensor *t, const int64_t *sizes, int ndim, int64_t *strides);
/* Replaces one -1; PyTorch's error when the sizes do not fit numel. */
bool tw_infer_sizes(const int64_t *given, int64_t n, int64_t numel, int64_t *sizes);
/* Resizes a given result with PyTorch's warning (run.c). */
bool tw_fit_out(tw_tensor *out, const int64_t *sizes, int ndim);
#endif
