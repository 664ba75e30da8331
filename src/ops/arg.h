/* Boxed arguments: what every op is called with, whatever its signature. One slot per parameter of the schema. */
#ifndef TW_OPS_ARG_H
#define TW_OPS_ARG_H
#include "core/rng.h"
#include "core/tensor.h"

typedef enum tw_tag {
    TW_ARG_NONE,     /* absent optional argument */
    TW_ARG_TENSOR,   /* .t */
    TW_ARG_BOOL,     /* .i: bool parameters, and Python bools given as Scalar */
    TW_ARG_INT,      /* .i: ints, dtypes (tw_dtype), devices, layouts (0 strided), memory formats, and ints given as Scalar */
    TW_ARG_FLOAT,    /* .d */
    TW_ARG_COMPLEX,  /* .c */
    TW_ARG_INTS,     /* .ints, n */
    TW_ARG_DOUBLES,  /* .doubles, n */
    TW_ARG_TENSORS,  /* .ts, n; entries may be NULL in Tensor?[] */
    TW_ARG_STRING,   /* .s */
    TW_ARG_GENERATOR /* .g */
} tw_tag;

/* A parameter of schema type Tensor may hold a number (BOOL, INT, FLOAT, COMPLEX) where the op allows it: numbers enter as wrapped
 * scalars and yield in promotion. Pointers are borrowed for the length of the call. */
typedef struct tw_arg {
    union {
        tw_tensor *t;
        int64_t i;
        double d;
        double c[2];
        const int64_t *ints;
        const double *doubles;
        tw_tensor *const *ts;
        const char *s;
        tw_generator *g;
    };
    int32_t n;
    uint8_t tag;
} tw_arg;

#define TW_A_NONE ((tw_arg){.tag = TW_ARG_NONE})
static inline tw_arg tw_a_tensor(tw_tensor *t) { tw_arg a = {.t = t, .tag = t ? TW_ARG_TENSOR : TW_ARG_NONE}; return a; }
static inline tw_arg tw_a_int(int64_t i) { tw_arg a = {.i = i, .tag = TW_ARG_INT}; return a; }
static inline tw_arg tw_a_opt_int(int64_t i) { tw_arg a = {.i = i, .tag = i == TW_NONE ? TW_ARG_NONE : TW_ARG_INT}; return a; }
static inline tw_arg tw_a_bool(bool b) { tw_arg a = {.i = b, .tag = TW_ARG_BOOL}; return a; }
static inline tw_arg tw_a_float(double d) { tw_arg a = {.d = d, .tag = TW_ARG_FLOAT}; return a; }
static inline tw_arg tw_a_ints(const int64_t *p, int64_t n) {
    tw_arg a = {.ints = p, .n = (int32_t)n, .tag = p || n == 0 ? TW_ARG_INTS : TW_ARG_NONE}; return a;
}
static inline tw_arg tw_a_tensors(tw_tensor *const *ts, int64_t n) {
    tw_arg a = {.ts = ts, .n = (int32_t)n, .tag = TW_ARG_TENSORS}; return a;
}
static inline tw_arg tw_a_string(const char *s) { tw_arg a = {.s = s, .tag = s ? TW_ARG_STRING : TW_ARG_NONE}; return a; }
static inline tw_arg tw_a_generator(tw_generator *g) {
    tw_arg a = {.g = g, .tag = g ? TW_ARG_GENERATOR : TW_ARG_NONE}; return a;
}
tw_arg tw_a_scalar(tw_scalar s);
static inline bool tw_a_is_number(const tw_arg *a) { return a->tag >= TW_ARG_BOOL && a->tag <= TW_ARG_COMPLEX; }
tw_scalar tw_a_to_scalar(const tw_arg *a);               /* of a number */
static inline int64_t tw_a_get_int(const tw_arg *a, int64_t otherwise) {
    return a->tag == TW_ARG_INT || a->tag == TW_ARG_BOOL ? a->i : otherwise;
}
static inline double tw_a_get_double(const tw_arg *a, double otherwise) {
    return a->tag == TW_ARG_FLOAT ? a->d : a->tag == TW_ARG_INT || a->tag == TW_ARG_BOOL ? (double)a->i : otherwise;
}
#endif
