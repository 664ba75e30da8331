/* Optimiser steps over lists of tensors: each is brought to dense arrays of float32 or float64, stepped, and brought back. */
#include "core/cpu.h"
#include "core/debug.h"
#include "core/memory.h"
#include "core/threads.h"
#include "entries.h"
#include "kernels/step.h"
#include "nn/step_table.h"
#include "ops/odd.h"
#include <string.h>

enum { MAX_ROLES = 2 + TW_STEP_STATES, GRAIN = 1 << 14 };

/* One parameter's arrays: parameter, gradient, then states. Halves are widened, other layouts than the parameter's are copied. */
typedef struct arrays {
    tw_tensor *t[MAX_ROLES];   /* borrowed; NULL if the role is not used */
    tw_tensor *copy[MAX_ROLES]; /* owned dense stand-ins, written back afterwards */
    void *data[MAX_ROLES];
    int64_t n;                 /* numbers of `dtype` */
    tw_dtype dtype;
} arrays;

/* copy_ returns its argument once more, owned: gives that up. */
static bool copied(tw_tensor *to, tw_tensor *from) {
    tw_tensor *result = tw_op_copy_(to, from, false);
    tw_release(result);
    return result != NULL;
}

static bool same_layout(const tw_tensor *a, const tw_tensor *b) {
    for (int i = 0; i < a->ndim; i++) {
        if (a->sizes[i] != b->sizes[i] || (a->sizes[i] > 1 && a->strides[i] != b->strides[i])) return false;
    }
    return a->ndim == b->ndim;
}

static bool check_role(const tw_tensor *p, const tw_tensor *t) {
    bool same = p->ndim == t->ndim;
    for (int i = 0; same && i < p->ndim; i++) same = p->sizes[i] == t->sizes[i];
    if (!same) {
        return tw_fail(TW_RUNTIME_ERROR, "The size of the parameter %s and of its gradient or state %s must match",
                       tw_sizes_text(p->sizes, p->ndim), tw_sizes_text(t->sizes, t->ndim));
    }
    if (p->layout || t->layout) return tw_fail(TW_RUNTIME_ERROR, "this optimizer step does not support sparse gradients");
    if (p->dtype == t->dtype && p->device == t->device) return true;
    return tw_fail(TW_RUNTIME_ERROR, "expected the parameter and its gradient or state to have the same dtype and device, but got %s and %s",
                   tw_dtypes[p->dtype].name, tw_dtypes[t->dtype].name);
}

static bool dense(arrays *a, int roles) {
    const tw_tensor *p = a->t[0];
    tw_dtype dtype = (tw_dtype)p->dtype, real = tw_dtypes[dtype].real;
    if (!tw_is_float(dtype) && !tw_is_complex(dtype)) {
        return tw_fail(TW_RUNTIME_ERROR, "optimizers need floating-point or complex parameters, but got %s", tw_dtypes[dtype].name);
    }
    a->dtype = real == TW_FLOAT64 ? TW_FLOAT64 : TW_FLOAT32;
    a->n = p->numel * (tw_is_complex(dtype) ? 2 : 1);
    bool wide = tw_dtypes[dtype].compute == dtype, in_place = wide && tw_non_overlapping_dense(p);
    for (int r = 0; in_place && r < roles; r++) {
        const tw_tensor *t = a->t[r];
        if (t && (!same_layout(p, t) || (t->flags & (TW_CONJ | TW_NEG)) || (tw_odd_used && tw_is_odd(t)))) in_place = false;
    }
    for (int r = 0; r < roles; r++) {
        tw_tensor *t = a->t[r];
        if (!t) continue;
        if (!check_role(p, t)) return false;
        if (in_place && r != 1 && !tw_version_ready(t)) return false;
        if (!in_place) {
            a->copy[r] = tw_empty_new(p->sizes, p->ndim, tw_dtypes[dtype].compute, p->device);
            if (!a->copy[r] || !copied(a->copy[r], t)) return false;
            t = a->copy[r];
        }
        a->data[r] = tw_data(t);
    }
    return true;
}

/* Every role but the gradient goes back. */
static bool write_back(arrays *a, int roles) {
    for (int r = 0; r < roles; r++) {
        if (r == 1 || !a->t[r]) continue;
        if (!a->copy[r]) tw_bump_version(a->t[r]);
        else if (!copied(a->t[r], a->copy[r])) return false;
    }
    return true;
}

static void *at(void *data, int64_t i, tw_dtype dtype) { return data ? (char *)data + (size_t)i * tw_dtype_size(dtype) : NULL; }

typedef struct step_job { arrays *a; tw_step_kernel kernel; const double *numbers; } step_job;

