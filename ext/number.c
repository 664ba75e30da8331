/* Operators of the tensor type: number slots straight to the ops, comparisons, len, iteration, containment, printing. */
#include "ext/number.h"
#include "core/memory.h"
#include "core/print.h"
#include "op_ids.h"

/* An operator: its op and what overrides of __torch_function__ get to see. */
typedef struct operator_ {
    const char *name, *method;
    int op;         /* TW_OP_ id */
    PyObject *func; /* Tensor.add; the slot's wrapper for those without a method */
} operator_;

enum {
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD, OP_POW, OP_MATMUL, OP_AND, OP_OR, OP_XOR, OP_LSHIFT, OP_RSHIFT,
    OP_RSUB, OP_RDIV, OP_RFLOORDIV, OP_RMOD, OP_RPOW, OP_RMATMUL, OP_RLSHIFT, OP_RRSHIFT,
    OP_LT, OP_LE, OP_EQ, OP_NE, OP_GT, OP_GE, OP_NEG, OP_POS, OP_ABS, OP_INVERT, OP_RECIPROCAL, OP_COUNT
};
#define OPERATOR(name, method) {#name, method, TW_OP_##name, NULL}
static operator_ operators[OP_COUNT] = {
    [OP_ADD] = OPERATOR(add, "add"), [OP_SUB] = OPERATOR(sub, "sub"), [OP_MUL] = OPERATOR(mul, "mul"),
    [OP_DIV] = OPERATOR(div, "div"), [OP_FLOORDIV] = OPERATOR(floor_divide, "__floordiv__"),
    [OP_MOD] = OPERATOR(remainder, "remainder"), [OP_POW] = OPERATOR(pow, "__pow__"),
    [OP_MATMUL] = OPERATOR(matmul, "matmul"), [OP_AND] = OPERATOR(bitwise_and, "__and__"),
    [OP_OR] = OPERATOR(bitwise_or, "__or__"), [OP_XOR] = OPERATOR(bitwise_xor, "__xor__"),
    [OP_LSHIFT] = OPERATOR(bitwise_left_shift, "__lshift__"), [OP_RSHIFT] = OPERATOR(bitwise_right_shift, "__rshift__"),
    [OP_RSUB] = OPERATOR(sub, "__rsub__"), [OP_RDIV] = OPERATOR(div, "__rdiv__"),
    [OP_RFLOORDIV] = OPERATOR(floor_divide, "__rfloordiv__"), [OP_RMOD] = OPERATOR(remainder, "__rmod__"),
    [OP_RPOW] = OPERATOR(pow, "__rpow__"), [OP_RMATMUL] = OPERATOR(matmul, "__rmatmul__"),
    [OP_RLSHIFT] = OPERATOR(bitwise_left_shift, "__rlshift__"), [OP_RRSHIFT] = OPERATOR(bitwise_right_shift, "__rrshift__"),
    [OP_LT] = OPERATOR(lt, "lt"), [OP_LE] = OPERATOR(le, "le"), [OP_EQ] = OPERATOR(eq, "eq"),
    [OP_NE] = OPERATOR(ne, "ne"), [OP_GT] = OPERATOR(gt, "gt"), [OP_GE] = OPERATOR(ge, "ge"),
    [OP_NEG] = OPERATOR(neg, "neg"), [OP_POS] = OPERATOR(positive, "positive"), [OP_ABS] = OPERATOR(abs, "abs"),
    [OP_INVERT] = OPERATOR(bitwise_not, "__invert__"), [OP_RECIPROCAL] = OPERATOR(reciprocal, "reciprocal"),
};

/* Overrides see the public callable. */
static PyObject *override(operator_ *o, PyObject *const *args, Py_ssize_t n, bool *handled) {
    if (!o->func) {
        o->func = tw_py_callable_find("Tensor", o->method);
        if (!o->func) o->func = PyObject_GetAttrString((PyObject *)tw_py_base_type, o->method);
        if (!o->func) {
            *handled = true;
            return NULL;
        }
    }
    return tw_py_dispatch(o->func, args, n, NULL, handled);
}

