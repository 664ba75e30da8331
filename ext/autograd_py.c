/* Modes, backward, forward mode and batching for Python. */
#include "ext/hooks.h"
#include "autograd/profile.h"
#include "autograd/vmap.h"
#include "autograd/jvp.h"
#include "core/memory.h"
#include "op_ids.h"

/* --- modes --- */

static PyObject *bit(unsigned mask, bool inverted) { return PyBool_FromLong(((tw_mode & mask) != 0) != inverted); }

static bool set_bit(PyObject *on, unsigned mask, bool inverted) {
    int v = PyObject_IsTrue(on);
    if (v < 0) return false;
    if ((v == 1) != inverted) tw_mode |= mask;
    else tw_mode &= ~mask;
    return true;
}

static PyObject *set_profiling(PyObject *m, PyObject *on) {
    (void)m;
    const int yes = PyObject_IsTrue(on);
    if (yes < 0) return NULL;
    tw_mode = yes ? tw_mode | TW_MODE_PROFILE : tw_mode & ~(unsigned)TW_MODE_PROFILE;
    Py_RETURN_NONE;
}
/* _profiled(): what was noted since the last time, a list of (name, start, end) in nanoseconds. */
static PyObject *profiled(PyObject *m, PyObject *u) {
    int64_t n;
    (void)m, (void)u;
    tw_event *events = tw_profile_take(&n);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (int64_t i = 0; list && i < n; i++) {
        char name[128];
        PyOS_snprintf(name, sizeof name, "aten::%s%s", events[i].op->base, events[i].inplace ? "_" : "");
        PyObject *one = Py_BuildValue("sLL", name, (long long)events[i].start, (long long)events[i].end);
        if (!one) Py_CLEAR(list);
        else PyList_SET_ITEM(list, (Py_ssize_t)i, one);
    }
    tw_free(events);
    return list;
}
/* _autocast(): (whether it is on, its dtype). */
static PyObject *autocast(PyObject *m, PyObject *u) {
    (void)m, (void)u;
    return Py_BuildValue("NN", PyBool_FromLong((tw_mode & TW_MODE_AUTOCAST) != 0), tw_py_dtype_object((tw_dtype)tw_autocast_dtype));
}
/* _set_autocast(on, dtype) */
static PyObject *set_autocast(PyObject *m, PyObject *args) {
    int on;
    PyObject *given;
    tw_dtype dtype;
    (void)m;
    if (!PyArg_ParseTuple(args, "pO", &on, &given) || !tw_py_dtype_from(given, &dtype)) return NULL;
    if (dtype != TW_BFLOAT16 && dtype != TW_FLOAT16) {
        PyErr_SetString(PyExc_RuntimeError, "autocast is to torch.bfloat16 or torch.float16");
        return NULL;
    }
    tw_autocast_dtype = (unsigned char)dtype;
    tw_mode = on ? tw_mode | TW_MODE_AUTOCAST : tw_mode & ~(unsigned)TW_MODE_AUTOCAST;
    Py_RETURN_NONE;
}
static PyObject *is_grad_enabled(PyObject *m, PyObject *u) { (void)m, (void)u; return bit(TW_MODE_NO_GRAD, true); }
static PyObject *set_grad_enabled(PyObject *m, PyObject *on) {
    (void)m;
    if (!PyBool_Check(on)) {
        PyErr_Format(PyExc_TypeError, "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not %s", Py_TYPE(on)->tp_name);
        return NULL;
    }
    return set_bit(on, TW_MODE_NO_GRAD, true) ? (Py_INCREF(Py_None), Py_None) : NULL;
}
static PyObject *is_inference(PyObject *m, PyObject *u) { (void)m, (void)u; return bit(TW_MODE_INFERENCE, false); }
/* Inference mode has grad mode off too; the package restores that on exit. */
static PyObject *set_inference(PyObject *m, PyObject *on) {
    (void)m;
    if (!set_bit(on, TW_MODE_INFERENCE, false)) return NULL;
    if (tw_mode & TW_MODE_INFERENCE) tw_mode |= TW_MODE_NO_GRAD;
    Py_RETURN_NONE;
}
static PyObject *set_anomaly(PyObject *m, PyObject *args) {
    int on, check = 1;
    (void)m;
    if (!PyArg_ParseTuple(args, "p|p:_set_anomaly", &on, &check)) return NULL;
    if (on) tw_mode |= TW_MODE_ANOMALY;
    else tw_mode &= ~(unsigned)TW_MODE_ANOMALY;
    tw_anomaly_check_nan = check;
    Py_RETURN_NONE;
}
static PyObject *is_anomaly(PyObject *m, PyObject *u) { (void)m, (void)u; return bit(TW_MODE_ANOMALY, false); }
static PyObject *is_anomaly_check(PyObject *m, PyObject *u) { (void)m, (void)u; return PyBool_FromLong(tw_anomaly_check_nan); }

