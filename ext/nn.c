/* What torch.nn does in C: the call of a module. */
#include "ext/ext.h"

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

/* Adds _ModuleBase. */
bool tw_py_init_nn(PyObject *module) {
    hooked_name = PyUnicode_InternFromString("_hooked");
    forward_name = PyUnicode_InternFromString("forward");
    call_impl_name = PyUnicode_InternFromString("_call_impl");
    if (!hooked_name || !forward_name || !call_impl_name || PyType_Ready(&module_base_type) < 0) return false;
    return tw_py_add_type(module, "_ModuleBase", &module_base_type);
}
