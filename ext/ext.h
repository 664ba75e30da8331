/* What the files of the extension share: the Python types, wrapping, conversion of errors. All names start with tw_py_. */
#ifndef TW_EXT_EXT_H
#define TW_EXT_EXT_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include "autograd/autograd.h"
#include "core/refs.h"
#include "core/sparse.h"
#include "ext/binding.h"

/* Note [Ownership of wrappers]
 * A wrapper owns one reference to its tensor, and the tensor's pyobj points back without owning. When Python drops a wrapper that
 * carries state (a __dict__, a subclass, weak references) while C still holds the tensor, ownership flips: the tensor owns the
 * wrapper (tensor_owns is set), until Python asks for it again (tw_py_wrap) or the tensor dies (tw_tensor_pyobj_free). */
typedef struct tw_py_tensor {
    PyObject_HEAD
    tw_tensor *t;        /* never NULL once made */
    PyObject *dict;
    PyObject *weak;
    PyObject *hooks;     /* what register_hook was given, so that the collector sees cycles through hooks; NULL if none */
    bool tensor_owns;
} tw_py_tensor;

extern PyTypeObject *tw_py_base_type;    /* _C.TensorBase */
extern PyTypeObject *tw_py_tensor_class; /* tallow.Tensor: what plain results are */

static inline bool tw_py_is_tensor(PyObject *o) {
    return Py_TYPE(o) == tw_py_tensor_class || PyObject_TypeCheck(o, tw_py_base_type);
}
static inline tw_tensor *tw_py_tensor_of(PyObject *o) { return ((tw_py_tensor *)o)->t; }

/* Wraps an owned reference (consumed); NULL with a Python error when t is NULL (the pending error) or on failure. */
PyObject *tw_py_wrap(tw_tensor *t);
/* As tw_py_wrap for a new tensor that has no wrapper, as an instance of `type`. */
PyObject *tw_py_wrap_as(PyTypeObject *type, tw_tensor *t);
/* Wraps a borrowed tensor; None for NULL. */
PyObject *tw_py_wrap_borrowed(tw_tensor *t);

/* Turns the pending tallow error into a Python exception; returns NULL. */
PyObject *tw_py_raise(void);
extern PyObject *tw_py_linalg_error;

/* --- values (dtype.c) --- */
typedef struct tw_py_dtype { PyObject_HEAD int value; } tw_py_dtype;       /* layout and memory_format share the struct */
/* index: -1 if none was given. Tensors are on "cpu" and "meta" without one, so for these it is the object's alone. */
typedef struct tw_py_device { PyObject_HEAD tw_device device; int index; } tw_py_device;
extern PyTypeObject *tw_py_dtype_type, *tw_py_layout_type, *tw_py_format_type, *tw_py_device_type, *tw_py_size_type;
PyObject *tw_py_dtype_object(tw_dtype d);          /* new reference */
PyObject *tw_py_layout_object(int layout);
PyObject *tw_py_device_object(tw_device d);
PyObject *tw_py_size(const int64_t *sizes, int64_t n); /* a new Size */
bool tw_py_dtype_from(PyObject *o, tw_dtype *into);    /* dtype, or one of the types float, int, bool, complex */
bool tw_py_device_from(PyObject *o, tw_device *into);  /* device, str, int; false without an error if it is something else */
PyObject *tw_py_int_tuple(const int64_t *values, int64_t n);

/* --- generators (generator.c) --- */
typedef struct tw_py_generator { PyObject_HEAD tw_generator *g; } tw_py_generator;
extern PyTypeObject *tw_py_generator_type;

/* --- numbers (convert.c) --- */
bool tw_py_is_numpy_scalar(PyObject *o, char kind);    /* kind: 'b' bool, 'i' integer, 'f' floating, 'c' complex, '*' any */
int tw_py_scalar_from(PyObject *o, tw_scalar *into);   /* 1 a number, 0 something else, -1 an error is set */
PyObject *tw_py_scalar_object(tw_scalar s);
PyObject *tw_py_item(tw_tensor *t);
PyObject *tw_py_tolist(tw_tensor *t);
/* torch.tensor(data): a new tensor that shares nothing with data. dtype NONE infers it. */
tw_tensor *tw_py_from_data(PyObject *data, tw_dtype dtype, tw_device device);
tw_tensor *tw_py_from_data_like(PyObject *data, tw_dtype dtype, tw_device device, bool copy); /* as_tensor: shares when it can */
bool tw_py_require_grad(tw_tensor *made);              /* of a new tensor; false with a Python error */

