/* Indexing ops made of others, and the gradients of indexing. */
#include "composite/boxed.h"
#include "core/memory.h"
#include "ops_decl.h"
#include <string.h>

/* (grad, sizes, dim, index) */
bool tw__gather_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    outs[0] = CALL(scatter_add, T(TEMP(&p, new_zeros, a[0], a[1])), a[2], a[3], a[0]);
    return tw_pool_done(&p, outs, 1);
}

/* (grad, sizes, dim, index): index_put with accumulation along dim. */
bool tw__index_select_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *indices[TW_MAX_DIMS] = {NULL};
    int64_t dim = a[2].i;
    tw_tensor *zeros = TEMP(&p, new_zeros, a[0], a[1]);
    if (a[1].n == 0) {
        outs[0] = CALL(reshape, a[0], a[1]);
    } else if (tw_wrap_dim(&dim, a[1].n)) {
        indices[dim] = a[3].t->ndim ? a[3].t : TEMP(&p, unsqueeze, a[3], I(0));
        outs[0] = CALL(index_put, T(zeros), tw_a_tensors(indices, dim + 1), a[0], B(true));
    }
    return tw_pool_done(&p, outs, 1);
}

/* (grad, sizes, indices) */
bool tw__index_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    outs[0] = CALL(index_put, T(TEMP(&p, new_zeros, a[0], a[1])), a[2], a[0], B(true));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, indices) */
bool tw__index_put_zero_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const int64_t none = 0;
    tw_tensor *zero = TEMP(&p, new_zeros, a[0], INTS(&none, 0));
    outs[0] = CALL(index_put, a[0], a[1], T(zero), B(false));
    return tw_pool_done(&p, outs, 1);
}

/* (grad, dim, index) */
bool tw__scatter_zero_composite(const tw_arg *a, tw_tensor **outs) {
    outs[0] = CALL(scatter_value, a[0], a[1], a[2], I(0));
    return outs[0] != NULL;
}

/* (self, indices, values, accumulate) */
bool tw_index_put_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *copy = CALL(clone, a[0]);
    tw_arg args[4] = {T(copy), a[1], a[2], a[3]};
    outs[0] = NULL;
    if (!copy) return false;
    if (!tw_call_inplace(&tw_ops[TW_OP_index_put_], args)) {
        tw_release(copy);
        return false;
    }
    outs[0] = copy;
    return true;
}

/* (self, mask) */
bool tw_masked_select_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    if (a[1].t->dtype != TW_BOOL) return tw_fail(TW_RUNTIME_ERROR, "masked_select: expected BoolTensor for mask");
    const bool same = a[0].t->ndim && a[0].t->ndim == a[1].t->ndim && !memcmp(a[0].t->sizes, a[1].t->sizes, sizeof(int64_t) * (size_t)a[0].t->ndim);
    if (same) { /* x[mask] as it is */
        outs[0] = CALL(index_Tensor, a[0], tw_a_tensors(&a[1].t, 1));
        return outs[0] != NULL;
    }
    tw_tensor *like = TEMP(&p, logical_or, a[1], T(TEMP(&p, zeros_like, a[0], I(TW_BOOL)))); /* broadcast sizes, the mask's values */
    tw_tensor *wide = like ? TEMP(&p, expand, a[0], INTS(like->sizes, like->ndim)) : NULL;
    if (like && like->ndim == 0) {
        wide = TEMP(&p, unsqueeze, T(wide), I(0));
        like = TEMP(&p, unsqueeze, T(like), I(0));
    }
    if (like && wide) outs[0] = CALL(index_Tensor, T(wide), tw_a_tensors(&like, 1));
    return tw_pool_done(&p, outs, 1);
}

/* (tensors, dim) */
bool tw_stack_composite(const tw_arg *a, tw_tensor **outs) {
    const tw_arg *list = &a[0];
    int64_t dim = a[1].i;
    if (list->n == 0) return tw_fail(TW_RUNTIME_ERROR, "stack expects a non-empty TensorList");
    const tw_tensor *first = list->ts[0];
    if (!tw_wrap_dim(&dim, first->ndim + 1)) return false;
    for (int i = 1; i < list->n; i++) {
        bool same = list->ts[i]->ndim == first->ndim;
        for (int d = 0; same && d < first->ndim; d++) same = list->ts[i]->sizes[d] == first->sizes[d];
        if (!same)
            return tw_fail(TW_RUNTIME_ERROR, "stack expects each tensor to be equal size, but got %s at entry 0 and %s at entry %d",
                           tw_sizes_text(first->sizes, first->ndim), tw_sizes_text(list->ts[i]->sizes, list->ts[i]->ndim), i);
    }
    tw_tensor **wide = tw_calloc((size_t)list->n, sizeof *wide);
    if (!wide) return false;
    for (int i = 0; i < list->n; i++) wide[i] = CALL(unsqueeze, T(list->ts[i]), I(dim));
    outs[0] = tw_failed() ? NULL : CALL(cat, tw_a_tensors(wide, list->n), I(dim));
    for (int i = 0; i < list->n; i++) tw_release(wide[i]);
    tw_free(wide);
    return outs[0] != NULL;
}

/* Gradients of cat: slices of grad, one per tensor; PyTorch's legacy empty tensors get zeros of their own shape. */
bool tw_cat_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    int64_t dim = a[1].i, start = 0;
    (void)r;
    if (!g[0]) return true;
    if (!tw_wrap_dim(&dim, g[0]->ndim)) return false;
    for (int i = 0; i < node->nedges; i++) {
        const tw_input_meta *in = &node->inputs[i];
        const int64_t *sizes = in->sizes ? in->sizes : in->sizes_inline;
        bool skipped = in->ndim == 1 && sizes[0] == 0;
        bool wanted = i >= 64 || (need >> i & 1);
        int64_t size = skipped ? 0 : sizes[dim];
        if (wanted && skipped) gin[i] = CALL(new_zeros, T(g[0]), INTS(sizes, 1));
        else if (wanted) gin[i] = CALL(narrow, T(g[0]), I(dim), I(start), I(size));
        if (wanted && !gin[i]) return false;
        start += size;
    }
    return true;
}
