/* Products of strided matrices: to the packed kernels where there are some, else by plain loops. */
#include "core/memory.h"
#include "ops/linalg.h"
#include "ops/linalg_gemm.h"
#include <complex.h>

#define PLAIN_LOOPS "ops/linalg_plain.h"
#include "ops/plain_types.h"

const char *tw_cpp_name(tw_dtype d) {
    static const char *const names[TW_DTYPE_COUNT] = {
        [TW_BOOL] = "bool", [TW_UINT8] = "unsigned char", [TW_INT8] = "signed char", [TW_INT16] = "short int", [TW_INT32] = "int",
        [TW_INT64] = "long int", [TW_FLOAT16] = "c10::Half", [TW_BFLOAT16] = "c10::BFloat16", [TW_FLOAT32] = "float",
        [TW_FLOAT64] = "double", [TW_COMPLEX32] = "c10::complex<c10::Half>", [TW_COMPLEX64] = "c10::complex<float>",
        [TW_COMPLEX128] = "c10::complex<double>", [TW_UINT16] = "short unsigned int", [TW_UINT32] = "unsigned int",
        [TW_UINT64] = "long unsigned int", [TW_FLOAT8_E4M3FN] = "c10::Float8_e4m3fn", [TW_FLOAT8_E5M2] = "c10::Float8_e5m2",
        [TW_FLOAT8_E4M3FNUZ] = "c10::Float8_e4m3fnuz", [TW_FLOAT8_E5M2FNUZ] = "c10::Float8_e5m2fnuz",
        [TW_FLOAT8_E8M0FNU] = "c10::Float8_e8m0fnu"};
    return names[d];
}

bool tw_can_multiply(tw_dtype d) { return d != TW_BOOL && d <= TW_COMPLEX128 && d != TW_COMPLEX32; }

void tw_half_from_float(uint16_t *to, int64_t step, const float *from, int64_t n, tw_dtype dtype) {
    if (dtype == TW_BFLOAT16) for (int64_t i = 0; i < n; i++) to[i * step] = tw_float_to_bfloat(from[i]);
    else for (int64_t i = 0; i < n; i++) to[i * step] = tw_float_to_half(from[i]);
}

void tw_float_from_half(float *to, const uint16_t *from, int64_t step, int64_t n, tw_dtype dtype) {
    if (dtype == TW_BFLOAT16) for (int64_t i = 0; i < n; i++) to[i] = tw_bfloat_to_float(from[i * step]);
    else for (int64_t i = 0; i < n; i++) to[i] = tw_half_to_float(from[i * step]);
}

static tw_matrix transposed(const tw_matrix *m) { return (tw_matrix){m->data, m->cols, m->rows, m->col, m->row}; }

/* c with contiguous rows; a and b may be of a half type, c and d are of `dtype`. half: NULL, or a matrix of that half type with contiguous rows,
 * which c is rounded to. */
static bool packed(tw_dtype dtype, tw_dtype from, const tw_matrix *c, const tw_matrix *a, const tw_matrix *b, const tw_matrix *d,
                   double alpha, double beta, const tw_matrix *half) {
    tw_gemm_call g = {.m = c->rows, .n = c->cols, .k = a->cols, .c = c->data, .c_row = c->row, .dtype = dtype,
                      .a = tw_gemm_matrix(a->data, from, a->col, a->row), .b = tw_gemm_matrix(b->data, from, b->row, b->col),
                      .alpha = alpha, .beta = beta};
    if (d) g.d = d->data, g.d_row = d->row, g.d_col = d->col;
    if (half) g.half = half->data, g.half_row = half->row, g.half_dtype = from;
    return tw_gemm_run(&g);
}

