/* DLPack both ways. The structures are those of the DLPack standard (dmlc/dlpack, version 0.8 layout). */
#include "ext/ext.h"

typedef struct dl_device { int32_t type, id; } dl_device;
typedef struct dl_dtype { uint8_t code, bits; uint16_t lanes; } dl_dtype;
typedef struct dl_tensor {
    void *data;
    dl_device device;
    int32_t ndim;
    dl_dtype dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} dl_tensor;
typedef struct dl_managed {
    dl_tensor tensor;
    void *context;
    void (*deleter)(struct dl_managed *self);
} dl_managed;

enum { DL_CPU = 1, DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_BFLOAT = 4, DL_COMPLEX = 5, DL_BOOL = 6 };

bool tw_py_init_dlpack(PyObject *m);

static bool dtype_out(tw_dtype d, dl_dtype *into) {
    into->bits = (uint8_t)(8 * tw_dtype_size(d));
    into->lanes = 1;
    if (d == TW_BOOL) into->code = DL_BOOL;
    else if (d == TW_BFLOAT16) into->code = DL_BFLOAT;
    else if (tw_is_complex(d)) into->code = DL_COMPLEX;
    else if (tw_is_float(d)) into->code = DL_FLOAT;
    else into->code = tw_dtypes[d].is_signed ? DL_INT : DL_UINT;
    return d < TW_FLOAT8_E4M3FN;
}

static tw_dtype dtype_in(dl_dtype d) {
    for (int i = 0; i < TW_FLOAT8_E4M3FN; i++) {
        dl_dtype mine;
        dtype_out((tw_dtype)i, &mine);
        if (mine.code == d.code && mine.bits == d.bits && d.lanes == 1) return (tw_dtype)i;
    }
    return d.code == DL_BOOL && d.bits == 8 ? TW_BOOL : TW_DTYPE_NONE;
}

static void release_export(dl_managed *m) {
    PyGILState_STATE gil = PyGILState_Ensure();
    tw_release(m->context);
    PyMem_Free(m);
    PyGILState_Release(gil);
}

static void drop_capsule(PyObject *capsule) {
    if (!PyCapsule_IsValid(capsule, "dltensor")) return;
    dl_managed *m = PyCapsule_GetPointer(capsule, "dltensor");
    if (m->deleter) m->deleter(m);
}

static PyObject *export(PyObject *self, PyObject *args, PyObject *kw) {
    (void)args, (void)kw;
    tw_tensor *t = tw_py_tensor_of(self);
    if (tw_requires_grad(t)) {
        PyErr_SetString(PyExc_BufferError, "Can't export tensors that require gradient, use tensor.detach()");
        return NULL;
    }
    if (t->layout) {
        PyErr_SetString(PyExc_BufferError, "Can't export tensors with layout other than torch.strided");
        return NULL;
    }
    if (t->flags & TW_CONJ) {
        PyErr_SetString(PyExc_BufferError, "Can't export tensors with the conjugate bit set");
        return NULL;
    }
    dl_managed *m = PyMem_Calloc(1, sizeof *m + 2 * (size_t)t->ndim * sizeof(int64_t));
    if (!m) return PyErr_NoMemory();
    if (!dtype_out((tw_dtype)t->dtype, &m->tensor.dtype)) {
        PyMem_Free(m);
        PyErr_SetString(PyExc_BufferError, "float8 types are not supported by dlpack");
        return NULL;
    }
    m->tensor.data = t->numel ? tw_data(t) : NULL;
    m->tensor.device = (dl_device){DL_CPU, 0};
    m->tensor.ndim = t->ndim;
    m->tensor.shape = (int64_t *)(m + 1);
    m->tensor.strides = m->tensor.shape + t->ndim;
    memcpy(m->tensor.shape, t->sizes, t->ndim * sizeof(int64_t));
    memcpy(m->tensor.strides, t->strides, t->ndim * sizeof(int64_t));
    m->context = tw_retain(t);
    m->deleter = release_export;
    PyObject *capsule = PyCapsule_New(m, "dltensor", drop_capsule);
    if (!capsule) release_export(m);
    return capsule;
}

static PyObject *export_device(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    return Py_BuildValue("(ii)", DL_CPU, 0);
}

