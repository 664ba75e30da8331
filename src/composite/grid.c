/* Sampling at the places of a grid in differentiable ops, for second derivatives of the kernel (ops/grid.c); grids of affine maps. */
#include "composite/boxed.h"
#include "composite/regrade.h"
#include "ops_decl.h"

enum { BILINEAR, NEAREST, BICUBIC };
enum { ZEROS, BORDER, REFLECTION };

/* --- grid_sampler in ops --------------------------------------------------------------------------------------------------- */

typedef struct axis { int n; tw_tensor *at[4], *outside[4], *weight[4]; } axis; /* outside: NULL where no place is */

static tw_tensor *reflected(tw_pool *p, tw_tensor *x, double low, double span) {
    if (span == 0) return TEMP(p, mul, T(x), I(0));
    tw_tensor *from = TEMP(p, abs, T(TEMP(p, sub, T(x), F(low)))), *rest = TEMP(p, remainder, T(from), F(2 * span));
    tw_tensor *back = TEMP(p, add, T(TEMP(p, neg, T(rest))), F(2 * span));
    return TEMP(p, add, T(TEMP(p, minimum, T(rest), T(back))), F(low));
}

static tw_tensor *padded(tw_pool *p, tw_tensor *x, int64_t n, int64_t padding, bool align) {
    if (padding == REFLECTION) x = reflected(p, x, align ? 0 : -0.5, (double)(align ? n - 1 : n));
    return padding == ZEROS ? x : TEMP(p, clamp, T(x), I(0), I(n - 1));
}

/* Tap i at the places of `at`, which are whole numbers. */
static void place(tw_pool *p, axis *a, int i, tw_tensor *at, int64_t n) {
    tw_tensor *inside = TEMP(p, logical_and, T(TEMP(p, ge, T(at), I(0))), T(TEMP(p, lt, T(at), I(n))));
    a->outside[i] = TEMP(p, logical_not, T(inside));
    a->at[i] = TEMP(p, to_dtype, T(TEMP(p, masked_fill_Scalar, T(at), T(a->outside[i]), I(0))), I(TW_INT64));
}

/* c[0] + c[1] t + c[2] t^2 + c[3] t^3 */
static tw_tensor *polynomial(tw_pool *p, tw_tensor *t, const double c[4]) {
    tw_tensor *y = TEMP(p, add, T(TEMP(p, mul, T(t), F(c[3]))), F(c[2]));
    for (int i = 1; i >= 0; i--) y = TEMP(p, add, T(TEMP(p, mul, T(y), T(t))), F(c[i]));
    return y;
}

/* g: one coordinate of each place, in a dimension of n elements. */
static axis taps(tw_pool *p, const tw_arg *a, tw_tensor *g, int64_t n) {
    static const double cubic[4][4] = {{0, -0.75, 1.5, -0.75}, {1, 0, -2.25, 1.25}, {0, 0.75, 1.5, -1.25}, {0, 0, -0.75, 0.75}}; /* of x - floor(x) */
    const int64_t mode = a[2].i, padding = a[3].i;
    const bool align = a[4].i != 0;
    axis t = {.n = mode == NEAREST ? 1 : mode == BILINEAR ? 2 : 4};
    tw_tensor *x = TEMP(p, mul, T(TEMP(p, add, T(g), I(1))), F((double)(align ? n - 1 : n) / 2));
    if (!align) x = TEMP(p, sub, T(x), F(0.5));
    if (mode != BICUBIC) x = padded(p, x, n, padding, align);
    if (mode == NEAREST) {
        place(p, &t, 0, TEMP(p, round, T(x)), n);
        return t;
    }
    tw_tensor *low = TEMP(p, floor, T(x)), *rest = TEMP(p, sub, T(x), T(low));
    for (int i = 0; i < t.n; i++) {
        tw_tensor *at = TEMP(p, add, T(low), I(mode == BICUBIC ? i - 1 : i));
        place(p, &t, i, mode == BICUBIC ? padded(p, at, n, padding, align) : at, n);
        if (mode == BICUBIC) t.weight[i] = polynomial(p, rest, cubic[i]);
        else t.weight[i] = i ? rest : TEMP(p, add, T(TEMP(p, neg, T(rest))), I(1));
    }
    return t;
}

