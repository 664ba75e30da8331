/* scaled_dot_product_attention: the kernel _attention where it reaches, else ops of the table. */
#include "composite/boxed.h"
#include "composite/regrade.h"
#include "ops/elementwise.h"
#include "ops_decl.h"
#include <math.h>

/* As C++ calls the types in PyTorch's messages. */
static const char *spelt(const tw_tensor *t) {
    static const char *const names[] = {[TW_BOOL] = "bool", [TW_UINT8] = "unsigned char", [TW_INT8] = "signed char", [TW_INT16] = "short int",
                                        [TW_INT32] = "int", [TW_INT64] = "long int", [TW_FLOAT16] = "c10::Half", [TW_BFLOAT16] = "c10::BFloat16",
                                        [TW_FLOAT32] = "float", [TW_FLOAT64] = "double"};
    const size_t i = (size_t)t->dtype;
    return i < sizeof names / sizeof *names && names[i] ? names[i] : tw_dtypes[t->dtype].type_name;
}

static bool check(const tw_arg *a) {
    const tw_tensor *q = a[0].t, *k = a[1].t, *v = a[2].t, *mask = a[3].tag == TW_ARG_TENSOR ? a[3].t : NULL;
    if (q->dtype != k->dtype || q->dtype != v->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected query, key, and value to have the same dtype, but got query.dtype: %s key.dtype: %s and "
                       "value.dtype: %s instead.", spelt(q), spelt(k), spelt(v));
    }
    if (q->ndim < 2 || k->ndim < 2 || v->ndim < 2) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: %d key.dim: %d "
                       "and value.dim: %d instead.", q->ndim, k->ndim, v->ndim);
    }
    if (mask && mask->dtype != TW_BOOL && mask->dtype != TW_FLOAT32 && mask->dtype != q->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: %s and "
                       " query.dtype: %s instead.", spelt(mask), spelt(q));
    }
    if (mask && mask->dtype == TW_FLOAT32 && q->dtype == TW_FLOAT64) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: %s and "
                       " query.dtype: %s instead.", spelt(mask), spelt(q));
    }
    if (!tw_is_float((tw_dtype)q->dtype)) {
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type Float but found %s", tw_dtypes[q->dtype].type_name);
    }
    if (!(a[4].d >= 0 && a[4].d <= 1)) {
        return tw_fail(TW_RUNTIME_ERROR, "dropout probability has to be between 0 and 1, but got %g", a[4].d);
    }
    return true;
}

/* A mask of booleans as one to add: 0 and -inf. */
static tw_tensor *additive(tw_pool *p, tw_tensor *mask, tw_dtype dtype) {
    if (!mask || mask->dtype != TW_BOOL) return mask && mask->dtype != dtype ? TEMP(p, to_dtype, T(mask), I(dtype)) : mask;
    tw_tensor *zeros = TEMP(p, zeros_like, T(mask), I(dtype));
    return TEMP(p, masked_fill_Scalar, T(zeros), T(TEMP(p, logical_not, T(mask))), F(-INFINITY));
}

/* Query heads per key head, when some share one; 0 and an error if they do not divide. */
static int64_t sharing(const tw_tensor *q, const tw_tensor *k) {
    const int64_t heads = q->sizes[q->ndim - 3], keys = k->sizes[k->ndim - 3];
    if (keys == 0 || heads % keys != 0) {
        tw_fail(TW_RUNTIME_ERROR, "Number of heads in key and value must divide the number of heads in ");
        return 0;
    }
    return heads / keys;
}

/* (..., heads, rows, width) with each head repeated. */
static tw_tensor *repeat_heads(tw_pool *p, tw_tensor *t, int64_t times) {
    if (times == 1) return t;
    int64_t sizes[TW_MAX_DIMS + 1];
    const int n = t->ndim, at = n - 3;
    for (int i = 0; i <= n; i++) sizes[i] = i <= at ? t->sizes[i] : i == at + 1 ? times : t->sizes[i - 1];
    tw_tensor *wide = TEMP(p, expand, T(TEMP(p, unsqueeze, T(t), I(at + 1))), INTS(sizes, n + 1));
    for (int i = 0; i < n; i++) sizes[i] = i == at ? t->sizes[i] * times : t->sizes[i];
    return TEMP(p, reshape, T(wide), INTS(sizes, n));
}

/* --- in ops -------------------------------------------------------------------------------------------------------------------------------- */

/* Softmax; a row that is masked altogether gives zeros. */
static tw_tensor *safe_softmax(tw_pool *p, tw_tensor *x, bool masked) {
    const int64_t last = -1;
    tw_tensor *weights = x ? TEMP(p, softmax_int, T(x), I(-1)) : NULL;
    if (!masked || !weights || x->sizes[x->ndim - 1] == 0) return weights;
    tw_tensor *never = TEMP(p, eq, T(TEMP(p, amax, T(x), INTS(&last, 1), B(true))), F(-INFINITY));
    return TEMP(p, masked_fill_Scalar, T(weights), T(never), I(0));
}

