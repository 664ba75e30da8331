/* What torch.nn and torch.optim do in C: the call of a module, and the steps of optimisers over lists of tensors. */
#include "ext/ext.h"
#include "core/memory.h"
#include "nn/step_table.h"
#include <string.h>

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
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyList_GET_ITEM(list, i) != Py_None || !states[i]) continue;
        PyObject *o = ok ? tw_py_wrap(states[i]) : NULL;
        if (!ok) tw_release(states[i]);
        if (!o || PyList_SetItem(list, i, o) < 0) ok = false;
    }
    return ok;
}

/* Reads (or writes) number k of `per` that each parameter keeps, from 0-d tensors of float32 or float64. */
static bool scalars_move(tw_tensor **from, double *numbers, Py_ssize_t n, int k, int per, bool write) {
    for (Py_ssize_t i = 0; i < n; i++) {
        tw_tensor *t = from[i];
        if (t->numel != 1 || t->device != TW_CPU || (t->dtype != TW_FLOAT32 && t->dtype != TW_FLOAT64)) {
            PyErr_SetString(PyExc_RuntimeError, "numbers in an optimizer's state must be tensors of one float32 or float64");
            return false;
        }
        float *narrow = tw_data(t);
        double *wide = tw_data(t), *number = &numbers[i * per + k];
        if (!write) *number = t->dtype == TW_FLOAT32 ? (double)*narrow : *wide;
        else if (t->dtype == TW_FLOAT32) *narrow = (float)*number;
        else *wide = *number;
    }
    return true;
}

static const tw_step_formula *formula_named(const char *name) {
    for (int i = 0; i < tw_step_count; i++) {
        if (strcmp(tw_step_formulas[i].name, name) == 0) return &tw_step_formulas[i];
    }
    PyErr_Format(PyExc_KeyError, "no step is named '%s'", name);
    return NULL;
}

/* The lists of one step: tensors of n parameters, their gradients and states, and the numbers kept for each. */
typedef struct step_lists { tw_tensor **params, **grads, **states, **scalar[TW_STEP_SCALARS]; double *scalars; } step_lists;

static bool step_read(step_lists *l, const tw_step_formula *f, Py_ssize_t n, PyObject *params, PyObject *grads, PyObject *states, PyObject *scalars) {
    if (PyTuple_GET_SIZE(states) != f->state_count || PyTuple_GET_SIZE(scalars) != f->scalar_count) {
        PyErr_Format(PyExc_TypeError, "'%s' keeps %d states and %d numbers", f->name, f->state_count, f->scalar_count);
        return false;
    }
    if (!(l->params = tensors_of(params, n, false)) || !(l->grads = tensors_of(grads, n, true))) return false;
    l->states = tw_calloc((size_t)n * (size_t)f->state_count + 1, sizeof *l->states);
    l->scalars = tw_calloc((size_t)n * (size_t)f->scalar_count + 1, sizeof *l->scalars);
    if (!l->states || !l->scalars) {
        tw_py_raise();
        return false;
    }
    for (int k = 0; k < f->state_count; k++) {
        tw_tensor **some = tensors_of(PyTuple_GET_ITEM(states, k), n, true);
        if (!some) return false;
        memcpy(l->states + k * n, some, (size_t)n * sizeof *some);
        tw_free(some);
    }
    for (int k = 0; k < f->scalar_count; k++) {
        if (!(l->scalar[k] = tensors_of(PyTuple_GET_ITEM(scalars, k), n, false))) return false;
        if (!scalars_move(l->scalar[k], l->scalars, n, k, f->scalar_count, false)) return false;
    }
    return true;
}

static bool options_read(const tw_step_formula *f, PyObject *given, double *options) {
    if (PyTuple_GET_SIZE(given) != f->option_count) {
        PyErr_Format(PyExc_TypeError, "'%s' takes %d options", f->name, f->option_count);
        return false;
    }
    for (int i = 0; i < f->option_count; i++) {
        options[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(given, i));
        if (PyErr_Occurred()) return false;
    }
    return true;
}

