/* dtype, layout, memory_format and device: small immutable values. Size, finfo and iinfo are in size.c. */
#include "ext/ext.h"
#include <float.h>

PyTypeObject *tw_py_dtype_type, *tw_py_layout_type, *tw_py_format_type, *tw_py_device_type;

static PyObject *dtype_objects[TW_DTYPE_COUNT];
static PyObject *layout_objects[7], *format_objects[4];
static const char *const layout_names[7] = {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "_mkldnn"};
static const char *const format_names[4] = {"contiguous_format", "preserve_format", "channels_last", "channels_last_3d"};

static int value_of(PyObject *o) { return ((tw_py_dtype *)o)->value; }

/* --- dtype --- */

static PyObject *dtype_repr(PyObject *o) { return PyUnicode_FromFormat("torch.%s", tw_dtypes[value_of(o)].name); }
static PyObject *dtype_reduce(PyObject *o, PyObject *unused) {
    (void)unused;
    return PyUnicode_FromString(tw_dtypes[value_of(o)].name);
}
static PyObject *dtype_float(PyObject *o, void *c) { (void)c; return PyBool_FromLong(tw_is_float((tw_dtype)value_of(o))); }
static PyObject *dtype_complex(PyObject *o, void *c) { (void)c; return PyBool_FromLong(tw_is_complex((tw_dtype)value_of(o))); }
static PyObject *dtype_signed(PyObject *o, void *c) { (void)c; return PyBool_FromLong(tw_dtypes[value_of(o)].is_signed); }
static PyObject *dtype_itemsize(PyObject *o, void *c) { (void)c; return PyLong_FromLong(tw_dtypes[value_of(o)].size); }
static PyObject *dtype_to_real(PyObject *o, PyObject *c) { (void)c; return tw_py_dtype_object(tw_dtypes[value_of(o)].real); }
static PyObject *dtype_to_complex(PyObject *o, PyObject *c) { (void)c; return tw_py_dtype_object(tw_to_complex((tw_dtype)value_of(o))); }

