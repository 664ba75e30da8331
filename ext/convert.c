/* Python values to tensors and back: torch.tensor(data), item, tolist. */
#include "ext/ext.h"
#include "op_ids.h"

/* --- numbers --- */

bool tw_py_is_numpy_scalar(PyObject *o, char kind) {
    static PyObject *classes[5]; /* generic, bool_, integer, floating, complexfloating; found once NumPy is loaded */
    static const char *const names[5] = {"generic", "bool_", "integer", "floating", "complexfloating"};
    if (strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) != 0 && !classes[0]) return false;
    if (PyLong_CheckExact(o) || PyFloat_CheckExact(o)) return false;
    if (!classes[0]) {
        PyObject *modules = PyImport_GetModuleDict(), *numpy = PyDict_GetItemString(modules, "numpy");
        if (!numpy) return false;
        for (int i = 4; i >= 0; i--)
            if (!(classes[i] = PyObject_GetAttrString(numpy, names[i]))) {
                PyErr_Clear();
                return false;
            }
    }
    int at = kind == 'b' ? 1 : kind == 'i' ? 2 : kind == 'f' ? 3 : kind == 'c' ? 4 : 0;
    return PyObject_TypeCheck(o, (PyTypeObject *)classes[at]);
}

int tw_py_scalar_from(PyObject *o, tw_scalar *into) {
    if (PyBool_Check(o)) {
        *into = tw_bool(o == Py_True);
        return 1;
    }
    if (PyLong_Check(o)) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow > 0) {
            unsigned long long u = PyLong_AsUnsignedLongLong(o);
            if (!PyErr_Occurred()) v = (long long)u;
            overflow = PyErr_Occurred() ? 1 : 1;
            PyErr_Clear();
        }
        if (overflow) {
            PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking long long");
            return -1;
        }
        *into = tw_int(v);
        return 1;
    }
    if (PyFloat_Check(o)) {
        *into = tw_float(PyFloat_AS_DOUBLE(o));
        return 1;
    }
    if (PyComplex_Check(o)) {
        Py_complex c = PyComplex_AsCComplex(o);
        *into = tw_complex(c.real, c.imag);
        return 1;
    }
    if (!tw_py_is_numpy_scalar(o, '*')) return 0;
    if (tw_py_is_numpy_scalar(o, 'b')) {
        *into = tw_bool(PyObject_IsTrue(o) == 1);
        return 1;
    }
    if (tw_py_is_numpy_scalar(o, 'i')) {
        PyObject *n = PyNumber_Index(o);
        if (!n) return -1;
        long long v = PyLong_AsLongLong(n);
        Py_DECREF(n);
        *into = tw_int(v);
        return v == -1 && PyErr_Occurred() ? -1 : 1;
    }
    if (tw_py_is_numpy_scalar(o, 'f')) {
        double v = PyFloat_AsDouble(o);
        *into = tw_float(v);
        return v == -1.0 && PyErr_Occurred() ? -1 : 1;
    }
    if (tw_py_is_numpy_scalar(o, 'c')) {
        Py_complex c = PyComplex_AsCComplex(o);
        *into = tw_complex(c.real, c.imag);
        return PyErr_Occurred() ? -1 : 1;
    }
    return 0;
}

PyObject *tw_py_scalar_object(tw_scalar s) {
    switch (s.kind) {
    case TW_SCALAR_BOOL: return PyBool_FromLong(s.i != 0);
    case TW_SCALAR_INT: return PyLong_FromLongLong(s.i);
    case TW_SCALAR_FLOAT: return PyFloat_FromDouble(s.re);
    default: return PyComplex_FromDoubles(s.re, s.im);
    }
}

static PyObject *element(const tw_tensor *t, const char *at) {
    if (t->dtype == TW_FLOAT32 && !t->flags) {
        float f;
        memcpy(&f, at, sizeof f);
        return PyFloat_FromDouble((double)f);
    }
    tw_scalar s = tw_load_scalar(at, (tw_dtype)t->dtype);
    if (t->flags & TW_CONJ) s.im = -s.im;
    if (t->flags & TW_NEG) s.re = -s.re, s.im = -s.im;
    if (t->dtype == TW_UINT64) return PyLong_FromUnsignedLongLong((unsigned long long)s.i);
    return tw_py_scalar_object(s);
}

