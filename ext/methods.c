/* Methods of a tensor that are no ops of the table. */
#include "ext/ext.h"
#include "ext/number.h"
#include "ext/parse.h"
#include "op_ids.h"

#define SELF tw_tensor *t = tw_py_tensor_of(self)
#define METHOD0(name) static PyObject *name(PyObject *self, PyObject *unused)
#define KEYWORDS(f) (PyCFunction)(void (*)(void))f, METH_VARARGS | METH_KEYWORDS

/* Overrides see Tensor.NAME. args excludes self. Returns true when handled, with *result. */
static bool overridden(PyObject *self, const char *name, PyObject *args, PyObject *kw, PyObject **result) {
    if (Py_TYPE(self) == tw_py_tensor_class && !tw_py_function_mode_on()) return false;
    if (!tw_py_any_overrides(&self, 1)) return false;
    PyObject *func = PyObject_GetAttrString((PyObject *)tw_py_tensor_class, name), *given[16];
    Py_ssize_t n = 1, extra = args ? PyTuple_GET_SIZE(args) : 0;
    PyObject *names = kw ? PyTuple_New(PyDict_GET_SIZE(kw)) : NULL, *key, *value;
    bool handled = false;
    given[0] = self;
    for (Py_ssize_t i = 0; i < extra && n < 15; i++) given[n++] = PyTuple_GET_ITEM(args, i);
    Py_ssize_t positional = n, k = 0;
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
#define OVERRIDE(name, args, kw) \
    do { PyObject *r_; if (overridden(self, name, args, kw, &r_)) return r_; } while (0)

/* --- geometry --- */

static bool dim_argument(PyObject *o, const char *name, int ndim, int64_t *dim) {
    PyObject *n = PyLong_Check(o) ? (Py_INCREF(o), o) : PyIndex_Check(o) ? PyNumber_Index(o) : NULL;
    if (!n) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s(): argument 'dim' (position 1) must be int, not %s", name, Py_TYPE(o)->tp_name);
        return false;
    }
    *dim = PyLong_AsLongLong(n);
    Py_DECREF(n);
    if (*dim == -1 && PyErr_Occurred()) return false;
    if (ndim == 0) {
        tw_fail(TW_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions", (long long)*dim);
        tw_py_raise();
        return false;
    }
    if (tw_wrap_dim(dim, ndim)) return true;
    tw_py_raise();
    return false;
}

static PyObject *size(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"dim", NULL};
    PyObject *dim = Py_None;
    int64_t d;
    SELF;
    OVERRIDE("size", args, kw);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:size", names, &dim)) return NULL;
    if (dim == Py_None) return tw_py_size(t->sizes, t->ndim);
    if (!dim_argument(dim, "size", t->ndim, &d)) return NULL;
    return PyLong_FromLongLong(t->sizes[d]);
}
static PyObject *stride(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"dim", NULL};
    PyObject *dim = Py_None;
    int64_t d;
    SELF;
    OVERRIDE("stride", args, kw);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:stride", names, &dim)) return NULL;
    static const int64_t none[TW_MAX_DIMS]; /* sparse tensors have none; PyTorch shows zeros */
    if (dim == Py_None) return tw_py_int_tuple(t->layout ? none : t->strides, t->ndim);
    if (!dim_argument(dim, "stride", t->ndim, &d)) return NULL;
    return PyLong_FromLongLong(t->layout ? 0 : t->strides[d]);
}
METHOD0(dim) { SELF; (void)unused; OVERRIDE("dim", NULL, NULL); return PyLong_FromLong(t->ndim); }
METHOD0(numel) { SELF; (void)unused; OVERRIDE("numel", NULL, NULL); return PyLong_FromLongLong(t->numel); }
METHOD0(storage_offset) { SELF; (void)unused; return PyLong_FromLongLong(t->offset); }
METHOD0(element_size) { SELF; (void)unused; return PyLong_FromSize_t(tw_dtype_size((tw_dtype)t->dtype)); }
METHOD0(data_ptr) {
    SELF;
    (void)unused;
    if (t->layout) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot access data pointer of Tensor that doesn't have storage");
        return NULL;
    }
    return PyLong_FromVoidPtr(t->numel && t->device != TW_META ? tw_data(t) : NULL);
}
METHOD0(is_floating_point) { SELF; (void)unused; OVERRIDE("is_floating_point", NULL, NULL); return PyBool_FromLong(tw_is_float((tw_dtype)t->dtype)); }
METHOD0(is_complex) { SELF; (void)unused; OVERRIDE("is_complex", NULL, NULL); return PyBool_FromLong(tw_is_complex((tw_dtype)t->dtype)); }
METHOD0(is_signed) { SELF; (void)unused; return PyBool_FromLong(tw_dtypes[t->dtype].is_signed); }
METHOD0(is_conj) { SELF; (void)unused; return PyBool_FromLong((t->flags & TW_CONJ) != 0); }
METHOD0(is_neg) { SELF; (void)unused; return PyBool_FromLong((t->flags & TW_NEG) != 0); }
METHOD0(is_inference) { SELF; (void)unused; return PyBool_FromLong((t->flags & TW_INFERENCE) != 0); }
METHOD0(is_view) { SELF; (void)unused; return PyBool_FromLong((t->flags & TW_IS_VIEW) != 0); }
METHOD0(get_device) { SELF; (void)unused; return PyLong_FromLong(t->device == TW_CPU ? -1 : 0); }
METHOD0(is_pinned) { (void)self, (void)unused; Py_RETURN_FALSE; }
METHOD0(return_self) { (void)unused; TW_PY_RETURN_NEW(self); }

