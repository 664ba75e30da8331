/* torch.Size, finfo and iinfo. */
#include "ext/ext.h"

PyTypeObject *tw_py_size_type;
static PyTypeObject size_type, finfo_type, iinfo_type;
bool tw_py_init_size(PyObject *m);

/* --- Size: a tuple of ints that stays a Size when sliced, added and repeated --- */

static PyObject *size_made(const int64_t *sizes, int64_t n) {
    PyObject *o = size_type.tp_alloc(&size_type, (Py_ssize_t)n);
    for (int64_t i = 0; o && i < n; i++) {
        PyObject *v = PyLong_FromLongLong(sizes[i]);
        if (!v) Py_CLEAR(o);
        else PyTuple_SET_ITEM(o, i, v);
    }
    return o;
}

/* Sizes cannot change, so equal ones may be one object: the last few that were asked for are kept. */
enum { KEPT_SIZES = 64, KEPT_DIMS = 4 };
static struct kept_size { PyObject *o; int64_t n, sizes[KEPT_DIMS]; } kept_sizes[KEPT_SIZES];

PyObject *tw_py_size(const int64_t *sizes, int64_t n) {
    if (n > KEPT_DIMS) return size_made(sizes, n);
    uint64_t hash = (uint64_t)n;
    for (int64_t i = 0; i < n; i++) hash = (hash ^ (uint64_t)sizes[i]) * 0x9E3779B97F4A7C15u;
    struct kept_size *kept = &kept_sizes[hash >> 58];
    bool same = kept->o && kept->n == n;
    for (int64_t i = 0; same && i < n; i++) same = kept->sizes[i] == sizes[i];
    if (same) return Py_NewRef(kept->o);
    PyObject *o = size_made(sizes, n);
    if (!o) return NULL;
    kept->n = n;
    for (int64_t i = 0; i < n; i++) kept->sizes[i] = sizes[i];
    Py_XSETREF(kept->o, Py_NewRef(o));
    return o;
}

PyObject *tw_py_int_tuple(const int64_t *values, int64_t n) {
    PyObject *o = PyTuple_New((Py_ssize_t)n);
    for (int64_t i = 0; o && i < n; i++) {
        PyObject *v = PyLong_FromLongLong(values[i]);
        if (!v) Py_CLEAR(o);
        else PyTuple_SET_ITEM(o, i, v);
    }
    return o;
}

static PyObject *size_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    PyObject *o = PyTuple_Type.tp_new(type, args, kw);
    for (Py_ssize_t i = 0; o && i < PyTuple_GET_SIZE(o); i++) {
        PyObject *v = PyTuple_GET_ITEM(o, i);
        if (PyLong_Check(v)) continue;
        PyObject *n = PyIndex_Check(v) && !PyFloat_Check(v) ? PyNumber_Index(v) : NULL;
        if (!n) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i, Py_TYPE(v)->tp_name);
            Py_CLEAR(o);
            break;
        }
        PyTuple_SET_ITEM(o, i, n);
        Py_DECREF(v);
    }
    return o;
}

/* Results of tuple's own slots become Sizes. */
static PyObject *as_size(PyObject *tuple) {
    if (!tuple || !PyTuple_Check(tuple) || Py_TYPE(tuple) == &size_type) return tuple;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++)
        if (!PyLong_Check(PyTuple_GET_ITEM(tuple, i))) return tuple;
    PyObject *o = size_type.tp_alloc(&size_type, PyTuple_GET_SIZE(tuple));
    for (Py_ssize_t i = 0; o && i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *v = PyTuple_GET_ITEM(tuple, i);
        Py_INCREF(v);
        PyTuple_SET_ITEM(o, i, v);
    }
    Py_DECREF(tuple);
    return o;
}

static PyObject *size_concat(PyObject *a, PyObject *b) {
    if (!PyTuple_Check(b)) {
        PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not %s) to torch.Size", Py_TYPE(b)->tp_name);
        return NULL;
    }
    return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
static PyObject *size_add(PyObject *a, PyObject *b) {
    if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
    return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
static PyObject *size_repeat(PyObject *a, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(a, n)); }
static PyObject *size_subscript(PyObject *a, PyObject *i) {
    return PySlice_Check(i) ? as_size(PyTuple_Type.tp_as_mapping->mp_subscript(a, i)) : PyTuple_Type.tp_as_mapping->mp_subscript(a, i);
}
static PyObject *size_numel(PyObject *o, PyObject *unused) {
    long long n = 1;
    (void)unused;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(o, i));
    if (PyErr_Occurred()) return NULL;
    return PyLong_FromLongLong(n);
}
static PyObject *size_repr(PyObject *o) {
    PyObject *list = PySequence_List(o), *text = list ? PyUnicode_FromFormat("torch.Size(%R)", list) : NULL;
    Py_XDECREF(list);
    return text;
}
static PyObject *size_reduce(PyObject *o, PyObject *unused) {
    (void)unused;
    return Py_BuildValue("O(N)", Py_TYPE(o), PyTuple_Type.tp_as_mapping->mp_subscript(o, PySlice_New(NULL, NULL, NULL)));
}