static void release_import(void *context, void *data, size_t bytes) {
    dl_managed *m = context;
    (void)data, (void)bytes;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (m->deleter) m->deleter(m);
    PyGILState_Release(gil);
}

static PyObject *from_dlpack(PyObject *module, PyObject *args, PyObject *kw) {
    static char *names[] = {"ext_tensor", "device", "copy", NULL};
    PyObject *o, *device = NULL, *copy = NULL, *capsule;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$OO:from_dlpack", names, &o, &device, &copy)) return NULL;
    if (PyCapsule_CheckExact(o)) {
        capsule = o;
        Py_INCREF(o);
    } else {
        capsule = PyObject_CallMethod(o, "__dlpack__", NULL);
        if (!capsule) return NULL;
    }
    dl_managed *m = PyCapsule_GetPointer(capsule, "dltensor");
    if (!m) {
        Py_DECREF(capsule);
        PyErr_SetString(PyExc_RuntimeError, "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, "
                        "so you might have already constructed a tensor from it once.");
        return NULL;
    }
    tw_dtype d = dtype_in(m->tensor.dtype);
    if (d == TW_DTYPE_NONE || m->tensor.ndim < 0 || m->tensor.ndim > TW_MAX_DIMS || m->tensor.device.type != DL_CPU) {
        Py_DECREF(capsule);
        PyErr_SetString(PyExc_RuntimeError, m->tensor.device.type != DL_CPU ? "Unsupported device_type in DLPack" : "Unsupported kind in DLPack");
        return NULL;
    }
    int64_t strides[TW_MAX_DIMS];
    size_t bytes = 0;
    bool backwards = false;
    if (m->tensor.strides) memcpy(strides, m->tensor.strides, (size_t)m->tensor.ndim * sizeof *strides);
    else tw_contiguous_strides(m->tensor.shape, m->tensor.ndim, strides);
    for (int i = 0; i < m->tensor.ndim; i++) backwards = backwards || m->tensor.shape[i] < 0 || strides[i] < 0;
    if (backwards) /* PyTorch ends the process with these words */
        tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s and strides=%s",
                tw_sizes_text(m->tensor.shape, m->tensor.ndim), tw_sizes_text(strides, m->tensor.ndim));
    const bool fits = !backwards && tw_extent(m->tensor.shape, strides, m->tensor.ndim, 0, tw_dtype_size(d), &bytes);
    tw_storage *s = fits ? tw_storage_borrow(TW_CPU, bytes ? (char *)m->tensor.data + m->tensor.byte_offset : NULL, bytes, NULL, m) : NULL;
    tw_tensor *t = s ? tw_tensor_over(s, m->tensor.shape, strides, m->tensor.ndim, 0, d) : NULL;
    if (t) { /* from here on the storage gives it back, and no longer the capsule */
        s->free = release_import;
        PyCapsule_SetName(capsule, "used_dltensor");
    }
    tw_storage_release(s);
    Py_DECREF(capsule);
    return t ? tw_py_wrap(t) : tw_py_raise();
}

static PyObject *to_dlpack(PyObject *module, PyObject *o) {
    (void)module;
    if (!tw_py_is_tensor(o)) {
        PyErr_SetString(PyExc_TypeError, "to_dlpack(): argument must be Tensor");
        return NULL;
    }
    return export(o, NULL, NULL);
}

static PyMethodDef functions[] = {
    {"from_dlpack", (PyCFunction)(void (*)(void))from_dlpack, METH_VARARGS | METH_KEYWORDS,
     "from_dlpack(ext_tensor, *, device=None, copy=None)\n--\n\nA tensor over the memory of another library's array."},
    {"to_dlpack", to_dlpack, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMethodDef methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))export, METH_VARARGS | METH_KEYWORDS, NULL},
    {"__dlpack_device__", export_device, METH_NOARGS, NULL},
};

bool tw_py_init_dlpack(PyObject *m) {
    for (size_t i = 0; i < 2; i++) {
        PyObject *d = PyDescr_NewMethod(tw_py_base_type, &methods[i]);
        if (!d || PyDict_SetItemString(tw_py_base_type->tp_dict, methods[i].ml_name, d) < 0) return false;
        Py_DECREF(d);
    }
    return PyModule_AddFunctions(m, functions) == 0;
}
