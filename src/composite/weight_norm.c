/* norm_except_dim: lengths of the rows (or columns, ...) of a weight. */
#include "composite/boxed.h"
#include "ops_decl.h"

/* (v, pow, dim) */
bool tw_norm_except_dim_composite(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *v = a[0].t;
    const int64_t dim = a[2].i;
    int64_t others[TW_MAX_DIMS];
    int n = 0;
    if (dim == -1) {
        outs[0] = CALL(linalg_vector_norm, a[0], F((double)a[1].i));
        return outs[0] != NULL;
    }
    if (dim < 0 || dim >= v->ndim) {
        return tw_fail(TW_INDEX_ERROR, "Dimension out of range (expected to be in range of [%d, %d], but got %lld)", -v->ndim, v->ndim - 1,
                       (long long)dim);
    }
    for (int i = 0; i < v->ndim; i++) {
        if (i != dim) others[n++] = i;
    }
    outs[0] = n ? CALL(linalg_vector_norm, a[0], F((double)a[1].i), INTS(others, n), B(true)) : CALL(abs, a[0]); /* of one element each */
    return outs[0] != NULL;
}