static PyObject *numbers_tuple(const double *numbers, int n) {
    PyObject *t = PyTuple_New(n);
    for (int i = 0; t && i < n; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (!number) Py_CLEAR(t);
        else PyTuple_SET_ITEM(t, i, number);
    }
    return t;
}

/* _step_begin(name, options): the first values of scalars and of states, two tuples. */
static PyObject *step_begin(PyObject *m, PyObject *args) {
    const char *name;
    PyObject *given;
    double options[TW_STEP_OPTIONS], scalars[TW_STEP_SCALARS], states[TW_STEP_STATES];
    (void)m;
    if (!PyArg_ParseTuple(args, "sO!", &name, &PyTuple_Type, &given)) return NULL;
    const tw_step_formula *f = formula_named(name);
    if (!f || !options_read(f, given, options)) return NULL;
    f->begin(options, scalars, states);
    PyObject *a = numbers_tuple(scalars, f->scalar_count), *b = a ? numbers_tuple(states, f->state_count) : NULL;
    if (!b) Py_XDECREF(a);
    return b ? Py_BuildValue("NN", a, b) : NULL;
}

/* _step(name, options, params, grads, states, scalars): options is a tuple of numbers; states and scalars are tuples with a list each; states
 * that are None are made where the step needs them. */
static PyObject *step(PyObject *m, PyObject *args) {
    const char *name;
    PyObject *given, *params, *grads, *states, *scalars, *result = NULL;
    double options[TW_STEP_OPTIONS];
    step_lists l = {0};
    (void)m;
    if (!PyArg_ParseTuple(args, "sO!O!OO!O!", &name, &PyTuple_Type, &given, &PyList_Type, &params, &grads, &PyTuple_Type, &states,
                          &PyTuple_Type, &scalars)) return NULL;
    const tw_step_formula *f = formula_named(name);
    if (!f || !options_read(f, given, options)) return NULL;
    const Py_ssize_t n = PyList_GET_SIZE(params);
    if (step_read(&l, f, n, params, grads, states, scalars)) {
        const bool wide = f->scalar_count && n && l.scalar[0][0]->dtype == TW_FLOAT64;
        const bool ok = tw_step_run(f, options, n, l.params, l.grads, l.states, l.scalars, wide ? TW_STEP_FLOAT64 : TW_STEP_FLOAT32);
        bool kept = true;
        for (int k = 0; k < f->state_count; k++) kept = keep_made(PyTuple_GET_ITEM(states, k), l.states + k * n, n) && kept;
        for (int k = 0; k < f->scalar_count; k++) kept = scalars_move(l.scalar[k], l.scalars, n, k, f->scalar_count, true) && kept;
        result = !kept ? NULL : ok ? Py_NewRef(Py_None) : tw_py_raise();
    }
    tw_free(l.params);
    tw_free(l.grads);
    tw_free(l.states);
    tw_free(l.scalars);
    for (int k = 0; k < TW_STEP_SCALARS; k++) tw_free(l.scalar[k]);
    return result;
}

/* _step_formula(name): (options, scalars, states: names with spaces between, conditions of the states, body). */
static PyObject *step_formula(PyObject *m, PyObject *arg) {
    (void)m;
    const char *name = PyUnicode_AsUTF8(arg);
    const tw_step_formula *f = name ? formula_named(name) : NULL;
    if (!f) return NULL;
    PyObject *conditions = PyTuple_New(f->state_count);
    for (int k = 0; conditions && k < f->state_count; k++) PyTuple_SET_ITEM(conditions, k, PyLong_FromLong(f->conditions[k]));
    return conditions ? Py_BuildValue("sssNs", f->options, f->scalars, f->states, conditions, f->body) : NULL;
}

static PyMethodDef functions[] = {
    {"_step", step, METH_VARARGS, NULL},
    {"_step_begin", step_begin, METH_VARARGS, NULL},
    {"_step_formula", step_formula, METH_O, NULL},
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
