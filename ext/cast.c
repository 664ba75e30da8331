/* to() and the casts. */
#include "ext/number.h"
#include "op_ids.h"

/* The format that t's strides look like: contiguous unless it is channels_last and nothing else. */
static tw_memory_format suggested(const tw_tensor *t) {
    if (tw_is_contiguous(t)) return TW_CONTIGUOUS_FORMAT;
    if (t->ndim == 4 && tw_is_contiguous_in(t, TW_CHANNELS_LAST)) return TW_CHANNELS_LAST;
    if (t->ndim == 5 && tw_is_contiguous_in(t, TW_CHANNELS_LAST_3D)) return TW_CHANNELS_LAST_3D;
    return TW_CONTIGUOUS_FORMAT;
}

/* t itself when nothing changes; else a new tensor. */
static PyObject *convert(PyObject *self, tw_dtype d, tw_device device, bool copy, tw_memory_format format) {
    tw_tensor *t = tw_py_tensor_of(self);
    if (d == TW_DTYPE_NONE) d = (tw_dtype)t->dtype;
    if (device == TW_DEVICE_NONE) device = t->device;
    if (tw_device_type(device) == TW_CPU) device = TW_CPU;
    if (tw_device_type(device) == TW_META) device = TW_META;
    bool same = d == (tw_dtype)t->dtype && device == t->device;
    if (same && !copy && (format == TW_FORMAT_NONE || format == TW_PRESERVE_FORMAT || format == suggested(t))) TW_PY_RETURN_NEW(self);
    if (device != t->device && device != TW_META) {
        if (t->device == TW_META) {
            PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead "
                            "of torch.nn.Module.to() when moving module from meta to a different device.");
        } else if (strncmp(tw_device_text(device), "cuda", 4) == 0) {
            PyErr_SetString(PyExc_AssertionError, "Torch not compiled with CUDA enabled");
        } else {
            PyErr_Format(PyExc_NotImplementedError, "copies to %s are not implemented", tw_device_text(device));
        }
        return NULL;
    }
    if (device == TW_META && t->layout) {
        PyErr_SetString(PyExc_NotImplementedError, "sparse tensors on 'meta' are not implemented");
        return NULL;
    }
    if (device == TW_META && t->device != TW_META) {
        int64_t strides[TW_MAX_DIMS];
        if (format == TW_FORMAT_NONE || format == TW_PRESERVE_FORMAT) tw_like_strides(t, strides);
        else tw_format_strides(t->sizes, t->ndim, format, strides);
        return tw_py_wrap(tw_empty_strided_new(t->sizes, strides, t->ndim, d, TW_META));
    }
    if (same) return tw_py_op1(TW_OP_clone, 2, (tw_arg[]){tw_a_tensor(t), format == TW_FORMAT_NONE ? TW_A_NONE : tw_a_int(format)});
    const tw_op *op = &tw_ops[TW_OP__to_copy];
    tw_arg a[TW_MAX_ARGS] = {tw_a_tensor(t)};
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    for (int i = 1; i < op->nparams; i++) {
        a[i] = op->params[i].fallback;
        if (op->params[i].type == TW_TYPE_DTYPE) a[i] = tw_a_int(d);
        if (op->params[i].type == TW_TYPE_FORMAT && format != TW_FORMAT_NONE) a[i] = tw_a_int(format);
    }
    if (!tw_py_run(op, a, outs)) return tw_py_raise();
    return tw_py_wrap(outs[0]);
}

static PyObject *tensor_method(const char *name) { return PyObject_GetAttrString((PyObject *)tw_py_tensor_class, name); }

