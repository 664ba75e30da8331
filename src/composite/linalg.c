/* matmul, linear and the gradients of mm. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

/* --- gradients of mm, laid out like the input: a column-major input gets a column-major gradient without a copy ------------------ */

static bool column_major(const tw_tensor *t) { return t->strides[0] == 1 && t->strides[1] == t->sizes[0]; }

/* grad @ other.H, or other.H @ grad when other is on the left. */
static bool mm_gradient(tw_tensor *grad, tw_tensor *other, bool other_left, const tw_tensor *like, tw_tensor **out) {
    tw_pool p = {0};
    tw_tensor *conj = TEMP(&p, conj, T(other)), *x;
    if (column_major(like)) { /* the transpose of the gradient, row-major, seen transposed */
        x = tw_swapped(&p, grad);
        x = other_left ? TEMP(&p, mm, T(x), T(conj)) : TEMP(&p, mm, T(conj), T(x));
        x = tw_swapped(&p, x);
    } else {
        x = tw_swapped(&p, conj);
        x = other_left ? TEMP(&p, mm, T(x), T(grad)) : TEMP(&p, mm, T(grad), T(x));
    }
    return tw_pool_give(&p, out, x);
}

bool tw__mm_left_composite(const tw_arg *a, tw_tensor **out) { return mm_gradient(a[0].t, a[1].t, false, a[2].t, out); }
bool tw__mm_right_composite(const tw_arg *a, tw_tensor **out) { return mm_gradient(a[0].t, a[1].t, true, a[2].t, out); }

/* --- matmul ---------------------------------------------------------------------------------------------------------------------- */

static bool leading_collapse(const tw_tensor *t) { /* can all dimensions but the last be viewed as one? */
    for (int i = 0; i < t->ndim - 2; i++) {
        if (t->strides[i] != t->strides[i + 1] * t->sizes[i + 1]) return false;
    }
    return true;
}

/* (..., m, k) by (k, n) or (k): one product of the flattened left side. */
static tw_tensor *fold(tw_pool *p, tw_tensor *x, tw_tensor *y) {
    int64_t sizes[TW_MAX_DIMS];
    memcpy(sizes, x->sizes, (size_t)x->ndim * sizeof *sizes);
    int n = x->ndim - 1;
    int64_t rows[] = {1, x->sizes[n]};
    for (int i = 0; i < n; i++) rows[0] *= x->sizes[i];
    tw_tensor *flat = TEMP(p, reshape, T(x), INTS(rows, 2));
    if (y->ndim == 1) return TEMP(p, view, T(TEMP(p, mv, T(flat), T(y))), INTS(sizes, n));
    sizes[n] = y->sizes[1];
    return TEMP(p, view, T(TEMP(p, mm, T(flat), T(y))), INTS(sizes, n + 1));
}

/* t expanded to batch sizes and its own last two, then flattened to three dimensions. */
static tw_tensor *batched(tw_pool *p, tw_tensor *t, const int64_t *batch, int nbatch, int64_t count) {
    int64_t sizes[TW_MAX_DIMS];
    memcpy(sizes, batch, (size_t)nbatch * sizeof *sizes);
    sizes[nbatch] = t->sizes[t->ndim - 2], sizes[nbatch + 1] = t->sizes[t->ndim - 1];
    const int64_t flat[] = {count, sizes[nbatch], sizes[nbatch + 1]};
    return TEMP(p, reshape, T(TEMP(p, expand, T(t), INTS(sizes, nbatch + 2))), INTS(flat, 3));
}

static bool broadcast_batch(const tw_tensor *x, const tw_tensor *y, int64_t *batch, int *nbatch) {
    int nx = x->ndim - 2, ny = y->ndim - 2, n = nx > ny ? nx : ny;
    for (int i = 0; i < n; i++) {
        int64_t p = i - (n - nx) >= 0 ? x->sizes[i - (n - nx)] : 1, q = i - (n - ny) >= 0 ? y->sizes[i - (n - ny)] : 1;
        if (p != q && p != 1 && q != 1) {
            return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension "
                           "%d", (long long)p, (long long)q, i);
        }
        batch[i] = p == 1 ? q : p;
    }
    *nbatch = n;
    return true;
}

