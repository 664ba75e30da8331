/* Normalisation layers as users call them, and the gradients of the native ops: fused, or in ops where they are to be differentiated. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <math.h>

/* --- what is standardised: zero mean and unit variance over dims ------------------------------------------------------------ */

typedef struct standard { tw_tensor *rstd, *values; } standard;

static standard standardise(tw_pool *p, tw_tensor *x, tw_arg dims, tw_arg eps) {
    tw_tensor *d = TEMP(p, sub, T(x), T(TEMP(p, mean_dim, T(x), dims, B(true))));
    tw_tensor *var = TEMP(p, mean_dim, T(TEMP(p, mul, T(d), T(d))), dims, B(true));
    tw_tensor *rstd = TEMP(p, rsqrt, T(TEMP(p, add, T(var), eps)));
    return (standard){rstd, TEMP(p, mul, T(d), T(rstd))};
}

/* The derivative of standardising, which is its own transpose: rstd (t - mean(t) - values mean(values t)). */
static tw_tensor *derivative(tw_pool *p, const standard *s, tw_tensor *t, tw_arg dims) {
    tw_tensor *along = TEMP(p, mean_dim, T(TEMP(p, mul, T(t), T(s->values))), dims, B(true));
    tw_tensor *rest = TEMP(p, sub, T(t), T(TEMP(p, mean_dim, T(t), dims, B(true))));
    rest = TEMP(p, sub, T(rest), T(TEMP(p, mul, T(s->values), T(along))));
    return TEMP(p, mul, T(rest), T(s->rstd));
}

static bool building_graph(void) { return !(tw_mode & TW_MODE_NO_GRAD) || (tw_mode & (TW_MODE_VMAP | TW_MODE_FORWARD)); }

/* Gradients of `op` from its backward op: input, weight, bias. */
static bool fused(int op, const tw_arg *args, uint64_t need, const int *edges, tw_tensor **gin) {
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    if (tw_failed() || !tw_call(&tw_ops[op], args, outs)) return false;
    for (int i = 0; i < 3; i++) {
        if (need >> edges[i] & 1) gin[edges[i]] = outs[i];
        else tw_release(outs[i]);
    }
    return true;
}

static tw_tensor *scaled(tw_pool *p, tw_tensor *t, tw_tensor *weight) { return weight ? TEMP(p, mul, T(t), T(weight)) : t; }

static tw_tensor *channel_view(tw_pool *p, tw_tensor *t, int ndim) { return t ? TEMP(p, _channel_view, T(t), I(ndim)) : NULL; }

/* --- layer_norm ----------------------------------------------------------------------------------------------------------------- */

static tw_arg last_dims(int64_t *room, int n) {
    for (int i = 0; i < n; i++) room[i] = i - n;
    return INTS(room, n);
}

static tw_tensor *sum_leading(tw_pool *p, tw_tensor *t, int n, const tw_arg *shape) {
    int64_t dims[TW_MAX_DIMS];
    for (int i = 0; i < n; i++) dims[i] = i;
    if (n) t = TEMP(p, sum_dim_IntList, T(t), INTS(dims, n));
    return TEMP(p, reshape, T(t), *shape);
}

bool tw_native_layer_norm_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    static const int edges[] = {0, 1, 2};
    (void)node;
    if (!g[0]) return true;
    tw_tensor *x = a[0].t, *weight = tw_optional(&a[2]);
    const tw_arg args[] = {T(g[0]), a[0], a[1], T(r[1]), T(r[2]), a[2]};
    if (!building_graph()) return fused(TW_OP__layer_norm_backward, args, need, edges, gin);
    tw_pool p = {0};
    int64_t room[TW_MAX_DIMS];
    tw_arg dims = last_dims(room, a[1].n);
    int lead = x->ndim - a[1].n;
    standard s = standardise(&p, x, dims, a[4]);
    if (need & 1) gin[0] = tw_retain(derivative(&p, &s, scaled(&p, g[0], weight), dims));
    if (need & 2) gin[1] = tw_retain(sum_leading(&p, TEMP(&p, mul, T(g[0]), T(s.values)), lead, &a[1]));
    if (need & 4) gin[2] = tw_retain(sum_leading(&p, g[0], lead, &a[1]));
    return tw_pool_done(&p, NULL, 0);
}

