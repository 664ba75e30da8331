/* Ops on matrices that are made of others: diag_embed, matrix norms, powers, chains of products, the vector product. */
#include "composite/boxed.h"
#include "core/memory.h"
#include "ops_decl.h"
#include <math.h>
#include <string.h>

/* --- diagonals --------------------------------------------------------------------------------------------------------------- */

/* (self, offset, dim1, dim2) */
bool tw_diag_embed_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t;
    int64_t sizes[TW_MAX_DIMS], first = a[2].i, second = a[3].i, k = a[1].i;
    const int ndim = self->ndim + 1;
    if (self->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as -1 but tensor has no dimensions");
    if (ndim > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, ndim);
    if (!tw_wrap_dim(&first, ndim) || !tw_wrap_dim(&second, ndim)) return false;
    if (first == second)
        return tw_fail(TW_RUNTIME_ERROR, "diagonal dimensions cannot be identical %lld, %lld", (long long)a[2].i, (long long)a[3].i);
    int64_t n;
    if (__builtin_sub_overflow(self->sizes[self->ndim - 1], k < 0 ? k : -k, &n))
        return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed: a diagonal %lld places off", (long long)k);
    for (int d = 0, from = 0; d < ndim; d++) sizes[d] = d == first || d == second ? n : self->sizes[from++];
    tw_tensor *out = CALL(new_zeros, T(self), INTS(sizes, ndim));
    tw_tensor *line = TEMP(&p, diagonal, T(out), I(k), I(first), I(second));
    if (line && !tw_call_inplace(&tw_ops[TW_OP_copy_], (const tw_arg[]){T(line), T(self), B(false)})) line = NULL;
    outs[0] = out;
    return tw_pool_done(&p, outs, 1);
}

/* (a, b, c, d, otherwise) */
bool tw__sum_given_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *sum = NULL;
    for (int i = 0; i < 4; i++) {
        if (a[i].tag != TW_ARG_TENSOR) continue;
        tw_tensor *next = sum ? CALL(add, T(sum), a[i]) : tw_retain(a[i].t);
        tw_release(sum);
        if (!(sum = next)) return false;
    }
    if (!sum) {
        tw_tensor *zero = CALL(zeros_like, a[4]);
        sum = CALL(diag_embed, T(zero));
        tw_release(zero);
    }
    outs[0] = sum;
    return sum != NULL;
}

/* --- matrix norms ------------------------------------------------------------------------------------------------------------- */

/* The two dims of a matrix, wrapped; the tensor in the dtype asked for. */
static tw_tensor *start_norm(tw_pool *p, const tw_arg *a, int64_t *dims) {
    tw_tensor *self = a[0].t;
    if (!tw_is_float((tw_dtype)self->dtype) && !tw_is_complex((tw_dtype)self->dtype))
        return tw_fail_null(TW_RUNTIME_ERROR, "linalg.matrix_norm: Expected a floating point or complex tensor as input. Got %s",
                            tw_dtypes[self->dtype].type_name);
    if (self->ndim < 2) return tw_fail_null(TW_RUNTIME_ERROR, "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
    if (a[2].n != 2) return tw_fail_null(TW_RUNTIME_ERROR, "linalg.matrix_norm: dim must be a 2-tuple. Got %s", tw_sizes_text(a[2].ints, a[2].n));
    dims[0] = a[2].ints[0];
    dims[1] = a[2].ints[1];
    if (!tw_wrap_dim(&dims[0], self->ndim) || !tw_wrap_dim(&dims[1], self->ndim)) return NULL;
    if (dims[0] == dims[1])
        return tw_fail_null(TW_RUNTIME_ERROR, "linalg.matrix_norm: dims must be different. Got (%lld, %lld)", (long long)a[2].ints[0],
                            (long long)a[2].ints[1]);
    return a[4].tag == TW_ARG_INT && a[4].i != self->dtype ? TEMP(p, _to_copy, T(self), a[4]) : self;
}

/* how: 's' sum, '+' largest, '-' smallest singular value of the matrices in dims. */
static tw_tensor *norm_of_values(tw_pool *p, tw_tensor *x, const int64_t *dims, char how, bool keepdim) {
    int64_t order[TW_MAX_DIMS], back[TW_MAX_DIMS], last = -1;
    int n = 0;
    if (!x) return NULL;
    for (int d = 0; d < x->ndim; d++)
        if (d != dims[0] && d != dims[1]) order[n++] = d;
    order[n++] = dims[0];
    order[n++] = dims[1];
    for (int d = 0; d < n; d++) back[order[d]] = d;
    tw_tensor *values = TEMP(p, linalg_svdvals, T(TEMP(p, permute, T(x), INTS(order, n))));
    if (how == '+' && values && values->sizes[values->ndim - 1] == 0) how = 's'; /* of no values: 0 */
    tw_tensor *out = how == 's'   ? CALL(sum_dim_IntList, T(values), INTS(&last, 1), B(keepdim))
                     : how == '+' ? CALL(amax, T(values), INTS(&last, 1), B(keepdim))
                                  : CALL(amin, T(values), INTS(&last, 1), B(keepdim));
    if (!keepdim) return out;
    return CALL(permute, T(TEMP(p, unsqueeze, T(tw_pool_own(p, out)), I(-1))), INTS(back, n));
}

/* (self, ord, dim, keepdim, dtype) */
bool tw_linalg_matrix_norm_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t dims[2];
    tw_tensor *x = start_norm(&p, a, dims);
    const double ord = tw_scalar_double(tw_a_to_scalar(&a[1])), size = fabs(ord);
    const bool keepdim = a[3].i != 0;
    if (x && size != 1 && size != 2 && !isinf(size)) {
        tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_norm: Order %g not supported.", ord);
    } else if (x && size == 2) {
        outs[0] = norm_of_values(&p, x, dims, ord > 0 ? '+' : '-', keepdim);
    } else if (x) {
        int64_t inner = dims[isinf(size) ? 1 : 0], outer = dims[isinf(size) ? 0 : 1];
        tw_tensor *sums = TEMP(&p, linalg_vector_norm, T(x), I(1), INTS(&inner, 1), B(keepdim));
        if (outer > inner && !keepdim) outer--;
        if (sums && ord > 0 && sums->sizes[outer] == 0) outs[0] = CALL(sum_dim_IntList, T(sums), INTS(&outer, 1), B(keepdim));
        else outs[0] = ord > 0 ? CALL(amax, T(sums), INTS(&outer, 1), B(keepdim)) : CALL(amin, T(sums), INTS(&outer, 1), B(keepdim));
    }
    return tw_pool_done(&p, outs, 1);
}

