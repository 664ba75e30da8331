/* The elementwise engine: promotion, broadcasting, layouts, tiles. Kernels are generated from the table's formulas. */
#ifndef TW_OPS_ELEMENTWISE_H
#define TW_OPS_ELEMENTWISE_H
#include "kernels/kernel.h"
#include "ops/arg.h"

typedef enum tw_promote {
    TW_PROMOTE_DEFAULT,      /* all inputs to their common dtype, which is the result's */
    TW_PROMOTE_BOOL_TO_INT,  /* a bool common dtype becomes int64 */
    TW_PROMOTE_INT_TO_FLOAT, /* integral common dtype becomes the default dtype */
    TW_PROMOTE_COMPARE,      /* common dtype for computing, bool result */
    TW_PROMOTE_REAL,         /* complex input gives its real dtype (abs, real, angle) */
    TW_PROMOTE_BOOL,         /* bool result of one input (isnan, logical_not) */
    TW_PROMOTE_FIRST,        /* the first input's dtype (gradients: that of grad) */
    TW_PROMOTE_WHERE,        /* where: the condition (input 0) stays bool; the others promote */
} tw_promotion;

/* What PyTorch says, in its own words, to inputs of a category of dtype; text NULL: the usual "not implemented". */
typedef struct tw_refusal {
    tw_error_kind kind;
    const char *text;
} tw_refusal;

enum { TW_REFUSE_ANY_BOOL = 4, TW_REFUSALS }; /* after the four categories: a bool beside another dtype */

/* What integer kernels cannot take as their second input. */
typedef enum tw_guard { TW_GUARD_NONE, TW_GUARD_DIVISOR /* zero */, TW_GUARD_EXPONENT /* a negative number */ } tw_guard;

typedef struct tw_ew {
    const char *name;         /* for errors: "sigmoid" → "sigmoid_cpu" not implemented for 'Bool' via `label` */
    const char *label;        /* as in PyTorch's not-implemented text; NULL: name with _cpu */
    uint8_t nin, promote;
    uint8_t cost;             /* of an element, in exponentials; 0: arithmetic */
    uint32_t dtypes;          /* bit per compute dtype that it has a kernel for */
    uint16_t kernel;          /* index into tw_ew_kernels() */
    uint32_t scalars;         /* bit per input that is a Scalar or float parameter: always one number, takes no part in promotion */
    uint16_t folded;          /* row to use instead when input fold_input equals fold_value (alpha=1 in add); 0: none */
    int8_t fold_input;
    bool alpha;               /* its Scalar is named alpha: must be of the result's kind of number */
    uint8_t guard;            /* tw_guard */
    const tw_refusal *refuse; /* by category: bool, int, float, complex, any bool; NULL: none */
    uint32_t numbers;         /* bit per input that may be a number instead; given with `mixed` only */
    const char *const *mixed; /* per input: what PyTorch says if its dtype is not the first input's; NULL: they promote */
    double fold_value;
    uint32_t wide;            /* bit per input that, as a single number, keeps its precision beside half types */
    uint8_t lead;             /* the input that counts as the first for the result's layout (rsub: the second) */
    bool out_exact;           /* a given result must have the dtype; else one that it can be cast to */
    const char *out_text;     /* what to say of another (see tw_check_dtype), instead of the rule's text */
    bool half_steps;          /* a gradient that PyTorch computes op by op: not fused in half types, where each step rounds */
} tw_ew;

/* Runs it. in: tensors or numbers. *out NULL: allocated by PyTorch's layout rule; else written to (resized, cast). */
bool tw_elementwise(const tw_ew *ew, const tw_arg *in, int nin, tw_tensor **out);
/* The dtype and device of the result, as torch.result_type; sizes by broadcasting. Used by tw_elementwise and by meta functions. */
bool tw_broadcast_sizes(const tw_arg *in, int nin, int64_t *sizes, int *ndim);
tw_dtype tw_result_type(const tw_arg *in, int nin);
#endif
