/* Reductions: what each means for dtypes, shapes and empty inputs. The work is in reduce_engine.c. */
#include "ops/out.h"
#include "ops/reduce.h"
#include "kernels/copy.h"
#include "ops/copy.h"
#include "ops/reduce_engine.h"
#include "ops/view.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

const tw_reduce tw_reduce_sum = {"sum", TW_RULE_SUM, TW_R_SUM, "sum_cpu"};
const tw_reduce tw_reduce_prod = {"prod", TW_RULE_SUM, TW_R_PROD, "prod_cpu"};
const tw_reduce tw_reduce_mean = {"mean", TW_RULE_MEAN, TW_R_SUM, "sum_cpu"};
const tw_reduce tw_reduce_max = {"max", TW_RULE_EXTREME, TW_R_MAX, "max_all"};
const tw_reduce tw_reduce_min = {"min", TW_RULE_EXTREME, TW_R_MIN, "min_all"};
const tw_reduce tw_reduce_amax = {"amax", TW_RULE_VALUE, TW_R_MAX, "max_values_cpu"};
const tw_reduce tw_reduce_amin = {"amin", TW_RULE_VALUE, TW_R_MIN, "min_values_cpu"};
const tw_reduce tw_reduce_argmax = {"argmax", TW_RULE_INDEX, TW_R_ARGMAX, "argmax_cpu"};
const tw_reduce tw_reduce_argmin = {"argmin", TW_RULE_INDEX, TW_R_ARGMIN, "argmin_cpu"};
const tw_reduce tw_reduce_any = {"any", TW_RULE_BOOL, TW_R_ANY, "or_cpu"};
const tw_reduce tw_reduce_all = {"all", TW_RULE_BOOL, TW_R_ALL, "and_cpu"};
const tw_reduce tw_reduce_var = {"var", TW_RULE_VAR, TW_R_VAR, "std_cpu"};
const tw_reduce tw_reduce_std = {"std", TW_RULE_STD, TW_R_VAR, "std_cpu"};

/* One call, understood. */
typedef struct call {
    const tw_reduce *row;
    const tw_tensor *in;
    tw_dtype wanted;                  /* dtype=, or TW_DTYPE_NONE */
    tw_dtype cast, dtype;             /* of accumulation, of (first) result */
    bool keepdim, has_dim;
    const int64_t *dims;              /* as given; for error texts */
    int ndims;
    double correction;
    int nouts, ndim;
    tw_tensor *target[2];             /* where results go */
    tw_reducer_kind kernel;
    double count;                     /* elements per result */
    tw_dtype class_dtype;
    bool reduced[TW_MAX_DIMS]; /* what precedes is cleared */
    int64_t sizes[TW_MAX_DIMS];
} call;

bool tw_reduce_dims(const int64_t *dims, int64_t n, int ndim, bool *reduced) {
    if (n && !tw_check_listed_dims(ndim)) return false;
    bool only = false; /* a tensor of no dimensions lets itself be reduced over dimension 0 */
    if (ndim == 0) reduced = &only;
    memset(reduced, n == 0, sizeof(bool) * (size_t)(ndim ? ndim : 1));
    for (int64_t i = 0; i < n; i++) {
        int64_t d = dims[i];
        if (!tw_wrap_dim(&d, ndim)) return false;
        if (reduced[d]) return tw_fail(TW_RUNTIME_ERROR, "dim %lld appears multiple times in the list of dims", (long long)d);
        reduced[d] = true;
    }
    return true;
}

/* --- reading the arguments -------------------------------------------------------------------------------------- */

