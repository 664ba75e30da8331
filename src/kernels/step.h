/* Optimiser steps on dense arrays: n elements of the parameter, its gradient, then its states; numbers as src/nn/step_table.h hands them. */
#ifndef TW_KERNELS_STEP_H
#define TW_KERNELS_STEP_H
#include "kernels/kernel.h"

typedef void (*tw_step_kernel)(int64_t n, void *const *data, const double *numbers);
typedef struct tw_step_row { tw_step_kernel f32, f64; } tw_step_row;
typedef struct tw_step_kernels { const tw_step_row *rows; } tw_step_kernels; /* one a formula, in the table's order */
const tw_step_kernels *tw_step(void);
#endif
