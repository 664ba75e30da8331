/* torch.Generator and the functions on random streams. */
#include "ext/ext.h"

PyTypeObject *tw_py_generator_type;
static PyTypeObject generator_type;

static PyObject *wrap_generator(tw_generator *g) { /* takes the reference */
    tw_py_generator *o = PyObject_New(tw_py_generator, &generator_type);
    if (!o) {
        tw_generator_release(g);
        return NULL;
    }
    o->g = g;
    return (PyObject *)o;
}

static tw_generator *of(PyObject *o) { return ((tw_py_generator *)o)->g; }

static PyObject *generator_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    static char *names[] = {"device", NULL};
    PyObject *device = NULL;
    tw_device d;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:Generator", names, &device)) return NULL;
    if (device && !tw_py_device_from(device, &d)) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "Generator(): argument 'device' (position 1) must be torch.device, not %s", Py_TYPE(device)->tp_name);
        return NULL;
    }
    if (device && d != TW_CPU) {
        PyErr_Format(PyExc_RuntimeError, "Device type %s is not supported for torch.Generator() api.", tw_device_text(d));
        return NULL;
    }
    tw_generator *g = tw_generator_new(UINT64_C(67280421310721));
    return g ? wrap_generator(g) : tw_py_raise();
}

static void generator_dealloc(PyObject *o) {
    tw_generator_release(of(o));
    PyObject_Free(o);
}

/* A seed: any int; negative ones wrap, as PyTorch's. */
static bool seed_from(PyObject *o, uint64_t *into) {
    PyObject *n = PyNumber_Index(o);
    if (!n) {
        PyErr_Clear();
        PyErr_Format(PyExc_RuntimeError, "manual_seed expected a long, but got %s", Py_TYPE(o)->tp_name);
        return false;
    }
    *into = PyLong_AsUnsignedLongLong(n);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        *into = (uint64_t)PyLong_AsLongLong(n);
    }
    Py_DECREF(n);
    if (PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking unsigned long long");
        return false;
    }
    return true;
}

static PyObject *generator_manual_seed(PyObject *o, PyObject *seed) {
    uint64_t value;
    if (!seed_from(seed, &value)) return NULL;
    tw_generator_seed(of(o), value);
    TW_PY_RETURN_NEW(o);
}
static PyObject *generator_initial_seed(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(of(o)->seed);
}
static PyObject *generator_seed(PyObject *o, PyObject *unused) {
    const uint64_t value = tw_entropy();
    (void)unused;
    tw_generator_seed(of(o), value);
    return PyLong_FromUnsignedLongLong(value);
}
static PyObject *generator_get_state(PyObject *o, PyObject *unused) {
    int64_t size = TW_GENERATOR_STATE_BYTES;
    tw_tensor *t = tw_empty_new(&size, 1, TW_UINT8, TW_CPU);
    (void)unused;
    if (t) tw_generator_get_state(of(o), tw_data(t));
    return tw_py_wrap(t);
}
static PyObject *generator_set_state(PyObject *o, PyObject *state) {
    if (!tw_py_is_tensor(state)) {
        PyErr_Format(PyExc_TypeError, "expected a torch.ByteTensor, but got %s", Py_TYPE(state)->tp_name);
        return NULL;
    }
    tw_tensor *t = tw_py_tensor_of(state);
    if (t->dtype != TW_UINT8 || t->device != TW_CPU || !tw_is_contiguous(t)) {
        PyErr_SetString(PyExc_TypeError, "RNG state must be a torch.ByteTensor");
        return NULL;
    }
    if (!tw_generator_set_state(of(o), tw_data(t), t->numel)) return tw_py_raise();
    TW_PY_RETURN_NEW(o);
}
static PyObject *generator_clone(PyObject *o, PyObject *unused) {
    uint8_t bytes[TW_GENERATOR_STATE_BYTES];
    tw_generator *g = tw_generator_new(0);
    (void)unused;
    if (!g) return tw_py_raise();
    tw_generator_get_state(of(o), bytes);
    if (!tw_generator_set_state(g, bytes, sizeof bytes)) {
        tw_generator_release(g);
        return tw_py_raise();
    }
    g->seed = of(o)->seed;
    return wrap_generator(g);
}
static PyObject *generator_reduce(PyObject *o, PyObject *unused) {
    (void)unused;
    return Py_BuildValue("O(s)(O)", Py_TYPE(o), "cpu", Py_None);
}
static PyObject *generator_device(PyObject *o, void *c) { (void)o, (void)c; return tw_py_device_object(TW_CPU); }
static PyObject *generator_repr(PyObject *o) { return PyUnicode_FromFormat("<torch._C.Generator object at %p>", (void *)o); }

static PyMethodDef generator_methods[] = {
    {"manual_seed", generator_manual_seed, METH_O, NULL},
    {"initial_seed", generator_initial_seed, METH_NOARGS, NULL},
    {"seed", generator_seed, METH_NOARGS, NULL},
    {"get_state", generator_get_state, METH_NOARGS, NULL},
    {"set_state", generator_set_state, METH_O, NULL},
    {"clone_state", generator_clone, METH_NOARGS, NULL},
    {"__reduce__", generator_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef generator_getset[] = {{"device", generator_device, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyTypeObject generator_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C.Generator", .tp_basicsize = sizeof(tw_py_generator), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = generator_new, .tp_dealloc = generator_dealloc, .tp_repr = generator_repr, .tp_methods = generator_methods,
    .tp_getset = generator_getset,
};

bool tw_py_init_generator(PyObject *m) {
    tw_py_generator_type = &generator_type;
    if (PyType_Ready(&generator_type) < 0) return false;
    tw_generator *g = tw_default_generator();
    tw_generator_retain(g);
    PyObject *o = wrap_generator(g);
    if (!o || PyModule_AddObject(m, "default_generator", o) < 0) return false;
    return tw_py_add_type(m, "Generator", &generator_type);
}