static bool read_dim(call *c, const tw_arg *a) {
    if (c->row->rule == TW_RULE_BOOL && !tw_check_listed_dims(c->in->ndim)) return false;
    c->has_dim = a->tag == TW_ARG_INT || (a->tag == TW_ARG_INTS && a->n > 0);
    if (!c->has_dim && a->tag == TW_ARG_INTS && c->row->rule == TW_RULE_BOOL) { /* any and all over no dimensions keep them all */
        memset(c->reduced, 0, sizeof c->reduced);
        return true;
    }
    if (!c->has_dim) return tw_reduce_dims(NULL, 0, c->in->ndim, c->reduced);
    const int64_t *dims = a->tag == TW_ARG_INT ? &a->i : a->ints;
    c->dims = dims;
    c->ndims = a->tag == TW_ARG_INT ? 1 : a->n;
    return tw_reduce_dims(dims, c->ndims, c->in->ndim, c->reduced);
}

static bool read_args(call *c, const tw_op *op, const tw_arg *args) {
    static const tw_arg none = {.tag = TW_ARG_NONE};
    c->row = op->reduce;
    c->in = args[0].t;
    c->keepdim = op->at.keepdim && tw_a_get_int(&args[op->at.keepdim], 0) != 0;
    c->wanted = op->at.dtype ? (tw_dtype)tw_a_get_int(&args[op->at.dtype], TW_DTYPE_NONE) : TW_DTYPE_NONE;
    c->correction = op->at.correction ? tw_a_get_double(&args[op->at.correction], 1) : 1;
    if ((c->row->rule == TW_RULE_VAR || c->row->rule == TW_RULE_STD) && tw_is_integral((tw_dtype)c->in->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "std and var only support floating point and complex dtypes");
    return read_dim(c, op->at.dim ? &args[op->at.dim] : &none);
}

/* --- dtypes and empty inputs ------------------------------------------------------------------------------------- */

static bool no_kernel(const call *c, tw_dtype d) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", c->row->label, tw_dtypes[d].type_name);
}

static bool mean_dtype(call *c, tw_dtype in) {
    if (c->wanted != TW_DTYPE_NONE) {
        if (tw_is_integral(c->wanted))
            return tw_fail(TW_RUNTIME_ERROR, "mean(): could not infer output dtype. Optional dtype must be either a floating point or "
                           "complex dtype. Got: %s", tw_dtypes[c->wanted].type_name);
    } else if (tw_is_integral(in)) {
        return tw_fail(TW_RUNTIME_ERROR, "mean(): could not infer output dtype. Input dtype must be either a floating point or "
                       "complex dtype. Got: %s", tw_dtypes[in].type_name);
    }
    c->cast = c->dtype = c->wanted != TW_DTYPE_NONE ? c->wanted : in;
    return true;
}

static bool find_dtypes(call *c) {
    tw_dtype in = (tw_dtype)c->in->dtype;
    c->cast = c->dtype = in;
    c->kernel = (tw_reducer_kind)c->row->kernel;
    switch ((tw_reduce_rule)c->row->rule) {
    case TW_RULE_SUM:
        c->cast = c->dtype = c->wanted != TW_DTYPE_NONE ? c->wanted : tw_is_integral(in) ? TW_INT64 : in;
        break;
    case TW_RULE_MEAN:
        if (!mean_dtype(c, in)) return false;
        break;
    case TW_RULE_EXTREME:
        if (tw_is_complex(in) && c->has_dim)
            return tw_fail(TW_RUNTIME_ERROR, "%s(): does not support complex input", c->row->name);
        if (c->nouts == 2) c->kernel = c->kernel == TW_R_MAX ? TW_R_ARGMAX : TW_R_ARGMIN;
        break;
    case TW_RULE_INDEX:
        if (tw_is_complex(in)) return tw_fail(TW_RUNTIME_ERROR, "%s(): does not support complex input", c->row->name);
        if (in == TW_BOOL) return tw_fail(TW_RUNTIME_ERROR, "%s(): does not support bool input", c->row->name);
        c->dtype = TW_INT64;
        break;
    case TW_RULE_BOOL: c->dtype = in == TW_UINT8 ? TW_UINT8 : TW_BOOL; break;
    case TW_RULE_VAR: case TW_RULE_STD:
        c->dtype = tw_dtypes[in].real;
        break;
    default: break;
    }
    tw_reduce_class class = c->row->rule == TW_RULE_BOOL ? TW_RC_BOOL : tw_reduce_class_of(c->cast);
    c->class_dtype = tw_reduce_class_dtype(class);
    if (!tw_dtypes[in].computes || !tw_dtypes[c->cast].computes) return no_kernel(c, tw_dtypes[in].computes ? c->cast : in);
    if (!tw_reducers()->table[c->kernel][class].leaf) return no_kernel(c, in);
    return true;
}

