/* Matching Python arguments with the parameters of an op: conversion of values, keywords, and PyTorch's texts when one does not fit. */
#include "ext/parse.h"
#include "core/memory.h"

enum { MATCH = 1, MISMATCH = 0, RAISED = -1 };

void tw_py_parse_clear(tw_py_parse *p) {
    for (int i = 0; i < p->nblocks; i++) PyMem_Free(p->blocks[i]);
    p->nblocks = 0;
    tw_release(p->made);
    p->made = NULL;
}

/* torch.add(1, x) and its kin take a number first. */
static bool takes_two_numbers(const tw_op *op) {
    static const char *const names[] = {"add", "sub", "mul", "div", "subtract", "multiply", "divide", "true_divide", "floor_divide"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(op->base, names[i]) == 0) return true;
    return false;
}
static bool number_first(const tw_py_parse *p, const tw_param *param) {
    if (!p->op || p->method || p->made || param != p->op->params || p->op->nparams < 2 || !p->op->params[1].number_too) return false;
    return takes_two_numbers(p->op);
}

/* torch.pow(2, 3): either may be a number, but not both. */
static bool only_numbers(const tw_py_parse *p) {
    const tw_param *params = p->op->params;
    return p->op->nparams > 1 && params[0].number_too && params[1].number_too && tw_a_is_number(&p->args[0]) &&
           tw_a_is_number(&p->args[1]) && !takes_two_numbers(p->op);
}

static int wrap_number(tw_py_parse *p, PyObject *o, tw_arg *a) {
    tw_scalar s;
    int r = tw_py_scalar_from(o, &s);
    if (r != MATCH) return r;
    p->made = tw_wrapped_new(s);
    if (!p->made) {
        tw_py_raise();
        return RAISED;
    }
    *a = tw_a_tensor(p->made);
    return MATCH;
}

static void *scratch(tw_py_parse *p, size_t count, size_t size) {
    size_t words = (count * size + 7) / 8;
    if (p->used + words <= TW_PY_POOL) {
        void *at = p->pool + p->used;
        p->used += (int)words;
        return at;
    }
    if (p->nblocks == 8) {
        PyErr_NoMemory();
        return NULL;
    }
    void *block = PyMem_Malloc(words * 8 + 8);
    if (!block) {
        PyErr_NoMemory();
        return NULL;
    }
    p->blocks[p->nblocks++] = block;
    return block;
}

bool tw_py_parse_strict;

static bool zero_dim_number(PyObject *o, tw_tensor **into) {
    if (tw_py_parse_strict || !tw_py_is_tensor(o)) return false;
    tw_tensor *t = tw_py_tensor_of(o);
    if (!t || t->ndim != 0 || tw_requires_grad(t)) return false;
    *into = t;
    return true;
}

static bool read_number(tw_tensor *t, tw_scalar *into) {
    PyObject *item = tw_py_item(t);
    if (!item) return false;
    int r = tw_py_scalar_from(item, into);
    Py_DECREF(item);
    return r == 1;
}

/* An int of one digit. */
static inline bool short_int(PyObject *o, int64_t *into) {
#if PY_VERSION_HEX < 0x030C0000
    const PyLongObject *v = (const PyLongObject *)o;
    if (!PyLong_CheckExact(o) || Py_SIZE(v) < -1 || Py_SIZE(v) > 1) return false;
    *into = (int64_t)Py_SIZE(v) * (int64_t)v->ob_digit[0];
    return true;
#else
    if (!PyLong_CheckExact(o) || !PyUnstable_Long_IsCompact((const PyLongObject *)o)) return false;
    *into = PyUnstable_Long_CompactValue((const PyLongObject *)o);
    return true;
#endif
}

/* An int as PyTorch takes it: no bool; NumPy integers and 0-d integral tensors too. */
static int int_from(PyObject *o, int64_t *into) {
    if (PyLong_CheckExact(o)) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow) {
            PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking long long");
            return RAISED;
        }
        *into = v;
        return MATCH;
    }
    if (PyBool_Check(o) || PyFloat_Check(o)) return MISMATCH;
    tw_tensor *t;
    if (zero_dim_number(o, &t)) {
        tw_scalar s;
        if (!tw_is_integral((tw_dtype)t->dtype) || t->dtype == TW_BOOL) return MISMATCH;
        if (!read_number(t, &s)) return RAISED;
        *into = s.i;
        return MATCH;
    }
    if (!PyIndex_Check(o) || tw_py_is_tensor(o)) return MISMATCH;
    if (PyLong_Check(o) || tw_py_is_numpy_scalar(o, 'i') || (!PySequence_Check(o) && !tw_py_is_ndarray(o))) {
        PyObject *n = PyNumber_Index(o);
        if (!n) {
            PyErr_Clear();
            return MISMATCH;
        }
        long long v = PyLong_AsLongLong(n);
        Py_DECREF(n);
        if (v == -1 && PyErr_Occurred()) return RAISED;
        *into = v;
        return MATCH;
    }
    return MISMATCH;
}

