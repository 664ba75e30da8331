/* UntypedStorage: the bytes behind tensors. TypedStorage is Python, over this. */
#include "ext/number.h"
#include "core/shared.h"

/* exports: views of the memory that Python holds. While there are any, the storage must not be resized. */
typedef struct storage_object { PyObject_HEAD tw_storage *s; PyObject *dict, *weak; int exports; bool was_resizable; } storage_object;

static PyTypeObject storage_type;

static tw_storage *of(PyObject *o) { return ((storage_object *)o)->s; }

PyObject *tw_py_storage(tw_storage *s) {
    if (s->pyobj) TW_PY_RETURN_NEW(s->pyobj);
    storage_object *o = (storage_object *)storage_type.tp_alloc(&storage_type, 0);
    if (!o) return NULL;
    tw_storage_retain(s);
    o->s = s;
    s->pyobj = o;
    return (PyObject *)o;
}

static PyObject *storage_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    static char *names[] = {"size", "device", NULL};
    PyObject *given = NULL, *device = NULL;
    tw_device d = TW_CPU;
    Py_ssize_t n = 0;
    PyObject *bytes = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|OO:UntypedStorage", names, &given, &device)) return NULL;
    if (device && device != Py_None && !tw_py_device_from(device, &d)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "UntypedStorage(): argument 'device' must be torch.device");
        return NULL;
    }
    if (given && PyIndex_Check(given)) {
        n = PyNumber_AsSsize_t(given, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) return NULL;
    } else if (given) {
        bytes = PyByteArray_FromObject(given);
        if (!bytes) return NULL;
        n = PyByteArray_GET_SIZE(bytes);
    }
    tw_storage *s = n >= 0 ? tw_storage_new(d, (size_t)n) : NULL;
    if (!s) {
        Py_XDECREF(bytes);
        if (n < 0) PyErr_SetString(PyExc_RuntimeError, "storage size must be non-negative");
        return n < 0 ? NULL : tw_py_raise();
    }
    if (bytes && n) memcpy(s->data, PyByteArray_AS_STRING(bytes), (size_t)n);
    Py_XDECREF(bytes);
    storage_object *o = (storage_object *)type->tp_alloc(type, 0);
    if (!o) {
        tw_storage_release(s);
        return NULL;
    }
    o->s = s;
    s->pyobj = o;
    return (PyObject *)o;
}

static void storage_dealloc(PyObject *o) {
    storage_object *self = (storage_object *)o;
    PyTypeObject *type = Py_TYPE(o);
    if (PyType_IS_GC(type)) PyObject_GC_UnTrack(o);
    if (self->weak) PyObject_ClearWeakRefs(o);
    Py_CLEAR(self->dict);
    if (self->s) {
        self->s->pyobj = NULL;
        tw_storage_release(self->s);
    }
    type->tp_free(o);
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) Py_DECREF(type);
}

