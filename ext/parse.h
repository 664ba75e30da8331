/* Matching Python arguments with the parameters of an op. */
#ifndef TW_EXT_PARSE_H
#define TW_EXT_PARSE_H
#include "ext/ext.h"

enum { TW_PY_POOL = 24 };

/* The state of one call. args borrow from the Python arguments and from `pool` and `blocks`. */
typedef struct tw_py_parse {
    const tw_op *op;
    const char *name;            /* public name, for errors */
    bool method;                 /* args[0] is self */
    PyObject *const *given;      /* positional, self included */
    Py_ssize_t ngiven;
    PyObject *kwnames;           /* NULL or a tuple; values follow the positional ones */
    PyObject *out;               /* out=, borrowed; NULL if absent or None */
    bool requires_grad;
    tw_arg args[TW_MAX_ARGS];
    tw_tensor *made;             /* owned: a number in the place of the first tensor (torch.mul(2, x)) */
    int nblocks;
    int used;
    void *blocks[8];
    int64_t pool[TW_PY_POOL];
} tw_py_parse;

/* Fills p->args for p->op. False: no match; with `raise` a Python error is set that says why. A Python error may be set without
 * `raise` too when the argument itself failed (overflow): then no other overload is tried. */
bool tw_py_parse_op(tw_py_parse *p, bool takes_out, bool raise);
/* While set, 0-d tensors do not count as numbers: an overload that takes them as tensors goes first. */
extern bool tw_py_parse_strict;
void tw_py_parse_clear(tw_py_parse *p);
static inline void tw_py_parse_free(tw_py_parse *p) {
    p->used = 0;
    if (p->nblocks || p->made) tw_py_parse_clear(p);
}
/* "combination of arguments" error over all overloads of a binding. */
PyObject *tw_py_text_signature(const tw_op *op); /* "($self, dim=0)" of a method */
PyObject *tw_py_signature(const tw_py_parse *p, const tw_op *op, bool takes_out); /* "(Tensor other, *, Number alpha = 1)", for messages */
void tw_py_parse_error(tw_py_parse *p, const tw_binding *b);
/* Whether o would be accepted by the parameter. */
bool tw_py_parse_accepts(const tw_param *param, PyObject *o);
bool tw_py_is_factory(const tw_op *op);
const char *tw_py_param_type(const tw_param *param);
#endif
