/* What torch.nn and torch.optim do in C: the call of a module, and the steps of optimisers over lists of tensors. */
#include "ext/ext.h"
#include "core/memory.h"
#include "tallow/nn.h"

/* --- modules --- */

static PyObject *hooked_name, *forward_name, *call_impl_name;

enum { FEW = 8 };

/* self.forward(*args, **kwargs), through the vectorcall of functions. */
static PyObject *call_forward(PyObject *self, PyObject *args, PyObject *kwargs) {
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n <= FEW && (!kwargs || PyDict_GET_SIZE(kwargs) == 0)) {
        PyObject *all[FEW + 2] = {NULL, self};
        for (Py_ssize_t i = 0; i < n; i++) all[i + 2] = PyTuple_GET_ITEM(args, i);
        return PyObject_VectorcallMethod(forward_name, all + 1, (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    PyObject *forward = PyObject_GetAttr(self, forward_name);
    if (!forward) return NULL;
    PyObject *r = PyObject_Call(forward, args, kwargs);
    Py_DECREF(forward);
    return r;
}

/* Straight to forward() unless the module, or all modules, ever got a hook (nn/modules/_hooks.py). */
static PyObject *module_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *hooked = PyObject_GetAttr(self, hooked_name);
    if (!hooked) return NULL;
    bool plain = hooked == Py_False;
    Py_DECREF(hooked);
    if (plain) return call_forward(self, args, kwargs);
    PyObject *impl = PyObject_GetAttr(self, call_impl_name);
    if (!impl) return NULL;
    PyObject *r = PyObject_Call(impl, args, kwargs);
    Py_DECREF(impl);
    return r;
}

static PyTypeObject module_base_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C._ModuleBase", .tp_basicsize = sizeof(PyObject), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew, .tp_call = module_call, .tp_doc = "Base of torch.nn.Module: the call.",
};

/* --- lists of tensors --- */

/* The tensors of a list of n; NULL entries for None (only where allowed). NULL with a Python error. */
static tw_tensor **tensors_of(PyObject *list, Py_ssize_t n, bool none_too) {
    if (!PyList_Check(list) || PyList_GET_SIZE(list) != n) {
        PyErr_SetString(PyExc_TypeError, "a list with a tensor for each parameter is needed");
        return NULL;
    }
    tw_tensor **t = tw_calloc((size_t)n + 1, sizeof *t);
    if (!t) return (tw_tensor **)tw_py_raise();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyList_GET_ITEM(list, i);
        if (tw_py_is_tensor(o)) {
            t[i] = tw_py_tensor_of(o);
        } else if (o != Py_None || !none_too) {
            PyErr_Format(PyExc_TypeError, "a tensor is needed, not %s", Py_TYPE(o)->tp_name);
            tw_free(t);
            return NULL;
        }
    }
    return t;
}

/* After a step: wraps the states that it made into the list. */
static bool keep_made(PyObject *list, tw_tensor **states, Py_ssize_t n) {
    bool ok = true;
    for (Py_ssize_t i = 0; list && states && i < n; i++) {
        if (PyList_GET_ITEM(list, i) != Py_None || !states[i]) continue;
        PyObject *o = ok ? tw_py_wrap(states[i]) : NULL;
        if (!ok) tw_release(states[i]);
        if (!o || PyList_SetItem(list, i, o) < 0) ok = false;
    }
    return ok;
}

/* _sgd_step(params, grads, buffers or None, lr, momentum, dampening, weight_decay, nesterov, maximize): buffers that are None are made. */
static PyObject *sgd_step(PyObject *m, PyObject *args) {
    PyObject *params, *grads, *buffers;
    int nesterov, maximize;
    tw_sgd_options options = {0};
    (void)m;
    if (!PyArg_ParseTuple(args, "O!OOddddpp", &PyList_Type, &params, &grads, &buffers, &options.lr, &options.momentum,
                          &options.dampening, &options.weight_decay, &nesterov, &maximize)) return NULL;
    options.nesterov = nesterov;
    options.maximize = maximize;
    Py_ssize_t n = PyList_GET_SIZE(params);
    PyObject *result = NULL;
    tw_tensor **g = NULL, **b = NULL, **p = tensors_of(params, n, false);
    if (!p || !(g = tensors_of(grads, n, true)) || (buffers != Py_None && !(b = tensors_of(buffers, n, true)))) goto done;
    bool ok = tw_sgd_step(p, g, b, n, &options);
    if (!keep_made(b ? buffers : NULL, b, n)) goto done;
    result = ok ? Py_NewRef(Py_None) : tw_py_raise();
done:
    tw_free(p);
    tw_free(g);
    tw_free(b);
    return result;
}

