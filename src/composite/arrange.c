/* Copies and orders of whole tensors: repeat, movedim, the stacks, diff, one_hot, unflatten. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

/* --- repeat ------------------------------------------------------------------------------------------------------------------- */

/* The result's dimensions, each that repeats more than one element as two: copies outside, elements inside. */
typedef struct tiling {
    int64_t from[TW_MAX_DIMS], wide[TW_MAX_DIMS], to[TW_MAX_DIMS], copies[TW_MAX_DIMS]; /* copies: places of `wide` that are repeats */
    int n, ndim, ncopies;
    int64_t numel;
} tiling;

static bool tile(tiling *t, const int64_t *repeats, int n, const int64_t *sizes, int ndim) {
    *t = (tiling){.ndim = n, .numel = 1};
    if (n < ndim)
        return tw_fail(TW_RUNTIME_ERROR, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
    if (n > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, n);
    for (int i = 0; i < n; i++) {
        const int64_t size = i < n - ndim ? 1 : sizes[i - (n - ndim)];
        if (__builtin_mul_overflow(size, repeats[i], &t->to[i]) || (repeats[i] > 0 && __builtin_mul_overflow(t->numel, t->to[i], &t->numel)))
            return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s", tw_sizes_text(repeats, n));
    }
    for (int i = 0; i < n; i++) {
        if (t->to[i] < 0)
            return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s", (long long)t->to[i],
                           tw_sizes_text(t->to, n));
        if (t->to[i] == 0) t->numel = 0;
    }
    for (int i = 0; t->numel && i < n; i++) { /* at most 63 dimensions: numel fits in 63 bits and each counts two or more, but for ones */
        const int64_t size = i < n - ndim ? 1 : sizes[i - (n - ndim)];
        if (t->n + 2 > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, t->n + 2);
        if (repeats[i] != 1) {
            t->from[t->n] = 1;
            t->copies[t->ncopies++] = t->n;
            t->wide[t->n++] = repeats[i];
        }
        if (size != 1) t->from[t->n] = t->wide[t->n] = size, t->n++;
    }
    return true;
}

/* (self, repeats) */
bool tw_repeat_composite(const tw_arg *a, tw_tensor **outs) {
    tiling t;
    tw_pool p = {0};
    if (!tile(&t, a[1].ints, a[1].n, a[0].t->sizes, a[0].t->ndim)) return false;
    if (t.numel == 0) return tw_give(outs, CALL(new_empty, a[0], INTS(t.to, t.ndim)));
    tw_tensor *spread = TEMP(&p, expand, T(TEMP(&p, reshape, a[0], INTS(t.from, t.n))), INTS(t.wide, t.n));
    tw_tensor *copy = TEMP(&p, clone, T(spread), I(TW_CONTIGUOUS_FORMAT));
    outs[0] = CALL(view, T(copy), INTS(t.to, t.ndim));
    return tw_pool_done(&p, outs, 1);
}

/* (grad_output, repeats, input_sizes): the copies added up. */
bool tw__repeat_backward_composite(const tw_arg *a, tw_tensor **outs) {
    tiling t;
    tw_pool p = {0};
    if (!tile(&t, a[1].ints, a[1].n, a[2].ints, a[2].n)) return false;
    if (t.numel == 0) return tw_give(outs, CALL(new_zeros, a[0], INTS(a[2].ints, a[2].n)));
    tw_tensor *x = TEMP(&p, reshape, a[0], INTS(t.wide, t.n));
    if (t.ncopies) x = TEMP(&p, sum_dim_IntList, T(x), INTS(t.copies, t.ncopies));
    outs[0] = CALL(reshape, T(x), INTS(a[2].ints, a[2].n));
    return tw_pool_done(&p, outs, 1);
}

/* --- movedim ------------------------------------------------------------------------------------------------------------------ */

static bool distinct(const int64_t *dims, int n, const int64_t *given, const char *name) {
    bool seen[TW_MAX_DIMS] = {false};
    for (int i = 0; i < n; i++) {
        if (seen[dims[i]]) return tw_fail(TW_RUNTIME_ERROR, "movedim: repeated dim in `%s` (%s)", name, tw_sizes_text(given, n));
        seen[dims[i]] = true;
    }
    return true;
}