/* 1: into *a; 0: not an operand; -1 a Python error. */
static int operand(PyObject *o, tw_arg *a) {
    if (Py_TYPE(o) == tw_py_tensor_class) {
        *a = tw_a_tensor(tw_py_tensor_of(o));
        return 1;
    }
    if (PyFloat_CheckExact(o)) {
        *a = tw_a_float(PyFloat_AS_DOUBLE(o));
        return 1;
    }
    if (tw_py_is_tensor(o)) {
        *a = tw_a_tensor(tw_py_tensor_of(o));
        return 1;
    }
    tw_scalar s;
    int r = tw_py_scalar_from(o, &s);
    if (r == 1) *a = tw_a_scalar(s);
    return r;
}

static PyObject *finish(const tw_op *op, tw_arg *args, int n) {
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    for (int i = n; i < op->nparams; i++) args[i] = op->params[i].fallback;
    if (!tw_py_run(op, args, outs)) return tw_py_raise();
    return tw_py_wrap(outs[0]);
}

/* A number in the place of a tensor: a wrapped 0-d tensor, which yields in promotion. */
static tw_tensor *wrapped(const tw_arg *a) { return tw_wrapped_new(tw_a_to_scalar(a)); }

static PyObject *reflected(int id, const tw_arg *number, const tw_arg *tensor) {
    tw_arg args[TW_MAX_ARGS];
    if (id == OP_RDIV) { /* number * reciprocal: PyTorch's roundings */
        tw_tensor *outs[TW_MAX_OUTS] = {NULL};
        args[0] = *tensor;
        if (!tw_py_run(&tw_ops[TW_OP_reciprocal], args, outs)) return tw_py_raise();
        args[0] = tw_a_tensor(outs[0]);
        args[1] = *number;
        PyObject *r = finish(&tw_ops[TW_OP_mul], args, 2);
        tw_release(outs[0]);
        return r;
    }
    if (id == OP_RSUB) {
        args[0] = *tensor;
        args[1] = *number;
        return finish(&tw_ops[TW_OP_rsub], args, 2);
    }
    tw_tensor *first = wrapped(number);
    if (!first) return tw_py_raise();
    args[0] = tw_a_tensor(first);
    args[1] = *tensor;
    PyObject *r = finish(&tw_ops[operators[id].op], args, 2);
    tw_release(first);
    return r;
}

static PyObject *binary(int id, int reflected_id, PyObject *a, PyObject *b) {
    tw_arg args[TW_MAX_ARGS];
    if ((Py_TYPE(a) != tw_py_tensor_class || Py_TYPE(b) != tw_py_tensor_class || tw_py_function_mode_on())) {
        PyObject *pair[2] = {a, b};
        if (tw_py_any_overrides(pair, 2)) {
            bool handled, swap = !tw_py_is_tensor(a) && tw_py_is_tensor(b);
            PyObject *turned[2] = {b, a};
            PyObject *r = override(&operators[swap ? reflected_id : id], swap ? turned : pair, 2, &handled);
            if (handled) return r;
        }
    }
    int r = operand(a, &args[0]);
    if (r == 1) r = operand(b, &args[1]);
    if (r < 0) return NULL;
    if (r == 0 && id == OP_DIV && tw_py_is_ndarray(a) && tw_py_is_tensor(b)) { /* Tensor.__rtruediv__: NumPy has the last word */
        PyObject *turned = tw_py_call_op("reciprocal", &b, 1, NULL), *product = turned ? PyNumber_Multiply(turned, a) : NULL;
        Py_XDECREF(turned);
        return product;
    }
    if (r == 0) Py_RETURN_NOTIMPLEMENTED;
    const tw_op *op = &tw_ops[operators[id].op];
    if (args[0].tag == TW_ARG_TENSOR && (args[1].tag == TW_ARG_TENSOR || id != OP_MATMUL)) return finish(op, args, 2);
    if (id == OP_MATMUL) Py_RETURN_NOTIMPLEMENTED;
    if (reflected_id != id) return reflected(reflected_id, &args[0], &args[1]);
    tw_arg t = args[0];
    args[0] = args[1];
    args[1] = t;
    return finish(op, args, 2);
}

