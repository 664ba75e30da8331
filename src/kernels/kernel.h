/* Kernels: computation on pointers, sizes, strides. Compiled once per instruction set with -DTW_ISA_SUFFIX=_avx2 and the like;
 * each set fills one table; tw_kernels() gives the one for this processor. A kernel never allocates and cannot fail. */
#ifndef TW_KERNELS_KERNEL_H
#define TW_KERNELS_KERNEL_H
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* A family of hand-written kernels is a struct of function pointers in its header (kernels/gemm.h: tw_gemm_kernels). Its .c file,
 * compiled per instruction set, ends with `const tw_gemm_kernels TW_K(tw_gemm_kernels) = {...};` and is listed in
 * kernels/meson.build; select.c names the family once (TW_FAMILY(gemm)), which defines `const tw_gemm_kernels *tw_gemm(void)`. */
#define TW_PASTE_(a, b) a##b
#define TW_PASTE(a, b) TW_PASTE_(a, b)
#ifdef TW_ISA_SUFFIX
#define TW_K(name) TW_PASTE(name, TW_ISA_SUFFIX)
#endif

/* An elementwise kernel: n elements of one compute dtype, contiguous; in[i] points at one element, used for all, where bit i of
 * `broadcast` is set. Out may equal an input exactly. bool is stored as uint8 0/1. */
typedef void (*tw_ew_kernel)(int64_t n, void *out, const void *const *in, unsigned broadcast);

/* Compute dtypes index the elementwise tables: the tw_dtype values BOOL..INT64, FLOAT32, FLOAT64, COMPLEX64, COMPLEX128. */
enum { TW_COMPUTE_COUNT = 13 }; /* up to and with TW_COMPLEX128 */
typedef tw_ew_kernel tw_ew_row[TW_COMPUTE_COUNT];
const tw_ew_row *tw_ew_kernels(void); /* generated: the table of this processor, by tw_ew.kernel */
#endif
