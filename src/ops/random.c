/* Random numbers, drawn in PyTorch's order. Elements are filled one by one in the order of memory, whatever the strides, as a serial
 * TensorIterator does; contiguous normal numbers from 16 on are drawn uniform first and transformed 16 at a time. */
#include "core/mersenne.h"
#include "kernels/copy.h"
#include "kernels/random.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops/random_draw.h"
#include "kernels/number.h"
#include "ops_decl.h"

#include <math.h>
#include <string.h>

static tw_generator *generator_of(const tw_arg *a) { return a->tag == TW_ARG_GENERATOR ? a->g : tw_default_generator(); }

static bool meta_self(const tw_arg *a, tw_meta *out) {
    return tw_meta_set(out, (tw_dtype)a[0].t->dtype, a[0].t->device, a[0].t->sizes, a[0].t->ndim);
}

/* --- filling in the order of memory --------------------------------------------------------------------------- */

typedef struct draw draw;
struct draw {
    void (*one)(const draw *d, void *to);
    tw_generator *g;
    tw_dtype dtype;
    double from, to;      /* uniform; mean and standard deviation of normal; probability in from */
    uint64_t range;       /* integers: base + word % range */
    int64_t base;
    bool wide;            /* 64-bit words */
};

static void fill_dims(const draw *d, char *at, const int64_t *sizes, const int64_t *steps, int n) {
    for (int64_t i = 0; i < sizes[0]; i++, at += steps[0]) {
        if (n > 1) fill_dims(d, at, sizes + 1, steps + 1, n - 1);
        else d->one(d, at);
    }
}

/* Dimensions go from the largest stride to the smallest; equal ones keep their order. */
static void fill_in_memory_order(const draw *d, tw_tensor *t) {
    int64_t sizes[TW_MAX_DIMS + 1], steps[TW_MAX_DIMS + 1];
    const int64_t item = (int64_t)tw_dtype_size((tw_dtype)t->dtype);
    int n = 0;
    if (t->numel == 0) return;
    for (int i = 0; i < t->ndim; i++) {
        if (t->sizes[i] == 1) continue;
        int at = n++;
        for (; at > 0 && steps[at - 1] < t->strides[i] * item; at--) {
            sizes[at] = sizes[at - 1];
            steps[at] = steps[at - 1];
        }
        sizes[at] = t->sizes[i];
        steps[at] = t->strides[i] * item;
    }
    if (n == 0) {
        sizes[0] = 1;
        steps[0] = 0;
        n = 1;
    }
    fill_dims(d, tw_data(t), sizes, steps, n);
}

static void store(const draw *d, void *to, double value) { tw_store_scalar(to, d->dtype, tw_float(value)); }

/* [0, 1) with 53 bits; the float kinds use 24. */
double tw_draw_uniform(tw_generator *g) { return (double)(tw_random64(g) & ((1ull << 53) - 1)) * 0x1p-53; }
static float uniform24(tw_generator *g) { return (float)(tw_random32(g) & 0xffffff) * 0x1p-24f; }

static void one_uniform(const draw *d, void *to) {
    if (d->dtype == TW_FLOAT64) *(double *)to = fma(tw_draw_uniform(d->g), d->to - d->from, d->from);
    else {
        store(d, to, (double)fmaf(uniform24(d->g), (float)d->to - (float)d->from, (float)d->from));
        /* the range is half open: what rounds up to its end becomes its beginning */
        if (!(tw_load_scalar(to, d->dtype).re < d->to)) store(d, to, d->from);
    }
}

/* Box-Muller in double precision; the second number waits in the generator. The mathematics is libm's, as in PyTorch. */
double tw_draw_normal(tw_generator *g) {
    if (g->has_double_normal) {
        g->has_double_normal = false;
        return g->next_double_normal;
    }
    const double u1 = tw_draw_uniform(g), u2 = tw_draw_uniform(g);
    const double radius = sqrt(-2.0 * log1p(-u2)), angle = 2.0 * 3.14159265358979323846 * u1;
    g->next_double_normal = radius * sin(angle);
    g->has_double_normal = true;
    return radius * cos(angle);
}
static void one_normal(const draw *d, void *to) { store(d, to, fma(tw_draw_normal(d->g), d->to, d->from)); }

