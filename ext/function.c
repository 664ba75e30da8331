/* __torch_function__: overrides by arguments, modes, and the default that keeps subclasses. */
#include "ext/ext.h"
#include "op_ids.h"

bool tw_py_subclass_disabled;   /* inside DisableTorchFunctionSubclass or DisableTorchFunction */
static bool all_disabled;       /* inside DisableTorchFunction */
static PyObject *mode_stack;    /* list of TorchFunctionMode objects */
static PyObject *name_string, *disabled_impl;

bool tw_py_modes_on;            /* a mode is on the stack, and not disabled */

static void note_modes(void) { tw_py_modes_on = !all_disabled && PyList_GET_SIZE(mode_stack) > 0; }

bool tw_py_overrides(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    if (type == tw_py_tensor_class || tw_py_subclass_disabled) return false;
    PyObject *f = _PyType_Lookup(type, name_string);
    return f && f != disabled_impl;
}

static inline bool harmless(PyObject *o) {
    PyTypeObject *t = Py_TYPE(o);
    return tw_py_plain(t) || o == Py_None || t == tw_py_dtype_type || t == &PyUnicode_Type || t == tw_py_size_type;
}

/* The last type that was found not to override (Parameter, as a rule), as long as it is not changed. */
static PyTypeObject *known_type;
static unsigned int known_version;

static bool type_overrides(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    if (type == known_type && type->tp_version_tag == known_version) return false;
    if (tw_py_overrides(o)) return true;
    if (!tw_py_subclass_disabled && type->tp_version_tag) {
        known_type = type;
        known_version = type->tp_version_tag;
    }
    return false;
}

static bool item_overrides(PyObject *o) {
    if (PyTuple_Check(o) || PyList_Check(o)) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++)
            if (!harmless(PySequence_Fast_GET_ITEM(o, i)) && type_overrides(PySequence_Fast_GET_ITEM(o, i))) return true;
        if (PyTuple_CheckExact(o) || PyList_CheckExact(o)) return false;
    }
    return type_overrides(o);
}

bool tw_py_search_overrides(PyObject *const *args, Py_ssize_t total) {
    if (tw_py_modes_on) return true;
    if (tw_py_subclass_disabled) return false;
    for (Py_ssize_t i = 0; i < total; i++)
        if (!harmless(args[i]) && item_overrides(args[i])) return true;
    return false;
}

/* Adds o unless its type is there; subclasses go before their bases. */
static bool add_overloaded(PyObject *list, PyObject *o) {
    if (!tw_py_overrides(o)) return true;
    Py_ssize_t at = PyList_GET_SIZE(list);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyTypeObject *other = Py_TYPE(PyList_GET_ITEM(list, i));
        if (other == Py_TYPE(o)) return true;
        if (at == PyList_GET_SIZE(list) && PyType_IsSubtype(Py_TYPE(o), other)) at = i;
    }
    return PyList_Insert(list, at, o) == 0;
}

static PyObject *collect(PyObject *const *args, Py_ssize_t total) {
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < total; i++) {
        bool ok = true;
        if ((PyTuple_Check(args[i]) || PyList_Check(args[i])) && !tw_py_overrides(args[i])) {
            for (Py_ssize_t k = 0; ok && k < PySequence_Fast_GET_SIZE(args[i]); k++)
                ok = add_overloaded(list, PySequence_Fast_GET_ITEM(args[i], k));
        } else {
            ok = add_overloaded(list, args[i]);
        }
        if (!ok) Py_CLEAR(list);
    }
    return list;
}

static PyObject *types_of(PyObject *list) {
    PyObject *types = PyTuple_New(PyList_GET_SIZE(list));
    for (Py_ssize_t i = 0; types && i < PyList_GET_SIZE(list); i++) {
        PyObject *type = (PyObject *)Py_TYPE(PyList_GET_ITEM(list, i));
        Py_INCREF(type);
        PyTuple_SET_ITEM(types, i, type);
    }
    return types;
}

