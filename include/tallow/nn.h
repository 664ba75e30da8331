/* Training: initial values of parameters; and optimiser steps, which tallow/optim.h declares. What Python's torch.nn.init and torch.optim
 * use, for C programs too. */
#ifndef TALLOW_NN_H
#define TALLOW_NN_H
#include "tallow/optim.h"
#include "tallow/tallow.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- initial values: written in place, without recording gradients; generator NULL is the default one. False on failure. ------------- */

typedef enum tw_fan { TW_FAN_IN, TW_FAN_OUT } tw_fan;

/* How many inputs and outputs an element of a weight takes part in; the weight has two dimensions at least. */
TW_API bool tw_init_fans(const tw_tensor *weight, int64_t *fan_in, int64_t *fan_out);
TW_API bool tw_init_uniform(tw_tensor *t, double from, double to, tw_generator *generator);
TW_API bool tw_init_normal(tw_tensor *t, double mean, double std, tw_generator *generator);
/* He et al. 2015: bound or deviation from gain / sqrt(fan); gain is sqrt(2) for relu, sqrt(2 / (1 + slope^2)) for leaky_relu. */
TW_API bool tw_init_kaiming_uniform(tw_tensor *weight, double gain, tw_fan fan, tw_generator *generator);
TW_API bool tw_init_kaiming_normal(tw_tensor *weight, double gain, tw_fan fan, tw_generator *generator);
/* Glorot and Bengio 2010. */
TW_API bool tw_init_xavier_uniform(tw_tensor *weight, double gain, tw_generator *generator);
TW_API bool tw_init_xavier_normal(tw_tensor *weight, double gain, tw_generator *generator);
/* As torch.nn.Linear and Conv2d set their parameters at first: the weight, then the bias (NULL if none). */
TW_API bool tw_init_layer(tw_tensor *weight, tw_tensor *bias, tw_generator *generator);

#ifdef __cplusplus
}
#endif
#endif
