#include "autograd/autocast.h"
#include "autograd/engine.h"
#include "core/memory.h"
#include <string.h>

/* float64 is nobody's choice by accident: it stays. */
static bool eligible(const tw_tensor *t) {
    return t && t->device == TW_CPU && tw_is_float((tw_dtype)t->dtype) && t->dtype != TW_FLOAT64;
}

static tw_tensor *const *tensors_of(const tw_arg *a, int *n) {
    *n = a->tag == TW_ARG_TENSOR ? 1 : a->tag == TW_ARG_TENSORS ? a->n : 0;
    return a->tag == TW_ARG_TENSOR ? &a->t : a->ts;
}

/* What the arguments become. */
static tw_dtype target(const tw_op *op, const tw_arg *args) {
    if (op->autocast == TW_AUTOCAST_LOWER) return (tw_dtype)tw_autocast_dtype;
    if (op->autocast == TW_AUTOCAST_FLOAT32) return TW_FLOAT32;
    tw_dtype widest = (tw_dtype)tw_autocast_dtype;
    for (int i = 0; i < op->nparams; i++) {
        int n;
        tw_tensor *const *ts = tensors_of(&args[i], &n);
        for (int j = 0; j < n; j++)
            if (eligible(ts[j]) && ts[j]->dtype != (int8_t)widest) widest = TW_FLOAT32;
    }
    return widest;
}

bool tw_call_autocast(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_arg cast[TW_MAX_ARGS];
    tw_tensor **lists[TW_MAX_ARGS] = {NULL}, *single[TW_MAX_ARGS] = {NULL};
    const tw_dtype dtype = target(op, args);
    bool ok = true;
    tw_mode &= ~(unsigned)TW_MODE_AUTOCAST;
    for (int i = 0; i < op->nparams; i++) {
        int n;
        tw_tensor *const *ts = tensors_of(&args[i], &n);
        cast[i] = args[i];
        if (!ok || n == 0) continue;
        tw_tensor **to = args[i].tag == TW_ARG_TENSOR ? &single[i] : (lists[i] = tw_calloc((size_t)n, sizeof *lists[i]));
        ok = to != NULL;
        for (int j = 0; ok && j < n; j++) {
            const bool change = eligible(ts[j]) && ts[j]->dtype != (int8_t)dtype;
            to[j] = change ? tw_cast_to(ts[j], dtype) : ts[j] ? tw_retain(ts[j]) : NULL;
            ok = to[j] != NULL || !ts[j];
        }
        if (args[i].tag == TW_ARG_TENSOR) cast[i].t = single[i];
        else cast[i].ts = lists[i];
    }
    ok = ok && tw_call(op, cast, outs);
    for (int i = 0; i < op->nparams; i++) {
        tw_release(single[i]);
        for (int j = 0; lists[i] && j < args[i].n; j++) tw_release(lists[i][j]);
        tw_free(lists[i]);
    }
    tw_mode |= TW_MODE_AUTOCAST;
    return ok;
}