/* _layer_norm_tangent(input_t, input, normalized_shape, weight, eps) */
bool tw__layer_norm_tangent_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t room[TW_MAX_DIMS];
    tw_arg dims = last_dims(room, a[2].n);
    standard s = standardise(&p, a[1].t, dims, a[4]);
    return tw_pool_give(&p, outs, scaled(&p, derivative(&p, &s, a[0].t, dims), tw_optional(&a[3])));
}

static bool first_result(int op, const tw_arg *args, tw_tensor **outs) {
    tw_tensor *all[TW_MAX_OUTS] = {NULL};
    if (tw_failed() || !tw_call(&tw_ops[op], args, all)) return false;
    for (int i = 1; i < tw_ops[op].nouts; i++) tw_release(all[i]);
    outs[0] = all[0];
    return true;
}

bool tw_layer_norm_composite(const tw_arg *a, tw_tensor **outs) { return first_result(TW_OP_native_layer_norm, a, outs); }

/* Computed in float32 for half types, and rounded once. */
bool tw_rms_norm_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *x = a[0].t;
    tw_dtype dtype = (tw_dtype)x->dtype, compute = tw_dtypes[dtype].compute;
    int64_t room[TW_MAX_DIMS];
    tw_pool p = {0};
    const char *text = tw_sizes_text(a[1].ints, a[1].n);
    bool same = x->ndim >= a[1].n;
    if (a[1].n < 1) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
                       "normalized_shape = %s", text);
    }
    const tw_tensor *weight = tw_optional(&a[2]);
    bool fits = !weight || weight->ndim == a[1].n;
    for (int i = 0; weight && fits && i < a[1].n; i++) fits = weight->sizes[i] == a[1].ints[i];
    if (!fits) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected weight to be of same shape as normalized_shape, but got weight of shape %s and normalized_shape = %s",
                       tw_sizes_text(weight->sizes, weight->ndim), text);
    }
    for (int i = 0; same && i < a[1].n; i++) same = x->sizes[x->ndim - a[1].n + i] == a[1].ints[i];
    if (!same) {
        return tw_fail(TW_RUNTIME_ERROR, "Given normalized_shape=%s, expected input with shape [*, %s, but got input of size%s", text, text + 1,
                       tw_sizes_text(x->sizes, x->ndim));
    }
    if (tw_is_integral(dtype)) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"rms_norm\" not implemented for '%s'", tw_dtypes[dtype].type_name);
    double eps = tw_dtypes[compute].real == TW_FLOAT64 ? 2.2204460492503131e-16 : 1.1920928955078125e-07;
    if (compute != dtype) x = TEMP(&p, _to_copy, T(x), I(compute));
    tw_tensor *mean = TEMP(&p, mean_dim, T(TEMP(&p, pow, T(x), I(2))), last_dims(room, a[1].n), B(true));
    tw_tensor *scale = TEMP(&p, rsqrt, T(TEMP(&p, add, T(mean), F(tw_a_get_double(&a[3], eps)))));
    tw_tensor *y = scaled(&p, TEMP(&p, mul, T(x), T(scale)), tw_optional(&a[2]));
    if (y && y->dtype != (int8_t)dtype) y = TEMP(&p, _to_copy, T(y), I(dtype));
    return tw_pool_give(&p, outs, y);
}

/* --- group_norm ------------------------------------------------------------------------------------------------------------------ */