static tw_tensor *matmul_batched(tw_pool *p, tw_tensor *x, tw_tensor *y) {
    int64_t sizes[TW_MAX_DIMS], count = 1;
    int n = 0;
    tw_tensor *row = x->ndim == 1 ? TEMP(p, unsqueeze, T(x), I(0)) : x, *column = y->ndim == 1 ? TEMP(p, unsqueeze, T(y), I(1)) : y;
    if (!row || !column || !broadcast_batch(row, column, sizes, &n)) return NULL;
    for (int i = 0; i < n; i++) count *= sizes[i];
    tw_tensor *left = batched(p, row, sizes, n, count), *right = batched(p, column, sizes, n, count);
    if (x->ndim > 1) sizes[n++] = x->sizes[x->ndim - 2];
    if (y->ndim > 1) sizes[n++] = y->sizes[y->ndim - 1];
    return TEMP(p, view, T(TEMP(p, bmm, T(left), T(right))), INTS(sizes, n));
}

static tw_tensor *matmul(tw_pool *p, tw_tensor *x, tw_tensor *y) {
    if (x->ndim == 0 || y->ndim == 0) {
        return tw_fail_null(TW_RUNTIME_ERROR, "both arguments to matmul need to be at least 1D, but they are %dD and %dD", x->ndim, y->ndim);
    }
    if (x->ndim == 1 && y->ndim == 1) return TEMP(p, dot, T(x), T(y));
    if (x->ndim == 2 && y->ndim == 1) return TEMP(p, mv, T(x), T(y));
    if (x->ndim == 2 && y->ndim == 2) return TEMP(p, mm, T(x), T(y));
    if (x->ndim == 1 && y->ndim == 2) {
        tw_tensor *row = TEMP(p, unsqueeze, T(x), I(0));
        return TEMP(p, squeeze_dim, T(TEMP(p, mm, T(row), T(y))), I(0));
    }
    if (x->ndim >= 3 && y->ndim <= 2 && (tw_requires_grad(y) || x->numel == 0 || leading_collapse(x))) return fold(p, x, y);
    if (x->ndim == 1 && y->ndim >= 3) { /* x @ y = (y.mT @ x) */
        tw_tensor *turned = tw_swapped(p, y);
        if (turned && (tw_requires_grad(x) || leading_collapse(turned))) return fold(p, turned, x);
    }
    return matmul_batched(p, x, y);
}

bool tw_matmul_composite(const tw_arg *a, tw_tensor **out) {
    tw_pool p = {0};
    return tw_pool_give(&p, out, matmul(&p, a[0].t, a[1].t));
}

/* --- linear ---------------------------------------------------------------------------------------------------------------------- */

/* input (..., k), weight (n, k): the bias is added in the product's last step. */
static tw_tensor *linear_with_bias(tw_pool *p, tw_tensor *input, tw_tensor *weight, tw_tensor *bias) {
    tw_tensor *turned = tw_swapped(p, weight);
    int n = input->ndim - 1;
    if (!turned) return NULL;
    if (input->ndim == 2) return TEMP(p, addmm, T(bias), T(input), T(turned));
    if (bias->ndim <= 1 && weight->ndim == 2) {
        int64_t sizes[TW_MAX_DIMS], flat[] = {1, input->sizes[n]};
        memcpy(sizes, input->sizes, (size_t)input->ndim * sizeof *sizes);
        for (int i = 0; i < n; i++) flat[0] *= sizes[i];
        sizes[n] = weight->sizes[0];
        tw_tensor *rows = TEMP(p, reshape, T(input), INTS(flat, 2));
        return TEMP(p, view, T(TEMP(p, addmm, T(bias), T(rows), T(turned))), INTS(sizes, n + 1));
    }
    if (weight->ndim < 2 && input->ndim > 1)
        return tw_fail_null(TW_RUNTIME_ERROR, "mat2 must be a matrix, got %d-D tensor", weight->ndim);
    return TEMP(p, add, T(matmul(p, input, turned)), T(bias));
}

bool tw_linear_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *input = a[0].t, *weight = a[1].t, *bias = tw_optional(&a[2]);
    if (input->ndim == 0 || weight->ndim == 0) {
        return tw_fail(TW_RUNTIME_ERROR, "both arguments to linear need to be at least 1D, but they are %dD and %dD", input->ndim, weight->ndim);
    }
    tw_pool p = {0};
    if (bias) return tw_pool_give(&p, out, linear_with_bias(&p, input, weight, bias));
    tw_tensor *turned = tw_swapped(&p, weight);
    return tw_pool_give(&p, out, turned ? matmul(&p, input, turned) : NULL);
}
