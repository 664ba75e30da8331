/* autograd.Function: operations whose gradient is written in Python. The ctx of a call is what its results have as grad_fn. */
#include "ext/hooks.h"
#include "core/memory.h"
#include "op_ids.h"

/* Note [ctx and node]
 * The node owns its ctx; the ctx points back without owning (node), until the node dies. */
typedef struct function {
    PyObject_HEAD
    tw_node *node;
    PyObject *dict, *weak;
    PyObject *cls;               /* the Function subclass */
    PyObject *to_save, *dirty, *nondiff, *needs;
    int ninputs;                 /* arguments of apply */
    int *edge_of;                /* per argument: its edge, or -1 */
    bool materialize;
} function;

static PyTypeObject function_type;

static bool is_function(PyObject *o) { return PyObject_TypeCheck(o, &function_type); }
tw_node *tw_py_function_node(PyObject *o) { return is_function(o) ? ((function *)o)->node : NULL; }

static bool apply_node(tw_node *node, tw_tensor *const *g, uint64_t need, tw_tensor **gin);

PyObject *tw_py_function_ctx(tw_node *n) { return n->kind == 2 && n->apply == apply_node ? n->context : NULL; }

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)args, (void)kw;
    function *f = (function *)type->tp_alloc(type, 0);
    if (f) f->materialize = true;
    return (PyObject *)f;
}
static int function_traverse(PyObject *o, visitproc visit, void *arg) {
    function *f = (function *)o;
    Py_VISIT(f->dict);
    Py_VISIT(f->cls);
    Py_VISIT(f->to_save);
    Py_VISIT(f->dirty);
    Py_VISIT(f->nondiff);
    Py_VISIT(f->needs);
    return 0;
}
static int function_clear(PyObject *o) {
    function *f = (function *)o;
    Py_CLEAR(f->dict);
    Py_CLEAR(f->cls);
    Py_CLEAR(f->to_save);
    Py_CLEAR(f->dirty);
    Py_CLEAR(f->nondiff);
    Py_CLEAR(f->needs);
    return 0;
}
static void function_dealloc(PyObject *o) {
    function *f = (function *)o;
    PyObject_GC_UnTrack(o);
    if (f->weak) PyObject_ClearWeakRefs(o);
    function_clear(o);
    PyMem_Free(f->edge_of);
    Py_TYPE(o)->tp_free(o);
}

/* --- ctx --- */

