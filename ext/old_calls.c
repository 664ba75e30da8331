/* Calls as they were written before alpha, beta and value were keywords: x.add_(alpha, y), torch.addmm(beta, x, alpha, a, b). PyTorch
 * still takes them (its deprecated.yaml) and warns of the first. */
#include "ext/old_calls.h"

static bool has_old_form(const char *base) {
    static const char *const names[] = {"add", "sub", "addcmul", "addcdiv", "addmm", "addmv", "addr", "addbmm", "baddbmm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(base, names[i]) == 0) return true;
    return false;
}

static int keyword_numbers(const tw_op *op, const tw_param **found) {
    int n = 0;
    for (int i = 0; i < op->nparams && n < 2; i++)
        if (op->params[i].keyword_only && op->params[i].type == TW_TYPE_SCALAR) found[n++] = &op->params[i];
    return n;
}

/* Where the i-th number stood: beta before self in a function, all others behind what came before them. */
static Py_ssize_t place_of(int i, int nscalars, bool method) {
    if (nscalars == 1) return 1;
    return method ? 1 + i : 2 * i;
}

static bool is_number(PyObject *o) {
    return !tw_py_is_tensor(o) && (PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o) || PyNumber_Check(o)) && !PySequence_Check(o);
}

static bool warn_once(const tw_py_parse *p, const tw_binding *b, const tw_param *const *numbers, int nscalars, int given) {
    static bool warned;
    if (warned) return true;
    warned = true;
    const tw_op *op = p->op;
    PyObject *old = PyUnicode_FromString(""), *now = tw_py_signature(p, op, b->has_out && !p->method);
    for (Py_ssize_t at = p->method, param = p->method; old && at < op->npositional + given; at++) {
        const tw_param *one = NULL;
        for (int i = 0; i < given; i++)
            if (place_of(i, nscalars, p->method) == at) one = numbers[i];
        if (!one) one = &op->params[param++];
        const char *name = strcmp(one->name, "self") == 0 ? "input" : one->name;
        PyObject *longer = PyUnicode_FromFormat("%U%s%s %s", old, at > p->method ? ", " : "", tw_py_param_type(one), name);
        Py_DECREF(old);
        old = longer;
    }
    bool ok = old && now &&
              PyErr_WarnFormat(PyExc_UserWarning, 1, "This overload of %s is deprecated:\n\t%s(%U%s)\nConsider using one of the following "
                               "signatures instead:\n\t%s%U", p->name, p->name, old, b->has_out && !p->method ? ", *, Tensor out = None" : "",
                               p->name, now) == 0;
    Py_XDECREF(old);
    Py_XDECREF(now);
    return ok;
}

bool tw_py_old_call(tw_py_parse *p, const tw_binding *b, tw_py_old *o) {
    const tw_op *op = &tw_ops[b->ops[0]];
    const tw_param *numbers[2];
    if (!has_old_form(op->base)) return false;
    const int nscalars = keyword_numbers(op, numbers), given = (int)(p->ngiven - op->npositional);
    const Py_ssize_t nkeywords = p->kwnames ? PyTuple_GET_SIZE(p->kwnames) : 0;
    if (given < 1 || given > nscalars || p->ngiven + nkeywords > TW_PY_OLD_ARGS) return false;
    PyObject *values[2] = {NULL, NULL};
    Py_ssize_t n = 0;
    for (Py_ssize_t at = 0; at < p->ngiven; at++) {
        int which = -1;
        for (int i = 0; i < given; i++)
            if (place_of(i, nscalars, p->method) == at) which = i;
        if (which < 0 ? !tw_py_is_tensor(p->given[at]) : !is_number(p->given[at])) return false;
        if (which < 0) o->given[n++] = p->given[at];
        else values[which] = p->given[at];
    }
    o->kwnames = PyTuple_New(given + nkeywords);
    for (int i = 0; o->kwnames && i < given; i++) {
        o->given[n + i] = values[i];
        PyTuple_SET_ITEM(o->kwnames, i, PyUnicode_FromString(numbers[i]->name));
    }
    for (Py_ssize_t i = 0; o->kwnames && i < nkeywords; i++) {
        o->given[n + given + i] = p->given[p->ngiven + i];
        PyTuple_SET_ITEM(o->kwnames, given + i, Py_NewRef(PyTuple_GET_ITEM(p->kwnames, i)));
    }
    p->op = op;
    if (!o->kwnames || !warn_once(p, b, numbers, nscalars, given)) {
        Py_CLEAR(o->kwnames);
        return false;
    }
    p->given = o->given;
    p->ngiven = n;
    p->kwnames = o->kwnames;
    return true;
}
