#include "ops/range.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "kernels/order.h"

enum { PIECE = 4096, PARTS = 64 };
typedef struct ranging { const tw_tensor *t; int64_t least[PARTS], most[PARTS]; } ranging;

static void range_parts(void *context, int64_t begin, int64_t end) {
    ranging *r = context;
    const tw_dtype d = (tw_dtype)r->t->dtype;
    for (int64_t part = begin; part < end; part++) {
        int64_t buffer[PIECE], least = INT64_MAX, most = INT64_MIN;
        const int64_t last = r->t->numel / PARTS * (part + 1) + (part == PARTS - 1 ? r->t->numel % PARTS : 0);
        for (int64_t i = r->t->numel / PARTS * part; i < last; i += PIECE) {
            const int64_t n = last - i < PIECE ? last - i : PIECE;
            const char *from = (const char *)tw_data(r->t) + (size_t)i * tw_dtype_size(d);
            if (d != TW_INT64) tw_cast(n, buffer, TW_INT64, from, d);
            tw_order()->range_long(n, d == TW_INT64 ? (const int64_t *)(const void *)from : buffer, &least, &most);
        }
        r->least[part] = least;
        r->most[part] = most;
    }
}

bool tw_range_of(const tw_tensor *t, int64_t *least, int64_t *range) {
    if (!tw_is_integral((tw_dtype)t->dtype) || !tw_dtypes[t->dtype].computes) return false;
    ranging r = {.t = t};
    tw_parallel(PARTS, 1 + PARTS * 16384 / t->numel, range_parts, &r);
    *least = INT64_MAX;
    int64_t most = INT64_MIN;
    for (int i = 0; i < PARTS; i++) {
        *least = r.least[i] < *least ? r.least[i] : *least;
        most = r.most[i] > most ? r.most[i] : most;
    }
    return !__builtin_sub_overflow(most, *least, range) && !__builtin_add_overflow(*range, 1, range);
}