/* Anomaly mode: the Python stack at the time of the forward call. */
static char *python_trace(void) {
    char *kept = NULL;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyObject *m = PyImport_ImportModule("traceback"), *lines = m ? PyObject_CallMethod(m, "format_stack", NULL) : NULL;
    PyObject *empty = PyUnicode_FromString(""), *text = lines && empty ? PyUnicode_Join(empty, lines) : NULL;
    const char *s = text ? PyUnicode_AsUTF8(text) : NULL;
    if (s) kept = tw_strdup(s);
    Py_XDECREF(m);
    Py_XDECREF(lines);
    Py_XDECREF(empty);
    Py_XDECREF(text);
    PyErr_Restore(kind, value, trace);
    PyGILState_Release(gil);
    return kept;
}

/* --- backward --- */

/* An array of borrowed tensors from a tuple; entries may be None where allowed. */
static tw_tensor **array_of(PyObject *tuple, bool none_allowed, const char *what) {
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    tw_tensor **ts = PyMem_Calloc((size_t)n + 1, sizeof *ts);
    if (!ts) return (void *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(tuple, i);
        if (tw_py_is_tensor(o)) {
            ts[i] = tw_py_tensor_of(o);
        } else if (o != Py_None || !none_allowed) {
            PyErr_Format(PyExc_TypeError, "element %zd of %s tuple is not a Tensor", i, what);
            PyMem_Free(ts);
            return NULL;
        }
    }
    return ts;
}

static PyObject *run_backward(PyObject *m, PyObject *args) {
    PyObject *roots, *grads, *inputs, *result = NULL;
    int retain, create, unused, accumulate;
    (void)m;
    if (!PyArg_ParseTuple(args, "O!O!ppO!pp:_run_backward", &PyTuple_Type, &roots, &PyTuple_Type, &grads, &retain, &create, &PyTuple_Type,
                          &inputs, &unused, &accumulate))
        return NULL;
    Py_ssize_t nroots = PyTuple_GET_SIZE(roots), ninputs = PyTuple_GET_SIZE(inputs);
    tw_tensor **r = array_of(roots, false, "tensors"), **g = r ? array_of(grads, true, "gradients") : NULL;
    tw_tensor **in = g ? array_of(inputs, false, "inputs") : NULL, **out = in ? PyMem_Calloc((size_t)ninputs + 1, sizeof *out) : NULL;
    if (!out) goto done;
    PyThreadState *state = NULL;
    int64_t size = 0;
    for (Py_ssize_t i = 0; i < nroots; i++) size += r[i]->numel;
    if (size > 1 << 16) state = tw_py_unlock();
    bool ok = tw_backward_run(r, g, (int)nroots, retain, create, ninputs ? in : NULL, (int)ninputs, unused, accumulate, out);
    if (state) tw_py_lock(state);
    if (!ok) {
        tw_py_raise();
        goto done;
    }
    if (accumulate || ninputs == 0) {
        result = PyTuple_New(0);
        goto done;
    }
    result = PyTuple_New(ninputs);
    for (Py_ssize_t i = 0; i < ninputs; i++) {
        PyObject *o = Py_None;
        if (out[i]) o = tw_py_wrap(out[i]);
        else Py_INCREF(o);
        out[i] = NULL;
        if (result && o) PyTuple_SET_ITEM(result, i, o);
        else Py_CLEAR(result);
    }
done:
    PyMem_Free(r);
    PyMem_Free(g);
    PyMem_Free(in);
    PyMem_Free(out);
    return result;
}

/* --- forward mode --- */

