/* The table of optimiser steps, generated from spec/optim.toml. */
#ifndef TW_NN_STEP_TABLE_H
#define TW_NN_STEP_TABLE_H
#include "core/tensor.h"

enum { TW_STEP_OPTIONS = 12, TW_STEP_STATES = 4, TW_STEP_SCALARS = 4, TW_STEP_NUMBERS = 64 };

typedef struct tw_step_formula {
    const char *name, *options, *scalars, *states; /* names, with spaces between */
    const char *body;                              /* Python statements */
    int option_count, scalar_count, state_count;
    int conditions[TW_STEP_STATES];                /* the option without which a state is not used; -1 for none */
    /* What one parameter's step needs: writes its scalars and the kernel's numbers. */
    void (*numbers)(const double *options, double *scalars, double first, bool narrow, double *out);
    void (*begin)(const double *options, double *scalars, double *states); /* first values */
} tw_step_formula;

extern const tw_step_formula tw_step_formulas[];
extern const int tw_step_count;

/* Where scalars come from: C's own, zeros before the first step; or tensors of float32 or float64 that hold their first values. Tensors of
 * float32 round what is stored in them before it is used. */
typedef enum tw_step_scalars { TW_STEP_OWN, TW_STEP_FLOAT32, TW_STEP_FLOAT64 } tw_step_scalars;

/* Steps n parameters; see tallow/optim.h. */
bool tw_step_given(const char *name, bool given);   /* the same, with an error if there are pointers missing and none is pending */
bool tw_step_run(const tw_step_formula *f, const double *options, int64_t n, tw_tensor *const *params, tw_tensor *const *grads,
                 tw_tensor **states, double *scalars, tw_step_scalars kind);
#endif
