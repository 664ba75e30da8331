/* tallow: PyTorch's tensors, operators and gradients for C.
 *
 * An operator returns a tensor, or NULL on failure. While an error is pending every call returns NULL and the first
 * error stays in place, so a chain of calls is checked once, at its end; tw_report or tw_clear_error ends it.
 * With no error pending, NULL for an optional tensor means "absent".
 * Results belong to the innermost open scope (TW_SCOPE); tw_keep takes one out of it, tw_release gives it up.
 * Without an open scope the caller owns each result and gives it up with tw_release.
 * Sizes, strides and offsets count elements. Operators generated from the table are declared in <tallow/ops.h>. */
#ifndef TALLOW_TALLOW_H
#define TALLOW_TALLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TW_API __attribute__((visibility("default")))
#else
#define TW_API
#endif

typedef struct tw_tensor tw_tensor;
typedef struct tw_generator tw_generator;

/* Element types. Those after TW_COMPLEX128 are stored, cast, saved and printed, but not computed with. */
typedef enum tw_dtype {
    TW_DTYPE_NONE = -1, /* "not given" where a dtype is optional */
    TW_BOOL, TW_UINT8, TW_INT8, TW_INT16, TW_INT32, TW_INT64,
    TW_FLOAT16, TW_BFLOAT16, TW_FLOAT32, TW_FLOAT64,
    TW_COMPLEX32, TW_COMPLEX64, TW_COMPLEX128,
    TW_UINT16, TW_UINT32, TW_UINT64,
    TW_FLOAT8_E4M3FN, TW_FLOAT8_E5M2, TW_FLOAT8_E4M3FNUZ, TW_FLOAT8_E5M2FNUZ, TW_FLOAT8_E8M0FNU,
    TW_DTYPE_COUNT
} tw_dtype;

/* "Not given" for an optional integer argument, and for an optional floating-point one any NaN. */
#define TW_NONE INT64_MIN

typedef enum tw_reduction { TW_REDUCTION_NONE, TW_REDUCTION_MEAN, TW_REDUCTION_SUM } tw_reduction;
typedef enum tw_memory_format {
    TW_FORMAT_NONE = -1, TW_CONTIGUOUS_FORMAT, TW_PRESERVE_FORMAT, TW_CHANNELS_LAST, TW_CHANNELS_LAST_3D
} tw_memory_format;

/* A device: type in the low byte (see tw_device_type), index in the next; -1 is "not given". */
typedef int32_t tw_device;
#define TW_DEVICE_NONE (-1)
#define TW_CPU 0
#define TW_META 1

/* A Python-like number; TW_SCALAR_NONE (tw_none()) is "not given" where a number is optional. */
typedef enum tw_scalar_kind { TW_SCALAR_NONE = -1, TW_SCALAR_BOOL, TW_SCALAR_INT, TW_SCALAR_FLOAT, TW_SCALAR_COMPLEX } tw_scalar_kind;
typedef struct tw_scalar {
    tw_scalar_kind kind;
    int64_t i;  /* value of bool and int */
    double re;  /* value of float; real part of complex */
    double im;  /* imaginary part of complex */
} tw_scalar;
static inline tw_scalar tw_bool(bool v) { tw_scalar s = {TW_SCALAR_BOOL, v, 0, 0}; return s; }
static inline tw_scalar tw_int(int64_t v) { tw_scalar s = {TW_SCALAR_INT, v, 0, 0}; return s; }
static inline tw_scalar tw_float(double v) { tw_scalar s = {TW_SCALAR_FLOAT, 0, v, 0}; return s; }
static inline tw_scalar tw_complex(double re, double im) { tw_scalar s = {TW_SCALAR_COMPLEX, 0, re, im}; return s; }
static inline tw_scalar tw_none(void) { tw_scalar s = {TW_SCALAR_NONE, 0, 0, 0}; return s; }
static inline bool tw_is_none(tw_scalar s) { return s.kind == TW_SCALAR_NONE; }

/* --- errors ------------------------------------------------------------------------------------------------- */

/* Which Python exception an error is. */
typedef enum tw_error_kind {
    TW_OK, TW_RUNTIME_ERROR, TW_VALUE_ERROR, TW_TYPE_ERROR, TW_INDEX_ERROR, TW_NOT_IMPLEMENTED_ERROR,
    TW_MEMORY_ERROR, TW_ASSERTION_ERROR, TW_KEY_ERROR, TW_OS_ERROR, TW_OVERFLOW_ERROR, TW_ATTRIBUTE_ERROR,
    TW_LINALG_ERROR, TW_ZERO_DIVISION_ERROR, TW_UNPICKLING_ERROR
} tw_error_kind;

TW_API tw_error_kind tw_error(void);        /* kind of the pending error of this thread; TW_OK if none */
TW_API const char *tw_error_message(void);  /* PyTorch's text; "" if none. Valid until the next tallow call */
TW_API const char *tw_error_hint(void);     /* what else helps: names, shapes, a fix; "" if none */
TW_API void tw_clear_error(void);
TW_API int tw_report(FILE *to);             /* prints message and hint and clears them; 1 if there was an error, else 0 */

/* --- ownership ---------------------------------------------------------------------------------------------- */

TW_API bool tw_scope_open(void);
TW_API void tw_scope_close(void);
TW_API tw_tensor *tw_keep(tw_tensor *t);    /* takes t out of every scope: the caller owns one reference; returns t */
TW_API tw_tensor *tw_retain(tw_tensor *t);  /* one more reference, owned by the caller; returns t; NULL is legal */
TW_API void tw_release(tw_tensor *t);       /* gives one owned reference up; NULL is legal */
/* TW_SCOPE { ... }: closes on the way out, also by break, return or goto. */
static inline void tw_scope_leave_(int *open) { if (*open) tw_scope_close(); }
#define TW_SCOPE \
    for (int tw_scope_open_ __attribute__((cleanup(tw_scope_leave_))) = tw_scope_open() ? 1 : 0, tw_scope_once_ = 1; \
         tw_scope_once_; tw_scope_once_ = 0)

#ifdef __cplusplus
}
#endif
#endif
