/* Attributes of a tensor. Methods that are no ops are in methods.c. */
#include "ext/ext.h"
#include "ops/linalg.h"
#include "ext/number.h"
#include "op_ids.h"

/* One attribute: overrides of __torch_function__ see Tensor.NAME.__get__. */
typedef struct attribute {
    const char *name;
    PyObject *(*get)(PyObject *self, tw_tensor *t);
    int (*set)(PyObject *self, tw_tensor *t, PyObject *value);
} attribute;

static PyObject *ask_override(PyObject *self, const attribute *a, PyObject *value, bool *handled) {
    PyObject *descriptor = PyDict_GetItemString(tw_py_base_type->tp_dict, a->name);
    PyObject *access = descriptor ? PyObject_GetAttrString(descriptor, value ? "__set__" : "__get__") : NULL;
    PyObject *args[2] = {self, value};
    PyObject *r = access ? tw_py_dispatch(access, args, value ? 2 : 1, NULL, handled) : NULL;
    Py_XDECREF(access);
    return r;
}

static PyObject *get_attribute(PyObject *self, void *closure) {
    const attribute *a = closure;
    if ((Py_TYPE(self) != tw_py_tensor_class || tw_py_function_mode_on()) && tw_py_any_overrides(&self, 1)) {
        bool handled = false;
        PyObject *r = ask_override(self, a, NULL, &handled);
        if (handled) return r;
    }
    return a->get(self, tw_py_tensor_of(self));
}

static int set_attribute(PyObject *self, PyObject *value, void *closure) {
    const attribute *a = closure;
    return a->set(self, tw_py_tensor_of(self), value);
}

#define GET(name) static PyObject *get_##name(PyObject *self, tw_tensor *t)
#define UNUSED (void)self, (void)t