/* (self, source, destination): the dimensions that stay keep their order. */
bool tw_movedim_intlist_composite(const tw_arg *a, tw_tensor **outs) {
    const int ndim = a[0].t->ndim, n = a[1].n;
    int64_t source[TW_MAX_DIMS], destination[TW_MAX_DIMS], order[TW_MAX_DIMS];
    bool moved[TW_MAX_DIMS] = {false};
    if (n != a[2].n) {
        char from[512];
        snprintf(from, sizeof from, "%s", tw_sizes_text(a[1].ints, n));
        return tw_fail(TW_RUNTIME_ERROR, "movedim: Invalid source or destination dims: source (%s dims) should contain the same number "
                       "of dims as destination (%s dims)", from, tw_sizes_text(a[2].ints, a[2].n));
    }
    for (int i = 0; i < n; i++) {
        int64_t from = a[1].ints[i], to = a[2].ints[i];
        if (!tw_wrap_dim(&from, ndim) || !tw_wrap_dim(&to, ndim)) return false;
        if (i < TW_MAX_DIMS) source[i] = from, destination[i] = to;
    }
    const int most = n < TW_MAX_DIMS ? n : TW_MAX_DIMS; /* more than that cannot be distinct */
    if (!distinct(source, most, a[1].ints, "source") || !distinct(destination, most, a[2].ints, "destination")) return false;
    if (ndim == 0) return tw_give(outs, CALL(alias, a[0]));
    memset(order, -1, sizeof order);
    for (int i = 0; i < most; i++) order[destination[i]] = source[i], moved[source[i]] = true;
    for (int to = 0, from = 0; to < ndim; to++) {
        if (order[to] >= 0) continue;
        while (moved[from]) from++;
        order[to] = from++;
    }
    return tw_give(outs, CALL(permute, a[0], INTS(order, ndim)));
}

bool tw_movedim_int_composite(const tw_arg *a, tw_tensor **outs) {
    return tw_movedim_intlist_composite((const tw_arg[]){a[0], INTS(&a[1].i, 1), INTS(&a[2].i, 1)}, outs);
}

/* --- stacks ------------------------------------------------------------------------------------------------------------------- */

/* One of the tensors with the dimensions that the stack needs; owned. */
typedef tw_tensor *fit(tw_tensor *t);

static tw_tensor *flat(tw_tensor *t) { return CALL(reshape, T(t), INTS((const int64_t[]){-1}, 1)); }
static tw_tensor *fit_1d(tw_tensor *t) { return t->ndim ? tw_retain(t) : flat(t); }
static tw_tensor *fit_row(tw_tensor *t) { return t->ndim > 1 ? tw_retain(t) : CALL(reshape, T(t), INTS(((const int64_t[]){1, t->numel}), 2)); }
static tw_tensor *fit_column(tw_tensor *t) { return t->ndim > 1 ? tw_retain(t) : CALL(reshape, T(t), INTS(((const int64_t[]){t->numel, 1}), 2)); }
static tw_tensor *fit_deep(tw_tensor *t) {
    if (t->ndim > 2) return tw_retain(t);
    return t->ndim == 2 ? CALL(unsqueeze, T(t), I(2)) : CALL(reshape, T(t), INTS(((const int64_t[]){1, t->numel, 1}), 3));
}

static bool joined(const tw_arg *a, fit *one, int64_t dim, const char *name, tw_tensor **outs) {
    const int n = a[0].n;
    if (n == 0) return tw_fail(TW_RUNTIME_ERROR, "%s expects a non-empty TensorList", name);
    tw_tensor **fitted = tw_calloc((size_t)n, sizeof *fitted);
    if (!fitted) return false;
    for (int i = 0; i < n && !tw_failed(); i++) fitted[i] = one(a[0].ts[i]);
    outs[0] = tw_failed() ? NULL : CALL(cat, tw_a_tensors(fitted, n), I(dim));
    for (int i = 0; i < n; i++) tw_release(fitted[i]);
    tw_free(fitted);
    return outs[0] != NULL;
}

