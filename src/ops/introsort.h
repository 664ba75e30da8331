/* Sorting and selecting pairs of a key and a place. */
#ifndef TW_OPS_INTROSORT_H
#define TW_OPS_INTROSORT_H
#include "core/dtype.h"

typedef struct tw_keyed { uint64_t key; int64_t at; } tw_keyed;

/* A key whose unsigned order is the element's: NaN greatest, -0 equal to 0. No complex or storage-only types. */
uint64_t tw_key_of(const char *p, tw_dtype d);

/* By key; see the note in the file about equal ones. */
void tw_introsort(tw_keyed *x, int64_t n);
/* The k smallest come first: in order if `sorted`, else as they fall. 0 < k <= n. */
void tw_smallest_first(tw_keyed *x, int64_t n, int64_t k, bool sorted);
#endif