static void step_some(void *context, int64_t begin, int64_t end) {
    const step_job *j = context;
    void *data[MAX_ROLES];
    for (int r = 0; r < MAX_ROLES; r++) data[r] = at(j->a->data[r], begin, j->a->dtype);
    j->kernel(end - begin, data, j->numbers);
}

static bool step(arrays *a, int roles, const tw_step_row *row, const double *numbers) {
    bool ok = dense(a, roles);
    if (ok && a->n) {
        step_job job = {a, a->dtype == TW_FLOAT32 ? row->f32 : row->f64, numbers};
        tw_parallel(a->n, GRAIN, step_some, &job);
        ok = write_back(a, roles);
    }
    for (int r = 0; r < roles; r++) tw_release(a->copy[r]);
    return ok;
}

/* *state, made when it is NULL: `first` everywhere, in the parameter's layout; of complex ones both parts are `first`. */
static tw_tensor *state_of(tw_tensor **state, tw_tensor *p, double first) {
    int64_t strides[TW_MAX_DIMS];
    if (*state) return *state;
    tw_like_strides(p, strides);
    tw_tensor *t = tw_empty_strided_new(p->sizes, strides, p->ndim, (tw_dtype)p->dtype, p->device);
    if (t && t->numel) {
        memset(tw_data(t), 0, (size_t)t->numel * tw_dtype_size((tw_dtype)t->dtype));
        tw_scalar value = tw_is_complex((tw_dtype)t->dtype) ? tw_complex(first, first) : tw_float(first);
        tw_tensor *filled = first == 0 ? NULL : tw_op_fill__Scalar(t, value);
        if (first != 0 && !filled) {
            tw_release(t);
            return NULL;
        }
        tw_release(filled);
    }
    return *state = t;
}

/* Parameter i of n. */
static bool step_one(const tw_step_formula *f, const tw_step_row *row, const double *options, int64_t n, int64_t i, tw_tensor *p, tw_tensor *g,
                     tw_tensor **states, double *scalars, tw_step_scalars kind) {
    arrays a = {.t = {p, g}};
    double first_scalars[TW_STEP_SCALARS], first_states[TW_STEP_STATES], numbers[TW_STEP_NUMBERS] = {0}, before[TW_STEP_SCALARS];
    const size_t bytes = (size_t)f->scalar_count * sizeof *scalars;
    bool made = false;
    f->begin(options, first_scalars, first_states);
    for (int k = 0; k < f->state_count; k++) {
        if (f->conditions[k] >= 0 && options[f->conditions[k]] == 0) continue;
        if (!states) return tw_step_given(f->name, false);
        tw_tensor **state = &states[k * n + i];
        made |= *state == NULL;
        if (!(a.t[k + 2] = state_of(state, p, first_states[k]))) return false;
    }
    if (f->scalar_count) {
        if (kind == TW_STEP_OWN && scalars[0] == 0) memcpy(scalars, first_scalars, bytes);
        memcpy(before, scalars, bytes);
    }
    f->numbers(options, scalars, made, kind == TW_STEP_FLOAT32, numbers);
    if (step(&a, f->state_count + 2, row, numbers)) return true;
    if (f->scalar_count) memcpy(scalars, before, bytes);
    return false;
}

bool tw_step_given(const char *name, bool given) {
    return given || (!tw_failed() && tw_fail(TW_VALUE_ERROR, "tw_%s_step: an argument is NULL", name));
}

bool tw_step_run(const tw_step_formula *f, const double *options, int64_t n, tw_tensor *const *params, tw_tensor *const *grads,
                 tw_tensor **states, double *scalars, tw_step_scalars kind) {
    const tw_step_row *row = &tw_step()->rows[f - tw_step_formulas];
    unsigned mode = tw_mode;
    bool ok = !tw_failed();
    const int64_t began = tw_debugs(2) ? tw_debug_clock() : 0;
    tw_mode |= TW_MODE_NO_GRAD;
    for (int64_t i = 0; ok && i < n; i++) {
        if (!grads[i]) continue;
        ok = params[i] ? step_one(f, row, options, n, i, params[i], grads[i], states, scalars ? &scalars[i * f->scalar_count] : NULL, kind)
                       : tw_fail(TW_VALUE_ERROR, "tw_%s_step: parameter %lld is NULL", f->name, (long long)i);
    }
    tw_mode = mode;
    if (tw_debugs(2))
        tw_debug("kernel %s_step of %lld tensors  kernel %s  %.1f us", f->name, (long long)n, tw_isa_name(tw_cpu_isa()),
                 (double)(tw_debug_clock() - began) / 1000);
    return ok;
}