static tw_tensor *grouped(tw_pool *p, tw_tensor *t, int64_t n, int64_t group) {
    if (!t) return NULL;
    const int64_t sizes[] = {n, group, n ? t->numel / (n * group) : t->sizes[1] / group};
    return TEMP(p, reshape, T(t), INTS(sizes, 3));
}

/* Gradients of the mean and the reciprocal deviation of each row of n elements, which reach the input only. */
static tw_tensor *through_statistics(tw_pool *p, const standard *s, tw_tensor *gx, tw_tensor *const *g, const int64_t *sizes, int64_t n) {
    if (g[1]) {
        tw_tensor *each = TEMP(p, div, T(TEMP(p, reshape, T(g[1]), INTS(sizes, 3))), I(n));
        gx = gx ? TEMP(p, add, T(gx), T(each)) : TEMP(p, mul, T(TEMP(p, ones_like, T(s->values))), T(each));
    }
    if (g[2]) {
        tw_tensor *square = TEMP(p, mul, T(s->rstd), T(s->rstd)), *each = TEMP(p, div, T(TEMP(p, reshape, T(g[2]), INTS(sizes, 3))), I(-n));
        tw_tensor *more = TEMP(p, mul, T(TEMP(p, mul, T(s->values), T(square))), T(each));
        gx = gx ? TEMP(p, add, T(gx), T(more)) : more;
    }
    return gx;
}

static tw_tensor *like_input(tw_pool *p, tw_tensor *t, const tw_tensor *x) { return TEMP(p, reshape, T(t), INTS(x->sizes, x->ndim)); }

bool tw_native_group_norm_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    static const int edges[] = {0, 1, 2};
    static const int64_t last[] = {2};
    (void)node;
    tw_tensor *x = a[0].t, *weight = tw_optional(&a[1]);
    const tw_arg args[] = {T(g[0]), a[0], T(r[1]), T(r[2]), a[1], a[3], a[4], a[5], a[6]};
    const int64_t rows[] = {a[3].i, a[6].i, 1};
    if (!building_graph() && g[0] && !g[1] && !g[2]) return fused(TW_OP__group_norm_backward, args, need, edges, gin);
    tw_pool p = {0};
    standard s = standardise(&p, grouped(&p, x, a[3].i, a[6].i), INTS(last, 1), a[7]);
    if (need & 1) {
        tw_tensor *gx = NULL;
        if (g[0]) {
            tw_tensor *h = grouped(&p, scaled(&p, g[0], channel_view(&p, weight, x->ndim)), a[3].i, a[6].i);
            gx = derivative(&p, &s, h, INTS(last, 1));
        }
        gx = through_statistics(&p, &s, gx, g, rows, a[4].i / a[6].i * a[5].i);
        if (gx) gin[0] = tw_retain(like_input(&p, gx, x));
    }
    if (g[0] && need & 2) gin[1] = CALL(_sum_channels, T(TEMP(&p, mul, T(g[0]), T(like_input(&p, s.values, x)))));
    if (g[0] && need & 4) gin[2] = CALL(_sum_channels, T(g[0]));
    return tw_pool_done(&p, NULL, 0);
}

/* _group_norm_mean(self, N, group): of each row. */
bool tw__group_norm_mean_composite(const tw_arg *a, tw_tensor **outs) {
    static const int64_t last[] = {2};
    tw_pool p = {0};
    return tw_pool_give(&p, outs, TEMP(&p, mean_dim, T(grouped(&p, a[0].t, a[1].i, a[2].i)), INTS(last, 1)));
}

/* _group_norm_tangent(input_t, input, weight, N, group, eps) */
bool tw__group_norm_tangent_composite(const tw_arg *a, tw_tensor **outs) {
    static const int64_t last[] = {2};
    tw_pool p = {0};
    tw_tensor *x = a[1].t;
    if (x->numel == 0) return tw_pool_give(&p, outs, a[0].t);
    standard s = standardise(&p, grouped(&p, x, a[3].i, a[4].i), INTS(last, 1), a[5]);
    tw_tensor *t = like_input(&p, derivative(&p, &s, grouped(&p, a[0].t, a[3].i, a[4].i), INTS(last, 1)), x);
    return tw_pool_give(&p, outs, scaled(&p, t, channel_view(&p, tw_optional(&a[2]), x->ndim)));
}