static int number_into(PyObject *o, tw_arg *a) {
    tw_scalar s;
    if (PyFloat_CheckExact(o)) {
        *a = tw_a_float(PyFloat_AS_DOUBLE(o));
        return MATCH;
    }
    int r = tw_py_scalar_from(o, &s);
    if (r != 1) return r;
    *a = tw_a_scalar(s);
    return MATCH;
}

static int scalar_into(PyObject *o, tw_arg *a) {
    tw_tensor *t;
    if (zero_dim_number(o, &t)) {
        tw_scalar s;
        if (!read_number(t, &s)) return RAISED;
        *a = tw_a_scalar(s);
        return MATCH;
    }
    return number_into(o, a);
}

static int double_from(PyObject *o, double *into) {
    if (PyFloat_CheckExact(o)) {
        *into = PyFloat_AS_DOUBLE(o);
        return MATCH;
    }
    tw_arg a;
    int r = scalar_into(o, &a);
    if (r != MATCH) return r;
    if (a.tag == TW_ARG_COMPLEX) return MISMATCH;
    *into = tw_a_get_double(&a, 0);
    return MATCH;
}

/* The elements of a list or tuple; Size is a tuple. */
static bool items_of(PyObject *o, PyObject ***items, Py_ssize_t *n) {
    if (PyTuple_Check(o)) {
        *items = ((PyTupleObject *)o)->ob_item;
        *n = PyTuple_GET_SIZE(o);
        return true;
    }
    if (PyList_Check(o)) {
        *items = ((PyListObject *)o)->ob_item;
        *n = PyList_GET_SIZE(o);
        return true;
    }
    return false;
}

static int ints_into(tw_py_parse *p, PyObject *const *items, Py_ssize_t n, tw_arg *a, Py_ssize_t *bad) {
    int64_t *to = scratch(p, (size_t)n + 1, sizeof *to);
    if (!to) return RAISED;
    for (Py_ssize_t i = 0; i < n; i++) {
        int r = short_int(items[i], &to[i]) ? MATCH : int_from(items[i], &to[i]);
        if (r != MATCH) {
            *bad = i;
            return r;
        }
    }
    *a = tw_a_ints(to, n);
    return MATCH;
}

static int tensors_into(tw_py_parse *p, const tw_param *param, PyObject *const *items, Py_ssize_t n, tw_arg *a, Py_ssize_t *bad) {
    tw_tensor **to = scratch(p, (size_t)n + 1, sizeof *to);
    if (!to) return RAISED;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (tw_py_is_tensor(items[i])) {
            to[i] = tw_py_tensor_of(items[i]);
        } else if (items[i] == Py_None && param->optional_items) {
            to[i] = NULL;
        } else {
            *bad = i;
            return MISMATCH;
        }
    }
    *a = tw_a_tensors(to, n);
    return MATCH;
}

static int int_list(tw_py_parse *p, const tw_param *param, PyObject *o, tw_arg *a, Py_ssize_t *bad) {
    PyObject **items;
    Py_ssize_t n;
    if (items_of(o, &items, &n)) return ints_into(p, items, n, a, bad);
    if (param->list_size > 0) {
        int64_t v;
        int r = int_from(o, &v);
        if (r != MATCH) return r;
        int64_t *to = scratch(p, (size_t)param->list_size, sizeof *to);
        if (!to) return RAISED;
        for (int i = 0; i < param->list_size; i++) to[i] = v;
        *a = tw_a_ints(to, param->list_size);
        return MATCH;
    }
    return MISMATCH;
}

static int double_list(tw_py_parse *p, const tw_param *param, PyObject *o, tw_arg *a, Py_ssize_t *bad) {
    PyObject **items;
    Py_ssize_t n;
    double one;
    if (!items_of(o, &items, &n)) {
        if (param->list_size <= 0) return MISMATCH;
        int r = double_from(o, &one);
        if (r != MATCH) return r;
        n = param->list_size;
        items = NULL;
    }
    double *to = scratch(p, (size_t)n + 1, sizeof *to);
    if (!to) return RAISED;
    for (Py_ssize_t i = 0; i < n; i++) {
        int r = items ? double_from(items[i], &to[i]) : (to[i] = one, MATCH);
        if (r != MATCH) {
            *bad = i;
            return r;
        }
    }
    a->doubles = to;
    a->n = (int32_t)n;
    a->tag = TW_ARG_DOUBLES;
    return MATCH;
}