bool tw_linalg_matrix_norm_str_ord_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t dims[2];
    tw_tensor *x = start_norm(&p, a, dims);
    if (x && !strcmp(a[1].s, "nuc")) outs[0] = norm_of_values(&p, x, dims, 's', a[3].i != 0);
    else if (x && !strcmp(a[1].s, "fro")) outs[0] = CALL(linalg_vector_norm, T(x), I(2), INTS(dims, 2), a[3]);
    else if (x) tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_norm: Order %s not supported.", a[1].s);
    return tw_pool_done(&p, outs, 1);
}

/* --- products -------------------------------------------------------------------------------------------------------------------- */

/* (self, n): by squares. */
bool tw_linalg_matrix_power_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *square = NULL, *product = NULL;
    if (self->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_power: The input tensor A must have at least 2 dimensions.");
    if (self->sizes[self->ndim - 1] != self->sizes[self->ndim - 2])
        return tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_power: A must be batches of square matrices, but they are %lld by %lld matrices",
                       (long long)self->sizes[self->ndim - 2], (long long)self->sizes[self->ndim - 1]);
    if (a[1].i == 0) { /* identities, made of self so that they require a gradient where it does */
        tw_tensor *unit = CALL(eye, I(self->sizes[self->ndim - 1]), I(self->dtype), NONE_, I(self->device)), *out = unit ? CALL(clone, T(self)) : NULL;
        if (out && !tw_call_inplace(&tw_ops[TW_OP_copy_], (const tw_arg[]){T(out), T(unit), B(false)})) {
            tw_release(out);
            out = NULL;
        }
        tw_release(unit);
        outs[0] = out;
        return out != NULL;
    }
    square = a[1].i < 0 ? CALL(linalg_inv, T(self)) : tw_retain(self);
    const uint64_t n = a[1].i < 0 ? 0 - (uint64_t)a[1].i : (uint64_t)a[1].i;
    for (uint64_t bits = n; square && bits; bits >>= 1) {
        if (bits & 1) {
            tw_tensor *next = product ? CALL(matmul, T(product), T(square)) : tw_retain(square);
            tw_release(product);
            product = next;
        }
        if (bits > 1) {
            tw_tensor *next = CALL(matmul, T(square), T(square));
            tw_release(square);
            square = next;
        }
    }
    tw_release(square);
    if (tw_failed()) {
        tw_release(product);
        return false;
    }
    if (n == 1 && product == self) { /* a copy, not self */
        outs[0] = CALL(clone, T(self));
        tw_release(product);
        return outs[0] != NULL;
    }
    outs[0] = product;
    return product != NULL;
}

