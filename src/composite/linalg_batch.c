/* vmap of products: the batch dimension is one more dimension of a larger product. */
#include "composite/linalg_chain.h"

/* An argument (batched: at dim 0) with dimensions of 1 put after the batch dimension until it has ndim of its own. */
static tw_tensor *aligned(tw_tensor *t, bool batched, int ndim) {
    tw_tensor *out = tw_retain(t);
    while (out && batched && out->ndim - 1 < ndim) out = tw_chain(out, tw_op_unsqueeze(out, 1));
    return out;
}

bool tw_mm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched, (void)size;
    return tw_give(outs, tw_op_matmul(a[0].t, a[1].t));
}

bool tw_bmm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) { return tw_mm_batch(a, batched, size, outs); }

/* beta * self + alpha * (x @ y), self of `ndim` dimensions at most. */
static bool scaled_sum(const tw_arg *a, uint64_t batched, int ndim, tw_tensor **outs) {
    tw_scalar beta = tw_a_to_scalar(&a[3]), alpha = tw_a_to_scalar(&a[4]);
    tw_tensor *product = tw_op_matmul(a[1].t, a[2].t), *self = NULL;
    if (product) product = tw_chain(product, tw_op_mul_s(product, alpha));
    if (product && !(beta.kind == TW_SCALAR_FLOAT ? beta.re == 0 : beta.kind != TW_SCALAR_COMPLEX && beta.i == 0)) {
        self = aligned(a[0].t, batched & 1, ndim);
        if (self) self = tw_chain(self, tw_op_mul_s(self, beta));
        product = tw_chain(product, self ? tw_op_add(self, product, tw_int(1)) : NULL);
    }
    tw_release(self);
    return tw_give(outs, product);
}

bool tw_addmm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)size;
    if ((batched & 6) == 0) { /* only self is batched: the product gets a dimension too */
        tw_tensor *x = tw_op_unsqueeze(a[1].t, 0);
        tw_arg b[5] = {a[0], tw_a_tensor(x), a[2], a[3], a[4]};
        bool ok = x && scaled_sum(b, batched, 2, outs);
        tw_release(x);
        return ok;
    }
    return scaled_sum(a, batched, 2, outs);
}

bool tw_baddbmm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)size;
    return scaled_sum(a, batched, 3, outs);
}

bool tw_mv_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)size;
    if (!(batched & 2)) return tw_give(outs, tw_op_matmul(a[0].t, a[1].t));
    tw_tensor *column = tw_op_unsqueeze(a[1].t, 2), *y = column ? tw_op_matmul(a[0].t, column) : NULL;
    tw_release(column);
    return y && tw_give(outs, tw_chain(y, tw_op_squeeze_dim(y, 2)));
}

bool tw_dot_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    int64_t last = 1;
    (void)batched, (void)size;
    tw_tensor *y = tw_op_mul(a[0].t, a[1].t);
    return y && tw_give(outs, tw_chain(y, tw_op_sum_dim_IntList(y, &last, 1, false, TW_DTYPE_NONE)));
}
