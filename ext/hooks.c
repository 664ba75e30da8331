/* Hooks written in Python: on tensors, nodes and saved tensors; and Python exceptions on their way through C. */
#include "ext/hooks.h"
#include "ext/number.h"

/* --- exceptions: a Python exception inside a callback waits here while C unwinds with an error of its own --- */

static _Thread_local PyObject *waiting[3];

bool tw_py_stash_error(void) {
    if (waiting[0]) PyErr_Clear();
    else PyErr_Fetch(&waiting[0], &waiting[1], &waiting[2]);
    return tw_fail(TW_RUNTIME_ERROR, "a Python callback failed");
}

bool tw_py_unstash_error(void) {
    if (!waiting[0]) return false;
    PyErr_Restore(waiting[0], waiting[1], waiting[2]);
    waiting[0] = waiting[1] = waiting[2] = NULL;
    return true;
}

/* --- contexts --- */

static void drop_object(void *context) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)context);
    PyGILState_Release(gil);
}

static bool has_changed(PyObject *hook, const char *what) {
    PyObject *name = PyObject_GetAttrString(hook, "__name__");
    if (!name) PyErr_Clear();
    if (name && PyUnicode_Check(name)) PyErr_Format(PyExc_RuntimeError, "hook '%U' has changed the %s", name, what);
    else PyErr_Format(PyExc_RuntimeError, "hook has changed the %s", what);
    Py_XDECREF(name);
    return false;
}

/* The gradient given to Python, and what comes back in its place: None keeps it. */
static bool replace(tw_tensor **g, PyObject *result, PyObject *hook) {
    if (result == Py_None) return true;
    if (!tw_py_is_tensor(result)) {
        PyErr_Format(PyExc_TypeError, "expected Variable, but hook returned '%s'", Py_TYPE(result)->tp_name);
        return false;
    }
    tw_tensor *t = tw_py_tensor_of(result), *old = *g;
    if (old) {
        bool same = t->ndim == old->ndim;
        for (int i = 0; same && i < t->ndim; i++) same = t->sizes[i] == old->sizes[i];
        if (!same) {
            return has_changed(hook, "size of value");
        }
        if (t->dtype != old->dtype) {
            char what[96];
            snprintf(what, sizeof what, "type of value (was torch.%sTensor got torch.%sTensor)", tw_dtypes[old->dtype].type_name,
                     tw_dtypes[t->dtype].type_name);
            return has_changed(hook, what);
        }
    }
    tw_tensor_retain(t);
    *g = t;
    tw_release(old);
    return true;
}

static bool call_tensor_hook(void *context, tw_node *node, tw_tensor **grads, int n, tw_tensor **other, int nother) {
    (void)node, (void)n, (void)other, (void)nother;
    if (!grads[0]) return true;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *g = tw_py_wrap_borrowed(grads[0]), *r = g ? PyObject_CallOneArg(context, g) : NULL;
    bool ok = r && replace(&grads[0], r, context);
    if (!ok) tw_py_stash_error();
    Py_XDECREF(g);
    Py_XDECREF(r);
    PyGILState_Release(gil);
    return ok;
}

static bool call_post_accumulate(void *context, tw_node *node, tw_tensor **leaf, int n, tw_tensor **other, int nother) {
    (void)node, (void)n, (void)other, (void)nother;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *t = tw_py_wrap_borrowed(leaf[0]), *r = t ? PyObject_CallOneArg(context, t) : NULL;
    bool ok = r != NULL;
    if (r && r != Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "Tensor post accumulate grad hooks should return None.");
        ok = false;
    }
    if (!ok) tw_py_stash_error();
    Py_XDECREF(t);
    Py_XDECREF(r);
    PyGILState_Release(gil);
    return ok;
}

PyObject *tw_py_tensors_tuple(tw_tensor *const *ts, int n) {
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *o = tw_py_wrap_borrowed(ts[i]);
        if (!o) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, i, o);
    }
    return tuple;
}

static bool replace_all(tw_tensor **grads, int n, PyObject *result, PyObject *hook) {
    if (result == Py_None) return true;
    PyObject *single[1] = {result}, **items = single;
    Py_ssize_t given = 1;
    if (PyTuple_Check(result) || PyList_Check(result)) {
        items = PySequence_Fast_ITEMS(result);
        given = PySequence_Fast_GET_SIZE(result);
    }
    if (given != n) {
        PyErr_Format(PyExc_RuntimeError, "hook has returned an incorrect number of values (got %zd, but expected %d)", given, n);
        return false;
    }
    for (int i = 0; i < n; i++)
        if (!replace(&grads[i], items[i], hook)) return false;
    return true;
}

