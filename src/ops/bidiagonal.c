/* Matrices to bidiagonal ones: as in tridiagonal.c, with both products of a column's step in one pass over the matrix (G. Howell, J. Demmel,
 * C. Fulton, S. Hammarling, K. Marmol, "Cache efficient bidiagonalization using BLAS 2.5 operators", ACM Trans. Math. Softw. 34, 2008). */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/reflect.h"
#include "ops/reflect.h"
#include <math.h>
#include <string.h>

enum { PANEL = 32, STRIP = 32 }; /* columns: of a panel; of a strip of a product */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#define T float
#define S f32
#define DTYPE TW_FLOAT32
#define NOTHING 1e-34f
#define ABS fabsf
#include "ops/bidiagonal_type.h"
#define T double
#define S f64
#define DTYPE TW_FLOAT64
#define NOTHING 1e-280
#define ABS fabs
#include "ops/bidiagonal_type.h"

bool tw_bidiagonal(tw_dtype dtype, int64_t m, int64_t n, void *a, int64_t lead, void *d, void *e, void *tau_q, void *p, void *tau_p) {
    const size_t bytes = (size_t)(2 * PANEL * (m + n) + (n + STRIP - 1) / STRIP * m + 2 * n + m) * tw_dtype_size(dtype);
    void *room = tw_block_alloc(bytes);
    bool ok = room != NULL;
    if (ok && dtype == TW_FLOAT64) ok = bidiagonal_f64(m, n, a, lead, d, e, tau_q, p, tau_p, room);
    else if (ok) ok = bidiagonal_f32(m, n, a, lead, d, e, tau_q, p, tau_p, room);
    tw_block_free(room, bytes);
    return ok;
}
