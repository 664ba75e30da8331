/* Tensors as text, digit for digit as PyTorch prints them. */
#ifndef TW_CORE_PRINT_H
#define TW_CORE_PRINT_H
#include "core/tensor.h"

typedef struct tw_print_options {
    int precision;      /* digits after the point */
    double threshold;   /* more elements than this are summarised; may be infinite */
    int64_t edgeitems;  /* shown at each end of a summarised dimension */
    int64_t linewidth;  /* columns */
    int sci_mode;       /* 1 always, 0 never, -1 decided by the values */
} tw_print_options;
extern tw_print_options tw_print_defaults; /* what torch.set_printoptions changes */

/* "tensor([1., 2.], dtype=torch.float64, requires_grad=True)". prefix: what stands before the parenthesis ("tensor"); suffix: what the
 * caller knows besides (requires_grad=True, grad_fn=<...>), NULL for nothing. NULL options: tw_print_defaults.
 * The text is owned by the caller (tw_free); NULL and an error when memory runs out. */
char *tw_tensor_text(const tw_tensor *t, const tw_print_options *options, const char *prefix, const char *suffix);
#endif
