/* Element types: sizes, categories, promotion, conversion of single values. */
#ifndef TW_CORE_DTYPE_H
#define TW_CORE_DTYPE_H
#include "tallow/tallow.h"
#include <stddef.h>

typedef struct tw_dtype_info {
    const char *name;       /* "float32" */
    const char *type_name;  /* "Float": as in error texts ("expected scalar type Float") and torch.FloatTensor */
    uint8_t size;           /* bytes */
    uint8_t category;       /* 0 bool, 1 integer, 2 float, 3 complex */
    tw_dtype compute;       /* the dtype that kernels compute in: FLOAT32 for half types, COMPLEX64 for COMPLEX32, itself else */
    tw_dtype real;          /* of complex types their part; itself else */
    bool is_signed, computes; /* computes: false for storage-only types */
} tw_dtype_info;
extern const tw_dtype_info tw_dtypes[TW_DTYPE_COUNT];

static inline size_t tw_dtype_size(tw_dtype d) { return tw_dtypes[d].size; }
static inline size_t tw_dtype_align(tw_dtype d) { return tw_dtypes[d].size >> (tw_dtypes[d].real != d); } /* bytes: of complex numbers that of a part */
static inline bool tw_is_float(tw_dtype d) { return tw_dtypes[d].category == 2; }
static inline bool tw_is_complex(tw_dtype d) { return tw_dtypes[d].category == 3; }
static inline bool tw_is_integral(tw_dtype d) { return tw_dtypes[d].category <= 1; } /* bool included */
tw_dtype tw_promote(tw_dtype a, tw_dtype b);   /* torch.promote_types; TW_DTYPE_NONE where PyTorch refuses (uint16.. with others) */
tw_dtype tw_to_complex(tw_dtype d);            /* float32 -> complex64, ... */
bool tw_can_cast(tw_dtype from, tw_dtype to);  /* torch.can_cast: may a result of `from` be written to `to`? */
tw_dtype tw_default_dtype(void);               /* float32 unless set */
void tw_set_default_dtype(tw_dtype d);
tw_dtype tw_scalar_dtype(tw_scalar s);         /* bool, int64, the default dtype or its complex */

/* One element. tw_store_scalar wraps integers modulo 2^n and rounds floats to nearest even, as a PyTorch cast does. */
tw_scalar tw_load_scalar(const void *from, tw_dtype d);
void tw_store_scalar(void *to, tw_dtype d, tw_scalar s);
/* Whether the number fits d without overflow; PyTorch refuses otherwise ("value cannot be converted to type ... without overflow"). */
bool tw_scalar_fits(tw_scalar s, tw_dtype d);
bool tw_check_number(tw_scalar s, tw_dtype d);   /* the same, with that error */
const char *tw_c_name(tw_dtype d);               /* "uint8_t", "float", "c10::Half": its C type in PyTorch's messages */

static inline double tw_scalar_double(tw_scalar s) { return s.kind >= TW_SCALAR_FLOAT ? s.re : (double)s.i; }
/* As x86 converts: truncated; what does not fit, and NaN, gives the lowest value. Other processors differ, and C leaves it open. */
static inline int64_t tw_double_to_int64(double v) { return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN; }
static inline int64_t tw_scalar_int64(tw_scalar s) { return s.kind >= TW_SCALAR_FLOAT ? tw_double_to_int64(s.re) : s.i; }

/* Scalar conversions of the narrow types; round to nearest even, NaN stays NaN. */
float tw_half_to_float(uint16_t h);
uint16_t tw_float_to_half(float f);
static inline float tw_bfloat_to_float(uint16_t h) { union { uint32_t u; float f; } v = {(uint32_t)h << 16}; return v.f; }
uint16_t tw_float_to_bfloat(float f);
#endif
