/* Several tensors brought to one shape, and what is built from them: grids, products of sets, blocks on a diagonal. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

/* --- meshgrid, broadcast_tensors -------------------------------------------------------------------------------- */

static bool gridable(tw_tensor *const *ts, int n) {
    if (n == 0) return tw_fail(TW_RUNTIME_ERROR, "meshgrid expects a non-empty TensorList");
    if (n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, n);
    for (int i = 0; i + 1 < n; i++) {
        if (ts[i]->dtype != ts[i + 1]->dtype) return tw_fail(TW_RUNTIME_ERROR, "meshgrid expects all tensors to have the same dtype");
        if (ts[i]->device != ts[i + 1]->device) return tw_fail(TW_RUNTIME_ERROR, "meshgrid expects all tensors to have the same device");
    }
    for (int i = 0; i < n; i++) {
        if (ts[i]->ndim > 1)
            return tw_fail(TW_RUNTIME_ERROR, "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: a tensor of shape %s",
                           tw_sizes_text(ts[i]->sizes, ts[i]->ndim));
    }
    return true;
}

/* Tensor k varies along dimension place[k] of the grid. */
static bool grid(tw_tensor *const *ts, int n, bool swapped, tw_tensor **outs) {
    int64_t whole[TW_MAX_DIMS], ones[TW_MAX_DIMS];
    tw_pool p = {0};
    if (!gridable(ts, n)) return false;
    tw_list *list = tw_list_new(n);
    for (int k = 0; k < n; k++) {
        whole[swapped && k < 2 ? 1 - k : k] = ts[k]->numel;
        ones[k] = 1;
    }
    for (int k = 0; list && k < n; k++) {
        const int at = swapped && k < 2 ? 1 - k : k;
        ones[at] = whole[at];
        tw_tensor *line = TEMP(&p, view, T(ts[k]), INTS(ones, n));
        list->items[k] = CALL(expand, T(line), INTS(whole, n));
        ones[at] = 1;
    }
    tw_pool_done(&p, NULL, 0);
    return tw_give_list(outs, list);
}

bool tw_meshgrid_composite(const tw_arg *a, tw_tensor **outs) {
    tw_warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.");
    return !tw_failed() && grid(a[0].ts, a[0].n, false, outs);
}

bool tw_meshgrid_indexing_composite(const tw_arg *a, tw_tensor **outs) {
    const bool xy = strcmp(a[1].s, "xy") == 0;
    if (!xy && strcmp(a[1].s, "ij") != 0)
        return tw_fail(TW_RUNTIME_ERROR, "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: %s", a[1].s);
    return grid(a[0].ts, a[0].n, xy && a[0].n > 1, outs);
}

static bool same_sizes(const tw_tensor *t, const int64_t *sizes, int ndim) {
    return t->ndim == ndim && (ndim == 0 || memcmp(t->sizes, sizes, (size_t)ndim * sizeof *sizes) == 0);
}

bool tw_broadcast_tensors_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t sizes[TW_MAX_DIMS];
    int ndim = 0;
    for (int k = 0; k < a[0].n; k++) {
        const tw_tensor *t = a[0].ts[k];
        const int before = ndim, most = t->ndim > ndim ? t->ndim : ndim;
        for (int i = most - 1; i >= 0; i--) { /* from the right, so that a result may grow in place */
            const int from = i - (most - before), at = i - (most - t->ndim);
            const int64_t have = from >= 0 ? sizes[from] : 1, more = at >= 0 ? t->sizes[at] : 1;
            if (have != more && have != 1 && more != 1)
                return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                               (long long)have, (long long)more, i);
        }
        for (int i = most - 1; before < most && i >= most - before; i--) sizes[i] = sizes[i - (most - before)];
        for (int i = 0; i < most - before; i++) sizes[i] = 1;
        for (int i = 0; i < t->ndim; i++) {
            const int at = most - t->ndim + i;
            if (sizes[at] == 1) sizes[at] = t->sizes[i];
        }
        ndim = most;
    }
    tw_list *list = tw_list_new(a[0].n);
    for (int k = 0; list && k < a[0].n; k++) {
        tw_tensor *t = a[0].ts[k];
        list->items[k] = same_sizes(t, sizes, ndim) ? tw_retain(t) : CALL(expand, T(t), INTS(sizes, ndim));
    }
    return tw_give_list(outs, list);
}

/* --- atleast_1d, 2d, 3d ------------------------------------------------------------------------------------------ */

static const int64_t ones[] = {1, 1, 1};

/* Owned. */
static tw_tensor *lifted(tw_tensor *t, int least) {
    if (t->ndim >= least) return tw_retain(t);
    if (t->ndim == 0) return CALL(reshape, T(t), INTS(ones, least));
    if (t->ndim == 2) return CALL(unsqueeze, T(t), I(-1));
    tw_tensor *row = CALL(unsqueeze, T(t), I(0)), *deep = row;
    if (least == 3) {
        deep = CALL(unsqueeze, T(row), I(-1));
        tw_release(row);
    }
    return deep;
}