static bool no_data(const tw_tensor *t, const char *what) {
    if (t->layout) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot access data pointer of Tensor that doesn't have storage");
        return true;
    }
    if (t->device != TW_META) return false;
    if (strcmp(what, "item") == 0) PyErr_SetString(PyExc_RuntimeError, "Tensor.item() cannot be called on meta tensors");
    else PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!");
    return true;
}

PyObject *tw_py_item(tw_tensor *t) {
    if (t->numel != 1) {
        PyErr_Format(PyExc_RuntimeError, "a Tensor with %lld elements cannot be converted to Scalar", (long long)t->numel);
        return NULL;
    }
    if (t->flags & TW_BATCHED) {
        PyErr_SetString(PyExc_RuntimeError, "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
                        ".item() on a Tensor, please try to rewrite what you're doing with other operations. If error is occurring "
                        "somewhere inside PyTorch internals, please file a bug report.");
        return NULL;
    }
    if (t->layout) { /* the sum of what is stored there */
        tw_tensor *dense = tw_py_op1_raw(TW_OP_to_dense, 1, (tw_arg[]){tw_a_tensor(t)});
        PyObject *value = dense ? tw_py_item(dense) : NULL;
        tw_release(dense);
        return value;
    }
    if (no_data(t, "item")) return NULL;
    return element(t, tw_data(t));
}

static PyObject *list_of(const tw_tensor *t, int dim, const char *at) {
    if (dim == t->ndim) return element(t, at);
    int64_t n = t->sizes[dim], step = t->strides[dim] * (int64_t)tw_dtype_size((tw_dtype)t->dtype);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (int64_t i = 0; list && i < n; i++) {
        PyObject *o = list_of(t, dim + 1, at + i * step);
        if (!o) Py_CLEAR(list);
        else PyList_SET_ITEM(list, i, o);
    }
    return list;
}

PyObject *tw_py_tolist(tw_tensor *t) {
    if (no_data(t, "tolist")) return NULL;
    return list_of(t, 0, t->numel ? tw_data(t) : NULL);
}

/* --- torch.tensor(data) --- */

typedef struct shape { int ndim; int64_t sizes[TW_MAX_DIMS]; } shape;

/* Tensors count as numbers here: a list of one-element tensors is a vector. */
static bool is_sequence(PyObject *o) {
    if (PyList_Check(o) || PyTuple_Check(o)) return true;
    if (tw_py_is_tensor(o) || PyFloat_Check(o) || PyLong_Check(o) || PyUnicode_Check(o) || PyBytes_Check(o) || PyDict_Check(o)) return false;
    if (!PySequence_Check(o)) return false;
    Py_ssize_t n = PySequence_Size(o);
    if (n < 0) PyErr_Clear();
    return n >= 0;
}

static bool find_shape(PyObject *data, shape *s) {
    PyObject *at = data;
    s->ndim = 0;
    Py_INCREF(at);
    while (is_sequence(at)) {
        Py_ssize_t n = PySequence_Size(at);
        if (n < 0) goto fail;
        if (s->ndim == TW_MAX_DIMS) {
            PyErr_Format(PyExc_ValueError, "too many dimensions '%s'", Py_TYPE(at)->tp_name);
            goto fail;
        }
        s->sizes[s->ndim++] = n;
        if (n == 0) break;
        PyObject *first = PySequence_GetItem(at, 0);
        if (!first) goto fail;
        Py_SETREF(at, first);
    }
    Py_DECREF(at);
    return true;
fail:
    Py_DECREF(at);
    return false;
}

static tw_dtype infer_dtype(PyObject *o);

static tw_dtype dtype_of_items(PyObject *o) {
    PyObject *fast = PySequence_Fast(o, "not a sequence");
    if (!fast) return TW_DTYPE_NONE;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(fast);
    tw_dtype d = n ? TW_DTYPE_NONE : tw_default_dtype();
    for (Py_ssize_t i = 0; i < n; i++) {
        tw_dtype next = infer_dtype(PySequence_Fast_GET_ITEM(fast, i));
        if (next == TW_DTYPE_NONE) {
            Py_DECREF(fast);
            return TW_DTYPE_NONE;
        }
        if (d != next) d = d == TW_DTYPE_NONE ? next : tw_promote(d, next);
        if (d == TW_COMPLEX128) break;
    }
    Py_DECREF(fast);
    return d;
}