GET(shape) { UNUSED; return tw_py_size(t->sizes, t->ndim); }
GET(dtype) { UNUSED; return tw_py_dtype_object((tw_dtype)t->dtype); }
GET(device) { UNUSED; return tw_py_device_object(t->device); }
GET(layout) { UNUSED; return tw_py_layout_object(t->layout); }
GET(ndim) { UNUSED; return PyLong_FromLong(t->ndim); }
GET(itemsize) { UNUSED; return PyLong_FromSize_t(tw_dtype_size((tw_dtype)t->dtype)); }
GET(nbytes) {
    UNUSED;
    if (t->layout) {
        PyErr_SetString(PyExc_RuntimeError, "nbytes is not defined for sparse tensors.  If you want the size of the constituent tensors, add the "
                        "nbytes of the indices and values.  If you want the size of the  equivalent dense tensor, multiply numel() by "
                        "element_size()");
        return NULL;
    }
    return PyLong_FromLongLong((long long)t->numel * (long long)tw_dtype_size((tw_dtype)t->dtype));
}
GET(is_sparse) { UNUSED; return PyBool_FromLong(t->layout == TW_SPARSE_COO); }
GET(requires_grad) { UNUSED; return PyBool_FromLong(tw_requires_grad(t)); }
GET(is_leaf) { UNUSED; return PyBool_FromLong(tw_is_leaf(t)); }
GET(is_cpu) { UNUSED; return PyBool_FromLong(t->device == TW_CPU); }
GET(is_meta) { UNUSED; return PyBool_FromLong(t->device == TW_META); }
GET(false) { UNUSED; Py_RETURN_FALSE; }
GET(version) {
    UNUSED;
    if (t->flags & TW_INFERENCE) {
        PyErr_SetString(PyExc_RuntimeError, "Inference tensors do not track version counter.");
        return NULL;
    }
    return PyLong_FromUnsignedLong(tw_version_of(t));
}
GET(grad) { UNUSED; return tw_py_wrap_borrowed(t->autograd ? t->autograd->grad : NULL); }
GET(warned_grad) {
    if (!tw_is_leaf(t) && !(t->autograd && t->autograd->retains_grad) && !(t->autograd && t->autograd->grad) &&
        PyErr_WarnEx(PyExc_UserWarning, "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                     "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
                     "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access "
                     "the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations.", 1) < 0)
        return NULL;
    return get_grad(self, t);
}
GET(grad_fn) {
    UNUSED;
    tw_node *node = tw_grad_fn_of(t);
    if (tw_error()) return tw_py_raise();
    return tw_py_node(node);
}
GET(output_nr) { UNUSED; return PyLong_FromLong(t->autograd ? (long)t->autograd->output_number : 0); }
GET(base) { UNUSED; return tw_py_wrap_borrowed(t->flags & TW_IS_VIEW ? t->base : NULL); }
GET(retains_grad) { UNUSED; return PyBool_FromLong(t->autograd && t->autograd->retains_grad); }
GET(data) { UNUSED; return tw_py_wrap(tw_data_alias_new(t)); }
GET(name) {
    UNUSED;
    if (!t->autograd || !t->autograd->name) Py_RETURN_NONE;
    return PyUnicode_FromString(t->autograd->name);
}
GET(real) {
    UNUSED;
    if (!tw_is_complex((tw_dtype)t->dtype)) TW_PY_RETURN_NEW(self);
    return tw_py_op1(TW_OP_real, 1, (tw_arg[]){tw_a_tensor(t)});
}
GET(imag) {
    UNUSED;
    if (!tw_is_complex((tw_dtype)t->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "imag is not implemented for tensors with non-complex dtypes.");
        return NULL;
    }
    return tw_py_op1(TW_OP_imag, 1, (tw_arg[]){tw_a_tensor(t)});
}
static PyObject *swap_last(tw_tensor *t, bool conj) {
    tw_tensor *r = tw_py_op1_raw(TW_OP_transpose_int, 3, (tw_arg[]){tw_a_tensor(t), tw_a_int(-2), tw_a_int(-1)});
    if (!r) return NULL;
    if (!conj || !tw_is_complex((tw_dtype)t->dtype)) return tw_py_wrap(r);
    PyObject *o = tw_py_op1(TW_OP__conj, 1, (tw_arg[]){tw_a_tensor(r)});
    tw_release(r);
    return o;
}
static PyObject *reversed(tw_tensor *t) {
    int64_t dims[TW_MAX_DIMS];
    for (int i = 0; i < t->ndim; i++) dims[i] = t->ndim - 1 - i;
    return tw_py_op1(TW_OP_permute, 2, (tw_arg[]){tw_a_tensor(t), tw_a_ints(dims, t->ndim)});
}
GET(T) {
    UNUSED;
    if (t->ndim != 2 && t->ndim != 0 &&
        PyErr_WarnFormat(PyExc_UserWarning, 1, "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and "
                         "it will throw an error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute("
                         "*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.") < 0)
        return NULL;
    return reversed(t);
}
GET(H) {
    UNUSED;
    if (t->ndim != 2 && t->ndim != 0) {
        PyErr_Format(PyExc_RuntimeError, "tensor.H is only supported on matrices (2-D tensors). Got %d-D tensor. For batches of matrices, "
                     "consider using tensor.mH", (int)t->ndim);
        return NULL;
    }
    return t->ndim == 0 ? tw_py_wrap_borrowed(t) : swap_last(t, true);
}
GET(mT) {
    UNUSED;
    if (t->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "tensor.mT is only supported on matrices or batches of matrices. Got %d-D tensor.", (int)t->ndim);
        return NULL;
    }
    return swap_last(t, false);
}
GET(mH) {
    UNUSED;
    if (t->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "tensor.mH is only supported on matrices or batches of matrices. Got %d-D tensor.", (int)t->ndim);
        return NULL;
    }
    return swap_last(t, true);
}
GET(priority) { UNUSED; return PyLong_FromLong(1000); }

/* --- setters --- */