/* The product of ts[from..to], split where `split` says. Owned. */
static tw_tensor *chain(tw_tensor *const *ts, const int *split, int n, int from, int to) {
    if (from == to) return tw_retain(ts[from]);
    const int at = split[from * n + to];
    tw_tensor *left = chain(ts, split, n, from, at), *right = left ? chain(ts, split, n, at + 1, to) : NULL;
    tw_tensor *out = right ? CALL(mm, T(left), T(right)) : NULL;
    tw_release(left);
    tw_release(right);
    return out;
}

/* The order with the fewest multiplications (the classic dynamic programme); size[i], size[i + 1] are the sides of matrix i. */
static void plan_chain(const double *size, int n, double *cost, int *split) {
    for (int length = 2; length <= n; length++)
        for (int i = 0; i + length <= n; i++) {
            const int j = i + length - 1;
            cost[i * n + j] = INFINITY;
            for (int k = i; k < j; k++) {
                const double c = cost[i * n + k] + cost[(k + 1) * n + j] + size[i] * size[k + 1] * size[j + 1];
                if (c < cost[i * n + j]) {
                    cost[i * n + j] = c;
                    split[i * n + j] = k;
                }
            }
        }
}

static bool check_chain(const tw_arg *list) {
    const int n = list->n;
    if (n < 2) return tw_fail(TW_RUNTIME_ERROR, "multi_dot(): expected at least 2 tensors but got %d", n);
    for (int i = 0; i < n; i++) {
        const tw_tensor *t = list->ts[i];
        const bool end = i == 0 || i == n - 1;
        if (end && t->ndim != 1 && t->ndim != 2)
            return tw_fail(TW_RUNTIME_ERROR, "multi_dot(): the %s tensor must be 1D or 2D but got %dD", i ? "last" : "first", t->ndim);
        if (!end && t->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "multi_dot(): tensor %d must be 2D but got %dD", i, t->ndim);
        if (t->dtype != list->ts[0]->dtype)
            return tw_fail(TW_RUNTIME_ERROR, "multi_dot(): all tensors must have be the same dtype but tensor 0 is %s and tensor %d %s",
                           tw_dtypes[list->ts[0]->dtype].type_name, i, tw_dtypes[t->dtype].type_name);
        if (i && t->sizes[0] != list->ts[i - 1]->sizes[list->ts[i - 1]->ndim - 1])
            return tw_fail(TW_RUNTIME_ERROR, "multi_dot(): tensors %d and %d with shapes %s and %s cannot be multiplied", i - 1, i,
                           tw_sizes_text(list->ts[i - 1]->sizes, list->ts[i - 1]->ndim), tw_sizes_text(t->sizes, t->ndim));
    }
    return true;
}

/* (tensors) */
bool tw_linalg_multi_dot_composite(const tw_arg *a, tw_tensor **outs) {
    const int n = a[0].n;
    if (!check_chain(&a[0])) return false;
    tw_tensor **ts = tw_calloc((size_t)n, sizeof *ts);
    double *size = tw_calloc((size_t)n + 1, sizeof *size), *cost = tw_calloc((size_t)n * (size_t)n, sizeof *cost);
    int *split = tw_calloc((size_t)n * (size_t)n, sizeof *split);
    const bool row = a[0].ts[0]->ndim == 1, column = a[0].ts[n - 1]->ndim == 1;
    bool ok = ts && size && cost && split;
    for (int i = 0; ok && i < n; i++) {
        tw_tensor *t = a[0].ts[i];
        ts[i] = t->ndim == 2 ? tw_retain(t) : CALL(unsqueeze, T(t), I(i == 0 ? 0 : 1));
        if (!(ok = ts[i] != NULL)) break;
        size[i] = (double)ts[i]->sizes[0];
        size[i + 1] = (double)ts[i]->sizes[1];
    }
    if (ok) {
        tw_pool p = {0};
        plan_chain(size, n, cost, split);
        tw_tensor *out = chain(ts, split, n, 0, n - 1);
        if (row) out = CALL(squeeze_dim, T(tw_pool_own(&p, out)), I(0));
        if (column) out = CALL(squeeze_dim, T(tw_pool_own(&p, out)), I(-1));
        outs[0] = out;
        ok = tw_pool_done(&p, outs, 1);
    }
    for (int i = 0; ts && i < n; i++) tw_release(ts[i]);
    tw_free(ts);
    tw_free(size);
    tw_free(cost);
    tw_free(split);
    return ok;
}

