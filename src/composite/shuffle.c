/* Channels and pixels in another order; dropout of channels. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <math.h>

/* --- shuffles: reshape, permute, reshape ---------------------------------------------------------------------------------- */

/* As PyTorch's: dense in the memory format of the input, unless that has no elements. */
static tw_tensor *dense(tw_pool *p, tw_tensor *t, const tw_tensor *like) {
    if (!t) return NULL;
    bool last = t->ndim == 4 && tw_is_contiguous_in(like, TW_CHANNELS_LAST) && !tw_is_contiguous(like);
    return last ? TEMP(p, contiguous, T(t), I(TW_CHANNELS_LAST)) : t;
}

static bool check_factor(const char *name, const char *factor, const tw_tensor *x, int64_t r) {
    if (x->ndim < 3) return tw_fail(TW_RUNTIME_ERROR, "%s expects input to have at least 3 dimensions, but got input with %d dimension(s)", name, x->ndim);
    if (r > 0) return true;
    return tw_fail(TW_RUNTIME_ERROR, "%s expects a positive %s, but got %lld", name, factor, (long long)r);
}

static tw_tensor *turned(tw_pool *p, tw_tensor *x, const int64_t *split, const int64_t *order, const int64_t *sizes, int lead, int n, int last) {
    int64_t all[TW_MAX_DIMS], perm[TW_MAX_DIMS], to[TW_MAX_DIMS];
    for (int i = 0; i < lead; i++) all[i] = to[i] = x->sizes[i], perm[i] = i;
    for (int i = 0; i < n; i++) all[lead + i] = split[i], perm[lead + i] = lead + order[i];
    for (int i = 0; i < last; i++) to[lead + i] = sizes[i];
    tw_tensor *y = TEMP(p, permute, T(TEMP(p, reshape, T(x), INTS(all, lead + n))), INTS(perm, lead + n));
    y = TEMP(p, clone, T(y), I(TW_CONTIGUOUS_FORMAT));
    return dense(p, TEMP(p, view, T(y), INTS(to, lead + last)), x);
}

bool tw_pixel_shuffle_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *x = a[0].t;
    int64_t r = a[1].i;
    tw_pool p = {0};
    if (!check_factor("pixel_shuffle", "upscale_factor", x, r)) return false;
    int64_t c = x->sizes[x->ndim - 3], h = x->sizes[x->ndim - 2], w = x->sizes[x->ndim - 1], square;
    if (__builtin_mul_overflow(r, r, &square))
        return tw_fail(TW_VALUE_ERROR, "upscale factor is too large, (upscale_factor)^2 overflowed: upscale_factor=%lld", (long long)r);
    if (c % square) {
        return tw_fail(TW_RUNTIME_ERROR, "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
                       "input.size(-3)=%lld is not divisible by %lld", (long long)c, (long long)(r * r));
    }
    const int64_t split[] = {c / (r * r), r, r, h, w}, order[] = {0, 3, 1, 4, 2}, sizes[] = {c / (r * r), h * r, w * r};
    return tw_pool_give(&p, outs, turned(&p, x, split, order, sizes, x->ndim - 3, 5, 3));
}

bool tw_pixel_unshuffle_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *x = a[0].t;
    int64_t r = a[1].i;
    tw_pool p = {0};
    if (!check_factor("pixel_unshuffle", "downscale_factor", x, r)) return false;
    int64_t c = x->sizes[x->ndim - 3], h = x->sizes[x->ndim - 2], w = x->sizes[x->ndim - 1];
    if (h % r || w % r) {
        return tw_fail(TW_RUNTIME_ERROR, "pixel_unshuffle expects %s to be divisible by downscale_factor, but input.size(%d)=%lld is not divisible by %lld",
                       h % r ? "height" : "width", h % r ? -2 : -1, (long long)(h % r ? h : w), (long long)r);
    }
    const int64_t split[] = {c, h / r, r, w / r, r}, order[] = {0, 2, 4, 1, 3}, sizes[] = {c * r * r, h / r, w / r};
    return tw_pool_give(&p, outs, turned(&p, x, split, order, sizes, x->ndim - 3, 5, 3));
}

