/* linalg_vector_norm: a chain of elementwise ops and reductions below autograd. */
#include "core/error.h"
#include "op_ids.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops/reduce_engine.h"
#include "ops/reduce.h"
#include "ops_decl.h"
#include <math.h>

/* Dims of an optional argument as flags; none: all. */
static bool dims_of(const tw_arg *dim, int ndim, bool *reduced) {
    if (dim->tag == TW_ARG_INT) return tw_reduce_dims(&dim->i, 1, ndim, reduced);
    return tw_reduce_dims(dim->ints, dim->tag == TW_ARG_INTS ? dim->n : 0, ndim, reduced);
}

static bool check_dtype(const char *name, tw_dtype have, const tw_arg *dtype) {
    if (!tw_is_float(have) && !tw_is_complex(have))
        return tw_fail(TW_RUNTIME_ERROR, "%s: Expected a floating point or complex tensor as input. Got %s", name, tw_dtypes[have].type_name);
    if (dtype->tag != TW_ARG_INT) return true;
    const tw_dtype want = (tw_dtype)dtype->i;
    if (!tw_is_float(want) && !tw_is_complex(want))
        return tw_fail(TW_RUNTIME_ERROR, "%s: dtype should be floating point or complex. Got %s", name, tw_dtypes[want].type_name);
    if (tw_is_complex(have) != tw_is_complex(want))
        return tw_fail(TW_RUNTIME_ERROR, "%s: dtype should be %s for %s inputs. Got %s", name, tw_is_complex(have) ? "complex" : "real",
                       tw_is_complex(have) ? "complex" : "real", tw_dtypes[want].type_name);
    if (tw_promote(have, want) != want)
        return tw_fail(TW_RUNTIME_ERROR, "%s: the dtype of the input (%s) should be convertible without narrowing to the specified dtype (%s)",
                       name, tw_dtypes[have].type_name, tw_dtypes[want].type_name);
    return true;
}

/* (self, ord, dim, keepdim, dtype) */
bool tw_linalg_vector_norm_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t;
    int64_t sizes[TW_MAX_DIMS];
    bool reduced[TW_MAX_DIMS];
    int n = 0;
    if (a[1].tag == TW_ARG_COMPLEX) return tw_fail(TW_RUNTIME_ERROR, "linalg.vector_norm: Expected a non-complex scalar as the order of norm.");
    const double ord = tw_scalar_double(tw_a_to_scalar(&a[1]));
    if (!check_dtype("linalg.vector_norm", (tw_dtype)self->dtype, &a[4]) || !dims_of(&a[2], self->ndim, reduced)) return false;
    const bool all = a[2].tag != TW_ARG_INT && (a[2].tag != TW_ARG_INTS || a[2].n == 0);
    if (self->numel == 0 && (ord < 0 || ord == (double)INFINITY)) {
        if (all)
            return tw_fail(TW_RUNTIME_ERROR, "linalg.vector_norm cannot compute the %g norm on an empty tensor because the operation does not have an identity", ord);
        for (int d = 0; d < self->ndim; d++)
            if (reduced[d] && self->sizes[d] == 0)
                return tw_fail(TW_RUNTIME_ERROR, "linalg.vector_norm cannot compute the %g norm on the dimension %d because this dimension is empty "
                               "and the operation does not have an identity", ord, d);
    }
    for (int d = 0; d < self->ndim; d++) {
        if (!reduced[d]) sizes[n++] = self->sizes[d];
        else if (a[3].i) sizes[n++] = 1;
    }
    const tw_dtype dtype = (tw_dtype)tw_a_get_int(&a[4], self->dtype);
    return tw_meta_set(out, tw_dtypes[dtype].real, self->device, sizes, n);
}

/* *t becomes the result of an op on it and up to three more arguments. */
static bool apply(tw_tensor **t, int op, tw_arg x, tw_arg y, tw_arg z) {
    tw_tensor *out = NULL;
    const tw_arg args[4] = {tw_a_tensor(*t), x, y, z};
    bool ok = tw_run(&tw_ops[op], args, &out);
    tw_release(*t);
    *t = ok ? out : NULL;
    return ok;
}

static void finish_roots(void *context, int64_t n, void *acc, int64_t o, int64_t step) {
    tw_tensor *to = context;
    for (int64_t i = 0; i < n; i++) {
        if (to->dtype == TW_FLOAT32) ((float *)tw_data(to))[o + i * step] = sqrtf(((float *)acc)[i]);
        else ((double *)tw_data(to))[o + i * step] = sqrt(((double *)acc)[i]);
    }
}

/* Roots of sums of squares, in one pass; t, of float32 or float64, becomes the result. */
static bool roots(tw_tensor **t, const tw_arg *dim, const tw_tensor *like) {
    bool reduced[TW_MAX_DIMS];
    tw_tensor *out = dims_of(dim, (*t)->ndim, reduced) ? tw_empty_new(like->sizes, like->ndim, (tw_dtype)(*t)->dtype, like->device) : NULL;
    tw_reduction_plan plan = {.in = *t, .cast = (tw_dtype)(*t)->dtype, .kernel = TW_R_SQUARES, .reduced = reduced, .context = out, .finish = finish_roots};
    const bool ok = out && tw_reduce_execute(&plan);
    tw_release(*t);
    *t = out;
    return ok;
}

bool tw_linalg_vector_norm_run(const tw_arg *a, tw_tensor **outs) {
    const double ord = tw_scalar_double(tw_a_to_scalar(&a[1]));
    const tw_dtype dtype = (tw_dtype)tw_a_get_int(&a[4], a[0].t->dtype);
    /* half types in float32 from end to end */
    const tw_dtype wide = dtype == TW_FLOAT16 || dtype == TW_BFLOAT16 ? TW_FLOAT32 : dtype == TW_COMPLEX32 ? TW_COMPLEX64 : dtype;
    const tw_arg none = TW_A_NONE, keep = tw_a_bool(a[3].i != 0);
    const tw_arg dims = a[2].tag == TW_ARG_INT ? tw_a_ints(&a[2].i, 1) : a[2].tag == TW_ARG_INTS ? a[2] : tw_a_ints(NULL, 0);
    tw_tensor *t = a[0].t->dtype == wide ? tw_retain(a[0].t) : tw_clone_new(a[0].t, wide, TW_PRESERVE_FORMAT);
    bool ok = t != NULL;
    if (ok && (ord != 2 || tw_is_complex(wide))) ok = apply(&t, TW_OP_abs, none, none, none);
    if (!ok) return false;
    if (ord == 2) ok = roots(&t, &a[2], outs[0]);
    else if (ord == (double)INFINITY) ok = t->numel == 0 ? apply(&t, TW_OP_sum_dim_IntList, dims, keep, none) : apply(&t, TW_OP_amax, dims, keep, none);
    else if (ord == -(double)INFINITY) ok = t->numel == 0 ? apply(&t, TW_OP_sum_dim_IntList, dims, keep, none) : apply(&t, TW_OP_amin, dims, keep, none);
    else if (ord == 0) ok = apply(&t, TW_OP_ne, tw_a_int(0), none, none) && apply(&t, TW_OP_sum_dim_IntList, dims, keep, none);
    else if (ord == 1) ok = apply(&t, TW_OP_sum_dim_IntList, dims, keep, none);
    else ok = apply(&t, TW_OP_pow, tw_a_float(ord), none, none) && apply(&t, TW_OP_sum_dim_IntList, dims, keep, none) &&
              apply(&t, TW_OP_pow, tw_a_float(1 / ord), none, none);
    ok = ok && tw_copy(outs[0], t);
    tw_release(t);
    return ok;
}