/* Reads (or writes) the counts of steps, 0-d tensors of float32 or float64. */
static bool steps_move(tw_tensor **steps, int64_t *counts, Py_ssize_t n, bool write) {
    for (Py_ssize_t i = 0; i < n; i++) {
        tw_tensor *t = steps[i];
        if (t->numel != 1 || t->device != TW_CPU || (t->dtype != TW_FLOAT32 && t->dtype != TW_FLOAT64)) {
            PyErr_SetString(PyExc_RuntimeError, "the count of steps must be a tensor of one float32 or float64");
            return false;
        }
        float *narrow = tw_data(t);
        double *wide = tw_data(t);
        if (!write) counts[i] = (int64_t)(t->dtype == TW_FLOAT32 ? (double)*narrow : *wide);
        else if (t->dtype == TW_FLOAT32) *narrow = (float)counts[i];
        else *wide = (double)counts[i];
    }
    return true;
}

/* _adam_step(params, grads, averages, squares, largest or None, steps, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, decoupled). */
static PyObject *adam_step(PyObject *m, PyObject *args) {
    PyObject *params, *grads, *averages, *squares, *largest, *steps;
    int amsgrad, maximize, decoupled;
    tw_adam_options o = {0};
    (void)m;
    if (!PyArg_ParseTuple(args, "O!OOOOOdddddppp", &PyList_Type, &params, &grads, &averages, &squares, &largest, &steps, &o.lr,
                          &o.beta1, &o.beta2, &o.eps, &o.weight_decay, &amsgrad, &maximize, &decoupled)) return NULL;
    o.amsgrad = amsgrad;
    o.maximize = maximize;
    o.decoupled = decoupled;
    Py_ssize_t n = PyList_GET_SIZE(params);
    PyObject *result = NULL;
    int64_t *counts = NULL;
    tw_tensor **g = NULL, **a = NULL, **s = NULL, **l = NULL, **c = NULL, **p = tensors_of(params, n, false);
    if (!p || !(g = tensors_of(grads, n, true)) || !(a = tensors_of(averages, n, false)) || !(s = tensors_of(squares, n, false)) ||
        !(c = tensors_of(steps, n, false)) || (largest != Py_None && !(l = tensors_of(largest, n, false)))) goto done;
    counts = tw_calloc((size_t)n + 1, sizeof *counts);
    if (!counts) {
        tw_py_raise();
        goto done;
    }
    if (!steps_move(c, counts, n, false)) goto done;
    bool ok = tw_adam_step(p, g, a, s, l, counts, n, &o);
    if (!steps_move(c, counts, n, true)) goto done;
    result = ok ? Py_NewRef(Py_None) : tw_py_raise();
done:
    tw_free(p);
    tw_free(g);
    tw_free(a);
    tw_free(s);
    tw_free(l);
    tw_free(c);
    tw_free(counts);
    return result;
}

static PyMethodDef functions[] = {
    {"_sgd_step", sgd_step, METH_VARARGS, NULL},
    {"_adam_step", adam_step, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* Adds _ModuleBase and the steps of optimisers. */
bool tw_py_init_nn(PyObject *module) {
    hooked_name = PyUnicode_InternFromString("_hooked");
    forward_name = PyUnicode_InternFromString("forward");
    call_impl_name = PyUnicode_InternFromString("_call_impl");
    if (!hooked_name || !forward_name || !call_impl_name || PyType_Ready(&module_base_type) < 0) return false;
    return tw_py_add_type(module, "_ModuleBase", &module_base_type) && PyModule_AddFunctions(module, functions) == 0;
}