static PyObject *save_for_backward(PyObject *o, PyObject *args) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *item = PyTuple_GET_ITEM(args, i);
        if (item == Py_None || tw_py_is_tensor(item)) continue;
        PyErr_Format(PyExc_TypeError, "save_for_backward can only save variables, but argument %zd is of type %s", i, Py_TYPE(item)->tp_name);
        return NULL;
    }
    Py_INCREF(args);
    Py_XSETREF(((function *)o)->to_save, args);
    Py_RETURN_NONE;
}
static PyObject *mark_dirty(PyObject *o, PyObject *args) {
    Py_INCREF(args);
    Py_XSETREF(((function *)o)->dirty, args);
    Py_RETURN_NONE;
}
static PyObject *mark_non_differentiable(PyObject *o, PyObject *args) {
    Py_INCREF(args);
    Py_XSETREF(((function *)o)->nondiff, args);
    Py_RETURN_NONE;
}
static PyObject *set_materialize_grads(PyObject *o, PyObject *on) {
    ((function *)o)->materialize = PyObject_IsTrue(on) == 1;
    Py_RETURN_NONE;
}
static PyObject *saved_tensors(PyObject *o, void *c) {
    function *f = (function *)o;
    (void)c;
    if (!f->node) {
        if (f->to_save) TW_PY_RETURN_NEW(f->to_save);
        return PyTuple_New(0);
    }
    tw_node *n = f->node;
    PyObject *tuple = PyTuple_New(n->nsaved);
    if (n->released && n->nsaved == 0) return tuple;
    for (int i = 0; tuple && i < n->nsaved; i++) {
        tw_tensor *t = NULL;
        PyObject *item;
        if (!tw_unpack(n, &n->saved[i], &t)) {
            Py_DECREF(tuple);
            return tw_py_raise();
        }
        if (t) item = tw_py_wrap(t);
        else {
            item = Py_None;
            Py_INCREF(item);
        }
        if (!item) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}
static PyObject *needs_input_grad(PyObject *o, void *c) {
    (void)c;
    if (!((function *)o)->needs) return PyTuple_New(0);
    TW_PY_RETURN_NEW(((function *)o)->needs);
}
static PyObject *next_functions(PyObject *o, void *c) {
    (void)c;
    if (!((function *)o)->node) return PyTuple_New(0);
    return tw_py_next_functions(((function *)o)->node);
}
static PyObject *get_to_save(PyObject *o, void *c) {
    (void)c;
    if (!((function *)o)->to_save) Py_RETURN_NONE;
    TW_PY_RETURN_NEW(((function *)o)->to_save);
}
static PyObject *get_materialize(PyObject *o, void *c) { (void)c; return PyBool_FromLong(((function *)o)->materialize); }
static PyObject *get_metadata(PyObject *o, void *c) {
    (void)c;
    PyObject *d = PyObject_GenericGetDict(o, NULL);
    return d;
}
static PyObject *name(PyObject *o, PyObject *unused) { (void)unused; return PyUnicode_FromString(Py_TYPE(o)->tp_name); }
static PyObject *register_hook(PyObject *o, PyObject *hook) { return tw_py_node_hook(o, hook, false); }
static PyObject *register_prehook(PyObject *o, PyObject *hook) { return tw_py_node_hook(o, hook, true); }

/* --- backward --- */

static tw_tensor *zeros_for(const tw_input_meta *m) {
    tw_tensor *t = tw_empty_new(tw_meta_sizes(m), m->ndim, (tw_dtype)m->dtype, m->device);
    if (t && t->storage->data) memset(t->storage->data, 0, t->storage->bytes);
    return t;
}

static PyObject *grads_for(function *f, tw_node *node, tw_tensor *const *g) {
    PyObject *args = PyTuple_New(node->nouts + 1);
    if (!args) return NULL;
    Py_INCREF(f);
    PyTuple_SET_ITEM(args, 0, (PyObject *)f);
    for (int i = 0; i < node->nouts; i++) {
        PyObject *o;
        if (g[i]) {
            o = tw_py_wrap_borrowed(g[i]);
        } else if (f->materialize && node->outputs[i].dtype >= 0) {
            o = tw_py_wrap(zeros_for(&node->outputs[i]));
        } else {
            o = Py_None;
            Py_INCREF(o);
        }
        if (!o) {
            Py_DECREF(args);
            return NULL;
        }
        PyTuple_SET_ITEM(args, i + 1, o);
    }
    return args;
}

static PyObject *backward_of(PyObject *cls) {
    PyObject *base = (PyObject *)Py_TYPE(cls), *own = PyObject_GetAttrString(cls, "backward"), *vjp = PyObject_GetAttrString(cls, "vjp");
    (void)base;
    PyErr_Clear();
    if (vjp && own && vjp != own) { /* whichever the subclass defines */
        PyObject *function_class = NULL, *mro = ((PyTypeObject *)cls)->tp_mro;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++)
            if (strcmp(((PyTypeObject *)PyTuple_GET_ITEM(mro, i))->tp_name, "Function") == 0) function_class = PyTuple_GET_ITEM(mro, i);
        PyObject *default_backward = function_class ? PyObject_GetAttrString(function_class, "backward") : NULL;
        PyErr_Clear();
        bool use_vjp = own == default_backward;
        Py_XDECREF(default_backward);
        if (use_vjp) {
            Py_DECREF(own);
            return vjp;
        }
    }
    Py_XDECREF(vjp);
    if (!own) PyErr_SetString(PyExc_NotImplementedError, "You must implement either the backward or vjp method for your custom "
                              "autograd.Function to use it with backward mode AD.");
    return own;
}

