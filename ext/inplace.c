/* Methods that change a tensor's own geometry, or run a Python function on each element; and module functions that are methods. */
#include "ext/number.h"

static bool sizes_of(PyObject *const *args, Py_ssize_t n, const char *name, int64_t *sizes, int *ndim) {
    if (n == 1 && (PyTuple_Check(args[0]) || PyList_Check(args[0]))) {
        n = PySequence_Fast_GET_SIZE(args[0]);
        args = PySequence_Fast_ITEMS(args[0]);
    }
    if (n > TW_MAX_DIMS) {
        PyErr_SetString(PyExc_ValueError, "too many dimensions");
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyIndex_Check(args[i]) || PyBool_Check(args[i])) {
            PyErr_Format(PyExc_TypeError, "%s(): argument 'size' (position 1) must be tuple of ints, not %s", name, Py_TYPE(args[i])->tp_name);
            return false;
        }
        sizes[i] = PyNumber_AsSsize_t(args[i], PyExc_OverflowError);
        if (sizes[i] == -1 && PyErr_Occurred()) return false;
        if (sizes[i] < 0) {
            PyErr_Format(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld: %s", (long long)sizes[i],
                         tw_sizes_text(sizes, i + 1));
            return false;
        }
    }
    *ndim = (int)n;
    return true;
}

static PyObject *resize_to(PyObject *self, const int64_t *sizes, int ndim) {
    tw_tensor *t = tw_py_tensor_of(self);
    if (tw_requires_grad(t)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot resize variables that require grad");
        return NULL;
    }
    int64_t numel = 1;
    if (t->layout) {
        PyErr_SetString(PyExc_NotImplementedError, "resize_: not implemented for sparse tensors; sparse_resize_ is for them");
        return NULL;
    }
    for (int i = 0; i < ndim; i++) numel *= sizes[i];
    if (!t->storage->resizable && (size_t)(numel + t->offset) * tw_dtype_size((tw_dtype)t->dtype) > t->storage->bytes) {
        PyErr_SetString(PyExc_RuntimeError, "Trying to resize storage that is not resizable");
        return NULL;
    }
    if (!tw_resize(t, sizes, ndim)) return tw_py_raise();
    TW_PY_RETURN_NEW(self);
}

static PyObject *resize_(PyObject *self, PyObject *args, PyObject *kw) {
    int64_t sizes[TW_MAX_DIMS];
    int ndim;
    (void)kw;
    if (!sizes_of(((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), "resize_", sizes, &ndim)) return NULL;
    return resize_to(self, sizes, ndim);
}
static PyObject *resize_as_(PyObject *self, PyObject *args, PyObject *kw) {
    PyObject *other;
    (void)kw;
    if (!PyArg_ParseTuple(args, "O!:resize_as_", tw_py_base_type, &other)) return NULL;
    return resize_to(self, tw_py_tensor_of(other)->sizes, tw_py_tensor_of(other)->ndim);
}

static PyObject *where(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"condition", "other", NULL};
    PyObject *given[3] = {NULL, self, NULL}, *f = tw_py_callable_find("torch", "where");
    if (!PyArg_ParseTupleAndKeywords(args, kw, "OO:where", names, &given[0], &given[2])) return NULL;
    if (!f) {
        PyErr_SetString(PyExc_NotImplementedError, "where is not implemented");
        return NULL;
    }
    return PyObject_Vectorcall(f, given, 3, NULL);
}

static PyObject *is_same_size(PyObject *self, PyObject *other) {
    if (!tw_py_is_tensor(other)) {
        PyErr_Format(PyExc_TypeError, "is_same_size(): argument 'other' (position 1) must be Tensor, not %s", Py_TYPE(other)->tp_name);
        return NULL;
    }
    tw_tensor *a = tw_py_tensor_of(self), *b = tw_py_tensor_of(other);
    bool same = a->ndim == b->ndim;
    for (int i = 0; same && i < a->ndim; i++) same = a->sizes[i] == b->sizes[i];
    return PyBool_FromLong(same);
}

static PyObject *complex_(PyObject *self, PyObject *unused) {
    (void)unused;
    PyObject *v = tw_py_item(tw_py_tensor_of(self));
    if (!v) return NULL;
    Py_complex c = PyComplex_AsCComplex(v);
    Py_DECREF(v);
    return PyErr_Occurred() ? NULL : PyComplex_FromCComplex(c);
}

