/* Ops made of others that need loops: kron, combinations, matrix_exp, logcumsumexp, fill_diagonal_, sum_to_size. */
#include "composite/boxed.h"
#include "core/memory.h"
#include "ops_decl.h"
#include <math.h>
#include <string.h>

/* (self, other): dims interleaved, multiplied, joined. */
bool tw_kron_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const tw_tensor *self = a[0].t, *other = a[1].t;
    const int n = self->ndim > other->ndim ? self->ndim : other->ndim;
    int64_t left[TW_MAX_DIMS], right[TW_MAX_DIMS], joined[TW_MAX_DIMS];
    if (2 * n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, 2 * n);
    for (int i = 0; i < n; i++) {
        const int j = i - (n - self->ndim), k = i - (n - other->ndim);
        left[2 * i] = j < 0 ? 1 : self->sizes[j];
        left[2 * i + 1] = right[2 * i] = 1;
        right[2 * i + 1] = k < 0 ? 1 : other->sizes[k];
        joined[i] = left[2 * i] * right[2 * i + 1];
    }
    tw_tensor *product = TEMP(&p, mul, T(TEMP(&p, reshape, a[0], INTS(left, 2 * n))), T(TEMP(&p, reshape, a[1], INTS(right, 2 * n))));
    outs[0] = CALL(reshape, T(product), INTS(joined, n));
    return tw_pool_done(&p, outs, 1);
}

/* --- combinations ------------------------------------------------------------------------------------------------------------ */

/* The next choice of r of n in lexicographic order; false after the last. */
static bool advance(int64_t *at, int64_t r, int64_t n, bool repeated) {
    for (int64_t i = r - 1; i >= 0; i--) {
        if (at[i] >= (repeated ? n - 1 : n - r + i)) continue;
        at[i]++;
        for (int64_t j = i + 1; j < r; j++) at[j] = repeated ? at[i] : at[j - 1] + 1;
        return true;
    }
    return false;
}

/* (self, r, with_replacement) */
bool tw_combinations_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t;
    const int64_t r = a[1].i, zero = 0;
    const bool repeated = a[2].i != 0;
    if (self->ndim != 1) return tw_fail(TW_RUNTIME_ERROR, "Expect a 1D vector, but got shape %s", tw_sizes_text(self->sizes, self->ndim));
    if (r < 0) return tw_fail(TW_RUNTIME_ERROR, "Expect a non-negative number, but got %lld", (long long)r);
    if (r == 0) return (outs[0] = CALL(new_zeros, a[0], INTS(&zero, 1))) != NULL;
    const int64_t n = self->numel;
    int64_t *at = tw_calloc((size_t)r, sizeof *at), count = 0;
    if (!at) return false;
    const bool any = repeated ? n > 0 : n >= r;
    for (int64_t i = 0; i < r; i++) at[i] = repeated ? 0 : i;
    if (any) do count++; while (advance(at, r, n, repeated));
    const int64_t flat = count * r, sizes[2] = {count, r};
    tw_tensor *index = tw_pool_own(&p, tw_empty_new(&flat, 1, TW_INT64, self->device));
    for (int64_t i = 0; i < r; i++) at[i] = repeated ? 0 : i;
    for (int64_t row = 0; index && index->device == TW_CPU && row < count; row++) {
        memcpy((int64_t *)tw_data(index) + row * r, at, sizeof *at * (size_t)r);
        advance(at, r, n, repeated);
    }
    outs[0] = CALL(reshape, T(TEMP(&p, index_select, a[0], I(0), T(index))), INTS(sizes, 2));
    tw_free(at);
    return tw_pool_done(&p, outs, 1);
}

/* --- matrix_exp ----------------------------------------------------------------------------------------------------------------- */

/* How many halvings bring the 1-norm of every matrix below one half. */
static int halvings(tw_tensor *self) {
    tw_pool p = {0};
    const int64_t rows = -2;
    int n = 0;
    tw_tensor *plain = tw_pool_own(&p, tw_detach_new(self)), *size = TEMP(&p, abs, T(plain));
    tw_tensor *most = TEMP(&p, max, T(TEMP(&p, sum_dim_IntList, T(size), INTS(&rows, 1))));
    if (most && most->storage->data) {
        double norm = tw_load_scalar(tw_data(most), (tw_dtype)most->dtype).re;
        for (; norm > 0.5 && n < 1100; norm /= 2) n++;
    }
    tw_pool_done(&p, NULL, 0);
    return n;
}

