/* Products with sparse matrices. */
#include "composite/sparse.h"
#include "ops_decl.h"

/* Half types are summed in float32. */
static tw_tensor *widened(tw_pool *p, tw_tensor *t) {
    if (!t || (t->dtype != TW_FLOAT16 && t->dtype != TW_BFLOAT16)) return t;
    return TEMP(p, _to_copy, T(t), I(TW_FLOAT32));
}
static tw_tensor *narrowed(tw_pool *p, tw_tensor *t, tw_dtype dtype) {
    return !t || t->dtype == (int8_t)dtype ? t : TEMP(p, _to_copy, T(t), I(dtype));
}

static bool same_dtypes(const tw_tensor *a, const tw_tensor *b) {
    return a->dtype == b->dtype || tw_fail(TW_RUNTIME_ERROR, "addmm: expected 'mat1' and 'mat2' to have the same dtype, but got %s and %s",
                                           tw_dtypes[a->dtype].type_name, tw_dtypes[b->dtype].type_name);
}

/* The product of a sparse matrix and a dense one; the texts are PyTorch's. */
static tw_tensor *times_dense(tw_pool *p, tw_tensor *sparse, tw_tensor *dense) {
    if (!sparse || !dense) return NULL;
    if (sparse->ndim != 2 || tw_sparse_dims(sparse) != 2)
        return tw_fail_null(TW_RUNTIME_ERROR, "addmm: matrices expected, got %dD tensor", sparse->ndim);
    if (dense->ndim != 2) return tw_fail_null(TW_RUNTIME_ERROR, "addmm: matrices expected, got %dD tensor", dense->ndim);
    if (sparse->sizes[1] != dense->sizes[0])
        return tw_fail_null(TW_RUNTIME_ERROR, "addmm: Argument #3 (dense): Expected dim 0 size %lld, got %lld", (long long)sparse->sizes[1],
                            (long long)dense->sizes[0]);
    if (!same_dtypes(sparse, dense)) return NULL;
    if (!tw_sparse_flat(p, sparse)) return NULL; /* refuses indices outside */
    tw_tensor *values = widened(p, tw_sparse_of(sparse)->values);
    return narrowed(p, TEMP(p, _coo_mm, T(tw_sparse_row(p, sparse, 0)), T(tw_sparse_row(p, sparse, 1)), T(values), T(widened(p, dense)),
                            I(sparse->sizes[0])), (tw_dtype)dense->dtype);
}

static tw_tensor *turned(tw_pool *p, tw_tensor *t) { return t && t->ndim == 2 ? TEMP(p, t, T(t)) : t; }

/* Either or both sparse; of two sparse ones the product is sparse. */
static tw_tensor *product(tw_pool *p, tw_tensor *a, tw_tensor *b) {
    if (!a || !b) return NULL;
    if (tw_is_sparse(a) && tw_is_sparse(b)) return TEMP(p, _sparse_sparse_matmul, T(a), T(b));
    if (!tw_is_sparse(a) && !tw_is_sparse(b)) return TEMP(p, mm, T(a), T(b));
    if (tw_is_sparse(a)) return times_dense(p, a, b);
    return turned(p, times_dense(p, turned(p, b), turned(p, a)));
}

bool tw_mm_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *made = product(&p, a[0].t, a[1].t);
    if (made && !tw_is_sparse(made) && !tw_is_contiguous(made)) made = TEMP(&p, clone, T(made), I(TW_CONTIGUOUS_FORMAT));
    return tw_pool_give(&p, outs, made);
}

/* (self, vec) */
bool tw_mv_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t, *vec = a[1].t;
    if (tw_is_sparse(vec)) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "mv: not implemented for a sparse vector");
    if (self->ndim != 2 || vec->ndim != 1) return tw_fail(TW_RUNTIME_ERROR, "vector + matrix @ vector expected, got %d, %d, %d", 1, self->ndim, vec->ndim);
    if (vec->sizes[0] != self->sizes[1])
        return tw_fail(TW_RUNTIME_ERROR, "mv: expected self.size(-1) == vec.size(-1)");
    outs[0] = CALL(squeeze_dim, T(product(&p, self, TEMP(&p, unsqueeze, T(vec), I(1)))), I(1));
    return tw_pool_done(&p, outs, 1);
}

/* beta * self + alpha * product, which may stay sparse only if self is. */
static tw_tensor *plus(tw_pool *p, const tw_arg *self, tw_tensor *made, const tw_arg *beta, const tw_arg *alpha) {
    if (!made) return NULL;
    const tw_scalar by = tw_a_to_scalar(beta);
    tw_tensor *scaled = TEMP(p, mul, T(made), *alpha);
    if (!scaled || (tw_scalar_double(by) == 0 && by.kind != TW_SCALAR_COMPLEX)) {
        int64_t sizes[2] = {made->sizes[0], made->sizes[1]};
        return scaled && !tw_is_sparse(made) ? TEMP(p, expand, T(scaled), INTS(sizes, 2)) : scaled;
    }
    return TEMP(p, add, T(TEMP(p, mul, *self, *beta)), T(scaled));
}