/* Adds the taps of one combination to *sum. image: (images, channels, plane). */
static void add_tap(tw_pool *p, tw_tensor *image, const axis *axes, const int *which, const int64_t *in, int dims, tw_tensor **sum) {
    tw_tensor *at = NULL, *weight = NULL, *outside = NULL;
    for (int d = 0; d < dims; d++) {
        const axis *t = &axes[d];
        const int i = which[d];
        at = at ? TEMP(p, add, T(TEMP(p, mul, T(at), I(in[d]))), T(t->at[i])) : t->at[i];
        outside = outside ? TEMP(p, logical_or, T(outside), T(t->outside[i])) : t->outside[i];
        if (t->weight[i]) weight = weight ? TEMP(p, mul, T(weight), T(t->weight[i])) : t->weight[i];
    }
    if (tw_failed()) return;
    const int64_t sizes[] = {image->sizes[0], image->sizes[1], at->sizes[1]};
    tw_tensor *index = TEMP(p, expand, T(TEMP(p, unsqueeze, T(at), I(1))), INTS(sizes, 3));
    tw_tensor *value = TEMP(p, gather, T(image), I(2), T(index));
    value = TEMP(p, masked_fill_Scalar, T(value), T(TEMP(p, unsqueeze, T(outside), I(1))), I(0));
    if (weight) value = TEMP(p, mul, T(value), T(TEMP(p, unsqueeze, T(weight), I(1))));
    *sum = *sum ? TEMP(p, add, T(*sum), T(value)) : value;
}

static bool same_in_ops(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *x = a[0].t, *grid = a[1].t, *sum = NULL;
    const int dims = x->ndim - 2;
    const tw_dtype dtype = (tw_dtype)x->dtype, compute = tw_dtypes[dtype].compute;
    int64_t plane = 1, places = 1, sizes[5] = {x->sizes[0], x->sizes[1]};
    for (int d = 0; d < dims; d++) plane *= x->sizes[2 + d], places *= sizes[2 + d] = grid->sizes[1 + d];
    const int64_t image_sizes[] = {x->sizes[0], x->sizes[1], plane}, grid_sizes[] = {x->sizes[0], places, dims};
    tw_tensor *image = TEMP(&p, reshape, T(x), INTS(image_sizes, 3)), *flat = TEMP(&p, reshape, T(grid), INTS(grid_sizes, 3));
    if (compute != dtype) image = TEMP(&p, to_dtype, T(image), I(compute)), flat = TEMP(&p, to_dtype, T(flat), I(compute));
    axis axes[3];
    int combinations = 1;
    for (int d = 0; d < dims; d++) {
        axes[d] = taps(&p, a, TEMP(&p, select_int, T(flat), I(2), I(dims - 1 - d)), x->sizes[2 + d]); /* x, the last dimension, comes first */
        combinations *= axes[d].n;
    }
    for (int k = 0; k < combinations && !tw_failed(); k++) {
        int which[3];
        for (int d = dims - 1, rest = k; d >= 0; d--) which[d] = rest % axes[d].n, rest /= axes[d].n;
        add_tap(&p, image, axes, which, x->sizes + 2, dims, &sum);
    }
    if (compute != dtype) sum = TEMP(&p, to_dtype, T(sum), I(dtype));
    return tw_pool_give(&p, outs, TEMP(&p, reshape, T(sum), INTS(sizes, x->ndim)));
}

/* Zeros that require a gradient (which is zero, too) where t does. */
static tw_tensor *zeros_of(tw_tensor *t) {
    tw_pool p = {0};
    tw_tensor *all = TEMP(&p, ones_like, T(t), I(TW_BOOL)), *zeros = tw_failed() ? NULL : CALL(masked_fill_Scalar, T(t), T(all), I(0));
    return tw_pool_done(&p, &zeros, 1) ? zeros : NULL;
}