bool tw_hstack_composite(const tw_arg *a, tw_tensor **outs) {
    return joined(a, fit_1d, a[0].n && a[0].ts[0]->ndim > 1, "hstack", outs);
}
bool tw_vstack_composite(const tw_arg *a, tw_tensor **outs) { return joined(a, fit_row, 0, "vstack", outs); }
bool tw_dstack_composite(const tw_arg *a, tw_tensor **outs) { return joined(a, fit_deep, 2, "dstack", outs); }
bool tw_column_stack_composite(const tw_arg *a, tw_tensor **outs) { return joined(a, fit_column, 1, "column_stack", outs); }

/* --- diff --------------------------------------------------------------------------------------------------------------------- */

static bool continues(const tw_tensor *self, const tw_tensor *other, int64_t dim) {
    if (!other) return true;
    if (other->ndim != self->ndim) return tw_fail(TW_RUNTIME_ERROR, "diff expects prepend or append to be the same dimension as input");
    for (int i = 0; i < self->ndim; i++) {
        if (i != dim && other->sizes[i] != self->sizes[i])
            return tw_fail(TW_RUNTIME_ERROR, "diff expects the shape of tensor to prepend or append to match that of input except along "
                           "the differencing dimension; input.size(%d) = %lld, but got tensor.size(%d) = %lld", i,
                           (long long)self->sizes[i], i, (long long)other->sizes[i]);
    }
    return true;
}

/* (self, n, dim, prepend, append) */
bool tw_diff_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *x = a[0].t, *parts[3];
    int64_t n = a[1].i, dim = a[2].i;
    int count = 0;
    if (x->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "diff expects input to be at least one-dimensional");
    if (!tw_wrap_dim(&dim, x->ndim) || !continues(x, tw_optional(&a[3]), dim) || !continues(x, tw_optional(&a[4]), dim)) return false;
    if (n < 0) return tw_fail(TW_RUNTIME_ERROR, "order must be non-negative but got %lld", (long long)n);
    if (n == 0) return tw_give(outs, CALL(clone, a[0]));
    if (a[3].tag == TW_ARG_TENSOR) parts[count++] = a[3].t;
    parts[count++] = x;
    if (a[4].tag == TW_ARG_TENSOR) parts[count++] = a[4].t;
    if (count > 1) x = TEMP(&p, cat, tw_a_tensors(parts, count), I(dim));
    if (x && n > x->sizes[dim]) n = x->sizes[dim];
    if (x && n == 0) x = TEMP(&p, clone, T(x));
    for (int64_t i = 0; x && i < n; i++) {
        const int64_t size = x->sizes[dim];
        tw_tensor *after = TEMP(&p, narrow, T(x), I(dim), I(1), I(size - 1)), *before = TEMP(&p, narrow, T(x), I(dim), I(0), I(size - 1));
        x = x->dtype == TW_BOOL ? TEMP(&p, logical_xor, T(after), T(before)) : TEMP(&p, sub, T(after), T(before));
    }
    return tw_pool_give(&p, outs, x);
}

/* --- one_hot ------------------------------------------------------------------------------------------------------------------ */

static bool classes_fit(tw_tensor *plain, int64_t *classes) {
    int64_t least = tw_long_at(plain, 0), most = least;
    for (int64_t i = 1; i < plain->numel; i++) {
        const int64_t x = tw_long_at(plain, i);
        if (x < least) least = x;
        if (x > most) most = x;
    }
    if (least < 0) return tw_fail(TW_RUNTIME_ERROR, "Class values must be non-negative.");
    if (*classes == -1 && most < INT64_MAX) *classes = most + 1;
    return *classes > most || tw_fail(TW_RUNTIME_ERROR, "Class values must be smaller than num_classes.");
}