/* mask: to add, or NULL */
static tw_tensor *in_ops(tw_tensor *q, tw_tensor *k, tw_tensor *v, tw_tensor *mask, double dropout, bool causal, double scale) {
    tw_pool p = {0};
    const double root = sqrt(fabs(scale)); /* on both sides: the products stay smaller */
    tw_tensor *left = TEMP(&p, mul, T(q), F(copysign(root, scale))), *right = TEMP(&p, mul, T(k), F(root));
    tw_tensor *scores = TEMP(&p, matmul, T(left), T(TEMP(&p, transpose_int, T(right), I(-2), I(-1))));
    if (causal && scores) {
        const int64_t rows = q->sizes[q->ndim - 2], length = k->sizes[k->ndim - 2], column[] = {rows, 1};
        tw_tensor *row = TEMP(&p, arange, I(rows), NONE_, NONE_, I(q->device)), *at = TEMP(&p, arange, I(length), NONE_, NONE_, I(q->device));
        tw_tensor *after = TEMP(&p, gt, T(at), T(TEMP(&p, view, T(row), INTS(column, 2))));
        scores = TEMP(&p, masked_fill_Scalar, T(scores), T(after), F(-INFINITY));
    }
    if (mask) scores = TEMP(&p, add, T(scores), T(mask));
    tw_tensor *weights = safe_softmax(&p, scores, mask != NULL);
    if (dropout > 0) weights = TEMP(&p, dropout, T(weights), F(dropout), B(true));
    tw_tensor *out = tw_failed() ? NULL : CALL(matmul, T(weights), T(v));
    return tw_pool_done(&p, &out, 1) ? out : NULL;
}

/* What _attention computes, for its second derivative. */
static bool same_in_ops(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t times = sharing(a[0].t, a[1].t);
    tw_tensor *k = times ? repeat_heads(&p, a[1].t, times) : NULL, *v = times ? repeat_heads(&p, a[2].t, times) : NULL;
    if (k && v) outs[0] = in_ops(a[0].t, k, v, a[3].tag == TW_ARG_TENSOR ? a[3].t : NULL, 0, a[4].i != 0, a[5].d);
    return tw_pool_done(&p, outs, 1);
}

/* --- the kernel ------------------------------------------------------------------------------------------------------------------------------ */

bool tw__attention_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    (void)node;
    if (!g[0]) return true;
    if (!(tw_mode & TW_MODE_NO_GRAD)) return tw_regrade(&tw_ops[TW_OP__attention], same_in_ops, a, g, need, gin);
    tw_pool p = {0};
    tw_tensor *outs[3] = {NULL, NULL, NULL};
    const tw_arg args[] = {T(TEMP(&p, _contiguous, T(g[0]))), a[0], a[1], a[2], a[3], T(r[0]), T(r[1]), a[4], a[5], a[6]};
    if (!tw_failed()) tw_call(&tw_ops[TW_OP__attention_backward], args, outs);
    for (int i = 0; i < 3; i++) {
        if (need >> i & 1) gin[i] = outs[i];
        else tw_release(outs[i]);
    }
    return tw_pool_done(&p, NULL, 0);
}

static bool same_batch(const tw_tensor *q, const tw_tensor *k, const tw_tensor *v, bool shared) {
    const bool equal = q->ndim == k->ndim && q->ndim == v->ndim && (q->ndim == 3 || q->ndim == 4);
    if (!equal || q->sizes[0] != k->sizes[0] || q->sizes[0] != v->sizes[0]) return false;
    if (q->ndim == 4 && (k->sizes[1] != v->sizes[1] || (!shared && q->sizes[1] != k->sizes[1]))) return false;
    return q->sizes[q->ndim - 1] == k->sizes[k->ndim - 1] && k->sizes[k->ndim - 2] == v->sizes[v->ndim - 2];
}

/* What PyTorch's own kernel takes (sdp_utils_cpp.cpp), but for dropout. Of half types it rounds weights and results on the way, where ops round
 * the result only; and it takes a mask besides is_causal, which they refuse. */
static bool flash(const tw_tensor *q, const tw_tensor *k, const tw_tensor *v, tw_tensor *mask, bool shared) {
    const tw_tensor *all[] = {q, k, v, mask};
    if (q->ndim != 4 || !same_batch(q, k, v, shared) || q->sizes[3] != v->sizes[3] || q->sizes[2] == 0 || k->sizes[2] == 0) return false;
    if (mask && (tw_requires_grad(mask) || (mask->ndim != 2 && mask->ndim != 4))) return false;
    for (int i = 0; i < 4; i++)
        if (all[i] && all[i]->strides[all[i]->ndim - 1] != 1) return false;
    return true;
}

static bool last_dense(const tw_tensor *t) { return t->strides[t->ndim - 1] == 1 || t->sizes[t->ndim - 1] <= 1; }

