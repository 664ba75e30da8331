/* Training: initial values of parameters, and optimiser steps. What Python's torch.nn.init and torch.optim use, for C programs too. */
#ifndef TALLOW_NN_H
#define TALLOW_NN_H
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

/* --- optimiser steps ------------------------------------------------------------------------------------------------------------------
 * One step over n parameters, written in place without recording gradients. grads[i] NULL: parameter i is left alone. State tensors
 * (buffers, averages) are read and written; where an entry is NULL it is made on first use, and the caller owns it. Parameters,
 * gradients and states of one parameter have one dtype (floating-point or complex) and one shape. False on failure: parameters before the
 * failing one have been stepped. */

typedef struct tw_sgd_options {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
} tw_sgd_options;
/* momentum: n buffers; may be NULL when options->momentum is 0. */
TW_API bool tw_sgd_step(tw_tensor *const *params, tw_tensor *const *grads, tw_tensor **momentum, int64_t n, const tw_sgd_options *options);

typedef struct tw_adam_options {
    double lr, beta1, beta2, eps, weight_decay;
    bool amsgrad, maximize;
    bool decoupled; /* weight decay as in AdamW */
} tw_adam_options;
/* averages, squares, and with amsgrad largest squares: n each. steps: counts of the steps taken, each one more afterwards. */
TW_API bool tw_adam_step(tw_tensor *const *params, tw_tensor *const *grads, tw_tensor **averages, tw_tensor **squares,
                         tw_tensor **largest, int64_t *steps, int64_t n, const tw_adam_options *options);

#ifdef __cplusplus
}
#endif
#endif
