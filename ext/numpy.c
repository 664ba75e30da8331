/* NumPy without its headers: arrays come in through the buffer protocol and go out as numpy.ndarray(buffer=...). DLPack is in dlpack.c. */
#include "ext/ext.h"

PyObject *tw_py_numpy_module(void) {
    static PyObject *module;
    if (!module) module = PyImport_ImportModule("numpy");
    return module;
}

bool tw_py_is_ndarray(PyObject *o) {
    static PyObject *ndarray;
    if (Py_TYPE(o) == (PyTypeObject *)ndarray) return true;
    if (!PyObject_CheckBuffer(o)) return false;
    if (!ndarray) {
        PyObject *loaded = PyImport_GetModuleDict(), *numpy = loaded ? PyDict_GetItemString(loaded, "numpy") : NULL;
        if (!numpy) return false; /* nobody has an array before somebody loads NumPy */
        ndarray = PyObject_GetAttrString(numpy, "ndarray");
        if (!ndarray) {
            PyErr_Clear();
            return false;
        }
    }
    return PyObject_TypeCheck(o, (PyTypeObject *)ndarray);
}

/* --- in --- */

/* A struct format of one item of n bytes; NONE when it is no dtype of ours. */
static tw_dtype dtype_of_format(const char *format, Py_ssize_t size, bool *swapped) {
    *swapped = false;
    if (!format) format = "B";
    if (*format == '>' || *format == '!') *swapped = size > 1;
    if (strchr("@=<>!", *format)) format++;
    if (format[0] == 'Z' && format[1] && !format[2]) return size == 8 ? TW_COMPLEX64 : size == 16 ? TW_COMPLEX128 : TW_DTYPE_NONE;
    if (!format[0] || format[1]) return TW_DTYPE_NONE;
    switch (*format) {
    case '?': return TW_BOOL;
    case 'b': return TW_INT8;
    case 'B': case 'c': return TW_UINT8;
    case 'h': case 'i': case 'l': case 'q': return size == 2 ? TW_INT16 : size == 4 ? TW_INT32 : TW_INT64;
    case 'H': case 'I': case 'L': case 'Q': return size == 2 ? TW_UINT16 : size == 4 ? TW_UINT32 : TW_UINT64;
    case 'e': return TW_FLOAT16;
    case 'f': return TW_FLOAT32;
    case 'd': return TW_FLOAT64;
    default: return TW_DTYPE_NONE;
    }
}

static void release_buffer(void *context, void *data, size_t bytes) {
    (void)data, (void)bytes;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyBuffer_Release(context);
    PyMem_Free(context);
    PyGILState_Release(gil);
}

static bool unsupported(PyObject *array) {
    PyObject *dtype = PyObject_GetAttrString(array, "dtype"), *type = dtype ? PyObject_GetAttrString(dtype, "type") : NULL;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "can't convert np.ndarray of type %s. The only supported types are: float64, float32, float16, complex64, "
                 "complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.",
                 type && PyType_Check(type) ? ((PyTypeObject *)type)->tp_name : Py_TYPE(array)->tp_name);
    Py_XDECREF(dtype);
    Py_XDECREF(type);
    return false;
}

/* Takes over the view if it gives a tensor. */
static tw_tensor *over_buffer(Py_buffer *view, tw_dtype d) {
    int64_t sizes[TW_MAX_DIMS] = {0}, strides[TW_MAX_DIMS], item = (int64_t)view->itemsize;
    size_t bytes;
    if (view->ndim > TW_MAX_DIMS) {
        PyErr_SetString(PyExc_ValueError, "too many dimensions");
        return NULL;
    }
    for (int i = 0; i < view->ndim; i++) {
        sizes[i] = view->shape[i];
        int64_t step = view->strides ? view->strides[i] : item;
        if (step < 0) {
            PyErr_SetString(PyExc_ValueError, "At least one stride in the given numpy array is negative, and tensors with negative strides "
                            "are not currently supported. (You can probably work around this by making a copy of your array  with "
                            "array.copy().) ");
            return NULL;
        }
        if (step % item) {
            PyErr_SetString(PyExc_ValueError, "given numpy array strides not a multiple of the element byte size. Copy the numpy array to "
                            "reallocate the memory.");
            return NULL;
        }
        strides[i] = step / item;
    }
    if (!view->strides) tw_contiguous_strides(sizes, view->ndim, strides);
    const bool fits = tw_extent(sizes, strides, view->ndim, 0, (size_t)item, &bytes);
    tw_storage *storage = fits ? tw_storage_borrow(TW_CPU, view->buf, bytes, NULL, view) : NULL;
    tw_tensor *t = storage ? tw_tensor_over(storage, sizes, strides, view->ndim, 0, d) : NULL;
    if (t) storage->free = release_buffer;
    else tw_py_raise();
    tw_storage_release(storage);
    return t;
}