/* Overrides: builds (self, *args) and asks. */
static bool overridden(PyObject *self, const char *name, PyObject *args, PyObject *kw, PyObject **result) {
    if (Py_TYPE(self) == tw_py_tensor_class && !tw_py_function_mode_on()) return false;
    if (!tw_py_any_overrides(&self, 1)) return false;
    PyObject *func = tensor_method(name), *given[16], *names = kw ? PyTuple_New(PyDict_GET_SIZE(kw)) : NULL, *key, *value;
    Py_ssize_t n = 1, k = 0, positional;
    bool handled = false;
    given[0] = self;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args) && n < 12; i++) given[n++] = PyTuple_GET_ITEM(args, i);
    positional = n;
    for (Py_ssize_t at = 0; kw && n < 16 && PyDict_Next(kw, &at, &key, &value);) {
        given[n++] = value;
        Py_INCREF(key);
        PyTuple_SET_ITEM(names, k++, key);
    }
    if (func) *result = tw_py_dispatch(func, given, positional, names, &handled);
    Py_XDECREF(func);
    Py_XDECREF(names);
    return handled || !func;
}

static bool read_bool(PyObject *o, bool *into) {
    int v = PyObject_IsTrue(o);
    if (v < 0) return false;
    *into = v == 1;
    return true;
}

/* to(dtype), to(device), to(device, dtype), to(other), each with non_blocking, copy, memory_format. */
PyObject *tw_py_to(PyObject *self, PyObject *args, PyObject *kw) {
    PyObject *r, *key, *value;
    tw_dtype d = TW_DTYPE_NONE;
    tw_device device = TW_DEVICE_NONE;
    tw_memory_format format = TW_FORMAT_NONE;
    bool copy = false, ignored, any = false;
    int flags = 0;
    if (overridden(self, "to", args, kw, &r)) return r;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        if (i < 2 && tw_py_dtype_from(o, &d)) {
            any = true;
        } else if (i == 0 && tw_py_is_tensor(o)) {
            d = (tw_dtype)tw_py_tensor_of(o)->dtype;
            device = tw_py_tensor_of(o)->device;
            any = true;
        } else if (i == 0 && o == Py_None) {
            any = true;
        } else if (i == 0 && tw_py_device_from(o, &device)) {
            any = true;
        } else if (PyErr_Occurred()) {
            return NULL;
        } else if (i == 1 && o == Py_None && !PyBool_Check(o)) {
            continue;
        } else if (PyBool_Check(o) && flags < 2 && any) {
            if (flags++ == 1) copy = o == Py_True;
        } else {
            goto bad;
        }
    }
    for (Py_ssize_t at = 0; kw && PyDict_Next(kw, &at, &key, &value);) {
        const char *name = PyUnicode_AsUTF8(key);
        if (strcmp(name, "dtype") == 0) {
            if (value != Py_None && !tw_py_dtype_from(value, &d)) goto bad;
        } else if (strcmp(name, "device") == 0) {
            if (value != Py_None && !tw_py_device_from(value, &device)) {
                if (PyErr_Occurred()) return NULL;
                goto bad;
            }
        } else if (strcmp(name, "other") == 0 && tw_py_is_tensor(value)) {
            d = (tw_dtype)tw_py_tensor_of(value)->dtype;
            device = tw_py_tensor_of(value)->device;
        } else if (strcmp(name, "copy") == 0) {
            if (!read_bool(value, &copy)) return NULL;
        } else if (strcmp(name, "non_blocking") == 0) {
            if (!read_bool(value, &ignored)) return NULL;
        } else if (strcmp(name, "memory_format") == 0) {
            if (value != Py_None && !PyObject_TypeCheck(value, tw_py_format_type)) goto bad;
            if (value != Py_None) format = (tw_memory_format)((tw_py_dtype *)value)->value;
        } else {
            PyErr_Format(PyExc_TypeError, "to() got an unexpected keyword argument '%s'", name);
            return NULL;
        }
    }
    return convert(self, d, device, copy, format);
bad:
    PyErr_SetString(PyExc_TypeError, "to() received an invalid combination of arguments - expected one of:\n"
                    " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
                    "torch.memory_format memory_format = None)\n"
                    " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
                    " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n");
    return NULL;
}

