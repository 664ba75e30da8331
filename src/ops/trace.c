#include "ops/trace.h"

#include "core/cpu.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct line { char text[768]; size_t used; } line;

static void put(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(line *l, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(l->text + l->used, sizeof l->text - l->used, format, list);
    va_end(list);
    if (n > 0) l->used += (size_t)n < sizeof l->text - l->used ? (size_t)n : sizeof l->text - l->used - 1;
}

static void put_ints(line *l, const int64_t *values, int n) {
    put(l, "[");
    for (int i = 0; i < n; i++) put(l, "%s%lld", i ? "," : "", (long long)values[i]);
    put(l, "]");
}

/* float32[2,3], with the strides where they are not plain. */
static void put_tensor(line *l, const tw_tensor *t) {
    if (!t) {
        put(l, " -");
        return;
    }
    put(l, " %s", tw_dtypes[t->dtype].name);
    put_ints(l, t->sizes, t->ndim);
    if (tw_is_contiguous(t)) return;
    put(l, "/");
    put_ints(l, t->strides, t->ndim);
}

static void put_arg(line *l, const tw_arg *a) {
    switch ((tw_tag)a->tag) {
    case TW_ARG_NONE: put(l, " None"); break;
    case TW_ARG_TENSOR: put_tensor(l, a->t); break;
    case TW_ARG_BOOL: put(l, a->i ? " True" : " False"); break;
    case TW_ARG_INT: put(l, " %lld", (long long)a->i); break;
    case TW_ARG_FLOAT: put(l, " %g", a->d); break;
    case TW_ARG_COMPLEX: put(l, " %g%+gj", a->c[0], a->c[1]); break;
    case TW_ARG_INTS:
        put(l, " ");
        put_ints(l, a->ints, a->n);
        break;
    case TW_ARG_DOUBLES: put(l, " %d floats", a->n); break;
    case TW_ARG_TENSORS:
        for (int i = 0; i < a->n && i < 4; i++) put_tensor(l, a->ts[i]);
        if (a->n > 4) put(l, " ... (%d tensors)", a->n);
        break;
    case TW_ARG_STRING: put(l, " '%s'", a->s); break;
    case TW_ARG_GENERATOR: put(l, " generator"); break;
    }
}

void tw_trace(const char *op, const char *path, int64_t began, const tw_arg *args, int nargs, tw_tensor *const *outs, int nouts) {
    double us = (double)(tw_debug_clock() - began) / 1000;
    line l = {"", 0};
    for (int i = 0; i < nargs; i++) put_arg(&l, &args[i]);
    put(&l, " ->");
    for (int i = 0; i < nouts; i++) put_tensor(&l, outs[i]);
    tw_debug("kernel %s%s  %s %s  %.1f us", op, l.text, path, tw_isa_name(tw_cpu_isa()), us);
}