static int tensor_list(tw_py_parse *p, const tw_param *param, PyObject *o, tw_arg *a, Py_ssize_t *bad) {
    PyObject **items;
    Py_ssize_t n;
    if (!items_of(o, &items, &n)) return MISMATCH;
    return tensors_into(p, param, items, n, a, bad);
}

static int bool_into(PyObject *o, tw_arg *a) {
    if (PyBool_Check(o)) {
        *a = tw_a_bool(o == Py_True);
        return MATCH;
    }
    if (tw_py_is_numpy_scalar(o, 'b')) {
        int v = PyObject_IsTrue(o);
        if (v < 0) return RAISED;
        *a = tw_a_bool(v != 0);
        return MATCH;
    }
    return MISMATCH;
}

static int device_into(PyObject *o, tw_arg *a) {
    tw_device d;
    if (!tw_py_device_from(o, &d)) return PyErr_Occurred() ? RAISED : MISMATCH;
    *a = tw_a_int(d);
    return MATCH;
}

static int value_object(PyObject *o, PyTypeObject *type, tw_arg *a) {
    if (!PyObject_TypeCheck(o, type)) return MISMATCH;
    *a = tw_a_int(((tw_py_dtype *)o)->value);
    return MATCH;
}

/* *bad: index of the element that does not fit, for lists. */
static int convert(tw_py_parse *p, const tw_param *param, PyObject *o, tw_arg *a, Py_ssize_t *bad) {
    int64_t i;
    double d;
    tw_dtype dtype;
    int r;
    if (o == Py_None) {
        if (!param->optional) return MISMATCH;
        *a = TW_A_NONE;
        return MATCH;
    }
    switch ((tw_type)param->type) {
    case TW_TYPE_TENSOR:
        if (tw_py_is_tensor(o)) {
            *a = tw_a_tensor(tw_py_tensor_of(o));
            return MATCH;
        }
        if (param->number_too) return number_into(o, a);
        return number_first(p, param) ? wrap_number(p, o, a) : MISMATCH;
    case TW_TYPE_TENSORS: return tensor_list(p, param, o, a, bad);
    case TW_TYPE_SCALAR: return scalar_into(o, a);
    case TW_TYPE_INT:
        if ((r = short_int(o, &i) ? MATCH : int_from(o, &i)) == MATCH) *a = tw_a_int(i);
        return r;
    case TW_TYPE_FLOAT:
        if ((r = double_from(o, &d)) == MATCH) *a = tw_a_float(d);
        return r;
    case TW_TYPE_BOOL: return bool_into(o, a);
    case TW_TYPE_INTS: return int_list(p, param, o, a, bad);
    case TW_TYPE_FLOATS: return double_list(p, param, o, a, bad);
    case TW_TYPE_STRING:
        if (!PyUnicode_Check(o)) return MISMATCH;
        *a = tw_a_string(PyUnicode_AsUTF8(o));
        return a->s ? MATCH : RAISED;
    case TW_TYPE_DTYPE:
        if (!tw_py_dtype_from(o, &dtype)) return MISMATCH;
        *a = tw_a_int(dtype);
        return MATCH;
    case TW_TYPE_DEVICE: return device_into(o, a);
    case TW_TYPE_LAYOUT: return value_object(o, tw_py_layout_type, a);
    case TW_TYPE_FORMAT: return value_object(o, tw_py_format_type, a);
    case TW_TYPE_GENERATOR:
        if (!PyObject_TypeCheck(o, tw_py_generator_type)) return MISMATCH;
        *a = tw_a_generator(((tw_py_generator *)o)->g);
        return MATCH;
    }
    return MISMATCH;
}

bool tw_py_parse_accepts(const tw_param *param, PyObject *o) {
    tw_py_parse p = {.op = NULL};
    tw_arg a;
    Py_ssize_t bad = -1;
    int r = convert(&p, param, o, &a, &bad);
    if (r == RAISED) PyErr_Clear();
    tw_py_parse_free(&p);
    return r == MATCH;
}

/* --- keywords --- */

const char *tw_py_param_type(const tw_param *param) {
    static const char *const names[] = {
        "Tensor", "tuple of Tensors", "Number", "int", "float", "bool", "tuple of ints", "tuple of floats", "str", "torch.dtype",
        "torch.device", "torch.layout", "torch.memory_format", "torch.Generator",
    };
    return names[param->type];
}