bool tw_channel_shuffle_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *x = a[0].t;
    int64_t groups = a[1].i, split[TW_MAX_DIMS], perm[TW_MAX_DIMS];
    tw_pool p = {0};
    if (x->ndim < 3) {
        return tw_fail(TW_RUNTIME_ERROR, "channel_shuffle expects input with > 2 dims, but got input with sizes %s", tw_sizes_text(x->sizes, x->ndim));
    }
    if (groups <= 0) return tw_fail(TW_RUNTIME_ERROR, "Number of groups to divide channels in must be positive. Value of groups:%lld", (long long)groups);
    if (x->sizes[1] % groups) {
        return tw_fail(TW_RUNTIME_ERROR, "Number of channels must be divisible by groups. Got %lld channels and %lld groups.", (long long)x->sizes[1],
                       (long long)groups);
    }
    split[0] = x->sizes[0], split[1] = groups, split[2] = x->sizes[1] / groups;
    for (int i = 0; i <= x->ndim; i++) perm[i] = i;
    for (int i = 2; i < x->ndim; i++) split[i + 1] = x->sizes[i];
    perm[1] = 2, perm[2] = 1;
    tw_tensor *y = TEMP(&p, permute, T(TEMP(&p, reshape, T(x), INTS(split, x->ndim + 1))), INTS(perm, x->ndim + 1));
    y = TEMP(&p, reshape, T(y), INTS(x->sizes, x->ndim));
    bool last = !tw_is_contiguous(x) && tw_is_contiguous_in(x, x->ndim == 5 ? TW_CHANNELS_LAST_3D : TW_CHANNELS_LAST);
    if (last && x->ndim >= 4) y = TEMP(&p, contiguous, T(y), I(x->ndim == 5 ? TW_CHANNELS_LAST_3D : TW_CHANNELS_LAST));
    return tw_pool_give(&p, outs, y);
}

/* --- dropout ----------------------------------------------------------------------------------------------------------------- */

/* The factor and (alpha) the summand of each element or channel; false where nothing is dropped. */
static bool drop(tw_pool *pool, const tw_arg *a, bool feature, bool alpha, tw_tensor **factor, tw_tensor **summand) {
    tw_tensor *x = a[0].t;
    double p = tw_a_get_double(&a[1], 0.5), keep = 1 - p;
    int64_t sizes[TW_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) sizes[i] = i < 2 ? x->sizes[i] : 1;
    tw_tensor *like = feature ? TEMP(pool, new_empty, T(x), INTS(sizes, x->ndim)) : TEMP(pool, empty_like, T(x));
    tw_tensor *noise = TEMP(pool, bernoulli_p, T(like), F(keep));
    if (!alpha) {
        *factor = TEMP(pool, div, T(noise), F(keep));
        return !tw_failed();
    }
    const double most = 1.7580993408473766, scale = 1 / sqrt((most * most * p + 1) * keep); /* SELU's scale times its alpha */
    *summand = TEMP(pool, add, T(TEMP(pool, mul, T(TEMP(pool, sub, T(noise), I(1))), F(most * scale))), F(most * scale * p));
    *factor = TEMP(pool, mul, T(noise), F(scale));
    return !tw_failed();
}

static bool checked(const tw_arg *a, bool feature, bool *nothing) {
    double p = tw_a_get_double(&a[1], 0.5);
    if (!(p >= 0 && p <= 1)) return tw_fail(TW_RUNTIME_ERROR, "dropout probability has to be between 0 and 1, but got %g", p);
    *nothing = p == 0 || !a[2].i || a[0].t->numel == 0;
    if (*nothing || p == 1 || !feature || a[0].t->ndim >= 2) return true;
    return tw_fail(TW_RUNTIME_ERROR, "Feature dropout requires at least 2 dimensions in the input");
}

static bool dropped(const tw_arg *a, bool feature, bool alpha, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *factor = NULL, *summand = NULL, *y = a[0].t;
    bool nothing;
    if (!checked(a, feature, &nothing)) return false;
    if (!nothing && a[1].d == 1) {
        y = TEMP(&p, mul, a[0], I(0));
    } else if (!nothing && drop(&p, a, feature, alpha, &factor, &summand)) {
        y = TEMP(&p, mul, a[0], T(factor));
        if (summand) y = TEMP(&p, add, T(y), T(summand));
    }
    return tw_pool_give(&p, outs, y);
}

static bool dropped_in_place(const tw_arg *a, bool feature, bool alpha, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *factor = NULL, *summand = NULL;
    bool nothing;
    if (!checked(a, feature, &nothing)) return false;
    if (!nothing && a[1].d == 1) {
        tw_call_inplace(&tw_ops[TW_OP_mul], (const tw_arg[]){a[0], I(0)});
    } else if (!nothing && drop(&p, a, feature, alpha, &factor, &summand)) {
        bool ok = tw_call_inplace(&tw_ops[TW_OP_mul], (const tw_arg[]){a[0], T(factor)});
        if (ok && summand) tw_call_inplace(&tw_ops[TW_OP_add], (const tw_arg[]){a[0], T(summand), I(1)});
    }
    return tw_pool_give(&p, outs, a[0].t);
}

bool tw_feature_dropout_composite(const tw_arg *a, tw_tensor **outs) { return dropped(a, true, false, outs); }
bool tw_alpha_dropout_composite(const tw_arg *a, tw_tensor **outs) { return dropped(a, false, true, outs); }
bool tw_feature_alpha_dropout_composite(const tw_arg *a, tw_tensor **outs) { return dropped(a, true, true, outs); }
bool tw_feature_dropout__composite(const tw_arg *a, tw_tensor **outs) { return dropped_in_place(a, true, false, outs); }
bool tw_alpha_dropout__composite(const tw_arg *a, tw_tensor **outs) { return dropped_in_place(a, false, true, outs); }
bool tw_feature_alpha_dropout__composite(const tw_arg *a, tw_tensor **outs) { return dropped_in_place(a, true, true, outs); }