/* The innermost mode sees the call with itself off the stack. */
static PyObject *ask_mode(PyObject *func, PyObject *types, PyObject *args, PyObject *kwargs) {
    Py_ssize_t last = PyList_GET_SIZE(mode_stack) - 1;
    PyObject *mode = PyList_GET_ITEM(mode_stack, last), *r;
    Py_INCREF(mode);
    if (PyList_SetSlice(mode_stack, last, last + 1, NULL) < 0) return NULL;
    note_modes();
    r = PyObject_CallMethodObjArgs(mode, name_string, func, types, args, kwargs, NULL);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyList_Append(mode_stack, mode);
    note_modes();
    PyErr_Restore(kind, value, trace);
    Py_DECREF(mode);
    return r;
}

PyObject *tw_py_dispatch(PyObject *func, PyObject *const *args, Py_ssize_t n, PyObject *kwnames, bool *handled) {
    Py_ssize_t nkeywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *list = collect(args, n + nkeywords), *types = list ? types_of(list) : NULL, *result = NULL;
    PyObject *tuple = PyTuple_New(n), *kwargs = PyDict_New();
    *handled = true;
    if (!types || !tuple || !kwargs) goto done;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_INCREF(args[i]);
        PyTuple_SET_ITEM(tuple, i, args[i]);
    }
    for (Py_ssize_t i = 0; i < nkeywords; i++)
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) goto done;
    if (tw_py_function_mode_on()) {
        result = ask_mode(func, types, tuple, kwargs);
        if (result != Py_NotImplemented) goto done;
        Py_CLEAR(result);
    }
    if (PyList_GET_SIZE(list) == 0) {
        *handled = false;
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *f = PyObject_GetAttr(PyList_GET_ITEM(list, i), name_string);
        result = f ? PyObject_CallFunctionObjArgs(f, func, types, tuple, kwargs, NULL) : NULL;
        Py_XDECREF(f);
        if (result != Py_NotImplemented) goto done;
        Py_CLEAR(result);
    }
    PyErr_Format(PyExc_TypeError, "Multiple dispatch failed for '%S'; all __torch_function__ handlers returned NotImplemented:\n\n"
                 "For more information, try re-running with TORCH_LOGS=not_implemented", func);
done:
    Py_XDECREF(list);
    Py_XDECREF(types);
    Py_XDECREF(tuple);
    Py_XDECREF(kwargs);
    return result;
}

/* --- the default: runs the function below overrides, gives results the subclass --- */

static PyObject *as_class(PyObject *o, PyTypeObject *cls) {
    if (tw_py_is_tensor(o) && !PyObject_TypeCheck(o, cls)) {
        tw_tensor *t = tw_py_tensor_of(o), *again = tw_py_op1_raw(TW_OP_alias, 1, (tw_arg[]){tw_a_tensor(t)});
        if (!again) return NULL;
        return tw_py_wrap_as(cls, again);
    }
    if (PyTuple_Check(o) || PyList_Check(o)) {
        Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
        PyObject *list = PyList_New(n), *r;
        for (Py_ssize_t i = 0; list && i < n; i++) {
            PyObject *item = as_class(PySequence_Fast_GET_ITEM(o, i), cls);
            if (!item) Py_CLEAR(list);
            else PyList_SET_ITEM(list, i, item);
        }
        if (!list) return NULL;
        r = PyObject_CallOneArg((PyObject *)Py_TYPE(o), list);
        Py_DECREF(list);
        return r;
    }
    TW_PY_RETURN_NEW(o);
}

/* Attribute reads whose results keep their type: .grad and the like come as they are stored. */
static bool keeps_type(PyObject *func) {
    static const char *const names[] = {"grad", "_base", "_grad", "__get__", NULL};
    PyObject *self = PyObject_GetAttrString(func, "__self__"), *name = self ? PyObject_GetAttrString(self, "__name__") : NULL;
    bool found = false;
    PyErr_Clear();
    for (int i = 0; name && names[i]; i++) found |= PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, names[i]) == 0;
    Py_XDECREF(self);
    Py_XDECREF(name);
    return found;
}

