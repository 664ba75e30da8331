/* Kaiser's window. */
#include "core/error.h"
#include "ops/make.h"
#include "ops_decl.h"
#include <math.h>

/* The modified Bessel function of order 0 by its power series, all of whose terms are positive. */
static double bessel(double x) {
    const double quarter = x * x / 4;
    double sum = 1, term = 1;
    for (double k = 1; term > sum * 1e-17 && isfinite(sum); k++) {
        term *= quarter / (k * k);
        sum += term;
    }
    return sum;
}

/* (window_length, beta, dtype, layout, device, pin_memory) */
bool tw__kaiser_meta(const tw_arg *a, tw_meta *out) {
    const tw_arg sizes = tw_a_ints(&a[0].i, 1);
    return tw_make_meta(&sizes, a + 2, tw_default_dtype(), TW_CPU, out);
}

bool tw__kaiser_run(const tw_arg *a, tw_tensor **outs) {
    const int64_t n = a[0].i, item = (int64_t)tw_dtype_size((tw_dtype)outs[0]->dtype);
    const double middle = (double)(n - 1) / 2, beta = tw_a_get_double(&a[1], 0), whole = bessel(beta);
    for (int64_t k = 0; k < n; k++) {
        const double off = ((double)k - middle) / middle;
        tw_store_scalar((char *)tw_data(outs[0]) + k * outs[0]->strides[0] * item, (tw_dtype)outs[0]->dtype,
                        tw_float(bessel(beta * sqrt(1 - off * off)) / whole));
    }
    return true;
}