static Py_ssize_t storage_length(PyObject *o) { return (Py_ssize_t)of(o)->bytes; }
static PyObject *nbytes(PyObject *o, PyObject *u) { (void)u; return PyLong_FromSize_t(of(o)->bytes); }
static PyObject *data_ptr(PyObject *o, PyObject *u) { (void)u; return PyLong_FromVoidPtr(of(o)->data); }
static PyObject *element_size(PyObject *o, PyObject *u) { (void)o, (void)u; return PyLong_FromLong(1); }
static PyObject *resizable(PyObject *o, PyObject *u) { (void)u; return PyBool_FromLong(of(o)->resizable); }
static PyObject *is_shared(PyObject *o, PyObject *u) { (void)u; return PyBool_FromLong(tw_storage_is_shared(of(o)) || of(o)->device != TW_CPU); }
static PyObject *is_pinned(PyObject *o, PyObject *u) { (void)o, (void)u; Py_RETURN_FALSE; }
static PyObject *return_self(PyObject *o, PyObject *u) { (void)u; TW_PY_RETURN_NEW(o); }
static PyObject *get_device(PyObject *o, void *c) { (void)c; return tw_py_device_object(of(o)->device); }
static PyObject *get_false(PyObject *o, void *c) { (void)o, (void)c; Py_RETURN_FALSE; }
static PyObject *resize_(PyObject *o, PyObject *size) {
    Py_ssize_t n = PyNumber_AsSsize_t(size, PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred()) return NULL;
    if (!of(o)->resizable) {
        PyErr_SetString(PyExc_RuntimeError, "Trying to resize storage that is not resizable");
        return NULL;
    }
    if (n < 0 || !tw_storage_resize(of(o), (size_t)n)) return tw_py_raise();
    TW_PY_RETURN_NEW(o);
}
static PyObject *clone_storage(PyObject *o, PyObject *u) {
    (void)u;
    tw_storage *s = tw_storage_new(of(o)->device, of(o)->bytes);
    if (!s) return tw_py_raise();
    if (s->data && of(o)->data) memcpy(s->data, of(o)->data, s->bytes);
    PyObject *r = tw_py_storage(s);
    tw_storage_release(s);
    return r;
}
static PyObject *copy_(PyObject *o, PyObject *args) {
    PyObject *other;
    int ignored = 0;
    if (!PyArg_ParseTuple(args, "O!|p:copy_", &storage_type, &other, &ignored)) return NULL;
    if (of(o)->bytes != of(other)->bytes) {
        PyErr_Format(PyExc_RuntimeError, "size does not match, self was %zu bytes but src was %zu bytes", of(o)->bytes, of(other)->bytes);
        return NULL;
    }
    if (of(o)->data && of(other)->data) memmove(of(o)->data, of(other)->data, of(o)->bytes);
    TW_PY_RETURN_NEW(o);
}
static PyObject *fill_(PyObject *o, PyObject *value) {
    long v = PyLong_AsLong(value);
    if (v == -1 && PyErr_Occurred()) return NULL;
    if (of(o)->data) memset(of(o)->data, (int)v, of(o)->bytes);
    TW_PY_RETURN_NEW(o);
}
static PyObject *tolist(PyObject *o, PyObject *u) {
    (void)u;
    PyObject *view = PyMemoryView_FromObject(o), *list = view ? PyObject_CallMethod(view, "tolist", NULL) : NULL;
    Py_XDECREF(view);
    return list;
}
static PyObject *from_buffer(PyObject *unused, PyObject *o);
static PyObject *subscript(PyObject *o, PyObject *index) {
    Py_ssize_t start, stop, step, length = (Py_ssize_t)of(o)->bytes;
    if (PySlice_Check(index)) {
        if (PySlice_Unpack(index, &start, &stop, &step) < 0) return NULL;
        if (step != 1) {
            PyErr_Format(PyExc_RuntimeError, "Trying to slice with a step of %zd, but only a step of 1 is supported", step);
            return NULL;
        }
    } else if (PyIndex_Check(index)) {
        start = PyNumber_AsSsize_t(index, NULL);
        if (start == -1 && PyErr_Occurred()) return NULL;
        if (start >= length || start < -length) {
            PyErr_Format(PyExc_IndexError, "index %zd out of range for storage of size %zd", start, length);
            return NULL;
        }
    }
    PyObject *view = PyMemoryView_FromObject(o), *r = view ? PyObject_GetItem(view, index) : NULL;
    Py_XDECREF(view);
    if (r && PyMemoryView_Check(r)) Py_SETREF(r, from_buffer(NULL, r)); /* shares the memory */
    return r;
}
static PyObject *iterate(PyObject *o) {
    PyObject *view = PyMemoryView_FromObject(o), *r = view ? PyObject_GetIter(view) : NULL;
    Py_XDECREF(view);
    return r;
}
static int assign(PyObject *o, PyObject *index, PyObject *value) {
    PyObject *view = PyMemoryView_FromObject(o);
    int r = view && value ? PyObject_SetItem(view, index, value) : -1;
    Py_XDECREF(view);
    return r;
}
static int buffer(PyObject *o, Py_buffer *view, int flags) {
    static char none;
    storage_object *self = (storage_object *)o;
    if (PyBuffer_FillInfo(view, o, self->s->data ? self->s->data : &none, (Py_ssize_t)self->s->bytes, 0, flags) < 0) return -1;
    if (self->exports++ == 0) {
        self->was_resizable = self->s->resizable;
        self->s->resizable = false;
    }
    return 0;
}
static void buffer_released(PyObject *o, Py_buffer *view) {
    (void)view;
    storage_object *self = (storage_object *)o;
    if (--self->exports == 0) self->s->resizable = self->was_resizable;
}
/* UntypedStorage._from_buffer(buffer): shares the memory of a writable buffer (mmap). */
static void release_buffer(void *context, void *data, size_t bytes) {
    (void)data, (void)bytes;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyBuffer_Release(context);
    PyMem_Free(context);
    PyGILState_Release(gil);
}
static PyObject *from_buffer(PyObject *unused, PyObject *o) {
    (void)unused;
    Py_buffer *view = PyMem_Calloc(1, sizeof *view);
    if (!view) return PyErr_NoMemory();
    if (PyObject_GetBuffer(o, view, PyBUF_SIMPLE) < 0) {
        PyMem_Free(view);
        return NULL;
    }
    tw_storage *s = tw_storage_borrow(TW_CPU, view->buf, (size_t)view->len, release_buffer, view);
    if (!s) {
        release_buffer(view, NULL, 0);
        return tw_py_raise();
    }
    PyObject *r = tw_py_storage(s);
    tw_storage_release(s);
    return r;
}