static PySequenceMethods size_sequence = {.sq_concat = size_concat, .sq_repeat = size_repeat};
static PyNumberMethods size_number = {.nb_add = size_add};
static PyMappingMethods size_mapping = {.mp_subscript = size_subscript};
static PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, NULL}, {"__reduce__", size_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL},
};
static PyTypeObject size_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.Size", .tp_basicsize = sizeof(PyTupleObject) - sizeof(PyObject *), .tp_itemsize = sizeof(PyObject *),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_TUPLE_SUBCLASS, .tp_new = size_new, .tp_repr = size_repr,
    .tp_as_sequence = &size_sequence, .tp_as_mapping = &size_mapping, .tp_as_number = &size_number, .tp_methods = size_methods,
};

/* --- finfo, iinfo --- */

typedef struct info { PyObject_HEAD tw_dtype dtype; } info;

typedef struct limits { int bits; double max, min, eps, tiny, resolution; } limits;

static limits float_limits(tw_dtype d) {
    switch (tw_dtypes[d].real) {
    case TW_FLOAT16: return (limits){16, 65504.0, -65504.0, 0x1p-10, 0x1p-14, 1e-3};
    case TW_BFLOAT16: return (limits){16, 0x1.fep127, -0x1.fep127, 0x1p-7, 0x1p-126, 1e-2};
    case TW_FLOAT32: return (limits){32, 0x1.fffffep127, -0x1.fffffep127, 0x1p-23, 0x1p-126, 1e-6};
    case TW_FLOAT8_E4M3FN: return (limits){8, 448.0, -448.0, 0x1p-3, 0x1p-6, 1.0};
    case TW_FLOAT8_E5M2: return (limits){8, 57344.0, -57344.0, 0x1p-2, 0x1p-14, 1.0};
    case TW_FLOAT8_E4M3FNUZ: return (limits){8, 240.0, -240.0, 0x1p-3, 0x1p-7, 1.0};
    case TW_FLOAT8_E5M2FNUZ: return (limits){8, 57344.0, -57344.0, 0x1p-2, 0x1p-15, 1.0};
    case TW_FLOAT8_E8M0FNU: return (limits){8, 0x1p127, 0x1p-127, 1.0, 0x1p-127, 1.0};
    default: return (limits){64, 0x1.fffffffffffffp1023, -0x1.fffffffffffffp1023, 0x1p-52, 0x1p-1022, 1e-15};
    }
}

static tw_dtype info_dtype(PyObject *o) { return ((info *)o)->dtype; }

static PyObject *info_make(PyTypeObject *type, PyObject *args, PyObject *kw, bool floating) {
    static char *names[] = {"type", NULL};
    PyObject *given = NULL;
    tw_dtype d = tw_default_dtype();
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O", names, &given)) return NULL;
    if (!given && !floating) {
        PyErr_SetString(PyExc_TypeError, "iinfo() missing 1 required positional arguments: \"type\"");
        return NULL;
    }
    if (given && !tw_py_dtype_from(given, &d)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument 'type' (position 1) must be torch.dtype, not %s", floating ? "finfo" : "iinfo",
                     Py_TYPE(given)->tp_name);
        return NULL;
    }
    if (floating && tw_is_integral(d)) {
        PyErr_Format(PyExc_TypeError, "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'");
        return NULL;
    }
    if (!floating && (d == TW_BOOL || !tw_is_integral(d))) {
        PyErr_Format(PyExc_TypeError, d == TW_BOOL ? "torch.bool is not supported by torch.iinfo"
                     : "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'");
        return NULL;
    }
    info *o = PyObject_New(info, type);
    if (o) o->dtype = d;
    return (PyObject *)o;
}
static PyObject *finfo_new(PyTypeObject *type, PyObject *args, PyObject *kw) { return info_make(type, args, kw, true); }
static PyObject *iinfo_new(PyTypeObject *type, PyObject *args, PyObject *kw) { return info_make(type, args, kw, false); }