/* _enter_dual_level(nested=False): torch.func opens levels inside others, torch.autograd.forward_ad does not. */
static PyObject *enter_dual(PyObject *m, PyObject *args) {
    int nested = 0, level;
    (void)m;
    if (!PyArg_ParseTuple(args, "|p:_enter_dual_level", &nested)) return NULL;
    if (!nested && tw_dual_levels() > 0) {
        PyErr_SetString(PyExc_RuntimeError, "Nested forward mode AD is not supported at the moment");
        return NULL;
    }
    level = tw_dual_enter();
    return level < 0 ? tw_py_raise() : PyLong_FromLong(level);
}
static PyObject *exit_dual(PyObject *m, PyObject *level) {
    (void)m, (void)level;
    tw_dual_exit();
    Py_RETURN_NONE;
}
static PyObject *make_dual(PyObject *m, PyObject *args) {
    PyObject *primal, *tangent;
    int level = 0;
    (void)m;
    if (!PyArg_ParseTuple(args, "O!O!|i:_make_dual", tw_py_base_type, &primal, tw_py_base_type, &tangent, &level)) return NULL;
    return tw_py_wrap(tw_make_dual(tw_py_tensor_of(primal), tw_py_tensor_of(tangent), level));
}
/* The value without its tangent (a view of it), and the tangent or None. */
static PyObject *unpack_dual(PyObject *m, PyObject *args) {
    PyObject *o;
    int level = 0;
    (void)m;
    if (!PyArg_ParseTuple(args, "O!|i:_unpack_dual", tw_py_base_type, &o, &level)) return NULL;
    tw_tensor *t = tw_py_tensor_of(o), *tangent = tw_tangent_of(t, level);
    if (!tangent) return Py_BuildValue("OO", o, Py_None);
    PyObject *primal = tw_py_wrap(tw_primal_of(t, level)), *tangent_object = primal ? tw_py_wrap_borrowed(tangent) : NULL;
    return primal && tangent_object ? Py_BuildValue("NN", primal, tangent_object) : NULL;
}

/* As detach(), which drops tangents, but with them. */
static PyObject *detach_dual(PyObject *m, PyObject *o) {
    (void)m;
    if (!tw_py_is_tensor(o)) {
        PyErr_SetString(PyExc_TypeError, "_detach_dual(): expected a tensor");
        return NULL;
    }
    tw_tensor *t = tw_py_tensor_of(o), *out = tw_detach_new(t);
    if (out && !tw_tangents_copy(out, t)) {
        tw_release(out);
        out = NULL;
    }
    return tw_py_wrap(out);
}

/* --- no_grad and enable_grad: what with-statements and decorators of them are made of --- */

typedef struct grad_scope { PyObject_HEAD char prev; } grad_scope;

/* The class itself decorates too: @no_grad as well as @no_grad(). */
static PyObject *scope_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    static char *names[] = {"orig_func", NULL};
    PyObject *function = Py_None;
    if ((PyTuple_GET_SIZE(args) || kw) && !PyArg_ParseTupleAndKeywords(args, kw, "|O", names, &function)) return NULL;
    PyObject *self = type->tp_alloc(type, 0);
    if (!self || function == Py_None) return self;
    PyObject *decorated = PyObject_CallOneArg(self, function);
    Py_DECREF(self);
    return decorated;
}
static PyObject *enter(PyObject *self, bool on) {
    ((grad_scope *)self)->prev = !(tw_mode & TW_MODE_NO_GRAD);
    tw_mode = on ? tw_mode & ~(unsigned)TW_MODE_NO_GRAD : tw_mode | TW_MODE_NO_GRAD;
    Py_RETURN_NONE;
}
static PyObject *enter_off(PyObject *self, PyObject *u) { (void)u; return enter(self, false); }
static PyObject *enter_on(PyObject *self, PyObject *u) { (void)u; return enter(self, true); }
static PyObject *scope_exit(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    (void)args, (void)n;
    tw_mode = ((grad_scope *)self)->prev ? tw_mode & ~(unsigned)TW_MODE_NO_GRAD : tw_mode | TW_MODE_NO_GRAD;
    Py_RETURN_NONE;
}
#define EXIT {"__exit__", (PyCFunction)(void (*)(void))scope_exit, METH_FASTCALL, NULL}
static PyMethodDef off_methods[] = {{"__enter__", enter_off, METH_NOARGS, NULL}, EXIT, {NULL, NULL, 0, NULL}};
static PyMethodDef on_methods[] = {{"__enter__", enter_on, METH_NOARGS, NULL}, EXIT, {NULL, NULL, 0, NULL}};
static PyMemberDef scope_members[] = {{"prev", T_BOOL, offsetof(grad_scope, prev), 0, NULL}, {NULL, 0, 0, 0, NULL}};
#define SCOPE(NAME, METHODS) \
    {PyVarObject_HEAD_INIT(NULL, 0).tp_name = NAME, .tp_basicsize = sizeof(grad_scope), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, \
     .tp_new = scope_new, .tp_methods = METHODS, .tp_members = scope_members}