/* --- memory that processes share (core/shared.h) --- */

/* What tw_storage_... gave, owned, as a Python object. */
static PyObject *wrap_new(tw_storage *s) {
    if (!s) return tw_py_raise();
    PyObject *r = tw_py_storage(s);
    tw_storage_release(s);
    return r;
}
/* _share_fd_cpu_(): moves the bytes to shared memory; (descriptor, size). The descriptor stays the storage's. */
static PyObject *share_fd(PyObject *o, PyObject *u) {
    (void)u;
    const int fd = tw_storage_share(of(o));
    return fd < 0 ? tw_py_raise() : Py_BuildValue("in", fd, (Py_ssize_t)of(o)->bytes);
}
/* _new_shared_fd_cpu(descriptor, size, keep=True): takes the descriptor over, unless it fails. */
static PyObject *new_shared_fd(PyObject *unused, PyObject *args) {
    int fd, keep = 1;
    Py_ssize_t size;
    (void)unused;
    if (!PyArg_ParseTuple(args, "in|p:_new_shared_fd_cpu", &fd, &size, &keep)) return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_RuntimeError, "storage size must be non-negative");
        return NULL;
    }
    return wrap_new(tw_storage_from_fd(fd, (size_t)size, keep));
}
/* _part(offset, size): some of the bytes, as a storage of their own. */
static PyObject *part(PyObject *o, PyObject *args) {
    Py_ssize_t offset, size;
    if (!PyArg_ParseTuple(args, "nn:_part", &offset, &size)) return NULL;
    if (offset < 0 || size < 0) {
        PyErr_SetString(PyExc_RuntimeError, "offset and size must be non-negative");
        return NULL;
    }
    return wrap_new(tw_storage_part(of(o), (size_t)offset, (size_t)size));
}

/* A byte on each line, then what it is. */
static PyObject *repr(PyObject *o) {
    const tw_storage *s = of(o);
    const uint8_t *bytes = s->data;
    PyObject *about = PyUnicode_FromFormat("[torch.storage.UntypedStorage(device=%s) of size %zu]", tw_device_text(s->device), s->bytes);
    if (!about || s->device != TW_CPU) {
        PyObject *r = about ? PyUnicode_FromFormat("...\n%U", about) : NULL;
        Py_XDECREF(about);
        return r;
    }
    char *text = PyMem_Malloc(5 * s->bytes + 3), *at = text; /* "255\n " */
    if (!text) {
        Py_DECREF(about);
        return PyErr_NoMemory();
    }
    *at++ = ' ';
    for (size_t i = 0; i < s->bytes; i++) at += sprintf(at, i ? "\n %d" : "%d", bytes[i]);
    *at = '\0';
    PyObject *r = PyUnicode_FromFormat("%s\n%U", text, about);
    PyMem_Free(text);
    Py_DECREF(about);
    return r;
}

PyObject *tw_py_untyped_storage(PyObject *self, PyObject *unused) {
    (void)unused;
    if (tw_py_tensor_of(self)->layout) {
        PyErr_SetString(PyExc_NotImplementedError, "Cannot access storage of SparseTensorImpl");
        return NULL;
    }
    return tw_py_storage(tw_py_tensor_of(self)->storage);
}

