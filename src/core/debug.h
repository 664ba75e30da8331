/* What the library does, told on stderr. TALLOW_DEBUG, read once at load:
 *   1  what was chosen at load: instruction set, threads, cache
 *   2  also each kernel: op, arguments, results, dtype and path of the kernel, time
 *   3  also each node that backward runs
 *   4  also each block of memory taken
 * Off, a check costs one load and a predicted branch. */
#ifndef TW_CORE_DEBUG_H
#define TW_CORE_DEBUG_H
#include <stdbool.h>
#include <stdint.h>

extern int tw_debug_level; /* written at load only */
static inline bool tw_debugs(int level) { return __builtin_expect(tw_debug_level >= level, 0); }

/* A line on stderr, in one write. */
void tw_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t tw_debug_clock(void); /* ns */
#endif