tw_tensor *tw_py_from_array(PyObject *array, bool warn) {
    Py_buffer *view = PyMem_Calloc(1, sizeof *view);
    if (!view) return (void *)PyErr_NoMemory();
    if (PyObject_GetBuffer(array, view, PyBUF_RECORDS_RO) < 0) {
        PyMem_Free(view);
        unsupported(array);
        return NULL;
    }
    bool swapped;
    tw_dtype d = dtype_of_format(view->format, view->itemsize, &swapped);
    bool ok = d != TW_DTYPE_NONE || unsupported(array);
    if (ok && swapped) {
        PyErr_SetString(PyExc_ValueError, "given numpy array has byte order different from the native byte order. Conversion between byte "
                        "orders is currently not supported.");
        ok = false;
    }
    if (ok && view->readonly && warn)
        ok = PyErr_WarnEx(PyExc_UserWarning, "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. "
                          "This means writing to this tensor will result in undefined behavior. You may want to copy the array to protect "
                          "its data or make it writable before converting it to a tensor. This type of warning will be suppressed for the "
                          "rest of this program.", 1) == 0;
    tw_tensor *t = ok ? over_buffer(view, d) : NULL;
    if (!t) {
        PyBuffer_Release(view);
        PyMem_Free(view);
    }
    return t;
}

static PyObject *from_numpy(PyObject *m, PyObject *array) {
    (void)m;
    if (!tw_py_is_ndarray(array)) {
        PyErr_Format(PyExc_TypeError, "expected np.ndarray (got %s)", Py_TYPE(array)->tp_name);
        return NULL;
    }
    tw_tensor *t = tw_py_from_array(array, true);
    return t ? tw_py_wrap(t) : NULL;
}

/* frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) */
static PyObject *frombuffer(PyObject *m, PyObject *args, PyObject *kw) {
    static char *names[] = {"buffer", "dtype", "count", "offset", "requires_grad", NULL};
    PyObject *buffer, *dtype = NULL;
    Py_ssize_t count = -1, offset = 0;
    int requires_grad = 0;
    tw_dtype d;
    (void)m;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$Onnp:frombuffer", names, &buffer, &dtype, &count, &offset, &requires_grad)) return NULL;
    if (!dtype || !tw_py_dtype_from(dtype, &d)) {
        PyErr_SetString(PyExc_TypeError, "frombuffer() missing 1 required keyword-only argument: 'dtype'");
        return NULL;
    }
    if (!PyObject_CheckBuffer(buffer)) {
        PyErr_SetString(PyExc_ValueError, "object does not implement Python buffer protocol.");
        return NULL;
    }
    Py_buffer *view = PyMem_Calloc(1, sizeof *view);
    if (!view) return PyErr_NoMemory();
    if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        if (PyObject_GetBuffer(buffer, view, PyBUF_SIMPLE) < 0) {
            PyMem_Free(view);
            return NULL;
        }
        PyErr_WarnEx(PyExc_UserWarning, "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means "
                     "you can write to the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer to "
                     "protect its data or make it writable before converting it to a tensor. This type of warning will be suppressed for "
                     "the rest of this program.", 1);
    }
    Py_ssize_t item = (Py_ssize_t)tw_dtype_size(d), left = view->len - offset;
    const char *bad = NULL;
    char text[256];
    if (view->len == 0 || count == 0) {
        snprintf(text, sizeof text, "both buffer length (%zd) and count (%zd) must not be 0", view->len, count);
        bad = text;
    } else if (offset < 0 || offset >= view->len) {
        snprintf(text, sizeof text, "offset (%zd bytes) must be non-negative and no greater than buffer length (%zd bytes) minus 1", offset,
                 view->len);
        bad = text;
    } else if (count > 0 && count > left / item) {
        snprintf(text, sizeof text, "requested buffer length (%zd * %zd bytes) after offset (%zd bytes) must not be greater than actual buffer "
                 "length (%zd bytes)", count, item, offset, view->len);
        bad = text;
    } else if (count < 0 && left % item) {
        snprintf(text, sizeof text, "buffer length (%zd bytes) after offset (%zd bytes) must be a multiple of element size (%zd)", view->len,
                 offset, item);
        bad = text;
    }
    if (bad || PyErr_Occurred()) {
        PyBuffer_Release(view);
        PyMem_Free(view);
        if (bad) PyErr_SetString(PyExc_ValueError, bad);
        return NULL;
    }
    int64_t n = count < 0 ? left / item : count, one = 1;
    tw_storage *storage = tw_storage_borrow(TW_CPU, (char *)view->buf + offset, (size_t)(n * item), release_buffer, view);
    if (!storage) {
        release_buffer(view, NULL, 0);
        return tw_py_raise();
    }
    tw_tensor *t = tw_tensor_over(storage, &n, &one, 1, 0, d);
    tw_storage_release(storage);
    if (t && requires_grad && !tw_py_require_grad(t)) {
        tw_release(t);
        return NULL;
    }
    return tw_py_wrap(t);
}

