/* tril, triu: a copy with zeros on one side of a diagonal. */
#include "core/error.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/index.h"
#include "ops_decl.h"
#include <string.h>

static bool triangle_meta(const char *name, const tw_arg *a, tw_meta *out) {
    if (a[0].t->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "%s: input tensor must have at least 2 dimensions", name);
    return tw_meta_like(out, a[0].t, (tw_dtype)a[0].t->dtype);
}
bool tw_tril_meta(const tw_arg *a, tw_meta *out) { return triangle_meta("tril", a, out); }
bool tw_triu_meta(const tw_arg *a, tw_meta *out) { return triangle_meta("triu", a, out); }

typedef struct cut { const tw_tensor *t; int64_t diagonal; bool lower; } cut;

/* Zeroes one side of the rows [begin, end), counted through all matrices. */
static void cut_rows(void *context, int64_t begin, int64_t end) {
    const cut *c = context;
    const tw_tensor *t = c->t;
    const int64_t bytes = (int64_t)tw_dtype_size((tw_dtype)t->dtype), rows = t->sizes[t->ndim - 2], columns = t->sizes[t->ndim - 1];
    const int64_t step = tw_step_of(t, t->ndim - 1);
    for (int64_t r = begin; r < end; r++) {
        char *row = (char *)tw_data(t) + r % rows * tw_step_of(t, t->ndim - 2);
        int64_t rest = r / rows;
        for (int d = t->ndim - 3; d >= 0; d--) {
            row += rest % t->sizes[d] * tw_step_of(t, d);
            rest /= t->sizes[d];
        }
        int64_t edge = r % rows + c->diagonal + (c->lower ? 1 : 0); /* the first zero, or the first to stay */
        edge = edge < 0 ? 0 : edge > columns ? columns : edge;
        const int64_t from = c->lower ? edge : 0, to = c->lower ? columns : edge;
        if (step == bytes) memset(row + from * bytes, 0, (size_t)((to - from) * bytes));
        else for (int64_t i = from; i < to; i++) memset(row + i * step, 0, (size_t)bytes);
    }
}

static bool triangle(const tw_arg *a, tw_tensor *out, bool lower) {
    if (!tw_start_from(out, a[0].t)) return false;
    const int64_t far = INT64_MAX / 2; /* beyond it one more row makes no difference, but could overflow */
    cut c = {out, a[1].i > far ? far : a[1].i < -far ? -far : a[1].i, lower};
    const int64_t columns = out->sizes[out->ndim - 1];
    if (out->numel) tw_parallel(out->numel / columns, 1 + 32768 / columns, cut_rows, &c);
    return true;
}
bool tw_tril_run(const tw_arg *a, tw_tensor **outs) { return triangle(a, outs[0], true); }
bool tw_triu_run(const tw_arg *a, tw_tensor **outs) { return triangle(a, outs[0], false); }