static bool format_argument(PyObject *o, const char *name, tw_memory_format *f) {
    if (!o || o == Py_None) return true;
    if (!PyObject_TypeCheck(o, tw_py_format_type)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument 'memory_format' must be torch.memory_format, not %s", name, Py_TYPE(o)->tp_name);
        return false;
    }
    *f = (tw_memory_format)((tw_py_dtype *)o)->value;
    return true;
}

static PyObject *is_contiguous(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"memory_format", NULL};
    PyObject *given = NULL;
    tw_memory_format f = TW_CONTIGUOUS_FORMAT;
    SELF;
    OVERRIDE("is_contiguous", args, kw);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:is_contiguous", names, &given) || !format_argument(given, "is_contiguous", &f)) return NULL;
    return PyBool_FromLong(f == TW_CONTIGUOUS_FORMAT ? tw_is_contiguous(t) : tw_is_contiguous_in(t, f));
}
static PyObject *contiguous(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"memory_format", NULL};
    PyObject *given = NULL;
    tw_memory_format f = TW_CONTIGUOUS_FORMAT;
    SELF;
    OVERRIDE("contiguous", args, kw);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:contiguous", names, &given) || !format_argument(given, "contiguous", &f)) return NULL;
    if (f == TW_PRESERVE_FORMAT) {
        PyErr_SetString(PyExc_RuntimeError, "preserve memory format is unsupported by the contiguous operator");
        return NULL;
    }
    if (t->layout) {
        PyErr_SetString(PyExc_RuntimeError, "unsupported memory format option Contiguous");
        return NULL;
    }
    if (f == TW_CONTIGUOUS_FORMAT ? tw_is_contiguous(t) : tw_is_contiguous_in(t, f)) TW_PY_RETURN_NEW(self);
    return tw_py_op1(TW_OP_clone, 2, (tw_arg[]){tw_a_tensor(t), tw_a_int(f)});
}

/* --- values --- */

METHOD0(item) { SELF; (void)unused; OVERRIDE("item", NULL, NULL); return tw_py_item(t); }
METHOD0(tolist) { SELF; (void)unused; OVERRIDE("tolist", NULL, NULL); return tw_py_tolist(t); }

