/* Includes the file that PLAIN_LOOPS names once for each element type without a packed kernel, with NAME, T and MUL_ADD(sum, x, y) defined.
 * That file undefines the three again. Integers wrap; complex products are spelt out, so that their bits depend on no library. */
#include <complex.h>

#define NAME plain_u8
#define T uint8_t
#define MUL_ADD(s, x, y) (uint8_t)((unsigned)(s) + (unsigned)(x) * (unsigned)(y))
#include PLAIN_LOOPS
#define NAME plain_u16
#define T uint16_t
#define MUL_ADD(s, x, y) (uint16_t)((unsigned)(s) + (unsigned)(x) * (unsigned)(y))
#include PLAIN_LOOPS
#define NAME plain_u32
#define T uint32_t
#define MUL_ADD(s, x, y) ((s) + (x) * (y))
#include PLAIN_LOOPS
#define NAME plain_u64
#define T uint64_t
#define MUL_ADD(s, x, y) ((s) + (x) * (y))
#include PLAIN_LOOPS

static inline float complex mul_add_c64(float complex s, float complex x, float complex y) {
    float re = crealf(x) * crealf(y) - cimagf(x) * cimagf(y), im = crealf(x) * cimagf(y) + cimagf(x) * crealf(y);
    return CMPLXF(crealf(s) + re, cimagf(s) + im);
}
static inline double complex mul_add_c128(double complex s, double complex x, double complex y) {
    double re = creal(x) * creal(y) - cimag(x) * cimag(y), im = creal(x) * cimag(y) + cimag(x) * creal(y);
    return CMPLX(creal(s) + re, cimag(s) + im);
}
#define NAME plain_c64
#define T float complex
#define MUL_ADD(s, x, y) mul_add_c64(s, x, y)
#include PLAIN_LOOPS
#define NAME plain_c128
#define T double complex
#define MUL_ADD(s, x, y) mul_add_c128(s, x, y)
#include PLAIN_LOOPS
