/* Callables made from the table: torch.add, Tensor.add_, nn.functional.relu, ... One type, one path for all ops. */
#include "ext/old_calls.h"

typedef struct callable {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    const tw_binding *binding;
    const char *qualifier;  /* "Tensor" or "type" */
    PyObject *weak, *dict;
    bool method;
} callable;

static PyTypeObject function_type, method_type;

/* --- running --- */

enum { GIL_LIMIT = 65536 }; /* elements: about 20 us of work; below, giving the GIL up costs more than it frees */

/* Draws keep the GIL, which guards the generators: by flag, or by name for composites that draw inside. */
static bool draws(const tw_op *op) {
    static const char *const words[] = {"rand", "dropout", "normal", "uniform", "bernoulli", "multinomial", "rrelu", "poisson", "gumbel"};
    if (op->flags & TW_OP_RANDOM) return true;
    for (size_t i = 0; op->kind == TW_KIND_COMPOSITE && i < sizeof words / sizeof *words; i++)
        if (strstr(op->base, words[i])) return true;
    return false;
}

static inline bool is_large(const tw_op *op, const tw_arg *args) {
    int64_t n = 0;
    if (op->kind == TW_KIND_VIEW) return false;
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR) n += args[i].t->numel;
        if (args[i].tag == TW_ARG_TENSORS)
            for (int k = 0; k < args[i].n; k++) n += args[i].ts[k] ? args[i].ts[k]->numel : 0;
    }
    return n >= GIL_LIMIT && !draws(op);
}

/* While the GIL is away nobody may free the arguments: other threads could drop the last reference. */
static void hold(const tw_op *op, const tw_arg *args, bool on) {
    for (int i = 0; i < op->nparams; i++) {
        if (args[i].tag == TW_ARG_TENSOR) on ? tw_tensor_retain(args[i].t) : tw_release(args[i].t);
        if (args[i].tag != TW_ARG_TENSORS) continue;
        for (int k = 0; k < args[i].n; k++) {
            if (!args[i].ts[k]) continue;
            on ? tw_tensor_retain(args[i].ts[k]) : tw_release(args[i].ts[k]);
        }
    }
}

bool tw_py_run(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    if (!is_large(op, args)) return tw_call(op, args, outs);
    hold(op, args, true);
    PyThreadState *state = tw_py_unlock();
    bool ok = tw_call(op, args, outs);
    tw_py_lock(state);
    hold(op, args, false);
    return ok;
}

bool tw_py_run_inplace(const tw_op *op, const tw_arg *args) {
    if (!is_large(op, args)) return tw_call_inplace(op, args);
    hold(op, args, true);
    PyThreadState *state = tw_py_unlock();
    bool ok = tw_call_inplace(op, args);
    tw_py_lock(state);
    hold(op, args, false);
    return ok;
}

/* --- results --- */

static PyTypeObject **struct_types; /* torch.return_types.*, by op id; made on first use */

static PyObject *struct_repr(PyObject *o) {
    PyObject *text = PyUnicode_FromFormat("%s(\n", Py_TYPE(o)->tp_name);
    for (Py_ssize_t i = 0; text && i < PyTuple_GET_SIZE(o); i++) {
        PyObject *next = PyUnicode_FromFormat("%U%s=%R%s", text, Py_TYPE(o)->tp_members[i].name, PyTuple_GET_ITEM(o, i),
                                              i + 1 < PyTuple_GET_SIZE(o) ? ",\n" : ")");
        Py_SETREF(text, next);
    }
    return text;
}

static PyTypeObject *struct_type(const tw_op *op) {
    if (!struct_types && !(struct_types = PyMem_Calloc((size_t)tw_op_count, sizeof *struct_types))) {
        PyErr_NoMemory();
        return NULL;
    }
    if (struct_types[op->id]) return struct_types[op->id];
    PyStructSequence_Field fields[TW_MAX_OUTS + 1] = {{NULL, NULL}};
    char name[128];
    const char *base = op->base;
    snprintf(name, sizeof name, "torch.return_types.%s", base);
    for (int i = 0; i < op->nouts; i++) fields[i].name = op->out_names[i];
    PyStructSequence_Desc about = {name, NULL, fields, op->nouts};
    PyTypeObject *type = PyStructSequence_NewType(&about);
    if (type) type->tp_repr = struct_repr;
    return struct_types[op->id] = type;
}