static bool call_pre_hook(void *context, tw_node *node, tw_tensor **grads, int n, tw_tensor **other, int nother) {
    (void)node, (void)other, (void)nother;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *g = tw_py_tensors_tuple(grads, n), *r = g ? PyObject_CallOneArg(context, g) : NULL;
    bool ok = r && replace_all(grads, n, r, context);
    if (!ok) tw_py_stash_error();
    Py_XDECREF(g);
    Py_XDECREF(r);
    PyGILState_Release(gil);
    return ok;
}

static bool call_post_hook(void *context, tw_node *node, tw_tensor **grads, int n, tw_tensor **other, int nother) {
    (void)node;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *g = tw_py_tensors_tuple(grads, n), *o = tw_py_tensors_tuple(other, nother);
    PyObject *r = g && o ? PyObject_CallFunctionObjArgs(context, g, o, NULL) : NULL;
    bool ok = r && replace_all(grads, n, r, context);
    if (!ok) tw_py_stash_error();
    Py_XDECREF(g);
    Py_XDECREF(o);
    Py_XDECREF(r);
    PyGILState_Release(gil);
    return ok;
}

/* --- handles: remove() takes the hook off, once --- */

typedef struct handle { PyObject_HEAD int64_t id; tw_tensor *tensor; PyObject *node; PyObject *weak; } handle;

static tw_node *handle_node(handle *h);

