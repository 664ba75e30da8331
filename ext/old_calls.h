/* Calls with numbers in places where they stood once. */
#ifndef TW_EXT_OLD_CALLS_H
#define TW_EXT_OLD_CALLS_H
#include "ext/parse.h"

enum { TW_PY_OLD_ARGS = 12 };
typedef struct tw_py_old {
    PyObject *given[TW_PY_OLD_ARGS]; /* borrowed */
    PyObject *kwnames;               /* owned by the caller once the call is rewritten */
} tw_py_old;

/* Whether p's arguments are such a call of b: then p has them as the call is written today. A Python error may be set (a warning that is
 * an error). */
bool tw_py_old_call(tw_py_parse *p, const tw_binding *b, tw_py_old *o);
#endif
