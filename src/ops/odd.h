/* Elements at odd addresses. Memory that others lend (np.frombuffer with an offset, a field of packed records) may begin anywhere, while C's
 * loads want the alignment of their type. What reads or writes elements then works on an aligned copy of the part it uses. */
#ifndef TW_OPS_ODD_H
#define TW_OPS_ODD_H
#include "ops/arg.h"

/* Whether the elements of t are not aligned; to be asked only while tw_odd_used. */
static inline bool tw_is_odd(const tw_tensor *t) {
    return t->device == TW_CPU && !t->layout && ((uintptr_t)t->storage->data & (tw_dtype_align((tw_dtype)t->dtype) - 1));
}
bool tw_any_odd(const tw_arg *args, int nargs, tw_tensor *const *outs, int nouts);

/* run(what, args, outs) with aligned copies in the place of such tensors. Copies of given outs, and of args[0] where `inplace`, are written
 * back, and a result that is one of the copies becomes the tensor it stands for. */
typedef bool (*tw_even_fn)(const void *what, const tw_arg *args, tw_tensor **outs);
bool tw_run_even(tw_even_fn run, const void *what, const tw_arg *args, int nargs, tw_tensor **outs, int nouts, bool inplace);
#endif
