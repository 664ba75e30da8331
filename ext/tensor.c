/* The tensor type: making, wrapping and dropping Python objects. Note [Ownership of wrappers] in ext.h. */
#include "ext/ext.h"
#include "ext/number.h"
#include "core/memory.h"

PyTypeObject *tw_py_base_type;
PyTypeObject *tw_py_tensor_class;

/* Plain wrappers that died; kept with their collector's header, not counted on their type. */
enum { FREE_LIMIT = 128 };
static tw_py_tensor *free_list[FREE_LIMIT];
static int free_count, free_limit = FREE_LIMIT;

static tw_py_tensor *make_plain(void) {
    tw_py_tensor *o;
    if (free_count) {
        o = free_list[--free_count];
        Py_INCREF(tw_py_tensor_class);
        _Py_NewReference((PyObject *)o);
    } else {
        o = PyObject_GC_New(tw_py_tensor, tw_py_tensor_class);
        if (!o) return NULL;
    }
    o->dict = NULL;
    o->weak = NULL;
    o->tensor_owns = false;
    return o;
}

PyObject *tw_py_wrap(tw_tensor *t) {
    if (!t) return tw_py_raise();
    if (t->pyobj) {
        tw_py_tensor *self = t->pyobj;
        if (self->tensor_owns) { /* the tensor's reference to the wrapper becomes the caller's, ours becomes the wrapper's */
            self->tensor_owns = false;
            return (PyObject *)self;
        }
        Py_INCREF(self);
        tw_release(t);
        return (PyObject *)self;
    }
    tw_py_tensor *o = make_plain();
    if (!o) {
        tw_release(t);
        return NULL;
    }
    o->t = t;
    t->pyobj = o;
    return (PyObject *)o;
}

PyObject *tw_py_wrap_borrowed(tw_tensor *t) {
    if (!t) Py_RETURN_NONE;
    tw_tensor_retain(t);
    return tw_py_wrap(t);
}

PyObject *tw_py_wrap_as(PyTypeObject *type, tw_tensor *t) {
    if (!t) return tw_py_raise();
    if (type == tw_py_tensor_class) return tw_py_wrap(t);
    if (t->pyobj) {
        tw_release(t);
        PyErr_Format(PyExc_RuntimeError, "Creating a new Tensor subclass %s but the raw Tensor object is already associated "
                     "to a python object of type %s", type->tp_name, Py_TYPE(t->pyobj)->tp_name);
        return NULL;
    }
    tw_py_tensor *o = (tw_py_tensor *)type->tp_alloc(type, 0);
    if (!o) {
        tw_release(t);
        return NULL;
    }
    o->t = t;
    t->pyobj = o;
    return (PyObject *)o;
}

/* tw_tensor_pyobj_free: the tensor that owned the wrapper dies. */
static void forget_wrapper(void *pyobj) {
    PyGILState_STATE gil = PyGILState_Ensure();
    tw_py_tensor *self = pyobj;
    bool owned = self->tensor_owns;
    self->t = NULL;
    self->tensor_owns = false;
    if (owned) Py_DECREF(self);
    PyGILState_Release(gil);
}

/* Gives the wrapper to its tensor when C still holds that and the wrapper carries state. */
static bool resurrect(tw_py_tensor *self) {
    tw_tensor *t = self->t;
    if (!t || self->tensor_owns || atomic_load_explicit(&t->refs, memory_order_relaxed) < 2) return false;
    if (!self->dict && !self->weak && Py_TYPE(self) == tw_py_tensor_class) return false;
    Py_SET_REFCNT(self, 1);
    self->tensor_owns = true;
    tw_release(t);
    return true;
}

static void drop_tensor(tw_py_tensor *self) {
    tw_tensor *t = self->t;
    if (!t) return;
    self->t = NULL;
    t->pyobj = NULL;
    tw_release(t);
}

/* __slots__ of subclasses. */
static void clear_slots(PyObject *o) {
    for (PyTypeObject *type = Py_TYPE(o); type && type != tw_py_base_type; type = type->tp_base) {
        if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !type->tp_members) continue;
        PyMemberDef *member = type->tp_members;
        for (Py_ssize_t i = 0; i < Py_SIZE(type); i++, member++) {
            if (member->type != T_OBJECT_EX || (member->flags & READONLY)) continue;
            PyObject **at = (PyObject **)((char *)o + member->offset), *value = *at;
            *at = NULL;
            Py_XDECREF(value);
        }
    }
}

static void tensor_dealloc(PyObject *o) {
    tw_py_tensor *self = (tw_py_tensor *)o;
    PyTypeObject *type = Py_TYPE(o);
    bool plain = type == tw_py_tensor_class;
    if (type->tp_finalize && !plain && PyObject_CallFinalizerFromDealloc(o) < 0) return;
    if (resurrect(self)) return;
    if (PyObject_GC_IsTracked(o)) PyObject_GC_UnTrack(o);
    if (self->weak) PyObject_ClearWeakRefs(o);
    if (!plain) clear_slots(o);
    Py_CLEAR(self->dict);
    drop_tensor(self);
    if (plain && free_count < free_limit) {
        free_list[free_count++] = self;
    } else {
        PyObject_GC_Del(o);
    }
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) Py_DECREF(type);
}

