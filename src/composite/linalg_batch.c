/* vmap of products: the batch dimension is one more dimension of a larger product. */
#include "composite/boxed.h"
#include "ops_decl.h"

/* An argument (batched: at dim 0) with dimensions of 1 put after the batch dimension until it has ndim of its own. */
static tw_tensor *aligned(tw_pool *p, tw_tensor *t, bool batched, int ndim) {
    while (t && batched && t->ndim - 1 < ndim) t = TEMP(p, unsqueeze, T(t), I(1));
    return t;
}

bool tw_mm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    (void)batched, (void)size;
    return tw_give(outs, CALL(matmul, a[0], a[1]));
}

bool tw_bmm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) { return tw_mm_batch(a, batched, size, outs); }

static bool is_zero(const tw_arg *number) {
    const tw_scalar s = tw_a_to_scalar(number);
    return s.kind == TW_SCALAR_FLOAT ? s.re == 0 : s.kind != TW_SCALAR_COMPLEX && s.i == 0;
}

/* beta * self + alpha * (x @ y), self of `ndim` dimensions at most. */
static tw_tensor *scaled_sum(tw_pool *p, const tw_arg *a, uint64_t batched, int ndim) {
    tw_tensor *product = TEMP(p, mul, T(TEMP(p, matmul, a[1], a[2])), a[4]);
    if (!product || is_zero(&a[3])) return product;
    tw_tensor *self = TEMP(p, mul, T(aligned(p, a[0].t, batched & 1, ndim)), a[3]);
    return TEMP(p, add, T(self), T(product));
}

bool tw_addmm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    tw_arg b[] = {a[0], a[1], a[2], a[3], a[4]};
    (void)size;
    if ((batched & 6) == 0) b[1] = T(TEMP(&p, unsqueeze, a[1], I(0))); /* only self is batched: the product gets a dimension too */
    return tw_pool_give(&p, outs, scaled_sum(&p, b, batched, 2));
}

bool tw_baddbmm_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    (void)size;
    return tw_pool_give(&p, outs, scaled_sum(&p, a, batched, 3));
}

bool tw_mv_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    (void)size;
    if (!(batched & 2)) return tw_give(outs, CALL(matmul, a[0], a[1]));
    tw_tensor *column = TEMP(&p, unsqueeze, a[1], I(2)), *y = TEMP(&p, matmul, a[0], T(column));
    return tw_pool_give(&p, outs, TEMP(&p, squeeze_dim, T(y), I(2)));
}

bool tw_dot_batch(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t last = 1;
    (void)batched, (void)size;
    return tw_pool_give(&p, outs, TEMP(&p, sum_dim_IntList, T(TEMP(&p, mul, a[0], a[1])), INTS(&last, 1)));
}
