#include "ops/op.h"
#include "core/memory.h"
#include "ops/arg.h"

tw_arg tw_a_scalar(tw_scalar s) {
    tw_arg a = {.tag = TW_ARG_NONE};
    switch (s.kind) {
    case TW_SCALAR_BOOL: return tw_a_bool(s.i != 0);
    case TW_SCALAR_INT: return tw_a_int(s.i);
    case TW_SCALAR_FLOAT: return tw_a_float(s.re);
    case TW_SCALAR_NONE: return a;
    case TW_SCALAR_COMPLEX:
        a.c[0] = s.re;
        a.c[1] = s.im;
        a.tag = TW_ARG_COMPLEX;
    }
    return a;
}

tw_scalar tw_a_to_scalar(const tw_arg *a) {
    switch (a->tag) {
    case TW_ARG_BOOL: return tw_bool(a->i != 0);
    case TW_ARG_FLOAT: return tw_float(a->d);
    case TW_ARG_COMPLEX: return tw_complex(a->c[0], a->c[1]);
    default: return tw_int(a->i);
    }
}

tw_list *tw_list_new(int64_t n) {
    if (n < 0 || n > INT32_MAX) return tw_fail_null(TW_RUNTIME_ERROR, "a list of %lld tensors is too long", (long long)n);
    tw_list *list = tw_calloc(1, sizeof *list + (size_t)n * sizeof *list->items);
    if (list) list->n = n;
    return list;
}

void tw_list_release(tw_list *list) {
    for (int64_t i = 0; list && i < list->n; i++) tw_release(list->items[i]);
    tw_free(list);
}