/* --- arrays (numpy.c) --- */
tw_tensor *tw_py_from_array(PyObject *array, bool warn); /* shares memory; NULL with a Python error */
bool tw_py_is_ndarray(PyObject *o);
PyObject *tw_py_to_numpy(tw_tensor *t, PyObject *owner);
PyObject *tw_py_numpy_module(void);                      /* borrowed; imports NumPy */

/* Gives Python's lock up for long work, and takes it again. Note [Counts without atomics] in core/refs.h. */
static inline PyThreadState *tw_py_unlock(void) {
    tw_share();
    return PyEval_SaveThread();
}
static inline void tw_py_lock(PyThreadState *state) {
    PyEval_RestoreThread(state);
    tw_unshare();
}

/* --- calls (call.c) --- */
PyObject *tw_py_callable_find(const char *space, const char *name); /* borrowed; NULL without an error if there is none */
PyObject *tw_py_call_op(const char *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames); /* Tensor method, else function */
/* tw_call with the GIL released when the work is large. False: a tallow error is pending. */
bool tw_py_run(const tw_op *op, const tw_arg *args, tw_tensor **outs);
bool tw_py_run_inplace(const tw_op *op, const tw_arg *args);
bool tw_py_make_callables(PyObject *module);
PyObject *tw_py_outs(const tw_op *op, tw_tensor **outs);            /* owned results to a Python value */
/* One-result call of an op by its TW_OP_ id, with its first n arguments; wrapped. */
PyObject *tw_py_op1(int op_id, int n, const tw_arg *args);
tw_tensor *tw_py_op1_raw(int op_id, int n, const tw_arg *args); /* the same, owned tensor; NULL with a Python error */

/* --- torch function (function.c) --- */
/* Whether o (of any type) overrides: its type has __torch_function__ that is neither disabled nor missing. */
bool tw_py_overrides(PyObject *o);
extern bool tw_py_modes_on;
static inline bool tw_py_function_mode_on(void) { return tw_py_modes_on; }
/* Calls the overrides of the arguments; NULL with *handled false if there are none. func is what users see. */
PyObject *tw_py_dispatch(PyObject *func, PyObject *const *args, Py_ssize_t n, PyObject *kwnames, bool *handled);
bool tw_py_search_overrides(PyObject *const *args, Py_ssize_t total);
/* What most arguments are: types that override nothing and hold nothing that could. */
static inline bool tw_py_plain(PyTypeObject *t) {
    return t == tw_py_tensor_class || t == &PyLong_Type || t == &PyFloat_Type || t == &PyBool_Type;
}
/* Whether a mode is on or an argument (an item of a list or tuple too) overrides. */
static inline bool tw_py_any_overrides(PyObject *const *args, Py_ssize_t total) {
    if (tw_py_modes_on) return true;
    Py_ssize_t i = 0;
    while (i < total && tw_py_plain(Py_TYPE(args[i]))) i++;
    return i < total && tw_py_search_overrides(args + i, total - i);
}
bool tw_py_make_function(PyObject *module);
extern bool tw_py_subclass_disabled;

/* --- indexing (index.c) --- */
PyObject *tw_py_getitem(PyObject *self, PyObject *index);
int tw_py_setitem(PyObject *self, PyObject *index, PyObject *value);

/* --- autograd (autograd_py.c) --- */
PyObject *tw_py_node(tw_node *n); /* the wrapper of a node; None for NULL */
bool tw_py_add_hook(tw_py_tensor *self, PyObject *callable, bool post_accumulate, int64_t *id);

/* --- storage (storage.c) --- */
PyObject *tw_py_storage(tw_storage *s); /* borrowed storage to its UntypedStorage */

/* Each adds its types and functions to the module. */
bool tw_py_init_tensor(PyObject *m);
bool tw_py_init_dtype(PyObject *m);
bool tw_py_init_generator(PyObject *m);
bool tw_py_init_convert(PyObject *m);
bool tw_py_init_numpy(PyObject *m);
bool tw_py_init_autograd(PyObject *m);
bool tw_py_init_storage(PyObject *m);
extern PyMethodDef tw_py_attribute_methods[];  /* attributes.c */
extern PyGetSetDef tw_py_attributes[];

static inline bool tw_py_add_type(PyObject *m, const char *name, PyTypeObject *t) {
    Py_INCREF(t);
    if (PyModule_AddObject(m, name, (PyObject *)t) == 0) return true;
    Py_DECREF(t);
    return false;
}
#define TW_PY_RETURN_NEW(x) do { PyObject *tw_o_ = (PyObject *)(x); Py_INCREF(tw_o_); return tw_o_; } while (0)
#endif
