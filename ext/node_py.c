/* grad_fn objects. One Python type per kind of node, so that type(x.grad_fn) is <class 'AddBackward0'>. */
#include "ext/hooks.h"

typedef struct node_object { PyObject_HEAD tw_node *n; PyObject *dict, *weak; } node_object;

static PyObject *types; /* {name: type} */
static PyTypeObject node_type;

tw_node *tw_py_node_of(PyObject *o) {
    return PyObject_TypeCheck(o, &node_type) ? ((node_object *)o)->n : tw_py_function_node(o);
}

static void node_dealloc(PyObject *o) {
    node_object *self = (node_object *)o;
    PyTypeObject *type = Py_TYPE(o);
    if (self->weak) PyObject_ClearWeakRefs(o);
    Py_CLEAR(self->dict);
    self->n->pyobj = NULL;
    tw_node_release(self->n);
    type->tp_free(o);
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) Py_DECREF(type);
}

static PyObject *node_repr(PyObject *o) { return PyUnicode_FromFormat("<%s object at %p>", _PyType_Name(Py_TYPE(o)), (void *)o); }

/* The type named by the last part of "torch::autograd::AccumulateGrad". */
static PyTypeObject *type_for(const char *name) {
    const char *colon = strrchr(name, ':');
    if (colon) name = colon + 1;
    PyObject *type = PyDict_GetItemString(types, name);
    if (type) return (PyTypeObject *)type;
    PyType_Slot slots[] = {{Py_tp_dealloc, node_dealloc}, {0, NULL}};
    PyType_Spec spec = {name, sizeof(node_object), 0, Py_TPFLAGS_DEFAULT, slots};
    char *kept = PyMem_Malloc(strlen(name) + 10);
    if (!kept) return (void *)PyErr_NoMemory();
    size_t module = (size_t)sprintf(kept, "builtins.%s", name) - strlen(name);
    spec.name = kept;
    PyObject *bases = PyTuple_Pack(1, &node_type);
    type = bases ? PyType_FromSpecWithBases(&spec, bases) : NULL;
    Py_XDECREF(bases);
    if (!type) return NULL;
    ((PyTypeObject *)type)->tp_name = kept + module; /* prints as <class 'AddBackward0'>, without a module, as types built in do */
    if (PyDict_SetItemString(types, name, type) < 0) return NULL;
    Py_DECREF(type);
    return (PyTypeObject *)type;
}

PyObject *tw_py_node(tw_node *n) {
    if (!n) Py_RETURN_NONE;
    PyObject *ctx = tw_py_function_ctx(n);
    if (ctx) TW_PY_RETURN_NEW(ctx);
    if (n->pyobj) TW_PY_RETURN_NEW(n->pyobj);
    PyTypeObject *type = type_for(n->name ? n->name : n->kind == 1 ? "AccumulateGrad" : "Node");
    node_object *o = type ? (node_object *)type->tp_alloc(type, 0) : NULL;
    if (!o) return NULL;
    tw_node_retain(n);
    o->n = n;
    n->pyobj = o;
    return (PyObject *)o;
}

PyObject *tw_py_next_functions(tw_node *n) {
    PyObject *tuple = PyTuple_New(n->nedges);
    for (int i = 0; tuple && i < n->nedges; i++) {
        PyObject *next = tw_py_node(n->edges[i].node), *entry = next ? Py_BuildValue("(NI)", next, (unsigned)n->edges[i].input) : NULL;
        if (!entry) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, i, entry);
    }
    return tuple;
}

static tw_node *of(PyObject *o) { return ((node_object *)o)->n; }

static PyObject *next_functions(PyObject *o, void *c) { (void)c; return tw_py_next_functions(of(o)); }
static PyObject *metadata(PyObject *o, void *c) {
    node_object *self = (node_object *)o;
    (void)c;
    if (!self->dict) self->dict = PyDict_New();
    if (!self->dict) return NULL;
    PyObject *d = PyDict_GetItemString(self->dict, "_metadata");
    if (d) TW_PY_RETURN_NEW(d);
    d = PyDict_New();
    if (d && PyDict_SetItemString(self->dict, "_metadata", d) < 0) Py_CLEAR(d);
    return d;
}
static PyObject *variable(PyObject *o, void *c) {
    (void)c;
    if (of(o)->kind != 1) {
        PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'", Py_TYPE(o)->tp_name);
        return NULL;
    }
    return tw_py_wrap_borrowed(of(o)->variable);
}
static PyObject *name(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyUnicode_FromString(of(o)->name ? of(o)->name : _PyType_Name(Py_TYPE(o)));
}
static PyObject *sequence_nr(PyObject *o, PyObject *unused) { (void)unused; return PyLong_FromUnsignedLongLong(of(o)->sequence); }
static PyObject *register_hook(PyObject *o, PyObject *hook) { return tw_py_node_hook(o, hook, false); }
static PyObject *register_prehook(PyObject *o, PyObject *hook) { return tw_py_node_hook(o, hook, true); }

