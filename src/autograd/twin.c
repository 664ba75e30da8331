#include "autograd/twin.h"
#include "autograd/autograd.h"
#include "op_ids.h"
#include <string.h>

/* Takes the list over. */
static bool copy_all(tw_list *list, tw_tensor **outs) {
    bool ok = true;
    for (int64_t i = 0; ok && i < list->n; i++) {
        tw_tensor *copy = tw_call1(TW_OP_clone, 2, (const tw_arg[]){tw_a_tensor(list->items[i]), tw_a_int(TW_CONTIGUOUS_FORMAT)});
        tw_release(list->items[i]);
        list->items[i] = copy;
        ok = copy != NULL;
    }
    if (ok) outs[0] = tw_list_result(list);
    else tw_list_release(list);
    return ok;
}

bool tw_twin_copy(const tw_op *view, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *v = NULL;
    if (!tw_call(view, args, &v)) return false;
    if (view->flags & TW_OP_LIST) return copy_all(tw_list_of(v), outs);
    outs[0] = tw_call1(TW_OP_clone, 2, (const tw_arg[]){tw_a_tensor(v), tw_a_int(TW_CONTIGUOUS_FORMAT)});
    tw_release(v);
    return outs[0] != NULL;
}

bool tw_twin_scatter(const tw_op *view, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *src = args[1].t, *whole = tw_call1(TW_OP_clone, 1, args), *part = NULL;
    tw_arg in[TW_MAX_ARGS] = {tw_a_tensor(whole)};
    for (int i = 1; i < view->nparams; i++) in[i] = args[i + 1];
    bool ok = whole && tw_call(view, in, &part);
    if (ok && (part->ndim != src->ndim || memcmp(part->sizes, src->sizes, (size_t)src->ndim * sizeof *src->sizes) != 0))
        ok = tw_fail(TW_RUNTIME_ERROR, "expected src to have a size equal to the slice of self. src size = %s, slice size = %s",
                     tw_sizes_text(src->sizes, src->ndim), tw_sizes_text(part->sizes, part->ndim));
    if (ok) {
        const tw_arg copy[] = {tw_a_tensor(part), args[1], tw_a_bool(false)};
        ok = tw_call_inplace(&tw_ops[TW_OP_copy_], copy);
    }
    tw_release(part);
    if (ok) outs[0] = whole;
    else tw_release(whole);
    return ok;
}
