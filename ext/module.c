/* tallow._C: puts the types and functions of the other files together; errors and warnings on their way to Python. */
#include "core/cpu.h"
#include "core/memory.h"
#include "core/print.h"
#include "core/threads.h"
#include "ext/hooks.h"
#include "ext/number.h"
#include "ext/parse.h"
#include "io/file.h"
#include "kernels/number.h"
#include "ops/lapack.h"

PyObject *tw_py_linalg_error;

/* --- errors --- */

static PyObject *exception_of(tw_error_kind kind) {
    switch (kind) {
    case TW_VALUE_ERROR: return PyExc_ValueError;
    case TW_TYPE_ERROR: return PyExc_TypeError;
    case TW_INDEX_ERROR: return PyExc_IndexError;
    case TW_NOT_IMPLEMENTED_ERROR: return PyExc_NotImplementedError;
    case TW_ASSERTION_ERROR: return PyExc_AssertionError;
    case TW_KEY_ERROR: return PyExc_KeyError;
    case TW_OS_ERROR: return PyExc_OSError;
    case TW_OVERFLOW_ERROR: return PyExc_OverflowError;
    case TW_ATTRIBUTE_ERROR: return PyExc_AttributeError;
    case TW_LINALG_ERROR: return tw_py_linalg_error;
    case TW_ZERO_DIVISION_ERROR: return PyExc_ZeroDivisionError;
    default: return PyExc_RuntimeError;
    }
}

/* The hint as a note: str(e) stays PyTorch's text. */
static void add_hint(const char *hint) {
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyErr_NormalizeException(&kind, &value, &trace);
    PyObject *r = value ? PyObject_CallMethod(value, "add_note", "s", hint) : NULL;
    Py_XDECREF(r);
    PyErr_Clear();
    PyErr_Restore(kind, value, trace);
}

PyObject *tw_py_raise(void) {
    if (tw_py_unstash_error()) {
        tw_clear_error();
        return NULL;
    }
    if (tw_error() == TW_OK) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "a call failed without an error");
        return NULL;
    }
    PyErr_SetString(exception_of(tw_error()), tw_error_message());
    if (tw_error_hint()[0]) add_hint(tw_error_hint());
    tw_clear_error();
    return NULL;
}

/* Asks Python for the package that brings LAPACK; without it there is no path. */
static bool locate_lapack(char *path, size_t size) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyObject *module = PyImport_ImportModule("tallow._lapack"), *found = module ? PyObject_CallMethod(module, "path", NULL) : NULL;
    const char *text = found && PyUnicode_Check(found) ? PyUnicode_AsUTF8(found) : NULL;
    const bool ok = text && strlen(text) < size;
    if (ok) strcpy(path, text);
    Py_XDECREF(module);
    Py_XDECREF(found);
    PyErr_Clear();
    PyErr_Restore(kind, value, trace);
    PyGILState_Release(gil);
    return ok;
}

static void warn(const char *text) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    if (PyErr_WarnEx(PyExc_UserWarning, text, 1) < 0 && !kind) tw_py_stash_error(); /* warnings are errors here */
    if (kind) PyErr_Restore(kind, value, trace);
    PyGILState_Release(gil);
}

/* --- settings --- */

static PyObject *get_num_threads(PyObject *m, PyObject *u) { (void)m, (void)u; return PyLong_FromLong(tw_num_threads()); }
static PyObject *set_num_threads(PyObject *m, PyObject *o) {
    (void)m;
    if (!PyLong_Check(o) || PyBool_Check(o)) {
        PyErr_Format(PyExc_RuntimeError, "set_num_threads expects an int, but got %s", Py_TYPE(o)->tp_name);
        return NULL;
    }
    long n = PyLong_AsLong(o);
    if (n <= 0) {
        PyErr_SetString(PyExc_RuntimeError, "set_num_threads expects a positive integer");
        return NULL;
    }
    if (!tw_set_num_threads((int)n)) return tw_py_raise();
    Py_RETURN_NONE;
}

static PyObject *set_printoptions(PyObject *m, PyObject *args, PyObject *kw) {
    static char *names[] = {"precision", "threshold", "edgeitems", "linewidth", "sci_mode", NULL};
    tw_print_options o = tw_print_defaults;
    PyObject *sci = Py_None;
    long long edge = o.edgeitems, width = o.linewidth;
    (void)m;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|idLLO:_set_printoptions", names, &o.precision, &o.threshold, &edge, &width, &sci)) return NULL;
    o.edgeitems = edge;
    o.linewidth = width;
    o.sci_mode = sci == Py_None ? -1 : PyObject_IsTrue(sci);
    tw_print_defaults = o;
    Py_RETURN_NONE;
}