bool tw_group_norm_composite(const tw_arg *a, tw_tensor **outs) {
    const tw_tensor *x = a[0].t;
    if (x->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "Expected at least 2 dimensions for input tensor but received %d", x->ndim);
    int64_t inner = 1;
    for (int i = 2; i < x->ndim; i++) inner *= x->sizes[i];
    const tw_arg args[] = {a[0], a[2], a[3], I(x->sizes[0]), I(x->sizes[1]), I(inner), a[1], a[4]};
    return first_result(TW_OP_native_group_norm, args, outs);
}

/* --- batch_norm ------------------------------------------------------------------------------------------------------------------- */

static tw_arg all_but_channels(int64_t *room, int ndim) {
    int n = 0;
    for (int i = 0; i < ndim; i++)
        if (i != 1) room[n++] = i;
    return INTS(room, n);
}

/* The input standardised by its own statistics, or by running ones. */
static standard batch_standard(tw_pool *p, tw_tensor *x, tw_tensor *mean, tw_tensor *var, bool training, tw_arg dims, tw_arg eps) {
    if (training) return standardise(p, x, dims, eps);
    tw_tensor *rstd = TEMP(p, rsqrt, T(TEMP(p, add, T(channel_view(p, var, x->ndim)), eps)));
    return (standard){rstd, TEMP(p, mul, T(TEMP(p, sub, T(x), T(channel_view(p, mean, x->ndim)))), T(rstd))};
}

bool tw_native_batch_norm_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    static const int edges[] = {0, 1, 2};
    (void)node;
    if (!g[0]) return true;
    tw_tensor *x = a[0].t, *weight = tw_optional(&a[1]);
    bool training = tw_a_get_int(&a[5], 0) != 0;
    const tw_arg args[] = {T(g[0]), a[0], a[1], a[3], a[4], T(r[1]), T(r[2]), a[5], a[7]};
    if (!building_graph()) return fused(TW_OP__batch_norm_backward, args, need, edges, gin);
    tw_pool p = {0};
    int64_t room[TW_MAX_DIMS];
    tw_arg dims = all_but_channels(room, x->ndim);
    standard s = batch_standard(&p, x, tw_optional(&a[3]), tw_optional(&a[4]), training, dims, a[7]);
    if (need & 1) {
        tw_tensor *h = scaled(&p, g[0], channel_view(&p, weight, x->ndim));
        gin[0] = tw_retain(training ? derivative(&p, &s, h, dims) : TEMP(&p, mul, T(h), T(s.rstd)));
    }
    if (need & 2) gin[1] = CALL(_sum_channels, T(TEMP(&p, mul, T(g[0]), T(s.values))));
    if (need & 4) gin[2] = CALL(_sum_channels, T(g[0]));
    return tw_pool_done(&p, NULL, 0);
}

/* _batch_norm_standard(input, running_mean, running_var, training, eps) */
bool tw__batch_norm_standard_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t room[TW_MAX_DIMS];
    standard s = batch_standard(&p, a[0].t, tw_optional(&a[1]), tw_optional(&a[2]), a[3].i != 0, all_but_channels(room, a[0].t->ndim), a[4]);
    return tw_pool_give(&p, outs, s.values);
}

/* _batch_norm_tangent(input_t, input, weight, running_mean, running_var, training, eps) */
bool tw__batch_norm_tangent_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    int64_t room[TW_MAX_DIMS];
    tw_tensor *x = a[1].t;
    bool training = a[5].i != 0;
    tw_arg dims = all_but_channels(room, x->ndim);
    standard s = batch_standard(&p, x, tw_optional(&a[3]), tw_optional(&a[4]), training, dims, a[6]);
    tw_tensor *t = training ? derivative(&p, &s, a[0].t, dims) : TEMP(&p, mul, a[0], T(s.rstd));
    return tw_pool_give(&p, outs, scaled(&p, t, channel_view(&p, tw_optional(&a[2]), x->ndim)));
}