static int tensor_traverse(PyObject *o, visitproc visit, void *arg) {
    tw_py_tensor *self = (tw_py_tensor *)o;
    /* While C holds the tensor, the wrapper may come back: what it refers to is not garbage. */
    if (self->t && atomic_load_explicit(&self->t->refs, memory_order_relaxed) == 1) Py_VISIT(self->dict);
    return 0;
}

static int tensor_clear(PyObject *o) {
    tw_py_tensor *self = (tw_py_tensor *)o;
    if (self->t && atomic_load_explicit(&self->t->refs, memory_order_relaxed) == 1) Py_CLEAR(self->dict);
    return 0;
}

static int tensor_setattro(PyObject *o, PyObject *name, PyObject *value) {
    int r = PyObject_GenericSetAttr(o, name, value);
    if (((tw_py_tensor *)o)->dict && !PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
    return r;
}

static PyObject *get_dict(PyObject *o, void *closure) {
    PyObject *d = PyObject_GenericGetDict(o, closure);
    if (d && !PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
    return d;
}

static PyGetSetDef dict_getset[] = {
    {"__dict__", get_dict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- the metaclass: subclasses made in Python drop their instances through tensor_dealloc, and keep the operators of C --- */

static int meta_init(PyObject *cls, PyObject *args, PyObject *kw) {
    if (PyType_Type.tp_init(cls, args, kw) < 0) return -1;
    ((PyTypeObject *)cls)->tp_dealloc = tensor_dealloc;
    tw_py_inherit_operators((PyTypeObject *)cls);
    return 0;
}

static PyTypeObject meta_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C._TensorMeta",
    .tp_basicsize = 0,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_init = meta_init,
};

static PyTypeObject base_type = {
    PyVarObject_HEAD_INIT(&meta_type, 0)
    .tp_name = "torch._C.TensorBase",
    .tp_basicsize = sizeof(tw_py_tensor),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_dealloc = tensor_dealloc,
    .tp_traverse = tensor_traverse,
    .tp_clear = tensor_clear,
    .tp_setattro = tensor_setattro,
    .tp_dictoffset = offsetof(tw_py_tensor, dict),
    .tp_weaklistoffset = offsetof(tw_py_tensor, weak),
    .tp_methods = tw_py_attribute_methods,
    .tp_new = tw_py_tensor_new,
    .tp_repr = tw_py_tensor_repr,
    .tp_hash = tw_py_tensor_hash,
    .tp_richcompare = tw_py_compare,
    .tp_iter = tw_py_iter,
    .tp_as_number = &tw_py_number,
    .tp_as_mapping = &tw_py_mapping,
    .tp_as_sequence = &tw_py_sequence,
};

/* _set_tensor_class(cls): the type of plain results. */
static PyObject *set_tensor_class(PyObject *module, PyObject *cls) {
    (void)module;
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, &base_type) ||
        ((PyTypeObject *)cls)->tp_basicsize != base_type.tp_basicsize) {
        PyErr_SetString(PyExc_TypeError, "_set_tensor_class(): a subclass of TensorBase without __slots__ is needed");
        return NULL;
    }
    while (free_count) PyObject_GC_Del(free_list[--free_count]);
    Py_INCREF(cls);
    Py_XSETREF(tw_py_tensor_class, (PyTypeObject *)cls);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_tensor_class", set_tensor_class, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_init_tensor(PyObject *m) {
    meta_type.tp_base = &PyType_Type;
    if (PyType_Ready(&meta_type) < 0) return false;
    tw_py_finish_attributes();
    base_type.tp_getset = tw_py_attributes;
    tw_py_base_type = &base_type;
    if (!tw_memory_caching()) free_limit = 0;
    if (PyType_Ready(&base_type) < 0) return false;
    for (PyGetSetDef *g = dict_getset; g->name; g++) {
        PyObject *descriptor = PyDescr_NewGetSet(&base_type, g);
        if (!descriptor || PyDict_SetItemString(base_type.tp_dict, g->name, descriptor) < 0) return false;
        Py_DECREF(descriptor);
    }
    if (!tw_py_init_reflected()) return false;
    PyObject *tensor = PyObject_CallFunction((PyObject *)&meta_type, "s(O){ssss}", "Tensor", &base_type,
                                             "__module__", "torch", "__qualname__", "Tensor");
    if (!tensor) return false;
    tw_py_tensor_class = (PyTypeObject *)tensor;
    tw_tensor_pyobj_free = forget_wrapper;
    return tw_py_add_type(m, "TensorBase", &base_type) && tw_py_add_type(m, "Tensor", tw_py_tensor_class) &&
           tw_py_add_type(m, "_TensorMeta", &meta_type) && PyModule_AddFunctions(m, functions) == 0;
}
