/* Forward mode inside the entry: tangents of results from tangents of arguments. */
#ifndef TW_AUTOGRAD_JVP_H
#define TW_AUTOGRAD_JVP_H
#include "autograd/autograd.h"

/* Whether an argument has a tangent at a level that is open and seen. */
bool tw_any_tangent(const tw_op *op, const tw_arg *args);
bool tw_has_tangent(const tw_tensor *t);
/* Attaches tangents to the results of a call. */
bool tw_jvp_outs(const tw_op *op, const tw_arg *args, tw_tensor **outs);
/* args[0] was overwritten; before: its elements from before. Replaces its tangents. */
bool tw_jvp_inplace(const tw_op *op, const tw_arg *args, tw_tensor *before);

/* Tangents by way of op's gradient (transposed.c); the arguments as of tw_jvp_fn. */
bool tw_jvp_transposed(const tw_op *op, const tw_arg *args, tw_tensor *const *results, const tw_arg *t, tw_tensor **tout);

/* The tangents of a tensor, of levels open or long closed, by ascending id of the level. */
typedef struct tw_tangents { int n; struct { uint64_t level; tw_tensor *t; unsigned version; /* of the tensor, when it got this */ } at[]; } tw_tangents;
void tw_tangents_free(tw_tangents *list);                         /* NULL is legal */
bool tw_tangents_copy(tw_tensor *to, const tw_tensor *from);      /* to has none yet */
/* Sets f(tangent) for each of from's tangents on to. f gives an owned tensor; NULL fails. */
bool tw_tangents_map(tw_tensor *to, const tw_tensor *from, tw_tensor *(*f)(tw_tensor *tangent, const void *context), const void *context);
#endif
