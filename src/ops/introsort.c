/* Note [Equal elements]. Where PyTorch does not promise a stable order, its results still show one: that of the C++ library's sort,
 * nth_element and partial_sort, which its CPU kernels call. We compare and move in the same order (introsort and introselect by
 * D. R. Musser, Introspective sorting and selection algorithms, 1997, with the median of the second, the middle and the last
 * element as pivot, runs of 16 left to insertion, heaps by Floyd's bottom-up sifting), so that equal elements fall alike. */
#include "ops/introsort.h"

enum { RUN = 16 };

/* --- keys --------------------------------------------------------------------------------------------------------------- */

static uint64_t float_key(double v, bool nan) {
    union { double d; uint64_t u; } x = {v == 0 ? 0.0 : v};
    if (nan) return UINT64_MAX;
    return x.u >> 63 ? ~x.u : x.u | (1ull << 63);
}

uint64_t tw_key_of(const char *p, tw_dtype d) {
    switch (d) {
    case TW_BOOL: case TW_UINT8: return *(const uint8_t *)p;
    case TW_INT8: return (uint64_t)(*(const int8_t *)p + 128);
    case TW_INT16: return (uint64_t)(*(const int16_t *)(const void *)p + 32768);
    case TW_INT32: return (uint64_t)((int64_t)*(const int32_t *)(const void *)p + 2147483648);
    case TW_INT64: return (uint64_t)*(const int64_t *)(const void *)p ^ 1ull << 63;
    case TW_UINT16: return *(const uint16_t *)(const void *)p;
    case TW_UINT32: return *(const uint32_t *)(const void *)p;
    case TW_UINT64: return *(const uint64_t *)(const void *)p;
    case TW_FLOAT32: { float v = *(const float *)(const void *)p; return float_key((double)v, v != v); }
    case TW_FLOAT64: { double v = *(const double *)(const void *)p; return float_key(v, v != v); }
    case TW_FLOAT16: { float v = tw_half_to_float(*(const uint16_t *)(const void *)p); return float_key((double)v, v != v); }
    default: { float v = tw_bfloat_to_float(*(const uint16_t *)(const void *)p); return float_key((double)v, v != v); }
    }
}

/* --- pieces ------------------------------------------------------------------------------------------------------------- */

static inline void swap(tw_keyed *a, tw_keyed *b) {
    tw_keyed t = *a;
    *a = *b;
    *b = t;
}

/* The last element of [.., last] moves down to its place; something not greater stands before it. */
static void sink_unguarded(tw_keyed *last) {
    tw_keyed v = *last;
    for (; v.key < last[-1].key; last--) *last = last[-1];
    *last = v;
}

static void insertion(tw_keyed *x, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        if (x[i].key >= x[0].key) {
            sink_unguarded(x + i);
            continue;
        }
        tw_keyed v = x[i];
        for (int64_t j = i; j > 0; j--) x[j] = x[j - 1];
        x[0] = v;
    }
}

/* The median of the second, the middle and the last element comes first and is the pivot. Where the upper part begins. */
static int64_t partition(tw_keyed *x, int64_t n) {
    tw_keyed *a = x + 1, *b = x + n / 2, *c = x + n - 1, *median;
    if (a->key < b->key) median = b->key < c->key ? b : a->key < c->key ? c : a;
    else median = a->key < c->key ? a : b->key < c->key ? c : b;
    swap(x, median);
    const uint64_t pivot = x->key;
    int64_t i = 1, j = n;
    for (;;) {
        while (x[i].key < pivot) i++;
        do j--; while (pivot < x[j].key);
        if (i >= j) return i;
        swap(x + i++, x + j);
    }
}

/* A max-heap x[0..n) with a hole: the larger child moves up all the way down, then v rises from there, to `top` at most. */
static void sift(tw_keyed *x, int64_t hole, int64_t n, tw_keyed v) {
    const int64_t top = hole;
    int64_t child = hole;
    while (child < (n - 1) / 2) {
        child = 2 * child + 2;
        if (x[child].key < x[child - 1].key) child--;
        x[hole] = x[child];
        hole = child;
    }
    if (n % 2 == 0 && child == (n - 2) / 2) {
        child = 2 * child + 1;
        x[hole] = x[child];
        hole = child;
    }
    for (int64_t parent; hole > top && x[parent = (hole - 1) / 2].key < v.key; hole = parent) x[hole] = x[parent];
    x[hole] = v;
}

/* The k smallest of n, as a heap. */
static void heap_select(tw_keyed *x, int64_t n, int64_t k) {
    for (int64_t i = k / 2 - 1; i >= 0; i--) sift(x, i, k, x[i]);
    for (int64_t i = k; i < n; i++) {
        if (x[i].key >= x[0].key) continue;
        tw_keyed v = x[i];
        x[i] = x[0];
        sift(x, 0, k, v);
    }
}

static void heap_sort(tw_keyed *x, int64_t n) {
    for (n--; n > 0; n--) {
        tw_keyed v = x[n];
        x[n] = x[0];
        sift(x, 0, n, v);
    }
}

/* --- whole ones --------------------------------------------------------------------------------------------------------- */

static int depth_limit(int64_t n) { return 2 * (63 - __builtin_clzll((uint64_t)n)); }

static void loop(tw_keyed *x, int64_t n, int depth) {
    while (n > RUN) {
        if (depth-- == 0) {
            heap_select(x, n, n);
            heap_sort(x, n);
            return;
        }
        int64_t cut = partition(x, n);
        loop(x + cut, n - cut, depth);
        n = cut;
    }
}

void tw_introsort(tw_keyed *x, int64_t n) {
    if (n < 2) return;
    loop(x, n, depth_limit(n));
    insertion(x, n < RUN ? n : RUN);
    for (int64_t i = RUN; i < n; i++) sink_unguarded(x + i);
}

/* What would stand at place nth in order stands there, nothing greater before it and nothing smaller after. */
static void introselect(tw_keyed *x, int64_t n, int64_t nth) {
    for (int depth = depth_limit(n); n > 3; depth--) {
        if (depth == 0) {
            heap_select(x, n, nth + 1);
            swap(x, x + nth);
            return;
        }
        int64_t cut = partition(x, n);
        if (cut <= nth) x += cut, nth -= cut, n -= cut;
        else n = cut;
    }
    insertion(x, n);
}

void tw_smallest_first(tw_keyed *x, int64_t n, int64_t k, bool sorted) {
    if (k * 64 <= n) { /* in order whatever `sorted` says */
        heap_select(x, n, k);
        heap_sort(x, k);
        return;
    }
    introselect(x, n, k - 1);
    if (sorted) tw_introsort(x, k - 1);
}
