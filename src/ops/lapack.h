/* LAPACK, found and loaded on first use. The core needs it for nothing else. */
#ifndef TW_OPS_LAPACK_H
#define TW_OPS_LAPACK_H
#include "core/dtype.h"

/* Fortran: every argument is a pointer, but for the lengths of text arguments at the end (size_t 1 each). 32-bit integers. */
typedef void (*tw_lapack_fn)();

/* A routine by its name without the letter of the type ("gesdd"; `complex_name` where it differs, "ungqr"), for a float or complex
 * dtype. NULL and an error that says what to install when there is no LAPACK. `op` is what the user called, for that text. */
tw_lapack_fn tw_lapack(const char *op, const char *name, const char *complex_name, tw_dtype dtype);

/* Where else to look first: the extension sets it to ask Python for the package scipy-openblas32. A path, or NULL; copied. */
extern bool (*tw_lapack_locate)(char *path, size_t size);
#endif