static PyObject *numpy(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"force", NULL};
    int force = 0;
    SELF;
    OVERRIDE("numpy", args, kw);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|p:numpy", names, &force)) return NULL;
    if (t->layout) {
        PyErr_SetString(PyExc_TypeError, "can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.");
        return NULL;
    }
    if (force) {
        tw_tensor *d = tw_detach_new(t);
        if (!d) return tw_py_raise();
        PyObject *r = NULL;
        if (d->flags & (TW_CONJ | TW_NEG)) {
            tw_tensor *plain = tw_py_op1_raw(TW_OP_clone, 1, (tw_arg[]){tw_a_tensor(d)});
            r = plain ? tw_py_to_numpy(plain, self) : NULL;
            tw_release(plain);
        } else {
            r = tw_py_to_numpy(d, self);
        }
        tw_release(d);
        return r;
    }
    if (tw_requires_grad(t)) {
        PyErr_SetString(PyExc_RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
        return NULL;
    }
    if (t->flags & (TW_CONJ | TW_NEG)) {
        PyErr_Format(PyExc_RuntimeError, "Can't call numpy() on Tensor that has %s bit set. Use tensor.resolve_%s().numpy() instead.",
                     t->flags & TW_CONJ ? "conjugate" : "negative", t->flags & TW_CONJ ? "conj" : "neg");
        return NULL;
    }
    return tw_py_to_numpy(t, self);
}

static PyObject *array(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None, *copy = Py_None, *none = PyTuple_New(0), *a, *r;
    OVERRIDE("__array__", args, kw);
    if (!none || !PyArg_ParseTupleAndKeywords(args, kw, "|OO:__array__", names, &dtype, &copy)) return NULL;
    a = numpy(self, none, NULL);
    Py_DECREF(none);
    if (!a) return NULL;
    if (dtype != Py_None) {
        PyObject *method = PyObject_GetAttrString(a, "astype"), *pos = PyTuple_Pack(1, dtype), *kwargs = Py_BuildValue("{s:O}", "copy", Py_False);
        r = method && pos && kwargs ? PyObject_Call(method, pos, kwargs) : NULL;
        Py_XDECREF(method);
        Py_XDECREF(pos);
        Py_XDECREF(kwargs);
        Py_SETREF(a, r);
    }
    if (a && copy == Py_True) {
        r = PyObject_CallMethod(a, "copy", NULL);
        Py_SETREF(a, r);
    }
    return a;
}

/* Results of NumPy's functions on tensors become tensors. */
static PyObject *array_wrap(PyObject *self, PyObject *args) {
    PyObject *a = NULL, *context = NULL, *scalar = NULL;
    if (!PyArg_ParseTuple(args, "O|OO:__array_wrap__", &a, &context, &scalar)) return NULL;
    (void)self;
    if (tw_py_is_ndarray(a)) {
        tw_tensor *t = tw_py_from_array(a, false);
        return t ? tw_py_wrap(t) : NULL;
    }
    tw_tensor *t = tw_py_from_data(a, TW_DTYPE_NONE, TW_CPU);
    return t ? tw_py_wrap(t) : NULL;
}

/* --- sparse tensors --- */

static PyObject *sparse_expected(const char *what) {
    PyErr_Format(PyExc_RuntimeError, "%s expected sparse coordinate tensor layout but got Strided", what);
    return NULL;
}
METHOD0(nnz) {
    SELF;
    (void)unused;
    if (t->layout) return PyLong_FromLongLong(tw_stored(t));
    PyErr_SetString(PyExc_NotImplementedError, "Could not run 'aten::_nnz' with arguments from the 'CPU' backend. This could be because the operator "
                    "doesn't exist for this backend.");
    return NULL;
}
METHOD0(is_coalesced) { SELF; (void)unused; return t->layout ? PyBool_FromLong(tw_sparse_of(t)->coalesced) : sparse_expected("is_coalesced"); }
METHOD0(sparse_dim) { SELF; (void)unused; return PyLong_FromLong(t->layout ? tw_sparse_dims(t) : 0); }
METHOD0(dense_dim) { SELF; (void)unused; return PyLong_FromLong(t->layout ? tw_dense_dims(t) : t->ndim); }

/* --- autograd --- */