/* An empty batch keeps its shape and its place in the graph. */
static bool empty_batch(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *y = TEMP(&p, clone, a[0]);
    for (int i = 1; i <= 2; i++) {
        if (a[i].tag != TW_ARG_TENSOR || a[i].t->numel == 0) continue;
        tw_tensor *first = TEMP(&p, select_int, a[i], I(0), I(0));
        y = i == 1 ? TEMP(&p, mul, T(y), T(first)) : TEMP(&p, add, T(y), T(first));
    }
    return tw_pool_give(&p, outs, y);
}

bool tw_batch_norm_composite(const tw_arg *a, tw_tensor **outs) {
    if (a[0].t->numel == 0) return empty_batch(a, outs);
    return first_result(TW_OP_native_batch_norm, a, outs);
}

/* --- instance_norm: batch_norm with each example's channels as channels of one --------------------------------------------------- */

/* A vector n times over. */
static tw_tensor *repeated(tw_pool *p, const tw_arg *a, int64_t n) {
    if (a->tag != TW_ARG_TENSOR) return NULL;
    const int64_t rows[] = {n, a->t->numel}, flat[] = {n * a->t->numel};
    return TEMP(p, reshape, T(TEMP(p, expand, *a, INTS(rows, 2))), INTS(flat, 1));
}

/* The mean over examples goes back to the running statistics. */
static void write_back(tw_pool *p, const tw_arg *running, tw_tensor *values, int64_t n, int64_t channels) {
    const int64_t sizes[] = {n, channels}, first[] = {0};
    if (running->tag != TW_ARG_TENSOR || !values) return;
    tw_tensor *mean = TEMP(p, mean_dim, T(TEMP(p, reshape, T(values), INTS(sizes, 2))), INTS(first, 1));
    if (mean) tw_call_inplace(&tw_ops[TW_OP_copy_], (const tw_arg[]){*running, T(mean), B(false)});
}

bool tw_instance_norm_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *x = a[0].t;
    bool own = tw_a_get_int(&a[5], 1) != 0;
    tw_pool p = {0};
    if (!own && (a[3].tag != TW_ARG_TENSOR || a[4].tag != TW_ARG_TENSOR)) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected running_mean and running_var to be defined when use_input_stats is false");
    }
    if (x->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "instance_norm: expected an input of at least 2 dimensions, got %d", x->ndim);
    int64_t n = x->sizes[0], channels = x->sizes[1], sizes[TW_MAX_DIMS];
    sizes[0] = 1, sizes[1] = n * channels;
    for (int i = 2; i < x->ndim; i++) sizes[i] = x->sizes[i];
    tw_tensor *dense = TEMP(&p, contiguous, T(x));
    tw_tensor *flat = TEMP(&p, reshape, T(dense), INTS(sizes, x->ndim));
    tw_tensor *mean = repeated(&p, &a[3], n), *var = repeated(&p, &a[4], n);
    if (mean) mean = TEMP(&p, clone, T(mean));
    if (var) var = TEMP(&p, clone, T(var));
    tw_tensor *y = TEMP(&p, batch_norm, T(flat), T(repeated(&p, &a[1], n)), T(repeated(&p, &a[2], n)), T(mean), T(var), a[5], a[6], a[7], a[8]);
    if (own && !tw_failed()) {
        write_back(&p, &a[3], mean, n, channels);
        write_back(&p, &a[4], var, n, channels);
    }
    return tw_pool_give(&p, outs, TEMP(&p, reshape, T(y), INTS(x->sizes, x->ndim)));
}
