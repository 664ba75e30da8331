/* Reference counts of shared structs. */
#ifndef TW_CORE_REFS_H
#define TW_CORE_REFS_H
#include <stdatomic.h>
#include <stdbool.h>

/* Note [Counts without atomics]
 * An atomic addition is a full barrier: 5 ns where a plain one is free, and making and dropping a view takes six. So while at most one thread
 * can be in the library, counts are plain. tw_sharers says how many reasons there are to think otherwise: it starts at 1, as a C program may
 * use any threads. The extension takes that away, since whoever is in it holds Python's lock, and adds 1 around each piece of work for which
 * it gives the lock up; the thread pool adds 1 while workers run. A thread that adds 1 does so before others can enter, and takes it away
 * when they cannot any more; so nobody is in the middle of a plain addition when another thread counts. */
extern atomic_int tw_sharers;
static inline void tw_share(void) { atomic_fetch_add(&tw_sharers, 1); }
static inline void tw_unshare(void) { atomic_fetch_sub(&tw_sharers, 1); }

/* Adds 1: a reference, or a version. */
static inline void tw_count_up(atomic_uint *count) {
    if (__builtin_expect(atomic_load_explicit(&tw_sharers, memory_order_relaxed) != 0, 0)) {
        atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    } else {
        atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
    }
}

/* Drops a reference; whether it was the last. A sole owner needs no atomic subtraction: nobody else can take a reference. */
static inline bool tw_last_reference(atomic_uint *refs) {
    const unsigned held = atomic_load_explicit(refs, memory_order_acquire);
    if (held == 1) return true;
    if (__builtin_expect(atomic_load_explicit(&tw_sharers, memory_order_relaxed) != 0, 0))
        return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
    atomic_store_explicit(refs, held - 1, memory_order_relaxed);
    return false;
}
#endif
