/* "received an invalid combination of arguments": what was given against what each overload takes. */
#include "ext/parse.h"
#include <math.h>

typedef struct text { char *at; size_t used, room; } text;

static void put(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(text *t, const char *format, ...) {
    va_list list;
    for (;;) {
        va_start(list, format);
        int n = vsnprintf(t->at + t->used, t->at ? t->room - t->used : 0, format, list);
        va_end(list);
        if (t->at && t->used + (size_t)n < t->room) {
            t->used += (size_t)n;
            return;
        }
        size_t room = (t->used + (size_t)n + 1) * 2;
        char *grown = PyMem_Realloc(t->at, room);
        if (!grown) return;
        t->at = grown;
        t->room = room;
    }
}

static const char *type_name(PyObject *o) { return Py_TYPE(o)->tp_name; }

static void put_type(text *t, PyObject *o) {
    bool tuple = PyTuple_CheckExact(o), list = PyList_CheckExact(o);
    Py_ssize_t n = tuple ? PyTuple_GET_SIZE(o) : list ? PyList_GET_SIZE(o) : 0;
    if (n == 0) {
        put(t, "%s", type_name(o));
        return;
    }
    put(t, tuple ? "tuple of (" : "list of [");
    for (Py_ssize_t i = 0; i < n; i++) {
        if (i) put(t, ", ");
        if (tuple) put(t, "%s", type_name(PyTuple_GET_ITEM(o, i)));
        else put(t, "%s", type_name(PyList_GET_ITEM(o, i)));
    }
    if (tuple && n == 1) put(t, ",");
    put(t, tuple ? ")" : "]");
}

static void put_given(text *t, const tw_py_parse *p) {
    Py_ssize_t from = p->method ? 1 : 0, nkeywords = p->kwnames ? PyTuple_GET_SIZE(p->kwnames) : 0;
    put(t, "(");
    for (Py_ssize_t i = from; i < p->ngiven + nkeywords; i++) {
        if (i > from) put(t, ", ");
        if (i >= p->ngiven) put(t, "%s=", PyUnicode_AsUTF8(PyTuple_GET_ITEM(p->kwnames, i - p->ngiven)));
        put_type(t, p->given[i]);
    }
    put(t, p->ngiven == from && nkeywords ? ", )" : ")"); /* as PyTorch has it */
}

static void put_default(text *t, const tw_param *param) {
    const tw_arg *a = &param->fallback;
    put(t, " = ");
    if (param->type == TW_TYPE_BOOL && a->tag != TW_ARG_NONE) {
        put(t, a->i ? "True" : "False");
        return;
    }
    switch ((tw_tag)a->tag) {
    case TW_ARG_BOOL: put(t, a->i ? "True" : "False"); break;
    case TW_ARG_INT:
        if (param->type <= TW_TYPE_INTS) put(t, "%lld", (long long)a->i);
        else put(t, "None");
        break;
    case TW_ARG_FLOAT: put(t, "%g", a->d); break;
    case TW_ARG_STRING: put(t, "\"%s\"", a->s); break;
    case TW_ARG_INTS:
        if (a->n == 1) {
            put(t, "%lld", (long long)a->ints[0]);
            break;
        }
        put(t, "(");
        for (int i = 0; i < a->n; i++) put(t, "%s%lld", i ? "," : "", (long long)a->ints[i]);
        put(t, ")");
        break;
    default: put(t, "None");
    }
}

PyObject *tw_py_text_signature(const tw_op *op) {
    text t = {NULL, 0, 0};
    bool star = false;
    put(&t, "($self");
    for (int i = 0; i < op->nparams; i++) {
        const tw_param *param = &op->params[i];
        if (i == op->self) continue;
        if (param->keyword_only && !star) put(&t, ", *");
        star |= param->keyword_only;
        put(&t, ", %s", param->name);
        if (!param->has_default) continue;
        if (param->fallback.tag == TW_ARG_FLOAT && !isfinite(param->fallback.d)) put(&t, "=None");
        else put_default(&t, param);
    }
    put(&t, ")");
    PyObject *o = t.at ? PyUnicode_FromString(t.at) : PyErr_NoMemory();
    PyMem_Free(t.at);
    return o;
}

/* numbers: bit per parameter to be shown as taking a number. */
static int put_signature(text *t, const tw_py_parse *p, const tw_op *op, bool takes_out, unsigned numbers) {
    int self = p->method ? op->self : -1, count = 0;
    bool star = false;
    const bool factory = tw_py_is_factory(op);
    put(t, "(");
    for (int i = 0; i < op->nparams; i++) {
        const tw_param *param = &op->params[i];
        if (i == self) continue;
        if (count++) put(t, ", ");
        if (param->keyword_only && !star) {
            put(t, "*, ");
            star = true;
        }
        if (takes_out && factory && strcmp(param->name, "dtype") == 0) {
            put(t, "Tensor out = None, ");
            takes_out = false;
            count++;
        }
        const bool number = numbers >> i & 1u;
        put(t, "%s %s", number ? "Number" : tw_py_param_type(param), strcmp(param->name, "self") == 0 && !number ? "input" : param->name);
        if (factory && strcmp(param->name, "pin_memory") == 0) put(t, " = False");
        else if (param->has_default) put_default(t, param);
    }
    if (takes_out) {
        put(t, "%s%s%s out = None", count ? ", " : "", star ? "" : "*, ", op->nouts > 1 || op->flags & TW_OP_LIST ? "tuple of Tensors" : "Tensor");
        count++;
    }
    if (factory) {
        put(t, ", bool requires_grad = False");
        count++;
    }
    put(t, ")");
    return count;
}

PyObject *tw_py_signature(const tw_py_parse *p, const tw_op *op, bool takes_out) {
    text t = {NULL, 0, 0};
    put_signature(&t, p, op, takes_out, 0);
    PyObject *o = t.at ? PyUnicode_FromString(t.at) : PyErr_NoMemory();
    PyMem_Free(t.at);
    return o;
}

/* Marks with ! what this overload does not take. */
static void put_mismatch(text *t, const tw_py_parse *p, const tw_op *op) {
    int self = p->method ? op->self : -1, param = 0;
    Py_ssize_t from = p->method ? 1 : 0;
    put(t, "      didn't match because some of the arguments have invalid types: (");
    for (Py_ssize_t i = from; i < p->ngiven; i++, param++) {
        if (param == self) param++;
        bool fits = param < op->nparams && tw_py_parse_accepts(&op->params[param], p->given[i]);
        put(t, "%s%s", i > from ? ", " : "", fits ? "" : "!");
        put_type(t, p->given[i]);
        put(t, fits ? "" : "!");
    }
    put(t, ")\n");
}

void tw_py_parse_error(tw_py_parse *p, const tw_binding *b) {
    text t = {NULL, 0, 0};
    Py_ssize_t nkeywords = p->kwnames ? PyTuple_GET_SIZE(p->kwnames) : 0, given = p->ngiven - (p->method ? 1 : 0) + nkeywords;
    put(&t, "%s() received an invalid combination of arguments - got ", p->name);
    put_given(&t, p);
    const tw_op *first = &tw_ops[b->ops[0]];
    const bool either = b->nops == 1 && !p->method && first->nparams > 1 && first->params[0].number_too && first->params[1].number_too;
    put(&t, b->nops == 1 && !either ? ", but expected " : ", but expected one of:\n");
    for (unsigned numbers = 0; either && numbers < 3; numbers++) { /* (Tensor, Tensor), (Number, Tensor), (Tensor, Number) */
        put(&t, " * ");
        put_signature(&t, p, first, b->has_out, numbers);
        put(&t, "\n");
    }
    for (int i = 0; i < b->nops && !either; i++) {
        const tw_op *op = &tw_ops[b->ops[i]];
        if (b->nops > 1) put(&t, " * ");
        int count = put_signature(&t, p, op, b->has_out && !p->method, 0);
        if (b->nops == 1) break;
        put(&t, "\n");
        if ((count ? count : 1) == given && nkeywords == 0) put_mismatch(&t, p, op);
    }
    PyErr_SetString(PyExc_TypeError, t.at ? t.at : "invalid arguments");
    PyMem_Free(t.at);
}