static PyObject *inplace(int id, PyObject *a, PyObject *b) {
    tw_arg args[TW_MAX_ARGS];
    PyObject *pair[2] = {a, b};
    if (tw_py_any_overrides(pair, 2)) {
        char name[40];
        bool handled;
        snprintf(name, sizeof name, "%s_", operators[id].name);
        PyObject *f = tw_py_callable_find("Tensor", name), *r = f ? tw_py_dispatch(f, pair, 2, NULL, &handled) : NULL;
        if (f && handled) return r;
    }
    int r = operand(b, &args[1]);
    if (r < 0) return NULL;
    if (r == 0 || (id == OP_MATMUL && args[1].tag != TW_ARG_TENSOR)) Py_RETURN_NOTIMPLEMENTED;
    const tw_op *op = &tw_ops[operators[id].op];
    args[0] = tw_a_tensor(tw_py_tensor_of(a));
    for (int i = 2; i < op->nparams; i++) args[i] = op->params[i].fallback;
    if (!tw_py_run_inplace(op, args)) return tw_py_raise();
    TW_PY_RETURN_NEW(a);
}

static PyObject *unary(int id, PyObject *a) {
    tw_arg args[TW_MAX_ARGS];
    if (Py_TYPE(a) != tw_py_tensor_class || tw_py_function_mode_on()) {
        bool handled;
        if (tw_py_any_overrides(&a, 1)) {
            PyObject *r = override(&operators[id], &a, 1, &handled);
            if (handled) return r;
        }
    }
    args[0] = tw_a_tensor(tw_py_tensor_of(a));
    return finish(&tw_ops[operators[id].op], args, 1);
}

#define BINARY(name, id, rid) static PyObject *nb_##name(PyObject *a, PyObject *b) { return binary(id, rid, a, b); }
#define INPLACE(name, id) static PyObject *nb_i##name(PyObject *a, PyObject *b) { return inplace(id, a, b); }
BINARY(add, OP_ADD, OP_ADD)
/* Python puts this into sq_inplace_concat of every subclass too, whose NotImplemented would be the result of t += [1]. So what comes
 * after it, the other operand's __radd__ and then a TypeError, is done here. */
static PyObject *nb_iadd(PyObject *a, PyObject *b) {
    PyObject *r = inplace(OP_ADD, a, b);
    if (r != Py_NotImplemented) return r;
    binaryfunc turned = Py_TYPE(b)->tp_as_number ? Py_TYPE(b)->tp_as_number->nb_add : NULL;
    if (turned) Py_SETREF(r, turned(a, b));
    if (r != Py_NotImplemented) return r;
    Py_DECREF(r);
    PyErr_Format(PyExc_TypeError, "unsupported operand type(s) for +=: '%.100s' and '%.100s'", Py_TYPE(a)->tp_name, Py_TYPE(b)->tp_name);
    return NULL;
}
BINARY(sub, OP_SUB, OP_RSUB) INPLACE(sub, OP_SUB)
BINARY(mul, OP_MUL, OP_MUL) INPLACE(mul, OP_MUL)
BINARY(div, OP_DIV, OP_RDIV) INPLACE(div, OP_DIV)
BINARY(floordiv, OP_FLOORDIV, OP_RFLOORDIV) INPLACE(floordiv, OP_FLOORDIV)
BINARY(mod, OP_MOD, OP_RMOD) INPLACE(mod, OP_MOD)
BINARY(matmul, OP_MATMUL, OP_RMATMUL)
BINARY(and, OP_AND, OP_AND) INPLACE(and, OP_AND)
BINARY(or, OP_OR, OP_OR) INPLACE(or, OP_OR)
BINARY(xor, OP_XOR, OP_XOR) INPLACE(xor, OP_XOR)
BINARY(lshift, OP_LSHIFT, OP_RLSHIFT) INPLACE(lshift, OP_LSHIFT)
BINARY(rshift, OP_RSHIFT, OP_RRSHIFT) INPLACE(rshift, OP_RSHIFT)