static const char *public_name(const tw_py_parse *p, const tw_param *param) {
    return strcmp(param->name, "self") == 0 && !p->method ? "input" : param->name;
}

static bool keyword_is(PyObject *key, const char *name) { return PyUnicode_CompareWithASCIIString(key, name) == 0; }

/* The spellings of NumPy that PyTorch takes too. */
static bool keyword_matches(PyObject *key, const char *name) {
    if (keyword_is(key, name)) return true;
    switch (name[0]) {
    case 'd': return strcmp(name, "dim") == 0 && keyword_is(key, "axis");
    case 'k': return strcmp(name, "keepdim") == 0 && keyword_is(key, "keepdims");
    case 'i': return strcmp(name, "input") == 0 && (keyword_is(key, "x") || keyword_is(key, "a") || keyword_is(key, "x1"));
    case 'o': return strcmp(name, "other") == 0 && keyword_is(key, "x2");
    default: return false;
    }
}

static PyObject *find_keyword(const tw_py_parse *p, const char *name) {
    Py_ssize_t n = PyTuple_GET_SIZE(p->kwnames);
    for (Py_ssize_t i = 0; i < n; i++)
        if (keyword_matches(PyTuple_GET_ITEM(p->kwnames, i), name)) return p->given[p->ngiven + i];
    return NULL;
}

bool tw_py_is_factory(const tw_op *op) {
    for (int i = op->nparams - 1; i >= 0; i--)
        if (op->params[i].name[0] == 'p' && strcmp(op->params[i].name, "pin_memory") == 0) return true;
    return false;
}

/* --- errors --- */

static const char *type_name(PyObject *o) { return Py_TYPE(o)->tp_name; }

static bool too_many(tw_py_parse *p, int required, int limit, Py_ssize_t given) {
    if (required != limit) {
        PyErr_Format(PyExc_TypeError, "%s() takes from %d to %d positional arguments but %zd were given", p->name, required, limit, given);
    } else {
        PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd %s given", p->name, limit, limit == 1 ? "" : "s",
                     given, given == 1 ? "was" : "were");
    }
    return false;
}

static bool missing(tw_py_parse *p, int from) {
    char text[512] = "";
    int count = 0;
    for (int i = from; i < p->op->nparams; i++) {
        const tw_param *param = &p->op->params[i];
        if (param->has_default || (p->kwnames && find_keyword(p, public_name(p, param)))) continue;
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s\"%s\"", count++ ? ", " : "", public_name(p, param));
    }
    PyErr_Format(PyExc_TypeError, "%s() missing %d required positional arguments: %s", p->name, count, text);
    return false;
}

static bool does_not_fit(tw_py_parse *p, const tw_param *param, PyObject *o, Py_ssize_t position, Py_ssize_t bad) {
    const char *name = public_name(p, param), *type = tw_py_param_type(param);
    PyObject **items;
    Py_ssize_t n;
    if (bad >= 0 && param->type == TW_TYPE_TENSORS && items_of(o, &items, &n)) {
        PyErr_Format(PyExc_TypeError, "expected Tensor as element %zd in argument %zd, but got %s", bad, position > 0 ? position - 1 : 0,
                     type_name(items[bad]));
    } else if (bad >= 0 && items_of(o, &items, &n)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument '%s' failed to unpack the object at pos %zd with error \"type must be %s,but got %s\"",
                     p->name, name, bad + 1, type, type_name(items[bad]));
    } else if (position > 0) {
        PyErr_Format(PyExc_TypeError, "%s(): argument '%s' (position %zd) must be %s, not %s", p->name, name, position, type, type_name(o));
    } else {
        PyErr_Format(PyExc_TypeError, "%s(): argument '%s' must be %s, not %s", p->name, name, type, type_name(o));
    }
    return false;
}