static int set_requires_grad(PyObject *self, tw_tensor *t, PyObject *value) {
    (void)self;
    if (!value || !PyBool_Check(value)) {
        PyErr_SetString(PyExc_RuntimeError, "requires_grad must be a bool");
        return -1;
    }
    if (tw_set_requires_grad(t, value == Py_True)) return 0;
    tw_py_raise();
    return -1;
}

static int set_grad(PyObject *self, tw_tensor *t, PyObject *value) {
    tw_tensor *g = NULL;
    if (value && value != Py_None) {
        if (!tw_py_is_tensor(value)) {
            PyErr_Format(PyExc_TypeError, "assigned grad expected to be a Tensor or None but got grad of type %s", Py_TYPE(value)->tp_name);
            return -1;
        }
        if (value == self) {
            PyErr_SetString(PyExc_RuntimeError, "can't assign Variable as its own grad");
            return -1;
        }
        g = tw_py_tensor_of(value);
        bool same = g->ndim == t->ndim;
        for (int i = 0; same && i < t->ndim; i++) same = g->sizes[i] == t->sizes[i];
        if (g->dtype != t->dtype) {
            PyErr_Format(PyExc_RuntimeError, "attempting to assign a gradient with dtype '%s' to a tensor with grad_dtype '%s'. The gradient "
                         "must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute "
                         "with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor "
                         "and its gradient may break downstream systems that assume they match.", tw_cpp_name((tw_dtype)g->dtype),
                         tw_dtypes[t->dtype].type_name);
            return -1;
        }
        if (g->device != t->device) {
            PyErr_Format(PyExc_RuntimeError, "assigned grad has data located on a different device");
            return -1;
        }
        if (!same) {
            PyErr_Format(PyExc_RuntimeError, "assigned grad has data of a different size");
            return -1;
        }
    }
    if (!g && !t->autograd) return 0;
    tw_autograd *a = tw_autograd_of(t);
    if (!a) {
        tw_py_raise();
        return -1;
    }
    tw_tensor *old = a->grad;
    a->grad = tw_retain(g);
    tw_release(old);
    return 0;
}

/* x.data = y: x takes y's storage and geometry, keeps its autograd data, its version counter and its identity. */
static int set_data(PyObject *self, tw_tensor *t, PyObject *value) {
    (void)self;
    if (!value || !tw_py_is_tensor(value)) {
        PyErr_Format(PyExc_TypeError, "Variable data has to be a tensor, but got %s", value ? Py_TYPE(value)->tp_name : "NULL");
        return -1;
    }
    tw_tensor *from = tw_py_tensor_of(value);
    if (from == t) return 0;
    if (tw_requires_grad(t) && !tw_is_float((tw_dtype)from->dtype) && !tw_is_complex((tw_dtype)from->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "data set to a tensor that requires gradients must be floating point or complex dtype");
        return -1;
    }
    if (t->layout != from->layout) {
        PyErr_SetString(PyExc_RuntimeError, "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor "
                        "type.");
        return -1;
    }
    tw_storage *old = t->storage;
    tw_storage_retain(from->storage);
    t->storage = from->storage;
    int8_t dtype = t->dtype;
    t->dtype = from->dtype;
    t->device = from->device;
    if (!tw_set_geometry(t, from->sizes, from->strides, from->ndim, from->offset)) {
        t->dtype = dtype;
        t->storage = old;
        tw_storage_release(from->storage);
        tw_py_raise();
        return -1;
    }
    t->flags = (uint8_t)((t->flags & ~(TW_CONJ | TW_NEG)) | (from->flags & (TW_CONJ | TW_NEG)));
    if (t->layout) t->flags &= (uint8_t)~TW_CONTIGUOUS;
    tw_storage_release(old);
    return 0;
}