static PyGetSetDef dtype_getset[] = {
    {"is_floating_point", dtype_float, NULL, NULL, NULL}, {"is_complex", dtype_complex, NULL, NULL, NULL},
    {"is_signed", dtype_signed, NULL, NULL, NULL},        {"itemsize", dtype_itemsize, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef dtype_methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, NULL},
    {"to_real", dtype_to_real, METH_NOARGS, NULL},
    {"to_complex", dtype_to_complex, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyTypeObject dtype_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.dtype", .tp_basicsize = sizeof(tw_py_dtype), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_repr = dtype_repr, .tp_getset = dtype_getset, .tp_methods = dtype_methods,
};

PyObject *tw_py_dtype_object(tw_dtype d) {
    if (d < 0 || d >= TW_DTYPE_COUNT) Py_RETURN_NONE;
    TW_PY_RETURN_NEW(dtype_objects[d]);
}

bool tw_py_dtype_from(PyObject *o, tw_dtype *into) {
    if (Py_TYPE(o) == &dtype_type) *into = (tw_dtype)value_of(o);
    else if (o == (PyObject *)&PyFloat_Type) *into = TW_FLOAT64;
    else if (o == (PyObject *)&PyBool_Type) *into = TW_BOOL;
    else if (o == (PyObject *)&PyLong_Type) *into = TW_INT64;
    else if (o == (PyObject *)&PyComplex_Type) *into = TW_COMPLEX128;
    else return false;
    return true;
}

/* --- layout, memory_format --- */

static PyObject *layout_repr(PyObject *o) { return PyUnicode_FromFormat("torch.%s", layout_names[value_of(o)]); }
static PyObject *format_repr(PyObject *o) { return PyUnicode_FromFormat("torch.%s", format_names[value_of(o)]); }
static PyObject *layout_reduce(PyObject *o, PyObject *unused) { (void)unused; return PyUnicode_FromString(layout_names[value_of(o)]); }
static PyObject *format_reduce(PyObject *o, PyObject *unused) { (void)unused; return PyUnicode_FromString(format_names[value_of(o)]); }
static PyMethodDef layout_methods[] = {{"__reduce__", layout_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyMethodDef format_methods[] = {{"__reduce__", format_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyTypeObject layout_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.layout", .tp_basicsize = sizeof(tw_py_dtype), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_repr = layout_repr, .tp_methods = layout_methods,
};
static PyTypeObject format_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.memory_format", .tp_basicsize = sizeof(tw_py_dtype), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_repr = format_repr, .tp_methods = format_methods,
};

PyObject *tw_py_layout_object(int layout) { TW_PY_RETURN_NEW(layout_objects[layout]); }

/* --- device --- */

static PyObject *cpu_object, *meta_object;

static PyObject *device_with_index(tw_device d, int index) {
    if (d == TW_CPU && index < 0 && cpu_object) TW_PY_RETURN_NEW(cpu_object);
    if (d == TW_META && index < 0 && meta_object) TW_PY_RETURN_NEW(meta_object);
    tw_py_device *o = PyObject_New(tw_py_device, tw_py_device_type);
    if (o) o->device = d, o->index = index;
    return (PyObject *)o;
}

/* The index that follows the type, "cuda:1"; -1 if there is none. */
static int index_in(const char *text) {
    const char *colon = strchr(text, ':');
    return colon ? atoi(colon + 1) : -1;
}

PyObject *tw_py_device_object(tw_device d) { return device_with_index(d, index_in(tw_device_text(d))); }

static void device_parts(PyObject *o, char type[32], int *index) {
    const char *text = tw_device_text(((tw_py_device *)o)->device);
    size_t n = strcspn(text, ":");
    if (n > 31) n = 31;
    memcpy(type, text, n);
    type[n] = 0;
    *index = ((tw_py_device *)o)->index;
}

static PyObject *device_repr(PyObject *o) {
    char type[32];
    int index;
    device_parts(o, type, &index);
    if (index < 0) return PyUnicode_FromFormat("device(type='%s')", type);
    return PyUnicode_FromFormat("device(type='%s', index=%d)", type, index);
}
static PyObject *device_str(PyObject *o) {
    char type[32];
    int index;
    device_parts(o, type, &index);
    return index < 0 ? PyUnicode_FromString(type) : PyUnicode_FromFormat("%s:%d", type, index);
}
static Py_hash_t device_hash(PyObject *o) { return ((tw_py_device *)o)->device + 4096 * (((tw_py_device *)o)->index + 1) + 17; }
static PyObject *device_compare(PyObject *a, PyObject *b, int op) {
    if (!PyObject_TypeCheck(b, tw_py_device_type) || !PyObject_TypeCheck(a, tw_py_device_type) || (op != Py_EQ && op != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    bool same = ((tw_py_device *)a)->device == ((tw_py_device *)b)->device && ((tw_py_device *)a)->index == ((tw_py_device *)b)->index;
    return PyBool_FromLong(same == (op == Py_EQ));
}
static PyObject *device_get_type(PyObject *o, void *c) {
    char type[32];
    int index;
    (void)c;
    device_parts(o, type, &index);
    return PyUnicode_FromString(type);
}
static PyObject *device_get_index(PyObject *o, void *c) {
    char type[32];
    int index;
    (void)c;
    device_parts(o, type, &index);
    if (index < 0) Py_RETURN_NONE;
    return PyLong_FromLong(index);
}
static PyObject *device_reduce(PyObject *o, PyObject *unused) {
    char type[32];
    int index;
    (void)unused;
    device_parts(o, type, &index);
    if (index < 0) return Py_BuildValue("O(s)", Py_TYPE(o), type);
    return Py_BuildValue("O(si)", Py_TYPE(o), type, index);
}

static PyObject *no_accelerator(void) {
    PyErr_SetString(PyExc_RuntimeError, "Cannot access accelerator device when none is available.");
    return NULL;
}

bool tw_py_device_from(PyObject *o, tw_device *into) {
    if (PyObject_TypeCheck(o, tw_py_device_type)) {
        *into = ((tw_py_device *)o)->device;
        return true;
    }
    if (PyUnicode_Check(o)) {
        const char *text = PyUnicode_AsUTF8(o);
        if (!text) return false;
        *into = tw_device_parse(text);
        if (*into != TW_DEVICE_NONE) return true;
        tw_py_raise();
        return false;
    }
    if (PyLong_Check(o) && !PyBool_Check(o)) no_accelerator();
    return false;
}

static PyObject *device_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    static char *names[] = {"type", "index", NULL};
    PyObject *what = NULL, *index = NULL;
    tw_device d;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|O:device", names, &what, &index)) {
        PyErr_Clear();
        names[0] = "device";
        if (!PyArg_ParseTupleAndKeywords(args, kw, "O|O:device", names, &what, &index)) {
            names[0] = "type";
            return NULL;
        }
        names[0] = "type";
    }
    if (index && index != Py_None && PyUnicode_Check(what)) {
        char text[64];
        long i = PyLong_AsLong(index);
        if (i == -1 && PyErr_Occurred()) return NULL;
        if (strchr(PyUnicode_AsUTF8(what), ':')) {
            PyErr_Format(PyExc_RuntimeError, "type (string) must not include an index because index was passed explicitly: %U", what);
            return NULL;
        }
        snprintf(text, sizeof text, "%.40s:%ld", PyUnicode_AsUTF8(what), i);
        d = tw_device_parse(text);
        if (d == TW_DEVICE_NONE) return tw_py_raise();
        return device_with_index(d, (int)i);
    }
    if (!tw_py_device_from(what, &d)) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "device(): argument 'device' must be torch.device, str or int, not %s", Py_TYPE(what)->tp_name);
        return NULL;
    }
    return device_with_index(d, PyUnicode_Check(what) ? index_in(PyUnicode_AsUTF8(what)) : ((tw_py_device *)what)->index);
}

/* with torch.device("meta"): asks the package, which keeps the default. */
static PyObject *device_enter(PyObject *o, PyObject *unused) {
    (void)unused;
    PyObject *m = PyImport_ImportModule("tallow.overrides"), *r = m ? PyObject_CallMethod(m, "_enter_device", "O", o) : NULL;
    Py_XDECREF(m);
    return r;
}
static PyObject *device_exit(PyObject *o, PyObject *args) {
    (void)args;
    PyObject *m = PyImport_ImportModule("tallow.overrides"), *r = m ? PyObject_CallMethod(m, "_exit_device", "O", o) : NULL;
    Py_XDECREF(m);
    return r;
}

static PyGetSetDef device_getset[] = {
    {"type", device_get_type, NULL, NULL, NULL}, {"index", device_get_index, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef device_methods[] = {
    {"__reduce__", device_reduce, METH_NOARGS, NULL},
    {"__enter__", device_enter, METH_NOARGS, NULL},
    {"__exit__", device_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyTypeObject device_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.device", .tp_basicsize = sizeof(tw_py_device), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = device_new,
    .tp_repr = device_repr, .tp_str = device_str, .tp_hash = device_hash, .tp_richcompare = device_compare,
    .tp_getset = device_getset, .tp_methods = device_methods,
};

/* --- module functions --- */

static PyObject *get_default_dtype(PyObject *m, PyObject *unused) {
    (void)m, (void)unused;
    return tw_py_dtype_object(tw_default_dtype());
}
static PyObject *set_default_dtype(PyObject *m, PyObject *o) {
    tw_dtype d;
    (void)m;
    if (!tw_py_dtype_from(o, &d)) {
        PyErr_SetString(PyExc_TypeError, "invalid dtype object");
        return NULL;
    }
    if (!tw_is_float(d)) {
        PyErr_Format(PyExc_TypeError, "only floating-point types are supported as the default type");
        return NULL;
    }
    tw_set_default_dtype(d);
    Py_RETURN_NONE;
}
static PyObject *promote_types(PyObject *m, PyObject *args) {
    tw_dtype a, b;
    PyObject *x, *y;
    (void)m;
    if (!PyArg_ParseTuple(args, "OO:promote_types", &x, &y)) return NULL;
    if (!tw_py_dtype_from(x, &a) || !tw_py_dtype_from(y, &b)) {
        bool second = tw_py_dtype_from(x, &a);
        PyErr_Format(PyExc_TypeError, "promote_types(): argument 'type%d' (position %d) must be torch.dtype, not %s", second ? 2 : 1,
                     second ? 2 : 1, Py_TYPE(second ? y : x)->tp_name);
        return NULL;
    }
    tw_dtype d = tw_promote(a, b);
    if (d == TW_DTYPE_NONE) {
        if (tw_error()) return tw_py_raise();
        PyErr_Format(PyExc_RuntimeError, "Promotion for %s and %s is not supported", tw_dtypes[a].type_name, tw_dtypes[b].type_name);
        return NULL;
    }
    return tw_py_dtype_object(d);
}
static PyObject *can_cast(PyObject *m, PyObject *args, PyObject *kw) {
    static char *names[] = {"from_", "to", NULL};
    tw_dtype a, b;
    PyObject *x, *y;
    (void)m;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "OO:can_cast", names, &x, &y)) return NULL;
    if (!tw_py_dtype_from(x, &a) || !tw_py_dtype_from(y, &b)) {
        PyErr_SetString(PyExc_TypeError, "can_cast(): arguments must be torch.dtype");
        return NULL;
    }
    return PyBool_FromLong(tw_can_cast(a, b));
}

static PyMethodDef functions[] = {
    {"get_default_dtype", get_default_dtype, METH_NOARGS, NULL},
    {"_set_default_dtype", set_default_dtype, METH_O, NULL},
    {"promote_types", promote_types, METH_VARARGS, NULL},
    {"can_cast", (PyCFunction)(void (*)(void))can_cast, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static bool add_values(PyObject *m, PyTypeObject *type, const char *const *names, PyObject **objects, int n) {
    for (int i = 0; i < n; i++) {
        tw_py_dtype *o = PyObject_New(tw_py_dtype, type);
        if (!o) return false;
        o->value = i;
        objects[i] = (PyObject *)o;
        if (names && PyObject_SetAttrString(m, names[i], objects[i]) < 0) return false;
    }
    return true;
}

bool tw_py_init_size(PyObject *m);

bool tw_py_init_dtype(PyObject *m) {
    static const struct { const char *alias; tw_dtype d; } aliases[] = {
        {"float", TW_FLOAT32}, {"double", TW_FLOAT64}, {"half", TW_FLOAT16}, {"int", TW_INT32}, {"long", TW_INT64},
        {"short", TW_INT16}, {"cfloat", TW_COMPLEX64}, {"cdouble", TW_COMPLEX128}, {"chalf", TW_COMPLEX32},
    };
    tw_py_dtype_type = &dtype_type;
    tw_py_layout_type = &layout_type;
    tw_py_format_type = &format_type;
    tw_py_device_type = &device_type;
    if (PyType_Ready(&dtype_type) < 0 || PyType_Ready(&layout_type) < 0 || PyType_Ready(&format_type) < 0 || PyType_Ready(&device_type) < 0)
        return false;
    if (!add_values(m, &dtype_type, NULL, dtype_objects, TW_DTYPE_COUNT) || !add_values(m, &layout_type, layout_names, layout_objects, 7) ||
        !add_values(m, &format_type, format_names, format_objects, 4))
        return false;
    for (int i = 0; i < TW_DTYPE_COUNT; i++)
        if (PyObject_SetAttrString(m, tw_dtypes[i].name, dtype_objects[i]) < 0) return false;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (PyObject_SetAttrString(m, aliases[i].alias, dtype_objects[aliases[i].d]) < 0) return false;
    cpu_object = tw_py_device_object(TW_CPU);
    meta_object = tw_py_device_object(TW_META);
    return cpu_object && meta_object && tw_py_add_type(m, "dtype", &dtype_type) && tw_py_add_type(m, "layout", &layout_type) &&
           tw_py_add_type(m, "memory_format", &format_type) && tw_py_add_type(m, "device", &device_type) &&
           PyModule_AddFunctions(m, functions) == 0 && tw_py_init_size(m);
}
