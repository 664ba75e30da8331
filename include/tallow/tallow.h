/* tallow: PyTorch's tensors, operators and gradients for C.
 *
 * An operator returns a tensor, or NULL on failure. While an error is pending every call returns NULL and the first
 * error stays in place, so a chain of calls is checked once, at its end; tw_report or tw_clear_error ends it.
 * With no error pending, NULL for an optional tensor means "absent", and for one that must be there it is an error (TypeError).
 * Results belong to the innermost open scope (TW_SCOPE); tw_keep takes one out of it, tw_release gives it up.
 * Without an open scope the caller owns each result and gives it up with tw_release.
 * Sizes, strides and offsets count elements. Operators generated from the table are declared in <tallow/ops.h>. */
#ifndef TALLOW_TALLOW_H
#define TALLOW_TALLOW_H

#include <stdbool.h>
#include <stddef.h>
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

/* A list of integers where an operator takes a pointer and a count: tw_zeros(TW_INTS(2, 3), TW_FLOAT32, TW_CPU). */
#define TW_INTS(...) (const int64_t[]){__VA_ARGS__}, (int64_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

typedef enum tw_layout { TW_STRIDED, TW_SPARSE_COO } tw_layout;
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
#define TW_SCOPE TW_SCOPE_AT_(__LINE__)
#define TW_SCOPE_AT_(line) TW_SCOPE_PASTE_(line)
#define TW_SCOPE_PASTE_(line) TW_SCOPE_NAMED_(tw_scope_open_##line, tw_scope_once_##line)
#define TW_SCOPE_NAMED_(open, once) \
    for (int open __attribute__((cleanup(tw_scope_leave_))) = tw_scope_open() ? 1 : 0, once = 1; once; once = 0)

/* --- tensors from data, and back ------------------------------------------------------------------------------ */

/* Results are scoped as those of operators. Sizes: ndim of them; NULL for ndim 0 (one element). */
TW_API tw_tensor *tw_from_data(const void *data, const int64_t *sizes, int ndim, tw_dtype dtype); /* copies, row-major */
/* Uses `data` itself, row-major, aligned for its dtype. `release` (NULL: nothing to do) is called with (context, data, bytes) when
 * no tensor needs it any more; if this call fails it is not called. */
TW_API tw_tensor *tw_from_borrowed(void *data, const int64_t *sizes, int ndim, tw_dtype dtype,
                                   void (*release)(void *context, void *data, size_t bytes), void *context);
TW_API tw_tensor *tw_from_scalar(tw_scalar value, tw_dtype dtype);       /* 0-d; TW_DTYPE_NONE: PyTorch's choice for the number */

/* Of a tensor: its geometry and place. NULL gives 0, NULL or TW_DTYPE_NONE. */
TW_API int tw_ndim(const tw_tensor *t);
TW_API int64_t tw_size(const tw_tensor *t, int64_t dim);                 /* dim may be negative; -1 and an error if out of range */
TW_API int64_t tw_stride(const tw_tensor *t, int64_t dim);
TW_API const int64_t *tw_sizes(const tw_tensor *t);                      /* valid as long as t and its shape */
TW_API const int64_t *tw_strides(const tw_tensor *t);
TW_API int64_t tw_numel(const tw_tensor *t);
TW_API tw_dtype tw_dtype_of(const tw_tensor *t);
TW_API tw_device tw_device_where(const tw_tensor *t);
/* The first element, NULL for meta and empty tensors. Elements follow the strides; a tensor that is lazily conjugated or negated
 * (tw_is_lazy) does not hold its values as they are. */
TW_API void *tw_data_ptr(const tw_tensor *t);
TW_API bool tw_is_lazy(const tw_tensor *t);
/* Sparse tensors (TW_SPARSE_COO) have no elements in memory: tw_data_ptr gives NULL, tw_to_dense a tensor that has them, tw__indices and
 * tw__values their parts.
 *     tw_tensor *s = tw_coalesce(tw_to_sparse(x, NULL, 0, TW_NONE));
 *     tw_tensor *y = tw_mm(s, dense); */
