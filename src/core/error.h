/* Errors of the current thread: the first stays until cleared. */
#ifndef TW_CORE_ERROR_H
#define TW_CORE_ERROR_H
#include "tallow/tallow.h"
#include <stddef.h>

/* Sets the pending error unless one is pending already. Always returns false, so that a failing function can say
 * `return tw_fail(...)`; pointer-returning functions write `return tw_fail_null(...)`. */
bool tw_fail(tw_error_kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *tw_fail_null(tw_error_kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends a line to the hint of the pending error: what helps beyond PyTorch's own text. Returns false. */
bool tw_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool tw_fail_memory(size_t bytes); /* PyTorch's text for a failed allocation (RuntimeError); returns false */
static inline bool tw_failed(void) { return tw_error() != TW_OK; }

/* A warning (UserWarning in Python): given to the hook when one is set (the extension sets it), else printed on stderr. */
void tw_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void (*tw_warn_hook)(const char *text);

/* "[2, 3]" as PyTorch prints sizes inside messages; written into a thread-local ring of buffers. */
const char *tw_sizes_text(const int64_t *sizes, int64_t n);
#endif