/* A Tensor[] result as a tuple; the list is consumed. */
static PyObject *list_result(tw_list *list) {
    PyObject *tuple = list ? PyTuple_New((Py_ssize_t)list->n) : tw_py_raise();
    for (int64_t i = 0; tuple && i < list->n; i++) {
        tw_tensor *t = list->items[i];
        list->items[i] = NULL;
        PyObject *o = tw_py_wrap(t);
        if (!o) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, i, o);
    }
    tw_list_release(list);
    return tuple;
}

PyObject *tw_py_outs(const tw_op *op, tw_tensor **outs) {
    if (op->nouts == 0) Py_RETURN_NONE;
    if (op->flags & TW_OP_LIST) return list_result(tw_list_of(outs[0]));
    if (op->nouts == 1) return tw_py_wrap(outs[0]);
    PyTypeObject *type = op->out_names ? struct_type(op) : NULL;
    PyObject *result = type ? PyStructSequence_New(type) : PyErr_Occurred() ? NULL : PyTuple_New(op->nouts);
    for (int i = 0; i < op->nouts; i++) {
        PyObject *o = NULL;
        if (!result) {
            tw_release(outs[i]);
            continue;
        }
        if (outs[i]) o = tw_py_wrap(outs[i]);
        else {
            o = Py_None;
            Py_INCREF(o);
        }
        if (!o) Py_CLEAR(result);
        else if (type) PyStructSequence_SET_ITEM(result, i, o);
        else PyTuple_SET_ITEM(result, i, o);
    }
    return result;
}

/* out= of an op whose result is a list: a list or tuple of tensors; None comes back. */
static PyObject *run_out_list(tw_py_parse *p) {
    PyObject *fast = (PyList_Check(p->out) || PyTuple_Check(p->out)) ? PySequence_Fast(p->out, "out") : NULL;
    const Py_ssize_t n = fast ? PySequence_Fast_GET_SIZE(fast) : 0;
    tw_tensor **outs = PyMem_Malloc(((size_t)n + 1) * sizeof *outs);
    bool ok = fast && outs;
    for (Py_ssize_t i = 0; ok && i < n; i++) {
        PyObject *o = PySequence_Fast_GET_ITEM(fast, i);
        if ((ok = tw_py_is_tensor(o))) outs[i] = tw_py_tensor_of(o);
    }
    if (!ok) PyErr_Format(PyExc_TypeError, "%s(): argument 'out' must be tuple of Tensors, not %s", p->name, Py_TYPE(p->out)->tp_name);
    else if (!(ok = tw_call_out_list(p->op, p->args, outs, n))) tw_py_raise();
    Py_XDECREF(fast);
    PyMem_Free(outs);
    if (!ok) return NULL;
    Py_RETURN_NONE;
}

static PyObject *run_out(tw_py_parse *p) {
    const tw_op *op = p->op;
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    if (op->flags & TW_OP_LIST) return run_out_list(p);
    if (op->nouts == 1) {
        if (!tw_py_is_tensor(p->out)) {
            PyErr_Format(PyExc_TypeError, "%s(): argument 'out' must be Tensor, not %s", p->name, Py_TYPE(p->out)->tp_name);
            return NULL;
        }
        outs[0] = tw_py_tensor_of(p->out);
    } else {
        PyObject *fast = PySequence_Check(p->out) && !tw_py_is_tensor(p->out) ? PySequence_Fast(p->out, "out") : NULL;
        bool ok = fast && PySequence_Fast_GET_SIZE(fast) == op->nouts;
        for (int i = 0; ok && i < op->nouts; i++) {
            PyObject *o = PySequence_Fast_GET_ITEM(fast, i);
            if (!(ok = tw_py_is_tensor(o))) break;
            outs[i] = tw_py_tensor_of(o);
        }
        Py_XDECREF(fast);
        if (!ok) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "%s(): argument 'out' must be tuple of Tensors, not %s", p->name, Py_TYPE(p->out)->tp_name);
            return NULL;
        }
    }
    if (!tw_call_out(op, p->args, outs)) return tw_py_raise();
    if (op->nouts == 1) TW_PY_RETURN_NEW(p->out);
    for (int i = 0; i < op->nouts; i++) tw_tensor_retain(outs[i]);
    return tw_py_outs(op, outs);
}