static bool take_grads(function *f, tw_node *node, PyObject *result, uint64_t need, tw_tensor **gin) {
    PyObject *single[1] = {result}, **items = single;
    Py_ssize_t given = 1;
    const char *class_name = Py_TYPE(f)->tp_name;
    if (PyTuple_Check(result) || PyList_Check(result)) {
        items = PySequence_Fast_ITEMS(result);
        given = PySequence_Fast_GET_SIZE(result);
    }
    while (given > f->ninputs && items[given - 1] == Py_None) given--;
    if (given != f->ninputs) {
        PyErr_Format(PyExc_RuntimeError, "function %s returned an incorrect number of gradients (expected %d, got %zd)", class_name,
                     f->ninputs, given);
        return false;
    }
    for (Py_ssize_t i = 0; i < given; i++) {
        int edge = f->edge_of[i];
        if (items[i] == Py_None) continue;
        if (edge < 0) {
            PyErr_Format(PyExc_RuntimeError, "function %s returned a gradient different than None at position %zd, but the corresponding "
                         "forward input was not a Variable", class_name, i + 1);
            return false;
        }
        if (!tw_py_is_tensor(items[i])) {
            PyErr_Format(PyExc_RuntimeError, "expected Variable or None (got %s)", Py_TYPE(items[i])->tp_name);
            return false;
        }
        if (node->edges[edge].node && (need >> (edge < 63 ? edge : 63) & 1)) gin[edge] = tw_retain(tw_py_tensor_of(items[i]));
    }
    return true;
}

static bool apply_node(tw_node *node, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    PyGILState_STATE gil = PyGILState_Ensure();
    function *f = node->context;
    PyObject *args = grads_for(f, node, g), *method = args ? backward_of(f->cls) : NULL;
    PyObject *result = method ? PyObject_Call(method, args, NULL) : NULL;
    bool ok = result && take_grads(f, node, result, need, gin);
    if (!ok) tw_py_stash_error();
    Py_XDECREF(args);
    Py_XDECREF(method);
    Py_XDECREF(result);
    PyGILState_Release(gil);
    return ok;
}

static void destroy_node(tw_node *node) {
    PyGILState_STATE gil = PyGILState_Ensure();
    function *f = node->context;
    f->node = NULL;
    Py_DECREF(f);
    PyGILState_Release(gil);
}

/* --- apply --- */

static bool among(PyObject *tuple, PyObject *o) {
    for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (item == o) return true;
        if (PyTuple_Check(item) && among(item, o)) return true;
    }
    return false;
}

/* MyFnBackward, the class of the ctx; made once per Function class. */
static PyObject *ctx_class(PyObject *cls) {
    PyObject *own = PyDict_GetItemString(((PyTypeObject *)cls)->tp_dict, "_backward_cls");
    if (own) TW_PY_RETURN_NEW(own);
    PyObject *text = PyUnicode_FromFormat("%sBackward", ((PyTypeObject *)cls)->tp_name);
    PyObject *made = text ? PyObject_CallFunction((PyObject *)&PyType_Type, "O(O){s:O,s:s}", text, &function_type, "_forward_cls", cls,
                                                  "__module__", "torch.autograd.function") : NULL;
    Py_XDECREF(text);
    if (made && PyObject_SetAttrString(cls, "_backward_cls", made) < 0) Py_CLEAR(made);
    return made;
}

static bool prepare(function *f, PyObject *args, bool grad_on, bool *wanted) {
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    int edges = 0;
    f->ninputs = (int)n;
    f->needs = PyTuple_New(n);
    f->edge_of = PyMem_Calloc((size_t)n + 1, sizeof *f->edge_of);
    *wanted = false;
    if (!f->needs || !f->edge_of) return false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        bool tensor = tw_py_is_tensor(o), need = tensor && tw_requires_grad(tw_py_tensor_of(o));
        f->edge_of[i] = tensor ? edges++ : -1;
        *wanted |= need && grad_on;
        PyTuple_SET_ITEM(f->needs, i, PyBool_FromLong(need));
    }
    return true;
}