static bool float_product(tw_dtype dtype, const tw_matrix *c, const tw_matrix *a, const tw_matrix *b, const tw_matrix *d, double alpha,
                          double beta) {
    if (c->col == 1 || c->cols == 1) return packed(dtype, dtype, c, a, b, d, alpha, beta, NULL);
    tw_matrix ct = transposed(c), at = transposed(a), bt = transposed(b), dt;
    if (c->row == 1 || c->rows == 1) {
        if (d) dt = transposed(d);
        return packed(dtype, dtype, &ct, &bt, &at, d ? &dt : NULL, alpha, beta, NULL);
    }
    size_t size = tw_dtype_size(dtype), bytes = (size_t)(c->rows * c->cols) * size;
    tw_matrix whole = {tw_block_alloc(bytes), c->rows, c->cols, c->cols, 1};
    if (!whole.data) return bytes == 0;
    bool ok = packed(dtype, dtype, &whole, a, b, d, alpha, beta, NULL);
    for (int64_t i = 0; ok && i < c->rows; i++) {
        for (int64_t j = 0; j < c->cols; j++) {
            int64_t from = i * c->cols + j, to = i * c->row + j * c->col;
            if (size == 4) ((float *)c->data)[to] = ((float *)whole.data)[from];
            else ((double *)c->data)[to] = ((double *)whole.data)[from];
        }
    }
    tw_block_free(whole.data, bytes);
    return ok;
}

static bool half_product(tw_dtype dtype, const tw_matrix *c, const tw_matrix *a, const tw_matrix *b, const tw_matrix *d, double alpha,
                         double beta) {
    if (c->row == 1 && c->col != 1) {
        const tw_matrix ct = transposed(c), at = transposed(a), bt = transposed(b), dt = d ? transposed(d) : ct;
        return half_product(dtype, &ct, &bt, &at, d ? &dt : NULL, alpha, beta);
    }
    int64_t n = c->rows * c->cols;
    size_t bytes = (size_t)n * sizeof(float) * (d ? 2 : 1);
    float *memory = tw_block_alloc(bytes);
    if (!memory) return bytes == 0;
    tw_matrix sum = {memory, c->rows, c->cols, c->cols, 1}, wide = {memory + n, c->rows, c->cols, c->cols, 1};
    for (int64_t i = 0; d && i < c->rows; i++) {
        tw_float_from_half(memory + n + i * c->cols, (const uint16_t *)d->data + i * d->row, d->col, c->cols, dtype);
    }
    const bool rows = c->col == 1;
    bool ok = packed(TW_FLOAT32, dtype, &sum, a, b, d ? &wide : NULL, alpha, beta, rows ? c : NULL);
    for (int64_t i = 0; ok && !rows && i < c->rows; i++)
        tw_half_from_float((uint16_t *)c->data + i * c->row, c->col, memory + i * c->cols, c->cols, dtype);
    tw_block_free(memory, bytes);
    return ok;
}

bool tw_matrix_product(tw_dtype dtype, const tw_matrix *c, const tw_matrix *a, const tw_matrix *b, const tw_matrix *d, tw_scalar alpha,
                       tw_scalar beta) {
    double x = tw_scalar_double(alpha), y = tw_scalar_double(beta);
    int64_t i = tw_scalar_int64(alpha), j = tw_scalar_int64(beta);
    if (c->rows == 0 || c->cols == 0) return true;
    switch (dtype) {
    case TW_FLOAT32: case TW_FLOAT64: return float_product(dtype, c, a, b, d, x, y);
    case TW_FLOAT16: case TW_BFLOAT16: return half_product(dtype, c, a, b, d, x, y);
    case TW_COMPLEX64:
        plain_c64(c, a, b, d, CMPLXF((float)x, (float)(alpha.kind == TW_SCALAR_COMPLEX ? alpha.im : 0)),
                  CMPLXF((float)y, (float)(beta.kind == TW_SCALAR_COMPLEX ? beta.im : 0)));
        return true;
    case TW_COMPLEX128:
        plain_c128(c, a, b, d, CMPLX(x, alpha.kind == TW_SCALAR_COMPLEX ? alpha.im : 0),
                   CMPLX(y, beta.kind == TW_SCALAR_COMPLEX ? beta.im : 0));
        return true;
    case TW_UINT8: case TW_INT8: plain_u8(c, a, b, d, (uint8_t)i, (uint8_t)j); return true;
    case TW_INT16: plain_u16(c, a, b, d, (uint16_t)i, (uint16_t)j); return true;
    case TW_INT32: plain_u32(c, a, b, d, (uint32_t)i, (uint32_t)j); return true;
    case TW_INT64: plain_u64(c, a, b, d, (uint64_t)i, (uint64_t)j); return true;
    default: return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"addmm_impl_cpu_\" not implemented for '%s'", tw_dtypes[dtype].type_name);
    }
}
