/* matmul, linear and the gradients of mm. */
#include "composite/linalg_chain.h"
#include <string.h>

/* --- gradients of mm, laid out like the input: a column-major input gets a column-major gradient without a copy ------------------ */

static bool column_major(const tw_tensor *t) { return t->strides[0] == 1 && t->strides[1] == t->sizes[0]; }

/* grad @ other.H, or other.H @ grad when other is on the left. */
static bool mm_gradient(tw_tensor *grad, tw_tensor *other, bool other_left, const tw_tensor *like, tw_tensor **out) {
    tw_tensor *conj = tw_op_conj(other), *x = NULL, *y = NULL;
    if (!conj) return false;
    if (column_major(like)) { /* the transpose of the gradient, row-major, seen transposed */
        x = tw_swap(grad);
        y = !x ? NULL : other_left ? tw_op_mm(x, conj) : tw_op_mm(conj, x);
        *out = y ? tw_swap(y) : NULL;
    } else {
        x = tw_swap(conj);
        *out = !x ? NULL : other_left ? tw_op_mm(x, grad) : tw_op_mm(grad, x);
    }
    tw_release(conj);
    tw_release(x);
    tw_release(y);
    return *out != NULL;
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
static tw_tensor *fold(tw_tensor *x, tw_tensor *y) {
    int64_t sizes[TW_MAX_DIMS];
    memcpy(sizes, x->sizes, (size_t)x->ndim * sizeof *sizes);
    int n = x->ndim - 1;
    int64_t rows = 1;
    for (int i = 0; i < n; i++) rows *= x->sizes[i];
    tw_tensor *flat = tw_op_reshape(x, (int64_t[]){rows, x->sizes[n]}, 2);
    if (!flat) return NULL;
    if (y->ndim == 1) return tw_view_as(tw_chain(flat, tw_op_mv(flat, y)), sizes, n);
    sizes[n] = y->sizes[1];
    return tw_view_as(tw_chain(flat, tw_op_mm(flat, y)), sizes, n + 1);
}

/* t expanded to batch sizes and its own last two, then flattened to three dimensions. */
static tw_tensor *batched(tw_tensor *t, const int64_t *batch, int nbatch, int64_t count) {
    int64_t sizes[TW_MAX_DIMS];
    memcpy(sizes, batch, (size_t)nbatch * sizeof *sizes);
    sizes[nbatch] = t->sizes[t->ndim - 2], sizes[nbatch + 1] = t->sizes[t->ndim - 1];
    tw_tensor *wide = tw_op_expand(t, sizes, nbatch + 2, false);
    int64_t flat[] = {count, sizes[nbatch], sizes[nbatch + 1]};
    return wide ? tw_chain(wide, tw_op_reshape(wide, flat, 3)) : NULL;
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

static tw_tensor *matmul_batched(tw_tensor *x, tw_tensor *y) {
    int64_t sizes[TW_MAX_DIMS], count = 1;
    int n = 0;
    tw_tensor *row = x->ndim == 1 ? tw_op_unsqueeze(x, 0) : tw_retain(x), *column = y->ndim == 1 ? tw_op_unsqueeze(y, 1) : tw_retain(y);
    tw_tensor *left = NULL, *right = NULL, *out = NULL;
    if (!row || !column || !broadcast_batch(row, column, sizes, &n)) goto done;
    for (int i = 0; i < n; i++) count *= sizes[i];
    left = batched(row, sizes, n, count);
    right = left ? batched(column, sizes, n, count) : NULL;
    out = right ? tw_op_bmm(left, right) : NULL;
    if (!out) goto done;
    if (x->ndim > 1) sizes[n++] = x->sizes[x->ndim - 2];
    if (y->ndim > 1) sizes[n++] = y->sizes[y->ndim - 1];
    out = tw_view_as(out, sizes, n);
done:
    tw_release(row);
    tw_release(column);
    tw_release(left);
    tw_release(right);
    return out;
}

static tw_tensor *matmul(tw_tensor *x, tw_tensor *y) {
    if (x->ndim == 0 || y->ndim == 0) {
        return tw_fail_null(TW_RUNTIME_ERROR, "both arguments to matmul need to be at least 1D, but they are %dD and %dD", x->ndim, y->ndim);
    }
    if (x->ndim == 1 && y->ndim == 1) return tw_op_dot(x, y);
    if (x->ndim == 2 && y->ndim == 1) return tw_op_mv(x, y);
    if (x->ndim == 2 && y->ndim == 2) return tw_op_mm(x, y);
    if (x->ndim == 1 && y->ndim == 2) {
        tw_tensor *row = tw_op_unsqueeze(x, 0), *out = row ? tw_chain(row, tw_op_mm(row, y)) : NULL;
        return out ? tw_chain(out, tw_op_squeeze_dim(out, 0)) : NULL;
    }
    if (x->ndim >= 3 && y->ndim <= 2 && (tw_requires_grad(y) || x->numel == 0 || leading_collapse(x))) return fold(x, y);
    if (x->ndim == 1 && y->ndim >= 3) { /* x @ y = (y.mT @ x) */
        tw_tensor *turned = tw_swap(y);
        if (turned && (tw_requires_grad(x) || leading_collapse(turned))) return tw_chain(turned, fold(turned, x));
        tw_release(turned);
    }
    return matmul_batched(x, y);
}

bool tw_matmul_composite(const tw_arg *a, tw_tensor **out) { return tw_give(out, matmul(a[0].t, a[1].t)); }

/* --- linear ---------------------------------------------------------------------------------------------------------------------- */

/* input (..., k), weight (n, k): the bias is added in the product's last step. */
static tw_tensor *linear_with_bias(tw_tensor *input, tw_tensor *weight, tw_tensor *bias) {
    tw_tensor *turned = tw_swap(weight), *flat = NULL, *out = NULL;
    int n = input->ndim - 1;
    if (!turned) return NULL;
    if (input->ndim == 2) {
        out = tw_op_addmm(bias, input, turned, tw_int(1), tw_int(1));
    } else if (bias->ndim <= 1 && weight->ndim == 2) {
        int64_t sizes[TW_MAX_DIMS], rows = 1;
        memcpy(sizes, input->sizes, (size_t)input->ndim * sizeof *sizes);
        for (int i = 0; i < n; i++) rows *= sizes[i];
        sizes[n] = weight->sizes[0];
        flat = tw_op_reshape(input, (int64_t[]){rows, input->sizes[n]}, 2);
        out = flat ? tw_op_addmm(bias, flat, turned, tw_int(1), tw_int(1)) : NULL;
        out = tw_view_as(out, sizes, n + 1);
    } else if (weight->ndim < 2 && input->ndim > 1) {
        tw_fail(TW_RUNTIME_ERROR, "mat2 must be a matrix, got %d-D tensor", weight->ndim);
    } else {
        flat = matmul(input, turned);
        out = flat ? tw_op_add(flat, bias, tw_int(1)) : NULL;
    }
    tw_release(turned);
    tw_release(flat);
    return out;
}

bool tw_linear_composite(const tw_arg *a, tw_tensor **out) {
    tw_tensor *input = a[0].t, *weight = a[1].t, *bias = tw_optional(&a[2]);
    if (input->ndim == 0 || weight->ndim == 0) {
        return tw_fail(TW_RUNTIME_ERROR, "both arguments to linear need to be at least 1D, but they are %dD and %dD", input->ndim, weight->ndim);
    }
    if (bias) return tw_give(out, linear_with_bias(input, weight, bias));
    tw_tensor *turned = tw_swap(weight);
    return turned && tw_give(out, tw_chain(turned, matmul(input, turned)));
}
