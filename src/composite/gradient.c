/* torch.gradient: differences between neighbours along dimensions, at distances given by numbers or coordinates. */
#include "composite/boxed.h"
#include "ops_decl.h"

typedef struct spacing { double step; tw_tensor *places; } spacing; /* places: coordinates, borrowed; NULL: evenly spaced */

static tw_tensor *part(tw_pool *p, tw_tensor *x, int64_t dim, int64_t start, int64_t end) {
    return x ? TEMP(p, slice_Tensor, T(x), I(dim), I(start), I(end)) : NULL;
}

/* a + b, a - b, a b, a / b */
#define ADD(a, b) TEMP(p, add, T(a), T(b))
#define SUB(a, b) TEMP(p, sub, T(a), T(b))
#define MUL(a, b) TEMP(p, mul, T(a), T(b))
#define DIV(a, b) TEMP(p, div, T(a), T(b))
#define SCALED(a, x) TEMP(p, mul, T(a), F(x))

/* Weights (-h2 / (h1 (h1 + h2)), (h2 - h1) / (h1 h2), h1 / (h2 (h1 + h2))) of three neighbours, h1 and h2 apart. */
static tw_tensor *three(tw_pool *p, tw_tensor *f, int64_t dim, int64_t n, tw_tensor *steps) {
    tw_tensor *h1 = part(p, steps, dim, 0, n - 2), *h2 = part(p, steps, dim, 1, n - 1), *sum = ADD(h1, h2);
    tw_tensor *before = DIV(TEMP(p, neg, T(h2)), MUL(h1, sum)), *at = DIV(SUB(h2, h1), MUL(h1, h2)), *after = DIV(h1, MUL(h2, sum));
    return ADD(ADD(MUL(before, part(p, f, dim, 0, n - 2)), MUL(at, part(p, f, dim, 1, n - 1))), MUL(after, part(p, f, dim, 2, n)));
}

/* Of the second order at an edge: from the edge inwards f0, f1, f2, h1 and h2 apart. */
static tw_tensor *edge(tw_pool *p, tw_tensor *f0, tw_tensor *f1, tw_tensor *f2, tw_tensor *h1, tw_tensor *h2, bool end) {
    tw_tensor *sum = ADD(h1, h2), *twice = ADD(h1, sum);
    tw_tensor *here = DIV(twice, MUL(h1, sum)), *next = DIV(sum, MUL(h1, h2)), *far = DIV(h1, MUL(h2, sum));
    tw_tensor *inward = ADD(SUB(MUL(far, f2), MUL(next, f1)), MUL(here, f0));
    return end ? inward : TEMP(p, neg, T(inward));
}

static tw_tensor *along(tw_pool *p, tw_tensor *f, int64_t dim, const spacing *s, int64_t order) {
    const int64_t n = f->sizes[dim];
    tw_tensor *first, *middle, *last, *f0 = part(p, f, dim, 0, 1), *f1 = part(p, f, dim, 1, 2), *e0 = part(p, f, dim, n - 1, n), *e1 = part(p, f, dim, n - 2, n - 1);
    if (!s->places) {
        const double h = s->step;
        middle = TEMP(p, div, T(SUB(part(p, f, dim, 2, n), part(p, f, dim, 0, n - 2))), F(2 * h));
        first = order == 1 ? TEMP(p, div, T(SUB(f1, f0)), F(h))
                           : ADD(ADD(SCALED(f0, -1.5 / h), SCALED(f1, 2 / h)), SCALED(part(p, f, dim, 2, 3), -0.5 / h));
        last = order == 1 ? TEMP(p, div, T(SUB(e0, e1)), F(h))
                          : ADD(ADD(SCALED(part(p, f, dim, n - 3, n - 2), 0.5 / h), SCALED(e1, -2 / h)), SCALED(e0, 1.5 / h));
    } else {
        int64_t shape[TW_MAX_DIMS];
        for (int i = 0; i < f->ndim; i++) shape[i] = i == dim ? n - 1 : 1;
        tw_tensor *apart = SUB(part(p, s->places, 0, 1, n), part(p, s->places, 0, 0, n - 1));
        tw_tensor *steps = apart ? TEMP(p, reshape, T(apart), INTS(shape, f->ndim)) : NULL;
        tw_tensor *h0 = part(p, steps, dim, 0, 1), *hn = part(p, steps, dim, n - 2, n - 1);
        middle = three(p, f, dim, n, steps);
        first = order == 1 ? DIV(SUB(f1, f0), h0) : edge(p, f0, f1, part(p, f, dim, 2, 3), h0, part(p, steps, dim, 1, 2), false);
        last = order == 1 ? DIV(SUB(e0, e1), hn) : edge(p, e0, e1, part(p, f, dim, n - 3, n - 2), hn, part(p, steps, dim, n - 3, n - 2), true);
    }
    tw_tensor *const all[] = {first, middle, last};
    return tw_failed() ? NULL : CALL(cat, tw_a_tensors(all, 3), I(dim));
}