static PyObject *default_torch_function(PyObject *cls, PyObject *args, PyObject *kw) {
    static char *names[] = {"func", "types", "args", "kwargs", NULL};
    PyObject *func, *types, *call_args = NULL, *call_kw = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "OO|OO:__torch_function__", names, &func, &types, &call_args, &call_kw)) return NULL;
    PyObject *fast = PySequence_Fast(types, "types must be a sequence");
    if (!fast) return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++) {
        PyObject *type = PySequence_Fast_GET_ITEM(fast, i);
        if (PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)cls, (PyTypeObject *)type)) continue;
        Py_DECREF(fast);
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_DECREF(fast);
    PyObject *none = call_args ? NULL : PyTuple_New(0);
    bool before = tw_py_subclass_disabled;
    tw_py_subclass_disabled = true;
    PyObject *r = PyObject_Call(func, call_args ? call_args : none, call_kw == Py_None ? NULL : call_kw);
    tw_py_subclass_disabled = before;
    Py_XDECREF(none);
    if (!r || cls == (PyObject *)tw_py_tensor_class || keeps_type(func)) return r;
    before = tw_py_subclass_disabled;
    tw_py_subclass_disabled = true;
    PyObject *converted = as_class(r, (PyTypeObject *)cls);
    tw_py_subclass_disabled = before;
    Py_DECREF(r);
    return converted;
}
static PyMethodDef default_method = {"__torch_function__", (PyCFunction)(void (*)(void))default_torch_function,
                                     METH_VARARGS | METH_KEYWORDS | METH_CLASS, NULL};

/* Parameter and other classes put this in place of __torch_function__ to behave as plain tensors. */
static PyObject *disabled_function(PyObject *m, PyObject *args) {
    PyObject *func, *types, *call_args = NULL, *call_kw = NULL;
    (void)m;
    if (PyTuple_GET_SIZE(args) == 5) args = PyTuple_GetSlice(args, 1, 5);
    else Py_INCREF(args);
    if (!PyArg_ParseTuple(args, "OO|OO", &func, &types, &call_args, &call_kw)) {
        Py_DECREF(args);
        return NULL;
    }
    bool before = tw_py_subclass_disabled;
    PyObject *none = PyTuple_New(0);
    tw_py_subclass_disabled = true;
    PyObject *r = none ? PyObject_Call(func, call_args ? call_args : none, call_kw == Py_None ? NULL : call_kw) : NULL;
    tw_py_subclass_disabled = before;
    Py_XDECREF(none);
    Py_DECREF(args);
    return r;
}

/* --- context managers --- */

typedef struct guard { PyObject_HEAD bool subclass, all, everything; } guard;

static PyObject *guard_enter(PyObject *o, PyObject *unused) {
    guard *g = (guard *)o;
    (void)unused;
    g->subclass = tw_py_subclass_disabled;
    g->all = all_disabled;
    tw_py_subclass_disabled = true;
    if (g->everything) all_disabled = true;
    note_modes();
    Py_RETURN_NONE;
}
static PyObject *guard_exit(PyObject *o, PyObject *args) {
    guard *g = (guard *)o;
    (void)args;
    tw_py_subclass_disabled = g->subclass;
    all_disabled = g->all;
    note_modes();
    Py_RETURN_NONE;
}
static PyMethodDef guard_methods[] = {
    {"__enter__", guard_enter, METH_NOARGS, NULL}, {"__exit__", guard_exit, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL},
};
static PyTypeObject subclass_guard_type, all_guard_type;
static PyObject *guard_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)args, (void)kw;
    guard *g = PyObject_New(guard, type);
    if (!g) return NULL;
    g->everything = type == &all_guard_type;
    g->subclass = tw_py_subclass_disabled;
    g->all = all_disabled;
    return (PyObject *)g;
}
static PyTypeObject subclass_guard_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C.DisableTorchFunctionSubclass", .tp_basicsize = sizeof(guard), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = guard_new, .tp_methods = guard_methods,
};
static PyTypeObject all_guard_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C.DisableTorchFunction", .tp_basicsize = sizeof(guard), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = guard_new, .tp_methods = guard_methods,
};