static bool gradient(const tw_op *op, const tw_arg *a, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    if (!g[0]) return true;
    tw_tensor *outs[2] = {NULL, NULL};
    if (tw_mode & TW_MODE_NO_GRAD) {
        const tw_arg args[] = {T(g[0]), a[0], a[1], a[2], a[3], a[4], B(need & 1), B(need >> 1 & 1)};
        return tw_call(&tw_ops[TW_OP__grid_sampler_backward], args, gin);
    }
    bool ok = tw_regrade(op, same_in_ops, a, g, need, outs);
    if (ok && need >> 1 & 1 && !outs[1]) ok = (outs[1] = zeros_of(a[1].t)) != NULL; /* nearest: the grid has no part in it */
    for (int i = 0; i < 2; i++) {
        if (ok) gin[i] = outs[i];
        else tw_release(outs[i]);
    }
    return ok;
}

bool tw_grid_sampler_2d_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    (void)node, (void)r;
    return gradient(&tw_ops[TW_OP_grid_sampler_2d], a, g, need, gin);
}

bool tw_grid_sampler_3d_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    (void)node, (void)r;
    return gradient(&tw_ops[TW_OP_grid_sampler_3d], a, g, need, gin);
}

/* --- grids of affine maps ---------------------------------------------------------------------------------------------------- */

/* Coordinates of n elements along dimension d of a shape: -1 and 1 are the centres of the outermost elements, or their outer edges. */
static tw_tensor *coordinates(tw_pool *p, const tw_tensor *theta, const int64_t *shape, int ndim, int d, bool align) {
    const int64_t n = shape[d];
    int64_t line[4] = {1, 1, 1, 1};
    tw_tensor *t = TEMP(p, linspace, n > 1 ? I(-1) : I(0), n > 1 ? I(1) : I(0), I(n), I(theta->dtype), NONE_, I(theta->device));
    if (!align && n > 1) t = TEMP(p, to_dtype, T(TEMP(p, div, T(TEMP(p, mul, T(t), I(n - 1))), I(n))), I(theta->dtype));
    line[d] = n;
    return TEMP(p, expand, T(TEMP(p, view, T(t), INTS(line, ndim))), INTS(shape, ndim));
}

bool tw_affine_grid_generator_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *theta = a[0].t, *columns[4] = {NULL};
    if (a[1].n != 4 && a[1].n != 5) return tw_fail(TW_RUNTIME_ERROR, "AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs.");
    const int dims = (int)a[1].n - 2;
    int64_t shape[5] = {a[1].ints[0]}, count = 1;
    bool fits = true;
    for (int d = 0; d < dims; d++) fits &= !__builtin_mul_overflow(count, shape[1 + d] = a[1].ints[2 + d], &count);
    for (int d = 0; d <= dims; d++) {
        shape[dims + 1] = dims + 1;
        if (shape[d] >= 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s", (long long)shape[d], tw_sizes_text(shape, dims + 2));
    }
    if (!fits) return tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s", tw_sizes_text(shape, dims + 2));
    for (int d = 0; d < dims; d++) columns[d] = coordinates(&p, theta, shape, dims + 1, dims - d, a[2].i != 0);
    columns[dims] = TEMP(&p, ones, INTS(shape, dims + 1), I(theta->dtype), NONE_, I(theta->device));
    if (tw_failed()) return tw_pool_done(&p, outs, 0);
    const int64_t rows[] = {shape[0], count, dims + 1};
    tw_tensor *base = TEMP(&p, view, T(TEMP(&p, stack, tw_a_tensors(columns, dims + 1), I(-1))), INTS(rows, 3));
    tw_tensor *grid = TEMP(&p, bmm, T(base), T(TEMP(&p, transpose_int, T(theta), I(1), I(2))));
    shape[dims + 1] = dims;
    return tw_pool_give(&p, outs, TEMP(&p, view, T(grid), INTS(shape, dims + 2)));
}
