/* sort: every row becomes keys whose unsigned order is the wanted one, with their places; those are sorted, stably if asked, else as
 * Note [Equal elements] has it. */
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/op.h"
#include "ops/radix.h"
#include <stdatomic.h>
#include <string.h>

bool tw_sort_stable_meta(const tw_arg *a, tw_meta *outs);
bool tw_sort_stable_run(const tw_arg *a, tw_tensor **outs);

/* --- sorting -------------------------------------------------------------------------------------------------------------- */

static void insertion(tw_keyed *x, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        tw_keyed p = x[i];
        int64_t j = i;
        for (; j > 0 && x[j - 1].key > p.key; j--) x[j] = x[j - 1];
        x[j] = p;
    }
}

static void merge(const tw_keyed *a, int64_t na, const tw_keyed *b, int64_t nb, tw_keyed *to) {
    while (na && nb) {
        if (b->key < a->key) *to++ = *b++, nb--;
        else *to++ = *a++, na--;
    }
    memcpy(to, a, sizeof(tw_keyed) * (size_t)na);
    memcpy(to + na, b, sizeof(tw_keyed) * (size_t)nb);
}

/* Where the sorted pairs are: x or scratch. */
static tw_keyed *merge_sort(tw_keyed *x, int64_t n, tw_keyed *scratch) {
    enum { RUN = 24 };
    for (int64_t i = 0; i < n; i += RUN) insertion(x + i, n - i < RUN ? n - i : RUN);
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t i = 0; i < n; i += 2 * width) {
            int64_t na = n - i < width ? n - i : width, nb = n - i - na < width ? n - i - na : width;
            merge(x + i, na, x + i + na, nb, scratch + i);
        }
        tw_keyed *swap = x;
        x = scratch;
        scratch = swap;
    }
    return x;
}

/* --- the op: (self, stable, dim, descending) --------------------------------------------------------------------------------- */

bool tw_sort_stable_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *self = a[0].t;
    int64_t dim = a[2].i;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (tw_is_complex((tw_dtype)self->dtype)) return tw_fail(TW_RUNTIME_ERROR, " Sort does not support complex dtypes on CPU");
    for (int i = 0; i < 2; i++) {
        if (!tw_meta_set(&outs[i], i ? TW_INT64 : (tw_dtype)self->dtype, self->device, self->sizes, self->ndim)) return false;
        tw_like_strides(self, outs[i].strides);
    }
    return true;
}

/* What PyTorch sorts stably: on demand, and long vectors of integers upwards, by radix. */
static bool is_stable(const tw_arg *a) {
    const tw_tensor *self = a[0].t;
    if (tw_a_get_int(&a[1], 0)) return true;
    return self->ndim == 1 && !a[3].i && tw_is_integral((tw_dtype)self->dtype) && self->dtype != TW_BOOL && self->numel >= 32768 &&
           self->numel < INT32_MAX;
}

/* Rows to sort: bytes from element to element. */
typedef struct sorting {
    const tw_tensor *self, *values, *indices;
    int64_t dim, n, size, from_step, value_step, index_step;
    tw_dtype dtype;
    bool descending, stable;
    atomic_bool starved;   /* a thread found no memory */
} sorting;

typedef struct row {
    const sorting *s;
    const char *from;
    char *values, *indices;
    const uint64_t *packed;
    const tw_keyed *keyed;
    int64_t offset;        /* of packed integers */
} row;

#define WRITE(PLACE, ...) \
    for (int64_t i = begin; i < end; i++) { \
        const int64_t at = PLACE; \
        char *to = r->values + i * s->value_step; \
        __VA_ARGS__ \
        memcpy(r->indices + i * s->index_step, &at, 8); \
    } \
    return
#define COPY(SIZE) \
    if (r->packed) { WRITE((int64_t)(uint32_t)r->packed[i], memcpy(to, r->from + at * s->from_step, SIZE);); } \
    WRITE(r->keyed[i].at, memcpy(to, r->from + at * s->from_step, SIZE);)
/* Integers are made of their keys, as what lies all about memory would have to be waited for. */
#define MAKE(T) WRITE((int64_t)(uint32_t)r->packed[i], const T v = (T)((int64_t)(r->packed[i] >> 32 ^ flip) + r->offset); memcpy(to, &v, sizeof v);)

/* Floats likewise, but for the zeros and NaNs that share a key. */
static void write_floats(const row *r, uint32_t flip, int64_t begin, int64_t end) {
    const sorting *s = r->s;
    WRITE((int64_t)(uint32_t)r->packed[i],
        const uint32_t key = (uint32_t)(r->packed[i] >> 32) ^ flip;
        uint32_t bits = key >> 31 ? key ^ 1u << 31 : ~key;
        if (bits == 0 || key == UINT32_MAX) memcpy(&bits, r->from + at * s->from_step, 4);
        memcpy(to, &bits, 4);
    );
}

