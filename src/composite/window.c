/* Windows for signals, after SciPy's and PyTorch's formulas: periodic ones are symmetric ones of one place more, without the last. */
#include "composite/boxed.h"
#include "ops_decl.h"

static bool checked(const char *name, int64_t length, const tw_arg *dtype, tw_dtype *found) {
    *found = dtype->tag == TW_ARG_NONE ? tw_default_dtype() : (tw_dtype)dtype->i;
    if (!tw_is_float(*found) && !tw_is_complex(*found))
        return tw_fail(TW_RUNTIME_ERROR, "%s expects floating point dtypes, got: torch.%s", name, tw_dtypes[*found].name);
    if (length < 0)
        return tw_fail(TW_RUNTIME_ERROR, "%s requires non-negative window_length, got window_length=%lld", name, (long long)length);
    return length < INT64_MAX || tw_fail(TW_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=[%lld]", (long long)length);
}

/* Windows of no place or one, of any kind: outs[0] is set. o: dtype, layout, device, pin_memory. */
static bool tiny(int64_t length, tw_dtype dtype, const tw_arg *o, tw_tensor **outs) {
    if (length > 1) return false;
    outs[0] = CALL(ones, INTS(&length, 1), I(dtype), o[1], o[2]);
    return true;
}

/* 0, 1, ..., with one place more where periodic; borrowed. */
static tw_tensor *places(tw_pool *p, int64_t length, bool periodic, tw_dtype dtype, const tw_arg *o) {
    return TEMP(p, arange, I(length + periodic), I(dtype), o[1], o[2]);
}

static bool finish(tw_pool *p, tw_tensor *window, int64_t length, bool periodic, tw_tensor **outs) {
    if (periodic) window = TEMP(p, narrow, T(window), I(0), I(0), I(length));
    return tw_pool_give(p, outs, window);
}

/* alpha - beta cos(2 pi k / (n - 1)) */
static bool cosine(const char *name, const tw_arg *length, bool periodic, double alpha, double beta, const tw_arg *o, tw_tensor **outs) {
    tw_pool p = {0};
    tw_dtype dtype;
    if (!checked(name, length->i, &o[0], &dtype)) return false;
    if (tiny(length->i, dtype, o, outs)) return outs[0] != NULL;
    const double step = 2 * 3.14159265358979323846 / (double)(length->i + periodic - 1);
    tw_tensor *wave = TEMP(&p, cos, T(TEMP(&p, mul, T(places(&p, length->i, periodic, dtype, o)), F(step))));
    return finish(&p, TEMP(&p, add, T(TEMP(&p, mul, T(wave), F(-beta))), F(alpha)), length->i, periodic, outs);
}

bool tw_hann_window_composite(const tw_arg *a, tw_tensor **outs) { return cosine("hann_window", a, true, 0.5, 0.5, a + 1, outs); }
bool tw_hann_window_periodic_composite(const tw_arg *a, tw_tensor **outs) {
    return cosine("hann_window", a, a[1].i != 0, 0.5, 0.5, a + 2, outs);
}
bool tw_hamming_window_composite(const tw_arg *a, tw_tensor **outs) { return cosine("hamming_window", a, true, 0.54, 0.46, a + 1, outs); }
bool tw_hamming_window_periodic_composite(const tw_arg *a, tw_tensor **outs) {
    return cosine("hamming_window", a, a[1].i != 0, 0.54, 0.46, a + 2, outs);
}
bool tw_hamming_window_periodic_alpha_composite(const tw_arg *a, tw_tensor **outs) {
    return cosine("hamming_window", a, a[1].i != 0, tw_a_get_double(&a[2], 0), 0.46, a + 3, outs);
}
bool tw_hamming_window_periodic_alpha_beta_composite(const tw_arg *a, tw_tensor **outs) {
    return cosine("hamming_window", a, a[1].i != 0, tw_a_get_double(&a[2], 0), tw_a_get_double(&a[3], 0), a + 4, outs);
}

static bool blackman(const tw_arg *length, bool periodic, const tw_arg *o, tw_tensor **outs) {
    tw_pool p = {0};
    tw_dtype dtype;
    if (!checked("blackman_window", length->i, &o[0], &dtype)) return false;
    if (tiny(length->i, dtype, o, outs)) return outs[0] != NULL;
    const double step = 3.14159265358979323846 / (double)(length->i + periodic - 1);
    tw_tensor *angle = TEMP(&p, mul, T(places(&p, length->i, periodic, dtype, o)), F(step));
    tw_tensor *fast = TEMP(&p, mul, T(TEMP(&p, cos, T(TEMP(&p, mul, T(angle), I(4))))), F(0.08));
    tw_tensor *slow = TEMP(&p, mul, T(TEMP(&p, cos, T(TEMP(&p, mul, T(angle), I(2))))), F(0.5));
    return finish(&p, TEMP(&p, add, T(TEMP(&p, sub, T(fast), T(slow))), F(0.42)), length->i, periodic, outs);
}

bool tw_blackman_window_composite(const tw_arg *a, tw_tensor **outs) { return blackman(a, true, a + 1, outs); }
bool tw_blackman_window_periodic_composite(const tw_arg *a, tw_tensor **outs) { return blackman(a, a[1].i != 0, a + 2, outs); }

static bool bartlett(const tw_arg *length, bool periodic, const tw_arg *o, tw_tensor **outs) {
    tw_pool p = {0};
    tw_dtype dtype;
    if (!checked("bartlett_window", length->i, &o[0], &dtype)) return false;
    if (tiny(length->i, dtype, o, outs)) return outs[0] != NULL;
    tw_tensor *up = TEMP(&p, mul, T(places(&p, length->i, periodic, dtype, o)), F(2.0 / (double)(length->i + periodic - 1)));
    tw_tensor *down = TEMP(&p, add, T(TEMP(&p, mul, T(up), I(-1))), I(2));
    const int64_t all = length->i + periodic, rising = ((all - 1) >> 1) + 1;
    tw_tensor *halves[] = {TEMP(&p, narrow, T(up), I(0), I(0), I(rising)), TEMP(&p, narrow, T(down), I(0), I(rising), I(all - rising))};
    return finish(&p, tw_failed() ? NULL : TEMP(&p, cat, tw_a_tensors(halves, 2), I(0)), length->i, periodic, outs);
}

bool tw_bartlett_window_composite(const tw_arg *a, tw_tensor **outs) { return bartlett(a, true, a + 1, outs); }
bool tw_bartlett_window_periodic_composite(const tw_arg *a, tw_tensor **outs) { return bartlett(a, a[1].i != 0, a + 2, outs); }

static bool kaiser(const tw_arg *length, bool periodic, double beta, const tw_arg *o, tw_tensor **outs) {
    tw_pool p = {0};
    tw_dtype dtype;
    if (!checked("kaiser_window", length->i, &o[0], &dtype)) return false;
    if (tiny(length->i, dtype, o, outs)) return outs[0] != NULL;
    tw_tensor *window = TEMP(&p, _kaiser, I(length->i + periodic), F(beta), I(dtype), o[1], o[2]);
    return finish(&p, window, length->i, periodic, outs);
}

bool tw_kaiser_window_composite(const tw_arg *a, tw_tensor **outs) { return kaiser(a, true, 12, a + 1, outs); }
bool tw_kaiser_window_periodic_composite(const tw_arg *a, tw_tensor **outs) { return kaiser(a, a[1].i != 0, 12, a + 2, outs); }
bool tw_kaiser_window_beta_composite(const tw_arg *a, tw_tensor **outs) {
    return kaiser(a, a[1].i != 0, tw_a_get_double(&a[2], 0), a + 3, outs);
}

/* (start, end, steps, base, dtype, layout, device, pin_memory): base to the power of evenly spaced exponents. */
bool tw_logspace_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    const tw_dtype dtype = a[4].tag == TW_ARG_NONE ? tw_default_dtype() : (tw_dtype)a[4].i;
    const tw_dtype exact = tw_is_integral(dtype) ? TW_FLOAT64 : dtype;
    if (a[2].i < 0) return tw_fail(TW_RUNTIME_ERROR, "number of steps must be non-negative");
    tw_arg ends[] = {a[0], a[1]};
    for (int i = 0; exact != dtype && i < 2; i++) /* of whole numbers, the ends of the exponents are whole too */
        if (ends[i].tag == TW_ARG_FLOAT) ends[i] = F((double)(int64_t)ends[i].d);
    tw_tensor *exponents = TEMP(&p, linspace, ends[0], ends[1], a[2], I(exact), a[5], a[6]);
    tw_tensor *powers = exponents ? TEMP(&p, pow, F(tw_a_get_double(&a[3], 10)), T(exponents)) : NULL;
    return tw_pool_give(&p, outs, exact == dtype || !powers ? powers : TEMP(&p, _to_copy, T(powers), I(dtype)));
}