static PyObject *run_parsed(tw_py_parse *p, const callable *c) {
    const tw_op *op = p->op;
    if (p->out) return run_out(p);
    if (c->binding->inplace) {
        if (!tw_py_run_inplace(op, p->args)) return tw_py_raise();
        if (p->method) TW_PY_RETURN_NEW(p->given[0]);
        return tw_py_wrap_borrowed(p->args[0].t);
    }
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    if (!tw_py_run(op, p->args, outs)) return tw_py_raise();
    if (p->requires_grad && !tw_py_require_grad(outs[0])) {
        tw_release(outs[0]);
        return NULL;
    }
    return tw_py_outs(op, outs);
}

/* --- the call --- */

static PyObject *fail_parse(tw_py_parse *p, const callable *c) {
    const tw_binding *b = c->binding;
    Py_ssize_t given = p->ngiven - (p->method ? 1 : 0) + (p->kwnames ? PyTuple_GET_SIZE(p->kwnames) : 0);
    int plausible = -1, count = 0;
    if (PyErr_Occurred()) return NULL;
    for (int i = 0; i < b->nops; i++) {
        const tw_op *op = &tw_ops[b->ops[i]];
        int required = 0, total = op->nparams - (p->method ? 1 : 0) + (b->has_out && !p->method ? 1 : 0);
        for (int k = 0; k < op->nparams; k++)
            if (!op->params[k].has_default && !(p->method && k == op->self)) required++;
        if (given < required || given > total) continue;
        plausible = i;
        count++;
    }
    if (b->nops == 1) plausible = 0;
    if (b->nops == 1 || count == 1) {
        p->op = &tw_ops[b->ops[plausible]];
        if (!tw_py_parse_op(p, b->has_out, true) && PyErr_Occurred()) return NULL;
    }
    tw_py_parse_error(p, b);
    return NULL;
}

static PyObject *call(PyObject *o, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    callable *c = (callable *)o;
    const tw_binding *b = c->binding;
    tw_py_parse p;
    p.name = b->name;
    p.method = c->method;
    p.given = args;
    p.ngiven = PyVectorcall_NARGS(nargsf);
    p.kwnames = kwnames && PyTuple_GET_SIZE(kwnames) ? kwnames : NULL;
    p.nblocks = p.used = 0;
    p.made = NULL;
    if (p.method && (p.ngiven < 1 || !tw_py_is_tensor(args[0]))) {
        if (p.ngiven < 1) {
            PyErr_Format(PyExc_TypeError, "unbound method TensorBase.%s() needs an argument", b->name);
        } else {
            PyErr_Format(PyExc_TypeError, "descriptor '%s' for 'torch._C.TensorBase' objects doesn't apply to a '%s' object", b->name,
                         Py_TYPE(args[0])->tp_name);
        }
        return NULL;
    }
    if (tw_py_any_overrides(args, p.ngiven + (p.kwnames ? PyTuple_GET_SIZE(p.kwnames) : 0))) {
        bool handled;
        PyObject *r = tw_py_dispatch(o, args, p.ngiven, p.kwnames, &handled);
        if (handled) return r;
    }
    PyObject *result = NULL;
    for (int i = 0, tries = b->nops > 1 ? 2 * b->nops : 1; i < tries; i++) {
        p.op = &tw_ops[b->ops[i % b->nops]];
        tw_py_parse_strict = tries - i > b->nops;
        bool fits = tw_py_parse_op(&p, b->has_out, false);
        tw_py_parse_strict = false;
        if (fits) {
            result = run_parsed(&p, c);
            tw_py_parse_free(&p);
            return result;
        }
        if (PyErr_Occurred()) break;
    }
    tw_py_old old;
    if (!PyErr_Occurred() && tw_py_old_call(&p, b, &old)) {
        result = tw_py_parse_op(&p, b->has_out, true) ? run_parsed(&p, c) : NULL;
        Py_DECREF(old.kwnames);
    } else {
        result = fail_parse(&p, c);
    }
    tw_py_parse_free(&p);
    return result;
}

/* --- the types --- */

static PyObject *method_get(PyObject *self, PyObject *instance, PyObject *type) {
    (void)type;
    if (!instance || instance == Py_None) TW_PY_RETURN_NEW(self);
    return PyMethod_New(self, instance);
}

static PyObject *callable_repr(PyObject *o) {
    callable *c = (callable *)o;
    if (c->method) return PyUnicode_FromFormat("<method '%s' of 'torch._C.TensorBase' objects>", c->binding->name);
    return PyUnicode_FromFormat("<built-in method %s of type object at %p>", c->binding->name, (void *)c);
}

