#include "composite/regrade.h"
#include "composite/boxed.h"
#include <string.h>

bool tw_regrade(const tw_op *op, tw_composite_fn same, const tw_arg *a, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    tw_pool p = {0};
    tw_arg args[TW_MAX_ARGS];
    tw_tensor *outs[TW_MAX_OUTS] = {0}, *roots[TW_MAX_OUTS], *grads[TW_MAX_OUTS], *inputs[TW_MAX_ARGS], *found[TW_MAX_ARGS] = {0};
    int nroots = 0, ninputs = 0, edge = 0, which[TW_MAX_ARGS];
    memcpy(args, a, op->nparams * sizeof *args);
    for (int i = 0; i < op->nparams; i++) {
        if (op->params[i].type != TW_TYPE_TENSOR) continue;
        /* A tensor of its own for each: one that is given twice must not be counted twice. */
        if (a[i].tag == TW_ARG_TENSOR) args[i] = T(TEMP(&p, alias, a[i]));
        /* Where only the cotangents are to be differentiated (autograd/transposed.c), no argument requires a gradient yet. */
        if ((need >> edge & 1) && args[i].t && !tw_requires_grad(args[i].t)) tw_set_requires_grad(args[i].t, true);
        if (need >> edge & 1) which[ninputs] = edge, inputs[ninputs++] = args[i].t;
        edge++;
    }
    bool ok = !tw_failed() && same(args, outs);
    for (int i = 0; i < op->nouts && ok; i++) {
        if (g[i] && outs[i] && tw_requires_grad(outs[i])) roots[nroots] = outs[i], grads[nroots++] = g[i];
    }
    ok = ok && (nroots == 0 || tw_backward_run(roots, grads, nroots, true, true, inputs, ninputs, true, false, found));
    for (int i = 0; i < ninputs; i++) {
        if (ok) gin[which[i]] = found[i];
        else tw_release(found[i]);
    }
    for (int i = 0; i < op->nouts; i++) tw_release(outs[i]);
    return tw_pool_done(&p, NULL, 0) && ok;
}
