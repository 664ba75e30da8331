/* One matrix product of float32 or float64: blocking, buffers and threads around the kernels of kernels/gemm.h. */
#ifndef TW_OPS_LINALG_GEMM_H
#define TW_OPS_LINALG_GEMM_H
#include "core/tensor.h"
#include "kernels/gemm.h"

/* c (m x n) = alpha * (a @ b) + beta * d. Rows of c are c_row elements apart and contiguous; d may be NULL. */
typedef struct tw_gemm_call {
    int64_t m, n, k;
    tw_gemm_operand a, b; /* a as k x m: its columns are the rows of the product */
    void *c;
    int64_t c_row;
    tw_dtype dtype;       /* TW_FLOAT32 or TW_FLOAT64 */
    double alpha, beta;
    const void *d;
    int64_t d_row, d_col;
    const void *packed_a; /* a as tw_gemm_pack_a left it; NULL: packed on the way */
    const void *packed_b; /* likewise b, of tw_gemm_pack_b */
    bool subtract;        /* c -= a @ b instead; alpha is 1, and there is no d */
    uint16_t *half;       /* where c goes too, rounded to a half type; NULL: nowhere */
    int64_t half_row;     /* its rows are contiguous and so many elements apart */
    tw_dtype half_dtype;
} tw_gemm_call;
bool tw_gemm_run(const tw_gemm_call *g); /* false only for want of memory */

/* The operand whose element (k, j) is data[k * k_stride + j * j_stride]. */
tw_gemm_operand tw_gemm_matrix(const void *data, tw_dtype dtype, int64_t k_stride, int64_t j_stride);
/* For products that share a (at most TW_GEMM_MAX_M columns): packs it once. Bytes needed, and the packing. */
enum { TW_GEMM_MAX_M = 2016, TW_GEMM_MAX_N = 4096 };
size_t tw_gemm_packed_bytes(const tw_gemm_call *g);
void tw_gemm_pack_a(const tw_gemm_call *g, void *to);
/* Likewise for b of at most TW_GEMM_MAX_N columns. */
size_t tw_gemm_packed_b_bytes(const tw_gemm_call *g);
void tw_gemm_pack_b(const tw_gemm_call *g, void *to);
/* Dot product of contiguous float32 or float64 vectors: leaves of 8192 elements, summed as a tree that splits at powers of two. */
double tw_gemm_dot(int64_t k, const void *x, const void *y, tw_dtype dtype);
#endif
