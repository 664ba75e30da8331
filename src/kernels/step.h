/* Optimiser steps on dense arrays. Each line of arithmetic rounds as the elementwise ops would. */
#ifndef TW_KERNELS_STEP_H
#define TW_KERNELS_STEP_H
#include "kernels/kernel.h"

typedef struct tw_sgd_numbers {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
    bool first;              /* the buffer has no value yet: it becomes the gradient */
} tw_sgd_numbers;

typedef struct tw_adam_numbers {
    double lr, beta1, beta2, eps, weight_decay;
    double step_size, correction; /* lr / (1 - beta1^t), sqrt(1 - beta2^t) */
    bool maximize, decoupled;
} tw_adam_numbers;

typedef struct tw_step_kernels {
    /* buffer NULL: no momentum */
    void (*sgd_f32)(int64_t n, float *p, const float *g, float *buffer, const tw_sgd_numbers *o);
    void (*sgd_f64)(int64_t n, double *p, const double *g, double *buffer, const tw_sgd_numbers *o);
    /* largest NULL: no amsgrad */
    void (*adam_f32)(int64_t n, float *p, const float *g, float *average, float *square, float *largest, const tw_adam_numbers *o);
    void (*adam_f64)(int64_t n, double *p, const double *g, double *average, double *square, double *largest, const tw_adam_numbers *o);
} tw_step_kernels;
const tw_step_kernels *tw_step(void);
#endif
