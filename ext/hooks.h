/* Nodes, hooks and custom functions, among the files that wrap autograd. */
#ifndef TW_EXT_HOOKS_H
#define TW_EXT_HOOKS_H
#include "ext/ext.h"

/* A Python exception is set inside a callback: keeps it, sets a tallow error in its place, returns false. */
bool tw_py_stash_error(void);
bool tw_py_unstash_error(void);                      /* restores a kept one; false if there is none */
PyObject *tw_py_tensors_tuple(tw_tensor *const *ts, int n); /* None for NULL */
tw_node *tw_py_node_of(PyObject *wrapper);           /* borrowed; NULL when it is gone */
PyObject *tw_py_node_hook(PyObject *node, PyObject *hook, bool pre);
PyObject *tw_py_next_functions(tw_node *n);
tw_node *tw_py_function_node(PyObject *ctx);         /* function_py.c: of a custom Function's ctx; NULL for other objects */
PyObject *tw_py_function_ctx(tw_node *n);            /* borrowed ctx of a custom node; NULL for other nodes */
bool tw_py_init_hooks(PyObject *m);
bool tw_py_init_node(PyObject *m);
bool tw_py_init_custom(PyObject *m);
#endif
