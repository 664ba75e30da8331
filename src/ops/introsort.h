/* Sorting and selecting pairs of a key and a place. */
#ifndef TW_OPS_INTROSORT_H
#define TW_OPS_INTROSORT_H
#include "core/dtype.h"

typedef struct tw_keyed { uint64_t key; int64_t at; } tw_keyed;

/* A key whose unsigned order is the element's: NaN greatest, -0 equal to 0. No complex numbers or floats of 8 bits. */
uint64_t tw_key_of(const char *p, tw_dtype d);
static inline bool tw_key_is_nan(uint64_t key, tw_dtype d) { return key == UINT64_MAX && tw_is_float(d); }
/* Keys of n elements that lie `stride` bytes apart. */
static inline void tw_keys_of(int64_t n, const char *from, int64_t stride, tw_dtype d, uint64_t *to) {
    for (int64_t i = 0; i < n; i++) to[i] = tw_key_of(from + i * stride, d);
}

/* Does a heap select k of n? In the C++ library's partial_sort it does. */
static inline bool tw_few_of(int64_t k, int64_t n) { return k * 64 <= n; }

/* By key; see the note in the file about equal ones. */
void tw_introsort(tw_keyed *x, int64_t n);
/* The k smallest come first: in order if `sorted`, else as they fall. 0 < k <= n. */
void tw_smallest_first(tw_keyed *x, int64_t n, int64_t k, bool sorted);

/* A key of 32 bits and a place, packed: the key above. The same three; _whole: no two items are equal, as the places count too. */
void tw_introsort_packed(uint64_t *x, int64_t n);
void tw_introsort_whole(uint64_t *x, int64_t n);
void tw_smallest_first_packed(uint64_t *x, int64_t n, int64_t k, bool sorted);
void tw_smallest_first_whole(uint64_t *x, int64_t n, int64_t k, bool sorted);
/* The same k items of n keys where tw_few_of(k, n): their places are their numbers. */
void tw_smallest_of_keys(const uint32_t *key, int64_t n, int64_t k, uint64_t *x);

/* Keys of 32 bits, for dtypes of up to 4 bytes. flip: 0, or all ones to turn the order round. */
void tw_keys32_of(int64_t n, const char *from, int64_t stride, tw_dtype d, uint32_t flip, uint32_t *to);
/* n elements `stride` bytes apart as packed items; false if 32 bits do not tell them apart. An integer is its key plus *offset. */
bool tw_pack(int64_t n, const char *from, int64_t stride, tw_dtype d, bool descending, uint64_t *to, int64_t *offset);
#endif
