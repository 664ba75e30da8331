/* The slots of the tensor type, for tensor.c. */
#ifndef TW_EXT_NUMBER_H
#define TW_EXT_NUMBER_H
#include "ext/ext.h"
extern PyNumberMethods tw_py_number;
extern PyMappingMethods tw_py_mapping;
extern PySequenceMethods tw_py_sequence;
PyObject *tw_py_compare(PyObject *a, PyObject *b, int op);
PyObject *tw_py_iter(PyObject *self);
PyObject *tw_py_tensor_new(PyTypeObject *type, PyObject *args, PyObject *kw);
PyObject *tw_py_tensor_repr(PyObject *self);
Py_hash_t tw_py_tensor_hash(PyObject *self);
bool tw_py_init_reflected(void);                   /* number.c: __rsub__ and the like as methods, once the base type is ready */
void tw_py_inherit_operators(PyTypeObject *type); /* a subclass's operators go straight to C unless it has some of its own */
void tw_py_finish_attributes(void); /* attributes.c: before the type is made ready */

/* Methods of TensorBase that live in other files: cast.c, storage.c, hooks.c. */
#define TW_PY_METHOD(name) PyObject *name(PyObject *self, PyObject *args, PyObject *kw)
#define TW_PY_CASTS(X) X(float) X(double) X(half) X(bfloat16) X(int) X(long) X(short) X(char) X(byte) X(bool) X(cfloat) X(cdouble) X(chalf)
#define TW_PY_DECLARE_CAST(name) TW_PY_METHOD(tw_py_cast_##name);
TW_PY_CASTS(TW_PY_DECLARE_CAST)
TW_PY_METHOD(tw_py_to);
TW_PY_METHOD(tw_py_type_method);
TW_PY_METHOD(tw_py_cpu);
TW_PY_METHOD(tw_py_cuda);
TW_PY_METHOD(tw_py_set_storage);
PyObject *tw_py_type_as(PyObject *self, PyObject *other);
PyObject *tw_py_untyped_storage(PyObject *self, PyObject *unused);
PyObject *tw_py_register_hook(PyObject *self, PyObject *hook);
PyObject *tw_py_register_post_hook(PyObject *self, PyObject *hook);
bool tw_py_retain_grad(tw_tensor *t);
bool tw_py_init_inplace(PyObject *m); /* inplace.c */
#endif