/* Kinds without an identity refuse empty reductions. */
static bool check_empty(const call *c) {
    tw_reduce_rule rule = (tw_reduce_rule)c->row->rule;
    if (c->in->numel != 0 || (rule != TW_RULE_EXTREME && rule != TW_RULE_VALUE && rule != TW_RULE_INDEX)) return true;
    if (!c->has_dim)
        return rule == TW_RULE_INDEX
            ? tw_fail(TW_INDEX_ERROR, "%s(): Expected reduction dim to be specified for input.numel() == 0.", c->row->name)
            : tw_fail(TW_RUNTIME_ERROR, "%s(): Expected reduction dim to be specified for input.numel() == 0. "
                      "Specify the reduction dim with the 'dim' argument.", c->row->name);
    for (int i = 0; i < c->ndims; i++) {
        int64_t d = c->dims[i];
        if (!tw_wrap_dim(&d, c->in->ndim)) return false;
        if (c->in->ndim && c->in->sizes[d] == 0)
            return tw_fail(TW_INDEX_ERROR, "%s(): Expected reduction dim %lld to have non-zero size.", c->row->name,
                           (long long)(rule == TW_RULE_VALUE ? c->dims[i] : d));
    }
    return true;
}

static void find_sizes(call *c) {
    c->count = 1;
    for (int d = 0; d < c->in->ndim; d++) {
        if (c->reduced[d]) c->count *= (double)c->in->sizes[d];
        if (!c->reduced[d]) c->sizes[c->ndim++] = c->in->sizes[d];
        else if (c->keepdim) c->sizes[c->ndim++] = 1;
    }
}

/* --- finishing ------------------------------------------------------------------------------------------------- */

static void store(tw_tensor *to, int64_t o, int64_t step, int64_t n, const void *values, tw_dtype dtype) {
    tw_dtype want = (tw_dtype)to->dtype;
    size_t size = tw_dtype_size(want), have = tw_dtype_size(dtype);
    char *at = (char *)tw_data(to) + (size_t)o * size;
    if (step == 1 || n == 1) {
        tw_cast(n, at, want, values, dtype);
        return;
    }
    for (int64_t i = 0; i < n; i++) tw_cast(1, at + (size_t)(i * step) * size, want, (const char *)values + (size_t)i * have, dtype);
}

static void divide(int64_t n, void *acc, tw_dtype dtype, double by) {
    if (dtype == TW_FLOAT32 || dtype == TW_COMPLEX64) {
        int64_t m = dtype == TW_FLOAT32 ? n : 2 * n;
        for (int64_t i = 0; i < m; i++) ((float *)acc)[i] /= (float)by;
    } else {
        int64_t m = dtype == TW_FLOAT64 ? n : 2 * n;
        for (int64_t i = 0; i < m; i++) ((double *)acc)[i] /= by;
    }
}

static void finish_plain(void *context, int64_t n, void *acc, int64_t o, int64_t step) {
    const call *c = context;
    if (c->row->rule == TW_RULE_MEAN) divide(n, acc, c->class_dtype, c->count);
    store(c->target[0], o, step, n, acc, c->class_dtype);
}

static void finish_arg(void *context, int64_t n, void *acc, int64_t o, int64_t step) {
    const call *c = context;
    const tw_acc_arg *a = acc;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = o + i * step;
        if (c->row->rule == TW_RULE_EXTREME) {
            if (c->target[0]->dtype == TW_FLOAT32) ((float *)tw_data(c->target[0]))[at] = a[i].value.f;
            else store(c->target[0], at, 1, 1, &a[i].value, c->class_dtype);
        }
        ((int64_t *)tw_data(c->target[c->nouts - 1]))[at] = a[i].index;
    }
}