static PyObject *handle_remove(PyObject *o, PyObject *unused) {
    handle *h = (handle *)o;
    (void)unused;
    if (h->tensor) {
        tw_tensor_hook_remove(h->tensor, h->id);
        tw_release(h->tensor);
        h->tensor = NULL;
    }
    if (h->node) {
        tw_node *n = handle_node(h);
        if (n) tw_node_hook_remove(n, h->id);
        Py_CLEAR(h->node);
    }
    Py_RETURN_NONE;
}
static PyObject *handle_enter(PyObject *o, PyObject *unused) { (void)unused; TW_PY_RETURN_NEW(o); }
static PyObject *handle_exit(PyObject *o, PyObject *args) { (void)args; return handle_remove(o, NULL); }
static PyObject *handle_id(PyObject *o, void *c) { (void)c; return PyLong_FromLongLong(((handle *)o)->id); }
static void handle_dealloc(PyObject *o) {
    handle *h = (handle *)o;
    if (h->weak) PyObject_ClearWeakRefs(o);
    tw_release(h->tensor);
    Py_XDECREF(h->node);
    PyObject_Free(o);
}
static PyMethodDef handle_methods[] = {
    {"remove", handle_remove, METH_NOARGS, NULL},
    {"__enter__", handle_enter, METH_NOARGS, NULL},
    {"__exit__", handle_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef handle_getset[] = {{"id", handle_id, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyTypeObject handle_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.utils.hooks.RemovableHandle", .tp_basicsize = sizeof(handle), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = handle_dealloc, .tp_methods = handle_methods, .tp_getset = handle_getset, .tp_weaklistoffset = offsetof(handle, weak),
};

static PyObject *make_handle(int64_t id, tw_tensor *t, PyObject *node) {
    if (id < 0) return tw_py_raise();
    handle *h = PyObject_New(handle, &handle_type);
    if (!h) return NULL;
    h->id = id;
    h->weak = NULL;
    h->tensor = tw_retain(t);
    h->node = node;
    Py_XINCREF(node);
    return (PyObject *)h;
}

static tw_node *handle_node(handle *h) { return tw_py_node_of(h->node); }

/* --- registering --- */

static bool check_callable(PyObject *hook) {
    if (PyCallable_Check(hook)) return true;
    PyErr_Format(PyExc_TypeError, "'%s' object is not callable", Py_TYPE(hook)->tp_name);
    return false;
}

static tw_hook hook_of(PyObject *callable, bool (*call)(void *, tw_node *, tw_tensor **, int, tw_tensor **, int)) {
    tw_hook h = {.call = call, .free = drop_object, .context = callable};
    Py_INCREF(callable);
    return h;
}

/* Overrides of __torch_function__ see Tensor.register_hook. */
static bool ask(PyObject *self, PyObject *hook, const char *name, PyObject **r) {
    PyObject *args[2] = {self, hook};
    bool handled = false;
    if (Py_TYPE(self) == tw_py_tensor_class || !tw_py_any_overrides(args, 1)) return false;
    *r = tw_py_dispatch(PyDict_GetItemString(tw_py_base_type->tp_dict, name), args, 2, NULL, &handled);
    return handled;
}

PyObject *tw_py_register_hook(PyObject *self, PyObject *hook) {
    tw_tensor *t = tw_py_tensor_of(self);
    PyObject *r;
    if (ask(self, hook, "register_hook", &r)) return r;
    if (!tw_requires_grad(t)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot register a hook on a tensor that doesn't require gradient");
        return NULL;
    }
    if (!check_callable(hook)) return NULL;
    return make_handle(tw_tensor_hook_add(t, hook_of(hook, call_tensor_hook)), t, NULL);
}

PyObject *tw_py_register_post_hook(PyObject *self, PyObject *hook) {
    tw_tensor *t = tw_py_tensor_of(self);
    PyObject *r;
    if (ask(self, hook, "register_post_accumulate_grad_hook", &r)) return r;
    if (!tw_requires_grad(t)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot register a hook on a tensor that doesn't require gradient");
        return NULL;
    }
    if (!tw_is_leaf(t)) {
        PyErr_SetString(PyExc_RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors");
        return NULL;
    }
    if (!check_callable(hook)) return NULL;
    return make_handle(tw_post_accumulate_hook_add(t, hook_of(hook, call_post_accumulate)), t, NULL);
}

PyObject *tw_py_node_hook(PyObject *node, PyObject *hook, bool pre) {
    tw_node *n = tw_py_node_of(node);
    if (!n) {
        PyErr_SetString(PyExc_RuntimeError, "the node is gone");
        return NULL;
    }
    if (!check_callable(hook)) return NULL;
    return make_handle(tw_node_hook_add(n, hook_of(hook, pre ? call_pre_hook : call_post_hook), pre), NULL, node);
}

bool tw_py_retain_grad(tw_tensor *t) {
    if (tw_retain_grad(t)) return true;
    tw_py_raise();
    return false;
}

/* --- saved-tensor hooks: a stack of pairs --- */

typedef struct pair { tw_saved_hooks hooks; PyObject *pack, *unpack; int refs; const tw_saved_hooks *outer; } pair;

static void drop_pair(pair *p) {
    if (--p->refs) return;
    Py_DECREF(p->pack);
    Py_DECREF(p->unpack);
    PyMem_Free(p);
}
static void *pack(void *context, tw_tensor *t) {
    pair *p = context;
    PyGILState_STATE gil = PyGILState_Ensure();
    const tw_saved_hooks *now = tw_saved_hooks_now;
    tw_saved_hooks_now = NULL;
    PyObject *o = tw_py_wrap_borrowed(t), *r = o ? PyObject_CallOneArg(p->pack, o) : NULL;
    tw_saved_hooks_now = now;
    Py_XDECREF(o);
    if (r) p->refs++;
    else tw_py_stash_error();
    PyGILState_Release(gil);
    return r;
}
static tw_tensor *unpack(void *context, void *packed) {
    pair *p = context;
    tw_tensor *t = NULL;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *r = PyObject_CallOneArg(p->unpack, packed);
    if (r && tw_py_is_tensor(r)) {
        t = tw_retain(tw_py_tensor_of(r));
    } else {
        if (r) PyErr_Format(PyExc_TypeError, "Output of saved tensor unpack_hook expected to be a Tensor but got result of type %s",
                            Py_TYPE(r)->tp_name);
        tw_py_stash_error();
    }
    Py_XDECREF(r);
    PyGILState_Release(gil);
    return t;
}
static void drop_packed(void *context, void *packed) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)packed);
    drop_pair(context);
    PyGILState_Release(gil);
}

static PyObject *push_saved_hooks(PyObject *m, PyObject *args) {
    PyObject *pack_hook, *unpack_hook;
    (void)m;
    if (!PyArg_ParseTuple(args, "OO:_push_saved_hooks", &pack_hook, &unpack_hook)) return NULL;
    pair *p = PyMem_Calloc(1, sizeof *p);
    if (!p) return PyErr_NoMemory();
    *p = (pair){{pack, unpack, drop_packed, p}, pack_hook, unpack_hook, 1, tw_saved_hooks_now};
    Py_INCREF(pack_hook);
    Py_INCREF(unpack_hook);
    tw_saved_hooks_now = &p->hooks;
    tw_mode |= TW_MODE_SAVED_HOOKS;
    Py_RETURN_NONE;
}
static PyObject *pop_saved_hooks(PyObject *m, PyObject *unused) {
    (void)m, (void)unused;
    if (!tw_saved_hooks_now) Py_RETURN_NONE;
    pair *p = tw_saved_hooks_now->context;
    tw_saved_hooks_now = p->outer;
    if (!tw_saved_hooks_now) tw_mode &= ~(unsigned)TW_MODE_SAVED_HOOKS;
    drop_pair(p);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_push_saved_hooks", push_saved_hooks, METH_VARARGS, NULL},
    {"_pop_saved_hooks", pop_saved_hooks, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_init_hooks(PyObject *m) { return PyType_Ready(&handle_type) == 0 && PyModule_AddFunctions(m, functions) == 0; }