static bool sizes_from(PyObject *o, int64_t *into, int *n) {
    PyObject *fast = PySequence_Fast(o, "a tuple of ints is needed");
    if (!fast) return false;
    *n = (int)PySequence_Fast_GET_SIZE(fast);
    bool ok = *n <= TW_MAX_DIMS;
    if (!ok) PyErr_Format(PyExc_RuntimeError, "a tensor of %zd dimensions: at most %d are supported", PySequence_Fast_GET_SIZE(fast), TW_MAX_DIMS);
    for (int i = 0; ok && i < *n; i++) {
        into[i] = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(fast, i));
        ok = !(into[i] == -1 && PyErr_Occurred());
    }
    Py_DECREF(fast);
    return ok;
}

/* Sizes, and strides unless they are left out. */
static bool geometry_from(PyObject *size, PyObject *stride, int64_t *sizes, int64_t *strides, int *ndim) {
    int nstrides = 0;
    if (!sizes_from(size, sizes, ndim) || (stride && stride != Py_None && !sizes_from(stride, strides, &nstrides))) return false;
    if (nstrides == 0) tw_contiguous_strides(sizes, *ndim, strides);
    if (nstrides == 0 || nstrides == *ndim) return true;
    PyErr_Format(PyExc_RuntimeError, "unequal size length (%d) and stride length (%d)", *ndim, nstrides);
    return false;
}

/* UntypedStorage._tensor(dtype, offset, size, stride): a tensor over the storage, which must be large enough for it. */
static PyObject *tensor_over(PyObject *o, PyObject *args) {
    PyObject *given, *size, *stride;
    Py_ssize_t offset;
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    int ndim;
    tw_dtype dtype;
    if (!PyArg_ParseTuple(args, "OnOO:_tensor", &given, &offset, &size, &stride)) return NULL;
    if (!tw_py_dtype_from(given, &dtype)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "_tensor(): argument 'dtype' must be torch.dtype");
        return NULL;
    }
    if (!geometry_from(size, stride, sizes, strides, &ndim)) return NULL;
    return tw_py_wrap(tw_tensor_over(of(o), sizes, strides, ndim, offset, dtype));
}

/* Makes `s` large enough for the geometry, if need be and it can. */
static bool fit(tw_storage *s, const int64_t *sizes, const int64_t *strides, int ndim, int64_t offset, tw_dtype dtype) {
    size_t need, item = tw_dtype_size(dtype);
    if (offset < 0) return tw_fail(TW_RUNTIME_ERROR, "Tensor: invalid storage offset %lld", (long long)offset);
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s", (long long)sizes[i],
                           tw_sizes_text(sizes, ndim));
        if (strides[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s and strides=%s", tw_sizes_text(sizes, ndim),
                           tw_sizes_text(strides, ndim));
    }
    if (!tw_extent(sizes, strides, ndim, offset, item, &need)) return false;
    if (need <= s->bytes) return true;
    if (s->resizable) return tw_storage_resize(s, need);
    return tw_fail(TW_RUNTIME_ERROR, "setStorage: sizes %s, strides %s, storage offset %lld, and itemsize %zu requiring a storage size of %zu "
                   "are out of bounds for storage of size %zu", tw_sizes_text(sizes, ndim), tw_sizes_text(strides, ndim), (long long)offset,
                   item, need, s->bytes);
}