/* node(*grads): its gradients. */
static PyObject *call(PyObject *o, PyObject *args, PyObject *kw) {
    tw_node *n = of(o);
    const Py_ssize_t given = PyTuple_GET_SIZE(args), expected = n->nouts ? n->nouts : 1;
    (void)kw;
    if (given != expected) {
        PyErr_Format(PyExc_TypeError, "%s expected %zd arguments, got %zd instead", Py_TYPE(o)->tp_name, expected, given);
        return NULL;
    }
    tw_tensor **g = PyMem_Calloc((size_t)(given + n->nedges), sizeof *g), **gin = g + given;
    if (!g) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < given; i++)
        if (tw_py_is_tensor(PyTuple_GET_ITEM(args, i))) g[i] = tw_py_tensor_of(PyTuple_GET_ITEM(args, i));
    PyObject *tuple = tw_node_apply(n, g, ~UINT64_C(0), gin) ? tw_py_tensors_tuple(gin, n->nedges) : tw_py_raise();
    for (int i = 0; i < n->nedges; i++) tw_release(gin[i]);
    PyMem_Free(g);
    if (tuple && n->nedges == 1) {
        PyObject *only = PyTuple_GET_ITEM(tuple, 0);
        Py_INCREF(only);
        Py_SETREF(tuple, only);
    }
    return tuple;
}

/* _saved_self, _saved_result, _saved_dim: by the op's parameters. */
static PyObject *getattro(PyObject *o, PyObject *attribute) {
    PyObject *r = PyObject_GenericGetAttr(o, attribute);
    if (r || !PyErr_ExceptionMatches(PyExc_AttributeError)) return r;
    const char *text = PyUnicode_AsUTF8(attribute);
    tw_node *n = of(o);
    if (!text || strncmp(text, "_saved_", 7) != 0 || !n->op) return NULL;
    text += 7;
    for (int i = 0; i < n->op->nparams; i++) {
        if (strcmp(n->op->params[i].name, text) != 0) continue;
        const tw_arg *a = n->args ? &n->args[i] : NULL;
        if (!a) return NULL;
        PyErr_Clear();
        switch ((tw_tag)a->tag) {
        case TW_ARG_BOOL: return PyBool_FromLong(a->i != 0);
        case TW_ARG_INT: return PyLong_FromLongLong(a->i);
        case TW_ARG_FLOAT: return PyFloat_FromDouble(a->d);
        case TW_ARG_COMPLEX: return PyComplex_FromDoubles(a->c[0], a->c[1]);
        case TW_ARG_INTS: return tw_py_int_tuple(a->ints, a->n);
        default: break;
        }
        break;
    }
    int slot = 0;
    bool result = strcmp(text, "result") == 0;
    PyErr_Clear();
    for (int i = 0; i < n->nsaved; i++) {
        if (result ? !n->saved[i].is_output : n->saved[i].is_output) continue;
        if (!result && n->nsaved > 1 && slot == 0 && strcmp(text, "other") == 0) {
            slot++;
            continue;
        }
        tw_tensor *t;
        if (!tw_unpack(n, &n->saved[i], &t)) return tw_py_raise();
        if (t) return tw_py_wrap(t);
    }
    if (n->released) {
        tw_tensor *t;
        tw_saved none = {0};
        if (!tw_unpack(n, &none, &t)) return tw_py_raise();
    }
    Py_RETURN_NONE;
}

static PyGetSetDef node_getset[] = {
    {"next_functions", next_functions, NULL, NULL, NULL},
    {"metadata", metadata, NULL, NULL, NULL},
    {"variable", variable, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef node_methods[] = {
    {"name", name, METH_NOARGS, NULL},
    {"_sequence_nr", sequence_nr, METH_NOARGS, NULL},
    {"register_hook", register_hook, METH_O, NULL},
    {"register_prehook", register_prehook, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static PyTypeObject node_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.autograd.graph.Node", .tp_basicsize = sizeof(node_object), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_dealloc = node_dealloc, .tp_repr = node_repr, .tp_methods = node_methods, .tp_getset = node_getset, .tp_call = call, .tp_getattro = getattro,
    .tp_dictoffset = offsetof(node_object, dict), .tp_weaklistoffset = offsetof(node_object, weak),
};

bool tw_py_init_node(PyObject *m) {
    types = PyDict_New();
    return types && PyType_Ready(&node_type) == 0 && tw_py_add_type(m, "_Node", &node_type);
}