static void one_integer(const draw *d, void *to) {
    const uint64_t word = d->wide ? tw_random64(d->g) : tw_random32(d->g);
    tw_store_scalar(to, d->dtype, tw_int((int64_t)((d->range ? word % d->range : word) + (uint64_t)d->base)));
}

static void one_bernoulli(const draw *d, void *to) { store(d, to, tw_draw_uniform(d->g) < d->from ? 1.0 : 0.0); }
static void one_exponential(const draw *d, void *to) { store(d, to, -1.0 / d->from * log1p(-tw_draw_uniform(d->g))); }

static void one_cauchy(const draw *d, void *to) {
    const double angle = 3.14159265358979323846 * (tw_draw_uniform(d->g) - 0.5);
    store(d, to, d->from + d->to * (sin(angle) / cos(angle)));
}
static void one_geometric(const draw *d, void *to) { store(d, to, ceil(log(tw_draw_uniform(d->g)) / log1p(-d->from))); }
static void one_log_normal(const draw *d, void *to) { store(d, to, tw_number()->exp(fma(tw_draw_normal(d->g), d->to, d->from))); }

/* Complex tensors are drawn as pairs. */
static tw_tensor *as_real(tw_tensor *t) {
    if (!tw_is_complex((tw_dtype)t->dtype)) return tw_retain(t);
    int64_t sizes[TW_MAX_DIMS + 1], strides[TW_MAX_DIMS + 1];
    for (int i = 0; i < t->ndim; i++) {
        sizes[i] = t->sizes[i];
        strides[i] = 2 * t->strides[i];
    }
    sizes[t->ndim] = 2;
    strides[t->ndim] = 1;
    return tw_alias_new(t, sizes, strides, t->ndim + 1, 2 * t->offset, tw_dtypes[t->dtype].real);
}

/* --- uniform -------------------------------------------------------------------------------------------------- */

enum { BLOCK = 1024 };

void tw_random32_fill(tw_generator *g, uint32_t *to, int64_t n) {
    while (n > 0) {
        if (--g->left == 0) {
            tw_random()->twist(g->state);
            g->left = TW_MERSENNE_WORDS;
            g->next = 0;
        }
        /* left counts the word about to be drawn too */
        const int64_t count = g->left < n ? g->left : n;
        tw_random()->temper(count, g->state + g->next, to);
        g->next += (uint32_t)count;
        g->left -= (int32_t)count - 1;
        to += count;
        n -= count;
    }
}

static void uniform_floats(tw_generator *g, float *out, int64_t n, float from, float to) {
    uint32_t words[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t count = n - i < BLOCK ? n - i : BLOCK;
        tw_random32_fill(g, words, count);
        tw_random()->uniform(count, words, out + i, from, to);
    }
}

static bool fill_uniform(tw_tensor *t, double from, double to, tw_generator *g) {
    tw_tensor *real = as_real(t);
    if (!real) return false;
    if (real->dtype == TW_FLOAT32 && tw_is_contiguous(real)) {
        uniform_floats(g, tw_data(real), real->numel, (float)from, (float)to);
    } else {
        const draw d = {.one = one_uniform, .g = g, .dtype = (tw_dtype)real->dtype, .from = from, .to = to};
        fill_in_memory_order(&d, real);
    }
    tw_release(real);
    return true;
}

static bool check_floating(const tw_tensor *t, const char *name) {
    if (tw_dtypes[t->dtype].category >= 2) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", name, tw_dtypes[t->dtype].type_name);
}