/* set_(storage, offset, sizes, strides), set_(tensor), set_() */
PyObject *tw_py_set_storage(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"source", "storage_offset", "size", "stride", NULL};
    PyObject *source = NULL, *size = NULL, *stride = NULL;
    Py_ssize_t offset = 0;
    int64_t sizes[TW_MAX_DIMS] = {0}, strides[TW_MAX_DIMS] = {1};
    int ndim = 1;
    tw_tensor *t = tw_py_tensor_of(self);
    tw_storage *s = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|OnOO:set_", names, &source, &offset, &size, &stride)) return NULL;
    if (t->layout || (source && tw_py_is_tensor(source) && tw_py_tensor_of(source)->layout)) {
        PyErr_SetString(PyExc_NotImplementedError, "set_: not implemented for sparse tensors");
        return NULL;
    }
    if (!source) {
        s = tw_storage_new(t->device, 0);
        if (!s) return tw_py_raise();
    } else if (tw_py_is_tensor(source)) {
        tw_tensor *from = tw_py_tensor_of(source);
        if (from->dtype != t->dtype) {
            PyErr_Format(PyExc_RuntimeError, "Could not set tensor of type %s to a tensor of type %s", tw_dtypes[from->dtype].name,
                         tw_dtypes[t->dtype].name);
            return NULL;
        }
        s = from->storage;
        tw_storage_retain(s);
        if (!size) {
            ndim = from->ndim;
            offset = (Py_ssize_t)from->offset;
            memcpy(sizes, from->sizes, (size_t)ndim * sizeof *sizes);
            memcpy(strides, from->strides, (size_t)ndim * sizeof *strides);
        }
    } else {
        PyObject *untyped = PyObject_TypeCheck(source, &storage_type) ? (Py_INCREF(source), source)
                                                                       : PyObject_GetAttrString(source, "_untyped_storage");
        if (!untyped || !PyObject_TypeCheck(untyped, &storage_type)) {
            Py_XDECREF(untyped);
            PyErr_Format(PyExc_TypeError, "set_(): argument 'source' (position 1) must be Storage, not %s", Py_TYPE(source)->tp_name);
            return NULL;
        }
        s = of(untyped);
        tw_storage_retain(s);
        Py_DECREF(untyped);
        if (!size) {
            sizes[0] = (int64_t)(s->bytes / tw_dtype_size((tw_dtype)t->dtype));
            strides[0] = 1;
        }
    }
    if (size && !geometry_from(size, stride, sizes, strides, &ndim)) {
        tw_storage_release(s);
        return NULL;
    }
    if (!fit(s, sizes, strides, ndim, offset, (tw_dtype)t->dtype)) {
        tw_storage_release(s);
        return tw_py_raise();
    }
    if (!tw_version_ready(t) || !tw_set_geometry(t, sizes, strides, ndim, offset)) {
        tw_storage_release(s);
        return tw_py_raise();
    }
    tw_storage_release(t->storage);
    t->storage = s;
    t->device = s->device;
    tw_bump_version(t);
    TW_PY_RETURN_NEW(self);
}

static PyMethodDef storage_methods[] = {
    {"nbytes", nbytes, METH_NOARGS, NULL},
    {"size", nbytes, METH_NOARGS, NULL},
    {"data_ptr", data_ptr, METH_NOARGS, NULL},
    {"element_size", element_size, METH_NOARGS, NULL},
    {"resizable", resizable, METH_NOARGS, NULL},
    {"is_shared", is_shared, METH_NOARGS, NULL},
    {"is_pinned", is_pinned, METH_NOARGS, NULL},
    {"cpu", return_self, METH_NOARGS, NULL},
    {"untyped", return_self, METH_NOARGS, NULL},
    {"resize_", resize_, METH_O, NULL},
    {"clone", clone_storage, METH_NOARGS, NULL},
    {"copy_", copy_, METH_VARARGS, NULL},
    {"fill_", fill_, METH_O, NULL},
    {"tolist", tolist, METH_NOARGS, NULL},
    {"_tensor", tensor_over, METH_VARARGS, NULL},
    {"_from_buffer", from_buffer, METH_O | METH_STATIC, NULL},
    {"_share_fd_cpu_", share_fd, METH_NOARGS, NULL},
    {"_new_shared_fd_cpu", new_shared_fd, METH_VARARGS | METH_STATIC, NULL},
    {"_part", part, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef storage_getset[] = {
    {"device", get_device, NULL, NULL, NULL},
    {"is_cuda", get_false, NULL, NULL, NULL},
    {"is_sparse", get_false, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMappingMethods storage_mapping = {.mp_length = storage_length, .mp_subscript = subscript, .mp_ass_subscript = assign};
static PySequenceMethods storage_sequence = {.sq_length = storage_length};
static PyBufferProcs storage_buffer = {.bf_getbuffer = buffer, .bf_releasebuffer = buffer_released};
static PyTypeObject storage_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.storage.UntypedStorage", .tp_basicsize = sizeof(storage_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .tp_new = storage_new, .tp_dealloc = storage_dealloc, .tp_repr = repr,
    .tp_iter = iterate, .tp_methods = storage_methods, .tp_getset = storage_getset, .tp_as_mapping = &storage_mapping, .tp_as_sequence = &storage_sequence,
    .tp_as_buffer = &storage_buffer, .tp_dictoffset = offsetof(storage_object, dict), .tp_weaklistoffset = offsetof(storage_object, weak),
};

bool tw_py_init_storage(PyObject *m) {
    return PyType_Ready(&storage_type) == 0 && tw_py_add_type(m, "UntypedStorage", &storage_type);
}