static bool unknown_keyword(tw_py_parse *p, bool takes_out) {
    Py_ssize_t n = PyTuple_GET_SIZE(p->kwnames), seen = p->method ? 1 : 0;
    for (Py_ssize_t k = 0; k < n; k++) {
        PyObject *key = PyTuple_GET_ITEM(p->kwnames, k);
        int found = -1, place = 0;
        if ((takes_out && keyword_is(key, "out")) || (keyword_is(key, "requires_grad") && tw_py_is_factory(p->op))) continue;
        for (int i = 0; i < p->op->nparams && found < 0; i++) {
            if (keyword_matches(key, public_name(p, &p->op->params[i]))) found = place;
            if (!p->op->params[i].keyword_only) place++;
        }
        if (found < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", p->name, key);
            return false;
        }
        if (found + (p->method ? 0 : 0) < p->ngiven && found >= seen) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", p->name, key);
            return false;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got multiple values for an argument", p->name);
    return false;
}

/* --- the match --- */

static bool fetch_extras(tw_py_parse *p, bool takes_out, Py_ssize_t *consumed, bool raise) {
    p->out = NULL;
    p->requires_grad = false;
    if (!p->kwnames) return true;
    if (takes_out) {
        PyObject *out = find_keyword(p, "out");
        if (out) ++*consumed;
        if (out && out != Py_None) p->out = out;
    }
    if (tw_py_is_factory(p->op)) {
        PyObject *wanted = find_keyword(p, "requires_grad");
        if (!wanted) return true;
        ++*consumed;
        if (!PyBool_Check(wanted)) {
            if (raise) PyErr_Format(PyExc_TypeError, "%s(): argument 'requires_grad' must be bool, not %s", p->name, type_name(wanted));
            return false;
        }
        p->requires_grad = wanted == Py_True;
    }
    return true;
}

bool tw_py_parse_op(tw_py_parse *p, bool takes_out, bool raise) {
    const tw_op *op = p->op;
    const int self = p->method ? op->self : -1, limit = op->npositional - p->method, required = op->nrequired - p->method;
    Py_ssize_t next = p->method ? 1 : 0, given = p->ngiven - next, consumed = 0;
    Py_ssize_t nkeywords = p->kwnames ? PyTuple_GET_SIZE(p->kwnames) : 0;
    bool spread = false;
    tw_py_parse_free(p);
    if (limit == 1) spread = op->params[self == 0 ? 1 : 0].type == TW_TYPE_INTS; /* x.view(2, 3): the ints one by one */
    if (given > limit && !spread) return raise ? too_many(p, required, limit, given) : false;
    for (int i = 0; i < op->nparams; i++) {
        const tw_param *param = &op->params[i];
        tw_arg *a = &p->args[i];
        PyObject *o = NULL;
        Py_ssize_t position = 0, bad = -1;
        int r;
        if (i == self) {
            o = p->given[0];
        } else if (!param->keyword_only && next < p->ngiven) {
            o = p->given[next++];
            position = next - (p->method ? 1 : 0);
            int64_t first;
            bool several = spread && (given > 1 || PyLong_CheckExact(o) || (!PyTuple_Check(o) && !PyList_Check(o) && int_from(o, &first) == MATCH));
            if (spread && !several && PyErr_Occurred()) return false;
            if (several) {
                r = ints_into(p, p->given + next - 1, given, a, &bad);
                next = p->ngiven;
                if (r == MATCH) continue;
                if (r == MISMATCH && bad > 0) { /* PyTorch looks at the first element only when it picks an overload */
                    PyErr_Format(PyExc_TypeError, "%s(): argument '%s' failed to unpack the object at pos %zd with error \"type must be "
                                 "%s,but got %s\"", p->name, public_name(p, param), bad + 1, tw_py_param_type(param),
                                 type_name(p->given[p->ngiven - given + bad]));
                } else if (raise && r == MISMATCH) {
                    if (given > limit && !PyLong_Check(o)) return too_many(p, required, limit, given);
                    does_not_fit(p, param, o, position, -1);
                }
                return false;
            }
        } else if (nkeywords) {
            o = find_keyword(p, public_name(p, param));
            if (o) consumed++;
        }
        if (!o) {
            if (!param->has_default) return raise ? missing(p, i) : false;
            *a = param->fallback;
            continue;
        }
        if (o == Py_None && param->has_default && param->fallback.tag == TW_ARG_NONE) {
            *a = TW_A_NONE;
            continue;
        }
        if (param->type == TW_TYPE_TENSOR && Py_TYPE(o) == tw_py_tensor_class) { /* most arguments */
            *a = tw_a_tensor(tw_py_tensor_of(o));
            continue;
        }
        r = convert(p, param, o, a, &bad);
        if (r == MATCH) continue;
        bool chosen = bad > 0 && (param->type == TW_TYPE_INTS || param->type == TW_TYPE_FLOATS);
        if ((raise || chosen) && r == MISMATCH) does_not_fit(p, param, o, position, bad);
        return false;
    }
    if (!p->method && only_numbers(p)) return false;
    if (!fetch_extras(p, takes_out, &consumed, raise)) return false;
    if (consumed < nkeywords) return raise ? unknown_keyword(p, takes_out) : false;
    return true;
}