static PyObject *nb_pow(PyObject *a, PyObject *b, PyObject *modulus) {
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return binary(OP_POW, OP_RPOW, a, b);
}
static PyObject *nb_ipow(PyObject *a, PyObject *b, PyObject *modulus) {
    (void)modulus;
    return inplace(OP_POW, a, b);
}
static PyObject *nb_neg(PyObject *a) { return unary(OP_NEG, a); }
static PyObject *nb_pos(PyObject *a) { return unary(OP_POS, a); }
static PyObject *nb_abs(PyObject *a) { return unary(OP_ABS, a); }
static PyObject *nb_invert(PyObject *a) {
    tw_dtype d = (tw_dtype)tw_py_tensor_of(a)->dtype;
    if (!tw_is_integral(d)) {
        PyErr_SetString(PyExc_TypeError, "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
        return NULL;
    }
    return unary(OP_INVERT, a);
}

/* --- reflected operators by name --- */

/* Tensor.__rsub__(self, other), whatever the two are. The sum, product and the bitwise operators are those of (self, other), as in
 * PyTorch, and the quotient goes by self's reciprocal; both show in the layout of the result. */
static PyObject *by_name(int id, int reflected_id, PyObject *self, PyObject *other) {
    if (id == reflected_id) return binary(id, id, self, other);
    PyObject *pair[2] = {self, other};
    if (tw_py_any_overrides(pair, 2)) {
        bool handled;
        PyObject *r = override(&operators[reflected_id], pair, 2, &handled);
        if (handled) return r;
    }
    if (id == OP_DIV && !tw_py_is_tensor(self)) { /* numbers have none: an AttributeError says so */
        PyObject *reciprocal = PyObject_CallMethod(self, "reciprocal", NULL), *r = reciprocal ? PyNumber_Multiply(reciprocal, other) : NULL;
        Py_XDECREF(reciprocal);
        return r;
    }
    tw_arg args[TW_MAX_ARGS];
    int r = operand(other, &args[0]);
    if (r == 1) r = operand(self, &args[1]);
    if (r < 0) return NULL;
    const bool own = r == 1 && args[1].tag == TW_ARG_TENSOR, others = r == 1 && args[0].tag == TW_ARG_TENSOR;
    const bool taken = id == OP_MATMUL ? own && others : id == OP_SUB ? own : own || others;
    if (!taken) Py_RETURN_NOTIMPLEMENTED;
    if (!others || (own && (id == OP_DIV || id == OP_SUB))) return reflected(reflected_id, &args[0], &args[1]);
    return finish(&tw_ops[operators[id].op], args, 2);
}

static PyObject *named(int id, int reflected_id, const char *name, PyObject *const *args, Py_ssize_t n) {
    if (n == 2) return by_name(id, reflected_id, args[0], args[1]);
    return PyErr_Format(PyExc_TypeError, "Tensor.__r%s__() takes 2 positional arguments but %zd were given", name, n);
}

#define REFLECTED(name, id, rid) \
    static PyObject *reflected_##name(PyObject *module, PyObject *const *args, Py_ssize_t n) { \
        (void)module; \
        return named(id, rid, #name, args, n); \
    }
REFLECTED(sub, OP_SUB, OP_RSUB)
REFLECTED(div, OP_DIV, OP_RDIV)
REFLECTED(floordiv, OP_FLOORDIV, OP_RFLOORDIV)
REFLECTED(mod, OP_MOD, OP_RMOD)
REFLECTED(pow, OP_POW, OP_RPOW)
REFLECTED(matmul, OP_MATMUL, OP_RMATMUL)
REFLECTED(lshift, OP_LSHIFT, OP_RLSHIFT)
REFLECTED(rshift, OP_RSHIFT, OP_RRSHIFT)

/* PyTorch has those of the first list as methods of its C type, and those of the second as functions of the class, which take any self. */
static PyMethodDef named_methods[] = {
    {"__radd__", nb_add, METH_O, NULL}, {"__rmul__", nb_mul, METH_O, NULL}, {"__rand__", nb_and, METH_O, NULL},
    {"__ror__", nb_or, METH_O, NULL}, {"__rxor__", nb_xor, METH_O, NULL}, {"__div__", nb_div, METH_O, NULL},
    {"__idiv__", nb_idiv, METH_O, NULL}, {NULL, NULL, 0, NULL},
};
#define FUNCTION(name, f) {name, (PyCFunction)(void (*)(void))f, METH_FASTCALL, NULL}
static PyMethodDef named_functions[] = {
    FUNCTION("__rsub__", reflected_sub), FUNCTION("__rdiv__", reflected_div), FUNCTION("__rtruediv__", reflected_div),
    FUNCTION("__rfloordiv__", reflected_floordiv), FUNCTION("__rmod__", reflected_mod), FUNCTION("__rpow__", reflected_pow),
    FUNCTION("__rmatmul__", reflected_matmul), FUNCTION("__rlshift__", reflected_lshift), FUNCTION("__rrshift__", reflected_rshift),
    {NULL, NULL, 0, NULL},
};

static bool add_named(PyMethodDef *list, bool functions) {
    for (PyMethodDef *m = list; m->ml_name; m++) {
        PyObject *f = functions ? PyCFunction_New(m, NULL) : PyDescr_NewMethod(tw_py_base_type, m);
        PyObject *bound = f && functions ? PyInstanceMethod_New(f) : Py_XNewRef(f); /* binds to a tensor, as a function of the class does */
        const bool ok = bound && PyDict_SetItemString(tw_py_base_type->tp_dict, m->ml_name, bound) == 0;
        Py_XDECREF(f);
        Py_XDECREF(bound);
        if (!ok) return false;
    }
    return true;
}

bool tw_py_init_reflected(void) {
    if (!add_named(named_methods, false) || !add_named(named_functions, true)) return false;
    PyType_Modified(tw_py_base_type);
    return true;
}

/* --- conversions --- */

static PyObject *one_element(PyObject *o) {
    tw_tensor *t = tw_py_tensor_of(o);
    if (t->numel != 1) {
        PyErr_SetString(PyExc_ValueError, "only one element tensors can be converted to Python scalars");
        return NULL;
    }
    return tw_py_item(t);
}

static int nb_bool(PyObject *o) {
    tw_tensor *t = tw_py_tensor_of(o);
    if (t->numel != 1) {
        PyErr_SetString(PyExc_RuntimeError, t->numel == 0 ? "Boolean value of Tensor with no values is ambiguous"
                                                          : "Boolean value of Tensor with more than one value is ambiguous");
        return -1;
    }
    if (t->flags & TW_BATCHED) {
        PyErr_SetString(PyExc_RuntimeError, "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
                        "don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues .");
        return -1;
    }
    PyObject *v = tw_py_item(t);
    int r = v ? PyObject_IsTrue(v) : -1;
    Py_XDECREF(v);
    return r;
}

static void warn_requires_grad(PyObject *o) {
    if (!(tw_mode & TW_MODE_NO_GRAD) && tw_requires_grad(tw_py_tensor_of(o)))
        PyErr_WarnEx(PyExc_UserWarning, "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                     "Consider using tensor.detach() first.", 1);
}

static PyObject *nb_float(PyObject *o) {
    PyObject *v = one_element(o), *r;
    if (!v) return NULL;
    warn_requires_grad(o);
    if (PyErr_Occurred()) {
        Py_DECREF(v);
        return NULL;
    }
    r = PyNumber_Float(v);
    Py_DECREF(v);
    return r;
}
static PyObject *nb_int(PyObject *o) {
    PyObject *v = one_element(o), *r = v ? PyNumber_Long(v) : NULL;
    Py_XDECREF(v);
    return r;
}
static PyObject *nb_index(PyObject *o) {
    tw_tensor *t = tw_py_tensor_of(o);
    if (t->numel != 1 || !tw_is_integral((tw_dtype)t->dtype)) {
        PyErr_SetString(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
        return NULL;
    }
    PyObject *v = tw_py_item(t), *r = v ? PyNumber_Long(v) : NULL;
    Py_XDECREF(v);
    return r;
}

PyNumberMethods tw_py_number = {
    .nb_add = nb_add, .nb_subtract = nb_sub, .nb_multiply = nb_mul, .nb_true_divide = nb_div, .nb_floor_divide = nb_floordiv,
    .nb_remainder = nb_mod, .nb_power = nb_pow, .nb_matrix_multiply = nb_matmul, .nb_and = nb_and, .nb_or = nb_or, .nb_xor = nb_xor,
    .nb_lshift = nb_lshift, .nb_rshift = nb_rshift, .nb_inplace_add = nb_iadd, .nb_inplace_subtract = nb_isub,
    .nb_inplace_multiply = nb_imul, .nb_inplace_true_divide = nb_idiv, .nb_inplace_floor_divide = nb_ifloordiv,
    .nb_inplace_remainder = nb_imod, .nb_inplace_power = nb_ipow, .nb_inplace_and = nb_iand, .nb_inplace_or = nb_ior,
    .nb_inplace_xor = nb_ixor, .nb_inplace_lshift = nb_ilshift, .nb_inplace_rshift = nb_irshift, .nb_negative = nb_neg,
    .nb_positive = nb_pos, .nb_absolute = nb_abs, .nb_invert = nb_invert, .nb_bool = nb_bool, .nb_float = nb_float, .nb_int = nb_int,
    .nb_index = nb_index,
};

/* Slots that Python would send through a search for methods in subclasses, as their reflected form has a method of its own. */
static const struct { const char *name, *reflected; size_t slot; } direct[] = {
#define DIRECT(name, slot) {"__" #name "__", "__r" #name "__", offsetof(PyNumberMethods, slot)}
    DIRECT(add, nb_add), DIRECT(sub, nb_subtract), DIRECT(mul, nb_multiply), DIRECT(truediv, nb_true_divide),
    DIRECT(floordiv, nb_floor_divide), DIRECT(mod, nb_remainder), DIRECT(pow, nb_power), DIRECT(matmul, nb_matrix_multiply),
    DIRECT(and, nb_and), DIRECT(or, nb_or), DIRECT(xor, nb_xor), DIRECT(lshift, nb_lshift), DIRECT(rshift, nb_rshift),
#undef DIRECT
};

static bool inherits(PyTypeObject *type, const char *name) {
    PyObject *key = PyUnicode_InternFromString(name), *mine = key ? _PyType_Lookup(type, key) : NULL;
    const bool same = mine && mine == PyDict_GetItem(tw_py_base_type->tp_dict, key);
    Py_XDECREF(key);
    return same;
}

void tw_py_inherit_operators(PyTypeObject *type) {
    if (!type->tp_as_number) return;
    for (size_t i = 0; i < sizeof direct / sizeof direct[0]; i++)
        if (inherits(type, direct[i].name) && inherits(type, direct[i].reflected))
            memcpy((char *)type->tp_as_number + direct[i].slot, (char *)&tw_py_number + direct[i].slot, sizeof(void *));
    PyErr_Clear(); /* for want of memory for a name: then operators are slower */
}

/* --- comparison, hashing, sequences --- */

PyObject *tw_py_compare(PyObject *a, PyObject *b, int op) {
    static const int ids[] = {[Py_LT] = OP_LT, [Py_LE] = OP_LE, [Py_EQ] = OP_EQ, [Py_NE] = OP_NE, [Py_GT] = OP_GT, [Py_GE] = OP_GE};
    if (b == Py_None) Py_RETURN_NOTIMPLEMENTED;
    if (op != Py_EQ || !tw_py_is_ndarray(b)) return binary(ids[op], ids[op], a, b);
    tw_tensor *other = tw_py_from_data(b, TW_DTYPE_NONE, TW_CPU); /* arrays compare equal to tensors by elements, in this comparison only */
    PyObject *wrapped_other = other ? tw_py_wrap(other) : NULL;
    if (!wrapped_other) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return NULL;
        PyErr_Clear(); /* an array of no numbers */
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *r = binary(OP_EQ, OP_EQ, a, wrapped_other);
    Py_DECREF(wrapped_other);
    return r;
}

/* id(self), as in PyTorch: not the pointer rotated, as Python's own objects have it. */
Py_hash_t tw_py_tensor_hash(PyObject *self) { return (Py_hash_t)self; }

static Py_ssize_t length(PyObject *o) {
    tw_tensor *t = tw_py_tensor_of(o);
    if (t->ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
        return -1;
    }
    return (Py_ssize_t)t->sizes[0];
}

PyObject *tw_py_iter(PyObject *self) {
    tw_tensor *t = tw_py_tensor_of(self);
    if (t->ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "iteration over a 0-d tensor");
        return NULL;
    }
    PyObject *args[1] = {self}, *parts = tw_py_call_op("unbind", args, 1, NULL), *it = parts ? PyObject_GetIter(parts) : NULL;
    Py_XDECREF(parts);
    return it;
}

static PyObject *sequence_item(PyObject *o, Py_ssize_t i) {
    PyObject *index = PyLong_FromSsize_t(i), *r = index ? tw_py_getitem(o, index) : NULL;
    Py_XDECREF(index);
    return r;
}

static int contains(PyObject *self, PyObject *element) {
    tw_arg a;
    int r = operand(element, &a);
    if (r < 0) return -1;
    if (r == 0) {
        PyErr_Format(PyExc_RuntimeError, "Tensor.__contains__ only supports Tensor or scalar, but you passed in a %S.", Py_TYPE(element));
        return -1;
    }
    PyObject *same = tw_py_compare(self, element, Py_EQ), *any = same ? tw_py_call_op("any", &same, 1, NULL) : NULL;
    r = any ? PyObject_IsTrue(any) : -1;
    Py_XDECREF(same);
    Py_XDECREF(any);
    return r;
}

PyMappingMethods tw_py_mapping = {.mp_length = length, .mp_subscript = tw_py_getitem, .mp_ass_subscript = tw_py_setitem};
PySequenceMethods tw_py_sequence = {.sq_length = length, .sq_item = sequence_item, .sq_contains = contains};

/* --- text --- */

PyObject *tw_py_tensor_repr(PyObject *self) {
    tw_tensor *t = tw_py_tensor_of(self);
    char suffix[160] = "";
    const char *name = Py_TYPE(self)->tp_name, *dot = strrchr(name, '.');
    if (dot) name = dot + 1;
    if (tw_requires_grad(t)) {
        tw_node *node = tw_grad_fn_of(t);
        if (tw_error()) { /* a piece of a tensor that was written to */
            tw_clear_error();
            snprintf(suffix, sizeof suffix, "grad_fn=<Invalid>");
        } else if (node) snprintf(suffix, sizeof suffix, "grad_fn=<%.120s>", node->name ? node->name : "Unknown");
        else snprintf(suffix, sizeof suffix, "requires_grad=True");
    }
    if (Py_TYPE(self) == tw_py_tensor_class || strcmp(name, "Parameter") == 0) name = "tensor";
    char *text = tw_tensor_text(t, NULL, name, suffix[0] ? suffix : NULL);
    if (!text) return tw_py_raise();
    PyObject *o = PyUnicode_FromString(text);
    tw_free(text);
    return o;
}