bool tw_uniform__meta(const tw_arg *a, tw_meta *out) {
    const double from = a[1].d, to = a[2].d;
    const tw_dtype real = tw_dtypes[a[0].t->dtype].real;
    if (!check_floating(a[0].t, "check_uniform_bounds")) return false;
    const double most = real == TW_FLOAT64 ? 0x1.fffffffffffffp1023 : real == TW_FLOAT16 ? 65504.0 : real == TW_BFLOAT16 ? 0x1.fep127 : 0x1.fffffep127;
    if (!(from >= -most && from <= most)) return tw_fail(TW_RUNTIME_ERROR, "from is out of bounds for %s", tw_dtypes[real].name);
    if (!(to >= -most && to <= most)) return tw_fail(TW_RUNTIME_ERROR, "to is out of bounds for %s", tw_dtypes[real].name);
    if (from > to)
        return tw_fail(TW_RUNTIME_ERROR, "uniform_ expects to return a [from, to) range, but found from=%g > to=%g", from, to);
    if (to - from > most)
        return tw_fail(TW_RUNTIME_ERROR, "uniform_ expects to-from <= std::numeric_limits<%s>::max(), but found to=%g and from=%g which result "
                       "in to-from to exceed the limit", tw_dtypes[real].type_name, to, from);
    return meta_self(a, out);
}
bool tw_uniform__run(const tw_arg *a, tw_tensor **out) { return fill_uniform(out[0], a[1].d, a[2].d, generator_of(&a[3])); }

/* --- normal --------------------------------------------------------------------------------------------------- */

static void normal16_double(double *data, double mean, double std) {
    for (int j = 0; j < 8; j++) {
        const double radius = sqrt(-2.0 * log(1.0 - data[j])), angle = 2.0 * 3.14159265358979323846 * data[j + 8];
        data[j] = fma(radius * cos(angle), std, mean);
        data[j + 8] = fma(radius * sin(angle), std, mean);
    }
}

static void normal_doubles(tw_generator *g, double *data, int64_t n, double mean, double std) {
    for (int64_t i = 0; i < n; i++) data[i] = tw_draw_uniform(g);
    for (int64_t i = 0; i + 16 <= n; i += 16) normal16_double(data + i, mean, std);
    if (n % 16 == 0) return;
    for (int64_t i = n - 16; i < n; i++) data[i] = tw_draw_uniform(g); /* the last 16 are drawn anew */
    normal16_double(data + n - 16, mean, std);
}

static void normal_floats(tw_generator *g, float *data, int64_t n, float mean, float std) {
    uniform_floats(g, data, n, 0.0f, 1.0f);
    tw_random()->normal16(data, n / 16, mean, std);
    if (n % 16 == 0) return;
    uniform_floats(g, data + n - 16, 16, 0.0f, 1.0f);
    tw_random()->normal16(data + n - 16, 1, mean, std);
}

/* Half types: 16 at a time in float, rounded once. */
static void normal_halves(tw_generator *g, tw_dtype dtype, uint16_t *data, int64_t n, float mean, float std) {
    float group[16];
    for (int64_t i = 0; i < n; i += 16) {
        if (i + 16 > n) i = n - 16;
        uniform_floats(g, group, 16, 0.0f, 1.0f);
        tw_random()->normal16(group, 1, mean, std);
        for (int j = 0; j < 16; j++) data[i + j] = dtype == TW_FLOAT16 ? tw_float_to_half(group[j]) : tw_float_to_bfloat(group[j]);
    }
}

static bool fill_normal(tw_tensor *t, double mean, double std, tw_generator *g) {
    if (tw_is_complex((tw_dtype)t->dtype)) std /= sqrt(2.0); /* half the variance for each part */
    tw_tensor *real = as_real(t);
    if (!real) return false;
    if (real->numel >= 16 && tw_is_contiguous(real)) {
        if (real->dtype == TW_FLOAT32) normal_floats(g, tw_data(real), real->numel, (float)mean, (float)std);
        else if (real->dtype == TW_FLOAT64) normal_doubles(g, tw_data(real), real->numel, mean, std);
        else normal_halves(g, (tw_dtype)real->dtype, tw_data(real), real->numel, (float)mean, (float)std);
    } else {
        const draw d = {.one = one_normal, .g = g, .dtype = (tw_dtype)real->dtype, .from = mean, .to = std};
        fill_in_memory_order(&d, real);
    }
    tw_release(real);
    return true;
}