/* NONE with a Python error when there is no dtype for it. */
static tw_dtype infer_dtype(PyObject *o) {
    if (PyFloat_Check(o)) return strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) == 0 ? TW_FLOAT64 : tw_default_dtype();
    if (PyBool_Check(o)) return TW_BOOL;
    if (PyLong_Check(o)) return TW_INT64;
    if (PyComplex_Check(o)) return strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) == 0 ? TW_COMPLEX128 : tw_to_complex(tw_default_dtype());
    if (tw_py_is_tensor(o)) return (tw_dtype)tw_py_tensor_of(o)->dtype;
    if (tw_py_is_ndarray(o) || tw_py_is_numpy_scalar(o, '*')) {
        PyObject *dtype = PyObject_GetAttrString(o, "dtype"), *name = dtype ? PyObject_GetAttrString(dtype, "name") : NULL;
        const char *text = name ? PyUnicode_AsUTF8(name) : NULL;
        tw_dtype found = TW_DTYPE_NONE;
        for (int i = 0; text && i < TW_DTYPE_COUNT; i++)
            if (strcmp(tw_dtypes[i].name, text) == 0) found = (tw_dtype)i;
        if (found == TW_DTYPE_NONE && !PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "can't convert np.ndarray of type numpy.%s. The only supported types are: float64, float32, "
                         "float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.",
                         text && strcmp(text, "object") == 0 ? "object_" : text && strncmp(text, "str", 3) == 0 ? "str_" : text ? text : "?");
        Py_XDECREF(dtype);
        Py_XDECREF(name);
        return found;
    }
    if (PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "new(): invalid data type '%s'", Py_TYPE(o)->tp_name);
        return TW_DTYPE_NONE;
    }
    if (is_sequence(o)) return dtype_of_items(o);
    PyErr_Format(PyExc_RuntimeError, "Could not infer dtype of %s", Py_TYPE(o)->tp_name);
    return TW_DTYPE_NONE;
}