/* forward(ctx, *args), or forward(*args) and setup_context(ctx, args, output). */
static PyObject *run_forward(PyObject *cls, function *f, PyObject *args) {
    PyObject *forward = PyObject_GetAttrString(cls, "forward"), *setup = PyObject_GetAttrString(cls, "setup_context");
    PyObject *output = NULL, *module = NULL, *base = NULL;
    PyErr_Clear();
    if (!forward) goto done;
    module = PyImport_ImportModule("tallow.autograd.function");
    base = module ? PyObject_GetAttrString(module, "_default_setup_context") : NULL;
    PyErr_Clear();
    if (setup && base && setup != base) {
        output = PyObject_Call(forward, args, NULL);
        PyObject *r = output ? PyObject_CallFunctionObjArgs(setup, (PyObject *)f, args, output, NULL) : NULL;
        if (!r) Py_CLEAR(output);
        Py_XDECREF(r);
    } else {
        Py_ssize_t n = PyTuple_GET_SIZE(args);
        PyObject *all = PyTuple_New(n + 1);
        if (!all) goto done;
        Py_INCREF(f);
        PyTuple_SET_ITEM(all, 0, (PyObject *)f);
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_INCREF(PyTuple_GET_ITEM(args, i));
            PyTuple_SET_ITEM(all, i + 1, PyTuple_GET_ITEM(args, i));
        }
        output = PyObject_Call(forward, all, NULL);
        Py_DECREF(all);
    }
done:
    Py_XDECREF(forward);
    Py_XDECREF(setup);
    Py_XDECREF(module);
    Py_XDECREF(base);
    return output;
}

/* The result that stands for output i once it has a history; owned reference. */
static PyObject *attach(function *f, tw_node *node, PyObject *args, PyObject *o, int i) {
    if (!tw_py_is_tensor(o)) TW_PY_RETURN_NEW(o);
    tw_tensor *t = tw_py_tensor_of(o);
    bool float_like = tw_is_float((tw_dtype)t->dtype) || tw_is_complex((tw_dtype)t->dtype);
    bool dirty = among(f->dirty, o), input = among(args, o);
    if (!node || !float_like || among(f->nondiff, o)) {
        if (!dirty && input && !node) {
            return tw_py_op1(TW_OP_alias, 1, (tw_arg[]){tw_a_tensor(t)});
        }
        if (input && !dirty) return tw_py_wrap(tw_detach_new(t));
        TW_PY_RETURN_NEW(o);
    }
    if (!tw_meta_of(&node->outputs[i], t)) return tw_py_raise();
    if (dirty) {
        if (!tw_check_inplace(t, true) || !tw_rebase_history(t, node, (uint32_t)i)) return tw_py_raise();
        TW_PY_RETURN_NEW(o);
    }
    if (input || (t->autograd && t->autograd->grad_fn) || (tw_is_leaf(t) && (t->flags & TW_REQUIRES_GRAD))) {
        tw_tensor *alias = tw_detach_new(t);
        if (!alias || !tw_set_history(alias, node, (uint32_t)i)) return tw_py_raise();
        return tw_py_wrap(alias);
    }
    if (!tw_set_history(t, node, (uint32_t)i)) return tw_py_raise();
    TW_PY_RETURN_NEW(o);
}

static bool save_all(function *f, tw_node *node, PyObject *const *raw, int nouts) {
    for (int i = 0; i < node->nsaved; i++) {
        PyObject *o = PyTuple_GET_ITEM(f->to_save, i);
        bool is_output = false;
        int number = 0;
        if (o == Py_None) continue;
        tw_tensor *t = tw_py_tensor_of(o);
        for (int k = 0; k < nouts; k++)
            if (raw[k] == o && t->autograd && t->autograd->grad_fn == node) {
                is_output = true;
                number = k;
            }
        if (!tw_saved_set(&node->saved[i], t, is_output, (uint8_t)number)) {
            tw_py_raise();
            return false;
        }
    }
    return true;
}

static tw_node *make_node(function *f, PyObject *args, int nouts) {
    int nedges = 0, nsaved = f->to_save ? (int)PyTuple_GET_SIZE(f->to_save) : 0;
    for (int i = 0; i < f->ninputs; i++) nedges += f->edge_of[i] >= 0;
    tw_node *node = tw_node_make(2, nedges, nouts, 0, nsaved, 0);
    if (!node) return (void *)tw_py_raise();
    node->apply = apply_node;
    node->destroy = destroy_node;
    node->context = f;
    node->name = Py_TYPE(f)->tp_name;
    Py_INCREF(f);
    f->node = node;
    for (int i = 0; i < nouts; i++) node->outputs[i].dtype = TW_DTYPE_NONE;
    for (int i = 0; i < f->ninputs; i++) {
        if (f->edge_of[i] < 0) continue;
        if (tw_node_connect(node, f->edge_of[i], tw_py_tensor_of(PyTuple_GET_ITEM(args, i)))) continue;
        tw_node_release(node);
        return (void *)tw_py_raise();
    }
    return node;
}

