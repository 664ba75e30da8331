/* sort: every row becomes keys whose unsigned order is the wanted one, with their places; those are sorted, stably if asked, else as
 * Note [Equal elements] has it. */
#include "core/memory.h"
#include "ops/copy.h"
#include "ops/introsort.h"
#include "ops/op.h"
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

/* Byte by byte, lowest first; bytes that are all the same are skipped. */
static tw_keyed *radix_sort(tw_keyed *x, int64_t n, tw_keyed *scratch) {
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t count[257] = {0};
        for (int64_t i = 0; i < n; i++) count[(x[i].key >> shift & 255) + 1]++;
        if (count[(x[0].key >> shift & 255) + 1] == n) continue;
        for (int b = 0; b < 256; b++) count[b + 1] += count[b];
        for (int64_t i = 0; i < n; i++) scratch[count[x[i].key >> shift & 255]++] = x[i];
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

static void sort_row(const char *from, int64_t from_stride, int64_t n, tw_dtype dtype, bool descending, bool stable, tw_keyed *x, tw_keyed *scratch,
                     char *values, int64_t values_stride, char *indices, int64_t indices_stride) {
    size_t size = tw_dtype_size(dtype);
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = tw_key_of(from + i * from_stride, dtype);
        x[i] = (tw_keyed){descending ? ~key : key, i};
    }
    tw_keyed *sorted = x;
    if (!stable) tw_introsort(x, n);
    else sorted = n > 1024 ? radix_sort(x, n, scratch) : merge_sort(x, n, scratch);
    for (int64_t i = 0; i < n; i++) {
        memcpy(values + i * values_stride, from + sorted[i].at * from_stride, size);
        memcpy(indices + i * indices_stride, &sorted[i].at, 8);
    }
}

/* What PyTorch sorts stably: on demand, and long vectors of integers upwards, by radix. */
static bool is_stable(const tw_arg *a) {
    const tw_tensor *self = a[0].t;
    if (tw_a_get_int(&a[1], 0)) return true;
    return self->ndim == 1 && !a[3].i && tw_is_integral((tw_dtype)self->dtype) && self->dtype != TW_BOOL && self->numel >= 32768 &&
           self->numel < INT32_MAX;
}

bool tw_sort_stable_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *values = outs[0], *indices = outs[1], *copy = NULL;
    int64_t dim = a[2].i, counters[TW_MAX_DIMS] = {0}, size = (int64_t)tw_dtype_size((tw_dtype)self->dtype);
    bool descending = a[3].i != 0;
    if (self->numel == 0) return true;
    if (!tw_wrap_dim(&dim, self->ndim)) return false;
    int64_t n = self->ndim ? self->sizes[dim] : 1;
    if (self->storage == values->storage && !(copy = tw_clone_new(self, TW_DTYPE_NONE, TW_CONTIGUOUS_FORMAT))) return false;
    if (copy) self = copy;
    tw_keyed *x = tw_malloc(sizeof(tw_keyed) * 2 * (size_t)n);
    if (!x) {
        tw_release(copy);
        return false;
    }
    const char *p = tw_data(self);
    char *v = tw_data(values), *ix = tw_data(indices);
    for (int64_t rows = self->numel / n; rows > 0; rows--) {
        sort_row(p, self->ndim ? self->strides[dim] * size : 0, n, (tw_dtype)self->dtype, descending, is_stable(a), x, x + n, v,
                 self->ndim ? values->strides[dim] * size : 0, ix, self->ndim ? indices->strides[dim] * 8 : 0);
        for (int d = self->ndim - 1; d >= 0; d--) {
            if (d == dim) continue;
            p += self->strides[d] * size, v += values->strides[d] * size, ix += indices->strides[d] * 8;
            if (++counters[d] < self->sizes[d]) break;
            p -= self->strides[d] * size * counters[d], v -= values->strides[d] * size * counters[d];
            ix -= indices->strides[d] * 8 * counters[d];
            counters[d] = 0;
        }
    }
    tw_free(x);
    tw_release(copy);
    return true;
}
