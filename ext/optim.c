/* Optimisers in C: what a step gathers from groups and states, the steps over lists of tensors, and the clearing of gradients. */
#include "ext/ext.h"
#include "core/memory.h"
#include "nn/step_table.h"
#include "op_ids.h"
#include <string.h>

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

/* After a step: wraps the states that it made into the list; *made: whether there are any. */
static bool keep_made(PyObject *list, tw_tensor **states, Py_ssize_t n, bool *made) {
    bool ok = true;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyList_GET_ITEM(list, i) != Py_None || !states[i]) continue;
        *made = true;
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
        if (t->numel != 1 || t->layout || t->device != TW_CPU || (t->dtype != TW_FLOAT32 && t->dtype != TW_FLOAT64)) {
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
        PyObject *o = PyTuple_GET_ITEM(given, i), *number = tw_py_is_tensor(o) ? tw_py_item(tw_py_tensor_of(o)) : Py_NewRef(o);
        options[i] = number ? PyFloat_AsDouble(number) : -1;
        Py_XDECREF(number);
        if (options[i] == -1 && PyErr_Occurred()) return false;
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
 * that are None are made where the step needs them, and whether any was is returned. */
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
        bool kept = true, made = false;
        for (int k = 0; k < f->state_count; k++) kept = keep_made(PyTuple_GET_ITEM(states, k), l.states + k * n, n, &made) && kept;
        for (int k = 0; k < f->scalar_count; k++) kept = scalars_move(l.scalar[k], l.scalars, n, k, f->scalar_count, true) && kept;
        result = !kept ? NULL : ok ? PyBool_FromLong(made) : tw_py_raise();
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

/* --- gradients and states of a group --- */

static PyObject *grad_name, *sparse_name;
static PyObject *grad_attribute, *sparse_attribute; /* TensorBase's own */

/* Whether reading the attribute from o is what TensorBase does, which no override or mode watches. */
static bool plainly(PyObject *o, PyObject *name, PyObject *attribute) {
    return tw_py_is_tensor(o) && _PyType_Lookup(Py_TYPE(o), name) == attribute && !tw_py_overrides(o) && !tw_py_function_mode_on();
}

/* p.grad, a new reference. */
static PyObject *grad_of(PyObject *p) {
    if (!plainly(p, grad_name, grad_attribute) || !tw_is_leaf(tw_py_tensor_of(p))) return PyObject_GetAttr(p, grad_name);
    const tw_tensor *t = tw_py_tensor_of(p);
    return tw_py_wrap_borrowed(t->autograd ? t->autograd->grad : NULL);
}

/* 1, 0; -1 with a Python error. */
static int is_sparse(PyObject *g) {
    if (Py_TYPE(g) == tw_py_tensor_class && plainly(g, sparse_name, sparse_attribute)) return tw_py_tensor_of(g)->layout != TW_STRIDED;
    PyObject *answer = PyObject_GetAttr(g, sparse_name);
    int yes = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return yes;
}

/* state[p], borrowed; made by begin(p), or empty where begin is None, if there is none. */
static PyObject *own_of(PyObject *state, PyObject *p, PyObject *begin, bool *fresh) {
    PyObject *own = PyDict_GetItemWithError(state, p);
    if (PyErr_Occurred()) return NULL;
    if (own && (!PyDict_Check(own) || PyDict_GET_SIZE(own))) return Py_NewRef(own);
    *fresh = true;
    return begin == Py_None ? PyDict_New() : PyObject_CallOneArg(begin, p);
}

/* Appends own[name] for each name to its list; None for those that are missing, which only states may be. */
static bool append_named(PyObject *lists, PyObject *names, PyObject *own, bool required) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++) {
        PyObject *value = PyDict_GetItemWithError(own, PyTuple_GET_ITEM(names, k));
        if (!value) {
            if (!PyErr_Occurred() && required) PyErr_SetObject(PyExc_KeyError, PyTuple_GET_ITEM(names, k));
            if (PyErr_Occurred()) return false;
            value = Py_None;
        }
        if (PyList_Append(PyTuple_GET_ITEM(lists, k), value) < 0) return false;
    }
    return true;
}

static PyObject *tuple_of_lists(Py_ssize_t n) {
    PyObject *lists = PyTuple_New(n);
    for (Py_ssize_t k = 0; lists && k < n; k++) {
        PyObject *list = PyList_New(0);
        if (!list) Py_CLEAR(lists);
        else PyTuple_SET_ITEM(lists, k, list);
    }
    return lists;
}

/* _step_gather(sparse, group, params, state, begin, state names, scalar names), where sparse(p, gradient, group) makes the step of a
 * parameter with a sparse gradient, which is then left out: (params, grads, owns, states, scalars, fresh) of the parameters that have
 * a gradient. owns: a dictionary each, what state holds or begin(p) gave; fresh: whether any of them is not in state yet. */
