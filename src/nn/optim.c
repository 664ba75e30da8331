/* Optimiser steps over lists of tensors: each is brought to dense arrays of float32 or float64, stepped, and brought back. */
#include "core/memory.h"
#include "core/threads.h"
#include "entries.h"
#include "kernels/number.h"
#include "kernels/step.h"
#include "tallow/nn.h"
#include <math.h>
#include <string.h>

enum { MAX_ROLES = 5, GRAIN = 1 << 14 };

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
        if (t && (!same_layout(p, t) || (t->flags & (TW_CONJ | TW_NEG)))) in_place = false;
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

typedef struct step_job { arrays *a; const tw_sgd_numbers *sgd; const tw_adam_numbers *adam; } step_job;

static void step_some(void *context, int64_t begin, int64_t end) {
    const step_job *j = context;
    const arrays *a = j->a;
    const tw_step_kernels *k = tw_step();
    void *d[MAX_ROLES];
    for (int r = 0; r < MAX_ROLES; r++) d[r] = at(a->data[r], begin, a->dtype);
    int64_t n = end - begin;
    if (j->sgd && a->dtype == TW_FLOAT32) k->sgd_f32(n, d[0], d[1], d[2], j->sgd);
    else if (j->sgd) k->sgd_f64(n, d[0], d[1], d[2], j->sgd);
    else if (a->dtype == TW_FLOAT32) k->adam_f32(n, d[0], d[1], d[2], d[3], d[4], j->adam);
    else k->adam_f64(n, d[0], d[1], d[2], d[3], d[4], j->adam);
}

static bool step(arrays *a, int roles, const tw_sgd_numbers *sgd, const tw_adam_numbers *adam) {
    step_job job = {a, sgd, adam};
    bool ok = dense(a, roles);
    if (ok && a->n) {
        tw_parallel(a->n, GRAIN, step_some, &job);
        ok = write_back(a, roles);
    }
    for (int r = 0; r < roles; r++) tw_release(a->copy[r]);
    return ok;
}

/* *state, made when it is NULL: zeros in the parameter's layout. */
static tw_tensor *state_of(tw_tensor **state, tw_tensor *p) {
    int64_t strides[TW_MAX_DIMS];
    if (*state) return *state;
    tw_like_strides(p, strides);
    tw_tensor *t = tw_empty_strided_new(p->sizes, strides, p->ndim, (tw_dtype)p->dtype, p->device);
    if (t && t->numel) memset(tw_data(t), 0, (size_t)t->numel * tw_dtype_size((tw_dtype)t->dtype));
    return *state = t;
}

bool tw_sgd_step(tw_tensor *const *params, tw_tensor *const *grads, tw_tensor **momentum, int64_t n, const tw_sgd_options *options) {
    unsigned mode = tw_mode;
    bool ok = !tw_failed();
    tw_sgd_numbers numbers = {options->lr, options->momentum, options->dampening, options->weight_decay, options->nesterov,
                              options->maximize, false};
    tw_mode |= TW_MODE_NO_GRAD;
    for (int64_t i = 0; ok && i < n; i++) {
        if (!grads[i]) continue;
        arrays a = {.t = {params[i], grads[i]}};
        if (options->momentum != 0) {
            numbers.first = momentum[i] == NULL;
            if (!(a.t[2] = state_of(&momentum[i], params[i]))) ok = false;
        }
        ok = ok && step(&a, 3, &numbers, NULL);
    }
    tw_mode = mode;
    return ok;
}

bool tw_adam_step(tw_tensor *const *params, tw_tensor *const *grads, tw_tensor **averages, tw_tensor **squares, tw_tensor **largest,
                  int64_t *steps, int64_t n, const tw_adam_options *options) {
    unsigned mode = tw_mode;
    bool ok = !tw_failed();
    tw_adam_numbers numbers = {options->lr, options->beta1, options->beta2, options->eps, options->weight_decay, 0, 0, options->maximize,
                               options->decoupled};
    tw_mode |= TW_MODE_NO_GRAD;
    for (int64_t i = 0; ok && i < n; i++) {
        if (!grads[i]) continue;
        arrays a = {.t = {params[i], grads[i]}};
        a.t[2] = state_of(&averages[i], params[i]);
        a.t[3] = state_of(&squares[i], params[i]);
        if (options->amsgrad) a.t[4] = state_of(&largest[i], params[i]);
        if (!a.t[2] || !a.t[3] || (options->amsgrad && !a.t[4])) ok = false;
        double t = (double)(steps[i] + 1);
        numbers.step_size = options->lr / (1 - tw_number()->pow(options->beta1, t));
        numbers.correction = sqrt(1 - tw_number()->pow(options->beta2, t));
        ok = ok && step(&a, options->amsgrad ? 5 : 4, NULL, &numbers);
        if (ok) steps[i]++;
    }
    tw_mode = mode;
    return ok;
}