static void finish_var(void *context, int64_t n, void *acc, int64_t o, int64_t step) {
    const call *c = context;
    const tw_acc_var *a = acc;
    double divisor = c->count - c->correction > 0 ? c->count - c->correction : 0;
    for (int64_t i = 0; i < n; i++) {
        double v = c->count > 0 ? a[i].m2 / divisor : (double)NAN;
        if (c->row->rule == TW_RULE_STD) v = sqrt(v);
        store(c->target[0], o + i * step, 1, 1, &v, TW_FLOAT64);
    }
}

static bool execute(call *c) {
    tw_reduction_plan plan = {.in = c->in, .cast = c->cast, .kernel = c->kernel, .reduced = c->reduced, .context = c};
    plan.truth = c->row->rule == TW_RULE_BOOL;
    plan.ordered = c->kernel == TW_R_ARGMAX || c->kernel == TW_R_ARGMIN;
    plan.finish = plan.ordered ? finish_arg : c->kernel == TW_R_VAR ? finish_var : finish_plain;
    return tw_reduce_execute(&plan);
}

/* --- results ---------------------------------------------------------------------------------------------------- */

static bool usable(const call *c, tw_tensor *out, tw_dtype dtype) {
    if (!out || out->dtype != dtype || out->ndim != c->ndim || !tw_is_contiguous(out)) return false;
    return memcmp(out->sizes, c->sizes, sizeof(int64_t) * (size_t)c->ndim) == 0 && out->storage != c->in->storage;
}

/* Moves a result that was made apart to the tensor that was given. */
static bool deliver(const call *c, tw_tensor *made, tw_tensor *out) {
    if (!tw_fit_out(out, c->sizes, c->ndim)) return false;
    return !tw_device_of(out->device)->has_data || tw_copy(out, made);
}

/* Another device's own kernel; the meta device has nothing to do. */
static bool elsewhere(const tw_op *op, const tw_arg *args, tw_device device, tw_tensor **targets) {
    const tw_device_ops *ops = tw_device_of(device);
    if (!ops) return false;
    if (!ops->has_data) return true;
    if (ops->run && ops->run[op->id]) return ops->run[op->id](args, targets);
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Could not run '%s' on device '%s': it has no such kernel", op->name, tw_device_text(device));
}

bool tw_reduce_run(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    call c;
    tw_tensor *made[2] = {NULL, NULL};
    bool ok = false;
    memset(&c, 0, offsetof(call, reduced));
    c.nouts = op->nouts;
    if (!read_args(&c, op, args)) return false;
    bool dtype_first = op->reduce->rule == TW_RULE_INDEX;
    if ((dtype_first && !find_dtypes(&c)) || !check_empty(&c) || (!dtype_first && !find_dtypes(&c))) return false;
    find_sizes(&c);
    for (int i = 0; i < c.nouts; i++) {
        tw_dtype dtype = i == 0 ? c.dtype : TW_INT64;
        c.target[i] = outs[i];
        if (outs[i] && !tw_check_out(op, args, outs[i], dtype, c.in->device)) goto done;
        if (usable(&c, outs[i], dtype)) continue;
        c.target[i] = made[i] = tw_empty_new(c.sizes, c.ndim, dtype, c.in->device);
        if (!made[i]) goto done;
    }
    if (!(c.in->device == TW_CPU ? execute(&c) : elsewhere(op, args, c.in->device, c.target))) goto done;
    for (int i = 0; i < c.nouts; i++) {
        if (outs[i] && made[i] && !deliver(&c, made[i], outs[i])) goto done;
        if (outs[i]) continue;
        outs[i] = made[i];
        made[i] = NULL;
    }
    ok = true;
done:
    for (int i = 0; i < c.nouts; i++) tw_release(made[i]);
    return ok;
}