static PyObject *cast_to(PyObject *self, PyObject *args, PyObject *kw, const char *name, tw_dtype d, tw_device device) {
    static char *names[] = {"memory_format", NULL};
    PyObject *format = NULL, *r;
    if (overridden(self, name, args, kw, &r)) return r;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|$O", names, &format)) return NULL;
    return convert(self, d, device, false, format && PyObject_TypeCheck(format, tw_py_format_type)
                   ? (tw_memory_format)((tw_py_dtype *)format)->value : TW_FORMAT_NONE);
}
enum {
    DTYPE_float = TW_FLOAT32, DTYPE_double = TW_FLOAT64, DTYPE_half = TW_FLOAT16, DTYPE_bfloat16 = TW_BFLOAT16, DTYPE_int = TW_INT32,
    DTYPE_long = TW_INT64, DTYPE_short = TW_INT16, DTYPE_char = TW_INT8, DTYPE_byte = TW_UINT8, DTYPE_bool = TW_BOOL,
    DTYPE_cfloat = TW_COMPLEX64, DTYPE_cdouble = TW_COMPLEX128, DTYPE_chalf = TW_COMPLEX32
};
#define CAST(name) \
    PyObject *tw_py_cast_##name(PyObject *self, PyObject *args, PyObject *kw) { \
        return cast_to(self, args, kw, #name, (tw_dtype)DTYPE_##name, TW_DEVICE_NONE); \
    }
TW_PY_CASTS(CAST)

PyObject *tw_py_cpu(PyObject *self, PyObject *args, PyObject *kw) { return cast_to(self, args, kw, "cpu", TW_DTYPE_NONE, TW_CPU); }

PyObject *tw_py_cuda(PyObject *self, PyObject *args, PyObject *kw) {
    (void)self, (void)args, (void)kw;
    PyErr_SetString(PyExc_AssertionError, "Torch not compiled with CUDA enabled");
    return NULL;
}

PyObject *tw_py_type_as(PyObject *self, PyObject *other) {
    PyObject *args = PyTuple_Pack(1, other), *r = args ? tw_py_to(self, args, NULL) : NULL;
    Py_XDECREF(args);
    return r;
}

/* type(): 'torch.FloatTensor'; type(dtype or name or FloatTensor): a cast. */
PyObject *tw_py_type_method(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"dtype", "non_blocking", NULL};
    PyObject *given = Py_None;
    int ignored;
    tw_dtype d;
    tw_tensor *t = tw_py_tensor_of(self);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|Op:type", names, &given, &ignored)) return NULL;
    if (given == Py_None) return PyUnicode_FromFormat("torch.%sTensor", tw_dtypes[t->dtype].type_name);
    if (tw_py_dtype_from(given, &d)) return convert(self, d, TW_DEVICE_NONE, false, TW_FORMAT_NONE);
    PyObject *name = PyUnicode_Check(given) ? (Py_INCREF(given), given) : PyObject_GetAttrString(given, "__name__");
    const char *text = name ? PyUnicode_AsUTF8(name) : NULL;
    PyErr_Clear();
    if (text && strncmp(text, "torch.", 6) == 0) text += 6;
    if (text && strcmp(text, "Tensor") == 0) {
        Py_DECREF(name);
        return convert(self, tw_default_dtype(), TW_DEVICE_NONE, false, TW_FORMAT_NONE);
    }
    for (int i = 0; text && i < TW_DTYPE_COUNT; i++) {
        size_t n = strlen(tw_dtypes[i].type_name);
        if (strncmp(text, tw_dtypes[i].type_name, n) == 0 && strcmp(text + n, "Tensor") == 0) {
            Py_DECREF(name);
            return convert(self, (tw_dtype)i, TW_DEVICE_NONE, false, TW_FORMAT_NONE);
        }
    }
    if (PyUnicode_Check(given)) PyErr_Format(PyExc_ValueError, "invalid type: '%U'", given);
    else PyErr_SetString(PyExc_TypeError, "dtype must be a type, str, or dtype object");
    Py_XDECREF(name);
    return NULL;
}