static bool store_tensor(char *to, tw_dtype d, tw_tensor *t) {
    if (t->numel != 1) {
        PyErr_SetString(PyExc_ValueError, "only one element tensors can be converted to Python scalars");
        return false;
    }
    if (!(tw_mode & TW_MODE_NO_GRAD) && tw_requires_grad(t) &&
        PyErr_WarnEx(PyExc_UserWarning, "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                     "Consider using tensor.detach() first.", 1) < 0)
        return false;
    PyObject *item = tw_py_item(t);
    tw_scalar s;
    bool ok = item && tw_py_scalar_from(item, &s) == 1;
    Py_XDECREF(item);
    if (ok) tw_store_scalar(to, d, s);
    return ok;
}

static bool store(char *to, tw_dtype d, PyObject *o) {
    if (PyFloat_CheckExact(o) && !(tw_is_integral(d) && d != TW_BOOL)) {
        double v = PyFloat_AS_DOUBLE(o);
        if (d == TW_FLOAT32) *(float *)to = (float)v;
        else if (d == TW_FLOAT64) *(double *)to = v;
        else tw_store_scalar(to, d, tw_float(v));
        return true;
    }
    if (tw_py_is_tensor(o)) return store_tensor(to, d, tw_py_tensor_of(o));
    tw_scalar s;
    if (d == TW_UINT64 && PyLong_Check(o)) {
        uint64_t v = PyLong_AsUnsignedLongLong(o);
        if (PyErr_Occurred()) return false;
        memcpy(to, &v, sizeof v);
        return true;
    }
    int r = tw_py_scalar_from(o, &s);
    if (r < 0) {
        if (PyErr_ExceptionMatches(PyExc_RuntimeError)) PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long");
        return false;
    }
    if (r == 0 && tw_py_is_ndarray(o)) { /* 0-d arrays */
        PyObject *item = PyObject_CallMethod(o, "item", NULL);
        bool ok = item && store(to, d, item);
        Py_XDECREF(item);
        return ok;
    }
    if (r == 0) {
        if (is_sequence(o) && tw_is_float(d)) PyErr_Format(PyExc_TypeError, "must be real number, not %s", Py_TYPE(o)->tp_name);
        else if (is_sequence(o)) PyErr_Format(PyExc_TypeError, "'%s' object cannot be interpreted as an integer", Py_TYPE(o)->tp_name);
        else if (PyUnicode_Check(o)) PyErr_Format(PyExc_TypeError, "new(): invalid data type '%s'", Py_TYPE(o)->tp_name);
        else PyErr_Format(PyExc_TypeError, "must be real number, not %s", Py_TYPE(o)->tp_name);
        return false;
    }
    if (s.kind == TW_SCALAR_COMPLEX && !tw_is_complex(d) && d != TW_BOOL) {
        PyErr_SetString(PyExc_TypeError, tw_is_integral(d) ? "'complex' object cannot be interpreted as an integer"
                                                           : "must be real number, not complex");
        return false;
    }
    if (tw_is_integral(d) && d != TW_BOOL && !tw_scalar_fits(s, d)) {
        PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", tw_dtypes[d].name);
        return false;
    }
    tw_store_scalar(to, d, s);
    return true;
}

static bool store_all(tw_tensor *t, int dim, char *at, PyObject *data) {
    tw_dtype d = (tw_dtype)t->dtype;
    if (dim == t->ndim) return store(at, d, data);
    PyObject *fast = PySequence_Fast(data, "not a sequence");
    if (!fast) return false;
    int64_t n = PySequence_Fast_GET_SIZE(fast), step = t->strides[dim] * (int64_t)tw_dtype_size(d);
    bool ok = n == t->sizes[dim];
    if (!ok) PyErr_Format(PyExc_ValueError, "expected sequence of length %lld at dim %d (got %lld)", (long long)t->sizes[dim], dim, (long long)n);
    PyObject **items = PySequence_Fast_ITEMS(fast);
    if (ok && dim + 1 == t->ndim)
        for (int64_t i = 0; ok && i < n; i++) ok = store(at + i * step, d, items[i]);
    else
        for (int64_t i = 0; ok && i < n; i++) ok = store_all(t, dim + 1, at + i * step, items[i]);
    Py_DECREF(fast);
    return ok;
}

static tw_tensor *to_device(tw_tensor *t, tw_device device) { /* takes t */
    if (!t || device == TW_DEVICE_NONE || t->device == device) return t;
    tw_tensor *moved = NULL;
    if (device == TW_META) {
        moved = tw_empty_strided_new(t->sizes, t->strides, t->ndim, (tw_dtype)t->dtype, device);
    } else {
        tw_fail(TW_ASSERTION_ERROR, "Torch not compiled with CUDA enabled");
    }
    tw_release(t);
    if (!moved) tw_py_raise();
    return moved;
}

/* A detached contiguous copy of t in dtype d. */
static tw_tensor *copy_of(tw_tensor *t, tw_dtype d) {
    tw_tensor *detached = tw_detach_new(t), *copy;
    if (!detached) return (void *)tw_py_raise();
    if (d == TW_DTYPE_NONE) d = (tw_dtype)t->dtype;
    tw_arg a[2] = {tw_a_tensor(detached), tw_a_int(d)};
    copy = tw_py_op1_raw(TW_OP__to_copy, 2, a);
    tw_release(detached);
    return copy;
}

tw_tensor *tw_py_from_data(PyObject *data, tw_dtype dtype, tw_device device) {
    shape s;
    if (tw_py_is_tensor(data)) return to_device(copy_of(tw_py_tensor_of(data), dtype), device);
    if (tw_py_is_ndarray(data)) {
        tw_tensor *t = tw_py_from_array(data, false);
        if (!t) return NULL;
        tw_tensor *copy = copy_of(t, dtype);
        tw_release(t);
        return to_device(copy, device);
    }
    if (PyUnicode_Check(data)) {
        infer_dtype(data);
        return NULL;
    }
    if (PyDict_Check(data) || PySet_Check(data)) {
        infer_dtype(data);
        return NULL;
    }
    if (!find_shape(data, &s)) return NULL;
    tw_dtype inferred = dtype == TW_DTYPE_NONE ? infer_dtype(data) : dtype;
    if (inferred == TW_DTYPE_NONE) return NULL;
    tw_tensor *t = tw_empty_new(s.sizes, s.ndim, inferred, TW_CPU);
    if (!t) return (void *)tw_py_raise();
    if (t->numel || s.ndim == 0) {
        if (!store_all(t, 0, tw_data(t), data)) {
            tw_release(t);
            return NULL;
        }
    }
    return to_device(t, device);
}

tw_tensor *tw_py_from_data_like(PyObject *data, tw_dtype dtype, tw_device device, bool copy) {
    if (copy) return tw_py_from_data(data, dtype, device);
    if (tw_py_is_tensor(data)) {
        tw_tensor *t = tw_py_tensor_of(data);
        if ((dtype == TW_DTYPE_NONE || dtype == (tw_dtype)t->dtype) && (device == TW_DEVICE_NONE || device == t->device)) {
            tw_tensor_retain(t);
            return t;
        }
        if (device != TW_DEVICE_NONE && device != t->device) return tw_py_from_data(data, dtype, device);
        tw_arg a[2] = {tw_a_tensor(t), tw_a_int(dtype)};
        return tw_py_op1_raw(TW_OP__to_copy, 2, a);
    }
    if (tw_py_is_ndarray(data)) {
        tw_tensor *t = tw_py_from_array(data, true);
        if (!t) return NULL;
        if ((dtype == TW_DTYPE_NONE || dtype == (tw_dtype)t->dtype) && (device == TW_DEVICE_NONE || device == TW_CPU)) return t;
        tw_tensor *other = copy_of(t, dtype);
        tw_release(t);
        return to_device(other, device);
    }
    return tw_py_from_data(data, dtype, device);
}

/* --- module functions --- */

static bool read_options(PyObject *dtype, PyObject *device, const char *name, tw_dtype *d, tw_device *where) {
    *d = TW_DTYPE_NONE;
    *where = TW_DEVICE_NONE;
    if (dtype && dtype != Py_None && !tw_py_dtype_from(dtype, d)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument 'dtype' must be torch.dtype, not %s", name, Py_TYPE(dtype)->tp_name);
        return false;
    }
    if (device && device != Py_None && !tw_py_device_from(device, where)) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "%s(): argument 'device' must be torch.device, not %s", name, Py_TYPE(device)->tp_name);
        return false;
    }
    return true;
}

