/* Symmetric matrices to tridiagonal ones: of each panel's columns, what the others do to them is added up late, so that half of the work is
 * products (J. Dongarra, D. Sorensen, S. Hammarling, "Block reduction of matrices to condensed forms", J. Comput. Appl. Math. 27, 1989). */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/reflect.h"
#include "ops/reflect.h"
#include <string.h>

enum { PANEL = 32, STRIP = 32, TRIANGLE = 128 }; /* columns: of a panel; of a strip of a product; of a triangle that is updated as a square */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

#define T float
#define S f32
#define DTYPE TW_FLOAT32
#include "ops/tridiagonal_type.h"
#define T double
#define S f64
#define DTYPE TW_FLOAT64
#include "ops/tridiagonal_type.h"

bool tw_tridiagonal(tw_dtype dtype, int64_t n, void *a, int64_t lead, void *d, void *e, void *tau) {
    const size_t bytes = (size_t)((4 * PANEL + (n + STRIP - 1) / STRIP) * n) * tw_dtype_size(dtype);
    void *room = tw_block_alloc(bytes);
    const bool ok = room && (dtype == TW_FLOAT64 ? tridiagonal_f64(n, a, lead, d, e, tau, room) : tridiagonal_f32(n, a, lead, d, e, tau, room));
    tw_block_free(room, bytes);
    return ok;
}