static bool check_std(double std) {
    return std >= 0 || tw_fail(TW_RUNTIME_ERROR, "normal expects std >= 0.0, but found std %g", std);
}

bool tw_normal__meta(const tw_arg *a, tw_meta *out) {
    return check_std(a[2].d) && check_floating(a[0].t, "normal_kernel_cpu") && meta_self(a, out);
}
bool tw_normal__run(const tw_arg *a, tw_tensor **out) { return fill_normal(out[0], a[1].d, a[2].d, generator_of(&a[3])); }

/* --- integers ------------------------------------------------------------------------------------------------- */

static int digits_of(tw_dtype d) {
    switch (d) {
    case TW_FLOAT16: return 11;
    case TW_BFLOAT16: return 8;
    case TW_FLOAT32: return 24;
    default: return 53;
    }
}

/* base + word % range; 64-bit words from 2^28 on, so that the remainder stays even. */
static bool fill_range(tw_tensor *t, int64_t base, uint64_t range, tw_generator *g) {
    const draw d = {.one = one_integer, .g = g, .dtype = (tw_dtype)t->dtype, .base = base, .range = range,
                    .wide = range == 0 || range >= 1ull << 28};
    fill_in_memory_order(&d, t);
    return true;
}

static bool check_bounds(tw_dtype d, int64_t low, int64_t high) {
    const tw_dtype_info *info = &tw_dtypes[d];
    if (info->category >= 2) return true; /* PyTorch only warns, and only beyond the exact integers */
    const int bits = 8 * info->size;
    const int64_t most = d == TW_BOOL ? 1 : bits == 64 ? INT64_MAX : ((int64_t)1 << (info->is_signed ? bits - 1 : bits)) - 1;
    const int64_t least = info->is_signed ? -most - 1 : 0;
    if (low < least || low > most) return tw_fail(TW_RUNTIME_ERROR, "from is out of bounds for %s", info->name);
    if (high < least || high > most) return tw_fail(TW_RUNTIME_ERROR, "to - 1 is out of bounds for %s", info->name);
    return true;
}

bool tw_random__meta(const tw_arg *a, tw_meta *out) { return meta_self(a, out); }
bool tw_random__run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = out[0];
    const tw_dtype d = (tw_dtype)t->dtype;
    tw_generator *g = generator_of(&a[1]);
    draw how = {.one = one_integer, .g = g, .dtype = d};
    if (tw_dtypes[d].category >= 2) how.range = (1ull << digits_of(d)) + 1;
    else if (d == TW_BOOL) how.range = 2;
    else how.range = 1ull << (8 * tw_dtypes[d].size - (tw_dtypes[d].is_signed ? 1 : 0)) % 64;
    how.wide = d == TW_INT64 || d == TW_FLOAT64;
    fill_in_memory_order(&how, t);
    return true;
}

static bool range_meta(const tw_arg *a, tw_meta *out, int64_t low, int64_t high) {
    if (low >= high)
        return tw_fail(TW_RUNTIME_ERROR, "random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld", (long long)low,
                       (long long)high);
    return check_bounds((tw_dtype)a[0].t->dtype, low, high - 1) && meta_self(a, out);
}

