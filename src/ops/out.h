/* What a given result (out=) must be like. */
#ifndef TW_OPS_OUT_H
#define TW_OPS_OUT_H
#include "ops/op.h"

/* PyTorch's errors for a result of another device or dtype than the op gives, by the op's rule (`out` in the table), for one whose
 * elements share memory, and, of ops flagged `apart`, for one that shares memory with an argument. */
bool tw_check_out(const tw_op *op, const tw_arg *args, const tw_tensor *out, tw_dtype dtype, tw_device device);
/* The dtype alone: NULL for the rule's own text, in which {want} and {got} stand for dtypes; "TypeError: ..." is of that kind. */
bool tw_check_dtype(tw_out_rule rule, const char *text, tw_dtype want, tw_dtype got);
#endif
