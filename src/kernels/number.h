/* Functions of single numbers with the bits of the elementwise kernels, for C and Python code that computes with doubles. libm's differ
 * from one machine to the next. */
#ifndef TW_KERNELS_NUMBER_H
#define TW_KERNELS_NUMBER_H
#include "kernels/kernel.h"

typedef struct tw_number_kernels {
    double (*pow)(double x, double y);
    double (*exp)(double x), (*log)(double x), (*cos)(double x), (*erf)(double x);
} tw_number_kernels;
const tw_number_kernels *tw_number(void);
#endif