bool tw_random__from_meta(const tw_arg *a, tw_meta *out) {
    if (a[2].tag == TW_ARG_INT) return range_meta(a, out, a[1].i, a[2].i);
    return meta_self(a, out);
}
bool tw_random__from_run(const tw_arg *a, tw_tensor **out) {
    const tw_dtype d = (tw_dtype)out[0]->dtype;
    tw_generator *g = generator_of(&a[3]);
    if (a[2].tag == TW_ARG_INT) return fill_range(out[0], a[1].i, (uint64_t)a[2].i - (uint64_t)a[1].i, g);
    const int bits = 8 * tw_dtypes[d].size - (tw_dtypes[d].is_signed ? 1 : 0); /* up to the largest value */
    const uint64_t most = tw_dtypes[d].category >= 2 ? 1ull << digits_of(d) : d == TW_BOOL ? 1 : bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
    return fill_range(out[0], a[1].i, most - (uint64_t)a[1].i + 1, g);
}
bool tw_random__to_meta(const tw_arg *a, tw_meta *out) { return range_meta(a, out, 0, a[1].i); }
bool tw_random__to_run(const tw_arg *a, tw_tensor **out) { return fill_range(out[0], 0, (uint64_t)a[1].i, generator_of(&a[2])); }

/* --- bernoulli, exponential ------------------------------------------------------------------------------------ */

static bool check_probability(double p) {
    return (p >= 0 && p <= 1) || tw_fail(TW_RUNTIME_ERROR, "bernoulli_ expects p to be in [0, 1], but got p=%g", p);
}

bool tw_bernoulli__float_meta(const tw_arg *a, tw_meta *out) { return check_probability(a[1].d) && meta_self(a, out); }
/* Contiguous ones and zeros, many at a time. */
static void bernoulli_blocks(tw_generator *g, tw_tensor *t, double p) {
    const uint64_t limit = (uint64_t)ceil(p * 0x1p53); /* an integer is below p 2^53 where it is below that, rounded up */
    const size_t size = tw_dtype_size((tw_dtype)t->dtype);
    uint32_t words[BLOCK];
    float drawn[BLOCK / 2];
    char *to = tw_data(t);
    for (int64_t i = 0; i < t->numel; i += BLOCK / 2) {
        const int64_t count = t->numel - i < BLOCK / 2 ? t->numel - i : BLOCK / 2;
        tw_random32_fill(g, words, 2 * count);
        tw_random()->below(count, words, limit, t->dtype == TW_FLOAT32 ? (float *)(void *)to + i : drawn);
        if (t->dtype != TW_FLOAT32) tw_cast(count, to + (size_t)i * size, (tw_dtype)t->dtype, drawn, TW_FLOAT32);
    }
}

bool tw_bernoulli__float_run(const tw_arg *a, tw_tensor **out) {
    const draw d = {.one = one_bernoulli, .g = generator_of(&a[2]), .dtype = (tw_dtype)out[0]->dtype, .from = a[1].d};
    if (tw_is_contiguous(out[0])) bernoulli_blocks(d.g, out[0], d.from);
    else fill_in_memory_order(&d, out[0]);
    return true;
}

bool tw_bernoulli__Tensor_meta(const tw_arg *a, tw_meta *out) { return meta_self(a, out); }
bool tw_bernoulli__Tensor_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = out[0], *p = NULL, *wide = NULL;
    tw_generator *g = generator_of(&a[2]);
    const bool fine = a[1].t->dtype == TW_FLOAT64;
    bool ok = false;
    if (!tw_is_float((tw_dtype)a[1].t->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "expected scalar type Float but found %s", tw_dtypes[a[1].t->dtype].type_name);
    p = tw_empty_new(t->sizes, t->ndim, TW_FLOAT64, TW_CPU);
    wide = p ? tw_empty_new(t->sizes, t->ndim, TW_FLOAT64, TW_CPU) : NULL;
    if (!wide || !tw_copy(p, a[1].t)) goto done;
    const double *from = tw_data(p);
    double *to = tw_data(wide);
    for (int64_t i = 0; i < t->numel; i++) {
        if (!(from[i] >= 0 && from[i] <= 1)) {
            tw_fail(TW_RUNTIME_ERROR, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If "
                    "so, please report an enhancement request to PyTorch.)");
            goto done;
        }
        to[i] = (fine ? tw_draw_uniform(g) < from[i] : uniform24(g) < (float)from[i]) ? 1.0 : 0.0;
    }
    ok = tw_copy(t, wide);
done:
    tw_release(p);
    tw_release(wide);
    return ok;
}