/* (self, mat1, mat2, beta, alpha) */
bool tw_addmm_sparse(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!tw_is_sparse(a[0].t) && tw_is_sparse(a[1].t) && tw_is_sparse(a[2].t))
        return tw_fail(TW_RUNTIME_ERROR, "addmm: a dense tensor plus a product of sparse matrices is not supported on the CPU");
    return tw_pool_give(&p, outs, plus(&p, &a[0], product(&p, a[1].t, a[2].t), &a[3], &a[4]));
}
bool tw__sparse_addmm_composite(const tw_arg *a, tw_tensor **outs) {
    return tw_addmm_sparse(a, outs);
}

/* (sparse, dense) */
bool tw__sparse_mm_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *x = a[0].t, *y = a[1].t;
    if (tw_is_sparse(x) && tw_is_sparse(y)) return tw_give(outs, CALL(_sparse_sparse_matmul, a[0], a[1]));
    if (!tw_is_sparse(x) && !tw_is_sparse(y)) return tw_give(outs, CALL(mm, a[0], a[1]));
    if (x->ndim != 2 || y->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "addmm: matrices expected, got %dD tensor", x->ndim != 2 ? x->ndim : y->ndim);
    if (!tw_is_sparse(x)) { /* (y.T @ x.T).T */
        outs[0] = CALL(t, T(TEMP(&p, _sparse_mm, T(turned(&p, y)), T(turned(&p, x)))));
        return tw_pool_done(&p, outs, 1);
    }
    const int64_t sizes[2] = {x->sizes[0], y->sizes[1]};
    outs[0] = CALL(_sparse_addmm, T(TEMP(&p, zeros, INTS(sizes, 2), I(y->dtype))), a[0], a[1], I(0), I(1));
    return tw_pool_done(&p, outs, 1);
}

/* (self, mat1, mat2): mat1 @ mat2.H at the places of self */
bool tw__sparse_mm_at_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = tw_sparse_coalesced(&p, a[0].t), *left = a[1].t, *right = a[2].t;
    if (!self) return tw_pool_done(&p, outs, 1);
    if (tw_is_sparse(left)) left = tw_sparse_dense(&p, left);
    if (tw_is_sparse(right)) right = tw_sparse_dense(&p, right);
    if (right) right = TEMP(&p, resolve_conj, T(TEMP(&p, conj, T(right))));
    tw_tensor *dots = TEMP(&p, _coo_dots, T(tw_sparse_row(&p, self, 0)), T(tw_sparse_row(&p, self, 1)), T(widened(&p, left)), T(widened(&p, right)));
    outs[0] = tw_sparse_like(self, narrowed(&p, dots, (tw_dtype)self->dtype));
    return tw_pool_done(&p, outs, 1);
}

/* Coalesced, and so is the product. */
bool tw__sparse_sparse_matmul_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (!tw_is_sparse(a[0].t) || !tw_is_sparse(a[1].t)) return tw_fail(TW_RUNTIME_ERROR, "_sparse_sparse_matmul: expected two sparse matrices");
    if (a[0].t->ndim != 2 || a[1].t->ndim != 2 || tw_sparse_dims(a[0].t) != 2 || tw_sparse_dims(a[1].t) != 2)
        return tw_fail(TW_RUNTIME_ERROR, "_sparse_sparse_matmul: expected matrices without dense dimensions");
    if (a[0].t->sizes[1] != a[1].t->sizes[0])
        return tw_fail(TW_RUNTIME_ERROR, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)", (long long)a[0].t->sizes[0],
                       (long long)a[0].t->sizes[1], (long long)a[1].t->sizes[0], (long long)a[1].t->sizes[1]);
    if (a[0].t->dtype != a[1].t->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "mat1 dtype %s does not match mat2 dtype %s", tw_dtypes[a[0].t->dtype].type_name,
                       tw_dtypes[a[1].t->dtype].type_name);
    tw_tensor *x = tw_sparse_coalesced(&p, a[0].t), *y = tw_sparse_coalesced(&p, a[1].t);
    if (!x || !y) return tw_pool_done(&p, outs, 1);
    const int64_t sizes[2] = {x->sizes[0], y->sizes[1]};
    tw_tensor *made[2] = {NULL}, *left = widened(&p, tw_sparse_of(x)->values), *right = widened(&p, tw_sparse_of(y)->values);
    if (left && right && tw_sparse_flat(&p, x) && tw_sparse_flat(&p, y) &&
        tw_call_all(TW_OP__coo_spgemm, 7, (const tw_arg[]){T(tw_sparse_of(x)->indices), T(left), T(tw_sparse_of(y)->indices), T(right),
                                                           I(sizes[0]), I(x->sizes[1]), I(sizes[1])}, made))
        outs[0] = tw_sparse_make(made[0], narrowed(&p, made[1], (tw_dtype)x->dtype), sizes, 2, true);
    tw_release(made[0]);
    tw_release(made[1]);
    return tw_pool_done(&p, outs, 1);
}
