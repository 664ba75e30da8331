/* Random ops that make their result: the geometry of factory.c, filled by random.c. */
#include "ops/copy.h"
#include "ops/elementwise.h"
#include "ops/make.h"
#include "ops_decl.h"

#include <string.h>

extern const tw_ew tw_ew_add, tw_ew_mul;

static bool floats_meta(const tw_arg *a, const tw_arg *options, tw_meta *out) {
    return tw_make_meta(&a[0], options, tw_default_dtype(), TW_CPU, out);
}
static bool fill_uniform(tw_tensor **out, tw_arg generator) {
    const tw_arg in[] = {tw_a_tensor(out[0]), tw_a_float(0), tw_a_float(1), generator};
    tw_meta unused;
    return tw_uniform__meta(in, &unused) && tw_uniform__run(in, out);
}
static bool fill_normal(tw_tensor **out, double mean, double std, tw_arg generator) {
    const tw_arg in[] = {tw_a_tensor(out[0]), tw_a_float(mean), tw_a_float(std), generator};
    tw_meta unused;
    return tw_normal__meta(in, &unused) && tw_normal__run(in, out);
}
static bool fill_between(tw_tensor **out, int64_t low, int64_t high, tw_arg generator) {
    const tw_arg in[] = {tw_a_tensor(out[0]), tw_a_int(low), tw_a_int(high), generator};
    tw_meta unused;
    return tw_random__from_meta(in, &unused) && tw_random__from_run(in, out);
}

bool tw_rand_meta(const tw_arg *a, tw_meta *out) { return floats_meta(a, a + 1, out); }
bool tw_rand_run(const tw_arg *a, tw_tensor **out) { (void)a; return fill_uniform(out, TW_A_NONE); }
bool tw_rand_generator_meta(const tw_arg *a, tw_meta *out) { return floats_meta(a, a + 2, out); }
bool tw_rand_generator_run(const tw_arg *a, tw_tensor **out) { return fill_uniform(out, a[1]); }
bool tw_rand_like_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 1, out); }
bool tw_rand_like_run(const tw_arg *a, tw_tensor **out) { (void)a; return fill_uniform(out, TW_A_NONE); }

bool tw_randn_meta(const tw_arg *a, tw_meta *out) { return floats_meta(a, a + 1, out); }
bool tw_randn_run(const tw_arg *a, tw_tensor **out) { (void)a; return fill_normal(out, 0, 1, TW_A_NONE); }
bool tw_randn_generator_meta(const tw_arg *a, tw_meta *out) { return floats_meta(a, a + 2, out); }
bool tw_randn_generator_run(const tw_arg *a, tw_tensor **out) { return fill_normal(out, 0, 1, a[1]); }
bool tw_randn_like_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 1, out); }
bool tw_randn_like_run(const tw_arg *a, tw_tensor **out) { (void)a; return fill_normal(out, 0, 1, TW_A_NONE); }

bool tw_normal_float_float_meta(const tw_arg *a, tw_meta *out) {
    if (!(a[1].d >= 0)) return tw_fail(TW_RUNTIME_ERROR, "normal expects std >= 0.0, but found std %g", a[1].d);
    return tw_make_meta(&a[2], a + 4, tw_default_dtype(), TW_CPU, out);
}
bool tw_normal_float_float_run(const tw_arg *a, tw_tensor **out) { return fill_normal(out, a[0].d, a[1].d, a[3]); }

/* --- normal with tensors: numbers of deviation std (1 if it is a tensor), times std, plus mean --- */

