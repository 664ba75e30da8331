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

void tw_f_call_all(int op_id, const tw_arg *args, tw_arg *results);                      /* all of several results */

/* One kernel for a whole gradient: allowed when nothing watches (no graph, no mode) and it has a kernel for the gradient's dtype. */
bool tw_f_fusable(const tw_ew *ew, const tw_tensor *grad);
tw_tensor *tw_f_fused(const tw_ew *ew, const tw_arg *in, int nin);

tw_arg tw_f_retain(tw_arg x);              /* the same value, owned */
tw_tensor *tw_f_take(tw_arg *slot);        /* gives the slot's tensor away; NULL for zero */
tw_tensor *tw_f_keep(tw_arg x);            /* of a borrowed value */
void tw_f_release(tw_arg *slots, int n);   /* empties them */
tw_tensor *tw_f_zeros(const struct tw_input_meta *like);
tw_arg tw_f_gradients(const struct tw_node *n, tw_tensor *const *g); /* of all results, as a list; zeros for those without */

tw_arg tw_f_input_shape(const struct tw_input_meta *m);
int64_t tw_f_input_numel(const struct tw_input_meta *m);
tw_arg tw_f_shape(tw_arg tensor);          /* of a number: no dimensions */
int64_t tw_f_ndim(tw_arg tensor), tw_f_numel(tw_arg tensor);
tw_arg tw_f_dtype(tw_arg tensor), tw_f_device(tw_arg tensor);
int64_t tw_f_item(tw_arg ints, int64_t at); /* negative: from the end */
tw_arg tw_f_repeat(int64_t value, int64_t *into, int n);

/* Integers, int lists and dtypes. `into` has room for TW_MAX_DIMS items; a list that is longer, or a place out of range, fails. */
/* Of integers that callers chose: they wrap, and what is made of them is checked where it is used. */
static inline int64_t tw_f_plus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t tw_f_minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static inline int64_t tw_f_times(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static inline int64_t tw_f_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t tw_f_min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t tw_f_quotient(int64_t a, int64_t b), tw_f_modulo(int64_t a, int64_t b); /* floored; 0 for b = 0 */
int64_t tw_f_wrap(int64_t dim, int64_t ndim);                 /* 0 after a failure */
tw_arg tw_f_cut(tw_arg ints, int64_t at, int64_t *into);
tw_arg tw_f_put(tw_arg ints, int64_t at, int64_t item, int64_t *into);
tw_arg tw_f_join(tw_arg first, tw_arg second, int64_t *into);
tw_arg tw_f_broadcast(tw_arg sizes, tw_arg other, int64_t *into);
tw_arg tw_f_head(tw_arg ints, int64_t n), tw_f_tail(tw_arg ints, int64_t n);
tw_arg tw_f_range(int64_t from, int64_t to, int64_t *into);
tw_arg tw_f_ones_list(int64_t n, int64_t *into);
int64_t tw_f_product(tw_arg ints);
double tw_f_rank_rtol(tw_arg matrices);
bool tw_f_has_data(tw_arg tensor);
bool tw_f_wants_grad(tw_arg tensor);       /* whether what is made of it is recorded or has a tangent */
bool tw_f_holds(tw_arg tensor);            /* whether all its elements are true; of what has no elements to read, yes */
bool tw_f_same_ints(tw_arg a, tw_arg b);
int tw_f_category(tw_arg x);               /* of a tensor, a number or a dtype: 0 bool, 1 integer, 2 float, 3 complex */
tw_arg tw_f_part_dtype(tw_arg dtype), tw_f_complex_dtype(tw_arg dtype);
tw_arg tw_f_promoted(tw_arg dtype, tw_arg other);
const char *tw_f_type_name(tw_arg dtype);  /* "Float" */
tw_scalar tw_f_scalar(tw_arg number);

/* Ends a composite: whether nothing failed; after a failure the results are released. */
bool tw_f_finish(tw_tensor **outs, int n);

/* Tangents of a linear op: the op with each argument of `mask` replaced by its tangent, summed; jointly: with all at once. */
bool tw_f_linear(int op_id, const tw_arg *a, const tw_arg *dt, uint64_t mask, bool jointly, tw_tensor **tout);
#endif