static PyObject *requires_grad_(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"requires_grad", NULL};
    PyObject *on = Py_True;
    SELF;
    OVERRIDE("requires_grad_", args, kw);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:requires_grad_", names, &on)) return NULL;
    if (!PyBool_Check(on)) {
        PyErr_Format(PyExc_TypeError, "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not %s", Py_TYPE(on)->tp_name);
        return NULL;
    }
    if (!tw_set_requires_grad(t, on == Py_True)) return tw_py_raise();
    TW_PY_RETURN_NEW(self);
}
METHOD0(detach) { SELF; (void)unused; OVERRIDE("detach", NULL, NULL); return tw_py_wrap(tw_detach_new(t)); }
METHOD0(detach_) {
    SELF;
    (void)unused;
    if (t->flags & TW_IS_VIEW && t->autograd && t->autograd->grad_fn) {
        PyErr_SetString(PyExc_RuntimeError, "Can't detach views in-place; use detach() instead. If you are using DistributedDataParallel (DDP) "
                        "for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() "
                        "cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
                        "torch/optim/optimizer.py as the solution.");
        return NULL;
    }
    if (t->autograd && t->autograd->grad_fn) {
        tw_node *node = t->autograd->grad_fn;
        t->autograd->grad_fn = NULL;
        t->autograd->output_number = 0;
        tw_node_release(node);
    }
    t->flags &= (uint8_t)~TW_REQUIRES_GRAD;
    TW_PY_RETURN_NEW(self);
}
METHOD0(retain_grad) {
    SELF;
    (void)unused;
    OVERRIDE("retain_grad", NULL, NULL);
    if (!tw_requires_grad(t)) {
        PyErr_SetString(PyExc_RuntimeError, "can't retain_grad on Tensor that has requires_grad=False");
        return NULL;
    }
    if (tw_is_leaf(t)) Py_RETURN_NONE;
    tw_autograd *a = tw_autograd_of(t);
    if (!a) return tw_py_raise();
    return tw_py_retain_grad(t) ? (Py_INCREF(Py_None), Py_None) : NULL;
}

/* --- making others --- */

/* _make_subclass(cls, data, requires_grad=False): an alias of data as a cls. */
static PyObject *make_subclass(PyObject *unused, PyObject *args, PyObject *kw) {
    static char *names[] = {"cls", "data", "require_grad", NULL};
    PyObject *cls, *data;
    int on = 0;
    (void)unused;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "OO|p:_make_subclass", names, &cls, &data, &on)) {
        PyErr_Clear();
        names[2] = "requires_grad";
        bool ok = PyArg_ParseTupleAndKeywords(args, kw, "OO|p:_make_subclass", names, &cls, &data, &on);
        names[2] = "require_grad";
        if (!ok) return NULL;
    }
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, tw_py_base_type)) {
        PyErr_Format(PyExc_TypeError, "cls must be a type (got %s)", Py_TYPE(cls)->tp_name);
        return NULL;
    }
    if (!tw_py_is_tensor(data)) {
        PyErr_Format(PyExc_TypeError, "_make_subclass(): argument 'data' (position 2) must be Tensor, not %s", Py_TYPE(data)->tp_name);
        return NULL;
    }
    tw_tensor *t = tw_data_alias_new(tw_py_tensor_of(data));
    if (t && on && !tw_set_requires_grad(t, true)) {
        tw_release(t);
        t = NULL;
    }
    return tw_py_wrap_as((PyTypeObject *)cls, t);
}

static PyObject *as_subclass(PyObject *self, PyObject *cls) {
    SELF;
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, tw_py_base_type)) {
        PyErr_Format(PyExc_TypeError, "cls must be a type (got %s)", Py_TYPE(cls)->tp_name);
        return NULL;
    }
    tw_tensor *alias = tw_py_op1_raw(TW_OP_alias, 1, (tw_arg[]){tw_a_tensor(t)});
    return alias ? tw_py_wrap_as((PyTypeObject *)cls, alias) : NULL;
}

static PyObject *new_tensor(PyObject *self, PyObject *args, PyObject *kw) {
    static char *names[] = {"data", "dtype", "device", "requires_grad", "pin_memory", NULL};
    PyObject *data, *dtype = Py_None, *device = Py_None;
    int on = 0, pin = 0;
    tw_dtype d;
    tw_device where;
    SELF;
    OVERRIDE("new_tensor", args, kw);
    d = (tw_dtype)t->dtype;
    where = t->device;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$OOpp:new_tensor", names, &data, &dtype, &device, &on, &pin)) return NULL;
    if (dtype != Py_None && !tw_py_dtype_from(dtype, &d)) {
        PyErr_SetString(PyExc_TypeError, "new_tensor(): argument 'dtype' must be torch.dtype");
        return NULL;
    }
    if (device != Py_None && !tw_py_device_from(device, &where)) return NULL;
    tw_tensor *made = tw_py_from_data(data, d, where);
    if (!made) return NULL;
    if (on && !tw_py_require_grad(made)) {
        tw_release(made);
        return NULL;
    }
    return tw_py_wrap(made);
}