static PyObject *get_name(PyObject *o, void *closure) {
    (void)closure;
    return PyUnicode_FromString(((callable *)o)->binding->name);
}
static PyObject *get_qualname(PyObject *o, void *closure) {
    (void)closure;
    callable *c = (callable *)o;
    return PyUnicode_FromFormat("%s.%s", c->method ? "TensorBase" : "_VariableFunctionsClass", c->binding->name);
}
static PyObject *get_doc(PyObject *o, void *closure) {
    (void)closure;
    const char *doc = ((callable *)o)->binding->doc;
    if (!doc) Py_RETURN_NONE;
    return PyUnicode_FromString(doc);
}
/* Parameters, for inspect.signature(), of methods whose overloads agree in their names. */
static PyObject *get_text_signature(PyObject *o, void *closure) {
    const tw_binding *b = ((callable *)o)->binding;
    (void)closure;
    const tw_op *first = &tw_ops[b->ops[0]];
    for (int k = 1; k < b->nops; k++) {
        const tw_op *op = &tw_ops[b->ops[k]];
        bool same = op->nparams == first->nparams;
        for (int i = 0; same && i < op->nparams; i++) same = strcmp(op->params[i].name, first->params[i].name) == 0;
        if (!same) Py_RETURN_NONE;
    }
    for (int i = 0; i < first->nparams; i++)
        if (strcmp(first->params[i].name, "from") == 0) Py_RETURN_NONE; /* uniform_: no name that Python could write */
    return tw_py_text_signature(first);
}
static PyObject *get_module(PyObject *o, void *closure) {
    (void)o, (void)closure;
    Py_RETURN_NONE;
}
static PyObject *get_objclass(PyObject *o, void *closure) {
    (void)o, (void)closure;
    TW_PY_RETURN_NEW(tw_py_base_type);
}
/* Pickles by name: a method as an attribute of the Tensor class, a function through tallow._utils._function. */
static PyObject *callable_reduce(PyObject *o, PyObject *unused) {
    (void)unused;
    callable *c = (callable *)o;
    if (c->method) {
        PyObject *getattr = PyDict_GetItemString(PyEval_GetBuiltins(), "getattr");
        return Py_BuildValue("O(Os)", getattr, (PyObject *)tw_py_tensor_class, c->binding->name);
    }
    PyObject *utils = PyImport_ImportModule("tallow._utils"), *find = utils ? PyObject_GetAttrString(utils, "_function") : NULL;
    Py_XDECREF(utils);
    return find ? Py_BuildValue("N(ss)", find, c->binding->space, c->binding->name) : NULL;
}
/* copy and deepcopy: itself, as any function. */
static PyObject *callable_copy(PyObject *o, PyObject *unused) {
    (void)unused;
    TW_PY_RETURN_NEW(o);
}