static bool lift_all(const tw_arg *a, int least, tw_tensor **outs) {
    tw_list *list = tw_list_new(a[0].n);
    for (int i = 0; list && i < a[0].n; i++)
        if (!(list->items[i] = lifted(a[0].ts[i], least))) break;
    return tw_give_list(outs, list);
}

bool tw_atleast_1d_composite(const tw_arg *a, tw_tensor **outs) { return tw_give(outs, lifted(a[0].t, 1)); }
bool tw_atleast_2d_composite(const tw_arg *a, tw_tensor **outs) { return tw_give(outs, lifted(a[0].t, 2)); }
bool tw_atleast_3d_composite(const tw_arg *a, tw_tensor **outs) { return tw_give(outs, lifted(a[0].t, 3)); }
bool tw_atleast_1d_Sequence_composite(const tw_arg *a, tw_tensor **outs) { return lift_all(a, 1, outs); }
bool tw_atleast_2d_Sequence_composite(const tw_arg *a, tw_tensor **outs) { return lift_all(a, 2, outs); }
bool tw_atleast_3d_Sequence_composite(const tw_arg *a, tw_tensor **outs) { return lift_all(a, 3, outs); }

/* --- sets -------------------------------------------------------------------------------------------------------- */

static bool vectors(tw_tensor *const *ts, int n) {
    for (int i = 0; i < n; i++)
        if (ts[i]->ndim != 1) return tw_fail(TW_RUNTIME_ERROR, "Expect a 1D vector, but got shape %s", tw_sizes_text(ts[i]->sizes, ts[i]->ndim));
    return true;
}

bool tw_cartesian_prod_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *grids = NULL;
    tw_pool p = {0};
    const int64_t all[] = {-1};
    if (!vectors(a[0].ts, a[0].n)) return false;
    if (a[0].n == 1) return tw_give(outs, tw_retain(a[0].ts[0]));
    if (!grid(a[0].ts, a[0].n, false, &grids)) return false;
    tw_list *list = tw_list_of(grids);
    for (int i = 0; i < list->n; i++) {
        tw_tensor *flat = CALL(reshape, T(list->items[i]), INTS(all, 1));
        tw_release(list->items[i]);
        list->items[i] = flat;
        if (!flat) break;
    }
    if (!tw_failed()) outs[0] = CALL(stack, tw_a_tensors(list->items, list->n), I(1));
    tw_list_release(list);
    return tw_pool_done(&p, outs, 1);
}

/* --- block_diag --------------------------------------------------------------------------------------------------- */

bool tw_block_diag_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t width = 0, column = 0;
    tw_dtype dtype = TW_DTYPE_NONE;
    const int n = a[0].n;
    const int64_t none[] = {1, 0};
    if (n == 0) return tw_give(outs, CALL(empty, INTS(none, 2)));
    tw_device device = a[0].ts[0]->device;
    for (int i = 0; i < n; i++) {
        const tw_tensor *t = a[0].ts[i];
        if (t->device != device)
            return tw_fail(TW_RUNTIME_ERROR, "torch.block_diag: input tensors must all be on the same device.");
        if (t->ndim > 2)
            return tw_fail(TW_RUNTIME_ERROR, "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input %d has %d dimensions", i,
                           t->ndim);
        dtype = dtype == TW_DTYPE_NONE ? (tw_dtype)t->dtype : tw_promote(dtype, (tw_dtype)t->dtype);
        width += t->ndim ? t->sizes[t->ndim - 1] : 1;
    }
    tw_list *rows = tw_list_new(n); /* each block between zeros of its own rows */
    for (int i = 0; rows && i < n; i++) {
        tw_tensor *block = tw_pool_own(&p, lifted(a[0].ts[i], 2));
        if (!block) break;
        const int64_t length = block->sizes[1], around[] = {column, width - column - length};
        if (block->dtype != dtype) block = TEMP(&p, _to_copy, T(block), I(dtype));
        rows->items[i] = CALL(constant_pad_nd, T(block), INTS(around, 2), I(0));
        if (!rows->items[i]) break;
        column += length;
    }
    if (rows && !tw_failed()) outs[0] = CALL(cat, tw_a_tensors(rows->items, n), I(0));
    tw_list_release(rows);
    return tw_pool_done(&p, outs, 1);
}

/* --- chain_matmul -------------------------------------------------------------------------------------------------- */

bool tw_chain_matmul_composite(const tw_arg *a, tw_tensor **outs) {
    tw_warn("torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot instead, which accepts a "
            "list of two or more tensors rather than multiple parameters.");
    if (tw_failed()) return false;
    for (int i = 0; i < a[0].n; i++)
        if (a[0].ts[i]->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "Tensor dimension is %d, expected 2 instead.", a[0].ts[i]->ndim);
    if (a[0].n == 0) return tw_fail(TW_RUNTIME_ERROR, "chain_matmul(): Expected one or more matrices");
    if (a[0].n == 1) return tw_give(outs, tw_retain(a[0].ts[0]));
    return tw_give(outs, CALL(linalg_multi_dot, a[0]));
}