static PyObject *finish(function *f, PyObject *args, PyObject *output, bool wanted) {
    bool tuple = PyTuple_Check(output);
    PyObject *single[1] = {output}, **raw = tuple ? ((PyTupleObject *)output)->ob_item : single;
    int nouts = tuple ? (int)PyTuple_GET_SIZE(output) : 1;
    for (int i = 0; !tuple && i < 1; i++)
        if (!tw_py_is_tensor(output)) {
            if (PyList_Check(output) || output == Py_None || !wanted) TW_PY_RETURN_NEW(output);
            TW_PY_RETURN_NEW(output);
        }
    tw_node *node = wanted ? make_node(f, args, nouts) : NULL;
    if (wanted && !node) return NULL;
    PyObject *results = PyTuple_New(nouts);
    for (int i = 0; results && i < nouts; i++) {
        PyObject *o = attach(f, node, args, raw[i], i);
        if (!o) Py_CLEAR(results);
        else PyTuple_SET_ITEM(results, i, o);
    }
    if (results && node && !save_all(f, node, raw, nouts)) Py_CLEAR(results);
    if (node) tw_node_release(node);
    if (wanted || !results) Py_CLEAR(f->to_save);
    if (results && !tuple) {
        PyObject *only = PyTuple_GET_ITEM(results, 0);
        Py_INCREF(only);
        Py_SETREF(results, only);
    }
    return results;
}

static PyObject *apply(PyObject *cls, PyObject *args) {
    PyObject *made = ctx_class(cls), *output = NULL, *result = NULL;
    function *f = made ? (function *)PyObject_CallNoArgs(made) : NULL;
    bool wanted = false, grad_on = !(tw_mode & TW_MODE_NO_GRAD);
    unsigned mode = tw_mode;
    if (!f) goto done;
    Py_INCREF(cls);
    f->cls = cls;
    if (!prepare(f, args, grad_on, &wanted)) goto done;
    tw_mode |= TW_MODE_NO_GRAD;
    output = run_forward(cls, f, args);
    tw_mode = mode;
    if (output) result = finish(f, args, output, wanted);
done:
    Py_XDECREF(output);
    Py_XDECREF(made);
    Py_XDECREF(f);
    return result;
}

static PyMethodDef function_methods[] = {
    {"apply", apply, METH_VARARGS | METH_CLASS, NULL},
    {"save_for_backward", save_for_backward, METH_VARARGS, NULL},
    {"save_for_forward", save_for_backward, METH_VARARGS, NULL},
    {"mark_dirty", mark_dirty, METH_VARARGS, NULL},
    {"mark_non_differentiable", mark_non_differentiable, METH_VARARGS, NULL},
    {"set_materialize_grads", set_materialize_grads, METH_O, NULL},
    {"name", name, METH_NOARGS, NULL},
    {"register_hook", register_hook, METH_O, NULL},
    {"register_prehook", register_prehook, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef function_getset[] = {
    {"saved_tensors", saved_tensors, NULL, NULL, NULL},
    {"saved_variables", saved_tensors, NULL, NULL, NULL},
    {"needs_input_grad", needs_input_grad, NULL, NULL, NULL},
    {"next_functions", next_functions, NULL, NULL, NULL},
    {"to_save", get_to_save, NULL, NULL, NULL},
    {"materialize_grads", get_materialize, NULL, NULL, NULL},
    {"metadata", get_metadata, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyTypeObject function_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C._FunctionBase", .tp_doc = "_FunctionBase(*args, **kwargs)\n--\n\n", .tp_basicsize = sizeof(function),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, .tp_new = function_new, .tp_dealloc = function_dealloc,
    .tp_traverse = function_traverse, .tp_clear = function_clear, .tp_methods = function_methods, .tp_getset = function_getset,
    .tp_dictoffset = offsetof(function, dict), .tp_weaklistoffset = offsetof(function, weak),
};

bool tw_py_init_custom(PyObject *m) { return PyType_Ready(&function_type) == 0 && tw_py_add_type(m, "_FunctionBase", &function_type); }