/* Tensor(2, 3), Tensor([1, 2]), Tensor(other), Tensor(storage): the old constructor, in the default dtype (or the given one). */
static PyObject *construct(PyTypeObject *type, PyObject *args, tw_dtype d, tw_device device) {
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    int64_t sizes[TW_MAX_DIMS];
    if (n == 0) {
        sizes[0] = 0;
        return tw_py_wrap_as(type, tw_empty_new(sizes, 1, d, device));
    }
    PyObject *first = PyTuple_GET_ITEM(args, 0);
    if (n == 1 && tw_py_is_tensor(first)) {
        tw_tensor *t = tw_py_tensor_of(first);
        if ((tw_dtype)t->dtype != d) {
            tw_tensor *copy = tw_py_from_data(first, d, device);
            return copy ? tw_py_wrap_as(type, copy) : NULL;
        }
        tw_tensor *alias = tw_py_op1_raw(TW_OP_alias, 1, (tw_arg[]){tw_a_tensor(t)});
        return alias ? tw_py_wrap_as(type, alias) : NULL;
    }
    if (n == 1 && PyObject_TypeCheck(first, tw_py_size_type)) {
        Py_INCREF(first);
        PyObject *r = construct(type, first, d, device);
        Py_DECREF(first);
        return r;
    }
    if (PyLong_Check(first) && !PyBool_Check(first)) {
        if (n > TW_MAX_DIMS) {
            PyErr_SetString(PyExc_ValueError, "too many dimensions");
            return NULL;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            sizes[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(args, i));
            if (sizes[i] == -1 && PyErr_Occurred()) return NULL;
            if (sizes[i] < 0) {
                PyErr_Format(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld: %s", (long long)sizes[i],
                             tw_sizes_text(sizes, i + 1));
                return NULL;
            }
        }
        return tw_py_wrap_as(type, tw_empty_new(sizes, (int)n, d, device));
    }
    if (n == 1 && (PyFloat_Check(first) || PyBool_Check(first) || PyComplex_Check(first) || !PySequence_Check(first))) {
        PyErr_Format(PyExc_TypeError, "new(): data must be a sequence (got %s)", Py_TYPE(first)->tp_name);
        return NULL;
    }
    if (n != 1) {
        PyErr_SetString(PyExc_TypeError, "new() received an invalid combination of arguments");
        return NULL;
    }
    tw_tensor *t = tw_py_from_data(first, d, device);
    return t ? tw_py_wrap_as(type, t) : NULL;
}

PyObject *tw_py_tensor_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)kw;
    if (type == tw_py_base_type) {
        PyErr_SetString(PyExc_TypeError, "Cannot create a base tensor: use torch.Tensor");
        return NULL;
    }
    return construct(type, args, tw_default_dtype(), TW_CPU);
}

/* _construct(cls, dtype, args): for FloatTensor and the like. */
static PyObject *construct_typed(PyObject *unused, PyObject *args) {
    PyObject *cls, *dtype, *rest;
    tw_dtype d;
    (void)unused;
    if (!PyArg_ParseTuple(args, "OOO!", &cls, &dtype, &PyTuple_Type, &rest)) return NULL;
    if (!tw_py_dtype_from(dtype, &d)) {
        PyErr_SetString(PyExc_TypeError, "a dtype is needed");
        return NULL;
    }
    return construct((PyTypeObject *)cls, rest, d, TW_CPU);
}

static PyObject *new_(PyObject *self, PyObject *args, PyObject *kw) {
    SELF;
    (void)kw;
    return construct(tw_py_tensor_class, args, (tw_dtype)t->dtype, t->device);
}

/* --- set_, type --- */

static PyObject *is_set_to(PyObject *self, PyObject *other) {
    SELF;
    if (!tw_py_is_tensor(other)) {
        PyErr_SetString(PyExc_TypeError, "is_set_to(): argument 'tensor' (position 1) must be Tensor");
        return NULL;
    }
    tw_tensor *o = tw_py_tensor_of(other);
    bool same = t->storage == o->storage && t->offset == o->offset && t->ndim == o->ndim;
    for (int i = 0; same && i < t->ndim; i++) same = t->sizes[i] == o->sizes[i] && t->strides[i] == o->strides[i];
    return PyBool_FromLong(same);
}