static PyObject *push_mode(PyObject *m, PyObject *mode) {
    (void)m;
    if (PyList_Append(mode_stack, mode) < 0) return NULL;
    note_modes();
    Py_RETURN_NONE;
}
static PyObject *pop_mode(PyObject *m, PyObject *unused) {
    (void)m, (void)unused;
    Py_ssize_t n = PyList_GET_SIZE(mode_stack);
    if (n == 0) {
        PyErr_SetString(PyExc_RuntimeError, "the stack of torch function modes is empty");
        return NULL;
    }
    PyObject *mode = PyList_GET_ITEM(mode_stack, n - 1);
    Py_INCREF(mode);
    if (PyList_SetSlice(mode_stack, n - 1, n, NULL) < 0) Py_CLEAR(mode);
    note_modes();
    return mode;
}
static PyObject *mode_count(PyObject *m, PyObject *unused) {
    (void)m, (void)unused;
    return PyLong_FromSsize_t(PyList_GET_SIZE(mode_stack));
}
static PyObject *mode_at(PyObject *m, PyObject *index) {
    (void)m;
    Py_ssize_t i = PyLong_AsSsize_t(index);
    if (i < 0 || i >= PyList_GET_SIZE(mode_stack)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_IndexError, "no such mode");
        return NULL;
    }
    TW_PY_RETURN_NEW(PyList_GET_ITEM(mode_stack, i));
}
static PyObject *has_torch_function(PyObject *m, PyObject *args) {
    (void)m;
    PyObject *fast = PySequence_Fast(args, "a sequence is needed");
    if (!fast) return NULL;
    bool r = tw_py_any_overrides(PySequence_Fast_ITEMS(fast), PySequence_Fast_GET_SIZE(fast));
    Py_DECREF(fast);
    return PyBool_FromLong(r);
}
static PyObject *has_unary(PyObject *m, PyObject *o) {
    (void)m;
    return PyBool_FromLong(tw_py_any_overrides(&o, 1));
}
static PyObject *has_variadic(PyObject *m, PyObject *const *args, Py_ssize_t n) {
    (void)m;
    return PyBool_FromLong(tw_py_any_overrides(args, n));
}
static PyObject *function_enabled(PyObject *m, PyObject *unused) {
    (void)m, (void)unused;
    return PyBool_FromLong(!tw_py_subclass_disabled);
}

static PyMethodDef functions[] = {
    {"_disabled_torch_function_impl", disabled_function, METH_VARARGS, NULL},
    {"_push_on_torch_function_stack", push_mode, METH_O, NULL},
    {"_pop_torch_function_stack", pop_mode, METH_NOARGS, NULL},
    {"_len_torch_function_stack", mode_count, METH_NOARGS, NULL},
    {"_get_function_stack_at", mode_at, METH_O, NULL},
    {"_has_torch_function", has_torch_function, METH_O, NULL},
    {"_has_torch_function_unary", has_unary, METH_O, NULL},
    {"_has_torch_function_variadic", (PyCFunction)(void (*)(void))has_variadic, METH_FASTCALL, NULL},
    {"_is_torch_function_enabled", function_enabled, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_make_function(PyObject *module) {
    name_string = PyUnicode_InternFromString("__torch_function__");
    mode_stack = PyList_New(0);
    if (!name_string || !mode_stack || PyType_Ready(&subclass_guard_type) < 0 || PyType_Ready(&all_guard_type) < 0 ||
        PyModule_AddFunctions(module, functions) < 0)
        return false;
    disabled_impl = PyObject_GetAttrString(module, "_disabled_torch_function_impl");
    PyObject *method = PyDescr_NewClassMethod(tw_py_base_type, &default_method);
    if (!disabled_impl || !method || PyDict_SetItem(tw_py_base_type->tp_dict, name_string, method) < 0) return false;
    Py_DECREF(method);
    PyType_Modified(tw_py_base_type);
    return tw_py_add_type(module, "DisableTorchFunctionSubclass", &subclass_guard_type) &&
           tw_py_add_type(module, "DisableTorchFunction", &all_guard_type);
}
