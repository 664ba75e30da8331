/* The pending error of a thread. It lives in fixed buffers: reporting that memory ran out must not need memory. */
#include "core/error.h"
#include "core/tls.h"
#include <stdarg.h>
#include <string.h>

enum { MESSAGE_BYTES = 4096, HINT_BYTES = 2048, SIZES_BUFFERS = 8, SIZES_BYTES = 1600 };

static _Thread_local TW_FAST_TLS tw_error_kind pending;
static _Thread_local char message[MESSAGE_BYTES];
static _Thread_local char hint[HINT_BYTES];

tw_error_kind tw_error(void) { return pending; }
const char *tw_error_message(void) { return pending ? message : ""; }
const char *tw_error_hint(void) { return pending ? hint : ""; }

void tw_clear_error(void) { pending = TW_OK; }

int tw_report(FILE *to) {
    if (!pending) return 0;
    fprintf(to, "%s\n", message);
    if (hint[0]) fprintf(to, "%s\n", hint);
    pending = TW_OK;
    return 1;
}

static void set_error(tw_error_kind kind, const char *format, va_list values) {
    if (pending) return;
    pending = kind;
    hint[0] = '\0';
    vsnprintf(message, sizeof message, format, values);
}

bool tw_fail(tw_error_kind kind, const char *format, ...) {
    va_list values;
    va_start(values, format);
    set_error(kind, format, values);
    va_end(values);
    return false;
}

void *tw_fail_null(tw_error_kind kind, const char *format, ...) {
    va_list values;
    va_start(values, format);
    set_error(kind, format, values);
    va_end(values);
    return NULL;
}

bool tw_hint(const char *format, ...) {
    if (!pending) return false;
    size_t used = strlen(hint);
    if (used > 0 && used + 1 < sizeof hint) {
        hint[used++] = '\n';
        hint[used] = '\0';
    }
    va_list values;
    va_start(values, format);
    vsnprintf(hint + used, sizeof hint - used, format, values);
    va_end(values);
    return false;
}

bool tw_fail_memory(size_t bytes) {
    return tw_fail(TW_RUNTIME_ERROR,
                   "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
                   "allocate %zu bytes. Error code 12 (Cannot allocate memory)", bytes);
}

const char *tw_sizes_text(const int64_t *sizes, int64_t n) {
    static _Thread_local char buffers[SIZES_BUFFERS][SIZES_BYTES];
    static _Thread_local unsigned turn;
    char *text = buffers[turn++ % SIZES_BUFFERS];
    size_t used = 0;
    text[used++] = '[';
    for (int64_t i = 0; i < n && used + 32 < SIZES_BYTES; i++)
        used += (size_t)snprintf(text + used, SIZES_BYTES - used, i ? ", %lld" : "%lld", (long long)sizes[i]);
    text[used++] = ']';
    text[used] = '\0';
    return text;
}