/* Calls f on the elements of up to two tensors at one place, row by row. */
static bool each(tw_tensor *t, tw_tensor *other, PyObject *f, int dim, int64_t at, int64_t other_at) {
    size_t item = tw_dtype_size((tw_dtype)t->dtype);
    if (dim < t->ndim) {
        for (int64_t i = 0; i < t->sizes[dim]; i++)
            if (!each(t, other, f, dim + 1, at + i * t->strides[dim], other ? other_at + i * other->strides[dim] : 0)) return false;
        return true;
    }
    char *to = (char *)t->storage->data + (size_t)at * item;
    PyObject *x = tw_py_scalar_object(tw_load_scalar(to, (tw_dtype)t->dtype)), *y = NULL, *r;
    tw_scalar s;
    if (other) y = tw_py_scalar_object(tw_load_scalar((char *)other->storage->data + (size_t)other_at * tw_dtype_size((tw_dtype)other->dtype),
                                                      (tw_dtype)other->dtype));
    r = x && (y || !other) ? PyObject_CallFunctionObjArgs(f, x, y, NULL) : NULL;
    bool ok = r && tw_py_scalar_from(r, &s) == 1;
    if (r && !ok && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a number is needed");
    if (ok) tw_store_scalar(to, (tw_dtype)t->dtype, s);
    Py_XDECREF(x);
    Py_XDECREF(y);
    Py_XDECREF(r);
    return ok;
}

static bool may_write(tw_tensor *t, const char *name) {
    if (tw_requires_grad(t)) PyErr_Format(PyExc_TypeError, "Can't call %s() on Variable that requires grad. Use var.detach().%s() instead.",
                                          name, name);
    else if (t->layout) PyErr_Format(PyExc_NotImplementedError, "%s: not implemented for sparse tensors", name);
    else if (t->device != TW_CPU) PyErr_Format(PyExc_TypeError, "%s is only implemented on CPU tensors", name);
    else return tw_version_ready(t) || tw_py_raise();
    return false;
}

static PyObject *apply_(PyObject *self, PyObject *f) {
    tw_tensor *t = tw_py_tensor_of(self);
    if (!may_write(t, "apply_") || !each(t, NULL, f, 0, t->offset, 0)) return NULL;
    tw_bump_version(t);
    TW_PY_RETURN_NEW(self);
}

static PyObject *map_(PyObject *self, PyObject *args) {
    PyObject *other, *f, *same;
    tw_tensor *t = tw_py_tensor_of(self);
    if (!PyArg_ParseTuple(args, "O!O:map_", tw_py_base_type, &other, &f)) return NULL;
    same = is_same_size(self, other);
    Py_XDECREF(same);
    if (same != Py_True) {
        PyErr_SetString(PyExc_NotImplementedError, "map_ with tensors of different sizes is not implemented");
        return NULL;
    }
    if (tw_py_tensor_of(other)->layout) {
        PyErr_SetString(PyExc_NotImplementedError, "map_: not implemented for sparse tensors");
        return NULL;
    }
    if (!may_write(t, "map_") || !each(t, tw_py_tensor_of(other), f, 0, t->offset, tw_py_tensor_of(other)->offset)) return NULL;
    tw_bump_version(t);
    TW_PY_RETURN_NEW(self);
}

#define KEYWORDS(f) (PyCFunction)(void (*)(void))f, METH_VARARGS | METH_KEYWORDS
static PyMethodDef methods[] = {
    {"resize_", KEYWORDS(resize_), NULL},
    {"resize_as_", KEYWORDS(resize_as_), NULL},
    {"where", KEYWORDS(where), NULL},
    {"is_same_size", is_same_size, METH_O, NULL},
    {"__complex__", complex_, METH_NOARGS, NULL},
    {"apply_", apply_, METH_O, NULL},
    {"map_", map_, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_init_inplace(PyObject *m) {
    static const char *const also_functions[] = {
        "is_floating_point", "is_complex", "is_conj", "is_neg", "is_inference", "is_signed", "detach", "detach_", "numel", "get_device",
        "resize_as_", "as_strided_", "is_same_size",
    };
    PyObject *d = tw_py_base_type->tp_dict;
    for (PyMethodDef *f = methods; f->ml_name; f++) {
        if (PyDict_GetItemString(d, f->ml_name)) continue; /* the table has it */
        PyObject *method = PyDescr_NewMethod(tw_py_base_type, f);
        if (!method || PyDict_SetItemString(d, f->ml_name, method) < 0) return false;
        Py_DECREF(method);
    }
    for (size_t i = 0; i < sizeof also_functions / sizeof *also_functions; i++) {
        PyObject *f = PyDict_GetItemString(d, also_functions[i]);
        if (f && PyObject_SetAttrString(m, also_functions[i], f) < 0) return false;
    }
    PyType_Modified(tw_py_base_type);
    return true;
}