static PyTypeObject off_type = SCOPE("torch._C._NoGrad", off_methods), on_type = SCOPE("torch._C._EnableGrad", on_methods);

/* --- batching --- */

static PyObject *vmap_enter(PyObject *m, PyObject *args) {
    long long size;
    const char *text = "error";
    (void)m;
    if (!PyArg_ParseTuple(args, "L|s:_vmap_enter", &size, &text)) return NULL;
    tw_randomness r = strcmp(text, "same") == 0 ? TW_RANDOM_SAME : strcmp(text, "different") == 0 ? TW_RANDOM_DIFFERENT : TW_RANDOM_ERROR;
    int level = tw_vmap_enter(size, r);
    return level < 0 ? tw_py_raise() : PyLong_FromLong(level);
}
static PyObject *vmap_exit(PyObject *m, PyObject *u) {
    (void)m, (void)u;
    tw_vmap_exit();
    Py_RETURN_NONE;
}
static PyObject *add_batch_dim(PyObject *m, PyObject *args) {
    PyObject *o;
    long long dim;
    int level;
    (void)m;
    if (!PyArg_ParseTuple(args, "O!Li:_add_batch_dim", tw_py_base_type, &o, &dim, &level)) return NULL;
    return tw_py_wrap(tw_vmap_add(tw_py_tensor_of(o), dim, level));
}
static PyObject *remove_batch_dim(PyObject *m, PyObject *args) {
    PyObject *o;
    long long size, dim;
    int level;
    (void)m;
    if (!PyArg_ParseTuple(args, "O!iLL:_remove_batch_dim", tw_py_base_type, &o, &level, &size, &dim)) return NULL;
    return tw_py_wrap(tw_vmap_remove(tw_py_tensor_of(o), dim, level, size));
}

static PyMethodDef functions[] = {
    {"_set_profiling", set_profiling, METH_O, NULL},
    {"_profiled", profiled, METH_NOARGS, NULL},
    {"_autocast", autocast, METH_NOARGS, NULL},
    {"_set_autocast", set_autocast, METH_VARARGS, NULL},
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, NULL},
    {"_set_grad_enabled", set_grad_enabled, METH_O, NULL},
    {"is_inference_mode_enabled", is_inference, METH_NOARGS, NULL},
    {"_set_inference_mode", set_inference, METH_O, NULL},
    {"_set_anomaly", set_anomaly, METH_VARARGS, NULL},
    {"is_anomaly_enabled", is_anomaly, METH_NOARGS, NULL},
    {"is_anomaly_check_nan_enabled", is_anomaly_check, METH_NOARGS, NULL},
    {"_run_backward", run_backward, METH_VARARGS, NULL},
    {"_enter_dual_level", enter_dual, METH_VARARGS, NULL},
    {"_exit_dual_level", exit_dual, METH_O, NULL},
    {"_make_dual", make_dual, METH_VARARGS, NULL},
    {"_unpack_dual", unpack_dual, METH_VARARGS, NULL},
    {"_detach_dual", detach_dual, METH_O, NULL},
    {"_vmap_enter", vmap_enter, METH_VARARGS, NULL},
    {"_vmap_exit", vmap_exit, METH_NOARGS, NULL},
    {"_add_batch_dim", add_batch_dim, METH_VARARGS, NULL},
    {"_remove_batch_dim", remove_batch_dim, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool tw_py_init_autograd(PyObject *m) {
    tw_trace_hook = python_trace;
    if (PyType_Ready(&off_type) < 0 || PyType_Ready(&on_type) < 0) return false;
    if (!tw_py_add_type(m, "_NoGrad", &off_type) || !tw_py_add_type(m, "_EnableGrad", &on_type)) return false;
    return tw_py_init_node(m) && tw_py_init_custom(m) && tw_py_init_hooks(m) && PyModule_AddFunctions(m, functions) == 0;
}