static PyGetSetDef callable_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_qualname, NULL, NULL, NULL},
    {"__doc__", get_doc, NULL, NULL, NULL},
    {"__module__", get_module, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyGetSetDef method_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_qualname, NULL, NULL, NULL},
    {"__doc__", get_doc, NULL, NULL, NULL},
    {"__objclass__", get_objclass, NULL, NULL, NULL},
    {"__text_signature__", get_text_signature, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef callable_methods[] = {
    {"__reduce__", callable_reduce, METH_NOARGS, NULL},
    {"__copy__", callable_copy, METH_NOARGS, NULL},
    {"__deepcopy__", callable_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject function_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C.builtin_function",
    .tp_basicsize = sizeof(callable),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(callable, vectorcall),
    .tp_weaklistoffset = offsetof(callable, weak),
    .tp_call = PyVectorcall_Call,
    .tp_repr = callable_repr,
    .tp_getset = callable_getset,
    .tp_methods = callable_methods,
};

static PyTypeObject method_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C.method_descriptor",
    .tp_basicsize = sizeof(callable),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_vectorcall_offset = offsetof(callable, vectorcall),
    .tp_weaklistoffset = offsetof(callable, weak),
    .tp_call = PyVectorcall_Call,
    .tp_repr = callable_repr,
    .tp_getset = method_getset,
    .tp_methods = callable_methods,
    .tp_descr_get = method_get,
};

static PyObject *callable_new(const tw_binding *b) {
    bool method = strcmp(b->space, "Tensor") == 0;
    callable *c = PyObject_New(callable, method ? &method_type : &function_type);
    if (!c) return NULL;
    c->vectorcall = call;
    c->binding = b;
    c->method = method;
    c->weak = c->dict = NULL;
    return (PyObject *)c;
}

/* --- lookup --- */

static PyObject *spaces; /* {space: {name: callable}} */

PyObject *tw_py_callable_find(const char *space, const char *name) {
    PyObject *d = spaces ? PyDict_GetItemString(spaces, space) : NULL;
    return d ? PyDict_GetItemString(d, name) : NULL;
}

PyObject *tw_py_call_op(const char *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    PyObject *f = tw_py_callable_find("Tensor", name);
    if (!f) f = tw_py_callable_find("torch", name);
    if (!f) f = PyDict_GetItemString(tw_py_tensor_class->tp_dict, name); /* made in Python */
    if (!f) f = PyDict_GetItemString(tw_py_base_type->tp_dict, name);
    if (!f) {
        PyErr_Format(PyExc_NotImplementedError, "%s is not implemented", name);
        return NULL;
    }
    return PyObject_Vectorcall(f, args, (size_t)n, kwnames);
}

tw_tensor *tw_py_op1_raw(int op_id, int n, const tw_arg *args) {
    const tw_op *op = &tw_ops[op_id];
    tw_arg full[TW_MAX_ARGS];
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    tw_fill_defaults(op, n, args, full);
    if (tw_py_run(op, full, outs)) return outs[0];
    tw_py_raise();
    return NULL;
}

PyObject *tw_py_op1(int op_id, int n, const tw_arg *args) {
    tw_tensor *t = tw_py_op1_raw(op_id, n, args);
    return t ? tw_py_wrap(t) : NULL;
}

/* A namespace object with the callables of a space as attributes. */
static bool add_namespace(PyObject *module, const char *name, const char *space) {
    PyObject *d = PyDict_GetItemString(spaces, space), *types, *namespace_class, *o;
    types = PyImport_ImportModule("types");
    namespace_class = types ? PyObject_GetAttrString(types, "SimpleNamespace") : NULL;
    PyObject *none = PyTuple_New(0);
    o = namespace_class && none ? PyObject_Call(namespace_class, none, d) : NULL;
    Py_XDECREF(types);
    Py_XDECREF(namespace_class);
    Py_XDECREF(none);
    if (!o) return false;
    if (PyModule_AddObject(module, name, o) == 0) return true;
    Py_DECREF(o);
    return false;
}

static bool fill_tables(void) {
    spaces = PyDict_New();
    if (!spaces) return false;
    for (int i = 0; i < tw_binding_count; i++) {
        const tw_binding *b = &tw_bindings[i];
        PyObject *d = PyDict_GetItemString(spaces, b->space);
        if (!d) {
            d = PyDict_New();
            if (!d || PyDict_SetItemString(spaces, b->space, d) < 0) return false;
            Py_DECREF(d);
        }
        PyObject *c = callable_new(b);
        bool ok = c && PyDict_SetItemString(d, b->name, c) == 0;
        Py_XDECREF(c);
        if (!ok) return false;
    }
    return true;
}

static PyObject *empty_space(const char *space) {
    PyObject *d = PyDict_GetItemString(spaces, space);
    if (d) return d;
    d = PyDict_New();
    if (!d || PyDict_SetItemString(spaces, space, d) < 0) return NULL;
    Py_DECREF(d);
    return d;
}

bool tw_py_make_callables(PyObject *module) {
    static const char *const names[][2] = {
        {"_VariableFunctions", "torch"}, {"_nn", "_nn"}, {"_linalg", "linalg"}, {"_special", "special"}, {"_fft", "fft"},
    };
    if (PyType_Ready(&function_type) < 0 || PyType_Ready(&method_type) < 0 || !fill_tables()) return false;
    PyObject *functional = PyDict_GetItemString(spaces, "nn.functional"), *nn = empty_space("_nn");
    if (!nn || (functional && PyDict_Update(nn, functional) < 0)) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!empty_space(names[i][1]) || !add_namespace(module, names[i][0], names[i][1])) return false;
    PyObject *methods = PyDict_GetItemString(spaces, "Tensor"), *key, *value;
    for (Py_ssize_t at = 0; methods && PyDict_Next(methods, &at, &key, &value);) {
        if (PyDict_Contains(tw_py_base_type->tp_dict, key) == 1) continue; /* attributes.c has its own */
        if (PyDict_SetItem(tw_py_base_type->tp_dict, key, value) < 0) return false;
    }
    PyType_Modified(tw_py_base_type);
    return true;
}