/* Counts of what is alive, for tests. */
static PyObject *memory_stats(PyObject *m, PyObject *u) {
    tw_memory_stats s;
    (void)m, (void)u;
    tw_memory_read(&s);
    return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L,s:L}", "structs", (long long)s.structs, "blocks", (long long)s.blocks, "block_bytes",
                         (long long)s.block_bytes, "cached_bytes", (long long)s.cached_bytes, "peak_bytes", (long long)s.peak_bytes,
                         "allocations", (long long)s.allocations);
}
static PyObject *memory_fail_at(PyObject *m, PyObject *n) {
    (void)m;
    tw_memory_fail_at(PyLong_AsLongLong(n));
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}
static PyObject *empty_cache(PyObject *m, PyObject *u) {
    (void)m, (void)u;
    tw_memory_empty_cache();
    Py_RETURN_NONE;
}
/* The instruction set in use, by PyTorch's names. */
static PyObject *cpu_capability(PyObject *m, PyObject *u) {
    static const char *const names[] = {"DEFAULT", "AVX2", "AVX512"};
    (void)m, (void)u;
    return PyUnicode_FromString(names[tw_cpu_isa()]);
}
/* Functions of Python's floats with the library's bits: Python's own are libm's. */
static PyObject *number_pow(PyObject *m, PyObject *args) {
    double x, y;
    (void)m;
    if (!PyArg_ParseTuple(args, "dd", &x, &y)) return NULL;
    return PyFloat_FromDouble(tw_number()->pow(x, y));
}
#define NUMBER_FUNCTION(NAME) \
    static PyObject *number_##NAME(PyObject *m, PyObject *arg) { \
        double x = PyFloat_AsDouble(arg); \
        (void)m; \
        return x == -1 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(tw_number()->NAME(x)); \
    }
NUMBER_FUNCTION(exp) NUMBER_FUNCTION(log) NUMBER_FUNCTION(cos) NUMBER_FUNCTION(erf)

/* (data) as zlib.crc32, several times as fast. */
static PyObject *crc32_of(PyObject *m, PyObject *data) {
    Py_buffer view;
    (void)m;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0) return NULL;
    const uint32_t crc = tw_crc32(0, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLong(crc);
}

/* (fd, from, n) */
static PyObject *file_send(PyObject *m, PyObject *args) {
    int fd;
    long long from, n;
    (void)m;
    if (!PyArg_ParseTuple(args, "iLL", &fd, &from, &n)) return NULL;
    tw_file_send(fd, from, n);
    Py_RETURN_NONE;
}

static PyObject *op_names(PyObject *m, PyObject *u) {
    PyObject *list = PyList_New(0);
    (void)m, (void)u;
    for (int i = 0; list && i < tw_op_count; i++) {
        PyObject *name = PyUnicode_FromString(tw_ops[i].name);
        if (!name || PyList_Append(list, name) < 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyMethodDef functions[] = {
    {"_cpu_capability", cpu_capability, METH_NOARGS, NULL},
    {"get_num_threads", get_num_threads, METH_NOARGS, NULL},
    {"set_num_threads", set_num_threads, METH_O, NULL},
    {"_set_printoptions", (PyCFunction)(void (*)(void))set_printoptions, METH_VARARGS | METH_KEYWORDS, NULL},
    {"_memory_stats", memory_stats, METH_NOARGS, NULL},
    {"_memory_fail_at", memory_fail_at, METH_O, NULL},
    {"_memory_empty_cache", empty_cache, METH_NOARGS, NULL},
    {"_op_names", op_names, METH_NOARGS, NULL},
    {"_crc32", crc32_of, METH_O, NULL},
    {"_file_send", file_send, METH_VARARGS, NULL},
    {"_number_pow", number_pow, METH_VARARGS, NULL},
    {"_number_exp", number_exp, METH_O, NULL},
    {"_number_log", number_log, METH_O, NULL},
    {"_number_cos", number_cos, METH_O, NULL},
    {"_number_erf", number_erf, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "tallow._C", .m_size = -1, .m_methods = functions,
};

bool tw_py_init_nn(PyObject *m); /* nn.c */
bool tw_py_init_optim(PyObject *m); /* optim.c */

PyMODINIT_FUNC PyInit__C(void);
PyMODINIT_FUNC PyInit__C(void) {
    PyObject *m = PyModule_Create(&definition);
    if (!m) return NULL;
    tw_lapack_locate = locate_lapack;
    tw_py_linalg_error = PyErr_NewException("torch._C._LinAlgError", PyExc_RuntimeError, NULL);
    if (!tw_py_linalg_error || PyModule_AddObject(m, "_LinAlgError", tw_py_linalg_error) < 0) goto fail;
    Py_INCREF(tw_py_linalg_error);
    if (!tw_py_init_dtype(m) || !tw_py_init_generator(m) || !tw_py_init_tensor(m) || !tw_py_make_function(m) || !tw_py_make_callables(m) ||
        !tw_py_init_convert(m) || !tw_py_init_numpy(m) || !tw_py_init_autograd(m) || !tw_py_init_storage(m) ||
        !tw_py_init_inplace(m) || !tw_py_init_nn(m) || !tw_py_init_optim(m))
        goto fail;
    tw_warn_hook = warn;
    tw_unshare(); /* Note [Counts without atomics]: from here on, whoever is in the library holds Python's lock */
    return m;
fail:
    if (!PyErr_Occurred()) tw_py_raise();
    Py_DECREF(m);
    return NULL;
}