static bool normal_meta(const tw_arg *mean, const tw_arg *std, tw_meta *out) {
    const tw_arg in[] = {*mean, *std};
    const tw_tensor *like = mean->tag == TW_ARG_TENSOR ? mean->t : std->t;
    int64_t sizes[TW_MAX_DIMS];
    int ndim;
    if (std->tag == TW_ARG_TENSOR && tw_is_complex((tw_dtype)std->t->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "normal expects standard deviation to be non-complex");
    return tw_broadcast_sizes(in, 2, sizes, &ndim) && tw_meta_set(out, (tw_dtype)like->dtype, like->device, sizes, ndim);
}

static bool check_deviations(tw_tensor *std) {
    tw_tensor *wide = tw_contiguous_new(std, TW_FLOAT64);
    if (!wide) return false;
    const double *p = tw_data(wide);
    int64_t i = 0;
    while (i < wide->numel && p[i] >= 0) i++;
    const bool ok = i == wide->numel || tw_fail(TW_RUNTIME_ERROR, "normal expects all elements of std >= 0.0");
    tw_release(wide);
    return ok;
}

static bool normal_run(const tw_arg *mean, const tw_arg *std, const tw_arg *generator, tw_tensor **out) {
    const bool spread = std->tag == TW_ARG_TENSOR;
    const tw_arg scaled[] = {tw_a_tensor(out[0]), *std}, shifted[] = {tw_a_tensor(out[0]), *mean, tw_a_int(1)};
    return (!spread || check_deviations(std->t)) && fill_normal(out, 0, spread ? 1 : std->d, *generator) &&
           (!spread || tw_elementwise(&tw_ew_mul, scaled, 2, out)) && tw_elementwise(&tw_ew_add, shifted, 3, out);
}

bool tw_normal_Tensor_float_meta(const tw_arg *a, tw_meta *out) {
    if (!(a[1].d >= 0)) return tw_fail(TW_RUNTIME_ERROR, "normal expects std >= 0.0, but found std %g", a[1].d);
    return normal_meta(&a[0], &a[1], out);
}
bool tw_normal_Tensor_float_run(const tw_arg *a, tw_tensor **out) { return normal_run(&a[0], &a[1], &a[2], out); }
bool tw_normal_float_Tensor_meta(const tw_arg *a, tw_meta *out) { return normal_meta(&a[0], &a[1], out); }
bool tw_normal_float_Tensor_run(const tw_arg *a, tw_tensor **out) { return normal_run(&a[0], &a[1], &a[2], out); }
bool tw_normal_Tensor_Tensor_meta(const tw_arg *a, tw_meta *out) { return normal_meta(&a[0], &a[1], out); }
bool tw_normal_Tensor_Tensor_run(const tw_arg *a, tw_tensor **out) { return normal_run(&a[0], &a[1], &a[2], out); }

bool tw_randint_meta(const tw_arg *a, tw_meta *out) { return tw_make_meta(&a[1], a + 2, TW_INT64, TW_CPU, out); }
bool tw_randint_run(const tw_arg *a, tw_tensor **out) { return fill_between(out, 0, a[0].i, TW_A_NONE); }
bool tw_randint_generator_meta(const tw_arg *a, tw_meta *out) { return tw_make_meta(&a[1], a + 3, TW_INT64, TW_CPU, out); }
bool tw_randint_generator_run(const tw_arg *a, tw_tensor **out) { return fill_between(out, 0, a[0].i, a[2]); }
bool tw_randint_low_meta(const tw_arg *a, tw_meta *out) { return tw_make_meta(&a[2], a + 3, TW_INT64, TW_CPU, out); }
bool tw_randint_low_run(const tw_arg *a, tw_tensor **out) { return fill_between(out, a[0].i, a[1].i, TW_A_NONE); }
bool tw_randint_low_generator_meta(const tw_arg *a, tw_meta *out) { return tw_make_meta(&a[2], a + 4, TW_INT64, TW_CPU, out); }
bool tw_randint_low_generator_run(const tw_arg *a, tw_tensor **out) { return fill_between(out, a[0].i, a[1].i, a[3]); }
bool tw_randint_like_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 2, out); }
bool tw_randint_like_run(const tw_arg *a, tw_tensor **out) { return fill_between(out, 0, a[1].i, TW_A_NONE); }
bool tw_randint_like_low_dtype_meta(const tw_arg *a, tw_meta *out) { return tw_make_like_meta(a[0].t, a + 3, out); }
bool tw_randint_like_low_dtype_run(const tw_arg *a, tw_tensor **out) { return fill_between(out, a[1].i, a[2].i, TW_A_NONE); }

static bool meta_like_self(const tw_arg *a, tw_meta *out) {
    const tw_tensor *t = a[0].t;
    if (!tw_meta_set(out, (tw_dtype)t->dtype, t->device, t->sizes, t->ndim)) return false;
    tw_like_strides(t, out->strides);
    return true;
}
bool tw_bernoulli_meta(const tw_arg *a, tw_meta *out) { return meta_like_self(a, out); }
bool tw_bernoulli_run(const tw_arg *a, tw_tensor **out) {
    const tw_arg in[] = {tw_a_tensor(out[0]), a[0], a[1]};
    return tw_bernoulli__Tensor_run(in, out);
}
bool tw_bernoulli_p_meta(const tw_arg *a, tw_meta *out) { return meta_like_self(a, out); }
bool tw_bernoulli_p_run(const tw_arg *a, tw_tensor **out) {
    const tw_arg in[] = {tw_a_tensor(out[0]), a[1], a[2]};
    tw_meta unused;
    return tw_bernoulli__float_meta(in, &unused) && tw_bernoulli__float_run(in, out);
}