/* In PyTorch's words for functions that make tensors; those for tensors that are there are others. */
bool tw_py_require_grad(tw_tensor *made) {
    if (!tw_is_float((tw_dtype)made->dtype) && !tw_is_complex((tw_dtype)made->dtype))
        tw_fail(TW_RUNTIME_ERROR, "Only Tensors of floating point and complex dtype can require gradients");
    else if (tw_set_requires_grad(made, true))
        return true;
    tw_py_raise();
    return false;
}

static PyObject *with_grad(tw_tensor *t, int requires_grad) {
    if (!t) return NULL;
    if (requires_grad > 0 && !tw_py_require_grad(t)) {
        tw_release(t);
        return NULL;
    }
    return tw_py_wrap(t);
}

static bool better_error(const char *name) { /* PyArg's texts into PyTorch's */
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    const char *s = text ? PyUnicode_AsUTF8(text) : "", *quote;
    if (strstr(s, "missing required argument 'data'")) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional arguments: \"data\"", name);
    } else if ((quote = strchr(s, '\'')) && strstr(s, "invalid keyword argument")) {
        const char *end = strchr(quote + 1, '\'');
        char keyword[64];
        snprintf(keyword, sizeof keyword, "%.*s", end ? (int)(end - quote - 1) : 0, quote + 1);
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%s'", name, keyword);
    } else {
        PyErr_Restore(kind, value, trace);
        Py_XDECREF(text);
        return false;
    }
    Py_XDECREF(text);
    Py_XDECREF(kind);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return false;
}

