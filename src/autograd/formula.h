/* What generated gradients and tangents (build/gen/gradients.c) are written in. Values are tw_args: tensors, numbers, or NONE, which
 * stands for zero (a missing gradient or tangent). Tensors that these functions return are owned, those that they take are borrowed.
 * After a failure they return NONE, and keep doing so while the error is pending: generated code checks once, at the end. */
#ifndef TW_AUTOGRAD_FORMULA_H
#define TW_AUTOGRAD_FORMULA_H
#include "autograd/autograd.h"
#include "ops/elementwise.h"

/* Arithmetic: sums leave zeros out, products with zero are zero; of two numbers the result is a number. */
tw_arg tw_f_add(tw_arg x, tw_arg y);
tw_arg tw_f_sub(tw_arg x, tw_arg y);
tw_arg tw_f_mul(tw_arg x, tw_arg y);
tw_arg tw_f_div(tw_arg x, tw_arg y);
tw_arg tw_f_pow(tw_arg x, tw_arg y);
tw_arg tw_f_neg(tw_arg x);
tw_arg tw_f_conj(tw_arg x);
tw_arg tw_f_real(tw_arg number);
bool tw_f_truth(tw_arg number);
int tw_f_compare(tw_arg a, tw_arg b);      /* of numbers, by value: -1, 0, 1; 2 when unordered */
bool tw_f_same_text(tw_arg a, tw_arg b);

/* An op with all its arguments. zeros: bit per argument; if one of these is NONE the result is zero. Numbers given for tensor
 * parameters that take none become 0-d tensors. */
tw_arg tw_f_call(int op_id, const tw_arg *args, unsigned zeros);
tw_arg tw_f_call_nth(int op_id, const tw_arg *args, unsigned zeros, int which); /* one of several results */

/* One kernel for a whole gradient: allowed when nothing watches (no graph, no mode) and it has a kernel for the gradient's dtype. */
bool tw_f_fusable(const tw_ew *ew, const tw_tensor *grad);
tw_tensor *tw_f_fused(const tw_ew *ew, const tw_arg *in, int nin);

tw_arg tw_f_retain(tw_arg x);              /* the same value, owned */
tw_tensor *tw_f_take(tw_arg *slot);        /* gives the slot's tensor away; NULL for zero */
tw_tensor *tw_f_keep(tw_arg x);            /* of a borrowed value */
void tw_f_release(tw_arg *slots, int n);   /* empties them */
tw_tensor *tw_f_zeros(const struct tw_input_meta *like);

tw_arg tw_f_input_shape(const struct tw_input_meta *m);
int64_t tw_f_input_numel(const struct tw_input_meta *m);
tw_arg tw_f_shape(tw_arg tensor);          /* of a number: no dimensions */
int64_t tw_f_ndim(tw_arg tensor), tw_f_numel(tw_arg tensor);
tw_arg tw_f_dtype(tw_arg tensor), tw_f_device(tw_arg tensor);
int64_t tw_f_item(tw_arg ints, int64_t at); /* negative: from the end */
tw_arg tw_f_repeat(int64_t value, int64_t *into, int n);

/* Tangents of a linear op: the op with each argument of `mask` replaced by its tangent, summed; jointly: with all at once. */
bool tw_f_linear(int op_id, const tw_arg *a, const tw_arg *dt, uint64_t mask, bool jointly, tw_tensor **tout);
#endif