/* --- out: an exporter that keeps the tensor alive --- */

typedef struct memory { PyObject_HEAD tw_tensor *t; } memory;

static int memory_buffer(PyObject *o, Py_buffer *view, int flags) {
    tw_storage *s = ((memory *)o)->t->storage;
    static char none;
    return PyBuffer_FillInfo(view, o, s->data ? s->data : &none, (Py_ssize_t)s->bytes, 0, flags);
}
static void memory_dealloc(PyObject *o) {
    tw_release(((memory *)o)->t);
    PyObject_Free(o);
}
static PyBufferProcs memory_procs = {.bf_getbuffer = memory_buffer};
static PyTypeObject memory_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch._C._Memory", .tp_basicsize = sizeof(memory), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = memory_dealloc, .tp_as_buffer = &memory_procs,
};

PyObject *tw_py_to_numpy(tw_tensor *t, PyObject *owner) {
    PyObject *numpy = tw_py_numpy_module(), *result = NULL;
    (void)owner;
    if (!numpy) return NULL;
    if (t->dtype == TW_BFLOAT16 || t->dtype == TW_COMPLEX32 || t->dtype > TW_UINT64) {
        PyErr_Format(PyExc_TypeError, "Got unsupported ScalarType %s", tw_dtypes[t->dtype].type_name);
        return NULL;
    }
    if (t->device != TW_CPU) {
        PyErr_Format(PyExc_TypeError, "can't convert %s:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
                     "first.", tw_device_text(t->device));
        return NULL;
    }
    memory *m = PyObject_New(memory, &memory_type);
    if (!m) return NULL;
    tw_tensor_retain(t);
    m->t = t;
    t->storage->resizable = false;
    int64_t bytes[TW_MAX_DIMS], item = (int64_t)tw_dtype_size((tw_dtype)t->dtype);
    for (int i = 0; i < t->ndim; i++) bytes[i] = t->strides[i] * item;
    PyObject *ndarray = PyObject_GetAttrString(numpy, "ndarray"), *shape = tw_py_int_tuple(t->sizes, t->ndim);
    PyObject *strides = tw_py_int_tuple(bytes, t->ndim);
    if (ndarray && shape && strides) {
        if (t->numel == 0) result = PyObject_CallFunction(ndarray, "Os", shape, tw_dtypes[t->dtype].name);
        else result = PyObject_CallFunction(ndarray, "OsOLO", shape, tw_dtypes[t->dtype].name, (PyObject *)m, (long long)(t->offset * item), strides);
    }
    Py_XDECREF(ndarray);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    Py_DECREF(m);
    return result;
}

static PyMethodDef functions[] = {
    {"from_numpy", from_numpy, METH_O, NULL},
    {"frombuffer", (PyCFunction)(void (*)(void))frombuffer, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_init_dlpack(PyObject *m);

bool tw_py_init_numpy(PyObject *m) {
    return PyType_Ready(&memory_type) == 0 && PyModule_AddFunctions(m, functions) == 0 && tw_py_init_dlpack(m);
}
