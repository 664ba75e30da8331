/* What torch.nn does in C: the call of a module, and the attributes that Python does not find by itself. */
#include "ext/ext.h"

/* --- modules --- */

static PyObject *hooked_name, *forward_name, *call_impl_name;
static PyObject *getattr_name, *getattribute_name, *own_getattr, *plain_getattribute;
static PyTypeObject module_base_type;
static PyObject *registry_names[3]; /* where __getattr__ looks, in order */

enum { FEW = 8 };

/* The dictionary of an instance, borrowed; NULL if it has none yet. */
static PyObject *dict_of(PyObject *self) {
    PyObject **at = _PyObject_GetDictPtr(self);
    return at ? *at : NULL;
}

/* self.forward(*args, **kwargs), through the vectorcall of functions; dict: the instance's. */
static PyObject *call_forward(PyObject *self, PyObject *dict, PyObject *args, PyObject *kwargs) {
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *f = _PyType_Lookup(Py_TYPE(self), forward_name);
    if (f && PyFunction_Check(f) && n <= FEW && (!kwargs || PyDict_GET_SIZE(kwargs) == 0) && !PyDict_GetItemWithError(dict, forward_name) &&
        !PyErr_Occurred()) {
        PyObject *all[FEW + 2] = {NULL, self};
        for (Py_ssize_t i = 0; i < n; i++) all[i + 2] = PyTuple_GET_ITEM(args, i);
        Py_INCREF(f);
        PyObject *r = PyObject_Vectorcall(f, all + 1, (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(f);
        return r;
    }
    PyObject *forward = PyErr_Occurred() ? NULL : PyObject_GetAttr(self, forward_name);
    if (!forward) return NULL;
    PyObject *r = PyObject_Call(forward, args, kwargs);
    Py_DECREF(forward);
    return r;
}

/* Whether the module, or all modules, ever got a hook (nn/modules/_hooks.py). */
static int is_hooked(PyObject *self, PyObject *dict) {
    if (_PyType_Lookup(Py_TYPE(self), hooked_name) == Py_False) {
        PyObject *own = PyDict_GetItemWithError(dict, hooked_name);
        if (own == Py_False || (!own && !PyErr_Occurred())) return 0;
        if (!own) return -1;
    }
    return 1;
}

/* Straight to forward() unless hooks have to run. */
static PyObject *module_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *dict = dict_of(self);
    int hooked = dict ? is_hooked(self, dict) : 1;
    if (hooked <= 0) return hooked < 0 ? NULL : call_forward(self, dict, args, kwargs);
    PyObject *impl = PyObject_GetAttr(self, call_impl_name);
    if (!impl) return NULL;
    PyObject *r = PyObject_Call(impl, args, kwargs);
    Py_DECREF(impl);
    return r;
}

static PyObject *no_attribute(PyObject *self, PyObject *name) {
    PyObject *text = PyUnicode_FromFormat("'%s' object has no attribute '%U'", _PyType_Name(Py_TYPE(self)), name);
    PyObject *args = text ? PyTuple_Pack(1, text) : NULL, *kwargs = args ? Py_BuildValue("{sOsO}", "name", name, "obj", self) : NULL;
    PyObject *error = kwargs ? PyObject_Call(PyExc_AttributeError, args, kwargs) : NULL;
    if (error) PyErr_SetObject(PyExc_AttributeError, error);
    Py_XDECREF(error);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(text);
    return NULL;
}

/* Module.__getattr__: parameters, buffers and submodules, which lie in dictionaries of their own. */
static PyObject *module_getattr(PyObject *self, PyObject *name) {
    PyObject *dict = dict_of(self);
    for (size_t i = 0; dict && i < sizeof registry_names / sizeof *registry_names; i++) {
        PyObject *registry = PyDict_GetItemWithError(dict, registry_names[i]), *found = NULL;
        if (registry && PyDict_CheckExact(registry)) {
            found = Py_XNewRef(PyDict_GetItemWithError(registry, name));
        } else if (registry && !(found = PyObject_GetItem(registry, name)) && PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear();
        }
        if (found || PyErr_Occurred()) return found;
    }
    return no_attribute(self, name);
}

/* What a class that defines __getattr__ does, without the AttributeError that Python makes, and drops, before it calls that. */
static PyObject *module_getattro(PyObject *self, PyObject *name) {
    PyObject *r = _PyObject_GenericGetAttrWithDict(self, name, NULL, 1);
    return r || PyErr_Occurred() ? r : module_getattr(self, name);
}

/* Each subclass whose attributes are found by object.__getattribute__ and Module.__getattr__ alone gets module_getattro; Python takes it away
 * again when either is assigned to. */
static PyObject *module_init_subclass(PyObject *cls, PyObject *args, PyObject *kwargs) {
    PyTypeObject *type = (PyTypeObject *)cls;
    PyObject *super = PyObject_CallFunction((PyObject *)&PySuper_Type, "OO", &module_base_type, cls);
    PyObject *next = super ? PyObject_GetAttrString(super, "__init_subclass__") : NULL, *r = next ? PyObject_Call(next, args, kwargs) : NULL;
    Py_XDECREF(super);
    Py_XDECREF(next);
    if (r && _PyType_Lookup(type, getattr_name) == own_getattr && _PyType_Lookup(type, getattribute_name) == plain_getattribute) {
        type->tp_getattro = module_getattro;
        PyType_Modified(type);
    }
    return r;
}

static PyMethodDef module_methods[] = {
    {"__getattr__", module_getattr, METH_O, NULL},
    {"__init_subclass__", (PyCFunction)(void (*)(void))module_init_subclass, METH_VARARGS | METH_KEYWORDS | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject module_base_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C._ModuleBase", .tp_basicsize = sizeof(PyObject), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew, .tp_call = module_call, .tp_methods = module_methods,
    .tp_doc = "Base of torch.nn.Module: the call, and attributes that are parameters, buffers and submodules.",
};

/* Adds _ModuleBase. */
bool tw_py_init_nn(PyObject *module) {
    hooked_name = PyUnicode_InternFromString("_hooked");
    forward_name = PyUnicode_InternFromString("forward");
    call_impl_name = PyUnicode_InternFromString("_call_impl");
    static const char *const names[] = {"_parameters", "_buffers", "_modules"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(registry_names[i] = PyUnicode_InternFromString(names[i]))) return false;
    getattr_name = PyUnicode_InternFromString("__getattr__");
    getattribute_name = PyUnicode_InternFromString("__getattribute__");
    if (!hooked_name || !forward_name || !call_impl_name || !getattr_name || !getattribute_name || PyType_Ready(&module_base_type) < 0) return false;
    own_getattr = _PyType_Lookup(&module_base_type, getattr_name);
    plain_getattribute = _PyType_Lookup(&PyBaseObject_Type, getattribute_name);
    return tw_py_add_type(module, "_ModuleBase", &module_base_type);
}