static PyObject *tensor_function(PyObject *m, PyObject *args, PyObject *kw) {
    static char *names[] = {"data", "dtype", "device", "requires_grad", "pin_memory", "names", NULL};
    PyObject *data, *dtype = NULL, *device = NULL, *name_list = NULL;
    int requires_grad = 0, pin = 0;
    tw_dtype d;
    tw_device where;
    (void)m;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$OOppO", names, &data, &dtype, &device, &requires_grad, &pin, &name_list)) {
        better_error("tensor");
        return NULL;
    }
    if (!read_options(dtype, device, "tensor", &d, &where)) return NULL;
    if (tw_py_is_tensor(data) &&
        PyErr_WarnEx(PyExc_UserWarning, "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                     "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).", 1) < 0)
        return NULL;
    return with_grad(tw_py_from_data(data, d, where), requires_grad);
}

static PyObject *as_tensor_function(PyObject *m, PyObject *args, PyObject *kw) {
    static char *names[] = {"data", "dtype", "device", NULL};
    PyObject *data, *dtype = NULL, *device = NULL;
    tw_dtype d;
    tw_device where;
    (void)m;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|OO", names, &data, &dtype, &device)) {
        better_error("as_tensor");
        return NULL;
    }
    if (!read_options(dtype, device, "as_tensor", &d, &where)) return NULL;
    tw_tensor *t = tw_py_from_data_like(data, d, where, false);
    return t ? tw_py_wrap(t) : NULL;
}

static PyObject *asarray_function(PyObject *m, PyObject *args, PyObject *kw) {
    static char *names[] = {"obj", "dtype", "device", "copy", "requires_grad", NULL};
    PyObject *data, *dtype = NULL, *device = NULL, *copy = Py_None;
    int requires_grad = 0;
    tw_dtype d;
    tw_device where;
    (void)m;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$OOOp", names, &data, &dtype, &device, &copy, &requires_grad)) return NULL;
    if (!read_options(dtype, device, "asarray", &d, &where)) return NULL;
    tw_tensor *t;
    if (!tw_py_is_tensor(data) && !tw_py_is_ndarray(data) && PyObject_CheckBuffer(data)) {
        PyObject *view = PyMemoryView_FromObject(data);
        t = view ? tw_py_from_array(view, true) : NULL;
        Py_XDECREF(view);
    } else {
        t = tw_py_from_data_like(data, d, where, copy == Py_True);
    }
    if (t && tw_py_is_tensor(data) && !requires_grad && tw_requires_grad(t)) {
        tw_tensor *detached = tw_detach_new(t);
        tw_release(t);
        t = detached;
    }
    return with_grad(t, requires_grad);
}

static PyObject *is_tensor(PyObject *m, PyObject *o) {
    (void)m;
    return PyBool_FromLong(tw_py_is_tensor(o));
}

/* result_type(tensor or number, tensor or number) */
static PyObject *result_type(PyObject *m, PyObject *args) {
    tw_arg a[2];
    tw_scalar s;
    tw_dtype tw_result_type(const tw_arg *in, int nin);
    (void)m;
    if (PyTuple_GET_SIZE(args) != 2) {
        PyErr_SetString(PyExc_TypeError, "result_type() takes 2 positional arguments");
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        if (tw_py_is_tensor(o)) {
            a[i] = tw_a_tensor(tw_py_tensor_of(o));
            continue;
        }
        int r = tw_py_scalar_from(o, &s);
        if (r == 1) a[i] = tw_a_scalar(s);
        if (r == 0)
            PyErr_Format(PyExc_TypeError, "result_type(): argument '%s' (position %d) must be Tensor, not %s",
                         i ? "other" : "tensor", i + 1, Py_TYPE(o)->tp_name);
        if (r != 1) return NULL;
    }
    tw_dtype d = tw_result_type(a, 2);
    return d == TW_DTYPE_NONE ? tw_py_raise() : tw_py_dtype_object(d);
}

#define KEYWORDS(f) (PyCFunction)(void (*)(void))f, METH_VARARGS | METH_KEYWORDS
static PyMethodDef functions[] = {
    {"tensor", KEYWORDS(tensor_function), NULL},
    {"as_tensor", KEYWORDS(as_tensor_function), NULL},
    {"asarray", KEYWORDS(asarray_function), NULL},
    {"is_tensor", is_tensor, METH_O, NULL},
    {"result_type", result_type, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_init_convert(PyObject *m) { return PyModule_AddFunctions(m, functions) == 0; }
