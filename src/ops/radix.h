/* Stable sorting by digits of the key, the lowest first. */
#ifndef TW_OPS_RADIX_H
#define TW_OPS_RADIX_H
#include "ops/introsort.h"

/* By key alone, equal ones as they stood. `spare` is as long; the sorted items are where the result points, x or spare. */
uint64_t *tw_radix_sort_packed(uint64_t *x, int64_t n, uint64_t *spare);
tw_keyed *tw_radix_sort(tw_keyed *x, int64_t n, tw_keyed *spare);
#endif