static PyObject *step_gather(PyObject *m, PyObject *args) {
    PyObject *step, *options, *group, *state, *begin, *state_names, *scalar_names, *result = NULL;
    bool fresh = false, ok = true;
    (void)m;
    if (!PyArg_ParseTuple(args, "OOOO!OO!O!", &step, &options, &group, &PyDict_Type, &state, &begin, &PyTuple_Type, &state_names, &PyTuple_Type,
                          &scalar_names)) return NULL;
    if (!(group = PySequence_Fast(group, "the parameters of a group must be iterable"))) return NULL;
    PyObject *lists = tuple_of_lists(3), *states = tuple_of_lists(PyTuple_GET_SIZE(state_names));
    PyObject *scalars = tuple_of_lists(PyTuple_GET_SIZE(scalar_names));
    ok = lists && states && scalars;
    for (Py_ssize_t i = 0; ok && i < PySequence_Fast_GET_SIZE(group); i++) {
        PyObject *p = Py_NewRef(PySequence_Fast_GET_ITEM(group, i)), *g = grad_of(p), *own = NULL;
        if (!g || g == Py_None) {
            ok = g != NULL;
        } else if (is_sparse(g)) {
            PyObject *done = PyErr_Occurred() ? NULL : PyObject_CallFunctionObjArgs(step, p, g, options, NULL);
            ok = done != NULL;
            Py_XDECREF(done);
        } else {
            ok = (own = own_of(state, p, begin, &fresh)) && PyList_Append(PyTuple_GET_ITEM(lists, 0), p) == 0 &&
                 PyList_Append(PyTuple_GET_ITEM(lists, 1), g) == 0 && PyList_Append(PyTuple_GET_ITEM(lists, 2), own) == 0 &&
                 append_named(states, state_names, own, false) && append_named(scalars, scalar_names, own, true);
        }
        Py_XDECREF(own);
        Py_XDECREF(g);
        Py_DECREF(p);
    }
    if (ok) {
        result = PyTuple_Pack(6, PyTuple_GET_ITEM(lists, 0), PyTuple_GET_ITEM(lists, 1), PyTuple_GET_ITEM(lists, 2), states, scalars,
                              fresh ? Py_True : Py_False);
    }
    Py_DECREF(group);
    Py_XDECREF(lists);
    Py_XDECREF(states);
    Py_XDECREF(scalars);
    return result;
}

/* Clears one gradient in place, or by clear(gradient) where something could tell the difference. */
static bool zero_one(PyObject *p, PyObject *clear) {
    PyObject *g = grad_of(p);
    if (!g || g == Py_None) {
        Py_XDECREF(g);
        return g != NULL;
    }
    bool ok;
    if (Py_TYPE(g) == tw_py_tensor_class && !tw_py_function_mode_on() && !tw_requires_grad(tw_py_tensor_of(g))) {
        tw_arg a[] = {tw_a_tensor(tw_py_tensor_of(g))};
        ok = tw_py_run_inplace(&tw_ops[TW_OP_zero_], a);
        if (!ok) tw_py_raise();
    } else {
        PyObject *done = PyObject_CallOneArg(clear, g);
        ok = done != NULL;
        Py_XDECREF(done);
    }
    Py_DECREF(g);
    return ok;
}

static bool drop_one(PyObject *p) {
    if (!plainly(p, grad_name, grad_attribute)) return PyObject_SetAttr(p, grad_name, Py_None) == 0;
    tw_tensor *t = tw_py_tensor_of(p);
    if (t->autograd && t->autograd->grad) {
        tw_tensor *old = t->autograd->grad;
        t->autograd->grad = NULL;
        tw_release(old);
    }
    return true;
}

/* _clear_grads(params, clear): zeroes the gradients of parameters, by clear(gradient) if they are not plain tensors without
 * history; clear None: drops them. */
static PyObject *clear_grads(PyObject *m, PyObject *args) {
    PyObject *group, *clear;
    bool ok = true;
    (void)m;
    if (!PyArg_ParseTuple(args, "OO", &group, &clear)) return NULL;
    if (!(group = PySequence_Fast(group, "the parameters of a group must be iterable"))) return NULL;
    for (Py_ssize_t i = 0; ok && i < PySequence_Fast_GET_SIZE(group); i++) {
        PyObject *p = Py_NewRef(PySequence_Fast_GET_ITEM(group, i));
        ok = clear == Py_None ? drop_one(p) : zero_one(p, clear);
        Py_DECREF(p);
    }
    Py_DECREF(group);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef functions[] = {
    {"_step", step, METH_VARARGS, NULL},
    {"_step_begin", step_begin, METH_VARARGS, NULL},
    {"_step_formula", step_formula, METH_O, NULL},
    {"_step_gather", step_gather, METH_VARARGS, NULL},
    {"_clear_grads", clear_grads, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* Adds the steps of optimisers; after the tensor types. */
bool tw_py_init_optim(PyObject *module) {
    grad_name = PyUnicode_InternFromString("grad");
    sparse_name = PyUnicode_InternFromString("is_sparse");
    if (!grad_name || !sparse_name) return false;
    grad_attribute = PyDict_GetItem(tw_py_base_type->tp_dict, grad_name);
    sparse_attribute = PyDict_GetItem(tw_py_base_type->tp_dict, sparse_name);
    return grad_attribute && sparse_attribute && PyModule_AddFunctions(module, functions) == 0;
}
