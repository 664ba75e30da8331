/* Optimiser steps for float32 and float64. */
#include "kernels/step.h"
#include <math.h>

#define T float
#define SGD sgd_f32
#define ADAM adam_f32
#define SQRT sqrtf
#include "kernels/step_type.h"
#define T double
#define SGD sgd_f64
#define ADAM adam_f64
#define SQRT sqrt
#include "kernels/step_type.h"

const tw_step_kernels TW_K(tw_step_kernels) = {sgd_f32, sgd_f64, adam_f32, adam_f64};