static int set_part(tw_tensor *t, int part, PyObject *value) {
    PyObject *view = tw_py_op1(part, 1, (tw_arg[]){tw_a_tensor(t)});
    int r = view ? tw_py_setitem(view, Py_Ellipsis, value) : -1;
    Py_XDECREF(view);
    return r;
}
static int set_real(PyObject *self, tw_tensor *t, PyObject *value) {
    if (!tw_is_complex((tw_dtype)t->dtype)) return tw_py_setitem(self, Py_Ellipsis, value);
    return set_part(t, TW_OP_real, value);
}
static int set_imag(PyObject *self, tw_tensor *t, PyObject *value) {
    (void)self;
    if (tw_is_complex((tw_dtype)t->dtype)) return set_part(t, TW_OP_imag, value);
    PyErr_SetString(PyExc_RuntimeError, "imag is not implemented for tensors with non-complex dtypes.");
    return -1;
}

#define ATTRIBUTES(X) \
    X(shape, "shape", get_shape, NULL) X(dtype, "dtype", get_dtype, NULL) X(device, "device", get_device, NULL) \
    X(layout, "layout", get_layout, NULL) X(ndim, "ndim", get_ndim, NULL) X(itemsize, "itemsize", get_itemsize, NULL) \
    X(nbytes, "nbytes", get_nbytes, NULL) X(requires_grad, "requires_grad", get_requires_grad, set_requires_grad) \
    X(is_leaf, "is_leaf", get_is_leaf, NULL) X(is_cpu, "is_cpu", get_is_cpu, NULL) X(is_meta, "is_meta", get_is_meta, NULL) \
    X(is_cuda, "is_cuda", get_false, NULL) X(is_sparse, "is_sparse", get_is_sparse, NULL) X(is_mps, "is_mps", get_false, NULL) \
    X(is_xpu, "is_xpu", get_false, NULL) X(is_xla, "is_xla", get_false, NULL) X(is_quantized, "is_quantized", get_false, NULL) \
    X(is_sparse_csr, "is_sparse_csr", get_false, NULL) X(is_mkldnn, "is_mkldnn", get_false, NULL) \
    X(is_nested, "is_nested", get_false, NULL) X(is_vulkan, "is_vulkan", get_false, NULL) X(is_ort, "is_ort", get_false, NULL) \
    X(is_hpu, "is_hpu", get_false, NULL) X(is_ipu, "is_ipu", get_false, NULL) X(is_mtia, "is_mtia", get_false, NULL) \
    X(is_maia, "is_maia", get_false, NULL) X(version, "_version", get_version, NULL) X(grad, "grad", get_warned_grad, set_grad) \
    X(grad_plain, "_grad", get_grad, set_grad) X(grad_fn, "grad_fn", get_grad_fn, NULL) \
    X(output_nr, "output_nr", get_output_nr, NULL) X(base, "_base", get_base, NULL) \
    X(retains_grad, "retains_grad", get_retains_grad, NULL) X(data, "data", get_data, set_data) X(name, "name", get_name, NULL) \
    X(real, "real", get_real, set_real) X(imag, "imag", get_imag, set_imag) X(T, "T", get_T, NULL) X(H, "H", get_H, NULL) \
    X(mT, "mT", get_mT, NULL) X(mH, "mH", get_mH, NULL) X(priority, "__array_priority__", get_priority, NULL)

#define DEFINE(id, text, getter, setter) static attribute attribute_##id = {text, getter, setter};
ATTRIBUTES(DEFINE)
#define ROW(id, text, getter, setter) {text, get_attribute, NULL, NULL, &attribute_##id},
PyGetSetDef tw_py_attributes[] = {ATTRIBUTES(ROW){NULL, NULL, NULL, NULL, NULL}};

/* Setters only where there is one: del and assignment of the others raise AttributeError. */
void tw_py_finish_attributes(void) {
    for (PyGetSetDef *g = tw_py_attributes; g->name; g++)
        if (((const attribute *)g->closure)->set) g->set = set_attribute;
}