TW_API tw_layout tw_layout_of(const tw_tensor *t);                       /* TW_STRIDED for NULL */
TW_API int64_t tw_nnz(const tw_tensor *t);                               /* stored elements, or slices; 0 of others than sparse ones */
TW_API bool tw_is_coalesced(const tw_tensor *t);                         /* of a sparse one: its indices are sorted and differ */
TW_API int tw_sparse_dim(const tw_tensor *t);                            /* dimensions that indices name; 0 of others than sparse ones */
TW_API int tw_dense_dim(const tw_tensor *t);                             /* the rest */
/* The value of a tensor with one element, converted; 0 and an error otherwise. */
TW_API double tw_item_double(const tw_tensor *t);
TW_API int64_t tw_item_int64(const tw_tensor *t);
/* Copies the values, row-major and converted to dtype, into `to`, which has room for tw_numel(t) of them. */
TW_API bool tw_to_data(const tw_tensor *t, void *to, tw_dtype dtype);
TW_API bool tw_print(FILE *to, const tw_tensor *t);                      /* as Python prints it, and a newline */

TW_API void tw_manual_seed(uint64_t seed);                               /* of the default generator */
TW_API tw_generator *tw_generator_new(uint64_t seed);                    /* owned; for the operators that take one */
TW_API void tw_generator_release(tw_generator *g);                       /* NULL is legal */

/* Gives the system back what was freed and is kept for later (of small blocks, what this thread keeps). */
TW_API void tw_memory_empty_cache(void);

/* --- gradients -------------------------------------------------------------------------------------------------- */

TW_API bool tw_requires_grad_(tw_tensor *t, bool on); /* floating-point leaves */
TW_API bool tw_backward(tw_tensor *loss);             /* one element; adds to the gradients of the leaves, frees the graph */
TW_API tw_tensor *tw_grad(tw_tensor *t);              /* t's gradient, borrowed from t; NULL if it has none */
TW_API void tw_clear_grad(tw_tensor *t);              /* forgets it, as zero_grad */
TW_API unsigned tw_set_no_grad(bool on);              /* stops or starts recording in this thread; returns what was, for the next */
TW_API void tw_restore_grad_mode(unsigned was);
/* TW_NO_GRAD { ... }: nothing inside is recorded; ends also by break, return or goto. */
static inline void tw_grad_mode_leave_(unsigned *was) { tw_restore_grad_mode(*was); }
#define TW_NO_GRAD TW_NO_GRAD_AT_(__LINE__)
#define TW_NO_GRAD_AT_(line) TW_NO_GRAD_PASTE_(line)
#define TW_NO_GRAD_PASTE_(line) TW_NO_GRAD_NAMED_(tw_grad_mode_##line, tw_grad_once_##line)
#define TW_NO_GRAD_NAMED_(was, once) \
    for (unsigned was __attribute__((cleanup(tw_grad_mode_leave_))) = tw_set_no_grad(true), once = 1; once; once = 0)

/* --- files ------------------------------------------------------------------------------------------------------ */

/* Named tensors, as PyTorch's state dicts. Names and tensors are owned by the list. */
typedef struct tw_named_tensors {
    int64_t n;
    char **names;
    tw_tensor **tensors;
} tw_named_tensors;
/* Reads and writes what torch.save makes of a state dict (zip format, name -> tensor in order; nested dicts give "outer.inner",
 * entries that are no tensors are left out). Files are checked: nothing in them is executed, sizes and checksums must be right.
 * tw_save replaces `path` only when all is on disk. Tensors that share memory do so after loading. Give up by tw_named_release. */
TW_API bool tw_save(const char *path, const char *const *names, tw_tensor *const *tensors, int64_t n);
TW_API tw_named_tensors *tw_load(const char *path);                          /* NULL and an error if unreadable */
TW_API tw_tensor *tw_named_get(const tw_named_tensors *list, const char *name); /* borrowed; NULL and KeyError if absent */
TW_API void tw_named_release(tw_named_tensors *list);                        /* NULL is legal */
/* An idx file (MNIST and its kin): uint8, int8, int16, int32, float or double; numbers come in this machine's byte order. Scoped. */
TW_API tw_tensor *tw_load_idx(const char *path);
/* An array that numpy.save() wrote, of any type of number; in Fortran order it has the strides of that. Scoped. */
TW_API tw_tensor *tw_load_npy(const char *path);

#ifdef __cplusplus
}
#endif
#endif