static PyObject *info_bits(PyObject *o, void *c) {
    (void)c;
    return PyLong_FromLong(8 * tw_dtypes[tw_dtypes[info_dtype(o)].real].size);
}
static PyObject *info_dtype_name(PyObject *o, void *c) { (void)c; return PyUnicode_FromString(tw_dtypes[tw_dtypes[info_dtype(o)].real].name); }
static PyObject *finfo_max(PyObject *o, void *c) { (void)c; return PyFloat_FromDouble(float_limits(info_dtype(o)).max); }
static PyObject *finfo_min(PyObject *o, void *c) { (void)c; return PyFloat_FromDouble(float_limits(info_dtype(o)).min); }
static PyObject *finfo_eps(PyObject *o, void *c) { (void)c; return PyFloat_FromDouble(float_limits(info_dtype(o)).eps); }
static PyObject *finfo_tiny(PyObject *o, void *c) { (void)c; return PyFloat_FromDouble(float_limits(info_dtype(o)).tiny); }
static PyObject *finfo_resolution(PyObject *o, void *c) { (void)c; return PyFloat_FromDouble(float_limits(info_dtype(o)).resolution); }

static PyObject *iinfo_max(PyObject *o, void *c) {
    tw_dtype d = info_dtype(o);
    int bits = 8 * tw_dtypes[d].size - (tw_dtypes[d].is_signed ? 1 : 0);
    (void)c;
    return PyLong_FromUnsignedLongLong(bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1);
}
static PyObject *iinfo_min(PyObject *o, void *c) {
    tw_dtype d = info_dtype(o);
    (void)c;
    if (!tw_dtypes[d].is_signed) return PyLong_FromLong(0);
    return PyLong_FromLongLong((long long)(~UINT64_C(0) << (8 * tw_dtypes[d].size - 1)));
}

static PyObject *finfo_repr(PyObject *o) {
    limits l = float_limits(info_dtype(o));
    char text[400];
    snprintf(text, sizeof text, "finfo(resolution=%g, min=%g, max=%g, eps=%g, smallest_normal=%g, tiny=%g, dtype=%s)", l.resolution, l.min,
             l.max, l.eps, l.tiny, l.tiny, tw_dtypes[tw_dtypes[info_dtype(o)].real].name);
    return PyUnicode_FromString(text);
}
static PyObject *iinfo_repr(PyObject *o) {
    PyObject *low = iinfo_min(o, NULL), *high = iinfo_max(o, NULL);
    PyObject *text = low && high ? PyUnicode_FromFormat("iinfo(min=%S, max=%S, dtype=%s)", low, high, tw_dtypes[info_dtype(o)].name) : NULL;
    Py_XDECREF(low);
    Py_XDECREF(high);
    return text;
}
static PyObject *info_compare(PyObject *a, PyObject *b, int op) {
    if (Py_TYPE(a) != Py_TYPE(b) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((info_dtype(a) == info_dtype(b)) == (op == Py_EQ));
}

static PyGetSetDef finfo_getset[] = {
    {"bits", info_bits, NULL, NULL, NULL}, {"max", finfo_max, NULL, NULL, NULL}, {"min", finfo_min, NULL, NULL, NULL},
    {"eps", finfo_eps, NULL, NULL, NULL}, {"tiny", finfo_tiny, NULL, NULL, NULL}, {"smallest_normal", finfo_tiny, NULL, NULL, NULL},
    {"resolution", finfo_resolution, NULL, NULL, NULL}, {"dtype", info_dtype_name, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL},
};
static PyGetSetDef iinfo_getset[] = {
    {"bits", info_bits, NULL, NULL, NULL}, {"max", iinfo_max, NULL, NULL, NULL}, {"min", iinfo_min, NULL, NULL, NULL},
    {"dtype", info_dtype_name, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL},
};
static PyTypeObject finfo_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.finfo", .tp_basicsize = sizeof(info), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = finfo_new,
    .tp_repr = finfo_repr, .tp_richcompare = info_compare, .tp_getset = finfo_getset,
};
static PyTypeObject iinfo_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.iinfo", .tp_basicsize = sizeof(info), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = iinfo_new,
    .tp_repr = iinfo_repr, .tp_richcompare = info_compare, .tp_getset = iinfo_getset,
};

bool tw_py_init_size(PyObject *m) {
    size_type.tp_base = &PyTuple_Type;
    tw_py_size_type = &size_type;
    if (PyType_Ready(&size_type) < 0 || PyType_Ready(&finfo_type) < 0 || PyType_Ready(&iinfo_type) < 0) return false;
    return tw_py_add_type(m, "Size", &size_type) && tw_py_add_type(m, "finfo", &finfo_type) && tw_py_add_type(m, "iinfo", &iinfo_type);
}