bool tw_exponential__meta(const tw_arg *a, tw_meta *out) {
    if (!(a[1].d > 0)) return tw_fail(TW_RUNTIME_ERROR, "exponential_ expects lambda > 0.0, but found lambda=%g", a[1].d);
    return meta_self(a, out);
}
bool tw_exponential__run(const tw_arg *a, tw_tensor **out) {
    const draw d = {.one = one_exponential, .g = generator_of(&a[2]), .dtype = (tw_dtype)out[0]->dtype, .from = a[1].d};
    fill_in_memory_order(&d, out[0]);
    return true;
}

static bool fill(void (*one)(const draw *d, void *to), const tw_arg *generator, double from, double to, tw_tensor *t) {
    const draw d = {.one = one, .g = generator_of(generator), .dtype = (tw_dtype)t->dtype, .from = from, .to = to};
    fill_in_memory_order(&d, t);
    return true;
}

bool tw_cauchy__meta(const tw_arg *a, tw_meta *out) {
    if (!(a[2].d > 0)) return tw_fail(TW_RUNTIME_ERROR, "cauchy_ expects sigma > 0.0, but found sigma=%g", a[2].d);
    if (!tw_is_float((tw_dtype)a[0].t->dtype))
        return tw_fail(TW_RUNTIME_ERROR, "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but "
                       "you specified %s", tw_dtypes[a[0].t->dtype].type_name);
    return meta_self(a, out);
}
bool tw_cauchy__run(const tw_arg *a, tw_tensor **out) { return fill(one_cauchy, &a[3], a[1].d, a[2].d, out[0]); }

bool tw_geometric__meta(const tw_arg *a, tw_meta *out) {
    if (!(a[1].d > 0 && a[1].d < 1)) return tw_fail(TW_RUNTIME_ERROR, "geometric_ expects p to be in (0, 1), but got p=%g", a[1].d);
    return meta_self(a, out);
}
bool tw_geometric__run(const tw_arg *a, tw_tensor **out) { return fill(one_geometric, &a[2], a[1].d, 0, out[0]); }

bool tw_log_normal__meta(const tw_arg *a, tw_meta *out) {
    if (!(a[2].d > 0)) return tw_fail(TW_RUNTIME_ERROR, "log_normal_ expects std > 0.0, but found std=%g", a[2].d);
    return check_floating(a[0].t, "log_normal_cpu") && meta_self(a, out);
}
bool tw_log_normal__run(const tw_arg *a, tw_tensor **out) { return fill(one_log_normal, &a[3], a[1].d, a[2].d, out[0]); }

/* --- randperm -------------------------------------------------------------------------------------------------- */

bool tw_randperm_generator_meta(const tw_arg *a, tw_meta *out) {
    const int64_t n = a[0].i;
    if (n < 0) return tw_fail(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: [%lld]", (long long)n, (long long)n);
    return tw_meta_set(out, (tw_dtype)tw_a_get_int(&a[2], TW_INT64), (tw_device)tw_a_get_int(&a[4], TW_CPU), &n, 1);
}
bool tw_randperm_generator_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *t = out[0], *made = tw_empty_new(t->sizes, 1, TW_INT64, TW_CPU);
    tw_generator *g = generator_of(&a[1]);
    const int64_t n = a[0].i;
    if (!made) return false;
    int64_t *r = tw_data(made);
    for (int64_t i = 0; i < n; i++) r[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        const uint64_t left = (uint64_t)(n - i);
        const int64_t z = (int64_t)((n < (int64_t)(UINT32_MAX / 20) ? tw_random32(g) : tw_random64(g)) % left), kept = r[i];
        r[i] = r[i + z];
        r[i + z] = kept;
    }
    const bool ok = tw_copy(t, made);
    tw_release(made);
    return ok;
}
