/* Initial values of parameters: formulas of torch.nn.init over the random ops. */
#include "entries.h"
#include "tallow/nn.h"
#include <math.h>

static bool there(const tw_tensor *t) {
    return t || (!tw_failed() && tw_fail(TW_VALUE_ERROR, "a tensor was expected, not NULL"));
}

bool tw_init_fans(const tw_tensor *weight, int64_t *fan_in, int64_t *fan_out) {
    if (!there(weight)) return false;
    if (weight->ndim < 2) {
        return tw_fail(TW_VALUE_ERROR, "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
    }
    int64_t field = 1;
    for (int i = 2; i < weight->ndim; i++) field *= weight->sizes[i];
    *fan_in = weight->sizes[1] * field;
    *fan_out = weight->sizes[0] * field;
    return true;
}

/* Ops that write their argument return it once more, owned: gives that up; whether it went well. */
static bool written(tw_tensor *result) {
    tw_release(result);
    return result != NULL;
}

bool tw_init_uniform(tw_tensor *t, double from, double to, tw_generator *generator) {
    unsigned mode = tw_mode;
    tw_mode |= TW_MODE_NO_GRAD;
    bool ok = there(t) && written(tw_op_uniform_(t, from, to, generator));
    tw_mode = mode;
    return ok;
}

bool tw_init_normal(tw_tensor *t, double mean, double std, tw_generator *generator) {
    unsigned mode = tw_mode;
    tw_mode |= TW_MODE_NO_GRAD;
    bool ok = there(t) && written(tw_op_normal_(t, mean, std, generator));
    tw_mode = mode;
    return ok;
}

static bool kaiming_deviation(const tw_tensor *weight, double gain, tw_fan fan, double *std) {
    int64_t in, out;
    if (!tw_init_fans(weight, &in, &out)) return false;
    *std = gain / sqrt((double)(fan == TW_FAN_IN ? in : out));
    return true;
}

/* A weight without elements keeps them, and nothing is drawn. */
bool tw_init_kaiming_uniform(tw_tensor *weight, double gain, tw_fan fan, tw_generator *generator) {
    double std;
    if (weight && weight->numel == 0) return true;
    if (!kaiming_deviation(weight, gain, fan, &std)) return false;
    double bound = sqrt(3.0) * std;
    return tw_init_uniform(weight, -bound, bound, generator);
}

bool tw_init_kaiming_normal(tw_tensor *weight, double gain, tw_fan fan, tw_generator *generator) {
    double std;
    if (weight && weight->numel == 0) return true;
    return kaiming_deviation(weight, gain, fan, &std) && tw_init_normal(weight, 0, std, generator);
}

static bool xavier_deviation(const tw_tensor *weight, double gain, double *std) {
    int64_t in, out;
    if (!tw_init_fans(weight, &in, &out)) return false;
    *std = gain * sqrt(2.0 / (double)(in + out));
    return true;
}

bool tw_init_xavier_uniform(tw_tensor *weight, double gain, tw_generator *generator) {
    double std;
    if (!xavier_deviation(weight, gain, &std)) return false;
    double bound = sqrt(3.0) * std;
    return tw_init_uniform(weight, -bound, bound, generator);
}

bool tw_init_xavier_normal(tw_tensor *weight, double gain, tw_generator *generator) {
    double std;
    return xavier_deviation(weight, gain, &std) && tw_init_normal(weight, 0, std, generator);
}

bool tw_init_layer(tw_tensor *weight, tw_tensor *bias, tw_generator *generator) {
    int64_t in, out;
    if (!tw_init_fans(weight, &in, &out)) return false;
    /* kaiming_uniform_(a=sqrt(5)): gain sqrt(2 / 6) */
    if (!tw_init_kaiming_uniform(weight, sqrt(2.0 / (1 + sqrt(5.0) * sqrt(5.0))), TW_FAN_IN, generator)) return false;
    double bound = in > 0 ? 1 / sqrt((double)in) : 0;
    return !bias || tw_init_uniform(bias, -bound, bound, generator);
}