/* Elements and places in the order found. */
static void write_range(void *context, int64_t begin, int64_t end) {
    const row *r = context;
    const sorting *s = r->s;
    const uint32_t flip = s->descending ? UINT32_MAX : 0;
    if (r->packed) {
        switch (s->dtype) {
        case TW_BOOL: case TW_UINT8: case TW_INT8: MAKE(uint8_t);
        case TW_INT16: case TW_UINT16: MAKE(uint16_t);
        case TW_INT32: case TW_UINT32: MAKE(uint32_t);
        case TW_INT64: MAKE(int64_t);
        case TW_FLOAT32: write_floats(r, flip, begin, end); return;
        default: break;
        }
    }
    switch (s->size) {
    case 1: COPY(1);
    case 2: COPY(2);
    case 4: COPY(4);
    default: COPY(8);
    }
}

/* No two neighbours of n sorted items have the same key. */
static bool all_differ(const uint64_t *x, int64_t n) {
    uint64_t same = 0;
    for (int64_t i = 1; i < n; i++) same |= x[i] >> 32 == x[i - 1] >> 32;
    return !same;
}

static bool pack(row *r, uint64_t *x) {
    return tw_pack(r->s->n, r->from, r->s->from_step, r->s->dtype, r->s->descending, x, &r->offset);
}

/* x: 16 bytes for each element, of which a packed sort takes half. */
static bool sort_row(row *r, uint64_t *x) {
    const sorting *s = r->s;
    const int64_t n = s->n;
    tw_keyed *wide = NULL;
    if (pack(r, x)) {
        /* Without equal elements there is one order only, which passes find sooner. */
        const bool try = !s->stable && n >= 256 && n <= 2048;
        r->packed = x;
        if (s->stable || try) {
            if (n < 256) tw_introsort_whole(x, n);
            else r->packed = tw_radix_sort_packed(x, n, x + n);
        }
        if (!s->stable && (!try || !all_differ(r->packed, n))) {
            if (try) pack(r, x);
            r->packed = x;
            tw_introsort_packed(x, n);
        }
    } else {
        if (!(wide = tw_block_alloc(sizeof *wide * 2 * (size_t)n))) return false;
        for (int64_t i = 0; i < n; i++) {
            const uint64_t key = tw_key_of(r->from + i * s->from_step, s->dtype);
            wide[i] = (tw_keyed){s->descending ? ~key : key, i};
        }
        r->keyed = wide;
        if (!s->stable) tw_introsort(wide, n);
        else r->keyed = n > 1024 ? tw_radix_sort(wide, n, wide + n) : merge_sort(wide, n, wide + n);
    }
    tw_parallel(n, 65536, write_range, r);
    tw_block_free(wide, wide ? sizeof *wide * 2 * (size_t)n : 0);
    return true;
}

static void sort_rows(void *context, int64_t begin, int64_t end) {
    sorting *s = context;
    const size_t bytes = sizeof(uint64_t) * 2 * (size_t)s->n;
    uint64_t *x = tw_block_alloc(bytes);
    bool ok = x != NULL;
    for (int64_t i = begin; ok && i < end; i++) {
        row r = {.s = s, .from = tw_data(s->self), .values = tw_data(s->values), .indices = tw_data(s->indices)};
        int64_t rest = i;
        for (int d = s->self->ndim - 1; d >= 0; d--) {
            if (d == s->dim) continue;
            const int64_t c = rest % s->self->sizes[d];
            rest /= s->self->sizes[d];
            r.from += c * tw_step_of(s->self, d);
            r.values += c * tw_step_of(s->values, d);
            r.indices += c * tw_step_of(s->indices, d);
        }
        ok = sort_row(&r, x);
    }
    if (!ok) atomic_store(&s->starved, true);
    tw_block_free(x, x ? bytes : 0);
}

bool tw_sort_stable_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *values = outs[0], *indices = outs[1], *copy = NULL;
    int64_t dim = a[2].i;
    if (self->numel == 0) return true;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    if (self->storage == values->storage && !(copy = tw_clone_new(self, TW_DTYPE_NONE, TW_CONTIGUOUS_FORMAT))) return false;
    if (copy) self = copy;
    sorting s = {.self = self, .values = values, .indices = indices, .dim = dim, .n = self->ndim ? self->sizes[dim] : 1,
                 .size = (int64_t)tw_dtype_size((tw_dtype)self->dtype), .dtype = (tw_dtype)self->dtype, .descending = a[3].i != 0, .stable = is_stable(a)};
    if (self->ndim) {
        s.from_step = tw_step_of(self, dim);
        s.value_step = tw_step_of(values, dim);
        s.index_step = tw_step_of(indices, dim);
    }
    const int64_t rows = self->numel / s.n;
    if (rows == 1) sort_rows(&s, 0, 1);
    else tw_parallel(rows, 1 + 4096 / s.n, sort_rows, &s);
    tw_release(copy);
    return !atomic_load(&s.starved) || tw_fail_memory((size_t)s.n * 16);
}