/* dims: none (all), one or several; numbers: none, one for all or one for each; tensors likewise. */
static bool gradients(tw_tensor *self, const tw_arg *dims, const tw_arg *distances, int64_t order, tw_tensor **outs) {
    int64_t chosen[TW_MAX_DIMS];
    bool seen[TW_MAX_DIMS] = {false};
    const int n = dims->tag == TW_ARG_INTS ? dims->n : dims->tag == TW_ARG_NONE ? self->ndim : 1;
    const bool list = distances->tag == TW_ARG_DOUBLES || distances->tag == TW_ARG_INTS || distances->tag == TW_ARG_TENSORS;
    if (n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, n);
    if (list && dims->tag == TW_ARG_NONE && distances->n != self->ndim)
        return tw_fail(TW_RUNTIME_ERROR, "torch.gradient expected spacing to be unspecified, a scalar or a list of length equal to 'self.dim() = %d', "
                       "since dim argument was not given, but got a list of length %d", self->ndim, distances->n);
    if (list && dims->tag != TW_ARG_NONE && distances->n != n)
        return tw_fail(TW_RUNTIME_ERROR, "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the "
                       "same length, but got a spacing argument of length %d and a dim argument of length %d.", distances->n, n);
    if (order != 1 && order != 2) return tw_fail(TW_RUNTIME_ERROR, "torch.gradient only supports edge_order=1 and edge_order=2.");
    for (int i = 0; i < n; i++) {
        chosen[i] = dims->tag == TW_ARG_INTS ? dims->ints[i] : dims->tag == TW_ARG_NONE ? i : dims->i;
        if (!tw_wrap_dim(&chosen[i], self->ndim)) return false;
        if (seen[chosen[i]]) return tw_fail(TW_RUNTIME_ERROR, "dim %lld appears multiple times in the list of dims", (long long)chosen[i]);
        seen[chosen[i]] = true;
        if (self->ndim == 0 || self->sizes[chosen[i]] < order + 1)
            return tw_fail(TW_RUNTIME_ERROR, "torch.gradient expected each dimension size to be at least edge_order+1");
        if (distances->tag == TW_ARG_TENSORS) {
            const tw_tensor *places = distances->ts[i];
            if (places->device != self->device) {
                char theirs[32];
                snprintf(theirs, sizeof theirs, "%s", tw_device_text(places->device));
                return tw_fail(TW_RUNTIME_ERROR, "torch.gradient expected each tensor to be on the same device, but got devices %s and %s!",
                               tw_device_text(self->device), theirs);
            }
            if (places->ndim != 1)
                return tw_fail(TW_RUNTIME_ERROR, "torch.gradient expected each element of spacing to have one dimension, but got an element with %d "
                               "dimensions!", places->ndim);
            if (places->sizes[0] != self->sizes[chosen[i]])
                return tw_fail(TW_RUNTIME_ERROR, "torch.gradient expected each element of spacing to have a size equal to the size of its dimension");
        }
    }
    if (self->dtype == TW_UINT8) return tw_fail(TW_RUNTIME_ERROR, "torch.gradient does not support uint8 input.");
    tw_list *made = tw_list_new(n);
    for (int i = 0; made && i < n; i++) {
        tw_pool p = {0};
        spacing s = {1, NULL};
        if (distances->tag == TW_ARG_TENSORS) s.places = distances->ts[i];
        else if (distances->tag == TW_ARG_DOUBLES) s.step = distances->doubles[i];
        else if (distances->tag == TW_ARG_INTS) s.step = (double)distances->ints[i];
        else s.step = tw_a_get_double(distances, 1);
        made->items[i] = along(&p, self, chosen[i], &s, order);
        if (!tw_pool_done(&p, NULL, 0)) break;
    }
    return tw_give_list(outs, made);
}

static const tw_arg none = {.tag = TW_ARG_NONE};

bool tw_gradient_scalarint_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[2], &a[1], a[3].i, outs); }
bool tw_gradient_scalararray_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[2], &a[1], a[3].i, outs); }
bool tw_gradient_array_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[1], &none, a[2].i, outs); }
bool tw_gradient_scalarrayint_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[2], &a[1], a[3].i, outs); }
bool tw_gradient_scalarrayarray_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[2], &a[1], a[3].i, outs); }
bool tw_gradient_tensorarrayint_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[2], &a[1], a[3].i, outs); }
bool tw_gradient_tensorarray_composite(const tw_arg *a, tw_tensor **outs) { return gradients(a[0].t, &a[2], &a[1], a[3].i, outs); }
