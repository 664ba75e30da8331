/* Public Python callables, as the generator lists them from the table. */
#ifndef TW_EXT_BINDING_H
#define TW_EXT_BINDING_H
#include "ops/op.h"

typedef struct tw_binding {
    const char *space;      /* "torch", "Tensor", "nn.functional", "linalg", "special" */
    const char *name;       /* "add", "add_", "max" */
    bool inplace;           /* name ends in _: results go to args[0] */
    bool has_out;           /* takes out= */
    uint8_t nops;           /* overloads, in the order they are tried */
    const uint16_t *ops;
    const char *doc;
} tw_binding;
extern const tw_binding tw_bindings[];
extern const int tw_binding_count;
#endif