/* (self, dims) */
bool tw__dims_last_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t order[TW_MAX_DIMS], dim;
    bool moved[TW_MAX_DIMS] = {false};
    const int ndim = a[0].t->ndim;
    int n = 0;
    if (a[1].n > ndim) return tw_fail(TW_RUNTIME_ERROR, "expected at most %d dimensions, got %d", ndim, a[1].n);
    for (int i = 0; i < a[1].n; i++) {
        dim = a[1].ints[i];
        if (!tw_wrap_dim(&dim, ndim)) return false;
        if (moved[dim]) return tw_fail(TW_RUNTIME_ERROR, "movedim: repeated dim in `source` (%s)", tw_sizes_text(a[1].ints, a[1].n));
        moved[dim] = true;
    }
    for (int d = 0; d < ndim; d++)
        if (!moved[d]) order[n++] = d;
    for (int i = 0; i < a[1].n; i++) {
        dim = a[1].ints[i];
        order[n++] = dim < 0 ? dim + ndim : dim;
    }
    outs[0] = CALL(permute, a[0], INTS(order, n));
    return outs[0] != NULL;
}

/* (input, tau): I - tau v v^H from the last reflection to the first, each v with a one on the diagonal and zeros above. */
bool tw_linalg_householder_product_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *input = a[0].t, *tau = a[1].t;
    if (input->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "torch.linalg.householder_product: input must have at least 2 dimensions.");
    const int64_t m = input->sizes[input->ndim - 2], n = input->sizes[input->ndim - 1];
    if (m < n)
        return tw_fail(TW_RUNTIME_ERROR, "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]");
    if (tau->ndim < 1 || n < tau->sizes[tau->ndim - 1])
        return tw_fail(TW_RUNTIME_ERROR, "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]");
    if (input->ndim - tau->ndim != 1)
        return tw_fail(TW_RUNTIME_ERROR, "torch.linalg.householder_product: Expected tau to have one dimension less than input, but got tau.ndim "
                       "equal to %d and input.ndim is equal to %d", tau->ndim, input->ndim);
    if (tau->dtype != input->dtype)
        return tw_fail(TW_RUNTIME_ERROR, "torch.linalg.householder_product: tau dtype %s does not match input dtype %s",
                       tw_dtypes[tau->dtype].type_name, tw_dtypes[input->dtype].type_name);
    tw_pool base = {0};
    tw_tensor *unit = TEMP(&base, eye_m, I(m), I(n), I(input->dtype), NONE_, I(input->device));
    tw_tensor *low = TEMP(&base, add, T(TEMP(&base, tril, T(input), I(-1))), T(unit)), *Q = CALL(expand_as, T(unit), T(input));
    for (int64_t i = tau->sizes[tau->ndim - 1] - 1; i >= 0 && Q; i--) {
        tw_pool p = {0};
        tw_tensor *v = TEMP(&p, narrow, T(low), I(-1), I(i), I(1));
        tw_tensor *t = TEMP(&p, unsqueeze, T(TEMP(&p, narrow, T(tau), I(-1), I(i), I(1))), I(-1));
        tw_tensor *row = TEMP(&p, matmul, T(TEMP(&p, conj, T(TEMP(&p, transpose_int, T(v), I(-2), I(-1))))), T(Q));
        tw_tensor *next = CALL(sub, T(Q), T(TEMP(&p, mul, T(t), T(TEMP(&p, matmul, T(v), T(row))))));
        tw_pool_own(&p, Q);
        Q = tw_pool_done(&p, &next, 1) ? next : NULL;
    }
    tw_tensor *rows = TEMP(&base, transpose_int, T(tw_pool_own(&base, Q)), I(-2), I(-1)); /* the result is column-major */
    outs[0] = CALL(transpose_int, T(TEMP(&base, clone, T(rows), I(TW_CONTIGUOUS_FORMAT))), I(-2), I(-1));
    return tw_pool_done(&base, outs, 1);
}

/* (self, other, dim): without a dim the first of length 3. */
bool tw_cross_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t dim = a[2].tag == TW_ARG_INT ? a[2].i : 0;
    if (a[2].tag != TW_ARG_INT) {
        while (dim < a[0].t->ndim && a[0].t->sizes[dim] != 3) dim++;
        if (dim == a[0].t->ndim) return tw_fail(TW_RUNTIME_ERROR, "no dimension of size 3 in input");
    }
    outs[0] = CALL(linalg_cross, a[0], a[1], I(dim));
    return outs[0] != NULL;
}
