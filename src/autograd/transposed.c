/* Tangents of ops that have a gradient but no tangent of their own.
 *
 * Note [Transposed gradients]
 * A gradient is linear in the cotangents u: g(u) = J^H u. Its own gradient with respect to u, for the cotangent t, is (J^H)^H t = J t: the
 * tangent. So reverse mode over the gradient's formula gives forward mode; u is zeros, as the answer does not depend on it. It costs about as
 * much as the gradient and the gradient of that, which is why elementwise, linear and other frequent ops spell their tangents out. */
#include "autograd/engine.h"
#include "autograd/jvp.h"
#include "op_ids.h"
#include <string.h>

enum { EDGES = 64 }; /* bits of `need` */

typedef struct edges { tw_tensor *from[EDGES], *tangent[EDGES], *grad[EDGES]; int n; } edges;

static bool add_edge(edges *e, const tw_op *op, tw_tensor *from, tw_tensor *tangent) {
    if (e->n == EDGES) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "forward-mode AD of %s with more than %d tensors", op->base, EDGES);
    e->from[e->n] = from;
    e->tangent[e->n] = tangent;
    e->grad[e->n++] = NULL;
    return true;
}

/* In the order of a node's edges. */
static bool edges_of(edges *e, const tw_op *op, const tw_arg *args, const tw_arg *t) {
    bool ok = true;
    for (int i = 0; ok && i < op->nparams; i++) {
        const bool wanted = op->differentiable >> i & 1;
        if (op->params[i].type == TW_TYPE_TENSORS) {
            for (int j = 0; ok && args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
                ok = add_edge(e, op, args[i].ts[j], wanted && t[i].tag == TW_ARG_TENSORS ? t[i].ts[j] : NULL);
        } else if (op->params[i].type == TW_TYPE_TENSOR) {
            const bool given = args[i].tag == TW_ARG_TENSOR;
            ok = add_edge(e, op, given ? args[i].t : NULL, given && wanted && t[i].tag == TW_ARG_TENSOR ? t[i].t : NULL);
        }
    }
    return ok;
}

/* A cotangent of a result, by which the gradient is to be differentiated. */
static tw_tensor *cotangent(tw_tensor *result) {
    tw_arg a[] = {tw_a_tensor(result)};
    tw_tensor *u = tw_call1(TW_OP_zeros_like, 1, a);
    if (u && !tw_set_requires_grad(u, true)) { tw_release(u); u = NULL; }
    return u;
}

/* As the engine hands it on: of the input's sizes and dtype; takes and gives an owned reference. */
static tw_tensor *as_input(tw_tensor *grad, const tw_tensor *input) {
    grad = tw_sum_to_sizes(grad, input->sizes, input->ndim);
    if (!grad || grad->dtype == input->dtype) return grad;
    const tw_arg a[] = {tw_a_tensor(grad)};
    tw_tensor *part = tw_is_complex((tw_dtype)grad->dtype) && !tw_is_complex((tw_dtype)input->dtype) ? tw_call1(TW_OP_real, 1, a) : tw_retain(grad);
    tw_tensor *cast = part ? tw_cast_to(part, (tw_dtype)input->dtype) : NULL;
    tw_release(part);
    tw_release(grad);
    return cast;
}

/* The gradient's results that depend on u, and what they are to be multiplied by. */
static int roots_of(edges *e, tw_tensor **roots, tw_tensor **heads) {
    int n = 0;
    for (int i = 0; i < e->n; i++) {
        if (!e->grad[i] || !e->tangent[i]) continue;
        e->grad[i] = as_input(e->grad[i], e->from[i]);
        if (!e->grad[i]) return -1;
        if (!tw_requires_grad(e->grad[i])) continue;
        roots[n] = e->grad[i];
        heads[n++] = e->tangent[i];
    }
    return n;
}

bool tw_jvp_transposed(const tw_op *op, const tw_arg *args, tw_tensor *const *results, const tw_arg *t, tw_tensor **tout) {
    edges e = {.n = 0};
    tw_tensor *u[TW_MAX_OUTS] = {0}, *inputs[TW_MAX_OUTS], *found[TW_MAX_OUTS] = {0};
    tw_tensor *roots[EDGES], *heads[EDGES];
    tw_node *node = NULL;
    uint64_t need = 0;
    int ninputs = 0, nroots = 0, which[TW_MAX_OUTS];
    const bool record = !(tw_mode & TW_MODE_NO_GRAD);
    bool ok = edges_of(&e, op, args, t) && (node = tw_node_new(2, e.n, op->nouts)) != NULL;
    for (int i = 0; ok && i < e.n; i++) {
        if (e.from[i]) ok = tw_meta_of(&node->inputs[i], e.from[i]);
        if (e.tangent[i]) need |= UINT64_C(1) << i;
    }
    for (int i = 0; ok && i < op->nouts; i++) {
        if (op->out_nondiff >> i & 1 || !results[i]) continue;
        if (!tw_is_float((tw_dtype)results[i]->dtype) && !tw_is_complex((tw_dtype)results[i]->dtype)) continue;
        ok = tw_meta_of(&node->outputs[i], results[i]) && (u[i] = cotangent(results[i])) != NULL;
        which[ninputs] = i;
        inputs[ninputs++] = u[i];
    }
    if (ok) {
        const unsigned was = tw_set_no_grad(false);
        ok = op->grad(node, args, results, u, need, e.grad);
        nroots = ok ? roots_of(&e, roots, heads) : 0;
        tw_restore_grad_mode(was);
    }
    ok = ok && nroots >= 0 && (nroots == 0 || tw_backward_run(roots, heads, nroots, true, record, inputs, ninputs, true, false, found));
    for (int k = 0; k < ninputs; k++) {
        if (ok) tout[which[k]] = found[k];
        else tw_release(found[k]);
    }
    for (int i = 0; i < op->nouts; i++) tw_release(u[i]);
    for (int i = 0; i < e.n; i++) tw_release(e.grad[i]);
    tw_node_release(node);
    return ok;
}