/* (self): the Taylor polynomial of degree 14 of self / 2^n by Horner's rule, squared n times. */
bool tw_matrix_exp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t;
    if (!tw_is_float((tw_dtype)self->dtype) && !tw_is_complex((tw_dtype)self->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got %s",
                       tw_dtypes[self->dtype].type_name);
    if (self->ndim < 2 || self->sizes[self->ndim - 1] != self->sizes[self->ndim - 2]) {
        if (self->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_exp: The input tensor A must have at least 2 dimensions.");
        return tw_fail(TW_RUNTIME_ERROR, "linalg.matrix_exp: A must be batches of square matrices, but they are %lld by %lld matrices",
                       (long long)self->sizes[self->ndim - 2], (long long)self->sizes[self->ndim - 1]);
    }
    if (self->numel == 0) return (outs[0] = CALL(clone, a[0])) != NULL;
    const int n = halvings(self);
    tw_tensor *x = TEMP(&p, mul, a[0], F(ldexp(1, -n)));
    tw_tensor *unit = TEMP(&p, eye, I(self->sizes[self->ndim - 1]), I(self->dtype), TW_A_NONE, I(self->device)),
              *sum = CALL(add, T(unit), T(TEMP(&p, div, T(x), I(14))));
    for (int k = 13; k > 0 && sum; k--) {
        tw_pool step = {0};
        tw_tensor *next = CALL(add, T(unit), T(TEMP(&step, div, T(TEMP(&step, matmul, T(x), T(tw_pool_own(&step, sum)))), I(k))));
        tw_pool_done(&step, NULL, 0);
        sum = next;
    }
    for (int k = 0; k < n && sum; k++) {
        tw_tensor *next = CALL(matmul, T(sum), T(sum));
        tw_release(sum);
        sum = next;
    }
    outs[0] = sum;
    return tw_pool_done(&p, outs, 1);
}

/* --- logcumsumexp ------------------------------------------------------------------------------------------------------------------ */

/* log(e^x + e^y): the larger plus log(1 + e^-difference); where both are infinite and equal, that. */
static tw_tensor *log_add(tw_pool *p, tw_tensor *x, tw_tensor *y) {
    if (!x || tw_is_float((tw_dtype)x->dtype)) return TEMP(p, logaddexp, T(x), T(y));
    tw_tensor *larger = TEMP(p, where, T(TEMP(p, ge, T(TEMP(p, real, T(x))), T(TEMP(p, real, T(y))))), T(x), T(y));
    tw_tensor *smaller = TEMP(p, sub, T(TEMP(p, add, T(x), T(y))), T(larger));
    return TEMP(p, add, T(larger), T(TEMP(p, log1p, T(TEMP(p, exp, T(TEMP(p, sub, T(smaller), T(larger))))))));
}

/* (self, dim) */
bool tw__logcumsumexp_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *now = tw_retain(a[0].t);
    const int64_t dim = a[1].i, n = now->sizes[dim];
    for (int64_t k = 1; k < n && now; k *= 2) {
        tw_pool p = {0};
        tw_tensor *head = TEMP(&p, narrow, T(now), I(dim), I(0), I(k));
        tw_tensor *sum = log_add(&p, TEMP(&p, narrow, T(now), I(dim), I(k), I(n - k)), TEMP(&p, narrow, T(now), I(dim), I(0), I(n - k)));
        tw_tensor *parts[2] = {head, sum}, *next = tw_failed() ? NULL : CALL(cat, tw_a_tensors(parts, 2), I(dim));
        tw_pool_own(&p, now);
        now = tw_pool_done(&p, &next, 1) ? next : NULL;
    }
    if (now == a[0].t) {
        outs[0] = CALL(clone, T(now));
        tw_release(now);
    } else {
        outs[0] = now;
    }
    return outs[0] != NULL;
}

/* --- in place, and shapes ------------------------------------------------------------------------------------------------------------- */

/* (self, fill_value, wrap) */
bool tw_fill_diagonal__composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t;
    if (self->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "dimensions must larger than 1");
    int64_t step = 0, least = self->sizes[0];
    for (int d = 0; d < self->ndim; d++) {
        if (self->ndim > 2 && self->sizes[d] != self->sizes[0])
            return tw_fail(TW_RUNTIME_ERROR, "all dimensions of input must be of equal length");
        step += self->strides[d];
        if (self->sizes[d] < least) least = self->sizes[d];
    }
    tw_tensor *line = CALL(as_strided, a[0], INTS(&least, 1), INTS(&step, 1), I(self->offset));
    bool ok = line && tw_call_inplace(&tw_ops[TW_OP_fill__Scalar], (const tw_arg[]){T(line), a[1]});
    tw_release(line);
    const int64_t rows = self->sizes[0], columns = self->sizes[1];
    if (ok && a[2].i && self->ndim == 2 && rows > columns + 1) { /* on again below a row that stays free */
        const int64_t more = ((rows * columns - 1) / (columns + 1) + 1) - least, offset = self->strides[0] * (columns + 1);
        line = CALL(as_strided, a[0], INTS(&more, 1), INTS(&step, 1), I(self->offset + offset));
        ok = line && tw_call_inplace(&tw_ops[TW_OP_fill__Scalar], (const tw_arg[]){T(line), a[1]});
        tw_release(line);
    }
    outs[0] = ok ? tw_retain(self) : NULL;
    return ok;
}

/* (self, size) */
bool tw_sum_to_size_composite(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *self = a[0].t;
    bool fits = a[1].n <= self->ndim;
    for (int i = 1; fits && i <= a[1].n; i++) {
        const int64_t want = a[1].ints[a[1].n - i];
        fits = want == 1 || want == self->sizes[self->ndim - i];
    }
    if (!fits)
        return tw_fail(TW_RUNTIME_ERROR, "size {%s} is not expandable to size {%s}.", tw_sizes_text(a[1].ints, a[1].n),
                       tw_sizes_text(self->sizes, self->ndim));
    if (a[1].n == 0) return (outs[0] = CALL(sum, a[0])) != NULL;
    outs[0] = tw_sum_to_sizes(tw_retain(a[0].t), a[1].ints, a[1].n);
    return outs[0] != NULL;
}