PyMethodDef tw_py_attribute_methods[] = {
    {"size", KEYWORDS(size), NULL},
    {"stride", KEYWORDS(stride), NULL},
    {"dim", dim, METH_NOARGS, NULL},
    {"ndimension", dim, METH_NOARGS, NULL},
    {"numel", numel, METH_NOARGS, NULL},
    {"nelement", numel, METH_NOARGS, NULL},
    {"storage_offset", storage_offset, METH_NOARGS, NULL},
    {"element_size", element_size, METH_NOARGS, NULL},
    {"data_ptr", data_ptr, METH_NOARGS, NULL},
    {"is_floating_point", is_floating_point, METH_NOARGS, NULL},
    {"is_complex", is_complex, METH_NOARGS, NULL},
    {"is_signed", is_signed, METH_NOARGS, NULL},
    {"is_conj", is_conj, METH_NOARGS, NULL},
    {"is_neg", is_neg, METH_NOARGS, NULL},
    {"is_inference", is_inference, METH_NOARGS, NULL},
    {"_is_view", is_view, METH_NOARGS, NULL},
    {"get_device", get_device, METH_NOARGS, NULL},
    {"is_pinned", is_pinned, METH_NOARGS, NULL},
    {"pin_memory", return_self, METH_NOARGS, NULL},
    {"is_contiguous", KEYWORDS(is_contiguous), NULL},
    {"contiguous", KEYWORDS(contiguous), NULL},
    {"item", item, METH_NOARGS, NULL},
    {"tolist", tolist, METH_NOARGS, NULL},
    {"numpy", KEYWORDS(numpy), NULL},
    {"__array__", KEYWORDS(array), NULL},
    {"__array_wrap__", array_wrap, METH_VARARGS, NULL},
    {"requires_grad_", KEYWORDS(requires_grad_), NULL},
    {"detach", detach, METH_NOARGS, NULL},
    {"detach_", detach_, METH_NOARGS, NULL},
    {"retain_grad", retain_grad, METH_NOARGS, NULL},
    {"register_hook", tw_py_register_hook, METH_O, "register_hook($self, hook, /)\n--\n\nCalls hook with the gradient when it is known."},
    {"register_post_accumulate_grad_hook", tw_py_register_post_hook, METH_O,
     "register_post_accumulate_grad_hook($self, hook, /)\n--\n\nCalls hook with the leaf after its grad has changed."},
    {"_nnz", nnz, METH_NOARGS, NULL},
    {"is_coalesced", is_coalesced, METH_NOARGS, NULL},
    {"sparse_dim", sparse_dim, METH_NOARGS, NULL},
    {"dense_dim", dense_dim, METH_NOARGS, NULL},
    {"_dimI", sparse_dim, METH_NOARGS, NULL},
    {"_dimV", dense_dim, METH_NOARGS, NULL},
    {"_make_subclass", KEYWORDS(make_subclass) | METH_STATIC, NULL},
    {"_construct", construct_typed, METH_VARARGS | METH_STATIC, NULL},
    {"as_subclass", as_subclass, METH_O, NULL},
    {"new_tensor", KEYWORDS(new_tensor), NULL},
    {"new", KEYWORDS(new_), NULL},
    {"is_set_to", is_set_to, METH_O, NULL},
    {"untyped_storage", tw_py_untyped_storage, METH_NOARGS, NULL},
    {"set_", KEYWORDS(tw_py_set_storage), NULL},
    {"to", KEYWORDS(tw_py_to), NULL},
    {"type", KEYWORDS(tw_py_type_method), NULL},
    {"cpu", KEYWORDS(tw_py_cpu), NULL},
    {"cuda", KEYWORDS(tw_py_cuda), NULL},
    {"type_as", tw_py_type_as, METH_O, NULL},
#define CAST(name) {#name, KEYWORDS(tw_py_cast_##name), NULL},
    TW_PY_CASTS(CAST)
#undef CAST
    {NULL, NULL, 0, NULL},
};