/* (self, num_classes) */
bool tw_one_hot_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *self = a[0].t;
    int64_t classes = a[1].i;
    if (self->dtype != TW_INT64) return tw_fail(TW_RUNTIME_ERROR, "one_hot is only applicable to index tensor of type LongTensor.");
    if ((self->flags & TW_BATCHED) && classes <= 0)
        return tw_fail(TW_RUNTIME_ERROR, "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive num_classes argument.");
    if (self->numel == 0) {
        int64_t sizes[TW_MAX_DIMS + 1];
        if (classes <= 0) return tw_fail(TW_RUNTIME_ERROR, "Can not infer total number of classes from empty tensor.");
        memcpy(sizes, self->sizes, (size_t)self->ndim * sizeof *sizes);
        sizes[self->ndim] = classes;
        return tw_give(outs, CALL(new_empty, a[0], INTS(sizes, self->ndim + 1)));
    }
    if (!(self->flags & TW_BATCHED)) {
        if (!self->storage->data) {
            if (classes == -1) return tw_fail(TW_RUNTIME_ERROR, "Tensor.item() cannot be called on meta tensors");
        } else {
            tw_tensor *plain = TEMP(&p, reshape, a[0], INTS(&(int64_t){-1}, 1));
            if (!plain || !classes_fit(plain, &classes)) return tw_pool_done(&p, outs, 1);
        }
    }
    tw_tensor *all = TEMP(&p, arange, I(classes), I(TW_INT64), NONE_, I(self->device));
    tw_tensor *hits = TEMP(&p, eq, T(TEMP(&p, unsqueeze, a[0], I(-1))), T(all));
    outs[0] = CALL(_to_copy, T(hits), I(TW_INT64));
    return tw_pool_done(&p, outs, 1);
}

/* --- unflatten ---------------------------------------------------------------------------------------------------------------- */

/* (self, dim, sizes): one size may be -1. */
bool tw_unflatten_int_composite(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *self = a[0].t;
    const int64_t *sizes = a[2].ints;
    int64_t dim = a[1].i, known = 1, shape[TW_MAX_DIMS], free = -1;
    const int n = a[2].n;
    if (n == 0) return tw_fail(TW_RUNTIME_ERROR, "unflatten: sizes must be non-empty");
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (self->ndim == 0)
        return tw_fail(TW_RUNTIME_ERROR, "unflatten got an unexpected error:\nDimension specified as %lld but tensor has no dimensions", (long long)dim);
    if (self->ndim + n - 1 > TW_MAX_DIMS) return tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %d", TW_MAX_DIMS, self->ndim + n - 1);
    bool fits = true;
    for (int i = 0; i < n; i++) {
        if (sizes[i] == -1 && free >= 0) return tw_fail(TW_RUNTIME_ERROR, "unflatten got an unexpected error:\nonly one dimension can be inferred");
        if (sizes[i] < -1)
            return tw_fail(TW_RUNTIME_ERROR, "unflatten got an unexpected error:\ninvalid shape dimension %lld at index %d of shape %s",
                           (long long)sizes[i], i, tw_sizes_text(sizes, n));
        if (sizes[i] == -1) free = i;
        else fits = fits && !__builtin_mul_overflow(known, sizes[i], &known);
        shape[dim + i] = sizes[i];
    }
    const int64_t size = self->sizes[dim];
    if (fits && free >= 0 && known == 0 && size == 0)
        return tw_fail(TW_RUNTIME_ERROR, "unflatten got an unexpected error:\ncannot reshape tensor of 0 elements into shape %s because the "
                       "unspecified dimension size -1 can be any value and is ambiguous", tw_sizes_text(sizes, n));
    if (!fits || (free < 0 ? known != size : known == 0 || size % known != 0))
        return tw_fail(TW_RUNTIME_ERROR, "unflatten: Provided sizes %s don't multiply up to the size of dim %lld (%lld) in the input tensor",
                       tw_sizes_text(sizes, n), (long long)dim, (long long)size);
    if (free >= 0) shape[dim + free] = size / known;
    memcpy(shape, self->sizes, (size_t)dim * sizeof *shape);
    memcpy(shape + dim + n, self->sizes + dim + 1, (size_t)(self->ndim - dim - 1) * sizeof *shape);
    return tw_give(outs, CALL(view, a[0], INTS(shape, self->ndim + n - 1)));
}