/* (batch, heads, rows, width), in float32 if it is narrower. */
static tw_tensor *prepared(tw_pool *p, tw_tensor *t, tw_dtype dtype) {
    if (t && t->dtype != dtype) t = TEMP(p, to_dtype, T(t), I(dtype));
    if (t && (!last_dense(t) || t->ndim == 3)) t = TEMP(p, _contiguous, T(t));
    return t && t->ndim == 3 ? TEMP(p, unsqueeze, T(t), I(0)) : t;
}

static tw_tensor *fused(tw_tensor *q, tw_tensor *k, tw_tensor *v, tw_tensor *mask, bool causal, double scale, bool steps) {
    tw_pool p = {0};
    const tw_dtype dtype = q->dtype == TW_FLOAT64 ? TW_FLOAT64 : TW_FLOAT32;
    tw_tensor *outs[2] = {NULL, NULL}, *q4 = prepared(&p, q, dtype), *k4 = prepared(&p, k, dtype), *v4 = prepared(&p, v, dtype);
    if (mask && q4 && k4) {
        const int64_t sizes[] = {q4->sizes[0], q4->sizes[1], q4->sizes[2], k4->sizes[2]};
        if (mask->dtype != dtype) mask = TEMP(&p, to_dtype, T(mask), I(dtype));
        mask = TEMP(&p, expand, T(mask), INTS(sizes, 4));
    }
    const tw_arg args[] = {T(q4), T(k4), T(v4), T(mask), B(causal), F(scale), steps ? I(q->dtype) : NONE_};
    if (!tw_failed()) tw_call(&tw_ops[TW_OP__attention], args, outs);
    tw_tensor *out = tw_pool_own(&p, outs[0]);
    tw_pool_own(&p, outs[1]);
    if (out && q->ndim == 3) out = TEMP(&p, squeeze_dim, T(out), I(0));
    if (out && q->dtype != dtype) out = TEMP(&p, to_dtype, T(out), I(q->dtype));
    out = tw_retain(out);
    return tw_pool_done(&p, &out, 1) ? out : NULL;
}

static bool check_mask(const tw_tensor *q, const tw_tensor *k, const tw_tensor *mask) {
    const int64_t wanted[] = {k->sizes[k->ndim - 2], q->sizes[q->ndim - 2]};
    for (int i = 0; i < 2 && i < mask->ndim; i++) {
        const int64_t have = mask->sizes[mask->ndim - 1 - i];
        if (have == 1 || have == wanted[i]) continue;
        return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                       (long long)wanted[i], (long long)have, q->ndim - 1 - i);
    }
    return true;
}

/* (query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa) */
bool tw_scaled_dot_product_attention_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *q = a[0].t, *k = a[1].t, *v = a[2].t, *mask = a[3].tag == TW_ARG_TENSOR ? a[3].t : NULL;
    if (!check(a) || (mask && !check_mask(q, k, mask))) return false;
    const bool causal = a[5].i != 0, shared = a[7].i != 0 && q->ndim >= 3 && k->ndim >= 3;
    const double scale = a[6].tag == TW_ARG_NONE ? 1 / sqrt((double)q->sizes[q->ndim - 1]) : tw_a_get_double(&a[6], 1);
    const int64_t times = shared ? sharing(q, k) : 1;
    if (!times) return false;
    const bool transformed = (tw_mode & (TW_MODE_VMAP | TW_MODE_FORWARD)) != 0, fast = a[4].d == 0 && flash(q, k, v, mask, shared);
    if (mask && causal && !fast && !transformed) {
        return tw_fail(TW_RUNTIME_ERROR, "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
    }
    const bool kernel = same_batch(q, k, v, shared) && a[4].d == 0 && !transformed &&
                        !(mask && (tw_requires_grad(mask) || mask->ndim > q->ndim)) && (q->ndim == 4 || times == 1);
    const bool steps = fast && tw_dtypes[q->dtype].compute != q->dtype;
    mask = additive(&p, mask, (tw_dtype)q->dtype);
    if (tw_failed()) return tw_pool_done(&p, outs, 0);
    if (kernel) outs[0] = fused(q, k, v, mask, causal, scale, steps);
    else {
        const tw_dtype dtype = (tw_dtype)q->dtype, wide = tw_dtypes[dtype].compute;
        tw_tensor *out = NULL;
        k = repeat_heads(&p, k, times), v = repeat_heads(&p, v, times);
        if (wide != dtype) q = TEMP(&p, to_dtype, T(q), I(wide)), k = TEMP(&p, to_dtype, T(k), I(wide)), v = TEMP(&p, to_dtype, T(v), I(wide));
        if (!tw_failed()) out = in_ops(q, k, v, mask, a[4].d, causal, scale);
        if (wide == dtype) outs[0] = out;
        else outs[0] = tw_pool_own(&p, out) ? CALL(to_dtype, T(out), I(dtype)) : NULL;
    }
    return tw_pool_done(&p, outs, 1);
}
